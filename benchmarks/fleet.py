"""Many groups: the product's own work for each, its memory, and a whole sweep against Azure's token buckets.

`python -m benchmarks.fleet N` measures N groups in a process of its own and prints JSON.
"""

import asyncio
import dataclasses
import json
import logging
import math
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.arm_calls import bench_of
from benchmarks.in_memory import SUBSCRIPTIONS, Azure, Hands, Rows, ports_of, settings_of
from benchmarks.measure import Figure
from shared.adapters.pace import LONGEST, Pace
from shared.errors import Throttled
from shared.fleet import parse
from shared.groups.model import ReferenceStatus, RegionSettings
from shared.ports import Ports
from shared.reconcile import workflow as reconcile
from shared.settings import Settings
from shared.settings_sync.workflow import read_rollout
from simulator.pair import many
from simulator.services.resource_manager import RATES, Bucket
from tests.fakes.loop import run
from tests.fakes.storage_queue import FakeErrands

ROOT = Path(__file__).parents[1]
SIZES = (1, 10, 100, 1_000, 10_000)
TICKS = 3  # of which the quickest counts
MEMORY = 300.0  # MiB at a thousand groups
LINEAR = 1.5  # a group's share among so many against its share among a tenth
OPERATIONS = 7  # of the store, for a group in a tick with nothing to do
PER_TICK = (
    2  # store operations of a tick itself, however many groups there are: drills to give back, what to tell
)
SWEEP = 1.15  # times what the buckets allow
SHARED_SWEEP = 1.5  # the same for instances that know of each other only by Azure's answers
LISTS = 4  # calls that a pair's settings cost: app settings and connection strings, twice
OVER_HTTP = 150  # groups
GLANCE = 0.25  # seconds from one look whether a sweep is over to the next
INSTANCES, HANDS_EACH = 4, 24  # of the function app, and rounds that each runs at once (host.json)


# -- work and memory --------------------------------------------------------------------------------------------


def work() -> list[Figure]:
    """A tick with nothing to do and a sweep, at each size; CPU as a ratio to the size before."""
    figures: list[Figure] = []
    before: Mapping[str, float] = {}
    for groups in SIZES:
        found = _measured(groups)
        name = f"fleet.{groups}-groups"
        figures += [
            Figure(f"{name}.cpu-ms-per-quiet-round", round(found["quiet_ms"], 3), "ms"),
            Figure(f"{name}.cpu-ms-per-sweeping-round", round(found["sweep_ms"], 3), "ms"),
            Figure(f"{name}.memory", round(found["memory"]), "MiB", MEMORY if groups == 1_000 else None),
            Figure(
                f"{name}.store-operations-per-quiet-round",
                round(found["operations"], 2),
                "calls",
                OPERATIONS + PER_TICK / groups,
            ),
            Figure(f"{name}.profile-reads-per-tick", found["reads"], "calls", max(1, groups // 100)),
            Figure(f"{name}.probes-per-region-and-tick", found["probes"], "probes", 1),
            Figure(f"{name}.other-arm-calls-per-tick", found["others"], "calls", 0),
        ]
        if before and groups > 100:  # below that, what a tick costs by itself counts for more
            ratio = found["quiet_ms"] / before["quiet_ms"]
            figures.append(Figure(f"{name}.cpu-ratio-to-a-tenth", round(ratio, 2), "ratio", LINEAR))
        before = found
    return figures


def _measured(groups: int) -> Mapping[str, float]:
    command = [sys.executable, "-m", "benchmarks.fleet", str(groups)]
    ran = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: Mapping[str, float] = json.loads(ran.stdout)
    return found


async def _measure(groups: int) -> Mapping[str, float]:
    """In this process: first contact, ticks with nothing to do, and a sweep."""
    hands, store = Hands(), Rows()
    azure = Azure(groups, hands)
    ports, settings = ports_of(azure, store, hands), settings_of()

    async def tick(minutes: float) -> float:
        hands.time += timedelta(minutes=minutes)
        store.asked.clear()
        azure.calls.clear()
        began = time.process_time()
        rounds = await reconcile.run_all(ports, settings)
        took = time.process_time() - began
        if failed := [item for item in rounds if not isinstance(item, reconcile.Round)]:
            raise RuntimeError(f"a round failed: {failed[0]}")
        return took * 1000 / groups

    await tick(0)
    quiet = min([await tick(1) for _ in range(TICKS)])
    operations, calls = store.asked.total() / groups, dict(azure.calls)
    sweep = await tick(16)
    return {
        "quiet_ms": quiet,
        "sweep_ms": sweep,
        "memory": _peak(),
        "operations": operations,
        "reads": calls["profiles"],
        "probes": calls["probe"] / (2 * groups),
        "others": sum(number for name, number in calls.items() if name not in {"profiles", "probe", "proof"}),
    }


def _peak() -> float:
    """MiB that this process has held at most. Not `ru_maxrss`, in which a child begins with its parent's."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    return int(found[1]) / 1024 if found else 0.0


# -- a whole sweep ----------------------------------------------------------------------------------------------


class Running(Hands):
    """A clock that follows the loop's."""

    def __init__(self) -> None:
        super().__init__()
        self.began = asyncio.get_running_loop().time()

    def now(self) -> datetime:
        """The loop's time, as a date."""
        return self.time + timedelta(seconds=asyncio.get_running_loop().time() - self.began)


class Metered(Azure):
    """Azure with its buckets for listings, one for each subscription."""

    def __init__(self, groups: int, clock: Running, *, subscriptions: int) -> None:
        super().__init__(groups, clock, subscriptions=subscriptions)
        size, refill = RATES["writes"]
        self._buckets = [Bucket(size, refill, size, clock.began) for _ in range(subscriptions)]
        self.refused = 0

    def bucket(self, site_id: str) -> Bucket:
        """The one that this site's listings take from."""
        return self._buckets[SUBSCRIPTIONS.index(site_id.split("/")[2])]


class Instance:
    """One instance's readings of settings, with its own pace before them, as `PacePolicy` has it."""

    def __init__(self, azure: Metered) -> None:
        self._azure, self._pace = azure, Pace()

    async def get_settings(self, site_id: str) -> RegionSettings:
        """Two listings."""
        await asyncio.gather(self._listing(site_id), self._listing(site_id))
        return await self._azure.get_settings(site_id)

    async def list_references(self, site_id: str) -> tuple[ReferenceStatus, ...]:
        """As the port says."""
        return await self._azure.list_references(site_id)

    async def _listing(self, site_id: str) -> None:
        mine, bucket = (
            self._pace.of("POST", f"{site_id}/config/appsettings/list"),
            self._azure.bucket(site_id),
        )
        until = asyncio.get_running_loop().time() + LONGEST
        while asyncio.get_running_loop().time() < until:
            await mine.turn(urgent=False)
            wait = bucket.take(asyncio.get_running_loop().time())
            if wait is None:
                left = {"x-ms-ratelimit-remaining-subscription-writes": f"{int(bucket.left)}"}
                mine.heard(200, left, "writes")
                return
            self._azure.refused += 1
            mine.heard(429, {"Retry-After": f"{math.ceil(wait)}"}, "writes")
        raise Throttled("listing settings")


@dataclasses.dataclass(frozen=True)
class Sweep:
    """First contact of so many groups, and what it may take."""

    groups: int
    instances: int = 0  # to which the rounds are handed out; 0: one timer does them all
    subscriptions: int = 1
    most: float | None = None  # times what the buckets allow

    @property
    def name(self) -> str:
        """In results."""
        by = {0: "one-timer", 1: "one-instance", INSTANCES: "four-instances"}[self.instances]
        where = f".{self.subscriptions}-subscriptions" if self.subscriptions > 1 else ""
        return f"sweep.{self.groups}-groups.{by}{where}"

    def figures(self) -> list[Figure]:
        """Play it."""
        wall, refused = run(_sweep(self))
        calls = self.groups * LISTS
        allowed = _allowed(calls / self.subscriptions)
        refusals = Figure(
            f"{self.name}.refused-share",
            round(refused / calls, 3),
            "ratio",
            None if self.instances > 1 else 0,
        )
        if not allowed:  # all are granted at once
            return [refusals]
        return [
            Figure(f"{self.name}.ratio-to-the-buckets", round(wall / allowed, 3), "ratio", self.most),
            refusals,
        ]


SWEEPS = (
    Sweep(1),
    Sweep(10),
    Sweep(100, most=SWEEP),
    Sweep(1_000, most=SWEEP),
    Sweep(1_000, 1, most=SWEEP),
    Sweep(1_000, INSTANCES, most=SHARED_SWEEP),
    Sweep(10_000, INSTANCES, subscriptions=10, most=SHARED_SWEEP),
)


def swept_in_memory() -> list[Figure]:
    """First contact: looked at by one timer, and handed out to several instances."""
    logging.disable(logging.CRITICAL)
    figures = [figure for sweep in SWEEPS for figure in sweep.figures()]
    logging.disable(logging.NOTSET)
    return figures


async def _sweep(of: Sweep) -> tuple[float, int]:
    """Ticks until every group's settings were read once; seconds of the loop, and refused calls."""
    hands, store, errands, instances = Running(), Rows(), FakeErrands(), of.instances
    azure = Metered(of.groups, hands, subscriptions=of.subscriptions)
    plain, settings = ports_of(azure, store, hands), settings_of(subscriptions=of.subscriptions)
    each = [
        dataclasses.replace(plain, settings_reads=Instance(azure), errands=errands if instances else None)
        for _ in range(instances or 1)
    ]
    workers = [
        asyncio.create_task(_pull(errands, ports, settings)) for ports in each for _ in range(HANDS_EACH)
    ]
    unread = [profile.id for profile in azure.profiles]
    try:
        while unread:
            tick = asyncio.create_task(reconcile.run_all(each[0], settings))
            until = asyncio.get_running_loop().time() + 60.0
            while unread and asyncio.get_running_loop().time() < until:
                await asyncio.sleep(GLANCE)
                while unread and await _is_read(unread[-1], store):
                    unread.pop()
            await tick
    finally:
        for worker in workers:
            worker.cancel()
    return asyncio.get_running_loop().time() - hands.began, azure.refused


async def _pull(errands: FakeErrands, ports: Ports, settings: Settings) -> None:
    """One of an instance's hands."""
    while True:
        if errands.sent:
            text, _ = errands.sent.pop(0)
            await reconcile.run_errand(parse(text), ports, settings)
        else:
            await asyncio.sleep(0.5)


async def _is_read(group_id: str, store: Rows) -> bool:
    row = await read_rollout(store, group_id)
    return row is not None and row.looked_at is not None


def _allowed(calls: float) -> float:
    """Seconds in which a bucket grants so many calls, from full."""
    size, refill = RATES["writes"]
    return max(0.0, (calls - size) / refill)


async def swept_over_http() -> list[Figure]:
    """First contact of pairs over real HTTP, with the simulator's buckets enforced."""
    world = many(OVER_HTTP)
    world.boot_seconds, world.arm.throttle = 0.0, True
    async with bench_of(world, {"COUNTERPART_PACKAGE_CHECK_EVERY": "1h"}) as on:
        began = time.perf_counter()
        while any(
            not isinstance(port, reconcile.Round) for port in await reconcile.run_all(on.ports, on.settings)
        ):
            pass
        wall = time.perf_counter() - began
        refused = sum(request.status == 429 for request in on.cloud.requests)
        lists = sum(request.path.endswith("/list") and request.status == 200 for request in on.cloud.requests)
    name = f"sweep.{OVER_HTTP}-groups.over-http"
    return [
        Figure(f"{name}.ratio-to-the-buckets", round(wall / _allowed(lists), 3), "ratio", SWEEP),
        Figure(f"{name}.listings-per-group", lists / OVER_HTTP, "calls", LISTS),
        Figure(f"{name}.refused", refused, "calls", 0),
    ]


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    sys.stdout.write(json.dumps(asyncio.run(_measure(int(sys.argv[1])))))

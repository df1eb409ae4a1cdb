"""Resource Manager calls, writes and restarts: for one change, for bursts, and for a tick with nothing to do.

Runs the product's rounds in this process, over real HTTP against the simulator, with the soak set to zero.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import aiohttp

from benchmarks.measure import Figure
from shared.bootstrap import opened
from shared.groups.workflow import discover
from shared.ports import Ports
from shared.reconcile import workflow as reconcile
from shared.settings import Settings
from shared.settings_sync.model import State
from simulator.pair import a_pair
from simulator.premises import Request
from simulator.server import Cloud
from simulator.world import Site, World

AT_ONCE = {"COUNTERPART_SOAK": "0s", "COUNTERPART_PROBE_EVERY": "0s", "COUNTERPART_PROVE_EVERY": "0s"}
QUIET = {"COUNTERPART_SOAK": "0s", "COUNTERPART_PROBE_EVERY": "1s"}  # every tick probes; the proof is not due
BURSTS = (1, 10, 100)
ROUNDS = 60  # at most, for one change
TURNS = 5  # of which the quietest counts
LATENCY = 0.05  # seconds before each answer of Resource Manager: low for Azure, yet no loopback's
WEB, TRAFFIC_MANAGER = "2025-05-01", "2026-09-01"  # the SDKs' api-versions


@dataclass
class Bench:
    """A cloud and the product's ports in it."""

    cloud: Cloud
    ports: Ports
    settings: Settings

    @property
    def sites(self) -> tuple[Site, Site]:
        """Region A and region B."""
        first, second = self.cloud.world.sites.values()
        return first, second

    async def round(self, *, doorbell: bool) -> State | None:
        """One wake-up."""
        (profile,) = await discover(self.settings.scope, self.ports.profiles)
        done = await reconcile.run(profile, self.ports, self.settings, doorbell=doorbell)
        return done.rollout.state if done.rollout else None

    async def converge(self) -> None:
        """Wake-ups until the regions agree."""
        for _ in range(ROUNDS):
            if await self.round(doorbell=True) is State.CONVERGED:
                return
            await asyncio.sleep(0.05)
        raise RuntimeError(f"not converged after {ROUNDS} rounds")


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Put values into the environment, where azure-identity looks, for as long as the block runs."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.asynccontextmanager
async def bench(times: Mapping[str, str]) -> AsyncIterator[Bench]:
    """A converged pair."""
    world = a_pair()
    world.boot_seconds = 0.0
    async with bench_of(world, times) as made:
        await made.converge()
        yield made


@contextlib.asynccontextmanager
async def bench_of(world: World, more: Mapping[str, str]) -> AsyncIterator[Bench]:
    """A world that nobody has looked at yet."""
    async with Cloud(world) as cloud:
        env = {**cloud.env(), **more}
        with environment(env):
            settings = Settings.from_env(env)
            async with opened(settings) as ports:
                yield Bench(cloud, ports, settings)


async def bursts() -> list[Figure]:
    """One write and one restart of the peer, however many edits were saved in its region."""
    figures = []
    async with bench(AT_ONCE) as on:
        first, second = on.sites
        for number in BURSTS:
            mark, calls = len(on.cloud.world.journal), len(on.cloud.requests)
            for turn in range(number):
                on.cloud.world.edit(first, {f"AppConfig:Bench{turn % 5}": f"burst {number} edit {turn}"})
            await on.converge()
            world = on.cloud.world
            name = f"change.burst-{number}"
            writes = world.count("settings-put", second.name, since=mark)
            others = world.count("settings-put", first.name, since=mark) - number
            figures += [
                Figure(f"{name}.peer-writes", writes, "writes", 1),
                Figure(f"{name}.other-writes", others, "writes", 0),
                Figure(
                    f"{name}.peer-restarts", world.count("restart", second.name, since=mark), "restarts", 1
                ),
                Figure(f"{name}.arm-calls", len(on.cloud.requests) - calls, "calls"),
            ]
    return figures


async def quiet_tick() -> list[Figure]:
    """A converged group, one timer tick: one Traffic Manager read, at most one probe a region, nothing else."""
    async with bench(QUIET) as on:
        await on.round(doorbell=False)
        await asyncio.sleep(1)  # a minute, at this pace
        mark, calls = len(on.cloud.world.journal), len(on.cloud.requests)
        await on.round(doorbell=False)
        asked = on.cloud.requests[calls:]
        reads = sum("trafficmanagerprofiles" in request.path.lower() for request in asked)
        probes = max(on.cloud.world.count("probe", site.name, since=mark) for site in on.sites)
        return [
            Figure("converged.tick.traffic-manager-reads", reads, "calls", 1),
            Figure("converged.tick.other-arm-calls", len(asked) - reads, "calls", 0),
            Figure("converged.tick.probes-per-region", probes, "probes", 1),
        ]


async def against_bare_calls() -> list[Figure]:
    """Event to converged peer, against the same Resource Manager calls made bare, one after another."""
    ratios = []
    async with bench(AT_ONCE) as on:
        on.cloud.world.arm.delay = LATENCY
        first, second = on.sites
        for turn in range(TURNS):
            calls = len(on.cloud.requests)
            on.cloud.world.edit(first, {"AppConfig:Bench": f"turn {turn}"})
            began = time.perf_counter()
            await on.converge()
            took = time.perf_counter() - began
            asked = on.cloud.requests[calls:]
            ratios.append(took / await _bare(on, asked, second))
    return [Figure("event-to-converged.ratio-to-bare-calls", round(min(ratios), 2), "ratio", 1.2)]


async def _bare(on: Bench, asked: Sequence[Request], written: Site) -> float:
    """Seconds for the same calls in turn, over one warm connection, without an SDK or anything of ours."""
    token, _ = on.cloud.tokens.issue(
        on.cloud.managed_identity, on.cloud.arm_url, f"{on.cloud.login_url}/{on.cloud.tenant}"
    )
    connector = aiohttp.TCPConnector(ssl=on.cloud.authority.client_context())
    headers = {"Authorization": f"Bearer {token}"}
    body = {"properties": dict(written.app_settings)}  # the same again, so that nothing differs afterwards
    async with aiohttp.ClientSession(on.cloud.arm_url, connector=connector, headers=headers) as session:
        began = time.perf_counter()
        for request in asked:
            version = TRAFFIC_MANAGER if "microsoft.network" in request.path.lower() else WEB
            json = body if request.method == "PUT" else None
            async with session.request(
                request.method, request.path, params={"api-version": version}, json=json
            ) as answer:
                await answer.read()
                answer.raise_for_status()
        return time.perf_counter() - began

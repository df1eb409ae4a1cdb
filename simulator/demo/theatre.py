"""The world, the function app in the stage, a device, and a shell: all that a scene uses."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from shared.adapters.sqlite import SqliteStore
from shared.artifact_hosts.model import HostState, Packages
from shared.artifact_hosts.model import State as PackageState
from shared.artifact_hosts.workflow import read_packages, watches
from shared.drills.model import Drill
from shared.drills.workflow import list_drills
from shared.incidents.model import Incident
from shared.incidents.workflow import list_incidents
from shared.settings import Settings
from shared.settings_sync.model import Rollout, State
from shared.settings_sync.workflow import read_rollout
from shared.store import Store
from simulator.demo.front import front_door
from simulator.demo.telling import Teller
from simulator.device import Device
from simulator.pair import a_pair
from simulator.server import Cloud
from simulator.stage import Stage
from simulator.world import EventSubscription, Os, Site, World

ROOT = Path(__file__).parents[2]
SPEED = 50.0  # Traffic Manager's waits and DNS TTLs pass that much faster
TIMER = 0.5  # seconds; the real timer fires every minute
SOAK = 2.0
PRODUCT = {"counterpart", "operator"}  # the app's managed identity, and the principal of the command line

# The product's own times, shortened like everything else. The probe interval lets every tick look.
TIMES = {
    "COUNTERPART_SOAK": f"{SOAK:g}s",
    "COUNTERPART_SOAK_DEADLINE": "4s",
    "COUNTERPART_VERIFY_DEADLINE": "20s",
    "COUNTERPART_SWEEP": "3s",
    "COUNTERPART_PROBE_EVERY": "200ms",
    "COUNTERPART_PROVE_EVERY": "2s",
    "COUNTERPART_PACKAGE_CHECK_EVERY": "300ms",
    "COUNTERPART_CONFIRM_AFTER": "1s",
    "COUNTERPART_FLAP_WINDOW": "2s",
    "COUNTERPART_DRILL_SAMPLE_EVERY": "200ms",
    "COUNTERPART_SERVICE_HOSTS": "scepman=scep.contoso.test",
}


class SceneFailed(Exception):
    """A scene did not end as it should."""


@dataclass
class Ran:
    """A command of a person's shell, done."""

    code: int
    out: str

    def json(self) -> Any:
        """The output as JSON."""
        return json.loads(self.out)


@dataclass
class Theatre:
    """Everything a scene may touch."""

    cloud: Cloud
    stage: Stage
    store: Store
    teller: Teller
    settings: Settings
    cli_output: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    keep: Path | None = None  # where a drill's report is kept, for the documents

    @property
    def world(self) -> World:
        """The world's truth."""
        return self.cloud.world

    @property
    def sites(self) -> tuple[Site, Site]:
        """Region A and region B of the pair."""
        first, second = self.world.sites.values()
        return first, second

    @property
    def domain(self) -> str:
        """The service name that devices know."""
        return next(iter(self.world.custom_domains))

    def device(self, name: str = "") -> Device:
        """A device that knows the service name, or only the given host."""
        return Device(self.cloud, name or self.domain)

    def check(self, ok: bool, what: str) -> None:  # noqa: FBT001 -- reads like an assertion
        """Note whether something is as it should be."""
        self.teller.checked(what, ok=ok)
        if not ok:
            self.failed.append(what)

    def fail(self, what: str) -> None:
        """Note that something went wrong."""
        self.check(False, what)  # noqa: FBT003 -- as above

    def writes(self, site: Site, since: int) -> int:
        """Settings writes of the product to a site since a journal position, by the app or the command line."""
        return sum(
            1
            for happening in self.world.journal[since:]
            if happening.where == site.name
            and happening.what in {"settings-put", "connections-put"}
            and happening.who in PRODUCT
        )

    async def until(self, so: Callable[[], bool], what: str, *, within: float = 25.0) -> None:
        """Wait until something is so.

        Raises:
            SceneFailed: it did not come about in that many seconds.
        """
        try:
            async with asyncio.timeout(within):
                while not so():  # noqa: ASYNC110 -- the world is plain state; it tells nobody
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise SceneFailed(f"waited {within:g} s in vain until {what}") from error

    async def until_state(self, *states: State, within: float = 25.0) -> Rollout:
        """Wait until the group's row says one of the states; returns the row."""
        group = next(iter(self.world.profiles.values())).id
        row: Rollout | None = None
        try:
            async with asyncio.timeout(within):
                while row is None or row.state not in states:
                    await asyncio.sleep(0.1)
                    row = await read_rollout(self.store, group)
        except TimeoutError as error:
            last = f"{row.state}: {row.reason}" if row else "not looked at"
            raise SceneFailed(
                f"waited {within:g} s in vain for {' or '.join(states)}; it is {last}"
            ) from error
        self.teller.say(f"counterpart: {row.state}: {row.reason}")
        return row

    async def until_hosts_are_known(self, *, within: float = 25.0) -> None:
        """Wait until every package host was looked at often enough to be called up."""
        try:
            async with asyncio.timeout(within):
                states: set[HostState] = set()
                while states != {HostState.UP}:
                    await asyncio.sleep(0.1)
                    states = {watch.state for watch in (await watches(self.store)).values()}
        except TimeoutError as error:
            raise SceneFailed(f"waited {within:g} s in vain for the package hosts to be up") from error

    async def until_packages_rest(self, *, within: float = 25.0) -> Packages:
        """Wait until every region has a host and none is being moved; returns the row."""
        group = next(iter(self.world.profiles.values())).id
        row: Packages | None = None
        try:
            async with asyncio.timeout(within):
                while row is None or row.flight is not None or row.state is not PackageState.WATCHING:
                    await asyncio.sleep(0.1)
                    row = await read_packages(self.store, group)
        except TimeoutError as error:
            last = f"{row.state}: {row.reason}" if row else "not looked at"
            raise SceneFailed(
                f"waited {within:g} s in vain for the packages to rest; they are {last}"
            ) from error
        self.teller.say(f"counterpart: {row.state}: {row.reason}")
        return row

    async def until_incident(
        self, wanted: Callable[[Incident], bool], what: str, *, since: datetime, within: float = 25.0
    ) -> Incident:
        """Wait until an incident that began after a moment is as wanted; returns it."""
        try:
            async with asyncio.timeout(within):
                while True:
                    for incident in await list_incidents(self.store, self.settings.incidents):
                        if incident.started >= since and wanted(incident):
                            return incident
                    await asyncio.sleep(0.1)
        except TimeoutError as error:
            raise SceneFailed(f"waited {within:g} s in vain until an incident {what}") from error

    async def until_drilled(self, *, within: float = 40.0) -> Drill:
        """Wait until the newest drill is over; returns it."""
        found: tuple[Drill, ...] = ()
        try:
            async with asyncio.timeout(within):
                while not found or not found[0].ended:
                    await asyncio.sleep(0.1)
                    found = await list_drills(self.store)
        except TimeoutError as error:
            last = f"{found[0].state}: {found[0].reason}" if found else "none"
            raise SceneFailed(f"waited {within:g} s in vain for a drill to be over; it is {last}") from error
        self.teller.say(f"counterpart: drill {found[0].state}: {found[0].reason}")
        return found[0]

    def told(self, kind: str, since: float) -> list[Any]:
        """Return what a receiver got after a moment of the world's clock: the bodies, oldest first."""
        return [received.body for received in self.world.receivers[kind].got if received.at >= since]

    def cards(self, since: float) -> list[dict[str, Any]]:
        """The cards that came after a moment of the world's clock."""
        return [item["attachments"][0]["content"] for item in self.told("teams", since)]

    async def page(self, url: str) -> str:
        """Return what a person's browser shows at an address; SceneFailed when it is no page."""
        async with (
            aiohttp.ClientSession() as browser,
            browser.get(url, headers={"Accept": "text/html,*/*;q=0.8"}) as answer,
        ):
            if (answer.status, answer.content_type) != (200, "text/html"):
                raise SceneFailed(f"{url} answered {answer.status}, {answer.content_type}")
            return await answer.text()

    async def shell(self, *arguments: str, show: int | None = None) -> Ran:
        """Return what a person types, shown with its output, or with the first lines of it."""
        quoted = " ".join(f"'{argument}'" if " " in argument else argument for argument in arguments)
        self.teller.command(f"counterpart {quoted}")
        ran = await self._run(*arguments)
        lines = ran.out.rstrip().splitlines()
        left = 0 if show is None else max(0, len(lines) - show)
        self.teller.output("\n".join([*lines[:show], *([f"... and {left} lines more"] if left else [])]))
        return ran

    async def _run(self, *arguments: str) -> Ran:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli.main", *arguments),
            cwd=ROOT,
            env=_shell_env() | operator_env(self.cloud),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        ran = Ran(process.returncode or 0, output.decode())
        self.cli_output.append(ran.out)
        return ran


def operator_env(cloud: Cloud) -> dict[str, str]:
    """An operator's variables: signed in as a service principal rather than by managed identity."""
    product = {name: value for name, value in cloud.env().items() if not name.startswith("IDENTITY_")}
    return {**product, **TIMES, **cloud.operator_env()}


def _shell_env() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "USER") if name in os.environ}


@contextlib.asynccontextmanager
async def theatre(
    teller: Teller,
    *,
    second_os: Os = "windows",
    directory: Path | None = None,
    on_log: Callable[[str], None] | None = None,
) -> AsyncIterator[Theatre]:
    """Start the world and the function app; stop both. `on_log` is given each line of the app's log."""
    world = a_pair(second_os)
    world.speed = SPEED
    async with Cloud(world, directory=directory) as cloud, front_door() as door:
        env = {**cloud.env(), **TIMES, "COUNTERPART_BASE_URL": door.url}
        async with Stage(ROOT, env, timer_every=TIMER, on_log=on_log) as stage:
            hook = f"{stage.url}/runtime/webhooks/EventGrid?functionName=app_service_changed&code={stage.key}"
            cloud.event_webhooks.append(EventSubscription(hook, "CloudEventSchemaV1_0", "name"))
            cloud.alert_webhooks.append(f"{stage.url}/api/alerts/traffic-manager?code={stage.key}")
            door.stage = stage
            store = SqliteStore(cloud.env()["COUNTERPART_STORE"].removeprefix("sqlite:"))
            try:
                yield Theatre(cloud, stage, store, teller, Settings.from_env(env))
            finally:
                door.stage = None
                await store.aclose()

"""The world as the product is handed it: every port, one line per process.

A request takes its time to arrive, and does there what it does, whether or not the process that sent it still lives
to hear of it; the answer takes its time to come back. A process that is dead sends nothing and hears nothing.
"""

import asyncio
import contextlib
import dataclasses
import random
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from proof.loop import TICKS, Loop
from proof.weather import FINE, Error, Fate, Weather
from proof.world import INTERVAL, START, TIMEOUT, TOLERATED, Call, Clash, Gone, World, moment
from shared.artifact_hosts.model import Check, Package
from shared.clock import Compared
from shared.disruption.model import Permit
from shared.drills.model import ServiceAnswer
from shared.errors import AppError, Busy, Conflict, Denied, Effect, NotFound, Throttled, Unavailable
from shared.groups.model import (
    ONLY_200,
    AppSettings,
    ConnectionString,
    Endpoint,
    Fault,
    Monitor,
    MonitorStatus,
    NameAnswer,
    Os,
    ProbeRequest,
    ProbeResult,
    Profile,
    ReferenceStatus,
    RegionSettings,
    ScepProof,
    Site,
    StatusRanges,
    Value,
)
from shared.outbox import Letter
from shared.ports import Ports
from shared.store import Guarded, Key, Row, Stored, Version

SUBSCRIPTION: Final = "00000000-1111-2222-3333-444444444444"
_RESOURCES: Final = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers"
PROFILE: Final = f"{_RESOURCES}/Microsoft.Network/trafficManagerProfiles/scepman"
_LATENCIES: Final = (1, 1, 2, 2, 3, 4, 6, 8, 12, 24, 60)  # of a call, one way, in ticks
_PROBLEM: Final = "no answer within 10 s"


def site_id(region: str) -> str:
    """The ARM id of a region's site."""
    return f"{_RESOURCES}/Microsoft.Web/sites/app-{region}"


def region_of(id_or_host: str) -> str:
    """The region that a site's id or host name belongs to."""
    return id_or_host.lower().rsplit("app-", 1)[-1].partition(".")[0]


def host_of(region: str) -> str:
    """The default host name of a region's site."""
    return f"app-{region}.azurewebsites.net"


READ: ContextVar[dict[str, float]] = ContextVar("READ")
MISSED: ContextVar[set[str]] = ContextVar("MISSED")  # what a wake-up did not find when it looked last
"""Of one wake-up: when it began to read each region's settings, if it has done nothing of weight since."""

# After one of these, what was read before is not what was read last of all.
_OF_WEIGHT: Final = ("store.put settings-sync", "store.put packages", "store.put permit", "vault.", "probe.")


class Process:
    """One running instance: its life, its clock, its tasks."""

    def __init__(self, name: str, loop: Loop) -> None:
        self.name, self.loop = name, loop
        self.alive = True
        self.skew = 0.0
        self.fuse: int | None = None  # calls until it dies
        self.burns_late = False  # dies after the effect of that call, not before it
        self.on_death: Callable[[], None] = lambda: None
        self._tasks: set[asyncio.Task[Any]] = set()

    def owns(self, task: asyncio.Task[Any]) -> None:
        """This task runs in this process."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def die(self) -> None:
        """The process is gone in the middle of whatever it does; nothing that it began to clean up is done."""
        if not self.alive:
            return
        self.alive = False
        self.loop.call_soon(self._bury)
        self.on_death()

    def _bury(self) -> None:
        for task in list(self._tasks):
            coroutine = task.get_coro()
            if coroutine is not None and not task.done():
                with contextlib.suppress(BaseException):  # what a dying process still wants nobody hears
                    coroutine.close()
        self._tasks.clear()

    @property
    def busy(self) -> bool:
        """Return whether it is at something."""
        return bool(self._tasks)


class Line:
    """A process's way to the outside world."""

    def __init__(self, world: World, process: Process, weather: Weather) -> None:
        self.world, self.process, self.weather = world, process, weather
        self.loop = process.loop
        self.calm = False  # every call takes the same time
        self.counts: dict[str, int] = {}
        self.before: Callable[[str, str], None] = lambda *_: (
            None
        )  # (name, region): a call is about to take effect
        self.after: Callable[[str, str], None] = lambda *_: None
        self.awaits: Callable[[str], bool] = lambda _: False  # whether somebody waits for such a call
        self.on_effect: Callable[[Line, str], None] = lambda *_: None  # before it is sent

    async def read[T](self, name: str, act: Callable[[], T], region: str = "") -> T:
        """Ask for something."""
        return await self._call(name, act, region, effect=False)

    @contextmanager
    def looking(self, region: str) -> Iterator[None]:
        """Look at a region's site; whether it is found is noted."""
        try:
            yield
        except (NotFound, Denied):
            self.sees(region, there=False)
            raise
        self.sees(region, there=True)

    def sees(self, what: str, *, there: bool) -> None:
        """Note what this wake-up found, or did not find, just now."""
        missed = MISSED.get(None)
        if missed is None:
            return  # only a reader
        if there:
            missed.discard(what)
            self.world.found(what)
        else:
            missed.add(what)
            self.world.misses(what)

    async def do[T](self, name: str, act: Callable[[Call], T], region: str = "") -> T:
        """Have something done."""
        self.on_effect(self, name)
        call = Call(self.process.name, name, self.loop.time(), dict(READ.get({})))
        return await self._call(name, lambda: act(call), region, effect=True)

    async def _call[T](self, name: str, act: Callable[[], T], region: str, *, effect: bool) -> T:
        process, loop = self.process, self.loop
        if not process.alive:
            await loop.create_future()
        self.counts[name] = self.counts.get(name, 0) + 1
        if name.startswith(_OF_WEIGHT):
            READ.get({}).clear()
        burnt = False
        if process.fuse is not None:
            process.fuse -= 1
            burnt = process.fuse < 0
            if burnt and not process.burns_late:
                process.die()
                await loop.create_future()
        fate = self.weather.fate(name, loop.time(), self.world.dice, region)
        awaited = self.awaits(name)
        if self.calm and fate is FINE and not burnt and not awaited:
            return self._done(name, act, region)
        # What somebody does right before it comes after what was read before it, by the clock, too.
        latency = max(self._latency(), 1 / TICKS) if awaited else self._latency()
        if fate is FINE and not burnt and loop.pass_alone(latency):
            result = self._done(name, act, region)
            if not effect or loop.pass_alone(latency):
                return result
            answer: asyncio.Future[T] = loop.create_future()
            loop.call_later(latency, _answer, answer, result)
            return await answer
        answer = loop.create_future()
        loop.call_later(latency, self._arrives, name, act, region, fate, answer, effect, burnt)
        return await answer

    def _latency(self) -> float:
        if self.calm:
            return 0.0
        return self.world.dice.choice(_LATENCIES) / TICKS

    def _done[T](self, name: str, act: Callable[[], T], region: str) -> T:
        """The request is there, and what it asks for is done."""
        self.before(name, region)
        try:
            result = act()
        except Clash as clash:
            raise Conflict(f"{clash}: not at the version that was read") from None
        except Gone as gone:
            raise NotFound(f"there is no site of {gone}") from None
        self.after(name, region)
        return result

    def _arrives[T](
        self,
        name: str,
        act: Callable[[], T],
        region: str,
        fate: Fate,
        answer: asyncio.Future[T],
        effect: bool,
        burnt: bool,
    ) -> None:
        """The request is there: what it asks for is done now, or not at all."""
        error: Exception | None = None
        result: T | None = None
        if fate.effect:
            try:
                result = self._done(name, act, region)
            except AppError as raised:
                error = raised
        if burnt:
            self.process.die()
            return
        if fate is FINE and error is None and not effect:
            _answer(answer, result)
        elif fate.effect and fate.error is None and error is None:
            self.loop.call_later(max(fate.seconds, self._latency()), _answer, answer, result)
        elif fate.error is not None:
            self._not_done(name, fate, effect)
            self.loop.call_later(max(fate.seconds, 1 / TICKS), _fail, answer, _error(fate, name))
        elif error is not None:
            _fail(answer, error)

    def _not_done(self, name: str, fate: Fate, effect: bool) -> None:
        """Nobody hears that it was done."""
        witness = self.world.witness
        if effect:
            witness.refused()
        if name.startswith("channel."):
            witness.untaken()
        if effect and (fate.effect or name.startswith(("store.put outbox", "channel."))):
            witness.trouble()


def _answer(answer: asyncio.Future[Any], result: object) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[Any], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


def _error(fate: Fate, name: str) -> Exception:
    if fate.error is Error.MISSED:
        return NotFound(f"{name}: {fate.error}")
    if fate.error is Error.DENIED:
        return Denied(f"{name}: {fate.error}")
    if fate.error is Error.THROTTLED:
        return Throttled(f"{name}: asked for patience", retry_after=10.0)
    refused = fate.error is Error.UNAVAILABLE and name.startswith("channel.")  # as webhooks are taken
    return Unavailable(f"{name}: {fate.error}", effect=Effect.NOT_APPLIED if refused else None)


# -- the ports ----------------------------------------------------------------------------------------------------


class Clock:
    """The process's own clock."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._at, self._now = 0.0, START

    def now(self) -> datetime:
        """As this machine has it."""
        at = self._process.loop.time() + self._process.skew
        if at != self._at:
            self._at, self._now = at, moment(at)
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Ids:
    """Identifiers that follow from who asks when, so that the same run makes the same ones."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._last = (0.0, 0)

    def new(self) -> str:
        """32 hexadecimal digits."""
        now = self._process.loop.time()
        self._last = (now, self._last[1] + 1 if self._last[0] == now else 0)
        return f"{ord(self._process.name[0]):02x}{int(now * TICKS):020x}{self._last[1]:010x}"


class Rows:
    """The store."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._known: dict[str, tuple[tuple[bytes, int], Stored]] = {}  # rows as they are handed out

    async def get(self, key: Key) -> Stored | None:
        """Read."""
        return await self._line.read("store.get", lambda: self._stored(key))

    async def put(self, row: Row, *, if_version: Version | None) -> Version:
        """Write at a version."""
        at = int(if_version) if if_version is not None else None
        kind, missed = row.key.partition("/")[0], set(MISSED.get(set()))
        written = await self._line.do(
            f"store.put {kind}", lambda _: self._line.world.put(row.key, row.body, at, missed)
        )
        return Version(str(written))

    async def delete(self, key: Key, *, if_version: Version) -> None:
        """Remove."""
        kind = key.partition("/")[0]
        await self._line.do(f"store.delete {kind}", lambda _: self._line.world.delete(key, int(if_version)))

    async def list(self, prefix: str) -> AsyncIterator[Stored]:
        """By prefix, as it was at one moment."""
        for stored in await self._line.read("store.list", lambda: self._listed(prefix)):
            yield stored

    def _stored(self, key: str) -> Stored | None:
        found = self._line.world.rows.get(key)
        if found is None:
            return None
        known = self._known.get(key)
        if known is None or known[0] is not found:
            known = self._known[key] = found, Stored(Row(Key(key), found[0]), Version(str(found[1])))
        return known[1]

    def _listed(self, prefix: str) -> Iterable[Stored]:
        keys = [row for row in self._line.world.rows if row.startswith(prefix)]
        return [found for key in sorted(keys) if (found := self._stored(key)) is not None]


class Azure:
    """Resource Manager: profiles, sites, settings, restarts, endpoints."""

    def __init__(self, line: Line, world: World) -> None:
        self._line, self._world = line, world

    async def list_profiles(self, subscription: str) -> tuple[Profile, ...]:
        """The one profile."""
        assert subscription == SUBSCRIPTION, subscription  # noqa: S101 -- the product asks for what it was told
        names = [f"endpoint of {site}" for site in self._world.sites]
        lacks: list[str] = []
        try:
            profile = await self._line.read("arm.list_profiles", self._profile)
        except NotFound:  # no error, but less of an answer
            profile, whole = self._profile(), self._world.lacks
            lacks = [name for name in names if not whole or name == f"endpoint of {whole}"]
            left = tuple(
                endpoint for endpoint in profile.endpoints if f"endpoint of {endpoint.name}" not in lacks
            )
            profile = msgspec.structs.replace(profile, endpoints=left)
        for name in names:
            self._line.sees(name, there=name not in lacks)
        return (profile,) if profile.endpoints else ()

    def _profile(self) -> Profile:
        return Profile(
            id=PROFILE,
            name="scepman",
            enabled=True,
            routing="Performance",
            fqdn="scepman.trafficmanager.net",
            ttl=60,
            monitor=Monitor(
                protocol="HTTPS",
                port=443,
                path="/probe",
                interval=INTERVAL,
                timeout=TIMEOUT,
                tolerated_failures=TOLERATED,
            ),
            endpoints=tuple(
                Endpoint(
                    name=name,
                    type="azureEndpoints",
                    target_id=site_id(name),
                    target=host_of(name),
                    location=f"{name} europe",
                    enabled=site.enabled,
                    status=MonitorStatus(site.status),
                    weight=site.weight,
                )
                for name, site in self._world.sites.items()
            ),
            tags=(("counterpart", "managed"),) if self._world.managed else (),
        )

    async def get_site(self, id_: str) -> Site:
        """A site's own facts."""
        region = region_of(id_)
        with self._line.looking(region):
            return await self._line.read("arm.get_site", lambda: self._site(region), region)

    def _site(self, region: str) -> Site:
        self._world.site(region)
        return Site(id=site_id(region), host=host_of(region), os=Os.WINDOWS, running=True, sku="PremiumV3")

    async def get_settings(self, id_: str) -> RegionSettings:
        """All settings."""
        region = region_of(id_)
        READ.get({})[region] = self._line.loop.time()
        with self._line.looking(region):
            return await self._line.read("arm.get_settings", lambda: self._settings(region), region)

    def _settings(self, region: str) -> RegionSettings:
        site = self._world.site(region)
        return RegionSettings(
            app=AppSettings({name: Value(text) for name, text in site.app.items()}),
            connections={
                name: ConnectionString(Value(text), kind) for name, (text, kind) in site.strings.items()
            },
        )

    async def list_references(self, id_: str) -> tuple[ReferenceStatus, ...]:
        """Return how App Service fared with each."""
        region = region_of(id_)
        return await self._line.read("arm.list_references", lambda: self._references(region), region)

    def _references(self, region: str) -> tuple[ReferenceStatus, ...]:
        found = self._world.site(region).references
        return tuple(ReferenceStatus(name=name, status=item) for name, item in found.items())

    async def put_app_settings(self, id_: str, settings: AppSettings, *, permit: Permit) -> None:
        """Replace all."""
        del permit  # the observer goes by what is so
        region = region_of(id_)
        values = {name: value.raw for name, value in settings.items()}
        await self._line.do(
            "arm.put_app_settings", lambda call: self._world.put_app(region, values, call), region
        )

    async def put_connection_strings(
        self, id_: str, strings: Mapping[str, ConnectionString], *, permit: Permit
    ) -> None:
        """Replace all."""
        del permit
        region = region_of(id_)
        values = {
            name: (connection_string.value.raw, connection_string.type)
            for name, connection_string in strings.items()
        }
        await self._line.do(
            "arm.put_connection_strings", lambda call: self._world.put_strings(region, values, call), region
        )

    async def restart(self, id_: str, *, permit: Permit) -> None:
        """Restart the app."""
        del permit
        region = region_of(id_)
        await self._line.do("arm.restart", lambda call: self._world.restart(region, call), region)

    async def disable_endpoint(self, profile_id: str, endpoint: str, *, permit: Permit) -> None:
        """Take it out of DNS."""
        del profile_id, permit
        await self._line.do(
            "arm.disable_endpoint",
            lambda call: self._world.patch(endpoint, call, enabled=False, weight=None),
            endpoint,
        )

    async def enable_endpoint(self, profile_id: str, endpoint: str, *, weight: int | None = None) -> None:
        """Put it back."""
        del profile_id
        await self._line.do(
            "arm.enable_endpoint",
            lambda call: self._world.patch(endpoint, call, enabled=True, weight=weight),
            endpoint,
        )


class Probes:
    """Asking regions themselves, and DNS."""

    def __init__(self, line: Line, world: World) -> None:
        self._line, self._world = line, world

    async def get_probe(self, host: str, asked: ProbeRequest) -> ProbeResult:
        """One GET."""
        del asked
        well = await self._line.read("probe.get", lambda: self._world.sites[region_of(host)].well, host)
        at = self._now()
        if well:
            return ProbeResult(at=at, status=200)
        return ProbeResult(at=at, problem=_PROBLEM, fault=Fault.SILENT)

    async def get_scep_proof(self, host: str, *, port: int, path: str) -> ScepProof:
        """A proof of the region's CA."""
        del port, path
        site = self._world.sites[region_of(host)]
        proved = await self._line.read("probe.scep", lambda: site.authority if site.well else "", host)
        at = self._now()
        if not proved:
            return ScepProof(at=at, problem=_PROBLEM)
        return ScepProof(
            at=at, ca_sha256=proved, spki_sha256=proved[::-1], capabilities=("POSTPKIOperation",)
        )

    async def resolve(self, name: str) -> NameAnswer:
        """Return where the profile's name leads."""
        led = await self._line.read("dns.resolve", self._led, name)
        return NameAnswer(at=self._now(), names=(led,), addresses=("192.0.2.1",))

    async def ask(
        self, host: str, *, port: int, path: str, scep: bool, expected: StatusRanges = ONLY_200
    ) -> ServiceAnswer:
        """Return what a device gets through the profile's name."""
        del scep, expected
        answer = await self.resolve(host)
        said = await self.get_probe(answer.names[0], ProbeRequest(port=port, path=path))
        return ServiceAnswer(at=self._now(), address=answer.addresses[0], problem=said.problem)

    async def begin_at(self, host: str, addresses: Collection[str]) -> None:
        """DNS keeps nothing here."""

    def _led(self) -> str:
        ranks = {"Online": 0, "CheckingEndpoint": 1, "Degraded": 2, "Disabled": 3}
        return host_of(min(self._world.sites.values(), key=lambda it: (ranks[it.status], it.name)).name)

    def _now(self) -> datetime:
        return Clock(self._line.process).now()


class Packages:
    """Package hosts and home pages."""

    def __init__(self, line: Line, world: World) -> None:
        self._line, self._world = line, world

    async def check(self, url: Value, *, known: str = "") -> Check:
        """Return what lies there."""
        host = self._world.hosts.get(url.reveal())
        version = await self._line.read("package.check", lambda: host.version if host and host.up else 0)
        at = Clock(self._line.process).now()
        if not version:
            return Check(at=at, problem=_PROBLEM)
        package = Package(
            digest=f"{version:064x}",
            members=3,
            size=1000,
            newest=START.replace(tzinfo=None) + timedelta(days=30 * version),
            sketch=(1, 2, 3),
        )
        if known == package.digest:
            return Check(at=at, unchanged=True, etag=known, status=304)
        return Check(at=at, package=package, etag=package.digest, status=206, bytes_read=20_000)

    async def get_version(self, host: str, *, port: int) -> str:
        """Return what the app says of itself."""
        del port
        site = self._world.sites[region_of(host)]
        return await self._line.read("page.version", lambda: f"2.{site.runs}" if site.well else "", host)


class Copies:
    """The vault."""

    def __init__(self, line: Line, world: World) -> None:
        self._line, self._world = line, world

    async def keep(self, name: str, content: Value, *, expires: datetime) -> None:
        """Store."""
        del expires  # a copy that lives as long as that would be left over
        text = content.reveal()
        await self._line.do("vault.keep", lambda _: self._laid_in(name, text))

    def _laid_in(self, name: str, text: str) -> None:
        if name in self._world.vault_deleted:
            raise Busy("vault.keep: a secret of that name was deleted")
        self._world.vault[name] = text

    async def get(self, name: str) -> Value | None:
        """Read."""
        try:
            found = await self._line.read("vault.get", lambda: self._world.vault.get(name))
        except NotFound:  # as the adapter says it
            found = None
        self._line.sees("the copy", there=found is not None or name not in self._world.vault)
        return Value(found) if found is not None else None

    async def forget(self, name: str) -> None:
        """Delete."""
        await self._line.do("vault.forget", lambda _: self._deleted(name))

    def _deleted(self, name: str) -> None:
        if self._world.vault.pop(name, None) is not None:
            self._world.vault_deleted.add(name)


class Channel:
    """Where people are told."""

    for_people = True

    def __init__(self, line: Line, world: World) -> None:
        self._line, self._world = line, world

    async def send(self, letter: Letter) -> None:
        """Take a letter."""
        await self._line.do("channel.send", lambda call: self._taken(letter, call))

    def _taken(self, letter: Letter, call: Call) -> None:
        if self._world.deaf:
            raise Unavailable("channel.send: no such workflow", effect=Effect.NOT_APPLIED)
        self._world.witness.told(letter.id, msgspec.json.encode(letter), call)


def guarded(line: Line) -> Ports:
    """The world on one page, as the product connects it: its clock is compared with what Azure's answers say."""
    made = ports(line)
    compared = Compared(made.clock)

    def dated(name: str, _: str) -> None:
        if name.startswith(("arm.", "store.")):
            compared.compare("Azure", moment(int(line.loop.time())), compared.now())

    line.after = dated
    return dataclasses.replace(made, store=Guarded(made.store, compared), compared=compared)


def ports(line: Line) -> Ports:
    """The world on one page."""
    world = line.world
    azure, probes, packages = Azure(line, world), Probes(line, world), Packages(line, world)
    return Ports(
        clock=Clock(line.process),
        ids=Ids(line.process),
        store=Rows(line),
        profiles=azure,
        sites=azure,
        probes=probes,
        settings_reads=azure,
        settings_writes=azure,
        copies=Copies(line, world),
        control=azure,
        packages=packages,
        pages=packages,
        endpoints=azure,
        names=probes,
        resolvers={"system": probes},
        service=probes,
        channels={"teams": Channel(line, world)},
    )


def dice(seed: str) -> random.Random:
    """Dice that fall the same way for the same seed."""
    return random.Random(seed)

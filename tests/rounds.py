"""A group in a small world of fakes, and rounds over it: what workflow tests turn.

Every value in these worlds holds `SECRET`, so that `leaks` can look for it wherever text is kept or shown.
"""

import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import msgspec

from shared.disruption.model import Permit
from shared.disruption.permit import FRESH
from shared.disruption.workflow import Held, permit_key
from shared.errors import AppError
from shared.groups.discover import row_name
from shared.groups.model import (
    AppSettings,
    ConnectionString,
    Health,
    MonitorStatus,
    Os,
    ReferenceStatus,
    RegionSettings,
    Value,
)
from shared.groups.model import State as HealthState
from shared.groups.workflow import Watched, discover, watched_key
from shared.outbox import Channel
from shared.ports import Ports
from shared.reconcile import workflow as reconcile
from shared.settings_sync.ask import Ask, Request
from shared.settings_sync.fingerprint import FingerprintKey
from shared.settings_sync.model import Flight, Phase, Rollout, State, VerdictKind
from shared.settings_sync.policy import Policy
from shared.settings_sync.spelling import app_key, connection_key
from shared.settings_sync.transitions import Rules
from shared.settings_sync.workflow import read_rollout, rollout_key
from shared.store import Key, Row, Stored, Version
from tests.builders import GROUP, a_profile, an_endpoint, host, settings, site_id
from tests.fakes.app_service import FakeAppService
from tests.fakes.channels import FakeChannel
from tests.fakes.clock import START, FakeClock, FakeIds
from tests.fakes.key_vault import FakeCopies
from tests.fakes.names import FakeNames, address_of
from tests.fakes.packages import FakeHomePages, FakePackages
from tests.fakes.probe import FakeProbes
from tests.fakes.service import FakeService
from tests.fakes.store import FakeStore
from tests.fakes.traffic_manager import FakeProfiles

SECRET = "hush"  # noqa: S105 -- the marker in every test value

WORLDS: list["World"] = []
"""The worlds that a test made, for the fixture that looks for values in what they left behind."""

type Texts = Mapping[str, str | None]
type Strings = Mapping[str, tuple[str, str]]


def val(text: object = "1") -> str:
    """A setting's value that `leaks` would recognise."""
    return f"{SECRET}-{text}"


def plain(count: int, text: str = "old") -> dict[str, str]:
    """So many settings, `K00` and on."""
    return {f"K{number:02}": val(text) for number in range(count)}


class Killed(BaseException):
    """The process ends here. No `except` of the product is for this."""


class Effects:
    """Counts what is done to the world outside, and kills the process before or after the n-th of it."""

    def __init__(self, *, kill_at: int = 0, after: bool = False) -> None:
        self.count = 0
        self.names: list[str] = []
        self.killed = False
        self.pause = _no_pause  # awaited before everything that is read or done
        self._kill_at, self._after = kill_at, after

    @asynccontextmanager
    async def one(self, name: str) -> AsyncIterator[None]:
        """One effect."""
        await self.pause(name)
        self.count += 1
        self.names.append(name)
        mine = self.count == self._kill_at
        self.killed |= mine
        if mine and not self._after:
            raise Killed(name)
        yield
        if mine:
            raise Killed(name)


async def _no_pause(name: str) -> None:
    """Nobody else gets a turn."""


class CountedStore(FakeStore):
    """A store whose writes are effects."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world

    async def get(self, key: Key) -> Stored | None:
        """Read."""
        await self._world.effects.pause("read")
        return await super().get(key)

    async def put(self, row: Row, *, if_version: Version | None) -> Version:
        """Write."""
        async with self._world.effects.one(f"put {row.key}"):
            return await super().put(row, if_version=if_version)

    async def delete(self, key: Key, *, if_version: Version) -> None:
        """Remove."""
        async with self._world.effects.one(f"delete {key}"):
            await super().delete(key, if_version=if_version)


class CountedCopies(FakeCopies):
    """A vault whose writes are effects."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world

    async def keep(self, name: str, content: Value, *, expires: datetime) -> None:
        """Store."""
        async with self._world.effects.one("keep"):
            await super().keep(name, content, expires=expires)

    async def get(self, name: str) -> Value | None:
        """Read."""
        await self._world.effects.pause("read")
        return await super().get(name)

    async def forget(self, name: str) -> None:
        """Delete."""
        async with self._world.effects.one("forget"):
            await super().forget(name)


class Reads:
    """The port SettingsReads, with a turn for others before each read."""

    def __init__(self, world: "World") -> None:
        self._world = world

    async def get_settings(self, site_id: str) -> RegionSettings:
        """Read."""
        await self._world.effects.pause("read")
        return await self._world.app.get_settings(site_id)

    async def list_references(self, site_id: str) -> tuple[ReferenceStatus, ...]:
        """Read."""
        await self._world.effects.pause("read")
        return await self._world.app.list_references(site_id)


class Guard:
    """The port SettingsWrites, watching that every write of every test keeps the laws."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._since: dict[tuple[str, str], datetime] = {}  # (region, key): when its value last changed
        self._well_since: dict[str, datetime | None] = {}  # None: it is sick
        self._ours: dict[tuple[str, str], tuple[object, object]] = {}  # (region, key): old, new

    def changed(self, region: str, keys: Iterable[str]) -> None:
        """Somebody changed these."""
        for key in keys:
            self._since[region, key] = self._world.clock.now()

    def health(self, region: str, *, well: bool) -> None:
        """The region fell ill, or is well again."""
        if well and self._well_since.get(region, START) is not None:
            return
        self._well_since[region] = self._world.clock.now() if well else None

    async def put_app_settings(self, site_id: str, settings: AppSettings, *, permit: Permit) -> None:
        """Check, then write."""
        old = self._world.app.sites[site_id.lower()]
        new = {name: value.raw for name, value in settings.items()}
        self._check(site_id, old, new, permit, _app)
        async with self._world.effects.one("PUT app settings"):
            await self._world.app.put_app_settings(site_id, settings, permit=permit)

    async def put_connection_strings(
        self, site_id: str, strings: Mapping[str, ConnectionString], *, permit: Permit
    ) -> None:
        """Check, then write."""
        old = self._world.app.connections[site_id.lower()]
        new = {
            name: (connection_string.value.raw, connection_string.type)
            for name, connection_string in strings.items()
        }
        self._check(site_id, old, new, permit, _string)
        async with self._world.effects.one("PUT connection strings"):
            await self._world.app.put_connection_strings(site_id, strings, permit=permit)

    def _check(
        self,
        site_id: str,
        old: Mapping[str, object],
        new: Mapping[str, object],
        permit: Permit,
        key_of: Callable[[str], str],
    ) -> None:
        world, now = self._world, self._world.clock.now()
        region = site_id.rsplit("app-", 1)[-1]
        names = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
        row = world.row
        flight = row.flight
        assert names, "a write that changes nothing"
        # A write belongs to the claimed flight, and touches its keys only (law 3).
        assert flight is not None
        assert flight.target == region
        planned = {planned.key.lower() for planned in flight.keys}
        assert {key_of(name) for name in names} <= planned, "an unplanned key"
        assert world.copies.copies.get(flight.copy_name), "no way back"
        self._check_permit(region, flight, permit)
        for name in names:
            key = key_of(name)
            if flight.phase is Phase.UNDOING:
                was, ours = self._ours[region, key]
                assert old.get(name) == ours, "somebody else's value, overwritten"
                assert new.get(name) == was, "not the old value"
            else:
                self._check_soak(row, flight.source, key, now)
                self._ours[region, key] = (old.get(name), new.get(name))
        self.changed(region, (key_of(name) for name in names))

    def _check_permit(self, region: str, flight: Flight, permit: Permit) -> None:
        """Law 1, by what is stored: the one permit is this one, and another region is known to be healthy."""
        world, now = self._world, self._world.clock.now()
        held = msgspec.json.decode(world.body(permit_key(row_name(world.profile_id))), type=Held).permit
        assert held == permit
        assert (permit.id, permit.region) == (flight.id, region)
        assert now < permit.until
        seen = msgspec.json.decode(world.body(watched_key(world.profile_id)), type=Watched).health
        fresh = {name: health.state for name, health in seen.items() if now - health.at < FRESH}
        refuge = any(state is HealthState.HEALTHY for name, state in fresh.items() if name != region)
        assert refuge or fresh[region] is HealthState.DOWN, "the last region"

    def _check_soak(self, row: Rollout, source: str, key: str, now: datetime) -> None:
        """Law 2, by what really was: the source has had the value, and has been well, for the whole soak."""
        if any(verdict.key.lower() == key and verdict.kind is VerdictKind.FORCE for verdict in row.verdicts):
            return
        soak = timedelta(seconds=self._world.settings.rules.soak)
        assert now - self._since.get((source, key), START) >= soak, "before the soak"
        well = self._well_since.get(source, START)
        assert well is not None, "from a sick region"
        assert self._world.answers(source), "from a region that fails"
        assert now - well >= soak, "from a region that was sick within the soak"


class Endpoints:
    """The port EndpointControl, watching that every endpoint that is disabled leaves another one that serves."""

    def __init__(self, world: "World") -> None:
        self._world = world

    async def disable_endpoint(self, profile_id: str, endpoint: str, *, permit: Permit) -> None:
        """Check law 1, by what is stored and by what really is, then disable."""
        world = self._world
        await world.effects.pause("PATCH")
        held = msgspec.json.decode(world.body(permit_key(row_name(profile_id))), type=Held).permit
        assert held == permit
        assert permit.region == endpoint
        (profile,) = [profile for profile in world.profiles.profiles if profile.id == profile_id]
        others = [item for item in profile.endpoints if item.name != endpoint and item.enabled]
        answered = {MonitorStatus.ONLINE, MonitorStatus.UNMONITORED}
        assert any(other.status in answered for other in others), "the last endpoint that is answered"
        async with world.effects.one(f"PATCH disable {endpoint}"):
            await world.profiles.disable_endpoint(profile_id, endpoint, permit=permit)

    async def enable_endpoint(self, profile_id: str, endpoint: str, *, weight: int | None = None) -> None:
        """Enable."""
        await self._world.effects.pause("PATCH")
        async with self._world.effects.one(f"PATCH enable {endpoint}"):
            await self._world.profiles.enable_endpoint(profile_id, endpoint, weight=weight)


def _app(name: str) -> str:
    return app_key(name).lower()


def _string(name: str) -> str:
    return connection_key(name).lower()


class World:
    """A group of regions with the same settings, all healthy, and Counterpart beside it."""

    def __init__(
        self,
        app: Mapping[str, str] | None = None,
        *,
        regions: Collection[str] = ("west", "east"),
        differs: Mapping[str, Mapping[str, str | None]] | None = None,
        connections: Strings | None = None,
        os: Mapping[str, Os] | None = None,
        rules: Rules | None = None,
        policy: Policy | None = None,
    ) -> None:
        self.regions = tuple(regions)
        self.clock = FakeClock()
        self.ids = FakeIds()
        self.effects = Effects()
        self.store = CountedStore(self)
        self.guard = Guard(self)
        common = plain(4) if app is None else app
        self.app = FakeAppService(
            {site_id(region): dict(common) for region in regions},
            connections={site_id(region): dict(connections or {}) for region in regions},
            os={site_id(name): item for name, item in (os or {}).items()},
        )
        for name, changes in (differs or {}).items():
            self.edit(name, changes)
        self.profiles = FakeProfiles([a_profile(*(an_endpoint(region) for region in regions))])
        self.probes = FakeProbes({host(region): 200 for region in regions}, clock=self.clock)
        self.copies = CountedCopies(self)
        self.packages = FakePackages(self.clock)
        self.pages = FakeHomePages()
        self.names = FakeNames(clock=self.clock, lead=self._led)
        self.service = FakeService(self._served, clock=self.clock)
        self.teams = FakeChannel()
        self.channels: dict[str, Channel] = {"teams": self.teams}
        self.settings = settings(rules=rules, policy=policy)
        self.shown: list[object] = []  # what rounds returned and raised
        WORLDS.append(self)

    # -- the world

    def edit(self, region: str, changes: Texts | None = None, **more: str | None) -> None:
        """A person's edit at the portal; None deletes."""
        edits = {**(changes or {}), **more}
        self.guard.changed(
            region, (_app(name) for name, item in edits.items() if self.has(region, name) != item)
        )
        self.app.edit(site_id(region), **edits)

    def connect(self, region: str, name: str, string: tuple[str, str] | None) -> None:
        """A person's edit of a connection string: value and type; None deletes."""
        if self.string(region, name) != string:
            self.guard.changed(region, [_string(name)])
        strings = self.app.connections[site_id(region).lower()]
        if string is None:
            strings.pop(name, None)
        else:
            strings[name] = string

    def has(self, region: str, name: str) -> str | None:
        """A setting as the site has it."""
        return self.app.sites[site_id(region).lower()].get(name)

    def string(self, region: str, name: str) -> tuple[str, str] | None:
        """A connection string as the site has it."""
        return self.app.connections[site_id(region).lower()].get(name)

    def sick(self, region: str, *, seen: bool = True) -> None:
        """The app fails; `seen`: Traffic Manager sees it too."""
        self.guard.health(region, well=False)
        self.probes.results[host(region)] = 503
        if seen:
            self.profiles.set_endpoint(region, status=MonitorStatus.DEGRADED)

    def well(self, region: str) -> None:
        """The app answers again, and Traffic Manager sees it."""
        self.guard.health(region, well=True)
        self.probes.results[host(region)] = 200
        self.profiles.set_endpoint(region, status=MonitorStatus.ONLINE)

    def answers(self, region: str) -> bool:
        """Return whether the region's probe would succeed now."""
        said = self.probes.results[host(region)]
        return (said() if callable(said) else said) == 200

    @property
    def written(self) -> list[str]:
        """The regions that were written, in order."""
        return [site.rsplit("app-", 1)[-1] for site, _ in self.app.writes]

    # -- Counterpart

    @property
    def ports(self) -> Ports:
        """The world on one page."""
        return Ports(
            clock=self.clock,
            ids=self.ids,
            store=self.store,
            profiles=self.profiles,
            sites=self.app,
            probes=self.probes,
            settings_reads=Reads(self),
            settings_writes=self.guard,
            copies=self.copies,
            control=self.app,
            packages=self.packages,
            pages=self.pages,
            endpoints=Endpoints(self),
            names=self.names,
            resolvers={"system": self.names},
            service=self.service,
            channels=self.channels,
        )

    def _led(self, name: str) -> tuple[str, ...]:
        """Return what a name leads to: a region's own to itself, the profile's to an endpoint that is answered.

        When none is, to one that is degraded.
        """
        if name in {host(region) for region in self.regions}:
            return (name,)
        (profile,) = [profile for profile in self.profiles.profiles if profile.name == GROUP]
        well = {MonitorStatus.ONLINE, MonitorStatus.CHECKING, MonitorStatus.UNMONITORED}
        found = [endpoint for endpoint in profile.endpoints if endpoint.status in well]
        found = found or [
            endpoint for endpoint in profile.endpoints if endpoint.status is MonitorStatus.DEGRADED
        ]
        return tuple(endpoint.target for endpoint in found[:1])

    def _served(self) -> tuple[str, str]:
        """Return what a device gets that asks through the profile's name: an address, and a problem."""
        led = self._led("")
        if not led:
            return "", "the name does not resolve"
        (region,) = [region for region in self.regions if host(region) == led[0]]
        return address_of(led[0]), "" if self.answers(region) else "GetCACaps answered 503"

    async def tick(
        self, *, seconds: float = 60.0, doorbell: bool = False, patient: bool = False
    ) -> reconcile.Round:
        """Time passes, then one round; its error is raised. `patient`: a drill may take its time in it."""
        self.clock.advance(seconds)
        profiles = await discover(self.settings.scope, self.profiles)
        (profile,) = [profile for profile in profiles if profile.name == GROUP]
        try:
            round_ = await reconcile.run(
                profile, self.ports, self.settings, doorbell=doorbell, patient=patient
            )
        except BaseException as error:
            self.shown.append(error)
            raise
        self.shown.append(round_)
        return round_

    async def ring(self) -> reconcile.Round:
        """An event arrives now."""
        return await self.tick(seconds=0, doorbell=True)

    async def ticks(self, count: int) -> reconcile.Round | None:
        """So many minutes; errors and ends of single rounds are noted and passed over, as the timer does."""
        last = None
        for _ in range(count):
            try:
                last = await self.tick()
            except (AppError, Killed):
                continue
        return last

    async def ticks_until_error(self, within: int = 10) -> None:
        """Minutes until a round raises."""
        for _ in range(within):
            await self.tick()
        raise AssertionError(f"no error within {within} minutes")

    async def until(self, *states: State, within: int = 30) -> Rollout:
        """Minutes until the rollout is in one of these states."""
        for _ in range(within):
            await self.ticks(1)
            rollout = await self.rollout()
            if rollout.state in states:
                return rollout
        raise AssertionError(f"not {states} within {within} minutes, but {await self.rollout()}")

    async def rollout(self) -> Rollout:
        """The row as it is."""
        rollout = await read_rollout(self.store, self.profile_id)
        assert rollout is not None
        return rollout

    def body(self, key: Key) -> bytes:
        """A row's body, read beside the port."""
        return self.store.rows[key].row.body

    @property
    def row(self) -> Rollout:
        """The rollout's row, read beside the port."""
        return msgspec.json.decode(self.body(rollout_key(self.profile_id)), type=Rollout)

    @property
    def profile_id(self) -> str:
        """The group's id."""
        return self.profiles.profiles[0].id

    async def permit(self) -> Held | None:
        """The group's permit row."""
        stored = await self.store.get(permit_key(row_name(self.profile_id)))
        return msgspec.json.decode(stored.row.body, type=Held) if stored else None

    async def health(self) -> Mapping[str, Health]:
        """Return what a round now sees of health."""
        return (await self.tick(seconds=0)).health

    async def ask(
        self,
        what: Ask,
        *,
        region: str = "",
        keys: Collection[str] = (),
        reason: str = "",
        fingerprint: str = "",
    ) -> reconcile.Round:
        """A person looks at the plan and decides."""
        (profile,) = await discover(self.settings.scope, self.profiles)
        _, looked, decisions = await reconcile.show_plan(profile, self.ports, self.settings)
        assert looked.plan is not None
        request = Request(
            ask=what,
            fingerprint=fingerprint or looked.plan.fingerprint,
            by="ada",
            reason=reason,
            region=region,
            keys=tuple(keys),
        )
        self.shown += [looked, decisions]
        try:
            round_ = await reconcile.settle(profile, request, self.ports, self.settings)
        except AppError as error:
            self.shown.append(error)
            raise
        self.shown.append(round_)
        return round_

    def new_key(self, *, rotate: bool = True) -> None:
        """Another fingerprint key; `rotate`: beside the one that it replaces, if the last rotation is over."""
        if rotate and self.row.key_id != self.settings.secret.id:
            return
        self.settings = msgspec.structs.replace(
            self.settings,
            secret=FingerprintKey(f"another secret, just as long as the first, {self.settings.secret.id}"),
            previous=self.settings.secret if rotate else None,
        )

    async def clean(self) -> None:
        """Assert that nothing of ours is left lying about."""
        assert self.copies.copies == {}
        assert not [row for row in self.store.rows if row.startswith("copies/")]
        held = await self.permit()
        assert held is None or held.permit is None or held.permit.disturbed_at is not None
        assert (await self.rollout()).flight is None


def leaks(worlds: Collection[World], records: Collection[logging.LogRecord]) -> Iterator[str]:
    """Yield where a value can be read that should be nowhere."""
    for world in worlds:
        for values in world.app.sites.values():
            assert all(SECRET in value for value in values.values()), "a value that would not be found"
        for key, stored in world.store.rows.items():
            if SECRET.encode() in stored.row.body:
                yield f"row {key}"
        for item in _of_each_kind(world.shown):
            if any(SECRET in f"{each!r} {each}" for each in _chain(item)):
                yield f"{type(item).__name__}: {item!r}"
    formatter = logging.Formatter()
    for record in records:
        if SECRET in f"{formatter.format(record)} {record.args!r}":
            yield f"log: {record.getMessage()}"


def _of_each_kind(shown: Collection[object]) -> Iterator[object]:
    """Every error, and the first and last few of the rounds, whose texts are the row's, which is looked at whole."""
    rounds = [item for item in shown if not isinstance(item, BaseException)]
    yield from (item for item in shown if isinstance(item, BaseException))
    yield from (*rounds[:2], *rounds[2:][-8:])


def _chain(shown: object) -> Iterator[object]:
    """Yield what is shown; of an error also what it came from, as a traceback would show it."""
    yield shown
    if isinstance(shown, BaseException):
        for origin in (shown.__cause__, shown.__context__):
            if origin is not None:
                yield from _chain(origin)

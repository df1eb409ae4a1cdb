"""A group in a small world of fakes, and rounds over it: what workflow tests turn.

Every value in these worlds holds `SECRET`, so that `leaks` can look for it wherever text is kept or shown.
"""

import logging
import traceback
from collections.abc import Collection, Iterator, Mapping

import msgspec

from shared.disruption.workflow import Held, permit_key
from shared.errors import AppError
from shared.groups.discover import row_name
from shared.groups.model import Health, MonitorStatus, Os
from shared.ports import Ports
from shared.reconcile import workflow as reconcile
from shared.settings_sync.ask import Ask, Request
from shared.settings_sync.fingerprint import FingerprintKey
from shared.settings_sync.model import Rollout, State
from shared.settings_sync.policy import Policy
from shared.settings_sync.transitions import Rules
from shared.store import Store
from tests.builders import GROUP, SHIPPED_POLICY, a_profile, an_endpoint, host, settings, site_id
from tests.fakes.app_service import FakeAppService
from tests.fakes.clock import FakeClock, FakeIds
from tests.fakes.key_vault import FakeCopies
from tests.fakes.probe import FakeProbes
from tests.fakes.store import FakeStore
from tests.fakes.traffic_manager import FakeProfiles

SECRET = "hush"  # noqa: S105 -- the marker in every test value

type Texts = Mapping[str, str | None]
type Strings = Mapping[str, tuple[str, str]]


def val(text: object = "1") -> str:
    """A setting's value that `leaks` would recognise."""
    return f"{SECRET}-{text}"


def plain(count: int, text: str = "old") -> dict[str, str]:
    """So many settings, `K00` and on."""
    return {f"K{number:02}": val(text) for number in range(count)}


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
        policy: Policy = SHIPPED_POLICY,
        store: Store | None = None,
    ) -> None:
        self.regions = tuple(regions)
        self.clock = FakeClock()
        self.ids = FakeIds()
        self.store: Store = store or FakeStore()
        common = plain(4) if app is None else app
        self.app = FakeAppService(
            {site_id(it): dict(common) for it in regions},
            connections={site_id(it): dict(connections or {}) for it in regions},
            os={site_id(name): it for name, it in (os or {}).items()},
        )
        for name, changes in (differs or {}).items():
            self.edit(name, changes)
        self.profiles = FakeProfiles([a_profile(*(an_endpoint(it) for it in regions))])
        self.probes = FakeProbes({host(it): 200 for it in regions}, clock=self.clock)
        self.copies = FakeCopies()
        self.settings = settings(rules=rules, policy=policy)
        self.shown: list[object] = []  # what rounds returned and raised

    # -- the world

    def edit(self, region: str, changes: Texts | None = None, **more: str | None) -> None:
        """A person's edit at the portal; None deletes."""
        self.app.edit(site_id(region), **{**(changes or {}), **more})

    def connect(self, region: str, name: str, string: tuple[str, str] | None) -> None:
        """A person's edit of a connection string: value and type; None deletes."""
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
        self.probes.results[host(region)] = 503
        if seen:
            self.profiles.set_endpoint(region, status=MonitorStatus.DEGRADED)

    def well(self, region: str) -> None:
        """The app answers again, and Traffic Manager sees it."""
        self.probes.results[host(region)] = 200
        self.profiles.set_endpoint(region, status=MonitorStatus.ONLINE)

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
            settings_reads=self.app,
            settings_writes=self.app,
            copies=self.copies,
        )

    async def tick(self, *, seconds: float = 60.0, doorbell: bool = False) -> reconcile.Round:
        """Time passes, then one round; its error is raised."""
        self.clock.advance(seconds)
        profiles = await reconcile.discover(self.settings.scope, self.profiles)
        (profile,) = [it for it in profiles if it.name == GROUP]
        try:
            round_ = await reconcile.run(profile, self.ports, self.settings, doorbell=doorbell)
        except BaseException as error:
            self.shown.append(error)
            raise
        self.shown.append(round_)
        return round_

    async def ring(self) -> reconcile.Round:
        """An event arrives now."""
        return await self.tick(seconds=0, doorbell=True)

    async def ticks(self, count: int) -> reconcile.Round | None:
        """So many minutes; errors of single rounds are noted and passed over, as the timer does."""
        last = None
        for _ in range(count):
            try:
                last = await self.tick()
            except AppError:
                continue
        return last

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
        rollout = await reconcile.workflow.read_rollout(self.store, self.profile_id)
        assert rollout is not None
        return rollout

    @property
    def profile_id(self) -> str:
        """The group's id."""
        return self.profiles.profiles[0].id

    async def permit(self) -> Held | None:
        """The group's permit row."""
        stored = await self.store.get(permit_key(row_name(self.profile_id)))
        return msgspec.json.decode(stored.row.body, type=Held) if stored else None

    async def health(self) -> Mapping[str, Health]:
        """What a round now sees of health."""
        return (await self.tick(seconds=0)).health

    async def ask(
        self, what: Ask, *, region: str = "", keys: Collection[str] = (), reason: str = "", fingerprint: str = ""
    ) -> reconcile.Round:
        """A person looks at the plan and decides."""
        (profile,) = await reconcile.discover(self.settings.scope, self.profiles)
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

    def new_key(self) -> None:
        """The fingerprint key is replaced."""
        self.settings = msgspec.structs.replace(
            self.settings, secret=FingerprintKey("another secret, just as long as the first")
        )

    async def clean(self) -> None:
        """Assert that nothing of ours is left lying about."""
        assert self.copies.copies == {}
        held = await self.permit()
        assert held is None or held.permit is None
        assert (await self.rollout()).flight is None


def leaks(worlds: Collection[World], records: Collection[logging.LogRecord]) -> Iterator[str]:
    """Where a value can be read that should be nowhere."""
    for world in worlds:
        if isinstance(world.store, FakeStore):
            for key, stored in world.store.rows.items():
                if SECRET.encode() in stored.row.body:
                    yield f"row {key}"
        for it in world.shown:
            text = "".join(traceback.format_exception(it)) if isinstance(it, BaseException) else ""
            if SECRET in f"{it!r} {it} {text}":
                yield f"{type(it).__name__}: {it!r}"
    formatter = logging.Formatter()
    for record in records:
        if SECRET in f"{formatter.format(record)} {record.args!r}":
            yield f"log: {record.getMessage()}"

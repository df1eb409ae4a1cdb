"""A group whose regions run from package hosts, in a small world of fakes, and rounds over it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared.artifact_hosts.catalogue import GITHUB, HOSTS, VENDOR, Catalogue, Twins
from shared.artifact_hosts.model import (
    SETTING,
    Check,
    Flight,
    Glance,
    HostState,
    Location,
    Order,
    Package,
    Packages,
    Rules,
    Served,
    Use,
    Watch,
    Work,
)
from shared.artifact_hosts.workflow import Tended, packages_key, read_packages, watches
from shared.disruption.model import Kind, Permit
from shared.disruption.permit import FRESH
from shared.disruption.workflow import Held, permit_key
from shared.groups.discover import row_name
from shared.groups.model import AppSettings, Os, Value
from shared.groups.model import State as HealthState
from shared.groups.workflow import Watched, discover, watched_key
from shared.ports import Ports
from shared.reconcile import workflow as reconcile
from tests.builders import host, site_id
from tests.fakes.clock import START
from tests.fakes.packages import A_PACKAGE
from tests.rounds import World, val

GITHUB_URL = f"{HOSTS[GITHUB]}master/dist/Artifacts.zip"
VENDOR_URL = f"{HOSTS[VENDOR]}dist/Artifacts.zip"
GITHUB_LINUX = f"{HOSTS[GITHUB]}master/dist/Artifacts-Linux.zip"
VENDOR_LINUX = f"{HOSTS[VENDOR]}dist/Artifacts-Linux.zip"
DEFERRED_URL = f"{HOSTS[GITHUB]}deferred/dist/Artifacts.zip"
# Signatures are secrets: `val` marks them, so that `leaks` finds them where they must not be.
ONE_URL = f"https://stone.blob.core.windows.net/zip/a.zip?sig={val('one')}"
TWO_URL = f"https://sttwo.blob.core.windows.net/zip/a.zip?sig={val('two')}"
OWN = (Twins("ours", Os.WINDOWS, (Value(ONE_URL), Value(TWO_URL))),)

OUTAGE = "no answer within 10 s"


def a_package(
    name: str = "a", *, newest: datetime | None = None, names: tuple[int, ...] = (1, 2, 3)
) -> Package:
    """A package whose digest follows from its name."""
    return Package(digest=name * 64, members=3, size=1000, newest=newest, sketch=names)


def a_location(host_: str = GITHUB, channel: str = "prod", os: Os = Os.WINDOWS) -> Location:
    """A location of the catalogue."""
    return next(
        location
        for location in (Catalogue().locate(Value(url)) for url in every_url())
        if (location.host, location.channel, location.os) == (host_, channel, os)
    )


def every_url() -> list[str]:
    """Every URL of the vendor's that the catalogue knows."""
    return [
        *(f"{HOSTS[GITHUB]}master/dist/{name}.zip" for name in _NAMES),
        *(f"{HOSTS[VENDOR]}dist/{name}.zip" for name in _NAMES),
        DEFERRED_URL,
        f"{HOSTS[GITHUB]}deferred/dist/Artifacts-Linux.zip",
    ]


_NAMES = (
    "Artifacts",
    "Artifacts-Linux",
    "Artifacts-Beta",
    "Artifacts-Linux-Beta",
    "Artifacts-Intern",
    "Artifacts-Linux-Internal",
)


def a_use(region: str = "west", location: Location | None = None, **changes: Any) -> Use:
    """A region that takes its package from GitHub."""
    return msgspec.structs.replace(Use(region=region, location=location or a_location()), **changes)


def a_check(
    problem: str = "", *, at: datetime = START, package: Package | None = None, **changes: Any
) -> Check:
    """A look at a location."""
    plain = Check(at=at, problem=problem, package=package, status=None if problem else 206)
    return msgspec.structs.replace(plain, **changes)


def _place(url: str | None, catalogue: Catalogue) -> str:
    """The id of the place that a setting leads to, or does not."""
    text = (url or "").strip()
    if not text:
        return "broken.missing"
    return catalogue.locate(Value(text)).id if text.lower().startswith("http") else "broken.no-url"


class PackageGuard:
    """The ports SettingsWrites and AppControl, watching that every disturbance keeps the laws."""

    def __init__(self, world: "Hosted") -> None:
        self._world = world
        self._old: dict[str, str] = {}  # flight -> the URL before it

    async def put_app_settings(self, site_id: str, settings: AppSettings, *, permit: Permit) -> None:
        """Check, then write."""
        world = self._world
        if permit.kind is Kind.SETTINGS_WRITE:  # a rollout's, which has its own guard
            await world.guard.put_app_settings(site_id, settings, permit=permit)
            return
        region = site_id.rsplit("app-", 1)[-1]
        old = world.app.sites[site_id.lower()]
        new = {name: value.reveal() for name, value in settings.items()}
        (changed,) = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
        assert changed.upper() == SETTING, "the rest of the settings is untouched"
        flight = self._flight(region, permit)
        was = _place(old.get(changed), world.settings.packages)
        if flight.phase == "undoing":
            assert flight.new is not None
            assert was == flight.new.id, "somebody else's value, overwritten"
            assert new[changed] == self._old[flight.id], "not the old URL"
        else:
            assert flight.old is not None
            assert was == flight.old.id, "somebody else's value, overwritten"
            self._old[flight.id] = old.get(changed, "")
            self._check_target(region, new[changed], flight)
        async with world.effects.one("PUT"):
            await world.app.put_app_settings(site_id, settings, permit=permit)
            world.starts(region)

    async def put_connection_strings(self, *args: Any, **options: Any) -> None:
        """No rotation writes these."""
        raise AssertionError("connection strings are none of this slice's")

    async def restart(self, site_id: str, *, permit: Permit) -> None:
        """Check, then restart."""
        region = site_id.rsplit("app-", 1)[-1]
        self._flight(region, permit)
        async with self._world.effects.one("restart"):
            await self._world.app.restart(site_id, permit=permit)
            self._world.starts(region)

    def _flight(self, region: str, permit: Permit) -> Flight:
        """Law 1, by what is stored: the one permit is this one, and another region is known to be healthy."""
        world, now = self._world, self._world.clock.now()
        flight = world.packages_row.flight
        assert flight is not None
        assert flight.region == region
        held = msgspec.json.decode(world.body(permit_key(row_name(world.profile_id))), type=Held).permit
        assert held == permit
        assert permit.id == flight.id
        assert now < permit.until
        seen = msgspec.json.decode(world.body(watched_key(world.profile_id)), type=Watched).health
        fresh = {name: health.state for name, health in seen.items() if now - health.at < FRESH}
        refuge = any(state is HealthState.HEALTHY for name, state in fresh.items() if name != region)
        assert refuge or fresh[region] is HealthState.DOWN, "the last region"
        return flight

    def _check_target(self, region: str, url: str, flight: Flight) -> None:
        world = self._world
        linux = world.app.os.get(site_id(region).lower()) is Os.LINUX
        assert ("Linux" in url) == linux or "blob" in url, "another operating system's file"
        assert not isinstance(world.packages.lying.get(url, A_PACKAGE), str), "a host that is down"
        if not flight.by:
            assert world.packages.lying.get(url, A_PACKAGE) in world.welcome, "an older or different package"


class Hosted(World):
    """A pair: west runs from GitHub, east from the vendor's host, unless told otherwise."""

    def __init__(
        self,
        urls: Mapping[str, str] | None = None,
        *,
        os: Mapping[str, Os] | None = None,
        twins: tuple[Twins, ...] = (),
        **rules: Any,
    ) -> None:
        urls = {"west": GITHUB_URL, "east": VENDOR_URL} if urls is None else urls
        super().__init__(
            {"K": val(), "Website_Run_From_Package": val()},
            regions=tuple(urls),
            differs={name: {"Website_Run_From_Package": None, SETTING: url} for name, url in urls.items()},
            os=os,
        )
        secret = self.settings.secret
        self.settings = msgspec.structs.replace(
            self.settings,
            package_rules=msgspec.structs.replace(Rules(), **rules),
            packages=Catalogue(twins=twins, secret=lambda url: secret.value(SETTING, url)),
        )
        self.package_guard = PackageGuard(self)
        self.welcome = {A_PACKAGE}  # packages that may come by themselves
        self.ill_with: set[str] = set()  # URLs with whose packages an app does not come up

    # -- the world

    def url(self, region: str) -> str:
        """The package URL that a site has."""
        return self.has(region, SETTING) or ""

    def starts(self, region: str) -> None:
        """The app starts: without its package it is ill, as on App Service."""
        url = self.url(region)
        gone = isinstance(self.packages.lying.get(url, A_PACKAGE), str)
        self.probes.results[host(region)] = 503 if gone or url in self.ill_with else 200

    def dies(self, url: str) -> None:
        """The host stops answering."""
        self.packages.lying[url] = OUTAGE

    def lives(self, url: str, package: Package = A_PACKAGE) -> None:
        """The host answers again."""
        self.packages.lying[url] = package

    # -- Counterpart

    @property
    def ports(self) -> Ports:
        """The world, with the package guard before its writes."""
        plain = super().ports
        return Ports(
            **{
                **{name: getattr(plain, name) for name in plain.__dataclass_fields__},
                "settings_writes": self.package_guard,
                "control": self.package_guard,
            }
        )

    async def minute(self, *, seconds: float = 60.0) -> Tended | None:
        """Time passes, then what the timer does: the hosts are watched, and the group's round is run."""
        await reconcile.watch_packages(self.ports, self.settings)
        return (await self.tick(seconds=seconds)).packages

    async def watch_only(self) -> None:
        """A minute in which the hosts are watched, and the group's round does not come about."""
        self.clock.advance(60)
        await reconcile.watch_packages(self.ports, self.settings)

    async def minutes(self, count: int) -> Tended:
        """So many minutes."""
        tended = None
        for _ in range(count):
            tended = await self.minute()
        assert tended is not None
        return tended

    async def watched(self) -> dict[str, HostState]:
        """The state of every location, by id."""
        return {id_: watch.state for id_, watch in (await watches(self.store)).items()}

    async def all_up(self) -> None:
        """Minutes until every location is up."""
        for _ in range(60):
            await self.minute()
            states = set((await self.watched()).values())
            if states == {HostState.UP}:
                return
        raise AssertionError(f"not up: {await self.watched()}")

    async def order(self, work: Work, *regions: str, **changes: Any) -> reconcile.Round:
        """A person orders."""
        (profile,) = await discover(self.settings.scope, self.profiles)
        plain = Order(work=work, regions=regions, by="ada", at=self.clock.now())
        return await reconcile.order(
            profile, msgspec.structs.replace(plain, **changes), self.ports, self.settings
        )

    async def restarted(self, region: str) -> None:
        """An event says that the app restarted."""
        (profile,) = await discover(self.settings.scope, self.profiles)
        await reconcile.run(
            profile, self.ports, self.settings, doorbell=False, restarted=site_id(region).upper()
        )

    @property
    def packages_row(self) -> Packages:
        """The row, read beside the port."""
        return msgspec.json.decode(self.body(packages_key(self.profile_id)), type=Packages)

    async def tended(self) -> Packages:
        """The row."""
        row = await read_packages(self.store, self.profile_id)
        assert row is not None
        return row

    async def tidy(self) -> None:
        """Assert that nothing of ours is left lying about."""
        assert self.copies.copies == {}
        held = await self.permit()
        assert held is None or held.permit is None or held.permit.disturbed_at is not None
        assert (await self.tended()).flight is None


def a_watch(
    location: Location | None = None,
    state: HostState = HostState.UP,
    *,
    package: Package | None = A_PACKAGE,
    good_for: timedelta = timedelta(hours=1),
    **changes: Any,
) -> Watch:
    """A location that was checked just now."""
    problem = "" if state is not HostState.DOWN else OUTAGE
    plain = Watch(
        location=location or a_location(),
        state=state,
        since=START - good_for,
        next_at=START,
        wanted_at=START,
        good_since=None if problem else START - good_for,
        glances=(Glance(START, problem, 5, 20_000),),
        served=(Served(package, START - good_for),) if package else (),
    )
    return msgspec.structs.replace(plain, **changes)

"""What is really so: regions and their settings, Traffic Manager, package hosts, the vault, the store, the channel.

Knows nothing of the product. Everything that happens here happens at one moment and is shown to the witness, who
judges it. A value is bad when `BAD` is in it: an app that starts with it does not serve, in every region or in those
that the value names. A Key Vault reference does not resolve where `MISSING` is in it, in the same way, nor in a
region that may not read the vault; the app gets its text instead of the secret and does not serve, unless it is
`SPARE`. What references come to is looked up with every start: that a bare restart does so is not documented, and is
the worse of both.
"""

import dataclasses
import random
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

SECRET: Final = "hush"  # noqa: S105 -- the marker in every value
BAD: Final = "~bad"
REFERENCE: Final = "@Microsoft.KeyVault("
MISSING: Final = (
    "~gone"  # at the end of a reference: there is no such secret, or the region named may not read it
)
SPARE: Final = "~spare"  # in a reference: the app answers without it
RESOLVED: Final = "Resolved"
PACKAGE: Final = "WEBSITE_RUN_FROM_PACKAGE"
STRING: Final = "connectionStrings/"  # before the name of a connection string, where both kinds are spoken of
INTERVAL, TIMEOUT, TOLERATED = 30, 10, 3  # of the profile's probe
KEPT: Final = 400  # moments of a history

START: Final = datetime(2026, 3, 2, tzinfo=UTC)

type Values = dict[str, str]


def moment(at: float) -> datetime:
    """A time of the world as a date."""
    return START + timedelta(seconds=at)


def seconds(text: str) -> float:
    """The world's time of a date in JSON."""
    return (datetime.fromisoformat(text) - START).total_seconds()


class Clash(Exception):
    """The row is not at that version."""


class Gone(Exception):
    """There is no such thing."""


class Appointment(Protocol):
    """Something that is to happen."""

    def cancel(self) -> object:
        """It does not."""
        ...


class Clockwork(Protocol):
    """Time, and what is to happen later."""

    def time(self) -> float:
        """Seconds since the world began."""
        ...

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Appointment:
        """Call it then."""
        ...


@dataclasses.dataclass(frozen=True)
class Call:
    """A request of a process, as Azure sees it arrive."""

    process: str
    name: str
    began: float  # when it was sent
    read: Mapping[str, float]  # region: when its settings were read, if that was the last thing that was done


@dataclasses.dataclass(frozen=True)
class Tick:
    """A turn of the timer, when it is over."""

    began: float
    clean: bool  # one instance alone had it, lived, met no call that failed, and was done within the minute
    calls: Mapping[str, int]  # how often it asked for what


@dataclasses.dataclass(frozen=True)
class Moment:
    """How a region was from a time on."""

    at: float
    well: bool  # the app answers
    offered: bool  # Traffic Manager offers it: enabled and online


class Site:
    """One region: its app and its endpoint."""

    def __init__(self, name: str, app: Mapping[str, str], strings: Mapping[str, tuple[str, str]]) -> None:
        self.name = name
        self.app = dict(app)
        self.strings = dict(strings)
        self.enabled = True
        self.weight: int | None = None
        self.status = "Online"
        self.ills: set[str] = set()
        self.authority = "ca" * 32
        self.references: dict[str, str] = {}  # how App Service fared with each
        self.boot = 0  # starts so far
        self.runs = 1  # the package's version
        self.changed = -1e9  # when its settings were changed last
        self.astray = -1e9  # when its package setting led to no host last, if it leads to one now
        self.since = -1e9  # so long it has been well, or not
        self.switched = -1e9  # when its endpoint was enabled or disabled last
        self.past = [Moment(-1e9, well=True, offered=True)]
        self.notice: Appointment | None = None  # when Traffic Manager would notice how it is now

    @property
    def well(self) -> bool:
        """Return whether it answers devices."""
        return not self.ills

    @property
    def settings(self) -> dict[str, object]:
        """App settings and connection strings under one kind of name."""
        return {**self.app, **{STRING + name: pair for name, pair in self.strings.items()}}

    def within(self, begin: float, end: float) -> Iterator[Moment]:
        """Yield how it was between two times, the moment in which the first one lies included."""
        first = max(0, bisect_right(self.past, begin, key=lambda it: it.at) - 1)
        for item in self.past[first:]:
            if item.at > end:
                return
            yield item


@dataclasses.dataclass
class Host:
    """A package at a URL."""

    version: int = 1
    up: bool = True
    since: float = -1e9  # so long it has been up, or not


class Witness(Protocol):
    """Who is shown all that happens."""

    def edited(self, site: Site, before: Mapping[str, object]) -> None:
        """A person changed settings."""
        ...

    def written(self, site: Site, before: Mapping[str, object], call: Call) -> None:
        """The product wrote settings."""
        ...

    def looked_up(self, site: Site) -> None:
        """App Service asked the vault for what references of a region stand for."""
        ...

    def restarted(self, site: Site, call: Call) -> None:
        """The product restarted an app."""
        ...

    def switched(self, site: Site, call: Call | None) -> None:
        """The product (or, without a call, a person) enabled or disabled an endpoint."""
        ...

    def stored(self, key: str, body: bytes, before: bytes = b"", missed: Collection[str] = ()) -> None:
        """The product wrote a row."""
        ...

    def told(self, letter: str, body: bytes, call: Call) -> None:
        """The product told people something."""
        ...

    def turned(self, site: Site) -> None:
        """A region fell ill or got well."""
        ...

    def trouble(self) -> None:
        """A process died, or does not know what became of its request."""
        ...

    def untaken(self) -> None:
        """The channel took no letter, or did not say so."""
        ...

    def refused(self) -> None:
        """Something that was to be done was not, or nobody heard whether it was."""
        ...


class World:
    """Everything outside of the product."""

    def __init__(self, clock: Clockwork, sites: list[Site], urls: list[str], dice: random.Random) -> None:
        self.clock, self.dice = clock, dice
        self.sites = {site.name: site for site in sites}
        self.hosts = {url: Host() for url in urls}
        self.rows: dict[str, tuple[bytes, int]] = {}
        self.vault: dict[str, str] = {}
        self.vault_deleted: set[str] = set()  # names that the vault gives to nobody again
        self.writes = 0
        self.barred: set[str] = set()  # regions that may not read the vault
        self.lacks = ""  # what lists leave out when they do: an endpoint, or everything
        self.missed: dict[
            str, list[float]
        ] = {}  # what was not found, and when that was, since it was found last
        self.found_again: dict[
            str, tuple[float, list[float]]
        ] = {}  # when that ended, and when it was not found
        self.missed_last = -1e9
        self.lacks_until = -1e9  # lists leave that out until then
        self.moved_from, self.moved_until = -1e9, -1e9  # then that endpoint is really not in the profile
        self.managed = True  # whether the profile has our tag
        self.gone: set[str] = set()  # sites that were deleted; their endpoints may still be there
        self.unfit: set[tuple[str, str]] = set()  # (region, URL): with that package the app does not come up
        self.boots = (20, 50)  # seconds that a start takes at least, and how many more it may
        self.slow_boots = 0.0  # seconds that the next starts take longer
        self.deaf_until = 0.0  # until then the channel takes nothing
        self.witness: Witness
        self.on_settings: Callable[[Site], None] = lambda _: None
        self.on_status: Callable[[Site], None] = lambda _: None
        for site in sites:
            site.references = self._fared(site)

    @property
    def deaf(self) -> bool:
        """Return whether the channel is lost."""
        return self.clock.time() < self.deaf_until

    @property
    def away(self) -> str:
        """The region whose endpoint a person took out of the profile: no device is led there."""
        return self.lacks if self.clock.time() < self.moved_until else ""

    @property
    def regrouped(self) -> float:
        """When a region left the profile, or came back to it, last."""
        return self.moved_from if self.away else self.moved_until

    def site(self, region: str) -> Site:
        """A site that is there. Raises Gone."""
        if region in self.gone:
            raise Gone(region)
        return self.sites[region]

    def found(self, what: str) -> None:
        """An answer has it."""
        if times := self.missed.pop(what, None):
            self.found_again[what] = self.clock.time(), times

    def misses(self, what: str) -> None:
        """An answer does not have it, though it is there."""
        self.missed.setdefault(what, []).append(self.clock.time())
        self.missed_last = self.clock.time()

    # -- people

    def edit(self, region: str, changes: Mapping[str, object]) -> bool:
        """A person changes settings; None deletes. Returns whether anything changed."""
        site = self.sites[region]
        before = site.settings
        for name, item in changes.items():
            where: dict[str, Any] = site.strings if name.startswith(STRING) else site.app
            short = name.removeprefix(STRING)
            if item is None:
                where.pop(short, None)
            else:
                where[short] = item
        if site.settings == before:
            return False
        self._strayed(site, before.get(PACKAGE))
        self.witness.edited(site, before)
        self._changed(site)
        return True

    def switch(self, region: str, *, enabled: bool) -> None:
        """A person enables or disables an endpoint."""
        self._switch(self.sites[region], enabled, None, None)

    def leads_nowhere(self, site: Site, begin: float = 1e12) -> bool:
        """Return whether a region's package setting leads to no host now, or did at some time since then."""
        return site.app.get(PACKAGE) not in self.hosts or site.astray >= begin

    # -- the product's requests

    def put_app(self, region: str, values: Mapping[str, str], call: Call) -> None:
        """Replace all app settings."""
        site = self.sites[region]
        before = site.settings
        site.app = dict(values)
        self._strayed(site, before.get(PACKAGE))
        self.witness.written(site, before, call)
        self._changed(site)

    def put_strings(self, region: str, values: Mapping[str, tuple[str, str]], call: Call) -> None:
        """Replace all connection strings."""
        site = self.sites[region]
        before = site.settings
        site.strings = dict(values)
        self.witness.written(site, before, call)
        self._changed(site)

    def restart(self, region: str, call: Call) -> None:
        """Restart an app."""
        self.witness.restarted(self.sites[region], call)
        self.start(self.sites[region])

    def patch(self, region: str, call: Call, *, enabled: bool, weight: int | None) -> None:
        """Enable or disable an endpoint."""
        self._switch(self.sites[region], enabled, weight, call)

    def put(self, key: str, body: bytes, version: int | None, missed: Collection[str] = ()) -> int:
        """Write a row at a version only. `missed`: what whoever writes it did not find when last looking."""
        self._compare(key, version)
        self.writes += 1
        before = self.rows.get(key)
        self.rows[key] = (body, self.writes)
        self.witness.stored(key, body, before[0] if before else b"", missed)
        return self.writes

    def delete(self, key: str, version: int) -> None:
        """Remove a row at a version only."""
        self._compare(key, version)
        del self.rows[key]

    def _compare(self, key: str, version: int | None) -> None:
        known = self.rows.get(key)
        if (known[1] if known else None) != version:
            raise Clash(key)

    # -- weather

    def ill(self, site: Site, why: str) -> None:
        """Something ails an app."""
        was = site.well
        site.ills.add(why)
        if was:
            self._turned(site)

    def heal(self, site: Site, why: str) -> None:
        """Something ails it no more."""
        was = site.well
        site.ills.discard(why)
        if site.well and not was:
            self._turned(site)

    def bar(self, region: str) -> None:
        """From now on a region may not read the vault. A running app does not notice."""
        self.barred.add(region)

    def admit(self, region: str) -> None:
        """It may again: who says so has what did not resolve looked up anew, which takes a start."""
        self.barred.discard(region)
        site = self.sites[region]
        if "starting" not in site.ills and site.references != self._fared(site):
            self.start(site)

    def host(self, url: str, *, up: bool) -> None:
        """A package host goes, or comes back; an app that waits for its package starts then."""
        host = self.hosts[url]
        if host.up is not up:
            host.up, host.since = up, self.clock.time()
        for site in self.sites.values():
            if up and "package" in site.ills and site.app.get(PACKAGE) == url:
                self.start(site)

    def start(self, site: Site) -> None:
        """The app starts anew, with the settings and the package that it finds at the end of its start."""
        site.boot += 1
        self.ill(site, "starting")
        seconds = self.boots[0] + self.dice.randrange(64 * self.boots[1]) / 64 + self.slow_boots
        self.clock.call_later(seconds, self._started, site, site.boot)

    def _started(self, site: Site, boot: int) -> None:
        if boot != site.boot:
            return
        host = self.hosts.get(site.app.get(PACKAGE, ""))
        site.references = self._fared(site)
        self.witness.looked_up(site)
        literal = (name for name, status in site.references.items() if status != RESOLVED)
        reasons = {
            "settings": any(fails(name, site.name) for name in site.app.values())
            or any(SPARE not in site.app[name] for name in literal),
            "package": host is None or not host.up,
            "unfit": (site.name, site.app.get(PACKAGE, "")) in self.unfit,
        }
        for why, is_so in reasons.items():
            if is_so:
                self.ill(site, why)
            else:
                self.heal(site, why)
        if host is not None and host.up:
            site.runs = host.version
        self.heal(site, "starting")

    # -- what follows

    def _strayed(self, site: Site, before: object) -> None:
        if before not in self.hosts:
            site.astray = self.clock.time()

    def _changed(self, site: Site) -> None:
        site.changed = self.clock.time()
        site.references = dict.fromkeys(self._fared(site), "Initialized")  # every change has all fetched anew
        self.on_settings(site)
        self.start(site)

    def _fared(self, site: Site) -> dict[str, str]:
        """Return how App Service fares with each reference of a region now."""
        denied = "AccessToKeyVaultDenied" if site.name in self.barred else ""
        return {
            name: denied or looked_up(item, site.name)
            for name, item in site.app.items()
            if item.startswith(REFERENCE)
        }

    def _switch(self, site: Site, enabled: bool, weight: int | None, call: Call | None) -> None:
        site.weight = weight or site.weight
        if site.enabled is enabled:
            return
        site.enabled, site.switched = enabled, self.clock.time()
        self.witness.switched(site, call)
        self._status(site, "CheckingEndpoint" if enabled else "Disabled")
        if enabled:
            self.clock.call_later(20.0, self._probed, site, site.well)

    def _turned(self, site: Site) -> None:
        """Traffic Manager will notice."""
        site.since = self.clock.time()
        self._note(site)
        self.witness.turned(site)
        if site.notice is not None:
            site.notice.cancel()
        site.notice = self.clock.call_later(_patience(site), self._probed, site, site.well)

    def _probed(self, site: Site, well: bool) -> None:
        if site.well is not well or not site.enabled:
            return
        if self.clock.time() - site.since >= _patience(site) or site.status == "CheckingEndpoint":
            self._status(site, "Online" if well else "Degraded")

    def _status(self, site: Site, status: str) -> None:
        if site.status == status:
            return
        site.status = status
        self._note(site)
        self.on_status(site)

    def _note(self, site: Site) -> None:
        offered = site.enabled and site.status == "Online"
        site.past.append(Moment(self.clock.time(), site.well, offered))
        if len(site.past) > 2 * KEPT:
            del site.past[:KEPT]


def fails(value: str, region: str) -> bool:
    """Return whether an app of that region does not bear the value."""
    _, bad, where = value.partition(BAD)
    return bool(bad) and (not where or where == f"@{region}")


def reference(secret: str, where: str = "") -> str:
    """A reference to a secret, missing everywhere (`MISSING`), in the region that is named after that, or nowhere."""
    return f"{REFERENCE}VaultName=kv;SecretName={secret}{where})"


def looked_up(text: str, region: str) -> str:
    """Return how App Service fares with a reference in a region that may read the vault."""
    _, missing, where = text.partition(MISSING)
    if missing and where == ")":
        return "SecretNotFound"
    return "AccessToKeyVaultDenied" if where == f"@{region})" else RESOLVED


def _patience(site: Site) -> float:
    """Return how long Traffic Manager takes to notice: its tolerated failures, or its next probe."""
    return 20.0 if site.well else float((TOLERATED + 1) * INTERVAL)

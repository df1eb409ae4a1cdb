"""Watch the hosts, and carry rotations and restarts on: the only effects of this slice.

Hosts are watched once for the whole deployment, groups are tended one by one. Every step of a rotation is safe to
die in: the row is saved before what it announces is done, and the next wake-up finds in the region itself how far
the last one came (law 3).
"""

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from shared.absence import missed
from shared.ages import age, waits
from shared.artifact_hosts import history
from shared.artifact_hosts.catalogue import (
    BROKEN,
    Catalogue,
    NotWatched,
    broken,
    package_setting,
    signature_until,
    use_of,
)
from shared.artifact_hosts.choose import FIT, Choice, choose
from shared.artifact_hosts.compare import compare
from shared.artifact_hosts.findings import findings, skew
from shared.artifact_hosts.model import (
    HOSTS,
    SETTING,
    Check,
    Finding,
    Flight,
    Location,
    Order,
    Origin,
    Packages,
    Phase,
    Rules,
    State,
    Watch,
    Work,
)
from shared.artifact_hosts.ports import HomePages, OldValues, PackageReads, SettingsReads
from shared.artifact_hosts.transitions import (
    Close,
    Look,
    Rest,
    Restarting,
    Rotating,
    Turn,
    Undo,
    View,
    dropped,
    enter,
    first,
    happened,
    located,
    lost,
    put_back,
    restarted,
    running,
    scene,
    turn,
    unclaim,
)
from shared.clock import Clock
from shared.copies import COPY_LIVES
from shared.disruption.model import Disruption, Kind, Permit
from shared.disruption.permit import Denial
from shared.disruption.ports import AppControl, SettingsWrites
from shared.disruption.workflow import release, request
from shared.errors import AppError, Effect, IllegalTransition, NotFound, UnsafePlan
from shared.groups.discover import row_name
from shared.groups.model import AppSettings, Group, Health, RegionSettings, Value
from shared.groups.model import State as HealthState
from shared.store import Key, Store, Version, key, read, readable, revise, write

log = logging.getLogger(__name__)

MOVES_AT_ONCE = 24  # steps in one wake-up; a guard against a loop, far above what a rotation takes
CHECKS_AT_ONCE = 8
# The settings' part reads at every sweep, and what it read serves here too. Only when it did not for so many sweeps,
# this part reads by itself; sooner, the two would each read at a time of their own.
SWEEPS_MISSED = 2
_CLAIM_LEFT = 2 / 3  # of a claim must be left when a PUT begins: more than the PUT's own deadline of 60 s
WANTED_AGAIN = timedelta(hours=12)  # how often a row notes that it is still wanted
_HTTPS = 443


class Eyes(Protocol):
    """Reads the group's health for this slice; reconcile binds it to the group."""

    def __call__(self, *, prove: bool = False) -> Awaitable[Mapping[str, Health]]:
        """Every region's health now; `prove` includes a fresh SCEP proof."""
        ...


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """The ports and settings that this slice uses."""

    store: Store
    clock: Clock
    packages: PackageReads
    pages: HomePages
    reads: SettingsReads
    writes: SettingsWrites
    control: AppControl
    copies: OldValues
    catalogue: Catalogue
    rules: Rules


class Tended(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a round over a group's packages."""

    row: Packages
    choices: tuple[Choice, ...]
    findings: tuple[Finding, ...]


class Notes(msgspec.Struct, frozen=True, kw_only=True):
    """Facts that the rest of the round has read already, so that they are not read twice."""

    settings: Mapping[str, RegionSettings] = {}  # by region, as read in this very round
    restarted: frozenset[str] = frozenset()  # regions that are said to have restarted now


# -- watching the hosts -------------------------------------------------------------------------------------------


def watch_key(location: Location) -> Key:
    """Return where a location's checks lie."""
    return key(HOSTS, location.id)


async def watches(store: Store) -> dict[str, Watch]:
    """Every watched location, by id."""
    return {item.location.id: item async for item, _ in readable(store, f"{HOSTS}/", Watch)}


async def watches_of(locations: Iterable[Location], store: Store) -> dict[str, Watch]:
    """Those of these locations that are watched, by id: one read for each, however many others there are."""
    wanted = {location.id: location for location in locations}
    rows = await asyncio.gather(*(read(store, watch_key(location), Watch) for location in wanted.values()))
    return {row.location.id: row for row, _ in rows if row is not None}


async def watch(tools: Tools) -> None:
    """Check every location that is due. One location's trouble is not another's; nothing is raised but bugs."""
    now = tools.clock.now()
    known = await watches(tools.store)
    gate = asyncio.Semaphore(CHECKS_AT_ONCE)
    longest = timedelta(seconds=tools.rules.check_every * (1 + history.JITTER))

    async def one(it: Watch) -> None:
        async with gate:
            try:
                await _watch_one(it, tools, now)
            except AppError as error:
                log.warning("%s was not checked: %s", it.location, error)

    await asyncio.gather(*(one(item) for item in known.values() if not waits(item.next_at, now, longest)))


async def _watch_one(it: Watch, tools: Tools, now: datetime) -> None:
    if now - it.wanted_at > history.FORGET:
        await _forget(it.location, tools)
        return
    try:
        url = await _url_of(it, tools)
    except AppError:
        await _postpone(it.location, tools)  # that says nothing about the host
        raise
    if url is None:  # whoever has it in its settings again has it watched anew
        log.info("%s is not watched any more: neither listed, nor in the site's settings", it.location)
        await _forget(it.location, tools)
        return
    await _note(it.location, await tools.packages.check(url, known=history.known_tag(it, now)), tools)


async def _forget(location: Location, tools: Tools) -> None:
    _, version = await read(tools.store, watch_key(location), Watch)
    if version is not None:
        await tools.store.delete(watch_key(location), if_version=version)


async def _url_of(it: Watch, tools: Tools) -> Value | None:
    """The URL to check. One that no configuration lists lies in a site's settings only, and is read there."""
    if url := tools.catalogue.url(it.location):
        return url
    return await _url_at(it.site_id, it.location, tools) if it.site_id else None


async def _url_at(site_id: str, location: Location, tools: Tools) -> Value | None:
    """The URL that a site has in its settings, if it is that location's."""
    found = package_setting((await tools.reads.get_settings(site_id)).app)
    return found[1] if found and tools.catalogue.locate(found[1]).id == location.id else None


async def _postpone(location: Location, tools: Tools) -> None:
    def decide(row: Watch | None) -> Watch | None:
        return row and msgspec.structs.replace(
            row, next_at=history.next_check(row, tools.clock.now(), tools.rules)
        )

    await revise(tools.store, watch_key(location), Watch, decide)


async def _note(location: Location, check: Check, tools: Tools) -> None:
    """Take a check into the location's row, and say when its state changes."""

    def decide(row: Watch | None) -> Watch | None:
        return history.noted(row, check, tools.rules) if row else None

    before, _ = await read(tools.store, watch_key(location), Watch)
    after = await revise(tools.store, watch_key(location), Watch, decide)
    if before and after and before.state is not after.state:
        log.warning(
            "%s is %s (was %s): %s", location, after.state, before.state, check.problem or "it is well"
        )


async def _want(locations: Iterable[tuple[Location, str]], known: Mapping[str, Watch], tools: Tools) -> None:
    """See to it that these locations are watched; each comes with the site that uses it."""
    now = tools.clock.now()
    for location, site_id in locations:
        row = known.get(location.id)
        if row is not None and age(row.wanted_at, now) < WANTED_AGAIN and (row.site_id or not site_id):
            continue

        def decide(row: Watch | None, location: Location = location, site_id: str = site_id) -> Watch:
            if row is None:
                return history.begin(location, now, site_id=site_id)
            return msgspec.structs.replace(row, wanted_at=now, site_id=site_id or row.site_id)

        await revise(tools.store, watch_key(location), Watch, decide)


def _wanted(group: Group, row: Packages, catalogue: Catalogue) -> tuple[tuple[Location, str], ...]:
    """The locations that matter to a group: where its regions get their packages, and the twins of these."""
    found: dict[str, tuple[Location, str]] = {}
    for region in group.regions:
        use = row.use(region.name)
        if use is None or use.location is None or use.location.origin is Origin.BROKEN:
            continue
        for twin in catalogue.twins(use.location, region.os):
            found.setdefault(twin.id, (twin, ""))
        unlisted = use.location.origin in {Origin.UNLISTED, Origin.RETIRED}
        found[use.location.id] = (use.location, region.site_id if unlisted else "")
    return tuple(found.values())


# -- tending a group ----------------------------------------------------------------------------------------------


def packages_key(group_id: str) -> Key:
    """Return where a group's packages lie."""
    return key("packages", row_name(group_id))


async def read_packages(store: Store, group_id: str) -> Packages | None:
    """The group's row as it was last saved."""
    row, _ = await read(store, packages_key(group_id), Packages)
    return row


async def tend(group: Group, eyes: Eyes, tools: Tools, *, worker: str, notes: Notes | None = None) -> Tended:
    """Look where the regions get their packages, and carry a rotation or a restart on as far as it goes now.

    Raises:
        Conflict: another instance works on the same row; the next wake-up goes on.
        Unavailable, Throttled, Denied, NotFound: from the reads and writes; the row says how far it came.
    """
    round_ = _Round(group, eyes, tools, worker, notes or Notes())
    for _ in range(MOVES_AT_ONCE):
        turned = await round_.decide()
        if await round_.do(turned):
            return await round_.sum_up(turned.choices)
    raise AssertionError(f"{group.name}: its packages did not come to rest in {MOVES_AT_ONCE} steps")


async def look_only(
    group: Group, health: Mapping[str, Health], tools: Tools
) -> tuple[Tended, Mapping[str, Watch]]:
    """Return what is known and what would be done, from the rows alone: nothing is read from Azure, nothing written.

    `health` is the regions' as last seen.
    """
    row = await read_packages(tools.store, group.id) or first(group.name, tools.clock.now())
    seen = await watches(tools.store)
    return _summed_up(group, row, seen, health, tools), seen


async def order(group: Group, asked: Order, tools: Tools) -> Packages:
    """Take a person's order into the row. The next round acts on it.

    Raises:
        IllegalTransition: something is under way already.
        NotFound: the group has no such region.
        UnsafePlan: a reason is needed and missing.
        Conflict: the row moved while we wrote; ask again.
    """
    row, version = await read(tools.store, packages_key(group.id), Packages)
    row = row or first(group.name, tools.clock.now())
    if row.flight is not None or row.order is not None:
        raise IllegalTransition(f"{group.name}: something is under way: {row.reason}")
    regions = []
    for name in asked.regions:
        region = group.region(name)
        if region is None:
            raise NotFound(
                f"{name} is no region of {group.name}: {', '.join(region.name for region in group.regions)}"
            )
        regions.append(region.name)
    if asked.forced and not asked.reason.strip():
        raise UnsafePlan("to force a rotation needs a reason, which is recorded")
    said = f"{asked.by} ordered to {asked.work} {', '.join(regions)}" + (
        f": {asked.reason}" if asked.reason else ""
    )
    noted = enter(row, row.state, said, tools.clock.now())
    after = msgspec.structs.replace(noted, order=msgspec.structs.replace(asked, regions=tuple(regions)))
    if asked.work is Work.ROTATE:  # who asks anew for what failed before means it
        after = msgspec.structs.replace(
            after, refused=tuple(refused for refused in row.refused if refused.region not in regions)
        )
    await write(tools.store, packages_key(group.id), after, if_version=version)
    return after


def _summed_up(
    group: Group,
    row: Packages,
    seen: Mapping[str, Watch],
    health: Mapping[str, Health],
    tools: Tools,
    known: tuple[Choice, ...] = (),
) -> Tended:
    view = View(
        systems={region.name: region.os for region in group.regions},
        sites={region.name: region.site_id.lower() for region in group.regions},
        watches=seen,
        health=health,
        fresh=frozenset(),
        now=tools.clock.now(),
        worker="",
    )
    stage = scene(row, view)
    choices = known or choose(stage, tools.catalogue, tools.rules)
    found = findings(row, stage, choices, tools.catalogue, tools.rules)
    return Tended(row=row, choices=choices, findings=found)


class _Round:
    """One wake-up's work on one group's row. Holds the row as it was last read or saved, and its version."""

    def __init__(self, group: Group, eyes: Eyes, tools: Tools, worker: str, notes: Notes) -> None:
        self.group, self.eyes, self.tools, self.worker = group, eyes, tools, worker
        self.row: Packages | None = None
        self._version: Version | None = None
        self._notes = notes
        self._settings: dict[str, RegionSettings] = dict(notes.settings)  # read since the last step
        self._told = notes.restarted  # not yet noted in the row
        self._watches: Mapping[str, Watch] = {}
        self._health: Mapping[str, Health] = {}
        self._wanted: frozenset[str] = frozenset()

    # -- deciding

    async def decide(self) -> Turn:
        """Read the row, and the settings that are due; decide the next step."""
        tools, group = self.tools, self.group
        now = tools.clock.now()
        self.row, self._version = await read(tools.store, packages_key(group.id), Packages)
        row = self.row or first(group.name, now)
        if _is_anothers(row.flight, self.worker, now):
            return Turn(row, Rest())  # and written by nobody else, so that its worker can save what it did
        for name in self._due(row, now):
            self._settings[name] = await self._read(name)
        found = {
            name: use_of(region_settings.app, tools.catalogue)
            for name, region_settings in self._settings.items()
        }
        regions = [region.name for region in group.regions]
        row = signed(
            located(row, found, regions),
            {name: region_settings.app for name, region_settings in self._settings.items()},
        )
        if set(found) >= set(regions):
            row = msgspec.structs.replace(row, looked_at=now)
        await self._watch(row, found)
        row = await self._versions(self._restarts(row, now), now)
        row = self._skewed(row, now)
        verifying = row.flight is not None and row.flight.phase is Phase.DONE
        self._health = await self.eyes(prove=verifying)
        view = View(
            systems={region.name: region.os for region in group.regions},
            sites={region.name: region.site_id.lower() for region in group.regions},
            watches=self._watches,
            health=self._health,
            fresh=frozenset(found),
            now=tools.clock.now(),
            worker=self.worker,
        )
        turned = turn(row, view, tools.catalogue, tools.rules)
        self._settings = {}  # what was read is old by the next step
        return turned

    def _due(self, row: Packages, now: datetime) -> Sequence[str]:
        """The regions whose settings are to be read now: all if nobody did for long, the flight's own always."""
        long = timedelta(seconds=SWEEPS_MISSED * self.tools.rules.sweep)
        swept = row.looked_at is not None and age(row.looked_at, now) < long
        known = {use.region for use in row.uses}
        due = {region.name for region in self.group.regions if not swept or region.name not in known}
        if row.flight is not None and row.flight.work is Work.ROTATE and self.group.region(row.flight.region):
            due.add(row.flight.region)
        return sorted(due - self._settings.keys())

    async def _read(self, region: str) -> RegionSettings:
        of = self.group.region(region)
        if of is None:
            raise NotFound(f"{region} left {self.group.name}")
        return await self.tools.reads.get_settings(of.site_id)

    async def _watch(self, row: Packages, found: Mapping[str, object]) -> None:
        """Know the watched locations, and see to it that those of this group are among them."""
        wanted = _wanted(self.group, row, self.tools.catalogue)
        under_way = (row.flight.old, row.flight.new) if row.flight is not None else ()
        mine = (
            *(location for location, _ in wanted),
            *(location for location in under_way if location is not None),
        )
        self._watches = await watches_of(mine, self.tools.store)
        if found:
            await _want(wanted, self._watches, self.tools)

    def _restarts(self, row: Packages, now: datetime) -> Packages:
        """Note the restarts that we were told of, once."""
        for name in sorted(self._told):
            row = restarted(row, name, self._watches, now)
        self._told = frozenset()
        return row

    async def _versions(self, row: Packages, now: datetime) -> Packages:
        """Ask the home pages that are due. A page that shows no version leaves what is known."""
        every = timedelta(seconds=self.tools.rules.versions_every)
        monitor = self.group.profile.monitor
        port = monitor.port if monitor.protocol == "HTTPS" else _HTTPS
        for region in self.group.regions:
            use = row.use(region.name)
            at = use.running.version_at if use else None
            if use is None or row.flight is not None or (at is not None and age(at, now) < every):
                continue
            version = await self.tools.pages.get_version(region.host, port=port)
            told = msgspec.structs.replace(
                use.running, version=version or use.running.version, version_at=now
            )
            row = running(row, region.name, told)
        return row

    def _skewed(self, row: Packages, now: datetime) -> Packages:
        differ = skew(row.uses, {region.name: region.os for region in self.group.regions})
        if differ is None:
            return row
        return msgspec.structs.replace(row, skew_since=(row.skew_since or now) if differ else None)

    # -- doing

    async def do(self, turned: Turn) -> bool:
        """Take the step. Returns whether the round is over."""
        match turned.step:
            case Rest():
                await self._save(turned.row)
                return True
            case Look(region):
                self._settings[region] = await self._read(region)
                return False
            case Close(flight, well, away):
                # Copy and permit first: if we die here the flight is still in the row, and is closed again.
                if flight.copied and not away:
                    await self.tools.copies.forget(flight.copy_name)
                await self._release(flight, disturbed=not well, well=well)
                await self._save(turned.row)
                return False
            case Rotating(flight):
                return await self._rotate(await self._save(turned.row), flight)
            case Restarting(flight):
                return await self._restart(await self._save(turned.row), flight)
            case Undo(flight):
                return await self._undo(await self._save(turned.row), flight)

    async def sum_up(self, choices: tuple[Choice, ...]) -> Tended:
        """Return what this round found; new findings are logged and remembered, so that each is told once."""
        row = self.row or first(self.group.name, self.tools.clock.now())
        tended = _summed_up(self.group, row, self._watches, self._health, self.tools, choices)
        kinds = tuple(sorted({f"{finding.kind} {finding.region}".strip() for finding in tended.findings}))
        if kinds == row.findings or row.flight is not None:
            return tended
        for finding in tended.findings:
            if f"{finding.kind} {finding.region}".strip() not in row.findings:
                log.warning("%s: severity %d: %s", self.group.name, finding.severity, finding.text)
        saved = await self._save(msgspec.structs.replace(row, findings=kinds))
        return msgspec.structs.replace(tended, row=saved)

    async def _save(self, row: Packages) -> Packages:
        """Write the row if it says anything new. Raises Conflict when another instance wrote it meanwhile."""
        before = self.row
        if before is not None and _same(before, row, self.tools.rules):
            return row
        at = packages_key(self.group.id)
        self._version = await write(self.tools.store, at, row, if_version=self._version)
        if before is None or before.state is not row.state:
            log.info("%s: packages: %s: %s", self.group.name, row.state, row.reason)
        self.row = row
        return row

    async def _release(self, flight: Flight, *, disturbed: bool = True, well: bool = False) -> None:
        """Give the permit back. Unless `disturbed`, the region need not be waited for on our account."""
        at = self.tools.clock.now() if disturbed else None
        await release(self.tools.store, row_name(self.group.id), flight.id, disturbed_at=at, well=well)

    async def _permit(self, flight: Flight) -> Permit | Denial:
        health = await self.eyes(prove=True)
        asked = Disruption(
            id=flight.id,
            kind=Kind.HOST_ROTATION if flight.work is Work.ROTATE else Kind.RESTART,
            group=self.group.name,
            region=flight.region,
            at_most=self.tools.rules.permit,
        )
        now = self.tools.clock.now()
        answer = await request(
            self.tools.store,
            row_name(self.group.id),
            asked,
            health,
            now,
            audit_only=self.tools.rules.audit_only,
        )
        return answer if isinstance(answer, Denial) else answer.permit

    async def _rotate(self, claimed: Packages, flight: Flight) -> bool:
        """Write the claimed flight's new URL, if it still fits and a permit is granted."""
        url = self.tools.catalogue.url(flight.new) if flight.new else None
        if url is None:
            return await self._step_back(claimed, flight, f"{flight.new} is not known any more")
        if why_not := await self._gone_bad(claimed, flight, url):
            return await self._step_back(claimed, flight, why_not)
        granted = await self._permit(flight)
        if isinstance(granted, Denial):
            return await self._step_back(claimed, flight, f"no permit: {granted.reason}", keep_order=True)
        try:
            claimed, flight = await self._keep_old(claimed, flight)
        except AppError as error:
            await self._step_back(
                claimed, flight, f"{flight.region} was not rotated: {error}", keep_order=True
            )
            raise
        # Read last of all, since what a person changes between this and the PUT nobody can see.
        settings = await self._read(flight.region)
        if why_not := self._moved(flight, settings.app) or self._late(flight):
            return await self._step_back(claimed, flight, why_not)
        await self._put(claimed, flight, _with_package(settings.app, url), granted)
        await self._save(happened(claimed, self.tools.clock.now(), self.tools.rules))
        return True  # the next wake-up verifies; nothing can be seen of it yet

    async def _gone_bad(self, claimed: Packages, flight: Flight, url: Value) -> str:
        """Return why the new host will not do after all, by a look of this moment; or nothing."""
        assert flight.new is not None  # noqa: S101 -- a rotation has a target
        row = (await watches_of((flight.new,), self.tools.store)).get(flight.new.id)
        now = self.tools.clock.now()
        check = await self.tools.packages.check(url, known=history.known_tag(row, now) if row else "")
        await _note(flight.new, check, self.tools)
        if not check.ok:
            return f"{flight.new} will not do: {check.problem}"
        found = check.package or (row.package if row else None)
        forced = claimed.order is not None and claimed.order.forced
        if not forced and compare(found, flight.package).relation not in FIT:
            return f"{flight.new} has another package than a moment ago"
        return ""

    async def _keep_old(self, claimed: Packages, flight: Flight) -> tuple[Packages, Flight]:
        """Lay the old URL into the vault, unless the catalogue has it by name."""
        found = package_setting((await self._read(flight.region)).app)
        by_name = self.tools.catalogue.url(flight.old) if flight.old else None
        if found is None or found[1] == by_name:
            return claimed, flight
        # Noted before it is done: whoever closes the flight of a dead worker must know of the copy.
        flight = msgspec.structs.replace(flight, copied=True)
        claimed = await self._save(msgspec.structs.replace(claimed, flight=flight))
        expires = self.tools.clock.now() + COPY_LIVES
        await self.tools.copies.keep(flight.copy_name, found[1], expires=expires)
        return claimed, flight

    def _moved(self, flight: Flight, settings: AppSettings) -> str:
        """Return why the region is not where the flight was decided for, or nothing."""
        now_at = use_of(settings, self.tools.catalogue)
        if isinstance(now_at, NotWatched) and now_at.missing:
            now_at = broken("missing")
        if isinstance(now_at, Location) and flight.old is not None and now_at.id == flight.old.id:
            return ""
        return f"the package URL of {flight.region} was changed by somebody else meanwhile"

    def _late(self, flight: Flight) -> str:
        """Return whether the claim would run out under the PUT, so that another worker might begin."""
        left = flight.worker_until - self.tools.clock.now()
        if left >= timedelta(seconds=self.tools.rules.claim * _CLAIM_LEFT):
            return ""
        return f"getting ready to disturb {flight.region} took too long"

    async def _put(self, claimed: Packages, flight: Flight, settings: AppSettings, permit: Permit) -> None:
        site_id = self._site(flight)
        try:
            await self.tools.writes.put_app_settings(site_id, settings, permit=permit)
        except AppError as error:
            await self._doubt(claimed, flight, error)
            raise

    async def _doubt(self, claimed: Packages, flight: Flight, error: AppError) -> None:
        """An error that says that nothing took effect ends the claim; after any other the region will show."""
        if error.effect is Effect.NOT_APPLIED:
            await self._step_back(claimed, flight, f"{flight.region} was left alone: {error}")
        else:
            doubt = f"whether {flight.region} was disturbed will show: {error}"
            await self._save(enter(claimed, claimed.state, doubt, self.tools.clock.now()))

    def _site(self, flight: Flight) -> str:
        region = self.group.region(flight.region)
        if region is None:
            raise NotFound(f"{flight.region} left {self.group.name}")
        return region.site_id

    async def _restart(self, claimed: Packages, flight: Flight) -> bool:
        """Restart the claimed flight's region, if its package can be had and a permit is granted."""
        if why_not := await self._no_package(claimed, flight):
            return await self._step_back(claimed, flight, why_not)
        granted = await self._permit(flight)
        if isinstance(granted, Denial):
            return await self._step_back(claimed, flight, f"no permit: {granted.reason}", keep_order=True)
        if why_not := self._late(flight):
            return await self._step_back(claimed, flight, why_not, keep_order=True)
        try:
            await self.tools.control.restart(self._site(flight), permit=granted)
        except AppError as error:
            await self._doubt(claimed, flight, error)
            raise
        noted = self._gets(happened(claimed, self.tools.clock.now(), self.tools.rules))
        await self._save(noted)
        return True

    async def _no_package(self, claimed: Packages, flight: Flight) -> str:
        """Return why a restart would take the region down: its package cannot be had now. Or nothing."""
        use = claimed.use(flight.region)
        if use is None or use.location is None:
            return ""
        health = (await self.eyes()).get(flight.region)
        if health is not None and health.state is HealthState.DOWN:
            return ""  # a restart makes nothing worse, and may be what it waits for
        if use.location.origin is Origin.BROKEN:
            return f"{flight.region} is not restarted: {BROKEN[use.location.channel]}"
        url = self.tools.catalogue.url(use.location)
        url = url or await _url_at(self._site(flight), use.location, self.tools)
        if url is None:
            return f"the package URL of {flight.region} was changed meanwhile"
        check = await self.tools.packages.check(url)
        await _note(use.location, check, self.tools)
        return "" if check.ok else f"{flight.region} is not restarted: {use.location}: {check.problem}"

    def _gets(self, row: Packages) -> Packages:
        """Note with the flight what the restarted region fetches, as far as that is known."""
        use = row.use(row.flight.region) if row.flight else None
        seen = self._watches.get(use.location.id) if use and use.location else None
        if row.flight is None or seen is None or seen.problem:
            return row
        return msgspec.structs.replace(row, flight=msgspec.structs.replace(row.flight, package=seen.package))

    async def _step_back(
        self, claimed: Packages, flight: Flight, reason: str, *, keep_order: bool = False
    ) -> bool:
        """Nothing is done: give claim and permit back. The round is over; the next one looks anew."""
        log.info("%s: %s", self.group.name, reason)
        now = self.tools.clock.now()
        # The reason first: should the vault not answer, the claim runs out and the next look cleans up.
        noted = await self._save(enter(self.row or claimed, claimed.state, reason, now))
        flight = noted.flight or flight  # a copy may have been noted since
        if flight.copied:
            await self.tools.copies.forget(flight.copy_name)
        await self._release(flight, disturbed=False)
        freed = unclaim(noted, reason, now)
        await self._save(dropped(freed, reason, now) if flight.by and not keep_order else freed)
        return True

    async def _undo(self, claimed: Packages, flight: Flight) -> bool:
        """Put the region's old URL back."""
        old = await self._old_url(flight)
        if old is None and flight.copied:
            gone = missed(flight.copy_missing, self.tools.clock.now())
            if not gone.is_proof:
                waiting = f"the vault does not find the old package URL of {flight.region}; it is asked again"
                noted = enter(claimed, State.UNDOING, waiting, self.tools.clock.now())
                flight = msgspec.structs.replace(flight, copy_missing=gone)
                await self._save(msgspec.structs.replace(noted, flight=flight))
                return True
        if old is None:
            reason = f"{flight.region} did not come back, and its old package URL is gone: mend it by hand"
            log.warning("%s: %s", self.group.name, reason)
            await self._release(flight)
            await self._save(lost(claimed, reason, self.tools.clock.now()))
            return False
        granted = await self._permit(flight)
        if isinstance(granted, Denial):
            waiting = f"waiting to put {flight.region} back: {granted.reason}"
            await self._save(enter(claimed, State.UNDOING, waiting, self.tools.clock.now()))
            return True
        settings = await self._read(flight.region)
        now_at = use_of(settings.app, self.tools.catalogue)
        if late := self._late(flight):
            await self._save(enter(claimed, State.UNDOING, late, self.tools.clock.now()))
            return True
        if isinstance(now_at, Location) and flight.new is not None and now_at.id == flight.new.id:
            site_id = self._site(flight)
            await self.tools.writes.put_app_settings(
                site_id, _with_package(settings.app, old), permit=granted
            )
        await self._save(put_back(claimed, self.tools.clock.now()))
        return False

    async def _old_url(self, flight: Flight) -> Value | None:
        if flight.copied:
            return await self.tools.copies.get(flight.copy_name)
        return self.tools.catalogue.url(flight.old) if flight.old else None


def signed(row: Packages, settings: Mapping[str, AppSettings]) -> Packages:
    """Note when the signatures end that were read in the regions' package URLs; never the URL."""
    uses = tuple(
        msgspec.structs.replace(use, signature_until=signature_until(settings[use.region]))
        if use.region in settings
        else use
        for use in row.uses
    )
    return row if uses == row.uses else msgspec.structs.replace(row, uses=uses)


def _is_anothers(flight: Flight | None, worker: str, now: datetime) -> bool:
    """Return whether another worker is at it right now."""
    return (
        flight is not None
        and flight.phase is not Phase.DONE
        and flight.worker != worker
        and now < flight.worker_until
    )


def _with_package(settings: AppSettings, url: Value) -> AppSettings:
    """The settings as read, with another package URL under the name that the site has for it."""
    found = package_setting(settings)
    return AppSettings({**settings, found[0] if found else SETTING: url})


def _same(before: Packages, after: Packages, rules: Rules) -> bool:
    """Return whether only the time of looking differs, and the next sweep does not depend on it yet."""
    if before.looked_at is None or after.looked_at is None:
        return before == after
    recent = age(before.looked_at, after.looked_at) < timedelta(seconds=rules.sweep / 2)
    return recent and msgspec.structs.replace(after, looked_at=before.looked_at) == before

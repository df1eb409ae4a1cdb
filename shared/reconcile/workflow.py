"""One round over a group, and finding the group that a signal names."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import msgspec

from shared import outbox
from shared.ages import is_ahead
from shared.artifact_hosts import workflow as artifact_hosts
from shared.artifact_hosts.model import Order, Watch, Work
from shared.artifact_hosts.workflow import Tended
from shared.copies import Listed
from shared.errors import (
    AppError,
    BadEvent,
    Conflict,
    Denied,
    ForeignKey,
    IllegalTransition,
    NotFound,
    Unavailable,
    Unreadable,
)
from shared.fleet import (
    LIFETIME,
    Errand,
    Errands,
    Failed,
    failing,
    foreign_key,
    is_ours,
    parse,
    shuffled,
    written,
    wrong_clock,
)
from shared.groups.discover import row_name
from shared.groups.model import Group, Health, Profile, ReferenceStatus, RegionSettings
from shared.groups.workflow import Watched, assemble, discover, doubt_sites, observe, watched_key
from shared.ports import Ports
from shared.reconcile import copies, drills, incidents
from shared.reconcile.hindrance import no_package
from shared.settings import Settings
from shared.settings_sync import ask, workflow
from shared.settings_sync.model import Decision, Rollout
from shared.settings_sync.ports import SettingsReads
from shared.settings_sync.transitions import alone
from shared.settings_sync.workflow import Eyes
from shared.store import ATTEMPTS, Recalling, read

log = logging.getLogger(__name__)

AT_ONCE = 50  # groups that one wake-up works on at the same time: all that the timer looks at itself
ROUND = 120.0  # seconds that one group's round may take: a write of a minute, with the reads before it
BEGIN_WITHIN = (
    120.0  # seconds of a tick in which a round may begin; with `ROUND` this is within `functionTimeout`
)
SKEW = timedelta(seconds=60)
REGIONS = 2  # fewer have nothing to keep in step
_SHOWN = 120  # characters of what a caller wrote


class Round(msgspec.Struct, frozen=True):
    """The result of one round: the group, its regions' health, and the state of its settings."""

    group: Group
    health: Mapping[str, Health]
    rollout: Rollout | None
    note: str = ""  # why settings were left alone
    packages: Tended | None = None  # None: another instance is at them


class Failure(msgspec.Struct, frozen=True):
    """A group whose round ended in an error; the next wake-up tries again."""

    group: str
    error: Exception


class HandedOut(msgspec.Struct, frozen=True):
    """A group whose round somebody else runs: `reconcile_group`, on whichever instance takes it."""

    group: str


class _Noting:
    """Settings reads that remember what they read, so that one round reads a region once for all slices."""

    def __init__(self, inner: SettingsReads) -> None:
        self._inner = inner
        self.seen: dict[str, RegionSettings] = {}  # by site id, lower case

    async def get_settings(self, site_id: str) -> RegionSettings:
        """As the port says."""
        found = self.seen[site_id.lower()] = await self._inner.get_settings(site_id)
        return found

    async def list_references(self, site_id: str) -> tuple[ReferenceStatus, ...]:
        """As the port says."""
        return await self._inner.list_references(site_id)


async def look(profile: Profile, ports: Ports, settings: Settings, *, read_at: datetime) -> None:
    """Only look at a group's regions, and let the incidents see it: for who must answer soon.

    `read_at`: not later than when Traffic Manager said what the profile holds.
    """
    ports = _recalling(profile, ports)
    group = await _assemble(profile, ports, settings, read_at)
    eyes = _eyes(group, ports, settings)
    await incidents.look(group, eyes, await eyes(), ports, settings)


def _recalling(profile: Profile, ports: Ports) -> Ports:
    """The ports for one round, which asks for what was last seen of its group often."""
    seen = Recalling(ports.recalling, watched_key(profile.id), ports.clock)
    return replace(ports, store=seen)


def _eyes(group: Group, ports: Ports, settings: Settings) -> Eyes:
    """Return how this round looks at the group's health."""
    return partial(
        observe, group, store=ports.store, probes=ports.probes, clock=ports.clock, looking=settings.looking
    )


async def run(
    profile: Profile,
    ports: Ports,
    settings: Settings,
    *,
    doorbell: bool,
    restarted: str = "",
    read_at: datetime | None = None,
    patient: bool = False,
) -> Round:
    """One round. `doorbell` says that somebody rang, so the settings are read whatever the row says.

    `restarted` is the ARM id of a site that is said to have just restarted, `read_at` is when Traffic Manager said
    what the profile holds, just now if it is not given: a permit takes no old evidence. `patient`: a drill that is
    under way may take most of a minute; it comes first, for nothing may hold up the giving back of its region.

    Raises:
        Unreadable: a row of the group was written by another version. It is looked at, and nothing is written to it.
    """
    drilled = await _caught(drills.tend(profile, ports, settings, patient=patient))
    ports = _recalling(profile, ports)
    group = await _current(profile, ports, settings, read_at or ports.clock.now())
    eyes = _eyes(group, ports, settings)
    health, recent = await incidents.look(group, eyes, await eyes(), ports, settings)
    if isinstance(drilled, AppError):
        raise drilled
    reads = _Noting(ports.settings_reads)
    # One part's trouble is raised when the others were seen to: a dead host must not wait for a vault.
    synced = await _caught(
        _keep_in_step(profile, group, eyes, health, reads, ports, settings, doorbell=doorbell)
    )
    # What is under way is not known here, or not ours to touch, so packages are left alone too.
    if isinstance(synced, Unreadable | ForeignKey):
        raise synced
    if isinstance(synced, Round):
        rollout = synced.rollout
    else:
        rollout = await workflow.read_rollout(ports.store, group.id)
    tended = await _caught(_tend(group, rollout, eyes, reads, ports, settings, restarted=restarted))
    packages = None if isinstance(tended, AppError) else tended
    await incidents.heed(group, health, recent, rollout, packages, ports, settings)
    if isinstance(synced, AppError):
        raise synced
    if isinstance(tended, AppError):
        raise tended
    return msgspec.structs.replace(synced, packages=packages)


async def _caught[T](part: Awaitable[T]) -> T | AppError:
    """Return what a part of a round found, or its error."""
    try:
        return await part
    except AppError as error:
        return error


async def _keep_in_step(
    profile: Profile,
    group: Group,
    eyes: Eyes,
    health: Mapping[str, Health],
    reads: SettingsReads,
    ports: Ports,
    settings: Settings,
    *,
    doorbell: bool,
) -> Round:
    """The settings' part of a round."""
    hindrance = partial(no_package, group=group, ports=ports, settings=settings)
    tools = msgspec.structs.replace(
        settings_tools(ports, settings), reads=reads, hindrance=hindrance, copies=_listed(group.id, ports)
    )
    rollout = await workflow.read_rollout(ports.store, group.id)
    if rollout is not None:
        await workflow.check_key(rollout, tools)
    tools = msgspec.structs.replace(tools, rotates=await _rotates(group.id, rollout, ports, settings))
    # What was begun is seen through, and a row that waits for what will not come is told that nothing will.
    over = rollout is None or (rollout.flight is None and rollout.reason == alone(group.regions))
    if len(group.regions) < REGIONS and over:
        note = f"{group.name} has {len(group.regions)} web apps behind it: nothing to keep in step"
        return Round(group, health, rollout, note)
    if group.missing:
        note = f"Traffic Manager's answer leaves out {', '.join(group.missing)}, which may be there still"
        await workflow.wait(group, note, tools)
        return Round(group, health, rollout, note)
    is_new_key = rollout is not None and rollout.key_id != settings.secret.id
    if (
        not doorbell
        and not is_new_key
        and not workflow.needs_look(rollout, settings.rules, ports.clock.now())
    ):
        return Round(group, health, rollout, "nobody rang and no sweep is due")
    try:
        rollout = await _insist(lambda: workflow.sync(group, eyes, tools, worker=ports.ids.new()))
    except (NotFound, Denied) as error:
        await doubt_sites(ports.store, profile.id)  # the next round asks for their own facts
        await workflow.wait(group, str(error), tools)
        raise
    return Round(group, health, rollout)


async def _insist[T](work: Callable[[], Awaitable[T]]) -> T:
    """Again from the start when another instance saved the row first: it may have looked before we were rung for."""
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(Conflict):
            return await work()
    return await work()


async def _tend(
    group: Group,
    rollout: Rollout | None,
    eyes: Eyes,
    reads: _Noting,
    ports: Ports,
    settings: Settings,
    *,
    restarted: str,
) -> Tended | None:
    """The packages' part of a round. What the settings' part read just now is not read again."""
    if group.missing:
        return None
    if len(group.regions) < REGIONS:
        row = await artifact_hosts.read_packages(ports.store, group.id)
        if row is None or row.flight is None:  # one that is alone has no refuge: nothing could be done
            return None
    seen = {
        region.name: reads.seen[at]
        for region in group.regions
        if (at := region.site_id.lower()) in reads.seen
    }
    new = frozenset(region.name for region in group.regions if region.site_id.lower() == restarted.lower())
    notes = artifact_hosts.Notes(settings=seen, restarted=new)
    tools = await _packages_of(rollout, ports, settings)
    tools = msgspec.structs.replace(tools, copies=_listed(group.id, ports))
    try:
        return await artifact_hosts.tend(group, eyes, tools, worker=ports.ids.new(), notes=notes)
    except Conflict:
        log.info("%s: another instance sees to the packages", group.name)
        return None


async def watch_packages(ports: Ports, settings: Settings) -> None:
    """Check the package hosts that are due: once for all groups."""
    try:
        await artifact_hosts.watch(package_tools(ports, settings))
    except AppError as error:
        log.warning("the package hosts were not checked: %s", error)


async def run_all(ports: Ports, settings: Settings) -> tuple[Round | Failure | HandedOut, ...]:
    """One round for every group, here, or handed out when there are many. One group's trouble is not another's."""
    await drills.rescue(ports, settings)
    read_at = ports.clock.now()
    begin_until = asyncio.get_running_loop().time() + BEGIN_WITHIN
    profiles = shuffled(await discover(settings.scope, ports.profiles), read_at)
    errands = ports.errands if len(profiles) > settings.inline_groups else None
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(profile: Profile) -> Round | Failure | HandedOut:
        async with gate:
            if errands is not None and await _hand_out(profile, read_at, errands):
                return HandedOut(profile.name)
            if asyncio.get_running_loop().time() > begin_until:
                log.warning("%s: there was no time for this round", profile.name)
                return Failure(profile.name, Unavailable("the tick was over"))
            return await _passed_over(profile, read_at, ports, settings)

    # Beside the groups, which decide by the checks of a minute ago: a host that hangs must not hold them up.
    *rounds, _ = await asyncio.gather(
        *(one(profile) for profile in profiles), watch_packages(ports, settings)
    )
    await copies.sweep([profile.id for profile in profiles], ports)
    if errands is not None:
        await _tell_set_aside(errands, ports)
    return tuple(item for item in rounds if item is not None)


async def _hand_out(profile: Profile, read_at: datetime, errands: Errands) -> bool:
    """Return whether the group's round was handed out. What cannot be is looked at here, as far as the time goes."""
    text = written(Errand(profile=profile, read_at=read_at))
    if text is None:
        return False
    try:
        await errands.send(text, lives=LIFETIME)
    except AppError as error:
        log.warning("%s: this round could not be handed out: %s", profile.name, error)
        return False
    return True


async def run_errand(errand: Errand, ports: Ports, settings: Settings) -> Round | Failure | None:
    """One round that was handed out; None when it is too late for it, or the group is not ours.

    What nobody foresaw rises, so that the platform counts it, tries once more, and sets the errand aside.
    """
    name = errand.profile.name
    if errand.is_late(ports.clock.now()):
        log.info("%s: this errand came late; the next tick has handed out another one", name)
        return None
    if not is_ours(errand, settings.scope):
        log.warning("%s: this errand is about no group of ours", errand.profile.id)
        return None
    if not errand.headers:
        return await _timely(errand.profile, errand.read_at, ports, settings)
    read_at = ports.clock.now()
    try:
        profile = await _anew(errand.profile, ports)
    except AppError as error:
        log.warning("%s: this round failed: %s", name, error)
        return Failure(name, error)
    return await _timely(profile, read_at, ports, settings)


async def _tell_set_aside(errands: Errands, ports: Ports) -> None:
    """Tell people of errands that the platform gave up, then forget them."""
    try:
        for failed in await errands.failed():
            await _tell_set_aside_one(failed, ports)
            await errands.forget(failed)
    except AppError as error:
        log.warning("errands that were set aside were not seen to: %s", error)


async def _tell_set_aside_one(failed: Failed, ports: Ports) -> None:
    try:
        profile = parse(failed.text).profile
    except BadEvent as error:
        log.error("a message was set aside that is no errand: %s", error)  # noqa: TRY400 -- one line
        return
    log.error("%s: its round was handed out and failed each time", profile.name)
    await _tell_failing(profile, ports)


async def _tell_failing(profile: Profile, ports: Ports, unreadable: str = "") -> None:
    now = ports.clock.now()
    message = failing(profile.id, profile.name, now, unreadable)
    await outbox.post(ports.store, message, tuple(ports.channels), now)


async def _passed_over(
    profile: Profile, read_at: datetime, ports: Ports, settings: Settings
) -> Round | Failure:
    """One round of a tick: a bug met in one group must not stop the others. People are told of it."""
    try:
        return await _timely(profile, read_at, ports, settings)
    except Exception as error:
        log.exception("%s: this round failed, which nobody foresaw", profile.name)
        await _try_to_tell(profile, ports)
        return Failure(profile.name, error)


async def _tell_foreign(why: str, ports: Ports) -> None:
    """People are told once a day for the whole store: it is one key."""
    now = ports.clock.now()
    try:
        await outbox.post(ports.store, foreign_key(now, why), tuple(ports.channels), now)
    except AppError as untold:
        log.warning("nobody was told of it: %s", untold)


async def tell_wrong_clock(ports: Ports) -> None:
    """People are told once a day that our clock is wrong; the log says so each time."""
    if not ports.wrong_clock:
        return
    log.error("%s", ports.wrong_clock)
    now = ports.clock.now()
    try:
        await outbox.post(ports.store, wrong_clock(now, ports.wrong_clock), tuple(ports.channels), now)
    except AppError as untold:
        log.warning("nobody was told of it: %s", untold)


async def _try_to_tell(profile: Profile, ports: Ports, unreadable: str = "") -> None:
    try:
        await _tell_failing(profile, ports, unreadable)
    except AppError as untold:
        log.warning("%s: nobody was told of it: %s", profile.name, untold)


async def _timely(profile: Profile, read_at: datetime, ports: Ports, settings: Settings) -> Round | Failure:
    """One round within its deadline. Cut off anywhere, the next one goes on from what it finds (law 3)."""
    try:
        async with asyncio.timeout(ROUND) as deadline:
            return await run(profile, ports, settings, doorbell=False, read_at=read_at, patient=True)
    except Unreadable as error:
        log.error("%s: this round failed: %s", profile.name, error)  # noqa: TRY400 -- its words say it
        await _try_to_tell(profile, ports, str(error))
        return Failure(profile.name, error)
    except ForeignKey as error:
        log.error("%s: this round failed: %s", profile.name, error)  # noqa: TRY400 -- its words say it
        await _tell_foreign(str(error), ports)
        return Failure(profile.name, error)
    except AppError as error:
        log.warning("%s: this round failed: %s", profile.name, error)
        return Failure(profile.name, error)
    except TimeoutError:
        if not deadline.expired():
            raise
        log.warning("%s: this round took longer than %g s and was cut off", profile.name, ROUND)
        return Failure(profile.name, Unavailable(f"the round took longer than {ROUND:g} s"))


async def rung(
    profile: Profile, ports: Ports, settings: Settings, *, doorbell: bool, restarted: str, read_at: datetime
) -> Round:
    """One round that an event asks for, within the deadline of the timer's.

    One that is under way and one that waits for it end before `functionTimeout`, which would end the whole process.
    An event whose round was cut off is delivered again.

    Raises:
        Unavailable: it took longer.
    """
    try:
        async with asyncio.timeout(ROUND) as deadline:
            return await run(
                profile, ports, settings, doorbell=doorbell, restarted=restarted, read_at=read_at
            )
    except TimeoutError as error:
        if not deadline.expired():
            raise
        raise Unavailable(f"{profile.name}: the round took longer than {ROUND:g} s") from error


async def looked_since(profile: Profile, at: datetime, ports: Ports) -> bool:
    """Return whether a group's settings were read well after that time; two clocks may differ by `SKEW`."""
    rollout = await workflow.read_rollout(ports.store, profile.id)
    if rollout is None or rollout.looked_at is None or is_ahead(rollout.looked_at, ports.clock.now()):
        return False
    return rollout.looked_at - at > SKEW


async def profile_named(name: str, ports: Ports, settings: Settings) -> Profile:
    """The group of that name or ARM id.

    Raises:
        NotFound: there is none, or the short name fits several.
    """
    profiles = await discover(settings.scope, ports.profiles)
    fitting = [profile for profile in profiles if name.lower() in {profile.name.lower(), profile.id.lower()}]
    if len(fitting) == 1:
        return fitting[0]
    asked = name[:_SHOWN]
    if fitting:
        raise NotFound(
            f"{asked} names several groups; say which: {', '.join(profile.id for profile in fitting)}"
        )
    known = ", ".join(profile.name for profile in profiles) or "none"
    raise NotFound(f"there is no group {asked!r}; those that are watched: {known}")


async def show_plan(
    profile: Profile, ports: Ports, settings: Settings
) -> tuple[Group, Rollout, tuple[Decision, ...]]:
    """The group's plan as it would be now. Writes nothing."""
    group = await _assemble(profile, ports, settings)
    if len(group.regions) < REGIONS:
        raise NotFound(f"{group.name} has {len(group.regions)} web apps behind it: nothing to keep in step")
    rollout, decisions = await workflow.look_only(group, await _tools_of(group, ports, settings))
    return group, rollout, decisions


async def _tools_of(group: Group, ports: Ports, settings: Settings) -> workflow.Tools:
    rollout = await workflow.read_rollout(ports.store, group.id)
    rotates = await _rotates(group.id, rollout, ports, settings)
    return msgspec.structs.replace(settings_tools(ports, settings), rotates=rotates)


async def is_foreign(group_id: str, ports: Ports, settings: Settings) -> bool:
    """Return whether the group, or the store where the group has no row yet, belongs to another fingerprint key."""
    rollout = await workflow.read_rollout(ports.store, group_id)
    try:
        await workflow.check_key(rollout, settings_tools(ports, settings))
    except ForeignKey:
        return True
    return False


async def reset_baseline(
    profiles: Sequence[Profile], by: str, reason: str, ports: Ports, settings: Settings
) -> tuple[str, ...]:
    """Begin anew where the fingerprint key is lost: the store, and each group under another key. Returns their names.

    Raises:
        IllegalTransition: the key is the store's, and every group's.
    """
    tools = settings_tools(ports, settings)
    was_foreign = await workflow.reset_store(tools)
    groups = [await _assemble(profile, ports, settings) for profile in profiles]
    each = ((group, msgspec.structs.replace(tools, copies=_listed(group.id, ports))) for group in groups)
    names = [group.name for group, its in each if await workflow.reset(group, by, reason, its)]
    if not names and not was_foreign:
        raise IllegalTransition("this is the key of this store, and of its groups: there is nothing to reset")
    return tuple(names)


async def decision(id: str, ports: Ports, settings: Settings) -> tuple[Group, Rollout, str]:  # noqa: A002 -- its name
    """The group and its rollout for a decision's id, `<group>.<fingerprint>`, with the fingerprint.

    Raises:
        NotFound: the id names no group of ours, or one that was never looked at.
    """
    name, _, fingerprint = id.rpartition(".")
    for profile in await discover(settings.scope, ports.profiles):
        if row_name(profile.id) == name:
            rollout = await workflow.read_rollout(ports.store, profile.id)
            if rollout is not None:
                return await _assemble(profile, ports, settings), rollout, fingerprint
    raise NotFound(f"there is no decision {id[:120]!r}; `counterpart status` shows what waits")


async def settle(profile: Profile, asked: ask.Request, ports: Ports, settings: Settings) -> Round:
    """Take a person's word, then run a round so that it takes effect at once."""
    read_at = ports.clock.now()
    profile = await _anew(profile, ports)  # a person may have thought for long
    group = await _assemble(profile, ports, settings, read_at)
    if group.missing:
        raise Unavailable(f"Traffic Manager's answer leaves out {', '.join(group.missing)}: ask again")
    tools = await _tools_of(group, ports, settings)
    await _insist(lambda: workflow.settle(group, asked, tools))
    return await run(profile, ports, settings, doorbell=True, read_at=read_at)


async def order(profile: Profile, asked: Order, ports: Ports, settings: Settings) -> Round:
    """Take a person's order about packages, then run a round so that it begins at once."""
    group = await _assemble(profile, ports, settings)
    if asked.work is Work.RESTART and not asked.regions:
        asked = msgspec.structs.replace(asked, regions=tuple(region.name for region in group.regions))
    rollout = await workflow.read_rollout(ports.store, group.id)
    await artifact_hosts.order(group, asked, await _packages_of(rollout, ports, settings))
    return await run(profile, ports, settings, doorbell=False)


async def show_packages(
    profile: Profile, ports: Ports, settings: Settings
) -> tuple[Group, Tended, Mapping[str, Watch]]:
    """Return what is known of a group's packages and of all hosts. Writes nothing about them."""
    group = await _assemble(profile, ports, settings)
    rollout = await workflow.read_rollout(ports.store, group.id)
    watched, _ = await read(ports.store, watched_key(group.id), Watched)
    health = watched.health if watched is not None else {}
    tools = await _packages_of(rollout, ports, settings)
    tended, seen = await artifact_hosts.look_only(group, health, tools)
    return group, tended, seen


async def _current(profile: Profile, ports: Ports, settings: Settings, read_at: datetime) -> Group:
    """The group by this answer of Traffic Manager, or by a new one where a newer one had other regions.

    Raises:
        Conflict: the newer one is newer still, by another machine's clock.
    """
    group = await _assemble(profile, ports, settings, read_at)
    if group.outdated:
        read_at = ports.clock.now()
        group = await _assemble(await _anew(profile, ports), ports, settings, read_at)
    if group.outdated:
        raise Conflict(f"{group.name}: a later answer of Traffic Manager had other regions")
    return group


async def _anew(profile: Profile, ports: Ports) -> Profile:
    """The profile as Traffic Manager has it now.

    Raises:
        Unavailable: its answer leaves it out, which proves nothing.
    """
    for item in await ports.profiles.list_profiles(profile.id.split("/")[2]):
        if item.id.lower() == profile.id.lower():
            return item
    raise Unavailable(f"{profile.name} is not among the profiles that Traffic Manager named")


async def _assemble(
    profile: Profile, ports: Ports, settings: Settings, read_at: datetime | None = None
) -> Group:
    return await assemble(
        profile,
        store=ports.store,
        sites=ports.sites,
        clock=ports.clock,
        looking=settings.looking,
        read_at=read_at or ports.clock.now(),
    )


def _listed(group_id: str, ports: Ports) -> Listed:
    """The vault, with a row for each copy of this group."""
    return Listed(ports.copies, ports.store, ports.clock, group_id)


def settings_tools(ports: Ports, settings: Settings) -> workflow.Tools:
    """Return what settings_sync uses of the outside world and the configuration."""
    return workflow.Tools(
        store=ports.store,
        clock=ports.clock,
        reads=ports.settings_reads,
        writes=ports.settings_writes,
        copies=ports.copies,
        policy=settings.policy,
        secret=settings.secret,
        rules=settings.rules,
        previous=settings.previous,
    )


async def _rotates(group_id: str, rollout: Rollout | None, ports: Ports, settings: Settings) -> bool:
    """Return whether the group may go over to a new fingerprint key: not in the middle of a package's rotation."""
    if rollout is None or rollout.key_id == settings.secret.id:
        return True
    row = await artifact_hosts.read_packages(ports.store, group_id)
    return row is None or row.flight is None


async def _packages_of(rollout: Rollout | None, ports: Ports, settings: Settings) -> artifact_hosts.Tools:
    """The tools for one group's packages, with the key that the group goes by.

    Raises:
        ForeignKey: that is none of ours.
    """
    await workflow.check_key(rollout, settings_tools(ports, settings))
    tools = package_tools(ports, settings)
    if rollout is None or rollout.key_id == settings.secret.id:
        return tools
    return msgspec.structs.replace(tools, catalogue=settings.packages_before)


def package_tools(ports: Ports, settings: Settings) -> artifact_hosts.Tools:
    """Return what artifact_hosts uses of the outside world and the configuration."""
    return artifact_hosts.Tools(
        store=ports.store,
        clock=ports.clock,
        packages=ports.packages,
        pages=ports.pages,
        reads=ports.settings_reads,
        writes=ports.settings_writes,
        control=ports.control,
        copies=ports.copies,
        catalogue=settings.packages,
        rules=settings.package_rules,
    )

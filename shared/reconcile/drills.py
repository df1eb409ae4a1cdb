"""A round's work for drills: facts of the other slices are handed over as values, and the timeline is kept.

The slices are strangers to each other. A drill is told of open incidents and of settings that do not agree; the
incidents' timelines are told what the drill did.
"""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial

import msgspec

from shared.drills import workflow
from shared.drills.model import PRACTICE, Drill, Entry, Open, Request, Seen
from shared.drills.ports import Look
from shared.drills.schedule import CATCH_UP, due, missed
from shared.drills.workflow import Checked, Started
from shared.errors import AppError, NotFound, Refused, Unavailable, Unreadable
from shared.groups.model import Group, Health, Profile
from shared.groups.workflow import assemble, discover, observe
from shared.incidents import detect
from shared.incidents import workflow as incidents_workflow
from shared.incidents.card import subject
from shared.incidents.explain import cause_name
from shared.incidents.model import Incident
from shared.ports import Ports
from shared.reconcile import incidents
from shared.settings import Settings
from shared.settings_sync import workflow as settings_workflow
from shared.settings_sync.model import State
from shared.store import Key, Row, Store, Stored, Version

log = logging.getLogger(__name__)

_ASLEEP = "nobody was awake at that time, or the schedule was another one then"


def tools(ports: Ports, settings: Settings) -> workflow.Tools:
    """Return what drills use of the outside world and the configuration."""
    return workflow.Tools(
        store=ports.store,
        clock=ports.clock,
        control=ports.endpoints,
        names=ports.names,
        resolvers=ports.resolvers,
        service=ports.service,
        channels=tuple(ports.channels),
        rules=settings.drills,
        calendar=settings.drill_calendar,
        declared=settings.drill_declared,
        hosts=settings.service_hosts,
        scep_path=settings.looking.scep_path,
        audit_only=settings.audit_only,
        base_url=settings.base_url,
    )


# -- looking ----------------------------------------------------------------------------------------------------


def _look(group_id: str, ports: Ports, settings: Settings) -> Look:
    """Return how a drill looks at its group: everything read anew, and the incidents see it too."""

    async def look(*, prove: bool) -> Seen:
        group = await _group(group_id, ports, settings, ports.store)
        eyes = partial(
            observe,
            group,
            store=ports.store,
            probes=ports.probes,
            clock=ports.clock,
            looking=settings.looking,
        )
        health, recent = await incidents.look(group, eyes, await eyes(prove=prove), ports, settings)
        return await _seen(group, health, recent, ports)

    return look


def _glance(group_id: str, ports: Ports, settings: Settings) -> Look:
    """The same without a trace: nothing is written anywhere."""
    store = _Unwritten(ports.store)

    async def look(*, prove: bool) -> Seen:
        group = await _group(group_id, ports, settings, store)
        health = await observe(
            group, store=store, probes=ports.probes, clock=ports.clock, looking=settings.looking, prove=prove
        )
        recent = await incidents_workflow.recent(group.id, store, settings.incidents)
        return await _seen(group, health, recent, ports)

    return look


class _Unwritten:
    """A store in which nothing is written: for looks that leave no trace."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner

    async def get(self, key: Key) -> Stored | None:
        """As the port says."""
        return await self._inner.get(key)

    async def put(self, row: Row, *, if_version: Version | None) -> Version:
        """Nothing."""
        del row
        return if_version or Version("never")

    async def delete(self, key: Key, *, if_version: Version) -> None:
        """Nothing."""

    async def list(self, prefix: str) -> AsyncIterator[Stored]:
        """As the port says."""
        async for stored in self._inner.list(prefix):
            yield stored


async def _group(group_id: str, ports: Ports, settings: Settings, store: Store) -> Group:
    """The group with its profile read now.

    Raises:
        Unavailable: this answer leaves the profile or an endpoint of it out, which proves nothing: look again.
    """
    wanted, read_at = group_id.lower(), ports.clock.now()
    for profile in await discover(settings.scope, ports.profiles):
        if profile.id.lower() == wanted:
            group = await assemble(
                profile,
                store=store,
                sites=ports.sites,
                clock=ports.clock,
                looking=settings.looking,
                read_at=read_at,
            )
            if group.missing:
                raise Unavailable(f"Traffic Manager's answer leaves out {', '.join(group.missing)}")
            return group
    raise Unavailable(f"{group_id.rsplit('/', 1)[-1]} is not among the profiles that Traffic Manager named")


async def _seen(group: Group, health: Mapping[str, Health], recent: Iterable[Incident], ports: Ports) -> Seen:
    return Seen(
        group=group,
        health=health,
        incidents=(
            *(
                Open(incident.region, f"{subject(incident)}: {cause_name(incident.cause)} ({incident.id})")
                for incident in recent
                if incident.open
            ),
            *await _held(group, ports.store),
        ),
        unsettled=await _unsettled(group, ports.store),
        at=ports.clock.now(),
    )


async def _held(group: Group, store: Store) -> tuple[Open, ...]:
    """The region that a failback hold keeps out, or lets back by steps of its weight: a drill would spoil that."""
    hold = await incidents_workflow.hold_of(group.id, store)
    return () if hold is None else (Open(hold.region, f"the failback hold of {hold.region} is not over"),)


async def _unsettled(group: Group, store: Store) -> str:
    """Return why the regions' settings are not known to agree; empty: they are."""
    rollout = await settings_workflow.read_rollout(store, group.id)
    if rollout is None:
        return "the settings were not compared yet"
    return "" if rollout.state is State.CONVERGED else f"the settings are {rollout.state}: {rollout.reason}"


# -- in a round -------------------------------------------------------------------------------------------------


async def rescue(ports: Ports, settings: Settings) -> None:
    """First of all at each wake-up: give back every region whose drill should be over."""
    try:
        await workflow.rescue(tools(ports, settings))
    except AppError:
        log.exception("whether a region is still out by a drill cannot be read now")


async def tend(profile: Profile, ports: Ports, settings: Settings, *, patient: bool) -> None:
    """Take the group's drill further, and begin a practice run that is due. Its errors are logged, not raised.

    Raises:
        Unreadable: another version wrote the drill, so nobody knows here whether one is under way.
    """
    if patient:
        try:
            await _practise(profile, ports, settings)
        except AppError as error:
            log.warning("%s: its schedule was not seen to: %s", profile.name, error)
    try:
        before = await workflow.running(profile.id, ports.store)
        if before is None:
            return
        look = _look(profile.id, ports, settings)
        after = await workflow.tend(
            profile.id, look, tools(ports, settings), worker=ports.ids.new(), patient=patient
        )
        await _noted(before, after, ports, settings)
    except Unreadable:
        raise
    except AppError as error:
        log.warning("%s: the drill was not seen to: %s", profile.name, error)


async def _practise(profile: Profile, ports: Ports, settings: Settings) -> None:
    """Begin the practice run that is due, or note once why it is passed over."""
    calendar = settings.drill_calendar
    if not calendar.lines(profile.name):
        return
    slot = await workflow.slot(profile.id, ports.store)
    considered = slot.considered if slot else None
    late = missed(calendar, profile.name, considered=considered, now=ports.clock.now())
    if late is not None:
        await _pass_over(profile, late, _ASLEEP, ports, settings)
        considered = late
    found = due(
        calendar,
        profile.name,
        considered=considered,
        practised=slot.practised if slot else None,
        now=ports.clock.now(),
    )
    if found is None:
        return
    why = found.skip
    if not why:
        try:
            region = await workflow.next_region(profile, ports.store)
            asked = Request(
                group=profile.id,
                region=region,
                observe_seconds=settings.drill_observe,
                target_rto_seconds=settings.drill_target,
                reason="a practice run of the schedule",
                by=PRACTICE,
            )
            look = _look(profile.id, ports, settings)
            begun = await workflow.start(asked, look, tools(ports, settings), due=found.at)
            await _noted(None, begun.drill, ports, settings)
        except AppError as error:
            passing = not isinstance(error, Refused | NotFound)
            if passing and ports.clock.now() - found.at < CATCH_UP:  # the next wake-up asks again
                raise
            why = str(error)
    if why:
        await _pass_over(profile, found.at, why, ports, settings)


async def _pass_over(profile: Profile, at: datetime, why: str, ports: Ports, settings: Settings) -> None:
    """Note once why the practice run of a time of the schedule is not made."""
    if await workflow.skipped(profile.id, profile.name, at, why, tools(ports, settings)):
        log.info("%s: practice run skipped: %s", profile.name, why)
        line = _line(at, f"practice run skipped: {why}")
        await _record(profile.id, profile.name, [line], ports, settings)


def _line(at: datetime, text: str) -> Entry:
    return Entry(at=at, who="schedule", text=text)


async def _noted(before: Drill | None, after: Drill | None, ports: Ports, settings: Settings) -> None:
    """Record the drill's steps in the timelines of the incidents around it."""
    if after is None:
        return
    known = before.timeline if before is not None and before.id == after.id else ()
    new = [entry for entry in after.timeline if entry not in known]
    await _record(after.group_id, after.group, new, ports, settings, drill=after)


async def _record(
    group_id: str,
    group: str,
    lines: Sequence[Entry],
    ports: Ports,
    settings: Settings,
    *,
    drill: Drill | None = None,
) -> None:
    if not lines:
        return
    now, what = ports.clock.now(), f"drill {drill.id}: " if drill else ""
    region = drill.region if drill else ""
    notes = [detect.noted(line.at, now, line.who, f"{what}{line.text}", region=region) for line in lines]
    try:
        await incidents_workflow.record(group_id, group, notes, incidents.tools(ports, settings))
    except AppError as error:
        log.warning("%s: the incidents did not take in what a drill did: %s", group, error)


# -- asked for by people ----------------------------------------------------------------------------------------


async def check(profile: Profile, asked: Request, ports: Ports, settings: Settings) -> Checked:
    """A dry run: all answers and the prediction. Touches nothing. Raises NotFound."""
    look = _glance(profile.id, ports, settings)
    return await workflow.check(asked, look, tools(ports, settings))


async def start(
    profile: Profile, asked: Request, ports: Ports, settings: Settings, *, idempotency: str = ""
) -> Started:
    """Begin a drill. Raises NotFound, BadEvent, Refused."""
    look = _look(profile.id, ports, settings)
    started = await workflow.start(asked, look, tools(ports, settings), idempotency=idempotency)
    if started.new:
        await _noted(None, started.drill, ports, settings)
    return started


async def abort(id: str, by: str, why: str, ports: Ports, settings: Settings) -> Drill:  # noqa: A002 -- its name
    """End a drill; its region is given back before this returns. Raises NotFound, IllegalTransition."""
    before = await workflow.find(id, ports.store)
    after = await workflow.abort(id, by, why, tools(ports, settings))
    await _noted(before, after, ports, settings)
    return after


async def nudge(drill: Drill, ports: Ports, settings: Settings) -> None:
    """One more wake-up for a drill, from the command line: short, so that who watches sees it go.

    Raises Unavailable, Throttled, Denied, NotFound: there is no such group, or it cannot be read now.
    """
    group = await _group(drill.group_id, ports, settings, ports.store)
    await tend(group.profile, ports, _briefly(settings), patient=True)
    await ports.clock.sleep(settings.drills.sample_every)
    await incidents.tell(ports, settings)


def _briefly(settings: Settings) -> Settings:
    brief = msgspec.structs.replace(settings.drills, wake=settings.drills.look_every / 2)
    return msgspec.structs.replace(settings, drills=brief)


async def turn_of(profile: Profile, ports: Ports, settings: Settings) -> dict[str, str | None]:
    """Which region the next practice run would take."""
    if not settings.drill_calendar.lines(profile.name):
        return {"next_region": None}
    return {"next_region": await workflow.next_region(profile, ports.store)}


async def tidy(ports: Ports, settings: Settings) -> None:
    """Once a night: delete what is older than the retention."""
    now = ports.clock.now()
    if (now.hour, now.minute) != incidents.NIGHTLY:
        return
    try:
        await workflow.forget(ports.store, now, settings.drills)
    except AppError as error:
        log.warning("old drills were not deleted: %s", error)

"""A round's facts for incidents: the state of the regions, held changes, events around them; and notifications.

The slices are strangers to each other; here what one knows is handed to the other as values.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from functools import partial

import msgspec

from shared import outbox
from shared.artifact_hosts import model as packages
from shared.artifact_hosts.history import state_of
from shared.artifact_hosts.workflow import Tended, read_packages, watches_of
from shared.drills.workflow import running
from shared.errors import AppError, PermanentError, Unavailable, Unreadable
from shared.events.app_service import Signal
from shared.events.azure_monitor import Alert
from shared.groups.classify import TROUBLED, standings
from shared.groups.model import Cause, Group, Health, Profile
from shared.groups.workflow import Watched, discover, watched_key
from shared.incidents import detect, workflow
from shared.incidents.model import (
    EXHAUSTED,
    HELD,
    PACKAGE_SETTING,
    UNREAD,
    UNTRUSTED,
    Change,
    Fact,
    Incident,
    Severity,
    Topic,
)
from shared.ports import Ports
from shared.settings import Settings
from shared.settings_sync.advice import advise
from shared.settings_sync.model import Action, Decision, Rollout, State
from shared.settings_sync.workflow import Eyes, read_rollout
from shared.store import Store, read

log = logging.getLogger(__name__)

_WAITING = frozenset({State.HELD, State.CONTAINED})
# By the finding of artifact_hosts.
_NO_HOST = {"package-setting": PACKAGE_SETTING, "no-package-host": EXHAUSTED, "no-trusted-host": UNTRUSTED}
_WAYS = 2  # that a card names
_KEYS = 20  # that one line of a timeline names
NIGHTLY = (3, 0)  # hour and minute, UTC, when what is older than the retention is deleted


def tools(ports: Ports, settings: Settings) -> workflow.Tools:
    """Return what incidents use of the outside world and the configuration."""
    return workflow.Tools(
        store=ports.store,
        clock=ports.clock,
        ids=ports.ids,
        names=ports.names,
        sites=ports.sites,
        profiles=ports.profiles,
        control=ports.endpoints,
        channels=tuple(ports.channels),
        rules=settings.incidents,
        hold=settings.hold,
        drilled=partial(_drilled, ports.store),
        base_url=settings.base_url,
    )


async def _drilled(store: Store, group_id: str) -> str:
    """The region whose drill is not over."""
    drill = await running(group_id, store)
    return drill.region if drill is not None else ""


async def look(
    group: Group, eyes: Eyes, health: Mapping[str, Health], ports: Ports, settings: Settings
) -> tuple[Mapping[str, Health], tuple[Incident, ...]]:
    """Take in how the regions stand. Returns the health, looked at anew with SCEP where something is wrong.

    What goes wrong here must not keep a round from its other work: it is logged, and the next round tries again. An
    answer that leaves regions out says nothing of those either: whether they serve is not judged by it.

    Raises:
        Unreadable: another version wrote what is known of the group's incidents.
    """
    try:
        if group.missing:
            return health, await workflow.recent(group.id, ports.store, settings.incidents)
        hosts: Mapping[str, str] = {}
        changes: tuple[Change, ...] = ()
        if any(standing in TROUBLED for standing in standings(group, health).values()):
            health = await eyes(prove=True)
            hosts = await _rotating(group, ports, settings)
            changes = await _changed(group, ports)
        use = tools(ports, settings)
        return health, await workflow.watch(group, health, use, packages=hosts, changes=changes)
    except Unreadable:
        raise
    except AppError as error:
        log.warning("%s: incidents were not seen to: %s", group.name, error)
        return health, ()


async def _rotating(group: Group, ports: Ports, settings: Settings) -> dict[str, str]:
    """Return what is wrong with the artifact host of the region that is being moved to another one, if something is.

    A region also moves so that two do not share a host: then both hosts are well, and neither is its trouble.
    """
    row = await read_packages(ports.store, group.id)
    flight = row.flight if row is not None else None
    if flight is None or flight.work is not packages.Work.ROTATE or flight.by or flight.old is None:
        return {}
    seen = (await watches_of([flight.old], ports.store)).get(flight.old.id)
    if state_of(seen, ports.clock.now(), settings.package_rules) is not packages.HostState.DOWN:
        return {}
    return {flight.region: flight.reason}


async def _changed(group: Group, ports: Ports) -> tuple[Change, ...]:
    """Return what is being written to a region, and the settings changes that only their own region has."""
    try:
        rollout = await read_rollout(ports.store, group.id)
    except Unreadable:  # the settings' part of the round says so
        return ()
    if rollout is None:
        return ()
    found = []
    if (flight := rollout.flight) is not None:
        keys = _listed([planned.key for planned in flight.keys])
        text = f"Counterpart wrote {keys} at {flight.claimed_at:%H:%M:%S} UTC"
        found.append(Change(region=flight.target, at=flight.claimed_at, text=text))
    changes = rollout.plan.changes if rollout.plan else ()
    for seen in rollout.footprints:
        changed = [change.key for change in changes if seen.region in change.sources]
        if changed and (flight is None or seen.region != flight.target):
            text = f"its settings were changed, as was seen at {seen.at:%H:%M:%S} UTC: {_listed(changed)}"
            found.append(Change(region=seen.region, at=seen.at, text=text))
    return tuple(found)


async def heed(
    group: Group,
    health: Mapping[str, Health],
    recent: Collection[Incident],
    rollout: Rollout | None,
    tended: Tended | None,
    ports: Ports,
    settings: Settings,
) -> None:
    """Take in what waits for a person, and what settings and packages did around an open incident."""
    now = ports.clock.now()
    facts: list[Fact] = []
    facts += _held(group, rollout, health, recent, now, settings) if rollout else ()
    facts += _exhausted(tended, recent, now) if tended else ()
    begin = min((incident.started for incident in recent if incident.open), default=None)
    if begin is not None:
        lead = timedelta(seconds=settings.incidents.lead)
        facts += (note for note in _notes(rollout, tended, now) if note.at >= begin - lead)
    if not facts:
        return
    try:
        await workflow.record(group.id, group.name, facts, tools(ports, settings))
    except AppError as error:
        log.warning("%s: incidents did not take in what waits: %s", group.name, error)


def _held(
    group: Group,
    rollout: Rollout,
    health: Mapping[str, Health],
    recent: Collection[Incident],
    now: datetime,
    settings: Settings,
) -> Iterable[Fact]:
    live = detect.open_subjects(recent)
    if rollout.unread is not None and rollout.unread.is_proof:
        since = rollout.unread.since
        yield detect.matter(Topic.SETTINGS, since=since, now=now, cause=UNREAD, text=rollout.reason)
    elif rollout.state in _WAITING:
        yield from _waiting(group, rollout, health, recent, now, settings)
    elif (Topic.SETTINGS, "") in live:
        yield detect.matter(
            Topic.SETTINGS, since=now, now=now, text=f"settings are {rollout.state}: {rollout.reason}"
        )


def _waiting(
    group: Group,
    rollout: Rollout,
    health: Mapping[str, Health],
    recent: Collection[Incident],
    now: datetime,
    settings: Settings,
) -> Iterable[Fact]:
    """A change waits for a person: a matter of its own, or part of the incident of the region that it broke."""
    plan = rollout.plan
    id_ = plan.fingerprint if plan else ""
    text = f"settings are {rollout.state}: {rollout.reason}"
    evidence = [
        *(
            f"{refusal.rule}: {refusal.text} ({_listed(refusal.keys)})"
            for refusal in (plan.refusals if plan else ())
        ),
        *_ways(group, rollout, health),
    ]
    broken = _broken_by(rollout, recent)
    one = next((incident for incident in broken if incident.open), None)
    if one is None:
        over = [incident.resolved for incident in broken if incident.resolved is not None]
        since = max([rollout.since, *over])
        if all(now - moment >= settings.incidents.flap_window for moment in over):
            yield detect.matter(
                Topic.SETTINGS, since=since, now=now, cause=HELD, id=id_, text=text, evidence=evidence
            )
        return
    yield detect.waits(one, rollout.since, now, text, id_, evidence)
    if (Topic.SETTINGS, "") in detect.open_subjects(recent):
        goes_on = f"the change broke {one.region}, and goes on as that region's incident, {one.id}"
        yield detect.matter(Topic.SETTINGS, since=now, now=now, text=goes_on)


def _broken_by(rollout: Rollout, recent: Iterable[Incident]) -> list[Incident]:
    """Return the confirmed incidents of regions that the waiting change broke, not those before it."""
    changes = rollout.plan.changes if rollout.plan else ()
    sources = {source for change in changes for source in change.sources}
    return [
        incident
        for incident in recent
        if incident.topic is Topic.SERVICE
        and incident.cause == Cause.SETTINGS_CHANGE
        and incident.region in sources
        and incident.confirmed is not None
        and (incident.resolved is None or incident.resolved >= rollout.since)
    ]


def _ways(group: Group, rollout: Rollout, health: Mapping[str, Health]) -> Iterable[str]:
    """Yield the options, the best first, without the plan's fingerprint: evidence of a state stays alike."""
    names = [region.name for region in group.regions]
    for option in advise(group.name, names, rollout, health).options[:_WAYS]:
        verb = " ".join(option.command.split()[:2])
        yield f"to {option.what}: {option.effect}" + (f" ({verb})" if verb else "")


def _exhausted(tended: Tended, recent: Iterable[Incident], now: datetime) -> Iterable[Fact]:
    """An incident whose last hope has gone gets worse, and never better before it is over: hosts come and go."""
    order = list(_NO_HOST)
    grave = sorted(
        (finding for finding in tended.findings if finding.kind in _NO_HOST),
        key=lambda it: -order.index(it.kind),
    )
    found = {finding.region: finding for finding in grave}  # of several of one region the most telling one
    known = {
        incident.region: incident for incident in recent if incident.open and incident.topic is Topic.HOSTS
    }
    for region, finding in found.items():
        cause = _NO_HOST[finding.kind]
        severity = Severity(finding.severity) if cause == PACKAGE_SETTING else Severity.MINOR
        before = known.get(region)
        if (
            before is None
            or severity < before.severity  # the region went down
            or (before.cause, cause) == (UNTRUSTED, EXHAUSTED)
        ):
            evidence = (finding.text, finding.way_out)
            yield detect.matter(
                Topic.HOSTS,
                since=now,
                now=now,
                cause=cause,
                region=region,
                text=finding.text,
                evidence=evidence,
                severity=severity,
            )
    for region in known.keys() - found.keys():
        yield detect.matter(
            Topic.HOSTS, since=now, now=now, region=region, text=f"{region} has a package host again"
        )


def _notes(rollout: Rollout | None, tended: Tended | None, now: datetime) -> Iterable[Fact]:
    """Key names and fingerprints, states and reasons; never a value."""
    if rollout is not None:
        for happening in rollout.history:
            yield detect.noted(happening.at, now, "settings", f"{happening.state}: {happening.text}")
        if rollout.plan is not None and rollout.plan.changes:
            yield detect.noted(rollout.since, now, "settings", _planned(rollout))
    if tended is not None and tended.row is not None:
        for line in tended.row.history:
            yield detect.noted(line.at, now, "packages", f"{line.state}: {line.text}")


def _planned(rollout: Rollout) -> str:
    assert rollout.plan is not None  # noqa: S101 -- asked before
    return f"plan {rollout.plan.fingerprint}: {_listed([_change(change) for change in rollout.plan.changes])}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _KEYS} more" if len(names) > _KEYS else ""
    return f"{', '.join(names[:_KEYS])}{more}"


def _change(it: Decision) -> str:
    word = "delete " if it.action is Action.DELETE else ""
    return f"{word}{it.key} ({', '.join(it.sources)} to {', '.join(it.targets)})"


async def happened(signal: Signal, profile: Profile, ports: Ports, settings: Settings) -> None:
    """Note what App Service said of a site: evidence, should an incident be near."""
    wanted = signal.site_id.lower()
    names = [endpoint.name for endpoint in profile.endpoints if endpoint.target_id.lower() == wanted]
    text = f"{signal.site_id.rsplit('/', 1)[-1]} {signal.kind}"
    now = ports.clock.now()
    facts = [detect.noted(min(signal.at, now), now, "App Service", text, region=name) for name in names]
    await workflow.record(profile.id, profile.name, facts, tools(ports, settings))


class Taken(msgspec.Struct, frozen=True):
    """The result of an alert: the groups that it was about, and their open incidents."""

    groups: tuple[str, ...] = ()  # names; none: it is about no group of ours
    profiles: tuple[Profile, ...] = ()  # those that can be looked at now
    incidents: tuple[str, ...] = ()  # ids


class _Addressed(msgspec.Struct, frozen=True):
    """A group that an alert may be about."""

    id: str
    name: str
    endpoints: tuple[str, ...]


async def alert(said: Alert, ports: Ports, settings: Settings) -> Taken:
    """Take an alert into its group's ledger. When this returns, it is safe.

    Raises:
        Unavailable, Throttled, Conflict: it is not safe; the same should be said again.
    """
    wanted = {name.lower().rstrip("/") for name in said.profile_ids}
    try:
        ours = await ports.directory.knows(wanted, settings.scope)
        found = await discover(settings.scope, ports.profiles) if ours else ()
    except AppError as error:
        profiles: tuple[Profile, ...] = ()
        groups = await _as_last_seen(wanted, ports, error)
    else:
        profiles = tuple(profile for profile in found if profile.id.lower() in wanted)
        groups = [
            _Addressed(profile.id, profile.name, tuple(its.name for its in profile.endpoints))
            for profile in profiles
        ]
    opened: list[str] = []
    for group in groups:
        facts = detect.alerted(said, group.endpoints, ports.clock.now())
        recent = await workflow.record(group.id, group.name, facts, tools(ports, settings)) if facts else ()
        opened += [its.id for its in recent if its.open]
    return Taken(tuple(group.name for group in groups), profiles, tuple(opened))


async def _as_last_seen(wanted: Collection[str], ports: Ports, error: AppError) -> list[_Addressed]:
    """Azure does not say which groups are ours; those that we were watching are.

    Raises Unavailable when the alert may be about a group that was never seen.
    """
    found: list[_Addressed] = []
    for id_ in wanted:
        row, _ = await read(ports.store, watched_key(id_), Watched)
        if row is None:
            raise Unavailable(
                f"whether the alert is about a group of ours cannot be told now: {error}"
            ) from error
        name = row.profile_id.rsplit("/", 1)[-1]
        found.append(_Addressed(row.profile_id, name, tuple(row.health)))
    log.warning("an alert was taken for groups as they were last seen: %s", error)
    return found


async def tell(ports: Ports, settings: Settings) -> None:
    """Send what is due. Once a night, delete what is older than the retention."""
    await deliver(ports, settings)
    now = ports.clock.now()
    if (now.hour, now.minute) != NIGHTLY:
        return
    try:
        await workflow.forget(ports.store, now, settings.incidents)
    except AppError as error:
        log.warning("old incidents were not deleted: %s", error)


async def deliver(ports: Ports, settings: Settings) -> None:
    """Send what is due; what is given up is noted in the incident it was about. Raises nothing of ours."""

    async def note(letter: outbox.Letter) -> None:
        if letter.kind.startswith("incident."):
            await _note_given_up(letter, ports, settings)

    try:
        await outbox.send(ports.store, ports.channels, ports.clock, note=note)
    except AppError as error:
        log.warning("the outbox could not be read: %s", error)


def sending_beside(ports: Ports, settings: Settings, *, linger: float) -> AbstractAsyncContextManager[None]:
    """Send what the work inside posts as soon as it is posted; its end waits so many seconds at most for that."""
    return outbox.sending_beside(partial(deliver, ports, settings), linger=linger)


async def _note_given_up(letter: outbox.Letter, ports: Ports, settings: Settings) -> None:
    """A line in the timeline, of when the day was over: noted twice, it is one line."""
    at, now = letter.posted_at + outbox.GIVE_UP_AFTER, ports.clock.now()
    text = f"{letter.kind} could not be told to {letter.channel} within a day: {letter.problem}"
    fact = detect.noted(at, now, "Counterpart", text)
    try:
        await workflow.note((fact,), letter.subject, tools(ports, settings))
    except (PermanentError, Unreadable) as error:  # again will not help
        log.warning("that %s was given up is in no timeline: %s", letter.id, error)


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's request about an incident."""

    incident: str
    by: str
    reason: str = ""


async def acknowledge(asked: Ask, ports: Ports, settings: Settings) -> Incident:
    """A person takes an incident on. Raises NotFound, IllegalTransition."""
    return await workflow.acknowledge(asked.incident, asked.by, asked.reason, tools(ports, settings))


async def release(profile: Profile, by: str, reason: str, ports: Ports, settings: Settings) -> str:
    """A person wants the held region back. Returns its name. Raises IllegalTransition when none is held."""
    held = await workflow.let_go(profile.id, profile.name, by, reason, tools(ports, settings))
    return held.region

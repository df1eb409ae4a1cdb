"""Incidents' effects: take facts into the ledger, owe and post cards, archive, look up, hold an endpoint.

One row per group is the truth of what is recent (`incident-ledgers/`), one per incident of what is over
(`incidents/`). Cards are owed in the ledger by the very write that takes in the fact, then laid into the outbox, then
struck off: dying in between loses none and doubles none.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import partial

import msgspec

from shared.clock import Clock, Ids
from shared.disruption.model import Disruption
from shared.disruption.model import Kind as PermitKind
from shared.disruption.permit import Denial, Granted, stands
from shared.disruption.ports import EndpointControl
from shared.disruption.workflow import Held as HeldPermit
from shared.disruption.workflow import permit_key, release, request
from shared.errors import AppError, Conflict, Effect, IllegalTransition, NotFound, Refused, Unavailable
from shared.groups.classify import TROUBLED, classify, standings
from shared.groups.discover import row_name
from shared.groups.model import Group, Health, MonitorStatus, Site
from shared.groups.ports import Names, Profiles, Sites
from shared.groups.routing import instead
from shared.incidents import detect
from shared.incidents.card import incident_card
from shared.incidents.hold import (
    Disable,
    Enable,
    Hold,
    HoldRow,
    HoldRules,
    Phase,
    Rest,
    View,
    refused,
    released,
    taken_out,
    turn,
)
from shared.incidents.model import Archived, Change, Claim, Fact, Incident, Kind, Ledger, Telling, Topic
from shared.incidents.render import incident_facts
from shared.incidents.transitions import (
    Rules,
    acknowledgement,
    advance,
    incident_id,
    incidents,
    paid,
    settled,
    shelve,
)
from shared.outbox import Message, post
from shared.store import Key, Store, key, read, readable, revise, write

log = logging.getLogger(__name__)

LEDGERS, ARCHIVE, HOLDS = "incident-ledgers", "incidents", "failback-holds"
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,150}-\d{1,9}")


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """The ports and settings that incidents use."""

    store: Store
    clock: Clock
    ids: Ids
    names: Names
    sites: Sites
    profiles: Profiles
    control: EndpointControl
    channels: tuple[str, ...]
    rules: Rules
    hold: HoldRules
    drilled: Callable[
        [str], Awaitable[str]
    ]  # by group id: the region whose drill is not over; empty: there is none
    base_url: str = ""


def ledger_key(group_id: str) -> Key:
    """Return where a group's ledger lies."""
    return key(LEDGERS, row_name(group_id))


def hold_key(group_id: str) -> Key:
    """Return where a group's failback hold lies."""
    return key(HOLDS, row_name(group_id))


# -- taking in --------------------------------------------------------------------------------------------------


async def record(group_id: str, group: str, facts: Collection[Fact], tools: Tools) -> tuple[Incident, ...]:
    """Take facts into the group's ledger, and see to what follows: cards, the archive. Returns what is recent.

    The facts are safe when this returns, and also when it raises from what comes after them: the next call sees to
    the rest. Raises Unavailable, Throttled, Conflict.
    """

    def decide(row: Ledger | None) -> Ledger | None:
        known = row or Ledger(group_id=group_id, group=group)
        after = advance(known, facts, tools.clock.now(), tools.rules)
        return None if row is None and after == known else after

    ledger = await revise(tools.store, ledger_key(group_id), Ledger, decide)
    if ledger is None:
        return ()
    ledger = await _pay(ledger, tools)
    ledger = await _archive(ledger, tools)
    return incidents(ledger, tools.rules)


async def _pay(ledger: Ledger, tools: Tools) -> Ledger:
    """Lay the owed cards into the outbox, then strike them off."""
    if not any(named.owed for named in ledger.named):
        return ledger
    found = {
        id_: incident
        for incident in incidents(ledger, tools.rules)
        for id_ in (incident.id, *incident.aliases)
    }
    owed = [(named.number, telling) for named in ledger.named for telling in named.owed]
    for number, telling in owed:
        incident = found.get(incident_id(ledger, number))
        if incident is not None:
            message = _message(ledger, incident, number, telling, tools)
            await post(tools.store, message, tools.channels, tools.clock.now())
            level = logging.INFO if telling is Telling.RESOLVED else logging.WARNING
            log.log(level, "incident %s: %s", incident.id, message.card.title)
        ledger = await _change(ledger, partial(paid, number=number, telling=telling), tools)
    return ledger


async def _change(ledger: Ledger, change: Callable[[Ledger], Ledger], tools: Tools) -> Ledger:
    at = ledger_key(ledger.group_id)
    after = await revise(tools.store, at, Ledger, lambda row: change(row) if row else None)
    return after or ledger


def _message(ledger: Ledger, incident: Incident, number: int, telling: Telling, tools: Tools) -> Message:
    """The card with its facts. Its id is made of the number that owes it and the state: it is told once."""
    siblings = [
        item.region
        for item in incidents(ledger, tools.rules)
        if item.open and item.topic is Topic.SERVICE and item.region != incident.region
    ]
    card = incident_card(
        incident,
        telling,
        base_url=tools.base_url,
        decision=_decision(ledger, incident),
        siblings=siblings if incident.topic is Topic.SERVICE else (),
    )
    return Message(
        id=f"{incident_id(ledger, number)}.{telling}",
        kind=f"incident.{telling}",
        subject=incident.id,
        at=tools.clock.now(),
        card=card,
        facts=incident_facts(incident),
        rank=list(Telling).index(telling),
        severity=int(incident.severity),
    )


def _decision(ledger: Ledger, incident: Incident) -> str:
    """The id of the decision that an incident waits for: its group and the plan's fingerprint."""
    if incident.topic is Topic.SETTINGS:
        plans = [
            fact
            for fact in ledger.facts
            if fact.topic is Topic.SETTINGS and fact.claim is Claim.BAD and fact.id
        ]
    else:
        marks = set(incident.marks)
        plans = [fact for fact in ledger.facts if fact.kind is Kind.WAITS and fact.id and fact.mark in marks]
    if not plans:
        return ""
    return f"{row_name(ledger.group_id)}.{max(plans, key=lambda it: it.heard).id}"


async def _archive(ledger: Ledger, tools: Tools) -> Ledger:
    """Move a finished incident into a row of its own, then out of the log; delete incidents past their retention."""
    now = tools.clock.now()
    over = settled(ledger, now, tools.rules)
    for incident in over:
        for id_ in (incident.id, *incident.aliases):
            await _put_once(Archived(incident=incident, archived=now), key(ARCHIVE, id_), tools.store)
        ledger = await _change(ledger, partial(shelve, incident=incident), tools)
    return ledger


async def _put_once(value: Archived, at: Key, store: Store) -> None:
    try:
        await write(store, at, value, if_version=None)
    except Conflict:
        log.debug("%s is in the archive already", at)


async def note(facts: Collection[Fact], incident: str, tools: Tools) -> None:
    """Add lines to the timelines around an incident that is known by its id only."""
    name = incident.rpartition("-")[0]
    row, _ = await read(tools.store, key(LEDGERS, name), Ledger)
    if row is not None:
        await record(row.group_id, row.group, facts, tools)


async def forget(store: Store, now: datetime, rules: Rules) -> int:
    """Delete what is older than the retention. Returns how many."""
    gone = 0
    async for row, stored in readable(store, f"{ARCHIVE}/", Archived):
        if now - row.archived > timedelta(seconds=rules.retention):
            await store.delete(stored.row.key, if_version=stored.version)
            gone += 1
    return gone


# -- looking ----------------------------------------------------------------------------------------------------


async def watch(
    group: Group,
    health: Mapping[str, Health],
    tools: Tools,
    *,
    packages: Mapping[str, str] | None = None,
    changes: Collection[Change] = (),
) -> tuple[Incident, ...]:
    """Take in what a look at the regions says, and hold what is to be held. Returns the recent incidents.

    A group that is well and has no incident costs two reads of the store.

    Args:
        group: the group with its profile as it was just read.
        health: every region's, as it was just seen.
        tools: the outside world.
        packages: what is wrong with regions' artifact hosts, by region.
        changes: settings that only one region has.
    """
    ledger, _ = await read(tools.store, ledger_key(group.id), Ledger)
    recent = incidents(ledger, tools.rules) if ledger else ()
    facts = await _look(group, health, recent, packages or {}, changes, tools)
    if facts or (ledger is not None and ledger.named):
        recent = await record(group.id, group.name, facts, tools)
    await _keep_out(group, health, recent, tools)
    return recent


async def _look(
    group: Group,
    health: Mapping[str, Health],
    recent: Collection[Incident],
    packages: Mapping[str, str],
    changes: Collection[Change],
    tools: Tools,
) -> tuple[Fact, ...]:
    stand = standings(group, health)
    live = detect.open_subjects(recent)
    troubled = [name for name, standing in stand.items() if standing in TROUBLED]
    if not troubled and not live:
        return detect.looks(group, health, {}, live=live, now=tools.clock.now())
    changed = detect.broke(changes, recent, tools.clock.now())
    sites = await _stopped(group, health, tools)
    findings = classify(group, health, sites=sites, packages=packages, changed=changed)
    disturbed, rehearsed = await _our_doing(group, health, tools)
    now = tools.clock.now()
    facts = detect.looks(
        group, health, findings, live=live, disturbed=disturbed, rehearsed=rehearsed, now=now
    )
    return (*facts, *await _moved(group, health, recent, troubled, tools))


async def _stopped(group: Group, health: Mapping[str, Health], tools: Tools) -> dict[str, Site]:
    """The sites' own facts where Traffic Manager says Stopped: is it the app, or its plan? Only evidence."""
    found: dict[str, Site] = {}
    for region in group.regions:
        if region.name in health and health[region.name].monitor is MonitorStatus.STOPPED:
            try:
                found[region.name] = await tools.sites.get_site(region.site_id)
            except AppError as error:
                log.warning("%s: %s is stopped, and why cannot be read: %s", group.name, region.name, error)
    return found


async def _our_doing(group: Group, health: Mapping[str, Health], tools: Tools) -> tuple[set[str], set[str]]:
    """(regions that we are restarting, regions that we keep out of DNS)."""
    disturbed, rehearsed = set[str](), set[str]()
    held, _ = await read(tools.store, permit_key(row_name(group.id)), HeldPermit)
    if held is not None and held.permit is not None and stands(held.permit, health, tools.clock.now()):
        (rehearsed if held.permit.kind is PermitKind.DRILL else disturbed).add(held.permit.region)
    hold = await hold_of(group.id, tools.store)
    if hold is not None:
        out = {endpoint.name for endpoint in group.profile.endpoints if not endpoint.enabled}
        rehearsed |= {hold.region} & out
    return disturbed, rehearsed


async def _moved(
    group: Group,
    health: Mapping[str, Health],
    recent: Collection[Incident],
    troubled: Collection[str],
    tools: Tools,
) -> tuple[Fact, ...]:
    """Which troubled regions DNS no longer answers. Asked only while that is not known."""
    known = {
        incident.region
        for incident in recent
        if incident.open and incident.mitigated is not None and incident.topic is Topic.SERVICE
    }
    asked = [region for region in group.regions if region.name in troubled and region.name not in known]
    if not asked or not group.profile.fqdn:
        return ()
    answer = await tools.names.resolve(group.profile.fqdn)
    now = tools.clock.now()
    return tuple(
        it for region in asked if (it := detect.moved(group, region, health, answer, now)) is not None
    )


# -- the failback hold ------------------------------------------------------------------------------------------


async def hold_of(group_id: str, store: Store) -> Hold | None:
    """The failback hold that is not over."""
    row, _ = await read(store, hold_key(group_id), HoldRow)
    return row.hold if row is not None else None


async def _keep_out(
    group: Group, health: Mapping[str, Health], recent: Collection[Incident], tools: Tools
) -> None:
    """One step of the failback hold. What it has done goes into the timelines."""
    if group.missing:
        return  # whose endpoint this answer leaves out is neither given back nor given up
    at = hold_key(group.id)
    before, version = await read(tools.store, at, HoldRow)
    # A hold that was begun is seen through whatever the settings say by now, or it would mistake somebody else's
    # change of the endpoint for its own, long after.
    if not tools.hold.on and (before is None or before.hold is None):
        return
    row = before or HoldRow(group=group.name)
    view = View(
        group=group,
        health=health,
        incidents=tuple(recent),
        now=tools.clock.now(),
        worker=tools.ids.new(),
        new_id=f"hold-{tools.ids.new()}",
    )
    turned = turn(row, view, tools.hold)
    if row.hold is not None and turned.row.hold is None:
        # The profile may have been read before the row was written: then what looks like somebody else's change of
        # the endpoint is our own.
        view = msgspec.structs.replace(view, group=await _fresh(group, tools), now=tools.clock.now())
        turned = turn(row, view, tools.hold)
    if turned.row != row:
        try:
            await write(tools.store, at, turned.row, if_version=version)
        except Conflict:
            return  # another instance has the turn
    if row.hold is not None and _was_cut_off(row.hold, turned.row.hold):  # its permit keeps others waiting
        await release(tools.store, row_name(group.id), row.hold.id)
    await _tell_history(group, row, turned.row, tools)
    match turned.step:
        case Disable(held):
            after = await _disable(group, held, health, tools)
            await _tell_history(group, turned.row, after, tools)
        case Enable(held, weight):
            await tools.control.enable_endpoint(group.id, held.region, weight=weight)
            log.info("%s: %s enabled after its hold", group.name, held.region)
        case Rest():
            pass


def _was_cut_off(before: Hold, after: Hold | None) -> bool:
    """Return whether the worker died or heard no answer while it took the region out; this observation settles it."""
    return before.phase is Phase.DISABLING and (after is None or after.phase is Phase.HELD)


async def _tell_history(group: Group, before: HoldRow, after: HoldRow, tools: Tools) -> None:
    hold = after.hold or before.hold
    new = [entry for entry in after.history if entry not in before.history]
    if new and hold is not None:
        now = tools.clock.now()
        notes = [detect.noted(entry.at, now, entry.who, entry.text, region=hold.region) for entry in new]
        await record(group.id, group.name, notes, tools)


async def _disable(group: Group, held: Hold, health: Mapping[str, Health], tools: Tools) -> HoldRow:
    """Disable the endpoint if law 1 allows it, by a permit and by the profile as it is at this very moment."""
    name = row_name(group.id)
    try:
        answer = await _permitted(group, held, health, tools)
        if isinstance(answer, Denial):
            return await _note_hold(group, tools, lambda row, now: refused(row, answer.reason, now))
        await tools.control.disable_endpoint(group.id, held.region, permit=answer.permit)
    except AppError as error:
        if error.effect is Effect.UNKNOWN:
            raise
        await release(tools.store, name, held.id)
        reason = str(error)
        return await _note_hold(group, tools, lambda row, now: refused(row, reason, now))
    log.info("%s: %s disabled, to be held until it is sound", group.name, held.region)
    # First the permit: whoever does not come to note what was done leaves that to the next look, and no permit.
    await release(tools.store, name, held.id)
    return await _note_hold(group, tools, taken_out)


async def _permitted(
    group: Group, held: Hold, health: Mapping[str, Health], tools: Tools
) -> Granted | Denial:
    """The permit, with the profile looked at after it. Whoever runs out of time here has asked Azure for nothing."""
    asked = Disruption(
        id=held.id,
        kind=PermitKind.FAILBACK_HOLD,
        group=group.name,
        region=held.region,
        at_most=timedelta(seconds=2 * tools.hold.lease),
        profile=group.profile,
    )
    if drilled := await tools.drilled(group.id):
        return Denial(f"the drill of {drilled} is not over: it sees its region back first")
    name, now = row_name(group.id), tools.clock.now()
    try:
        answer = await request(tools.store, name, asked, health, now, audit_only=tools.hold.audit_only)
        if isinstance(answer, Granted):
            found = instead((await _fresh(group, tools)).profile, held.region)
            if not found.by:
                raise Refused(f"{found.reason} (law 1)")
    except (asyncio.CancelledError, AppError):  # Azure was asked for nothing yet
        await release(tools.store, name, held.id)
        raise
    return answer


async def _fresh(group: Group, tools: Tools) -> Group:
    """The group with its profile read anew."""
    wanted = group.id.lower()
    for profile in await tools.profiles.list_profiles(group.id.split("/")[2]):
        if profile.id.lower() == wanted:
            return msgspec.structs.replace(group, profile=profile)
    raise Unavailable(f"{group.name} is not among the profiles that Traffic Manager named")


async def _note_hold(group: Group, tools: Tools, change: Callable[[HoldRow, datetime], HoldRow]) -> HoldRow:
    def decide(row: HoldRow | None) -> HoldRow:
        return change(row or HoldRow(group=group.name), tools.clock.now())

    after = await revise(tools.store, hold_key(group.id), HoldRow, decide)
    return after or HoldRow(group=group.name)


async def let_go(group_id: str, group: str, by: str, reason: str, tools: Tools) -> Hold:
    """A person wants the held region back; the next look gives it back.

    Raises:
        IllegalTransition: no region of the group is held.
    """
    found: Hold | None = None

    def decide(row: HoldRow | None) -> HoldRow | None:
        nonlocal found
        found = row.hold if row else None
        return released(row, by, reason, tools.clock.now()) if row else None

    await revise(tools.store, hold_key(group_id), HoldRow, decide)
    if found is None:
        raise IllegalTransition(f"no region of {group} is held out of DNS")
    return found


# -- asking -----------------------------------------------------------------------------------------------------


async def find(id: str, store: Store, rules: Rules) -> Incident:  # noqa: A002 -- it is called that everywhere
    """The incident of that id, or of which it is another name.

    Raises:
        NotFound: there is none (any more).
    """
    name, _, number = id.rpartition("-")
    if not _ID.fullmatch(id) or not number.isdecimal():
        raise NotFound(
            f"there is no incident {id[:120]!r}; `counterpart incidents list` shows those there are"
        )
    ledger, _ = await read(store, key(LEDGERS, name), Ledger)
    for incident in incidents(ledger, rules) if ledger else ():
        if id in {incident.id, *incident.aliases}:
            return incident
    row, _ = await read(store, key(ARCHIVE, id), Archived)
    if row is None:
        raise NotFound(f"there is no incident {id}; `counterpart incidents list` shows those there are")
    return row.incident


async def recent(group_id: str, store: Store, rules: Rules) -> tuple[Incident, ...]:
    """A group's incidents that are open, or were lately."""
    ledger, _ = await read(store, ledger_key(group_id), Ledger)
    return incidents(ledger, rules) if ledger else ()


async def list_incidents(store: Store, rules: Rules) -> tuple[Incident, ...]:
    """Every incident there is, the newest first."""
    found: dict[str, Incident] = {}
    async for row, _ in readable(store, f"{ARCHIVE}/", Archived):
        it = row.incident
        found[it.id] = it
    async for ledger, _ in readable(store, f"{LEDGERS}/", Ledger):
        found |= {incident.id: incident for incident in incidents(ledger, rules)}
    return tuple(sorted(found.values(), key=lambda it: (it.started, it.id), reverse=True))


async def acknowledge(id: str, by: str, reason: str, tools: Tools) -> Incident:  # noqa: A002 -- as above
    """A person takes an incident on. Returns it as it is then.

    Raises:
        NotFound: there is no such incident.
        IllegalTransition: it is over, or taken on already.
    """
    incident = await find(id, tools.store, tools.rules)
    said = acknowledgement(incident, by, reason, tools.clock.now())
    ledger, _ = await read(tools.store, key(LEDGERS, incident.id.rpartition("-")[0]), Ledger)
    assert ledger is not None, "an open incident is in its ledger"  # noqa: S101 -- what is archived is resolved
    await record(ledger.group_id, ledger.group, (said,), tools)
    return await find(incident.id, tools.store, tools.rules)

"""A drill's states, and the next step from one row and one look. Pure.

`turn` decides; the workflow saves the row before it does what the step says, so that whoever wakes up after a crash
finds out from the endpoint itself how far the last one came. Every way out of DRAINING and OBSERVING leads through
RESTORING, and enabling twice is harmless: a doubt is settled by enabling.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from shared.absence import missed
from shared.ages import age, is_ahead
from shared.drills.measure import TOLERATED, failed_in_a_row, judged, measure
from shared.drills.model import (
    ALPHABET,
    ENDED,
    NOBODY,
    Answer,
    Drill,
    Ending,
    Entry,
    Predicted,
    Request,
    Rules,
    Sample,
    Seen,
    Slot,
    State,
)
from shared.drills.preflight import Preflight, spared
from shared.errors import Effect, IllegalTransition
from shared.groups.classify import TROUBLED, standings
from shared.groups.model import Endpoint, Group, NameAnswer
from shared.groups.model import State as HealthState
from shared.groups.routing import ANSWERED, instead
from shared.words import LINE, clipped, spoken

STATES: Mapping[State, str] = {
    State.ACCEPTED: "Allowed and noted. The next wake-up looks again, and only then drains the region.",
    State.DRAINING: "The endpoint is about to be disabled; whether it was shows at the endpoint itself.",
    State.OBSERVING: "The region is out of DNS by our doing; DNS and SCEP are sampled until the time is over.",
    State.RESTORING: "The endpoint is being enabled, again and again until Azure has taken it. Needs no permit.",
    State.VERIFYING: "Enabled; until Traffic Manager calls it online and DNS answers it again.",
    State.SUCCEEDED: "Devices were led to the other regions within the target, and the service was there.",
    State.FAILED: "The target was missed, or the service was not available.",
    State.ABORTED: "Stopped by a person, or by what was seen: an incident, a failing region, a law.",
    State.INTERRUPTED: "Its process died, nobody watched, or somebody changed the endpoint: its figures say nothing.",
}

CARDS = ("started", "stuck", "finished")  # in the order in which they are sent

MOST_LINES = 60  # of a timeline
HISTORY = 30  # practice runs that were skipped
MOST_SAMPLES = 9000  # four hours and what follows them, at two seconds
MOST_PROBLEMS = 35
LONGEST_PROBLEM = 160  # characters
SETTLING = 30.0  # seconds after the drain in which a read of the profile may be older than the drain
BACK_IN_DNS = 2.0  # times the time to live, after it is online, that a region's return into DNS is waited for
OURSELVES = "Counterpart"


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The observation of one moment."""

    now: datetime
    worker: str
    seen: Seen | None = None  # None: not looked at now, or the look failed
    preflight: Preflight | None = None  # asked when a drill is to begin
    hindered: str = ""  # why it could not be asked


class Rest(msgspec.Struct, frozen=True):
    """Nothing to do now."""


class Drain(msgspec.Struct, frozen=True):
    """Take the endpoint out, under a permit."""


class Watch(msgspec.Struct, frozen=True):
    """Take a sample."""


class Enable(msgspec.Struct, frozen=True):
    """Put the endpoint back, now."""


class Finish(msgspec.Struct, frozen=True):
    """Give the permit back, tell people, move the drill into the archive."""


type Step = Rest | Drain | Watch | Enable | Finish


class Turn(msgspec.Struct, frozen=True):
    """The drill as it is to be, and the step to take."""

    drill: Drill
    step: Step


def accepted(
    asked: Request,
    group: Group,
    *,
    number: int,
    name: str,
    service: str,
    resolvers: Sequence[str],
    predicted: Predicted,
    preflight: Sequence[Answer],
    practice: bool,
    idempotency: str,
    now: datetime,
    rules: Rules,
) -> Drill:
    """A drill that was just allowed. `name` stands for the group in keys."""
    region = group.region(asked.region)
    assert region is not None, "the preflight refuses regions that there are not"  # noqa: S101 -- a rule of its own
    line = f"a drill of {region.name} was asked for{f': {asked.reason}' if asked.reason else ''}"
    return Drill(
        id=f"{name}-drill-{number}",
        group_id=group.id,
        group=group.name,
        region=region.name,
        regions=_counted([region.name for region in group.regions], region.name),
        resolvers=tuple(resolvers),
        service=service,
        observe_seconds=asked.observe_seconds,
        target_rto_seconds=asked.target_rto_seconds,
        predicted=predicted,
        preflight=tuple(preflight),
        state=State.ACCEPTED,
        reason="every rule of the preflight allows it",
        since=now,
        accepted_at=now,
        deadline=now + timedelta(seconds=rules.start_within),
        asked_by=clipped(asked.by, LINE),
        why=clipped(asked.reason, LINE),
        practice=practice,
        idempotency=idempotency,
        timeline=(Entry(at=now, who=clipped(asked.by, LINE) or OURSELVES, text=clipped(line, LINE)),),
        owed=("started",),
    )


def passed_over(slot: Slot, due: datetime, why: str) -> Slot:
    """The group's row, with the practice run noted that does not take place."""
    line = Entry(at=due, who="schedule", text=clipped(f"practice run skipped: {why}", LINE))
    return msgspec.structs.replace(slot, considered=due, history=(*slot.history, line)[-HISTORY:])


def _counted(names: Sequence[str], drilled: str) -> tuple[str, ...]:
    """The regions that samples have a character for; the drilled one is always among them."""
    others = [name for name in names if name != drilled][: len(ALPHABET) - 1]
    return tuple(name for name in names if name == drilled or name in others)


def turn(drill: Drill, view: View, rules: Rules) -> Turn:
    """The next step."""
    match drill.state:
        case State.ACCEPTED:
            return _begin(drill, view, rules)
        case State.DRAINING:
            return _draining(drill, view)
        case State.OBSERVING:
            return _observing(drill, view, rules)
        case State.RESTORING:
            return Turn(drill, Enable())
        case State.VERIFYING:
            return _verifying(drill, view, rules)
        case _:
            return Turn(drill, Finish())


def is_urgent(drill: Drill, now: datetime, rules: Rules) -> bool:
    """Return whether any wake-up is to act on it, even one that has no time: the region is to be back by now."""
    match drill.state:
        case State.DRAINING:
            return not is_claimed(drill, "", now)
        case State.OBSERVING:
            return now >= drill.deadline or is_ahead(drill.since, now) or _is_abandoned(drill, "", now)
        case State.ACCEPTED:
            return now >= drill.deadline
        case State.VERIFYING:
            return now - drill.since > timedelta(seconds=rules.verify_within)
        case _:
            return True


def _begin(drill: Drill, view: View, rules: Rules) -> Turn:
    if view.now >= drill.deadline:
        waited = spoken((view.now - drill.accepted_at).total_seconds())
        return _over(drill, State.INTERRUPTED, f"no wake-up could begin it within {waited}", view.now)
    if view.preflight is None or view.seen is None:
        return Turn(_waiting(drill, view), Rest())
    if not view.preflight.allowed:
        why = spared(view.preflight.answers)
        return _over(drill, State.ABORTED, f"when it was to begin, the preflight refused: {why}", view.now)
    mine = _claimed(drill, view, rules)
    mine = msgspec.structs.replace(mine, preflight=view.preflight.answers, looked_at=view.seen.at)
    return Turn(_moved(mine, State.DRAINING, f"{drill.region} is about to be drained", view.now), Drain())


def _waiting(drill: Drill, view: View) -> Drill:
    """Not begun for the moment; who watches is told why."""
    if not view.hindered:
        return drill
    why = f"it cannot begin yet: {view.hindered}"
    return _noted(msgspec.structs.replace(drill, reason=clipped(why, LINE)), view.now, why)


def _draining(drill: Drill, view: View) -> Turn:
    """Whoever was draining has not said how it ended."""
    if is_claimed(drill, view.worker, view.now):
        return Turn(drill, Rest())
    ending = drill.ending or Ending(state=State.INTERRUPTED, reason="the process that was draining is gone")
    return restoring(msgspec.structs.replace(drill, doubtful=True), ending, view.now)


def _observing(drill: Drill, view: View, rules: Rules) -> Turn:
    if (lost := _lost(drill, view)) is not None:
        return restoring(drill, lost, view.now)
    if is_claimed(drill, view.worker, view.now):
        return Turn(drill, Rest())
    mine = _claimed(drill, view, rules)
    if view.seen is not None:
        endpoint = endpoint_of(view.seen.group, drill.region)
        if endpoint is None:
            return _over(mine, State.INTERRUPTED, f"{drill.region} is no endpoint any more", view.now)
        mine = msgspec.structs.replace(
            mine,
            looked_at=view.seen.at,
            was_out=mine.was_out or not endpoint.enabled,
            was_back=endpoint.enabled and _is_settled(mine, view.now),
        )
    ending = _must_stop(mine, view, rules) or _is_time(mine, view.now, rules)
    return Turn(mine, Watch()) if ending is None else restoring(mine, ending, view.now)


def _lost(drill: Drill, view: View) -> Ending | None:
    """Return whether nobody saw to it, so that whoever comes now gives the region back."""
    if view.now >= drill.deadline:
        reason = "its time was over before anybody brought it to its end"
    elif is_ahead(drill.since, view.now):
        reason = "it began later than now: how long the region is out already is not known"
    elif _is_abandoned(drill, view.worker, view.now):
        reason = "the process that was observing is gone"
    else:
        return None
    return Ending(state=State.INTERRUPTED, reason=reason)


def _is_time(drill: Drill, now: datetime, rules: Rules) -> Ending | None:
    """Return how it ends when its observation is over. A recovery that nobody was there to see did not fail."""
    seconds = seconds_since_drain(drill, now)
    if seconds < drill.observe_seconds:
        return None
    unwatched = seconds - max([0.0, *(sample.at for sample in drill.samples)])
    if unwatched > rules.blind and measure(drill).recovery is None:
        reason = f"nobody saw who answered in the last {spoken(unwatched)} of the observation"
        return Ending(state=State.INTERRUPTED, reason=reason)
    return judged(drill)


def _must_stop(drill: Drill, view: View, rules: Rules) -> Ending | None:
    """Return why the region must be given back before its time."""
    if failed_in_a_row(drill.samples) > TOLERATED:
        why = drill.problems[drill.samples[-1].problem - 1]
        return Ending(state=State.FAILED, reason=f"the service was not available: {why}")
    if view.seen is not None:
        if drill.was_back:
            return Ending(state=State.INTERRUPTED, reason=f"somebody else enabled {drill.region}")
        if why := trouble(view.seen, drill.region):
            return Ending(state=State.ABORTED, reason=why)
    if age(drill.looked_at or drill.since, view.now) > timedelta(seconds=rules.blind):
        reason = f"the other regions could not be looked at for {spoken(rules.blind)}"
        return Ending(state=State.ABORTED, reason=reason)
    return None


def _is_settled(drill: Drill, now: datetime) -> bool:
    """Return whether a look that finds the endpoint enabled is no look from before the drain."""
    return drill.was_out or seconds_since_drain(drill, now) > SETTLING


def trouble(seen: Seen, region: str) -> str:
    """Return what of the other regions, or of the group, forbids that the region stays out; empty: nothing.

    An incident of the region itself does not: an alert may take our own doing for a failure.
    """
    incidents = [incident.text for incident in seen.incidents if incident.region != region]
    if incidents:
        return f"an incident is open: {'; '.join(incidents)}"
    others = [
        endpoint for endpoint in seen.group.profile.endpoints if endpoint.name != region and endpoint.enabled
    ]
    found = instead(seen.group.profile, region)
    if not found.by:
        return f"{found.reason} (law 1)"
    stand = standings(seen.group, seen.health)
    for other in others:
        health = seen.health.get(other.name)
        if stand.get(other.name) in TROUBLED or (health is not None and health.state is HealthState.DOWN):
            said = health.reason if health else f"Traffic Manager says {other.status}"
            return f"{other.name}, which is to serve meanwhile, fails: {said}"
        if other.status not in ANSWERED:
            return f"{other.name}, which is to serve meanwhile: Traffic Manager says {other.status}"
    return ""


def restoring(drill: Drill, ending: Ending, now: datetime) -> Turn:
    """Give the region back, whatever else is so."""
    ending = msgspec.structs.replace(ending, reason=clipped(ending.reason, LINE))
    gone = msgspec.structs.replace(
        drill, ending=ending, restoring_at=drill.restoring_at or now, worker="", worker_until=None
    )
    moved = _moved(gone, State.RESTORING, f"{drill.region} is being given back: {ending.reason}", now)
    return Turn(moved, Enable())


def _verifying(drill: Drill, view: View, rules: Rules) -> Turn:
    if is_claimed(drill, view.worker, view.now):
        return Turn(drill, Rest())
    mine = _claimed(drill, view, rules)
    ending = drill.ending or Ending(state=State.INTERRUPTED, reason="how it was to end is not known")
    endpoint = endpoint_of(view.seen.group, drill.region) if view.seen is not None else None
    if view.seen is not None:
        mine = msgspec.structs.replace(mine, looked_at=view.seen.at)
    if endpoint is not None and not endpoint.enabled and (mine.doubtful or not mine.was_back):
        out = msgspec.structs.replace(mine, was_out=True, was_back=False, unheard=False)
        return restoring(out, _overruled(ending, drill.region), view.now)  # in doubt it was ours, come late
    if endpoint is not None and endpoint.enabled:
        mine = _back(mine, endpoint, view.now)
    waited = (view.now - (drill.restored_at or drill.since)).total_seconds()
    if view.seen is not None and endpoint is None:
        ending = Ending(state=State.INTERRUPTED, reason=f"{drill.region} is no endpoint any more")
    elif endpoint is not None and not endpoint.enabled:
        ending = _spoilt(ending, State.INTERRUPTED, f"since then somebody else disabled {drill.region}")
    elif waited <= rules.verify_within and (
        mine.online_at is None
        or not _is_back_in_dns(mine, view.now)
        or (mine.doubtful and waited < rules.late)
    ):
        return Turn(mine, Watch())
    elif mine.online_at is None and age(mine.looked_at or mine.since, view.now) > timedelta(
        seconds=rules.blind
    ):
        reason = f"nobody saw whether {drill.region} was online again: the last look was too long ago"
        ending = _spoilt(ending, State.INTERRUPTED, reason)
    elif mine.online_at is None:
        ending = _spoilt(ending, State.FAILED, f"{drill.region} was not online again after {spoken(waited)}")
    return _over(mine, ending.state, ending.reason, view.now)


def _overruled(ending: Ending, region: str) -> Ending:
    """Return the ending with what whoever disabled the region just after it was given back has to know."""
    why = (
        f"{region} was seen disabled after it had been given back, and was enabled once more: whoever disabled it on "
        f"purpose has to do so again"
    )
    said = ending.reason if why in ending.reason else f"{ending.reason}; {why}"
    return msgspec.structs.replace(ending, reason=said)


def _spoilt(ending: Ending, state: State, why: str) -> Ending:
    """A success that ended badly is none; what failed already stays what it was."""
    worse = state if ending.state is State.SUCCEEDED else ending.state
    return Ending(state=worse, reason=f"{ending.reason}; {why}")


def _back(drill: Drill, endpoint: Endpoint, now: datetime) -> Drill:
    """Seen enabled, and perhaps online."""
    seen = msgspec.structs.replace(drill, was_back=True)
    if endpoint.status not in ANSWERED or seen.online_at is not None:
        return seen
    online = msgspec.structs.replace(seen, online_at=now)
    return _noted(online, now, f"Traffic Manager calls {drill.region} {endpoint.status}")


def _is_back_in_dns(drill: Drill, now: datetime) -> bool:
    """Return whether DNS answers the region again, or enough was waited: from here DNS may never answer it."""
    assert drill.online_at is not None  # noqa: S101 -- asked before
    gone = ALPHABET[drill.regions.index(drill.region)]
    was_answered = any(gone in sample.dns for sample in drill.samples if sample.at < 0)
    begin = seconds_since_drain(drill, drill.restored_at or now)
    if not was_answered or any(gone in sample.dns for sample in drill.samples if sample.at >= begin):
        return True
    return now - drill.online_at >= timedelta(seconds=BACK_IN_DNS * drill.predicted.ttl)


def seconds_since_drain(drill: Drill, at: datetime) -> float:
    """A moment in the samples' time; a drill that was not drained counts from its beginning."""
    return round((at - (drill.drained_at or drill.accepted_at)).total_seconds(), 1)


# -- what the workflow reports back -----------------------------------------------------------------------------


def drained(drill: Drill, worker: str, at: datetime, before: Sequence[Sample], rules: Rules) -> Drill | None:
    """Azure took the change. None: the drill is not ours any more, so what we did must be undone at once."""
    if drill.state is not State.DRAINING or drill.worker != worker:
        return None
    until = timedelta(seconds=drill.observe_seconds + rules.restore_within)
    out = msgspec.structs.replace(drill, drained_at=at, samples=tuple(before), deadline=at + until)
    if drill.ending is not None:  # somebody wanted it to end meanwhile
        return restoring(out, drill.ending, at).drill
    return _moved(out, State.OBSERVING, f"{drill.region} is out of DNS", at)


def not_drained(drill: Drill, worker: str, reason: str, now: datetime) -> Drill | None:
    """The endpoint was surely not touched."""
    if drill.state is not State.DRAINING or drill.worker != worker:
        return None
    return _over(drill, State.ABORTED, reason, now).drill


def perhaps_drained(drill: Drill, reason: str, now: datetime) -> Drill | None:
    """Return whether the endpoint was touched is not known."""
    if drill.state is not State.DRAINING:
        return None
    out = msgspec.structs.replace(drill, drained_at=now, doubtful=True)
    return restoring(out, drill.ending or Ending(state=State.ABORTED, reason=reason), now).drill


def enabled(drill: Drill, now: datetime) -> Drill | None:
    """Azure took the change."""
    if drill.state is not State.RESTORING:
        return None
    back = msgspec.structs.replace(drill, restored_at=now, was_back=False, owed=_unstuck(drill))
    return _moved(back, State.VERIFYING, f"{drill.region} is enabled again", now)


def not_enabled(drill: Drill, reason: str, effect: Effect, now: datetime, *, gone: bool) -> Drill | None:
    """The call ended in an error that says so much of its effect; `gone`: it says that there is no such endpoint.

    One such answer is no proof: a drill whose region could come back by itself, and disabled, is not over.
    """
    if drill.state is not State.RESTORING:
        return None
    drill = msgspec.structs.replace(drill, absent=missed(drill.absent, now) if gone else None)
    if drill.absent is not None and drill.absent.is_proof:
        ended = msgspec.structs.replace(drill, owed=_unstuck(drill))
        return _over(ended, State.INTERRUPTED, f"{drill.region} is no endpoint any more", now).drill
    text = f"{drill.region} could not be enabled and is tried again at every wake-up: {reason}"
    text = clipped(text, LINE)
    owed = drill.owed if "stuck" in (*drill.owed, *drill.told) else (*drill.owed, "stuck")
    unheard = drill.unheard or effect is Effect.UNKNOWN
    return _noted(msgspec.structs.replace(drill, reason=text, owed=owed, unheard=unheard), now, text)


def _unstuck(drill: Drill) -> tuple[str, ...]:
    """Return what is owed, without a card that would come when it is not so any more."""
    return tuple(name for name in drill.owed if name != "stuck")


def aborted(drill: Drill, by: str, why: str, now: datetime) -> Drill:
    """A person wants it to end now. What is being given back already stays as it is.

    Raises:
        IllegalTransition: it is over.
    """
    said = f"{by} aborted it{f': {why}' if why else ''}"
    ending = Ending(state=State.ABORTED, reason=said)
    match drill.state:
        case State.ACCEPTED:
            return _over(drill, State.ABORTED, said, now).drill
        case State.DRAINING:
            noted = drill if drill.ending is not None else _noted(drill, now, said, who=by)
            wanted = drill.ending or ending
            if is_claimed(drill, "", now):  # whoever is at it gives it back
                return msgspec.structs.replace(noted, ending=wanted)
            return restoring(msgspec.structs.replace(noted, doubtful=True), wanted, now).drill
        case State.OBSERVING:
            return restoring(_noted(drill, now, said, who=by), ending, now).drill
        case State.RESTORING | State.VERIFYING:
            return drill
        case _:
            raise IllegalTransition(f"drill {drill.id} is over: {drill.state}, {drill.reason}")


def sampled(
    drill: Drill, worker: str, new: Sequence[Sample], problems: Sequence[str], now: datetime, rules: Rules
) -> Drill | None:
    """Take samples in, and a sign of life. None: the drill is not ours any more."""
    if drill.worker != worker or drill.ended:
        return None
    room = max(0, MOST_SAMPLES - len(drill.samples))
    return msgspec.structs.replace(
        drill,
        samples=(*drill.samples, *new[:room]),
        problems=tuple(problems),
        worker_until=now + timedelta(seconds=rules.lease),
    )


def left(drill: Drill, worker: str) -> Drill | None:
    """A wake-up's time is over; the next one goes on."""
    if drill.worker != worker or drill.ended:
        return None
    return msgspec.structs.replace(drill, worker="", worker_until=None)


def cut_off(drill: Drill, worker: str, now: datetime) -> Drill | None:
    """A wake-up was stopped by its caller while it watched: it leaves. What it began to change stays in doubt."""
    watched = drill.state in {State.OBSERVING, State.VERIFYING} and is_claimed(drill, "", now)
    return left(drill, worker) if watched else None


def paid(drill: Drill, card: str) -> Drill:
    """A card lies in the outbox."""
    owed = tuple(name for name in drill.owed if name != card)
    return msgspec.structs.replace(
        drill, owed=owed, told=(*drill.told, card) if card in drill.owed else drill.told
    )


def pace(drill: Drill, rules: Rules) -> float:
    """Seconds between two samples: a row that is full would see nothing fail any more."""
    whole = drill.observe_seconds + rules.restore_within + rules.verify_within
    return max(rules.sample_every, whole / MOST_SAMPLES)


# -- samples ----------------------------------------------------------------------------------------------------


def who_answered(answer: NameAnswer, group: Group, addresses: Mapping[str, str]) -> str:
    """The region that a DNS answer leads to: by the aliases, or else by the address. Empty: none, or not told."""
    for region in group.regions:
        if answer.leads_to(region.host):
            return region.name
    return next((addresses[address] for address in answer.addresses if address in addresses), "")


def coded(region: str, regions: Sequence[str]) -> str:
    """A region as one character of a sample."""
    return ALPHABET[regions.index(region)] if region in regions else NOBODY


def numbered(problem: str, problems: list[str]) -> int:
    """The place of a problem among those that are known, which it joins."""
    if not problem:
        return 0
    short = problem if len(problem) <= LONGEST_PROBLEM else f"{problem[: LONGEST_PROBLEM - 3]}..."
    if short not in problems:
        if len(problems) >= MOST_PROBLEMS:
            return len(problems)
        problems.append(short)
    return problems.index(short) + 1


# -- helpers of the table ---------------------------------------------------------------------------------------


def endpoint_of(group: Group, name: str) -> Endpoint | None:
    """The endpoint of that name."""
    return next((endpoint for endpoint in group.profile.endpoints if endpoint.name == name), None)


def is_claimed(drill: Drill, worker: str, now: datetime) -> bool:
    """Return whether somebody else is at it, by a sign of life that still counts."""
    other = drill.worker not in {"", worker}
    return other and drill.worker_until is not None and now < drill.worker_until


def _is_abandoned(drill: Drill, worker: str, now: datetime) -> bool:
    """Return whether somebody was at it who neither left nor shows any life."""
    return drill.worker not in {"", worker} and not is_claimed(drill, worker, now)


def _claimed(drill: Drill, view: View, rules: Rules) -> Drill:
    until = view.now + timedelta(seconds=rules.lease)
    return msgspec.structs.replace(drill, worker=view.worker, worker_until=until)


def _moved(drill: Drill, state: State, reason: str, now: datetime) -> Drill:
    reason = clipped(reason, LINE)
    changed = msgspec.structs.replace(drill, state=state, reason=reason, since=now)
    return _noted(changed, now, reason)


def _over(drill: Drill, state: State, reason: str, now: datetime) -> Turn:
    assert state in ENDED  # noqa: S101 -- only those end it
    done = msgspec.structs.replace(
        drill, ended_at=now, worker="", worker_until=None, owed=(*drill.owed, "finished")
    )
    over = msgspec.structs.replace(done, state=state, reason=clipped(reason, LINE), since=now)
    said = "" if drill.ending is not None and drill.ending.reason == reason else f": {reason}"
    return Turn(_noted(over, now, f"the drill is over, {state}{said}"), Finish())


def _noted(drill: Drill, at: datetime, text: str, *, who: str = OURSELVES) -> Drill:
    text = clipped(text, LINE)
    if text in {
        entry.text for entry in drill.timeline[-3:]
    }:  # what is tried every minute and refused is one line
        return drill
    line = Entry(at=at, who=clipped(who, LINE), text=text)
    head = drill.timeline[: MOST_LINES // 2]
    tail = (*drill.timeline[MOST_LINES // 2 :], line)[-MOST_LINES // 2 :]
    return msgspec.structs.replace(drill, timeline=(*head, *tail))

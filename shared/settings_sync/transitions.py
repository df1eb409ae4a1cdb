"""The life of a rollout: a table of states, and the pure step from what is seen to what is to be done.

`look` takes in what the regions say now; `turn` decides the next step. The workflow calls both, saves the row,
and does what the step says. Nothing here reads a clock or the world.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from shared.absence import sort_begun
from shared.ages import is_ahead
from shared.copies import COPY_LIVES
from shared.errors import IllegalTransition
from shared.groups.model import Health, Region
from shared.groups.model import State as HealthState
from shared.groups.soak import Start, came_back, start_of
from shared.settings_sync.diff import footprint
from shared.settings_sync.fingerprint import digest
from shared.settings_sync.merge import merge
from shared.settings_sync.model import (
    DROPPED,
    Action,
    Decision,
    Flight,
    Footprint,
    Happening,
    Phase,
    Plan,
    Planned,
    Print,
    Rollout,
    Side,
    State,
    Verdict,
    VerdictKind,
    Written,
    counted,
    lots,
)
from shared.settings_sync.plan import plan
from shared.settings_sync.policy import Policy
from shared.words import LINE, clipped

POLICY = "the policy on_bad_change"  # who says its word
WATCHED = 120.0  # seconds for which a region must be seen failing before its write is undone
MANY = 2  # regions; with fewer there is nothing to keep in step
MOST_LEFT = 2  # writes to regions that left the group, which are remembered
HISTORY = 50  # lines of a rollout's history that are kept
SAID = 500  # characters of such a line that list decisions

SENTENCES: dict[State, str] = {
    State.CONVERGED: "The regions agree in every key that is kept in step.",
    State.SOAKING: "A region changed; its change waits until that region has stayed healthy for the soak.",
    State.WRITING: "The change is ready; it waits for a permit or is being written to one region.",
    State.VERIFYING: "One region was written; it must stay healthy for the soak, or it gets its old values back.",
    State.CONTAINED: (
        "The changed region is not healthy, or a Key Vault reference of its change does not resolve there;"
        " the change goes nowhere until a person decides or it mends."
    ),
    State.HELD: "The plan refuses itself; a person approves it, takes a side, or the regions agree again.",
}

# From each state, where the next look may lead. Every state may stay as it is.
MOVES: dict[State, frozenset[State]] = {
    State.CONVERGED: frozenset({State.SOAKING, State.WRITING, State.HELD, State.CONTAINED}),
    State.SOAKING: frozenset({State.WRITING, State.CONTAINED, State.HELD, State.CONVERGED}),
    State.WRITING: frozenset({State.VERIFYING, State.SOAKING, State.CONTAINED, State.HELD, State.CONVERGED}),
    State.VERIFYING: frozenset({State.WRITING, State.SOAKING, State.HELD, State.CONVERGED, State.CONTAINED}),
    State.CONTAINED: frozenset({State.SOAKING, State.WRITING, State.HELD, State.CONVERGED}),
    State.HELD: frozenset({State.SOAKING, State.WRITING, State.CONTAINED, State.CONVERGED}),
}


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Rules of timing. Durations are in seconds."""

    soak: float = 180.0
    soak_deadline: float = 900.0
    verify_deadline: float = 600.0
    claim: float = 90.0  # how long one worker has a write to itself; longer than a PUT's own deadline
    sweep: float = 900.0  # a converged group's settings are read this often without a doorbell
    revert_bad_changes: bool = False  # put a contained change back at its source without asking
    audit_only: bool = False  # nothing is ever written

    @property
    def permit(self) -> timedelta:
        """The longest that one write and its verification can take."""
        return timedelta(seconds=2 * self.claim + self.verify_deadline)


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The observation of one moment."""

    sides: Sequence[Side]
    decisions: Sequence[Decision]
    health: Mapping[str, Health]
    now: datetime
    worker: str
    unresolved: Sequence[str] = ()  # those of `in_question` not known to resolve there, each with why

    def side(self, region: str) -> Side | None:
        """One region's side."""
        return next((side for side in self.sides if side.region.name == region), None)


class Rest(msgspec.Struct, frozen=True):
    """Nothing to do now; the row says why."""


class Write(msgspec.Struct, frozen=True):
    """Write what the claimed flight plans."""

    flight: Flight
    resumed: bool = False  # an earlier worker may have begun it
    forced: bool = False  # a person waived the soak


class Undo(msgspec.Struct, frozen=True):
    """Put the flight's target back to its old values."""

    flight: Flight


class Close(msgspec.Struct, frozen=True):
    """Give the permit back and delete the vault copy; then save the row, which no longer has the flight."""

    flight: Flight
    well: bool = False  # the region was seen to be well after it; else others wait until it is
    away: bool = False  # the region left the group: the copy stays, for the case that it comes back


class Again(msgspec.Struct, frozen=True):
    """The row now says something that changes the plan: look again."""


type Step = Rest | Write | Undo | Close | Again


class Turn(msgspec.Struct, frozen=True):
    """The row as it is to be, and the step to take."""

    rollout: Rollout
    step: Step


def enter(rollout: Rollout, state: State, reason: str, now: datetime) -> Rollout:
    """Put the rollout into a state, with the reason; a new state or reason is a line of its history.

    Raises:
        IllegalTransition: the table does not know this move.
    """
    if state is not rollout.state and state not in MOVES[rollout.state]:
        raise IllegalTransition(f"a rollout does not go from {rollout.state} to {state}")
    reason = clipped(reason, LINE)
    if state is rollout.state and reason == rollout.reason:
        return rollout
    line = Happening(now, state, reason)
    # What is tried every minute and refused would otherwise fill the history with two lines by turns.
    told = any(happening.state is state and happening.text == reason for happening in rollout.history[-2:])
    return msgspec.structs.replace(
        rollout,
        state=state,
        since=now if state is not rollout.state else rollout.since,
        reason=reason,
        history=rollout.history if told else (*rollout.history, line)[-HISTORY:],
    )


# -- taking in what is seen -------------------------------------------------------------------------------------


def first_look(group: str, sides: Sequence[Side], key_id: str, now: datetime) -> Rollout:
    """The row at first contact, or under a new fingerprint key: what agrees is the baseline, the rest undecided."""
    decisions = [side for side in merge(sides, baseline={}) if side.action is not Action.KEEP_LOCAL]
    agreed = [decision.key for decision in decisions if decision.action is Action.AGREE]
    reason = f"first contact: {len(agreed)} keys agree, {len(decisions) - len(agreed)} differ"
    return Rollout(
        group=group,
        state=State.CONVERGED,
        since=now,
        reason=reason,
        key_id=key_id,
        baseline=_baseline({key: sides[0].entries[key].print for key in agreed}),
        undecided=tuple(decision.key for decision in decisions if decision.action is not Action.AGREE),
        history=(Happening(now, State.CONVERGED, reason),),
    )


def look(
    rollout: Rollout, sides: Sequence[Side], policy: Policy, now: datetime, read_at: datetime | None = None
) -> tuple[Rollout, tuple[Decision, ...]]:
    """Take in the regions' settings: footprints, agreement, and the plan. Returns the row and the decisions.

    `read_at`: when Traffic Manager said which regions there are.
    """
    is_same = has_regions(rollout, [side.region for side in sides])
    rollout = _taken_up(rollout, sides, now)
    rollout = _join(rollout, sides)
    known = _with_source(rollout, sides, tuple(_as_seen(rollout, sides)))
    rollout = msgspec.structs.replace(rollout, lots=lots(known))
    decisions = merge(
        sides,
        baseline=dict(rollout.baseline),
        undecided=rollout.undecided,
        written=rollout.written,
        verdicts=rollout.verdicts,
    )
    # With one region there is nothing to say of any key, so what was said is kept for when the others are back.
    alone = len(sides) < MANY
    states = {decision.state for decision in decisions}
    settled = _settle(rollout, sides, decisions)
    plan_ = plan(decisions, sides, policy=policy, verdicts=rollout.verdicts, undone=rollout.undone)
    kept = tuple(
        verdict
        for verdict in rollout.verdicts
        if alone or verdict.state in states or _is_apart(verdict, decisions)
    )
    told = _tell_dropped(
        settled, [verdict for verdict in rollout.verdicts if verdict not in kept], decisions, now
    )
    return (
        msgspec.structs.replace(
            told,
            footprints=_footprints(rollout, sides, now),
            regions_at=rollout.regions_at if is_same else read_at,
            unread=None,
            verdicts=kept,
            undone=tuple(name for name in rollout.undone if alone or name in states),
            plan=plan_,
            looked_at=now,
        ),
        decisions,
    )


def _taken_up(rollout: Rollout, sides: Sequence[Side], now: datetime) -> Rollout:
    """Go on with what was begun in a region that has come back; forget what has no way back any more."""
    sites = {side.region.name: side.region.site_id.lower() for side in sides}
    begun = sort_begun(rollout.left, sites, now, COPY_LIVES)
    for flight in begun.over:
        lost_ = f"{flight.target} was away for too long: what was written there before stays as it is"
        rollout = enter(rollout, rollout.state, lost_, now)
    if rollout.flight is not None or not begun.back:
        return msgspec.structs.replace(rollout, left=(*begun.back, *begun.away))
    first, *others = begun.back
    goes_on = enter(rollout, State.WRITING, f"{first.target} is back: what was begun there goes on", now)
    return msgspec.structs.replace(goes_on, flight=first, left=(*others, *begun.away))


def _tell_dropped(
    rollout: Rollout, dropped: Sequence[Verdict], decisions: Sequence[Decision], now: datetime
) -> Rollout:
    """A line for the words that are good no longer. In what all regions have by now, they are carried out."""
    done = {decision.key for decision in decisions if decision.action is Action.AGREE}
    gone = [verdict for verdict in dropped if verdict.key not in done and verdict.by != POLICY]
    if not gone:
        return rollout
    said = ", ".join(
        f"{verdict.key} ({verdict.kind}{f' {verdict.side}' if verdict.side else ''} by {verdict.by})"
        for verdict in gone
    )
    why = (
        f"{counted(len(gone), 'decision')} {DROPPED}, since what they were made of changed, or the regions did: "
        f"{clipped(said, SAID)}; decide anew"
    )
    line = Happening(now, rollout.state, why)
    return msgspec.structs.replace(rollout, history=(*rollout.history, line)[-HISTORY:])


def dropped(rollout: Rollout) -> tuple[str, ...]:
    """The decisions that were dropped as the rollout came into its state, or since: they are to be made anew."""
    return tuple(
        happening.text
        for happening in rollout.history
        if happening.at >= rollout.since and f" {DROPPED}, " in happening.text
    )


def has_regions(rollout: Rollout, regions: Iterable[Region]) -> bool:
    """Return whether these are the regions of the last look."""
    known = {(item.region, item.site) for item in rollout.footprints}
    return known == {(region.name, digest(region.site_id.lower())) for region in regions}


def _is_apart(verdict: Verdict, decisions: Sequence[Decision]) -> bool:
    """Return whether the key was left different on purpose, and differs still: then no later change of it is news."""
    apart = verdict.kind is VerdictKind.REJECT
    return apart and any(
        decision.key == verdict.key and decision.action is not Action.AGREE for decision in decisions
    )


def _join(rollout: Rollout, sides: Sequence[Side]) -> Rollout:
    """A region that was not there at the last look has no past with the others: where it differs is undecided."""
    known = {item.region: item.site for item in rollout.footprints}
    joined = [side for side in sides if known.get(side.region.name) not in {"", _site(side)}]
    if not known or not joined or len(sides) < MANY:
        return rollout
    names = {side.region.name for side in joined}
    baseline = dict(rollout.baseline)
    keys = {key for side in sides for key in side.entries} | baseline.keys()

    def usual(key: str) -> set[Print]:
        return {baseline.get(key), *(side.print_of(key) for side in sides if side.region.name not in names)}

    strange = {
        key
        for key in keys - {key for side in sides for key in side.local}
        if any(side.print_of(key) not in usual(key) for side in joined)
    }
    return msgspec.structs.replace(
        rollout,
        undecided=tuple(sorted({*rollout.undecided, *strange})),
        lots=lots(written for written in rollout.written if written.region not in names),
    )


def _footprints(rollout: Rollout, sides: Sequence[Side], now: datetime) -> tuple[Footprint, ...]:
    """A region that is alone stays known to the one that comes back to it."""
    seen = tuple(_footprint(rollout, side, now) for side in sides)
    names = {item.region for item in seen}
    gone = (
        () if len(sides) >= MANY else tuple(item for item in rollout.footprints if item.region not in names)
    )
    return (*seen, *gone)


def _footprint(rollout: Rollout, side: Side, now: datetime) -> Footprint:
    new = Footprint(side.region.name, footprint(side), now, _site(side))
    known = next((item for item in rollout.footprints if item.region == new.region), None)
    if known is None or is_ahead(known.at, now):  # when it came to be so is not known
        return new
    return known if (known.digest, known.site) == (new.digest, new.site) else new


def _site(side: Side) -> str:
    return digest(side.region.site_id.lower())


def _settle(rollout: Rollout, sides: Sequence[Side], decisions: Sequence[Decision]) -> Rollout:
    """Keys in which all regions agree, and which are not being verified, become the baseline."""
    if len(sides) < MANY:  # one region agrees with itself; that says nothing
        return rollout
    flying = {planned.key for planned in rollout.flight.keys} if rollout.flight else set()
    agreed = {decision.key for decision in decisions if decision.action is Action.AGREE} - flying
    local = {decision.key for decision in decisions if decision.action is Action.KEEP_LOCAL}
    baseline = {key: print_ for key, print_ in rollout.baseline if key not in local}
    for key in agreed:
        print_ = sides[0].print_of(key)
        if print_ is None:
            baseline.pop(key, None)
        else:
            baseline[key] = print_
    return msgspec.structs.replace(
        rollout,
        baseline=_baseline(baseline),
        undecided=tuple(key for key in rollout.undecided if key not in agreed and key not in local),
        lots=lots(written for written in rollout.written if written.key not in agreed),
    )


def _as_seen(rollout: Rollout, sides: Sequence[Side]) -> Iterator[Written]:
    """Return what we wrote and is there; in a flight's target also what it may go back to.

    Who puts another value in the place of ours changes the region, even where it is the value from before ours.
    """
    by_region = {side.region.name: side for side in sides}
    flight = rollout.flight
    flying = {(flight.target, planned.key) for planned in flight.keys} if flight else set()
    places: dict[tuple[str, str], list[Written]] = {}
    for one in rollout.written:
        places.setdefault((one.region, one.key), []).append(one)
    for (region, key), known in places.items():
        if region not in by_region or key in by_region[region].local:
            continue
        there = by_region[region].print_of(key)
        standing = [written for written in known if written.print == there]
        if (region, key) in flying:
            yield from known
        elif standing:
            yield from standing
        else:
            yield Written(region, key, there, old=digest("theirs", there), theirs=True)


def _with_source(rollout: Rollout, sides: Sequence[Side], written: Sequence[Written]) -> Iterator[Written]:
    """Yield what we wrote, without the values whose source is among the regions that just left.

    Such a value stands in its region as if the change had been made there: it travels on, and is not put back.
    """
    gone = {footprint.region for footprint in rollout.footprints} - {side.region.name for side in sides}
    if not gone or len(sides) < MANY:
        yield from written
        return
    ours = {(one.region, one.key) for one in written if not one.theirs}
    own = {
        (one.key, side.print_of(one.key))
        for one in written
        for side in sides
        if (side.region.name, one.key) not in ours
    }
    yield from (one for one in written if one.theirs or (one.key, one.print) in own)


def _baseline(prints: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(prints.items()))


# -- deciding the next step -------------------------------------------------------------------------------------


def turn(rollout: Rollout, view: View, rules: Rules) -> Turn:
    """The next step for a row that `look` has brought up to date."""
    if rollout.flight is not None:
        return _in_flight(rollout, rollout.flight, view, rules)
    return _at_rest(rollout, view, rules)


def _at_rest(rollout: Rollout, view: View, rules: Rules) -> Turn:
    plan_ = rollout.plan
    assert plan_ is not None, "look comes before turn"  # noqa: S101 -- an internal order, not input
    if len(view.sides) < MANY:
        return _rest(rollout, State.CONVERGED, alone([side.region for side in view.sides]), view)
    if plan_.is_held or (plan_.refusals and not plan_.changes):
        return _rest(rollout, State.HELD, "; ".join(refusal.text for refusal in plan_.refusals), view)
    if not plan_.changes:
        apart = len(plan_.decisions)
        left = f"; left different on purpose: {counted(apart)}" if apart else ""
        return _rest(rollout, State.CONVERGED, f"the regions agree in {counted(plan_.agreed)}{left}", view)
    if mended := _mended(rollout, plan_, view):
        why = f"{counted(len(mended))} not put back by {POLICY}: the changed region answers again"
        noted = enter(rollout, rollout.state, why, view.now)
        others = tuple(verdict for verdict in rollout.verdicts if verdict not in mended)
        return Turn(msgspec.structs.replace(noted, verdicts=others), Again())
    return _travel(rollout, plan_, view, rules)


def alone(regions: Sequence[Region]) -> str:
    """Return what a row says of a group with fewer regions than two."""
    left = ", ".join(region.name for region in regions) or "no region"
    return f"only {left} is left: nothing to keep in step"


class _Set(msgspec.Struct, frozen=True):
    """The changes that travel together: all from one source."""

    source: str
    changed_at: datetime
    decisions: tuple[Decision, ...]
    forced: bool  # a person waived the soak


def due(rollout: Rollout, plan_: Plan) -> tuple[Decision, ...]:
    """The changes whose turn it is: those that a rollout soaks or contains."""
    return _oldest_set(rollout, plan_).decisions


def _oldest_set(rollout: Rollout, plan_: Plan) -> _Set:
    """Changes of different regions travel in turn, the one that has stood longest first; forced ones before all."""
    stood = {item.region: (item.at, item.region) for item in rollout.footprints}
    forced = _said(rollout, plan_.changes, VerdictKind.FORCE)
    changes = forced or plan_.changes
    source_of = {change.key: min(change.sources, key=lambda name: stood[name]) for change in changes}
    source = min(set(source_of.values()), key=lambda name: stood[name])
    chosen = tuple(change for change in changes if source_of[change.key] == source)
    return _Set(source, stood[source][0], chosen, bool(forced))


def in_question(
    rollout: Rollout, health: Mapping[str, Health], now: datetime, rules: Rules
) -> tuple[str, tuple[str, ...]]:
    """The region and the keys whose Key Vault references decide the next step; no keys: none do.

    A written region must have its secrets; and so must a region from which a change is to be taken, however healthy
    it is: an app may answer for long before it misses one.
    """
    flight, plan_ = rollout.flight, rollout.plan
    if flight is not None:
        written = flight.phase is Phase.WRITTEN
        return flight.target, tuple(planned.key for planned in flight.keys) if written else ()
    if plan_ is None or plan_.is_held or not plan_.changes:
        return "", ()
    set_ = _oldest_set(rollout, plan_)
    ready = not set_.forced and soaked(set_.source, set_.changed_at, health, now, rules)
    return set_.source, tuple(decision.key for decision in set_.decisions) if ready else ()


def unasked(rollout: Rollout, region: str, now: datetime) -> Rollout:
    """Record that the references could not be read: for the moment nothing is decided, and nobody is notified."""
    state = State.CONTAINED if rollout.state is State.CONTAINED else State.SOAKING
    why = f"whether the Key Vault references of {region} resolve could not be read; it is asked again"
    return enter(rollout, state, why, now)


def _travel(rollout: Rollout, plan_: Plan, view: View, rules: Rules) -> Turn:
    set_ = _oldest_set(rollout, plan_)
    keys = counted(len(set_.decisions))
    lasted = soaked(set_.source, set_.changed_at, view.health, view.now, rules)
    if set_.forced or (lasted and not view.unresolved):
        return _claim(rollout, set_, view, rules)
    health = view.health.get(set_.source)
    if not lasted and health is not None and health.state is HealthState.HEALTHY:
        until = max(set_.changed_at, health.since) + timedelta(seconds=rules.soak)
        reason = f"{keys} changed in {set_.source}, which must stay healthy until {until:%H:%M:%S} UTC"
        return _rest(rollout, State.SOAKING, reason, view)
    deadline = set_.changed_at + timedelta(seconds=rules.soak_deadline)
    late = view.now >= deadline
    if lasted:
        trouble = f"where {_without_secrets(view)}"
    else:
        why = health.reason if health else "its health is not known"
        trouble = f"which is not healthy{' since' if late else ''}: {why}"
    if late:
        reason = f"{keys} changed in {set_.source}, {trouble}"
        contained = enter(rollout, State.CONTAINED, reason, view.now)
        taken = _said(rollout, set_.decisions, VerdictKind.TAKE)
        bad = tuple(decision for decision in set_.decisions if decision not in taken)
        if rules.revert_bad_changes and bad and _fails(health):
            return _revert(contained, set_.source, bad, view)
        return Turn(contained, Rest())
    reason = f"{keys} changed in {set_.source}, {trouble}; given until {deadline:%H:%M:%S} UTC"
    return _rest(rollout, State.SOAKING, reason, view)


def _mended(rollout: Rollout, plan_: Plan, view: View) -> tuple[Verdict, ...]:
    """The policy's words on changes whose region answers again, before it was put back: they are withdrawn."""
    well = {
        (change.key, change.state)
        for change in plan_.changes
        if all(_answers(view.health.get(name)) for name in change.targets)
    }
    return tuple(
        verdict
        for verdict in rollout.verdicts
        if verdict.by == POLICY and (verdict.key, verdict.state) in well
    )


def _answers(health: Health | None) -> bool:
    """Return whether the app itself answers, by our own look, be it offered in DNS or not."""
    return health is not None and health.probe is not None and not _fails(health)


def _fails(health: Health | None) -> bool:
    """Return whether the app itself fails, by our own look: one that is merely out of DNS may be sound, or mended."""
    if health is None or health.probe is None:
        return False
    return not health.probe.ok or (health.scep is not None and not health.scep.ok)


def _revert(rollout: Rollout, source: str, bad: Sequence[Decision], view: View) -> Turn:
    """The policy's own word: what the peer has is right. Said once of a change; a side that was taken stays taken."""
    verdicts = tuple(
        Verdict(
            key=decision.key,
            state=decision.state,
            kind=VerdictKind.TAKE,
            side=min(decision.targets, key=lambda name: (not _healthy(name, view), name)),
            by=POLICY,
            reason=f"{source} was not healthy with its change",
            at=view.now,
        )
        for decision in bad
    )
    return Turn(msgspec.structs.replace(rollout, verdicts=(*rollout.verdicts, *verdicts)), Again())


def _healthy(region: str, view: View) -> bool:
    health = view.health.get(region)
    return health is not None and health.state is HealthState.HEALTHY


def soaked(
    source: str, changed_at: datetime, health: Mapping[str, Health], now: datetime, rules: Rules
) -> bool:
    """Law 2: the source has been healthy for the whole soak since its last change."""
    seen = health.get(source)
    if seen is None or seen.state is not HealthState.HEALTHY or seen.is_ahead(now):
        return False
    soak = timedelta(seconds=rules.soak)
    # The evidence itself must reach past the soak: a probe from before its end proves nothing about its end.
    return seen.at - max(changed_at, seen.since) >= soak or (not soak and now >= changed_at)


def _claim(rollout: Rollout, set_: _Set, view: View, rules: Rules) -> Turn:
    """Claim the write to the next region for this worker."""
    target = min({name for decision in set_.decisions for name in decision.targets})
    sides = {side.region.name: side for side in view.sides}
    planned = tuple(
        Planned(decision.key, sides[target].print_of(decision.key), sides[set_.source].print_of(decision.key))
        for decision in set_.decisions
        if target in decision.targets
    )
    flight = Flight(
        id=digest(view.worker, target, view.now.isoformat()),
        phase=Phase.CLAIMED,
        source=set_.source,
        target=target,
        keys=planned,
        claimed_at=view.now,
        worker=view.worker,
        worker_until=view.now + timedelta(seconds=rules.claim),
        start=start_of(view.health.get(target)),
        site=next(side.region.site_id.lower() for side in view.sides if side.region.name == target),
    )
    # What lies there may be ours too, from an earlier write: then it stays so, in case this one is not made, and
    # what counts as the region's own stays what it was before both.
    before = {(written.region, written.key, written.print): written.old for written in rollout.written}
    new = tuple(
        Written(target, item.key, item.new, before.get((target, item.key, item.old), item.old))
        for item in planned
    )
    named = {(written.region, written.key, written.print) for written in new}
    written = (
        *(
            written
            for written in rollout.written
            if (written.region, written.key, written.print) not in named
        ),
        *new,
    )
    reason = f"{counted(len(planned))} from {set_.source} to {target}"
    claimed = msgspec.structs.replace(
        enter(rollout, State.WRITING, reason, view.now), flight=flight, lots=lots(written)
    )
    return Turn(claimed, Write(flight, forced=set_.forced))


def unclaim(rollout: Rollout, reason: str, now: datetime) -> Rollout:
    """Take the claim back: the write was not made. The row waits in WRITING and says why."""
    flight = rollout.flight
    assert flight is not None, "there is a claim to take back"  # noqa: S101 -- an internal order, not input
    return msgspec.structs.replace(
        _disown(enter(rollout, State.WRITING, reason, now), flight, flight.keys), flight=None
    )


def _disown(rollout: Rollout, flight: Flight, keys: Sequence[Planned]) -> Rollout:
    """These keys of the flight are not in its target by our doing (any more)."""
    gone = {(flight.target, planned.key, planned.new) for planned in keys}
    return msgspec.structs.replace(
        rollout,
        lots=lots(
            written for written in rollout.written if (written.region, written.key, written.print) not in gone
        ),
    )


def landed(rollout: Rollout, now: datetime, rules: Rules) -> Rollout:
    """Resource Manager accepted the write."""
    flight = rollout.flight
    assert flight is not None, "there is a claim that landed"  # noqa: S101 -- an internal order, not input
    reason = f"{flight.target} was written and must stay healthy for {rules.soak:g} s"
    return msgspec.structs.replace(
        enter(rollout, State.VERIFYING, reason, now),
        flight=msgspec.structs.replace(
            flight, phase=Phase.WRITTEN, written_at=now, worker_until=now + timedelta(seconds=rules.claim)
        ),
    )


def put_back(rollout: Rollout, now: datetime) -> Rollout:
    """Resource Manager accepted the old values; the flight is closed when the region shows them."""
    flight = rollout.flight
    assert flight is not None, "there is a flight to undo"  # noqa: S101 -- an internal order, not input
    return msgspec.structs.replace(rollout, flight=msgspec.structs.replace(flight, put_back_at=now))


def lost(rollout: Rollout, reason: str, now: datetime) -> Rollout:
    """There is no way back for the flight's target: its old values are gone. What is there now counts."""
    return msgspec.structs.replace(enter(rollout, rollout.state, reason, now), flight=None)


def stale(flight: Flight, sides: Sequence[Side], *, resumed: bool = False) -> str:
    """Return why the claimed plan no longer fits what the two regions have, or nothing.

    `resumed`: a first part may have been written already. What the target has of it is not written again, so that a
    later change of its source is a change of its own. Otherwise a value like ours in the target is somebody else's,
    and none of ours to put back.
    """
    by_region = {side.region.name: side for side in sides}
    source, target = by_region.get(flight.source), by_region.get(flight.target)
    if source is None or target is None:
        return f"{flight.source} or {flight.target} left the group"
    for planned in flight.keys:
        there = target.print_of(planned.key)
        if resumed and there == planned.new:
            continue
        if source.print_of(planned.key) != planned.new:
            return f"{planned.key} changed in {flight.source} meanwhile"
        if there != planned.old:
            return f"{planned.key} changed in {flight.target} meanwhile"
    return ""


class _Fate(msgspec.Struct, frozen=True):
    """The state of a write's keys in its target."""

    new: tuple[Planned, ...]  # with the planned value
    old: tuple[Planned, ...]  # still, or again, with the old one
    moved: tuple[Planned, ...]  # with a value of somebody else's


def _fate(flight: Flight, target: Side) -> _Fate:
    new = tuple(planned for planned in flight.keys if target.print_of(planned.key) == planned.new)
    old = tuple(
        planned
        for planned in flight.keys
        if planned not in new and target.print_of(planned.key) == planned.old
    )
    return _Fate(
        new, old, tuple(planned for planned in flight.keys if planned not in new and planned not in old)
    )


def _in_flight(rollout: Rollout, flight: Flight, view: View, rules: Rules) -> Turn:
    target = view.side(flight.target)
    if target is None:
        why = f"{flight.target} left the group while it was being written; that is ended when it is back"
        noted = enter(rollout, rollout.state, why, view.now)
        left = (*rollout.left, flight)[-MOST_LEFT:]
        return Turn(msgspec.structs.replace(noted, flight=None, left=left), Close(flight, away=True))
    fate = _fate(flight, target)
    match flight.phase:
        case Phase.CLAIMED:
            return _claimed(rollout, flight, fate, view, rules)
        case Phase.WRITTEN:
            return _verifying(rollout, flight, fate, view, rules)
        case Phase.UNDOING:
            return _undoing(rollout, flight, fate, view, rules)


def _claimed(rollout: Rollout, flight: Flight, fate: _Fate, view: View, rules: Rules) -> Turn:
    """A claim that is still open: its worker is at it, or died before or after the write."""
    if flight.worker != view.worker and view.now < flight.worker_until:
        return Turn(rollout, Rest())
    sound = _is_sound(rollout, flight, view, rules)
    outdated = tuple(
        planned for planned in fate.old
        if not sound or _outdated(planned, flight, view) or _withdrawn(planned, rollout, flight, view)
    )  # fmt: skip
    if not fate.new:
        # Nothing is there of ours. What would be written is decided anew, with the soak and all the rules.
        why = f"{flight.target} was not written"
        if fate.moved:
            why = f"{flight.target} was changed by somebody else before it was written"
        elif not sound:
            why = f"{flight.source} is no longer healthy, and {flight.target} was not written"
        elif outdated:
            why = f"{flight.source} changed before {flight.target} was written"
        return _close(_give_up(rollout, flight, flight.keys, view, retry=True), flight, view, why)
    rollout, flight = _shrink(rollout, flight, fate.moved, view)
    rollout, flight = _shrink(rollout, flight, outdated, view, retry=True)
    if len(outdated) == len(fate.old):
        return turn(landed(rollout, view.now, rules), view, rules)
    mine = _mine(flight, view, rules, Phase.CLAIMED)
    return Turn(msgspec.structs.replace(rollout, flight=mine), Write(mine, resumed=True))


def _verifying(rollout: Rollout, flight: Flight, fate: _Fate, view: View, rules: Rules) -> Turn:
    written_at = flight.written_at
    assert written_at is not None, "a written flight knows when"  # noqa: S101 -- an internal order, not input
    if fate.old and not fate.moved and view.now < flight.worker_until:
        return Turn(rollout, Rest())  # Resource Manager applies settings asynchronously
    if not fate.new:
        somebody = f"{flight.target} was changed by somebody else while it was being verified"
        return _close(_give_up(rollout, flight, flight.keys, view), flight, view, somebody)
    rollout, flight = _shrink(rollout, flight, (*fate.old, *fate.moved), view)
    if not view.unresolved and _came_back(flight, written_at, view, rules):
        came = f"{flight.target} has the change and is {flight.start}"
        return _close(rollout, flight, view, came, well=True)
    why = _not_yet(flight, view)
    if given := _given(flight, written_at, view, rules):
        return _rest(rollout, State.VERIFYING, f"{flight.target} was written; {why}; {given}", view)
    if flight.start is Start.SILENT and not view.unresolved:
        return _close(rollout, flight, view, f"{flight.target} has the change; as before it, {why}")
    failed = enter(rollout, State.VERIFYING, f"{flight.target} did not come back: {why}", view.now)
    return _undoing(failed, flight, fate, view, rules)


def _given(flight: Flight, written_at: datetime, view: View, rules: Rules) -> str:
    """Return why the written region is given more time; empty: its time is over."""
    deadline = written_at + timedelta(seconds=rules.verify_deadline)
    if view.now < deadline:
        return f"given until {deadline:%H:%M:%S} UTC"
    judged = view.unresolved or flight.start is Start.SILENT
    if judged or _seen_failing(view.health.get(flight.target), view.now, rules):
        return ""
    return "nobody has watched it for long enough to undo it"


def _seen_failing(health: Health | None, now: datetime, rules: Rules) -> bool:
    """Whether the region was watched while it failed: it is not healthy, and has not been for a while without a gap.

    Time in which nobody looked does not count: `Health.since` begins anew after a gap in our evidence.
    """
    if health is None:
        return True
    if health.state is HealthState.HEALTHY:
        return False
    watched = timedelta(seconds=min(WATCHED, rules.verify_deadline / 2))
    return not health.is_ahead(now) and now - health.since >= watched


def _came_back(flight: Flight, written_at: datetime, view: View, rules: Rules) -> bool:
    """As well as it was before the write, by evidence from after the soak."""
    return came_back(view.health.get(flight.target), flight.start, written_at, rules.soak)


def _is_sound(rollout: Rollout, flight: Flight, view: View, rules: Rules) -> bool:
    """Law 2 holds for each part of a write: whatever of it is still to be written, by the source as it is now.

    A person who waived the soak waived it for the keys that are left as well: they are claimed anew, at once.
    """
    stood = next((item.at for item in rollout.footprints if item.region == flight.source), None)
    return stood is not None and soaked(flight.source, stood, view.health, view.now, rules)


def _withdrawn(planned: Planned, rollout: Rollout, flight: Flight, view: View) -> bool:
    """Return whether only the policy wanted this key put back, and the region answers again without it."""
    words = [verdict for verdict in rollout.verdicts if verdict.key == planned.key]
    return any(word.by == POLICY for word in words[-1:]) and _answers(view.health.get(flight.target))


def _outdated(planned: Planned, flight: Flight, view: View) -> bool:
    source = view.side(flight.source)
    return source is None or source.print_of(planned.key) != planned.new


def _shrink(
    rollout: Rollout, flight: Flight, gone: Sequence[Planned], view: View, *, retry: bool = False
) -> tuple[Rollout, Flight]:
    """Keys that somebody else changed are theirs now; the flight goes on with the rest."""
    if not gone:
        return rollout, flight
    left = msgspec.structs.replace(
        flight, keys=tuple(planned for planned in flight.keys if planned not in gone)
    )
    return msgspec.structs.replace(_give_up(rollout, flight, gone, view, retry=retry), flight=left), left


def _mine(flight: Flight, view: View, rules: Rules, phase: Phase) -> Flight:
    until = view.now + timedelta(seconds=rules.claim)
    return msgspec.structs.replace(flight, phase=phase, worker=view.worker, worker_until=until)


def _not_yet(flight: Flight, view: View) -> str:
    if view.unresolved:
        return _without_secrets(view)
    health = view.health.get(flight.target)
    if health is None:
        return "its health is not known"
    return "it is healthy so far" if health.state is HealthState.HEALTHY else health.reason


def _without_secrets(view: View) -> str:
    return f"Key Vault references are not resolved: {', '.join(view.unresolved)}"


def _undoing(rollout: Rollout, flight: Flight, fate: _Fate, view: View, rules: Rules) -> Turn:
    if flight.phase is Phase.UNDOING and flight.worker != view.worker and view.now < flight.worker_until:
        return Turn(rollout, Rest())
    if not fate.new:
        back = f"{flight.target} did not come back with the change and has its old values again"
        return _close(_give_up(rollout, flight, flight.keys, view), flight, view, back)
    if flight.put_back_at and view.now < flight.put_back_at + timedelta(seconds=rules.claim):
        return Turn(rollout, Rest())  # Resource Manager applies settings asynchronously
    mine = _mine(flight, view, rules, Phase.UNDOING)
    return Turn(msgspec.structs.replace(rollout, flight=mine), Undo(mine))


def _give_up(
    rollout: Rollout, flight: Flight, keys: Sequence[Planned], view: View, *, retry: bool = False
) -> Rollout:
    """These keys are not ours any more in the flight's target; unless `retry`, they are not tried again unasked.

    A word that waived their soak is good for one write: who lets them travel again does not waive it again.
    """
    names = {planned.key for planned in keys}
    states = set() if retry else {decision.state for decision in view.decisions if decision.key in names}
    spent = {
        verdict
        for verdict in rollout.verdicts
        if verdict.kind is VerdictKind.FORCE and verdict.state in states
    }
    told = _tell_dropped(rollout, sorted(spent, key=lambda it: it.key), (), view.now)
    return msgspec.structs.replace(
        _disown(told, flight, keys),
        undone=tuple(sorted({*rollout.undone, *states})),
        verdicts=tuple(verdict for verdict in rollout.verdicts if verdict not in spent),
    )


def _close(rollout: Rollout, flight: Flight, view: View, reason: str, *, well: bool = False) -> Turn:
    """The flight is over. The state stays until the next look says what the regions are like now."""
    noted = enter(rollout, rollout.state, reason, view.now)
    return Turn(msgspec.structs.replace(noted, flight=None), Close(flight, well))


def _said(rollout: Rollout, decisions: Sequence[Decision], kind: VerdictKind) -> tuple[Decision, ...]:
    """Those of the decisions of which this was said."""
    said = {(verdict.key, verdict.state) for verdict in rollout.verdicts if verdict.kind is kind}
    return tuple(decision for decision in decisions if (decision.key, decision.state) in said)


def _rest(rollout: Rollout, state: State, reason: str, view: View) -> Turn:
    return Turn(enter(rollout, state, reason, view.now), Rest())

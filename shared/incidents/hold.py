"""The failback hold: keep a region that failed out of DNS until it has proved itself, then let it back. Pure.

Traffic Manager fails back by itself at the first good probe. With the hold, the endpoint of a confirmed one-region
incident is disabled (law 1 decides), and enabled again when the region's own probe and SCEP proof have been good for
the whole soak, or when a person says so. With weighted routing it comes back by steps of its weight.

`turn` decides the next step from one row and one look; the workflow saves the row before it does what the step says,
so that a wake-up after a crash finds out from the endpoint itself how far the last one came. What the hold took out
it gives back: it never waits for a region that serves while no other does.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from shared.groups.classify import standings
from shared.groups.model import Cause, Endpoint, Group, Health, Standing
from shared.groups.routing import instead
from shared.incidents.model import Entry, Incident, Topic
from shared.words import LINE, clipped

SHARES = (0.1, 0.25, 0.5, 1.0)  # of its weight, with which a region comes back under weighted routing
LINES = 20  # of the row's history
MANY_DONE = 20  # incidents that are remembered as let go by a person
GAP = 3.0  # probe intervals without a look break the soak
GONE = timedelta(days=1)  # without its endpoint, until a hold is given up


class HoldRules(msgspec.Struct, frozen=True, kw_only=True):
    """Rules of the failback hold. Durations are in seconds."""

    on: bool = False
    soak: float = 900.0  # the region's own probe and SCEP proof must be good for so long
    step: float = 120.0  # between two steps of weight
    lease: float = (
        90.0  # how long one worker has a change of the endpoint to itself; longer than a PATCH's deadline
    )
    probe_every: float = 60.0
    audit_only: bool = False  # no endpoint is ever changed


class Phase(StrEnum):
    """The phase of a hold."""

    DISABLING = "disabling"  # decided; whether it happened shows at the endpoint
    HELD = "held"  # out of DNS by our doing
    RETURNING = "returning"  # decided to give it back; whether it happened shows at the endpoint


class Hold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One region that is held, from the decision to its return."""

    id: str  # the permit's
    incident: str
    region: str
    phase: Phase
    since: datetime
    worker: str
    worker_until: datetime  # until then only `worker` acts
    weight: int | None = None  # what it had, under weighted routing
    sound_since: datetime | None = None
    seen_at: datetime | None = None
    share: int = 0  # index in SHARES, while returning
    share_since: datetime | None = None
    back: bool = False  # it was seen enabled while returning: who disables it after that is somebody else
    released_by: str = ""  # a person who wants it back now
    gone_since: datetime | None = None  # its endpoint is in the profile no more

    def target_weight(self) -> int | None:
        """The weight that it is to have now; None: weights are not ours to touch."""
        return None if self.weight is None else max(1, round(self.weight * SHARES[self.share]))


class HoldRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The row: at most one region of a group is held at a time."""

    group: str
    hold: Hold | None = None
    done: tuple[str, ...] = ()  # incidents whose hold a person ended: not held again
    history: tuple[Entry, ...] = ()


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The observation of one moment."""

    group: Group
    health: Mapping[str, Health]
    incidents: tuple[Incident, ...]
    now: datetime
    worker: str
    new_id: str  # for a hold that begins now


class Rest(msgspec.Struct, frozen=True):
    """Nothing to do now."""


class Disable(msgspec.Struct, frozen=True):
    """Take the endpoint out, under a permit."""

    hold: Hold


class Enable(msgspec.Struct, frozen=True):
    """Put the endpoint back, with the weight that is given."""

    hold: Hold
    weight: int | None


type Step = Rest | Disable | Enable


class Turn(msgspec.Struct, frozen=True):
    """The row as it is to be, and the step to take."""

    row: HoldRow
    step: Step


def turn(row: HoldRow, view: View, rules: HoldRules) -> Turn:
    """The next step. A hold that was begun is seen through even if the rules are off by now."""
    hold = row.hold
    if hold is None:
        return _begin(row, view, rules) if rules.on else Turn(row, Rest())
    endpoint = _endpoint(view.group, hold.region)
    if endpoint is None:  # it may come back as we left it, and is given back then
        since = hold.gone_since or view.now
        if view.now - since >= GONE:
            return _end(row, view.now, f"{hold.region} is no endpoint any more")
        gone = msgspec.structs.replace(hold, gone_since=since, sound_since=None, seen_at=None)
        return Turn(msgspec.structs.replace(row, hold=gone), Rest())
    if hold.gone_since is not None:
        hold = msgspec.structs.replace(hold, gone_since=None)
        row = msgspec.structs.replace(row, hold=hold)
    match hold.phase:
        case Phase.DISABLING:
            return _disabling(row, hold, endpoint, view)
        case Phase.HELD:
            return _held(row, hold, endpoint, view, rules)
        case Phase.RETURNING:
            return _returning(row, hold, endpoint, view, rules)


def _begin(row: HoldRow, view: View, rules: HoldRules) -> Turn:
    for incident in view.incidents:
        endpoint = _endpoint(view.group, incident.region)
        if endpoint is None or not _calls_for_it(incident, endpoint, row, view):
            continue
        weighted = view.group.profile.routing.lower() == "weighted"
        hold = Hold(
            id=view.new_id,
            incident=incident.id,
            region=incident.region,
            phase=Phase.DISABLING,
            since=view.now,
            worker=view.worker,
            worker_until=view.now + timedelta(seconds=rules.lease),
            weight=endpoint.weight if weighted else None,
        )
        text = f"{incident.region} is to be held out of DNS until it is sound"
        return Turn(_noted(msgspec.structs.replace(row, hold=hold), view.now, text), Disable(hold))
    return Turn(row, Rest())


def _calls_for_it(incident: Incident, endpoint: Endpoint, row: HoldRow, view: View) -> bool:
    """A confirmed failure of one region, seen now, with another one that is answered."""
    standing = standings(view.group, view.health).get(incident.region)
    return (
        incident.topic is Topic.SERVICE
        and incident.open
        and incident.confirmed is not None
        and incident.cause in {Cause.ONE_REGION, Cause.SETTINGS_CHANGE}
        and standing is Standing.DOWN
        and endpoint.enabled
        and incident.id not in row.done
        and bool(instead(view.group.profile, incident.region).by)
    )


def _disabling(row: HoldRow, hold: Hold, endpoint: Endpoint, view: View) -> Turn:
    if not endpoint.enabled:
        return Turn(taken_out(row, view.now), Rest())
    if hold.worker != view.worker and view.now < hold.worker_until:
        return Turn(row, Rest())
    return _end(row, view.now, f"{hold.region} was not disabled")  # decided anew at the next look


def _held(row: HoldRow, hold: Hold, endpoint: Endpoint, view: View, rules: HoldRules) -> Turn:
    if endpoint.enabled:
        return _end(row, view.now, f"somebody enabled {hold.region}", by_person=True)
    seen = _watched(hold, view, rules)
    why = _why_return(seen, view, rules)
    if not why:
        return Turn(msgspec.structs.replace(row, hold=seen), Rest())
    at_once = bool(seen.released_by) or not _sound_for(seen, rules.soak)
    returning = msgspec.structs.replace(
        seen, phase=Phase.RETURNING, share=len(SHARES) - 1 if at_once else 0, share_since=view.now
    )
    return _give_back(
        _noted(row, view.now, f"{hold.region} goes back into DNS: {why}"), returning, view, rules
    )


def _watched(hold: Hold, view: View, rules: HoldRules) -> Hold:
    """The hold with what this look says of the region's soundness. A hole in the evidence begins the soak anew."""
    health = view.health.get(hold.region)
    gap = timedelta(seconds=GAP * max(rules.probe_every, 1.0))
    if health is None or not sound(health, view) or health.probe is None:
        return msgspec.structs.replace(hold, sound_since=None, seen_at=None)
    at = health.probe.at
    unbroken = hold.sound_since is not None and hold.seen_at is not None and at - hold.seen_at <= gap
    return msgspec.structs.replace(hold, sound_since=hold.sound_since if unbroken else at, seen_at=at)


def sound(health: Health, view: View) -> bool:
    """Return whether the region answers its probe, and SCEP with the CA that the others prove."""
    if health.probe is None or not health.probe.ok:
        return False
    if health.scep is None:
        return True
    others = {
        item.scep.ca_sha256
        for item in view.health.values()
        if item is not health and item.scep is not None and item.scep.ok
    }
    return health.scep.ok and others <= {health.scep.ca_sha256}


def _sound_for(hold: Hold, seconds: float) -> bool:
    """By evidence that reaches the end of the time itself."""
    if hold.sound_since is None or hold.seen_at is None:
        return False
    return hold.seen_at - hold.sound_since >= timedelta(seconds=seconds)


def _why_return(hold: Hold, view: View, rules: HoldRules) -> str:
    """Return why it goes back now, or nothing."""
    if hold.released_by:
        return f"{hold.released_by} said so"
    if _sound_for(hold, rules.soak):
        return f"its probe and SCEP were good for {rules.soak:g} s"
    if hold.sound_since is not None and not instead(view.group.profile, hold.region).by:
        return "it answers, and no other region does"
    return ""


def _returning(row: HoldRow, hold: Hold, endpoint: Endpoint, view: View, rules: HoldRules) -> Turn:
    wanted = hold.target_weight()
    if (hold.back and not endpoint.enabled) or _strange_weight(hold, endpoint):
        return _end(row, view.now, f"somebody else changed {hold.region}", by_person=True)
    if endpoint.enabled and not hold.back:
        hold = msgspec.structs.replace(hold, back=True)
        row = msgspec.structs.replace(row, hold=hold)
    if not endpoint.enabled or (wanted is not None and endpoint.weight != wanted):
        if hold.worker != view.worker and view.now < hold.worker_until:
            return Turn(row, Rest())
        return _give_back(row, hold, view, rules)
    if hold.weight is None or hold.share == len(SHARES) - 1:
        return _end(row, view.now, f"{hold.region} is back in DNS", by_person=bool(hold.released_by))
    health = view.health.get(hold.region)
    since = hold.share_since or view.now
    if health is None or not sound(health, view) or view.now - since < timedelta(seconds=rules.step):
        return Turn(row, Rest())
    further = msgspec.structs.replace(hold, share=hold.share + 1, share_since=view.now)
    return _give_back(row, further, view, rules)


def _strange_weight(hold: Hold, endpoint: Endpoint) -> bool:
    """Return whether the endpoint has a weight that is none of the hold's steps."""
    if hold.weight is None or not endpoint.enabled:
        return False
    steps = {msgspec.structs.replace(hold, share=number).target_weight() for number in range(len(SHARES))}
    return endpoint.weight not in steps


def _give_back(row: HoldRow, hold: Hold, view: View, rules: HoldRules) -> Turn:
    """Claim the change of the endpoint for this worker."""
    mine = msgspec.structs.replace(
        hold, worker=view.worker, worker_until=view.now + timedelta(seconds=rules.lease)
    )
    weight = mine.target_weight()
    share = "" if weight is None else f" with weight {weight} of {mine.weight}"
    text = f"{hold.region} is being enabled{share}"
    return Turn(msgspec.structs.replace(_noted(row, view.now, text), hold=mine), Enable(mine, weight))


def _end(row: HoldRow, now: datetime, text: str, *, by_person: bool = False) -> Turn:
    done = row.done
    if by_person and row.hold is not None:
        done = (*done, row.hold.incident)[-MANY_DONE:]
    return Turn(_noted(msgspec.structs.replace(row, hold=None, done=done), now, text), Rest())


def released(row: HoldRow, by: str, reason: str, now: datetime) -> HoldRow:
    """A person wants the region back now. Nothing changes when none is held."""
    if row.hold is None:
        return row
    said = f"{by} releases {row.hold.region}{f': {reason}' if reason else ''}"
    hold = msgspec.structs.replace(row.hold, released_by=clipped(by, LINE))
    return _noted(msgspec.structs.replace(row, hold=hold), now, said, who=by)


def taken_out(row: HoldRow, now: datetime) -> HoldRow:
    """Azure took the change: the endpoint is out of DNS by our doing."""
    if row.hold is None:
        return row
    held = msgspec.structs.replace(row.hold, phase=Phase.HELD, sound_since=None)
    return _noted(msgspec.structs.replace(row, hold=held), now, f"{held.region} is out of DNS")


def refused(row: HoldRow, reason: str, now: datetime) -> HoldRow:
    """The endpoint was not touched: no permit, or Azure refused. It is decided anew at the next look."""
    return _noted(msgspec.structs.replace(row, hold=None), now, f"not held: {reason}")


def _noted(row: HoldRow, at: datetime, text: str, *, who: str = "Counterpart") -> HoldRow:
    text = clipped(text, LINE)
    recently = {entry.text for entry in row.history[-3:]}
    if text in recently:  # what is tried every minute and refused is one line
        return row
    if row.history and row.history[-1].at >= at:  # two lines of one moment stay in their order
        at = row.history[-1].at + timedelta(microseconds=1)
    return msgspec.structs.replace(
        row, history=(*row.history, Entry(at=at, who=clipped(who, LINE), text=text))[-LINES:]
    )


def _endpoint(group: Group, name: str) -> Endpoint | None:
    found: Iterable[Endpoint] = (endpoint for endpoint in group.profile.endpoints if endpoint.name == name)
    return next(iter(found), None)

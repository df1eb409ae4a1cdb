"""From facts to incidents: a pure fold over all that is known, so that neither order nor repetition matters.

`advance` takes new facts into a group's ledger and decides what people are to be told; `derive` is the fold. Whoever
calls them hands in the time. Nothing is forgotten while it could still change an incident; what is over goes into
the archive (`settled`, `shelve`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import msgspec

from shared.errors import IllegalTransition
from shared.groups.discover import row_name
from shared.groups.model import Cause
from shared.incidents.model import (
    Claim,
    Closed,
    Entry,
    Fact,
    Incident,
    Kind,
    Ledger,
    Named,
    Severity,
    Stage,
    Telling,
    Topic,
)
from shared.words import clipped, moment

STAGES: Mapping[Stage, str] = {
    Stage.DETECTED: "Somebody said so: an alert, Traffic Manager, or our own look. Not yet sure.",
    Stage.CONFIRMED: "Two witnesses agree, or one has said so for long enough.",
    Stage.MITIGATED: "DNS no longer answers the region: new devices are led to the others.",
    Stage.RESOLVED: "It is well again, by our own look or by the alert's end; nobody needs to close it.",
}

SEVERITIES: Mapping[Severity, str] = {
    Severity.CRITICAL: "No region serves, as far as anybody can see.",
    Severity.MAJOR: "A region fails; another one serves.",
    Severity.MINOR: "Nothing fails yet, or it is not sure: a decision waits, a reserve is gone, a witness is alone.",
}

MOST_FACTS = 500  # of a group's ledger: what changed, not every look
MOST_BYTES = 400  # of one text of a fact, and of one line of its evidence
MOST_EVIDENCE = 8  # lines of one fact
MOST_CLOSED = (
    400  # subjects of which the end of their last incident is known: two for each endpoint of a profile
)
MOST_LINES = 200  # of an incident's timeline, and of its evidence
# Looks of ours that are older than the youngest by this never get company: no wake-up lives longer than half of it
# (functionTimeout in host.json).
UNORDERED = timedelta(minutes=10)

_TROUBLE = frozenset({Claim.SUSPECT, Claim.BAD})
# At one time, what is well comes first: of two looks that contradict each other the worse one stands.
_RANK = {
    Kind.LOOK: 0, Kind.RESOLVED: 1, Kind.FIRED: 3, Kind.MOVED: 4, Kind.WAITS: 5, Kind.ACKNOWLEDGED: 6, Kind.NOTE: 7,
}  # fmt: skip

type Subject = tuple[Topic, str]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Rules of timing. Durations are in seconds."""

    flap: float = 600.0  # what comes back within this time is the same incident
    confirm: float = 90.0  # a single witness that has said so for this long is believed
    patience: float = 120.0  # an incident that nobody confirms is told after this time
    lead: float = 900.0  # what happened so long before an incident belongs into its timeline
    keep: float = 3600.0  # an incident that is over waits so long for late facts before it is archived
    retention: float = 365 * 86_400.0  # of the archive

    @property
    def flap_window(self) -> timedelta:
        """As a duration."""
        return timedelta(seconds=self.flap)


# -- the fold ---------------------------------------------------------------------------------------------------


@dataclass
class _Span:
    """An incident while it is being walked through."""

    facts: list[Fact]
    started: datetime
    confirmed: datetime | None = None
    mitigated: datetime | None = None
    resolved: datetime | None = None
    acknowledged: Fact | None = None
    waits: bool = False
    flaps: int = 0


@dataclass
class _Walk:
    """One subject's facts, walked through in the order of their times."""

    rules: Rules
    ends: Mapping[str, datetime]  # of each look: until when looks in unbroken sequence say the same
    spans: list[_Span] = field(default_factory=list)
    own: Claim | None = None
    own_until: datetime | None = None  # the end of the present sequence
    suspected: datetime | None = None  # since when our looks have seen trouble
    fired: set[str] = field(default_factory=set)

    def step(self, fact: Fact) -> None:
        """Take in the next fact."""
        match fact.kind:
            case Kind.LOOK:
                self._look(fact)
            case Kind.FIRED:
                self._fired(fact)
            case Kind.RESOLVED:
                self._alert_over(fact)
            case Kind.MOVED:
                if (span := self._open()) is not None:
                    span.facts.append(fact)
                    span.mitigated = span.mitigated or fact.at
            case Kind.WAITS:
                if (span := self._open()) is not None:
                    span.facts.append(fact)
                    span.waits = True
            case Kind.ACKNOWLEDGED:
                self._acknowledged(fact)
            case Kind.NOTE:
                pass  # a note opens and closes nothing

    def _look(self, fact: Fact) -> None:
        self.own, self.own_until = fact.claim, self.ends[fact.mark]
        if fact.claim not in _TROUBLE:
            self.suspected = None
            self.fired.clear()  # what we see ourselves stands above an alert from before
            self._close(fact)
            return
        span = self._troubled(fact)
        if fact.claim is Claim.BAD and fact.severity is Severity.CRITICAL:
            span.mitigated = None  # devices are led to nobody who serves
        self.suspected = self.suspected or fact.at
        sure_at = self.suspected + timedelta(seconds=self.rules.confirm)
        if fact.claim is Claim.BAD or self.fired:
            span.confirmed = span.confirmed or fact.at
        elif fact.at >= sure_at:
            span.confirmed = span.confirmed or sure_at

    def _fired(self, fact: Fact) -> None:
        calm = self.own in {Claim.WELL, Claim.OUT}
        contradicted = calm and self.own_until is not None and self.own_until >= fact.at
        span = self._troubled(fact, flap=not contradicted)
        if contradicted:
            self._close(fact)
            return
        self.fired.add(fact.id)
        if self.own in _TROUBLE:
            span.confirmed = span.confirmed or fact.at

    def _alert_over(self, fact: Fact) -> None:
        self.fired.discard(fact.id)
        span = self._last(fact)
        if span is None:
            return
        span.facts.append(
            fact
        )  # a rule takes its time: what we saw end before is told to have ended once more
        if span.resolved is None and self.own not in _TROUBLE and not self.fired:
            span.resolved = fact.at

    def _acknowledged(self, fact: Fact) -> None:
        span = self._last(fact)
        if span is None:
            return
        span.facts.append(fact)
        span.acknowledged = span.acknowledged or fact

    def _troubled(self, fact: Fact, *, flap: bool = True) -> _Span:
        """The incident that this fact belongs to: the open one, the one that just ended, or a new one."""
        last = self._last(fact)
        if last is None:
            last = _Span([], fact.at)
            self.spans.append(last)
        elif last.resolved is not None:
            last.flaps += flap
            last.resolved = None
        last.facts.append(fact)
        return last

    def _last(self, fact: Fact) -> _Span | None:
        """The open incident, or the one that ended so shortly before this fact that the fact belongs to it."""
        last = self.spans[-1] if self.spans else None
        is_past = last and last.resolved and fact.at - last.resolved > self.rules.flap_window
        return None if is_past else last

    def _open(self) -> _Span | None:
        last = self.spans[-1] if self.spans else None
        return last if last and last.resolved is None else None

    def _close(self, fact: Fact) -> None:
        if (span := self._open()) is not None:
            if fact not in span.facts:
                span.facts.append(fact)
            span.resolved = fact.at


def derive(facts: Iterable[Fact], group: str, rules: Rules) -> tuple[Incident, ...]:
    """The incidents that follow from the facts, in the order of their beginnings."""
    known = tuple(facts)
    return _DERIVED.get((known,), (group, rules), lambda: _derived(known, group, rules))


class _Kept[T]:
    """A cache of results by the identity of their tuples: a round asks several times, and the next one mostly too.

    A row that did not change is the same object (`shared.store.decoded`), and to compare what it says costs as much
    as to derive it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[tuple[int, ...], tuple[tuple[object, ...], object, T]] = {}

    def get(self, of: tuple[tuple[object, ...], ...], also: object, derive: Callable[[], T]) -> T:
        """Return what was found of these very tuples, `also` being equal; derived when that is not known."""
        at = tuple(id(pair) for pair in of)
        found = self._found.get(at)
        if found is not None and found[1] == also:
            return found[2]
        if len(self._found) >= self._most:
            self.clear()
        self._found[at] = (
            of,
            also,
            derive(),
        )  # with the tuples, whose numbers nobody else has while they are here
        return self._found[at][2]

    def clear(self) -> None:
        """Keep nothing."""
        self._found.clear()


_DERIVED: Final = _Kept[tuple[Incident, ...]](64)
_NUMBERED: Final = _Kept[tuple[Incident, ...]](64)


def _derived(known: tuple[Fact, ...], group: str, rules: Rules) -> tuple[Incident, ...]:
    notes = [fact for fact in known if fact.kind is Kind.NOTE]
    found = [
        _incident(group, subject, span, [note for note in notes if note.region in {"", subject[1]}], rules)
        for subject, its in _by_subject(known).items()
        for span in _spans(its, rules)
    ]
    return tuple(sorted(found, key=lambda it: (it.started, it.topic, it.region)))


def _by_subject(facts: Iterable[Fact]) -> dict[Subject, list[Fact]]:
    found: dict[Subject, list[Fact]] = {}
    for fact in sorted(facts, key=_order):
        if fact.kind is not Kind.NOTE:
            found.setdefault((fact.topic, fact.region), []).append(fact)
    return found


def _order(fact: Fact) -> tuple[datetime, int, str]:
    return fact.at, 2 if fact.claim in _TROUBLE else _RANK[fact.kind], fact.mark


def _spans(facts: Sequence[Fact], rules: Rules) -> list[_Span]:
    walk = _Walk(rules, _ends(facts))
    for fact in facts:
        walk.step(fact)
    return walk.spans


def _ends(facts: Sequence[Fact]) -> dict[str, datetime]:
    """Of each look: until when the looks after it, in sequence, say the same."""
    ends: dict[str, datetime] = {}
    after: Fact | None = None
    for fact in reversed([fact for fact in facts if fact.kind is Kind.LOOK]):
        ends[fact.mark] = ends[after.mark] if after is not None and after.claim is fact.claim else fact.at
        after = fact
    return ends


def _incident(group: str, subject: Subject, span: _Span, notes: Sequence[Fact], rules: Rules) -> Incident:
    """The record of a span. Times are pushed on, never back, so that no stage precedes the one before it."""
    trouble = [fact for fact in span.facts if _is_trouble(fact)]
    worst = _worst(trouble)
    detected = max(span.started, min(fact.heard for fact in trouble))
    confirmed = span.confirmed and max(span.confirmed, detected)
    mitigated = span.mitigated and max(span.mitigated, confirmed or detected)
    resolved = span.resolved and max(span.resolved, detected)  # what it went through came before
    acknowledged = span.acknowledged
    return Incident(
        group=group,
        topic=subject[0],
        region=subject[1],
        cause=worst.cause if worst else Cause.UNKNOWN,
        severity=_severity(trouble) if confirmed else Severity.MINOR,
        started=span.started,
        detected=detected,
        confirmed=confirmed,
        mitigated=mitigated,
        resolved=resolved,
        acknowledged=max(acknowledged.at, detected) if acknowledged else None,
        acknowledged_by=acknowledged.who if acknowledged else "",
        flaps=span.flaps,
        waits=span.waits,
        stays=next((fact.stays for fact in reversed(trouble) if fact.kind is Kind.LOOK), ""),
        evidence=_evidence(span.facts),
        timeline=_timeline(span, notes, rules),
        marks=tuple(fact.mark for fact in span.facts),
    )


def _is_trouble(fact: Fact) -> bool:
    """Return whether an incident may follow from it."""
    return fact.claim in _TROUBLE or fact.kind is Kind.FIRED


def _severity(trouble: Sequence[Fact]) -> Severity:
    return min(fact.severity for fact in trouble)


def _worst(trouble: Sequence[Fact]) -> Fact | None:
    """The look that names the incident's cause: at its worst, the latest that knows; else the latest of all.

    A change that broke the region is its cause also when it has been put back, and the region is not well yet.
    """
    looks = [fact for fact in trouble if fact.kind is Kind.LOOK]
    known = [look for look in looks if look.cause != Cause.UNKNOWN] or looks
    return min(
        known,
        key=lambda it: (it.severity, it.cause != Cause.SETTINGS_CHANGE, -it.at.timestamp()),
        default=None,
    )


def _changes(facts: Sequence[Fact]) -> list[Fact]:
    """The facts without the looks that say the same as the look before them."""
    kept: list[Fact] = []
    said: tuple[Claim | None, str] | None = None
    for fact in facts:
        if fact.kind is Kind.LOOK:
            if said == (fact.claim, fact.cause):
                continue
            said = (fact.claim, fact.cause)
        kept.append(fact)
    return kept


def _evidence(facts: Sequence[Fact]) -> tuple[str, ...]:
    said = (line for change in _changes(facts) for line in change.evidence)
    return tuple(dict.fromkeys(said))[:MOST_LINES]


def _timeline(span: _Span, notes: Sequence[Fact], rules: Rules) -> tuple[Entry, ...]:
    """Return what happened, in order; a long one loses its middle."""
    begin = span.started - timedelta(seconds=rules.lead)
    end = span.resolved and span.resolved + rules.flap_window
    near = [note for note in notes if begin <= note.at and (end is None or note.at <= end)]
    lines = [
        Entry(at=change.at, who=change.who, text=change.text)
        for change in sorted((*_changes(span.facts), *near), key=_order)
    ]
    if len(lines) <= MOST_LINES:
        return tuple(lines)
    head, tail = MOST_LINES // 4, MOST_LINES - MOST_LINES // 4 - 1
    left_out = len(lines) - head - tail
    gap = Entry(at=lines[head].at, who="Counterpart", text=f"{left_out} lines are left out here")
    return (*lines[:head], gap, *lines[-tail:])


# -- the ledger -------------------------------------------------------------------------------------------------


def advance(ledger: Ledger, facts: Iterable[Fact], now: datetime, rules: Rules) -> Ledger:
    """Take in facts; give new incidents their numbers; note which cards are owed. Time alone may owe one, too."""
    numbered = _number(_take_in(ledger, facts, now, rules), rules)
    numbered = _number_again(numbered, now, rules)
    found = {incident.id: incident for incident in incidents(numbered, rules)}
    by_id = {incident_id(numbered, named.number): named for named in numbered.named}
    for id_, incident in found.items():
        first, also = by_id[id_], {alias: by_id[alias] for alias in incident.aliases}
        by_id[id_] = _owe(_knowing(first, also.values(), incident.topic), incident, now, rules)
        if _is_past(incident, now, rules):
            by_id |= {alias: _ended(named, first, incident.topic) for alias, named in also.items()}
    named = tuple(by_id.values())
    return numbered if named == numbered.named else msgspec.structs.replace(numbered, named=named)


def _number_again(ledger: Ledger, now: datetime, rules: Rules) -> Ledger:
    """Give one number more to an incident that late facts reopened after operators were told of its end.

    They are told of its beginning under that number, and of its end: otherwise they would take it for over.
    """
    for incident in incidents(ledger, rules):
        numbers = {incident_id(ledger, named.number): named for named in ledger.named}
        known = [numbers[id_] for id_ in (incident.id, *incident.aliases)]
        over = Telling.RESOLVED in known[0].told and all(_is_over(named, incident.topic) for named in known)
        free = [mark for mark in incident.marks if all(mark != named.anchor for named in known)]
        if not incident.open or not over or not free:
            continue
        again = _owe(Named(number=ledger.next, anchor=free[-1]), incident, now, rules)
        if again.owed:
            ledger = msgspec.structs.replace(ledger, named=(*ledger.named, again), next=ledger.next + 1)
    return ledger


def _is_over(named: Named, topic: Topic) -> bool:
    """Return whether operators were told of its end, or of nothing."""
    return opening(topic) not in named.told or Telling.RESOLVED in named.told


def _knowing(named: Named, also: Iterable[Named], topic: Topic) -> Named:
    """Return the number with what was sent under its other numbers; an end, only if none of its own waits."""
    waits = {Telling.RESOLVED} if opening(topic) in named.told else set[Telling]()
    for item in also:
        news = [its for its in item.told if its not in waits]
        told = tuple(dict.fromkeys((*named.told, *news)))
        worst = min(named.told_severity, item.told_severity)
        named = msgspec.structs.replace(named, told=told, told_severity=worst)
    return named


def _ended(alias: Named, first: Named, topic: Topic) -> Named:
    """Of an incident that turned out to be an earlier one: its end is told, too, if that one's was told before.

    People heard of that end and then of this beginning; without one end more they would take it for open.
    """
    if _is_over(alias, topic):
        return alias
    again = (Telling.RESOLVED,) if Telling.RESOLVED in first.told else ()
    return msgspec.structs.replace(alias, told=(*alias.told, Telling.RESOLVED), owed=(*alias.owed, *again))


def incident_id(ledger: Ledger, number: int) -> str:
    """An incident's id, from which its ledger is found: `scepman-1a2b3c4d5e-7`."""
    return f"{row_name(ledger.group_id)}-{number}"


def incidents(ledger: Ledger, rules: Rules) -> tuple[Incident, ...]:
    """The incidents of a ledger, each under its number."""
    also = (ledger.group, ledger.group_id, rules)
    return _NUMBERED.get((ledger.facts, ledger.named), also, lambda: _numbered(ledger, rules))


def _numbered(ledger: Ledger, rules: Rules) -> tuple[Incident, ...]:
    found: list[Incident] = []
    for fact in derive(ledger.facts, ledger.group, rules):
        numbers = sorted(its.number for its in ledger.named if its.anchor in fact.marks)
        if numbers:
            first, *others = (incident_id(ledger, number) for number in numbers)
            found.append(msgspec.structs.replace(fact, id=first, aliases=tuple(others)))
    return tuple(found)


def _take_in(ledger: Ledger, facts: Iterable[Fact], now: datetime, rules: Rules) -> Ledger:
    closed = {(closed.topic, closed.region): closed.until for closed in ledger.closed}
    known = {fact.mark: fact for fact in ledger.facts}
    for fact in map(_clipped, facts):
        until = closed.get((fact.topic, fact.region))
        if fact.kind is not Kind.NOTE and until is not None and fact.at <= until:
            continue  # about an incident that is in the archive
        known[fact.mark] = _joined(known[fact.mark], fact) if fact.mark in known else fact
    anchors = {named.anchor for named in ledger.named}
    kept = _compact(known.values(), anchors, now, rules)
    room = kept if len(kept) <= MOST_FACTS else _thinned(kept, anchors)
    taken = tuple(room)
    if taken == ledger.facts:
        taken = ledger.facts  # the very same, of which it is known what follows
    return msgspec.structs.replace(ledger, facts=taken, dropped=ledger.dropped + len(kept) - len(room))


def _clipped(fact: Fact) -> Fact:
    """The fact with as much of its texts as a ledger has room for: they may be of somebody else's making."""
    texts = {"id": fact.id, "who": fact.who, "text": fact.text, "stays": fact.stays}
    short = all(len(text) * 4 <= MOST_BYTES for text in (*texts.values(), *fact.evidence))
    if short and len(fact.evidence) <= MOST_EVIDENCE:
        return fact
    return msgspec.structs.replace(
        fact,
        evidence=tuple(clipped(name, MOST_BYTES) for name in fact.evidence[:MOST_EVIDENCE]),
        **{name: clipped(item, MOST_BYTES) for name, item in texts.items()},
    )


def _joined(one: Fact, other: Fact) -> Fact:
    """One fact that came twice: first heard counts; of two wordings, always the same one."""
    said = min(one, other, key=lambda it: (it.text, it.who, it.evidence, it.severity))
    return msgspec.structs.replace(
        said, heard=min(one.heard, other.heard), severity=min(one.severity, other.severity)
    )


def _compact(facts: Iterable[Fact], anchors: set[str], now: datetime, rules: Rules) -> list[Fact]:
    """Without old looks that stand between two like them, and without old notes that no incident needs."""
    ordered = sorted(facts, key=_order)
    looks: dict[Subject, list[Fact]] = {}
    for fact in ordered:
        if fact.kind is Kind.LOOK:
            looks.setdefault((fact.topic, fact.region), []).append(fact)
    spare: set[str] = set()
    for its in looks.values():
        old = its[-1].at - UNORDERED
        for before, fact, after in zip(its, its[1:], its[2:], strict=False):
            if after.at >= old:  # one that is still to come may say something else in between
                break
            if _said(before) == _said(fact) == _said(after) and fact.mark not in anchors:
                spare.add(fact.mark)
    kept = [fact for fact in ordered if fact.mark not in spare]
    lead = timedelta(seconds=rules.lead)
    recent = now - lead - timedelta(seconds=rules.keep)
    begun: dict[str, datetime] = {}  # by region: its oldest trouble, before which no timeline begins
    for fact in kept:
        if _is_trouble(fact):
            begun.setdefault(fact.region, fact.at)
            begun.setdefault("", fact.at)  # a note about the whole group belongs to each of its regions
    since = {region: min(at - lead, recent) for region, at in begun.items()}
    return [fact for fact in kept if fact.kind is not Kind.NOTE or fact.at >= since.get(fact.region, recent)]


def _said(look: Fact) -> tuple[Claim | None, str, Severity]:
    return look.claim, look.cause, look.severity


def _thinned(facts: Sequence[Fact], anchors: set[str]) -> list[Fact]:
    """No more than there is room for: the beginning, the end, and what gives incidents their numbers."""
    head = MOST_FACTS // 4
    tail = MOST_FACTS - head - len(anchors)
    middle = [fact for fact in facts[head:-tail] if fact.mark in anchors]
    return [*facts[:head], *middle, *facts[-tail:]]


def _number(ledger: Ledger, rules: Rules) -> Ledger:
    """Give a number to every incident that has none."""
    named, number = list(ledger.named), ledger.next
    anchors = {item.anchor for item in named}
    for fact in derive(ledger.facts, ledger.group, rules):
        if anchors.isdisjoint(fact.marks):
            named.append(Named(number=number, anchor=fact.marks[0]))
            number += 1
    if number == ledger.next:
        return ledger
    return msgspec.structs.replace(ledger, named=tuple(named), next=number)


# -- what people are told ---------------------------------------------------------------------------------------


def _owe(named: Named, incident: Incident, now: datetime, rules: Rules) -> Named:
    """Note which cards are owed now; each is owed once, whatever comes."""
    due = tuple(telling for telling in _due(named, incident, now, rules) if telling not in named.told)
    if not due:
        return named
    return msgspec.structs.replace(
        named,
        told=(*named.told, *due),
        told_severity=min(named.told_severity, incident.severity),
        owed=(*named.owed, *due),
    )


def opening(topic: Topic) -> Telling:
    """The card that an incident begins with."""
    return Telling.HELD if topic is Topic.SETTINGS else Telling.OPENED


def _due(named: Named, incident: Incident, now: datetime, rules: Rules) -> Iterable[Telling]:
    told = opening(incident.topic) in named.told
    sure = incident.confirmed is not None
    if incident.open:
        waited = now - incident.detected >= timedelta(seconds=rules.patience)
        if told and incident.severity < named.told_severity:
            critical = incident.severity is Severity.CRITICAL
            yield Telling.ESCALATED_1 if critical else Telling.ESCALATED_2
        if told or sure or waited:
            yield opening(incident.topic)
            if incident.waits:
                yield Telling.HELD
            if incident.mitigated is not None:
                yield Telling.MITIGATED
    elif _is_past(incident, now, rules) and (told or sure):
        yield Telling.RESOLVED


def _is_past(incident: Incident, now: datetime, rules: Rules) -> bool:
    """Return whether it is over for so long that what comes now is another incident."""
    return incident.resolved is not None and now - incident.resolved >= rules.flap_window


def paid(ledger: Ledger, number: int, telling: Telling) -> Ledger:
    """The card is in the outbox."""
    named = tuple(
        msgspec.structs.replace(named, owed=tuple(its for its in named.owed if its is not telling))
        if named.number == number
        else named
        for named in ledger.named
    )
    return msgspec.structs.replace(ledger, named=named)


# -- the end ----------------------------------------------------------------------------------------------------


def settled(ledger: Ledger, now: datetime, rules: Rules) -> tuple[Incident, ...]:
    """The incidents that are over for so long that nothing late is expected, and that owe no card."""
    keep = timedelta(seconds=max(rules.keep, rules.flap + 60.0))
    owing = {incident_id(ledger, named.number) for named in ledger.named if named.owed}
    return tuple(
        incident
        for incident in incidents(ledger, rules)
        if incident.resolved is not None
        and now - incident.resolved > keep
        and owing.isdisjoint((incident.id, *incident.aliases))
    )


def shelve(ledger: Ledger, incident: Incident) -> Ledger:
    """The ledger without an incident that is in the archive. Nothing happens when it is not there any more."""
    subject = (incident.topic, incident.region)
    others = tuple(closed for closed in ledger.closed if (closed.topic, closed.region) != subject)
    marks = set(incident.marks)
    ends = [fact.at for fact in ledger.facts if fact.mark in marks]
    if not ends:
        return ledger
    until = max(ends)
    return msgspec.structs.replace(
        ledger,
        facts=tuple(
            fact
            for fact in ledger.facts
            if fact.kind is Kind.NOTE or (fact.topic, fact.region) != subject or fact.at > until
        ),
        named=tuple(named for named in ledger.named if named.anchor not in marks),
        closed=(*others, Closed(topic=incident.topic, region=incident.region, until=until))[-MOST_CLOSED:],
    )


def acknowledgement(incident: Incident, by: str, reason: str, now: datetime) -> Fact:
    """A person takes the incident on.

    Raises:
        IllegalTransition: it is over, or somebody has taken it on already.
    """
    if not incident.open:
        raise IllegalTransition(f"{incident.id} is resolved; there is nothing left to acknowledge")
    if incident.acknowledged is not None:
        who, when = incident.acknowledged_by, incident.acknowledged
        raise IllegalTransition(f"{incident.id} was acknowledged by {who} at {moment(when)}")
    return Fact(
        kind=Kind.ACKNOWLEDGED,
        at=max(now, incident.detected),  # by the clock of another machine
        heard=now,
        topic=incident.topic,
        region=incident.region,
        who=by,
        text=f"acknowledged{f': {reason}' if reason else ''}",
    )

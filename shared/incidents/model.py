"""Nouns of incidents: the facts that come in, and the incidents that follow from them. No decisions, no effects.

A ledger keeps facts, each once. Incidents are derived from the facts alone (`transitions.derive`), so that the order
in which they came, and how often, cannot matter.
"""

import functools
import hashlib
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final, Self

import msgspec


class Topic(StrEnum):
    """The topic of an incident. Each topic has an incident of its own."""

    SERVICE = "service"  # a region does not serve devices as it should
    SETTINGS = "settings"  # a settings change waits for a person
    HOSTS = "hosts"  # no artifact host is left that a region could start from
    AUTHORITY = "authority"  # the regions prove different certificate authorities


class Severity(IntEnum):
    """The severity: 1 is the worst. `transitions.SEVERITIES` explains each."""

    CRITICAL = 1
    MAJOR = 2
    MINOR = 3


class Kind(StrEnum):
    """The kind of a fact."""

    LOOK = "look"  # we looked
    FIRED = "fired"  # an alert
    RESOLVED = "resolved"  # an alert's end
    MOVED = "moved"  # DNS no longer answers the region
    WAITS = "waits"  # the settings change that broke the region waits for a person
    ACKNOWLEDGED = "acknowledged"  # a person took it on
    NOTE = "note"  # something that happened, for the timeline


class Claim(StrEnum):
    """The claim that an observation makes of its subject."""

    WELL = "well"
    SUSPECT = "suspect"  # one witness says that it is not
    BAD = "bad"  # two do, or there is no doubt
    OUT = "out"  # taken out of service on purpose: neither well nor a failure


class Fact(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True,
    cache_hash=True, dict=True,  # a round asks for a fact's hash and its mark many times
):  # fmt: skip
    """One thing that was seen, heard or done.

    `at` is when it was so, as its source says; `heard` is when we knew. Two facts that differ only in what they say
    in words, or in when they were heard, are one fact.
    """

    kind: Kind
    at: datetime
    heard: datetime
    topic: Topic = Topic.SERVICE
    region: str = ""  # empty: the whole group
    claim: Claim | None = None  # of a look
    cause: str = ""  # of a look: a groups.model.Cause, or HELD, UNREAD, EXHAUSTED, UNTRUSTED
    severity: Severity = Severity.MINOR  # of a look: how bad it would be, once confirmed
    id: str = ""  # tells apart what happened at one time: an alert's id, a plan's fingerprint
    who: str = ""  # who or what did or said it
    text: str = ""
    stays: str = ""  # of a look at a failing region: why its devices are not moved, and what to do
    evidence: tuple[str, ...] = ()

    @functools.cached_property
    def mark(self) -> str:
        """Return what makes two facts the same one: 16 hexadecimal digits."""
        text = self.text if self.kind is Kind.NOTE else ""
        return _mark(self.topic, self.region, self.kind, self.at, self.claim or "", self.cause, self.id, text)


@functools.lru_cache(maxsize=8192)
def _mark(topic: str, region: str, kind: str, at: datetime, *rest: str) -> str:
    """Kept, because a round walks over the same facts several times."""
    return hashlib.sha256("\0".join((topic, region, kind, at.isoformat(), *rest)).encode()).hexdigest()[:16]


_YOUNG: Final = 50  # facts of a ledger that keep all they say
HELD = "held-change"
UNREAD = "unread"  # a region's settings cannot be read, for minutes
PACKAGE_SETTING = "package-setting"
EXHAUSTED = "hosts-exhausted"
UNTRUSTED = "hosts-untrusted"


class Stage(StrEnum):
    """The stage of an incident. It may be acknowledged at any stage before the last."""

    DETECTED = "detected"
    CONFIRMED = "confirmed"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a timeline."""

    at: datetime
    who: str
    text: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change of settings that one region has and the others have not."""

    region: str
    at: datetime  # when it was first seen
    text: str  # the names of its keys


class Incident(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One incident, as derived. Its times never go backwards from one stage to the next."""

    group: str  # the group's short name
    topic: Topic
    region: str
    cause: str
    severity: Severity  # the worst it has been
    started: datetime  # when it first was so, as far as anybody saw
    detected: datetime  # when we first knew
    confirmed: datetime | None = None
    mitigated: datetime | None = None
    acknowledged: datetime | None = None
    resolved: datetime | None = None
    acknowledged_by: str = ""
    flaps: int = 0  # how often it came back within the time in which that is the same incident
    waits: bool = False  # for a person's decision on the settings change that broke the region
    stays: str = ""  # by the latest look: why the region's devices are not moved, and what to do
    evidence: tuple[str, ...] = ()  # of the look that showed it at its worst
    timeline: tuple[Entry, ...] = ()
    marks: tuple[str, ...] = ()  # of the facts that speak of its subject; the ledger recognises it by them
    id: str = ""
    aliases: tuple[str, ...] = ()  # ids of incidents that turned out to be this one

    @property
    def stage(self) -> Stage:
        """Return how far it has come."""
        if self.resolved is not None:
            return Stage.RESOLVED
        if self.mitigated is not None:
            return Stage.MITIGATED
        return Stage.DETECTED if self.confirmed is None else Stage.CONFIRMED

    @property
    def open(self) -> bool:
        """Return whether it is not resolved."""
        return self.resolved is None


class Telling(StrEnum):
    """The kinds of notification of an incident: one card each, at most."""

    OPENED = "opened"
    HELD = "held"  # a person is asked to decide: the opening of an incident about settings
    ESCALATED_2 = "escalated-to-2"
    ESCALATED_1 = "escalated-to-1"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"


class Named(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An incident's number, which it keeps whatever facts come later: it is the one with this fact in it."""

    number: int
    anchor: str  # the mark of the fact that opened it first
    told: tuple[Telling, ...] = ()
    told_severity: Severity = Severity.MINOR  # the worst that people were told
    owed: tuple[Telling, ...] = ()  # decided, not yet in the outbox


class Closed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A subject's last incident that went into the archive; what is older than its end changes nothing any more."""

    topic: Topic
    region: str
    until: datetime


class Ledger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The row: a group's facts of late, and which numbers the incidents in them have."""

    group_id: str
    group: str
    facts: tuple[Fact, ...] = ()
    named: tuple[Named, ...] = ()
    closed: tuple[Closed, ...] = ()
    next: int = 1
    dropped: int = 0  # facts that came when there was no room

    def shorter(self) -> Self | None:
        """Without the evidence of older facts, then without every other one of them; last without older incidents.

        The facts that give incidents their numbers stay as long as their incidents do.
        """
        old, young = self.facts[:-_YOUNG], self.facts[-_YOUNG:]
        if any(fact.evidence for fact in old):
            return msgspec.structs.replace(self, facts=(*map(_bare, old), *young))
        anchors = {named.anchor for named in self.named}
        kept = tuple(fact for number, fact in enumerate(old) if number % 2 == 0 or fact.mark in anchors)
        if len(kept) < len(old):
            return self._with((*kept, *young))
        if any(fact.evidence for fact in young):
            return msgspec.structs.replace(self, facts=(*old, *map(_bare, young)))
        if len(self.named) > 1:
            left = self.named[len(self.named) // 2 :]
            gone = anchors - {named.anchor for named in left}
            return self._with(tuple(fact for fact in self.facts if fact.mark not in gone), left)
        return self._with(self.facts[len(self.facts) // 2 :]) if len(self.facts) > 1 else None

    def _with(self, facts: tuple[Fact, ...], named: tuple[Named, ...] | None = None) -> Self:
        """With these facts only, and these incidents; how many facts went is counted."""
        dropped = self.dropped + len(self.facts) - len(facts)
        left = self.named if named is None else named
        return msgspec.structs.replace(self, facts=facts, named=left, dropped=dropped)


def _bare(fact: Fact) -> Fact:
    return msgspec.structs.replace(fact, evidence=())


class Archived(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The row of an incident that is over: it stays until the retention ends."""

    incident: Incident
    archived: datetime

    def shorter(self) -> Self | None:
        """With half of the evidence and of the timeline's middle."""
        lines, said = self.incident.timeline, self.incident.evidence
        if len(lines) + len(said) <= _YOUNG:
            return None
        cut = msgspec.structs.replace(
            self.incident,
            evidence=said[: len(said) // 2],
            timeline=(*lines[: len(lines) // 4], *lines[len(lines) - len(lines) // 4 :]),
        )
        return msgspec.structs.replace(self, incident=cut)

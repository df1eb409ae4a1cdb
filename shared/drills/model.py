"""Nouns of drills: what is asked, how far one has come, what was sampled, and the row. No decisions, no effects."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Self

import msgspec

from shared.absence import Absence
from shared.groups.model import Group, Health

SHORTEST, LONGEST = 1, 4 * 3600  # seconds of an observation, and of a target
PRACTICE = "the schedule"  # who asks for a practice run

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"  # a region's place in `Drill.regions`, as one character
NOBODY = "-"  # no region, or no answer
FEWEST_LINES = 8  # of a timeline that a row has no room for


class State(StrEnum):
    """The state of a drill. `transitions.STATES` explains each."""

    ACCEPTED = "accepted"
    DRAINING = "draining"
    OBSERVING = "observing"
    RESTORING = "restoring"
    VERIFYING = "verifying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED = "aborted"
    INTERRUPTED = "interrupted"


ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.ABORTED, State.INTERRUPTED})


class Verdict(StrEnum):
    """The answer of a preflight rule."""

    PASSED = "passed"
    WARNED = "warned"  # said, and no hindrance
    REFUSED = "refused"


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One preflight rule's answer, with its reason."""

    rule: str
    verdict: Verdict
    reason: str


class Predicted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The predicted seconds for which DNS leads devices to a lost region; resolvers honour the time to live."""

    orderly: float  # the endpoint is disabled: a drill, or a person's deed
    sudden: float  # the region dies and Traffic Manager has to notice
    detection: float  # of the sudden loss: until Traffic Manager has noticed
    ttl: float


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request for a drill."""

    group: str  # the group's ARM id
    region: str
    observe_seconds: int
    target_rto_seconds: int
    reason: str = ""
    by: str = ""


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One look, kept small: a drill of four hours has thousands.

    `dns` and `by` hold one character for each resolver and for the SCEP look: the place of the region that answered
    in `Drill.regions`, or NOBODY. `problem` is the place of what went wrong in `Drill.problems`, from 1; 0: nothing.
    """

    at: float  # seconds since the drain; below zero: before it
    dns: str
    by: str
    problem: int = 0


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a drill's timeline."""

    at: datetime
    who: str
    text: str


class Ending(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The end of a drill, decided before its region is given back."""

    state: State
    reason: str


class Measured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The measurements of a drill, in seconds since the drain; None: it did not happen while it was watched."""

    dns: tuple[tuple[str, float | None], ...] = ()  # per resolver: when it last stopped answering the region
    scep: float | None = (
        None  # when a device that keeps answers for their time to live was served by another region
    )
    recovery: float | None = None  # all of them
    probes: int = 0  # SCEP looks from the drain on
    failures: int = 0
    longest_gap: float = 0.0  # between two looks that succeeded, where one failed in between
    back_in_dns: float | None = None  # seconds from the restoring until DNS answered the region again
    restored_after: float | None = None  # seconds from the restoring until Traffic Manager called it online

    @property
    def availability(self) -> float | None:
        """The share of the SCEP looks that succeeded."""
        return (self.probes - self.failures) / self.probes if self.probes else None


class Drill(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One drill, from the moment it was allowed."""

    id: str
    group_id: str
    group: str
    region: str
    regions: tuple[str, ...]  # all of the group's, in the order that samples count them
    resolvers: tuple[str, ...]
    service: str  # the host name that devices know
    observe_seconds: int
    target_rto_seconds: int
    predicted: Predicted
    preflight: tuple[Answer, ...]
    state: State
    reason: str  # why it is in this state
    since: datetime
    accepted_at: datetime
    deadline: datetime  # whoever wakes up after that gives the region back
    asked_by: str = ""
    why: str = ""  # the reason that was given
    practice: bool = False
    idempotency: str = ""  # a digest of the caller's key
    worker: str = ""  # who is at it; empty: nobody, the next wake-up goes on
    worker_until: datetime | None = None
    drained_at: datetime | None = None
    doubtful: bool = (
        False  # how the disabling ended is not known: it may still take effect, after the restoring
    )
    was_out: bool = False  # the endpoint was seen disabled since the drain
    restoring_at: datetime | None = None
    restored_at: datetime | None = None  # Azure took the change
    was_back: bool = False  # the endpoint was seen enabled since, or while it was to be out
    unheard: bool = False  # an enabling was not answered: it may have taken effect
    absent: Absence | None = None  # enabling was answered with: there is no such endpoint
    online_at: datetime | None = None
    ended_at: datetime | None = None
    ending: Ending | None = None
    looked_at: datetime | None = None  # when the surviving regions were last looked at
    samples: tuple[Sample, ...] = ()
    problems: tuple[str, ...] = ()  # what samples point to
    timeline: tuple[Entry, ...] = ()
    owed: tuple[str, ...] = ()  # cards decided and not yet in the outbox
    told: tuple[str, ...] = ()

    def shorter(self) -> Self | None:
        """Without half of the middle of the timeline."""
        lines = self.timeline
        if len(lines) <= FEWEST_LINES:
            return None
        quarter = len(lines) // 4
        return msgspec.structs.replace(self, timeline=(*lines[:quarter], *lines[-quarter:]))

    @property
    def ended(self) -> bool:
        """Return whether nothing more will happen."""
        return self.state in ENDED

    @property
    def why_perhaps_out(self) -> str:
        """Return why it is not known whether a region that cannot be given back is out of DNS; empty: it is."""
        if self.state is not State.RESTORING:
            return ""
        if self.was_back:
            return "it was enabled when it was last looked at"
        if self.doubtful and not self.was_out:
            return "how the disabling ended is not known"
        return "an enabling was not answered, and may have taken effect" if self.unheard else ""


class Known(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request that was made under an Idempotency-Key, and the drill it began."""

    key: str  # a digest of the key
    body: str  # a digest of what was asked
    drill: str
    at: datetime


class Slot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The row of a group: its running drill, and what is remembered between drills."""

    group_id: str
    group: str
    next: int = 1
    drill: Drill | None = None
    known: tuple[Known, ...] = ()
    considered: datetime | None = None  # the last time of the schedule that was acted on or skipped
    practised: datetime | None = None  # the last time of the schedule at which a practice run began
    history: tuple[Entry, ...] = ()  # practice runs that were skipped, and why

    def shorter(self) -> Self | None:
        """Without the older half of the history, then with less of the drill."""
        if len(self.history) > 1:
            return msgspec.structs.replace(self, history=self.history[len(self.history) // 2 :])
        cut = self.drill.shorter() if self.drill is not None else None
        return None if cut is None else msgspec.structs.replace(self, drill=cut)


class Archived(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The row of a drill that is over: it stays until the retention ends."""

    drill: Drill
    archived: datetime

    def shorter(self) -> Self | None:
        """With less of the drill."""
        cut = self.drill.shorter()
        return None if cut is None else msgspec.structs.replace(self, drill=cut)


class Open(msgspec.Struct, frozen=True):
    """An incident that is open."""

    region: str  # empty: the whole group's
    text: str


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """An observation of the group: the profile read afresh, health, and facts of the other slices."""

    group: Group
    health: Mapping[str, Health]
    incidents: tuple[Open, ...]
    unsettled: str  # why the regions' settings are not in agreement; empty: they are
    at: datetime


class ServiceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer that a device got through the service name. Never raised: a failure is an answer too."""

    at: datetime
    address: str = ""  # whom it asked; empty: the name led nowhere
    problem: str = ""  # why it would not have enrolled; empty: it would

    @property
    def ok(self) -> bool:
        """Return whether it was served."""
        return not self.problem


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Rules of drills. Durations are in seconds."""

    sample_every: float = 2.0
    wake: float = 45.0  # of one wake-up; the timer comes every minute and never overlaps
    lease: float = 25.0  # without a sign of life of its worker, a drill is given up and its region given back
    look_every: float = 10.0  # at the profile and the surviving regions, while observing
    blind: float = (
        60.0  # without a look at the survivors for so long it ends; permits take no older evidence either
    )
    start_within: float = 150.0  # from accepting to draining; two turns of the timer
    restore_within: float = 90.0  # from the end of the observation to the deadline
    verify_within: float = 600.0
    late: float = (
        120.0  # a disabling whose end is not known may take effect so long after; longer than its deadline
    )
    baseline: int = 2  # samples before the drain
    retention: float = 365 * 86_400.0  # of the archive

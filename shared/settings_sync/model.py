"""Nouns of settings_sync: sides, decisions, plans, verdicts, and the one row a group's rollout lives in.

No setting's value is in any of them: values are stood for by keyed fingerprints (see `fingerprint`).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Self

import msgspec

from shared.absence import Absence
from shared.groups.model import Region
from shared.groups.soak import Start

_REGIONS, _KEYS = 8, 50  # that a plan keeps which is too long for its row
_LINES = 8  # of a history that a row has no room for
DROPPED = "dropped"  # what the line of a decision says that is good no longer

type Print = str | None  # a value's fingerprint; None stands for "not set"


def counted(number: int, noun: str = "key") -> str:
    """`1 key`, `2 keys`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Entry(msgspec.Struct, frozen=True):
    """One setting as one region has it."""

    name: str  # as the site spells it
    print: str
    obstacle: str = ""  # why it cannot travel from here
    size: int = 0  # bytes of the app's environment
    spellings: tuple[str, ...] = ()  # more than one: the key is ambiguous here


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One region's settings, reduced to what may be compared and stored. Local keys are left out."""

    region: Region
    entries: Mapping[str, Entry]  # by canonical key
    local: tuple[str, ...] = ()  # canonical keys that the policy keeps here
    size: int = 0  # bytes of the app's environment, local keys' too

    @property
    def ambiguous(self) -> tuple[str, ...]:
        """The keys that this region spells in more than one way at once."""
        return tuple(key for key, entry in self.entries.items() if entry.spellings)

    def print_of(self, key: str) -> Print:
        """The fingerprint of the key's value here."""
        entry = self.entries.get(key)
        return entry.print if entry else None


class Action(StrEnum):
    """The action for one key."""

    AGREE = "agree"
    TAKE = "take"
    DELETE = "delete"
    KEEP_LOCAL = "keep-local"
    KEEP_APART = "keep-apart"
    CONFLICT = "conflict"
    AMBIGUOUS = "ambiguous"
    CANNOT_TRAVEL = "cannot-travel"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The merge's answer for one key, with its reason. `state` names what was seen of the key (a digest)."""

    key: str
    action: Action
    reason: str
    state: str
    sources: tuple[str, ...] = ()  # regions that hold what is to be everywhere
    targets: tuple[str, ...] = ()  # regions that are to get it
    first_contact: bool = False  # a conflict only because there is no common past


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal of the plan: the rule, the keys, the numbers and the way out."""

    rule: str  # conflict, first-contact, identity, brake, cannot-travel, ambiguous, undone
    keys: tuple[str, ...]
    text: str
    way_out: str
    alone: bool = False  # these keys only are held, and the others travel


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The decisions of a merge under one fingerprint; equal observations give equal fingerprints."""

    fingerprint: str
    decisions: tuple[Decision, ...]  # those with something to do or to say: no AGREE, no KEEP_LOCAL
    refusals: tuple[Refusal, ...] = ()
    agreed: int = 0  # keys
    local: int = 0  # keys
    left_out: int = 0  # decisions that are not here, since a row has no room for them

    def shorter(self) -> Self | None:
        """With half of the decisions, and a few of their regions."""
        if len(self.decisions) <= 1:
            return None
        kept = tuple(
            msgspec.structs.replace(
                decision, sources=decision.sources[:_REGIONS], targets=decision.targets[:_REGIONS]
            )
            for decision in self.decisions[: len(self.decisions) // 2]
        )
        refusals = tuple(
            msgspec.structs.replace(refusal, keys=refusal.keys[:_KEYS]) for refusal in self.refusals[:_KEYS]
        )
        left_out = self.left_out + len(self.decisions) - len(kept)
        return msgspec.structs.replace(self, decisions=kept, refusals=refusals, left_out=left_out)

    @property
    def changes(self) -> tuple[Decision, ...]:
        """The decisions that would write."""
        return tuple(
            decision for decision in self.decisions if decision.action in {Action.TAKE, Action.DELETE}
        )

    @property
    def is_held(self) -> bool:
        """Return whether a rule holds the plan as a whole, not single keys."""
        return any(not refusal.alone for refusal in self.refusals)


class VerdictKind(StrEnum):
    """The kinds of operator decision on a key."""

    APPROVE = "approve"  # let it travel although a rule held it
    TAKE = "take"  # this region's value is the right one
    REJECT = "reject"  # leave the regions different in this key
    FORCE = "force"  # let it travel without the soak


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word on one key, good only for the very state of the key that the person saw."""

    key: str
    state: str
    kind: VerdictKind
    by: str
    reason: str
    at: datetime
    side: str = ""  # the region, for TAKE


class State(StrEnum):
    """The state of a group's rollout. `transitions.SENTENCES` explains each."""

    CONVERGED = "converged"
    SOAKING = "soaking"
    WRITING = "writing"
    VERIFYING = "verifying"
    CONTAINED = "contained"
    HELD = "held"


class Phase(StrEnum):
    """The phase of a write to one region."""

    CLAIMED = "claimed"  # decided, by one worker; whether the write happened shows only at the region
    WRITTEN = "written"  # the region was seen with every planned value
    UNDOING = "undoing"  # the old values are being put back


class Planned(msgspec.Struct, frozen=True):
    """One key of a flight: what the target had, and what it is to have."""

    key: str
    old: Print
    new: Print


class Flight(msgspec.Struct, frozen=True, kw_only=True):
    """One write to one region, from the claim to its verification or undoing. Survives its worker."""

    id: str  # the permit's id, and part of the vault copy's name
    phase: Phase
    source: str
    target: str
    keys: tuple[Planned, ...]
    claimed_at: datetime
    worker: str
    worker_until: datetime  # until then only `worker` acts on a CLAIMED or UNDOING flight
    start: Start  # how the target was before the write
    site: str  # the id of the target's site, in lower case
    written_at: datetime | None = None
    put_back_at: datetime | None = None
    copy_missing: Absence | None = None  # the vault does not find the copy of the old values

    @property
    def region(self) -> str:
        """The target."""
        return self.target

    @property
    def copy_name(self) -> str:
        """The Key Vault secret that holds the target's old values."""
        return f"counterpart-{self.id}"


class Written(msgspec.Struct, frozen=True):
    """A value that we put into a region and that is not yet everywhere: it is not that region's own change.

    Or, `theirs`: a value that somebody put in its place since. That one is the region's own change, even where it
    equals what all regions last agreed on.
    """

    region: str
    key: str
    print: Print
    old: Print  # what it replaced; of a value of theirs, what tells it from the same value before our write
    theirs: bool = False


class Lot(msgspec.Struct, frozen=True):
    """The common part of several regions' `Written`, as the row holds it: a change goes to many regions alike."""

    regions: tuple[str, ...]
    values: tuple[tuple[str, Print, Print, bool], ...]  # the other fields


def lots(written: Iterable[Written]) -> tuple[Lot, ...]:
    """Group what was written by the regions that have it; however it is ordered, the lots are the same."""
    regions: dict[tuple[str, Print, Print, bool], set[str]] = {}
    for item in written:
        regions.setdefault((item.key, item.print, item.old, item.theirs), set()).add(item.region)
    values: dict[tuple[str, ...], list[tuple[str, Print, Print, bool]]] = {}
    for value, names in regions.items():
        values.setdefault(tuple(sorted(names)), []).append(value)
    return tuple(Lot(names, tuple(sorted(values[names], key=repr))) for names in sorted(values))


class Footprint(msgspec.Struct, frozen=True):
    """The digest of a region's synchronised settings, and when it was first seen so."""

    region: str
    digest: str
    at: datetime
    site: str = ""  # a digest of the id: an endpoint led to another site is another region


class Happening(msgspec.Struct, frozen=True):
    """One line of a rollout's history."""

    at: datetime
    state: State
    text: str


class StoreKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which fingerprint key a store belongs to: one row, for the groups that have none of their own yet."""

    id: str
    since: datetime


class Rollout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is remembered of a group's settings: one row, changed by compare-and-swap."""

    group: str
    state: State
    since: datetime
    reason: str
    key_id: str  # which fingerprint key made the fingerprints below
    baseline: tuple[tuple[str, str], ...] = ()  # canonical key -> fingerprint, sorted
    undecided: tuple[str, ...] = ()  # keys that differed at first contact and were not decided yet
    footprints: tuple[Footprint, ...] = ()
    lots: tuple[Lot, ...] = msgspec.field(default=(), name="written")
    verdicts: tuple[Verdict, ...] = ()
    undone: tuple[str, ...] = ()  # states of keys whose rollout was undone
    flight: Flight | None = None
    left: tuple[Flight, ...] = ()  # begun with regions that left the group since
    plan: Plan | None = None  # as last seen, for people: key names, never values
    looked_at: datetime | None = None  # when the settings were last read
    regions_at: datetime | None = None  # of Traffic Manager's answer that first had these regions
    unread: Absence | None = None  # since then a region could not be read, and nothing is compared
    history: tuple[Happening, ...] = ()  # the newest last, bounded

    @property
    def written(self) -> tuple[Written, ...]:
        """All that we wrote and that is not yet everywhere."""
        return tuple(
            Written(region, *value) for lot in self.lots for value in lot.values for region in lot.regions
        )

    def shorter(self) -> Self | None:
        """With less of the plan, which is kept for people only; else with the younger half of the history.

        Then without the way back of a region that left. Last of all without half of the decisions, the older ones, or
        without what was written of half of the keys. A person is asked of these anew: nothing travels on the word of
        what is forgotten.
        """
        if self.plan is not None and (cut := self.plan.shorter()) is not None:
            return msgspec.structs.replace(self, plan=cut)
        if len(self.history) > _LINES:
            return msgspec.structs.replace(self, history=self.history[-max(_LINES, len(self.history) // 2) :])
        if self.left:
            why = f"the way back of {self.left[0].target}, which left the group, is given up, since the row is full"
            return self._said(why, left=self.left[1:])
        if len(self.verdicts) > 1:
            half = len(self.verdicts) // 2
            older, younger = self.verdicts[:half], self.verdicts[half:]
            apart = {verdict.key for verdict in older if verdict.kind is VerdictKind.REJECT}
            return self._forgot(counted(len(older), "decision"), apart, verdicts=younger)
        if keys := sorted({written.key for written in self.written}):
            gone = set(keys[: len(keys) // 2 + 1])
            left = lots(written for written in self.written if written.key not in gone)
            return self._forgot(f"the memory of what was written of {counted(len(gone))}", gone, lots=left)
        return None

    def _forgot(self, what: str, keys: Iterable[str], **left: object) -> Self:
        """Say so in the history; where these keys differ, no region's value is newer than the others'."""
        text = f"{what} {DROPPED}, since the row is full; decide anew"
        return self._said(text, undecided=tuple(sorted({*self.undecided, *keys})), **left)

    def _said(self, text: str, **changes: object) -> Self:
        line = Happening(self.looked_at or self.since, self.state, text)
        return msgspec.structs.replace(self, history=(*self.history, line)[-_LINES:], **changes)

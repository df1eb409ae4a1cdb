"""Faults as data: what happens to a world and when, drawn from a seed, and what becomes of single calls.

Faults come in small heaps, since one alone is seldom what breaks a program. Each heap draws from dice of its own, so
that nothing before it changes what it does.
"""

import dataclasses
import random
from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

HOUR: Final = 3600.0


class Fault(StrEnum):
    """What may go wrong, or be done by people at a bad time."""

    EDIT = "a person edits"
    BAD_EDIT = "a person edits something bad"
    BOTH_SIDES = "people edit one key in two regions"
    SAME_EDIT = "people make the same edit in two regions"
    DELETE = "a person deletes a setting"
    STRING = "a person edits a connection string"
    IDENTITY = "a person edits what says which CA this is"
    MASS_EDIT = "a person edits many settings at once"
    REFERENCE = "a person sets a Key Vault reference, which may not resolve"
    BARRED = "a region may not read the vault"
    EDIT_BETWEEN = "a person edits between our reading and our write"
    EDIT_BEHIND = "a person edits right behind our write"
    EVENT_LOST = "events are lost"
    EVENT_DOUBLED = "events come twice"
    EVENT_LATE = "events come late and in another order"
    EVENT_STRAY = "an event comes that says nothing"
    ALERT_LOST = "alerts are lost"
    ARM_THROTTLED = "Resource Manager answers 429"
    ARM_FAILS = "Resource Manager answers 5xx"
    ARM_SILENT = "a write times out before its effect"
    ARM_UNHEARD = "a write times out after its effect"
    STORE_FAILS = "the store does not answer"
    STORE_UNHEARD = "the store takes a row and does not say so"
    VAULT_FAILS = "the vault does not answer"
    VAULT_UNHEARD = "the vault does what is asked and does not say so"
    CHANNEL_FAILS = "the channel takes nothing"
    CHANNEL_UNHEARD = "the channel takes a message and does not say so"
    CHANNEL_LOST = "the channel takes nothing for more than a day"
    SLOW_BOOT = "apps start slowly"
    REGION_LOST = "a region is lost"
    FLAP = "a region comes and goes"
    SHARED_LOST = "what all regions stand on is lost"
    REGION_LONG = "a region is lost for hours"
    SITE_MISSED = "Resource Manager does not find a site, or does not let it be read, for a moment"
    LIST_LACKS = "Traffic Manager's answers leave out an endpoint or the profile for a moment"
    ENDPOINT_MOVED = "a person takes an endpoint out of the profile, puts it back, and decides at once"
    COPY_MISSED = "the vault does not find a copy for a moment"
    ARM_LONG = "Resource Manager does not answer for an hour"
    STORE_LONG = "the store does not answer for an hour"
    ALL_DEAD = "no instance runs for most of an hour"
    HOST_LOST = "a package host is lost"
    RELEASE = "the vendor releases a package"
    AUTHORITY = "a region proves another CA"
    SWITCHED = "a person takes an endpoint out for a while"
    RESTART = "a person orders a restart"
    DRILL = "a person orders a drill"
    PACKAGE_SPOILT = "a tool removes a region's package setting, or leaves one that leads to no package"
    FLOOD = "a region comes and goes for hours, and events and long names come in a flood"
    AWAY = "no instance runs while a written region is verified"
    SKEW = "a clock goes wrong"
    RIVALS = "two instances do everything at once"
    DEATH = "a process dies"


# How often each comes, of so many. What lasts for hours is rare: meanwhile fewer turns of the timer are skipped.
WEIGHTS: Final[dict[Fault, float]] = {
    Fault.EDIT: 12,
    Fault.BAD_EDIT: 5,
    Fault.BOTH_SIDES: 3,
    Fault.SAME_EDIT: 2,
    Fault.DELETE: 2,
    Fault.STRING: 3,
    Fault.IDENTITY: 1,
    Fault.MASS_EDIT: 1,
    Fault.REFERENCE: 1.4,
    Fault.BARRED: 0.6,
    Fault.EDIT_BETWEEN: 5,
    Fault.EDIT_BEHIND: 4,
    Fault.EVENT_LOST: 3,
    Fault.EVENT_DOUBLED: 3,
    Fault.EVENT_LATE: 3,
    Fault.EVENT_STRAY: 2,
    Fault.ALERT_LOST: 1,
    Fault.ARM_THROTTLED: 4,
    Fault.ARM_FAILS: 4,
    Fault.ARM_SILENT: 4,
    Fault.ARM_UNHEARD: 5,
    Fault.STORE_FAILS: 3,
    Fault.STORE_UNHEARD: 4,
    Fault.VAULT_FAILS: 2,
    Fault.VAULT_UNHEARD: 2,
    Fault.CHANNEL_FAILS: 2,
    Fault.CHANNEL_UNHEARD: 2,
    Fault.CHANNEL_LOST: 0.3,
    Fault.SLOW_BOOT: 3,
    Fault.REGION_LOST: 2,
    Fault.FLAP: 1,
    Fault.SHARED_LOST: 1,
    Fault.REGION_LONG: 0.1,
    Fault.SITE_MISSED: 0.0,
    Fault.LIST_LACKS: 0.0,
    Fault.ENDPOINT_MOVED: 0.0,
    Fault.COPY_MISSED: 0.0,
    Fault.PACKAGE_SPOILT: 0.0,
    Fault.FLOOD: 0.0,
    Fault.AWAY: 0.0,
    Fault.ARM_LONG: 0.1,
    Fault.STORE_LONG: 0.1,
    Fault.ALL_DEAD: 0.4,
    Fault.HOST_LOST: 2,
    Fault.RELEASE: 1,
    Fault.AUTHORITY: 1,
    Fault.SWITCHED: 2,
    Fault.RESTART: 1,
    Fault.DRILL: 3,
    Fault.SKEW: 3,
    Fault.RIVALS: 7,
    Fault.DEATH: 10,
}

# What is missed for a moment comes in heaps of its own, so that the others of a seed stay what they were.
ABSENT: Final = (Fault.SITE_MISSED, Fault.LIST_LACKS, Fault.COPY_MISSED, Fault.ENDPOINT_MOVED)

# What makes something happen that the others can disturb: each heap has one of these.
STIRRING: Final = (
    Fault.EDIT, Fault.BAD_EDIT, Fault.BOTH_SIDES, Fault.SAME_EDIT, Fault.DELETE, Fault.STRING, Fault.IDENTITY,
    Fault.MASS_EDIT, Fault.REFERENCE, Fault.BARRED, Fault.REGION_LOST, Fault.REGION_LONG, Fault.FLAP,
    Fault.SHARED_LOST, Fault.HOST_LOST, Fault.RELEASE, Fault.AUTHORITY, Fault.SWITCHED, Fault.RESTART, Fault.DRILL,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Heap:
    """Some faults close together: each with its delay after `at`."""

    at: float
    dice: str  # the seed of its own dice
    faults: tuple[tuple[float, Fault], ...]


def forecast(seed: str, until: float, *, every: float = 2 * HOUR) -> list[Heap]:
    """The heaps of a run: one fault every so many seconds on average, those of what is missed, and rare ones."""
    heaps = (*_mixed(seed, until, every), *_absences(seed, until), *_rarities(seed, until))
    return sorted(heaps, key=lambda it: it.at)


def _absences(seed: str, until: float, *, every: float = 36 * HOUR) -> list[Heap]:
    """Things out of sight while a change is under way: of a sound value, or of one that is undone."""
    dice = random.Random(f"{seed}/absences")
    heaps: list[Heap] = []
    at = HOUR
    while (at := at + dice.expovariate(1 / every)) < until:
        first = dice.choice((Fault.EDIT, Fault.BAD_EDIT, Fault.BAD_EDIT, Fault.DRILL))
        faults = [(dice.uniform(30, 900), dice.choice(ABSENT)) for _ in range(dice.randrange(1, 4))]
        heaps.append(Heap(float(int(at)), f"{seed}/absent/{len(heaps)}", ((2.0, first), *sorted(faults))))
    return heaps


def _rarities(seed: str, until: float, *, every: float = 300 * HOUR) -> list[Heap]:
    """What lasts for hours, each alone: by dice of their own, so that the others of a seed stay what they were."""
    dice = random.Random(f"{seed}/rarities")
    heaps: list[Heap] = []
    at = HOUR
    while (at := at + dice.expovariate(1 / every)) < until:
        fault = dice.choice((Fault.PACKAGE_SPOILT, Fault.PACKAGE_SPOILT, Fault.FLOOD, Fault.AWAY))
        heaps.append(Heap(float(int(at)), f"{seed}/rare/{len(heaps)}", ((2.0, fault),)))
    return heaps


def _mixed(seed: str, until: float, every: float) -> list[Heap]:
    dice = random.Random(seed)
    heaps: list[Heap] = []
    others = [weight for weight in WEIGHTS if weight not in STIRRING]
    at = HOUR
    while True:
        size = dice.choice((1, 2, 4, 6, 8, 12))
        at += dice.expovariate(1 / (every * size))
        if at >= until:
            return heaps
        first = _drawn(dice, STIRRING)
        more = [
            (dice.choice((0.0, 1.0, dice.uniform(0, 60), dice.uniform(0, 480))), _drawn(dice, kinds))
            for kinds in ((tuple(WEIGHTS) if dice.random() < 0.25 else others) for _ in range(size - 1))
        ]
        # What troubles single calls is there before there are any.
        heaps.append(
            Heap(
                float(int(at)),
                f"{seed}/{len(heaps)}",
                (*sorted(more, key=lambda it: it[0]), (2.0, first)),
            )
        )


def _drawn(dice: random.Random, kinds: Sequence[Fault]) -> Fault:
    return dice.choices(kinds, [WEIGHTS[kind] for kind in kinds])[0]


# -- single calls -----------------------------------------------------------------------------------------------


class Error(StrEnum):
    """How a call fails, as its caller hears it."""

    THROTTLED = "429"
    UNAVAILABLE = "5xx"
    TIMEOUT = "no answer within its deadline"
    MISSED = "404"
    DENIED = "403"


@dataclasses.dataclass(frozen=True)
class Fate:
    """What becomes of a call."""

    error: Error | None = None
    effect: bool = True  # whether the other side did what was asked
    seconds: float = 0.0  # until the answer, or the error, is heard


FINE: Final = Fate()

# What a turn in which nothing happens asks of nobody: whatever waits for one of these calls is no reason to play it.
_NEVER_IN_QUIET: Final = (
    *("arm.put", "arm.restart", "arm.disable", "arm.enable", "vault.", "channel."),
    *(f"store.put {name}" for name in ("permit", "incident-ledgers", "outbox")),
)


def stirs(names: str) -> bool:
    """Return whether calls of these names are made only where something happens."""
    return names.startswith(_NEVER_IN_QUIET)


@dataclasses.dataclass
class _Spell:
    """Calls whose name begins so fail: until a time with some likelihood, or the next few of them for sure.

    Where `@region` follows, only those about that region.
    """

    names: str
    fate: Fate
    until: float
    share: float = 1.0
    left: int | None = None
    on_hit: Callable[[], object] = lambda: None  # at the first call that it meets
    hit: bool = False

    def fits(self, name: str, region: str) -> bool:
        """Return whether it is about such a call."""
        names, at, only = self.names.partition("@")
        return name.startswith(names) and (not at or only == region)

    def meets(self) -> None:
        """A call meets it."""
        if self.left is not None:
            self.left -= 1
        if not self.hit:
            self.hit = True
            self.on_hit()


class Weather:
    """What becomes of calls now."""

    def __init__(self) -> None:
        self.met: Counter[str] = Counter()  # calls that were hit, by what hit them
        self._spells: list[_Spell] = []

    def spell(
        self,
        names: str,
        fate: Fate,
        *,
        until: float,
        share: float = 1.0,
        left: int | None = None,
        on_hit: Callable[[], object] = lambda: None,
    ) -> None:
        """From now on calls of these names meet this fate."""
        self._spells.append(_Spell(names, fate, until, share, left, on_hit))

    def fate(self, name: str, now: float, dice: random.Random, region: str = "") -> Fate:
        """Return what becomes of this call."""
        if not self._spells:
            return FINE
        self._spells = [spell for spell in self._spells if now < spell.until and spell.left != 0]
        for spell in self._spells:
            if spell.fits(name, region) and (spell.share >= 1.0 or dice.random() < spell.share):
                spell.meets()
                self.met[
                    f"{spell.names or 'any'}: {spell.fate.error}{'' if spell.fate.effect else ', no effect'}"
                ] += 1
                return spell.fate
        return FINE

    def fair(self, now: float) -> bool:
        """Return whether nothing can go wrong with a call of a turn in which nothing happens, as far as is known."""
        return all(stirs(spell.names) for spell in self._spells if now < spell.until and spell.left != 0)

    def clear(self) -> None:
        """All calls are fine from now on."""
        self._spells.clear()

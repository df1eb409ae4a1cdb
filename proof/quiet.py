"""Stretches in which provably nothing happens.

A turn of the timer depends on the store, on the world, and on how old the times in the store are. When the world
rests, and one turn changed nothing in the store but times of looking, the next turns do the same until something is
due by its age. `due` says when that is; what those in between would have left behind, `proof.forward`.
`tests/proof` plays the same seeds with it and without.
"""

import dataclasses
import functools
import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Final

import msgspec

from proof.observer import SKEW
from proof.ports import PROFILE
from proof.world import START, moment
from shared.artifact_hosts import history
from shared.artifact_hosts.model import HOSTS, HostState, Origin, Packages
from shared.artifact_hosts.workflow import SWEEPS_MISSED, WANTED_AGAIN, packages_key
from shared.groups.model import Os
from shared.groups.workflow import watched_key
from shared.incidents.model import Claim, Fact, Kind, Ledger, Topic
from shared.incidents.transitions import incidents
from shared.outbox import KEPT_FAILED
from shared.reconcile.incidents import NIGHTLY
from shared.settings import Settings
from shared.settings_sync.workflow import rollout_key

TURN: Final = 60.0  # the timer's
SYNCED: Final = rollout_key(PROFILE)
PACKAGES: Final = packages_key(PROFILE)
WATCHED: Final = watched_key(PROFILE)
_TIME: Final = re.compile(rb'"20\d\d-\d\d-\d\dT[0-9:.]+Z"')
WANTED: Final = WANTED_AGAIN.total_seconds()
_DAY: Final = 86_400.0
_NIGHTLY: Final = NIGHTLY[0] * 3600.0 + NIGHTLY[1] * 60.0

# Kinds of rows that are written once, and go when they were kept for long enough.
_ARCHIVES: Final = frozenset({"incidents", "drills", "drill-keys"})

type Rows = dict[str, tuple[bytes, int]]


@functools.lru_cache(maxsize=4096)
def seconds(text: str | datetime) -> float:
    """The world's time of a time in a row."""
    at = datetime.fromisoformat(text) if isinstance(text, str) else text
    return (at - START).total_seconds()


def noop(before: Rows, after: Rows, *, calm: bool) -> bool:
    """Whether a turn changed nothing but times of looking; a calm one looked at the very time at which it began."""
    if before.keys() != after.keys():
        return False
    anew = [key for key, row in after.items() if row is not before[key]]
    return not any(
        _says_more(key, before[key][0], after[key][0]) or (not calm and kind(key) == "incident-ledgers")
        for key in anew
    )


@functools.lru_cache(maxsize=4096)
def kind(key: str) -> str:
    """Return what a row is about: the first part of its key."""
    return key.partition("/")[0]


def _says_more(key: str, before: bytes, after: bytes) -> bool:
    """Return whether a row that was written anew says more than when it was looked."""
    match kind(key):
        case "artifact-hosts":  # the groups of this turn may have looked at it before it was checked
            return _standing(before) != _standing(after)
        case "watched" | "settings-sync" | "packages" | "failback-holds":
            return _timeless(before) != _timeless(after)
        case "fingerprint-key":
            return before != after
        case "outbox":
            return _letter_of(before) != _letter_of(after)
        case "incident-ledgers":
            return _account(before) != _account(after)
        case _:
            return True


def gist(rows: Rows) -> tuple[bytes, ...]:
    """What was decided about settings and packages. The first reading after it has changed may change it again."""
    return tuple(_timeless(rows[key][0]) for key in (SYNCED, PACKAGES) if key in rows)


@functools.lru_cache(maxsize=64)
def _timeless(body: bytes) -> bytes:
    return _TIME.sub(b"T", body)


def _standing(body: bytes) -> tuple[Any, ...]:
    """Return what a choice of hosts asks of one, but for how long it has been so."""
    row = read(body)
    return row["state"], row["good_since"], row["served"], row["certificate_until"]


def _letter_of(body: bytes) -> dict[str, Any]:
    """A letter without what is noted when the channel did not take it: nothing but its next try depends on that."""
    return {name: item for name, item in read(body).items() if name not in {"next_at", "tries", "problem"}}


@functools.lru_cache(maxsize=64)
def _account(body: bytes) -> tuple[Any, ...]:
    """A ledger without its looks, since when each subject has been how, and the last look at it, whenever that was.

    Of looks that say the same those between the first and the last count for nothing, and go in time.
    """
    ledger = read_ledger(body)
    since: list[tuple[Fact, object]] = []  # each look that says otherwise than the one before it
    last: dict[tuple[Topic, str], tuple[Fact, object]] = {}
    for fact in ledger.facts:
        if fact.kind is Kind.LOOK:
            subject, says = (fact.topic, fact.region), (fact.claim, fact.cause, fact.severity)
            if subject not in last or last[subject][1] != says:
                since.append((fact, says))
            last[subject] = again(fact, START), says
    others = tuple(fact for fact in ledger.facts if fact.kind is not Kind.LOOK)
    return msgspec.structs.replace(ledger, facts=others), since, last


def again(look: Fact, at: datetime) -> Fact:
    """The same look at another time, which its evidence names where that was seen in the same moment."""
    evidence = tuple(name.replace(_clock(look.at), _clock(at)) for name in look.evidence)
    return msgspec.structs.replace(look, at=at, heard=at, evidence=evidence)


def _clock(at: datetime) -> str:
    return f" {at:%H:%M:%S} UTC "


@dataclasses.dataclass(frozen=True)
class Truth:
    """What is so in the world, of what the store may not know yet."""

    began: float  # the last turn
    skew: float  # how much the clock of who has the turns is ahead
    versions: Mapping[str, int]  # which package lies at each host, by the host's name
    runs: Mapping[str, int]  # which one each region runs
    changed: float  # when any region's settings, or what was decided about them, last changed
    degraded: AbstractSet[str]  # regions that fail and are enabled


def due(rows: Rows, turn: float, truth: Truth, settings: Settings) -> float:
    """Until when nothing can be due by its age; not later than the next turn when something may be under way."""
    now = turn + truth.skew
    soonest = now + 7 * _DAY
    if seen_ill(rows, moment(truth.began + truth.skew)) != truth.degraded:
        return turn
    for at in _ages(_Asked(rows, now, truth, settings)):
        if at is None:
            return turn
        soonest = min(soonest, at)
    return soonest - truth.skew


def seen_ill(rows: Rows, looked: datetime) -> set[str]:
    """The regions in trouble of which the look at that time is in a ledger; of another matter: no name."""
    ledgers = [read_ledger(body) for key, (body, _) in rows.items() if kind(key) == "incident-ledgers"]
    lately = (itertools.takewhile(lambda it: it.at >= looked, reversed(of.facts)) for of in ledgers)
    looks = [fact for its in lately for fact in its if fact.kind is Kind.LOOK and fact.at == looked]
    return {look.region if look.claim in {Claim.SUSPECT, Claim.BAD} else "" for look in looks}


@functools.lru_cache(maxsize=1024)
def read(body: bytes) -> Any:
    """A row that was written once is asked about often."""
    return msgspec.json.decode(body)


@functools.lru_cache(maxsize=64)
def read_ledger(body: bytes) -> Ledger:
    """A row of incidents."""
    return msgspec.json.decode(body, type=Ledger)


@dataclasses.dataclass(frozen=True)
class _Asked:
    """What is asked when: the rows, by the time of the next turn. All times are of the clock of who has the turns."""

    rows: Rows
    now: float
    truth: Truth
    settings: Settings

    def once(self, at: float) -> float:
        """Leave out what was behind us at the last turn: it does not come again."""
        return at if at >= self.truth.began + self.truth.skew else math.inf

    def well_since(self, region: str) -> float:
        """Since when a region has been seen as it is."""
        return seconds(read(self.rows[WATCHED][0])["health"][region]["since"])

    @functools.cached_property
    def sweep(self) -> float:
        """When all settings are read again: by either slice, for both."""
        missed = SWEEPS_MISSED * self.settings.package_rules.sweep
        return min(self._next(SYNCED, self.settings.rules.sweep), self._next(PACKAGES, missed))

    @functools.cached_property
    def tried(self) -> Mapping[tuple[str, str], float]:
        """When what waits in a channel is tried: of one subject its first letter, for which the others wait."""
        letters = (
            body for key, (body, _) in self.rows.items() if kind(key) == "outbox" and not is_sent(body)
        )
        waiting = [
            row
            for row in map(read, letters)
            if not (row.get("given_up_at") or row.get("perhaps_delivered_at"))
        ]
        waiting.sort(key=lambda it: (seconds(it["at"]), it.get("rank", 0), it["id"]))
        found: dict[tuple[str, str], float] = {}
        blocked = set[tuple[str, str]]()
        for row in waiting:
            at = (row["channel"], row["subject"])
            if at not in blocked:
                found[at] = min(found.get(at, math.inf), seconds(row["next_at"]))
            if not row.get("silent"):  # for what was perhaps delivered nothing waits
                blocked.add(at)
        return found

    @functools.cached_property
    def night(self) -> float:
        """When the archives are cleared next."""
        begin = self.truth.began + self.truth.skew
        night = begin + (_NIGHTLY - begin) % _DAY
        return night + (0 if night > begin else _DAY)

    def retention(self, kind: str) -> float:
        """Return how long rows of an archive are kept."""
        return (self.settings.incidents if kind == "incidents" else self.settings.drills).retention

    def _next(self, key: str, every: float) -> float:
        at = read(self.rows[key][0])["looked_at"] if key in self.rows else None
        return seconds(at) + every if at else self.now


@functools.lru_cache(maxsize=64)
def _read_packages(body: bytes) -> Packages:
    return msgspec.json.decode(body, type=Packages)


type _Ages = Iterator[float | None]


def _ages(asked: _Asked) -> _Ages:
    """When each thing is due; None: it may be at any moment."""
    for key, (body, _) in asked.rows.items():
        its = kind(key)
        if its in _ARCHIVES:
            if _archived_at(body) + asked.retention(its) <= asked.night:
                yield asked.night  # what was kept for long enough goes
        elif its in _AGES and not (its == "outbox" and is_sent(body)):
            yield from _AGES[its](read(body), body, asked)


@functools.lru_cache(maxsize=4096)
def _archived_at(body: bytes) -> float:
    row = read(body)
    return seconds(row["archived"]) if "archived" in row else -math.inf


@functools.lru_cache(maxsize=4096)
def is_sent(body: bytes) -> bool:
    """Return whether somebody has taken a letter."""
    return bool(read(body).get("sent_at"))


def _watch(row: Any, body: bytes, asked: _Asked) -> _Ages:
    del body
    if row["state"] != HostState.UP or row["bad"]:
        yield seconds(row["next_at"])
        return
    rules = asked.settings.package_rules
    if not is_wanted(row, asked.rows, asked.settings):
        yield seconds(row["wanted_at"]) + history.FORGET.total_seconds()
        if row["location"]["origin"] == Origin.UNLISTED:
            yield seconds(row["next_at"])  # its URL lay in the settings alone, and is not known any more
    if (
        row["served"][-1]["package"]["digest"]
        != f"{asked.truth.versions.get(row['location']['host'], 1):064x}"
    ):
        yield seconds(row["next_at"])
    yield asked.once(seconds(row["good_since"]) + rules.back_after)  # preferred again
    yield asked.once(seconds(row["served"][-1]["since"]) + rules.skew_after)  # unlike its twin for long


def is_wanted(row: Any, rows: Rows, settings: Settings) -> bool:
    """Whether a region gets its package there, or could: with each sweep that is noted again after half a day."""
    packages = _read_packages(rows[PACKAGES][0]) if PACKAGES in rows else None
    used = [use.location for use in packages.uses if use.location] if packages else []
    twins = (twin for location in used for twin in settings.packages.twins(location, Os.WINDOWS))
    return row["location"]["id"] in {twin.id for twin in (*used, *twins)}


def _synced(row: Any, body: bytes, asked: _Asked) -> _Ages:
    looked = seconds(row["looked_at"])
    flight = row.get("flight")
    if row["state"] in {"soaking", "contained"} and not flight:
        yield from _soaking(row, asked)
    elif row["state"] == "verifying" and flight and flight["phase"] == "written":
        yield from _verifying(row, flight, asked)
    else:
        yield from _work(row, body, asked)
    if any(seconds(item["at"]) >= looked for item in row["verdicts"]):
        yield None
    if looked < asked.truth.changed + SKEW:
        yield asked.sweep


def _soaking(row: Any, asked: _Asked) -> _Ages:
    yield from _reading(row, asked)
    rules = asked.settings.rules
    for item in row["footprints"]:
        changed = seconds(item["at"])
        yield asked.once(max(changed, asked.well_since(item["region"])) + rules.soak)
        yield asked.once(changed + rules.soak_deadline)


def _verifying(row: Any, flight: Any, asked: _Asked) -> _Ages:
    yield from _reading(row, asked)
    rules, written = asked.settings.rules, seconds(flight["written_at"])
    for since in (written, asked.well_since(flight["target"])):  # which one counts is up to how it was before
        yield asked.once(since + rules.soak)
    yield asked.once(written + rules.verify_deadline)
    yield asked.once(seconds(flight["worker_until"]))


def _reading(row: Any, asked: _Asked) -> _Ages:
    """While settings are read at every turn, that shows in the rows only when they are written."""
    rows, settings = asked.rows, asked.settings
    packages: Any = {"looked_at": None, "uses": ()}
    if PACKAGES in rows:
        packages = read(rows[PACKAGES][0])
    for item in (row, packages):
        yield seconds(item["looked_at"]) + settings.rules.sweep / 2 if item["looked_at"] else None
    for package in packages["uses"]:
        at = package["running"].get("version_at")
        yield seconds(at) + settings.package_rules.versions_every if at else None
    for key, (body, _) in rows.items():
        if kind(key) == HOSTS:
            yield seconds(read(body)["wanted_at"]) + WANTED


def _packages(row: Any, body: bytes, asked: _Asked) -> _Ages:
    yield from _work(row, body, asked)
    rules = asked.settings.package_rules
    if seconds(row["looked_at"]) < asked.truth.changed + SKEW:
        yield asked.sweep
    if row.get("skew_since"):
        yield asked.once(seconds(row["skew_since"]) + rules.skew_after)
    for item in row["uses"]:
        at, version = item["running"].get("version_at"), item["running"]["version"]
        if at is None:
            yield None
        elif version != f"2.{asked.truth.runs[item['region']]}":
            yield min(seconds(at) + rules.versions_every, asked.sweep)


def _work(row: Any, body: bytes, asked: _Asked) -> _Ages:
    del body, asked
    if row.get("flight") or row.get("order") or row["state"] not in {"converged", "held", "watching"}:
        yield None


def _hold(row: Any, body: bytes, asked: _Asked) -> _Ages:
    """One that is kept out is looked at with every turn, which shows in the row once it is sound."""
    del body
    hold = row.get("hold")
    if hold and (hold["phase"] != "held" or hold["released_by"]):
        yield None
    elif hold and hold.get("sound_since"):
        yield seconds(hold["sound_since"]) + asked.settings.hold.soak


def _slot(row: Any, body: bytes, asked: _Asked) -> _Ages:
    del body, asked
    if row.get("drill"):
        yield None


def _letter(row: Any, body: bytes, asked: _Asked) -> _Ages:
    del body
    yield seconds(row["posted_at"]) + KEPT_FAILED.total_seconds()
    if not (row.get("given_up_at") or row.get("perhaps_delivered_at")):
        yield asked.tried[row["channel"], row["subject"]]


def _ledger(raw: Any, body: bytes, asked: _Asked) -> _Ages:
    row = read_ledger(body)
    if not raw.get("named"):
        return
    rules = asked.settings.incidents
    for incident in incidents(row, rules):
        if incident.resolved is not None:
            yield asked.once(seconds(incident.resolved) + rules.flap)
            yield seconds(incident.resolved) + rules.keep
        else:
            yield asked.once(seconds(incident.detected) + rules.patience)
            yield asked.once(seconds(incident.started) + rules.confirm)
    for fact in row.facts:
        if fact.kind is Kind.NOTE:
            yield asked.once(seconds(fact.at) + rules.lead + rules.keep)
    if any(named.owed for named in row.named):
        yield None


_AGES: Final[dict[str, Callable[[Any, bytes, _Asked], _Ages]]] = {
    "artifact-hosts": _watch,
    "settings-sync": _synced,
    "packages": _packages,
    "failback-holds": _hold,
    "drill-slots": _slot,
    "outbox": _letter,
    "incident-ledgers": _ledger,
}

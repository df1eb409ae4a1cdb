"""Stretches in which provably nothing happens, and what they leave behind.

A turn of the timer depends on the store, on the world, and on how old the times in the store are. When the world
rests, and one turn changed nothing in the store but times of looking, the next turns do the same until something is
due by its age. `due` says when that is, and `forward` writes down the times of looking, and the checks of package
hosts, as the turns in between would have left them. `tests/proof` plays the same seeds with it and without.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from proof.observer import SKEW
from proof.world import START, moment
from shared.artifact_hosts import history
from shared.artifact_hosts.model import Check, HostState, Watch
from shared.artifact_hosts.workflow import SWEEPS_MISSED, WANTED_AGAIN
from shared.groups.workflow import JITTER
from shared.incidents.model import Kind, Ledger
from shared.incidents.transitions import incidents
from shared.outbox import KEPT, KEPT_FAILED
from shared.reconcile.incidents import NIGHTLY
from shared.settings import Settings

TURN: Final = 60.0  # the timer's
_TIME: Final = re.compile(rb'"20\d\d-\d\d-\d\dT[0-9:.]+Z"')
_WANTED: Final = WANTED_AGAIN.total_seconds()
_DAY: Final = 86_400.0
_NIGHTLY: Final = NIGHTLY[0] * 3600.0 + NIGHTLY[1] * 60.0

type Rows = dict[str, tuple[bytes, int]]


def seconds(text: str | datetime) -> float:
    """The world's time of a time in a row."""
    at = datetime.fromisoformat(text) if isinstance(text, str) else text
    return (at - START).total_seconds()


def noop(before: Rows, after: Rows) -> bool:
    """Whether a turn changed nothing but times of looking."""
    if before.keys() != after.keys():
        return False
    return not any(
        _says_more(key, before[key][0], body)
        for key, (body, version) in after.items()
        if version != before[key][1]
    )


def _says_more(key: str, before: bytes, after: bytes) -> bool:
    """Whether a row that was written anew says more than when it was looked."""
    match key.partition("/")[0]:
        case "artifact-hosts":  # the groups of this turn may have looked at it before it was checked
            return _standing(before) != _standing(after)
        case "watched" | "settings-sync" | "packages":
            return _timeless(before) != _timeless(after)
        case _:
            return True


def gist(rows: Rows) -> tuple[bytes, ...]:
    """What was decided about settings and packages. The first reading after it has changed may change it again."""
    return tuple(
        _timeless(body) for key, (body, _) in rows.items() if key.startswith(("settings-sync/", "packages/"))
    )


@functools.lru_cache(maxsize=64)
def _timeless(body: bytes) -> bytes:
    return _TIME.sub(b"T", body)


def _standing(body: bytes) -> tuple[Any, ...]:
    """What a choice of hosts asks of one, but for how long it has been so."""
    row = _read(body)
    return row["state"], row["good_since"], row["served"], row["certificate_until"]


@dataclasses.dataclass(frozen=True)
class Truth:
    """What is so in the world, of what the store may not know yet."""

    versions: Mapping[str, int]  # which package lies at each host, by the host's name
    runs: Mapping[str, int]  # which one each region runs
    changed: float  # when any region's settings, or what was decided about them, last changed


def due(rows: Rows, now: float, truth: Truth, settings: Settings) -> float:
    """Until when nothing can be due by its age; not later than now when something may be under way."""
    soonest = now + 7 * _DAY
    for at in _ages(_Asked(rows, now, truth, settings)):
        if at is None:
            return now
        soonest = min(soonest, at)
    return soonest - SKEW


@functools.lru_cache(maxsize=1024)
def _read(body: bytes) -> Any:
    """A row that was written once is asked about often."""
    return msgspec.json.decode(body)


@functools.lru_cache(maxsize=64)
def _read_ledger(body: bytes) -> Ledger:
    return msgspec.json.decode(body, type=Ledger)


@dataclasses.dataclass(frozen=True)
class _Asked:
    """What is asked when: the rows, by the time of the next turn."""

    rows: Rows
    now: float
    truth: Truth
    settings: Settings

    def once(self, at: float) -> float:
        """What was behind us at the last turn does not come again."""
        return at if at > self.now - TURN - 2 * SKEW else math.inf

    @functools.cached_property
    def sweep(self) -> float:
        """When all settings are read again: by either slice, for both."""
        missed = SWEEPS_MISSED * self.settings.package_rules.sweep
        return min(self._next("settings-sync", self.settings.rules.sweep), self._next("packages", missed))

    def _next(self, kind: str, every: float) -> float:
        at = next(
            (_read(body)["looked_at"] for key, (body, _) in self.rows.items() if key.startswith(kind)), None
        )
        return seconds(at) + every if at else self.now


type _Ages = Iterator[float | None]


def _ages(asked: _Asked) -> _Ages:
    """When each thing is due; None: it may be at any moment."""
    now = asked.now
    night = now - TURN + (_NIGHTLY - now + TURN) % _DAY
    yield max(now, night) + SKEW
    for key, (body, _) in asked.rows.items():
        ages = _AGES.get(key.partition("/")[0])
        if ages is not None:
            yield from ages(_read(body), body, asked)


def _watch(row: Any, body: bytes, asked: _Asked) -> _Ages:
    del body
    if row["state"] != HostState.UP or row["bad"]:
        yield seconds(row["next_at"])
        return
    wanted, rules = seconds(row["wanted_at"]), asked.settings.package_rules
    # What was not wanted again by the next sweep is wanted no more, and stays until it is forgotten.
    given_up = asked.now > wanted + _WANTED + 2 * rules.sweep
    yield wanted + history.FORGET.total_seconds() if given_up else max(wanted + _WANTED, asked.sweep)
    if (
        row["served"][-1]["package"]["digest"]
        != f"{asked.truth.versions.get(row['location']['host'], 1):064x}"
    ):
        yield seconds(row["next_at"])
    yield asked.once(seconds(row["good_since"]) + rules.back_after)  # preferred again
    yield asked.once(seconds(row["served"][-1]["since"]) + rules.skew_after)  # unlike its twin for long


def _watched(row: Any, body: bytes, asked: _Asked) -> _Ages:
    del body
    yield seconds(row["sites_at"]) + asked.settings.looking.sites_every


def _synced(row: Any, body: bytes, asked: _Asked) -> _Ages:
    yield from _work(row, body, asked)
    looked = seconds(row["looked_at"])
    if any(seconds(it["at"]) >= looked for it in row["verdicts"]):
        yield None
    if looked < asked.truth.changed + SKEW:
        yield asked.sweep


def _packages(row: Any, body: bytes, asked: _Asked) -> _Ages:
    yield from _work(row, body, asked)
    rules = asked.settings.package_rules
    if seconds(row["looked_at"]) < asked.truth.changed + SKEW:
        yield asked.sweep
    if row.get("skew_since"):
        yield asked.once(seconds(row["skew_since"]) + rules.skew_after)
    for it in row["uses"]:
        at, version = it["running"].get("version_at"), it["running"]["version"]
        if at is None:
            yield None
        elif version != f"2.{asked.truth.runs[it['region']]}":
            yield min(seconds(at) + rules.versions_every, asked.sweep)


def _work(row: Any, body: bytes, asked: _Asked) -> _Ages:
    del body, asked
    if row.get("flight") or row.get("order") or row["state"] not in {"converged", "held", "watching"}:
        yield None


def _hold(row: Any, body: bytes, asked: _Asked) -> _Ages:
    del body, asked
    if row.get("hold"):
        yield None


def _slot(row: Any, body: bytes, asked: _Asked) -> _Ages:
    del body, asked
    if row.get("drill"):
        yield None


def _letter(row: Any, body: bytes, asked: _Asked) -> _Ages:
    del body, asked
    if not row.get("sent_at"):
        yield seconds(row["posted_at"]) + KEPT_FAILED.total_seconds() if row.get("given_up_at") else None


def _ledger(raw: Any, body: bytes, asked: _Asked) -> _Ages:
    if not raw.get("named"):
        return
    row = _read_ledger(body)
    rules = asked.settings.incidents
    for it in incidents(row, rules):
        if it.resolved is not None:
            yield asked.once(seconds(it.resolved) + rules.flap)
            yield seconds(it.resolved) + rules.keep
        else:
            yield asked.once(seconds(it.detected) + rules.patience)
            yield asked.once(seconds(it.started) + rules.confirm)
    for fact in row.facts:
        if fact.kind is Kind.NOTE:
            yield asked.once(seconds(fact.at) + rules.lead + rules.keep)
    if any(it.owed for it in row.named):
        yield None


_AGES: Final[dict[str, Callable[[Any, bytes, _Asked], _Ages]]] = {
    "artifact-hosts": _watch,
    "watched": _watched,
    "settings-sync": _synced,
    "packages": _packages,
    "failback-holds": _hold,
    "drill-slots": _slot,
    "outbox": _letter,
    "incident-ledgers": _ledger,
}


def forward(rows: Rows, first: float, last: float, skew: float, settings: Settings) -> Rows:
    """The rows after the turns from the first to the last one, of an instance whose clock is so much ahead."""
    changed: Rows = {}
    for key, (body, version) in rows.items():
        kind = key.partition("/")[0]
        if kind == "artifact-hosts":
            watch = _checked(msgspec.json.decode(body, type=Watch), first, last, skew, settings)
            changed[key] = (msgspec.json.encode(watch), version)
        elif kind == "watched":
            row = msgspec.json.decode(body)
            _seen(row, first, last, skew, settings)
            changed[key] = (msgspec.json.encode(row), version)
    changed |= _swept(rows, first, last, skew, settings)
    return {**{key: row for key, row in rows.items() if not _is_spent(key, row[0], last + skew)}, **changed}


def _is_spent(key: str, body: bytes, at: float) -> bool:
    """Whether a letter that was sent was deleted by then."""
    sent = _read(body).get("sent_at") if key.startswith("outbox/") else None
    return sent is not None and at - seconds(sent) > KEPT.total_seconds()


def _checked(watch: Watch, first: float, last: float, skew: float, settings: Settings) -> Watch:
    """A location after its checks, each at the first turn at which it is due."""
    while (turn := _turn(seconds(watch.next_at) - skew, first)) <= last:
        now = moment(turn + skew)
        known = history.known_tag(watch, now)
        if known:
            check = Check(at=now, unchanged=True, etag=known, status=304)
        else:
            check = Check(at=now, package=watch.package, etag=watch.etag, status=206, bytes_read=20_000)
        watch = history.noted(watch, check, settings.package_rules)
    return watch


def _turn(at: float, first: float) -> float:
    """The first turn that is not before a time."""
    return first if at <= first else first + math.ceil((at - first) / TURN) * TURN


def _seen(row: dict[str, Any], first: float, last: float, skew: float, settings: Settings) -> None:
    """What a group's regions looked like at the last of the turns: as before, seen anew.

    A region at which the last turn did not look, since its site is gone, is not looked at by the next one either.
    """
    looking = settings.looking
    for it in row["health"].values():
        if seconds(it["monitored_at"]) < first - TURN - 2 * SKEW:
            continue
        it["monitored_at"] = _text(last + skew)
        it["probe"]["at"] = it["at"] = _text(
            _refreshed(seconds(it["probe"]["at"]), looking.probe_every * JITTER, first, last, skew)
        )
        if it.get("scep"):
            at = _refreshed(seconds(it["scep"]["at"]), looking.prove_every * JITTER, first, last, skew)
            it["scep"]["at"] = _text(at)


def _refreshed(at: float, after: float, first: float, last: float, skew: float) -> float:
    """A time that is written anew at the first turn at which it is so old."""
    turns = _refreshings(at, after, first, last, skew)
    return turns[-1] + skew if turns else at


def _refreshings(at: float, after: float, first: float, last: float, skew: float) -> range:
    """The turns at which a time is written anew."""
    every = math.ceil(after / TURN) * TURN
    return range(int(_turn(at + after - skew, first)), int(last) + 1, int(every))


def _swept(rows: Rows, first: float, last: float, skew: float, settings: Settings) -> Rows:
    """Both rows that a sweep marks: a reading by one slice serves the other, too."""
    keys = {it.partition("/")[0]: it for it in rows}
    synced = msgspec.json.decode(rows[keys["settings-sync"]][0])
    packages = msgspec.json.decode(rows[keys["packages"]][0])
    asked = [
        _refreshings(
            seconds(it["running"]["version_at"]), settings.package_rules.versions_every, first, last, skew
        )
        for it in packages["uses"]
    ]
    one, other = seconds(synced["looked_at"]), seconds(packages["looked_at"])
    sweep, also = settings.rules.sweep, settings.package_rules.sweep
    begin = first
    while True:
        its = _turn(one + sweep - skew, begin)
        others = _turn(other + SWEEPS_MISSED * also - skew, begin)
        turn = min(its, others)
        if turn > last:
            break
        if turn == its:
            one = turn + skew
        # A row that is written for another reason, too, is written with the time of looking.
        if turn == others or turn + skew - other >= also / 2 or any(turn in it for it in asked):
            other = turn + skew
        begin = turn + TURN
    synced["looked_at"], packages["looked_at"] = _text(one), _text(other)
    for it, turns in zip(packages["uses"], asked, strict=True):
        if turns:
            it["running"]["version_at"] = _text(turns[-1] + skew)
    return {
        keys["settings-sync"]: (msgspec.json.encode(synced), rows[keys["settings-sync"]][1]),
        keys["packages"]: (msgspec.json.encode(packages), rows[keys["packages"]][1]),
    }


def _text(at: float) -> str:
    return msgspec.to_builtins(moment(at))  # type: ignore[no-any-return]

"""What a stretch that is passed over leaves behind: the rows as its turns would have left them.

Times of looking, checks of package hosts, looks at what is still ill, letters that are kept for long enough. That a
stretch may be passed over is what `proof.quiet` says.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from proof.observer import SKEW
from proof.quiet import (
    PACKAGES,
    SYNCED,
    TURN,
    WANTED,
    Rows,
    again,
    is_sent,
    is_wanted,
    kind,
    read,
    read_ledger,
    seconds,
    seen_ill,
)
from proof.world import moment
from shared.artifact_hosts import history
from shared.artifact_hosts.model import Glance, Watch
from shared.artifact_hosts.workflow import SWEEPS_MISSED
from shared.groups.workflow import JITTER
from shared.incidents.model import Kind
from shared.incidents.transitions import advance
from shared.outbox import KEPT
from shared.settings import Settings


@dataclasses.dataclass(frozen=True)
class _Stretch:
    """The turns that are passed over, from the first to the last one, of an instance whose clock is so much ahead."""

    rows: Rows  # as they were before them
    looked: datetime  # when the turn before them was, by that clock
    first: float
    last: float
    skew: float
    settings: Settings
    sweeps: tuple[datetime, ...] = ()  # when all settings were read

    def turn(self, at: float, begin: float | None = None) -> float:
        """The first turn that is not before a time; of those from `begin` on, if that is given."""
        first = self.first if begin is None else begin
        return first if at <= first else first + math.ceil((at - first) / TURN) * TURN

    @property
    def end(self) -> float:
        """The last turn, by that clock."""
        return self.last + self.skew


def forward(rows: Rows, looked: datetime, first: float, last: float, skew: float, settings: Settings) -> Rows:
    """The rows after the turns from the first to the last one, of an instance whose clock is so much ahead.

    The turn before them was at `looked` by that clock.
    """
    over = _Stretch(rows, looked, first, last, skew, settings)
    swept, sweeps = _swept(over)
    over = dataclasses.replace(over, sweeps=tuple(sweeps))
    after = rows | swept
    for key, (body, version) in rows.items():
        passed = _FORWARD.get(kind(key))
        written = passed(body, over) if passed is not None else body
        if written is None:
            del after[key]
        elif written is not body:
            after[key] = (written, version)
    return after


def _letter_sent(body: bytes, over: _Stretch) -> bytes | None:
    """A letter that was sent is deleted after a while."""
    gone = is_sent(body) and over.end - seconds(read(body)["sent_at"]) > KEPT.total_seconds()
    return None if gone else body


def _held(body: bytes, over: _Stretch) -> bytes:
    """Each turn's probe of a region that is held and sound is one more look at it."""
    row = read(body)
    hold = row.get("hold")
    if not hold or not hold.get("sound_since"):
        return body
    return msgspec.json.encode(row | {"hold": hold | {"seen_at": _text(over.end)}})


def _still_ill(body: bytes, over: _Stretch) -> bytes:
    """As many looks more at what is in trouble, and was so at the last one."""
    ledger = read_ledger(body)
    those = [fact for fact in ledger.facts if fact.kind is Kind.LOOK and fact.at == over.looked]
    if not those:
        return body
    count = int((over.last - over.first) // TURN) + 1
    turns = (moment(over.first + number * TURN + over.skew) for number in range(count))
    facts = [again(look, at) for at in turns for look in those]
    return msgspec.json.encode(advance(ledger, facts, moment(over.end), over.settings.incidents))


def _location(body: bytes, over: _Stretch) -> bytes:
    """A package host with its checks, and with the note that it is wanted."""
    watch = _checked(msgspec.json.decode(body, type=Watch), over)
    if is_wanted(read(body), over.rows, over.settings):
        watch = _wanted(watch, over.sweeps)
    return msgspec.json.encode(watch)


def _looked(body: bytes, over: _Stretch) -> bytes:
    """Return what a group's regions looked like at the last of the turns: as before, seen anew.

    A region at which the last turn did not look, since its site is gone, is not looked at by the next one either.
    """
    row, looking = msgspec.json.decode(body), over.settings.looking
    flies = read(over.rows[SYNCED][0]).get("flight") is not None
    proved = flies or bool(seen_ill(over.rows, over.looked))  # anew with every look
    # Later than after so long, not as soon as that.
    row["sites_at"] = _text(_refreshed(seconds(row["sites_at"]), looking.sites_every + 1e-6, over))
    for item in row["health"].values():
        if seconds(item["monitored_at"]) < over.first - TURN - 2 * SKEW:
            continue
        item["monitored_at"] = _text(over.end)
        probed = _refreshed(seconds(item["probe"]["at"]), looking.probe_every * JITTER, over)
        item["probe"]["at"] = item["at"] = _text(probed)
        if item.get("scep"):
            soon = proved or item["scep"].get("problem")
            every = looking.probe_every if soon else looking.prove_every
            item["scep"]["at"] = _text(_refreshed(seconds(item["scep"]["at"]), every * JITTER, over))
    return msgspec.json.encode(row)


_FORWARD: Final[dict[str, Callable[[bytes, _Stretch], bytes | None]]] = {
    "artifact-hosts": _location,
    "watched": _looked,
    "failback-holds": _held,
    "incident-ledgers": _still_ill,
    "outbox": _letter_sent,
}


def _checked(watch: Watch, over: _Stretch) -> Watch:
    """A location after its checks, each at the first turn at which it is due: all were well, and found the same."""
    at, read_at = watch.next_at, watch.read_at
    glances: list[Glance] = []
    while (turn := over.turn(seconds(at) - over.skew)) <= over.last:
        now = moment(turn + over.skew)
        known = read_at is not None and now - read_at < history.READ_ANEW
        read_at = read_at if known else now
        glances.append(Glance(now, "", 0, 0 if known else 20_000))
        at = history.next_check(watch, now, over.settings.package_rules)
    return msgspec.structs.replace(
        watch,
        next_at=at,
        read_at=read_at,
        good=watch.good + len(glances),
        glances=(*watch.glances, *glances)[-history.GLANCES :],
    )


def _wanted(watch: Watch, sweeps: Sequence[datetime]) -> Watch:
    """A location after these sweeps."""
    for at in sweeps:
        if (at - watch.wanted_at).total_seconds() >= WANTED:
            watch = msgspec.structs.replace(watch, wanted_at=at)
    return watch


def _refreshed(at: float, after: float, over: _Stretch) -> float:
    """A time that is written anew at the first turn at which it is so old."""
    turns = _refreshings(at, after, over)
    return turns[-1] + over.skew if turns else at


def _refreshings(at: float, after: float, over: _Stretch) -> range:
    """The turns at which a time is written anew."""
    every = math.ceil(after / TURN) * TURN
    return range(int(over.turn(at + after - over.skew)), int(over.last) + 1, int(every))


def _swept(over: _Stretch) -> tuple[Rows, list[datetime]]:
    """Both rows that a sweep marks, and when it swept: a reading by one slice serves the other, too."""
    rows, skew, settings = over.rows, over.skew, over.settings
    synced, packages = (read(rows[key][0]) for key in (SYNCED, PACKAGES))
    asked = [
        _refreshings(seconds(package["running"]["version_at"]), settings.package_rules.versions_every, over)
        for package in packages["uses"]
    ]
    one, other = seconds(synced["looked_at"]), seconds(packages["looked_at"])
    sweep, also = settings.rules.sweep, settings.package_rules.sweep
    begin, sweeps = over.first, []
    while True:
        its = over.turn(one + sweep - skew, begin)
        others = over.turn(other + SWEEPS_MISSED * also - skew, begin)
        turn = min(its, others)
        if turn > over.last:
            break
        sweeps.append(moment(turn + skew))
        if turn == its:
            one = turn + skew
        # A row that is written for another reason, too, is written with the time of looking.
        if turn == others or turn + skew - other >= also / 2 or any(turn in item for item in asked):
            other = turn + skew
        begin = turn + TURN
    uses = [
        item | {"running": item["running"] | {"version_at": _text(turns[-1] + skew)}} if turns else item
        for item, turns in zip(packages["uses"], asked, strict=True)
    ]
    swept: Rows = {
        key: (msgspec.json.encode(row), rows[key][1])
        for key, row in (
            (SYNCED, synced | {"looked_at": _text(one)}),
            (PACKAGES, packages | {"looked_at": _text(other), "uses": uses}),
        )
    }
    return swept, sweeps


def _text(at: float) -> str:
    return msgspec.to_builtins(moment(at))  # type: ignore[no-any-return]

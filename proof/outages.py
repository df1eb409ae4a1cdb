"""Whether people are told of every outage and of its end, and of none that never was. Part of the observer.

An outage is a region that does not answer while its endpoint is enabled. How long the product may take is counted in
turns of the timer that nothing disturbed, since it sees nothing without them: it looks once a minute, and a look may
use a probe of the minute before; one witness is believed after a minute and a half, and Traffic Manager has noticed
after two. An end is told when the region has stayed well for ten minutes.
"""

import dataclasses
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from proof.world import Site, Tick, World, seconds

KNOWN: Final = 5  # undisturbed turns in an outage after which it is told
STAYED: Final = 600.0 + 120.0  # after the second undisturbed turn in which it is well, its end is told
FALSE: Final = 900.0  # so long after all was well nothing new is told of it,
CALM: Final = 4  # and not after so many undisturbed turns
REHEARSED: Final = (
    1500.0  # after a drill was asked for, its region may be out or ill and nothing is said of it
)
SENT: Final = (
    60  # undisturbed turns since the channel failed last, after which no letter waits: pauses grow to 38 min
)
TRIES: Final = 2  # without an answer, after which a letter counts as perhaps delivered
GIVEN_UP: Final = 86_400.0  # a letter is given up when nobody could be told for a day,
SKEWED: Final = 10.0  # by two clocks that are five seconds wrong each;
LATE: Final = 3600.0  # so long after that, a line about it is near no incident any more

_DIGEST: Final = " more message"


@dataclasses.dataclass
class _Seen:
    """How one region was in the turns of late."""

    since: float = 0.0  # of what is counted
    turns: int = 0  # undisturbed, since then
    sure: float = 0.0  # when the second of them began: the first may use the probe of a minute before


class Outages:
    """What is so, and what is told of it."""

    def __init__(self, world: World, check: Callable[..., None]) -> None:
        self._world, self._check = world, check
        self._seen = {name: _Seen() for name in world.sites}
        self._open: dict[str, set[str]] = {name: set() for name in world.sites}  # incidents that were told
        self._known: set[str] = set()
        self._waiting: dict[str, int] = {}  # letters, and how many undisturbed turns they have waited
        self._rehearsed: dict[str, float] = {}
        self._heard: set[str] = set()  # letters that the channel took
        self._untaken: deque[float] = deque(
            maxlen=1000
        )  # when the channel did not take something, or did not say so
        self._digest = ""  # the last card that stood for many letters
        self._cries: deque[str] = deque(maxlen=100)  # what the log said as errors of late

    def rehearsed(self, region: str, at: float) -> None:
        """A person wants a drill."""
        self._rehearsed[region] = at

    # -- what is told

    def heard(self, letter: str, said: str) -> None:
        """The channel took a letter, or a card that stands for many."""
        self._heard.add(letter)
        if _DIGEST in said:
            self._digest = said

    def untaken(self) -> None:
        """The channel took no letter, or did not say so: from now on it may wait for its longest pause once more."""
        self._waiting = dict.fromkeys(self._waiting, 0)
        self._untaken.append(self._world.clock.time())

    def cried(self, line: str) -> None:
        """The product logged an error."""
        self._cries.append(line)

    def letter(self, key: str, row: dict[str, Any]) -> None:
        """A row of the outbox was written."""
        if row["sent_at"] or row["given_up_at"] or row["perhaps_delivered_at"]:
            self._waiting.pop(key, None)
        if row["perhaps_delivered_at"]:
            so = sum(at >= seconds(row["posted_at"]) - SKEWED for at in self._untaken) >= TRIES
            self._check(3, so, lambda: f"{key} is given up as perhaps delivered, and tries were answered")
            return
        if row["sent_at"]:
            self._check(3, self._was_heard(row), lambda: f"{key} is called sent, and nobody heard it")
            return
        if row["given_up_at"]:
            self._given_up(key, row)
            return
        self._waiting.setdefault(key, 0)
        told = row["kind"].removeprefix("incident.")
        if key in self._known or row["facts"].get("topic") != "service":
            return
        self._known.add(key)
        region, names = row["facts"]["region"], {row["subject"], *row["facts"]["also_known_as"]}
        if told == "opened":
            self._open[region].add(row["subject"])
            self._alarm(self._world.sites[region], row["subject"])
        elif told == "resolved":
            self._open[region] -= names

    def _was_heard(self, row: dict[str, Any]) -> bool:
        """By its own card, also as the only one that a digest was to stand for, or in a digest."""
        told = row["digested"] and (row["card"]["title"] in self._digest or " more" in self._digest)
        return told or row["id"] in self._heard

    def _given_up(self, key: str, row: dict[str, Any]) -> None:
        """Nobody was told: right only when nobody could be for a day, and when the product says so and why."""
        world, posted = self._world, seconds(row["posted_at"])
        waited = world.clock.time() - posted
        tried = world.deaf_until > posted and waited >= GIVEN_UP - SKEWED
        self._check(3, tried, lambda: f"{key} is given up, though the channel was not lost for a day")
        cried = any(row["id"] in cry and "given up" in cry for cry in self._cries)
        self._check(3, cried, lambda: f"{key} is given up, and the log has no error of it")
        self._check(5, bool(row["problem"]), lambda: f"{key} is given up, and does not say why")
        line = f"{row['kind']} could not be told".encode()
        noted = any(
            line in body for at, (body, _) in world.rows.items() if at.startswith("incident-ledgers/")
        )
        near = row["kind"].startswith("incident.") and waited < GIVEN_UP + LATE
        self._check(3, noted or not near, lambda: f"{key} is given up, and no timeline says so")

    def _alarm(self, site: Site, incident: str) -> None:
        seen, now = self._seen[site.name], self._world.clock.time()
        long = _is_calm(site) and now - site.past[-1].at > FALSE
        so = not (long and seen.since == site.past[-1].at and seen.turns >= CALM)
        self._check(5, so, lambda: f"{incident} tells of an outage of {site.name}, which is well for long")

    # -- what is so

    def ticked(self, tick: Tick) -> None:
        """A turn is over."""
        if not tick.clean:
            return
        for site in self._world.sites.values():
            self._look(site, tick)
        for key in self._waiting:
            self._waiting[key] = 0 if self._world.deaf else self._waiting[key] + 1
            self._check(
                3, self._waiting[key] <= SENT, lambda key: f"{key} waits, and the channel is fine", key
            )

    def _look(self, site: Site, tick: Tick) -> None:
        out, calm = not site.well and site.enabled, _is_calm(site)
        if not out and not calm:
            return
        since = site.past[-1].at if calm else max(site.since, site.switched)
        seen = self._seen[site.name]
        if since > tick.began:
            return
        if since != seen.since:
            seen.since, seen.turns = since, 0
        seen.turns += 1
        if seen.turns <= 2:
            seen.sure = tick.began
        told = bool(self._open[site.name])
        if tick.began - self._rehearsed.get(site.name, -1e9) < REHEARSED:
            seen.turns = 0
        elif out and seen.turns >= KNOWN:
            self._check(3, told, lambda: f"{site.name} is ill and nobody was told")
        elif calm and told and tick.began - seen.sure >= STAYED:
            self._check(3, False, lambda: f"{site.name} is well, and nobody was told so")


def _is_calm(site: Site) -> bool:
    return site.past[-1].well and site.past[-1].offered

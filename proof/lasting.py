"""Whether whatever is begun ends, or a person knows what it waits for. Part of the observer.

What is begun lies in a row or in the vault: a rollout, a write to a region, a rotation or a person's order, a drill,
a hold, a permit, a copy of old values, a message, an incident. Each has a name of its own there. The time for which
one of a name has been there is summed up over all faults, but only those stretches of it in which nothing hindered
the product: between two undisturbed turns of the timer, at both of which the world was sound (`_is_sound`). More than
`LONG` of it is a breach, at the turn at which it is so and not only when a run is over.

A rollout that is held or contained waits for a person, who knows of it by an incident of the settings. Without one
that was told and is not over, a held rollout is counted like all else. Other incidents wait for what they are about;
in a sound world that is over.
"""

from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec

from proof.world import Tick, World, seconds

LONG: Final = 86_400.0  # in which nothing hinders it

type _Row = dict[str, Any]

_FOR_A_PERSON: Final = frozenset({"held", "contained"})
_ASKED: Final = "a person is asked to decide"
_UNTOLD: Final = "the rollout, which waits for a person who was not told"


def _rollout(row: _Row, now: float) -> list[str]:
    del now
    state, flight = row["state"], row.get("flight")
    waits = _UNTOLD if state in _FOR_A_PERSON else "the rollout"
    return [waits] * (state != "converged") + ([f"the write {flight['id']}"] if flight else [])


def _packages(row: _Row, now: float) -> list[str]:
    del now
    flight, order = row.get("flight"), row.get("order")
    rotation = [f"the rotation {flight['id']}"] if flight else []
    return rotation + ([f"the order of {order['at']}"] if order else [])


def _drill(row: _Row, now: float) -> list[str]:
    del now
    return [f"the drill {row['drill']['id']}"] if row.get("drill") else []


def _hold(row: _Row, now: float) -> list[str]:
    del now
    return [f"the hold {row['hold']['id']}"] if row.get("hold") else []


def _permit(row: _Row, now: float) -> list[str]:
    """One whose time is over is nobody's."""
    permit = row.get("permit")
    return [f"the permit {permit['id']}"] if permit and seconds(permit["until"]) > now else []


def _message(row: _Row, now: float) -> list[str]:
    del now
    ended = row["sent_at"] or row["given_up_at"] or row["perhaps_delivered_at"]
    return [] if ended else ["the message"]


_BEGUN: Final[dict[str, Callable[[_Row, float], list[str]]]] = {
    "settings-sync": _rollout,
    "packages": _packages,
    "drill-slots": _drill,
    "failback-holds": _hold,
    "permit": _permit,
    "outbox": _message,
}


class Lasting:
    """What is under way, and for how long nothing has hindered it."""

    def __init__(self, world: World, check: Callable[..., None], *, taken: Collection[str]) -> None:
        self._world, self._check = world, check
        self._taken = taken  # regions whose endpoint was disabled by us
        self._changed: set[str] = set()  # rows that were written since the last turn
        self._begun: dict[str, list[str]] = {}  # row: what is under way by it
        # Incidents that were told and are not over: their topics, or `_ASKED`.
        self._open: dict[str, str] = {}
        self._letters: set[str] = set()
        self._lasted: dict[str, float] = {}
        self._since: float | None = None  # the last turn, if it was undisturbed and the world was sound

    def stored(self, key: str) -> None:
        """A row was written."""
        if _kind(key) in _BEGUN:
            self._changed.add(key)

    def letter(self, key: str, row: _Row) -> None:
        """A row of the outbox was written."""
        if key in self._letters or not row["kind"].startswith("incident."):
            return
        self._letters.add(key)
        told = row["kind"].removeprefix("incident.")
        if told == "opened":
            self._open.setdefault(row["subject"], row["facts"]["topic"])
        elif told == "held":  # also of a region that the change broke
            self._open[row["subject"]] = _ASKED
        elif told == "resolved":
            for item in (row["subject"], *row["facts"]["also_known_as"]):
                self._open.pop(item, None)

    def ticked(self, tick: Tick) -> None:
        """A turn is over."""
        fair = tick.clean and self._is_sound()
        passed = tick.began - self._since if fair and self._since is not None else 0.0
        before = self._lasted
        self._lasted = {name: before[name] + passed if name in before else 0.0 for name in self._under_way()}
        self._since = tick.began if fair else None
        for what, lasted in self._lasted.items():
            self._check(
                8,
                lasted <= LONG,
                lambda what: f"{what} does not end, and for a day nothing has hindered it",
                what,
            )

    def _is_sound(self) -> bool:
        """Return whether nothing in the world keeps anything from ending."""
        world = self._world
        sites = world.sites.values()
        return (
            world.managed
            and not world.deaf
            and not world.missed.keys() - {"the copy"}
            and all(host.up for host in world.hosts.values())
            and len({host.version for host in world.hosts.values()}) == 1
            and len({site.authority for site in sites}) == 1
            and all(site.well and (site.past[-1].offered or site.name in self._taken) for site in sites)
        )

    def _under_way(self) -> list[str]:
        """Return what has been begun and is not over."""
        rows, now = self._world.rows, self._world.clock.time()
        for key in self._changed | self._begun.keys():
            row = msgspec.json.decode(rows[key][0]) if key in rows else None
            its = _BEGUN[_kind(key)](row, now) if row else []
            if its:
                self._begun[key] = its
            else:
                self._begun.pop(key, None)
        self._changed.clear()
        by_rows = [(key, name) for key, its in self._begun.items() for name in its]
        waits = any(name == _UNTOLD for _, name in by_rows)
        told = _ASKED in self._open.values()
        return [
            *(f"{key}: {name}" for key, name in by_rows if not (name == _UNTOLD and told)),
            *(f"the copy {name} in the vault" for name in self._world.vault),
            *(f"the incident {name}" for name, topic in self._open.items() if topic != _ASKED or not waits),
        ]


def _kind(key: str) -> str:
    return key.partition("/")[0]

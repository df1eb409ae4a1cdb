"""Whether a region that is down is left waiting for itself. Part of the observer.

Everybody else serves: then nothing but we ourselves keeps the region from being seen to. Three things are asked, each
by the sum of the time between two undisturbed turns of the timer at both of which it was so:

- A region whose package setting leads to no host, and which is down by that, is told with severity 2 at least;
- it is moved to a host which the other regions' package lies on, unless a person wants to be asked;
- what is to be written to a region that is down is written: the restart makes nothing worse.

The liveness law does not see these: it counts only while every region is well.
"""

from collections.abc import Callable
from typing import Any, Final

from proof.world import Site, Tick, World

TOLD: Final = 2400.0  # an event and two sweeps are missed, or three checks are needed
MOVED: Final = 4500.0  # and a permit is somebody else's first
WRITTEN: Final = 2400.0  # the same for a write
SERVED: Final = 180.0  # so long after it came back a region is known to serve
KNOWN: Final = 1800.0  # and a host to have the package
_MAJOR: Final = 2

type _Row = dict[str, Any]


class Stuck:
    """For how long nobody has seen to a region that is down."""

    def __init__(self, world: World, check: Callable[..., None], *, moves: bool) -> None:
        self._world, self._check = world, check
        self._moves = moves  # whether regions are moved without a person's word
        self._told: dict[str, str] = {}  # incidents of package settings: region
        self._target = self._state = ""  # of the rollout, and of the write that it last began
        self._lasted: dict[tuple[str, str], float] = {}
        self._since = 0.0  # the last undisturbed turn

    def stored(self, key: str, row: _Row) -> None:
        """A row was written."""
        if key.startswith("settings-sync/"):
            self._state = row["state"]
            self._target = (row.get("flight") or {}).get("target") or self._target

    def letter(self, row: _Row) -> None:
        """A row of the outbox was written."""
        facts = row["facts"]
        if facts.get("topic") != "hosts":
            return
        if row["kind"] == "incident.resolved":
            for fact in (row["subject"], *facts["also_known_as"]):
                self._told.pop(fact, None)
        elif facts.get("cause") == "package-setting" and facts["severity"] <= _MAJOR:
            self._told[row["subject"]] = facts["region"]

    def ticked(self, tick: Tick) -> None:
        """A turn is over."""
        if not tick.clean:
            self._lasted = {}
            return
        before, self._lasted = self._lasted, {}
        for site in self._world.sites.values():
            if site.well or not self._others_serve(site, tick):
                continue
            for what, most in self._waits(site, tick):
                lasted = before.get((site.name, what), -1.0)
                lasted = lasted + tick.began - self._since if lasted >= 0 else 0.0
                self._lasted[site.name, what] = lasted
                self._check(8, lasted <= most, lambda *it: f"{it[0]} is down, and {it[1]}", site.name, what)
        self._since = tick.began

    def _waits(self, site: Site, tick: Tick) -> list[tuple[str, float]]:
        world, found = self._world, list[tuple[str, float]]()
        if "package" in site.ills and world.leads_nowhere(site):
            if site.name not in self._told.values():
                found.append(("nobody was told that its package setting leads nowhere", TOLD))
            if self._moves and all(
                host.up and host.since < tick.began - KNOWN for host in world.hosts.values()
            ):
                found.append(("it is not moved to a host that has its package", MOVED))
        if self._state == "writing" and self._target == site.name:
            found.append(("what is to be written to it waits for it", WRITTEN))
        return found

    def _others_serve(self, site: Site, tick: Tick) -> bool:
        others = [item.past[-1] for item in self._world.sites.values() if item is not site]
        return not self._world.missed and all(
            other.well and other.offered and other.at < tick.began - SERVED for other in others
        )

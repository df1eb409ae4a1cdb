"""Law 7's budget: what a converged group may ask for, counted in stretches in which nothing has happened for long.

The figures are the design's (section 8), and what its words say beside them: the SCEP proof every five minutes, the
sites' own facts once a day, the home pages twice an hour. Of all that is not named here a quiet group asks nothing;
the store, the channel, and the package hosts, which are watched for all groups together, are not counted.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final

DAY: Final = 86_400.0

# Seconds in which it may be asked for once: for each region, or for the subscription.
EACH_REGION: Final = {
    "probe.get": 60.0,
    "probe.scep": 300.0,
    "arm.get_settings": 900.0,
    "page.version": 1800.0,
    "arm.get_site": DAY,
}
ONCE: Final = {"arm.list_profiles": 60.0}
FREE: Final = ("store.", "channel.", "package.")


class Budget:
    """What was asked for since it became quiet."""

    def __init__(self, regions: int, *, early: float) -> None:
        self._allowed = {
            **{name: (every - early, regions) for name, every in EACH_REGION.items()},
            **{name: (every - early, 1) for name, every in ONCE.items()},
        }
        self._asked: dict[str, deque[tuple[float, int]]] = {}

    def begin_anew(self) -> None:
        """Something happened: what was asked for until now is not counted."""
        self._asked.clear()

    def over(self, at: float, calls: Mapping[str, int]) -> str:
        """Return what of a turn's calls is more than the budget has, or nothing."""
        for name, count in calls.items():
            if name.startswith(FREE):
                continue
            every, most = self._allowed.get(name, (0.0, 0))
            asked = self._asked.setdefault(name, deque())
            while asked and asked[0][0] <= at - every:
                asked.popleft()
            asked.append((at, count))
            total = sum(number for _, number in asked)
            if total > most:
                return f"{name} was asked for {total} times in {every:g} s, where {most} would do"
        return ""

"""Absence needs proof: what one answer does not name may only be out of sight for a moment. Pure.

Resource Manager, Traffic Manager and a vault answer 404, or leave something out of a list, while they move a thing,
restart, or lag behind. So nothing is taken for gone on the word of one answer.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

READINGS = 3  # in a row, each of which missed it
OVER = timedelta(seconds=120)  # from the first of them to the last


class Absence(msgspec.Struct, frozen=True, kw_only=True):
    """Readings in a row that missed a thing. One that finds it ends the absence."""

    since: datetime
    last: datetime
    readings: int = 1

    @property
    def is_proof(self) -> bool:
        """Return whether the thing may be taken for gone."""
        return self.readings >= READINGS and self.last - self.since >= OVER


def missed(before: Absence | None, now: datetime) -> Absence:
    """One more reading that missed it. The same reading, used twice, is one."""
    if before is None or now < before.since:
        return Absence(since=now, last=now)
    if now <= before.last:
        return before
    return Absence(since=before.since, last=now, readings=before.readings + 1)


class Begun(Protocol):
    """Something that was begun with a region, and whose end would need the region."""

    @property
    def region(self) -> str:
        """Its name."""
        ...

    @property
    def site(self) -> str:
        """The id of its site, in lower case: a namesake that leads to another site is another region."""
        ...

    @property
    def claimed_at(self) -> datetime:
        """When it was begun."""
        ...


class Sorted[B: Begun](msgspec.Struct, frozen=True):
    """The work begun with regions that left their group, sorted."""

    back: tuple[B, ...]  # the region is there again
    away: tuple[B, ...]
    over: tuple[B, ...]  # there is no way back any more


def is_over(begun: Begun, now: datetime, way_back: timedelta) -> bool:
    """Return whether there is no way back any more, wherever the region is."""
    return now - begun.claimed_at >= way_back


def sort_begun[B: Begun](
    left: Iterable[B], sites: Mapping[str, str], now: datetime, way_back: timedelta
) -> Sorted[B]:
    """Sort what was begun by what became of its region; `sites` are the group's regions and the ids of their sites.

    What lies in a region that left, with a bad value perhaps, is undone when the region comes back, as long as there
    is a `way_back`.
    """
    back, away, over = list[B](), list[B](), list[B]()
    for one in left:
        site = sites.get(one.region)
        if is_over(one, now, way_back) or site not in {None, one.site}:
            over.append(one)
        else:
            (away if site is None else back).append(one)
    return Sorted(tuple(back), tuple(away), tuple(over))

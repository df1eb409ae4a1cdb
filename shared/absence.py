"""Absence needs proof: what one answer does not name may only be out of sight for a moment. Pure.

Resource Manager, Traffic Manager and a vault answer 404, or leave something out of a list, while they move a thing,
restart, or lag behind. So nothing is taken for gone on the word of one answer.
"""

from datetime import datetime, timedelta

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
        """Whether the thing may be taken for gone."""
        return self.readings >= READINGS and self.last - self.since >= OVER


def missed(before: Absence | None, now: datetime) -> Absence:
    """One more reading that missed it. The same reading, used twice, is one."""
    if before is None or now < before.since:
        return Absence(since=now, last=now)
    if now <= before.last:
        return before
    return Absence(since=before.since, last=now, readings=before.readings + 1)

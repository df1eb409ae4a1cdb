"""Nouns of disruption: what is asked, and the permit for it."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from shared.groups.model import Profile


class Kind(StrEnum):
    """The kinds of disruption."""

    SETTINGS_WRITE = "settings-write"
    HOST_ROTATION = "host-rotation"
    RESTART = "restart"
    DRILL = "drill"
    FAILBACK_HOLD = "failback-hold"

    @property
    def takes_out(self) -> bool:
        """Return whether it takes an endpoint out of DNS."""
        return self in {Kind.DRILL, Kind.FAILBACK_HOLD}


class Disruption(msgspec.Struct, frozen=True, kw_only=True):
    """Something that wants to restart a region's app or take it out of DNS.

    `id` names the piece of work (a rollout, a drill), so that whoever carries it on after a crash is known as
    the same one; two pieces of work never share an id.
    """

    id: str
    kind: Kind
    group: str
    region: str
    at_most: timedelta
    profile: Profile | None = None  # of what takes an endpoint out: as Traffic Manager told it just now


class Permit(msgspec.Struct, frozen=True, kw_only=True):
    """The right to one disruption: of one region, for one piece of work, until a time.

    `disturbed_at` is set when the work is over and its region was not seen well after it: the region may have been
    restarted as late as then. Until it is well, or the permit's time is over, no other region may be disturbed.
    `awaited` is the same of earlier work on this region, which this one took the permit over from; `awaited_until`
    is the end of that earlier permit's time.
    """

    id: str
    kind: Kind
    region: str
    granted_at: datetime
    until: datetime
    reason: str
    disturbed_at: datetime | None = None
    awaited: datetime | None = None
    awaited_until: datetime | None = None

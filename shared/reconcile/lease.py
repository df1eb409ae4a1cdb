"""Which of two deployments runs the timer's rounds: one row, held for a while, by compare-and-swap.

Two deployments over one store are safe without it: every step is a versioned row, and a group has one permit. What
the lease saves is asking everything twice a minute, SCEPman's probe above all. Whoever does not hold it stands by,
and takes over when it is not renewed. A holder whose rounds all fail gives it up: it may be cut off where the other
is not. Events, alerts and people's words need no lease; whoever gets one acts on it.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from shared.ages import waits
from shared.errors import Conflict
from shared.store import Key, Store, key, revise

LASTS: Final = timedelta(seconds=150)  # two turns of the timer missed, and the other one takes over
ROW: Final[Key] = key("lease", "timer")


class Lease(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The row: which deployment, and until when."""

    holder: str
    until: datetime

    def is_for(self, instance: str, now: datetime) -> bool:
        """Return whether this deployment may have it now: it has it already, or nobody has."""
        return self.holder == instance or not waits(self.until, now, LASTS)


async def take(store: Store, instance: str, now: datetime) -> Lease:
    """Take or renew the lease if that can be; returns who has it.

    Raises:
        Conflict: others kept writing the row, so somebody else is at work.
    """
    mine = Lease(instance, now + LASTS)

    def decide(row: Lease | None) -> Lease:
        return mine if row is None or row.is_for(instance, now) else row

    return await revise(store, ROW, Lease, decide) or mine


async def give_up(store: Store, instance: str, now: datetime) -> None:
    """Let another deployment have it at once; nothing happens when it is not ours, or another is quicker."""

    def decide(row: Lease | None) -> Lease | None:
        mine = row is not None and row.holder == instance
        return Lease("", now) if mine else None

    try:
        await revise(store, ROW, Lease, decide)
    except Conflict:
        return

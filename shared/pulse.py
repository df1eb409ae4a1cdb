"""The timer's heartbeat: a row that says when it fired last.

Timers of a Functions app have been seen to stop for good while its other triggers went on. So each firing is written
down, and a trigger that finds the last one too long ago takes the timer's turn.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from shared.ages import age
from shared.store import Key, Store, key, read, revise
from shared.words import moment

OVERDUE: Final = timedelta(minutes=5)  # after the last firing
EVERY: Final = timedelta(minutes=1)  # the timer's own pace, at which others take its turn
ROW: Final[Key] = key("health", "timer")


class Heartbeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The row: when the timer fired last, and when another trigger took its turn last."""

    fired_at: datetime
    taken_at: datetime | None = None

    def overdue(self, now: datetime) -> str:
        """Return why the timer is overdue; empty: it is not."""
        if age(self.fired_at, now) < OVERDUE:
            return ""
        return f"timer overdue: it fired last at {moment(self.fired_at)}"

    def is_free(self, now: datetime) -> bool:
        """Return whether nobody takes its turn now."""
        return self.taken_at is None or age(self.taken_at, now) >= EVERY


class Pulse:
    """This process's knowledge of the timer; the row is read again only when that is old."""

    def __init__(self) -> None:
        self._known: Heartbeat | None = None

    async def fired(self, store: Store, now: datetime) -> None:
        """The timer fired here. Raises Conflict and what the store raises."""
        self._known = await revise(store, ROW, Heartbeat, lambda _: Heartbeat(now))

    def is_old(self, now: datetime) -> bool:
        """Return whether what is known here does not say that the timer is on time: the row must be asked."""
        return self._known is None or bool(self._known.overdue(now))

    async def claim(self, store: Store, now: datetime) -> str:
        """Return why its turn is ours to take now, since the timer is overdue; empty: it is not.

        Where it never fired, its time runs from now. Raises Conflict and what the store raises.
        """
        why = ""

        def decide(row: Heartbeat | None) -> Heartbeat:
            nonlocal why
            row = row or Heartbeat(now)
            why = row.overdue(now) if row.is_free(now) else ""
            return msgspec.structs.replace(row, taken_at=now) if why else row

        self._known = await revise(store, ROW, Heartbeat, decide)
        return why


async def heartbeat(store: Store) -> Heartbeat | None:
    """The row. Raises what the store raises."""
    return (await read(store, ROW, Heartbeat))[0]

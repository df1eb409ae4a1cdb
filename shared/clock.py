"""Time and identity as things one is handed. Decisions never import this; workflows pass on what it says."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

LIMIT: Final = timedelta(seconds=5)  # by which our clock may be wrong; beyond that nothing is done by it
SECOND: Final = timedelta(seconds=1)  # what a `Date` header is exact to


class Clock(Protocol):
    """Tells the time, and waits."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Ids(Protocol):
    """New identifiers."""

    def new(self) -> str:
        """An identifier nobody has seen: 32 hexadecimal digits."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(seconds)


class Compared:
    """Our clock beside the times that Resource Manager's and the store's answers are dated with.

    An answer was dated between asking and hearing, so that only what lies outside of that is known to be wrong. The
    last answer counts: a clock that was set right is right, and one that jumps is found out by the next answer.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead, self._who = timedelta(), ""

    def now(self) -> datetime:
        """Our time, for `heard`."""
        return self._clock.now()

    def heard(self, who: str, date: str, asked: datetime) -> None:
        """An answer came now, with this `Date` header, to what was asked then. One without a date says nothing."""
        try:
            said = parsedate_to_datetime(date)
            if said.tzinfo is not None:
                self.compare(who, said, asked)
        except (ValueError, OverflowError):  # no date, or one at the end of time
            return

    def compare(self, who: str, said: datetime, asked: datetime) -> None:
        """An answer came now, dated `said`, to what was asked then."""
        ahead, behind = asked - (said + SECOND), said - self.now()
        self._ahead, self._who = max(ahead, timedelta()) or -max(behind, timedelta()), who

    @property
    def wrong(self) -> str:
        """Return why nothing may be done by our clock; empty: it is right, as far as is known."""
        if abs(self._ahead) <= LIMIT:
            return ""
        way = "ahead of" if self._ahead > timedelta() else "behind"
        seconds = f"{abs(self._ahead).total_seconds():.0f} s"
        return (
            f"this machine's clock is {seconds} {way} the time that {self._who} says: nothing is done by it"
        )


class RandomIds:
    """Random (version 4) UUIDs."""

    def new(self) -> str:
        """An identifier nobody has seen: 32 hexadecimal digits."""
        return uuid.uuid4().hex

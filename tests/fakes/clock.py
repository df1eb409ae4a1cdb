"""Time and ids that a test moves by hand: the ports Clock and Ids."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday


class FakeClock:
    """Stands still until told; sleeping moves it at once and is noted in `slept`."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self.slept: list[float] = []

    def now(self) -> datetime:
        """The time this clock was moved to."""
        return self._now

    def advance(self, seconds: float) -> datetime:
        """Move on; returns the new time."""
        self._now += timedelta(seconds=seconds)
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Move on by as much, without waiting."""
        self.slept.append(seconds)
        self.advance(seconds)


class FakeIds:
    """Counts: 32 hexadecimal digits, 1 first."""

    def __init__(self) -> None:
        self._count = 0

    def new(self) -> str:
        """The next number."""
        self._count += 1
        return f"{self._count:032x}"

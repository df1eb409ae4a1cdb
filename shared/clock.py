"""Time and identity as things one is handed. Decisions never import this; workflows pass on what it says."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What time it is, and waiting."""

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


class RandomIds:
    """Random (version 4) UUIDs."""

    def new(self) -> str:
        """An identifier nobody has seen: 32 hexadecimal digits."""
        return uuid.uuid4().hex

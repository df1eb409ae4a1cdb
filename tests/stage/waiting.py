"""Waiting for something that comes about in another process."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(fact: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Return when the fact is true; TimeoutError after 30 s."""
    async with asyncio.timeout(30):
        while True:
            found = fact()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)

"""Work that many ask for at once is done once: who comes while it is under way shares the next one with the others.

Nobody is given a result of work that began before they asked, so that whoever rings a doorbell is answered by a look
that came after. For one process; knows nothing of what is done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable


class Joining[T]:
    """Work by keys: at most one under way and one waiting for each."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[T]] = {}
        self._next: dict[Hashable, asyncio.Task[T]] = {}

    async def join(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """The result, or the error, of work under this key that begins after this call."""
        task = self._next.get(key)
        if task is None:
            task = asyncio.create_task(self._in_turn(key, self._under_way.get(key), work))
            task.add_done_callback(
                lambda it: it.cancelled() or it.exception()
            )  # nobody may be left who waits
            self._next[key] = task
        return await asyncio.shield(task)  # who gives up does not stop it for the others

    async def _in_turn(
        self, key: Hashable, before: asyncio.Task[T] | None, work: Callable[[], Awaitable[T]]
    ) -> T:
        # Whoever asks has written down the task after this, also where tasks begin at once.
        await asyncio.sleep(0)
        if before is not None:
            await asyncio.wait([before])
        mine = self._under_way[key] = self._next.pop(key)
        try:
            return await work()
        finally:
            if self._under_way.get(key) is mine:
                del self._under_way[key]

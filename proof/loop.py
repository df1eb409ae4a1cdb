"""An event loop whose time is a number: nothing waits, and one seed gives one order of all that happens.

What is ready runs in the order in which it became ready, as on every asyncio loop. Chance lies in how long each call
of a port takes, which is up to who uses the loop; so every interleaving that a run has, a real one could have, too.
"""

import asyncio
import heapq
import math
from asyncio.events import _get_running_loop, _set_running_loop
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, override

TICKS = 64  # of a second: all times are multiples, so that sums are exact and microseconds whole


class _Call:
    """What asyncio asks of a handle: to be cancelled. Its own kind does more than a loop of numbers needs."""

    __slots__ = ("args", "callback", "context")

    def __init__(
        self, callback: Callable[..., object] | None, args: tuple[Any, ...], context: Context | None
    ) -> None:
        self.callback, self.args = callback, args
        self.context = copy_context() if context is None else context

    def cancel(self) -> None:
        self.callback = None

    def cancelled(self) -> bool:
        return self.callback is None


class _Timer(_Call):
    __slots__ = ("at",)

    at: float

    def when(self) -> float:
        return self.at


class Loop(asyncio.AbstractEventLoop):
    """What asyncio's futures, tasks, groups, gates and timeouts need of a loop, and nothing else."""

    def __init__(self) -> None:
        self._ready: deque[_Call] = deque()
        self._timers: list[tuple[float, int, _Timer]] = []
        self._now = 0.0
        self._count = 0
        self._running = False
        self.eager = False  # a task begins at once: no other order than a real loop's where nobody waits
        self.on_task: Callable[[asyncio.Task[Any]], None] | None = None

    # -- for the one who drives

    @property
    def awaited(self) -> float:
        """When the next callback that waits for a time is called; never: infinity."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else math.inf

    def pass_alone(self, seconds: float) -> bool:
        """Let so much time pass at once, if nobody else could do anything in it. Returns whether it did."""
        when = self._now + seconds
        if self._ready or self.awaited <= when:
            return False
        self._now = when
        return True

    def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Run until the work is done, whatever else is under way."""
        task = self.create_task(work)
        outer = _get_running_loop()  # one in whose time all of this happens at once
        self._running = True
        _set_running_loop(self)
        try:
            while not task.done():
                if self._ready:
                    call = self._ready.popleft()
                    if call.callback is not None:
                        call.context.run(call.callback, *call.args)  # a mistake of ours ends the run
                elif self._timers:
                    self._next_time()
                else:
                    raise RuntimeError("nothing is left that could happen, and the work is not done")
        finally:
            _set_running_loop(outer)
            self._running = False
        return task.result()

    def _next_time(self) -> None:
        when, _, timer = heapq.heappop(self._timers)
        if timer.callback is not None:
            self._now = max(self._now, when)
            self._ready.append(timer)

    # -- for asyncio

    @override
    def time(self) -> float:
        return self._now

    @override
    def call_soon[*Ts](
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        call = _Call(callback, args, context)
        self._ready.append(call)
        return call  # type: ignore[return-value]  # by what it can

    @override
    def call_at[*Ts](
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(callback, args, context)
        timer.at = when
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, timer))
        return timer  # type: ignore[return-value]  # by what it can

    @override
    def call_later[*Ts](
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    @override
    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    @override
    def create_task[T](
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Task[T]:
        own = context or copy_context()
        task = asyncio.Task(coro, loop=self, name=name or "", context=own, eager_start=self.eager, **options)
        if self.on_task is not None and not task.done():
            self.on_task(task)
        return task

    @override
    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What asyncio complains of: a task of a dead process, which nobody awaits."""

    @override
    def get_debug(self) -> bool:
        return False

    @override
    def is_running(self) -> bool:
        return self._running

    @override
    def is_closed(self) -> bool:
        return False

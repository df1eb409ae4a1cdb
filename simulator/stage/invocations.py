"""Invocations under way: each is a task of its own on the one loop, logged as the real host logs it."""

import asyncio
import logging
import time
import uuid
from collections.abc import Coroutine, Mapping
from typing import Any

from simulator.stage import worker
from simulator.stage.worker import Function, Outcome, Value

log = logging.getLogger("host")


class Invocations:
    """Runs functions and knows which are running, so that a stop can wait for them."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self.names: dict[str, str] = {}  # invocation id -> function name, while it runs

    async def run(
        self,
        function: Function,
        value: Value,
        metadata: Mapping[str, Value] | None = None,
        *,
        trace_parent: str = "",
    ) -> Outcome:
        """Run to the end, even if the caller is cancelled: a client that hangs up stops no function."""
        return await asyncio.shield(self.start(self._run(function, value, metadata, trace_parent)))

    def start[T](self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin something that a stop should wait for."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def drain(self, seconds: float) -> None:
        """Wait for what is running; say what is left behind."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        for name in self.names.values():
            log.warning("'%s' was still running after %g s and is left behind", name, seconds)

    async def _run(
        self, function: Function, value: Value, metadata: Mapping[str, Value] | None, trace_parent: str
    ) -> Outcome:
        invocation_id = str(uuid.uuid4())
        self.names[invocation_id] = function.name
        log.info("Executing '%s' (Id=%s)", function.name, invocation_id)
        began = time.monotonic()
        try:
            outcome = await worker.invoke(function, invocation_id, value, metadata, trace_parent)
        except asyncio.CancelledError as cancelled:
            # The function let a cancellation of its own making out; ours would show on the task.
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            outcome = Outcome(ok=False, error=repr(cancelled), trace="the function raised CancelledError")
        finally:
            del self.names[invocation_id]
        _tell(function, invocation_id, outcome, (time.monotonic() - began) * 1000)
        return outcome


def _tell(function: Function, invocation_id: str, outcome: Outcome, took: float) -> None:
    if outcome.ok:
        log.info("Executed '%s' (Succeeded, Id=%s, Duration=%.0fms)", function.name, invocation_id, took)
    else:
        log.error(
            "Executed '%s' (Failed, Id=%s, Duration=%.0fms): %s\n%s",
            *(function.name, invocation_id, took, outcome.error, outcome.trace),
        )

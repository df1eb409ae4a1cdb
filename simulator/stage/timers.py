"""Timer triggers: fired by their schedule in UTC, or by a period that replaces every schedule."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

from simulator.stage import ncrontab, worker
from simulator.stage.configuration import resolved
from simulator.stage.invocations import Invocations
from simulator.stage.worker import Function, Outcome

log = logging.getLogger("host")


class Plan(Protocol):
    """When a timer is due."""

    def next_after(self, moment: datetime) -> datetime:
        """The first due moment later than `moment`."""
        ...


class Every:
    """A fixed period, for tests and demos."""

    def __init__(self, seconds: float) -> None:
        self._period = timedelta(seconds=seconds)

    def next_after(self, moment: datetime) -> datetime:
        """One period later."""
        return moment + self._period


def plan(function: Function, settings: Mapping[str, str], every: float | None) -> Plan:
    """When a timer function is due.

    Raises:
        ValueError: its schedule is not a schedule, or names an app setting that is not there.
    """
    schedule = ncrontab.parse(resolved(str(function.trigger["schedule"]), settings))
    return schedule if every is None else Every(every)


class Timer:
    """One timer function. Its runs never overlap, whoever asked for them."""

    def __init__(self, function: Function, due: Plan, invocations: Invocations) -> None:
        self.function = function
        self._due = due
        self._invocations = invocations
        self._last: datetime | None = None
        self._alone = asyncio.Lock()

    async def fire(self, *, past_due: bool = False) -> Outcome:
        """Run now, after a run that is under way."""
        async with self._alone:
            now = datetime.now(UTC)
            payload = self._payload(now, past_due=past_due)
            self._last = now
            return await self._invocations.run(self.function, worker.as_json(payload))

    def _payload(self, now: datetime, *, past_due: bool) -> dict[str, object]:
        """Return what the host sends; a timer that never ran has the zero date of .NET as its last run."""
        last = self._last.isoformat() if self._last else "0001-01-01T00:00:00+00:00"
        return {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": {
                "Last": last,
                "LastUpdated": last,
                "Next": self._due.next_after(now).isoformat(),
            },
            "IsPastDue": past_due,
        }

    async def listen(self) -> None:
        """Fire whenever due, for ever. A run that outlasts its next turns is followed by one at once."""
        due = datetime.now(UTC)
        if not self.function.trigger.get("runOnStartup"):
            due = self._due.next_after(due)
        while True:
            await asyncio.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
            started = max(due, datetime.now(UTC))  # a sleep may end a little early
            await self.fire()
            due = self._due.next_after(started)

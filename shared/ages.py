"""The age of evidence whose time may be another machine's, or from before our clock was set. Pure.

Time from elsewhere is input. What is dated later than now is no evidence of anything; and what forbids for a time
(a claim, a permit) stands until then, since two at once would be worse than a wait.
"""

from datetime import datetime, timedelta
from typing import Final

AHEAD: Final = timedelta(seconds=2)  # that clocks which are right may differ by


def is_ahead(at: datetime, now: datetime) -> bool:
    """Return whether it is dated later than now, by more than clocks differ."""
    return at - now > AHEAD


def age(at: datetime, now: datetime) -> timedelta:
    """Return the age of evidence. Evidence dated later than now is older than anything, so that it is read anew."""
    return timedelta.max if is_ahead(at, now) else max(now - at, timedelta())


def waits(until: datetime, now: datetime, longest: timedelta) -> bool:
    """Return whether something put off for at most `longest` is put off now; a wait set by a clock ahead is none."""
    return until > now and not is_ahead(until, now + longest)

"""The error tree: what trying again can and cannot help. Raised everywhere, turned into answers by handlers/_edge.

::

    AppError
      PermanentError  again will not help
        BadEvent  SettingsError  ForeignKey  UnsafePlan  StalePlan  IllegalTransition  NotFound  Refused  Denied
        TooLarge
      TransientError  later may work; may carry retry_after
        Conflict  Busy  Throttled  Unavailable  Unreadable  WrongClock
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Effect(StrEnum):
    """The effect of a call that ended in an error. Set where foreign errors are translated."""

    NOT_APPLIED = "not applied"
    UNKNOWN = "unknown"


class AppError(Exception):
    """Something this product understands went wrong. The message says what, where and the next step.

    `effect` answers whether a write that raised this may have taken effect all the same. An error is NOT_APPLIED when
    the other side refused, or was never reached; without an answer, or with a server's error, it is UNKNOWN.
    """

    effect = Effect.NOT_APPLIED

    def __init__(self, message: str = "", *, effect: Effect | None = None) -> None:
        if effect is not None:
            self.effect = effect
        super().__init__(message)


class PermanentError(AppError):
    """Trying the same again will not help."""


class BadEvent(PermanentError):
    """An event or request cannot be read, or is not ours."""


class SettingsError(PermanentError):
    """The configuration is wrong; `problems` lists every one, each with an example of a right value."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class ForeignKey(PermanentError):
    """The fingerprint key is not the store's: nothing can be compared, and nothing of it may be changed."""


class UnsafePlan(PermanentError):
    """The plan refuses itself; the message carries its numbers and the way out."""


class StalePlan(PermanentError):
    """The plan no longer fits: plan again, then decide again."""


class IllegalTransition(PermanentError):
    """This cannot be asked in this state."""


class NotFound(PermanentError):
    """No such group, region or resource."""


class Refused(PermanentError):
    """A law or a rule forbids it; the message names it. `facts` says the same to programs."""

    def __init__(self, message: str, *, facts: Mapping[str, Any] | None = None) -> None:
        self.facts = facts or {}
        super().__init__(message)


class Denied(PermanentError):
    """Azure refused our identity; the message names the permission that is missing."""


class TooLarge(PermanentError):
    """The row is too long for the store, and nothing of it can be dropped."""


class TransientError(AppError):
    """Later may work. `retry_after` is in seconds, when the other side said."""

    def __init__(
        self, message: str, *, retry_after: float | None = None, effect: Effect | None = None
    ) -> None:
        self.retry_after = retry_after
        super().__init__(message, effect=effect)


class Conflict(TransientError):
    """Somebody else wrote this row first."""


class Busy(TransientError):
    """Another operation holds the resource for a moment: contention, not a quota."""


class Throttled(TransientError):
    """The other side asks for patience."""


class Unavailable(TransientError):
    """No answer, a late one, or a server's error."""

    effect = Effect.UNKNOWN


class Unreadable(TransientError):
    """A row of the store was written by another version of the product: that one can read it, this one cannot."""


class WrongClock(TransientError):
    """This machine's clock is wrong, so nothing is written: it would be dated with a time that is not so."""

"""The error tree: what trying again can and cannot help. Raised everywhere, turned into answers by handlers/_edge.

::

    AppError
      PermanentError  again will not help
        BadEvent  SettingsError  UnsafePlan  StalePlan  IllegalTransition  NotFound  Refused  Denied
      TransientError  later may work; may carry retry_after
        Conflict  Throttled  Unavailable  Unreadable
"""

from collections.abc import Mapping
from typing import Any


class AppError(Exception):
    """Something this product understands went wrong. The message says what, where and the next step."""


class PermanentError(AppError):
    """Trying the same again will not help."""


class BadEvent(PermanentError):
    """What arrived cannot be read, or is not ours."""


class SettingsError(PermanentError):
    """The configuration is wrong; `problems` lists every one, each with an example of a right value."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class UnsafePlan(PermanentError):
    """The plan refuses itself; the message carries its numbers and the way out."""


class StalePlan(PermanentError):
    """What was seen is no longer so: look again, then decide again."""


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


class TransientError(AppError):
    """Later may work. `retry_after` is in seconds, when the other side said."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class Conflict(TransientError):
    """Somebody else wrote this row first."""


class Throttled(TransientError):
    """The other side asks for patience."""


class Unavailable(TransientError):
    """No answer, a late one, or a server's error."""


class Unreadable(TransientError):
    """A row of the store was written by another version of the product: that one can read it, this one cannot."""

"""What happened, as a person would tell it: who did what and when, and nothing from before the last quiet."""

from collections.abc import Callable
from datetime import datetime

LONGEST = 60  # lines that a story may have; a longer one loses its middle


class Story:
    """Lines with times. What is said twice in a row is one line."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lines: list[tuple[datetime, str, int]] = []

    def tell(self, text: str) -> None:
        """One thing happened."""
        if self._lines and self._lines[-1][1] == text:
            at, _, count = self._lines[-1]
            self._lines[-1] = (at, text, count + 1)
        else:
            self._lines.append((self._now(), text, 1))

    def begin_anew(self) -> None:
        """All is quiet: what was before does not matter any more."""
        self._lines.clear()

    def lines(self) -> list[str]:
        """As it is printed."""
        told = [
            f"{at:%a %d %b %H:%M:%S}  {text}" + (f"  ({count} times)" if count > 1 else "")
            for at, text, count in self._lines
        ]
        if len(told) <= LONGEST:
            return told
        half = LONGEST // 2
        return [*told[:half], f"... {len(told) - LONGEST} lines ...", *told[-half:]]

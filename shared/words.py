"""Times and durations for people, and text that fits into a line. Pure."""

from datetime import datetime
from typing import Final

LINE: Final = 1000  # bytes of a line of a row's history, and of the reason in it


def spoken(seconds: float | None) -> str:
    """A duration in words people say: `45 s`, `3 min 20 s`, `2 h 5 min`; a dash for none."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {left} s" if left else f"{minutes} min"
    return f"{whole} s"


def moment(at: datetime) -> str:
    """A time as people read it."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def clipped(text: str, most: int) -> str:
    """The text in at most so many bytes of UTF-8; what is cut off is said by three dots."""
    raw = text.encode(errors="replace")
    if len(raw) <= most:
        return raw.decode()
    return f"{raw[: max(0, most - 3)].decode(errors='ignore')}..."


def cell(text: str) -> str:
    """Text that breaks neither a table of Markdown nor a list."""
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())

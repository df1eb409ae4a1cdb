"""A vault in a dictionary: the port RollbackCopies."""

from collections.abc import Callable
from datetime import datetime

from shared.groups.model import Value


def _nothing(_name: str) -> None:
    """A hook that lets everything pass."""


class FakeCopies:
    """Copies by name, with their expiry. `before` is called with the name first; it may raise."""

    def __init__(self) -> None:
        self.copies: dict[str, tuple[Value, datetime]] = {}
        self.log: list[tuple[str, str]] = []  # (keep | get | forget, name)
        self.before: Callable[[str], None] = _nothing

    async def keep(self, name: str, content: Value, *, expires: datetime) -> None:
        """Store a copy, over an older one of that name."""
        self._called("keep", name)
        self.copies[name] = (content, expires)

    async def get(self, name: str) -> Value | None:
        """The copy, or None."""
        self._called("get", name)
        found = self.copies.get(name)
        return found[0] if found else None

    async def forget(self, name: str) -> None:
        """Delete the copy, if there is one."""
        self._called("forget", name)
        self.copies.pop(name, None)

    def _called(self, what: str, name: str) -> None:
        self.log.append((what, name))
        self.before(name)

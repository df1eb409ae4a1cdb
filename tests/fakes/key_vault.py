"""A vault in a dictionary: the port RollbackCopies."""

from collections.abc import Callable
from datetime import datetime

from shared.errors import Busy
from shared.groups.model import Value


def _nothing(_name: str) -> None:
    """A hook that lets everything pass."""


class FakeCopies:
    """Copies by name, with their expiry. `before` is called with the name first; it may raise."""

    def __init__(self) -> None:
        self.copies: dict[str, tuple[Value, datetime]] = {}
        self.deleted: set[str] = set()  # names that cannot be used again
        self.log: list[tuple[str, str]] = []  # (keep | get | forget, name)
        self.before: Callable[[str], None] = _nothing

    async def keep(self, name: str, content: Value, *, expires: datetime) -> None:
        """Store a copy under a name that had none."""
        self._called("keep", name)
        if name in self.deleted:
            raise Busy(f"keep {name}: a copy of that name was deleted")
        self.copies[name] = (content, expires)

    async def get(self, name: str) -> Value | None:
        """The copy, or None."""
        self._called("get", name)
        found = self.copies.get(name)
        return found[0] if found else None

    async def forget(self, name: str) -> None:
        """Delete the copy, if there is one."""
        self._called("forget", name)
        if self.copies.pop(name, None):
            self.deleted.add(name)

    def _called(self, what: str, name: str) -> None:
        self.log.append((what, name))
        self.before(name)

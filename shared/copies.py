"""Which copies of old values are in the vault: a row each, from before it is laid in until after it is deleted.

Counterpart's role lists no secrets, so a copy that was left behind is found by its row alone.
"""

import contextlib
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec

from shared.absence import Absence
from shared.clock import Clock
from shared.errors import Conflict
from shared.groups.model import Value
from shared.store import Key, Store, key, revise

COPIES: Final = "copies/"  # before the keys of these rows
COPY_LIVES: Final = timedelta(
    days=1
)  # an unverified write is over long before; then the copy expires by itself


class Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One copy that is in the vault, or may be."""

    name: str
    group_id: str
    at: datetime
    unmanaged: Absence | None = None  # since then no answer of Traffic Manager's has named the group as ours


class Copies(Protocol):
    """The vault: the port RollbackCopies of settings_sync, and OldValues of artifact_hosts."""

    async def keep(self, name: str, content: Value, *, expires: datetime) -> None:
        """Store a copy under a name of letters, digits and dashes, which is used once."""
        ...

    async def get(self, name: str) -> Value | None:
        """The copy, or None when there is none (any more)."""
        ...

    async def forget(self, name: str) -> None:
        """Delete the copy; no error when there is none."""
        ...


class Listed:
    """One group's copies in the vault, each with its row."""

    def __init__(self, copies: Copies, store: Store, clock: Clock, group_id: str) -> None:
        self._copies, self._store, self._clock, self._group_id = copies, store, clock, group_id

    async def keep(self, name: str, content: Value, *, expires: datetime) -> None:
        """Store a copy, its row first."""
        new = Kept(name=name, group_id=self._group_id, at=self._clock.now())
        await revise(self._store, kept_key(name), Kept, lambda row: row or new)
        await self._copies.keep(name, content, expires=expires)

    async def get(self, name: str) -> Value | None:
        """The copy, or None."""
        return await self._copies.get(name)

    async def forget(self, name: str) -> None:
        """Delete the copy, its row last."""
        await self._copies.forget(name)
        stored = await self._store.get(kept_key(name))
        if stored is not None:
            with contextlib.suppress(Conflict):  # somebody else does it, or the sweep will
                await self._store.delete(stored.row.key, if_version=stored.version)


def kept_key(name: str) -> Key:
    """Return where the row of a copy lies."""
    return key("copies", name)

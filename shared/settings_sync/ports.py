"""Ports of settings_sync, apart from the writes (shared.disruption.ports).

Every method may raise Unavailable, Throttled, Denied; reads of a site raise NotFound when it is gone.
"""

from datetime import datetime
from typing import Protocol

from shared.groups.model import ReferenceStatus, RegionSettings, Value


class SettingsReads(Protocol):
    """A site's settings, read."""

    async def get_settings(self, site_id: str) -> RegionSettings:
        """App settings and connection strings of the production slot: two reads."""
        ...

    async def list_references(self, site_id: str) -> tuple[ReferenceStatus, ...]:
        """The status of every Key Vault reference among the app settings."""
        ...


class RollbackCopies(Protocol):
    """A peer's old values, in Key Vault, while its write is being verified."""

    async def keep(self, name: str, content: Value, *, expires: datetime) -> None:
        """Store a copy under a name of letters, digits and dashes, which is used once."""
        ...

    async def get(self, name: str) -> Value | None:
        """The copy, or None when there is none (any more)."""
        ...

    async def forget(self, name: str) -> None:
        """Delete the copy; no error when there is none."""
        ...

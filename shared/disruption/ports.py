"""All that can hurt a region. Nothing here runs without a Permit.

Every method may raise Unavailable, Throttled, Denied or NotFound. After Unavailable the effect may have happened.
"""

from collections.abc import Mapping
from typing import Protocol

from shared.disruption.model import Permit
from shared.groups.model import AppSettings, ConnectionString


class SettingsWrites(Protocol):
    """Full-replace writes of a site's settings; each restarts the app."""

    async def put_app_settings(self, site_id: str, settings: AppSettings, *, permit: Permit) -> None:
        """Replace all app settings."""
        ...

    async def put_connection_strings(
        self, site_id: str, strings: Mapping[str, ConnectionString], *, permit: Permit
    ) -> None:
        """Replace all connection strings."""
        ...

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


class AppControl(Protocol):
    """Restarts an app. Nothing here runs without a Permit."""

    async def restart(self, site_id: str, *, permit: Permit) -> None:
        """Restart the app; it fetches its package again."""
        ...


class EndpointControl(Protocol):
    """One endpoint of a profile, in and out of DNS. Each call is one PATCH of that endpoint and of nothing else."""

    async def disable_endpoint(self, profile_id: str, endpoint: str, *, permit: Permit) -> None:
        """Take it out of DNS. Whoever asks has seen another endpoint enabled and online a moment ago."""
        ...

    async def enable_endpoint(self, profile_id: str, endpoint: str, *, weight: int | None = None) -> None:
        """Put it back, with this weight when one is given. Needs no permit: it only gives back."""
        ...

"""Ports of artifact_hosts, apart from those that can hurt a region (shared.disruption.ports).

Reads of a site raise NotFound when it is gone, and Unavailable, Throttled or Denied; the vault's raise the same.
"""

from datetime import datetime
from typing import Protocol

from shared.artifact_hosts.model import Check
from shared.groups.model import RegionSettings, Value


class PackageReads(Protocol):
    """A package at its host, looked at without being downloaded. Never raises."""

    async def check(self, url: Value, *, known: str = "") -> Check:
        """Would an app that starts get a package here, and which one?

        `known` is the entity tag of an earlier check; with it an unchanged package is not read again.
        """
        ...


class HomePages(Protocol):
    """The home page of an app on its own host name. Never raises."""

    async def get_version(self, host: str, *, port: int) -> str:
        """The version that the home page shows, empty when it shows none."""
        ...


class SettingsReads(Protocol):
    """A site's settings, read."""

    async def get_settings(self, site_id: str) -> RegionSettings:
        """App settings and connection strings of the production slot: two reads."""
        ...


class OldValues(Protocol):
    """A region's old package URL, in Key Vault, while its rotation is being verified."""

    async def keep(self, name: str, content: Value, *, expires: datetime) -> None:
        """Store a copy under a name of letters, digits and dashes."""
        ...

    async def get(self, name: str) -> Value | None:
        """The copy, or None when there is none (any more)."""
        ...

    async def forget(self, name: str) -> None:
        """Delete the copy; no error when there is none."""
        ...

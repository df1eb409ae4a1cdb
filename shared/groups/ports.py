"""Ports of groups: reads only. Every method may raise Unavailable, Throttled or Denied."""

from typing import Protocol

from shared.groups.model import NameAnswer, ProbeRequest, ProbeResult, Profile, ScepProof, Site


class Profiles(Protocol):
    """Traffic Manager, read."""

    async def list_profiles(self, subscription: str) -> tuple[Profile, ...]:
        """Every profile of a subscription with its endpoints' status: one read for all groups."""
        ...


class Sites(Protocol):
    """App Service sites, read. Raises NotFound when there is no such site."""

    async def get_site(self, site_id: str) -> Site:
        """The site's operating system, default host name and state."""
        ...


class Probes(Protocol):
    """Asking a region itself, on its default host name, never through Traffic Manager. Never raises."""

    async def get_probe(self, host: str, asked: ProbeRequest) -> ProbeResult:
        """One probe as the profile wants it: a GET, or a connection alone."""
        ...

    async def get_scep_proof(self, host: str, *, port: int, path: str) -> ScepProof:
        """GetCACaps and GetCACert at the SCEP path."""
        ...


class Names(Protocol):
    """DNS, asked anew each time: what a device would be told now. Never raises."""

    async def resolve(self, name: str) -> NameAnswer:
        """The aliases that the name leads along, and the addresses at their end."""
        ...

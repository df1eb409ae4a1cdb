"""Traffic Manager through azure-mgmt-trafficmanager: the port `Profiles`. Imports the SDK; import it lazily."""

from typing import Final

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.mgmt.trafficmanager import models
from azure.mgmt.trafficmanager.aio import TrafficManagerManagementClient

from shared.adapters.resource_manager import PUBLIC_ARM, Clients, asking, text
from shared.groups.model import Endpoint, Monitor, MonitorStatus, Profile

_NEEDS = "Microsoft.Network/trafficManagerProfiles/read on the subscription or the profiles"
_TYPES: Final = {it.lower(): it for it in ("azureEndpoints", "externalEndpoints", "nestedEndpoints")}


class TrafficManagerProfiles:
    """Profiles of any subscription, with one client for each, made when first needed."""

    def __init__(
        self,
        credential: AsyncTokenCredential,
        session: aiohttp.ClientSession,
        *,
        base_url: str = PUBLIC_ARM,
        audience: str = PUBLIC_ARM,
    ) -> None:
        self._clients = Clients(
            TrafficManagerManagementClient, credential, session, base_url=base_url, audience=audience
        )

    async def list_profiles(self, subscription: str) -> tuple[Profile, ...]:
        """Every profile of a subscription with its endpoints' status: one GET (more when Azure pages)."""
        async with asking(f"list Traffic Manager profiles of subscription {subscription}", needs=_NEEDS):
            found = self._clients.of(subscription).profiles.list_by_subscription()
            return tuple([_profile(it) async for it in found])

    async def aclose(self) -> None:
        """Close the clients; the lent session stays open."""
        await self._clients.aclose()


def _profile(said: models.Profile) -> Profile:
    properties = said.properties or models.ProfileProperties()
    dns = properties.dns_config or models.DnsConfig()
    return Profile(
        id=said.id or "",
        name=said.name or "",
        enabled=_is_enabled(properties.profile_status),
        routing=text(properties.traffic_routing_method),
        fqdn=dns.fqdn or "",
        ttl=dns.ttl or 0,
        monitor=_monitor(properties.monitor_config or models.MonitorConfig()),
        endpoints=tuple(_endpoint(it) for it in properties.endpoints or ()),
        tags=tuple(sorted((said.tags or {}).items())),
    )


def _monitor(said: models.MonitorConfig) -> Monitor:
    """Fields that an old profile leaves out have Azure's documented defaults (facts: section 3.2)."""
    return Monitor(
        protocol=text(said.protocol),
        port=said.port or 0,
        path=said.path or "",
        interval=said.interval_in_seconds or 30,
        timeout=said.timeout_in_seconds or 10,
        tolerated_failures=3 if (it := said.tolerated_number_of_failures) is None else it,
    )


def _endpoint(said: models.Endpoint) -> Endpoint:
    properties = said.properties or models.EndpointProperties()
    kind = (said.type or "").rsplit("/", 1)[-1]
    return Endpoint(
        name=said.name or "",
        type=_TYPES.get(kind.lower(), kind),
        target_id=properties.target_resource_id or "",
        target=properties.target or "",
        location=properties.endpoint_location or "",
        enabled=_is_enabled(properties.endpoint_status),
        status=_status(properties.endpoint_monitor_status),
        weight=properties.weight,
        priority=properties.priority,
    )


def _is_enabled(status: object) -> bool:
    return text(status).lower() == "enabled"


def _status(said: object) -> MonitorStatus:
    known = {it.value.lower(): it for it in MonitorStatus}
    return known.get(text(said).lower(), MonitorStatus.UNKNOWN)

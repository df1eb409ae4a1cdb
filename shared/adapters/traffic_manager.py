"""Traffic Manager through azure-mgmt-trafficmanager: the ports `Profiles` and `EndpointControl`.

Imports the SDK; import it lazily.
"""

import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Final

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.mgmt.trafficmanager import models
from azure.mgmt.trafficmanager.aio import TrafficManagerManagementClient

from shared.adapters.pace import Pace
from shared.adapters.resource_manager import PUBLIC_ARM, WRITE_DEADLINE, Clients, asking, once, text
from shared.disruption.model import Permit
from shared.errors import NotFound
from shared.groups.model import ONLY_200, Endpoint, Headers, Monitor, MonitorStatus, Nesting, Profile, Value

_NEEDS = "Microsoft.Network/trafficManagerProfiles/read on the subscription"
_WRITE = "Microsoft.Network/trafficManagerProfiles/azureEndpoints/write on the profile"
_PROFILE = re.compile(
    r"/subscriptions/(?P<subscription>[^/\s?#%]+)/resourceGroups/(?P<group>[^/\s?#%]+)"
    r"/providers/Microsoft\.Network/trafficManagerProfiles/(?P<name>[^/\s?#%]+)",
    re.IGNORECASE,
)
_TYPES: Final = {name.lower(): name for name in ("azureEndpoints", "externalEndpoints", "nestedEndpoints")}


class TrafficManagerProfiles:
    """Profiles of any subscription, with one client for each, made when first needed."""

    def __init__(
        self,
        credential: AsyncTokenCredential,
        session: aiohttp.ClientSession,
        *,
        base_url: str = PUBLIC_ARM,
        audience: str = PUBLIC_ARM,
        pace: Pace | None = None,
    ) -> None:
        self._clients = Clients(
            TrafficManagerManagementClient,
            credential,
            session,
            base_url=base_url,
            audience=audience,
            pace=pace,
        )

    async def list_profiles(self, subscription: str) -> tuple[Profile, ...]:
        """Every profile of a subscription with its endpoints' status: one GET (more when Azure pages)."""
        async with asking(f"list Traffic Manager profiles of subscription {subscription}", needs=_NEEDS):
            found = self._clients.of(subscription).profiles.list_by_subscription()
            said = [profile async for profile in found]
        nestings = _nestings(said)
        return tuple(_profile(profile, nestings.get((profile.id or "").lower(), ())) for profile in said)

    async def disable_endpoint(self, profile_id: str, endpoint: str, *, permit: Permit) -> None:
        """One PATCH that sets `endpointStatus` to Disabled; never repeated."""
        correlation = uuid.uuid5(uuid.NAMESPACE_URL, f"counterpart:{permit.id}")
        await self._patch(
            profile_id,
            endpoint,
            models.EndpointProperties(endpoint_status="Disabled"),
            {"x-ms-correlation-request-id": str(correlation)},
        )

    async def enable_endpoint(self, profile_id: str, endpoint: str, *, weight: int | None = None) -> None:
        """One PATCH that sets `endpointStatus` to Enabled, and the weight when one is given."""
        enabled = models.EndpointProperties(endpoint_status="Enabled")
        if weight is not None:
            enabled.weight = weight
        await self._patch(profile_id, endpoint, enabled, {})

    async def _patch(
        self, profile_id: str, endpoint: str, changes: models.EndpointProperties, headers: Mapping[str, str]
    ) -> None:
        at = _PROFILE.fullmatch(profile_id)
        if at is None:
            raise NotFound(f"{profile_id!r} is not the id of a Traffic Manager profile")
        what = f"change endpoint {endpoint} of profile {at['name']}"
        async with asking(what, seconds=WRITE_DEADLINE, needs=_WRITE):
            await self._clients.of(at["subscription"]).endpoints.update(
                at["group"],
                at["name"],
                "AzureEndpoints",  # the type of those that target web apps, as paths spell it
                endpoint,
                models.Endpoint(properties=changes),
                headers=dict(headers),
                **once(),
            )

    async def aclose(self) -> None:
        """Close the clients; the lent session stays open."""
        await self._clients.aclose()


def _nestings(profiles: Iterable[models.Profile]) -> dict[str, tuple[Nesting, ...]]:
    """Return the enabled endpoints that lead to a profile, by that profile's id in lower case."""
    found: dict[str, tuple[Nesting, ...]] = {}
    for parent in profiles:
        for endpoint in (parent.properties and parent.properties.endpoints) or ():
            its = endpoint.properties or models.EndpointProperties()
            child = (its.target_resource_id or "").lower()
            if not _PROFILE.fullmatch(child) or not _is_enabled(its.endpoint_status):
                continue
            nesting = Nesting(
                profile=parent.name or "",
                endpoint=endpoint.name or "",
                least=1 if its.min_child_endpoints is None else its.min_child_endpoints,
                least_ipv4=its.min_child_endpoints_i_pv4 or 0,
                least_ipv6=its.min_child_endpoints_i_pv6 or 0,
            )
            found[child] = (*found.get(child, ()), nesting)
    return found


def _profile(said: models.Profile, nested_in: tuple[Nesting, ...]) -> Profile:
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
        endpoints=tuple(_endpoint(endpoint) for endpoint in properties.endpoints or ()),
        tags=tuple(sorted((said.tags or {}).items())),
        nested_in=nested_in,
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
        expected=tuple((item.min or 0, item.max or 0) for item in said.expected_status_code_ranges or ())
        or ONLY_200,
        headers=_headers(said.custom_headers),
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
        always_serve=_is_enabled(properties.always_serve),
        headers=_headers(properties.custom_headers),
        geo_mapping=tuple(properties.geo_mapping or ()),
    )


def _headers(
    said: Iterable[models.MonitorConfigCustomHeadersItem | models.EndpointPropertiesCustomHeadersItem] | None,
) -> Headers:
    return tuple((item.name, Value(item.value or "")) for item in said or () if item.name)


def _is_enabled(status: object) -> bool:
    return text(status).lower() == "enabled"


def _status(said: object) -> MonitorStatus:
    known = {monitor_status.value.lower(): monitor_status for monitor_status in MonitorStatus}
    return known.get(text(said).lower(), MonitorStatus.UNKNOWN)

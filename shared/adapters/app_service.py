"""App Service through azure-mgmt-web: the ports `Sites`, `SettingsReads`, `SettingsWrites` and `AppControl`.

Importing this module imports the SDK, whose one package cannot be had in parts (facts: section 4.1; it loads the
synchronous client too): import it when a trigger first needs it.
"""

import asyncio
import uuid
from collections.abc import Coroutine, Mapping
from typing import Any

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.mgmt.web import models
from azure.mgmt.web.aio import WebSiteManagementClient

from shared.adapters.pace import Pace
from shared.adapters.resource_manager import (
    PUBLIC_ARM,
    WRITE_DEADLINE,
    Clients,
    SiteId,
    asking,
    once,
    parse_resource_id,
    text,
)
from shared.disruption.model import Permit
from shared.groups.model import (
    AppSettings,
    ConnectionString,
    Os,
    ReferenceStatus,
    RegionSettings,
    Site,
    Value,
)

_SITE_READ = "Microsoft.Web/sites/Read on the site"
_CONFIG_READ = "Microsoft.Web/sites/config/Read on the site"
_SECRETS_READ = "Microsoft.Web/sites/config/list/Action on the site"
_CONFIG_WRITE = "Microsoft.Web/sites/config/Write on the site"
_RESTART = "Microsoft.Web/sites/restart/Action on the site"


class AppService:
    """Sites of any subscription, with one client for each, made when first needed."""

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
            WebSiteManagementClient, credential, session, base_url=base_url, audience=audience, pace=pace
        )

    async def get_site(self, site_id: str) -> Site:
        """The site's operating system, default host name and state: one GET."""
        at = parse_resource_id(site_id)
        async with asking(f"read site {at.name}", needs=_SITE_READ):
            said = await self._clients.of(at.subscription).web_apps.get(at.group, at.name)
        properties = said.properties or models.SiteProperties()
        return Site(
            id=said.id or site_id,
            host=properties.default_host_name or "",
            os=_os(said.kind, reserved=properties.reserved),
            running=text(properties.state).lower() == "running",
            sku=text(properties.sku),
        )

    async def get_settings(self, site_id: str) -> RegionSettings:
        """App settings and connection strings of the production slot: two POSTs at the same time."""
        at = parse_resource_id(site_id)
        app, connections = await _both(self._list_app_settings(at), self._list_connection_strings(at))
        return RegionSettings(app=app, connections=connections)

    async def list_references(self, site_id: str) -> tuple[ReferenceStatus, ...]:
        """The status of every Key Vault reference among the app settings: one GET for each page."""
        at = parse_resource_id(site_id)
        async with asking(f"list Key Vault references of site {at.name}", needs=_CONFIG_READ):
            found = self._clients.of(at.subscription).web_apps.get_app_settings_key_vault_references(
                at.group, at.name
            )
            return tuple([_reference(it) async for it in found])

    async def put_app_settings(self, site_id: str, settings: AppSettings, *, permit: Permit) -> None:
        """Replace all app settings: one PUT, never repeated, since a lost answer may hide an effect."""
        at = parse_resource_id(site_id)
        values = {name: value.reveal() for name, value in settings.items()}
        what = f"replace the app settings of site {at.name}"
        async with asking(what, seconds=WRITE_DEADLINE, needs=_CONFIG_WRITE):
            await self._clients.of(at.subscription).web_apps.update_application_settings(
                at.group, at.name, models.StringDictionary(properties=values), **_written_under(permit)
            )

    async def put_connection_strings(
        self, site_id: str, strings: Mapping[str, ConnectionString], *, permit: Permit
    ) -> None:
        """Replace all connection strings: one PUT, never repeated."""
        at = parse_resource_id(site_id)
        pairs = {
            name: models.ConnStringValueTypePair(value=it.value.reveal(), type=it.type)
            for name, it in strings.items()
        }
        what = f"replace the connection strings of site {at.name}"
        async with asking(what, seconds=WRITE_DEADLINE, needs=_CONFIG_WRITE):
            await self._clients.of(at.subscription).web_apps.update_connection_strings(
                at.group,
                at.name,
                models.ConnectionStringDictionary(properties=pairs),
                **_written_under(permit),
            )

    async def restart(self, site_id: str, *, permit: Permit) -> None:
        """Restart the app: one POST, never repeated. It answers before the app is back."""
        at = parse_resource_id(site_id)
        async with asking(f"restart site {at.name}", seconds=WRITE_DEADLINE, needs=_RESTART):
            await self._clients.of(at.subscription).web_apps.restart(
                at.group, at.name, **_written_under(permit)
            )

    async def aclose(self) -> None:
        """Close the clients; the lent session stays open."""
        await self._clients.aclose()

    async def _list_app_settings(self, at: SiteId) -> AppSettings:
        async with asking(f"list the app settings of site {at.name}", needs=_SECRETS_READ):
            said = await self._clients.of(at.subscription).web_apps.list_application_settings(
                at.group, at.name
            )
        return AppSettings({name: Value(it or "") for name, it in (said.properties or {}).items()})

    async def _list_connection_strings(self, at: SiteId) -> dict[str, ConnectionString]:
        async with asking(f"list the connection strings of site {at.name}", needs=_SECRETS_READ):
            said = await self._clients.of(at.subscription).web_apps.list_connection_strings(at.group, at.name)
        return {
            name: ConnectionString(Value(it.value or ""), text(it.type))
            for name, it in (said.properties or {}).items()
        }


def _written_under(permit: Permit) -> dict[str, Any]:
    """Options of a write: once, and with the permit's id where Azure's activity log will show it.

    The correlation id is a GUID. It is not the client request id, by which Resource Manager recognises repeats.
    """
    correlation = uuid.uuid5(uuid.NAMESPACE_URL, f"counterpart:{permit.id}")
    return {**once(), "headers": {"x-ms-correlation-request-id": str(correlation)}}


def _os(kind: str | None, *, reserved: bool | None) -> Os:
    """Linux sites are `reserved` and have `linux` among the words of their kind (`app,linux`)."""
    linux = bool(reserved) or "linux" in (kind or "").lower().split(",")
    return Os.LINUX if linux else Os.WINDOWS


def _reference(said: models.ApiKVReference) -> ReferenceStatus:
    return ReferenceStatus(name=said.name or "", status=text(said.properties and said.properties.status))


async def _both[A, B](one: Coroutine[Any, Any, A], other: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Both results; when one fails the other is stopped, and the first failure is raised by itself."""
    try:
        async with asyncio.TaskGroup() as group:
            first, second = group.create_task(one), group.create_task(other)
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed.exceptions[0].__cause__
    return first.result(), second.result()

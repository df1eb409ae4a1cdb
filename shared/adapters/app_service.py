"""App Service through azure-mgmt-web: the ports `Sites`, `SettingsReads`, `SettingsWrites` and `AppControl`.

Importing this module imports the SDK, whose one package cannot be had in parts (facts: section 4.1; it loads the
synchronous client too): import it when a trigger first needs it.
"""

import asyncio
import json
import uuid
from collections.abc import Coroutine, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from azure.mgmt.core.exceptions import ARMErrorFormat
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
    Json,
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
            return tuple([_reference(api_kvreference) async for api_kvreference in found])

    async def put_app_settings(self, site_id: str, settings: AppSettings, *, permit: Permit) -> None:
        """Replace all app settings: one PUT, never repeated, since a lost answer may hide an effect."""
        at = parse_resource_id(site_id)
        values = {name: value.json for name, value in settings.items()}
        what = f"replace the app settings of site {at.name}"
        await self._put(at, "appsettings", values, permit, what)

    async def put_connection_strings(
        self, site_id: str, strings: Mapping[str, ConnectionString], *, permit: Permit
    ) -> None:
        """Replace all connection strings: one PUT, never repeated."""
        at = parse_resource_id(site_id)
        what = f"replace the connection strings of site {at.name}"
        await self._put(
            at,
            "connectionstrings",
            {name: _entry(connection_string) for name, connection_string in strings.items()},
            permit,
            what,
        )

    async def restart(self, site_id: str, *, permit: Permit) -> None:
        """Restart the app: one POST, never repeated. It answers before the app is back."""
        at = parse_resource_id(site_id)
        async with asking(f"restart site {at.name}", seconds=WRITE_DEADLINE, needs=_RESTART):
            await self._clients.of(at.subscription).web_apps.restart(
                at.group, at.name, headers=_correlated(permit), **once()
            )

    async def aclose(self) -> None:
        """Close the clients; the lent session stays open."""
        await self._clients.aclose()

    async def _list_app_settings(self, at: SiteId) -> AppSettings:
        found = await self._list(at, "appsettings", f"list the app settings of site {at.name}")
        return AppSettings({name: parse_value(item) for name, item in found.items()})

    async def _list_connection_strings(self, at: SiteId) -> dict[str, ConnectionString]:
        found = await self._list(at, "connectionstrings", f"list the connection strings of site {at.name}")
        return {name: _connection(item) for name, item in found.items()}

    # The SDK's models turn what is no text into Python's text for it (`True`, `{'a': 1}`), and the next PUT would
    # write that (azure-mgmt-web 11.0.1). So these bodies pass by the models, through the SDK's own pipeline.

    async def _list(self, at: SiteId, section: str, what: str) -> Mapping[str, Any]:
        """One config section that holds secrets, every value of it as it was sent."""
        request = HttpRequest("POST", f"{_section(at, section)}/list", params=_API)
        async with asking(what, needs=_SECRETS_READ):
            return parse_section(await self._send(at, request))

    async def _send(self, at: SiteId, request: HttpRequest, **options: Any) -> str:
        """The answer's body. As the SDK's operations do, all but 200 is a failure, a redirect too."""
        answer = await self._clients.of(at.subscription).send_request(request, **options)
        if answer.status_code != HTTPStatus.OK:
            raise HttpResponseError(response=answer, error_format=ARMErrorFormat)
        return answer.text("utf-8-sig")

    async def _put(
        self, at: SiteId, section: str, values: Mapping[str, str], permit: Permit, what: str
    ) -> None:
        """Replace one config section by these names with their JSON."""
        request = HttpRequest(
            "PUT",
            _section(at, section),
            params=_API,
            headers={"Content-Type": "application/json", **_correlated(permit)},
            content=section_json(values).encode(),
        )
        async with asking(what, seconds=WRITE_DEADLINE, needs=_CONFIG_WRITE):
            await self._send(at, request, **once())


class _Number(str):
    """A number as it was written: `1.10` must not come back as `1.1`."""

    __slots__ = ()


_EXACT = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_Number)
_API = {"api-version": "2025-05-01"}  # as azure-mgmt-web 11.0.1 asks for


def _section(at: SiteId, name: str) -> str:
    """Return where a config section of a site lies."""
    subscription, group, site = (quote(part, safe="") for part in at)
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Web/sites/{site}/config/{name}"


def parse_section(body: str) -> Mapping[str, Any]:
    """The names and values of a config section, exactly as they were sent.

    Raises:
        ValueError: it is no JSON, or no section; a site without settings has an empty one.
    """
    try:
        said = _EXACT.decode(body)
    except RecursionError:
        raise ValueError("the answer is nested too deep") from None
    found = said.get("properties", ()) if isinstance(said, dict) else ()
    if not isinstance(found, dict | None):
        raise ValueError("the answer is no config section")  # noqa: TRY004 -- of what was sent to us
    return found or {}


def section_json(values: Mapping[str, str]) -> str:
    """A config section that has these names with their JSON."""
    return f'{{"properties":{_object(values)}}}'


def _object(values: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{item}" for name, item in values.items()) + "}"


def _json(it: Any) -> str:
    """JSON again, from what `_EXACT` made of it."""
    match it:
        case _Number():
            return str(it)
        case dict():
            return _object({name: _json(each) for name, each in it.items()})
        case list():
            return "[" + ",".join(_json(each) for each in it) + "]"
        case _:
            return json.dumps(it)


def parse_value(it: Any) -> Value:
    """The value of an app setting, from what `parse_section` read."""
    is_text = isinstance(it, str) and not isinstance(it, _Number)
    return Value(it if is_text else Json(_json(it)))


def _connection(it: Any) -> ConnectionString:
    match it:
        case {"value": value, "type": str(kind), **rest} if (
            kind and not isinstance(kind, _Number) and not rest
        ):
            return ConnectionString(parse_value(value), kind)
        case _:
            return ConnectionString(Value(Json(_json(it))), "")


def _entry(it: ConnectionString) -> str:
    """The JSON of a connection string."""
    return _object({"value": it.value.json, "type": json.dumps(it.type)}) if it.type else it.value.json


def _correlated(permit: Permit) -> dict[str, str]:
    """The permit's id, where Azure's activity log will show it.

    The correlation id is a GUID. It is not the client request id, by which Resource Manager recognises repeats.
    """
    correlation = uuid.uuid5(uuid.NAMESPACE_URL, f"counterpart:{permit.id}")
    return {"x-ms-correlation-request-id": str(correlation)}


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

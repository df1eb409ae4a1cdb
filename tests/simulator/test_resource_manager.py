"""The simulated Resource Manager, used through the real SDKs, and by hand where it must refuse."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import ClientSecretCredential
from azure.mgmt.trafficmanager.aio import TrafficManagerManagementClient
from azure.mgmt.web.aio import WebSiteManagementClient
from azure.mgmt.web.models import ConnStringValueTypePair

from simulator.arm import ArmError
from simulator.pair import a_pair, many
from simulator.premises import Premises
from simulator.services import resource_manager, sign_in
from simulator.services.resource_manager import Bucket
from simulator.world import SUBSCRIPTION, Secret, World

GROUP, WEST, NORTH = "rg-scepman", "app-scepman-weu", "app-scepman-neu"
SITES = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Web/sites"
PROFILES = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network/trafficManagerProfiles"
)
WEB, TRAFFIC, GROUPS, SUBSCRIPTIONS = "2025-05-01", "2026-09-01", "2021-04-01", "2022-12-01"


@dataclass
class Azure:
    """A cloud with clients that are signed in as the operator."""

    cloud: Premises
    session: aiohttp.ClientSession
    web: Any  # azure-mgmt-web's and azure-mgmt-trafficmanager's clients: every field of their models
    traffic: Any  # is optional, which the tests know better

    @property
    def world(self) -> World:
        """The world."""
        return self.cloud.world

    async def ask(
        self, method: str, path: str, version: str = WEB, *, who: str = "operator", body: Any = None
    ) -> tuple[int, Any, Any]:
        """(status, headers, body) of one request as a principal; as nobody when `who` is empty."""
        headers = {}
        if who:
            principal = next(one for one in self.cloud.principals if one.name == who)
            token, _ = self.cloud.tokens.issue(principal, "https://management.azure.com", "https://sts.test/")
            headers["Authorization"] = f"Bearer {token}"
        query = {"api-version": version} if version else {}
        url = self.cloud.arm_url + path
        async with self.session.request(method, url, params=query, headers=headers, json=body) as answer:
            text = await answer.text()
            return answer.status, answer.headers, await answer.json() if text else None


@pytest.fixture
async def azure(tmp_path: Path) -> AsyncIterator[Azure]:
    """Sign-in and Resource Manager over a pair whose second region is on Linux; retries are off."""
    cloud = Premises(a_pair("linux"), tmp_path)
    async with sign_in.serve(cloud), resource_manager.serve(cloud):
        connector = aiohttp.TCPConnector(ssl=cloud.authority.client_context())
        async with aiohttp.ClientSession(connector=connector) as session:
            transport = AioHttpTransport(session=session, session_owner=False)
            credential = ClientSecretCredential(
                cloud.tenant,
                cloud.operator.app_id,
                cloud.operator.secret,
                authority=cloud.login_url,
                transport=transport,
            )
            lent: dict[str, Any] = {"base_url": cloud.arm_url, "transport": transport, "retry_total": 0}
            yield Azure(
                cloud,
                session,
                WebSiteManagementClient(credential, SUBSCRIPTION, **lent),
                TrafficManagerManagementClient(credential, SUBSCRIPTION, **lent),
            )


# Sites and settings, through azure-mgmt-web


async def test_sites(azure: Azure) -> None:
    """A site tells its system, its host, its state and the profiles that send traffic to it."""
    found = {site.name: site async for site in azure.web.web_apps.list()}
    assert sorted(found) == sorted([WEST, NORTH])
    north = await azure.web.web_apps.get(GROUP.upper(), NORTH.upper())
    assert (north.id, north.kind, north.location) == (f"{SITES}/{NORTH}", "app,linux", "North Europe")
    assert north.properties.reserved is True
    assert found[WEST].properties.reserved is False
    assert north.properties.default_host_name == "app-scepman-neu.azurewebsites.test"
    assert north.properties.state == "Running"
    assert north.properties.traffic_manager_host_names == ["scepman.trafficmanager.test"]
    assert [site.name async for site in azure.web.web_apps.list_by_resource_group(GROUP)] == list(found)


async def test_settings_are_replaced_as_a_whole(azure: Azure) -> None:
    """A PUT replaces all settings, restarts the app once, and is journalled under the caller's name."""
    apps, site = azure.web.web_apps, azure.world.sites[WEST]
    before = await apps.list_application_settings(GROUP, WEST)
    assert before.properties == site.app_settings
    changed = {"AppConfig:LicenseKey": "S3CRET-new", "Other": ""}
    after = await apps.update_application_settings(GROUP, WEST, {"properties": changed})
    assert after.properties == changed == site.app_settings == site.loaded
    assert [(happening.what, happening.who) for happening in azure.world.journal] == [
        ("settings-put", "operator"),
        ("restart", "platform"),
    ]
    assert site.generation == 2
    assert "S3CRET-new" not in repr(azure.world.journal)


async def test_settings_that_are_no_text(azure: Azure) -> None:
    """Null, booleans and numbers are stored and served as they were sent; the app reads text."""
    sent = {"Null": None, "Empty": "", "Truth": True, "Number": 12}
    await azure.ask("PUT", f"{SITES}/{WEST}/config/appsettings", body={"properties": sent})
    _, _, body = await azure.ask("POST", f"{SITES}/{WEST}/config/appsettings/list")
    assert body["properties"] == sent == azure.world.sites[WEST].app_settings
    assert azure.world.sites[WEST].loaded == {"Null": "", "Empty": "", "Truth": "True", "Number": "12"}
    pair = {"value": None, "type": "Custom"}
    await azure.ask("PUT", f"{SITES}/{WEST}/config/connectionstrings", body={"properties": {"Db": pair}})
    _, _, body = await azure.ask("POST", f"{SITES}/{WEST}/config/connectionstrings/list")
    assert body["properties"] == {"Db": pair}


async def test_a_settings_write_is_told(azure: Azure) -> None:
    """The write raises ChangedAppSettings for its site; connection strings raise nothing."""
    told: list[tuple[str, str]] = []
    azure.world.on_change.append(lambda site, action: told.append((site.name, action)))
    await azure.web.web_apps.update_application_settings(GROUP, WEST, {"properties": {"A": "1"}})
    await azure.web.web_apps.update_connection_strings(GROUP, WEST, {"properties": {}})
    assert told == [(WEST, "ChangedAppSettings")]


async def test_connection_strings(azure: Azure) -> None:
    """Connection strings come with their types and are replaced as a whole."""
    apps = azure.web.web_apps
    before = await apps.list_connection_strings(GROUP, WEST)
    assert before.properties["Reporting"].type == "SQLAzure"
    pair = ConnStringValueTypePair(value="Endpoint=x", type="Custom")
    await apps.update_connection_strings(GROUP, WEST, {"properties": {"New": pair}})
    assert azure.world.sites[WEST].connection_strings == {"New": ("Endpoint=x", "Custom")}
    assert azure.world.count("restart", WEST) == 1


async def test_slot_names_and_configuration(azure: Azure) -> None:
    """The names that stay with a slot can be read and set; config/web has the health check."""
    apps = azure.web.web_apps
    await apps.update_slot_configuration_names(GROUP, WEST, {"properties": {"appSettingNames": ["A"]}})
    assert (await apps.list_slot_configuration_names(GROUP, WEST)).properties.app_setting_names == ["A"]
    assert (await apps.get_configuration(GROUP, WEST)).properties.health_check_path == "/probe"


@pytest.mark.parametrize(
    ("site", "sent", "message"),
    [
        (WEST, {}, "properties"),
        (WEST, {"properties": ["A"]}, "properties"),
        (WEST, {"properties": {"A": {"nested": "1"}}}, "A"),
        (WEST, {"properties": {"A": [1]}}, "A"),
        (NORTH, {"properties": {"AppConfig:BaseUrl": "x"}}, "AppConfig:BaseUrl"),
        (NORTH, {"properties": {"with-dash": "x"}}, "with-dash"),
    ],
)
async def test_settings_that_are_refused(azure: Azure, site: str, sent: dict[str, Any], message: str) -> None:
    """What is no map of plain values, or has a name that Linux cannot have, changes nothing."""
    before = dict(azure.world.sites[site].app_settings)
    status, _, body = await azure.ask("PUT", f"{SITES}/{site}/config/appsettings", body=sent)
    assert status == 400
    assert body["Code"] == "BadRequest"
    assert body["Details"][2]["ErrorEntity"]["Parameters"] == [message]
    assert azure.world.sites[site].app_settings == before
    assert azure.world.journal == []


async def test_restart_stop_start(azure: Azure) -> None:
    """Restart starts a new process; a stopped site has none until it is started."""
    apps, site = azure.web.web_apps, azure.world.sites[WEST]
    await apps.restart(GROUP, WEST)
    assert site.generation == 2
    await apps.stop(GROUP, WEST)
    assert (await apps.get(GROUP, WEST)).properties.state == "Stopped"
    await apps.update_application_settings(GROUP, WEST, {"properties": {"A": "1"}})
    assert site.generation == 2
    await apps.start(GROUP, WEST)
    assert (site.state, site.loaded) == ("Running", {"A": "1"})


async def test_settings_that_are_read_stale(azure: Azure) -> None:
    """After each PUT so many readings still find the former values; the app has the new ones at once."""
    site, apps = azure.world.sites[WEST], azure.web.web_apps
    site.faults.stale_reads = 2
    before = (await apps.list_application_settings(GROUP, WEST)).properties
    answered = await apps.update_application_settings(GROUP, WEST, {"properties": {"A": "1"}})
    read = [(await apps.list_application_settings(GROUP, WEST)).properties for _ in range(3)]
    assert read == [before, before, {"A": "1"}]
    assert answered.properties == site.loaded == {"A": "1"}
    strings = {"Db": {"value": "S3CRET-db", "type": "Custom"}}
    await apps.update_connection_strings(GROUP, WEST, {"properties": strings})
    names = [list((await apps.list_connection_strings(GROUP, WEST)).properties or ()) for _ in range(3)]
    assert names[0] == names[1] != names[2] == ["Db"]


# Key Vault references


async def test_key_vault_references(azure: Azure) -> None:
    """Each reference has the status with which it was resolved at the last start."""
    vault = azure.world.vaults["kv-scepman"]
    uri = "https://kv-scepman.vault.azure.test/secrets"
    settings = {
        "Plain": "text",
        "Named": "@Microsoft.KeyVault(VaultName=kv-scepman;SecretName=scepman-api-token)",
        "ByUri": f"@Microsoft.KeyVault(SecretUri={uri}/scepman-api-token/)",
        "NoSecret": f"@Microsoft.KeyVault(SecretUri={uri}/nothing)",
        "NoVersion": f"@Microsoft.KeyVault(SecretUri={uri}/scepman-api-token/{'0' * 32})",
        "NoVault": "@Microsoft.KeyVault(VaultName=nowhere;SecretName=x)",
        "Broken": "@Microsoft.KeyVault(SecretName=x)",
    }
    await azure.web.web_apps.update_application_settings(GROUP, WEST, {"properties": settings})
    references = azure.web.web_apps.get_app_settings_key_vault_references(GROUP, WEST)
    found = {reference.name: reference.properties async for reference in references}
    assert {name: item.status for name, item in found.items()} == {
        "Named": "Resolved",
        "ByUri": "Resolved",
        "NoSecret": "SecretNotFound",
        "NoVersion": "SecretVersionNotFound",
        "NoVault": "VaultNotFound",
        "Broken": "InvalidSyntax",
    }
    newest = vault.secrets["scepman-api-token"][-1]
    assert found["Named"].active_version == newest.version
    assert newest.value not in repr([item.as_dict() for item in found.values()])
    loaded = azure.world.sites[WEST].loaded
    assert (loaded["Named"], loaded["NoSecret"]) == (newest.value, settings["NoSecret"])


async def test_references_are_cached_until_a_refresh(azure: Azure) -> None:
    """A secret that appears later is seen after a refresh, not before."""
    await azure.web.web_apps.update_application_settings(
        GROUP, WEST, {"properties": {"Late": "@Microsoft.KeyVault(VaultName=kv-scepman;SecretName=late)"}}
    )
    azure.world.vaults["kv-scepman"].secrets["late"] = [Secret("1" * 32, "S3CRET-late", 0.0)]
    apps = azure.web.web_apps
    before = await apps.get_app_setting_key_vault_reference(GROUP, WEST, "Late")
    await azure.ask("POST", f"{SITES}/{WEST}/config/configreferences/appsettings/refresh", "2022-03-01")
    after = await apps.get_app_setting_key_vault_reference(GROUP, WEST, "late")
    assert (before.properties.status, after.properties.status) == ("SecretNotFound", "Resolved")


async def test_references_come_in_pages(azure: Azure) -> None:
    """The SDK follows the link to the next page."""
    text = "@Microsoft.KeyVault(VaultName=kv-scepman;SecretName=scepman-api-token)"
    azure.world.put_app_settings(azure.world.sites[WEST], {f"R{n:02}": text for n in range(45)}, "test")
    references = azure.web.web_apps.get_app_settings_key_vault_references(GROUP, WEST)
    assert len([reference async for reference in references]) == 45
    assert len([request for request in azure.cloud.requests if request.method == "GET"]) == 3


async def test_a_vault_that_does_not_know_the_site(azure: Azure) -> None:
    """A site whose identity has no role at the vault is refused, and gets the text of the reference."""
    azure.world.vaults["kv-scepman"].refused_sites.add(WEST)
    await azure.web.web_apps.restart(GROUP, WEST)
    found = await azure.web.web_apps.get_app_setting_key_vault_reference(
        GROUP, WEST, "AppConfig:CRL:RequestToken"
    )
    assert found.properties.status == "AccessToKeyVaultDenied"


# Traffic Manager, through azure-mgmt-trafficmanager


async def test_profiles(azure: Azure) -> None:
    """One list has every profile with the vendor's values and its endpoints' status."""
    (profile,) = [item async for item in azure.traffic.profiles.list_by_subscription()]
    assert profile.id == f"{PROFILES}/scepman"
    assert profile.tags == {"counterpart": "managed"}
    assert (profile.dns_config.ttl, profile.dns_config.fqdn) == (30, "scepman.trafficmanager.test")
    monitor = profile.monitor_config
    assert (monitor.protocol, monitor.path, monitor.interval_in_seconds) == ("HTTPS", "/probe", 10)
    assert (monitor.tolerated_number_of_failures, monitor.timeout_in_seconds) == (3, 5)
    assert [endpoint.endpoint_monitor_status for endpoint in profile.endpoints] == ["Online", "Online"]
    assert profile.endpoints[0].target_resource_id == f"{SITES}/{WEST}"
    by_group = [item.name async for item in azure.traffic.profiles.list_by_resource_group(GROUP)]
    assert by_group == ["scepman"]


async def test_an_endpoint_is_switched_off_and_on(azure: Azure) -> None:
    """Disabling shows at once; enabling begins with CheckingEndpoint; both are journalled with the caller."""
    endpoints = azure.traffic.endpoints
    place = (GROUP, "scepman", "AzureEndpoints", "weu")
    off = await endpoints.update(*place, {"properties": {"endpointStatus": "Disabled"}})
    assert off.endpoint_monitor_status == "Disabled"
    assert off.weight == 1
    on = await endpoints.update(*place, {"properties": {"endpointStatus": "Enabled", "weight": 5}})
    assert (on.endpoint_monitor_status, on.weight) == ("CheckingEndpoint", 5)
    assert (await endpoints.get(*place)).properties.weight == 5
    assert [(happening.where, happening.who, happening.detail) for happening in azure.world.journal] == [
        ("scepman/weu", "operator", "endpointStatus=Disabled"),
        ("scepman/weu", "operator", "endpointStatus=Enabled weight=5"),
    ]


async def test_a_profile_is_changed_and_set(azure: Azure) -> None:
    """PATCH changes what was sent; PUT sets endpoints too, and makes a profile where there was none."""
    profiles = azure.traffic.profiles
    patched = await profiles.update(GROUP, "scepman", {"properties": {"dnsConfig": {"ttl": 60}}})
    assert (patched.dns_config.ttl, patched.monitor_config.path) == (60, "/probe")
    endpoint = {
        "name": "only",
        "type": "Microsoft.Network/trafficManagerProfiles/azureEndpoints",
        "properties": {"targetResourceId": f"{SITES}/{NORTH}", "endpointStatus": "Enabled"},
    }
    body = {"location": "global", "properties": {"trafficRoutingMethod": "Priority", "endpoints": [endpoint]}}
    made = await profiles.create_or_update(GROUP, "second", body)
    assert [(endpoint.name, endpoint.target) for endpoint in made.endpoints] == [
        ("only", f"{NORTH}.azurewebsites.test")
    ]
    assert azure.world.profiles["second"].routing == "Priority"


async def test_how_endpoints_are_probed(azure: Azure) -> None:
    """Headers and expected statuses are null until they are set, and then what was set; an endpoint has its own."""
    _, _, before = await azure.ask("GET", f"{PROFILES}/scepman", TRAFFIC)
    monitor = before["properties"]["monitorConfig"]
    assert (monitor["customHeaders"], monitor["expectedStatusCodeRanges"]) == (None, None)
    headers = [{"name": "Host", "value": "scep.contoso.test"}]
    ranges = [{"min": 200, "max": 202}]
    sent = {"monitorConfig": {"customHeaders": headers, "expectedStatusCodeRanges": ranges}}
    await azure.ask("PATCH", f"{PROFILES}/scepman", TRAFFIC, body={"properties": sent})
    own = [{"name": "Host", "value": "other.contoso.test"}]
    path = f"{PROFILES}/scepman/azureEndpoints/weu"
    await azure.ask("PATCH", path, TRAFFIC, body={"properties": {"customHeaders": own}})
    _, _, after = await azure.ask("GET", f"{PROFILES}/scepman", TRAFFIC)
    assert after["properties"]["monitorConfig"] == monitor | sent["monitorConfig"]
    assert [item["properties"]["customHeaders"] for item in after["properties"]["endpoints"]] == [own, None]
    profile = azure.world.profiles["scepman"]
    assert (profile.expected, profile.headers) == (((200, 202),), {"Host": "scep.contoso.test"})


@pytest.mark.parametrize(
    ("path", "method", "sent"),
    [
        ("scepman/azureEndpoints/weu", "PATCH", {"properties": {"endpointStatus": "Off"}}),
        ("scepman/azureEndpoints/weu", "PATCH", {"properties": {"weight": 1001}}),
        ("scepman/azureEndpoints/weu", "PATCH", {"properties": {"weight": "1"}}),
        ("scepman/azureEndpoints/weu", "PATCH", {"properties": {"priority": 2}}),
        ("scepman/azureEndpoints/new", "PUT", {"properties": {"targetResourceId": f"{SITES}/nowhere"}}),
        ("scepman/azureEndpoints/new", "PUT", {"properties": {"targetResourceId": f"{SITES}/{WEST}"}}),
        ("scepman", "PATCH", {"properties": {"endpoints": []}}),
        ("scepman", "PATCH", {"properties": {"monitorConfig": {"intervalInSeconds": 20}}}),
        ("scepman", "PATCH", {"properties": {"monitorConfig": {"customHeaders": [{"name": "A"}] * 9}}}),
        (
            "scepman",
            "PATCH",
            {"properties": {"monitorConfig": {"expectedStatusCodeRanges": [{"min": 300, "max": 200}]}}},
        ),
        ("scepman", "PUT", {"properties": {"endpoints": [{"properties": {}}]}}),
        ("scepman/azureEndpoints/weu", "PATCH", {}),
    ],
)
async def test_profile_changes_that_are_refused(
    azure: Azure, path: str, method: str, sent: dict[str, Any]
) -> None:
    """A value outside its range changes nothing."""
    status, _, body = await azure.ask(method, f"{PROFILES}/{path}", TRAFFIC, body=sent)
    assert status == 400
    assert set(body["error"]) == {"code", "message"}
    assert azure.world.journal == []


# Finding one's way: subscriptions, tenants, groups, providers, metadata


async def test_subscriptions_and_tenants(azure: Azure) -> None:
    """Newer api-versions tell the tenant; every one tells the id and the state."""
    for version in ("2016-06-01", "2019-11-01", SUBSCRIPTIONS):
        _, _, body = await azure.ask("GET", "/subscriptions", version)
        assert [item["subscriptionId"] for item in body["value"]] == [SUBSCRIPTION]
        assert ("tenantId" in body["value"][0]) == (version >= "2019")
        _, _, one = await azure.ask("GET", f"/subscriptions/{SUBSCRIPTION.upper()}", version)
        assert one["state"] == "Enabled"
    _, _, tenants = await azure.ask("GET", "/tenants", "2020-01-01")
    assert tenants["value"][0]["tenantId"] == azure.cloud.tenant


async def test_groups_and_providers(azure: Azure) -> None:
    """Resource groups and providers can be looked up."""
    base = f"/subscriptions/{SUBSCRIPTION}"
    _, _, groups = await azure.ask("GET", f"{base}/resourcegroups", GROUPS)
    assert [group["name"] for group in groups["value"]] == [GROUP]
    _, _, group = await azure.ask("GET", f"{base}/resourceGroups/{GROUP}", GROUPS)
    assert group == groups["value"][0]
    _, _, provider = await azure.ask("GET", f"{base}/providers/microsoft.web", GROUPS)
    assert provider["namespace"] == "Microsoft.Web"
    assert WEB in provider["resourceTypes"][0]["apiVersions"]
    _, _, every = await azure.ask("GET", f"{base}/providers", GROUPS)
    assert provider in every["value"]


async def test_metadata(azure: Azure) -> None:
    """Anybody may ask how to sign in; the shape depends on the api-version."""
    status, _, old = await azure.ask("GET", "/metadata/endpoints", "2015-01-01", who="")
    assert (status, old["authentication"]["loginEndpoint"]) == (200, f"{azure.cloud.login_url}/")
    _, _, listed = await azure.ask("GET", "/metadata/endpoints", "2019-05-01", who="")
    _, _, single = await azure.ask("GET", "/metadata/endpoints", "2022-09-01", who="")
    assert listed == [single]
    assert single["resourceManager"] == f"{azure.cloud.arm_url}/"
    assert single["authentication"]["audiences"][0] in resource_manager.AUDIENCES


async def test_a_long_list_comes_in_pages(tmp_path: Path) -> None:
    """120 sites come in two pages."""
    cloud = Premises(many(60), tmp_path)
    async with resource_manager.serve(cloud):
        connector = aiohttp.TCPConnector(ssl=cloud.authority.client_context())
        token, _ = cloud.tokens.issue(cloud.operator, cloud.arm_url, "https://sts.test/")
        async with aiohttp.ClientSession(
            connector=connector, headers={"Authorization": f"Bearer {token}"}
        ) as session:
            url = f"{cloud.arm_url}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Web/sites?api-version={WEB}"
            names: list[str] = []
            while url:
                async with session.get(url) as answer:
                    body = await answer.json()
                names += [site["name"] for site in body["value"]]
                url = body.get("nextLink", "")
    assert names == list(cloud.world.sites)


# Refusals


@pytest.mark.parametrize(
    ("method", "path", "version", "status", "code"),
    [
        ("GET", f"{SITES}/{WEST}", "", 400, "MissingApiVersionParameter"),
        ("GET", "/metadata/endpoints", "", 400, "MissingApiVersionParameter"),
        ("GET", f"{SITES}/{WEST}", "latest", 400, "InvalidApiVersionParameter"),
        ("GET", "/subscriptions", "2001-01-01", 400, "InvalidApiVersionParameter"),
        ("GET", f"{SITES}/{WEST}", "2001-01-01", 404, "InvalidResourceType"),
        ("GET", f"{SITES}/nosuch", WEB, 404, "ResourceNotFound"),
        ("POST", f"{SITES}/nosuch/config/appsettings/list", WEB, 404, "ResourceNotFound"),
        ("GET", f"{PROFILES}/nosuch", TRAFFIC, 404, "ResourceNotFound"),
        ("GET", f"{PROFILES}/scepman/azureEndpoints/nosuch", TRAFFIC, 404, "ResourceNotFound"),
        ("GET", f"{SITES}/{WEST}".replace(GROUP, "rg-other"), WEB, 404, "ResourceGroupNotFound"),
        ("GET", SITES.replace("sites", "farms"), WEB, 404, "InvalidResourceType"),
        ("GET", SITES.replace("Microsoft.Web", "Nobody.Web"), WEB, 404, "InvalidResourceNamespace"),
        ("GET", "/subscriptions/nonsense/resourceGroups", GROUPS, 400, "InvalidSubscriptionId"),
        (
            "GET",
            f"/subscriptions/{'0' * 8}-0000-0000-0000-{'0' * 12}",
            SUBSCRIPTIONS,
            404,
            "SubscriptionNotFound",
        ),
        ("GET", "/nothing", WEB, 404, "MissingSubscription"),
        ("DELETE", f"{SITES}/{WEST}", WEB, 405, "MethodNotAllowed"),
    ],
)
async def test_errors(azure: Azure, method: str, path: str, version: str, status: int, code: str) -> None:
    """What does not exist is refused in Azure's shape, with Azure's code and headers."""
    got, headers, body = await azure.ask(method, path, version)
    assert (got, body["error"]["code"]) == (status, code)
    assert body["error"]["message"]
    assert headers["x-ms-request-id"]
    assert headers["x-ms-correlation-request-id"]


async def test_a_body_that_is_no_json(azure: Azure) -> None:
    """A body that cannot be read is a 400, not a crash."""
    token, _ = azure.cloud.tokens.issue(azure.cloud.operator, azure.cloud.arm_url, "https://sts.test/")
    url = f"{azure.cloud.arm_url}{SITES}/{WEST}/config/appsettings?api-version={WEB}"
    headers = {"Authorization": f"Bearer {token}"}
    async with azure.session.put(url, data=b"{", headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == "InvalidRequestContent"


async def test_the_sdk_understands_the_errors(azure: Azure) -> None:
    """A missing site is the SDK's ResourceNotFoundError, with Azure's code."""
    with pytest.raises(ResourceNotFoundError) as found:
        await azure.web.web_apps.get(GROUP, "nosuch")
    assert found.value.error is not None
    assert found.value.error.code == "ResourceNotFound"


async def test_nobody_is_challenged(azure: Azure) -> None:
    """Without a token, or with one for another audience, there is a 401 with a challenge."""
    status, headers, body = await azure.ask("GET", "/subscriptions", SUBSCRIPTIONS, who="")
    assert (status, body["error"]["code"]) == (401, "AuthenticationFailed")
    assert f'authorization_uri="{azure.cloud.login_url}/{azure.cloud.tenant}"' in headers["WWW-Authenticate"]
    token, _ = azure.cloud.tokens.issue(azure.cloud.operator, "https://vault.azure.net", "https://sts.test/")
    url = f"{azure.cloud.arm_url}/subscriptions?api-version={SUBSCRIPTIONS}"
    async with azure.session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
        assert answer.status == 401
        assert (await answer.json())["error"]["code"] == "InvalidAuthenticationTokenAudience"


# Permissions


async def test_permissions(azure: Azure) -> None:
    """With a role given, an operation that it does not hold is refused; what was needed is on record."""
    azure.cloud.roles["operator"] = frozenset({"microsoft.web/SITES/read", "Microsoft.Network/*"})
    await azure.web.web_apps.get(GROUP, WEST)
    await azure.traffic.profiles.get(GROUP, "scepman")
    with pytest.raises(HttpResponseError) as refused:
        await azure.web.web_apps.list_application_settings(GROUP, WEST)
    assert refused.value.status_code == 403
    assert refused.value.error is not None
    assert refused.value.error.code == "AuthorizationFailed"
    assert "'Microsoft.Web/sites/config/list/Action'" in str(refused.value)
    assert azure.cloud.used["operator"] == {
        "Microsoft.Web/sites/Read",
        "Microsoft.Network/trafficManagerProfiles/read",
        "Microsoft.Web/sites/config/list/Action",
    }


async def test_a_role_on_a_resource_is_none_on_its_subscription(azure: Azure) -> None:
    """Listing all of a subscription or a group needs a role there, although the action is that of reading one."""
    azure.cloud.roles["operator"] = frozenset({"Microsoft.Web/sites/Read"})
    await azure.web.web_apps.get(GROUP, WEST)
    for listed in (azure.web.web_apps.list(), azure.web.web_apps.list_by_resource_group(GROUP)):
        with pytest.raises(HttpResponseError) as refused:
            [item async for item in listed]
        assert refused.value.status_code == 403
    azure.cloud.wide_roles["operator"] = frozenset({"Microsoft.Web/sites/Read"})
    assert [stored.name async for stored in azure.web.web_apps.list()]
    assert azure.cloud.used_widely["operator"] == {"Microsoft.Web/sites/Read"}


async def test_a_reader_registers_no_provider(azure: Azure) -> None:
    """Reading a provider and registering it are two rights."""
    path = "/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/providers/Microsoft.Web"
    assert (await azure.ask("GET", path, GROUPS, who="reader"))[0] == 200
    assert (await azure.ask("POST", f"{path}/register", GROUPS, who="reader"))[0] == 403


async def test_a_reader_sees_no_settings(azure: Azure) -> None:
    """The role Reader reads sites and configuration, but neither lists settings nor writes."""
    config = f"{SITES}/{WEST}/config"
    assert (await azure.ask("GET", f"{config}/web", who="reader"))[0] == 200
    assert (await azure.ask("POST", f"{config}/appsettings/list", who="reader"))[0] == 403
    status, _, _ = await azure.ask("PUT", f"{config}/appsettings", who="reader", body={"properties": {}})
    assert status == 403
    assert azure.world.journal == []


# Faults and limits


async def test_faults(azure: Azure) -> None:
    """A rule answers before the effect, or after it: then the write took place although it looks failed."""
    path = f"{SITES}/{WEST}/config/appsettings"
    azure.world.arm.rules.append(lambda method, _: 503 if method == "PUT" else None)
    azure.world.arm.retry_after = 7
    status, headers, body = await azure.ask("PUT", path, body={"properties": {"A": "1"}})
    assert (status, headers["Retry-After"]) == (503, "7")
    assert set(body["error"]) == {"code", "message"}
    assert azure.world.journal == []
    azure.world.arm.after_effect = True
    status, _, _ = await azure.ask("PUT", path, body={"properties": {"A": "1"}})
    assert status == 503
    assert azure.world.sites[WEST].app_settings == {"A": "1"}


async def test_throttling(azure: Azure) -> None:
    """The bucket of writes holds 200 and refills with 10 a second; a 429 says how long to wait."""
    now = 1_800_000_000.0
    azure.world.clock = lambda: now
    azure.world.arm.throttle = True
    limits = resource_manager.Limits(azure.cloud)
    spent = [
        limits.spend(azure.cloud.operator, "PUT", SUBSCRIPTION, "Microsoft.Web/sites") for _ in range(200)
    ]
    assert [entry["x-ms-ratelimit-remaining-subscription-writes"] for entry in spent[:2]] == ["199", "198"]
    with pytest.raises(ArmError) as refused:
        limits.spend(azure.cloud.operator, "PUT", SUBSCRIPTION, "Microsoft.Web/sites")
    assert (refused.value.status, refused.value.code) == (429, "SubscriptionRequestsThrottled")
    assert refused.value.headers["Retry-After"] == "1"
    limits.spend(azure.cloud.operator, "GET", SUBSCRIPTION, "Microsoft.Web/sites")  # reads have their own
    now += 0.2
    limits.spend(azure.cloud.operator, "PUT", SUBSCRIPTION, "Microsoft.Web/sites")


def test_a_bucket_never_overflows() -> None:
    """A bucket that was left alone for long holds no more than its size."""
    bucket = Bucket(size=2, refill=1, left=2, at=0.0)
    assert [bucket.take(1000.0) for _ in range(3)] == [None, None, 1.0]


async def test_the_answers_tell_what_is_left(azure: Azure) -> None:
    """Every answer has the remaining tokens and repeats the caller's ids; every request is on record."""
    _, headers, _ = await azure.ask("GET", f"{SITES}/{WEST}")
    assert headers["x-ms-ratelimit-remaining-subscription-reads"] == "249"
    (seen,) = azure.cloud.requests
    assert (seen.who, seen.method, seen.path, seen.status) == ("operator", "GET", f"{SITES}/{WEST}", 200)


# The world's memory for secrets


async def test_every_value_is_remembered(azure: Azure) -> None:
    """Values that were replaced are still known, so that a leak of them is found; public words are not."""
    site = azure.world.sites[WEST]
    old = site.app_settings["AppConfig:LicenseKey"]
    azure.world.edit(site, {"AppConfig:LicenseKey": "S3CRET-two", "Word": "production", "Number": "1234567"})
    azure.world.edit(site, {"AppConfig:LicenseKey": "S3CRET-three"})
    known = azure.world.secrets_in_use()
    assert {
        old,
        "S3CRET-two",
        "S3CRET-three",
        azure.world.resolved(site.app_settings["AppConfig:CRL:RequestToken"]),
    } <= known
    assert not known & {"production", "1234567", site.host, "true"}

"""Microsoft.Web/sites: web apps, their settings, connection strings and Key Vault reference status, restarts.

What is not imitated: slots (there is production only), creating and deleting, and config sections other than
those below. The specification has settings as a map of strings; Resource Manager is known to answer null, and what a
template wrote as a boolean or a number, so plain JSON values are stored and served as they were sent.
"""

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

from simulator.arm import Answer, ArmError, Call, Json, Operation, group_name, not_found, page
from simulator.services.microsoft_resources import GROUP, SUBSCRIPTION
from simulator.world import Plain, Reference, Site

VERSIONS = (
    "2014-11-01", "2015-08-01", "2016-03-01", "2016-08-01", "2018-02-01", "2018-11-01", "2019-08-01",
    "2020-06-01", "2020-09-01", "2020-10-01", "2020-12-01", "2021-01-01", "2021-01-15", "2021-02-01",
    "2021-03-01", "2022-03-01", "2022-09-01", "2023-01-01", "2023-12-01", "2024-04-01", "2024-11-01",
    "2025-03-01", "2025-05-01",
)  # fmt: skip
TYPE = "Microsoft.Web/sites"
SITE = f"{GROUP}/providers/{TYPE}/{{site}}"
CONFIG = f"{SITE}/config"
CONNECTION_TYPES = (
    "MySql", "SQLServer", "SQLAzure", "Custom", "NotificationHub", "ServiceBus", "EventHub", "ApiHub", "DocDb",
    "RedisCache", "PostgreSQL",
)  # fmt: skip
LINUX_NAME = re.compile(r"[A-Za-z0-9_.]+")
REFERENCES_PER_PAGE = 20
LONGEST_VALUE = 10_000  # UTF-16 units


# Reading sites


def site_of(call: Call) -> Site:
    """The site that the path names, in any casing; 404 when there is none."""
    group = group_name(call)
    wanted = (group.lower(), call.at["site"].lower())
    for site in call.world.sites.values():
        if (site.resource_group.lower(), site.name.lower()) == wanted:
            return site
    raise not_found(TYPE, call.at["site"], group)


def site_body(call: Call, site: Site) -> Json:
    """A site as GET answers it."""
    hosts = [site.host, *site.host_names]
    plan = f"/subscriptions/{site.subscription}/resourceGroups/{site.resource_group}/providers/Microsoft.Web"
    profiles = [
        profile.fqdn
        for profile in call.world.profiles.values()
        if any(endpoint.target_site == site.name for endpoint in profile.endpoints)
    ]
    values: Json = {
        "name": site.name,
        "state": site.state,
        "hostNames": hosts,
        "webSpace": f"{site.resource_group}-{site.location.replace(' ', '')}webspace",
        "repositorySiteName": site.name,
        "usageState": "Normal",
        "enabled": True,
        "adminEnabled": True,
        "enabledHostNames": [*hosts, site.host.replace(site.name, f"{site.name}.scm", 1)],
        "availabilityState": "Normal",
        "hostNameSslStates": [_ssl_state(host, is_own=host == site.host) for host in hosts],
        "serverFarmId": f"{plan}/serverfarms/asp-{site.name}",
        "reserved": site.os == "linux",
        "isXenon": False,
        "hyperV": False,
        "lastModifiedTimeUtc": _moment(site.last_modified),
        "siteConfig": _site_config(site),
        "trafficManagerHostNames": profiles or None,
        "scmSiteAlsoStopped": False,
        "targetSwapSlot": None,
        "clientAffinityEnabled": False,
        "clientCertEnabled": True,
        "clientCertMode": "OptionalInteractiveUser",
        "hostNamesDisabled": False,
        "outboundIpAddresses": "192.0.2.10,192.0.2.11",
        "possibleOutboundIpAddresses": "192.0.2.10,192.0.2.11,192.0.2.12",
        "containerSize": 0,
        "dailyMemoryTimeQuota": 0,
        "suspendedTill": None,
        "resourceGroup": site.resource_group,
        "defaultHostName": site.host,
        "httpsOnly": False,
        "redundancyMode": "None",
        "inProgressOperationId": None,
        "sku": site.tier,  # the specification has it late; the service answers it with older versions too
    }
    values |= {name: value for since, name, value in NEWER_FIELDS if call.version >= since}
    return _resource(site, "", TYPE, values) | {
        "name": site.name,
        "tags": site.tags,
        "identity": {
            "type": "SystemAssigned",
            "tenantId": call.cloud.tenant,
            "principalId": str(uuid.uuid5(uuid.NAMESPACE_DNS, site.host)),
        },
    }


# Fields that came later: (first api-version, name, value).
NEWER_FIELDS: tuple[tuple[str, str, Any], ...] = (
    ("2020-12-01", "storageAccountRequired", False),
    ("2020-12-01", "keyVaultReferenceIdentity", "SystemAssigned"),
    ("2021-03-01", "virtualNetworkSubnetId", None),
    ("2022-03-01", "publicNetworkAccess", "Enabled"),
    ("2024-04-01", "ipMode", "IPv4"),
    ("2024-04-01", "endToEndEncryptionEnabled", False),
)


def _ssl_state(host: str, *, is_own: bool) -> Json:
    return {
        "name": host,
        "sslState": "Disabled" if is_own else "SniEnabled",
        "virtualIP": None,
        "thumbprint": None,
        "toUpdate": None,
        "hostType": "Standard",
    }


def _moment(seconds: float) -> str:
    """Seven fractional digits and no zone, as App Service writes times."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%f}0"


def _site_config(site: Site) -> Json:
    return {
        "numberOfWorkers": 1,
        "linuxFxVersion": "DOTNETCORE|10.0" if site.os == "linux" else "",
        "windowsFxVersion": None,
        "alwaysOn": True,
        "http20Enabled": False,
        "functionAppScaleLimit": 0,
        "minimumElasticInstanceCount": 0,
    }


def _resource(site: Site, tail: str, kind: str, values: Any) -> Json:
    body: Json = {"id": f"{site.id}{tail}", "name": tail.rsplit("/", 1)[-1], "type": kind}
    return body | {
        "kind": "app,linux" if site.os == "linux" else "app",
        "location": site.location,
        "properties": values,
    }


def _config(site: Site, section: str, values: Any) -> Answer:
    return Answer(_resource(site, f"/config/{section}", "Microsoft.Web/sites/config", values))


def _sites(call: Call) -> Answer:
    subscription = call.at["subscription"].lower()
    group = group_name(call).lower() if "group" in call.at else None
    found = [
        site_body(call, site)
        for site in call.world.sites.values()
        if site.subscription == subscription and group in (None, site.resource_group.lower())
    ]
    return page(found, call)


def _one_site(call: Call) -> Answer:
    return Answer(site_body(call, site_of(call)))


def _web(call: Call) -> Answer:
    site = site_of(call)
    values = _site_config(site) | {
        "netFrameworkVersion": "v10.0",
        "requestTracingEnabled": False,
        "remoteDebuggingEnabled": False,
        "httpLoggingEnabled": False,
        "detailedErrorLoggingEnabled": False,
        "publishingUsername": f"${site.name}",
        "scmType": "None",
        "use32BitWorkerProcess": False,
        "webSocketsEnabled": False,
        "managedPipelineMode": "Integrated",
        "loadBalancing": "LeastRequests",
        "autoHealEnabled": False,
        "minTlsVersion": "1.2",
        "scmMinTlsVersion": "1.2",
        "ftpsState": "Disabled",
        "healthCheckPath": site.health_check_path,
    }
    return _config(site, "web", values)


# Settings


def _refused(parameter: str) -> ArmError:
    return _bad("51008", "The parameter {0} has an invalid value.", parameter)


def _bad(extended: str, template: str, parameter: str) -> ArmError:
    """App Service's own shape of a 400."""
    message = template.replace("{0}", parameter)
    entity = {
        "ExtendedCode": extended,
        "MessageTemplate": template,
        "Parameters": [parameter],
        "Code": "BadRequest",
        "Message": message,
    }
    body: Json = {
        "Code": "BadRequest",
        "Message": message,
        "Target": None,
        "Details": [{"Message": message}, {"Code": "BadRequest"}, {"ErrorEntity": entity}],
        "Innererror": None,
    }
    return ArmError(400, "BadRequest", message, provider_body=body)


def _sent(call: Call) -> Json:
    """The map under `properties`; App Service's own refusal when there is none."""
    content = call.body.get("properties") if isinstance(call.body, dict) else None
    if not isinstance(content, dict):
        raise _refused("properties")
    return content


def _unlike(sent: Json) -> Json:
    """Return the map; 409 when two of its names differ in case only, since they are one to the app."""
    seen: dict[str, str] = {}
    for name in sent:
        if (twin := seen.setdefault(name.lower(), name)) != name:
            message = f"There is a conflict. The names '{twin}' and '{name}' differ in case only."
            raise ArmError(409, "Conflict", message, provider_body={"Code": "Conflict", "Message": message})
    return sent


def _is_too_long(value: object) -> bool:
    """Return whether a value is longer than the service takes; docs/settings-limits.md names the source."""
    return isinstance(value, str) and len(value.encode("utf-16-le", "surrogatepass")) // 2 > LONGEST_VALUE


def _list_settings(call: Call) -> Answer:
    site = site_of(call)
    return _config(site, "appsettings", dict(site.read_settings()))


def _put_settings(call: Call) -> Answer:
    site = site_of(call)
    values: dict[str, Plain] = {}
    for name, value in _unlike(_sent(call)).items():
        if not isinstance(value, Plain.__value__) or _is_too_long(value):
            raise _refused(name)
        if not name.strip() or (site.os == "linux" and not LINUX_NAME.fullmatch(name)):
            raise _bad("04072", "AppSetting with name '{0}' is not allowed.", name)
        values[name] = value
    call.world.put_app_settings(site, values, call.who.name)
    return _config(site, "appsettings", values)


def _connections(strings: Mapping[str, tuple[Plain, str]]) -> Json:
    return {name: {"value": value, "type": kind} for name, (value, kind) in strings.items()}


def _list_connections(call: Call) -> Answer:
    site = site_of(call)
    return _config(site, "connectionstrings", _connections(site.read_connections()))


def _put_connections(call: Call) -> Answer:
    site = site_of(call)
    kinds = {kind.lower(): kind for kind in CONNECTION_TYPES}
    values: dict[str, tuple[Plain, str]] = {}
    for name, pair in _unlike(_sent(call)).items():
        value, kind = (pair.get("value"), pair.get("type")) if isinstance(pair, dict) else (None, None)
        is_plain = isinstance(pair, dict) and "value" in pair and isinstance(value, Plain.__value__)
        if not is_plain or _is_too_long(value) or not isinstance(kind, str) or kind.lower() not in kinds:
            raise _refused(name)
        values[name] = (value, kinds[kind.lower()])
    call.world.put_connection_strings(site, values, call.who.name)
    return _config(site, "connectionstrings", _connections(values))


def _slot_names(site: Site) -> Json:
    return {
        "connectionStringNames": list(site.slot_connection_strings) or None,
        "appSettingNames": list(site.slot_settings) or None,
        "azureStorageConfigNames": None,
    }


def _get_slot_names(call: Call) -> Answer:
    site = site_of(call)
    return _config(site, "slotConfigNames", _slot_names(site))


def _put_slot_names(call: Call) -> Answer:
    site = site_of(call)
    sent = _sent(call)
    lists = [sent.get(name) or [] for name in ("appSettingNames", "connectionStringNames")]
    if not all(isinstance(one, list) and all(isinstance(name, str) for name in one) for one in lists):
        raise _refused("SlotConfigNames")
    site.slot_settings, site.slot_connection_strings = tuple(lists[0]), tuple(lists[1])
    call.world.note("slot-names-put", site.name, call.who.name)
    return _config(site, "slotConfigNames", _slot_names(site))


# Key Vault references: as they were resolved at the app's last start, or at the last refresh


def _reference(site: Site, name: str, found: Reference) -> Json:
    """One reference. `identityType` is the bare word that the service answers, not the object of the models."""
    values = {
        "reference": found.text,
        "status": found.status,
        "vaultName": found.vault or None,
        "secretName": found.secret or None,
        "secretVersion": found.asked_version or None,
        "identityType": "SystemAssigned",
        "details": found.status.details,
        "source": "KeyVault",
        "activeVersion": found.found.version if found.found else None,
    }
    tail = f"/config/configreferences/appsettings/{name}"
    return _resource(site, tail, "Microsoft.Web/sites/config", values)


def _references(call: Call) -> Answer:
    site = site_of(call)
    found = [_reference(site, name, one) for name, one in sorted(site.references.items())]
    return page(found, call, REFERENCES_PER_PAGE)


def _one_reference(call: Call) -> Answer:
    site = site_of(call)
    wanted = call.at["setting"].lower()
    for name, found in site.references.items():
        if name.lower() == wanted:
            return Answer(_reference(site, name, found))
    raise ArmError(404, "NotFound", f"Cannot find Key Vault reference with name {call.at['setting']}.")


def _refresh_references(call: Call) -> Answer:
    site = site_of(call)
    call.world.refresh_references(site)
    return _references(call)


# The app as a whole


def _slots(call: Call) -> Answer:
    site_of(call)
    return page([], call)  # production only


def _publish_profile(call: Call) -> Answer:
    """The publishing profiles, which `az webapp show` asks for the FTP address. Its passwords open nothing here."""
    site = site_of(call)
    scm = site.host.replace(site.name, f"{site.name}.scm", 1)
    ways = (
        ("Web Deploy", "MSDeploy", f"{scm}:443"),
        ("FTP", "FTP", f"ftps://ftp.{site.host}/site/wwwroot"),
        ("Zip Deploy", "ZipDeploy", f"{scm}:443"),
    )
    profiles = ET.Element("publishData")
    for name, method, url in ways:
        given = {"profileName": f"{site.name} - {name}", "publishMethod": method, "publishUrl": url}
        names = {
            "userName": f"${site.name}",
            "userPWD": "simulated",
            "destinationAppUrl": f"https://{site.host}",
        }
        ET.SubElement(profiles, "publishProfile", given | names)
    return Answer(ET.tostring(profiles, encoding="unicode"))


def _restart(call: Call) -> Answer:
    call.world.restart_site(site_of(call), call.who.name)
    return Answer()


def _start(call: Call) -> Answer:
    call.world.start_site(site_of(call), call.who.name)
    return Answer()


def _stop(call: Call) -> Answer:
    call.world.stop_site(site_of(call), call.who.name)
    return Answer()


READ = "Microsoft.Web/sites/Read"
READ_CONFIG = "Microsoft.Web/sites/config/Read"
LIST_CONFIG = "Microsoft.Web/sites/config/list/Action"
WRITE_CONFIG = "Microsoft.Web/sites/config/Write"
OPERATIONS = (
    Operation("GET", f"{SUBSCRIPTION}/providers/{TYPE}", TYPE, READ, _sites),
    Operation("GET", f"{GROUP}/providers/{TYPE}", TYPE, READ, _sites),
    Operation("GET", SITE, TYPE, READ, _one_site),
    Operation("GET", f"{CONFIG}/web", TYPE, READ_CONFIG, _web),
    Operation("GET", f"{SITE}/slots", TYPE, "Microsoft.Web/sites/slots/Read", _slots),
    Operation("POST", f"{SITE}/publishxml", TYPE, "Microsoft.Web/sites/publishxml/Action", _publish_profile),
    Operation("POST", f"{CONFIG}/appsettings/list", TYPE, LIST_CONFIG, _list_settings),
    Operation("PUT", f"{CONFIG}/appsettings", TYPE, WRITE_CONFIG, _put_settings),
    Operation("POST", f"{CONFIG}/connectionstrings/list", TYPE, LIST_CONFIG, _list_connections),
    Operation("PUT", f"{CONFIG}/connectionstrings", TYPE, WRITE_CONFIG, _put_connections),
    Operation("GET", f"{CONFIG}/slotConfigNames", TYPE, READ_CONFIG, _get_slot_names),
    Operation("PUT", f"{CONFIG}/slotConfigNames", TYPE, WRITE_CONFIG, _put_slot_names),
    Operation("GET", f"{CONFIG}/configreferences/appsettings", TYPE, READ_CONFIG, _references),
    Operation("GET", f"{CONFIG}/configreferences/appsettings/{{setting}}", TYPE, READ_CONFIG, _one_reference),
    Operation(
        "POST", f"{CONFIG}/configreferences/appsettings/refresh", TYPE, WRITE_CONFIG, _refresh_references
    ),
    Operation("POST", f"{SITE}/restart", TYPE, "Microsoft.Web/sites/restart/Action", _restart),
    Operation("POST", f"{SITE}/start", TYPE, "Microsoft.Web/sites/start/Action", _start),
    Operation("POST", f"{SITE}/stop", TYPE, "Microsoft.Web/sites/stop/Action", _stop),
)

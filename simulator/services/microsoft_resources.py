"""Microsoft.Resources as far as clients need it to find their way: subscriptions, tenants, groups, providers."""

from simulator.arm import Answer, Call, Json, Operation, group_name, page
from simulator.premises import Premises

SUBSCRIPTION_VERSIONS = (
    "2014-04-01-preview", "2015-11-01", "2016-06-01", "2018-06-01", "2019-06-01", "2019-11-01",
    "2020-01-01", "2021-01-01", "2021-04-01", "2021-10-01", "2022-01-01", "2022-12-01",
)  # fmt: skip
GROUP_VERSIONS = (
    "2015-11-01", "2016-02-01", "2016-09-01", "2017-05-10", "2018-02-01", "2018-05-01", "2019-05-01",
    "2019-05-10", "2019-08-01", "2019-10-01", "2020-06-01", "2020-10-01", "2021-01-01", "2021-04-01",
    "2022-09-01", "2023-07-01", "2024-03-01", "2024-07-01", "2024-11-01", "2025-03-01", "2025-04-01",
)  # fmt: skip

SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/{{group}}"
LOCATIONS = {
    "westeurope": "West Europe",
    "northeurope": "North Europe",
    "swedencentral": "Sweden Central",
}


def subscription(call: Call, name: str) -> Json:
    """One subscription, with the fields of api-version 2022-12-01 (older ones have a part of them)."""
    body: Json = {
        "id": f"/subscriptions/{name}",
        "subscriptionId": name,
        "displayName": call.world.subscriptions[name],
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "EnterpriseAgreement_2014-09-01",
            "spendingLimit": "Off",
        },
        "authorizationSource": "RoleBased",
    }
    if call.version >= "2019-06-01":
        body |= {"tenantId": call.cloud.tenant, "managedByTenants": []}
    return body


def _subscriptions(call: Call) -> Answer:
    count = {"type": "Total", "value": len(call.world.subscriptions)}
    return Answer(
        {"value": [subscription(call, name) for name in call.world.subscriptions], "count": count}
        if call.version >= "2019-06-01"
        else {"value": [subscription(call, name) for name in call.world.subscriptions]}
    )


def _one_subscription(call: Call) -> Answer:
    return Answer(subscription(call, call.at["subscription"].lower()))


def _tenants(call: Call) -> Answer:
    tenant = call.cloud.tenant
    body: Json = {"id": f"/tenants/{tenant}", "tenantId": tenant}
    if call.version >= "2018-06-01":
        body |= {"countryCode": "DE", "displayName": "Contoso", "domains": ["contoso.onmicrosoft.com"]}
    if call.version >= "2019-06-01":
        body |= {"tenantCategory": "Home", "defaultDomain": "contoso.onmicrosoft.com", "tenantType": "AAD"}
    return Answer({"value": [body]})


def _locations(call: Call) -> Answer:
    prefix = f"/subscriptions/{call.at['subscription'].lower()}/locations"
    return Answer(
        {
            "value": [
                {"id": f"{prefix}/{name}", "name": name, "type": "Region", "displayName": shown}
                for name, shown in LOCATIONS.items()
            ]
        }
    )


def _group(call: Call, name: str) -> Json:
    return {
        "id": f"/subscriptions/{call.at['subscription'].lower()}/resourceGroups/{name}",
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": call.world.resource_groups[name],
        "properties": {"provisioningState": "Succeeded"},
    }


def _groups(call: Call) -> Answer:
    return page([_group(call, name) for name in sorted(call.world.resource_groups)], call)


def _one_group(call: Call) -> Answer:
    return Answer(_group(call, group_name(call)))


def metadata(cloud: Premises, version: str) -> Json | list[Json]:
    """Return what `/metadata/endpoints` says of this cloud, in the shape of the api-version asked for."""
    audiences = ["https://management.core.windows.net/", "https://management.azure.com/"]
    if version < "2018-05-01":
        return {
            "galleryEndpoint": cloud.arm_url,
            "graphEndpoint": "https://graph.windows.net/",
            "portalEndpoint": cloud.admin_url,
            "authentication": {"loginEndpoint": f"{cloud.login_url}/", "audiences": audiences},
        }
    described: Json = {
        "name": "Simulated",
        "portal": cloud.admin_url,
        "authentication": {
            "loginEndpoint": cloud.login_url,
            "audiences": audiences,
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": f"{cloud.arm_url}/",
        "gallery": cloud.arm_url,
        "graph": "https://graph.windows.net/",
        "graphAudience": "https://graph.windows.net/",
        "microsoftGraphResourceId": "https://graph.microsoft.com/",
        "media": "https://rest.media.azure.net",
        "batch": "https://batch.core.windows.net/",
        "sqlManagement": "https://management.core.windows.net:8443/",
        "activeDirectoryDataLake": "https://datalake.azure.net/",
        "vmImageAliasDoc": cloud.arm_url,
        "suffixes": {
            "keyVaultDns": "vault.azure.test",
            "storage": "core.windows.test",
            "sqlServerHostname": "database.windows.test",
            "acrLoginServer": "azurecr.test",
            "azureDataLakeStoreFileSystem": "azuredatalakestore.test",
            "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.test",
        },
    }
    return described if version >= "2022-09-01" else [described]


READ = "Microsoft.Resources/subscriptions/read"
READ_GROUPS = "Microsoft.Resources/subscriptions/resourceGroups/read"
OPERATIONS = (
    Operation("GET", "/subscriptions", "Microsoft.Resources/subscriptions", "", _subscriptions),
    Operation("GET", SUBSCRIPTION, "Microsoft.Resources/subscriptions", READ, _one_subscription),
    Operation("GET", f"{SUBSCRIPTION}/locations", "Microsoft.Resources/subscriptions", READ, _locations),
    Operation("GET", "/tenants", "Microsoft.Resources/tenants", "", _tenants),
    Operation(
        "GET", f"{SUBSCRIPTION}/resourceGroups", "Microsoft.Resources/resourceGroups", READ_GROUPS, _groups
    ),
    Operation("GET", GROUP, "Microsoft.Resources/resourceGroups", READ_GROUPS, _one_group),
)

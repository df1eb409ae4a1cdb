"""What Azure offers, as far as the templates use it: resource types with their api-versions, and built-in roles.

Sources: the types that Microsoft publishes for Bicep (github.com/Azure/bicep-types-az, as of 20 August 2026), in
which every property of every resource of `infra/` was looked up once, and the list of built-in roles in Azure's
documentation. A template that takes another type or version is wrong until it stands here.
"""

from typing import NamedTuple


class Kind(NamedTuple):
    """A resource type: the version that is used, and whether it can have tags."""

    version: str
    tags: bool


TYPES = {
    "Microsoft.Authorization/roleAssignments": Kind("2022-04-01", tags=False),
    "Microsoft.Authorization/roleDefinitions": Kind("2022-04-01", tags=False),
    "Microsoft.EventGrid/systemTopics": Kind("2025-02-15", tags=True),
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": Kind("2025-02-15", tags=False),
    "Microsoft.Insights/actionGroups": Kind("2023-01-01", tags=True),
    "Microsoft.Insights/components": Kind("2020-02-02", tags=True),
    "Microsoft.Insights/metricAlerts": Kind("2018-03-01", tags=True),
    "Microsoft.Insights/scheduledQueryRules": Kind("2023-12-01", tags=True),
    "Microsoft.KeyVault/vaults": Kind("2024-11-01", tags=True),
    "Microsoft.KeyVault/vaults/secrets": Kind("2024-11-01", tags=True),
    "Microsoft.ManagedIdentity/userAssignedIdentities": Kind("2023-01-31", tags=True),
    "Microsoft.Network/dnsZones": Kind("2018-05-01", tags=True),
    "Microsoft.Network/dnsZones/CNAME": Kind("2018-05-01", tags=False),
    "Microsoft.Network/trafficmanagerprofiles": Kind("2022-04-01", tags=True),
    "Microsoft.OperationalInsights/workspaces": Kind("2023-09-01", tags=True),
    "Microsoft.Resources/resourceGroups": Kind("2024-03-01", tags=True),
    "Microsoft.Storage/storageAccounts": Kind("2024-01-01", tags=True),
    "Microsoft.Storage/storageAccounts/blobServices": Kind("2024-01-01", tags=False),
    "Microsoft.Storage/storageAccounts/blobServices/containers": Kind("2024-01-01", tags=False),
    "Microsoft.Storage/storageAccounts/queueServices": Kind("2024-01-01", tags=False),
    "Microsoft.Storage/storageAccounts/queueServices/queues": Kind("2024-01-01", tags=False),
    "Microsoft.Storage/storageAccounts/tableServices": Kind("2024-01-01", tags=False),
    "Microsoft.Storage/storageAccounts/tableServices/tables": Kind("2024-01-01", tags=False),
    "Microsoft.Web/certificates": Kind("2024-04-01", tags=True),
    "Microsoft.Web/serverfarms": Kind("2024-04-01", tags=True),
    "Microsoft.Web/sites": Kind("2024-04-01", tags=True),
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": Kind("2024-04-01", tags=False),
    "Microsoft.Web/sites/config": Kind("2024-04-01", tags=False),
    "Microsoft.Web/sites/functions": Kind("2024-04-01", tags=False),
    "Microsoft.Web/sites/hostNameBindings": Kind("2024-04-01", tags=False),
}

BUILT_IN_ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}

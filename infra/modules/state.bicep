// What Counterpart remembers: one table. A second deployment uses the first one's (docs/deploy.md#two-regions).
param name string
param location string
param tags object
param sku string

@description('False: it is there already, and only the right is given.')
param create bool

param principalId string

var tableContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'

resource made 'Microsoft.Storage/storageAccounts@2024-01-01' = if (create) {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices@2024-01-01' = if (create) {
  parent: made
  name: 'default'
}

resource table 'Microsoft.Storage/storageAccounts/tableServices/tables@2024-01-01' = if (create) {
  parent: tables
  name: 'counterpart'
}

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: name
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: account
  name: guid(account.id, principalId, tableContributor)
  dependsOn: [
    made
  ]
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableContributor)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output endpoint string = 'https://${name}.table.${environment().suffixes.storage}'

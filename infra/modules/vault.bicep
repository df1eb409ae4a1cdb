// The vault: the fingerprint key, webhook addresses, and a region's old values while a write to it is verified.
param name string
param location string
param tags object

@description('False: it is there already, and only the right is given.')
param create bool

param principalId string
param roleName string

resource made 'Microsoft.KeyVault/vaults@2024-11-01' = if (create) {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
    publicNetworkAccess: 'Enabled'
  }
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: name
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, principalId, roleName)
  dependsOn: [
    made
  ]
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleName)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output name string = name

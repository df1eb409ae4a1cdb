// The right on one watched web app, and on nothing beside it.
param name string
param principalId string
param roleName string

resource site 'Microsoft.Web/sites@2024-04-01' existing = {
  name: name
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: site
  name: guid(site.id, principalId, roleName)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleName)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

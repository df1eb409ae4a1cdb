// The right to change the endpoints of one watched profile, and nothing beside it. To look needs none: see discovering.
param name string
param principalId string
param roleName string

resource profile 'Microsoft.Network/trafficmanagerprofiles@2022-04-01' existing = {
  name: name
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: profile
  name: guid(profile.id, principalId, roleName)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleName)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// The right on one watched profile, and on nothing beside it.
param name string
param principalId string
param roleDefinitionId string

resource profile 'Microsoft.Network/trafficmanagerprofiles@2022-04-01' existing = {
  name: name
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: profile
  name: guid(profile.id, principalId, roleDefinitionId)
  properties: {
    roleDefinitionId: roleDefinitionId
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// The custom roles, from the same files that the simulator enforces (infra/roles/).
targetScope = 'subscription'

@description('Of the deployment that made them: two deployments do not share a role.')
param environmentName string

@description('Where the roles may be assigned.')
param subscriptions array

var definitions = [
  loadJsonContent('../roles/counterpart.json')
  loadJsonContent('../roles/audit.json')
  loadJsonContent('../roles/copies.json')
  loadJsonContent('../roles/discover.json')
]

resource roles 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [
  for role in definitions: {
    name: guid(subscription().id, environmentName, role.name)
    properties: {
      roleName: '${role.name} (${environmentName})'
      description: role.description
      type: 'CustomRole'
      assignableScopes: map(subscriptions, id => '/subscriptions/${id}')
      permissions: [
        {
          actions: map(any(role).actions, it => it.action)
          notActions: []
          dataActions: map(any(role).dataActions, it => it.action)
          notDataActions: []
        }
      ]
    }
  }
]

// Names, not ids: a role is assigned by its id in the subscription of what it is assigned on.
output counterpart string = roles[0].name
output audit string = roles[1].name
output copies string = roles[2].name
output discover string = roles[3].name

// Counterpart itself: the function app and all that it stands on, in a resource group of its own, with rights on
// exactly the profiles and sites that it watches. What rings its doorbell needs its code and comes after:
// doorbells.bicep. `azd up` does both (azure.yaml); docs/deploy.md says how to do it by hand.
targetScope = 'subscription'

@description('Names everything of one deployment; a second deployment has another one.')
@minLength(2)
@maxLength(32)
param environmentName string

@description('Where Counterpart runs. Best in a region that holds none of the watched apps.')
param location string

@description('The Traffic Manager profiles to watch, as resource ids.')
@minLength(1)
param profiles array

@description('The web apps behind them, as resource ids: one for each Azure endpoint.')
@minLength(1)
param sites array

@description('sync: keep the regions in step. audit: look and tell, change nothing; the identity could not.')
@allowed([
  'sync'
  'audit'
])
param mode string = 'sync'

@description('Who is told by mail when Counterpart itself falls silent.')
param operators array = []

@description('More COUNTERPART_* settings, as in docs/settings.md; they win over those made here.')
param settings object = {}

@description('The names under which secrets lie in the vault, by the setting that is to hold them.')
param secretSettings object = {}

@description('The client id of an app registration in Entra: people sign in to open pages. Empty: function keys only.')
param signInClientId string = ''

@description('Object ids of those who may sign in, beside what Entra says; empty leaves it to Entra.')
param signInIdentities array = []

@description('How the state is kept. Geo-redundant, so that it outlives a region.')
@allowed([
  'Standard_GRS'
  'Standard_GZRS'
  'Standard_RAGRS'
  'Standard_RAGZRS'
  'Standard_ZRS'
  'Standard_LRS'
])
param stateSku string = 'Standard_GRS'

@description('A second deployment keeps its state and secrets where the first one does: its name, resource group, token. Empty for the first one.')
param firstDeployment object = {}

@description('Instances that are kept warm for the timer; 0 lets the platform start one every minute.')
@minValue(0)
@maxValue(5)
param alwaysReady int = 0

@description('Put on every resource beside our own.')
param extraTags object = {}

var token = take(uniqueString(subscription().id, environmentName, location), 10)
var resourceGroupName = 'rg-counterpart-${environmentName}'
var tags = union(extraTags, {
  application: 'counterpart'
  'azd-env-name': environmentName
})
var isFirst = empty(firstDeployment)
var home = isFirst ? { resourceGroup: resourceGroupName, token: token } : firstDeployment
var appName = 'func-counterpart-${token}'
// The subscriptions in which anything is watched: custom roles are made for them. Ids come in any casing.
var subscriptions = union(map(concat(profiles, sites), id => toLower(split(id, '/')[2])), [])
var subscriptionsOfProfiles = union(map(profiles, id => toLower(split(id, '/')[2])), [])

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: resourceGroupName
  location: location
  tags: tags
}

module roles 'modules/roles.bicep' = {
  name: 'counterpart-roles-${token}'
  params: {
    environmentName: environmentName
    subscriptions: union([toLower(subscription().subscriptionId)], subscriptions)
  }
}

module identity 'modules/identity.bicep' = {
  name: 'counterpart-identity-${token}'
  scope: group
  params: {
    name: 'id-counterpart-${token}'
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'counterpart-monitoring-${token}'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    appName: appName
    operators: operators
  }
}

module storage 'modules/storage.bicep' = {
  name: 'counterpart-storage-${token}'
  scope: group
  params: {
    name: 'st${token}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module state 'modules/state.bicep' = {
  name: 'counterpart-state-${token}'
  scope: resourceGroup(home.resourceGroup)
  dependsOn: [
    group
  ]
  params: {
    name: 'ststate${home.token}'
    location: location
    tags: tags
    sku: stateSku
    create: isFirst
    principalId: identity.outputs.principalId
  }
}

module vault 'modules/vault.bicep' = {
  name: 'counterpart-vault-${token}'
  scope: resourceGroup(home.resourceGroup)
  dependsOn: [
    group
  ]
  params: {
    name: 'kv-${home.token}'
    location: location
    tags: tags
    create: isFirst
    principalId: identity.outputs.principalId
    roleName: roles.outputs.copies
  }
}

module app 'modules/app.bicep' = {
  name: 'counterpart-app-${token}'
  scope: group
  params: {
    name: appName
    token: token
    location: location
    tags: tags
    identityName: identity.outputs.name
    storageName: storage.outputs.name
    deploymentContainer: storage.outputs.deploymentContainer
    componentName: monitoring.outputs.componentName
    vaultName: vault.outputs.name
    storeEndpoint: state.outputs.endpoint
    profiles: profiles
    instance: environmentName
    mode: mode
    settings: settings
    secretSettings: secretSettings
    signInClientId: signInClientId
    signInIdentities: signInIdentities
    alwaysReady: alwaysReady
  }
}

module watchedProfiles 'modules/watched-profile.bicep' = [
  for (id, index) in profiles: if (mode == 'sync') {
    name: 'counterpart-profile-${token}-${index}'
    scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
    params: {
      name: last(split(id, '/'))
      principalId: identity.outputs.principalId
      roleName: roles.outputs.counterpart
    }
  }
]

module watchedSites 'modules/watched-site.bicep' = [
  for (id, index) in sites: {
    name: 'counterpart-site-${token}-${index}'
    scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
    params: {
      name: last(split(id, '/'))
      principalId: identity.outputs.principalId
      roleName: mode == 'audit' ? roles.outputs.audit : roles.outputs.counterpart
    }
  }
]

module discovering 'modules/discovering.bicep' = [
  for (id, index) in subscriptionsOfProfiles: {
    name: 'counterpart-discovering-${token}-${index}'
    scope: subscription(id)
    params: {
      principalId: identity.outputs.principalId
      roleName: roles.outputs.discover
    }
  }
]

// For azd's environment and the steps after: names and ids, no secrets.
output AZURE_RESOURCE_GROUP string = resourceGroupName
output DEPLOY_APP_NAME string = appName
output DEPLOY_APP_URL string = 'https://${app.outputs.hostName}'
output DEPLOY_STORAGE_NAME string = storage.outputs.name
output DEPLOY_VAULT_NAME string = vault.outputs.name
output DEPLOY_VAULT_GROUP string = home.resourceGroup
output DEPLOY_TOKEN string = token
output WATCHED_PROFILES string = join(profiles, ',')
output WATCHED_SITES string = join(sites, ',')

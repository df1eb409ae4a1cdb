// What rings Counterpart's doorbell: App Service's events of each site, and an alert on each profile. Deployed after
// the code, because Azure checks that the functions are there. Without any of it the timer still finds everything,
// within a minute.
targetScope = 'subscription'

param environmentName string

@description('Of Counterpart itself, as main.bicep put them out.')
param resourceGroupName string
param token string
param appName string
param storageName string

@description('The watched profiles and sites, as resource ids.')
param profiles array
param sites array

@description('System topics that are there already, by the site\'s name: a site can have one only.')
param topics object = {}

param extraTags object = {}

var tags = union(extraTags, {
  application: 'counterpart'
  'azd-env-name': environmentName
})

// A topic's name has at most 50 characters; a site's may have 60.
var names = [
  for id in sites: length(last(split(id, '/'))) <= 45
    ? 'evgt-${last(split(id, '/'))}'
    : 'evgt-${take(last(split(id, '/')), 31)}-${uniqueString(toLower(id))}'
]

resource watched 'Microsoft.Web/sites@2024-04-01' existing = [
  for id in sites: {
    name: last(split(id, '/'))
    scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  }
]

module bells 'modules/doorbell.bicep' = [
  for (id, index) in sites: {
    name: 'counterpart-doorbell-${token}-${index}'
    scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
    params: {
      siteName: last(split(id, '/'))
      siteLocation: watched[index].location
      topicName: topics[?last(split(id, '/'))] ?? names[index]
      subscriptionName: 'counterpart-${token}'
      tags: tags
      functionId: '${subscription().id}/resourceGroups/${resourceGroupName}/providers/Microsoft.Web/sites/${appName}/functions/app_service_changed'
      storageId: '${subscription().id}/resourceGroups/${resourceGroupName}/providers/Microsoft.Storage/storageAccounts/${storageName}'
      storageName: storageName
      storageGroup: resourceGroupName
      storageSubscription: subscription().subscriptionId
    }
  }
]

module alerts 'modules/alerts.bicep' = {
  name: 'counterpart-alerts-${token}'
  scope: resourceGroup(resourceGroupName)
  params: {
    token: token
    appName: appName
    profiles: profiles
    tags: tags
  }
}

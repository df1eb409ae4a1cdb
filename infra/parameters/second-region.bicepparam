// Counterpart a second time, in another region, over the state and the secrets of the first (docs/deploy.md#two-regions).
using '../main.bicep'

param environmentName = 'prod-second'
param location = 'norwayeast'
param firstDeployment = {
  resourceGroup: 'rg-counterpart-prod'
  token: 'abcdefghij' // DEPLOY_TOKEN of the first deployment
}
param profiles = [
  '/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/rg-scepman/providers/Microsoft.Network/trafficManagerProfiles/scepman'
]
param sites = [
  '/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/rg-scepman/providers/Microsoft.Web/sites/app-scepman-weu'
  '/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/rg-scepman/providers/Microsoft.Web/sites/app-scepman-neu'
]
param operators = [
  'operations@contoso.com'
]
param secretSettings = {
  COUNTERPART_TEAMS_WEBHOOK: 'teams-webhook'
}
param settings = {
  COUNTERPART_SERVICE_HOSTS: 'scepman=scep.contoso.com' // the name that devices enrol at; drills need it
}

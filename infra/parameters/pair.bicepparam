// One pair: a profile and the two web apps behind it.
using '../main.bicep'

param environmentName = 'prod'
param location = 'swedencentral'
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

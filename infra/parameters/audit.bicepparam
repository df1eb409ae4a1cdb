// Look and tell, change nothing: the identity gets the narrower role, and could not write if it wanted to.
using '../main.bicep'

param environmentName = 'audit'
param location = 'swedencentral'
param mode = 'audit'
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

using 'main.bicep'

param sites = [
  '/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/rg-scepman/providers/Microsoft.Web/sites/app-scepman-weu'
  '/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/rg-scepman/providers/Microsoft.Web/sites/app-scepman-neu'
]
param endpointNames = [
  'weu'
  'neu'
]
param domain = 'scep.contoso.com'
param relativeDnsName = 'contoso-scepman'
param withDns = true
param zoneName = 'contoso.com'
param zoneGroup = 'rg-dns'

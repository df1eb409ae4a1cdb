// Many groups, in two subscriptions. Beyond fifty the timer hands them out over a queue; one instance is kept warm.
using '../main.bicep'

var first = '/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups'
var second = '/subscriptions/bbbbbbbb-cccc-dddd-eeee-ffffffffffff/resourceGroups'
var tenants = [
  { group: '${first}/rg-scepman-alpha', name: 'alpha' }
  { group: '${first}/rg-scepman-beta', name: 'beta' }
  { group: '${second}/rg-scepman-gamma', name: 'gamma' }
]

param environmentName = 'all'
param location = 'swedencentral'
param profiles = map(tenants, it => '${it.group}/providers/Microsoft.Network/trafficManagerProfiles/scepman-${it.name}')
param sites = flatten(map(tenants, it => [
  '${it.group}/providers/Microsoft.Web/sites/app-scepman-${it.name}-weu'
  '${it.group}/providers/Microsoft.Web/sites/app-scepman-${it.name}-neu'
]))
param operators = [
  'operations@contoso.com'
]
param secretSettings = {
  COUNTERPART_TEAMS_WEBHOOK: 'teams-webhook'
}
param settings = {
  COUNTERPART_SWEEP: '30m'
  COUNTERPART_SERVICE_HOSTS: join(map(tenants, it => 'scepman-${it.name}=scep.${it.name}.contoso.com'), ',')
  // Practice runs, each group once a week; none begins where load and capacity are not declared.
  COUNTERPART_DRILL_SCHEDULE: '*=30 20 * * MON'
  COUNTERPART_DRILL_WINDOWS: 'MON-20:30-22:30'
  COUNTERPART_DRILL_BLOCKED_DATES: '2026-12-24,2026-12-27..2027-01-02'
  COUNTERPART_DRILL_LOAD: join(map(tenants, it => 'scepman-${it.name}=1500'), ',')
  COUNTERPART_DRILL_CAPACITY: 'weu=195,neu=195'
}
param alwaysReady = 1

// What `azd up` reads: from the azd environment, or from the shell's. For more than lists of ids take one of
// infra/parameters/ as an example.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'counterpart')
param location = readEnvironmentVariable('AZURE_LOCATION', 'swedencentral')
param profiles = split(readEnvironmentVariable('WATCHED_PROFILES'), ',')
param sites = split(readEnvironmentVariable('WATCHED_SITES'), ',')
param mode = readEnvironmentVariable('DEPLOY_MODE', 'sync')
param operators = filter(split(readEnvironmentVariable('DEPLOY_OPERATORS', ''), ','), it => !empty(it))
param signInClientId = readEnvironmentVariable('DEPLOY_SIGN_IN_CLIENT_ID', '')
param secretSettings = bool(readEnvironmentVariable('DEPLOY_HAS_TEAMS_WEBHOOK', 'false'))
  ? { COUNTERPART_TEAMS_WEBHOOK: 'teams-webhook' }
  : {}
param settings = empty(readEnvironmentVariable('DEPLOY_SERVICE_HOSTS', ''))
  ? {}
  : { COUNTERPART_SERVICE_HOSTS: readEnvironmentVariable('DEPLOY_SERVICE_HOSTS') }

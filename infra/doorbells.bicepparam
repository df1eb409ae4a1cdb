// What the step after the code reads: what main.bicep put out, which azd keeps in its environment.
using 'doorbells.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME')
param resourceGroupName = readEnvironmentVariable('AZURE_RESOURCE_GROUP')
param token = readEnvironmentVariable('DEPLOY_TOKEN')
param appName = readEnvironmentVariable('DEPLOY_APP_NAME')
param storageName = readEnvironmentVariable('DEPLOY_STORAGE_NAME')
param profiles = split(readEnvironmentVariable('WATCHED_PROFILES'), ',')
param sites = split(readEnvironmentVariable('WATCHED_SITES'), ',')
param topics = json(readEnvironmentVariable('DEPLOY_TOPICS', '{}'))

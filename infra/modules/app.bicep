// The function app: Flex Consumption, Python 3.13, everything by identity, secrets as Key Vault references.
param name string
param token string
param location string
param tags object
param identityName string
param storageName string
param deploymentContainer string
param componentName string
param vaultName string
param storeEndpoint string
param profiles array
param instance string
param mode string
param settings object
param secretSettings object
param signInClientId string
param signInIdentities array
param alwaysReady int

var signIn = !empty(signInClientId)
var vaultUrl = 'https://${vaultName}${environment().suffixes.keyvaultDns}/'
var secrets = union({ COUNTERPART_FINGERPRINT_KEY: 'fingerprint-key' }, secretSettings)
var references = toObject(
  items(secrets),
  it => it.key,
  it => '@Microsoft.KeyVault(SecretUri=${vaultUrl}secrets/${it.value})'
)
var platform = {
  AzureWebJobsStorage__accountName: storage.name
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identity.properties.clientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: component.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
  AZURE_CLIENT_ID: identity.properties.clientId
}
var own = {
  COUNTERPART_PROFILES: join(profiles, ',')
  COUNTERPART_VAULT_URL: vaultUrl
  COUNTERPART_STORE: storeEndpoint
  COUNTERPART_BASE_URL: 'https://${name}.azurewebsites.net'
  COUNTERPART_INSTANCE: instance
  COUNTERPART_AUDIT_ONLY: mode == 'audit' ? 'on' : 'off'
}
// Without a secret: Entra trusts the app's identity, as docs/deploy.md#sign-in sets up.
var signInSettings = signIn
  ? {
      OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: identity.properties.clientId
      WEBSITE_AUTH_AAD_ALLOWED_TENANTS: tenant().tenantId
    }
  : {}
var appSettings = union(platform, own, references, signInSettings, settings)

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {
  name: identityName
}

resource storage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: storageName
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-counterpart-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    tier: 'FlexConsumption'
    name: 'FC1'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'counterpart' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    keyVaultReferenceIdentity: identity.id
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: 40
        alwaysReady: alwaysReady == 0
          ? []
          : [
              {
                name: 'function:reconcile'
                instanceCount: alwaysReady
              }
            ]
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      appSettings: map(items(appSettings), it => { name: it.key, value: it.value })
    }
  }
}

resource noBasicAuthentication 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

// Requests without a sign-in go on to the app, which asks for a key or for a sign-in, row by row: Event Grid and
// action groups have a key. docs/decisions/0014-page-sign-in.md says why no path is left out here instead.
resource authentication 'Microsoft.Web/sites/config@2024-04-01' = if (signIn) {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: true
      runtimeVersion: '~1'
    }
    globalValidation: {
      requireAuthentication: false
      unauthenticatedClientAction: 'AllowAnonymous'
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: signInClientId
          clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [
            signInClientId
            'api://${signInClientId}'
          ]
          defaultAuthorizationPolicy: empty(signInIdentities)
            ? {}
            : {
                allowedPrincipals: {
                  identities: signInIdentities
                }
              }
        }
      }
    }
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
}

output hostName string = app.properties.defaultHostName

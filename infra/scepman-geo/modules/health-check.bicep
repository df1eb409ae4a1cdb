// App Service replaces an instance that does not answer /probe, as new installations of SCEPman have it.
param siteName string

resource site 'Microsoft.Web/sites@2024-04-01' existing = {
  name: siteName
}

resource web 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: site
  name: 'web'
  properties: {
    healthCheckPath: '/probe'
  }
}

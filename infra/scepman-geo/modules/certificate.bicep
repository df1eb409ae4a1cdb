// A certificate of App Service for the domain, and the binding with it. A module in between, because one template
// cannot hold the binding twice.
param siteName string
param domain string
param tags object

resource site 'Microsoft.Web/sites@2024-04-01' existing = {
  name: siteName
}

module issued 'managed-certificate.bicep' = {
  name: take('${siteName}-certificate', 64)
  params: {
    name: '${domain}-${siteName}'
    location: site.location
    planId: site.properties.serverFarmId
    domain: domain
    tags: tags
  }
}

resource binding 'Microsoft.Web/sites/hostNameBindings@2024-04-01' = {
  parent: site
  name: domain
  properties: {
    siteName: siteName
    hostNameType: 'Verified'
    sslState: 'SniEnabled'
    thumbprint: issued.outputs.thumbprint
  }
}

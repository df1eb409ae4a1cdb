// A certificate that App Service has issued and renews. Behind Traffic Manager only with Azure endpoints.
param name string
param location string
param planId string
param domain string
param tags object

resource certificate 'Microsoft.Web/certificates@2024-04-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    serverFarmId: planId
    canonicalName: domain
  }
}

output thumbprint string = certificate.properties.thumbprint

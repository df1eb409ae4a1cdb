// The geo-redundant reference architecture around two SCEPman apps that are there already: for who starts fresh, and
// for who adopts a pair that grew by hand. Each part has a switch; run what-if first. The apps, their vault and their
// plans come from the vendor's own deployment and clone command.
targetScope = 'resourceGroup'

@description('The web apps, as resource ids, in the order of their priority.')
@minLength(2)
param sites array

@description('The name of an endpoint for each site, in the same order.')
param endpointNames array

@description('The name that devices enrol at, such as scep.contoso.com.')
param domain string

@description('The profile with its endpoints.')
param withProfile bool = true

@description('The profile\'s name, and its label below trafficmanager.net, which must be free in all of Azure.')
param profileName string = 'scepman'
param relativeDnsName string = profileName

@description('How traffic is led; the vendor shows Performance.')
@allowed([
  'Performance'
  'Priority'
  'Weighted'
])
param routing string = 'Performance'

@description('App Service\'s own health check on /probe. Setting it restarts the apps.')
param withHealthCheck bool = false

@description('The CNAME from the domain to the profile, in a zone of Azure DNS.')
param withDns bool = false
param zoneName string = ''
param zoneGroup string = resourceGroup().name

@description('The domain on both apps. It must lead to the profile already, or be proved by asuid records. Off again once it is bound: written anew it loses its certificate until the next step binds it.')
param withHostNames bool = false

@description('A certificate of App Service for the domain on both apps, bound. Needs the domain on them.')
param withCertificates bool = false

@description('SCEPman\'s storage account with a redundancy that outlives a region. Only for an account made here.')
param withStorage bool = false
param storageName string = ''
@allowed([
  'Standard_GRS'
  'Standard_GZRS'
  'Standard_RAGRS'
  'Standard_RAGZRS'
])
param storageSku string = 'Standard_GRS'

@description('Lets Counterpart find the profile by itself.')
param watched bool = true

param extraTags object = {}

var tags = union(extraTags, watched ? { counterpart: 'managed' } : {})

// The vendor's values: a dead region is out of DNS after at most 45 s of probes and 30 s of cached answers.
resource profile 'Microsoft.Network/trafficmanagerprofiles@2022-04-01' = if (withProfile) {
  name: profileName
  location: 'global'
  tags: tags
  properties: {
    profileStatus: 'Enabled'
    trafficRoutingMethod: routing
    dnsConfig: {
      relativeName: relativeDnsName
      ttl: 30
    }
    monitorConfig: {
      protocol: 'HTTPS'
      port: 443
      path: '/probe'
      intervalInSeconds: 10
      toleratedNumberOfFailures: 3
      timeoutInSeconds: 5
    }
    endpoints: [
      for (id, index) in sites: {
        name: endpointNames[index]
        type: 'Microsoft.Network/trafficManagerProfiles/azureEndpoints'
        properties: {
          targetResourceId: id
          endpointStatus: 'Enabled'
          priority: index + 1
          weight: 1
        }
      }
    ]
  }
}

module dns 'modules/cname.bicep' = if (withDns) {
  name: 'scepman-geo-cname'
  scope: resourceGroup(zoneGroup)
  params: {
    zoneName: zoneName
    recordName: endsWith(domain, '.${zoneName}') ? substring(domain, 0, length(domain) - length(zoneName) - 1) : domain
    target: '${relativeDnsName}.trafficmanager.net'
  }
  dependsOn: [
    profile
  ]
}

module bindings 'modules/host-name.bicep' = [
  for (id, index) in sites: if (withHostNames) {
    name: 'scepman-geo-host-name-${index}'
    scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
    params: {
      siteName: last(split(id, '/'))
      domain: domain
    }
    dependsOn: [
      dns
    ]
  }
]

module certificates 'modules/certificate.bicep' = [
  for (id, index) in sites: if (withCertificates) {
    name: 'scepman-geo-certificate-${index}'
    scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
    params: {
      siteName: last(split(id, '/'))
      domain: domain
      tags: tags
    }
    dependsOn: [
      bindings
    ]
  }
]

module healthChecks 'modules/health-check.bicep' = [
  for (id, index) in sites: if (withHealthCheck) {
    name: 'scepman-geo-health-check-${index}'
    scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
    params: {
      siteName: last(split(id, '/'))
    }
  }
]

resource storage 'Microsoft.Storage/storageAccounts@2024-01-01' = if (withStorage) {
  name: storageName
  location: resourceGroup().location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: storageSku
  }
  properties: {
    allowBlobPublicAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

output serviceName string = '${relativeDnsName}.trafficmanager.net'
output enrolmentUrl string = 'https://${domain}/certsrv/mscep/mscep.dll'

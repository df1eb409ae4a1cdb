// The domain leads to the profile, in a zone of Azure DNS that is there already.
param zoneName string
param recordName string
param target string

resource zone 'Microsoft.Network/dnsZones@2018-05-01' existing = {
  name: zoneName
}

resource record 'Microsoft.Network/dnsZones/CNAME@2018-05-01' = {
  parent: zone
  name: recordName
  properties: {
    TTL: 300
    CNAMERecord: {
      cname: target
    }
  }
}

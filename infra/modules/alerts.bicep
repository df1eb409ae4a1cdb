// Traffic Manager raises no events: an alert on each profile rings instead. The webhook carries a key that opens this
// one function; after that key is renewed, deploy this again.
param token string
param appName string
param profiles array
param tags object

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: appName
}

resource bell 'Microsoft.Web/sites/functions@2024-04-01' existing = {
  parent: app
  name: 'traffic_manager_alert'
}

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-counterpart-${token}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'counterpart'
    webhookReceivers: [
      {
        name: 'counterpart'
        serviceUri: 'https://${app.properties.defaultHostName}/api/alerts/traffic-manager?code=${bell.listKeys().default}'
        useCommonAlertSchema: true
      }
    ]
  }
}

// By average: several probe sites see an endpoint, and the maximum stays 1 while one of them still reaches it.
resource lost 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for id in profiles: {
    // Profiles in different groups may have the same name.
    name: 'counterpart-endpoint-lost-${last(split(id, '/'))}-${take(uniqueString(toLower(id), token), 6)}'
    location: 'global'
    tags: tags
    properties: {
      description: 'Traffic Manager\'s probes lost an endpoint of ${last(split(id, '/'))}.'
      severity: 1
      enabled: true
      scopes: [
        id
      ]
      evaluationFrequency: 'PT1M'
      windowSize: 'PT1M'
      autoMitigate: true
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: 'endpoint-lost'
            metricNamespace: 'Microsoft.Network/trafficManagerProfiles'
            metricName: 'ProbeAgentCurrentEndpointStateByProfileResourceId'
            timeAggregation: 'Average'
            operator: 'LessThan'
            threshold: json('0.5')
            dimensions: [
              {
                name: 'EndpointName'
                operator: 'Include'
                values: [
                  '*'
                ]
              }
            ]
          }
        ]
      }
      actions: [
        {
          actionGroupId: group.id
        }
      ]
    }
  }
]

// The events of one site: its system topic (in the site's own region) and Counterpart's subscription to it.
param siteName string
param siteLocation string
param topicName string
param subscriptionName string
param tags object
param functionId string
param storageId string
param storageName string
param storageGroup string
param storageSubscription string

resource site 'Microsoft.Web/sites@2024-04-01' existing = {
  name: siteName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: topicName
  location: siteLocation
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: site.id
    topicType: 'Microsoft.Web.Sites'
  }
}

module deadLetters 'dead-letters.bicep' = {
  name: '${subscriptionName}-${uniqueString(site.id)}'
  scope: resourceGroup(storageSubscription, storageGroup)
  params: {
    storageName: storageName
    principalId: topic.identity.principalId
  }
}

resource bell 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: subscriptionName
  dependsOn: [
    deadLetters
  ]
  properties: {
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: functionId
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
      }
    }
    filter: {
      includedEventTypes: [
        'Microsoft.Web.AppUpdated'
      ]
      advancedFilters: [
        {
          operatorType: 'StringIn'
          key: 'data.appEventTypeDetail.action'
          values: [
            'ChangedAppSettings'
            'Restarted'
            'Stopped'
          ]
        }
      ]
    }
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
    deadLetterWithResourceIdentity: {
      identity: {
        type: 'SystemAssigned'
      }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: {
          resourceId: storageId
          blobContainerName: 'dead-letters'
        }
      }
    }
  }
}

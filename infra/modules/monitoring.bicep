// Logs, and the alert about Counterpart's own silence. It goes to people by mail: what it is about cannot tell them.
param token string
param location string
param tags object
param principalId string
param appName string
param operators array

var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: 'log-counterpart-${token}'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 30
  }
}

resource component 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-counterpart-${token}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

resource publishing 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: component
  name: guid(component.id, principalId, metricsPublisher)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-counterpart-people-${token}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'cp-people'
    emailReceivers: [
      for (address, index) in operators: {
        name: 'operator-${index}'
        emailAddress: address
        useCommonAlertSchema: true
      }
    ]
  }
}

// One row always, with 0 in it when nothing ran: a rule over no rows might say nothing at all.
resource silence 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'counterpart-is-silent-${token}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Counterpart is silent'
    description: 'No successful reconcile for 10 minutes. docs/runbooks/silent.md says what to do.'
    severity: 1
    enabled: true
    scopes: [
      workspace.id
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT10M'
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: 'AppRequests | where AppRoleName =~ "${appName}" and Name == "reconcile" and Success == true | summarize Rounds = count()'
          metricMeasureColumn: 'Rounds'
          timeAggregation: 'Total'
          operator: 'LessThan'
          threshold: 1
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    actions: {
      actionGroups: [
        people.id
      ]
    }
  }
}

output componentName string = component.name

// Secrets laid into the vault by whoever deploys, without any right to read them back. An empty value is left alone.
param vaultName string
param tags object = {}

@secure()
param fingerprintKey string = ''

@secure()
param teamsWebhook string = ''

@secure()
param webhook string = ''

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

resource fingerprint 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(fingerprintKey)) {
  parent: vault
  name: 'fingerprint-key'
  tags: tags
  properties: {
    value: fingerprintKey
    contentType: 'what settings are fingerprinted under'
  }
}

resource teams 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(teamsWebhook)) {
  parent: vault
  name: 'teams-webhook'
  tags: tags
  properties: {
    value: teamsWebhook
    contentType: 'where cards are posted'
  }
}

resource hook 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(webhook)) {
  parent: vault
  name: 'webhook'
  tags: tags
  properties: {
    value: webhook
    contentType: 'where incidents are posted as JSON'
  }
}

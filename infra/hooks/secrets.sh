#!/bin/sh
# After `azd provision`: lays the fingerprint key into the vault if there is none yet, and the webhook addresses that
# the environment names. Goes through Resource Manager, so that whoever deploys needs no right to read a secret.
#
#   DEPLOY_VAULT_GROUP, DEPLOY_VAULT_NAME   where the vault is (put out by infra/main.bicep)
#   TEAMS_WEBHOOK, JSON_WEBHOOK                       optional, from the shell; never kept by azd
set -eu
here=$(dirname "$0")
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
umask 077

# Only a clear "not found" is no: another key in the place of one that is there would cost the regions' baselines.
there() {
    az resource show --only-show-errors --output none --api-version 2024-11-01 --ids \
        "/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/$DEPLOY_VAULT_GROUP/providers/Microsoft.KeyVault/vaults/$DEPLOY_VAULT_NAME/secrets/$1" \
        2>"$made/answer" && return 0
    grep -q "NotFound" "$made/answer" && return 1
    cat "$made/answer" >&2
    echo "cannot tell whether $DEPLOY_VAULT_NAME holds $1, so nothing was changed" >&2
    exit 1
}

key=
if there fingerprint-key; then
    echo "the fingerprint key stays as it is"
else
    key=$(openssl rand -base64 48)
fi
if [ -z "$key${TEAMS_WEBHOOK:-}${JSON_WEBHOOK:-}" ]; then
    exit 0
fi

# Values go through a file that only we can read: arguments show in the list of processes.
quoted() { printf '%s' "$1" | sed 's/[\\"]/\\&/g'; }
cat >"$made/secrets.json" <<JSON
{
  "\$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#",
  "contentVersion": "1.0.0.0",
  "parameters": {
    "vaultName": {"value": "$(quoted "$DEPLOY_VAULT_NAME")"},
    "fingerprintKey": {"value": "$(quoted "$key")"},
    "teamsWebhook": {"value": "$(quoted "${TEAMS_WEBHOOK:-}")"},
    "webhook": {"value": "$(quoted "${JSON_WEBHOOK:-}")"}
  }
}
JSON
az deployment group create --only-show-errors --output none --name counterpart-secrets \
    --subscription "$AZURE_SUBSCRIPTION_ID" --resource-group "$DEPLOY_VAULT_GROUP" \
    --template-file "$here/../modules/secrets.bicep" --parameters "@$made/secrets.json"
echo "secrets are in $DEPLOY_VAULT_NAME; an app that runs already reads them after a restart"

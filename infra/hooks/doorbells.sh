#!/bin/sh
# After `azd deploy`: event subscriptions and alerts, which need the functions to be there. Right after a deployment
# the platform may not know them yet, so it is tried a few times.
set -eu
here=$(dirname "$0")
for pause in 20 40 60 0; do
    if az deployment sub create --only-show-errors --output none --name "counterpart-doorbells-$DEPLOY_TOKEN" \
        --subscription "$AZURE_SUBSCRIPTION_ID" --location "$AZURE_LOCATION" \
        --template-file "$here/../doorbells.bicep" --parameters "$here/../doorbells.bicepparam"; then
        echo "doorbells are connected; $DEPLOY_APP_URL/api/health says how Counterpart is"
        exit 0
    fi
    [ "$pause" = 0 ] || { echo "the functions may not be known yet; again in $pause s" >&2; sleep "${DEPLOY_PAUSE:-$pause}"; }
done
echo "the doorbells are not connected; Counterpart works without them, a minute later. Again: azd hooks run postdeploy --service counterpart" >&2
exit 1

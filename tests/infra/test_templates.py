"""The Bicep templates, read with a grammar: what they name in the code is there, and what the code needs is in them.

They were not compiled by Azure's own compiler here, and not deployed (docs/deploy.md says so).
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.reference import trigger_table
from infra.package import PYTHON, ROOT, name
from shared.adapters.tables import TABLE
from shared.events import app_service
from shared.settings import FIELDS
from simulator.alerts import METRIC
from simulator.roles import DIRECTORY, definition
from simulator.world import ProfileState
from tests.infra.azure import BUILT_IN_ROLES, TYPES
from tests.infra.bicep import (
    INFRA,
    Expression,
    Resource,
    Template,
    Unreadable,
    given,
    parameter_files,
    plain,
    read,
    templates,
)

MAIN, DOORBELLS = INFRA / "main.bicep", INFRA / "doorbells.bicep"
APP, STORAGE = INFRA / "modules" / "app.bicep", INFRA / "modules" / "storage.bicep"
GEO = INFRA / "scepman-geo" / "main.bicep"
AZD = {"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_SUBSCRIPTION_ID"}  # what azd itself keeps
GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
KNOWN = {field.name for field in FIELDS}
FUNCTIONS = frozenset(
    re.findall(
        r"\w+",
        """any array base64 bool concat contains deployment empty endsWith environment filter first flatten format
        guid int intersection items join json last length loadJsonContent map max min object range reduce reference
        replace resourceGroup resourceId skip sort split startsWith string subscription substring sys tenant toLower
        toObject toUpper take trim union uniqueString uri utcNow""",
    )
)
# Platform settings that would break a Flex Consumption app, or hold a secret.
NEVER = {
    "WEBSITE_RUN_FROM_PACKAGE",
    "FUNCTIONS_WORKER_RUNTIME",
    "FUNCTIONS_EXTENSION_VERSION",
    "AzureWebJobsStorage",
}


def named(path: Path) -> str:
    return str(path.relative_to(INFRA))


every_template = pytest.mark.parametrize("path", templates(), ids=named)
every_parameter_file = pytest.mark.parametrize("path", parameter_files(), ids=named)


@pytest.fixture(scope="module")
def triggers() -> dict[str, dict[str, Any]]:
    return trigger_table()


def all_resources() -> Iterator[tuple[Template, Resource]]:
    return ((template, each) for template in map(read, templates()) for each in template.resources.values())


def only(path: Path, kind: str) -> Resource:
    """The one resource of a type that a template makes."""
    (found,) = (resource for resource in read(path).made if resource.type == kind)
    return found


# -- every template ---------------------------------------------------------------------------------------------


@every_template
def test_types_and_versions_exist(path: Path) -> None:
    """Every resource is of a type and an api-version that Azure publishes."""
    for resource in read(path).resources.values():
        assert resource.type in TYPES, resource.type
        assert resource.version == TYPES[resource.type].version, resource.type


@every_template
def test_everything_that_can_be_is_tagged(path: Path) -> None:
    """Whoever finds a resource sees whose it is; a name says nothing of time or chance, so that what-if is quiet."""
    for resource in read(path).made:
        assert ("tags" in resource.body) == TYPES[resource.type].tags, resource.symbol
        assert not re.search(
            r"utcNow|newGuid", resource.body.get("name", "") if isinstance(resource.body["name"], str) else ""
        )
    assert not read(path).identifiers & {"utcNow", "newGuid"}


@every_template
def test_no_output_holds_a_secret(path: Path) -> None:
    """Outputs lie in the deployment's history for everybody who may read it."""
    template = read(path)
    secret = [parameter.name for parameter in template.parameters.values() if parameter.secure]
    for output in template.outputs.values():
        text = " ".join(plain(output.value))
        assert not re.search(r"list\w*Keys?\(|listKeys|ConnectionString|[Pp]assword|[Ss]ecret", text), (
            output.name
        )
        assert not [item for item in secret if re.search(rf"\b{item}\b", text)]
    unmarked = [
        parameter
        for parameter in template.parameters
        if re.search("(?i)webhook|key$|password", parameter) and parameter not in secret
    ]
    assert unmarked == []


@every_template
def test_modules_get_what_they_ask_for(path: Path) -> None:
    """Every module file is there, gets each parameter that it needs, and none that it does not know."""
    for module in read(path).modules.values():
        asked = read(module.file).parameters
        assert set(module.given) <= set(asked), module.symbol
        assert {each.name for each in asked.values() if each.required} <= set(module.given), module.symbol


@every_template
def test_nothing_is_declared_in_vain(path: Path) -> None:
    """Every parameter and variable is used."""
    template = read(path)
    assert (template.parameters.keys() | template.variables.keys()) - template.identifiers == set()


@every_template
def test_no_name_hides_a_function(path: Path) -> None:
    """A symbol with a function's name would make that function unreachable, or not compile."""
    template = read(path)
    symbols = template.parameters.keys() | template.variables.keys() | template.resources.keys()
    assert not (symbols | template.modules.keys() | template.outputs.keys()) & FUNCTIONS


@pytest.mark.parametrize("path", [MAIN, GEO], ids=named)
def test_who_deploys_is_told(path: Path) -> None:
    """Each parameter that has no plain meaning says what it is for."""
    plain_ones = {
        "zoneName",
        "zoneGroup",
        "storageName",
        "storageSku",
        "relativeDnsName",
        "extraTags",
        "watched",
    }
    silent = {
        parameter.name for parameter in read(path).parameters.values() if not parameter.described
    } - plain_ones
    assert silent == set()


def test_every_module_is_used() -> None:
    """No template lies there that nobody deploys; secrets.bicep is deployed by its hook."""
    used = {module.file for each in map(read, templates()) for module in each.modules.values()}
    entries = {MAIN, DOORBELLS, GEO, INFRA / "modules" / "secrets.bicep"}
    assert set(templates()) == used | entries


# -- rights -----------------------------------------------------------------------------------------------------


def test_the_roles_are_those_of_the_files() -> None:
    """Every role of infra/roles is deployed, from the file that the simulator reads, and put out under its name."""
    template = read(INFRA / "modules" / "roles.bicep")
    loaded = [
        re.search(r"roles/(\w+)\.json", variable.text) for variable in template.variables["definitions"]
    ]
    order = [match[1] for match in loaded if match]
    assert sorted(order) == sorted(path.stem for path in DIRECTORY.glob("*.json"))
    for output in template.outputs.values():
        assert output.value.text == f"roles[{order.index(output.name)}].name"


def test_every_role_is_assigned_where_it_says() -> None:
    """The watched get the full role or, in audit mode, sites the narrower one; vault and subscription theirs."""
    modules = read(MAIN).modules
    roles = {symbol: " ".join(plain(module.given.get("roleName", ""))) for symbol, module in modules.items()}
    assert roles["watchedSites"] == "mode == 'audit' ? roles.outputs.audit : roles.outputs.counterpart audit"
    assert roles["watchedProfiles"] == "roles.outputs.counterpart"
    assert "in profiles: if (mode == 'sync')" in MAIN.read_text("utf-8")
    assert not any("trafficManagerProfiles" in item["action"] for item in definition("audit")["actions"])
    assert roles["vault"] == "roles.outputs.copies"
    assert roles["discovering"] == "roles.outputs.discover"
    assert {path.stem for path in DIRECTORY.glob("*.json")} == {"counterpart", "audit", "copies", "discover"}


def test_built_in_roles_are_known_and_few() -> None:
    """Besides the custom roles only these, each on one resource of Counterpart's own."""
    found = {
        guid for path in (INFRA / "modules").glob("*.bicep") for guid in GUID.findall(path.read_text("utf-8"))
    }
    assert found == set(BUILT_IN_ROLES)
    for _, resource in all_resources():
        if resource.type == "Microsoft.Authorization/roleAssignments":
            assert resource.body["properties"]["principalType"] == "ServicePrincipal"


def test_a_role_is_never_assigned_to_a_whole_group_or_subscription_but_for_discovery() -> None:
    """Each assignment names the one resource that it is for."""
    for template, resource in all_resources():
        if resource.type == "Microsoft.Authorization/roleAssignments":
            assert ("scope" in resource.body) == (template.path.name != "discovering.bicep"), template.path
    assert [item["action"] for item in definition("discover")["actions"]] == [
        "Microsoft.Network/trafficManagerProfiles/read"
    ]


# -- the app ----------------------------------------------------------------------------------------------------


def test_the_apps_settings_are_known_and_enough() -> None:
    """Each COUNTERPART_* setting is one that the product reads, and every required one is there."""
    variables = read(APP).variables
    made = {*variables["own"], *variables["platform"]}
    made |= {key for hold in variables["secrets"].holds for key in hold}
    ours = {item for item in made if item.startswith("COUNTERPART_")}
    assert ours <= KNOWN
    assert {field.name for field in FIELDS if field.default is None} <= made
    assert not made & NEVER
    assert {
        "AzureWebJobsStorage__accountName",
        "AzureWebJobsStorage__credential",
        "AzureWebJobsStorage__clientId",
    } <= made
    assert "AZURE_CLIENT_ID" in made


def test_secrets_are_references() -> None:
    """The fingerprint key and the webhooks are never values of a setting, and lie under names that are laid in."""
    secrets = read(INFRA / "modules" / "secrets.bicep")
    laid_in = {resource.body["name"] for resource in secrets.made}
    assert {key: value for hold in read(APP).variables["secrets"].holds for key, value in hold.items()} == {
        "COUNTERPART_FINGERPRINT_KEY": "fingerprint-key"
    }
    assert laid_in == {"fingerprint-key", "teams-webhook", "webhook"}
    assert all(
        parameter.secure
        for parameter in secrets.parameters.values()
        if parameter.name not in {"vaultName", "tags"}
    )
    assert "keyVaultReferenceIdentity" in only(APP, "Microsoft.Web/sites").body["properties"]


def test_the_app_is_as_the_platform_wants_it() -> None:
    """Flex Consumption, the Python that the package is compiled for, deployment from a container by identity."""
    config = only(APP, "Microsoft.Web/sites").body["properties"]["functionAppConfig"]
    assert config["runtime"] == {"name": "python", "version": ".".join(map(str, PYTHON))}
    assert config["deployment"]["storage"]["type"] == "blobContainer"
    assert config["deployment"]["storage"]["authentication"]["type"] == "UserAssignedIdentity"
    assert only(APP, "Microsoft.Web/serverfarms").body["sku"] == {"tier": "FlexConsumption", "name": "FC1"}


def test_nothing_is_reached_by_a_shared_key() -> None:
    """Storage and telemetry by identity only; no basic authentication at the app."""
    for template, resource in all_resources():
        if (
            resource.type == "Microsoft.Storage/storageAccounts"
            and not resource.existing
            and template.path != GEO
        ):
            assert resource.body["properties"]["allowSharedKeyAccess"] is False
    for _, resource in all_resources():
        if resource.type == "Microsoft.Web/sites/basicPublishingCredentialsPolicies":
            assert resource.body["properties"] == {"allow": False}
    component = only(INFRA / "modules" / "monitoring.bicep", "Microsoft.Insights/components")
    assert component.body["properties"]["DisableLocalAuth"] is True


def test_queue_and_table_are_the_ones_that_the_code_uses(triggers: dict[str, dict[str, Any]]) -> None:
    """The queue of the trigger and the table of the store are there before the app is."""
    queue = only(STORAGE, "Microsoft.Storage/storageAccounts/queueServices/queues").body["name"]
    assert queue in {trigger.get("queueName") for trigger in triggers.values()}
    table = only(INFRA / "modules" / "state.bicep", "Microsoft.Storage/storageAccounts/tableServices/tables")
    assert table.body["name"] == TABLE


def test_sign_in_lets_keys_through() -> None:
    """The platform's sign-in asks nobody at the door: rows ask, so that events and alerts arrive."""
    auth = only(APP, "Microsoft.Web/sites/config").body["properties"]
    assert auth["globalValidation"]["unauthenticatedClientAction"] == "AllowAnonymous"
    assert auth["login"] == {"tokenStore": {"enabled": False}}
    registration = auth["identityProviders"]["azureActiveDirectory"]["registration"]
    settings = {key for hold in read(APP).variables["signInSettings"].holds for key in hold}
    assert registration["clientSecretSettingName"] in settings


def test_two_of_a_kind_have_two_names() -> None:
    """Profiles of one name in different groups, and sites whose long names begin alike, do not meet."""
    (lost,) = (
        resource
        for resource in read(INFRA / "modules" / "alerts.bicep").made
        if resource.type.endswith("/metricAlerts")
    )
    assert "uniqueString(toLower(id), token)" in " ".join(plain(lost.body["name"]))
    letters = (INFRA / "modules" / "doorbell.bicep").read_text("utf-8")
    assert "name: '${subscriptionName}-${uniqueString(site.id)}'" in letters
    names = " ".join(plain(read(DOORBELLS).variables["names"]))
    assert "<= 45" in names  # with "evgt-" that is all that a topic's name may have
    assert "uniqueString(toLower(id))" in names


# -- doorbells --------------------------------------------------------------------------------------------------


def test_events_go_to_the_function_that_takes_them(triggers: dict[str, dict[str, Any]]) -> None:
    """The function of the subscription is a row with an Event Grid trigger."""
    text = " ".join(plain(read(DOORBELLS).modules["bells"].given))
    (function,) = set(re.findall(r"/functions/(\w+)", text))
    assert triggers[function]["type"] == "eventGridTrigger"


def test_events_are_those_that_the_code_tells_apart() -> None:
    """CloudEvents, filtered to the actions that the parser knows, tried for a day, then laid aside."""
    bell = only(INFRA / "modules" / "doorbell.bicep", "Microsoft.EventGrid/systemTopics/eventSubscriptions")
    properties = bell.body["properties"]
    assert properties["eventDeliverySchema"] == "CloudEventSchemaV1_0"
    assert properties["filter"]["includedEventTypes"] == ["Microsoft.Web.AppUpdated"]
    (by_action,) = properties["filter"]["advancedFilters"]
    assert by_action["key"] == "data.appEventTypeDetail.action"
    assert {item.lower() for item in by_action["values"]} == set(app_service._KINDS)
    assert properties["retryPolicy"]["maxDeliveryAttempts"] == 30
    letters = properties["deadLetterWithResourceIdentity"]["deadLetterDestination"]["properties"]
    containers = {
        resource.body["name"].text for resource in read(STORAGE).made if resource.type.endswith("/containers")
    }
    assert containers == {"deploymentContainerName", "deadLetterContainerName"}
    assert (
        read(STORAGE).variables["deadLetterContainerName"] == letters["blobContainerName"] == "dead-letters"
    )


def test_alerts_go_to_the_route_that_takes_them(triggers: dict[str, dict[str, Any]]) -> None:
    """The webhook's path is the row's route, its key is that row's own, and it uses the common schema."""
    template = read(INFRA / "modules" / "alerts.bicep")
    (receiver,) = only(template.path, "Microsoft.Insights/actionGroups").body["properties"][
        "webhookReceivers"
    ]
    function = template.resources["bell"].body["name"]
    row = triggers[function]
    assert row["type"] == "httpTrigger"
    assert row["methods"] == ["POST"]
    assert f"/api/{row['route']}?code=" in receiver["serviceUri"]
    assert "bell.listKeys().default" in receiver["serviceUri"]
    assert receiver["useCommonAlertSchema"] is True


def test_an_endpoint_is_lost_by_average() -> None:
    """Traffic Manager's metric, each minute, split by endpoint; the maximum would hide a mostly dead one."""
    alert = only(INFRA / "modules" / "alerts.bicep", "Microsoft.Insights/metricAlerts").body["properties"]
    (criterion,) = alert["criteria"]["allOf"]
    assert criterion["metricName"] == METRIC  # of which the simulated Azure Monitor makes its alerts
    assert (criterion["timeAggregation"], criterion["operator"]) == ("Average", "LessThan")
    assert criterion["threshold"].text == "json('0.5')"
    assert criterion["dimensions"] == [{"name": "EndpointName", "operator": "Include", "values": ["*"]}]
    assert (alert["evaluationFrequency"], alert["windowSize"]) == ("PT1M", "PT1M")


def test_silence_is_noticed(triggers: dict[str, dict[str, Any]]) -> None:
    """The rule asks for the timer's function by name, over ten minutes, and leads to its runbook."""
    rule = only(INFRA / "modules" / "monitoring.bicep", "Microsoft.Insights/scheduledQueryRules").body[
        "properties"
    ]
    (criterion,) = rule["criteria"]["allOf"]
    (function,) = re.findall(r'Name == "(\w+)"', criterion["query"])
    assert triggers[function]["type"] == "timerTrigger"
    assert "summarize Rounds = count()" in criterion["query"]
    assert (criterion["metricMeasureColumn"], criterion["operator"], criterion["threshold"]) == (
        "Rounds",
        "LessThan",
        1,
    )
    assert rule["windowSize"] == "PT10M"
    (runbook,) = re.findall(r"docs/runbooks/[\w-]+\.md", rule["description"])
    assert (ROOT / runbook).is_file()
    host = json.loads((ROOT / "host.json").read_text("utf-8"))
    assert "Request" in host["logging"]["applicationInsights"]["samplingSettings"]["excludedTypes"]


# -- parameter files, azd, hooks --------------------------------------------------------------------------------


def _pairs(computed: Expression) -> dict[str, Any]:
    return {key: value for hold in computed.holds if isinstance(hold, dict) for key, value in hold.items()}


@every_parameter_file
def test_parameter_files_fit(path: Path) -> None:
    """Each gives what its template needs, nothing that it does not know, and settings that the product reads."""
    template, values = given(path)
    parameters = read(template).parameters
    assert set(values) <= set(parameters)
    assert {parameter.name for parameter in parameters.values() if parameter.required} <= set(values)
    secrets = values.get("secretSettings", {})
    named_secrets = secrets if isinstance(secrets, dict) else _pairs(secrets)
    settings = values.get("settings", {})
    named_settings = settings if isinstance(settings, dict) else _pairs(settings)
    assert {*named_settings, *named_secrets} <= KNOWN
    for field in FIELDS:  # what is computed is passed over
        if isinstance(text := named_settings.get(field.name), str):
            field.convert(text)
    laid_in = {resource.body["name"] for resource in read(INFRA / "modules" / "secrets.bicep").made}
    assert set(named_secrets.values()) <= laid_in


@pytest.mark.parametrize("path", parameter_files(), ids=named)
def test_parameter_files_hold_no_secret(path: Path) -> None:
    """Only names of secrets; ids are the documentation's."""
    text = path.read_text("utf-8")
    assert not re.search(r"https://|sig=|AccountKey|[A-Za-z0-9+/]{40,}={0,2}", text)
    assert set(GUID.findall(text)) <= {
        "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "bbbbbbbb-cccc-dddd-eeee-ffffffffffff",
    }


def test_what_later_steps_read_was_put_out() -> None:
    """Every variable of the second step and of the hooks is put out by the first, kept by azd, or has a default."""
    outputs = set(read(MAIN).outputs) | AZD
    step = (INFRA / "doorbells.bicepparam").read_text("utf-8")
    assert set(re.findall(r"readEnvironmentVariable\('(\w+)'\)", step)) <= outputs
    for hook in (INFRA / "hooks").glob("*.sh"):
        text = hook.read_text("utf-8")
        needed = set(re.findall(r"\$\{?([A-Z][A-Z_]+)\b(?!:-)", text))
        assert needed <= outputs, hook.name


def test_azd_deploys_the_package() -> None:
    """azure.yaml names the file that `make package` makes, and hooks that are there and may be run."""
    text = (ROOT / "azure.yaml").read_text("utf-8")
    assert f"dist: dist/{name()}" in text
    hooks = re.findall(r"run: (infra/\S+)", text)
    assert {ROOT / hook for hook in hooks} == set((INFRA / "hooks").glob("*.sh"))
    assert all((ROOT / hook).stat().st_mode & 0o111 for hook in hooks)
    tag = only(APP, "Microsoft.Web/sites").body["tags"].holds[0]["azd-service-name"]
    assert re.search(rf"^  {tag}:$", text, re.MULTILINE)


# -- the reference architecture ---------------------------------------------------------------------------------


def test_the_profile_has_the_vendors_values() -> None:
    """As the simulator's profile has them: probed every 10 s, three failures forgiven, answers kept 30 s."""
    properties = only(GEO, "Microsoft.Network/trafficmanagerprofiles").body["properties"]
    monitor, vendor = properties["monitorConfig"], ProfileState("scepman", "rg", [])
    assert properties["dnsConfig"]["ttl"] == vendor.ttl
    assert (monitor["protocol"], monitor["port"], monitor["path"]) == (
        vendor.protocol,
        vendor.port,
        vendor.path,
    )
    assert monitor["intervalInSeconds"] == vendor.interval
    assert monitor["toleratedNumberOfFailures"] == vendor.tolerated
    assert monitor["timeoutInSeconds"] == vendor.timeout
    assert read(GEO).parameters["routing"].value == vendor.routing


def test_each_part_of_it_can_be_left_out() -> None:
    """Every resource and module of the reference architecture stands behind a switch of its own."""
    text = GEO.read_text("utf-8")
    switches = {parameter for parameter in read(GEO).parameters if parameter.startswith("with")}
    parts = re.findall(r"^(?:resource|module) \w+ '[^']+' = (.*)$", text, re.MULTILINE)
    loops = re.findall(r"for \(id, index\) in sites: (if \(\w+\))", text)
    conditions = {word for line in (*parts, *loops) for word in re.findall(r"if \((\w+)\)", line)}
    assert conditions == switches
    assert len(parts) == len(re.findall(r"\bif \(with\w+\)", text))


def test_what_is_no_bicep_is_an_error(tmp_path: Path) -> None:
    """A template that the grammar does not take is refused, not read as an empty one."""
    broken = tmp_path / "broken.bicep"
    broken.write_text("resource x 'A/b@2020-01-01' = {\n  name: \n", "utf-8")
    with pytest.raises(Unreadable, match="broken"):
        read(broken)

"""Azure Monitor's metric alert rules on Traffic Manager's endpoints: when one fires, resolves, and what it says.

Plain data and pure decisions; `simulator.services.azure_monitor` samples the metric, evaluates every minute and calls
the action group's webhooks. A rule is stateful: it says Fired once, and Resolved after three good checks in a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

METRIC = "ProbeAgentCurrentEndpointStateByProfileResourceId"
NAMESPACE = "Microsoft.Network/trafficManagerProfiles"
GOOD_CHECKS = 3  # in a row, before a rule that fired resolves
WAITS = (5.0, 20.0, 5.0, 40.0, 5.0)  # seconds before each of the tries after the first
AGAIN = frozenset({408, 429, 503, 504})  # and no answer at all; every other status is final
DESCRIPTION = "Traffic Manager's probes lost an endpoint"
MUTED = 900.0  # seconds for which a webhook is not called that took none of the tries

type Condition = Literal["Fired", "Resolved"]
# The common schema of a static or a dynamic threshold; with the fields that newer alerts have besides; and the schema
# of an action group that has the common one off.
type Shape = Literal["static", "dynamic", "newer", "noncommon"]


@dataclass
class AlertRule:
    """A metric alert rule over one profile, every minute over the last minute: Average below a threshold."""

    name: str
    profile: str  # the profile's name
    threshold: float = 0.5
    severity: int = 1
    split: bool = True  # one alert for each value of the dimension EndpointName, or one for the profile
    enabled: bool = True
    shape: Shape = "static"


@dataclass(frozen=True)
class AlertState:
    """Where a rule is for one endpoint."""

    id: str = ""  # the alert's, from its firing to its resolution; empty: nothing fires
    fired_at: float = 0.0  # the world's clock
    good: int = 0  # checks in a row


def checked(
    state: AlertState, average: float | None, rule: AlertRule, *, now: float, new_id: str
) -> tuple[AlertState, Condition | None]:
    """Return what one check makes of the state, and what is to be told. Without data nothing changes."""
    if average is None:
        return state, None
    if average < rule.threshold:
        return (
            (AlertState(state.id, state.fired_at), None) if state.id else (AlertState(new_id, now), "Fired")
        )
    if not state.id:
        return state, None
    if state.good + 1 < GOOD_CHECKS:
        return AlertState(state.id, state.fired_at, state.good + 1), None
    return AlertState(), "Resolved"


def mean(samples: Sequence[float]) -> float | None:
    """The average; None without data."""
    return sum(samples) / len(samples) if samples else None


def next_wait(tries: int, status: int | None) -> float | None:
    """Seconds until the next try after so many, the last with this status or no answer; None: it was the last."""
    if status is not None and status not in AGAIN:
        return None
    return WAITS[tries - 1] if tries <= len(WAITS) else None


@dataclass(frozen=True)
class Told:
    """What one call of a webhook says."""

    rule: AlertRule
    profile_id: str
    subscription: str
    alert: str  # its id
    endpoint: str  # empty: the whole profile
    condition: Condition
    average: float
    fired_at: str
    resolved_at: str = ""
    window: tuple[str, str] = ("", "")


def payload(told: Told) -> dict[str, Any]:
    """Return what the webhook is sent, in the rule's shape."""
    return _noncommon(told) if told.rule.shape == "noncommon" else _common(told)


def _noncommon(told: Told) -> dict[str, Any]:
    """The schema of metric alerts from before the common one, as its documentation shows it."""
    place, _, name = told.profile_id.rpartition("/")
    context = {
        "timestamp": told.resolved_at or told.fired_at,
        "id": _rule_id(told),
        "name": told.rule.name,
        "description": DESCRIPTION,
        "conditionType": "SingleResourceMultipleMetricCriteria",
        "severity": str(told.rule.severity),
        "condition": {"windowSize": "PT1M", "allOf": [_criterion(told)]},
        "subscriptionId": told.subscription,
        "resourceGroupName": place.split("/")[4],
        "resourceName": name,
        "resourceType": NAMESPACE,
        "resourceId": told.profile_id,
        "portalLink": f"https://portal.azure.com/#resource{told.profile_id}",
    }
    status = {"Fired": "Activated", "Resolved": "Deactivated"}[told.condition]
    data = {"version": "2.0", "properties": None, "status": status, "context": context}
    return {"schemaId": "AzureMonitorMetricAlert", "data": data}


def _rule_id(told: Told) -> str:
    group = told.profile_id.split("/")[4]
    place = f"/subscriptions/{told.subscription}/resourceGroups/{group}"
    return f"{place}/providers/Microsoft.Insights/metricAlerts/{told.rule.name}"


def _criterion(told: Told) -> dict[str, Any]:
    """The condition that was met, or is not any more."""
    dynamic = {
        "alertSensitivity": "Medium",
        "failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
        "ignoreDataBefore": None,
    }
    return {
        **(dynamic if told.rule.shape == "dynamic" else {}),
        "metricName": METRIC,
        "metricNamespace": NAMESPACE,
        "operator": "LessThan",
        "threshold": f"{told.rule.threshold:g}",
        "timeAggregation": "Average",
        "dimensions": [{"name": "EndpointName", "value": told.endpoint}] if told.endpoint else [],
        "metricValue": told.average,
        "webTestName": None,
    }


def _common(told: Told) -> dict[str, Any]:
    place = f"/subscriptions/{told.subscription}"
    essentials = {
        "alertId": f"{place}/providers/Microsoft.AlertsManagement/alerts/{told.alert}",
        "alertRule": told.rule.name,
        "severity": f"Sev{told.rule.severity}",
        "signalType": "Metric",
        "monitorCondition": told.condition,
        "monitoringService": "Platform",
        "alertTargetIDs": [told.profile_id.lower()],
        "configurationItems": [told.rule.profile],
        "originAlertId": f"{told.subscription}_{told.rule.name}_{told.alert}",
        "firedDateTime": told.fired_at,
        "description": DESCRIPTION,
        "essentialsVersion": "1.0",
        "alertContextVersion": "1.0",
    }
    if told.resolved_at:
        essentials["resolvedDateTime"] = told.resolved_at
    if told.rule.shape == "newer":
        essentials |= {
            "alertRuleID": _rule_id(told),
            "resourceType": NAMESPACE.lower(),
            "resourceGroupName": told.profile_id.split("/")[4],
            "investigationLink": f"https://portal.azure.com/#view/alert{told.profile_id}",
        }
    condition = {
        "windowSize": "PT1M",
        "allOf": [_criterion(told)],
        "windowStartTime": told.window[0],
        "windowEndTime": told.window[1],
    }
    context = {
        "properties": None,
        "conditionType": (
            "DynamicThresholdCriteria"
            if told.rule.shape == "dynamic"
            else "SingleResourceMultipleMetricCriteria"
        ),
        "condition": condition,
    }
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {"essentials": essentials, "alertContext": context, "customProperties": {}},
    }

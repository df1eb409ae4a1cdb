"""Azure Monitor's common alert schema, reduced to what an alert says of which endpoints of which profile. Pure.

Only alerts on the metric that says how Traffic Manager's probes see an endpoint are ours (facts: Traffic Manager's
metrics, the common alert schema for metric alerts); any other alert is somebody else's.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from shared.errors import BadEvent

LONGEST = 256 * 1024  # bytes; Azure Monitor's payloads are a few KB
LONGEST_NAME = 2048  # characters; an id of Resource Manager has a few hundred, a rule's name at most 260
SCHEMA = "azuremonitorcommonalertschema"
METRIC = "probeagentcurrentendpointstatebyprofileresourceid"
DIMENSION = "endpointname"
MOST = 200  # endpoints of a profile (Azure's own limit), and conditions that are read

_PROFILE = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.network/trafficmanagerprofiles/[^/]+",
    re.IGNORECASE,
)


class Condition(StrEnum):
    """The condition of an alert rule."""

    FIRED = "Fired"
    RESOLVED = "Resolved"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert. `at` is when the rule fired, or when it resolved."""

    id: str  # the same for an alert's firing and its resolution
    rule: str
    profile_ids: tuple[str, ...]  # in the casing in which they came, mostly lower
    endpoints: tuple[str, ...]  # none: the rule is not split by EndpointName
    condition: Condition
    at: datetime


class _Dimension(msgspec.Struct):
    name: str = ""
    value: str | None = None


class _Criterion(msgspec.Struct, rename="camel"):
    metric_name: str = ""
    dimensions: list[_Dimension] | None = None


class _Conditions(msgspec.Struct, rename="camel"):
    all_of: list[_Criterion] | None = None


class _Context(msgspec.Struct):
    condition: _Conditions | None = None


_ESSENTIALS = {  # Azure's own capitals follow no rule
    "alert_id": "alertId",
    "alert_rule": "alertRule",
    "alert_target_ids": "alertTargetIDs",
    "origin_alert_id": "originAlertId",
    "monitor_condition": "monitorCondition",
    "fired": "firedDateTime",
    "resolved": "resolvedDateTime",
}


class _Essentials(msgspec.Struct, rename=_ESSENTIALS):
    alert_id: str = ""
    alert_rule: str = ""
    origin_alert_id: str | None = None
    monitor_condition: str = ""
    alert_target_ids: list[str] | None = None
    fired: datetime | None = None
    resolved: datetime | None = None


class _Data(msgspec.Struct, rename="camel"):
    essentials: _Essentials
    alert_context: _Context | None = None


class _Body(msgspec.Struct, rename="camel"):
    schema_id: str = ""
    data: Any = None


def parse(body: bytes) -> Alert:
    """Read one alert.

    Raises:
        BadEvent: it is no alert in the common schema, not one about Traffic Manager's endpoints, or it lacks what an
            incident needs; the message says which.
    """
    if len(body) > LONGEST:
        raise BadEvent(f"an alert of {len(body)} bytes is larger than Azure Monitor makes them")
    data = _data(body)
    essentials = data.essentials
    named = essentials.alert_id or essentials.origin_alert_id or _missing("alertId")
    return Alert(
        id=_short("alertId", named),
        rule=_short("alertRule", essentials.alert_rule or "an unnamed rule"),
        profile_ids=_profiles(essentials),
        endpoints=_endpoints(data.alert_context),
        condition=_condition(essentials),
        at=_at(essentials),
    )


def _data(body: bytes) -> _Data:
    try:
        said = msgspec.json.decode(body, type=_Body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadEvent(f"this is no alert: {type(error).__name__}") from error
    if said.schema_id.lower() != SCHEMA:
        raise BadEvent(
            f"the alert's schema is {said.schema_id[:80] or 'not named'}: "
            "turn on the common alert schema in the action group"
        )
    try:
        return msgspec.convert(said.data, type=_Data)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadEvent(f"the alert is not as its schema says: {error}") from error


def _missing(field: str) -> str:
    raise BadEvent(f"the alert has no {field}")


def _short(field: str, text: str) -> str:
    """The text. Raises BadEvent when it is longer than Azure makes one."""
    if len(text) > LONGEST_NAME:
        raise BadEvent(f"the alert's {field} has {len(text)} characters; {LONGEST_NAME} are the most")
    return text


def _profiles(essentials: _Essentials) -> tuple[str, ...]:
    """The profiles that the alert is about. Raises BadEvent: it is about something else."""
    targets = essentials.alert_target_ids or []
    fitting = (
        target for target in targets[:MOST] if len(target) <= LONGEST_NAME and _PROFILE.fullmatch(target)
    )
    found = tuple(dict.fromkeys(fitting))
    if not found:
        raise BadEvent("the alert is not about a Traffic Manager profile")
    return found


def _endpoints(context: _Context | None) -> tuple[str, ...]:
    """The endpoints that the conditions name. Raises BadEvent: none of them is about the endpoints' state."""
    criteria = (context.condition.all_of if context and context.condition else None) or []
    ours = [criterion for criterion in criteria[:MOST] if criterion.metric_name.lower() == METRIC]
    if not ours:
        metrics = ", ".join(criterion.metric_name[:80] for criterion in criteria[:3]) or "none"
        raise BadEvent(f"the alert's metric is {metrics}, not the endpoints' state")
    named = (
        dimension.value
        for criterion in ours
        for dimension in (criterion.dimensions or [])[:MOST]
        if dimension.name.lower() == DIMENSION
    )
    return tuple(dict.fromkeys(_short("endpoint", name) for name in named if name))[:MOST]


def _condition(essentials: _Essentials) -> Condition:
    for condition in Condition:
        if condition.lower() == essentials.monitor_condition.lower():
            return condition
    raise BadEvent(
        f"the alert is neither fired nor resolved: {essentials.monitor_condition[:80] or 'nothing'}"
    )


def _at(essentials: _Essentials) -> datetime:
    resolved = _condition(essentials) is Condition.RESOLVED
    at = (essentials.resolved or essentials.fired) if resolved else essentials.fired
    if at is None or at.tzinfo is None:
        field = "resolvedDateTime" if resolved else "firedDateTime"
        raise BadEvent(f"the alert has no {field} with a zone")
    return at

"""Alerts in the common schema are read; whatever else arrives is refused with its reason."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadEvent
from shared.events.azure_monitor import LONGEST, Condition, parse
from tests.incidents.watching import an_alert

PROFILE = "/subscriptions/5A7E/resourceGroups/RG/providers/Microsoft.Network/trafficManagerProfiles/Scepman"
AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def body(**changes: Any) -> bytes:
    return msgspec.json.encode(an_alert(PROFILE, AT, **changes))


def test_fired() -> None:
    """The rule fired for one endpoint of a profile; ids come lower-cased, times with seven digits."""
    alert = parse(body())
    assert alert.profile_ids == (PROFILE.lower(),)
    assert alert.endpoints == ("west",)
    assert alert.condition is Condition.FIRED
    assert alert.at == AT
    assert alert.rule == "an endpoint is degraded"
    assert parse(body(alertRule=None)).rule == "an unnamed rule"


def test_resolved() -> None:
    """The end has the alert's own id, and its own time."""
    later = AT.replace(minute=9)
    alert = parse(body(condition="Resolved", resolvedDateTime=later.isoformat()))
    assert (alert.condition, alert.at, alert.id) == (Condition.RESOLVED, later, parse(body()).id)


def test_a_resolution_without_its_own_time() -> None:
    """It is told with the time of the firing rather than not at all."""
    assert parse(body(condition="Resolved", resolvedDateTime=None)).at == AT


@pytest.mark.parametrize("spell", [str.upper, str.lower, str])
def test_ids_and_words_in_any_case(spell: Callable[[str], str]) -> None:
    """Azure's casing of ids is not to be relied on."""
    said = an_alert(PROFILE, AT, alertTargetIDs=[spell(PROFILE)], monitorCondition=spell("Fired"))
    criterion = said["data"]["alertContext"]["condition"]["allOf"][0]
    criterion["metricName"] = spell(criterion["metricName"])
    criterion["dimensions"][0]["name"] = spell("EndpointName")
    alert = parse(msgspec.json.encode(said))
    assert [name.lower() for name in alert.profile_ids] == [PROFILE.lower()]
    assert alert.endpoints == ("west",)


def test_several_endpoints_and_none() -> None:
    """A rule may be split by endpoint or not; each endpoint is named once."""
    assert parse(body(endpoints=("west", "east", "west"))).endpoints == ("west", "east")
    said = an_alert(PROFILE, AT)
    said["data"]["alertContext"]["condition"]["allOf"][0]["dimensions"] = None
    assert parse(msgspec.json.encode(said)).endpoints == ()


def _without(*path: str) -> bytes:
    said = an_alert(PROFILE, AT)
    at: Any = said
    for name in path[:-1]:
        at = at[name]
    del at[path[-1]]
    return msgspec.json.encode(said)


OTHER_SCHEMA = "the alert's schema is {}: turn on the common alert schema in the action group"
OTHER_TARGET = "the alert is not about a Traffic Manager profile"
NOT_AS_SAID = "the alert is not as its schema says"


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "this is no alert: DecodeError"),
        (b"[]", "this is no alert: ValidationError"),
        (b"{", "this is no alert: DecodeError"),
        (b"\xff\xfe", "this is no alert: DecodeError"),
        (b"[" * 100_000, "this is no alert: ValidationError"),
        (b'{"schemaId": 7}', "this is no alert: ValidationError"),
        (
            b'{"schemaId": "AzureMonitorMetricAlert", "data": {}}',
            OTHER_SCHEMA.format("AzureMonitorMetricAlert"),
        ),
        (b'{"schemaId": "%s"}' % (b"x" * 100), OTHER_SCHEMA.format("x" * 80)),
        (b'{"status": "Activated", "context": {}}', OTHER_SCHEMA.format("not named")),
        (_without("data"), f"{NOT_AS_SAID}: Expected `object`, got `null`"),
        (_without("data", "essentials"), f"{NOT_AS_SAID}: Object missing required field `essentials`"),
        (_without("data", "essentials", "alertId"), "the alert has no alertId"),
        (_without("data", "essentials", "firedDateTime"), "the alert has no firedDateTime with a zone"),
        (body(firedDateTime="2026-03-02T12:00:00"), "the alert has no firedDateTime with a zone"),
        (
            body(condition="Resolved", resolvedDateTime="2026-03-02T12:00:00"),
            "the alert has no resolvedDateTime with a zone",
        ),
        (
            body(firedDateTime="yesterday"),
            f"{NOT_AS_SAID}: Invalid RFC3339 encoded datetime - at `$.essentials.firedDateTime`",
        ),
        (
            _without("data", "essentials", "monitorCondition"),
            "the alert is neither fired nor resolved: nothing",
        ),
        (body(monitorCondition="Sleeping"), "the alert is neither fired nor resolved: Sleeping"),
        (body(monitorCondition="x" * 100), f"the alert is neither fired nor resolved: {'x' * 80}"),
        (_without("data", "essentials", "alertTargetIDs"), OTHER_TARGET),
        (body(alertTargetIDs=["/subscriptions/x/resourcegroups/y"]), OTHER_TARGET),
        (body(alertTargetIDs=[f"{PROFILE}/azureEndpoints/west"]), OTHER_TARGET),
        (
            body(alertTargetIDs="west"),
            f"{NOT_AS_SAID}: Expected `array | null`, got `str` - at `$.essentials.alertTargetIDs`",
        ),
        (_without("data", "alertContext"), "the alert's metric is none, not the endpoints' state"),
        (
            _without("data", "alertContext", "condition"),
            "the alert's metric is none, not the endpoints' state",
        ),
        (b" " * (LONGEST + 1), f"an alert of {LONGEST + 1} bytes is larger than Azure Monitor makes them"),
    ],
)
def test_refused(raw: bytes, why: str) -> None:
    """Each with what is wrong, in words that say what to do or where to look."""
    with pytest.raises(BadEvent) as refused:
        parse(raw)
    assert str(refused.value) == why


def test_the_largest_alert() -> None:
    """What just fits is read."""
    assert parse(body().ljust(LONGEST)) == parse(body())


def test_another_metric() -> None:
    """An alert on the number of queries is somebody else's; the first three metrics are named."""
    said = an_alert(PROFILE, AT)
    criterion = said["data"]["alertContext"]["condition"]["allOf"][0]
    names = ["QpsByEndpoint", "x" * 100, "Other", "Fourth"]
    said["data"]["alertContext"]["condition"]["allOf"] = [{**criterion, "metricName": name} for name in names]
    with pytest.raises(BadEvent) as refused:
        parse(msgspec.json.encode(said))
    assert str(refused.value) == (
        f"the alert's metric is QpsByEndpoint, {'x' * 80}, Other, not the endpoints' state"
    )


@given(st.binary(max_size=200))
def test_arbitrary_bytes(raw: bytes) -> None:
    """No bytes raise anything else."""
    with pytest.raises(BadEvent):
        parse(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_a_damaged_alert(data: st.DataObject) -> None:
    """One field of an alert replaced by anything: read, or refused by name."""
    said = an_alert(PROFILE, AT)
    essentials = said["data"]["essentials"]
    places: list[Any] = [
        said,
        said["data"],
        essentials,
        said["data"]["alertContext"]["condition"]["allOf"][0],
    ]
    at = data.draw(st.sampled_from(places))
    at[data.draw(st.sampled_from(sorted(at)))] = data.draw(JSON)
    try:
        alert = parse(msgspec.json.encode(said))
    except BadEvent:
        return
    assert alert.profile_ids


@pytest.mark.parametrize("field", ["alertRule", "alertId"])
def test_a_name_that_is_too_long_is_refused(field: str) -> None:
    """Whoever holds the alert's key fills no row with it."""
    with pytest.raises(BadEvent, match=f"the alert's {field} has 200000 characters"):
        parse(body(**{field: "n" * 200_000}))

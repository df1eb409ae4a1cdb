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


def test_resolved() -> None:
    """The end has the alert's own id, and its own time."""
    later = AT.replace(minute=9)
    alert = parse(body(condition="Resolved", resolvedDateTime=later.isoformat()))
    assert (alert.condition, alert.at, alert.id) == (Condition.RESOLVED, later, parse(body()).id)


@pytest.mark.parametrize("spell", [str.upper, str.lower, str])
def test_ids_and_words_in_any_case(spell: Callable[[str], str]) -> None:
    """Azure's casing of ids is not to be relied on."""
    said = an_alert(PROFILE, AT, alertTargetIDs=[spell(PROFILE)], monitorCondition=spell("Fired"))
    criterion = said["data"]["alertContext"]["condition"]["allOf"][0]
    criterion["metricName"] = spell(criterion["metricName"])
    criterion["dimensions"][0]["name"] = spell("EndpointName")
    alert = parse(msgspec.json.encode(said))
    assert [it.lower() for it in alert.profile_ids] == [PROFILE.lower()]
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


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "this is no alert"),
        (b"[]", "this is no alert"),
        (b"{", "this is no alert"),
        (b"\xff\xfe", "this is no alert"),
        (b"[" * 100_000, "this is no alert"),
        (b'{"schemaId": "AzureMonitorMetricAlert", "data": {}}', "turn on the common alert schema"),
        (b'{"status": "Activated", "context": {}}', "turn on the common alert schema"),
        (b'{"schemaId": 7}', "this is no alert"),
        (_without("data"), "not as its schema says"),
        (_without("data", "essentials"), "not as its schema says"),
        (_without("data", "essentials", "alertId"), "has no alertId"),
        (_without("data", "essentials", "firedDateTime"), "has no firedDateTime"),
        (_without("data", "essentials", "monitorCondition"), "neither fired nor resolved"),
        (_without("data", "essentials", "alertTargetIDs"), "not about a Traffic Manager profile"),
        (_without("data", "alertContext"), "the alert's metric is none"),
        (_without("data", "alertContext", "condition"), "the alert's metric is none"),
        (body(monitorCondition="Sleeping"), "neither fired nor resolved: Sleeping"),
        (body(firedDateTime="2026-03-02T12:00:00"), "has no firedDateTime with a zone"),
        (body(firedDateTime="yesterday"), "not as its schema says"),
        (body(alertTargetIDs=["/subscriptions/x/resourcegroups/y"]), "not about a Traffic Manager profile"),
        (body(alertTargetIDs=[f"{PROFILE}/azureEndpoints/west"]), "not about a Traffic Manager profile"),
        (body(alertTargetIDs="west"), "not as its schema says"),
        (b" " * (LONGEST + 1), "larger than Azure Monitor makes them"),
    ],
)
def test_refused(raw: bytes, why: str) -> None:
    """Each with what is wrong, in words that say what to do or where to look."""
    with pytest.raises(BadEvent, match=why):
        parse(raw)


def test_another_metric() -> None:
    """An alert on the number of queries is somebody else's."""
    said = an_alert(PROFILE, AT)
    said["data"]["alertContext"]["condition"]["allOf"][0]["metricName"] = "QpsByEndpoint"
    with pytest.raises(BadEvent, match="metric is QpsByEndpoint"):
        parse(msgspec.json.encode(said))


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

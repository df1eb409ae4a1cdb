"""App Service's events are reduced to a signal, or refused with a named error."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadEvent
from shared.events.app_service import LONGEST, Kind, parse

PAYLOADS = Path(__file__).parents[1] / "payloads"


def payload(name: str, **changes: Any) -> str:
    return json.dumps({**json.loads((PAYLOADS / name).read_text()), **changes})


def test_event_grid_schema() -> None:
    """The documented example, with `data.siteName`, names its site by the topic."""
    signal = parse(payload("app_updated_event_grid.json"))
    assert signal.kind is Kind.SETTINGS
    assert signal.site_id.endswith("/resourceGroups/rg/providers/Microsoft.Web/sites/app-west")
    assert signal.at.isoformat() == "2026-03-02T12:00:30.276095+00:00"


def test_cloud_events() -> None:
    """A CloudEvent, with `data.name` and another casing, is the same to us."""
    signal = parse(payload("app_updated_cloud_event.json"))
    assert signal.kind is Kind.SETTINGS
    assert signal.site_id.lower().endswith("/sites/app-west")


def test_null_detail() -> None:
    """A slot swap has no detail; it is a signal of another kind."""
    assert parse(payload("slot_swap_started.json")).kind is Kind.OTHER


@pytest.mark.parametrize(
    ("action", "kind"), [("Restarted", Kind.RESTARTED), ("Stopped", Kind.STOPPED), ("New", Kind.OTHER)]
)
def test_kinds(action: str, kind: Kind) -> None:
    """The action decides the kind; one that we do not know is another kind, not an error."""
    data = {"appEventTypeDetail": {"action": action}, "siteName": "app-west"}
    assert parse(payload("app_updated_event_grid.json", data=data)).kind is kind


def test_data_may_be_missing() -> None:
    """An event without data still says which site to look at."""
    assert parse(payload("app_updated_event_grid.json", data=None)).kind is Kind.OTHER


_STORAGE = "Microsoft.Storage.BlobCreated"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"eventType": _STORAGE}, f"not an App Service event: {_STORAGE}"),
        ({"eventType": "x" * 100}, f"not an App Service event: {'x' * 80}"),
        ({"eventType": None}, "not an App Service event: no type"),
        ({"topic": "/subscriptions/x"}, "the event does not say which site it is about"),
        ({"topic": None}, "the event does not say which site it is about"),
        ({"eventTime": None}, "the event has no time with a zone"),
        ({"eventTime": "2026-03-02T12:00:30"}, "the event has no time with a zone"),
        ({"eventTime": "yesterday"}, "this is no Event Grid event: ValidationError"),
        ({"data": {"siteName": "another-site"}}, "the event names another site than its source"),
    ],
)
def test_refused(changes: dict[str, Any], why: str) -> None:
    """What is not ours or not readable is refused with the reason, which is what the log of a dropped event has."""
    with pytest.raises(BadEvent) as refused:
        parse(payload("app_updated_event_grid.json", **changes))
    assert str(refused.value) == why


def test_too_long() -> None:
    """Nothing larger than Event Grid's own limit is read; what just fits is."""
    short = payload("app_updated_event_grid.json", padding="")
    fits = payload("app_updated_event_grid.json", padding="x" * (LONGEST - len(short)))
    assert parse(fits) == parse(short)
    with pytest.raises(BadEvent, match=f"of {LONGEST + 1} characters is larger"):
        parse(f"{fits} ")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.text() | _JSON.map(json.dumps) | st.just("[" * 100_000))
def test_nothing_else_is_raised(text: str) -> None:
    """Whatever arrives, the named error is the only one."""
    try:
        parse(text)
    except BadEvent as error:
        assert str(error)


@given(
    st.dictionaries(
        st.sampled_from(["topic", "eventType", "eventTime", "data", "source", "time", "type"]), _JSON
    )
)
def test_odd_fields(changes: dict[str, Any]) -> None:
    """An event whose fields have odd types is refused, not crashed on."""
    try:
        parse(payload("app_updated_event_grid.json", **changes))
    except BadEvent as error:
        assert str(error)

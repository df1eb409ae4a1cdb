"""Alerts over HTTP, from the request's bytes to the answer: taken, ignored, or refused with a problem body."""

import logging
from datetime import timedelta
from typing import Any

import azure.functions as func
import msgspec
import pytest

from handlers import traffic_manager_alert
from handlers._edge import Asked, answer
from shared.errors import Unavailable
from shared.groups.workflow import Watched as SeenRow
from shared.groups.workflow import watched_key
from tests.incidents.watching import Watched, an_alert


async def call(world: Watched, body: bytes | dict[str, Any]) -> func.HttpResponse:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    request = func.HttpRequest("POST", "https://x.test/api/alerts/traffic-manager", headers={}, body=raw)
    return await answer(traffic_manager_alert.handle, request, lambda: (world.ports, world.settings))


async def watched() -> Watched:
    world = Watched()
    await world.minute(2)
    return world


async def test_taken() -> None:
    """200, with the incident that it opened."""
    world = await watched()
    got = await call(world, an_alert(world.profile_id, world.clock.now()))
    assert got.status_code == 200
    said = msgspec.json.decode(got.get_body())
    assert said["status"] == "taken"
    assert said["incidents"] == [(await world.incident()).id]


@pytest.mark.parametrize("suffix", ["-of-somebody-else", ""])
async def test_a_profile_that_is_not_ours(suffix: str) -> None:
    """Acknowledged, so that nobody tries again; no incident, whether it never was ours or is ours no more."""
    world = await watched()
    alert = an_alert(world.profile_id + suffix, world.clock.now())
    if not suffix:
        world.profiles.profiles = [msgspec.structs.replace(world.profiles.profiles[0], tags=())]
    got = await call(world, alert)
    assert got.status_code == 200
    assert msgspec.json.decode(got.get_body())["status"] == "ignored"
    assert await world.incidents() == ()


async def test_an_endpoint_that_the_profile_does_not_have() -> None:
    """Nothing is opened; the group is looked at all the same."""
    world = await watched()
    got = await call(world, an_alert(world.profile_id, world.clock.now(), endpoints=("mars",)))
    assert got.status_code == 200
    assert await world.incidents() == ()


async def test_what_is_seen_after_an_alert_is_as_old_as_the_profile() -> None:
    """A permit takes no old evidence, so how old that of Traffic Manager is must not be forgotten."""
    world = await watched()
    world.clock.advance(30)
    asked = world.clock.now()
    await call(world, an_alert(world.profile_id, asked))
    row = msgspec.json.decode(world.body(watched_key(world.profile_id)), type=SeenRow)
    assert {health.monitored_at for health in row.health.values()} == {asked}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'{"schemaId": "AzureMonitorMetricAlert", "data": {}}',
        msgspec.json.encode({"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": {}}}),
        b'{"schemaId": "' + b"x" * 300_000 + b'"}',
    ],
    ids=["nothing", "text", "another schema", "missing fields", "300 KB"],
)
async def test_refused(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """422 with a problem body, logged once; never a crash, never an incident."""
    world = await watched()
    caplog.clear()
    got = await call(world, body)
    assert got.status_code == 422
    assert got.mimetype == "application/problem+json"
    problem = msgspec.json.decode(got.get_body())
    assert problem["detail"]
    assert len(problem["detail"]) < 400
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1
    assert await world.incidents() == ()


@pytest.mark.parametrize("ahead", [timedelta(hours=-3), timedelta(hours=1)])
async def test_strange_times(ahead: timedelta) -> None:
    """What is older than two hours, or from the future, says nothing about now."""
    world = await watched()
    got = await call(world, an_alert(world.profile_id, world.clock.now() + ahead))
    assert got.status_code == 422


async def test_not_safe() -> None:
    """503, which an action group tries again; a 500 it would drop."""
    world = await watched()

    async def unreachable(name: str) -> None:
        raise Unavailable("the store does not answer")

    alert = an_alert(world.profile_id, world.clock.now())
    world.effects.pause = unreachable
    got = await call(world, alert)
    assert got.status_code == 503
    assert got.headers["Retry-After"]


async def test_fired_and_resolved() -> None:
    """The rule's own end closes an incident that nobody else saw."""
    world = await watched()
    began = world.clock.now()
    await call(world, an_alert(world.profile_id, began))
    world.clock.advance(240)
    over = an_alert(
        world.profile_id,
        began,
        condition="Resolved",
        resolvedDateTime=(began + timedelta(seconds=200)).isoformat(),
    )
    assert (await call(world, over)).status_code == 200
    assert not (await world.incident()).open


async def test_a_rule_for_the_whole_profile() -> None:
    """Not split by endpoint: it opens nothing by itself, and wakes the look that does."""
    world = await watched()
    world.sick("west")
    world.clock.advance(60)
    assert (await call(world, an_alert(world.profile_id, world.clock.now(), endpoints=()))).status_code == 200
    assert (await world.incident()).region == "west"


async def test_a_flood_about_another_profile_costs_one_read() -> None:
    """The no is remembered for a moment, so that rounds do not wait behind it."""
    world = await watched()
    ports, before = world.ports, len(world.profiles.reads)
    other = an_alert(world.profile_id.replace("scepman", "another"), world.clock.now())
    asked = Asked(body=msgspec.json.encode(other), person="")
    for _ in range(50):
        said = await traffic_manager_alert.handle(asked, ports=ports, settings=world.settings)
        assert said.body["status"] == "ignored"
    assert len(world.profiles.reads) - before == 1


async def test_a_rule_name_of_any_length_is_refused_before_it_is_kept() -> None:
    """422 with the reason: a 500 would only drop the alerts after it."""
    world = await watched()
    long = an_alert(world.profile_id, world.clock.now(), alertRule="r" * 200_000)
    got = await call(world, long)
    assert got.status_code == 422
    assert "alertRule" in msgspec.json.decode(got.get_body())["detail"]

"""Azure Monitor's alerts: when a rule fires and resolves, what it says, and how its action group calls."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shared.errors import BadEvent
from shared.events.azure_monitor import parse
from simulator.alerts import MUTED, WAITS, AlertRule, AlertState, Condition, Shape, checked, mean, next_wait
from simulator.premises import Premises, listening
from simulator.services import azure_monitor
from simulator.world import World
from tests.simulator.small_world import PROFILE, contoso, running
from tests.simulator.test_traffic_manager import until

RULE = AlertRule("degraded", PROFILE)


def said(averages: Sequence[float | None], rule: AlertRule = RULE) -> list[Condition | None]:
    """Return what a rule says at each check."""
    state, found = AlertState(), list[Condition | None]()
    for number, average in enumerate(averages):
        state, told = checked(state, average, rule, now=float(number), new_id=f"alert-{number}")
        found.append(told)
    return found


@pytest.mark.parametrize(
    ("averages", "expected"),
    [
        ([1.0, 0.4], [None, "Fired"]),
        ([0.5], [None]),  # below, not at, the threshold
        ([0.0, 0.0, 0.0], ["Fired", None, None]),  # stateful: told once
        ([0.0, 1.0, 1.0, 1.0], ["Fired", None, None, "Resolved"]),
        ([0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0], ["Fired", None, None, None, None, None, "Resolved"]),
        ([0.0, 1.0, 1.0, 1.0, 1.0, 0.0], ["Fired", None, None, "Resolved", None, "Fired"]),
        ([0.0, None, 1.0, None, 1.0, 1.0], ["Fired", None, None, None, None, "Resolved"]),
        ([None, None], [None, None]),  # an endpoint that is not probed has no data
    ],
)
def test_a_rule_is_stateful(averages: list[float | None], expected: list[Condition | None]) -> None:
    """Fired once at the first bad check, Resolved after three good ones in a row; without data nothing changes."""
    assert said(averages) == expected


def test_no_samples_have_no_average() -> None:
    """Nothing is not zero."""
    assert (mean([]), mean([1.0, 0.0])) == (None, 0.5)


@pytest.mark.parametrize("status", [408, 429, 503, 504, None])
def test_what_is_tried_again(status: int | None) -> None:
    """Five times, with the documented pauses."""
    assert [next_wait(tries, status) for tries in range(1, 7)] == [5.0, 20.0, 5.0, 40.0, 5.0, None]


@pytest.mark.parametrize("status", [400, 401, 404, 422, 500, 502])
def test_what_is_dropped(status: int) -> None:
    """Every other status is final, a 500 too."""
    assert next_wait(1, status) is None


@dataclass
class Called:
    """A webhook, what it got, and what it answers next; 200 when nothing is said."""

    bodies: list[bytes] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    always: int = 200

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        return web.Response(status=self.answers.pop(0) if self.answers else self.always)

    @property
    def alerts(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]


@dataclass
class Alerting:
    """A world with a rule, of which nothing but Azure Monitor runs."""

    cloud: Premises
    hook: Called

    @property
    def world(self) -> World:
        return self.cloud.world

    def set(self, endpoint: str, observed: str) -> None:
        """What Traffic Manager sees of an endpoint."""
        next(
            item for item in self.world.profiles[PROFILE].endpoints if item.name == endpoint
        ).observed = observed

    def journal(self) -> list[str]:
        """Return what Azure Monitor did, in order."""
        return [
            f"{happening.what} {happening.detail}"
            for happening in self.world.journal
            if happening.what.startswith("alert-")
        ]


@contextlib.asynccontextmanager
async def alerting(directory: Path, rule: AlertRule = RULE, **hook: Any) -> AsyncIterator[Alerting]:
    world = contoso()
    world.speed = 1000.0
    world.alert_rules.append(rule)
    called = Called(**hook)
    app = web.Application()
    app.router.add_post("/alert", called.take)
    async with listening(app) as url, running(world, directory, azure_monitor.serve) as cloud:
        cloud.alert_webhooks.append(f"{url}/alert")
        here = Alerting(cloud, called)
        here.set("west", "Online")
        here.set("north", "Online")
        yield here


async def test_an_endpoint_is_lost_and_found(tmp_path: Path) -> None:
    """One alert for the lost endpoint in the common schema, and its end under the same id."""
    async with alerting(tmp_path) as on:
        on.set("west", "Degraded")
        await until(lambda: len(on.hook.bodies) == 1)
        on.set("west", "Online")
        await until(lambda: len(on.hook.bodies) == 2)
    fired, resolved = on.hook.alerts
    read = [parse(body) for body in on.hook.bodies]
    assert [(alert.condition, alert.endpoints) for alert in read] == [
        ("Fired", ("west",)),
        ("Resolved", ("west",)),
    ]
    assert read[0].id == read[1].id
    assert read[0].at < read[1].at
    assert fired["data"]["essentials"]["alertTargetIDs"] == [on.world.profiles[PROFILE].id.lower()]
    assert "resolvedDateTime" not in fired["data"]["essentials"]
    assert resolved["data"]["essentials"]["firedDateTime"] == fired["data"]["essentials"]["firedDateTime"]
    assert on.journal() == [
        "alert-fired west",
        "alert-delivered west Fired 200",
        "alert-resolved west",
        "alert-delivered west Resolved 200",
    ]


@pytest.mark.parametrize("shape", ["static", "dynamic", "newer"])
async def test_each_shape_of_the_common_schema_is_read_alike(tmp_path: Path, shape: Shape) -> None:
    """A dynamic threshold, and the fields that newer alerts have besides, change nothing of what the alert says."""
    async with alerting(tmp_path, AlertRule("degraded", PROFILE, shape=shape)) as on:
        on.set("west", "Degraded")
        await until(lambda: len(on.hook.bodies) == 1)
        on.set("west", "Online")
        await until(lambda: len(on.hook.bodies) == 2)
    fired, resolved = (parse(body) for body in on.hook.bodies)
    assert [fired.condition, resolved.condition] == ["Fired", "Resolved"]
    assert (fired.rule, fired.endpoints, fired.id) == ("degraded", ("west",), resolved.id)
    context, essentials = (on.hook.alerts[0]["data"][name] for name in ("alertContext", "essentials"))
    assert ("alertSensitivity" in context["condition"]["allOf"][0]) == (shape == "dynamic")
    assert ("alertRuleID" in essentials) == (shape == "newer")


async def test_the_schema_from_before_the_common_one_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """The action group has the common schema off: the product says where to turn it on."""
    async with alerting(tmp_path, AlertRule("degraded", PROFILE, shape="noncommon")) as on:
        on.set("west", "Degraded")
        await until(lambda: len(on.hook.bodies) == 1)
        on.set("west", "Online")
        await until(lambda: len(on.hook.bodies) == 2)
    assert [alert["data"]["status"] for alert in on.hook.alerts] == ["Activated", "Deactivated"]
    for body in on.hook.bodies:
        with pytest.raises(BadEvent, match="turn on the common alert schema in the action group"):
            parse(body)


async def test_one_rule_for_the_whole_profile(tmp_path: Path) -> None:
    """Not split by endpoint: it names none, and fires when less than half of all that is seen is well."""
    async with alerting(tmp_path, AlertRule("whole", PROFILE, split=False)) as on:
        on.set("west", "Degraded")
        on.set("north", "Degraded")
        await until(lambda: len(on.hook.bodies) == 1)
    assert parse(on.hook.bodies[0]).endpoints == ()


async def test_what_is_not_probed_says_nothing(tmp_path: Path) -> None:
    """A disabled endpoint has no data: neither fired nor resolved."""
    async with alerting(tmp_path) as on:
        on.world.profiles[PROFILE].endpoints[0].enabled = False
        on.set("west", "Degraded")
        await asyncio.sleep(0.3)
        assert on.journal() == []


async def test_a_busy_webhook_gets_it_again(tmp_path: Path) -> None:
    """503 and 429 are tried again until it is taken."""
    async with alerting(tmp_path, answers=[503, 429]) as on:
        on.set("west", "Degraded")
        await until(lambda: "alert-delivered west Fired 200" in on.journal())
    assert on.journal() == [
        "alert-fired west",
        "alert-failed west Fired 503",
        "alert-failed west Fired 429",
        "alert-delivered west Fired 200",
    ]
    assert len(set(on.hook.bodies)) == 1


async def test_a_500_is_dropped(tmp_path: Path) -> None:
    """It is not tried again, and the webhook is called for what comes next."""
    async with alerting(tmp_path, answers=[500]) as on:
        on.set("west", "Degraded")
        await until(lambda: "alert-dropped west Fired 500" in on.journal())
        on.set("west", "Online")
        await until(lambda: "alert-delivered west Resolved 200" in on.journal())
    assert len(on.hook.bodies) == 2


async def test_a_webhook_that_takes_none_of_the_tries_is_left_alone(tmp_path: Path) -> None:
    """After six tries nothing calls it for a quarter of an hour; then it is called again."""
    async with alerting(tmp_path, always=503) as on:
        on.set("west", "Degraded")
        await until(lambda: "alert-dropped west Fired 503" in on.journal())
        assert len(on.hook.bodies) == 1 + len(WAITS)
        on.set("west", "Online")
        await until(lambda: "alert-dropped west Resolved not called: it failed lately" in on.journal())
        assert len(on.hook.bodies) == 1 + len(WAITS)
        on.hook.always = 200
        await asyncio.sleep(MUTED / on.world.speed)
        on.set("west", "Degraded")
        await until(lambda: len(on.hook.bodies) == 2 + len(WAITS))


async def test_nobody_is_there(tmp_path: Path) -> None:
    """A refused connection is tried again like a 503."""
    async with alerting(tmp_path) as on:
        on.cloud.alert_webhooks[:] = ["http://127.0.0.1:9/alert"]
        on.set("west", "Degraded")
        await until(lambda: "alert-dropped west Fired no answer" in on.journal())
    assert on.journal().count("alert-failed west Fired no answer") == len(WAITS)

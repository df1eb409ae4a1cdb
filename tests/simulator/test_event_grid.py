"""The simulated Event Grid: what it sends, how often, and what it gives up."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from simulator.premises import listening
from simulator.services import event_grid
from simulator.services.event_grid import next_try, seven_digits
from simulator.world import EventSubscription, World
from tests.simulator.small_world import NORTH, WEST, contoso, running


@dataclass
class Webhook:
    """A webhook that answers what it is told to and keeps what it got."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)  # answered in turn, then 200
    got: list[tuple[dict[str, str], Any]] = field(default_factory=list)  # (headers, body)

    async def until(self, count: int) -> None:
        """Wait for so many deliveries."""
        await until(lambda: len(self.got) >= count)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become so; TimeoutError when it does not."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- the world has no event for everything
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def webhook(*statuses: int) -> AsyncIterator[Webhook]:
    """A listening webhook."""
    hook = Webhook(statuses=list(statuses))

    async def take(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        hook.got.append((headers, json.loads(await request.read())))
        return web.Response(status=hook.statuses.pop(0) if hook.statuses else 200)

    app = web.Application()
    app.router.add_post("/hook", take)
    async with listening(app) as url:
        hook.url = f"{url}/hook"
        yield hook


def told(world: World, what: str) -> list[str]:
    """The details of one kind of happening."""
    return [happening.detail for happening in world.journal if happening.what == what]


@pytest.mark.parametrize(
    ("tries", "status", "wait"),
    [
        (1, 200, None),
        (1, 204, None),
        (1, 400, None),
        (1, 401, None),
        (1, 403, None),
        (1, 413, None),
        (1, 500, 10),
        (1, None, 10),
        (1, 404, 10),
        (1, 408, 120),
        (1, 503, 30),
        (2, 500, 30),
        (4, 503, 300),
        (5, 302, 600),
        (9, 500, 21600),
        (10, 500, 43200),
        (29, 500, 43200),
        (30, 500, None),
    ],
)
def test_the_retry_schedule(tries: int, status: int | None, wait: float | None) -> None:
    """The documented steps, the documented earliest times, and the statuses that end it."""
    assert next_try(tries, status) == wait


def test_times_have_seven_digits() -> None:
    """As .NET writes them."""
    assert seven_digits(1580235750.2760952).startswith("2020-01-28T18:22:30.27609")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", seven_digits(1580235750.0))


async def test_a_settings_change_reaches_both_schemas(tmp_path: Path) -> None:
    """Event Grid's schema is an array of one, a CloudEvent stands alone; both name the site's ARM id."""
    world = contoso()
    site = world.sites[WEST]
    async with (
        webhook() as plain,
        webhook() as named,
        webhook() as cloudy,
        running(world, tmp_path, event_grid.serve) as cloud,
    ):
        cloud.event_webhooks += [
            plain.url,
            EventSubscription(named.url, site_key="name"),
            EventSubscription(cloudy.url, "CloudEventSchemaV1_0"),
        ]
        world.edit(site, {"AppConfig:ValidityPeriodDays": "365"})
        for hook in (plain, named, cloudy):
            await hook.until(1)
    headers, [event] = plain.got[0]
    assert headers["aeg-event-type"] == "Notification"
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert (event["eventType"], event["topic"]) == ("Microsoft.Web.AppUpdated", site.id)
    assert event["subject"] == f"/Microsoft.Web/sites/{WEST}"
    assert event["data"]["appEventTypeDetail"] == {"action": "ChangedAppSettings"}
    assert (event["data"]["siteName"], "name" in event["data"]) == (WEST, False)
    assert (event["dataVersion"], event["metaDataVersion"]) == ("1", "1")
    assert re.fullmatch(r".*\.\d{7}Z", event["eventTime"])
    _, [variant] = named.got[0]
    assert (variant["data"]["name"], variant["metadataVersion"]) == (WEST, "1")
    headers, event = cloudy.got[0]
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert set(event) == {"id", "source", "subject", "type", "time", "specversion", "data"}
    assert (event["source"], event["type"], event["specversion"]) == (
        site.id,
        "Microsoft.Web.AppUpdated",
        "1.0",
    )
    assert "365" not in json.dumps(event["data"])


async def test_a_restart_and_a_stop_are_told_and_connection_strings_are_not(tmp_path: Path) -> None:
    """Only the documented actions raise events."""
    world = contoso()
    async with webhook() as hook, running(world, tmp_path, event_grid.serve) as cloud:
        cloud.event_webhooks.append(hook.url)
        world.put_connection_strings(world.sites[NORTH], {"db": ("S3CRET", "Custom")}, "a person")
        world.restart_site(world.sites[NORTH], "a person")
        world.stop_site(world.sites[NORTH], "a person")
        await hook.until(2)
    actions = [event["data"]["appEventTypeDetail"]["action"] for _, [event] in hook.got]
    assert sorted(actions) == ["Restarted", "Stopped"]
    assert world.on_change == []


async def test_a_failing_webhook_is_tried_again_and_a_refusing_one_is_not(tmp_path: Path) -> None:
    """The same event comes again, counted, until it is taken; 403 ends it at once."""
    world = contoso()
    world.speed = 1000.0
    async with (
        webhook(500, 503) as hook,
        webhook(403) as refusing,
        running(world, tmp_path, event_grid.serve) as cloud,
    ):
        cloud.event_webhooks += [hook.url, refusing.url]
        world.restart_site(world.sites[WEST], "a person")
        await hook.until(3)
        await until(lambda: len(told(world, "event-delivered")) == 1)
    assert len({event["id"] for _, [event] in hook.got}) == 1
    assert [headers["aeg-delivery-count"] for headers, _ in hook.got] == ["0", "1", "2"]
    assert len(refusing.got) == 1
    assert told(world, "event-failed") == ["Restarted 500", "Restarted 503"]
    assert told(world, "event-dropped") == ["Restarted 403"]


async def test_an_absent_webhook_is_given_up_in_the_end(tmp_path: Path) -> None:
    """Tries are bounded by the time an event may live."""
    world = contoso()
    world.speed = 1e7
    async with running(world, tmp_path, event_grid.serve) as cloud:
        cloud.event_webhooks.append("http://127.0.0.1:9/hook")
        world.restart_site(world.sites[WEST], "a person")
        await until(lambda: told(world, "event-dropped") == ["Restarted no answer"])
    assert 5 <= len(told(world, "event-failed")) <= event_grid.MOST_TRIES


async def test_faults_lose_repeat_and_shuffle(tmp_path: Path) -> None:
    """A lost event never comes; a repeated one comes with the same id; shuffled ones all come."""
    world = contoso()
    site = world.sites[WEST]
    async with webhook() as hook, running(world, tmp_path, event_grid.serve) as cloud:
        cloud.event_webhooks.append(hook.url)
        world.events.lose = True
        world.restart_site(site, "a person")
        world.events.lose, world.events.duplicates = False, 2
        world.restart_site(site, "a person")
        await hook.until(3)
        assert told(world, "event-lost") == ["Restarted"]
        assert len({event["id"] for _, [event] in hook.got}) == 1
        hook.got.clear()
        world.events.duplicates, world.events.shuffle = 0, True
        for number in range(12):
            world.edit(site, {"AppConfig:ValidityPeriodDays": str(number)})
        await hook.until(12)
    times = [event["eventTime"] for _, [event] in hook.got]
    assert len(set(times)) == 12
    assert times != sorted(times)

"""Event Grid: tells the webhooks what happened to the sites, at least once and in no promised order.

One event per POST. Delivery is tried again by the documented schedule (shortened by `World.speed`) for as
long as the documented limits allow; 400, 401, 403 and 413 are not tried again. `World.events` holds the
faults.

Not imitated: the validation handshake, batches, filters, dead letters, probation of a failing endpoint,
jitter.
"""

import asyncio
import contextlib
import json
import random
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp

from simulator.calls import post
from simulator.listeners import stopped
from simulator.premises import Premises
from simulator.world import EventSubscription, Site, World

DELIVERED = frozenset({200, 201, 202, 203, 204})
FINAL = frozenset({400, 401, 403, 413})  # for webhooks
EARLIEST = {408: 120.0, 503: 30.0}  # seconds before the next try, at least; otherwise 10
SCHEDULE = (10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 21600.0)  # seconds, then every 12 hours
LATER = 43200.0
MOST_TRIES = 30
LIFETIME = 1440 * 60.0  # seconds
ANSWER_DEADLINE = 30.0  # seconds, not shortened: a handler on a busy machine is no slower event grid
MOST_UNDER_WAY = 1000  # deliveries; more are dropped, and the journal says so
PATHS = {
    "ChangedAppSettings": ("config/appsettings", "PUT"),
    "Restarted": ("restart", "POST"),
    "Stopped": ("stop", "POST"),
}


def next_try(tries: int, status: int | None) -> float | None:
    """Seconds to wait after the given number of tries, the last with this status (None: no answer at all).

    None means never: the event was delivered, was refused for good, or was tried often enough.
    """
    if status in DELIVERED or status in FINAL or tries >= MOST_TRIES:
        return None
    waits = (*SCHEDULE, *(LATER for _ in range(MOST_TRIES)))
    return max(waits[tries - 1], EARLIEST.get(status or 0, 10.0))


def app_updated(site: Site, action: str, at: float, to: EventSubscription) -> dict[str, Any]:
    """`Microsoft.Web.AppUpdated` in the subscription's schema. `at` is in Unix seconds."""
    path, verb = PATHS.get(action, ("", "POST"))
    place = (
        f"/websystems/WebSites/web/subscriptions/{site.subscription}/webspaces/{site.resource_group}-webspace"
    )
    data = {
        "appEventTypeDetail": {"action": action},
        to.site_key: site.name,
        "clientRequestId": str(uuid.uuid4()),
        "correlationRequestId": str(uuid.uuid4()),
        "requestId": str(uuid.uuid4()),
        "address": f"{place}/sites/{site.name}/{path}",
        "verb": verb,
    }
    common = {"id": str(uuid.uuid4()), "subject": f"/Microsoft.Web/sites/{site.name}", "data": data}
    kind, time = "Microsoft.Web.AppUpdated", seven_digits(at)
    if to.schema == "CloudEventSchemaV1_0":
        return common | {"source": site.id, "type": kind, "time": time, "specversion": "1.0"}
    # The documentation's example and its table differ in this name's casing; the example goes with siteName.
    metadata = "metaDataVersion" if to.site_key == "siteName" else "metadataVersion"
    return common | {
        "topic": site.id,
        "eventType": kind,
        "eventTime": time,
        "dataVersion": "1",
        metadata: "1",
    }


def seven_digits(at: float) -> str:
    """A time in .NET's round-trip form: `2020-01-28T18:22:30.2760952Z`."""
    whole = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{int(at % 1 * 10_000_000):07d}Z"


def wire(event: dict[str, Any], to: EventSubscription) -> tuple[bytes, dict[str, str]]:
    """Body and headers of one delivery: an array of one, or one CloudEvent."""
    headers = {"aeg-event-type": "Notification", "aeg-subscription-name": "COUNTERPART"}
    if to.schema == "CloudEventSchemaV1_0":
        kind = "application/cloudevents+json; charset=utf-8"
        return json.dumps(event).encode(), headers | {"Content-Type": kind}
    versions = {"aeg-data-version": "1", "aeg-metadata-version": "1"}
    body = json.dumps([event]).encode()
    return body, headers | versions | {"Content-Type": "application/json; charset=utf-8"}


@dataclass
class Deliveries:
    """What is under way. One task per event and subscription, ended with the service."""

    world: World
    subscriptions: Callable[[], list[EventSubscription]]
    session: aiohttp.ClientSession
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def changed(self, site: Site, action: str) -> None:
        """Something happened to a site: the world calls this."""
        at = self.world.now()
        if self.world.events.lose:
            self.world.note("event-lost", site.name, "event grid", action)
            return
        for to in self.subscriptions():
            event = app_updated(site, action, at, to)
            for _ in range(1 + self.world.events.duplicates):
                self._send(site, action, event, to)

    async def stop(self) -> None:
        """End every delivery."""
        await stopped(*self._tasks)

    def _send(self, site: Site, action: str, event: dict[str, Any], to: EventSubscription) -> None:
        if len(self._tasks) >= MOST_UNDER_WAY:
            self.world.note("event-dropped", site.name, "event grid", f"{action} too many under way")
            return
        task = asyncio.get_running_loop().create_task(self._deliver(site, action, event, to))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, site: Site, action: str, event: dict[str, Any], to: EventSubscription) -> None:
        faults = self.world.events
        await asyncio.sleep(faults.delay * (random.uniform(0, 4) if faults.shuffle else 1))
        body, headers = wire(event, to)
        tries, waited = 0, 0.0
        while True:
            counted = headers | {"aeg-delivery-count": str(tries)}
            status = await post(self.session, to.url, body, counted, within=ANSWER_DEADLINE)
            tries += 1
            said = f"{action} {status or 'no answer'}"
            if status in DELIVERED:
                self.world.note("event-delivered", site.name, "event grid", said)
                return
            wait = next_try(tries, status)
            if wait is None or waited + wait > LIFETIME:
                self.world.note("event-dropped", site.name, "event grid", said)
                return
            self.world.note("event-failed", site.name, "event grid", said)
            waited += wait
            await asyncio.sleep(wait / self.world.speed)


def _subscriptions(cloud: Premises) -> list[EventSubscription]:
    return [
        EventSubscription(event_webhook) if isinstance(event_webhook, str) else event_webhook
        for event_webhook in cloud.event_webhooks
    ]


@contextlib.asynccontextmanager
async def serve(cloud: Premises) -> AsyncIterator[None]:
    """Deliver what happens in the world until the context ends."""
    connector = aiohttp.TCPConnector(ssl=cloud.authority.client_context(), limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        deliveries = Deliveries(cloud.world, lambda: _subscriptions(cloud), session)
        cloud.world.on_change.append(deliveries.changed)
        try:
            yield
        finally:
            cloud.world.on_change.remove(deliveries.changed)
            await deliveries.stop()

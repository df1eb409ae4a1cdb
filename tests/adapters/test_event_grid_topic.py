"""An Event Grid topic gets CloudEvents 1.0, through the vendor's own client."""

import json
from typing import Any

import pytest
from aiohttp import web

from shared.adapters.event_grid_topic import EventGridTopic, event_type
from shared.errors import AppError, Denied, NotFound, Throttled, Unavailable
from tests.adapters.stub_azure import Azure, Handler, answering, serving
from tests.adapters.test_webhook import a_letter
from tests.fakes.credentials import FakeCredential


class Topic:
    """Keeps the batches that were published."""

    def __init__(self, handler: Handler) -> None:
        self.batches: list[Any] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self._handler = handler

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((str(request.rel_url), dict(request.headers)))
        self.batches.append(json.loads(await request.read()))
        return await self._handler(request)


async def published(topic: Topic) -> FakeCredential:
    credential = FakeCredential()
    async with serving(Azure(topic.handle)) as (session, url):
        adapter = EventGridTopic(f"{url}/api/events", credential, session)
        try:
            await adapter.send(a_letter())
        finally:
            await adapter.aclose()
    return credential


async def test_a_cloud_event() -> None:
    """Id, source, type, subject, time and the facts as data; signed in for Event Grid."""
    topic = Topic(answering(200))
    credential = await published(topic)
    ((event,),) = topic.batches
    assert event == {
        "specversion": "1.0",
        "id": "scepman-1a2b3c4d5e-7.opened",
        "source": "/counterpart",
        "type": "Counterpart.Incident.Opened",
        "subject": "scepman-1a2b3c4d5e-7",
        "time": "2026-03-02T12:00:00.000Z",
        "data": {"id": "scepman-1a2b3c4d5e-7", "severity": 2},
    }
    path, headers = topic.requests[0]
    assert path == "/api/events?api-version=2018-01-01"
    assert headers["Content-Type"] == "application/cloudevents-batch+json; charset=utf-8"
    assert credential.scopes == [("https://eventgrid.azure.net/.default",)]


@pytest.mark.parametrize(
    ("status", "error"), [(401, Denied), (403, Denied), (404, NotFound), (413, AppError), (503, Unavailable)]
)
async def test_refusals(status: int, error: type[AppError]) -> None:
    """What Event Grid refuses is an error of ours; a missing role is named."""
    with pytest.raises(error) as caught:
        await published(Topic(answering(status)))
    if error is Denied:
        assert "EventGrid Data Sender" in str(caught.value)


async def test_throttling_is_not_slept_through() -> None:
    """The outbox comes back by itself; an invocation does not wait."""
    with pytest.raises(Throttled):
        await published(Topic(answering(429)))


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        ("incident.opened", "Counterpart.Incident.Opened"),
        ("incident.escalated-to-1", "Counterpart.Incident.EscalatedTo1"),
        ("drill.finished", "Counterpart.Drill.Finished"),
    ],
)
def test_event_types(kind: str, type_: str) -> None:
    """Kinds become types in the platform's manner."""
    assert event_type(kind) == type_

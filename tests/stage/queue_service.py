"""A storage queue service small enough to read: what the queue trigger's tests let the real SDK talk to."""

import base64
import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from xml.sax.saxutils import escape

from aiohttp import web

from shared.clock import SystemClock

ACCOUNT = "devstoreaccount1"
NUMBERS = itertools.count(1)
NOW = SystemClock().now


@dataclass
class Message:
    """A message and when it shows again."""

    text: str
    id: str = field(default_factory=lambda: f"00000000-0000-0000-0000-{next(NUMBERS):012}")
    receipt: str = ""
    dequeued: int = 0
    shows: datetime = field(default_factory=NOW)


def _date(moment: datetime) -> str:
    return moment.strftime("%a, %d %b %Y %H:%M:%S GMT")


class QueueService:
    """Queues by name; a queue that is not in `queues` does not exist."""

    def __init__(self) -> None:
        self.queues: dict[str, list[Message]] = {}
        self.unauthorized = 0

    def application(self) -> web.Application:
        """The six operations that a trigger needs."""
        application = web.Application()
        application.add_routes(
            [
                web.put(f"/{ACCOUNT}/{{queue}}", self._create),
                web.get(f"/{ACCOUNT}/{{queue}}/messages", self._take),
                web.post(f"/{ACCOUNT}/{{queue}}/messages", self._add),
                web.put(f"/{ACCOUNT}/{{queue}}/messages/{{id}}", self._update),
                web.delete(f"/{ACCOUNT}/{{queue}}/messages/{{id}}", self._delete),
            ]
        )
        return application

    def _queue(self, request: web.Request) -> list[Message]:
        if not request.headers.get("authorization", "").startswith(f"SharedKey {ACCOUNT}:"):
            self.unauthorized += 1
        name = request.match_info["queue"]
        if name not in self.queues:
            raise web.HTTPNotFound(headers={"x-ms-error-code": "QueueNotFound"})
        return self.queues[name]

    async def _create(self, request: web.Request) -> web.Response:
        known = request.match_info["queue"] in self.queues
        self.queues.setdefault(request.match_info["queue"], [])
        return web.Response(status=204 if known else 201)

    async def _take(self, request: web.Request) -> web.Response:
        now = NOW()
        shown = [message for message in self._queue(request) if message.shows <= now]
        taken = shown[: int(request.query.get("numofmessages", "1"))]
        for message in taken:
            message.receipt = str(next(NUMBERS))
            message.dequeued += 1
            message.shows = now + timedelta(seconds=int(request.query.get("visibilitytimeout", "30")))
        return _list(taken)

    async def _add(self, request: web.Request) -> web.Response:
        body = await request.text()
        message = Message(body.partition("<MessageText>")[2].partition("</MessageText>")[0])
        self._queue(request).append(message)
        response = _list([message])
        response.set_status(201)
        return response

    async def _update(self, request: web.Request) -> web.Response:
        message = self._held(request)
        message.receipt = str(next(NUMBERS))
        message.shows = NOW() + timedelta(seconds=int(request.query["visibilitytimeout"]))
        headers = {"x-ms-popreceipt": message.receipt, "x-ms-time-next-visible": _date(message.shows)}
        return web.Response(status=204, headers=headers)

    async def _delete(self, request: web.Request) -> web.Response:
        self._queue(request).remove(self._held(request))
        return web.Response(status=204)

    def _held(self, request: web.Request) -> Message:
        """The message, if the caller still holds it."""
        for message in self._queue(request):
            if message.id == request.match_info["id"] and message.receipt == request.query["popreceipt"]:
                return message
        raise web.HTTPNotFound(headers={"x-ms-error-code": "MessageNotFound"})


def _list(messages: list[Message]) -> web.Response:
    items = "".join(
        f"<QueueMessage><MessageId>{each.id}</MessageId><InsertionTime>{_date(NOW())}</InsertionTime>"
        f"<ExpirationTime>{_date(NOW() + timedelta(days=7))}</ExpirationTime>"
        f"<PopReceipt>{each.receipt}</PopReceipt><TimeNextVisible>{_date(each.shows)}</TimeNextVisible>"
        f"<DequeueCount>{each.dequeued}</DequeueCount><MessageText>{escape(each.text)}</MessageText></QueueMessage>"
        for each in messages
    )
    text = f'<?xml version="1.0" encoding="utf-8"?><QueueMessagesList>{items}</QueueMessagesList>'
    return web.Response(text=text, content_type="application/xml")


def connection_string(port: int) -> str:
    """Return how a client finds and signs in to the service on a loopback port."""
    key = base64.b64encode(b"a key that nothing checks, 32 b.").decode()
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};QueueEndpoint={endpoint};"

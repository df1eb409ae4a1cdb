"""An Event Grid custom topic whose input schema is CloudEvents 1.0, at a host name of its own.

A caller shows the topic's key (`aeg-sas-key`), or a token for Event Grid and has the right to send. What was
published lies in `Receiver.got`, one CloudEvent each; nothing is delivered further.

Not imitated: shared access signatures, Event Grid's own schema, subscriptions of the topic, partner and namespace
topics.
"""

import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from collections.abc import Set as AbstractSet
from functools import partial

from aiohttp import web

from simulator.listeners import Face, listen_all
from simulator.premises import Premises
from simulator.receivers import LARGEST_EVENT, Received, Receiver, Refusal, events_of
from simulator.services.webhook import is_up, unless_faulty
from simulator.tokens import TokenRefused
from simulator.wire import is_secret, refusing

VERSIONS = frozenset({"2018-01-01"})
AUDIENCE = "https://eventgrid.azure.net"
SEND = "Microsoft.EventGrid/events/send/action"
CODES = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    413: "RequestEntityTooLarge",
}


@contextlib.asynccontextmanager
async def serve(cloud: Premises) -> AsyncIterator[None]:
    """Listen at the topic's host, where the world has one, until the context ends."""
    async with listen_all(partial(_faces, cloud), cloud.https_port):
        yield


def _faces(cloud: Premises, known: AbstractSet[str]) -> Iterator[Face]:
    topic = cloud.world.receivers.get("event-grid")
    if topic is not None and topic.host not in known:
        yield Face(
            key=topic.host,
            address=topic.address,
            app=partial(_application, cloud, topic),
            tls=partial(cloud.authority.server_context, topic.host),
            up=partial(is_up, topic),
        )


def _application(cloud: Premises, topic: Receiver) -> web.Application:
    async def publish(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        answer = await unless_faulty(topic, request) or _publish(cloud, topic, request, body)
        cloud.world.note("told", topic.host, "client", str(answer.status))
        return answer

    def unread(_request: web.Request, status: int, message: str) -> web.Response:
        return _refused(Refusal(status, message))

    app = web.Application(middlewares=[refusing(unread)], client_max_size=2 * LARGEST_EVENT)
    app.router.add_post(topic.path, publish)
    return app


def _publish(cloud: Premises, topic: Receiver, request: web.Request, body: bytes) -> web.Response:
    """Take the events of one request, all or none."""
    refusal = _stranger(cloud, topic, request)
    if refusal is None and request.query.get("api-version") not in VERSIONS:
        refusal = Refusal(400, f"the api-version is not one of {', '.join(VERSIONS)}")
    events = refusal or events_of(body, request.content_type)
    if isinstance(events, Refusal):
        return _refused(events)
    for event in events:
        topic.got.append(Received(cloud.world.now(), event, str(event["id"])))
    return web.Response(status=200)


def _stranger(cloud: Premises, topic: Receiver, request: web.Request) -> Refusal | None:
    """Return why the caller may not send; None when it may."""
    if key := request.headers.get("aeg-sas-key"):
        right = is_secret(key, topic.secret)
        return (
            None if right else Refusal(401, "the request authorization key is not authorized for the topic")
        )
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return Refusal(401, "the request must have the aeg-sas-key, aeg-sas-token or Authorization header")
    try:
        who = cloud.tokens.verify(token, (AUDIENCE,))
    except TokenRefused as refused:
        return Refusal(401, str(refused))
    if not cloud.may(who, SEND):
        return Refusal(403, f"the principal does not have the permission {SEND}")
    return None


def _refused(refusal: Refusal) -> web.Response:
    error = {
        "code": CODES.get(refusal.status, "BadRequest"),
        "message": f"{refusal.reason} [{uuid.uuid4()}]",
        "details": [{"code": "InputJsonInvalid" if refusal.status == 400 else "", "message": refusal.reason}],
    }
    return web.json_response({"error": error}, status=refusal.status)

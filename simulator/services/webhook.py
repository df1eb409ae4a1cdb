"""Two webhooks over HTTPS: a Teams workflow that posts cards, and somebody's address that takes JSON.

The workflow answers 202 with nothing, as soon as it has a message with an Adaptive Card in it; 429 when it is posted
to faster than the retired connectors allowed (the figures of workflows are not published). What they got lies in
`Receiver.got`; `/_world/cards` shows the cards to a person. What both take is decided in `simulator.receivers`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from collections.abc import Set as AbstractSet
from functools import partial

from aiohttp import web

from simulator.listeners import Face, listen_all
from simulator.premises import Premises
from simulator.receivers import (
    LARGEST_EVENT,
    Received,
    Receiver,
    Refusal,
    card_problem,
    throttled,
)
from simulator.wire import is_secret, parsed, refusing
from simulator.world import World

type Take = Callable[[World, Receiver, web.Request, bytes], web.Response]


@contextlib.asynccontextmanager
async def serve(cloud: Premises) -> AsyncIterator[None]:
    """Listen for both, where the world has them, until the context ends."""
    async with listen_all(partial(_faces, cloud), cloud.https_port):
        yield


def _faces(cloud: Premises, known: AbstractSet[str]) -> Iterator[Face]:
    for kind, take in (("teams", _take_card), ("webhook", _take_json)):
        receiver = cloud.world.receivers.get(kind)
        if receiver is not None and kind not in known:
            yield Face(
                key=kind,
                address=receiver.address,
                app=partial(_application, cloud.world, receiver, take),
                tls=partial(cloud.authority.server_context, receiver.host),
                up=partial(is_up, receiver),
            )


def is_up(receiver: Receiver) -> bool:
    """Return whether it takes connections."""
    return not receiver.faults.down


async def unless_faulty(receiver: Receiver, request: web.Request) -> web.Response | None:
    """Return what a receiver's faults make of a request; None when it is to be answered as usual."""
    faults = receiver.faults
    if faults.slow:
        await asyncio.sleep(faults.slow)
    if faults.down and request.transport is not None:
        request.transport.abort()
    if faults.down or faults.status:
        headers = {} if faults.retry_after is None else {"Retry-After": str(faults.retry_after)}
        return web.Response(status=faults.status or 502, headers=headers)
    return None


def _application(world: World, receiver: Receiver, take: Take) -> web.Application:
    async def post(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        answer = await unless_faulty(receiver, request) or take(world, receiver, request, body)
        world.note("told", receiver.host, "client", str(answer.status))
        return answer

    app = web.Application(middlewares=[refusing(_unread)], client_max_size=2 * LARGEST_EVENT)
    app.router.add_post("/{path:.*}", post)
    return app


def _take_card(world: World, receiver: Receiver, request: web.Request, body: bytes) -> web.Response:
    if not _may(receiver, request, "sig"):
        return _refused(Refusal(401, "the signature of the request's address is not right"))
    taken = [received.at for received in receiver.got]
    refusal = throttled(taken, world.now(), world.speed) or card_problem(body)
    if refusal:
        return _refused(refusal)
    receiver.got.append(Received(world.now(), parsed(body)))
    return web.Response(status=202)


def _take_json(world: World, receiver: Receiver, request: web.Request, body: bytes) -> web.Response:
    if not _may(receiver, request, "key"):
        return web.json_response({"error": "no such key"}, status=401)
    try:
        said = parsed(body)
    except ValueError:
        return web.json_response({"error": "not JSON"}, status=400)
    receiver.got.append(Received(world.now(), said, request.headers.get("Idempotency-Key", "")))
    return web.json_response({"taken": len(receiver.got)})


def _may(receiver: Receiver, request: web.Request, name: str) -> bool:
    at = receiver.path.partition("?")[0]
    return request.path == at and is_secret(request.query.get(name, ""), receiver.secret)


def _unread(_request: web.Request, status: int, message: str) -> web.Response:
    return _refused(Refusal(status, message))


def _refused(refusal: Refusal) -> web.Response:
    """A refusal in the manner of Logic Apps."""
    codes = {
        401: "DirectApiAuthorizationRequired",
        405: "MethodNotAllowed",
        413: "RequestEntityTooLarge",
        429: "WorkflowTriggerThrottled",
    }
    code = codes.get(refusal.status, "TriggerInputSchemaMismatch")
    headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    body = {"error": {"code": code, "message": refusal.reason}}
    return web.json_response(body, status=refusal.status, headers=headers)

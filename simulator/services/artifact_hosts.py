"""Artifact hosts over HTTPS, each at a loopback address of its own under its real DNS name.

What is answered stands in `simulator.artifact_hosts`; here it goes over the wire, slowly, cut off or without end
where a fault says so. Every request is kept in `ArtifactHost.served` with the bytes that its answer had.
"""

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator, Iterator
from collections.abc import Set as AbstractSet
from datetime import timedelta
from functools import partial

from aiohttp import web

from simulator.artifact_hosts import ArtifactHost, Reply, Served, answer
from simulator.listeners import Face, listen_all
from simulator.premises import Premises
from simulator.world import World

CHUNK = 1 << 16  # bytes written at once
EXPIRES = {"expiring": timedelta(days=10), "expired": timedelta(hours=-1)}


@contextlib.asynccontextmanager
async def serve(cloud: Premises) -> AsyncIterator[None]:
    """Listen for every artifact host, also for those that come later, until the context ends."""
    async with listen_all(partial(_faces, cloud), cloud.https_port):
        yield


def _faces(cloud: Premises, known: AbstractSet[str]) -> Iterator[Face]:
    for host in (
        artifact_host
        for artifact_host in tuple(cloud.world.artifact_hosts.values())
        if artifact_host.name not in known
    ):
        yield Face(
            key=host.name,
            address=host.address,
            app=partial(application, cloud.world, host),
            tls=partial(_context, cloud, host),
            up=partial(_is_up, host),
        )


def _is_up(host: ArtifactHost) -> bool:
    return not host.faults.down


def _context(cloud: Premises, host: ArtifactHost) -> ssl.SSLContext:
    """The certificate of now; an expiry is told by the real clock, since clients look at that one."""
    wrong = host.faults.certificate
    name = "artifacts.fabrikam.test" if wrong == "other-name" else host.name
    return cloud.authority.server_context(name, expires_in=EXPIRES.get(wrong))


def application(world: World, host: ArtifactHost) -> web.Application:
    """One host: GET and HEAD of every path."""

    async def get(request: web.Request) -> web.StreamResponse:
        return await _get(world, host, request)

    app = web.Application()
    app.router.add_get("/{path:.*}", get)
    return app


async def _get(world: World, host: ArtifactHost, request: web.Request) -> web.StreamResponse:
    path = request.path
    wrong = host.faults_of(path)
    if wrong.slow:
        await asyncio.sleep(wrong.slow)
    if host.faults.down:
        _hang_up(request)
        return web.Response(status=502)  # nobody reads it: the connection is gone
    asked = {name.lower(): value for name, value in request.headers.items()}
    if request.method == "HEAD":  # a range has no meaning for HEAD
        asked.pop("range", None)
    reply = answer(host, path, world.now(), asked)
    seen = Served(world.now(), request.method, path, asked.get("range", ""), reply.status)
    host.served.append(seen)
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    await response.prepare(request)
    if request.method == "GET" and reply.status != 304:
        await _send(request, response, reply, seen)
    return response


async def _send(request: web.Request, response: web.StreamResponse, reply: Reply, seen: Served) -> None:
    """Write the body. A client that has enough hangs up, and that is its right."""
    with contextlib.suppress(ConnectionError):
        for chunk in _chunks(reply):
            await response.write(chunk)
            seen.sent += len(chunk)
            await asyncio.sleep(0)  # a client that hung up is noticed by the loop, not by the write
        if reply.cut:
            _hang_up(request)
        else:
            await response.write_eof()


def _chunks(reply: Reply) -> Iterator[bytes]:
    stop = (reply.start + reply.stop) // 2 if reply.cut else reply.stop
    for at in range(reply.start, stop, CHUNK):
        yield reply.content.read(at, min(at + CHUNK, stop))
    if reply.endless:
        yield from itertools.repeat(bytes(CHUNK))


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()

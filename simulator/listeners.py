"""TLS listeners on loopback addresses that open as the world grows, and can be cut off like a lost region."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from aiohttp import web

HANDSHAKE = 5.0  # seconds for a client's first words
HANDSHAKE_FAILURE = bytes((21, 3, 3, 0, 2, 2, 40))  # a TLS 1.2 record with the fatal alert of that name
LOOK_FOR_NEW = 0.1  # seconds between looks for sites and vaults that came into being


def always() -> bool:
    """A face without faults is up."""
    return True


@dataclass(frozen=True)
class Face:
    """What listens at one address: an application, the TLS it shows, and whether it can be reached now."""

    key: str
    address: str
    app: Callable[[], web.Application]
    tls: Callable[[], ssl.SSLContext | None]  # None: it shows none, and no handshake succeeds
    up: Callable[[], bool] = always


def bound(address: str, port: int, *, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A bound, non-blocking socket; port 0 takes a free one. OSError when the place is taken."""
    made = socket.socket(socket.AF_INET, kind)
    try:
        if kind is socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.setblocking(False)  # noqa: FBT003 -- the standard library has it so
    except OSError:
        made.close()
        raise
    return made


def reset(connection: socket.socket) -> None:
    """Close with RST: the peer sees a connection reset, as from a machine that is gone."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextlib.asynccontextmanager
async def listen(face: Face, port: int) -> AsyncIterator[None]:
    """Serve one face at (its address, port) until the context ends; open connections are closed then."""
    runner = web.AppRunner(face.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        listening = bound(face.address, port)
        listening.listen(128)
        accepting = asyncio.create_task(_accept(face, listening, runner))
        try:
            yield
        finally:
            await stopped(accepting)
            listening.close()
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def listen_all(faces: Callable[[AbstractSet[str]], Iterable[Face]], port: int) -> AsyncIterator[None]:
    """Serve every face there is, and those that appear later; OSError when one of the first cannot listen.

    `faces` is asked again and again for those whose keys are not among the known ones.
    """
    async with contextlib.AsyncExitStack() as open_faces:
        known: set[str] = set()

        async def open_new() -> None:
            for face in tuple(faces(known)):
                known.add(face.key)
                await open_faces.enter_async_context(listen(face, port))

        async def watch() -> None:
            while True:
                await asyncio.sleep(LOOK_FOR_NEW)
                with contextlib.suppress(OSError):  # a late site whose address is taken stays unreachable
                    await open_new()

        await open_new()
        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            await stopped(watching)


async def stopped(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks of ours and wait until all have ended; what one raised is raised."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _accept(face: Face, listening: socket.socket, runner: web.AppRunner) -> None:
    loop = asyncio.get_running_loop()
    handshakes: set[asyncio.Task[None]] = set()
    try:
        while True:
            connection, _ = await loop.sock_accept(listening)
            if not face.up():
                reset(connection)
                continue
            task = asyncio.create_task(_hand_over(face, connection, runner))
            handshakes.add(task)
            task.add_done_callback(handshakes.discard)
    finally:
        await stopped(*handshakes)


async def _hand_over(face: Face, connection: socket.socket, runner: web.AppRunner) -> None:
    connection.setblocking(False)  # noqa: FBT003 -- the standard library has it so
    server = runner.server
    if server is None:  # the runner is gone
        connection.close()
        return
    loop = asyncio.get_running_loop()
    # A peer that gives up or distrusts us during the handshake is the peer's business.
    with contextlib.suppress(OSError, ssl.SSLError):
        shown = face.tls()
        if shown is None:
            await _refuse_handshake(connection)
        else:
            await loop.connect_accepted_socket(server, connection, ssl=shown)


async def _refuse_handshake(connection: socket.socket) -> None:
    """Hear the client out, then say what a server without a certificate says."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(HANDSHAKE):
            await loop.sock_recv(connection, 65536)
            await loop.sock_sendall(connection, HANDSHAKE_FAILURE)
    finally:
        connection.close()

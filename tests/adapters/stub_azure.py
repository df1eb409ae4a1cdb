"""A Resource Manager of a test's own, for what only a misbehaving one shows; it does not look at tokens."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache

import aiohttp
import trustme
from aiohttp import web

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@cache
def authority() -> trustme.CA:
    """One CA for all tests: making keys takes time."""
    return trustme.CA()


class Azure:
    """Every request goes to one handler; `seen` lists method and path."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.seen: list[str] = []
        self.headers: list[dict[str, str]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Note the request, then let the handler answer."""
        await request.read()
        self.seen.append(f"{request.method} {request.path}")
        self.headers.append(dict(request.headers))
        return await self._handler(request)


@asynccontextmanager
async def serving(azure: Azure) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """Serve it over TLS on loopback; yields a session that trusts it, and its URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", azure.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority().issue_cert("127.0.0.1").configure_cert(server_tls)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_tls).start()
    client_tls = ssl.create_default_context()
    authority().configure_trust(client_tls)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client_tls)) as session:
            yield session, f"https://127.0.0.1:{runner.addresses[0][1]}"
            assert not session.closed  # closing a client leaves the lent session open
    finally:
        await runner.cleanup()


def answering(status: int, body: object = None, **headers: str) -> Handler:
    """A handler that always says the same, in JSON."""

    async def handle(_: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    return handle

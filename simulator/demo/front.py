"""The demo's front door: pages of the function app for a person's browser, which has no function key.

In Azure the platform's sign-in stands there. This one lets everybody in who is on this machine, and only to look.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import web

from simulator.premises import listening
from simulator.stage import Stage

KEPT = (
    "Content-Type",
    "Content-Security-Policy",
    "Cache-Control",
    "Vary",
    "Location",
)  # of an answer's headers


@dataclass
class FrontDoor:
    """Where it is, and the function app behind it as soon as that runs."""

    url: str = ""
    stage: Stage | None = None

    async def look(self, request: web.Request) -> web.Response:
        """Pass one GET on."""
        if self.stage is None:
            return web.Response(status=503, text="the function app is starting")
        accept = {"Accept": request.headers.get("Accept", "*/*")}
        answer = await self.stage.call("GET", request.path_qs, headers=accept)
        headers = {name: answer.headers[name] for name in KEPT if name in answer.headers}
        return web.Response(status=answer.status, body=answer.body, headers=headers)


@contextlib.asynccontextmanager
async def front_door() -> AsyncIterator[FrontDoor]:
    """Open until the context ends."""
    door = FrontDoor()
    app = web.Application()
    app.router.add_get("/api/{path:.*}", door.look)
    async with listening(app) as door.url:
        yield door

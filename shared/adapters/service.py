"""Asks the service as a device does: the port `ServiceLooks`. Never raises.

The name is resolved as devices resolve it: an answer is kept for its time to live (`http.ServerResolver`; the
system keeps its own). Every look opens a connection of its own, or one that was kept would go on leading to a
region that DNS has left.
"""

import socket
from collections.abc import Collection

import aiohttp
from aiohttp.abc import AbstractResolver

from shared.adapters.probe import HttpProbes
from shared.clock import Clock
from shared.drills.model import ServiceAnswer
from shared.groups.model import ONLY_200, StatusRanges

QUESTIONS = 6  # of two regions that are answered alike, one is met nearly always
TIMEOUT = 5.0  # seconds for one request: a device would wait longer, and a drill must not


class HttpService:
    """Looks over a lent session, by a resolver that is this look's own."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        resolver: AbstractResolver,
        clock: Clock,
        *,
        timeout: float = TIMEOUT,
    ) -> None:
        self._probes = HttpProbes(session, clock, timeout=timeout, resolver=resolver)
        self._resolver = resolver
        self._clock = clock

    async def ask(
        self, host: str, *, port: int, path: str, scep: bool, expected: StatusRanges = ONLY_200
    ) -> ServiceAnswer:
        """By the first address that the name has."""
        at = self._clock.now()
        try:
            found = await self._resolver.resolve(host, port, socket.AF_INET)
        except OSError as error:
            return ServiceAnswer(at=at, problem=f"{host} does not resolve: {error.strerror or error}")
        address = found[0]["host"]
        problem = await self._probes.ask_at(address, host, port=port, path=path, scep=scep, expected=expected)
        return ServiceAnswer(at=at, address=address, problem=problem)

    async def begin_at(self, host: str, addresses: Collection[str]) -> None:
        """Forget what was kept and ask anew, a few times, until the answer is one of these."""
        for _ in range(QUESTIONS):
            await self._resolver.close()
            try:
                found = await self._resolver.resolve(host, 0, socket.AF_INET)
            except OSError:
                return
            if found[0]["host"] in addresses:
                return

    async def aclose(self) -> None:
        """Forget what was kept; the lent session stays open."""
        await self._resolver.close()

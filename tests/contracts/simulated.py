"""The simulated cloud with a session that trusts it and finds its hosts, for the adapters' side of a contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from shared.adapters.http import open_session
from simulator.server import Cloud
from simulator.world import World
from tests.fakes.credentials import FakeCredential


@dataclass(frozen=True)
class Simulated:
    """A running cloud, and what an adapter is made of."""

    cloud: Cloud
    session: aiohttp.ClientSession
    credential: FakeCredential


@asynccontextmanager
async def simulated(world: World) -> AsyncIterator[Simulated]:
    """Run the cloud for one test, signed in as the managed identity."""
    async with Cloud(world) as cloud:
        token, _ = cloud.tokens.issue(cloud.managed_identity, "https://management.azure.com", cloud.login_url)
        async with open_session(str(cloud.ca_bundle), (cloud.dns_server,)) as session:
            yield Simulated(cloud, session, FakeCredential(token))

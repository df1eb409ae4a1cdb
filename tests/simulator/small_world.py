"""A world of two regions for the simulator's tests, and a cloud in which only some services run."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp

from simulator.premises import Premises
from simulator.scepman_rules import sound_settings
from simulator.world import EndpointState, ProfileState, Site, Vault, World

SERVICE = "scep.contoso.test"
PROFILE = "contoso-scep"
WEST, NORTH = "app-scepman-we", "app-scepman-ne"

type Service = Callable[[Premises], AbstractAsyncContextManager[None]]


def contoso(**profile: object) -> World:
    """A Windows site in one region, a Linux site in another, a profile, a custom domain and a vault."""
    world = World(boot_seconds=0.05, speed=100.0)
    world.vaults["kv-contoso"] = Vault("kv-contoso")
    for name, location, os, address in (
        (WEST, "West Europe", "windows", "127.0.0.11"),
        (NORTH, "North Europe", "linux", "127.0.0.12"),
    ):
        site = Site(
            name, "rg", location, "linux" if os == "linux" else "windows", address, host_names=(SERVICE,)
        )
        site.app_settings = sound_settings(world, site)
        world.add_site(site)
    endpoints = [EndpointState("west", WEST), EndpointState("north", NORTH, priority=2)]
    world.profiles[PROFILE] = ProfileState(PROFILE, "rg", endpoints)
    for field, value in profile.items():
        setattr(world.profiles[PROFILE], field, value)
    world.custom_domains[SERVICE] = PROFILE
    return world


@contextlib.asynccontextmanager
async def running(world: World, directory: Path, *services: Service) -> AsyncIterator[Premises]:
    """The premises with the given services only."""
    cloud = Premises(world, directory)
    async with contextlib.AsyncExitStack() as stack:
        for serve in services:
            await stack.enter_async_context(serve(cloud))
        yield cloud


async def ask(
    cloud: Premises, site: Site, path: str, *, host: str = "", method: str = "GET", body: bytes = b""
) -> tuple[int, str, bytes]:
    """(status, content type, body) of one request to a site's address under one of its host names."""
    name = host or site.host
    connector = aiohttp.TCPConnector(ssl=cloud.authority.client_context(), force_close=True)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.request(
            method,
            f"https://{site.address}:{cloud.https_port}{path}",
            headers={"Host": f"{name}:{cloud.https_port}"},
            server_hostname=name,
            data=body or None,
        ) as answer,
    ):
        return answer.status, answer.content_type, await answer.read()

"""A simulated pair that the product watches through its real adapters, with those it tells and the way of alerts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import azure.functions as func
from aiohttp import web

from benchmarks.arm_calls import environment
from handlers import traffic_manager_alert
from handlers._edge import answer
from shared.bootstrap import opened
from shared.errors import AppError
from shared.groups.workflow import discover
from shared.incidents.model import Incident
from shared.incidents.workflow import list_incidents
from shared.ports import Ports
from shared.reconcile import incidents
from shared.reconcile import workflow as reconcile
from shared.settings import Settings
from simulator.pair import a_pair
from simulator.premises import listening
from simulator.server import Cloud
from simulator.world import EndpointState, ProfileState, Site, World

TIMES = {
    "COUNTERPART_PROBE_EVERY": "0s",
    "COUNTERPART_PROVE_EVERY": "0s",
    "COUNTERPART_SOAK": "0s",
    "COUNTERPART_VERIFY_DEADLINE": "2s",
    "COUNTERPART_FLAP_WINDOW": "100ms",
    "COUNTERPART_CONFIRM_AFTER": "0s",
    "COUNTERPART_PACKAGE_ROTATE": "ask",
    "COUNTERPART_FAILBACK_SOAK": "300ms",
}
WEU, NEU = "app-scepman-weu", "app-scepman-neu"


@dataclass
class Watch:
    """A cloud, and the product in it."""

    cloud: Cloud
    ports: Ports
    settings: Settings

    @property
    def world(self) -> World:
        return self.cloud.world

    @property
    def profile(self) -> ProfileState:
        return self.world.profiles["scepman"]

    def site(self, name: str) -> Site:
        return self.world.sites[name]

    def endpoint(self, name: str) -> EndpointState:
        return next(endpoint for endpoint in self.profile.endpoints if endpoint.name == name)

    @property
    def titles(self) -> list[str]:
        """The headlines of the cards at the Teams workflow."""
        got = self.world.receivers["teams"].got
        return [received.body["attachments"][0]["content"]["body"][0]["text"] for received in got]

    @property
    def kinds(self) -> list[str]:
        """Return what the JSON webhook was told."""
        return [received.body["kind"] for received in self.world.receivers["webhook"].got]

    @property
    def events(self) -> list[str]:
        """The types of the events at the topic."""
        return [received.body["type"] for received in self.world.receivers["event-grid"].got]

    async def look(self) -> None:
        """One turn of the timer; a single round's trouble is passed over."""
        await reconcile.watch_packages(self.ports, self.settings)
        with contextlib.suppress(AppError):
            for profile in await discover(self.settings.scope, self.ports.profiles):
                await reconcile.run(profile, self.ports, self.settings, doorbell=False)
        await incidents.tell(self.ports, self.settings)

    async def found(self) -> tuple[Incident, ...]:
        """Every incident there is, the newest first."""
        return await list_incidents(self.ports.store, self.settings.incidents)

    async def until(self, wanted: Callable[[tuple[Incident, ...]], Any]) -> tuple[Incident, ...]:
        """Turns of the timer until the incidents are as wanted."""
        async with asyncio.timeout(30):
            while True:
                await self.look()
                found = await self.found()
                if wanted(found):
                    return found
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def watching(world: World | None = None, /, **env: str) -> AsyncIterator[Watch]:
    """A pair that was seen well, or another world."""
    world = world or a_pair()
    world.speed, world.boot_seconds = 100.0, 0.01
    for profile in world.profiles.values():
        profile.tolerated = 0
    async with Cloud(world) as cloud:
        variables = cloud.env() | TIMES | env
        with environment(variables):
            settings = Settings.from_env(variables)
            async with opened(settings) as ports:
                here = Watch(cloud, ports, settings)
                await here.until(lambda _: all_online(world))
                yield here


def all_online(world: World) -> bool:
    return all(world.profile_status(profile) == "Online" for profile in world.profiles.values())


@contextlib.asynccontextmanager
async def alerted(here: Watch, ports: Ports | None = None) -> AsyncIterator[None]:
    """Azure Monitor's action group calls the function app's route for alerts."""
    means = ports or here.ports

    async def take(request: web.Request) -> web.Response:
        asked = func.HttpRequest(
            "POST", str(request.url), headers=dict(request.headers), body=await request.read()
        )
        said = await answer(traffic_manager_alert.handle, asked, lambda: (means, here.settings))
        return web.Response(status=said.status_code, body=said.get_body(), headers=dict(said.headers))

    app = web.Application()
    app.router.add_post("/api/alerts/traffic-manager", take)
    async with listening(app) as url:
        here.cloud.alert_webhooks.append(f"{url}/api/alerts/traffic-manager")
        yield


def rows(here: Watch) -> str:
    """The whole database with its journal: rows that were overwritten are in there too."""
    files = list(here.cloud.directory.glob("*.sqlite*"))
    assert files
    return "\n".join(file.read_bytes().decode(errors="replace") for file in files)

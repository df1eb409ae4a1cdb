"""Every row of the classification, provoked in the simulated cloud and seen through the real adapters.

The cloud's own prober says what Traffic Manager sees; a tiny server of the test's own is the Teams workflow.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from benchmarks.arm_calls import environment
from shared.bootstrap import opened
from shared.errors import AppError
from shared.groups.classify import TABLE
from shared.groups.model import Cause
from shared.groups.workflow import discover
from shared.incidents.model import Incident, Stage, Topic
from shared.incidents.workflow import list_incidents
from shared.ports import Ports
from shared.reconcile import incidents
from shared.reconcile import workflow as reconcile
from shared.settings import Settings
from simulator.artifact_hosts import ArtifactHost
from simulator.pair import a_pair
from simulator.premises import listening
from simulator.server import Cloud
from simulator.world import PACKAGE, Site, World

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
class Watching:
    """A cloud, the product in it, and what arrived at the Teams workflow."""

    cloud: Cloud
    ports: Ports
    settings: Settings
    cards: list[dict[str, Any]] = field(default_factory=list)

    @property
    def world(self) -> World:
        return self.cloud.world

    def site(self, name: str) -> Site:
        return self.world.sites[name]

    async def look(self) -> None:
        """One turn of the timer; a single round's trouble is passed over."""
        with contextlib.suppress(AppError):
            for profile in await discover(self.settings.scope, self.ports.profiles):
                await reconcile.run(profile, self.ports, self.settings, doorbell=False)
        await incidents.tell(self.ports, self.settings)

    async def until(self, wanted: Callable[[tuple[Incident, ...]], bool]) -> tuple[Incident, ...]:
        """Turns of the timer until the incidents are as wanted."""
        async with asyncio.timeout(20):
            while True:
                await self.look()
                found = await list_incidents(self.ports.store, self.settings.incidents)
                if wanted(found):
                    return found
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def watching(**env: str) -> AsyncIterator[Watching]:
    """A pair that was seen well, and a Teams workflow."""
    world = a_pair()
    world.speed, world.boot_seconds = 100.0, 0.01
    for profile in world.profiles.values():
        profile.tolerated = 0
    cards: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        cards.append(json.loads(await request.read()))
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/workflow", take)
    async with Cloud(world) as cloud:
        tls = cloud.authority.server_context("127.0.0.1")
        async with listening(app, tls=tls) as url:
            hook = {"COUNTERPART_TEAMS_WEBHOOK": f"{url}/workflow?sig=secret"}
            variables = cloud.env() | hook | TIMES | env
            with environment(variables):
                settings = Settings.from_env(variables)
                async with opened(settings) as ports:
                    here = Watching(cloud, ports, settings, cards)
                    await here.until(lambda _: all_online(world))
                    yield here


def all_online(world: World) -> bool:
    return all(world.profile_status(it) == "Online" for it in world.profiles.values())


def region_lost(world: World) -> None:
    world.sites[WEU].faults.down = True


def all_answer_503(world: World) -> None:
    for site in world.sites.values():
        site.faults.status = 503


def package_gone(world: World) -> None:
    site = world.sites[WEU]
    url = site.app_settings[PACKAGE]
    host = next(it for it in world.artifact_hosts.values() if it.name in url)
    _down(host)
    world.platform_restart(site)


def _down(host: ArtifactHost) -> None:
    host.faults.down = True


def path_gone(world: World) -> None:
    for profile in world.profiles.values():
        profile.path = "/no-such-path"


def app_stopped(world: World) -> None:
    world.stop_site(world.sites[WEU], "somebody")


def only_we_are_blind(world: World) -> None:
    """Traffic Manager does not look any more; then every app is gone for us."""
    for profile in world.profiles.values():
        for endpoint in profile.endpoints:
            endpoint.always_serve = True
    for site in world.sites.values():
        site.faults.down = True


PROVOKED: dict[Cause, Callable[[World], None]] = {
    Cause.ONE_REGION: region_lost,
    Cause.SHARED: all_answer_503,
    Cause.ARTIFACT_HOST: package_gone,
    Cause.PROBE_PATH: path_gone,
    Cause.STOPPED: app_stopped,
    Cause.UNKNOWN: only_we_are_blind,
}


@pytest.mark.parametrize("cause", list(PROVOKED))
async def test_provoked(cause: Cause) -> None:
    """What is done to the cloud shows as the incident's cause, with evidence."""
    async with watching() as here:
        PROVOKED[cause](here.world)
        found = await here.until(
            lambda them: any(it.cause == cause and it.confirmed for it in them if it.topic is Topic.SERVICE)
        )
        (shown,) = [it for it in found if it.cause == cause and it.region in {"weu", ""}]
        assert shown.evidence


def test_every_row_is_provoked() -> None:
    """The classification has no row that nobody tried."""
    assert {it.cause for it in TABLE} == PROVOKED.keys() | {Cause.TLS_OR_NAME}


async def test_a_certificate_that_is_over() -> None:
    """Traffic Manager checks no certificate and stays Online; devices, and we, cannot connect."""
    async with watching() as here:
        site = here.site(WEU)
        shown = here.cloud.authority.server_context(site.host, *site.host_names)
        over = here.world.now_utc() - timedelta(days=1)
        begun = over - timedelta(days=90)
        expired = here.cloud.authority._ca.issue_cert(site.host, not_before=begun, not_after=over)
        expired.configure_cert(shown)
        site.faults.down = True  # ends the connections that are kept open
        await here.until(bool)
        site.faults.down = False
        (found,) = await here.until(lambda them: any(it.cause == Cause.TLS_OR_NAME for it in them))
        assert any("certificate has expired" in it for it in found.evidence)


async def test_different_authorities() -> None:
    """A region that shows a CA of its own: the group's incident, told once."""
    async with watching() as here:
        here.site(NEU).faults.other_ca = True
        (found,) = await here.until(bool)
        assert (found.topic, found.cause) == (Topic.AUTHORITY, Cause.AUTHORITY)
        assert any("two CAs of one name" in it for it in found.evidence)


async def test_a_region_dies() -> None:
    """Confirmed, seen to leave DNS, told, well again, resolved and told."""
    async with watching() as here:
        region_lost(here.world)
        (found,) = await here.until(lambda them: any(it.mitigated for it in them))
        assert found.region == "weu"
        assert any("app-scepman-neu" in it.text for it in found.timeline if it.who == "DNS")
        here.site(WEU).faults.down = False
        await here.until(lambda them: not any(it.open for it in them))
        await here.until(lambda _: len(here.cards) >= 3)
        titles = [it["attachments"][0]["content"]["body"][0]["text"] for it in here.cards]
        assert titles == [
            "scepman / weu: fails",
            "scepman / weu: devices are led to the other regions",
            "scepman / weu: resolved",
        ]


async def test_held_out_of_dns_and_given_back() -> None:
    """With the hold: the endpoint is disabled, and enabled when the region has proved itself."""
    async with watching(COUNTERPART_FAILBACK_HOLD="on") as here:
        (profile,) = here.world.profiles.values()
        (endpoint,) = [it for it in profile.endpoints if it.name == "weu"]
        here.site(WEU).faults.status = 503
        await here.until(lambda _: not endpoint.enabled)
        here.site(WEU).faults.status = None
        await here.until(lambda _: endpoint.enabled)
        assert "microsoft.network/trafficmanagerprofiles/azureendpoints/write" in {
            it.lower() for it in here.cloud.used_actions
        }
        (found,) = await here.until(lambda them: not any(it.open for it in them))
        assert found.stage is Stage.RESOLVED

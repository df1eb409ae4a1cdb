"""What befalls a region, as its clients, DNS and Traffic Manager meet it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulator.premises import Premises
from simulator.services import dns as dns_service
from simulator.services import scepman, traffic_manager
from simulator.services.traffic_manager import answers
from simulator.world import BELOW_STANDARD, ProfileState, SiteFaults, Tls, World
from tests.simulator.small_world import NORTH, PROFILE, WEST, ask, contoso, running
from tests.simulator.test_dns import query
from tests.simulator.test_traffic_manager import until

SCEP = "/certsrv/mscep/mscep.dll"


def test_a_region_that_flaps() -> None:
    """Lost for so long, there for so long, by the world's clock."""
    faults = SiteFaults(flapping=10.0)
    assert [faults.lost(float(at)) for at in (0, 9, 10, 19, 20, 29, 30)] == [
        True, True, False, False, True, True, False,
    ]  # fmt: skip
    assert not SiteFaults().lost(0.0)
    assert SiteFaults(down=True, flapping=10.0).lost(10.0)


async def test_flapping_over_the_wire(tmp_path: Path) -> None:
    """Connections are reset while it is lost, and taken while it is not."""
    world, now = contoso(), 1000.0
    world.clock = lambda: now
    site = world.sites[WEST]
    site.boots_at = now
    site.faults.flapping = 10.0
    async with running(world, tmp_path, scepman.serve) as cloud:
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await ask(cloud, site, "/probe")
        now = 1010.0
        assert (await ask(cloud, site, "/probe"))[0] == 200


@pytest.mark.parametrize(
    ("tls", "error", "monitor"),
    [
        ("expired", aiohttp.ClientConnectorCertificateError, "Online"),
        ("other-name", aiohttp.ClientConnectorCertificateError, "Online"),
        ("broken", aiohttp.ClientConnectorSSLError, "Degraded"),
    ],
)
async def test_tls(tmp_path: Path, tls: Tls, error: type[Exception], monitor: str) -> None:
    """Clients cannot connect; Traffic Manager checks no certificate, but it needs a handshake."""
    world = contoso(tolerated=0)
    site, west = world.sites[WEST], world.profiles[PROFILE].endpoints[0]
    async with running(world, tmp_path, scepman.serve, traffic_manager.serve) as cloud:
        await until(lambda: west.observed == "Online")
        site.faults.tls = tls
        with pytest.raises(error):
            await ask(cloud, site, "/probe")
        await _probed_again(world, west.failures, monitor)
        assert west.observed == monitor
        site.faults.tls = ""
        assert (await ask(cloud, site, "/probe"))[0] == 200


async def _probed_again(world: World, failures: int, monitor: str) -> None:
    """Until Traffic Manager has looked anew: an answered probe is in the journal, a failed one is counted."""
    since, west = len(world.journal), world.profiles[PROFILE].endpoints[0]
    if monitor == "Online":
        await until(lambda: world.count("monitor-probe", WEST, since=since) > 1)
    else:
        await until(lambda: west.failures > failures)


async def test_who_is_connected_meets_it_at_the_next_connection(tmp_path: Path) -> None:
    """A kept connection is closed after one more answer."""
    world = contoso()
    site = world.sites[WEST]
    async with running(world, tmp_path, scepman.serve) as cloud, client(cloud) as get:
        assert await get("/probe") == 200
        site.faults.tls = "expired"
        assert await get("/probe") == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await get("/probe")


@contextlib.asynccontextmanager
async def client(cloud: Premises) -> AsyncIterator[Callable[[str], Any]]:
    """One client that keeps its connection."""
    site = cloud.world.sites[WEST]
    connector = aiohttp.TCPConnector(ssl=cloud.authority.client_context())
    async with aiohttp.ClientSession(connector=connector) as session:

        async def get(path: str) -> int:
            url = f"https://{site.address}:{cloud.https_port}{path}"
            async with session.get(url, headers={"Host": site.host}, server_hostname=site.host) as answer:
                await answer.read()
                return answer.status

        yield get


async def test_a_name_without_an_address(tmp_path: Path) -> None:
    """The default host name is gone from DNS, for Traffic Manager's probes too."""
    world = contoso(tolerated=0)
    west, north = world.profiles[PROFILE].endpoints
    world.sites[WEST].faults.unresolved = True
    async with running(world, tmp_path, scepman.serve, dns_service.serve, traffic_manager.serve) as cloud:
        assert (await query(cloud, world.sites[WEST].host)).rcode() == 3  # NXDOMAIN
        await until(lambda: (west.observed, north.observed) == ("Degraded", "Online"))


async def test_the_probe_path_is_gone(tmp_path: Path) -> None:
    """404 there, while SCEP is answered."""
    world = contoso()
    site = world.sites[WEST]
    site.faults.path_gone = True
    async with running(world, tmp_path, scepman.serve) as cloud:
        assert (await ask(cloud, site, "/probe"))[0] == 404
        assert (await ask(cloud, site, f"{SCEP}?operation=GetCACert"))[0] == 200


@pytest.mark.parametrize(("gone", "certificate"), [("key_vault", 500), ("identity", 500), ("storage", 200)])
async def test_a_shared_dependency(tmp_path: Path, gone: str, certificate: int) -> None:
    """Every region's probe fails alike; SCEP fails with what it needs."""
    world = contoso()
    setattr(world.shared, gone, True)
    async with running(world, tmp_path, scepman.serve) as cloud:
        for site in world.sites.values():
            assert (await ask(cloud, site, "/probe"))[0] == 503
            assert (await ask(cloud, site, f"{SCEP}?operation=GetCACert"))[0] == certificate
        setattr(world.shared, gone, False)
        assert (await ask(cloud, world.sites[WEST], "/probe"))[0] == 200


def test_a_reference_while_the_vaults_are_gone() -> None:
    """An app that starts then gets the literal text."""
    world = contoso()
    world.shared.key_vault = True
    text = "@Microsoft.KeyVault(VaultName=kv-contoso;SecretName=x)"
    world.edit(world.sites[WEST], {"AppConfig:Token": text})
    assert world.sites[WEST].references["AppConfig:Token"].status == "FetchTimedOut"
    assert world.sites[WEST].loaded["AppConfig:Token"] == text


@pytest.mark.parametrize("tier", ["Free", "Shared", "Basic", "Standard", "PremiumV3"])
def test_a_plan_below_standard_is_stopped(tier: Any) -> None:
    """Traffic Manager neither probes nor answers it."""
    world = contoso()
    world.sites[WEST].tier = tier
    profile = world.profiles[PROFILE]
    is_below = tier in BELOW_STANDARD
    assert (world.monitor_status(profile, profile.endpoints[0]) == "Stopped") == is_below
    assert (world.sites[WEST].host in answers(profile, world)) != is_below


# -- Traffic Manager's probes -----------------------------------------------------------------------------------


async def seen(directory: Path, change: Callable[[World, ProfileState], None]) -> tuple[str, str]:
    """Return what Traffic Manager makes of west and north when something is other than usual."""
    world = contoso(tolerated=0)
    change(world, world.profiles[PROFILE])
    west, north = world.profiles[PROFILE].endpoints
    async with running(world, directory, scepman.serve, traffic_manager.serve):
        await until(lambda: "CheckingEndpoint" not in {west.observed, north.observed})
        await asyncio.sleep(0)
        return west.observed, north.observed


async def test_tcp_needs_a_connection_only(tmp_path: Path) -> None:
    """An app that answers 503 is up, a lost region is not."""

    def change(world: World, profile: ProfileState) -> None:
        profile.protocol = "TCP"
        world.sites[WEST].faults.status = 503
        world.sites[NORTH].faults.down = True

    assert await seen(tmp_path, change) == ("Online", "Degraded")


async def test_plain_http_is_redirected(tmp_path: Path) -> None:
    """App Service wants HTTPS, and a redirect is a failure."""

    def change(_: World, profile: ProfileState) -> None:
        profile.protocol, profile.port = "HTTP", 80

    assert await seen(tmp_path, change) == ("Degraded", "Degraded")


async def test_expected_statuses(tmp_path: Path) -> None:
    """What a profile expects is up, and only that."""

    def change(world: World, profile: ProfileState) -> None:
        profile.expected = ((200, 202), (301, 301))
        world.sites[WEST].faults.status = 301
        world.sites[NORTH].faults.status = 503

    assert await seen(tmp_path, change) == ("Online", "Degraded")


async def test_custom_headers(tmp_path: Path) -> None:
    """A profile's headers go with every probe, an endpoint's own stand above them."""

    def change(world: World, profile: ProfileState) -> None:
        profile.headers = {"Host": "scep.fabrikam.test"}  # no name of theirs: 404
        profile.endpoints[1].headers = {"Host": world.sites[NORTH].host_names[0]}

    assert await seen(tmp_path, change) == ("Degraded", "Online")


async def test_a_slow_answer_is_none(tmp_path: Path) -> None:
    """What takes longer than the timeout has failed."""

    def change(world: World, profile: ProfileState) -> None:
        world.sites[WEST].faults.slow = traffic_manager.LEAST_TIMEOUT + 1.0

    assert await seen(tmp_path, change) == ("Degraded", "Online")

"""A simulated device meets the service through its name only, and enrols with the real client."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography.x509.oid import NameOID

from simulator.device import Device, StubResolver, Unresolved, egress_proxy, site_at
from simulator.premises import Premises, listening
from simulator.services import dns, scepman, traffic_manager
from simulator.world import Site
from tests.simulator.small_world import NORTH, PROFILE, SERVICE, WEST, contoso, running

SERVICES = (scepman.serve, traffic_manager.serve, dns.serve)
with_the_package = pytest.mark.usefixtures("scep_package")


async def test_a_device_is_served_by_the_region_that_dns_answers(tmp_path: Path) -> None:
    """Priority routing: the first region serves; when it is drained, the other one does."""
    world = contoso(routing="Priority", ttl=0)
    async with running(world, tmp_path, *SERVICES) as cloud:
        device = Device(cloud, SERVICE)
        assert (await device.check()).site == WEST
        world.profiles[PROFILE].endpoints[0].enabled = False
        assert (await device.check()).site == NORTH
    assert device.availability == 1.0


async def test_an_answer_is_kept_for_its_ttl(tmp_path: Path) -> None:
    """Before the TTL has passed a dead region hurts; after it the next try moves on."""
    world = contoso(routing="Priority", ttl=1)
    world.speed = 1.0
    async with running(world, tmp_path, dns.serve) as cloud:
        resolver = StubResolver("127.0.0.1", cloud.dns_port, speed=20.0)
        slow = StubResolver("127.0.0.1", cloud.dns_port)
        before = await resolver.resolve(SERVICE), await slow.resolve(SERVICE)
        world.profiles[PROFILE].endpoints[0].enabled = False
        kept = await slow.resolve(SERVICE)
        await asyncio.sleep(0.06)
        after = await resolver.resolve(SERVICE)
    assert before == ("127.0.0.11", "127.0.0.11")
    assert (kept, after) == ("127.0.0.11", "127.0.0.12")


async def test_every_way_to_fail_is_recorded_with_its_reason(tmp_path: Path) -> None:
    """A name that is gone, a region that is lost, one that is broken, slow, or of another CA."""
    world = contoso(routing="Priority", ttl=0)
    site = world.sites[WEST]
    async with running(world, tmp_path, scepman.serve, dns.serve) as cloud:
        device = Device(cloud, SERVICE, timeout=1.0)
        site.faults.down = True
        assert not (await device.check()).ok
        site.faults.down, site.faults.scep_status = False, 503
        assert (await device.check()).reason == "GetCACaps answered 503"
        site.faults.scep_status, site.faults.other_ca = None, True
        assert (await device.check()).reason == "GetCACert answered another CA"
        site.faults.other_ca, site.faults.slow = False, 30.0
        assert (await device.check()).reason == "no answer in 1 s"
        site.faults.slow = 0.0
        world.profiles[PROFILE].enabled = False
        gone = await device.check()
        world.profiles[PROFILE].enabled = True
        assert (await device.check()).ok
    assert (gone.ok, gone.site, gone.reason) == (False, "", f"{SERVICE}: NXDOMAIN")
    assert [attempt.site for attempt in device.attempts] == [WEST, WEST, WEST, WEST, "", WEST]
    assert len(device.failures) == 5
    assert device.availability == pytest.approx(1 / 6)


async def served_by(device: Device, site: str) -> None:
    """Wait until a region has served the device; TimeoutError when it does not."""
    async with asyncio.timeout(20):
        while not any(attempt.ok and attempt.site == site for attempt in device.attempts):  # noqa: ASYNC110 -- it just records
            await asyncio.sleep(0.01)


async def test_a_watching_device_sees_the_failover(tmp_path: Path) -> None:
    """A region is lost: some attempts fail, then the other region serves, without anybody's help."""
    world = contoso(routing="Priority", ttl=5)
    async with running(world, tmp_path, *SERVICES) as cloud:
        device = Device(cloud, SERVICE)
        async with device.watch(0.02):
            await served_by(device, WEST)
            world.sites[WEST].faults.down = True
            await served_by(device, NORTH)
    lost = [attempt for attempt in device.attempts if not attempt.ok]
    assert lost
    assert {attempt.site for attempt in lost} == {WEST}
    assert device.attempts[0].ok
    assert device.attempts[-1].site == NORTH


async def test_watching_ends_with_at_least_one_look(tmp_path: Path) -> None:
    """However short the watch."""
    async with running(contoso(), tmp_path, scepman.serve, dns.serve) as cloud:
        device = Device(cloud, SERVICE)
        async with device.watch():
            pass
    assert len(device.attempts) == 1


async def test_an_unreachable_dns_server_is_unresolved() -> None:
    """No answer is not an exception of the library's."""
    resolver = StubResolver("127.0.0.1", 9, timeout=0.2)
    with pytest.raises(Unresolved, match="no answer"):
        await resolver.resolve(SERVICE)


async def test_the_proxy_resolves_simulated_names_only(tmp_path: Path) -> None:
    """CONNECT and absolute URLs reach simulated hosts; other names are a 502, other requests a 400."""
    world = contoso(routing="Priority")

    async def hello(request: web.Request) -> web.Response:
        body = await request.text()
        return web.Response(text=f"{request.method} {request.path_qs} {request.host} {body}")

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", hello)
    async with running(world, tmp_path, scepman.serve, dns.serve) as cloud, listening(app) as plain:
        port = plain.rsplit(":", 1)[1]
        world.add_site(Site("plain", "rg", "UK South", "windows", "127.0.0.1"))
        resolver = StubResolver("127.0.0.1", cloud.dns_port)
        async with (
            egress_proxy(resolver, lambda address: site_at(world, address)) as proxy,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
        ):
            url = f"http://plain.azurewebsites.test:{port}/a?b=c"
            async with session.post(url, data="body", proxy=proxy.url) as answer:
                assert await answer.text() == f"POST /a?b=c plain.azurewebsites.test:{port} body"
            url = f"https://{SERVICE}:{cloud.https_port}/probe"
            tls = cloud.authority.client_context()
            async with session.get(url, proxy=proxy.url, ssl=tls) as answer:
                assert answer.status == 200
            async with session.get("http://example.test/", proxy=proxy.url) as answer:
                assert answer.status == 502
            async with session.get(f"{proxy.url}/not-absolute") as answer:
                assert answer.status == 400
    assert proxy.reached == ["plain", WEST]


@with_the_package
async def test_the_real_client_enrols_through_the_service_name(tmp_path: Path) -> None:
    """The programs scepclient and scepserver: a certificate of the world's CA, from either region."""
    world = contoso(routing="Priority", ttl=0)
    async with running(world, tmp_path, *SERVICES) as cloud:
        device = Device(cloud, SERVICE)
        first = await device.enrol("laptop-17")
        world.profiles[PROFILE].endpoints[0].enabled = False
        second = await device.enrol("laptop-18")
    for enrolment, site, name in ((first, WEST, "laptop-17"), (second, NORTH, "laptop-18")):
        assert (enrolment.ok, enrolment.installed, enrolment.site) == (True, True, site), enrolment.reason
        assert enrolment.certificate is not None
        subject = enrolment.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert [name_attribute.value for name_attribute in subject] == [name]
    signed = [
        happening.where
        for happening in world.journal
        if happening.what == "scep" and happening.detail == "PKIOperation 200"
    ]
    assert signed == [WEST, NORTH]


async def enrol_once(cloud: Premises) -> tuple[bool, str, bool]:
    """(ok, site, has a certificate) of one enrolment, with a reason whenever it is not ok."""
    enrolment = await Device(cloud, SERVICE).enrol()
    assert enrolment.ok or enrolment.reason
    return enrolment.ok, enrolment.site, enrolment.certificate is not None


@with_the_package
async def test_enrolment_fails_where_the_service_does_and_moves_on(tmp_path: Path) -> None:
    """A lost region, a wrong CA and a broken setting give no certificate; the next try finds the other region."""
    world = contoso(routing="Priority", ttl=0)
    site = world.sites[WEST]
    async with running(world, tmp_path, scepman.serve, dns.serve) as cloud:
        site.faults.down = True
        assert await enrol_once(cloud) == (False, WEST, False)
        site.faults.down, site.faults.other_ca = False, True
        assert await enrol_once(cloud) == (False, WEST, False)
        site.faults.other_ca = False
        world.edit(site, {"AppConfig:ValidityPeriodDays": "long"})
        assert await enrol_once(cloud) == (False, WEST, False)
        world.profiles[PROFILE].endpoints[0].observed = "Degraded"
        assert await enrol_once(cloud) == (True, NORTH, True)


async def test_without_the_client_the_result_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the package gets a clear answer."""
    monkeypatch.setenv("PATH", str(tmp_path))
    async with running(contoso(), tmp_path, dns.serve) as cloud:
        enrolment = await Device(cloud, SERVICE).enrol()
    assert (enrolment.ok, enrolment.installed) == (False, False)
    assert "not installed" in enrolment.reason

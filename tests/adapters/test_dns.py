"""DnsNames against the simulated DNS server: aliases as they are, asked anew each time."""

from collections.abc import AsyncIterator

import pytest

from shared.adapters.dns import DnsNames
from simulator.pair import a_pair
from simulator.server import Cloud
from tests.fakes.clock import START, FakeClock


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with Cloud(a_pair()) as cloud:
        yield cloud


def names(cloud: Cloud) -> DnsNames:
    return DnsNames((cloud.dns_server,), FakeClock())


async def test_where_the_profile_leads(cloud: Cloud) -> None:
    """The profile's name is an alias of one region's default host name."""
    hosts = {site.host for site in cloud.world.sites.values()}
    answer = await names(cloud).resolve("scepman.trafficmanager.test")
    assert answer.problem == ""
    assert answer.at == START
    assert answer.addresses != ()
    assert sum(answer.leads_to(host) for host in hosts) == 1
    assert any(answer.leads_to(host.upper()) for host in hosts)


async def test_a_region_that_left_dns(cloud: Cloud) -> None:
    """Asked again, the name leads elsewhere at once: nothing is kept."""
    asking = names(cloud)
    (profile,) = cloud.world.profiles.values()
    for out in profile.endpoints:
        for endpoint in profile.endpoints:
            endpoint.enabled = endpoint is not out
        gone = cloud.world.sites[out.target_site].host
        for _ in range(4):
            answer = await asking.resolve(profile.fqdn)
            assert answer.names != ()
            assert not answer.leads_to(gone)


async def test_names_that_lead_nowhere(cloud: Cloud) -> None:
    """No such name, or an impossible one: a problem told, never an exception."""
    for name in ("nowhere.trafficmanager.test", "a..b", ""):
        answer = await names(cloud).resolve(name)
        assert answer.problem
        assert answer.names == ()

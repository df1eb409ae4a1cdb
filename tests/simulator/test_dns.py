"""The simulated DNS server, asked with real messages."""

from pathlib import Path

import dns.asyncquery
import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest

from simulator.premises import Premises
from simulator.services import dns as dns_service
from simulator.world import EndpointState
from tests.simulator.small_world import NORTH, PROFILE, SERVICE, WEST, contoso, running

FQDN = f"{PROFILE}.trafficmanager.test"


async def query(
    cloud: Premises, name: str, kind: str = "A", *, tcp: bool = False, subnet: str = ""
) -> dns.message.Message:
    """Ask the server."""
    options = [dns.edns.ECSOption.from_text(subnet)] if subnet else None
    message = dns.message.make_query(name, kind, use_edns=0, options=options)
    ask = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
    return await ask(message, "127.0.0.1", port=cloud.dns_port, timeout=5)


def chain(message: dns.message.Message) -> list[tuple[str, int, str, str]]:
    """(name, TTL, type, value) of every record of the answer."""
    return [
        (
            rr.name.to_text(omit_final_dot=True),
            rr.ttl,
            dns.rdatatype.to_text(rr.rdtype),
            rr[0].to_text().rstrip("."),
        )
        for rr in message.answer
    ]


@pytest.mark.parametrize("tcp", [False, True])
async def test_the_custom_domain_leads_to_a_region(tmp_path: Path, tcp: bool) -> None:  # noqa: FBT001 -- a case
    """Custom domain, profile with its TTL, default host name, address; over UDP and TCP."""
    world = contoso(routing="Priority", ttl=17)
    async with running(world, tmp_path, dns_service.serve) as cloud:
        answer = await query(cloud, "SCEP.contoso.test", tcp=tcp)
    host = f"{WEST}.azurewebsites.test"
    assert answer.rcode() == dns.rcode.NOERROR
    assert answer.flags & dns.flags.AA
    assert chain(answer) == [
        ("SCEP.contoso.test", dns_service.CUSTOM_TTL, "CNAME", FQDN),
        (FQDN, 17, "CNAME", host),
        (host, dns_service.HOST_TTL, "A", "127.0.0.11"),
    ]


async def test_clients_are_spread_and_each_keeps_to_its_nearest(tmp_path: Path) -> None:
    """Performance answers in turn, and one subnet always alike."""
    world = contoso()
    async with running(world, tmp_path, dns_service.serve) as cloud:
        seen = [chain(await query(cloud, FQDN))[-1][3] for _ in range(4)]
        near = {chain(await query(cloud, FQDN, subnet="192.0.2.0/24"))[-1][3] for _ in range(4)}
    assert seen == ["127.0.0.11", "127.0.0.12"] * 2
    assert len(near) == 1


async def test_a_drained_region_is_not_answered_and_none_is_nxdomain(tmp_path: Path) -> None:
    """Disabling takes effect on the next question; with nothing eligible the profile's name is gone."""
    world = contoso()
    west, north = world.profiles[PROFILE].endpoints
    async with running(world, tmp_path, dns_service.serve) as cloud:
        west.enabled = False
        assert {chain(await query(cloud, SERVICE))[-1][3] for _ in range(3)} == {"127.0.0.12"}
        north.enabled = False
        answer = await query(cloud, SERVICE)
    assert answer.rcode() == dns.rcode.NXDOMAIN
    assert chain(answer) == [(SERVICE, dns_service.CUSTOM_TTL, "CNAME", FQDN)]
    assert [rr.rdtype for rr in answer.authority] == [dns.rdatatype.SOA]


async def test_addresses_and_no_answer(tmp_path: Path) -> None:
    """MultiValue routing answers addresses of the kind asked for; who belongs nowhere gets an empty answer."""
    world = contoso(routing="MultiValue")
    profile = world.profiles[PROFILE]
    targets = ("192.0.2.1", "192.0.2.2", "2001:db8::1")
    profile.endpoints[:] = [
        EndpointState(name, kind="externalEndpoints", target=name, priority=number + 1)
        for number, name in enumerate(targets)
    ]
    async with running(world, tmp_path, dns_service.serve) as cloud:
        four, six = await query(cloud, FQDN), await query(cloud, FQDN, "AAAA")
        profile.routing = "Geographic"
        nobody = await query(cloud, FQDN)
    assert sorted(item.to_text() for item in four.answer[0]) == ["192.0.2.1", "192.0.2.2"]
    assert [item.to_text() for item in six.answer[0]] == ["2001:db8::1"]
    assert (nobody.rcode(), nobody.answer) == (dns.rcode.NOERROR, [])
    assert [rr.rdtype for rr in nobody.authority] == [dns.rdatatype.SOA]


NAMES: tuple[tuple[str, str, int, str | None], ...] = (
    ("kv-contoso.vault.azure.test", "A", dns.rcode.NOERROR, "127.0.0.40"),
    (f"{NORTH}.azurewebsites.test", "A", dns.rcode.NOERROR, "127.0.0.12"),
    (f"{NORTH}.azurewebsites.test", "AAAA", dns.rcode.NOERROR, None),
    (f"{NORTH}.azurewebsites.test", "TYPE65", dns.rcode.NOERROR, None),
    (SERVICE, "CNAME", dns.rcode.NOERROR, FQDN),
    ("kv-other.vault.azure.test", "A", dns.rcode.NXDOMAIN, None),
    ("test", "A", dns.rcode.NXDOMAIN, None),
    (".", "A", dns.rcode.NXDOMAIN, None),
)


async def test_other_names_and_types(tmp_path: Path) -> None:
    """Vaults and hosts have addresses; other types are empty, other names do not exist."""
    async with running(contoso(), tmp_path, dns_service.serve) as cloud:
        for name, kind, code, last in NAMES:
            answer = await query(cloud, name, kind)
            found = chain(answer)[-1][3] if answer.answer else None
            assert (answer.rcode(), found, bool(answer.authority)) == (code, last, last is None), name


async def test_an_ipv6_question_for_the_service_gets_the_aliases_only(tmp_path: Path) -> None:
    """AAAA follows the aliases and finds nothing at their end."""
    async with running(contoso(), tmp_path, dns_service.serve) as cloud:
        answer = await query(cloud, SERVICE, "AAAA")
    assert [kind for _, _, kind, _ in chain(answer)] == ["CNAME", "CNAME"]
    assert answer.rcode() == dns.rcode.NOERROR


async def test_rubbish_harms_nobody(tmp_path: Path) -> None:
    """Bytes that are no query get no answer, other operations are refused, and the server lives on."""
    async with running(contoso(), tmp_path, dns_service.serve) as cloud:
        assert dns_service._answer(dns_service.Zones(cloud.world), b"\x00\x01rubbish", 512) is None
        update = dns.message.make_query(SERVICE, "A")
        update.set_opcode(dns.opcode.NOTIFY)
        refused = await dns.asyncquery.udp(update, "127.0.0.1", port=cloud.dns_port, timeout=5)
        chaos = dns.message.make_query("version.bind", "TXT", rdclass="CH")
        answer = await dns.asyncquery.udp(chaos, "127.0.0.1", port=cloud.dns_port, timeout=5)
        assert (await query(cloud, SERVICE)).rcode() == dns.rcode.NOERROR
    assert refused.rcode() == dns.rcode.NOTIMP
    assert answer.rcode() == dns.rcode.REFUSED

"""The simulated cloud's DNS: a real authoritative server on 127.0.0.1, over UDP and TCP at one port.

A custom domain is a CNAME to the profile's name, that is a CNAME with the profile's TTL to the default host
name of the endpoint which Traffic Manager chooses, and that is an A record. A profile without an eligible
endpoint is NXDOMAIN. There are no IPv6 addresses: AAAA and other types get an empty answer.
"""

import asyncio
import contextlib
import struct
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from simulator.listeners import bound
from simulator.premises import LOOPBACK, Premises
from simulator.services.traffic_manager import resolve
from simulator.world import World, ip_version

CUSTOM_TTL = 300  # seconds: a CNAME that an administrator set
HOST_TTL = 30  # seconds: App Service's own records
VAULT_TTL = 60  # seconds
ARTIFACTS_TTL = 60  # seconds
RECEIVER_TTL = 60  # seconds
NEGATIVE_TTL = 30  # seconds for which NXDOMAIN may be kept
UDP_SIZE = 1232  # bytes: what fits everywhere without fragments
LONGEST_CHAIN = 8
IDLE = 10.0  # seconds for which a TCP client may say nothing


@dataclass(frozen=True)
class Record:
    """CNAME, A or AAAA records of one name; without a value, the name exists and has none."""

    kind: dns.rdatatype.RdataType
    ttl: int
    value: str
    more: tuple[str, ...] = ()


@dataclass
class Zones:
    """What the server knows: the world's names, and how often each profile was asked."""

    world: World
    turns: Counter[str] = field(default_factory=Counter)

    def record(
        self, name: str, client: str, wanted: dns.rdatatype.RdataType = dns.rdatatype.A
    ) -> Record | None:
        """The record of a name (lower case, no final dot); None where there is no such name."""
        cname, a = dns.rdatatype.CNAME, dns.rdatatype.A
        profile = next(
            (profile for profile in self.world.profiles.values() if profile.fqdn.lower() == name), None
        )
        if profile is not None:
            version = 6 if wanted == dns.rdatatype.AAAA else 4
            found = resolve(
                profile,
                self.world,
                turn=self.turns[profile.id],
                client=client,
                version=version,
            )
            self.turns[profile.id] += 1
            return None if found is None else _led_to(found, profile.ttl)
        for custom, profile_name in self.world.custom_domains.items():
            if custom.lower() == name and profile_name in self.world.profiles:
                return Record(cname, CUSTOM_TTL, self.world.profiles[profile_name].fqdn)
        if site := self.world.site_by_host(name):
            return None if site.faults.unresolved or site.faults.hidden else Record(a, HOST_TTL, site.address)
        if artifacts := self.world.artifact_hosts.get(name):
            return Record(a, ARTIFACTS_TTL, artifacts.address)
        if receiver := next(
            (receiver for receiver in self.world.receivers.values() if receiver.host == name), None
        ):
            return Record(a, RECEIVER_TTL, receiver.address)
        vault = next((vault for vault in self.world.vaults.values() if vault.host.lower() == name), None)
        return None if vault is None else Record(a, VAULT_TTL, vault.address)


def _led_to(found: tuple[str, ...], ttl: int) -> Record:
    """Return what a profile's name leads to: another name, or addresses, all of the first one's kind."""
    first, *others = found or ("",)
    version = ip_version(first)
    if version is None:
        return Record(dns.rdatatype.CNAME, ttl, first)
    kind = dns.rdatatype.A if version == 4 else dns.rdatatype.AAAA
    return Record(kind, ttl, first, tuple(other for other in others if ip_version(other) == version))


def respond(zones: Zones, query: dns.message.Message) -> dns.message.Message:
    """The answer to one query."""
    response = dns.message.make_response(query, our_payload=UDP_SIZE)
    if query.opcode() != dns.opcode.QUERY:
        response.set_rcode(dns.rcode.NOTIMP)
        return response
    if len(query.question) != 1 or query.question[0].rdclass != dns.rdataclass.IN:
        response.set_rcode(dns.rcode.REFUSED)
        return response
    response.flags |= dns.flags.AA
    _follow(zones, response, query.question[0], _client(query))
    return response


def _follow(zones: Zones, response: dns.message.Message, question: dns.rrset.RRset, client: str) -> None:
    """Add the chain of records from the question's name; a SOA where it ends without what was asked."""
    name, wanted = question.name, question.rdtype
    for _ in range(LONGEST_CHAIN):
        record = zones.record(name.to_text(omit_final_dot=True).lower(), client, wanted)
        if record is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
            break
        if not record.value or record.kind not in (wanted, dns.rdatatype.CNAME):
            break
        is_alias = record.kind == dns.rdatatype.CNAME
        value = f"{record.value}." if is_alias else record.value
        response.answer.append(dns.rrset.from_text(name, record.ttl, "IN", record.kind, value, *record.more))
        if not is_alias or wanted == dns.rdatatype.CNAME:
            return
        name = dns.name.from_text(value)
    response.authority.append(_start_of_authority(name))


def _start_of_authority(name: dns.name.Name) -> dns.rrset.RRset:
    zone = name.parent() if len(name) > 1 else name
    data = f"ns1.azure-dns.test. hostmaster.azure-dns.test. 1 3600 300 2419200 {NEGATIVE_TTL}"
    return dns.rrset.from_text(zone, NEGATIVE_TTL, "IN", "SOA", data)


def _client(query: dns.message.Message) -> str:
    """Return where the client is, as its EDNS client subnet says; empty when it does not say."""
    subnets = (option for option in query.options if isinstance(option, dns.edns.ECSOption))
    return next((f"{option.address}/{option.srclen}" for option in subnets), "")


def _answer(zones: Zones, wire: bytes, size: int) -> bytes | None:
    """The answer's bytes, cut to `size`; None for bytes that are no query."""
    try:
        query = dns.message.from_wire(wire)
    except (dns.exception.DNSException, ValueError, struct.error):
        return None
    if query.flags & dns.flags.QR:
        return None
    allowed = max(512, min(size, query.payload)) if size == UDP_SIZE else size
    return respond(zones, query).to_wire(max_size=allowed, prefer_truncation=True)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, zones: Zones) -> None:
        self._zones = zones
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.DatagramTransport):
            self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = _answer(self._zones, data, UDP_SIZE)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


async def _converse(zones: Zones, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One TCP connection: messages with two bytes of length before each, until the client ends."""
    try:
        while True:
            async with asyncio.timeout(IDLE):
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                wire = await reader.readexactly(length)
            answer = _answer(zones, wire, 65535)
            if answer is None:
                return
            writer.write(struct.pack("!H", len(answer)) + answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, TimeoutError, OSError):
        return
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def serve(cloud: Premises) -> AsyncIterator[None]:
    """Answer at 127.0.0.1 and the cloud's DNS port until the context ends."""
    zones = Zones(cloud.world)

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _converse(zones, reader, writer)

    loop = asyncio.get_running_loop()
    datagrams, _ = await loop.create_datagram_endpoint(
        lambda: _Datagrams(zones), local_addr=(LOOPBACK, cloud.dns_port)
    )
    try:
        server = await asyncio.start_server(converse, sock=bound(LOOPBACK, cloud.dns_port))
        try:
            yield
        finally:
            server.close()
            server.close_clients()
            await server.wait_closed()
    finally:
        datagrams.close()

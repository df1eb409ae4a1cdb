"""The lent session: whom it trusts, whom it asks for addresses, and that SDK calls over it do the same."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
import trustme
from aiohttp import web
from azure.core import AsyncPipelineClient
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest

from shared.adapters.failures import translated
from shared.adapters.http import open_session, resolver
from shared.errors import SettingsError, Unavailable

INET, INET6, UNSPEC = socket.AF_INET, socket.AF_INET6, socket.AF_UNSPEC


class Zone(asyncio.DatagramProtocol):
    """A DNS server that answers from lines like `name 30 A 127.0.0.1`, and counts what it was asked."""

    def __init__(self, *lines: str) -> None:
        self.lines = [line.split() for line in lines]
        self.asked: list[str] = []
        self.follow = True  # put the whole chain of aliases into one answer
        self.soa = False  # say in an empty answer how long that holds
        self.rcode: dns.rcode.Rcode = dns.rcode.NOERROR
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Keep the socket."""
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        """One question, one answer."""
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{name} {kind}")
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        answer.set_rcode(self.rcode)
        for line in self.records(name, kind):
            answer.answer.append(dns.rrset.from_text(f"{line[0]}.", int(line[1]), "IN", line[2], line[3]))
        if not answer.answer and all(line[0] != name for line in self.lines):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        if self.soa and not answer.answer:
            soa = "ns.test. admin.test. 1 60 60 60 60"
            answer.authority.append(dns.rrset.from_text("test.", 60, "IN", "SOA", soa))
        assert self.transport is not None
        self.transport.sendto(answer.to_wire(), address)

    def records(self, name: str, kind: str) -> Iterator[list[str]]:
        """Yield what is known of a name: records of the kind, or its alias and what that leads to."""
        for line in self.lines:
            if line[0] == name and line[2] == kind:
                yield line
            elif line[0] == name and line[2] == "CNAME":
                yield line
                if self.follow:
                    yield from self.records(line[3].rstrip("."), kind)


@contextlib.asynccontextmanager
async def serving(zone: Zone) -> AsyncIterator[str]:
    """The zone on a free port, as ip:port."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: zone, local_addr=("127.0.0.1", 0)
    )
    try:
        yield "127.0.0.1:{}".format(transport.get_extra_info("sockname")[1])
    finally:
        transport.close()


async def addresses(zone: Zone, *names: str, family: socket.AddressFamily = INET) -> list[list[str]]:
    """Return what one resolver finds for some names, asked one after another."""
    async with serving(zone) as server:
        found = resolver((server,))
        try:
            return [[item["host"] for item in await found.resolve(name, 443, family)] for name in names]
        finally:
            await found.close()


async def test_addresses_come_from_the_given_server() -> None:
    """A and AAAA records, with what aiohttp needs to connect."""
    zone = Zone("a.test 30 A 127.0.0.5", "a.test 30 AAAA ::1")
    assert await addresses(zone, "a.test") == [["127.0.0.5"]]
    assert await addresses(zone, "a.test", family=INET6) == [["::1"]]
    assert await addresses(zone, "a.test", family=UNSPEC) == [["127.0.0.5", "::1"]]
    async with serving(zone) as server:
        (result,) = await resolver((server,)).resolve("a.test", 8443, INET)
    assert (result["hostname"], result["port"], result["family"]) == ("a.test", 8443, INET)


@pytest.mark.parametrize("follow", [True, False])
async def test_aliases_are_followed(follow: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    """A chain may come in one answer, as from a resolver, or link by link, as from an authoritative server."""
    zone = Zone("a.test 30 CNAME b.test.", "b.test 30 CNAME c.test.", "c.test 30 A 127.0.0.5")
    zone.follow = follow
    assert await addresses(zone, "a.test") == [["127.0.0.5"]]
    assert zone.asked == (["a.test A"] if follow else ["a.test A", "b.test A", "c.test A"])


async def test_aliases_in_a_ring_lead_nowhere() -> None:
    """No address, and no endless asking."""
    zone = Zone("a.test 30 CNAME b.test.", "b.test 30 CNAME a.test.")
    zone.follow = False
    with pytest.raises(OSError, match=r"a\.test"):
        await addresses(zone, "a.test")
    assert len(zone.asked) < 20


async def test_an_answer_is_kept_for_its_time_to_live() -> None:
    """Asked again it comes from memory, in any case of letters."""
    zone = Zone("a.test 300 A 127.0.0.5")
    assert await addresses(zone, "a.test", "A.test") == [["127.0.0.5"]] * 2
    assert zone.asked == ["a.test A"]


async def test_the_shortest_time_of_a_chain_counts() -> None:
    """A profile's name with TTL 0 is asked for each time, however long the host's own record may be kept."""
    zone = Zone("a.test 0 CNAME b.test.", "b.test 300 A 127.0.0.5")
    assert await addresses(zone, "a.test", "a.test") == [["127.0.0.5"]] * 2
    assert zone.asked == ["a.test A", "a.test A"]


async def test_that_there_is_no_address_is_kept_as_long_as_the_zone_says() -> None:
    """The SOA's minimum says how long: a host without IPv6 is not asked for it at each connection."""
    zone = Zone("a.test 30 A 127.0.0.5")
    zone.soa = True
    assert await addresses(zone, "a.test", "a.test", family=UNSPEC) == [["127.0.0.5"]] * 2
    assert sorted(zone.asked) == ["a.test A", "a.test AAAA"]


@pytest.mark.parametrize("rcode", [dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL, dns.rcode.REFUSED])
async def test_no_answer_is_an_oserror(rcode: dns.rcode.Rcode) -> None:
    """As aiohttp expects of a resolver; the name is in the message."""
    zone = Zone()
    zone.rcode = rcode
    with pytest.raises(OSError, match=r"other\.test"):
        await addresses(zone, "other.test", family=UNSPEC)


async def test_a_name_without_an_address_of_the_kind_is_an_oserror() -> None:
    """The name exists, with the other kind only."""
    with pytest.raises(OSError, match="no address"):
        await addresses(Zone("a.test 30 AAAA ::1"), "a.test")


async def test_localhost_and_literal_addresses_are_the_systems() -> None:
    """The managed identity's endpoint is on the loopback: no server of ours knows it."""
    zone = Zone()
    assert await addresses(zone, "localhost", "127.0.0.9") == [["127.0.0.1"], ["127.0.0.9"]]
    assert zone.asked == []


@pytest.mark.parametrize("text", ["dns.test", "10.0.0.4:x", "10.0.0.256", "", ":53"])
async def test_a_server_is_an_address(text: str) -> None:
    """Anything else is a wrong setting."""
    with pytest.raises(SettingsError, match="DNS server"):
        resolver((text,))


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("10.0.0.4", ("10.0.0.4", 53)),
        ("10.0.0.4:5353", ("10.0.0.4", 5353)),
        ("fd00::4", ("fd00::4", 53)),
        ("[fd00::4]", ("fd00::4", 53)),
        ("[fd00::4]:5353", ("fd00::4", 5353)),
    ],
)
async def test_a_server_may_have_a_port(text: str, server: tuple[str, int]) -> None:
    """Port 53 unless said otherwise."""
    (found,) = resolver((text,))._dns.nameservers  # type: ignore[attr-defined]
    assert (found.address, found.port) == server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority that no system trusts."""
    return trustme.CA()


@contextlib.asynccontextmanager
async def a_site(authority: trustme.CA) -> AsyncIterator[int]:
    """site.test over HTTPS on a free port of the loopback; says which cookies came, and sets one."""

    async def answer(request: web.Request) -> web.Response:
        made = web.Response(text=f"cookies: {len(request.cookies)}")
        made.set_cookie("seen", "1")
        return made

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("site.test").configure_cert(context)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    """The authority's certificate as a PEM file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


async def get(session: aiohttp.ClientSession, url: str) -> str:
    """With aiohttp itself."""
    async with session.get(url) as answer:
        return await answer.text()


async def get_by_sdk(session: aiohttp.ClientSession, url: str) -> str:
    """As every SDK client sends: through azure-core's pipeline and the lent session."""
    transport = AioHttpTransport(session=session, session_owner=False)
    pipeline: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
        url, transport=transport
    )
    async with pipeline as client:
        answer = await client.send_request(HttpRequest("GET", url))
        return str(answer.text())


@pytest.mark.parametrize("ask", [get, get_by_sdk])
async def test_the_bundle_and_the_resolver_hold_for_every_client(
    authority: trustme.CA, bundle: str, ask: Callable[[aiohttp.ClientSession, str], Awaitable[str]]
) -> None:
    """A name that only our server knows, a certificate that only our bundle vouches for; no cookie is kept."""
    zone = Zone("site.test 30 A 127.0.0.1")
    async with a_site(authority) as port, serving(zone) as server, open_session(bundle, (server,)) as session:
        assert await ask(session, f"https://site.test:{port}/") == "cookies: 0"
        assert await ask(session, f"https://site.test:{port}/") == "cookies: 0"
        assert not session.closed


@pytest.mark.parametrize("ask", [get, get_by_sdk])
async def test_without_the_bundle_nobody_is_trusted(
    authority: trustme.CA, ask: Callable[[aiohttp.ClientSession, str], Awaitable[str]]
) -> None:
    """The certificate is refused, by the SDK's calls too, and the failure is one of ours."""
    zone = Zone("site.test 30 A 127.0.0.1")
    async with a_site(authority) as port, serving(zone) as server, open_session(None, (server,)) as session:
        with pytest.raises(Unavailable, match="CA bundle"), translated("ask"):
            await ask(session, f"https://site.test:{port}/")


async def test_the_systems_authorities_stay_trusted(bundle: str) -> None:
    """The bundle is added; it replaces nothing."""
    async with open_session(bundle, ()) as with_it, open_session(None, ()) as without:
        assert authorities(with_it) == authorities(without) + 1


def authorities(session: aiohttp.ClientSession) -> int:
    """Return how many authorities a session trusts."""
    assert isinstance(session.connector, aiohttp.TCPConnector)
    context = session.connector._ssl
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    return len(context.get_ca_certs())


@pytest.mark.parametrize("content", [None, b"no certificate"])
async def test_a_bundle_that_cannot_be_read_is_a_wrong_setting(tmp_path: Path, content: bytes | None) -> None:
    """Missing, or no PEM."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match="CA bundle"):
        open_session(str(path), ())

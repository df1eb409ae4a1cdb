"""The one HTTP stack: a session that every adapter, and every SDK client, is lent.

It brings the trusted CAs and the resolver. `AioHttpTransport(session=..., session_owner=False)` passes neither TLS
options nor a resolver of its own as long as `connection_verify` is left alone (azure-core 1.41), so that SDK calls
trust and resolve as ours do; it sets its own socket timeouts on each request, and the session's total does not hold
for them: SDK calls have `failures.within`.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import dns.asyncresolver
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.ttl
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from shared.adapters.failures import Foreign, translated
from shared.clock import Compared
from shared.errors import AppError, SettingsError

TIMEOUT: Final = aiohttp.ClientTimeout(total=60, connect=10, sock_read=30)  # seconds; a call may say less
DNS_TIMEOUT: Final = 2.0  # seconds for one server's answer
DNS_LIFETIME: Final = 5.0  # seconds for a name at all servers
LONGEST_CHAIN: Final = 8  # aliases
LARGEST_CACHE: Final = 512  # names
LONGEST_KEPT: Final = 300  # seconds, whatever the TTL
UNLIMITED: Final = dns.ttl.MAX_TTL  # dnspython 2.8's word for a TTL that no record gave
DNS_PORT: Final = 53

_TYPES: Final[dict[int, dns.rdatatype.RdataType]] = {
    socket.AF_INET: dns.rdatatype.A,
    socket.AF_INET6: dns.rdatatype.AAAA,
}


def open_session(
    ca_bundle: str | None, dns_servers: tuple[str, ...], *, traces: Sequence[aiohttp.TraceConfig] = ()
) -> aiohttp.ClientSession:
    """Open the session; an event loop must be running. Whoever opens it closes it.

    Args:
        ca_bundle: path of a PEM file of authorities to trust beside the system's.
        dns_servers: "ip" or "ip:port"; none leaves names to the system. With them no proxy of the environment is
            used: a proxy would resolve the names itself.
        traces: who is shown each request and its answer.

    Raises:
        SettingsError: the bundle cannot be read, or a server is no address.
    """
    connector = aiohttp.TCPConnector(
        ssl=trust(ca_bundle),
        resolver=resolver(dns_servers),
        use_dns_cache=not dns_servers,  # ours honours the TTL
        limit_per_host=32,  # connections
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=TIMEOUT,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=not dns_servers,
        trace_configs=list(traces),
    )


def comparing(compared: Compared, urls: Iterable[str]) -> aiohttp.TraceConfig:
    """Compare our clock with the `Date` of the answers from these hosts: no other's word on the time counts."""
    hosts = {urlsplit(url).hostname for url in urls}
    trace = aiohttp.TraceConfig()

    async def asked(_: object, context: SimpleNamespace, __: object) -> None:
        context.asked = compared.now()

    async def answered(_: object, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams) -> None:
        if params.url.host in hosts:
            compared.heard(str(params.url.host), params.response.headers.get("Date", ""), context.asked)

    trace.on_request_start.append(asked)
    trace.on_request_end.append(answered)
    return trace


def resolver(dns_servers: tuple[str, ...]) -> AbstractResolver:
    """A resolver that asks these servers, in their order; with none, the system's."""
    return ServerResolver(dns_servers) if dns_servers else ThreadedResolver()


class ServerResolver(AbstractResolver):
    """Asks given DNS servers, and keeps an answer for its time to live; an answer of TTL 0 is not kept.

    Literal addresses and `localhost` are the system's. Failures are OSErrors, as aiohttp expects of a resolver.
    """

    def __init__(self, dns_servers: tuple[str, ...]) -> None:
        self._dns = dns.asyncresolver.Resolver(configure=False)
        self._dns.nameservers = [nameserver(text) for text in dns_servers]
        self._dns.timeout = DNS_TIMEOUT
        self._dns.lifetime = DNS_LIFETIME
        self._system = ThreadedResolver()
        self._kept: dict[tuple[str, int], tuple[float, tuple[str, ...]]] = {}  # until the loop's time

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host; for AF_UNSPEC of both kinds. Raises OSError when there are none."""
        if _is_local(host):
            return await self._system.resolve(host, port, family)
        wanted = tuple(_TYPES) if family == socket.AF_UNSPEC else (family,)
        answers = await asyncio.gather(
            *(self._addresses(host, kind) for kind in wanted), return_exceptions=True
        )
        found = [
            _result(host, address, port, kind)
            for kind, answer in zip(wanted, answers, strict=True)
            if not isinstance(answer, BaseException)
            for address in answer
        ]
        if not found:
            failed = next((answer for answer in answers if isinstance(answer, BaseException)), None)
            raise failed or OSError(None, f"{host} has no address")
        return found

    async def close(self) -> None:
        """Forget what was kept; no connection is held."""
        self._kept.clear()

    async def _addresses(self, host: str, family: int) -> tuple[str, ...]:
        """From what is kept, or asked now. Empty when the name exists and has no address of this kind."""
        now = asyncio.get_running_loop().time()
        until, addresses = self._kept.get((host.lower(), family), (0.0, ()))
        if now < until:
            return addresses
        try:
            ttl, addresses = await self._ask(host, family)
        except AppError as error:
            raise OSError(None, str(error)) from error
        if len(self._kept) >= LARGEST_CACHE:
            self._kept.clear()
        if ttl > 0:
            self._kept[host.lower(), family] = (now + min(ttl, LONGEST_KEPT), addresses)
        return addresses

    async def _ask(self, host: str, family: int) -> tuple[int, tuple[str, ...]]:
        """(least TTL of the chain in seconds, addresses). Follows aliases that the server leaves to us.

        An empty answer has the TTL of the zone's SOA record, and without one what dnspython thinks right, or 0.
        """
        with translated(f"resolve {host}"):  # dnspython refuses names that cannot be, `a..b`
            name = dns.name.from_text(host)
        ttl = UNLIMITED
        for _ in range(LONGEST_CHAIN):
            with translated(f"resolve {host}"):
                answer = await self._dns.resolve(name, _TYPES[family], raise_on_no_answer=False)
            chain = answer.chaining_result
            ttl = min(ttl, chain.minimum_ttl)
            if answer.rrset or chain.canonical_name == name:
                found = tuple(record.address for record in answer.rrset or ())
                return (ttl if ttl < UNLIMITED else 0), found
            name = chain.canonical_name
        return 0, ()


def _is_local(host: str) -> bool:
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def _result(host: str, address: str, port: int, family: int) -> ResolveResult:
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)


def nameserver(text: str) -> dns.nameserver.Nameserver:
    """A server from "ip", "ip:port", "[ip6]" or "[ip6]:port"."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or _is_v6(text):
        host, port = text, str(DNS_PORT)
    host = host.removeprefix("[").removesuffix("]")
    try:
        address, number = str(ipaddress.ip_address(host)), int(port)
    except ValueError as error:
        raise SettingsError(
            (f"{text!r} is no DNS server; one looks like 10.0.0.4 or 10.0.0.4:5353",)
        ) from error
    return dns.nameserver.Do53Nameserver(address, number)


def _is_v6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6  # noqa: PLR2004 -- IPv6
    except ValueError:
        return False


def trust(ca_bundle: str | None) -> ssl.SSLContext:
    """The system's authorities, and the bundle's."""
    context = ssl.create_default_context()
    if ca_bundle:
        try:
            context.load_verify_locations(cafile=Path(ca_bundle))
        except (OSError, ssl.SSLError) as error:
            problem = f"the CA bundle {ca_bundle} cannot be read; it is a PEM file of certificates"
            raise SettingsError((problem,)) from Foreign(error)
    return context

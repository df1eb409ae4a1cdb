"""Looks at a package where it lies, by ranges of its bytes: the port `PackageReads`. Never raises.

A package URL comes from a site's settings or from a person, so nothing behind it is trusted: HTTPS only, no redirect,
no address that is not public unless the configuration allows its network, a bound on bytes and on time. Names are
resolved here, every address is judged, and the connection goes to an address that was judged.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from shared.adapters.failures import FOREIGN
from shared.artifact_hosts.catalogue import unfit
from shared.artifact_hosts.compare import LARGEST, package_of, unsound
from shared.artifact_hosts.directory import (
    FIRST_TAIL,
    LONGEST_TAIL,
    SIGNATURE,
    End,
    MoreTail,
    NotAZip,
    find_end,
    read_members,
)
from shared.artifact_hosts.model import Check, Package
from shared.clock import Clock
from shared.groups.model import Value

TIMEOUT: Final = 10.0  # seconds for a whole check
# Bytes of bodies that one check takes. What a server pushes unasked waits in buffers (16 KiB of aiohttp's, and one
# read of the loop's, 256 KiB at most); with those it stays below 1 MiB.
BUDGET: Final = 640 * 1024
CERTIFICATE_LEFT: Final = timedelta(days=14)

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network
type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_BUFFER: Final = 16 * 1024
_OK, _PARTIAL, _UNCHANGED = 200, 206, 304
_REDIRECTS: Final = range(300, 400)
_RANGE: Final = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})")
_NUMERIC: Final = re.compile(
    r"(0x[0-9a-f]*|\d+)\.?", re.IGNORECASE
)  # of a last label: no name's, some address's
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_WIRE_SERVER: Final = ipaddress.ip_address(
    "168.63.129.16"
)  # public by its number, the platform's own in Azure


class _Refused(Exception):
    """No package can be had: the message says why, and never names the URL."""

    def __init__(self, problem: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(problem)


class HttpPackages:
    """Checks of packages, each over a connection of its own.

    Args:
        resolver: who knows the names; lent.
        trust: the trusted authorities.
        networks: of addresses that are allowed although they are not public.
    """

    def __init__(
        self,
        resolver: AbstractResolver,
        clock: Clock,
        *,
        trust: ssl.SSLContext,
        networks: Sequence[Network] = (),
        timeout: float = TIMEOUT,
    ) -> None:
        self._resolver = _Judging(resolver, tuple(networks))
        self._clock = clock
        self._trust = trust
        self._timeout = timeout

    async def check(self, url: Value, *, known: str = "") -> Check:
        """Would an app that starts get a package here, and which one? See the port."""
        began = self._clock.now()
        look = _Look(known)
        problem = unfit(url)
        if not problem:
            try:
                async with asyncio.timeout(self._timeout):
                    await self._look(URL(url.reveal().strip(), encoded=True), look)
            except NotAZip as why:
                problem = f"not a package: {why}"
            except _Refused as why:
                problem, look.status = str(why), why.status or look.status
            except (*FOREIGN, ValueError) as error:
                problem = self._words(error)
        ended = self._clock.now()
        return Check(
            at=ended,
            problem=problem,
            status=look.status,
            package=look.package,
            unchanged=look.unchanged and not problem,
            etag=look.etag,
            certificate_until=look.certificate_until,
            bytes_read=look.bytes_read,
            millis=max(0, round((ended - began).total_seconds() * 1000)),
        )

    async def aclose(self) -> None:
        """Close the resolver."""
        await self._resolver.close()

    async def _look(self, url: URL, look: "_Look") -> None:
        host = url.host or ""
        if _NUMERIC.fullmatch(host.rstrip(".").rsplit(".", 1)[-1]) or ":" in host:
            self._resolver.judge(host)
        async with self._open(look) as session:
            size = await look.begin(session, url)
            look.judge_certificate(self._clock.now())
            if look.unchanged:
                return
            if size > LARGEST:
                raise _Refused(f"the package has {size} bytes; App Service takes {LARGEST}")
            end = await self._end(session, url, look, size)
            directory = await look.read(session, url, end.offset, end.length, size)
            members = read_members(directory, end, size)
            if why := unsound(members, size):
                raise NotAZip(why)
            look.package = package_of(members, size)

    async def _end(self, session: aiohttp.ClientSession, url: URL, look: "_Look", size: int) -> End:
        for tail in (FIRST_TAIL, LONGEST_TAIL):
            length = min(tail, size)
            data = await look.read(session, url, size - length, length, size)
            try:
                return find_end(data, size, most=BUDGET - look.bytes_read)
            except MoreTail:
                continue
        raise NotAZip("it has no end record")

    @asynccontextmanager
    async def _open(self, look: "_Look") -> AsyncIterator[aiohttp.ClientSession]:
        """A session for one check. No proxy of the environment: it would resolve the name itself."""
        connector = _Seeing(look, ssl=self._trust, resolver=self._resolver, use_dns_cache=False, limit=1)
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=_BUFFER,
        ) as session:
            yield session

    def _words(self, error: BaseException) -> str:
        """Return what went wrong, without the addresses and reprs that the libraries put into their messages."""
        match error:
            case aiohttp.ClientConnectorCertificateError():
                fault = error.certificate_error
                said = fault.verify_message if isinstance(fault, ssl.SSLCertVerificationError) else "refused"
                words = f"its certificate is not valid: {said}"
            case aiohttp.ClientSSLError() | ssl.SSLError():
                words = "no TLS connection: the handshake failed"
            case aiohttp.ClientConnectorDNSError():
                inner = error.os_error
                words = str(inner) if isinstance(inner, _NotAllowed) else "the host name does not resolve"
            case _NotAllowed():
                words = str(error)
            case TimeoutError():
                words = f"no answer within {self._timeout:g} s"
            case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
                words = "the connection was refused"
            case aiohttp.ClientConnectorError():
                words = "no connection"
            case aiohttp.ClientResponseError():
                words = "the answer is not HTTP"
            case ValueError():  # aiohttp.InvalidURL is one
                words = "this is no URL"
            case _:
                words = "the connection broke off before the answer was complete"
        return words


class _Look:
    """One check under way: what was found so far, and how much was read."""

    def __init__(self, known: str) -> None:
        self.known = known
        self.etag = ""
        self.status: int | None = None
        self.package: Package | None = None
        self.unchanged = False
        self.certificate_until: datetime | None = None
        self.bytes_read = 0

    async def begin(self, session: aiohttp.ClientSession, url: URL) -> int:
        """Ask for the first four bytes, unless the package is the known one. Returns the size of the whole."""
        headers = {"If-None-Match": self.known} if self.known else {}
        async with self._get(session, url, 0, len(SIGNATURE), headers) as answer:
            if answer.status == _UNCHANGED and self.known:
                self.unchanged, self.etag = True, self.known
                return 0
            self.etag = answer.headers.get("ETag", "")
            _, size = _extent(answer, 0, len(SIGNATURE))
            if await self._body(answer, len(SIGNATURE)) != SIGNATURE:
                raise NotAZip("it does not begin like a zip")
            return size

    async def read(self, session: aiohttp.ClientSession, url: URL, at: int, length: int, size: int) -> bytes:
        """Return that many bytes from a place on."""
        if not length:
            return b""
        async with self._get(session, url, at, length, {}) as answer:
            got, whole = _extent(answer, at, length)
            if answer.headers.get("ETag", "") != self.etag or whole != size:
                raise _Refused("the package changed while it was read", answer.status)
            return await self._body(answer, got)

    @asynccontextmanager
    async def _get(
        self, session: aiohttp.ClientSession, url: URL, at: int, length: int, headers: dict[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One GET of a range. First and last byte are both said: Azure's blobs take no other form."""
        asked = {"Range": f"bytes={at}-{at + length - 1}", "Accept-Encoding": "identity", **headers}
        async with session.get(url, headers=asked, allow_redirects=False) as answer:
            self.status = answer.status
            _refuse_others(answer)
            yield answer

    async def _body(self, answer: aiohttp.ClientResponse, length: int) -> bytes:
        """The body, which must be as long as asked for."""
        body = bytearray()
        while chunk := await answer.content.read(min(_BUFFER, length + 1 - len(body))):
            body += chunk
            self.bytes_read += len(chunk)
            if self.bytes_read > BUDGET:
                raise _Refused(f"more than {BUDGET} bytes would have to be read", answer.status)
            if len(body) > length:
                raise _Refused("the answer is longer than what was asked for", answer.status)
        if len(body) < length:
            raise _Refused("the answer is shorter than what was asked for", answer.status)
        return bytes(body)

    def judge_certificate(self, now: datetime) -> None:
        """Refuse a host whose certificate is about to end."""
        until = self.certificate_until
        if until is not None and until - now <= CERTIFICATE_LEFT:
            raise _Refused(
                f"its certificate ends on {until:%Y-%m-%d}, in {CERTIFICATE_LEFT.days} days or less"
            )


def _refuse_others(answer: aiohttp.ClientResponse) -> None:
    """A start takes a 2xx and follows no redirect (facts: the vendor's troubleshooting page)."""
    status = answer.status
    if status in _REDIRECTS and status != _UNCHANGED:
        raise _Refused(f"it answers a redirect ({status}), which App Service may not follow", status)
    if status == _OK:
        raise _Refused("it does not answer range requests, so the package cannot be looked at", status)
    if status not in {_PARTIAL, _UNCHANGED}:
        raise _Refused(f"it answers {status}", status)
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise _Refused("it answers encoded bytes, of which ranges say nothing", status)


def _extent(answer: aiohttp.ClientResponse, at: int, length: int) -> tuple[int, int]:
    """(bytes in this answer, bytes of the whole), from Content-Range."""
    part = part_of(answer.headers.get("Content-Range", ""))
    if answer.status != _PARTIAL or part is None:
        raise _Refused("its answer does not say which part of the package it is", answer.status)
    first, last, size = part
    if first != at or last != min(at + length, size) - 1:
        raise _Refused("it answers another part of the package than was asked for", answer.status)
    return last - first + 1, size


def part_of(text: str) -> tuple[int, int, int] | None:
    """(first byte, last byte, bytes of the whole) of a Content-Range; None: it says no such thing."""
    found = _RANGE.fullmatch(text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


# -- whom we connect to ---------------------------------------------------------------------------------------------


class _NotAllowed(OSError):
    """An address that is not public; an OSError, as aiohttp expects of a resolver."""


class _Judging(AbstractResolver):
    """Resolves by another resolver, and refuses a name when one of its addresses is not allowed."""

    def __init__(self, inner: AbstractResolver, networks: Sequence[Network]) -> None:
        self._inner = inner
        self._networks = networks

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses, which aiohttp connects to as they are. Raises OSError."""
        found = await self._inner.resolve(host, port, family)
        for item in found:
            self.judge(item["host"])
        return found

    async def close(self) -> None:
        """Close the inner resolver."""
        await self._inner.close()

    def judge(self, text: str) -> None:
        """Refuse an address that is not public, unless its network is allowed. Raises OSError."""
        try:
            address = ipaddress.ip_address(text.strip("[]").partition("%")[0])
        except ValueError:
            raise _NotAllowed(None, "the host is neither a name nor an address") from None
        if any(address in network for network in self._networks if network.version == address.version):
            return
        if not all(_is_public(ipv4_address) for ipv4_address in _meant(address)):
            raise _NotAllowed(None, f"it resolves to {address}, which is no public address")


def _meant(address: Address) -> tuple[Address, ...]:
    """The address, and the IPv4 one that an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    found = tuple(item for item in inner if item is not None)
    # A mapped address is the IPv4 one, and Python calls the whole range reserved.
    return found if address.ipv4_mapped else (address, *found)


def _is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast and address != _WIRE_SERVER


class _Seeing(aiohttp.TCPConnector):
    """Notes until when the certificate of the other side is valid."""

    def __init__(self, look: _Look, **options: Any) -> None:
        super().__init__(**options)
        self._look = look

    async def connect(self, *args: Any, **options: Any) -> Any:
        """Connect, and look at the certificate that was shown."""
        connection = await super().connect(*args, **options)
        transport = connection.transport
        shown = transport.get_extra_info("peercert") if transport else None
        if shown and "notAfter" in shown:
            self._look.certificate_until = datetime.fromtimestamp(
                ssl.cert_time_to_seconds(shown["notAfter"]), UTC
            )
        return connection

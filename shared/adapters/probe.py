"""Asks a region itself how it is, over HTTPS on its own host name: the port `Probes`. Never raises."""

import asyncio
import socket
import ssl
from datetime import datetime

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from shared.clock import Clock
from shared.groups.model import (
    ONLY_200,
    Fault,
    ProbeRequest,
    ProbeResult,
    ScepProof,
    StatusRanges,
    is_expected,
)
from shared.groups.scep import CaAnswer, UnreadableAnswer, parse_ca_certificates, parse_capabilities

TIMEOUT = 10.0  # seconds for a whole exchange: the longest probe timeout that Traffic Manager has
PROBE_BODY = 4 * 1024  # bytes read of a probe's answer; only its status counts
SCEP_BODY = 1024 * 1024  # bytes; more than any certificate chain
MESSAGE = "ca"  # what is sent as `message`: a CA's name, which a server with one CA ignores

_OK = 200
_UNAVAILABLE = 503
_HTTPS = 443
_REDIRECTS = range(300, 400)
_NO_PACKAGE = (b"cannot download zip", b"failed to initialize run from package")  # App Service's own page


class _NoAnswer(Exception):
    """There is no answer to judge: the message says why, with the status when there was one."""

    def __init__(self, problem: str, status: int | None = None, *, fault: Fault = Fault.OTHER) -> None:
        self.status = status
        self.fault = fault
        super().__init__(problem)


class HttpProbes:
    """Probes over a lent aiohttp session, which brings the trusted CAs and the resolver."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        clock: Clock,
        *,
        timeout: float = TIMEOUT,
        resolver: AbstractResolver | None = None,  # for probes that are no HTTP; without one, the system's
    ) -> None:
        self._session = session
        self._resolver = resolver or ThreadedResolver()
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def get_probe(self, host: str, asked: ProbeRequest) -> ProbeResult:
        """One GET of the probe path, or one connection; redirects are not followed."""
        began = self._clock.now()
        status: int | None = None
        connected = False
        problem = ""
        fault = Fault.NONE
        try:
            if asked.protocol == "TCP":
                await self._connect(host, asked.port)
                connected = True
            else:
                status, body = await self._get_as(host, asked)
            if (
                not connected
                and status == _UNAVAILABLE
                and any(chunk in body.lower() for chunk in _NO_PACKAGE)
            ):
                fault = Fault.PACKAGE
        except _NoAnswer as why:
            status, problem, fault = why.status, str(why), why.fault
        ended = self._clock.now()
        return ProbeResult(
            at=ended, status=status, problem=problem, fault=fault, millis=_millis(began, ended),
            expected=asked.expected, connected=connected,
        )  # fmt: skip

    async def _get_as(self, host: str, asked: ProbeRequest) -> tuple[int, bytes]:
        """The answer to a probe in HTTP or HTTPS. Raises _NoAnswer only."""
        headers = {"Accept-Encoding": "identity"} | {name: value.reveal() for name, value in asked.headers}
        try:
            path, _, query = asked.path.partition("?")
            url = URL.build(
                scheme=asked.protocol.lower(), host=host, port=asked.port, path=path, query_string=query
            )
            async with self._session.get(
                url, allow_redirects=False, timeout=self._timeout, headers=headers
            ) as response:
                if not is_expected(response.status, asked.expected):
                    _refuse_redirect(response)
                return response.status, await _read(response.content, PROBE_BODY)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as why:
            raise _NoAnswer(self._words(why), fault=_fault(why)) from why

    async def _connect(self, host: str, port: int) -> None:
        """One TCP connection, ended at once. Raises _NoAnswer only."""
        try:
            async with asyncio.timeout(self._timeout.total):
                try:
                    found = await self._resolver.resolve(host, port, socket.AF_INET)
                except OSError as why:
                    raise _NoAnswer("the host name does not resolve", fault=Fault.NAME) from why
                _, writer = await asyncio.open_connection(found[0]["host"], port)
                writer.close()
        except TimeoutError as why:
            raise _NoAnswer(self._words(why), fault=Fault.SILENT) from why
        except (OSError, OverflowError) as why:
            refused = isinstance(why, ConnectionRefusedError)
            words = "the connection was refused" if refused else f"no connection: {type(why).__name__}"
            raise _NoAnswer(words, fault=Fault.SILENT) from why

    async def ask_at(
        self, address: str, host: str, *, port: int, path: str, scep: bool, expected: StatusRanges = ONLY_200
    ) -> str:
        """Return what a device meets that was given this address for the host, by a connection of its own.

        GetCACaps and GetCACert, or one GET of a path that is to answer as expected. Returns why it would not be
        served; empty: it would.
        """
        try:
            if scep:
                parse_capabilities(await self._operation("GetCACaps", host, port, path, address=address))
                parse_ca_certificates(await self._operation("GetCACert", host, port, path, address=address))
                return ""
            status, _ = await self._get(host, port, path, limit=PROBE_BODY, address=address)
        except (_NoAnswer, UnreadableAnswer) as why:
            return str(why)
        return "" if is_expected(status, expected) else f"answered {status}"

    async def get_scep_proof(self, host: str, *, port: int, path: str) -> ScepProof:
        """GetCACaps, then GetCACert, as devices ask them; what follows is spared when the first fails.

        Some clients send `message` with both operations, some do not (RFC 8894 makes it optional). Without it the
        answer is the proof. With it the same is expected; a difference is remarked, another CA is no proof.
        """
        try:
            capabilities = parse_capabilities(await self._operation("GetCACaps", host, port, path))
            ca = parse_ca_certificates(await self._operation("GetCACert", host, port, path))
            remarks = await self._with_message(ca, capabilities, host, port, path)
        except (_NoAnswer, UnreadableAnswer) as why:
            return ScepProof(at=self._clock.now(), problem=str(why))
        return ScepProof(
            at=self._clock.now(),
            ca_sha256=ca.ca_sha256,
            spki_sha256=ca.spki_sha256,
            capabilities=capabilities,
            registration_authorities=ca.registration_authorities,
            subject=ca.subject,
            not_after=ca.not_after,
            remarks=remarks,
        )

    async def _with_message(
        self, ca: CaAnswer, capabilities: tuple[str, ...], host: str, port: int, path: str
    ) -> tuple[str, ...]:
        """What the two operations answer otherwise when `message` is sent along. UnreadableAnswer: another CA."""
        said, certificates = await asyncio.gather(
            self._operation("GetCACaps", host, port, path, message=MESSAGE),
            self._operation("GetCACert", host, port, path, message=MESSAGE),
            return_exceptions=True,
        )
        remarks = [f"with message, {chunk}" for chunk in (said, certificates) if isinstance(chunk, _NoAnswer)]
        if isinstance(said, bytes) and parse_capabilities(said) != capabilities:
            remarks.append("GetCACaps names other capabilities when message is sent")
        if isinstance(certificates, bytes):
            remarks += _other_answer(ca, certificates)
        return tuple(remarks)

    async def _operation(
        self, operation: str, host: str, port: int, path: str, *, message: str = "", address: str = ""
    ) -> bytes:
        """The body of a SCEP operation's 200."""
        try:
            status, body = await self._get(
                host, port, path, operation=operation, message=message, limit=SCEP_BODY, address=address
            )
        except _NoAnswer as why:
            raise _NoAnswer(f"{operation}: {why}") from why
        if status != _OK:
            raise _NoAnswer(f"{operation} answered {status}")
        if len(body) > SCEP_BODY:
            raise _NoAnswer(f"{operation} answered more than {SCEP_BODY} bytes")
        return body

    async def _get(
        self,
        host: str,
        port: int,
        path: str,
        *,
        limit: int,
        operation: str = "",
        message: str = "",
        address: str = "",
    ) -> tuple[int, bytes]:
        """The status and the body's first bytes, one more than `limit` at most. Raises _NoAnswer only.

        With an address, that is connected to, whatever DNS says, and the connection is not kept.
        """
        headers = {"Accept-Encoding": "identity"}  # a limit on bytes means bytes
        if address:
            headers |= {"Host": host if port == _HTTPS else f"{host}:{port}", "Connection": "close"}
        query = {name: item for name, item in (("operation", operation), ("message", message)) if item}
        try:
            url = URL.build(scheme="https", host=address or host, port=port, path=path)
            async with self._session.get(
                url.with_query(query) if query else url,
                allow_redirects=False,
                timeout=self._timeout,
                headers=headers,
                server_hostname=host if address else None,
            ) as response:
                _refuse_redirect(response)
                return response.status, await _read(response.content, limit + 1)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as why:
            raise _NoAnswer(self._words(why), fault=_fault(why)) from why

    def _words(self, error: Exception) -> str:
        """Return what went wrong, without the addresses and reprs that the libraries put into their messages."""
        match error:
            case aiohttp.ClientConnectorCertificateError():
                words = f"its certificate is not valid: {_certificate_fault(error.certificate_error)}"
            case aiohttp.ClientSSLError():
                words = "no TLS connection: the handshake failed"
            case aiohttp.ClientConnectorDNSError():
                words = "the host name does not resolve"
            case TimeoutError():
                words = f"no answer within {self._timeout.total:g} s"
            case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
                words = "the connection was refused"
            case aiohttp.ClientConnectorError(os_error=ConnectionError()):
                words = "no connection: the other side hung up"
            case aiohttp.ClientConnectorError():
                words = f"no connection: {error.os_error.strerror or type(error.os_error).__name__}"
            case aiohttp.ClientResponseError():
                words = "the answer is not HTTP"
            case ValueError():  # aiohttp.InvalidURL is one
                words = "the host name, port and path do not make a URL"
            case _:
                words = "the connection broke off before the answer was complete"
        return words


def _certificate_fault(error: Exception) -> str:
    return error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else type(error).__name__


def _other_answer(ca: CaAnswer, body: bytes) -> tuple[str, ...]:
    """Return what is odd about GetCACert's answer to a client that sends `message`. UnreadableAnswer: another CA."""
    try:
        other = parse_ca_certificates(body)
    except UnreadableAnswer as why:
        return (f"with message, {why}",)
    if other.ca_sha256 != ca.ca_sha256:
        raise UnreadableAnswer("GetCACert answers one CA with message and another one without")
    return ()


def _fault(error: Exception) -> Fault:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return Fault.NAME
        case aiohttp.ClientSSLError():  # ClientConnectorCertificateError is one
            return Fault.TLS
        case TimeoutError() | aiohttp.ClientConnectorError():
            return Fault.SILENT
        case _:
            return Fault.OTHER


def _refuse_redirect(response: aiohttp.ClientResponse) -> None:
    """A redirect is no answer: Traffic Manager counts it as a failure, and it may lead to another region."""
    if response.status in _REDIRECTS:
        problem = f"answered a redirect ({response.status}), which is not followed"
        raise _NoAnswer(problem, response.status, fault=Fault.REDIRECT)


async def _read(content: aiohttp.StreamReader, limit: int) -> bytes:
    """The first `limit` bytes, or all when there are fewer."""
    body = bytearray()
    while len(body) < limit and (chunk := await content.read(limit - len(body))):
        body += chunk
    return bytes(body)


def _millis(began: datetime, ended: datetime) -> int:
    return max(0, round((ended - began).total_seconds() * 1000))  # a clock may be set back

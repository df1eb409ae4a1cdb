"""An Intune device, as far as SCEP goes: it knows one name, asks DNS, and talks to whoever is answered.

`Device` watches the service as a device would meet it, and enrols with Debian's real `scepclient`. That
program finds the simulated names through an `EgressProxy`, which resolves them only at the simulated DNS
server. Answers are kept for their TTL (shortened by `World.speed`), so a dead region hurts for as long as
it would in the field.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import dns.asyncquery
import dns.edns
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from simulator.listeners import stopped
from simulator.premises import LOOPBACK, Premises
from simulator.world import World

SCEP_PATH = "/certsrv/mscep/mscep.dll"
NOT_INSTALLED = "not installed: Debian's package scep brings scepclient"
LARGEST_HEAD = 65536  # bytes of an HTTP request's head in the proxy


class Unresolved(Exception):
    """A name has no address: no such name, none of this kind, or no answer in time."""


@dataclass
class StubResolver:
    """Asks one DNS server for IPv4 addresses and keeps each answer for its TTL divided by `speed`.

    `subnet` ("192.0.2.0/24") tells the server where the client is. A failure is not kept.
    """

    server: str
    port: int
    speed: float = 1.0
    subnet: str = ""
    timeout: float = 2.0
    _kept: dict[str, tuple[str, float]] = field(default_factory=dict)  # name -> (address, until)

    async def resolve(self, name: str) -> str:
        """The address of a name. Raises Unresolved."""
        now = asyncio.get_running_loop().time()
        address, until = self._kept.get(name, ("", 0.0))
        if now < until:
            return address
        address, ttl = await self._ask(name)
        self._kept[name] = (address, now + ttl / self.speed)
        return address

    async def _ask(self, name: str) -> tuple[str, int]:
        options = [dns.edns.ECSOption.from_text(self.subnet)] if self.subnet else None
        query = dns.message.make_query(name, "A", use_edns=0, options=options)
        try:
            response, _ = await dns.asyncquery.udp_with_fallback(
                query, self.server, timeout=self.timeout, port=self.port
            )
        except (dns.exception.DNSException, OSError) as error:
            raise Unresolved(f"{name}: the DNS server gave no answer ({type(error).__name__})") from error
        if response.rcode() != dns.rcode.NOERROR:
            raise Unresolved(f"{name}: {dns.rcode.to_text(response.rcode())}")
        found = [rr for rr in response.answer if rr.rdtype == dns.rdatatype.A]
        if not found:
            raise Unresolved(f"{name}: no address")
        return found[0][0].to_text(), min(rr.ttl for rr in response.answer)


@dataclass(frozen=True)
class Attempt:
    """One look at the service: capabilities and CA certificate, by whoever DNS answered."""

    at: float  # the world's clock
    ok: bool
    site: str  # who was to answer, by address; empty when the name did not resolve
    reason: str  # why not, when not ok
    seconds: float


@dataclass(frozen=True)
class Enrolment:
    """What came of one run of the real client."""

    ok: bool  # a certificate came, and the world's CA issued it
    installed: bool  # whether scepclient is on this machine
    site: str  # the region that served, by address; empty when none was reached
    reason: str  # why not, when not ok
    certificate: x509.Certificate | None = None


def site_at(world: World, address: str) -> str:
    """The name of the site that listens at an address; empty when none does."""
    return next((site.name for site in world.sites.values() if site.address == address), "")


class Device:
    """One device that knows the service by `name` and remembers every attempt it made."""

    def __init__(self, cloud: Premises, name: str, *, subnet: str = "", timeout: float = 5.0) -> None:
        self._cloud = cloud
        self.name = name
        self.timeout = timeout  # seconds for one attempt
        self.attempts: list[Attempt] = []
        self.resolver = StubResolver(LOOPBACK, cloud.dns_port, cloud.world.speed, subnet)
        self._tls = cloud.authority.client_context()

    @property
    def url(self) -> str:
        """The SCEP URL in its Intune profile."""
        return f"https://{self.name}:{self._cloud.https_port}{SCEP_PATH}"

    @property
    def failures(self) -> tuple[Attempt, ...]:
        """The attempts that did not succeed."""
        return tuple(attempt for attempt in self.attempts if not attempt.ok)

    @property
    def availability(self) -> float:
        """The share of attempts that succeeded; 1.0 before the first."""
        return 1.0 - len(self.failures) / len(self.attempts) if self.attempts else 1.0

    async def check(self) -> Attempt:
        """Look once: resolve, connect, trust, GetCACaps, GetCACert. Never raises for what the service does."""
        loop = asyncio.get_running_loop()
        at, started = self._cloud.world.now(), loop.time()
        site, reason = "", ""
        try:
            async with asyncio.timeout(self.timeout):
                address = await self.resolver.resolve(self.name)
                site = site_at(self._cloud.world, address)
                reason = await self._scep(address)
        except Unresolved as error:
            reason = str(error)
        except TimeoutError:
            reason = f"no answer in {self.timeout:g} s"
        except (aiohttp.ClientError, OSError) as error:
            reason = f"{type(error).__name__}: {error}"
        attempt = Attempt(at, not reason, site, reason, loop.time() - started)
        self.attempts.append(attempt)
        return attempt

    async def _scep(self, address: str) -> str:
        """The first two of the three calls of an enrolment at one address; what went wrong, or nothing."""
        connector = aiohttp.TCPConnector(ssl=self._tls, force_close=True)
        async with aiohttp.ClientSession(connector=connector) as session:
            status, capabilities = await self._get(session, address, "GetCACaps")
            if status != 200 or not capabilities.split():
                return f"GetCACaps answered {status}"
            status, certificate = await self._get(session, address, "GetCACert")
        if status != 200:
            return f"GetCACert answered {status}"
        return "" if certificate == self._cloud.world.ca_certificate else "GetCACert answered another CA"

    async def _get(self, session: aiohttp.ClientSession, address: str, operation: str) -> tuple[int, bytes]:
        port = self._cloud.https_port
        async with session.get(
            f"https://{address}:{port}{SCEP_PATH}?operation={operation}",
            headers={"Host": f"{self.name}:{port}"},
            server_hostname=self.name,
            allow_redirects=False,
        ) as answer:
            return answer.status, await answer.read()

    @contextlib.asynccontextmanager
    async def watch(self, interval: float = 0.2) -> AsyncIterator[None]:
        """Check every `interval` seconds in the background until the context ends; at least once."""
        first = asyncio.Event()

        async def look() -> None:
            while True:
                await self.check()
                first.set()
                await asyncio.sleep(interval)

        looking = asyncio.create_task(look())
        try:
            yield
            await asyncio.wait(
                {looking, asyncio.create_task(first.wait())}, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            await stopped(looking)

    async def enrol(self, common_name: str = "device-0001", *, deadline: float = 30.0) -> Enrolment:
        """Ask for a certificate with the real `scepclient` through the service name, once."""
        program = shutil.which("scepclient")
        if program is None:
            return Enrolment(ok=False, installed=False, site="", reason=NOT_INSTALLED)
        with tempfile.TemporaryDirectory(prefix="scep-device-") as home:
            async with egress_proxy(self.resolver, lambda it: site_at(self._cloud.world, it)) as proxy:
                said = await self._run_client(program, Path(home), common_name, proxy.url, deadline)
            file = Path(home) / "device.pem"
            pem = await asyncio.to_thread(lambda: file.read_bytes() if file.is_file() else b"")
        return self._enrolment(pem, said, proxy.reached[-1] if proxy.reached else "")

    async def _run_client(
        self, program: str, home: Path, common_name: str, proxy: str, deadline: float
    ) -> str:
        """Run the client in a directory of its own; the last line that it said."""
        process = await asyncio.create_subprocess_exec(
            program,
            *("-server-url", self.url, "-cn", common_name, "-organization", "contoso"),
            *("-private-key", str(home / "device.key"), "-certificate", str(home / "device.pem")),
            cwd=home,
            env={
                "HOME": str(home),
                "HTTP_PROXY": proxy,
                "HTTPS_PROXY": proxy,
                "SSL_CERT_FILE": str(self._cloud.ca_bundle),
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(deadline):
                output, _ = await process.communicate()
        except TimeoutError:
            return f"scepclient did not end in {deadline:g} s"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        lines = output.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"scepclient ended with {process.returncode}"

    def _enrolment(self, pem: bytes, said: str, site: str) -> Enrolment:
        if not pem:
            return Enrolment(ok=False, installed=True, site=site, reason=said)
        certificate = x509.load_pem_x509_certificate(pem)
        authority = x509.load_der_x509_certificate(self._cloud.world.ca_certificate)
        try:
            certificate.verify_directly_issued_by(authority)
        except (InvalidSignature, ValueError, TypeError):
            reason = "the certificate was issued by another CA"
            return Enrolment(ok=False, installed=True, site=site, reason=reason, certificate=certificate)
        return Enrolment(ok=True, installed=True, site=site, reason="", certificate=certificate)


@dataclass
class EgressProxy:
    """A running forward proxy: its URL, and which sites it connected to, in order."""

    url: str
    reached: list[str] = field(default_factory=list)


@contextlib.asynccontextmanager
async def egress_proxy(resolver: StubResolver, who: Callable[[str], str]) -> AsyncIterator[EgressProxy]:
    """An HTTP forward proxy on 127.0.0.1 for programs that cannot be told of our DNS server.

    CONNECT for TLS, absolute URLs for plain requests (one per connection). A name that does not resolve or a
    host that refuses is a 502. `who` names the site at an address.
    """
    proxy = EgressProxy(url="")
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            conversations.add(task)
            task.add_done_callback(conversations.discard)
        try:
            await _pass_on(resolver, who, proxy, reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(converse, LOOPBACK, 0, limit=LARGEST_HEAD)
    try:
        proxy.url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
        yield proxy
    finally:
        server.close()
        await stopped(*conversations)
        await server.wait_closed()


async def _pass_on(
    resolver: StubResolver,
    who: Callable[[str], str],
    proxy: EgressProxy,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """One client connection: read the head, connect where it says, copy both ways."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, *_ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        host, port, first = _destination(method, target, head)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        return
    except ValueError:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        return
    try:
        address = await resolver.resolve(host)
        proxy.reached.append(who(address))
        inner_reader, inner_writer = await asyncio.open_connection(address, port)
    except (Unresolved, OSError) as error:
        said = str(error).encode()
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))
        return
    if first:
        inner_writer.write(first)
    else:
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    try:
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
    finally:
        inner_writer.close()


def _destination(method: str, target: str, head: bytes) -> tuple[str, int, bytes]:
    """(host, port, bytes to send first). ValueError when the request is for no proxy."""
    if method == "CONNECT":
        host, _, port = target.rpartition(":")
        return host, int(port), b""
    url = urlsplit(target)
    if url.scheme != "http" or not url.hostname:
        raise ValueError("not an absolute URL")
    path = url.path or "/"
    line = f"{method} {path}{'?' + url.query if url.query else ''} HTTP/1.1".encode("latin-1")
    kept = [
        part
        for part in head.split(b"\r\n")[1:]
        if not part.lower().startswith((b"proxy-connection:", b"connection:"))
    ]
    return url.hostname, url.port or 80, b"\r\n".join([line, b"Connection: close", *kept])


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

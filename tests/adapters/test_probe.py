"""HttpProbes over real TLS on loopback: every way in which a region can answer, or not."""

import asyncio
import contextlib
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache

import aiohttp
import msgspec
import pytest
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from shared.adapters.probe import SCEP_BODY, HttpProbes
from shared.groups.model import Fault, ProbeRequest, ProbeResult, ScepProof, StatusRanges, Value
from tests.fakes.clock import START, FakeClock

HOST = "app-a.azurewebsites.test"

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Loopback(AbstractResolver):
    """Every name below `.test` is here; no other name exists."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if not host.endswith(".test"):
            raise OSError(socket.EAI_NONAME, "no such name")
        return [
            ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)
        ]

    async def close(self) -> None:
        """Nothing is held."""


@cache
def authority() -> trustme.CA:
    """One CA for all tests: making keys takes time."""
    return trustme.CA()


def ca_der() -> bytes:
    """Return that CA's certificate."""
    return x509.load_pem_x509_certificate(authority().cert_pem.bytes()).public_bytes(Encoding.DER)


@asynccontextmanager
async def probes(*, trusted: bool = True, seconds: float = 10) -> AsyncIterator[HttpProbes]:
    """Probes that trust the CA, or not."""
    tls = ssl.create_default_context()
    if trusted:
        authority().configure_trust(tls)
    connector = aiohttp.TCPConnector(ssl=tls, resolver=_Loopback())
    async with aiohttp.ClientSession(connector=connector) as session:
        yield HttpProbes(session, FakeClock(), timeout=seconds)


@asynccontextmanager
async def serving(handler: Handler, *, name: str = HOST) -> AsyncIterator[int]:
    """A server with a certificate for `name` that gives every GET to one handler; yields its port."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority().issue_cert(name).configure_cert(tls)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Handler:
    """A handler that always says the same."""

    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return handle


def scep(caps: Handler, certificate: Handler) -> Handler:
    """A handler that tells the two SCEP operations apart, and refuses everything else."""

    async def handle(request: web.Request) -> web.StreamResponse:
        match (request.path, dict(request.query)):
            case ("/certsrv/mscep/mscep.dll", {"operation": "GetCACaps", **rest}) if rest.keys() <= {
                "message"
            }:
                return await caps(request)
            case ("/certsrv/mscep/mscep.dll", {"operation": "GetCACert", **rest}) if rest.keys() <= {
                "message"
            }:
                return await certificate(request)
        return web.Response(status=400)

    return handle


async def probed(
    handler: Handler, *, trusted: bool = True, name: str = HOST, seconds: float = 10
) -> ProbeResult:
    """Return what a probe of that handler says."""
    async with serving(handler, name=name) as port, probes(trusted=trusted, seconds=seconds) as asking:
        return await asking.get_probe(HOST, ProbeRequest(port=port, path="/probe"))


async def proved(caps: Handler, certificate: Handler) -> ScepProof:
    """Return what the SCEP proof of these two handlers says."""
    async with serving(scep(caps, certificate)) as port, probes() as asking:
        return await asking.get_scep_proof(HOST, port=port, path="/certsrv/mscep/mscep.dll")


@pytest.mark.parametrize("status", [200, 503, 404, 403])
async def test_a_status_is_an_answer(status: int) -> None:
    """Whatever the status, it is told; only 200 is well."""
    result = await probed(answer(status, b"text"))
    assert result == ProbeResult(at=START, status=status)
    assert result.ok is (status == 200)


async def test_a_redirect_is_a_problem_and_not_followed() -> None:
    """A redirect is told as such; its target is never asked."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    result = await probed(handle)
    assert result.status == 302
    assert "redirect" in result.problem
    assert asked == ["/probe"]


async def test_a_long_body_is_not_read() -> None:
    """A probe's endless body is cut off, and the status counts."""
    sent = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while sent < 64 * 1024 * 1024:
                await response.write(b"x" * 65536)
                sent += 65536
        return response

    result = await probed(handle)
    assert result.ok
    assert sent < 64 * 1024 * 1024


async def test_an_untrusted_certificate() -> None:
    """A certificate of an unknown CA is a TLS problem in words."""
    result = await probed(answer(), trusted=False)
    assert result.status is None
    assert result.problem.startswith("its certificate is not valid: ")
    assert "issuer" in result.problem


async def test_a_certificate_for_another_name() -> None:
    """So is a certificate for another host name."""
    result = await probed(answer(), name="other.azurewebsites.test")
    assert result.problem.startswith("its certificate is not valid: ")
    assert "mismatch" in result.problem


async def test_no_answer_in_time() -> None:
    """A silent server is given up after the deadline."""

    async def silent(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    result = await probed(silent, seconds=0.2)
    assert result == ProbeResult(at=START, problem="no answer within 0.2 s", fault=Fault.SILENT)


async def test_a_body_that_stalls_is_no_answer() -> None:
    """Headers alone are no answer: the status is not believed until the beginning of the body arrived."""

    async def stall(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "10"})
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    result = await probed(stall, seconds=0.2)
    assert result == ProbeResult(at=START, problem="no answer within 0.2 s", fault=Fault.SILENT)


async def test_a_refused_connection() -> None:
    """Nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with probes() as asking:
            result = await asking.get_probe(HOST, ProbeRequest(port=unused.getsockname()[1], path="/probe"))
    assert result == ProbeResult(at=START, problem="the connection was refused", fault=Fault.SILENT)


async def test_a_name_without_address() -> None:
    """The host name does not resolve."""
    async with probes() as asking:
        result = await asking.get_probe("app.nowhere.invalid", ProbeRequest(port=443, path="/probe"))
    assert result == ProbeResult(at=START, problem="the host name does not resolve", fault=Fault.NAME)


@pytest.mark.parametrize(
    ("host", "port", "path"),
    [
        ("", 443, "/probe"),
        (HOST, -1, "/probe"),
        (HOST, 70000, "/probe"),
        (HOST, 443, "probe"),
        ("a b", 443, "/"),
    ],
)
async def test_what_makes_no_url(host: str, port: int, path: str) -> None:
    """Wrong configuration is an answer too, not an exception."""
    async with probes() as asking:
        result = await asking.get_probe(host, ProbeRequest(port=port, path=path))
        proof = await asking.get_scep_proof(host, port=port, path=path)
    assert result.problem
    assert not proof.ok


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"not TLS at all\r\n", "no TLS connection: the handshake failed"),
        (b"", "no connection: the other side hung up"),
    ],
)
async def test_a_server_without_tls(said: bytes, words: str) -> None:
    """Something else answers on the port, or hangs up at once."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(said)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server, probes() as asking:
        result = await asking.get_probe(
            HOST, ProbeRequest(port=server.sockets[0].getsockname()[1], path="/probe")
        )
    fault = Fault.TLS if "TLS" in words else Fault.SILENT
    assert result == ProbeResult(at=START, problem=words, fault=fault)


async def test_an_answer_that_breaks_off() -> None:
    """The connection ends in the middle of the body."""

    async def drop(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "10"})
        await response.prepare(request)
        await response.write(b"abc")
        assert request.transport is not None
        request.transport.abort()
        return response

    result = await probed(drop)
    assert result == ProbeResult(
        at=START, problem="the connection broke off before the answer was complete", fault=Fault.OTHER
    )


async def test_time_is_taken_from_the_clock() -> None:
    """`millis` is the clock's time between the question and the answer, `at` the answer's."""
    clock = FakeClock()

    async def handle(_: web.Request) -> web.Response:
        clock.advance(1.5)
        return web.Response()

    async with serving(handle) as port, probes() as asking:
        asking._clock = clock
        result = await asking.get_probe(HOST, ProbeRequest(port=port, path="/probe"))
    assert result == ProbeResult(at=clock.now(), status=200, millis=1500)


async def test_a_scep_proof() -> None:
    """Capabilities and CA, asked with `operation=` alone and with `message=` beside it."""
    proof = await proved(answer(body=b"SHA-256\nAES\n"), answer(body=ca_der()))
    assert proof.ok
    assert proof.remarks == ()
    assert proof.subject
    assert proof.not_after
    assert proof.registration_authorities == ()
    assert proof.ca_sha256 == hashlib.sha256(ca_der()).hexdigest()
    assert proof.capabilities == ("AES", "SHA-256")


@pytest.mark.parametrize(
    ("caps", "certificate", "problem"),
    [
        (answer(500), answer(body=ca_der()), "GetCACaps answered 500"),
        (answer(), answer(404), "GetCACert answered 404"),
        (answer(), answer(body=b"<html>"), "GetCACert answered a page"),
        (answer(), answer(body=b"0" * (SCEP_BODY + 1)), "GetCACert answered more than"),
        (answer(302, Location="/x"), answer(), "GetCACaps: answered a redirect (302)"),
    ],
)
async def test_no_scep_proof(caps: Handler, certificate: Handler, problem: str) -> None:
    """Each thing that can be wrong is named, with the operation that showed it."""
    proof = await proved(caps, certificate)
    assert not proof.ok
    assert proof.problem.startswith(problem)
    assert proof.at == START


def on_message(plain: Handler, with_message: Handler) -> Handler:
    """One answer without `message`, another one with it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await (with_message if request.query.get("message") else plain)(request)

    return handle


@pytest.mark.parametrize(
    ("caps", "certificate", "remark"),
    [
        (answer(400), answer(body=ca_der()), "with message, GetCACaps answered 400"),
        (answer(body=b"AES"), answer(400), "with message, GetCACert answered 400"),
        (
            answer(body=b"SHA-1"),
            answer(body=ca_der()),
            "GetCACaps names other capabilities when message is sent",
        ),
    ],
)
async def test_a_difference_with_message_is_remarked(
    caps: Handler, certificate: Handler, remark: str
) -> None:
    """The parameter is optional: an answer that needs it gone is a proof, and odd."""
    proof = await proved(
        on_message(answer(body=b"AES"), caps), on_message(answer(body=ca_der()), certificate)
    )
    assert proof.ok
    assert proof.remarks == (remark,)


async def test_another_ca_with_message_is_no_proof() -> None:
    """A host that shows one CA to some clients and another to others proves none."""
    other = x509.load_pem_x509_certificate(trustme.CA().cert_pem.bytes()).public_bytes(Encoding.DER)
    proof = await proved(answer(), on_message(answer(body=ca_der()), answer(body=other)))
    assert not proof.ok
    assert proof.problem == "GetCACert answers one CA with message and another one without"


async def test_app_services_page_for_a_missing_package() -> None:
    """The platform's own 503 page says that it has no package for the app: that is told apart."""
    body = b"<title>503 Cannot download ZIP</title> FAILED TO INITIALIZE RUN FROM PACKAGE.txt"
    result = await probed(answer(503, body))
    assert (result.status, result.fault) == (503, Fault.PACKAGE)
    assert (await probed(answer(503, b"At least one SCEPman component is not working"))).fault is Fault.NONE


async def test_kinds_of_failure() -> None:
    """A redirect and a certificate that is not trusted are kinds of their own."""
    assert (await probed(answer(301, Location="/elsewhere"))).fault is Fault.REDIRECT
    assert (await probed(answer(), trusted=False)).fault is Fault.TLS
    assert (await probed(answer(), name="app-b.azurewebsites.test")).fault is Fault.TLS


async def asked_for(request: ProbeRequest, handler: Handler) -> ProbeResult:
    """Return what a probe of that sort says of the handler."""
    async with serving(handler) as port, probes() as asking:
        return await asking.get_probe(HOST, msgspec.structs.replace(request, port=port))


@pytest.mark.parametrize(
    ("status", "expected", "ok"),
    [
        (204, ((200, 299),), True),
        (403, ((200, 200), (403, 403)), True),
        (301, ((301, 301),), True),
        (302, ((301, 301),), False),
        (200, ((403, 403),), False),
    ],
)
async def test_the_profile_says_what_is_good(status: int, expected: StatusRanges, *, ok: bool) -> None:
    """A redirect too, when it is expected; it is not followed."""
    result = await asked_for(ProbeRequest(expected=expected), answer(status, Location="https://x.test/"))
    assert (result.status, result.ok) == (status, ok)


async def test_a_probe_brings_the_profiles_headers() -> None:
    """The Host header above all: it decides which app answers."""

    async def handle(request: web.Request) -> web.Response:
        found = (request.headers["Host"], request.headers["X-Probe"], request.query_string)
        return web.Response(status=200 if found == ("scep.contoso.com", "tm", "full=1") else 404)

    headers = (("Host", Value("scep.contoso.com")), ("X-Probe", Value("tm")))
    assert (await asked_for(ProbeRequest(path="/probe?full=1", headers=headers), handle)).ok


async def test_plain_http() -> None:
    """A profile may probe without TLS."""
    app = web.Application()
    app.router.add_get("/up", answer(200))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with probes() as asking:
            port = runner.addresses[0][1]
            result = await asking.get_probe(HOST, ProbeRequest(protocol="HTTP", port=port, path="/up"))
            await_tls = await asking.get_probe(HOST, ProbeRequest(port=port, path="/up"))
    finally:
        await runner.cleanup()
    assert result.ok
    assert await_tls.fault is Fault.TLS


async def test_a_connection_alone() -> None:
    """TCP asks for no more; a refusal, a name without an address and a port that is none are answers too."""
    async with serving(answer(503)) as port, probes() as asking:
        asking._resolver = _Loopback()
        result = await asking.get_probe(HOST, ProbeRequest(protocol="TCP", port=port))
        assert (result.ok, result.status, result.problem) == (True, None, "")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with probes() as asking:
            asking._resolver = _Loopback()
            closed = ProbeRequest(protocol="TCP", port=unused.getsockname()[1])
            result = await asking.get_probe(HOST, closed)
            assert (result.ok, result.problem, result.fault) == (
                False,
                "the connection was refused",
                Fault.SILENT,
            )
            none = await asking.get_probe(HOST, ProbeRequest(protocol="TCP", port=70_000))
            assert none.fault is Fault.SILENT
            nowhere = await asking.get_probe("app.nowhere.invalid", ProbeRequest(protocol="TCP"))
            assert (nowhere.problem, nowhere.fault) == ("the host name does not resolve", Fault.NAME)

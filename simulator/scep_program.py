"""The certificate authority of the world, and Debian's real `scepserver` behind it when that is installed.

`scepserver` (package `scep`) listens on all interfaces and cannot be told otherwise, so it runs in a
network of its own (`private_network`) and is reached through a Unix socket.
"""

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

PORT = 8080  # in the private network, where every port is free
KEY_PASSWORD = "scep"  # noqa: S105 -- the depot must encrypt the key of a CA that lives as long as the process


@dataclass(frozen=True)
class Authority:
    """A root CA as SCEPman makes one: RSA, able to sign and to decrypt enrolment messages itself."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        """The certificate's bytes, as GetCACert answers them."""
        return self.certificate.public_bytes(serialization.Encoding.DER)


def new_authority(name: str) -> Authority:
    """A self-signed CA with the given common name, valid for ten years."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "contoso"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(key, certificate)


@dataclass(frozen=True)
class Answer:
    """What the SCEP server answered."""

    status: int
    content_type: str
    body: bytes


class RealServer:
    """A running `scepserver`, reached through its Unix socket."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(self, method: str, query: str, body: bytes) -> Answer:
        """Pass one SCEP request on, query string as it came. Raises aiohttp.ClientError when it is gone."""
        url = f"http://scepserver/scep?{query}"
        async with self._session.request(method, url, data=body or None) as answer:
            return Answer(answer.status, answer.content_type, await answer.read())


@dataclass(frozen=True)
class Absent:
    """No real server runs behind the hosts, and why."""

    reason: str


class LazyServer:
    """The real server, started when it is first asked for and ended with this context."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._starting = asyncio.Lock()
        self._open = contextlib.AsyncExitStack()
        self._server: RealServer | Absent | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def get(self) -> RealServer | Absent:
        """The running server, or why there is none."""
        async with self._starting:
            if self._server is None:
                self._server = await self._open.enter_async_context(real_server(self._authority))
            return self._server


@contextlib.asynccontextmanager
async def real_server(authority: Authority) -> AsyncIterator[RealServer | Absent]:
    """Run `scepserver` with this CA until the context ends; `Absent` when this machine cannot."""
    program = shutil.which("scepserver")
    if program is None:
        yield Absent("Debian's package scep is not installed: there is no scepserver to sign a request")
        return
    with tempfile.TemporaryDirectory(prefix="scep-depot-") as home:
        depot = Path(home) / "depot"
        await asyncio.to_thread(_fill_depot, depot, authority)
        relay = Path(__file__).with_name("private_network.py")
        socket_path = Path(home) / "relay"
        server = (
            program,
            "-depot",
            str(depot),
            "-port",
            str(PORT),
            "-capass",
            KEY_PASSWORD,
            "-allowrenew",
            "0",
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(relay),
            str(socket_path),
            str(PORT),
            *server,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # a terminal's Ctrl-C is not for it; it ends with its standard input
        )
        try:
            said = await _first_line(process)
            if said != "ready":
                yield Absent(f"scepserver could not be started: {said.removeprefix('refused: ')}")
                return
            connector = aiohttp.UnixConnector(path=str(socket_path))
            async with aiohttp.ClientSession(connector=connector) as session:
                yield RealServer(session)
        finally:
            await _end(process)


async def _first_line(process: asyncio.subprocess.Process) -> str:
    if process.stdout is None:
        return ""
    return (await process.stdout.readline()).decode().strip()


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()  # the relay takes this as its sign to end
    try:
        async with asyncio.timeout(5):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _fill_depot(depot: Path, authority: Authority) -> None:
    """What `scepserver ca -init` would leave behind, with our CA: ca.pem and ca.key."""
    depot.mkdir()
    pem = serialization.Encoding.PEM
    certificate = authority.certificate.public_bytes(pem)
    key = authority.key.private_bytes(
        pem,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(KEY_PASSWORD.encode()),
    )
    (depot / "ca.pem").write_bytes(certificate)
    (depot / "ca.key").write_bytes(key)

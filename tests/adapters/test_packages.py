"""HttpPackages over real TLS on loopback: every way in which a package host can answer, or not."""

import asyncio
import contextlib
import io
import re
import socket
import ssl
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache
from ipaddress import ip_network

import pytest
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from shared.adapters.packages import BUDGET, HttpPackages
from shared.artifact_hosts.model import Check
from shared.clock import SystemClock
from shared.groups.model import Value

NAME = "install.example.test"
LOOPBACK = (ip_network("127.0.0.0/8"),)

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Names(AbstractResolver):
    """Names and their addresses; `asked` counts."""

    def __init__(self, known: Mapping[str, tuple[str, ...]]) -> None:
        self.known = known
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        if host not in self.known:
            raise OSError(socket.EAI_NONAME, "no such name")
        return [
            ResolveResult(
                hostname=host,
                host=name,
                port=port,
                family=socket.AF_INET6 if ":" in name else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for name in self.known[host]
        ]

    async def close(self) -> None:
        """Nothing is held."""


@cache
def authority() -> trustme.CA:
    """One CA for all tests: making keys takes time."""
    return trustme.CA()


def reader(
    names: Mapping[str, tuple[str, ...]] | None = None, *, allowed: bool = True, seconds: float = 10
) -> HttpPackages:
    """A reader that finds NAME on loopback, and may go there."""
    tls = ssl.create_default_context()
    authority().configure_trust(tls)
    return HttpPackages(
        Names(names or {NAME: ("127.0.0.1",)}),
        SystemClock(),
        trust=tls,
        networks=LOOPBACK if allowed else (),
        timeout=seconds,
    )


class Host:
    """A server of one file at any path, which counts what it sends."""

    def __init__(self, body: bytes = b"", *, etag: str = '"one"') -> None:
        self.body, self.etag = body, etag
        self.sent = 0
        self.asked: list[tuple[str, str]] = []  # Range, If-None-Match
        self.port = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """As a host that does ranges and entity tags does."""
        wanted = request.headers.get("Range", "")
        known = request.headers.get("If-None-Match", "")
        self.asked.append((wanted, known))
        if known and known == self.etag:
            return web.Response(status=304, headers={"ETag": self.etag})
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
        assert found, f"a range that Azure's blobs do not take: {wanted}"
        start, last = int(found[1]), min(int(found[2]), len(self.body) - 1)
        if start > last:
            return web.Response(status=416)
        part = self.body[start : last + 1]
        self.sent += len(part)
        return web.Response(
            status=206,
            body=part,
            headers={"Content-Range": f"bytes {start}-{last}/{len(self.body)}", "ETag": self.etag},
        )

    def url(self, path: str = "/dist/Artifacts.zip", name: str = NAME) -> Value:
        """The file's URL, with a signature that must be seen nowhere."""
        return Value(f"https://{name}:{self.port}{path}?sig=hush")


@asynccontextmanager
async def serving(
    host: Host, handler: Handler | None = None, *, left: timedelta = timedelta(days=90)
) -> AsyncIterator[Host]:
    """Serve the host with a certificate for NAME that ends after `left`."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handler or host.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ends = SystemClock().now() + left
    authority().issue_cert(NAME, not_before=ends - timedelta(days=365), not_after=ends).configure_cert(tls)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    host.port = runner.addresses[0][1]
    try:
        yield host
    finally:
        await runner.cleanup()


def a_zip(members: Mapping[str, bytes] | None = None, *, comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in (members or {"SCEPman.dll": b"code" * 100, "web.config": b"<x/>"}).items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), body)
        archive.comment = comment
    return out.getvalue()


ONE_TOO_MANY = a_zip()[:-22] + a_zip()[-22:].replace(b"\2\0\2\0", b"\3\0\3\0")


async def checked(body: bytes, handler: Handler | None = None, *, known: str = "") -> tuple[Check, Host]:
    async with serving(Host(body), handler) as host:
        found = await reader().check(host.url(), known=known)
    assert "hush" not in repr(found)
    return found, host


async def test_a_package_is_known_by_its_directory() -> None:
    """A good package: its identity, its tag, its certificate's end, and few bytes."""
    found, host = await checked(a_zip())
    assert found.ok
    assert found.package is not None
    assert (found.package.members, found.status, found.etag) == (2, 206, '"one"')
    assert found.certificate_until is not None
    assert found.certificate_until - found.at > timedelta(days=80)
    assert found.bytes_read == host.sent
    again, _ = await checked(a_zip({"web.config": b"<x/>", "SCEPman.dll": b"code" * 100}))
    assert again.package is not None
    assert again.package.digest == found.package.digest, "the order of members is nothing"
    other, _ = await checked(a_zip({"web.config": b"<y/>", "SCEPman.dll": b"code" * 100}))
    assert other.package is not None
    assert other.package.digest != found.package.digest


async def test_an_unchanged_package_is_not_read_again() -> None:
    """The known tag is sent, and 304 ends the check without a byte of the package."""
    found, host = await checked(a_zip(), known='"one"')
    assert found.ok
    assert (found.unchanged, found.bytes_read, found.status, found.etag) == (True, 0, 304, '"one"')
    assert len(host.asked) == 1
    assert found.certificate_until is not None, "the certificate is looked at all the same"
    changed, _ = await checked(a_zip(), known='"old"')
    assert changed.ok
    assert changed.package is not None


async def test_a_long_comment() -> None:
    """The end record is found behind the longest comment there may be."""
    found, _ = await checked(a_zip({"a": bytes(100_000)}, comment=b"c" * 0xFFFF))
    assert found.ok


async def test_a_large_directory_is_read_whole() -> None:
    """A directory longer than the first tail takes one request more."""
    found, host = await checked(a_zip({f"wwwroot/file-{number:05}.css": b"x" for number in range(2000)}))
    assert found.package is not None
    assert found.package.members == 2000
    assert len(host.asked) == 3


def text(status: int, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        names = {name.replace("_", "-"): item for name, item in headers.items()}
        return web.Response(status=status, body=b"something", headers=names)

    return answer


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (text(200), "does not answer range requests"),
        (text(301, Location="https://elsewhere.test/a.zip"), "redirect (301)"),
        (text(302, Location="/b.zip"), "redirect (302)"),
        (text(304), "does not say which part"),
        (text(401), "answers 401"),
        (text(404), "answers 404"),
        (text(500), "answers 500"),
        (text(206), "does not say which part"),
        (text(206, Content_Range=f"bytes 0-3/{'9' * 5000}"), "does not say which part"),
        (text(206, Content_Range="bytes 7-10/99"), "another part"),
        (text(206, Content_Range="bytes 0-3/99"), "longer than what was asked for"),
        (text(206, Content_Range="bytes 0-3/99", Content_Encoding="gzip"), "encoded"),
    ],
)
async def test_other_answers(handler: Handler, why: str) -> None:
    """Whatever is no part of a file is refused with its reason."""
    found, _ = await checked(b"", handler)
    assert not found.ok
    assert why in found.problem
    assert found.package is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "answers 416"),
        (b"PK\3\4", "no end record"),
        (b"<html>please sign in</html>", "does not begin like a zip"),
        (a_zip()[:-40], "end record"),
        (a_zip()[: len(a_zip()) // 2], "end record"),
        (a_zip()[:60] + a_zip()[90:], "outside the file"),
        (ONE_TOO_MANY, "lists 2 members and is said to have 3"),
    ],
)
async def test_no_package(body: bytes, why: str) -> None:
    """A file that is no zip, or a damaged one, is refused with what is wrong with it."""
    found, _ = await checked(body)
    assert why in found.problem


async def test_an_empty_zip() -> None:
    """A zip without members is no package; it does not even begin like one."""
    found, _ = await checked(b"PK\5\6" + bytes(18))
    assert "does not begin like a zip" in found.problem


async def test_a_bombs_directory() -> None:
    """Members that lie over one another, as in Fifield's bomb, are refused."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("a", "b"):
            archive.writestr(name, b"x" * 50)
        archive.filelist[1].header_offset = archive.filelist[0].header_offset
    found, _ = await checked(out.getvalue())
    assert "zip bomb" in found.problem


async def test_a_package_that_changes_meanwhile() -> None:
    """Two answers with different tags are two packages: the check is bad, and the next one tells."""
    host = Host(a_zip())

    async def answer(request: web.Request) -> web.StreamResponse:
        host.etag = f'"{len(host.asked)}"'
        return await host.answer(request)

    async with serving(host, answer):
        found = await reader().check(host.url())
    assert "changed while it was read" in found.problem


async def endless(request: web.Request) -> web.StreamResponse:
    """A 206 that never ends."""
    response = web.StreamResponse(status=206, headers={"Content-Range": "bytes 0-3/2000000"})
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b"PK\3\4" * 4096)
    return response


async def test_an_endless_body() -> None:
    """An endless body is left after what was asked for, and the connection closed."""
    found, _ = await checked(b"", endless)
    assert "longer than what was asked for" in found.problem
    assert found.bytes_read <= BUDGET


async def test_a_directory_beyond_the_budget() -> None:
    """A directory of more than the budget is refused before it is read."""
    host = Host(a_zip({f"{'long/' * 40}{number}": b"" for number in range(4000)}))
    async with serving(host):
        found = await reader().check(host.url())
    assert "are not read" in found.problem
    assert host.sent < 100_000


async def silent(_: web.Request) -> web.StreamResponse:
    """No answer."""
    await asyncio.sleep(3600)
    raise AssertionError("unreachable")


async def test_a_slow_host() -> None:
    """A host that takes too long is bad, in bounded time."""
    async with serving(Host(), silent) as host:
        found = await reader(seconds=0.2).check(host.url())
    assert found.problem == "no answer within 0.2 s"


async def drop(request: web.Request) -> web.StreamResponse:
    """The connection breaks in the middle."""
    response = web.StreamResponse(
        status=206, headers={"Content-Range": "bytes 0-3/99", "Content-Length": "4"}
    )
    await response.prepare(request)
    await response.write(b"PK")
    assert request.transport is not None
    request.transport.abort()
    return response


async def test_a_broken_connection() -> None:
    """A connection that breaks off is a bad check with a plain reason."""
    found, _ = await checked(b"", drop)
    assert "broke off" in found.problem


async def test_a_refused_connection() -> None:
    """Nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = await reader().check(Value(f"https://{NAME}:{taken.getsockname()[1]}/a.zip"))
    assert found.problem == "the connection was refused"


async def test_an_untrusted_certificate() -> None:
    """A certificate of an unknown authority is named as that."""
    untrusting = HttpPackages(
        Names({NAME: ("127.0.0.1",)}), SystemClock(), trust=ssl.create_default_context(), networks=LOOPBACK
    )
    async with serving(Host(a_zip())) as host:
        found = await untrusting.check(host.url())
    assert "certificate is not valid" in found.problem


async def test_a_certificate_for_another_name() -> None:
    """The certificate must be the host's own."""
    async with serving(Host(a_zip())) as host:
        found = await reader({"other.test": ("127.0.0.1",)}).check(host.url(name="other.test"))
    assert "certificate is not valid" in found.problem


@pytest.mark.parametrize(("days", "good"), [(13, False), (15, True), (-1, False)])
async def test_a_certificate_that_ends_soon(days: int, good: bool) -> None:  # noqa: FBT001 -- a table
    """Fourteen days are left, or the check is bad: renewals that fail are seen in time."""
    async with serving(Host(a_zip()), left=timedelta(days=days)) as host:
        found = await reader().check(host.url())
        again = await reader().check(host.url(), known='"one"')
    assert found.ok is again.ok is good
    assert good or "certificate" in found.problem


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "168.63.129.16",
        "0.0.0.0",  # noqa: S104 -- to be refused
        "224.0.0.1",
        "240.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "ff02::1",
    ],
)
async def test_addresses_that_are_not_public(address: str) -> None:
    """Whatever name or form leads to it, an address that is not public is never connected to."""
    by_name = await reader({NAME: ("93.184.216.34", address)}, allowed=False).check(
        Value(f"https://{NAME}/a.zip")
    )
    assert "no public address" in by_name.problem
    literal = f"[{address}]" if ":" in address else address
    by_number = await reader(allowed=False).check(Value(f"https://{literal}/a.zip"))
    assert "no public address" in by_number.problem
    assert by_name.bytes_read == by_number.bytes_read == 0


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.0.0.1."])
async def test_numbers_that_mean_an_address(host: str) -> None:
    """The odd spellings of addresses that some libraries take are refused as what they are."""
    found = await reader(allowed=False).check(Value(f"https://{host}/a.zip"))
    assert "neither a name nor an address" in found.problem or "no public address" in found.problem


async def test_the_connection_goes_to_what_was_judged() -> None:
    """The name is resolved once for a check; a second answer, with another address, is never asked for."""
    names = Names({NAME: ("127.0.0.1",)})
    tls = ssl.create_default_context()
    authority().configure_trust(tls)
    async with serving(Host(a_zip({f"{number}": b"" for number in range(1000)}))) as host:
        found = await HttpPackages(names, SystemClock(), trust=tls, networks=LOOPBACK).check(host.url())
    assert found.ok
    assert names.asked == [NAME]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://install.example.test/a.zip", "not HTTPS"),
        ("ftp://install.example.test/a.zip", "not HTTPS"),
        ("https://ada:hush@install.example.test/a.zip", "user name"),
        ("https://install.example.test/a.zip.exe", ".zip"),
        ("https://install.example.test", ".zip"),
        ("https:///a.zip", "no URL"),
        ("hush", "no URL"),
        ("", "no URL"),
        ("https://nowhere.test/a.zip", "does not resolve"),
        ("https://install.example.test:99999/a.zip", "no URL"),
        ("https://[::1/a.zip", "no URL"),
        ("https://install.example.test/\r\nX: y/a.zip", ""),
    ],
)
async def test_urls_that_are_none(url: str, why: str) -> None:
    """A URL that is refused is refused before anything is sent, and is not repeated."""
    found = await reader().check(Value(url))
    assert not found.ok
    assert why in found.problem
    assert "hush" not in found.problem

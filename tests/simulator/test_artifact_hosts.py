"""Artifact hosts answer as GitHub and a blob do, with their faults; apps run what they fetched, or fail."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from cryptography import x509

from simulator.artifact_hosts import (
    GITHUB,
    GITHUB_HOST,
    VENDOR,
    VENDOR_HOST,
    ArtifactHost,
    FileFaults,
    release,
    vendor_hosts,
)
from simulator.packages import BadPackage, Content, Package, damaged, unpacked
from simulator.pair import a_pair, many
from simulator.premises import Premises
from simulator.server import Cloud
from simulator.services import artifact_hosts, dns, scepman
from simulator.world import PACKAGE, Site, World
from tests.simulator.small_world import ask, running

ON_GITHUB = "/scepman/install/master/dist/Artifacts.zip"
ON_BLOB = "/dist/Artifacts.zip"
PATHS = {GITHUB_HOST: ON_GITHUB, VENDOR_HOST: ON_BLOB}
NEWER = "3.2.27001"


class Got(NamedTuple):
    """One answer of a host."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def fetch(
    cloud: Premises, host: ArtifactHost, path: str = "", *, method: str = "GET", **headers: str
) -> Got:
    """One request over TLS to the host's own address under its own name; `_` in a header's name is a dash."""
    connector = aiohttp.TCPConnector(ssl=cloud.authority.client_context(), force_close=True)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=10)) as session,
        session.request(
            method,
            f"https://{host.address}:{cloud.https_port}{path or PATHS[host.name]}",
            headers={"Host": host.name} | {name.replace("_", "-"): item for name, item in headers.items()},
            server_hostname=host.name,
            allow_redirects=False,
        ) as answer,
    ):
        return Got(answer.status, answer.headers, await answer.read())


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Premises]:
    """The artifact hosts alone."""
    async with running(a_pair(), tmp_path, artifact_hosts.serve) as premises:
        yield premises


@pytest.fixture
def github(cloud: Premises) -> ArtifactHost:
    return cloud.world.artifact_hosts[GITHUB_HOST]


@pytest.fixture
def blob(cloud: Premises) -> ArtifactHost:
    return cloud.world.artifact_hosts[VENDOR_HOST]


# Packages


def test_a_package_is_a_zip_that_the_standard_library_reads() -> None:
    """Members are whole, and the release can be read from them."""
    package = Package("3.1.26152", "linux")
    content = package.content
    with zipfile.ZipFile(io.BytesIO(content.read(0, content.size))) as archive:
        assert archive.testzip() is None
        assert {"SCEPman.dll", "SCEPman.deps.json", "SCEPman"} <= set(archive.namelist())
        assert {member.date_time[:3] for member in archive.infolist()} == {
            (2026, 6, 1)
        }  # as the version tells
    assert (unpacked(content).version, unpacked(content).system) == ("3.1.26152", "linux")
    assert Package("3.1.26152", "linux").content is content


def test_a_large_package_takes_no_room() -> None:
    """100 MB of it are one member of zeros, readable from either end and by zipfile."""
    content = Package("3.1.26152", "windows", ballast=100_000_000).content
    assert content.size > 100_000_000
    assert sum(len(part) for part in content._parts if isinstance(part, bytes)) < 1 << 20
    assert content.read(0, 4) == b"PK\x03\x04"
    assert content.read(content.size - 22, content.size)[:4] == b"PK\x05\x06"
    assert content.read(50_000_000, 50_000_010) == bytes(10)
    assert unpacked(content).version == "3.1.26152"


@pytest.mark.parametrize(("start", "stop"), [(0, 10), (2, 5), (3, 3), (4, 99), (6, 7), (20, 30)])
def test_parts_of_a_content(start: int, stop: int) -> None:
    """Reading across parts and runs of zeros gives what the bytes would give."""
    content = Content((b"abc", 3, b"", b"de", 2))
    whole = b"abc\0\0\0de\0\0"
    assert content.size == len(whole)
    assert content.read(start, stop) == whole[start:stop]
    assert content.part(start, stop).read(0, 99) == whole[start:stop]


def test_an_altered_package_differs_in_one_member_only() -> None:
    """Same names, same sizes, one other CRC; a broken or a foreign file is no package."""
    package = Package("3.1.26152", "windows")
    crcs = []
    for content in (package.content, damaged(package, "altered")):
        with zipfile.ZipFile(io.BytesIO(content.read(0, content.size))) as archive:
            assert archive.testzip() is None
            crcs.append({member.filename: (member.file_size, member.CRC) for member in archive.infolist()})
    differing = [name for name in crcs[0] if crcs[0][name] != crcs[1][name]]
    assert crcs[0].keys() == crcs[1].keys()
    assert differing == ["SCEPman.dll"]
    for damage in ("truncated", "garbage"):
        with pytest.raises(BadPackage, match="no zip"):
            unpacked(damaged(package, damage))


# Over the wire


@pytest.mark.parametrize("name", [GITHUB_HOST, VENDOR_HOST])
async def test_a_file_whole(cloud: Premises, name: str) -> None:
    """GET gives the zip, HEAD the same headers without it; other paths are not found."""
    host = cloud.world.artifact_hosts[name]
    got, head = await fetch(cloud, host), await fetch(cloud, host, method="HEAD")
    assert (got.status, head.status, head.body) == (200, 200, b"")
    for header in ("ETag", "Content-Length", "Content-Type", "Accept-Ranges"):
        assert got.headers[header] == head.headers[header]
    with zipfile.ZipFile(io.BytesIO(got.body)) as archive:
        assert archive.testzip() is None
    assert (await fetch(cloud, host, "/dist/nothing.zip")).status == 404
    assert [(served.method, served.status, served.sent) for served in host.served][:2] == [
        ("GET", 200, len(got.body)),
        ("HEAD", 200, 0),
    ]


@pytest.mark.parametrize("name", [GITHUB_HOST, VENDOR_HOST])
async def test_ranges_that_both_kinds_take(cloud: Premises, name: str) -> None:
    """A range with both ends is a 206, one behind the end a 416, one without sense is ignored."""
    host = cloud.world.artifact_hosts[name]
    whole = (await fetch(cloud, host)).body
    size = len(whole)
    part = await fetch(cloud, host, Range=f"bytes={size - 22}-{size - 1}")
    assert (part.status, part.body) == (206, whole[-22:])
    assert part.headers["Content-Range"] == f"bytes {size - 22}-{size - 1}/{size}"
    assert (await fetch(cloud, host, Range=f"bytes=0-{size * 2}")).body == whole
    beyond = await fetch(cloud, host, Range=f"bytes={size}-{size + 5}")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
    for senseless in ("bytes=5-2", "bytes=-", "lines=1-2", "bytes=0-1,4-5"):
        assert (await fetch(cloud, host, Range=senseless)).status == 200
    head = await fetch(cloud, host, method="HEAD", Range="bytes=0-9")
    assert (head.status, head.headers["Content-Length"]) == (200, str(size))
    host.faults.no_ranges = True
    assert (await fetch(cloud, host, Range="bytes=0-9")).body == whole


async def test_what_a_blob_does_not_take(cloud: Premises, github: ArtifactHost, blob: ArtifactHost) -> None:
    """GitHub takes a suffix and an open end; a blob takes no suffix, and an open end only by version."""
    whole = (await fetch(cloud, github)).body
    suffix = await fetch(cloud, github, Range="bytes=-22")
    assert (suffix.status, suffix.body) == (206, whole[-22:])
    assert (await fetch(cloud, github, Range="bytes=-999999")).body == whole
    assert (await fetch(cloud, github, Range="bytes=-0")).status == 416
    assert (await fetch(cloud, github, Range="bytes=100-")).body == whole[100:]
    assert (await fetch(cloud, blob, Range="bytes=-22")).status == 200
    assert (await fetch(cloud, blob, Range="bytes=100-")).status == 200
    open_ended = await fetch(cloud, blob, Range="bytes=100-", x_ms_version="2025-07-05")
    assert (open_ended.status, open_ended.body) == (206, whole[100:])


async def test_conditional_requests(cloud: Premises, github: ArtifactHost, blob: ArtifactHost) -> None:
    """A known tag is a 304 without a body until another version is published; tags are not of one kind."""
    tags = {host.name: (await fetch(cloud, host)).headers["ETag"] for host in (github, blob)}
    assert tags[GITHUB_HOST] != tags[VENDOR_HOST]
    for host in (github, blob):
        tag = tags[host.name]
        known = await fetch(cloud, host, If_None_Match=f'"other", W/{tag}', Range="bytes=0-9")
        assert (known.status, known.body, known.headers["ETag"]) == (304, b"", tag)
        assert (await fetch(cloud, host, If_None_Match='"other"')).status == 200
        assert (await fetch(cloud, host, Range="bytes=0-9", If_Range='"other"')).status == 200
        assert (await fetch(cloud, host, Range="bytes=0-9", If_Range=tag)).status == 206
    modified = (await fetch(cloud, blob)).headers["Last-Modified"]
    assert (await fetch(cloud, blob, If_Modified_Since=modified)).status == 304
    assert "Last-Modified" not in (await fetch(cloud, github)).headers
    release((github, blob), "production", NEWER, at=cloud.world.now())
    for host in (github, blob):
        assert (await fetch(cloud, host, If_None_Match=tags[host.name])).status == 200
    assert (await fetch(cloud, blob, If_Modified_Since=modified)).status == 200


async def test_faults_of_hosts_and_files(cloud: Premises, github: ArtifactHost, blob: ArtifactHost) -> None:
    """A status, a redirect, a damaged file; what is said of a file counts before what is said of its host."""
    blob.faults.status = 401
    refused = await fetch(cloud, blob)
    assert refused.status == 401
    assert b"<Code>NoAuthenticationInformation</Code>" in refused.body
    blob.file_faults[ON_BLOB] = FileFaults(redirect=GITHUB)
    redirect = await fetch(cloud, blob)
    assert (redirect.status, redirect.headers["Location"], redirect.body) == (302, GITHUB, b"")
    blob.file_faults[ON_BLOB] = FileFaults(damage="garbage")
    assert b"sign in" in (await fetch(cloud, blob)).body
    blob.file_faults[ON_BLOB] = FileFaults(damage="truncated")
    whole = (await fetch(cloud, github)).body
    assert (await fetch(cloud, blob)).body == whole[: len(whole) // 2]
    blob.file_faults[ON_BLOB] = FileFaults(slow=0.01, damage="altered")
    altered = (await fetch(cloud, blob)).body
    assert len(altered) == len(whole)
    assert altered != whole
    assert (await fetch(cloud, blob, "/dist/Artifacts-Linux.zip")).status == 401


async def test_a_host_that_is_down_hangs_up(
    cloud: Premises, github: ArtifactHost, blob: ArtifactHost
) -> None:
    """Connections are reset, also those that were open; the other host goes on."""
    connector = aiohttp.TCPConnector(ssl=cloud.authority.client_context())
    url = f"https://{blob.address}:{cloud.https_port}{ON_BLOB}"
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.get(url, server_hostname=blob.name) as answer:
            assert answer.status == 200
            await answer.read()
        blob.faults.down = True
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await session.head(url, server_hostname=blob.name)
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await fetch(cloud, blob)
    assert (await fetch(cloud, github)).status == 200
    blob.faults.down = False
    assert (await fetch(cloud, blob)).status == 200


async def test_a_body_that_breaks_off_and_one_without_end(cloud: Premises, blob: ArtifactHost) -> None:
    """One has less than its length says; the other goes on until the client has had enough."""
    blob.faults.cut = True
    with pytest.raises(aiohttp.ClientPayloadError):
        await fetch(cloud, blob)
    blob.faults.cut, blob.faults.endless = False, True
    connector = aiohttp.TCPConnector(ssl=cloud.authority.client_context())
    url = f"https://{blob.address}:{cloud.https_port}{ON_BLOB}"
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(url, server_hostname=blob.name) as answer,
    ):
        assert "Content-Length" not in answer.headers
        assert len(await answer.content.readexactly(1 << 20)) == 1 << 20
        answer.close()


async def test_certificates(cloud: Premises, blob: ArtifactHost) -> None:
    """One that is near its end is still good; one that is past it, or for another name, is refused."""

    async def not_after() -> datetime:
        _, writer = await asyncio.open_connection(
            blob.address, cloud.https_port, ssl=cloud.authority.client_context(), server_hostname=blob.name
        )
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        await writer.wait_closed()
        return x509.load_der_x509_certificate(shown).not_valid_after_utc

    assert await not_after() - datetime.now(UTC) > timedelta(days=14)  # noqa: TID251 -- certificates are real
    blob.faults.certificate = "expiring"
    assert timedelta(days=9) < await not_after() - datetime.now(UTC) < timedelta(days=11)  # noqa: TID251
    for wrong in ("expired", "other-name"):
        blob.faults.certificate = wrong
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await fetch(cloud, blob)


async def test_the_real_names_resolve_to_the_hosts(tmp_path: Path) -> None:
    """The simulated DNS answers for the vendor's own host names."""
    world = a_pair()
    zones = dns.Zones(world)
    for name, host in world.artifact_hosts.items():
        record = zones.record(name, "")
        assert record
        assert record.value == host.address
    assert zones.record("github.com", "") is None
    async with Cloud(world, directory=tmp_path) as cloud:
        for site in world.sites.values():
            assert f":{cloud.https_port}/" in site.app_settings[PACKAGE]
            assert site.app_settings[PACKAGE] == site.loaded[PACKAGE]
            assert site.app_settings[PACKAGE] not in world.secrets_in_use()


# The vendor's releases


def test_the_blob_host_lags_behind_and_may_stay_behind() -> None:
    """A release is on GitHub at once; on the blob host when the publish step has run, or never."""
    now = 1_000_000.0
    hosts = vendor_hosts(now)
    both = tuple(hosts.values())

    def versions(at: float) -> list[str]:
        found = [hosts[name].current(path, at) for name, path in PATHS.items()]
        return [
            published.what.version for published in found if published and isinstance(published.what, Package)
        ]

    assert versions(now) == ["3.1.26152", "3.1.26152"]
    release(both, "production", NEWER, at=now, lag=300.0)
    assert versions(now + 299) == [NEWER, "3.1.26152"]
    assert versions(now + 300) == [NEWER, NEWER]
    release(both, "production", "3.2.27002", at=now + 400, lag=None)
    assert versions(now + 9999) == ["3.2.27002", NEWER]
    assert hosts[GITHUB_HOST].current("/scepman/install/deferred/dist/Artifacts.zip", now)
    assert not any("deferred" in path for path in hosts[VENDOR_HOST].files)


# Apps that start


def site_of(world: World) -> Site:
    """The pair's Windows site, whose package is on GitHub."""
    return world.sites["app-scepman-weu"]


def fetched(world: World) -> list[str]:
    """Return what the journal says of downloads."""
    return [happening.detail for happening in world.journal if happening.what == "package-fetch"]


def test_a_start_runs_what_the_host_has_at_that_moment() -> None:
    """A new version reaches a site at its next start and not before; each start is one download."""
    world = a_pair()
    site = site_of(world)
    assert site.package.version == "3.1.26152"
    release(tuple(world.artifact_hosts.values()), "production", NEWER, at=world.now())
    assert (site.package.version, fetched(world)) == ("3.1.26152", [])
    world.platform_restart(site)
    assert site.package.version == NEWER
    assert fetched(world) == [f"{GITHUB_HOST} {NEWER}"]
    told: list[str] = []
    world.on_change.append(lambda _, what: told.append(what))
    world.platform_restart(site)
    assert told == []
    world.stop_site(site, "a person")
    world.platform_restart(site)
    assert len(fetched(world)) == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (FileFaults(status=404), "answered 404"),
        (FileFaults(redirect=VENDOR), "answered 302, and redirects are not followed"),
        (FileFaults(damage="truncated"), "no zip"),
        (FileFaults(damage="garbage"), "no zip"),
        (FileFaults(endless=True), "larger than 1 GB"),
        (FileFaults(cut=True), "broke off"),
        (FileFaults(slow=500), "no package within 230 s"),
    ],
)
def test_a_start_without_a_usable_package_fails(fault: FileFaults, reason: str) -> None:
    """There is no older package to fall back on; the host's recovery alone does not help, a new start does."""
    world = a_pair()
    site = site_of(world)
    host = world.artifact_hosts[GITHUB_HOST]
    host.file_faults[ON_GITHUB] = fault
    world.platform_restart(site)
    assert (site.package.failed, site.package.version) == ("download", "")
    assert reason in site.package.reason
    assert world.sites["app-scepman-neu"].package.failed == ""
    host.file_faults.clear()
    assert site.package.failed == "download"
    world.platform_restart(site)
    assert site.package.version == "3.1.26152"


@pytest.mark.parametrize(
    ("url", "failed", "reason"),
    [
        (f"{VENDOR}Artifacts.zip", "", ""),
        (f"{VENDOR}Artifacts.zip?sv=1&sig=S3CRET-x", "", ""),
        (f"{VENDOR}Artifacts-Linux.zip", "run", "the package is for Linux, the plan is Windows"),
        (f"{VENDOR}nothing.zip", "download", "404"),
        (f"{VENDOR}Artifacts", "download", "https and .zip"),
        ("http://install.scepman.com/dist/Artifacts.zip", "download", "https and .zip"),
        ("https://install.scepman.com:8443/dist/Artifacts.zip", "download", "reset"),
        ("https://github.com/glueckkanja/gk-scepman/raw/master/dist/Artifacts.zip", "download", "resolve"),
        ("https://[install.scepman.com/dist/Artifacts.zip", "download", "https and .zip"),
        ("1", "download", "no files were deployed"),
    ],
)
def test_what_the_setting_may_say(url: str, failed: str, reason: str) -> None:
    """The URL must lead to a zip for the site's own system; `1` runs what was deployed."""
    world = a_pair()
    site = site_of(world)
    world.edit(site, {PACKAGE: url})
    assert site.package.failed == failed
    assert reason in site.package.reason


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        (f"{VENDOR}Artifacts.zip", False),
        (f"{GITHUB}Artifacts-Linux.zip".upper().replace("HTTPS", "https"), True),  # paths mind the case
        (f"{VENDOR}Artifacts.zip?sv=1&sig=S3CRET-x", True),
        ("https://stcontoso.blob.core.windows.net/packages/scepman.zip", True),
    ],
)
def test_only_the_address_of_a_public_file_is_no_secret(url: str, secret: bool) -> None:  # noqa: FBT001 -- a case
    """A leak test must not look for what everybody knows, and must look for the rest."""
    world = a_pair()
    world.edit(site_of(world), {PACKAGE: url})
    assert (url in world.secrets_in_use()) == secret


def test_a_lost_or_distrusted_host_and_a_slow_one() -> None:
    """A host that is down or whose certificate is bad gives nothing; a slow one delays the start."""
    world = a_pair()
    now = world.now()
    world.clock = lambda: now
    site, host = site_of(world), world.artifact_hosts[GITHUB_HOST]
    host.faults.down = True
    world.platform_restart(site)
    assert site.package.outcome == f"{GITHUB_HOST} the connection was reset"
    host.faults.down = False
    for wrong, failed in (("expired", "download"), ("other-name", "download"), ("expiring", "")):
        host.faults.certificate = wrong  # type: ignore[assignment]
        world.platform_restart(site)
        assert site.package.failed == failed
    host.faults.slow = 20.0
    world.platform_restart(site)
    assert site.boots_at == pytest.approx(now + 20.0 + world.boot_seconds)


async def test_an_app_without_a_package_shows_the_marker(tmp_path: Path) -> None:
    """Everything is 503 until a start succeeds; the home page then tells the version that it fetched."""
    world = a_pair()
    world.boot_seconds = 0.0
    site, host = site_of(world), world.artifact_hosts[GITHUB_HOST]
    async with running(world, tmp_path, scepman.serve) as cloud:
        host.faults.down = True
        assert (await ask(cloud, site, "/probe"))[0] == 200  # a running app does not miss its host
        world.platform_restart(site)
        for path in ("/probe", "/", "/certsrv/mscep/mscep.dll?operation=GetCACaps"):
            status, _, page = await ask(cloud, site, path)
            assert (status, b"FAILED TO INITIALIZE RUN FROM PACKAGE.txt" in page) == (503, True)
        world.edit(site, {PACKAGE: world.artifact_hosts[VENDOR_HOST].url(ON_BLOB)})
        assert (await ask(cloud, site, "/probe"))[0] == 200
        release((world.artifact_hosts[VENDOR_HOST],), "production", NEWER, at=world.now())
        assert b"Version: 3.1.26152" in (await ask(cloud, site, "/"))[2]
        world.platform_restart(site)
        assert f"Version: {NEWER}".encode() in (await ask(cloud, site, "/"))[2]
        world.edit(site, {PACKAGE: f"{VENDOR}Artifacts-Linux.zip"})
        status, _, page = await ask(cloud, site, "/probe")
        assert (status, b"Application Error" in page) == (503, True)


def test_many_groups_share_the_hosts() -> None:
    """A thousand groups need two hosts, and every site has a package."""
    world = many(20)
    assert len(world.artifact_hosts) == 2
    assert {site.package.version for site in world.sites.values()} == {"3.1.26152"}

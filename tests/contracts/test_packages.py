"""The contract of PackageReads, HomePages and AppControl, on the fakes and on the adapters with the simulator."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from ipaddress import ip_network

import pytest

from shared.adapters.app_service import AppService
from shared.adapters.home_page import HttpHomePages
from shared.adapters.http import resolver, trust
from shared.adapters.packages import HttpPackages
from shared.artifact_hosts.compare import Relation, compare
from shared.artifact_hosts.ports import HomePages, PackageReads
from shared.clock import SystemClock
from shared.disruption.model import Kind, Permit
from shared.disruption.ports import AppControl
from shared.groups.model import Value
from simulator.artifact_hosts import GITHUB_HOST, VENDOR_HOST, FileFaults, release
from simulator.packages import Package as SimulatedPackage
from simulator.pair import a_pair
from simulator.world import World
from tests.artifact_hosts.hosting import a_package
from tests.contracts.simulated import Simulated, simulated
from tests.fakes.app_service import FakeAppService
from tests.fakes.clock import START, FakeClock
from tests.fakes.packages import FakeHomePages, FakePackages

PERMIT = Permit(id="order-1", kind=Kind.RESTART, region="weu", granted_at=START, until=START, reason="test")
WINDOWS = {GITHUB_HOST: "/scepman/install/master/dist/Artifacts.zip", VENDOR_HOST: "/dist/Artifacts.zip"}


@dataclass(frozen=True)
class Bench:
    """The ports under test, and what changes the world behind them."""

    reads: PackageReads
    pages: HomePages
    control: AppControl
    github: Value
    vendor: Value
    site: str  # ARM id
    host: str  # DNS name and port of that site
    port: int
    publish: Callable[[], None]  # a new version, on GitHub only
    kill: Callable[[], None]  # GitHub is gone
    version: str  # what the site's home page tells
    restarts: Callable[[], int]


@pytest.fixture(params=["fake", "simulator"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """Two hosts with the same package, and a site that runs it."""
    world = a_pair()
    if request.param == "fake":
        yield _faked(world)
        return
    async with simulated(world) as here:
        site = next(iter(world.sites.values()))
        hosts = world.artifact_hosts
        reads = _reads(here)
        control = AppService(here.credential, here.session, base_url=here.cloud.arm_url)
        yield Bench(
            reads=reads,
            pages=HttpHomePages(here.session),
            control=control,
            github=Value(hosts[GITHUB_HOST].url(WINDOWS[GITHUB_HOST])),
            vendor=Value(hosts[VENDOR_HOST].url(WINDOWS[VENDOR_HOST])),
            site=site.id,
            host=site.host,
            port=here.cloud.https_port,
            publish=lambda: release((hosts[GITHUB_HOST],), "production", "3.3.0", at=world.now()),
            kill=lambda: setattr(hosts[GITHUB_HOST].faults, "down", True),
            version=site.package.version,
            restarts=lambda: world.count("restart", site.name),
        )
        await reads.aclose()
        await control.aclose()


def _reads(here: Simulated) -> HttpPackages:
    """The adapter, which may go to the simulator's addresses by its configuration."""
    return HttpPackages(
        resolver((here.cloud.dns_server,)),
        SystemClock(),
        trust=trust(str(here.cloud.ca_bundle)),
        networks=[ip_network("127.0.0.0/8")],
    )


def _faked(world: World) -> Bench:
    site = next(iter(world.sites.values()))
    packages = FakePackages(FakeClock())
    app = FakeAppService({site.id: {}})
    github, vendor = (f"https://{host}{path}" for host, path in WINDOWS.items())
    return Bench(
        reads=packages,
        pages=FakeHomePages({site.host: "3.1"}),
        control=app,
        github=Value(github),
        vendor=Value(vendor),
        site=site.id,
        host=site.host,
        port=443,
        publish=lambda: packages.lying.update({github: a_package("b")}),
        kill=lambda: packages.lying.update({github: "the connection was refused"}),
        version="3.1",
        restarts=lambda: len(app.restarts),
    )


async def test_the_same_package_at_two_hosts(bench: Bench) -> None:
    """Both hosts have it, under entity tags of two kinds."""
    one, other = await bench.reads.check(bench.github), await bench.reads.check(bench.vendor)
    assert one.ok
    assert other.ok
    assert compare(one.package, other.package).relation is Relation.EQUAL
    assert one.etag


async def test_an_unchanged_package(bench: Bench) -> None:
    """With the tag of an earlier check it is not read again; when it changed, it is."""
    first = await bench.reads.check(bench.github)
    again = await bench.reads.check(bench.github, known=first.etag)
    assert (again.ok, again.unchanged, again.package, again.bytes_read) == (True, True, None, 0)
    bench.publish()
    new = await bench.reads.check(bench.github, known=first.etag)
    assert (new.ok, new.unchanged) == (True, False)
    assert new.package is not None
    assert first.package is not None
    assert new.package.digest != first.package.digest


async def test_a_dead_host(bench: Bench) -> None:
    """It is a bad check with a reason; nothing is raised."""
    bench.kill()
    found = await bench.reads.check(bench.github)
    assert not found.ok
    assert found.package is None
    assert (await bench.reads.check(bench.vendor)).ok


async def test_a_home_page(bench: Bench) -> None:
    """It tells the version; a host that there is not tells nothing."""
    assert await bench.pages.get_version(bench.host, port=bench.port) == bench.version
    assert await bench.pages.get_version("nobody.azurewebsites.test", port=bench.port) == ""


async def test_a_restart(bench: Bench) -> None:
    """One restart of the site."""
    before = bench.restarts()
    await bench.control.restart(bench.site, permit=PERMIT)
    assert bench.restarts() == before + 1


@pytest.mark.parametrize(
    ("faults", "why"),
    [
        (FileFaults(status=503), "answers 503"),
        (FileFaults(redirect="https://elsewhere.test/a.zip"), "redirect (302)"),
        (FileFaults(no_ranges=True), "does not answer range requests"),
        (FileFaults(damage="truncated"), "end record"),
        (FileFaults(damage="garbage"), "does not begin like a zip"),
        (FileFaults(endless=True), "does not answer range requests"),
        (FileFaults(cut=True), "broke off"),
        (FileFaults(damage="altered"), ""),
    ],
)
async def test_the_simulators_faults(faults: FileFaults, why: str) -> None:
    """Each is told by its own words; an altered zip is another package, whatever its size."""
    world = a_pair()
    async with simulated(world) as here:
        host = world.artifact_hosts[VENDOR_HOST]
        url = Value(host.url(WINDOWS[VENDOR_HOST]))
        reads = _reads(here)
        good = await reads.check(url)
        host.file_faults[WINDOWS[VENDOR_HOST]] = faults
        found = await reads.check(url)
        assert why in found.problem
        assert found.ok is not bool(why)
        if found.ok:
            assert compare(found.package, good.package).relation is Relation.DIFFERENT


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        ("expiring", "ends on"),
        ("expired", "certificate is not valid"),
        ("other-name", "certificate is not valid"),
    ],
)
async def test_the_simulators_certificates(certificate: str, why: str) -> None:
    """A certificate that ends in ten days, ended, or is another host's."""
    world = a_pair()
    async with simulated(world) as here:
        host = world.artifact_hosts[VENDOR_HOST]
        setattr(host.faults, "certificate", certificate)  # noqa: B010 -- a literal type, from a table
        reads = _reads(here)
        assert why in (await reads.check(Value(host.url(WINDOWS[VENDOR_HOST])))).problem


async def test_a_large_package() -> None:
    """Of a hundred megabytes a thousandth is read, by the host's own count."""
    world = a_pair()
    large = SimulatedPackage("9.9.9", "windows", ballast=100_000_000)
    async with simulated(world) as here:
        host = world.artifact_hosts[VENDOR_HOST]
        host.publish(WINDOWS[VENDOR_HOST], large, world.now())
        reads = _reads(here)
        host.served.clear()
        found = await reads.check(Value(host.url(WINDOWS[VENDOR_HOST])))
        assert found.package is not None
        assert found.package.size > 100_000_000
        assert sum(served.sent for served in host.served) == found.bytes_read <= found.package.size // 1000

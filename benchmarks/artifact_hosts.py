"""How much of a package one check reads, counted by the host that serves it."""

from ipaddress import ip_network

from benchmarks.measure import Figure
from shared.adapters.http import resolver, trust
from shared.adapters.packages import HttpPackages
from shared.clock import SystemClock
from shared.groups.model import Value
from simulator.artifact_hosts import VENDOR_HOST
from simulator.packages import Package
from simulator.pair import a_pair
from simulator.server import Cloud

LARGE = Package("9.9.9", "windows", ballast=100_000_000)  # bytes, stored and not compressed
PATH = "/dist/Artifacts.zip"
SHARE = 0.001  # of the package: what a check may read of it


async def bytes_per_check() -> list[Figure]:
    """A first check of a package of 100 MB, and a second one of the same package unchanged."""
    world = a_pair()
    host = world.artifact_hosts[VENDOR_HOST]
    host.publish(PATH, LARGE, world.now())
    async with Cloud(world) as cloud:
        packages = HttpPackages(
            resolver((cloud.dns_server,)),
            SystemClock(),
            trust=trust(str(cloud.ca_bundle)),
            networks=[ip_network("127.0.0.0/8")],
        )
        url = Value(host.url(PATH))
        host.served.clear()
        first = await packages.check(url)
        read = sum(served.sent for served in host.served)
        again = await packages.check(url, known=first.etag)
        more = sum(served.sent for served in host.served) - read
    if first.package is None or not again.unchanged:
        raise RuntimeError(f"the checks failed: {first.problem or again.problem}")
    return [
        Figure("packages.bytes-per-check", read, "bytes", first.package.size * SHARE),
        Figure("packages.share-per-check", round(read / first.package.size, 6), "ratio", SHARE),
        Figure("packages.bytes-per-check-unchanged", more, "bytes", 0),
    ]

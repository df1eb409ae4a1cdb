"""Traffic Manager: the prober, and which endpoints a profile's name answers.

The prober asks every endpoint of every profile at the profile's interval and writes what it concludes into
`EndpointState.observed`; what is configured (disabled, stopped, always served) stands above that in
`World.monitor_status`. Azure probes from many sites and counts per site; this is one of them. `World.speed`
shortens the waits.

Not imitated: nested and external endpoints, geographic, subnet and multi-value routing (they answer like
Performance), the delay until a restarted app is noticed.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from fractions import Fraction

import aiohttp

from simulator.listeners import stopped
from simulator.premises import Premises
from simulator.world import EndpointState, ProfileState, Site, World

AGENT = "Azure Traffic Manager Endpoint Monitor"
SERVING = frozenset({"Online", "CheckingEndpoint", "Unmonitored"})
PROBED = frozenset({"Online", "CheckingEndpoint", "Degraded"})
TICK = 0.02  # seconds between looks for probes that are due, at least
LONGEST_TICK = 0.25  # seconds; otherwise a fiftieth of the shortest interval
AT_ONCE = 16  # probes; a world of a thousand groups must not choke the machine that plays it
STAYS = 0.05  # seconds for which a connection must last to count
LEAST_TIMEOUT = 1.5  # seconds: however fast the world runs, an answer on a busy machine needs time


def concluded(observed: str, failures: int, tolerated: int, *, ok: bool) -> tuple[str, int]:
    """What one probe's outcome makes of (status, consecutive failures).

    One success is enough for Online; Degraded comes with one failure more than are tolerated.
    """
    if ok:
        return "Online", 0
    return ("Degraded" if failures + 1 > tolerated else observed), failures + 1


def answers(profile: ProfileState, world: World) -> list[str]:
    """The default host names that the profile's DNS name may answer, best first; none means NXDOMAIN.

    Serving endpoints are Online, CheckingEndpoint or Unmonitored. When every eligible endpoint is Degraded
    all of them are answered; Disabled, Stopped and Inactive ones never are.
    """
    by_status = [(endpoint, world.monitor_status(profile, endpoint)) for endpoint in profile.endpoints]
    serving = [endpoint for endpoint, status in by_status if status in SERVING]
    chosen = serving or [endpoint for endpoint, status in by_status if status == "Degraded"]
    if profile.routing == "Priority":
        chosen = sorted(chosen, key=lambda endpoint: endpoint.priority)
    return [world.sites[endpoint.target_site].host for endpoint in chosen]


def choose(profile: ProfileState, world: World, *, turn: int, client: str = "") -> str | None:
    """The one host name answered to this question, or None for NXDOMAIN.

    `turn` counts the questions for this profile; `client` says where the client is, when its question says so
    (EDNS client subnet). Performance answers a known client always the same (its nearest), others in turn.
    """
    hosts = answers(profile, world)
    if not hosts:
        return None
    if profile.routing == "Priority":
        return hosts[0]
    if profile.routing == "Weighted":
        cycle = _weighted_cycle(profile, world, hosts)
        return cycle[turn % len(cycle)]
    if client:
        return min(hosts, key=lambda host: hashlib.sha256(f"{client} {host}".encode()).digest())
    return hosts[turn % len(hosts)]


def _weighted_cycle(profile: ProfileState, world: World, hosts: list[str]) -> list[str]:
    """Each host as often as its weight says, evenly spread."""
    weights = {
        world.sites[it.target_site].host: it.weight
        for it in profile.endpoints
        if it.target_site in world.sites
    }
    places = [(Fraction(2 * n + 1, 2 * weights[host]), host) for host in hosts for n in range(weights[host])]
    return [host for _, host in sorted(places)]


@dataclass
class _Watch:
    """When an endpoint's next probe is due, and the probe under way."""

    due: float = 0.0  # the loop's clock
    probe: asyncio.Task[None] | None = None


@dataclass
class Prober:
    """Probes the endpoints of every profile of a world for as long as `run` runs."""

    world: World
    https_port: int
    least_timeout: float = LEAST_TIMEOUT
    _watches: dict[tuple[str, str], _Watch] = field(default_factory=dict)
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def run(self) -> None:
        """Until cancelled: start each probe when it is due."""
        connector = aiohttp.TCPConnector(ssl=False, force_close=True, limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            try:
                while True:
                    self._look(session)
                    await asyncio.sleep(self._tick())
            finally:
                await stopped(*(watch.probe for watch in self._watches.values() if watch.probe))

    def _tick(self) -> float:
        shortest = min((profile.interval for profile in self.world.profiles.values()), default=0.0)
        return min(max(TICK, shortest / self.world.speed / 50), LONGEST_TICK)

    def _look(self, session: aiohttp.ClientSession) -> None:
        now = asyncio.get_running_loop().time()
        for profile in tuple(self.world.profiles.values()):
            for endpoint in profile.endpoints:
                watch = self._watches.setdefault((profile.name, endpoint.name), _Watch())
                self._look_at(session, profile, endpoint, watch, now)

    def _look_at(
        self,
        session: aiohttp.ClientSession,
        profile: ProfileState,
        endpoint: EndpointState,
        watch: _Watch,
        now: float,
    ) -> None:
        if self.world.monitor_status(profile, endpoint) not in PROBED:
            self._forget(endpoint, watch)
            return
        if now < watch.due or (watch.probe and not watch.probe.done()):
            return
        watch.due = now + profile.interval / self.world.speed
        site = self.world.sites[endpoint.target_site]
        watch.probe = asyncio.create_task(self._probe(session, profile, endpoint, site))

    def _forget(self, endpoint: EndpointState, watch: _Watch) -> None:
        """Not probed: whatever comes next begins with CheckingEndpoint, at once."""
        endpoint.observed, endpoint.failures, watch.due = "CheckingEndpoint", 0, 0.0
        if watch.probe:
            watch.probe.cancel()

    async def _probe(
        self, session: aiohttp.ClientSession, profile: ProfileState, endpoint: EndpointState, site: Site
    ) -> None:
        ok = await self._is_up(session, profile, endpoint, site)
        before = endpoint.observed
        endpoint.observed, endpoint.failures = concluded(before, endpoint.failures, profile.tolerated, ok=ok)
        if endpoint.observed != before:
            self.world.note(
                "endpoint-status", profile.name, "traffic manager", f"{endpoint.name} {endpoint.observed}"
            )

    async def _is_up(
        self, session: aiohttp.ClientSession, profile: ProfileState, endpoint: EndpointState, site: Site
    ) -> bool:
        """One probe in the profile's protocol. App Service answers plain HTTP with a redirect to HTTPS."""
        if site.faults.unresolved or profile.port not in (443, self.https_port):  # it listens nowhere else
            return False
        timeout = max(profile.timeout / self.world.speed, self.least_timeout)
        try:
            async with self._places, asyncio.timeout(timeout):
                if profile.protocol == "TCP":
                    return await self._connects(site)
                return profile.protocol == "HTTPS" and await self._answers(session, profile, endpoint, site)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def _answers(
        self, session: aiohttp.ClientSession, profile: ProfileState, endpoint: EndpointState, site: Site
    ) -> bool:
        """One GET without trust in any certificate. A redirect is not followed, and is up only if it is expected."""
        headers = {"Host": site.host, "User-Agent": AGENT} | profile.headers | endpoint.headers
        async with session.get(
            f"https://{site.address}:{self.https_port}{profile.path}",
            headers=headers,
            server_hostname=headers["Host"],
            allow_redirects=False,
        ) as answer:
            await answer.read()
            return any(least <= answer.status <= most for least, most in profile.expected)

    async def _connects(self, site: Site) -> bool:
        """Whether a connection comes about, and lasts for a moment: a lost machine resets it at once."""
        reader, writer = await asyncio.open_connection(site.address, self.https_port)
        try:
            async with asyncio.timeout(STAYS):
                return bool(await reader.read(1))
        except TimeoutError:
            return True
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def serve(cloud: Premises) -> AsyncIterator[None]:
    """Probe until the context ends."""
    probing = asyncio.create_task(Prober(cloud.world, cloud.https_port).run())
    try:
        yield
    finally:
        await stopped(probing)

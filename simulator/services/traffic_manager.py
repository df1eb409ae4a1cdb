"""Traffic Manager: the prober, and which endpoints a profile's name answers.

The prober asks every endpoint of every profile at the profile's interval and writes what it concludes into
`EndpointState.observed`; what is configured (disabled, stopped, always served) stands above that in
`World.monitor_status`. Azure probes from many sites and counts per site; this is one of them. `World.speed`
shortens the waits.

Not imitated: the delay until a restarted app is noticed; where a client is on the earth, which `World.places` says;
probes over plain HTTP, and external targets that are none of the world's sites: nobody answers there.
"""

import asyncio
import contextlib
import hashlib
import ipaddress
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import aiohttp

from simulator.listeners import stopped
from simulator.premises import Premises
from simulator.world import EndpointState, ProfileState, Site, World, ip_version

AGENT = "Azure Traffic Manager Endpoint Monitor"
SERVING = frozenset({"Online", "CheckingEndpoint", "Unmonitored"})
PROBED = frozenset({"Online", "CheckingEndpoint", "Degraded"})
ANSWERABLE = SERVING | {"Degraded"}
BY_ORIGIN = frozenset({"Geographic", "Subnet"})
MOST_ANSWERS = 2  # of MultiValue routing, unless the profile says otherwise
TICK = 0.02  # seconds between looks for probes that are due, at least
LONGEST_TICK = 0.25  # seconds; otherwise a fiftieth of the shortest interval
AT_ONCE = 16  # probes; a world of a thousand groups must not choke the machine that plays it
STAYS = 0.05  # seconds for which a connection must last to count
LEAST_TIMEOUT = 1.5  # seconds: however fast the world runs, an answer on a busy machine needs time


def merged(*headers: Mapping[str, str]) -> dict[str, str]:
    """Headers with the later ones above the earlier ones, in any casing."""
    return {name.title(): value for its in headers for name, value in its.items()}


def concluded(observed: str, failures: int, tolerated: int, *, ok: bool) -> tuple[str, int]:
    """Return what one probe's outcome makes of (status, consecutive failures).

    One success is enough for Online; Degraded comes with one failure more than are tolerated.
    """
    if ok:
        return "Online", 0
    return ("Degraded" if failures + 1 > tolerated else observed), failures + 1


def eligible(profile: ProfileState, world: World) -> list[EndpointState]:
    """The endpoints that may be answered whoever asks, best first; none means NXDOMAIN.

    Serving endpoints are Online, CheckingEndpoint or Unmonitored. When every eligible endpoint is Degraded
    all of them are answered; Disabled, Stopped and Inactive ones never are.
    """
    by_status = [(endpoint, world.monitor_status(profile, endpoint)) for endpoint in profile.endpoints]
    serving = [endpoint for endpoint, status in by_status if status in SERVING]
    chosen = serving or [endpoint for endpoint, status in by_status if status == "Degraded"]
    if profile.routing == "Priority":
        chosen = sorted(chosen, key=lambda endpoint: endpoint.priority)
    return [endpoint for endpoint in chosen if world.target_of(endpoint) is not None]


def answers(profile: ProfileState, world: World) -> list[str]:
    """Return where these endpoints lead."""
    return [it for endpoint in eligible(profile, world) if (it := world.target_of(endpoint))]


def resolve(
    profile: ProfileState, world: World, *, turn: int, client: str = "", version: int = 4
) -> tuple[str, ...] | None:
    """Return what is answered to this question: names or addresses; none for NODATA, None for NXDOMAIN.

    `turn` counts the questions for this profile; `client` says where the client is, when its question says so
    (EDNS client subnet); `version` which addresses it asks for. Performance answers a known client always the
    same (its nearest), others in turn. A nested profile is asked in turn, and its own answer given.
    """
    if not any(world.monitor_status(profile, endpoint) in ANSWERABLE for endpoint in profile.endpoints):
        return None
    chosen = _by_origin(profile, world, client) if profile.routing in BY_ORIGIN else None
    if profile.routing in BY_ORIGIN and chosen is None:
        return ()
    if chosen is None:
        able = eligible(profile, world)
        if not able:
            return None
        if profile.routing == "MultiValue":
            able = [endpoint for endpoint in able if ip_version(endpoint.target) == version]
            many = able[turn % max(len(able), 1) :] + able[: turn % max(len(able), 1)]
            return tuple(endpoint.target for endpoint in many[: profile.most_answers or MOST_ANSWERS])
        chosen = _chosen(profile, able, world, turn, client)
    child = world.child_of(chosen)
    if child is not None:
        return resolve(child, world, turn=turn, client=client, version=version)
    target = world.target_of(chosen)
    return () if target is None else (target,)


def choose(profile: ProfileState, world: World, *, turn: int, client: str = "") -> str | None:
    """The first of what is answered to this question, or None."""
    return next(iter(resolve(profile, world, turn=turn, client=client) or ()), None)


def _chosen(
    profile: ProfileState, able: list[EndpointState], world: World, turn: int, client: str
) -> EndpointState:
    """The one of these that Priority, Weighted or Performance routing answers."""
    if profile.routing == "Priority":
        return able[0]
    if profile.routing == "Weighted":
        cycle = _weighted_cycle(able)
        return cycle[turn % len(cycle)]
    if client:
        return min(able, key=lambda it: hashlib.sha256(f"{client} {world.target_of(it)}".encode()).digest())
    return able[turn % len(able)]


def _by_origin(profile: ProfileState, world: World, client: str) -> EndpointState | None:
    """The one endpoint that Geographic or Subnet routing has for a client, healthy or not; None: NODATA.

    A disabled endpoint takes no part in the matching; a stopped one is matched, and not answered.
    """
    taking = [endpoint for endpoint in profile.endpoints if endpoint.enabled]
    if profile.routing == "Geographic":
        found = next(
            (
                endpoint
                for place in places_of(client, world)
                for endpoint in taking
                if place in endpoint.places
            ),
            None,
        )
    else:
        number = int(ipaddress.ip_address(client.partition("/")[0])) if client else -1
        mapped = (
            endpoint
            for endpoint in taking
            if any(low <= number <= high for low, high in (n.range() for n in endpoint.subnets))
        )
        found = next(mapped, None) or next((endpoint for endpoint in taking if not endpoint.subnets), None)
    if found is None or world.monitor_status(profile, found) not in ANSWERABLE:
        return None
    return found


def places_of(client: str, world: World) -> tuple[str, ...]:
    """Return where a client is, the narrowest first: `World.places` says it of networks; the world of all others."""
    found: tuple[str, ...] = ()
    if client:
        address = ipaddress.ip_address(client.partition("/")[0])
        found = next((pair for net, pair in world.places.items() if address in ipaddress.ip_network(net)), ())
    return (*found, "WORLD")


def _weighted_cycle(able: list[EndpointState]) -> list[EndpointState]:
    """Each endpoint as often as its weight says, evenly spread."""
    spread = [
        (Fraction(2 * n + 1, 2 * endpoint.weight), endpoint.name, endpoint)
        for endpoint in able
        for n in range(endpoint.weight)
    ]
    return [endpoint for _, _, endpoint in sorted(spread, key=lambda place: place[:2])]


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
                watch = self._watches.setdefault((profile.id, endpoint.name), _Watch())
                self._look_at(session, profile, endpoint, watch, now)

    def _look_at(
        self,
        session: aiohttp.ClientSession,
        profile: ProfileState,
        endpoint: EndpointState,
        watch: _Watch,
        now: float,
    ) -> None:
        is_nested = endpoint.kind == "nestedEndpoints"  # its status follows from the other profile's
        if is_nested or self.world.monitor_status(profile, endpoint) not in PROBED:
            self._forget(endpoint, watch)
            return
        if now < watch.due or (watch.probe and not watch.probe.done()):
            return
        watch.due = now + profile.interval / self.world.speed
        site = self.world.site_of(endpoint)
        watch.probe = asyncio.create_task(self._probe(session, profile, endpoint, site))

    def _forget(self, endpoint: EndpointState, watch: _Watch) -> None:
        """Not probed: whatever comes next begins with CheckingEndpoint, at once."""
        endpoint.observed, endpoint.failures, watch.due = "CheckingEndpoint", 0, 0.0
        if watch.probe:
            watch.probe.cancel()

    async def _probe(
        self,
        session: aiohttp.ClientSession,
        profile: ProfileState,
        endpoint: EndpointState,
        site: Site | None,
    ) -> None:
        ok = site is not None and await self._is_up(session, profile, endpoint, site)
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
        host = endpoint.target if endpoint.kind == "externalEndpoints" else site.host
        headers = merged({"Host": host, "User-Agent": AGENT}, profile.headers, endpoint.headers)
        async with session.get(
            f"https://{site.address}:{self.https_port}{profile.path}",
            headers=headers,
            server_hostname=headers["Host"],
            allow_redirects=False,
        ) as answer:
            await answer.read()
            return any(least <= answer.status <= most for least, most in profile.expected)

    async def _connects(self, site: Site) -> bool:
        """Return whether a connection comes about, and lasts for a moment: a lost machine resets it at once."""
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

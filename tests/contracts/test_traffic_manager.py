"""The contract of Profiles, on the fake and on the adapter with the simulator."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from shared.adapters.traffic_manager import TrafficManagerProfiles
from shared.groups.model import Endpoint, Monitor, MonitorStatus, Nesting, Profile, Value
from shared.groups.ports import Profiles
from simulator.pair import a_pair
from simulator.world import SUBSCRIPTION, EndpointState, ProfileState, World
from tests.contracts.simulated import simulated
from tests.fakes.traffic_manager import FakeProfiles

ELSEWHERE = "cccccccc-bbbb-cccc-dddd-eeeeeeeeeeee"


@dataclass(frozen=True)
class Bench:
    """The port under test, a world of one pair behind it, and ways to change an endpoint of it."""

    port: Profiles
    expected: Profile  # as it is before any change
    degrade: Callable[[str], None]
    disable: Callable[[str], None]


@pytest.fixture(params=["fake", "simulator"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """One profile with two endpoints online."""
    world = a_pair()
    if request.param == "fake":
        fake = FakeProfiles([_expected(world)])
        yield Bench(
            port=fake,
            expected=_expected(world),
            degrade=lambda name: fake.set_endpoint(name, status=MonitorStatus.DEGRADED),
            disable=lambda name: fake.set_endpoint(name, status=MonitorStatus.DISABLED, enabled=False),
        )
        return
    async with simulated(world) as here:
        adapter = TrafficManagerProfiles(here.credential, here.session, base_url=here.cloud.arm_url)
        yield Bench(
            port=adapter,
            expected=_expected(world),
            degrade=lambda name: _change(world, name, observed="Degraded"),
            disable=lambda name: _change(world, name, enabled=False),
        )
        await adapter.aclose()


def _change(world: World, name: str, *, observed: str | None = None, enabled: bool = True) -> None:
    (endpoint,) = (endpoint for endpoint in world.profiles["scepman"].endpoints if endpoint.name == name)
    endpoint.observed = observed or endpoint.observed
    endpoint.enabled = enabled


def _expected(world: World) -> Profile:
    """Return what both sides begin with."""
    (profile,) = world.profiles.values()
    return Profile(
        id=profile.id,
        name="scepman",
        enabled=True,
        routing="Performance",
        fqdn="scepman.trafficmanager.test",
        ttl=30,
        monitor=Monitor(
            protocol="HTTPS",
            port=profile.port,
            path="/probe",
            interval=10,
            timeout=5,
            tolerated_failures=3,
        ),
        endpoints=tuple(
            Endpoint(
                name=short,
                type="azureEndpoints",
                target_id=world.sites[f"app-scepman-{short}"].id,
                target=f"app-scepman-{short}.azurewebsites.test",
                location=location,
                enabled=True,
                status=MonitorStatus.ONLINE,
                weight=1,
                priority=priority,
            )
            for short, location, priority in (("weu", "West Europe", 1), ("neu", "North Europe", 2))
        ),
        tags=(("counterpart", "managed"),),
    )


async def test_a_profile_in_one_read(bench: Bench) -> None:
    """One call tells everything about a profile and its endpoints."""
    assert await bench.port.list_profiles(SUBSCRIPTION) == (bench.expected,)


async def test_a_subscription_in_any_casing(bench: Bench) -> None:
    """Subscription ids are compared without regard to case."""
    assert len(await bench.port.list_profiles(SUBSCRIPTION.upper())) == 1


async def test_an_endpoint_degrades(bench: Bench) -> None:
    """What Traffic Manager concludes shows at the next read, at the endpoint concerned."""
    await bench.port.list_profiles(SUBSCRIPTION)
    bench.degrade("neu")
    (profile,) = await bench.port.list_profiles(SUBSCRIPTION)
    assert [endpoint.status for endpoint in profile.endpoints] == [
        MonitorStatus.ONLINE,
        MonitorStatus.DEGRADED,
    ]


async def test_an_endpoint_is_disabled(bench: Bench) -> None:
    """A disabled endpoint stays in the list."""
    bench.disable("weu")
    (profile,) = await bench.port.list_profiles(SUBSCRIPTION)
    assert [(endpoint.enabled, endpoint.status) for endpoint in profile.endpoints] == [
        (False, MonitorStatus.DISABLED),
        (True, MonitorStatus.ONLINE),
    ]


async def test_what_routing_and_probing_rest_on() -> None:
    """Always served, places, headers, expected statuses and nestings come through the adapter as they are."""
    world = a_pair()
    inner = world.profiles["scepman"]
    inner.expected, inner.headers = ((200, 299), (403, 403)), {"Host": "scep.contoso.test"}
    weu, neu = inner.endpoints
    weu.always_serve, weu.headers, neu.places = True, {"X-Probe": "tm"}, ("DE", "GEO-AS")
    nested = EndpointState("eu", kind="nestedEndpoints", child=inner.id, least_children=2, least_ipv6=1)
    world.profiles["all"] = ProfileState("all", inner.resource_group, [nested])
    async with simulated(world) as here:
        adapter = TrafficManagerProfiles(here.credential, here.session, base_url=here.cloud.arm_url)
        found = {profile.name: profile for profile in await adapter.list_profiles(SUBSCRIPTION)}
        await adapter.aclose()
    said = found["scepman"]
    assert said.nested_in == (Nesting(profile="all", endpoint="eu", least=2, least_ipv6=1),)
    assert (said.monitor.expected, said.monitor.headers) == (
        ((200, 299), (403, 403)),
        (("Host", Value("scep.contoso.test")),),
    )
    west, north = said.endpoints
    assert (west.always_serve, west.headers, west.status) == (
        True,
        (("X-Probe", Value("tm")),),
        MonitorStatus.UNMONITORED,
    )
    assert north.geo_mapping == ("DE", "GEO-AS")
    (outer,) = found["all"].endpoints
    assert (outer.type, outer.status) == ("nestedEndpoints", MonitorStatus.DEGRADED)

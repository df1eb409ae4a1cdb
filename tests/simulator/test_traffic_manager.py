"""The simulated Traffic Manager concludes and answers as the documentation says."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.services import scepman, traffic_manager
from simulator.services.traffic_manager import answers, choose, concluded
from simulator.world import EndpointState, World
from tests.simulator.small_world import NORTH, PROFILE, SERVICE, WEST, contoso, running

W, N = f"{WEST}.azurewebsites.test", f"{NORTH}.azurewebsites.test"


@pytest.mark.parametrize(
    ("start", "tolerated", "probes", "end"),
    [
        ("CheckingEndpoint", 3, "+", "Online"),
        ("CheckingEndpoint", 3, "---", "CheckingEndpoint"),
        ("CheckingEndpoint", 3, "----", "Degraded"),
        ("Online", 3, "---", "Online"),
        ("Online", 3, "----", "Degraded"),
        ("Online", 3, "---+---", "Online"),
        ("Online", 0, "-", "Degraded"),
        ("Degraded", 3, "-----", "Degraded"),
        ("Degraded", 3, "+", "Online"),
        ("Degraded", 3, "+-", "Online"),
    ],
)
def test_probes_conclude(start: str, tolerated: int, probes: str, end: str) -> None:
    """Degraded takes one failure in a row more than are tolerated; one success is Online."""
    observed, failures = start, 0
    for probe in probes:
        observed, failures = concluded(observed, failures, tolerated, ok=probe == "+")
    assert observed == end


def world_in(west: str, north: str, **profile: object) -> World:
    """Two endpoints, each in a state that is observed, configured or both."""
    world = contoso(**profile)
    for endpoint, state in zip(world.profiles[PROFILE].endpoints, (west, north), strict=True):
        endpoint.enabled = state != "Disabled"
        endpoint.always_serve = state == "Unmonitored"
        if state == "Stopped":
            world.sites[endpoint.target_site].state = "Stopped"
        if state in traffic_manager.PROBED:
            endpoint.observed = state
    return world


@pytest.mark.parametrize(
    ("west", "north", "expected"),
    [
        ("Online", "Online", [W, N]),
        ("Online", "Degraded", [W]),
        ("CheckingEndpoint", "Online", [W, N]),
        ("Degraded", "Degraded", [W, N]),
        ("Degraded", "Disabled", [W]),
        ("Degraded", "Stopped", [W]),
        ("Degraded", "Unmonitored", [N]),
        ("Online", "Stopped", [W]),
        ("Disabled", "Disabled", []),
        ("Stopped", "Disabled", []),
    ],
)
def test_the_name_answers_the_endpoints_that_may_serve(west: str, north: str, expected: list[str]) -> None:
    """Degraded endpoints are answered only when no eligible one serves; disabled and stopped ones never."""
    world = world_in(west, north)
    assert answers(world.profiles[PROFILE], world) == expected


def test_a_disabled_profile_answers_nothing() -> None:
    """Its endpoints are Inactive."""
    world = contoso(enabled=False)
    assert answers(world.profiles[PROFILE], world) == []


def questions(world: World, count: int, client: str = "") -> Counter[str | None]:
    """Return who is answered how often."""
    profile = world.profiles[PROFILE]
    return Counter(choose(profile, world, turn=turn, client=client) for turn in range(count))


def test_routing_methods_choose() -> None:
    """Priority keeps to the first, Weighted follows the weights, Performance spreads over clients."""
    world = world_in("Online", "Online", routing="Priority")
    assert questions(world, 10) == {W: 10}
    world.profiles[PROFILE].endpoints[0].observed = "Degraded"
    assert questions(world, 10) == {N: 10}
    world = world_in("Online", "Online", routing="Weighted")
    world.profiles[PROFILE].endpoints[0].weight = 3
    assert questions(world, 8) == {W: 6, N: 2}
    world = world_in("Online", "Online")
    assert questions(world, 10) == {W: 5, N: 5}
    nearest = {
        client: set(questions(world, 5, client)) for client in ("192.0.2.0/24", "198.51.100.0/24", "x", "y")
    }
    assert all(len(chosen) == 1 for chosen in nearest.values())
    assert set().union(*nearest.values()) == {W, N}


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become so; TimeoutError when it does not."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- the world has no event for everything
            await asyncio.sleep(0.01)


async def test_the_prober_finds_a_lost_region_and_its_return(tmp_path: Path) -> None:
    """Online, Degraded after tolerated + 1 failures, Online again; the healthy region stays Online."""
    world = contoso()
    west, north = world.profiles[PROFILE].endpoints
    async with running(world, tmp_path, scepman.serve, traffic_manager.serve):
        await until(lambda: west.observed == north.observed == "Online")
        world.sites[WEST].faults.down = True
        await until(lambda: west.observed == "Degraded")
        assert west.failures >= world.profiles[PROFILE].tolerated + 1
        assert answers(world.profiles[PROFILE], world) == [N]
        world.sites[WEST].faults.down = False
        await until(lambda: west.observed == "Online")
    said = [happening.detail for happening in world.journal if happening.what == "endpoint-status"]
    assert said.count("north Online") == 1
    assert [name for name in said if name.startswith("west")] == [
        "west Online",
        "west Degraded",
        "west Online",
    ]
    assert world.count("monitor-probe", NORTH) >= 2
    assert world.count("probe", NORTH) == 0


@pytest.mark.parametrize("status", [301, 204])
async def test_only_200_is_up(tmp_path: Path, status: int) -> None:
    """A redirect and every other status are failures."""
    world = contoso(tolerated=0)
    world.sites[WEST].faults.status = status
    west, north = world.profiles[PROFILE].endpoints
    async with running(world, tmp_path, scepman.serve, traffic_manager.serve):
        await until(lambda: (west.observed, north.observed) == ("Degraded", "Online"))


async def test_the_profile_says_what_is_up_and_what_is_sent(tmp_path: Path) -> None:
    """Expected statuses; a Host header of the profile, and above it the endpoint's, in any casing."""
    world = contoso(tolerated=0, expected=((200, 299), (404, 404)), headers={"Host": SERVICE})
    world.sites[WEST].faults.status = 204
    west, north = world.profiles[PROFILE].endpoints
    async with running(world, tmp_path, scepman.serve, traffic_manager.serve):
        await until(lambda: west.observed == north.observed == "Online")
        world.profiles[PROFILE].expected = ((200, 299),)
        north.headers = {"host": "elsewhere.contoso.test"}  # App Service has no such site
        await until(lambda: (west.observed, north.observed) == ("Online", "Degraded"))


async def test_external_endpoints_are_probed(tmp_path: Path) -> None:
    """By their name, where one of the world's sites answers to it; an unknown one is found to be down."""
    world = contoso(tolerated=0)
    endpoints = world.profiles[PROFILE].endpoints
    endpoints[0] = EndpointState("west", kind="externalEndpoints", target=W)
    endpoints[1] = EndpointState("north", kind="externalEndpoints", target="nobody.contoso.test", priority=2)
    async with running(world, tmp_path, scepman.serve, traffic_manager.serve):
        await until(lambda: [endpoint.observed for endpoint in endpoints] == ["Online", "Degraded"])


async def test_access_restrictions_keep_the_prober_out(tmp_path: Path) -> None:
    """The app answers everybody else; the prober alone is refused."""
    world = contoso(tolerated=0)
    world.sites[WEST].faults.monitor_refused = True
    west, north = world.profiles[PROFILE].endpoints
    async with running(world, tmp_path, scepman.serve, traffic_manager.serve):
        await until(lambda: (west.observed, north.observed) == ("Degraded", "Online"))


async def test_a_disabled_or_stopped_endpoint_is_not_probed_and_begins_anew(tmp_path: Path) -> None:
    """After it is enabled again it is CheckingEndpoint until the first probe says more."""
    world = contoso()
    profile = world.profiles[PROFILE]
    west, north = profile.endpoints
    async with running(world, tmp_path, scepman.serve, traffic_manager.serve):
        await until(lambda: west.observed == north.observed == "Online")
        west.enabled = False
        world.stop_site(world.sites[NORTH], "a person")
        await until(lambda: west.observed == north.observed == "CheckingEndpoint")
        assert {world.monitor_status(profile, endpoint) for endpoint in profile.endpoints} == {
            "Disabled",
            "Stopped",
        }
        since = len(world.journal)
        await asyncio.sleep(0.3)
        assert world.count("monitor-probe", WEST, since=since) == 0
        west.enabled = True
        assert world.monitor_status(profile, west) == "CheckingEndpoint"
        await until(lambda: west.observed == "Online")
        world.start_site(world.sites[NORTH], "a person")
        await until(lambda: north.observed == "Online")

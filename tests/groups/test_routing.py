"""Who is answered to the devices of an endpoint that is taken out, and whose devices are not moved."""

import msgspec
import pytest

from shared.groups.model import Endpoint, MonitorStatus, Nesting, Profile
from shared.groups.routing import instead, stays
from tests.builders import a_profile, an_endpoint

ONLINE, DEGRADED, UNMONITORED = MonitorStatus.ONLINE, MonitorStatus.DEGRADED, MonitorStatus.UNMONITORED
CHECKING, STOPPED, DISABLED = MonitorStatus.CHECKING, MonitorStatus.STOPPED, MonitorStatus.DISABLED
METHODS = ("Performance", "Priority", "Weighted", "MultiValue", "Geographic", "Subnet", "Nearest")


def external(name: str, target: str = "scep.contoso.com", **changes: object) -> Endpoint:
    """An endpoint that Traffic Manager watches and that is no region."""
    return an_endpoint(name, type="externalEndpoints", target_id="", target=target, **changes)


def mapped(west: tuple[str, ...], east: tuple[str, ...]) -> Profile:
    """Two endpoints under Geographic routing."""
    return a_profile(
        an_endpoint("west", geo_mapping=west), an_endpoint("east", geo_mapping=east), routing="Geographic"
    )


@pytest.mark.parametrize(
    ("method", "by"),
    [
        ("Performance", ("east",)),
        ("Priority", ("east",)),
        ("weighted", ("east",)),
        ("MultiValue", ("east",)),
        ("Geographic", ()),
        ("Subnet", ()),
        ("Nearest", ()),
    ],
)
def test_who_is_answered_by_each_method(method: str, by: tuple[str, ...]) -> None:
    """By the devices' origin only one endpoint is answered; a method of a later Azure counts as no."""
    found = instead(a_profile(routing=method), "WEST")
    assert found.by == by
    assert by or found.reason == f"with {method} routing, some devices may be answered by west only"
    assert not by or found.reason == f"with {method} routing the others are answered: east"


@pytest.mark.parametrize(
    ("status", "enabled", "answered"),
    [
        (ONLINE, True, True),
        (UNMONITORED, True, True),
        (ONLINE, False, False),
        (DEGRADED, True, False),
        (CHECKING, True, False),
        (STOPPED, True, False),
    ],
)
def test_only_what_is_enabled_and_online_answers(
    status: MonitorStatus, *, enabled: bool, answered: bool
) -> None:
    """Of whatever type it is."""
    for other in (an_endpoint("east"), external("east")):
        it = msgspec.structs.replace(other, status=status, enabled=enabled)
        found = instead(a_profile(an_endpoint("west"), it), "west")
        assert bool(found.by) is answered
        assert answered or found.reason == "no other endpoint is enabled and online"


def test_no_profile_no_endpoint() -> None:
    """A disabled profile answers nothing; of a name that is no endpoint nothing is known."""
    assert instead(a_profile(enabled=False), "west").reason.startswith("the profile is disabled")
    assert instead(a_profile(), "south").reason == "south is no endpoint of scepman"


@pytest.mark.parametrize(
    ("west", "east", "left"),
    [
        (("DE", "GEO-AS"), ("WORLD",), None),
        (("US-CA",), ("US",), None),
        (("US-CA",), ("us-ca",), None),
        (("DE", "FR"), ("DE",), "FR"),
        (("US",), ("US-CA",), "US"),
        (("GEO-EU",), ("DE",), "GEO-EU"),
        (("WORLD",), ("DE",), "WORLD"),
        ((), ("WORLD",), ""),
    ],
)
def test_a_wider_place_answers_by_geography(
    west: tuple[str, ...], east: tuple[str, ...], left: str | None
) -> None:
    """A disabled endpoint takes no part in the matching: its country's, or the world's, endpoint is the next."""
    found = instead(mapped(west, east), "west")
    assert bool(found.by) is (left is None)
    only = "with Geographic routing, some devices may be answered by west only"
    assert left is None or found.reason == (f"{only} ({left})" if left else only)


def test_many_values_need_the_same_kind_of_address() -> None:
    """A device that asks for an IPv6 address is not answered an IPv4 one."""
    four, six = external("four", "192.0.2.1"), external("six", "2001:db8::1")
    profile = a_profile(four, external("also-four", "192.0.2.2"), six, routing="MultiValue")
    assert instead(profile, "four").by == ("also-four", "six")
    assert "an address that is IPv6" in instead(profile, "six").reason


@pytest.mark.parametrize(
    ("nesting", "why"),
    [
        (Nesting(profile="all", endpoint="eu"), ""),
        (
            Nesting(profile="all", endpoint="eu", least=2),
            "all wants 2 endpoints of scepman available, and 1 would",
        ),
        (
            Nesting(profile="all", endpoint="eu", least_ipv4=1),
            "all wants 1 IPv4 endpoints of scepman available",
        ),
        (
            Nesting(profile="all", endpoint="eu", least_ipv6=1),
            "all wants 1 IPv6 endpoints of scepman available",
        ),
    ],
)
def test_a_profile_above_wants_a_minimum_of_children(nesting: Nesting, why: str) -> None:
    """Below it Traffic Manager takes the whole profile out, with whoever is left in it."""
    found = instead(a_profile(nested_in=(nesting,)), "west")
    assert bool(found.by) is not bool(why)
    assert why in found.reason


def test_what_is_always_served_stays() -> None:
    """Traffic Manager does not probe it; a person disables it, and to whom that leads is said."""
    profile = a_profile(an_endpoint("west", status=UNMONITORED, always_serve=True), an_endpoint("east"))
    said = str(stays(profile, "west"))
    assert said.startswith("traffic will not move: west is always served (alwaysServe)")
    assert "disable the endpoint west" in said
    assert "led to east" in said
    assert stays(profile, "east") is None
    alone = str(stays(a_profile(an_endpoint("west", always_serve=True)), "west"))
    assert "first see that another endpoint can answer" in alone


@pytest.mark.parametrize("method", METHODS)
def test_by_origin_a_failing_endpoint_is_answered_all_the_same(method: str) -> None:
    """Geographic and Subnet routing do not fail over; the others do."""
    found = stays(
        a_profile(an_endpoint("west", status=DEGRADED), an_endpoint("east"), routing=method), "west"
    )
    assert (found is not None) is (method in {"Geographic", "Subnet"})
    assert found is None or "nested profile" in str(found)


def test_a_wider_place_is_a_way_out() -> None:
    """Traffic Manager does not take it by itself; who disables the endpoint leads its devices there."""
    assert "disable the endpoint west; its devices are then led to east" in str(
        stays(mapped(("DE",), ("WORLD",)), "west")
    )


@pytest.mark.parametrize("status", [STOPPED, MonitorStatus.INACTIVE])
def test_what_is_not_answered_does_not_stay(status: MonitorStatus) -> None:
    """Stopped, inactive, disabled or gone: no device is sent there."""
    west = an_endpoint("west", status=status, always_serve=True)
    assert stays(a_profile(west, an_endpoint("east")), "west") is None
    off = an_endpoint("west", enabled=False, status=DISABLED, always_serve=True)
    assert stays(a_profile(off, an_endpoint("east")), "west") is None
    assert stays(a_profile(), "south") is None

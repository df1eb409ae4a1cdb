"""Decide whether the other endpoints of a profile are answered to the devices of one of them. Pure.

Whatever takes an endpoint out of DNS asks `instead`: the failback hold, drills, and the permit itself (law 1).
Incidents ask `stays`: whether Traffic Manager moves the devices of an endpoint that does not answer.

What each routing method does is from Microsoft's pages *Traffic Manager routing methods*, *endpoint monitoring* and
*nested profiles*. What they leave open counts as no: a device that may be answered by nobody is not risked.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final

import msgspec

from shared.groups.model import Endpoint, MonitorStatus, Profile

ANSWERED: Final = frozenset(
    {MonitorStatus.ONLINE, MonitorStatus.UNMONITORED}
)  # and known to be: not Checking
_BY_ORIGIN: Final = frozenset(
    {"geographic", "subnet"}
)  # a device is answered by the one endpoint of its origin
_ANYWHERE: Final = frozenset({"performance", "priority", "weighted", "multivalue"})
_WORLD: Final = "WORLD"


class Instead(msgspec.Struct, frozen=True):
    """The endpoints that are answered when one is taken out; none: its devices would be answered by nobody."""

    by: tuple[str, ...]
    reason: str


class Stays(msgspec.Struct, frozen=True):
    """The reason why Traffic Manager goes on answering a failed endpoint, and the remedy."""

    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"traffic will not move: {self.reason}. To move it: {self.remedy}"


def instead(profile: Profile, name: str) -> Instead:
    """Return who is answered to the devices of an endpoint once it is taken out of DNS."""
    if not profile.enabled:
        return Instead((), "the profile is disabled: its name does not exist at all")
    own = next((endpoint for endpoint in profile.endpoints if endpoint.name.lower() == name.lower()), None)
    others = [
        endpoint
        for endpoint in profile.endpoints
        if endpoint is not own and endpoint.enabled and endpoint.status in ANSWERED
    ]
    if own is None:
        return Instead((), f"{name} is no endpoint of {profile.name}")
    if not others:
        return Instead((), "no other endpoint is enabled and online")
    if why := _unanswered(profile, own, others) or _too_few(profile, others):
        return Instead((), why)
    names = tuple(other.name for other in others)
    return Instead(names, f"with {profile.routing} routing the others are answered: {', '.join(names)}")


def _unanswered(profile: Profile, own: Endpoint, others: Iterable[Endpoint]) -> str:
    """Return why the routing method does not lead the devices of `own` to the others; empty: it does."""
    method = profile.routing.lower()
    if method == "geographic":
        # A disabled endpoint takes no part in the matching: a wider place is the next match.
        given = {code.upper() for other in others for code in other.geo_mapping}
        left = [code for code in own.geo_mapping if not _is_within(code.upper(), given)]
        if left or not own.geo_mapping:
            return _only(profile, own, f" ({', '.join(left)})" if left else "")
    elif method == "multivalue":
        missing = _families(own) - {family for other in others for family in _families(other)}
        if missing:
            return f"with MultiValue routing no other endpoint has an address that is {' or '.join(sorted(missing))}"
    elif (
        method not in _ANYWHERE
    ):  # Subnet: who answers the subnets of a disabled endpoint is documented nowhere
        return _only(profile, own)
    return ""


def _only(profile: Profile, own: Endpoint, places: str = "") -> str:
    return f"with {profile.routing} routing, some devices may be answered by {own.name} only{places}"


def _is_within(code: str, given: set[str]) -> bool:
    """Return whether a place lies in one of those given: itself, the country of a state, or the world."""
    return bool({code, _WORLD} & given) or any(code.startswith(f"{name}-") for name in given)


def _families(endpoint: Endpoint) -> set[str]:
    """Return the kinds of address that an endpoint stands for."""
    try:
        return {f"IPv{ipaddress.ip_address(endpoint.target).version}"}
    except ValueError:
        return {"a name"}


def _too_few(profile: Profile, others: list[Endpoint]) -> str:
    """Return why a profile above takes this whole profile out when only the others are left; empty: it does not."""
    families = [family for other in others for family in _families(other)]
    for nesting in profile.nested_in:
        wanted = (("", nesting.least), ("IPv4 ", nesting.least_ipv4), ("IPv6 ", nesting.least_ipv6))
        for kind, least in wanted:
            left = len(others) if not kind else families.count(kind.strip())
            if left < least:
                return (
                    f"{nesting.profile} wants {least} {kind}endpoints of {profile.name} available, and {left} would "
                    f"be left: its endpoint {nesting.endpoint} would be taken out as a whole"
                )
    return ""


def stays(profile: Profile, name: str) -> Stays | None:
    """Return why the devices of an endpoint that does not answer stay with it; None: Traffic Manager moves them."""
    own = next((endpoint for endpoint in profile.endpoints if endpoint.name == name), None)
    if own is None or not own.enabled or own.status in {MonitorStatus.STOPPED, MonitorStatus.INACTIVE}:
        return None
    found = instead(profile, name)
    to = f"its devices are then led to {', '.join(found.by)}" if found.by else ""
    if own.always_serve or own.status is MonitorStatus.UNMONITORED:
        reason = f"{name} is always served (alwaysServe), so Traffic Manager does not probe it"
        off = f"disable the endpoint {name}, or set its alwaysServe to Disabled"
        return Stays(
            reason, f"{off}; {to}" if to else f"first see that another endpoint can answer: {found.reason}"
        )
    if profile.routing.lower() in _BY_ORIGIN:
        reason = (
            f"with {profile.routing} routing an endpoint is answered to its devices whether it works or not"
        )
        give = "give its places or subnets to another endpoint, or put two endpoints into a nested profile"
        return Stays(reason, f"disable the endpoint {name}; {to}" if to else give)
    return None

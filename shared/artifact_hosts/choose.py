"""The choice of a package host for each region: keep, rotate, exhausted or held, each with its reason. Pure.

A region is moved when its host is down, when regions share a host while another one is well, and back to a
preferred host that has been well for long. Never to an older or a different package, another channel or another
operating system's file: what a person may order beyond that stands in `ordered`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from shared.artifact_hosts.catalogue import BROKEN, Catalogue
from shared.artifact_hosts.compare import Comparison, Relation, before, compare
from shared.artifact_hosts.history import SHAKY, is_old, relied_on_from, state_of, well_for
from shared.artifact_hosts.model import (
    HostState,
    Location,
    Order,
    Origin,
    Package,
    Refused,
    Rules,
    Use,
    Watch,
)
from shared.groups.model import Os
from shared.words import moment

KNOWN = frozenset({Origin.CATALOGUE, Origin.LISTED})
FIT = frozenset({Relation.EQUAL, Relation.NEWER})  # what a region may get without being asked
_WITH = {Relation.EQUAL: "the same package", Relation.NEWER: "a newer package"}


class Keep(msgspec.Struct, frozen=True, tag="keep"):
    """The region stays where it is."""

    region: str
    reason: str


class Rotate(msgspec.Struct, frozen=True, tag="rotate"):
    """The region is to take its package from another host."""

    region: str
    to: Location
    package: Package | None
    reason: str


class Exhausted(msgspec.Struct, frozen=True, tag="exhausted"):
    """The region's host is down, and there is no other place for it."""

    region: str
    reason: str
    unsure: bool = False  # a host may serve it, and is not relied on: it answers, or was not looked at lately


class Held(msgspec.Struct, frozen=True, tag="held"):
    """Something should be done that only a person may decide."""

    region: str
    reason: str
    way_out: str


type Choice = Keep | Rotate | Exhausted | Held


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """The facts from which a choice is made."""

    uses: Sequence[Use]
    systems: Mapping[str, Os]  # by region
    watches: Mapping[str, Watch]  # by location id
    refused: Sequence[Refused] = ()
    down: frozenset[str] = frozenset()  # regions that are down
    now: datetime

    def state(self, location: Location, rules: Rules) -> HostState:
        """A location's state; a host that the vendor shut down is down whatever it answers, and so is none at all."""
        if location.origin in {Origin.RETIRED, Origin.BROKEN}:
            return HostState.DOWN
        return state_of(self.watches.get(location.id), self.now, rules)

    def problem(self, location: Location) -> str:
        """Return what is wrong with a location."""
        if location.origin is Origin.RETIRED:
            return "the vendor shut this host down in December 2024"
        if location.origin is Origin.BROKEN:
            return BROKEN[location.channel]
        watch = self.watches.get(location.id)
        return watch.problem if watch else "not checked yet"


def choose(scene: Scene, catalogue: Catalogue, rules: Rules) -> tuple[Choice, ...]:
    """One choice for each region, in the order of `scene.uses`. At most one is Rotate: they take place in turn."""
    choices = {use.region: _must(use, scene, catalogue, rules) for use in scene.uses}
    if not any(isinstance(choice, Rotate) for choice in choices.values()):
        for use in _movable(scene, rules):
            better = _may(use, scene, catalogue, rules)
            if better is not None:
                choices[use.region] = better
                break
    moving = next((choice for choice in choices.values() if isinstance(choice, Rotate)), None)
    return tuple(_after(choices[use.region], moving) for use in scene.uses)


def _after(choice: Choice, moving: Rotate | None) -> Choice:
    """Of several regions that must move one goes first; the others are chosen for anew when it has arrived."""
    if isinstance(choice, Rotate) and choice is not moving and moving is not None:
        return Keep(choice.region, f"{choice.reason}; {moving.region} is moved first")
    return choice


# -- a region whose host is down, or whose file is not its own ----------------------------------------------------


def _must(use: Use, scene: Scene, catalogue: Catalogue, rules: Rules) -> Choice:
    location, region = use.location, use.region
    if location is None:
        return Keep(region, use.why)
    system = scene.systems[region]
    if location.os not in {None, system}:
        why = f"{location} is the file for another operating system than the region's, {system}"
        return Held(region, why, f"counterpart package rotate --region {region} --reason TEXT")
    if scene.state(location, rules) is not HostState.DOWN:
        return Keep(region, _fine(location, scene, rules))
    return _elsewhere(use, location, scene, catalogue, rules)


def _elsewhere(use: Use, location: Location, scene: Scene, catalogue: Catalogue, rules: Rules) -> Choice:
    """Return what to do about a region whose host is down."""
    region, down = use.region, f"{location} is down: {scene.problem(location) or SHAKY}"
    twins = places(use, scene, catalogue)
    if location.origin is Origin.BROKEN:
        down = scene.problem(location)
        if twins and region not in scene.down:
            return Held(region, down, f"counterpart package rotate --region {region} --reason TEXT")
    unsure = any(_may_serve(twin, scene, rules) for twin in (location, *twins))
    if not twins:
        return Exhausted(region, f"{down}; {_no_twin(location)}", unsure)
    up = [twin for twin in twins if scene.state(twin, rules) is HostState.UP]
    if not up:
        others = "; ".join(_not_up(twin, scene, rules) for twin in twins)
        return Exhausted(region, f"{down}; {others}", unsure)
    return _best(use, up, scene, rules, why=down)


def places(use: Use, scene: Scene, catalogue: Catalogue) -> tuple[Location, ...]:
    """Return where the region could take its package from instead.

    Its own channel's other hosts; where its setting says of none, or it is down and has no other host, those of the
    package that the other regions run.
    """
    location, system = use.location, scene.systems[use.region]
    if location is None:
        return ()
    own = catalogue.twins(location, system)
    if own or (location.origin is not Origin.BROKEN and use.region not in scene.down):
        return own
    theirs: dict[str, Location] = {}
    for peer in scene.uses:
        if peer.region != use.region and peer.location and peer.location.origin in KNOWN:
            mine = (peer.location,) if peer.location.os is system else ()
            theirs |= {twin.id: twin for twin in (*mine, *catalogue.twins(peer.location, system))}
    return tuple(theirs.values())


def _best(use: Use, up: Sequence[Location], scene: Scene, rules: Rules, *, why: str) -> Choice:
    """The best of the hosts that are up, or why none of them will do by itself."""
    seen = {location.id: _seen_from(use, location, scene) for location in up}
    fit = [
        location
        for location in up
        if seen[location.id].relation in FIT and not _failed_before(use, location, scene)
    ]
    if not fit:
        failed = "; ".join(
            f"{use.region} did not come back with the package of {location}"
            if _failed_before(use, location, scene)
            else f"{location} has a package that is {seen[location.id].relation}: {seen[location.id].how}"
            for location in up
        )
        way_out = f"counterpart package rotate --region {use.region} --force --reason TEXT"
        return Held(use.region, f"{why}; {failed}", way_out)
    shared = Counter(item.location.host for item in scene.uses if item.location and item.region != use.region)
    wished = _wished(use, rules)
    best = min(
        fit,
        key=lambda it: (
            seen[it.id].relation is not Relation.EQUAL,
            shared[it.host],
            it.host.lower() != wished,
            it.id,
        ),
    )
    return _rotate(use, best, scene, f"{why}; {best} is up with {_WITH[seen[best.id].relation]}")


def _rotate(use: Use, to: Location, scene: Scene, reason: str) -> Rotate:
    return Rotate(use.region, to, scene.watches[to.id].package, reason)


def _seen_from(use: Use, to: Location, scene: Scene) -> Comparison:
    """Return what the package at `to` is to the region's own: what it runs, or what its host had when last read."""
    here = scene.watches.get(use.location.id) if use.location else None
    there = scene.watches.get(to.id)
    own = use.running.package or (here.package if here else None)
    if own is None and (_is_broken(use) or use.region in scene.down):
        own = _theirs(use, scene)
    return compare(
        there.package if there else None,
        own,
        before_one=before(there.served, there.package) if there else (),
        before_other=before(here.served, own) if here else (),
    )


def _is_broken(use: Use) -> bool:
    return use.location is not None and use.location.origin is Origin.BROKEN


def _theirs(use: Use, scene: Scene) -> Package | None:
    """The package that the other regions run, for a region of which none is known: they are to be alike."""
    for peer in scene.uses:
        watch = scene.watches.get(peer.location.id) if peer.location and peer.region != use.region else None
        if watch is not None and watch.package is not None:
            return watch.package
    return None


def _failed_before(use: Use, to: Location, scene: Scene) -> bool:
    watch = scene.watches.get(to.id)
    digest = watch.package.digest if watch and watch.package else ""
    return Refused(use.region, to.id, digest) in scene.refused


def _may_serve(location: Location, scene: Scene, rules: Rules) -> bool:
    """Return whether it is not known that nobody would get a package there now."""
    return scene.state(location, rules) is not HostState.DOWN or not scene.problem(location)


def _not_up(location: Location, scene: Scene, rules: Rules) -> str:
    """Return how a location is that is not relied on: what was seen there and when, and what is waited for."""
    watch = scene.watches.get(location.id)
    if watch is not None and watch.glances and is_old(watch.glances[-1].at, scene.now, rules):
        return f"{location} was last checked {moment(watch.glances[-1].at)}: {watch.problem or 'good'}"
    if watch is not None and watch.good_since is not None:
        since, until = moment(watch.good_since), moment(relied_on_from(watch, rules))
        return f"{location} answers since {since} and is relied on from {until} on, if every check is good"
    return f"{location} is {scene.state(location, rules)}, last check: {scene.problem(location)}"


def _no_twin(location: Location) -> str:
    if location.origin is Origin.UNLISTED:
        return "it is no host of the vendor's, and COUNTERPART_PACKAGE_TWINS lists no twin for it"
    if location.origin is Origin.LISTED:
        return f"COUNTERPART_PACKAGE_TWINS lists no other URL for {location.channel}"
    return f"the {location.channel} channel is published at one host only"


def _fine(location: Location, scene: Scene, rules: Rules) -> str:
    state = scene.state(location, rules)
    if state is HostState.UP:
        return f"{location} is up"
    return f"{location}: last check: {scene.problem(location) or 'good'}; not enough checks yet to say more"


# -- a region that could stand better -----------------------------------------------------------------------------


def _movable(scene: Scene, rules: Rules) -> list[Use]:
    """Regions in the order in which they are moved: those not at home first, those at home last."""
    placed = [
        use for use in scene.uses if use.location is not None and use.location.origin is not Origin.UNLISTED
    ]

    def turn(use: Use) -> tuple[int, int]:
        wished = _wished(use, rules)
        here = use.location.host.lower() if use.location else ""
        # Of two regions without a wish the second one moves, as in the vendor's architecture.
        return (1 if not wished else 2 if wished == here else 0), -placed.index(use)

    return sorted(placed, key=turn)


def _wished(use: Use, rules: Rules) -> str:
    """The host that a region is to be at: the configured one, else the one that it came from."""
    return rules.preferred.get(use.region.lower(), use.home.lower())


def _may(use: Use, scene: Scene, catalogue: Catalogue, rules: Rules) -> Rotate | None:
    location = use.location
    if location is None or scene.state(location, rules) is not HostState.UP:
        return None
    system = scene.systems[use.region]
    if location.os is not system:
        return None
    on = Counter(use.location.host for use in scene.uses if use.location)
    up = [twin for twin in catalogue.twins(location, system) if scene.state(twin, rules) is HostState.UP]

    def fits(to: Location) -> bool:
        seen = _seen_from(use, to, scene)
        return seen.relation in FIT and not _failed_before(use, to, scene)

    wished = _wished(use, rules)
    for to in sorted(up, key=lambda it: (on[it.host], it.host.lower() != wished, it.id)):
        if on[location.host] - on[to.host] > 1 and fits(to):
            many = f"{on[location.host]} regions use {location.host} and {on[to.host]} use {to.host}"
            return _rotate(use, to, scene, f"{many}, and both hosts are up")
    for to in up:
        preferred = to.host.lower() == rules.preferred.get(use.region.lower())
        if not preferred or on[to.host] >= on[location.host] or not fits(to):
            continue
        if well_for(scene.watches[to.id], scene.now) >= timedelta(seconds=rules.back_after):
            hours = rules.back_after / 3600
            return _rotate(use, to, scene, f"{to.host} is preferred and has been well for {hours:g} h")
    return None


# -- what a person ordered ----------------------------------------------------------------------------------------


def ordered(order: Order, scene: Scene, catalogue: Catalogue, rules: Rules) -> Rotate | Held:
    """The rotation that a person asked for, or why it is not made."""
    region = order.regions[0]
    use = next((use for use in scene.uses if use.region == region), None)
    if use is None or use.location is None:
        return Held(region, use.why if use else f"{region} is no region of this group", "")
    twins = places(use, scene, catalogue)
    wanted = [twin for twin in twins if not order.to or twin.host.lower() == order.to.lower()]
    if not wanted:
        known = ", ".join(twin.host for twin in twins)
        why = f"the other hosts are {known}" if known else _no_twin(use.location)
        return Held(region, f"{order.to or 'another host'} cannot be rotated to: {why}", "")
    said = f"ordered by {order.by}" + (f": {order.reason}" if order.reason else "")
    fit = [location for location in wanted if not _objection(use, location, scene, rules)]
    if fit:
        shared = Counter(use.location.host for use in scene.uses if use.location)
        return _rotate(use, min(fit, key=lambda it: (shared[it.host], it.id)), scene, said)
    forced = [location for location in wanted if order.forced and location.id in scene.watches]
    if forced:
        return _rotate(use, forced[0], scene, said)
    why = "; ".join(f"{location}: {_objection(use, location, scene, rules)}" for location in wanted)
    return Held(region, why, f"counterpart package rotate --region {region} --force --reason TEXT")


def _objection(use: Use, to: Location, scene: Scene, rules: Rules) -> str:
    """Return what speaks against a rotation that was asked for."""
    if scene.state(to, rules) is not HostState.UP:
        return f"it is {scene.state(to, rules)}, last check: {scene.problem(to) or 'good'}"
    seen = _seen_from(use, to, scene)
    if seen.relation not in FIT:
        return f"its package is {seen.relation}: {seen.how}"
    if _failed_before(use, to, scene):
        return f"{use.region} did not come back with its package"
    on = {item.location.host for item in scene.uses if item.location and item.region != use.region}
    well = use.location is not None and scene.state(use.location, rules) is HostState.UP
    if to.host in on and well:
        return "another region takes its package from there, and both hosts are up"
    return ""

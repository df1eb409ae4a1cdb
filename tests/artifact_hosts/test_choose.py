"""Where regions should get their packages: example by example, and as laws over many scenes."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.artifact_hosts.catalogue import Catalogue, Twins
from shared.artifact_hosts.choose import Choice, Exhausted, Held, Keep, Rotate, Scene, choose, ordered
from shared.artifact_hosts.compare import Relation, before, compare
from shared.artifact_hosts.model import (
    Glance,
    HostState,
    Location,
    Order,
    Origin,
    Package,
    Refused,
    Rules,
    Running,
    Served,
    Use,
    Watch,
    Work,
)
from shared.groups.model import Os, Value
from tests.artifact_hosts.hosting import (
    DEFERRED_URL,
    ONE_URL,
    OWN,
    TWO_URL,
    a_location,
    a_package,
    a_use,
    a_watch,
)
from tests.fakes.clock import START

KNOWN = Catalogue(
    twins=(
        *OWN,
        Twins(
            "three",
            Os.WINDOWS,
            tuple(Value(f"https://st{name}.blob.core.windows.net/zip/a.zip") for name in ("a", "b", "c")),
        ),
    )
)
GITHUB, VENDOR = a_location("github"), a_location("vendor")
A, B = a_package("a"), a_package("b")


def a_scene(*uses: Use, watches: Sequence[Watch], os: Os = Os.WINDOWS, **changes: object) -> Scene:
    plain = Scene(
        uses=uses,
        systems={use.region: os for use in uses},
        watches={watch.location.id: watch for watch in watches},
        now=START,
    )
    return msgspec.structs.replace(plain, **changes)


def chosen(scene: Scene, rules: Rules | None = None) -> tuple[Choice, ...]:
    return choose(scene, KNOWN, rules or Rules())


def pair(west: Location = GITHUB, east: Location = VENDOR) -> tuple[Use, Use]:
    return a_use("west", west), a_use("east", east)


def test_well_placed_regions_stay() -> None:
    """Two hosts are up, each serves a region: nothing is to be done."""
    scene = a_scene(*pair(), watches=[a_watch(GITHUB), a_watch(VENDOR)])
    assert all(isinstance(choice, Keep) and "is up" in choice.reason for choice in chosen(scene))


def test_a_region_leaves_a_dead_host() -> None:
    """To the twin that is up with the same package; the other region stays."""
    scene = a_scene(*pair(), watches=[a_watch(GITHUB, HostState.DOWN), a_watch(VENDOR)])
    west, east = chosen(scene)
    assert isinstance(west, Rotate)
    assert west.to == VENDOR
    assert "is down" in west.reason
    assert "the same package" in west.reason
    assert isinstance(east, Keep)


MINUTE = timedelta(minutes=1)
BAD, GOOD = Glance(START, "answered 503", 5, 20_000), Glance(START, "", 5, 20_000)
LONG_AGO = START - timedelta(minutes=19)


@pytest.mark.parametrize(
    ("vendor", "unsure", "says"),
    [
        (a_watch(VENDOR, HostState.DOWN), False, "vendor (prod, windows) is down, last check: no answer"),
        (
            a_watch(VENDOR, HostState.DOWN, glances=(GOOD,), good=2, good_since=START - 5 * MINUTE),
            True,
            "answers since 2026-03-02 11:55:00 UTC and is relied on from 2026-03-02 12:15:00 UTC on, if every",
        ),
        (
            a_watch(VENDOR, HostState.UNKNOWN, glances=(BAD,), good_since=None),
            True,
            "vendor (prod, windows) is unknown, last check: answered 503",
        ),
        (
            a_watch(VENDOR, HostState.DOWN, glances=(msgspec.structs.replace(BAD, at=LONG_AGO),)),
            True,
            "vendor (prod, windows) was last checked 2026-03-02 11:41:00 UTC: answered 503",
        ),
        (
            a_watch(VENDOR, glances=(msgspec.structs.replace(GOOD, at=LONG_AGO),)),
            True,
            "vendor (prod, windows) was last checked 2026-03-02 11:41:00 UTC: good",
        ),
        (
            a_watch(VENDOR, HostState.UNKNOWN, glances=(), good_since=None),
            True,
            "vendor (prod, windows) is unknown, last check: not checked yet",
        ),
        (None, True, "vendor (prod, windows) is unknown, last check: not checked yet"),
    ],
)
def test_nowhere_to_go(vendor: Watch | None, unsure: bool, says: str) -> None:  # noqa: FBT001 -- a table
    """Without another host that is up there is no way out; none is left only when all are known to be down."""
    watches = [a_watch(GITHUB, HostState.DOWN), *([vendor] if vendor else [])]
    west, _ = chosen(a_scene(*pair(), watches=watches))
    assert isinstance(west, Exhausted)
    assert says in west.reason
    assert west.unsure is unsure


def test_the_regions_own_host_may_be_back() -> None:
    """It answers again, and is not relied on yet: that no host is left is not said."""
    back = a_watch(GITHUB, HostState.DOWN, glances=(GOOD,), good=1, good_since=START)
    west, _ = chosen(a_scene(*pair(), watches=[back, a_watch(VENDOR, HostState.DOWN)]))
    assert isinstance(west, Exhausted)
    assert west.unsure
    deferred = KNOWN.locate(Value(DEFERRED_URL))
    for unsure in (True, False):
        watch = a_watch(deferred, HostState.DOWN, glances=(GOOD if unsure else BAD,))
        alone = a_scene(a_use("west", deferred), a_use("east", VENDOR), watches=[watch])
        found = chosen(alone)[0]
        assert isinstance(found, Exhausted)
        assert found.unsure is unsure


def test_a_host_that_has_just_come_back_is_said_to_be_down_still() -> None:
    """One good check does not make it up, and the reason has no hole where the last problem would stand."""
    back = a_watch(GITHUB, HostState.DOWN, glances=(Glance(START, "", 5, 20_000),))
    (choice, _) = chosen(a_scene(*pair(), watches=[back, a_watch(VENDOR)]))
    assert choice.reason == (
        f"{GITHUB} is down: its last check was good, and few before it; {VENDOR} is up with the same package"
    )


def test_a_host_that_is_only_unsure_is_not_left() -> None:
    """One or two bad checks, or none lately, are no reason to restart an app."""
    unsure = a_watch(GITHUB, HostState.UNKNOWN)
    assert isinstance(chosen(a_scene(*pair(), watches=[unsure, a_watch(VENDOR)]))[0], Keep)
    old = a_watch(GITHUB, HostState.DOWN)
    late = a_scene(*pair(), watches=[old, a_watch(VENDOR)], now=START + timedelta(hours=1))
    assert isinstance(chosen(late)[0], Keep)


@pytest.mark.parametrize(
    ("there", "said"),
    [(a_package("b"), "different"), (None, "unknown")],
)
def test_another_package_waits_for_a_person(there: Package | None, said: str) -> None:
    """A host with a different package, or one never read, is not rotated to by itself."""
    scene = a_scene(*pair(), watches=[a_watch(GITHUB, HostState.DOWN), a_watch(VENDOR, package=there)])
    west, _ = chosen(scene)
    assert isinstance(west, Held)
    assert said in west.reason
    assert "--force" in west.way_out


def test_a_stale_copy_waits_for_a_person() -> None:
    """The vendor's host kept the old version (its publish step failed): that would be a downgrade."""
    served = (Served(A, START - timedelta(days=9)), Served(B, START - timedelta(days=1)))
    scene = a_scene(*pair(), watches=[a_watch(GITHUB, HostState.DOWN, served=served), a_watch(VENDOR)])
    west, _ = chosen(scene)
    assert isinstance(west, Held)
    assert "older" in west.reason


def test_what_the_region_runs_counts_more_than_what_its_host_had() -> None:
    """A region that still runs the old version may go where the old version is: that changes nothing for it."""
    served = (Served(A, START - timedelta(days=9)), Served(B, START - timedelta(days=1)))
    west = a_use("west", GITHUB, running=Running(package=A, package_at=START))
    scene = a_scene(
        west, a_use("east", VENDOR), watches=[a_watch(GITHUB, HostState.DOWN, served=served), a_watch(VENDOR)]
    )
    choice = chosen(scene)[0]
    assert isinstance(choice, Rotate)
    assert choice.package == A


def test_a_newer_package_is_taken() -> None:
    """Every restart takes the channel's newest: a newer one at the other host is no reason to stay on a dead one."""
    served = (Served(A, START - timedelta(days=9)), Served(B, START - timedelta(days=1)))
    scene = a_scene(*pair(), watches=[a_watch(GITHUB, HostState.DOWN), a_watch(VENDOR, served=served)])
    west, _ = chosen(scene)
    assert isinstance(west, Rotate)
    assert "a newer package" in west.reason


def test_a_package_that_failed_here_is_not_tried_again() -> None:
    """The region did not come back with it; a new package of that host may be tried."""
    watches = [a_watch(GITHUB, HostState.DOWN), a_watch(VENDOR)]
    failed = Refused("west", VENDOR.id, watches[1].package.digest if watches[1].package else "")
    west, _ = chosen(a_scene(*pair(), watches=watches, refused=[failed]))
    assert isinstance(west, Held)
    assert "did not come back" in west.reason


def test_regions_are_spread() -> None:
    """While two hosts are up, two regions do not share one; the second region moves, one at a time."""
    scene = a_scene(*pair(GITHUB, GITHUB), watches=[a_watch(GITHUB), a_watch(VENDOR)])
    west, east = chosen(scene)
    assert isinstance(west, Keep)
    assert isinstance(east, Rotate)
    assert east.to == VENDOR


def test_the_one_that_came_from_there_goes_back() -> None:
    """After an outage the region that was moved returns; the other one was never touched and stays so."""
    west = a_use("west", VENDOR, home="github")
    scene = a_scene(west, a_use("east", VENDOR), watches=[a_watch(GITHUB), a_watch(VENDOR)])
    back, stays = chosen(scene)
    assert isinstance(back, Rotate)
    assert isinstance(stays, Keep)


def test_both_on_a_dead_host_go_one_after_the_other() -> None:
    """Two regions must move: one now, the other one when the first has arrived."""
    scene = a_scene(*pair(GITHUB, GITHUB), watches=[a_watch(GITHUB, HostState.DOWN), a_watch(VENDOR)])
    west, east = chosen(scene)
    assert isinstance(west, Rotate)
    assert isinstance(east, Keep)
    assert "west is moved first" in east.reason


@pytest.mark.parametrize(("hours", "moves"), [(23, False), (25, True)])
def test_back_to_the_preferred_host(hours: int, moves: bool) -> None:  # noqa: FBT001 -- a table
    """When it has been well for 24 hours, and when that puts nobody onto one host."""
    a, b, c = (KNOWN.locate(Value(f"https://st{name}.blob.core.windows.net/zip/a.zip")) for name in "abc")
    rules = Rules(preferred={"west": a.host})
    watches = [a_watch(a, good_for=timedelta(hours=hours)), a_watch(b), a_watch(c)]
    west, east = chosen(a_scene(a_use("west", b), a_use("east", c), watches=watches), rules)
    assert isinstance(west, Rotate) is moves
    assert isinstance(east, Keep)
    # With two hosts only, east is where west would like to be: being apart counts more.
    swapped = a_scene(
        *pair(VENDOR, GITHUB), watches=[a_watch(GITHUB, good_for=timedelta(days=9)), a_watch(VENDOR)]
    )
    assert all(isinstance(choice, Keep) for choice in chosen(swapped, Rules(preferred={"west": "github"})))


OURS = tuple(KNOWN.locate(Value(f"https://st{name}.blob.core.windows.net/zip/a.zip")) for name in "abc")


@pytest.mark.parametrize("wish", [1, 2])
@pytest.mark.parametrize("at_home", [False, True])
def test_of_hosts_that_are_as_good_the_wished_one_is_taken(wish: int, *, at_home: bool) -> None:
    """The configured one, or the one that it came from, in any capitals."""
    here, wished = OURS[0], OURS[wish]
    west = a_use("West", here, home=wished.host.upper() if at_home else "")
    rules = Rules() if at_home else Rules(preferred={"west": wished.host})
    others = [a_watch(location) for location in OURS[1:]]
    left = a_scene(west, watches=[a_watch(here, HostState.DOWN), *others])
    (choice,) = chosen(left, rules)
    assert isinstance(choice, Rotate)
    assert choice.to == wished
    assert choice.reason == f"{here} is down: no answer within 10 s; {wished} is up with the same package"
    spread = a_scene(a_use("a", here), west, watches=[a_watch(here), *others])
    _, choice = chosen(spread, rules)
    assert isinstance(choice, Rotate)
    assert choice.to == wished
    assert choice.reason == f"2 regions use {here.host} and 0 use {wished.host}, and both hosts are up"


def test_the_same_package_counts_more_than_a_host_of_its_own() -> None:
    """And a host that no other region uses counts more than a wish."""
    a, b, c = OURS
    newer = (Served(A, START - timedelta(days=9)), Served(B, START - timedelta(days=1)))
    uses = (a_use("west", a), a_use("east", b))
    down = a_watch(a, HostState.DOWN, package=A)
    one, _ = chosen(a_scene(*uses, watches=[down, a_watch(b, package=A), a_watch(c, served=newer)]))
    assert isinstance(one, Rotate)
    assert one.to == b
    alike = [down, a_watch(b, package=A), a_watch(c, package=A)]
    other, _ = chosen(a_scene(*uses, watches=alike), Rules(preferred={"west": b.host}))
    assert isinstance(other, Rotate)
    assert other.to == c


def test_a_region_at_home_is_the_last_to_move() -> None:
    """Of two at one host the one without a wish goes, although it is the first."""
    uses = pair(GITHUB, GITHUB)
    watches = [a_watch(GITHUB), a_watch(VENDOR)]
    west, east = chosen(a_scene(*uses, watches=watches), Rules(preferred={"east": "github"}))
    assert isinstance(west, Rotate)
    assert isinstance(east, Keep)


def test_well_for_a_day_is_well_for_long() -> None:
    """To the second, and the reason says how long."""
    a, b, c = OURS
    for seconds, moves in ((-1, False), (0, True)):
        known = a_watch(a, good_for=timedelta(days=1, seconds=seconds))
        scene = a_scene(a_use("west", b), a_use("east", c), watches=[known, a_watch(b), a_watch(c)])
        west, _ = chosen(scene, Rules(preferred={"west": a.host}))
        assert isinstance(west, Rotate) is moves
        if moves:
            assert west.reason == f"{a.host} is preferred and has been well for 24 h"


def test_the_preferred_host_is_found_behind_others() -> None:
    """Wherever it stands in the catalogue."""
    a, b, c = OURS
    watches = [a_watch(location, good_for=timedelta(days=2)) for location in OURS]
    west, _ = chosen(
        a_scene(a_use("west", a), a_use("east", b), watches=watches), Rules(preferred={"west": c.host})
    )
    assert isinstance(west, Rotate)
    assert west.to == c


def test_no_region_is_spread_to_what_it_should_not_get() -> None:
    """Sharing a host is better than another package, or one with which the region did not come back."""
    uses = pair(GITHUB, GITHUB)
    other = a_scene(*uses, watches=[a_watch(GITHUB), a_watch(VENDOR, package=B)])
    assert all(isinstance(choice, Keep) for choice in chosen(other))
    watch = a_watch(VENDOR)
    digest = watch.package.digest if watch.package else ""
    failed = [Refused(name, VENDOR.id, digest) for name in ("west", "east")]
    assert all(
        isinstance(use, Keep)
        for use in chosen(a_scene(*uses, watches=[a_watch(GITHUB), watch], refused=failed))
    )


def test_how_the_hosts_are_is_told() -> None:
    """Each with its last check, whether that was good or not, also where there was none."""
    down = a_watch(GITHUB, HostState.DOWN)
    west, east = chosen(a_scene(*pair(), watches=[down, a_watch(VENDOR, HostState.UNKNOWN)]))
    assert west.reason == (
        "github (prod, windows) is down: no answer within 10 s; "
        "vendor (prod, windows) answers since 2026-03-02 11:00:00 UTC "
        "and is relied on from 2026-03-02 12:25:00 UTC on, if every check is good"
    )
    assert east.reason == "vendor (prod, windows): last check: good; not enough checks yet to say more"
    assert chosen(a_scene(*pair(), watches=[down]))[1].reason == (
        "vendor (prod, windows): last check: not checked yet; not enough checks yet to say more"
    )


def test_a_package_that_was_never_read_may_have_failed_too() -> None:
    """What the region did not come back with had no digest, and has none still."""
    watches = [a_watch(GITHUB, HostState.DOWN), a_watch(VENDOR, package=None)]
    west, _ = chosen(a_scene(*pair(), watches=watches, refused=[Refused("west", VENDOR.id, "")]))
    assert "west did not come back with the package of vendor" in west.reason


def test_the_deferred_channel_has_no_twin() -> None:
    """It is on GitHub only; that is said, and the production file is not taken instead."""
    deferred = KNOWN.locate(Value(DEFERRED_URL))
    watches = [a_watch(deferred, HostState.DOWN), a_watch(GITHUB), a_watch(VENDOR)]
    west, _ = chosen(a_scene(a_use("west", deferred), a_use("east", VENDOR), watches=watches))
    assert isinstance(west, Exhausted)
    assert "the deferred channel is published at one host only" in west.reason


def test_custom_urls() -> None:
    """A listed URL goes to its twin; one that is not listed stays, and what would help is named."""
    one, two = KNOWN.locate(Value(ONE_URL)), KNOWN.locate(Value(TWO_URL))
    west, _ = chosen(a_scene(*pair(one, VENDOR), watches=[a_watch(one, HostState.DOWN), a_watch(two)]))
    assert isinstance(west, Rotate)
    assert west.to == two
    stranger = KNOWN.locate(Value("https://files.contoso.com/a.zip"))
    watches = [a_watch(stranger, HostState.DOWN), a_watch(GITHUB), a_watch(VENDOR)]
    west, _ = chosen(a_scene(*pair(stranger, VENDOR), watches=watches))
    assert isinstance(west, Exhausted)
    assert "COUNTERPART_PACKAGE_TWINS" in west.reason


def test_the_wrong_systems_file() -> None:
    """A Linux site with the Windows file is not moved to another Windows file: a person is told."""
    scene = a_scene(*pair(), watches=[a_watch(GITHUB, HostState.DOWN), a_watch(VENDOR)], os=Os.LINUX)
    assert all(
        isinstance(choice, Held) and "another operating system" in choice.reason for choice in chosen(scene)
    )


def test_the_retired_host_is_down_whatever_it_answers() -> None:
    """The vendor shut it down; what lay there is not known, so a person is asked."""
    retired = KNOWN.locate(Value("https://github.com/glueckkanja/gk-scepman/raw/master/dist/Artifacts.zip"))
    watches = [a_watch(retired, package=None), a_watch(GITHUB), a_watch(VENDOR)]
    west, _ = chosen(a_scene(a_use("west", retired), a_use("east", VENDOR), watches=watches))
    assert isinstance(west, Held)
    assert "shut this host down" in west.reason


def test_no_package_url() -> None:
    """A region that fetches nothing at its start is left alone."""
    scene = a_scene(Use(region="west", location=None, why="deployed to it"), watches=[])
    assert chosen(scene) == (Keep("west", "deployed to it"),)


# -- laws ---------------------------------------------------------------------------------------------------------

_VENDORS = [
    a_location(host, channel, os)
    for host in ("github", "vendor")
    for channel in ("prod", "beta")
    for os in Os
]
_OWN = [KNOWN.locate(Value(f"https://st{name}.blob.core.windows.net/zip/a.zip")) for name in "abc"]
_OTHERS = [KNOWN.locate(Value(DEFERRED_URL)), KNOWN.locate(Value("https://files.contoso.com/a.zip"))]
_ALL = [*_VENDORS, *_OWN, *_OTHERS]
_PACKAGES = [a_package("a"), a_package("b"), a_package("c", names=(7, 8, 9))]


@st.composite
def scenes(draw: st.DrawFn, *, channel: st.SearchStrategy[list[Location]] | None = None) -> Scene:
    """Up to four regions anywhere, hosts in any state with any past."""
    places = draw(st.just(_ALL) if channel is None else channel)
    names = ["a", "b", "c", "d"][: draw(st.integers(1, 4))]
    running = st.builds(Running, package=st.one_of(st.none(), st.sampled_from(_PACKAGES)))
    uses = [
        a_use(
            name,
            draw(st.sampled_from(places)),
            running=draw(running),
            home=draw(st.sampled_from(["", "github"])),
        )
        for name in names
    ]
    served = st.lists(st.sampled_from(_PACKAGES), max_size=3)
    watches = [
        a_watch(
            location,
            draw(st.sampled_from(HostState)),
            served=tuple(Served(package, START) for package in draw(served)),
            good_for=timedelta(hours=draw(st.integers(0, 48))),
        )
        for location in _ALL
        if draw(st.booleans()) or channel is not None
    ]
    systems = {name: draw(st.sampled_from(Os)) if channel is None else Os.WINDOWS for name in names}
    refused = [
        Refused(name, location.id, _PACKAGES[0].digest)
        for name in names
        for location in _ALL
        if draw(st.integers(0, 9)) == 0
    ]
    scene = a_scene(*uses, watches=watches, refused=refused)
    return msgspec.structs.replace(scene, systems=systems)


wishes = st.builds(
    Rules,
    preferred=st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["github", "vendor", _OWN[0].host])),
)


def moved(scene: Scene, rotation: Rotate) -> Scene:
    """The scene after a rotation went well."""
    return msgspec.structs.replace(
        scene,
        uses=tuple(
            msgspec.structs.replace(use, location=rotation.to, running=Running(package=rotation.package))
            if use.region == rotation.region
            else use
            for use in scene.uses
        ),
    )


@given(scenes(), wishes)
def test_never_to_what_nobody_asked_for(scene: Scene, rules: Rules) -> None:
    """A rotation goes to a host that is up, of the same channel, with the region's file, never older or different."""
    found = choose(scene, KNOWN, rules)
    assert [choice.region for choice in found] == [use.region for use in scene.uses]
    assert all(choice.reason for choice in found)
    rotations = [choice for choice in found if isinstance(choice, Rotate)]
    assert len(rotations) <= 1
    for rotation in rotations:
        use = next(use for use in scene.uses if use.region == rotation.region)
        assert use.location is not None
        there, here = scene.watches[rotation.to.id], scene.watches.get(use.location.id)
        assert there.state is HostState.UP
        assert rotation.to.os is scene.systems[rotation.region]
        assert rotation.to.channel == use.location.channel
        assert rotation.to.host != use.location.host
        assert rotation.to.origin is not Origin.UNLISTED
        own = use.running.package or (here.package if here else None)
        seen = compare(
            there.package,
            own,
            before_one=before(there.served, there.package),
            before_other=before(here.served, own) if here else (),
        )
        assert seen.relation in {Relation.EQUAL, Relation.NEWER}
        assert (
            Refused(rotation.region, rotation.to.id, there.package.digest if there.package else "")
            not in scene.refused
        )


@given(scenes(), wishes)
def test_it_comes_to_rest(scene: Scene, rules: Rules) -> None:
    """Carried out one after the other, the rotations end: nobody is moved to and fro."""
    seen = []
    for _ in range(12):
        rotation = next(
            (choice for choice in choose(scene, KNOWN, rules) if isinstance(choice, Rotate)), None
        )
        if rotation is None:
            return
        seen.append(rotation)
        scene = moved(scene, rotation)
    raise AssertionError(f"still moving: {[(rotate.region, rotate.to.host) for rotate in seen]}")


@given(
    scenes(channel=st.sampled_from([_OWN, [GITHUB, VENDOR]])),
    wishes,
)
def test_regions_end_on_different_hosts(scene: Scene, rules: Rules) -> None:
    """While hosts are up with the same package, regions are spread over them as evenly as can be."""
    watches = {
        name: a_watch(one.location, one.state, package=A, good_since=one.good_since)
        for name, one in scene.watches.items()
    }
    uses = tuple(msgspec.structs.replace(use, running=Running()) for use in scene.uses)
    scene = msgspec.structs.replace(scene, watches=watches, uses=uses, refused=())
    for _ in range(12):
        rotation = next(
            (choice for choice in choose(scene, KNOWN, rules) if isinstance(choice, Rotate)), None
        )
        if rotation is None:
            break
        scene = moved(scene, rotation)
    on = Counter(use.location.host for use in scene.uses if use.location)
    places = _OWN if scene.uses[0].location in _OWN else [GITHUB, VENDOR]
    up = [place.host for place in places if watches[place.id].state is HostState.UP]
    if up:
        assert all(watches[use.location.id].state is not HostState.DOWN for use in scene.uses if use.location)
        spread = [on[name] for name in up]
        assert max(spread) - min(spread) <= 1


# -- what a person orders -----------------------------------------------------------------------------------------


def an_order(**changes: object) -> Order:
    plain = Order(work=Work.ROTATE, regions=("west",), by="ada", at=START)
    return msgspec.structs.replace(plain, **changes)


def test_an_ordered_rotation() -> None:
    """A person may move a region although nothing is wrong, to a host that no other region uses."""
    scene = a_scene(a_use("west", GITHUB), watches=[a_watch(GITHUB), a_watch(VENDOR)])
    found = ordered(an_order(to="Vendor", reason="a trial"), scene, KNOWN, Rules())
    assert isinstance(found, Rotate)
    assert found.to == VENDOR
    assert "ordered by ada: a trial" in found.reason


@pytest.mark.parametrize(
    ("watch", "why"),
    [
        (a_watch(VENDOR, HostState.DOWN), "it is down"),
        (a_watch(VENDOR, HostState.UNKNOWN), "it is unknown"),
        (a_watch(VENDOR, package=B), "its package is different"),
        (a_watch(VENDOR), "another region takes its package from there"),
    ],
)
def test_what_needs_force(watch: Watch, why: str) -> None:
    """An order is turned down with its reason, and force overrides that."""
    scene = a_scene(*pair(), watches=[a_watch(GITHUB), watch])
    found = ordered(an_order(), scene, KNOWN, Rules())
    assert isinstance(found, Held)
    assert why in found.reason
    assert isinstance(ordered(an_order(forced=True), scene, KNOWN, Rules()), Rotate)


def test_no_force_leads_to_another_channel() -> None:
    """Other channels and systems are no twins, so no order leads there."""
    scene = a_scene(*pair(), watches=[a_watch(GITHUB), a_watch(VENDOR)])
    found = ordered(an_order(to="stone.blob.core.windows.net", forced=True), scene, KNOWN, Rules())
    assert isinstance(found, Held)
    assert "the other hosts are vendor" in found.reason
    deferred = a_scene(a_use("west", KNOWN.locate(Value(DEFERRED_URL))), watches=[])
    assert isinstance(ordered(an_order(forced=True), deferred, KNOWN, Rules()), Held)


def test_an_order_mends_the_wrong_systems_file() -> None:
    """A person may move a region with the wrong file to the right one."""
    linux = [a_watch(a_location(name, "prod", Os.LINUX)) for name in ("github", "vendor")]
    scene = a_scene(a_use("west", GITHUB), watches=[a_watch(GITHUB), *linux], os=Os.LINUX)
    found = ordered(an_order(), scene, KNOWN, Rules())
    assert isinstance(found, Rotate)
    assert found.to.os is Os.LINUX


def test_an_order_that_cannot_be_carried_out() -> None:
    """A region that there is not, one that fetches nothing, a host that there is not; and why."""
    nowhere = a_scene(Use(region="west", location=None, why="deployed to it"), watches=[])
    assert ordered(an_order(), nowhere, KNOWN, Rules()) == Held("west", "deployed to it", "")
    assert ordered(an_order(regions=("north",)), nowhere, KNOWN, Rules()) == Held(
        "north", "north is no region of this group", ""
    )
    scene = a_scene(*pair(), watches=[a_watch(GITHUB), a_watch(VENDOR, HostState.UNKNOWN)])
    assert ordered(an_order(to="here"), scene, KNOWN, Rules()) == Held(
        "west", "here cannot be rotated to: the other hosts are vendor", ""
    )
    deferred = a_scene(a_use("west", KNOWN.locate(Value(DEFERRED_URL))), watches=[])
    assert ordered(an_order(), deferred, KNOWN, Rules()) == Held(
        "west",
        "another host cannot be rotated to: the deferred channel is published at one host only",
        "",
    )
    assert ordered(an_order(), scene, KNOWN, Rules()) == Held(
        "west",
        "vendor (prod, windows): it is unknown, last check: good",
        "counterpart package rotate --region west --force --reason TEXT",
    )

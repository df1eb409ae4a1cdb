"""Law 1: at most one permit, and never for the last region that may be serving."""

from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.disruption.model import Kind, Permit
from shared.disruption.permit import FRESH, Denial, Granted, permit
from shared.groups.model import Health, ScepProof, State
from tests.builders import GROUP, a_disruption, a_health, a_permit, a_profile, an_endpoint
from tests.fakes.clock import START

REGIONS = ("east", "north", "west")
AGES = st.sampled_from([0.0, 1.0, 59.0, 60.0, 61.0, 3600.0])
HEALTHS = st.dictionaries(st.sampled_from(REGIONS), st.tuples(st.sampled_from(list(State)), AGES))


def seen_at(now: datetime, world: dict[str, tuple[State, float]]) -> dict[str, Health]:
    """Return what is seen of the regions: their state, and how old the evidence is."""
    return {name: a_health(state, at=now - timedelta(seconds=age)) for name, (state, age) in world.items()}


@given(
    st.lists(
        st.tuples(
            HEALTHS,
            st.sampled_from(REGIONS),
            st.sampled_from(["one", "two", "three"]),
            st.sampled_from([0.0, 10.0, 300.0]),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_no_run_of_requests_disturbs_two_regions_or_the_last_one(
    requests: list[tuple[dict[str, tuple[State, float]], str, str, float, bool]],
) -> None:
    """Whatever is asked, by whom, over whatever health, with permits given back or not."""
    held: Permit | None = None
    now = START
    for world, region, work, pause, release in requests:
        now += timedelta(seconds=pause)
        seen = seen_at(now, world)
        answer = permit(a_disruption(region, work=work), seen, held, now)
        if isinstance(answer, Granted):
            assert held is None or now >= held.until or held.id == work
            fresh = {name: health.state for name, health in seen.items() if now - health.at < FRESH}
            refuges = {name for name, state in fresh.items() if state is State.HEALTHY and name != region}
            assert refuges or fresh.get(region) is State.DOWN
            assert (answer.permit.id, answer.permit.region) == (work, region)
            assert answer.permit.until > now
            held = answer.permit
        else:
            assert answer.reason
        if release and held and held.id == work:
            held = None


@given(HEALTHS, st.sampled_from(REGIONS))
def test_a_healthy_region_is_never_disturbed_without_another(
    world: dict[str, tuple[State, float]], region: str
) -> None:
    """Granting a healthy region leaves a healthy one behind."""
    seen = seen_at(START, world | {region: (State.HEALTHY, 0.0)})
    answer = permit(a_disruption(region), seen, None, START)
    others = [health for name, health in seen.items() if name != region and START - health.at < FRESH]
    assert isinstance(answer, Granted) == any(other.state is State.HEALTHY for other in others)


@pytest.mark.parametrize("state", [State.DOWN, State.UNKNOWN])
def test_only_health_is_a_refuge(state: State) -> None:
    """A region that may be serving is worth keeping, and is no place to send devices to."""
    seen = {"west": a_health(), "east": a_health(state)}
    denied = permit(a_disruption("west"), seen, None, START)
    assert isinstance(denied, Denial)
    assert "last region" in denied.reason
    assert f"east: {state}" in denied.reason


def test_an_unknown_region_may_be_the_last_one() -> None:
    """Without a refuge it is left alone; with one it may be disturbed."""
    unknown = {"west": a_health(State.UNKNOWN), "east": a_health(State.DOWN)}
    assert isinstance(permit(a_disruption("west"), unknown, None, START), Denial)
    assert isinstance(permit(a_disruption("west"), {**unknown, "east": a_health()}, None, START), Granted)


def test_a_region_that_is_down_may_be_mended() -> None:
    """It serves nobody, so nobody loses by it, even if no other is well."""
    seen = {"west": a_health(State.DOWN), "east": a_health(State.UNKNOWN)}
    granted = permit(a_disruption("west"), seen, None, START)
    assert isinstance(granted, Granted)
    assert "down already" in granted.permit.reason


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind.takes_out])
def test_nothing_is_mended_by_taking_an_endpoint_out(kind: Kind) -> None:
    """Traffic Manager still leads to the others, one of which fails already: the region that is down stays in."""
    asked = msgspec.structs.replace(
        a_disruption("west"), kind=kind, profile=a_profile(an_endpoint("west"), an_endpoint("east"))
    )
    seen = {"west": a_health(State.DOWN), "east": a_health(State.UNKNOWN)}
    denied = permit(asked, seen, None, START)
    assert isinstance(denied, Denial)
    assert "may be the last region" in denied.reason
    assert isinstance(permit(asked, {**seen, "east": a_health()}, None, START), Granted)


@pytest.mark.parametrize(("age", "granted"), [(59.9, True), (60.0, False), (3600.0, False)])
def test_stale_evidence_is_none(age: float, *, granted: bool) -> None:
    """What is a minute old says nothing about now, neither of a refuge nor of a region that is down."""
    at = START - timedelta(seconds=age)
    healthy = {"west": a_health(), "east": a_health(at=at)}
    down = {"west": a_health(State.DOWN, at=at), "east": a_health(State.DOWN)}
    for seen in (healthy, down):
        answer = permit(a_disruption("west"), seen, None, START)
        assert isinstance(answer, Granted) is granted
    denied = permit(
        a_disruption("west"), {"west": a_health(), "east": a_health(at=START - FRESH)}, None, START
    )
    assert isinstance(denied, Denial)
    assert "not seen since" in denied.reason


def test_one_permit_at_a_time() -> None:
    """While another piece of work holds it, nothing is granted; after its time it is gone."""
    seen = {"west": a_health(), "east": a_health()}
    held = a_permit("east", work="other", seconds=600)
    denied = permit(a_disruption("west"), seen, held, START)
    assert isinstance(denied, Denial)
    assert "east is being disturbed" in denied.reason
    later = held.until
    seen = {"west": a_health(at=later), "east": a_health(at=later)}
    assert isinstance(permit(a_disruption("west"), seen, held, later), Granted)


def test_others_wait_until_a_region_has_come_back() -> None:
    """The work is over, its region was not seen well since: not by a probe or a proof from before, only by itself."""
    held = a_permit("east", work="other", seconds=600, disturbed_at=START)
    later = START + timedelta(seconds=30)
    others = {"west": a_health(at=later), "north": a_health(at=later)}
    asked = a_disruption("west")

    def answer(east: Health | None, at: datetime = later) -> Granted | Denial:
        return permit(asked, others | ({"east": east} if east else {}), held, at)

    for state in (State.DOWN, State.UNKNOWN):
        denied = answer(a_health(state, at=later))
        assert isinstance(denied, Denial)
        assert denied.reason == (
            "east has not come back yet from what was done to it (settings-write); others wait for it until "
            f"{held.until:%H:%M:%S} UTC"
        )
    assert isinstance(answer(a_health(at=START)), Denial)
    old_proof = msgspec.structs.replace(a_health(at=later), scep=ScepProof(at=START, ca_sha256="ca"))
    assert isinstance(answer(old_proof), Denial)
    assert isinstance(answer(a_health(at=later)), Granted)
    assert isinstance(answer(None), Granted), "it left the group"
    assert isinstance(answer(a_health(State.DOWN, at=later), held.until - timedelta(seconds=1)), Denial)
    fresh = {name: a_health(at=held.until) for name in others}
    assert isinstance(permit(asked, fresh | {"east": a_health(State.DOWN)}, held, held.until), Granted)


def test_a_region_that_is_back_is_waited_for_no_longer() -> None:
    """Seen well once after the work is enough, however soon that was: the soaks are the work's own affair."""
    held = a_permit("east", work="other", disturbed_at=START)
    soon = START + timedelta(milliseconds=100)
    seen = {"west": a_health(at=soon), "east": a_health(at=soon)}
    assert isinstance(permit(a_disruption("west"), seen, held, soon), Granted)


def test_the_region_that_has_not_come_back_may_be_mended() -> None:
    """It is the one that is disturbed; what mends it is no second one."""
    held = a_permit("east", work="other", disturbed_at=START)
    seen = {"west": a_health(), "east": a_health(State.DOWN)}
    assert isinstance(permit(a_disruption("east"), seen, held, START), Granted)
    unknown = {"west": a_health(State.DOWN), "east": a_health(State.UNKNOWN)}
    assert isinstance(permit(a_disruption("east"), unknown, held, START), Denial)


@pytest.mark.parametrize(
    ("held", "awaited", "until"),
    [
        (a_permit("east", work="other", disturbed_at=START), START, 600),
        (
            a_permit("east", work="mine", awaited=START, awaited_until=START + timedelta(seconds=99)),
            START,
            99,
        ),
        (a_permit("east", work="mine"), None, None),
        (a_permit("east", work="other", disturbed_at=START, seconds=30), None, None),  # its time is over
        (a_permit("west", work="mine", disturbed_at=START), None, None),  # of the other region
        (None, None, None),
    ],
)
def test_what_has_not_come_back_from_earlier_work_is_awaited_beside_the_new_work(
    held: Permit | None, awaited: datetime | None, until: int | None
) -> None:
    """As long as it would have been; who goes on with the new work keeps it in mind."""
    later = START + timedelta(seconds=30)
    seen = {"west": a_health(at=later), "east": a_health(State.DOWN, at=later)}
    granted = permit(a_disruption("east", work="mine", at_most=60.0), seen, held, later)
    assert isinstance(granted, Granted)
    assert granted.permit.awaited == awaited
    assert granted.permit.awaited_until == (None if until is None else START + timedelta(seconds=until))
    longer = held is not None and held.region == "east" and held.until > later
    assert granted.permit.until == (START + timedelta(seconds=600 if longer else 90))


def test_the_holder_is_judged_anew_each_time() -> None:
    """A piece of work that goes on after a crash is known, but its refuge must be there now."""
    held = a_permit("east", work="mine")
    seen = {"west": a_health(), "east": a_health()}
    assert isinstance(permit(a_disruption("east", work="mine"), seen, held, START), Granted)
    seen["west"] = a_health(State.DOWN)
    assert isinstance(permit(a_disruption("east", work="mine"), seen, held, START), Denial)


def test_a_region_nobody_has_seen_is_not_disturbed() -> None:
    """Not one of the group, or not looked at: no permit."""
    denied = permit(a_disruption("south"), {"west": a_health()}, None, START)
    assert isinstance(denied, Denial)
    assert "not a region" in denied.reason
    assert isinstance(permit(a_disruption("west"), {"west": a_health()}, None, START), Denial)


def test_a_permit_says_for_what_until_when_and_why() -> None:
    """The row tells a person who looks at it."""
    seen = {"west": a_health(), "east": a_health(), "north": a_health(State.UNKNOWN)}
    granted = permit(a_disruption("west", at_most=90), seen, None, START)
    assert isinstance(granted, Granted)
    assert granted.permit == msgspec.structs.replace(a_permit("west", seconds=90), reason="east healthy")


def test_a_denial_names_every_other_region() -> None:
    """A person sees what each of them was like, or that there is none; a grant names all that serve meanwhile."""
    seen = {
        "west": a_health(),
        "east": a_health(State.DOWN),
        "north": a_health(State.UNKNOWN),
        "south": a_health(at=START - FRESH),
    }
    denied = permit(a_disruption("west"), seen, None, START)
    assert isinstance(denied, Denial)
    assert denied.reason == (
        f"west may be the last region serving {GROUP} (east: down, a test says down, north: unknown, a test says "
        f"unknown, south: not seen since {START - FRESH:%H:%M:%S} UTC)"
    )
    alone = permit(a_disruption("west"), {"west": a_health()}, None, START)
    assert alone == Denial(f"west may be the last region serving {GROUP} (it has no other)")
    both = permit(a_disruption("west"), {**seen, "east": a_health(), "north": a_health()}, None, START)
    assert isinstance(both, Granted)
    assert both.permit.reason == "east, north healthy"


@pytest.mark.parametrize("kind", [Kind.DRILL, Kind.FAILBACK_HOLD])
def test_what_takes_an_endpoint_out_asks_who_is_answered_instead(kind: Kind) -> None:
    """Law 1: a healthy region is no help to devices that are never led to it."""
    seen = {"west": a_health(State.DOWN), "east": a_health()}
    asked = msgspec.structs.replace(a_disruption(), kind=kind)
    for profile, why in (
        (None, "is not known"),
        (a_profile(routing="Geographic"), "some devices may be answered by west only"),
        (a_profile(), ""),
    ):
        answer = permit(msgspec.structs.replace(asked, profile=profile), seen, None, START)
        assert isinstance(answer, Denial) is bool(why)
        assert not isinstance(answer, Denial) or why in answer.reason
    restart = msgspec.structs.replace(asked, kind=Kind.RESTART)
    assert isinstance(permit(restart, seen, None, START), Granted)

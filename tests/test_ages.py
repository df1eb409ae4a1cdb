"""Time from elsewhere is input: what is dated later than now is no evidence, and puts off nothing."""

from datetime import timedelta

import msgspec
import pytest

from shared import outbox
from shared.ages import AHEAD, age, is_ahead, waits
from shared.artifact_hosts import history
from shared.artifact_hosts.model import HostState
from shared.artifact_hosts.model import Rules as PackageRules
from shared.disruption.permit import Denial, permit
from shared.fleet import Errand
from shared.groups.model import State
from shared.groups.workflow import Watched, watched_key
from shared.reconcile.lease import LASTS, Lease
from shared.reconcile.workflow import looked_since
from shared.settings_sync import workflow
from shared.settings_sync.model import State as RolloutState
from shared.settings_sync.transitions import Rules, soaked
from shared.store import RECALLED, Recalling, key, read, write
from tests.builders import a_disruption, a_health, a_profile
from tests.fakes.clock import START, FakeClock
from tests.fakes.store import FakeStore
from tests.rounds import World, val

AHEADS = [timedelta(seconds=3), timedelta(minutes=10), timedelta(days=365)]


def test_clocks_that_are_right_may_differ_a_little() -> None:
    """A second or two is no future."""
    assert not is_ahead(START + AHEAD, START)
    assert age(START + AHEAD, START) == timedelta()
    assert age(START - timedelta(seconds=9), START) == timedelta(seconds=9)


@pytest.mark.parametrize("ahead", AHEADS)
def test_what_is_from_the_future_is_as_old_as_can_be(ahead: timedelta) -> None:
    """Nothing that asks for young evidence takes it."""
    assert age(START + ahead, START) == timedelta.max


def test_a_wait_that_nobody_could_have_begun_is_none() -> None:
    """Put off for a minute at most: a minute is waited, an hour is not."""
    minute = timedelta(minutes=1)
    assert waits(START + minute, START, minute)
    assert not waits(START, START, minute)
    assert not waits(START + timedelta(hours=1), START, minute)


@pytest.mark.parametrize("ahead", AHEADS)
def test_no_permit_rests_on_the_future(ahead: timedelta) -> None:
    """The last region is not disturbed since another one will have been healthy."""
    seen = {"west": a_health(at=START), "east": a_health(at=START + ahead)}
    assert isinstance(permit(a_disruption("west"), seen, None, START), Denial)
    down = {"west": a_health(State.DOWN, at=START + ahead), "east": a_health(State.UNKNOWN, at=START)}
    assert isinstance(permit(a_disruption("west"), down, None, START), Denial)


def test_no_permit_rests_on_a_reading_of_traffic_manager_from_the_future() -> None:
    """Neither half of the evidence may be from then."""
    odd = msgspec.structs.replace(a_health(at=START), monitored_at=START + timedelta(minutes=1))
    seen = {"west": a_health(at=START), "east": odd}
    assert isinstance(permit(a_disruption("west"), seen, None, START), Denial)


def test_a_soak_is_not_over_by_evidence_from_the_future() -> None:
    """Law 2, at the moment after the change."""
    later = a_health(at=START + timedelta(minutes=10), since=START - timedelta(hours=1))
    assert not soaked("west", START, {"west": later}, START, Rules(soak=180.0))


async def after_a_fast_clock(ahead: timedelta) -> World:
    """A world in which somebody with a clock that was ahead has looked."""
    world = World()
    await world.ticks(2)
    await world.tick(seconds=ahead.total_seconds())
    world.clock.advance(-ahead.total_seconds())
    return world


@pytest.mark.parametrize("ahead", AHEADS)
async def test_the_app_looks_itself_when_another_clock_was_ahead(ahead: timedelta) -> None:
    """A region that is dead now is seen to be dead, whatever is known of it from later than now."""
    world = await after_a_fast_clock(ahead)
    world.sick("east")
    health = (await world.health())["east"]
    assert (health.state, health.at, health.since) == (State.DOWN, world.clock.now(), world.clock.now())
    row, _ = await read(world.store, watched_key(world.profile_id), Watched)
    assert row is not None
    assert row.health["east"] == health


async def test_a_bad_change_soaks_although_another_clock_was_ahead() -> None:
    """The source's health of ten minutes from now is no soak: the peer keeps its value."""
    world = await after_a_fast_clock(timedelta(minutes=10))
    world.edit("west", New=val("bad"))
    await world.ring()
    assert world.written == []
    assert (await world.rollout()).state is RolloutState.SOAKING
    await world.until(RolloutState.CONVERGED)
    assert world.has("east", "New") == val("bad")


async def test_a_sweep_is_due_when_the_last_one_is_to_come() -> None:
    """Otherwise nobody would read the settings until then; nor would an event count."""
    world = await after_a_fast_clock(timedelta(hours=5))
    assert workflow.needs_look(world.row, Rules(), world.clock.now())
    (profile,) = world.profiles.profiles
    assert not await looked_since(profile, world.clock.now(), world.ports)
    reads = len(world.app.reads)
    await world.tick()
    assert len(world.app.reads) > reads
    assert world.row.looked_at == world.clock.now()


@pytest.mark.parametrize("ahead", AHEADS)
def test_a_host_that_was_checked_in_the_future_is_not_known_to_be_up(ahead: timedelta) -> None:
    """Nor down."""
    assert history.is_old(START + ahead, START, PackageRules())
    assert history.state_of(None, START, PackageRules()) is HostState.UNKNOWN


def test_an_errand_from_the_future_is_late() -> None:
    """Its evidence would be taken for young."""
    assert Errand(profile=a_profile(), read_at=START + timedelta(seconds=10)).is_late(START)
    assert not Errand(profile=a_profile(), read_at=START).is_late(START)


def test_a_lease_that_nobody_could_have_taken_holds_up_nobody() -> None:
    """Somebody took it by a clock that was hours ahead, and is gone."""
    assert not Lease("first", START + LASTS).is_for("second", START)
    assert Lease("first", START + LASTS + timedelta(hours=3)).is_for("second", START)


async def test_a_clock_that_goes_back_leaves_nothing_remembered() -> None:
    """What is remembered for five seconds is not remembered for an hour."""
    clock, inner = FakeClock(), FakeStore()
    store = Recalling(inner, "hosts/", clock)
    assert await store.get(key("hosts", "one")) is None
    await write(inner, key("hosts", "one"), Lease("me", START), if_version=None)
    clock.advance(-3600)
    assert await store.get(key("hosts", "one")) is not None
    assert timedelta(seconds=5) >= RECALLED


def test_a_message_is_not_put_off_for_longer_than_any_is() -> None:
    """A try that is due next year was set by a clock that was wrong."""
    assert not waits(START + timedelta(days=365), START, outbox.LONGEST_WAIT)
    assert waits(START + outbox.LONGEST_WAIT, START, outbox.LONGEST_WAIT)

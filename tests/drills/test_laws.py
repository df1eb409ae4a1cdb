"""Laws 1 and 6 under attack: drills, incidents, settings rollouts, people and crashes, in any order.

Every world checks law 1 at each disabled endpoint and each settings write (`rounds.Guard`, `rounds.Endpoints`). What
is asserted here is law 6: in the end every endpoint that no person disabled is enabled, and nothing of ours is left.
"""

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from shared.drills.workflow import list_drills
from shared.errors import AppError
from shared.groups.model import MonitorStatus
from shared.settings_sync.ask import Ask
from shared.settings_sync.model import State as RolloutState
from tests.drills.drilling import Drilled
from tests.rounds import Effects, Killed, val

pytestmark = pytest.mark.usefixtures("no_value_anywhere")

TRIO = ("east", "north", "west")
REGIONS = st.sampled_from(TRIO)
DEEDS = st.one_of(
    st.tuples(st.just("drill"), REGIONS, st.sampled_from([10, 100, 1200])),
    st.tuples(st.just("drill"), REGIONS, st.sampled_from([10, 100, 1200])),
    st.tuples(st.just("minutes"), st.sampled_from([1, 2, 5])),
    st.tuples(st.just("minutes"), st.sampled_from([1, 2, 5])),
    st.tuples(st.just("kill"), st.integers(1, 60), st.booleans()),
    st.tuples(st.just("abort")),
    st.tuples(st.just("edit"), REGIONS, st.sampled_from(["1", "2"])),
    st.tuples(st.just("sick"), REGIONS),
    st.tuples(st.just("well"), REGIONS),
    st.tuples(st.just("person enables"), REGIONS),
    st.tuples(st.just("no service")),
    st.tuples(st.just("sleep"), st.sampled_from([30, 300, 7200])),
    st.tuples(st.just("two timers")),
)


async def do(world: Drilled, deed: tuple[object, ...]) -> None:
    """One deed of a person, the weather, or the platform."""
    match deed:
        case ("drill", str(region), int(seconds)):
            await world.ask_for(region, observe_seconds=seconds)
        case ("minutes", int(count)):
            await world.minute(count)
        case ("abort",):
            for drill in await list_drills(world.store):
                if not drill.ended:
                    await world.abort(drill.id)
        case ("edit", str(region), str(text)):
            world.edit(region, K00=val(text))
            await world.ring()
        case ("two timers",):
            await asyncio.gather(world.minute(), world.minute())
        case _:
            happen(world, deed)


def happen(world: Drilled, deed: tuple[object, ...]) -> None:
    """What changes the world and asks nothing of Counterpart."""
    match deed:
        case ("kill", int(count), bool(after)):
            world.effects = Effects(kill_at=count, after=after)
        case ("sick", str(region)):
            world.sick(region)
        case ("well", str(region)):
            if world.is_enabled(region):
                world.well(region)
        case ("person enables", str(region)):
            world.profiles.set_endpoint(region, enabled=True, status=MonitorStatus.CHECKING)
        case ("no service",):
            world.service.answers = lambda: ("", "the name does not resolve")
        case ("sleep", int(seconds)):
            world.clock.advance(seconds)
        case _:
            raise AssertionError(deed)


async def at_rest(world: Drilled) -> None:
    """All is well again, and a person takes west's side wherever one is asked for."""
    world.effects = Effects()
    world.service.answers = world._device
    for region in world.regions:
        world.guard.health(region, well=True)
        world.probes.results[f"app-{region}.azurewebsites.net"] = 200
        if world.is_enabled(region):
            world.well(region)
    await world.minute(45)
    for _ in range(6):
        if world.row.flight is None and world.row.state is RolloutState.HELD:
            with suppress(AppError):
                await world.ask(Ask.TAKE, region="west")
        await world.minute(12)


@given(st.lists(DEEDS, min_size=2, max_size=12), st.booleans(), st.booleans())
@trying(max_examples=40)
async def test_whatever_happens_a_region_that_was_taken_out_comes_back(
    deeds: list[tuple[object, ...]],
    three: bool,  # noqa: FBT001 -- drawn by hypothesis
    hold: bool,  # noqa: FBT001 -- drawn by hypothesis
) -> None:
    """No order of deeds and crashes disturbs the last region that serves, or leaves one out of DNS."""
    regions = TRIO if three else TRIO[::2]
    world = Drilled(regions=regions)
    if hold:  # regions that fail are kept out too, until they are sound
        world.with_hold(soak=120.0)
    await world.minute(2)
    for deed in deeds:
        if len(deed) < 2 or deed[1] not in TRIO or deed[1] in regions:
            with suppress(AppError, Killed):
                await do(world, deed)
    await at_rest(world)
    assert world.all_enabled()
    assert all(drill.ended for drill in await list_drills(world.store))
    held = await world.permit()
    assert held is None or held.permit is None or held.permit.until <= world.clock.now()  # whose time is over


@given(st.lists(DEEDS, max_size=5), st.integers(1, 90), st.booleans())
@trying(max_examples=25)
async def test_after_a_crash_in_a_drill_the_next_wake_up_gives_back(
    deeds: list[tuple[object, ...]],
    number: int,
    after: bool,  # noqa: FBT001 -- drawn by hypothesis
) -> None:
    """Killed anywhere, with whatever else going on: at the next one the region is back, or was never left alone."""
    world = Drilled()
    await world.minute(2)
    await world.ask_for("west", observe_seconds=1200)
    await world.minute()
    for deed in deeds:
        if deed[0] in {"edit", "sick", "no service"} and (len(deed) < 2 or deed[1] in world.regions):
            with suppress(AppError):
                await do(world, deed)
    world.effects = Effects(kill_at=number, after=after)
    for _ in range(3):
        try:
            await world.minute()
        except Killed:
            world.effects = Effects()
            await world.minute()
            drill = await world.drill()
            assert world.is_enabled("west") or (drill.state, drill.worker) == ("observing", "")
            break

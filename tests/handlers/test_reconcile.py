"""The timer runs one round for every group; one group's trouble is not another's."""

import logging

import msgspec
import pytest

from handlers.reconcile import handle
from shared.errors import Unavailable
from shared.settings_sync.model import State
from shared.settings_sync.workflow import read_rollout
from tests.builders import a_profile, an_endpoint, site_id
from tests.rounds import World, val


async def test_a_lost_event_is_found_at_the_sweep() -> None:
    """Nobody rings; the change is found all the same, and travels."""
    world = World()
    await world.tick()
    world.edit("east", K00=val("new"))
    for _ in range(30):
        world.clock.advance(60)
        await handle("{}", ports=world.ports, settings=world.settings)
    assert world.has("west", "K00") == val("new")
    assert world.written == ["west"]


async def test_one_groups_trouble_is_not_anothers(caplog: pytest.LogCaptureFixture) -> None:
    """A group that cannot be read is logged and tried again; the others are served."""
    caplog.set_level(logging.INFO)
    world = World(regions=("west", "east", "north", "south"))
    one = a_profile(an_endpoint("west"), an_endpoint("east"), name="one")
    two = a_profile(an_endpoint("north"), an_endpoint("south"), name="two")
    world.profiles.profiles = [one, two]

    def broken(site: str) -> None:
        if site == site_id("west"):
            raise Unavailable("west cannot be read")

    world.app.before_read = broken
    await handle("{}", ports=world.ports, settings=world.settings)
    rollout = await _rollout(world, two.id)
    assert rollout is State.CONVERGED
    assert "one: this round failed: west cannot be read" in caplog.text
    assert "groups looked at: 2, failed: 1" in caplog.text


async def _rollout(world: World, group: str) -> State | None:
    row = await read_rollout(world.store, group)
    return row.state if row else None


async def test_other_peoples_profiles_are_left_alone() -> None:
    """A profile without the tag is not looked at."""
    world = World()
    world.profiles.profiles = [msgspec.structs.replace(a_profile(), tags=())]
    await handle("{}", ports=world.ports, settings=world.settings)
    assert world.app.reads == []
    assert world.probes.asked == []


async def test_a_bug_in_one_group_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """What nobody foresaw is logged with its traceback; the other groups are served."""
    world = World(regions=("west", "east", "north", "south"))
    one = a_profile(an_endpoint("west"), an_endpoint("east"), name="one")
    two = a_profile(an_endpoint("north"), an_endpoint("south"), name="two")
    world.profiles.profiles = [one, two]

    def buggy(site: str) -> None:
        if site == site_id("west"):
            raise ZeroDivisionError("a bug")

    world.app.before_read = buggy
    await handle("{}", ports=world.ports, settings=world.settings)
    assert await _rollout(world, two.id) is State.CONVERGED
    assert "nobody foresaw" in caplog.text

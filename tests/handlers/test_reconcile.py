"""The timer runs one round for every group; one group's trouble is not another's."""

import logging
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from handlers.reconcile import handle
from shared.errors import Unavailable
from shared.groups.workflow import Watched, watched_key
from shared.settings_sync.model import State
from shared.settings_sync.workflow import read_rollout
from shared.store import Key, Row, Stored, Version
from tests.builders import a_profile, an_endpoint, site_id
from tests.fakes.store import FakeStore
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


class Asked(FakeStore):
    """A store that notes which rows are read; `meanwhile` runs before each write."""

    def __init__(self, rows: dict[Key, Stored]) -> None:
        super().__init__()
        self.rows = rows
        self.writes = 1_000_000  # versions apart from those of whoever wrote these rows
        self.read: list[Key] = []
        self.meanwhile: Callable[[], None] = _nothing

    async def get(self, key: Key) -> Stored | None:
        self.read.append(key)
        return await super().get(key)

    async def put(self, row: Row, *, if_version: Version | None) -> Version:
        self.meanwhile()
        return await super().put(row, if_version=if_version)


def _nothing() -> None:
    """Nobody else writes."""


async def test_a_quiet_round_reads_each_row_once() -> None:
    """What was last seen of a group is asked for by every part of a round, and read once."""
    world = World()
    await world.tick()
    world.clock.advance(60)
    store = Asked(world.store.rows)
    await handle("{}", ports=replace(world.ports, store=store), settings=world.settings)
    assert len(store.read) == len(set(store.read))
    assert watched_key(world.profile_id) in store.read


async def test_what_another_instance_saw_meanwhile_is_not_lost() -> None:
    """The remembered row is found out by its version: what somebody else wrote into it stays."""
    world = World()
    await world.tick()
    world.clock.advance(60)
    store = Asked(world.store.rows)
    at = watched_key(world.profile_id)
    theirs = msgspec.json.decode(store.rows[at].row.body, type=Watched)
    theirs.health["elsewhere"] = theirs.health["west"]

    def other_instance() -> None:
        store.meanwhile = _nothing
        store.rows[at] = Stored(Row(at, msgspec.json.encode(theirs)), Version("theirs"))

    store.meanwhile = other_instance
    await handle("{}", ports=replace(world.ports, store=store), settings=world.settings)
    now = msgspec.json.decode(store.rows[at].row.body, type=Watched)
    assert now.health["elsewhere"] == theirs.health["elsewhere"]
    assert now.health["west"].at == world.clock.now()

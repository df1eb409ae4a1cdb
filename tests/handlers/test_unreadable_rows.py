"""After going back to an older version of Counterpart, rows are there that a newer one wrote.

Whichever row it is: nothing is written to a region on a guess, the row stays, people are told, other groups go on,
and all goes on where it was when the newer version is back.
"""

from collections.abc import Callable

import pytest

from handlers import reconcile
from shared.artifact_hosts.catalogue import HOSTS, VENDOR
from shared.artifact_hosts.model import SETTING
from shared.artifact_hosts.workflow import packages_key, watch_key, watches
from shared.disruption.workflow import permit_key
from shared.drills.workflow import slot_key
from shared.groups.discover import row_name
from shared.groups.workflow import watched_key
from shared.incidents.workflow import hold_key, ledger_key
from shared.outbox import letter_key
from shared.settings_sync.model import State
from shared.settings_sync.workflow import read_rollout, rollout_key
from shared.store import Key, Row
from tests.builders import a_profile, an_endpoint
from tests.drills.drilling import Drilled, a_world
from tests.rounds import plain, val

NEWER = b'{"of": "a newer version"}'

KEYS: tuple[Callable[[str], Key], ...] = (
    *(slot_key, hold_key, ledger_key, packages_key, rollout_key, watched_key),
    lambda group: permit_key(row_name(group)),
)
each_row = pytest.mark.parametrize("key", KEYS, ids=[f"row{number}" for number in range(len(KEYS))])


async def put(world: Drilled, key: Key, body: bytes | None) -> None:
    """Another version writes the row, or it is as it was: None is no row."""
    held = await world.store.get(key)
    if body is None:
        assert held is not None
        await world.store.delete(key, if_version=held.version)
    else:
        await world.store.put(Row(key, body), if_version=held.version if held else None)


@each_row
async def test_nothing_is_written_on_a_guess(key: Callable[[str], Key]) -> None:
    """A change in one region stays there, the row stays, and it is told once with the row's name."""
    world = await a_world()
    at = key(world.profile_id)
    before = await world.store.get(at)
    await put(world, at, NEWER)
    world.edit("east", K00=val("new"))
    await world.minute(30)
    assert world.written == []
    assert world.all_enabled()
    assert world.body(at) == NEWER
    told = [letter for letter in world.teams.letters if letter.kind == "rounds.failing"]
    assert len(told) == 1
    assert any(at in line for line in told[0].card.lines)
    assert any("docs/runbooks/rows-unreadable.md" in line for line in told[0].card.lines)
    await put(world, at, before.row.body if before else None)
    await world.minute(30)
    assert world.written == ["west"]


@each_row
async def test_another_group_goes_on(key: Callable[[str], Key]) -> None:
    """One group's row is no reason to leave the others alone."""
    world = await a_world(regions=("west", "east", "north", "south"))
    one = a_profile(an_endpoint("west"), an_endpoint("east"), name="one")
    two = a_profile(an_endpoint("north"), an_endpoint("south"), name="two")
    world.profiles.profiles = [one, two]
    await world.store.put(Row(key(one.id), NEWER), if_version=None)
    await reconcile.handle("{}", ports=world.ports, settings=world.settings)
    found = await read_rollout(world.store, two.id)
    assert found is not None
    assert found.state is State.CONVERGED


async def test_a_letter_holds_up_no_other() -> None:
    """What is to be told by this version is told, and the other letter is kept."""
    world = await a_world()
    at = letter_key("teams", "odd")
    await put(world, at, NEWER)
    world.sick("east")
    await world.minute(5)
    assert world.teams.letters
    assert world.body(at) == NEWER


async def test_a_package_hosts_row_is_not_written_over() -> None:
    """The checks of a host that a newer version wrote are not known here: no region is led away from or to it."""
    world = await a_world(app=plain(4) | {SETTING: f"{HOSTS[VENDOR]}dist/Artifacts.zip"})
    (first, *_) = (await watches(world.store)).values()
    at = watch_key(first.location)
    await put(world, at, NEWER)
    await world.minute(30)
    assert world.written == []
    assert world.body(at) == NEWER
    assert first.location.id not in await watches(world.store)

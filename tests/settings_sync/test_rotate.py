"""Another fingerprint key: a foreign one changes nothing, a rotation forgets nothing, a lost one is begun anew."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from shared.artifact_hosts.model import Order, Work
from shared.errors import ForeignKey, IllegalTransition
from shared.groups.workflow import discover
from shared.reconcile import workflow as reconcile
from shared.reconcile.summary import summarize
from shared.settings_sync.ask import Ask
from shared.settings_sync.model import Rollout, State
from shared.settings_sync.policy import KeyClass
from shared.settings_sync.workflow import STORE_KEY, rollout_key
from shared.store import Key
from tests.builders import a_policy
from tests.fakes.clock import START
from tests.rounds import World, val

pytestmark = pytest.mark.usefixtures("no_value_anywhere")


async def a_held_world() -> World:
    """K00 is the baseline, K01 was left different, a change of Vault waits for approval."""
    world = World({"Vault": val(), "K00": val(), "K01": val()}, policy=a_policy(Vault=KeyClass.IDENTITY))
    await world.ticks(2)
    world.edit("west", K01=val("w"))
    world.edit("east", K01=val("e"))
    await world.ring()
    await world.ask(Ask.REJECT, reason="each its own")
    world.edit("west", Vault=val("other"))
    await world.ring()
    assert held_by(world) == ["identity"]
    return world


def held_by(world: World) -> list[str]:
    """The rules that hold the plan."""
    plan = world.row.plan
    assert plan is not None
    return [refusal.rule for refusal in plan.refusals]


def rows(world: World) -> dict[Key, bytes]:
    """Return what is remembered of settings, packages and permits, and whose the store is."""
    kinds = ("settings-sync", "packages", "permits", "fingerprint-key")
    return {key: stored.row.body for key, stored in world.store.rows.items() if str(key).startswith(kinds)}


async def test_a_foreign_key_changes_nothing() -> None:
    """The app holds and says so, once; with the right key all is as it was."""
    world = await a_held_world()
    before, right = rows(world), world.settings
    world.new_key(rotate=False)
    for _ in range(20):
        with pytest.raises(ForeignKey, match="this is not the key of this store"):
            await world.tick()
    assert rows(world) == before
    assert world.written == []
    summary = await summarize(world.profile_id, world.ports, world.settings)
    assert any("not the key of this store" in name for name in summary.attention)
    world.settings = right
    await world.ring()
    assert held_by(world) == ["identity"]
    assert [verdict.key for verdict in world.row.verdicts] == ["K01"]


async def test_people_are_told_of_a_foreign_key_once_a_day() -> None:
    """By the timer's round, whatever the number of groups."""
    world = await a_held_world()
    world.new_key(rotate=False)
    for _ in range(5):
        world.clock.advance(60)
        await reconcile.run_all(world.ports, world.settings)
    told = [str(row) for row in world.store.rows if "foreign-key" in str(row)]
    assert len(told) == 1


async def test_who_looks_or_decides_with_a_foreign_key_is_refused() -> None:
    """A plan, a decision, an order and a look at packages: all of them say what is wrong, and change nothing."""
    world = await a_held_world()
    before = rows(world)
    (profile,) = await discover(world.settings.scope, world.profiles)
    world.new_key(rotate=False)
    restart = Order(work=Work.RESTART, regions=("west",), by="ada", at=START)
    with pytest.raises(ForeignKey):
        await world.ask(Ask.TAKE, region="west")
    with pytest.raises(ForeignKey):
        await reconcile.show_plan(profile, world.ports, world.settings)
    with pytest.raises(ForeignKey):
        await reconcile.order(profile, restart, world.ports, world.settings)
    with pytest.raises(ForeignKey):
        await reconcile.show_packages(profile, world.ports, world.settings)
    assert rows(world) == before


async def test_a_group_without_a_row_has_the_stores_key() -> None:
    """A group that joins later is not begun under a foreign key; and whoever comes first, owns the store."""
    world = World()
    assert STORE_KEY not in world.store.rows
    await world.ticks(1)
    assert STORE_KEY in world.store.rows
    del world.store.rows[rollout_key(world.profile_id)]
    right = world.settings
    world.new_key(rotate=False)
    with pytest.raises(ForeignKey):
        await world.ring()
    assert rollout_key(world.profile_id) not in world.store.rows
    world.settings = right
    await world.ring()
    assert world.row.state is State.CONVERGED


async def rotated(world: World) -> None:
    """The key is rotated, and the old one is taken away when the group has gone over."""
    world.new_key()
    await world.tick()
    assert world.row.key_id == world.settings.secret.id
    world.settings = msgspec.structs.replace(world.settings, previous=None)


async def test_a_rotation_forgets_nothing() -> None:
    """Baseline, decisions and holds are those of before, and the next change travels as ever."""
    world = await a_held_world()
    before = world.row
    await rotated(world)
    await world.ring()
    after = world.row
    assert {key for key, _ in after.baseline} == {key for key, _ in before.baseline}
    same = {key for key, print_ in after.baseline if print_ == dict(before.baseline)[key]}
    assert same == {"K01"}, "only what no region has any more keeps the fingerprint that it had"
    assert [(verdict.key, verdict.kind, verdict.by, verdict.at) for verdict in after.verdicts] == [
        (verdict.key, verdict.kind, verdict.by, verdict.at) for verdict in before.verdicts
    ]
    assert held_by(world) == ["identity"]
    assert any("rotated" in happening.text for happening in after.history)
    world.edit("west", Vault=val(), K00=val("new"))
    await world.ring()
    await world.until(State.CONVERGED)
    assert world.has("east", "K00") == val("new")
    assert (world.has("west", "K01"), world.has("east", "K01")) == (val("w"), val("e"))


async def test_a_rotation_does_not_begin_a_soak_anew() -> None:
    """Who changed and since when is known under the new key too."""
    world = World()
    await world.ticks(2)
    world.edit("west", K00=val("new"))
    await world.ring()
    since = {footprint.region: footprint.at for footprint in world.row.footprints}
    await rotated(world)
    assert {footprint.region: footprint.at for footprint in world.row.footprints} == since
    await world.until(State.CONVERGED)
    assert world.written == ["east"]


@pytest.mark.parametrize("sick", [False, True])
async def test_a_write_is_seen_through_under_the_key_that_it_was_planned_with(*, sick: bool) -> None:
    """It is verified, or undone, and only then the group goes over; nothing of it is left behind."""
    world = World()
    await world.ticks(2)
    world.edit("west", K00=val("new"))
    await world.ring()
    old = world.settings.secret.id
    await world.until(State.VERIFYING)
    world.new_key()
    if sick:
        world.sick("east")
    await world.tick()
    assert (world.row.key_id, world.row.state) == (old, State.VERIFYING)
    row = await world.until(State.CONVERGED, State.HELD)
    if sick:
        world.well("east")
    await world.ring()
    assert world.has("east", "K00") == (val("old") if sick else val("new"))
    assert row.state is (State.HELD if sick else State.CONVERGED)
    assert held_by(world) == (["undone"] if sick else [])
    assert world.row.key_id == world.settings.secret.id
    await world.clean()


async def test_what_no_region_has_any_more_is_still_something_else() -> None:
    """Both regions moved away from the baseline: a conflict stays one, and an agreement ends it."""
    world = World()
    await world.ticks(2)
    world.edit("west", K00=val("w"))
    world.edit("east", K00=val("e"))
    await world.ring()
    assert held_by(world) == ["conflict"]
    await rotated(world)
    assert held_by(world) == ["conflict"]
    await world.ask(Ask.TAKE, region="west", keys=["K00"])
    await world.until(State.CONVERGED)
    assert world.has("east", "K00") == val("w")


async def test_a_word_may_be_the_first_to_find_the_new_key() -> None:
    """A decision on the plan as it is under the new key is taken in with the rotation."""
    world = await a_held_world()
    world.new_key()
    await world.ask(Ask.REVERT, keys=["Vault"], reason="a mistake")
    await world.until(State.CONVERGED)
    assert world.has("west", "Vault") == val()
    assert world.row.key_id == world.settings.secret.id
    assert "K01" in {verdict.key for verdict in world.row.verdicts}


async def test_a_lost_key_is_begun_anew() -> None:
    """What is equal is the new baseline, what differs is held, and the history says who and why."""
    world = await a_held_world()
    (profile,) = await discover(world.settings.scope, world.profiles)
    with pytest.raises(IllegalTransition, match="nothing to reset"):
        await reconcile.reset_baseline([profile], "ada", "no reason", world.ports, world.settings)
    world.new_key(rotate=False)
    done = await reconcile.reset_baseline([profile], "ada", "purged", world.ports, world.settings)
    assert done == (profile.name,)
    assert any(
        "baseline reset by ada: purged; 1 decision" in happening.text for happening in world.row.history
    )
    await world.ring()
    assert (world.row.state, held_by(world)) == (State.HELD, ["first-contact"])
    assert world.row.verdicts == ()
    with pytest.raises(IllegalTransition):
        await reconcile.reset_baseline([profile], "ada", "again", world.ports, world.settings)


async def test_a_reset_in_the_middle_of_a_write_leaves_nothing_behind() -> None:
    """Permit and copy are given up, and the history says that the write stays as it is."""
    world = World()
    await world.ticks(2)
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.until(State.VERIFYING)
    (profile,) = await discover(world.settings.scope, world.profiles)
    world.new_key(rotate=False)
    await reconcile.reset_baseline([profile], "ada", "purged", world.ports, world.settings)
    await world.ring()
    await world.clean()
    assert any("a write to east was under way" in happening.text for happening in world.row.history)


def without_key(row: Rollout) -> tuple[object, ...]:
    """Return what a row says, whatever the key."""
    plan = row.plan
    assert plan is not None
    return (
        row.state,
        [key for key, _ in row.baseline],
        row.undecided,
        [(footprint.region, footprint.at) for footprint in row.footprints],
        [(written.region, written.key, written.old is None) for written in row.written],
        [(verdict.key, verdict.kind, verdict.side) for verdict in row.verdicts],
        len(row.undone),
        [(decision.key, decision.action, decision.sources, decision.targets) for decision in plan.decisions],
        [(refusal.rule, refusal.keys) for refusal in plan.refusals],
    )


DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), st.sampled_from(["west", "east", "north"]), st.sampled_from(["K00", "K01", "New"]),
                  st.sampled_from([None, "1", "2"])),
        st.tuples(st.just("ask"), st.sampled_from([Ask.TAKE, Ask.REJECT, Ask.REVERT]), st.just(""), st.none()),
        st.tuples(st.sampled_from(["sick", "well"]), st.sampled_from(["west", "east"]), st.just(""), st.none()),
        st.tuples(st.just("wait"), st.just(""), st.just(""), st.none()),
    ),
    max_size=7,
)  # fmt: skip


async def played(deeds: list[tuple[object, ...]], rotate_at: int) -> World:
    """A world in which this is done, with a minute after each; the key is rotated after so many deeds."""
    world = World(regions=("east", "north", "west"))
    await world.ticks(2)
    for number, (what, where, name, text) in enumerate([*deeds, ("wait", "", "", None)]):
        if what == "edit":
            world.edit(str(where), {str(name): None if text is None else val(text)})
        elif what == "sick":
            world.sick(str(where))
        elif what == "well":
            world.well(str(where))
        elif isinstance(where, Ask):
            with suppress(IllegalTransition):
                await world.ask(where, region="west", reason="a person may")
        if number == rotate_at:
            world.new_key()
        await world.ring()
        await world.ticks(2)
    for region in world.regions:
        world.well(region)
    await world.ticks(30)
    return world


@given(deeds=DEEDS, rotate_at=st.integers(0, 7))
@trying(max_examples=40, deadline=None)
async def test_whatever_happens_a_rotation_makes_no_difference(
    deeds: list[tuple[object, ...]], rotate_at: int
) -> None:
    """The regions and the row end as they would have without it."""
    plain, other = await played(deeds, -1), await played(deeds, rotate_at)
    assert other.app.sites == plain.app.sites
    assert other.app.writes == plain.app.writes
    assert without_key(other.row) == without_key(plain.row)
    await other.clean()

"""Rollouts from end to end over fakes: one sentence per scenario. No value is left anywhere by any of them."""

from collections.abc import Callable
from datetime import datetime

import msgspec
import pytest

from shared.copies import COPY_LIVES, Listed
from shared.disruption.permit import Denial, Granted
from shared.disruption.workflow import request
from shared.errors import (
    AppError,
    Conflict,
    Denied,
    IllegalTransition,
    NotFound,
    StalePlan,
    Throttled,
    Unavailable,
    UnsafePlan,
)
from shared.groups.discover import row_name
from shared.groups.model import MonitorStatus, Os, Profile, ScepProof, Value
from shared.groups.model import State as Health
from shared.reconcile import workflow as reconcile
from shared.reconcile.copies import OVER, UNMANAGED, left_over, sweep
from shared.reconcile.summary import Answer, summarize
from shared.settings_sync.ask import Ask
from shared.settings_sync.model import Phase, Rollout, State
from shared.settings_sync.policy import KeyClass
from shared.settings_sync.transitions import Rules, enter
from shared.settings_sync.workflow import look_only, read_rollout, rollout_key
from shared.store import Row, read, write
from tests.builders import a_disruption, a_group, a_policy, a_profile, an_endpoint, host, site_id
from tests.fakes.clock import START
from tests.rounds import Effects, Killed, World, plain, val

pytestmark = pytest.mark.usefixtures("no_value_anywhere")

VAULT = "AppConfig:KeyVaultConfig:KeyVaultURL"  # an identity key
TRIO = ("east", "north", "west")
NO_PROOF = ScepProof(at=START, problem="GetCACert answered 500")
REFERENCE = f"@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/{val('name')})"


async def settled(world: World, *, within: int = 30) -> Rollout:
    """Minutes until the regions agree and nothing is under way."""
    rollout = await world.until(State.CONVERGED, within=within)
    await world.clean()
    return rollout


def undisturbed(_name: str) -> None:
    """A hook when nothing happens."""


async def started(world: World) -> World:
    """A world after its first two looks."""
    await world.ticks(2)
    return world


def once(then: Callable[[], object], *, at: str = "east") -> Callable[[str], None]:
    """A hook that does something at the first call for a region's site."""
    left = [then]

    def hook(site: str) -> None:
        if left and site == site_id(at):
            left.pop()()

    return hook


def failing(error: AppError, *, at: str = "east") -> Callable[[str], None]:
    """A hook that fails once."""

    def fail() -> None:
        raise error

    return once(fail, at=at)


# -- a change travels ------------------------------------------------------------------------------------------


async def test_a_change_in_one_region_reaches_the_other_by_one_write_after_the_soak() -> None:
    """A key edited in west soaks for three minutes, and then east has it; nothing else is written."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    assert (await world.ring()).rollout.state is State.SOAKING  # type: ignore[union-attr]
    await world.ticks(2)
    assert world.written == []
    await world.ticks(1)
    assert world.has("east", "K00") == val("new")
    await settled(world)
    assert world.app.writes == [(site_id("east"), ("K00",))]


async def test_a_deletion_travels() -> None:
    """A key removed in one region goes away in the other."""
    world = await started(World())
    world.edit("east", K01=None)
    await world.ring()
    await settled(world)
    assert world.has("west", "K01") is None
    assert world.written == ["west"]


async def test_a_new_key_travels_and_each_region_keeps_what_is_its_own() -> None:
    """Local keys of both regions are as they were after the write."""
    here, there = val("https://a.test/a.zip?"), val("https://b.test/a.zip?")
    own = {"Update_Channel": val("beta"), "WEBSITE_RUN_FROM_PACKAGE": here}
    world = World(differs={"west": own, "east": {"WEBSITE_RUN_FROM_PACKAGE": there}})
    await started(world)
    world.edit("west", New=val(1))
    await world.ring()
    await settled(world)
    assert world.has("east", "New") == val(1)
    assert world.has("east", "WEBSITE_RUN_FROM_PACKAGE") == there
    assert world.has("east", "Update_Channel") is None


async def test_connection_strings_travel_with_their_type() -> None:
    """Changed, added and deleted ones; app settings that did not change are not written."""
    world = World(connections={"db": (val(1), "SQLAzure"), "old": (val(2), "Custom")})
    await started(world)
    world.connect("west", "db", (val(1), "MySql"))
    world.connect("west", "old", None)
    world.connect("west", "new", (val(3), "Custom"))
    await world.ring()
    await settled(world)
    assert world.string("east", "db") == (val(1), "MySql")
    assert world.string("east", "old") is None
    assert world.string("east", "new") == (val(3), "Custom")
    assert world.written == ["east"]


@pytest.mark.parametrize(("source", "name", "spelled"), [("west", "A:B", "A__B"), ("east", "A__B", "A:B")])
async def test_names_are_translated_between_windows_and_linux(source: str, name: str, spelled: str) -> None:
    """West is Windows and east is Linux; a nested name gets the spelling of the region that it comes to."""
    world = await started(World(os={"east": Os.LINUX}))
    other = "east" if source == "west" else "west"
    world.edit(source, {name: val("new")})
    await world.ring()
    await settled(world)
    assert world.has(other, spelled) == val("new")
    assert world.has(other, name) is None
    world.edit(source, {name: None})
    await world.ring()
    await settled(world)
    assert world.has(other, spelled) is None


async def test_a_translated_value_gets_the_names_of_the_region_that_it_comes_to() -> None:
    """Each region's own host name stands in its value."""
    urls = {name: {"Url": f"https://{host(name)}/{val('old')}"} for name in ("west", "east")}
    world = await started(World(differs=urls, policy=a_policy(Url=KeyClass.TRANSLATED)))
    assert (await world.rollout()).state is State.CONVERGED
    world.edit("west", Url=f"https://{host('west')}/{val('new')}")
    await world.ring()
    await settled(world)
    assert world.has("east", "Url") == f"https://{host('east')}/{val('new')}"


async def test_a_lost_event_is_found_by_the_sweep() -> None:
    """Nobody rings; within the sweep's quarter of an hour the change is seen."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ticks(25)
    assert world.has("east", "K00") == val("new")
    assert world.written == ["east"]


async def test_twenty_edits_make_one_write() -> None:
    """A burst, an event for each edit, and one merged write with all of it."""
    world = await started(World(plain(100)))
    for number in range(20):
        world.edit("west", {f"K{number:02}": val("new")})
        world.clock.advance(2)
        await world.ring()
    await settled(world)
    assert len(world.app.writes) == 1
    assert len(world.app.writes[0][1]) == 20


async def test_a_further_edit_starts_the_soak_anew_and_joins_the_set() -> None:
    """Two minutes after the first edit comes a second; both travel three minutes after that, together."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.ticks(2)
    world.edit("west", K01=val("new"))
    await world.ring()
    await world.ticks(2)
    assert world.written == []
    await settled(world)
    assert world.app.writes == [(site_id("east"), ("K00", "K01"))]


async def test_our_own_write_rings_and_nothing_comes_of_it() -> None:
    """The event of our write finds a plan with nothing in it, at any time of the verification and after."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    for _ in range(12):
        await world.ring()
        await world.tick()
        await world.ring()
    assert world.written == ["east"]
    assert (await world.rollout()).state is State.CONVERGED
    await world.clean()


async def test_different_keys_changed_in_both_regions_travel_in_turn() -> None:
    """The older set first; each is written to the other region, after a soak of its own."""
    world = await started(World())
    world.edit("east", K01=val("east's"))
    await world.ring()
    await world.tick()
    world.edit("west", K02=val("west's"))
    await world.ring()
    await settled(world)
    assert world.app.writes == [(site_id("west"), ("K01",)), (site_id("east"), ("K02",))]


async def test_the_same_change_made_everywhere_is_agreement() -> None:
    """Terraform writes both regions: nothing to do, and it is the baseline from then on."""
    world = await started(World())
    world.edit("west", K00=val("new"), K01=None)
    world.edit("east", K00=val("new"), K01=None)
    await world.ring()
    assert (await world.rollout()).state is State.CONVERGED
    world.edit("west", K00=val("newer"))
    await world.ring()
    await settled(world)
    assert world.has("east", "K00") == val("newer")
    assert world.written == ["east"]


async def test_three_regions_are_written_one_after_another_with_a_permit_each() -> None:
    """The second peer waits until the first has proved itself."""
    world = await started(World(regions=TRIO))
    world.edit("west", K00=val("new"))
    await world.ring()
    await settled(world)
    assert world.written == ["east", "north"]
    first, second = world.app.permits
    assert (first.region, second.region) == ("east", "north")
    assert first.id != second.id
    assert (second.granted_at - first.granted_at).total_seconds() >= 180


async def test_a_change_taken_back_between_two_peers_is_taken_back_in_the_first() -> None:
    """West thinks better of it after east has it and before north does."""
    world = await started(World(regions=TRIO))
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.until(State.VERIFYING)
    world.edit("west", K00=val("old"))
    await world.ring()
    await settled(world)
    assert {world.has(name, "K00") for name in TRIO} == {val("old")}
    assert world.has("north", "K00") == val("old")
    assert world.written == ["east", "east"]


async def test_a_source_that_changes_again_while_its_peer_is_verified_travels_again() -> None:
    """The newer value soaks on its own; even a refused permit makes no conflict of it."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.until(State.VERIFYING)
    await world.tick()
    world.edit("west", K00=val("newer"))
    await world.ring()
    await world.until(State.SOAKING)
    await hold_permit(world, "drill")
    await world.tick()
    rollout = await world.rollout()
    assert "no permit" in rollout.reason
    rollout = await settled(world)
    assert not any(
        "conflict" in happening.text or happening.state is State.HELD for happening in rollout.history
    )
    assert world.has("east", "K00") == val("newer")
    assert world.written == ["east", "east"]


# -- quiet -----------------------------------------------------------------------------------------------------


async def test_converged_means_quiet() -> None:
    """An hour of ticks: a Traffic Manager read and a probe per region each, settings only at the sweep."""
    world = await started(World())
    await world.ring()
    world.app.reads.clear()
    world.profiles.reads.clear()
    world.probes.asked.clear()
    await world.ticks(60)
    assert len(world.profiles.reads) == 60
    assert world.app.reads.count((site_id("west"), "settings")) == 4
    assert len(world.app.reads) == 8
    assert world.probes.asked.count((host("east"), "probe")) == 60
    assert world.probes.asked.count((host("east"), "scep")) == 12
    assert world.app.writes == []
    assert world.copies.log == []


# -- the source is not well ------------------------------------------------------------------------------------


async def test_a_change_that_makes_its_region_sick_is_contained() -> None:
    """The peer is not touched, whatever time passes, and the row says why."""
    world = await started(World())
    world.edit("west", K00=val("bad"))
    world.sick("west")
    await world.ring()
    assert "given until" in (await world.rollout()).reason
    rollout = await world.until(State.CONTAINED)
    assert "503" in rollout.reason
    await world.ticks(60)
    assert (await world.rollout()).state is State.CONTAINED
    assert world.has("east", "K00") == val("old")
    assert world.written == []


async def test_a_source_that_was_well_for_a_moment_only_is_not_trusted() -> None:
    """Flapping inside the soak starts it anew."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    for _ in range(4):
        await world.ticks(2)
        world.sick("west")
        await world.ticks(1)
        world.well("west")
        await world.ticks(1)
    assert world.written == []
    await settled(world)
    assert world.written == ["east"]


async def test_a_hole_in_the_evidence_is_no_soak() -> None:
    """Counterpart slept for an hour: what it did not watch was not proved."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.tick(seconds=3600)
    await world.ticks(2)
    assert world.written == []
    await settled(world)


async def test_a_person_reverts_a_contained_change_from_the_peers_values() -> None:
    """West gets east's values back by one write, and is verified as any region is."""
    world = await started(World())
    world.edit("west", K00=val("bad"), K01=None, New=val("bad"))
    world.sick("west")
    await world.ring()
    await world.until(State.CONTAINED)
    await world.ask(Ask.REVERT)
    assert world.app.sites[site_id("west").lower()] == world.app.sites[site_id("east").lower()]
    assert world.app.writes == [(site_id("west"), ("K00", "K01", "New"))]
    world.well("west")
    await settled(world)


async def contained_beside_a_sound_change() -> World:
    """West is ill with its change, and somebody has changed another key in east, soundly."""
    world = await started(World())
    world.edit("west", K00=val("bad"))
    world.sick("west")
    await world.ring()
    await world.until(State.CONTAINED)
    world.edit("east", K01=val("sound"))
    await world.ticks(2)
    return world


async def test_a_sound_change_of_the_peer_is_not_put_back_with_a_bad_one() -> None:
    """Its undoing would have to come from the ill region, and the bad value's would wait behind it for ever."""
    world = await contained_beside_a_sound_change()
    await world.ask(Ask.REVERT)
    await world.ticks(10)
    assert world.has("west", "K00") == val("old")
    world.well("west")
    await settled(world)
    assert [world.has(name, "K01") for name in ("west", "east")] == [val("sound")] * 2


async def test_a_region_that_comes_back_before_the_word_is_given_changes_nothing_of_it() -> None:
    """The change soaks again, and is what is put back: not what was soundly changed in the other region."""
    world = await contained_beside_a_sound_change()
    world.well("west")
    await world.until(State.SOAKING)
    await world.ask(Ask.REVERT)
    await settled(world)
    assert [world.has(name, "K00") for name in ("west", "east")] == [val("old")] * 2
    assert [world.has(name, "K01") for name in ("west", "east")] == [val("sound")] * 2


async def test_the_policy_reverts_a_bad_change_by_itself() -> None:
    """With on_bad_change = revert nobody needs to be asked."""
    world = await started(World(rules=Rules(revert_bad_changes=True)))
    world.edit("west", K00=val("bad"))
    world.sick("west")
    await world.ring()
    await world.ticks(15)
    assert world.has("west", "K00") == val("old")
    assert world.written == ["west"]
    world.well("west")
    rollout = await settled(world)
    assert any(
        "on_bad_change" in happening.text or "east to west" in happening.text for happening in rollout.history
    )


async def test_when_both_regions_are_sick_the_policy_reverts_nothing() -> None:
    """A failure that all share says nothing about the change; nothing is written, back or forth."""
    world = await started(World(rules=Rules(revert_bad_changes=True)))
    world.edit("west", K00=val("bad"))
    world.sick("west")
    world.sick("east")
    await world.ring()
    await world.ticks(40)
    assert world.written == []
    assert (await world.rollout()).state is State.CONTAINED
    world.well("west")
    world.well("east")
    await settled(world)


async def test_a_contained_region_that_mends_lets_its_change_travel() -> None:
    """Well again for the whole soak, without anybody ringing."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    world.sick("west")
    await world.ring()
    await world.until(State.CONTAINED)
    world.well("west")
    await world.tick()
    assert (await world.rollout()).state is State.SOAKING
    await settled(world)
    assert world.has("east", "K00") == val("new")


async def test_a_contained_region_whose_change_is_taken_back_agrees_again() -> None:
    """Mended at the portal."""
    world = await started(World())
    world.edit("west", K00=val("bad"))
    world.sick("west")
    await world.ring()
    await world.until(State.CONTAINED)
    world.edit("west", K00=val("old"))
    await world.ring()
    await settled(world)
    assert world.written == []


async def test_force_waives_the_soak_and_needs_a_reason() -> None:
    """A soaking change travels at once; the reason is in the row."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    with pytest.raises(UnsafePlan, match="reason"):
        await world.ask(Ask.FORCE)
    await world.ask(Ask.FORCE, reason="we must")
    assert world.written == ["east"]
    assert any("we must" in happening.text for happening in (await world.rollout()).history)
    await settled(world)


async def test_force_is_for_the_keys_that_are_named() -> None:
    """The others go on soaking."""
    world = await started(World())
    world.edit("west", K00=val("new"), K01=val("new"))
    await world.ring()
    await world.ask(Ask.FORCE, keys=["K01"], reason="we must")
    assert world.app.writes == [(site_id("east"), ("K01",))]
    await settled(world)
    assert world.app.writes[1:] == [(site_id("east"), ("K00",))]


async def test_force_does_not_override_the_first_law() -> None:
    """East is the last region that serves: a sick west's change does not go there, whatever the reason."""
    world = await started(World())
    world.edit("west", K00=val("bad"))
    world.sick("west")
    await world.ring()
    await world.until(State.CONTAINED)
    round_ = await world.ask(Ask.FORCE, reason="I insist")
    assert round_.rollout is not None
    assert "last region" in round_.rollout.reason
    await world.ticks(10)
    assert world.written == []
    world.well("west")
    await settled(world)
    assert world.written == ["east"]


# -- a person decides ------------------------------------------------------------------------------------------


async def test_a_conflict_is_held_until_a_person_takes_a_side() -> None:
    """Both sides changed one key: nothing moves, not the other keys either, until one is chosen."""
    world = await started(World())
    world.edit("west", K00=val("west's"), K01=val("new"))
    world.edit("east", K00=val("east's"))
    await world.ring()
    await world.ticks(30)
    rollout = await world.rollout()
    assert rollout.state is State.HELD
    assert rollout.plan is not None
    assert [(refusal.rule, refusal.keys) for refusal in rollout.plan.refusals] == [("conflict", ("K00",))]
    assert world.written == []
    with pytest.raises(NotFound, match="K00"):
        await world.ask(Ask.REVERT, keys=["K00"])
    await world.ask(Ask.TAKE, region="east", keys=["K00"])
    await settled(world)
    assert {world.has(region, "K00") for region in world.regions} == {val("east's")}
    assert {world.has(region, "K01") for region in world.regions} == {val("new")}


async def test_a_word_whose_taker_died_is_acted_upon_by_the_next_wake_up() -> None:
    """It was taken into the row, and the process died then: the next tick goes on, not the next sweep."""
    world = await started(World())
    world.edit("west", K00=val("west's"))
    world.edit("east", K00=val("east's"))
    await world.ring()
    world.effects = Effects(kill_at=1, after=True)
    with pytest.raises(Killed, match="settings-sync"):
        await world.ask(Ask.TAKE, region="east", keys=["K00"])
    world.effects = Effects()
    assert (await world.rollout()).state is State.HELD
    await world.tick()
    assert (await world.rollout()).state is not State.HELD
    await settled(world)
    assert world.has("west", "K00") == val("east's")


async def test_a_conflict_that_people_settle_by_hand_is_over() -> None:
    """The regions agree again, so nothing is held any more."""
    world = await started(World())
    world.edit("west", K00=val("west's"))
    world.edit("east", K00=val("east's"))
    await world.ring()
    assert (await world.rollout()).state is State.HELD
    world.edit("west", K00=val("east's"))
    await world.ring()
    await settled(world, within=1)
    assert world.written == []


async def test_an_identity_key_is_held_and_travels_once_it_is_approved() -> None:
    """The vault's URL names the authority: even one such change in a healthy region waits for a person."""
    world = await started(World({VAULT: val("vault"), **plain(3)}))
    world.edit("west", {VAULT: val("another vault")})
    await world.ring()
    await world.ticks(10)
    assert (await world.rollout()).state is State.HELD
    assert world.written == []
    await world.ask(Ask.APPROVE)
    await settled(world)
    assert world.has("east", VAULT) == val("another vault")


async def test_an_identity_approval_outlives_the_first_of_three_regions_writes() -> None:
    """Approved once, carried out twice."""
    world = await started(World({VAULT: val("vault"), **plain(3)}, regions=TRIO))
    world.edit("west", {VAULT: val("another vault")})
    await world.ring()
    await world.ask(Ask.APPROVE)
    rollout = await settled(world)
    assert world.written == ["east", "north"]
    states = [happening.state for happening in rollout.history]
    assert State.HELD not in states[states.index(State.WRITING) :]


async def test_an_approval_is_void_when_the_value_changes_again() -> None:
    """What was approved is not what would be done."""
    world = await started(World({VAULT: val("vault"), **plain(3)}))
    world.edit("west", {VAULT: val("another vault")})
    await world.ring()
    await world.ask(Ask.APPROVE)
    world.edit("west", {VAULT: val("a third vault")})
    await world.ring()
    await world.ticks(10)
    assert (await world.rollout()).state is State.HELD
    assert world.written == []


async def test_a_word_about_another_plan_is_refused() -> None:
    """Between looking and deciding the plan became another one."""
    world = await started(World({VAULT: val("vault"), **plain(3)}))
    world.edit("west", {VAULT: val("another vault")})
    seen = (await world.ring()).rollout
    assert seen is not None
    assert seen.plan is not None
    world.edit("west", K00=val("new"))
    with pytest.raises(StalePlan):
        await world.ask(Ask.APPROVE, fingerprint=seen.plan.fingerprint)
    await world.ticks(10)
    assert world.written == []


async def test_a_word_where_nothing_is_asked_is_refused() -> None:
    """The regions agree; there is nothing to approve, revert or force."""
    world = await started(World())
    for what in (Ask.APPROVE, Ask.REVERT, Ask.FORCE, Ask.TAKE, Ask.REJECT):
        with pytest.raises(IllegalTransition):
            await world.ask(what, region="west", reason="why not")


async def test_the_brake_holds_a_large_change_until_it_is_approved() -> None:
    """Four of ten keys: somebody may have pasted the wrong file."""
    world = await started(World(plain(10)))
    world.edit("west", {f"K{number:02}": val("new") for number in range(4)})
    await world.ring()
    await world.ticks(10)
    rollout = await world.rollout()
    assert rollout.state is State.HELD
    assert "4 of 10" in rollout.reason
    assert world.written == []
    await world.ask(Ask.APPROVE)
    await settled(world)
    assert world.app.writes == [(site_id("east"), ("K00", "K01", "K02", "K03"))]


async def test_a_name_that_cannot_travel_holds_the_plan_and_no_approval_helps() -> None:
    """Renamed at its source, the setting goes its way."""
    world = await started(World(os={"east": Os.LINUX}))
    world.edit("west", {"With-Dash": val(1)})
    await world.ring()
    await world.ticks(5)
    assert (await world.rollout()).state is State.HELD
    with pytest.raises(IllegalTransition, match="cannot-travel"):
        await world.ask(Ask.APPROVE)
    world.edit("west", {"With-Dash": None, "WithDash": val(1)})
    await world.ring()
    await settled(world)
    assert world.has("east", "WithDash") == val(1)


async def test_a_key_that_is_spelled_twice_holds_the_plan() -> None:
    """Until one of the two is removed."""
    world = await started(World({"A:B": val(1), **plain(3)}))
    world.edit("west", {"A__B": val(2)})
    await world.ring()
    await world.ticks(5)
    rollout = await world.rollout()
    assert rollout.state is State.HELD
    assert world.written == []
    world.edit("west", {"A:B": None})
    await world.ring()
    await settled(world)
    assert world.has("east", "A:B") == val(2)


# -- first contact ---------------------------------------------------------------------------------------------


async def test_at_first_contact_equal_regions_are_the_baseline() -> None:
    """Nothing is asked and nothing is written."""
    world = World()
    await world.tick()
    assert (await world.rollout()).state is State.CONVERGED
    await world.ticks(10)
    assert world.written == []


async def test_at_first_contact_different_regions_are_held_with_the_whole_difference() -> None:
    """Changed, missing and additional keys are named; nothing is guessed, also not for new changes."""
    world = World(differs={"west": {"K00": val("west's"), "OnlyWest": val(1)}, "east": {"K01": None}})
    await world.ticks(3)
    rollout = await world.rollout()
    assert rollout.state is State.HELD
    assert rollout.plan is not None
    (refusal,) = rollout.plan.refusals
    assert (refusal.rule, refusal.keys) == ("first-contact", ("K00", "K01", "OnlyWest"))
    world.edit("east", K02=val("new"))
    await world.ring()
    await world.ticks(30)
    assert world.written == []


async def test_first_contact_is_resolved_for_all_keys_by_one_word() -> None:
    """West is right in everything."""
    world = World(differs={"west": {"K00": val("west's"), "OnlyWest": val(1)}, "east": {"OnlyEast": val(2)}})
    await world.ticks(3)
    west = dict(world.app.sites[site_id("west").lower()])
    await world.ask(Ask.TAKE, region="west")
    await settled(world)
    assert world.app.sites[site_id("west").lower()] == west
    assert world.app.sites[site_id("east").lower()] == west
    assert world.written == ["east"]


async def test_first_contact_is_resolved_key_by_key() -> None:
    """Each key may have another side; nothing moves before the last word."""
    world = World(differs={"west": {"K00": val("w"), "K01": val("w")}, "east": {"K02": val("e")}})
    await world.ticks(3)
    await world.ask(Ask.TAKE, region="west", keys=["K00"])
    await world.ask(Ask.TAKE, region="east", keys=["K02"])
    await world.ticks(5)
    assert world.written == []
    await world.ask(Ask.REJECT, keys=["K01"], reason="each its own")
    rollout = await settled(world)
    assert world.has("east", "K00") == val("w")
    assert world.has("west", "K02") == val("e")
    assert (world.has("west", "K01"), world.has("east", "K01")) == (val("w"), val("old"))
    assert sorted(world.written) == ["east", "west"]
    assert "left different on purpose: 1 key" in rollout.reason


async def test_rejected_keys_stay_apart_without_holding_others() -> None:
    """Other keys travel; when the rejected one changes again it is asked about anew."""
    world = World(differs={"west": {"K00": val("w")}})
    await world.ticks(2)
    await world.ask(Ask.REJECT, reason="each its own")
    world.edit("west", K01=val("new"))
    await world.ring()
    await settled(world)
    assert world.has("east", "K01") == val("new")
    assert world.has("east", "K00") == val("old")
    world.edit("east", K00=val("e"))
    await world.ring()
    assert (await world.rollout()).state is State.HELD


async def test_a_region_that_joins_has_no_past_with_the_others() -> None:
    """Its old values do not overwrite what the others agreed on meanwhile; where it differs a person decides."""
    world = await started(World(regions=TRIO))
    trio = world.profiles.profiles
    world.profiles.profiles = [a_profile(*trio[0].endpoints[1:])]
    await world.ticks(4)  # one answer without it is no proof
    world.edit("west", K00=val("new"))
    await world.ring()
    await settled(world)
    world.profiles.profiles = trio
    await world.ring()
    await world.ticks(10)
    rollout = await world.rollout()
    assert rollout.state is State.HELD
    assert rollout.plan is not None
    assert [(refusal.rule, refusal.keys) for refusal in rollout.plan.refusals] == [
        ("first-contact", ("K00",))
    ]
    await world.ask(Ask.TAKE, region="west")
    await settled(world)
    assert world.has("east", "K00") == val("new")


async def test_an_endpoint_that_is_led_to_another_site_is_another_region() -> None:
    """A new site under an old name does not pass for the old one with changes."""
    world = await started(World(regions=TRIO))
    west, east = an_endpoint("west"), an_endpoint("east", target_id=site_id("north"), target=host("north"))
    world.edit("north", K00=None)
    world.profiles.profiles = [a_profile(west, east)]
    await world.ticks(4)
    await world.ring()
    rollout = await world.rollout()
    assert rollout.plan is not None
    assert [refusal.rule for refusal in rollout.plan.refusals] == ["first-contact"]


# -- somebody else changes the peer ----------------------------------------------------------------------------


async def test_a_person_who_changes_the_peer_between_plan_and_write_is_noticed() -> None:
    """Just as the permit is asked for, east's value becomes a person's: it is not overwritten but held."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.ticks(2)
    world.copies.before = lambda _name: world.edit("east", K00=val("theirs"))
    await world.tick()
    world.copies.before = undisturbed
    await world.ticks(5)
    assert world.has("east", "K00") == val("theirs")
    assert (await world.rollout()).state is State.HELD
    assert world.written == []
    await world.clean()


async def test_a_person_who_makes_the_same_change_at_the_peer_has_done_it() -> None:
    """Just before the write east has the value already: nothing is written, and nothing is ours to take back."""
    world = await started(World())
    world.edit("west", K00=val("new"), K01=None)
    await world.ring()
    await world.ticks(2)
    world.copies.before = lambda _name: world.edit("east", K00=val("new"), K01=None)
    await world.tick()
    world.copies.before = undisturbed
    await settled(world)
    assert world.written == []


async def test_other_keys_that_a_person_changes_before_the_write_stay_theirs() -> None:
    """The write is built on what was read last, so it carries their change along; then it travels by itself."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.ticks(2)
    world.copies.before = lambda _name: world.edit("east", K01=val("theirs"))
    await world.tick()
    world.copies.before = undisturbed
    assert world.has("east", "K01") == val("theirs")
    await settled(world)
    assert {world.has(region, "K01") for region in world.regions} == {val("theirs")}
    assert world.app.writes == [(site_id("east"), ("K00",)), (site_id("west"), ("K01",))]


async def test_a_person_who_changes_another_key_right_after_the_write_is_noticed() -> None:
    """Their key soaks in east and comes to west, beside ours."""
    world = await started(World())
    world.app.after_put = once(lambda: world.edit("east", K01=val("theirs")))
    world.edit("west", K00=val("new"))
    await world.ring()
    await settled(world)
    assert world.has("west", "K01") == val("theirs")
    assert world.app.writes == [(site_id("east"), ("K00",)), (site_id("west"), ("K01",))]


@pytest.mark.parametrize("minutes", [0, 1, 2])
async def test_a_person_who_changes_our_key_after_the_write_keeps_it(minutes: int) -> None:
    """While east is verified somebody sets the very key: theirs stands, and it is a conflict."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    if minutes == 0:
        world.app.after_put = once(lambda: world.edit("east", K00=val("theirs")))
    await world.until(State.VERIFYING, State.HELD)
    await world.ticks(minutes)
    world.edit("east", K00=val("theirs"))
    await world.ring()
    await world.ticks(20)
    assert world.has("east", "K00") == val("theirs")
    assert (await world.rollout()).state is State.HELD
    assert world.written == ["east"]
    await world.clean()


async def test_a_person_who_puts_the_peer_back_is_not_overruled() -> None:
    """East gets its old value back by hand while it is verified: held, not written again unasked."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.until(State.VERIFYING)
    await world.ticks(2)
    world.edit("east", K00=val("old"))
    await world.ring()
    await world.ticks(20)
    rollout = await world.rollout()
    assert rollout.state is State.HELD
    assert rollout.plan is not None
    assert [refusal.rule for refusal in rollout.plan.refusals] == ["undone"]
    assert world.written == ["east"]
    await world.clean()


async def test_one_of_two_written_keys_changed_by_a_person_leaves_the_other_verified() -> None:
    """Theirs is theirs; ours is seen through."""
    world = await started(World())
    world.edit("west", K00=val("new"), K01=val("new"))
    await world.ring()
    await world.until(State.VERIFYING)
    world.edit("east", K00=val("theirs"))
    await world.ring()
    rollout = await world.until(State.HELD)
    assert dict(rollout.baseline).keys() >= {"K01"}
    assert world.has("east", "K01") == val("new")
    assert world.has("east", "K00") == val("theirs")
    assert rollout.plan is not None
    assert [decision.key for decision in rollout.plan.decisions] == ["K00"]
    await world.clean()


async def test_a_key_removed_by_a_person_before_our_deletion_of_it_is_gone() -> None:
    """Both wanted it away."""
    world = await started(World())
    world.edit("west", K00=None)
    await world.ring()
    await world.ticks(2)
    world.copies.before = lambda _name: world.edit("east", K00=None)
    await world.tick()
    world.copies.before = undisturbed
    await settled(world)
    assert world.written == []


# -- verification and rollback ---------------------------------------------------------------------------------


async def test_a_peer_that_does_not_come_back_gets_its_old_values_again() -> None:
    """East is sick with the change: after ten minutes its old values are put back, and the plan is held."""
    world = await started(World())
    world.edit("west", K00=val("new"), K01=None, New=val(1))
    before = dict(world.app.sites[site_id("east").lower()])
    await world.ring()
    await world.until(State.VERIFYING)
    world.sick("east")
    rollout = await world.until(State.HELD)
    assert world.app.sites[site_id("east").lower()] == before
    assert rollout.plan is not None
    assert [refusal.rule for refusal in rollout.plan.refusals] == ["undone"]
    assert any("503" in happening.text for happening in rollout.history)
    await world.clean()
    world.well("east")
    await world.ticks(60)
    assert world.written == ["east", "east"]
    assert world.has("west", "K00") == val("new")


async def test_nothing_else_is_disturbed_until_a_region_that_was_put_back_is_well() -> None:
    """The old values are there, and east still starts: north waits for it, although west is healthy."""
    world = await started(World(regions=("west", "east", "north")))
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.until(State.VERIFYING)
    world.sick("east")
    await world.until(State.HELD)
    assert world.written == ["east", "east"]

    async def ask() -> Granted | Denial:
        health, now = await world.health(), world.clock.now()
        return await request(
            world.store, row_name(world.profile_id), a_disruption("north", work="another"), health, now
        )

    denied = await ask()
    assert isinstance(denied, Denial)
    assert "east has not come back yet" in denied.reason
    world.well("east")
    await world.ticks(1)
    assert isinstance(await ask(), Granted)


async def test_what_was_put_back_is_tried_again_when_a_person_approves() -> None:
    """Once; when it fails again it is held again."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.until(State.VERIFYING)
    world.sick("east")
    await world.until(State.HELD)
    world.well("east")
    await world.ticks(2)
    await world.ask(Ask.APPROVE)
    await world.until(State.VERIFYING)
    world.sick("east")
    await world.until(State.HELD)
    await world.ticks(60)
    assert world.written == ["east"] * 4
    world.well("east")
    await world.ticks(2)
    await world.ask(Ask.APPROVE)
    await settled(world)
    assert world.has("east", "K00") == val("new")


async def test_a_side_that_was_taken_is_still_taken_when_its_retry_is_approved() -> None:
    """A conflict, settled, failed and approved: the chosen side goes again."""
    world = World(differs={"west": {"K00": val("w")}})
    await world.ticks(4)
    await world.ask(Ask.TAKE, region="west")
    await world.until(State.VERIFYING)
    world.sick("east")
    await world.until(State.HELD)
    world.well("east")
    await world.ticks(2)
    await world.ask(Ask.APPROVE)
    await settled(world)
    assert world.has("east", "K00") == val("w")


async def test_what_was_put_back_and_is_changed_at_its_source_travels_anew() -> None:
    """A corrected value is another change."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.until(State.VERIFYING)
    world.sick("east")
    await world.until(State.HELD)
    world.well("east")
    world.edit("west", K00=val("better"))
    await world.ring()
    await settled(world)
    assert world.has("east", "K00") == val("better")


async def test_a_reference_that_does_not_resolve_in_the_peer_is_put_back() -> None:
    """East's identity may not read the secret: its probe is well, and still it does not have the value."""
    world = await started(World())
    world.app.references[site_id("east").lower()] = {"K00": "AccessToKeyVaultDenied"}
    world.edit("west", K00=REFERENCE)
    await world.ring()
    rollout = await world.until(State.HELD)
    assert world.has("east", "K00") == val("old")
    assert any("references are not resolved: K00" in happening.text for happening in rollout.history)
    await world.clean()


async def test_a_reference_that_resolves_late_is_waited_for() -> None:
    """App Service takes a few minutes."""
    world = await started(World())
    world.app.references[site_id("east").lower()] = {"K00": "Initialized"}
    world.edit("west", K00=REFERENCE)
    await world.ring()
    await world.until(State.VERIFYING)
    await world.ticks(4)
    assert (await world.rollout()).state is State.VERIFYING
    world.app.references.clear()
    await settled(world)
    assert world.has("east", "K00") == REFERENCE


def refused(world: World, region: str, error: AppError) -> list[datetime]:
    """Azure does not say how the references of a region fare. Returns when it was asked."""
    asked: list[datetime] = []

    def refuse(site: str) -> None:
        if site == site_id(region) and world.app.reads[-1][1] == "references":
            asked.append(world.clock.now())
            raise error

    world.app.before_read = refuse
    return asked


async def test_references_that_cannot_be_read_do_not_stop_the_deadline() -> None:
    """Azure denies the list of references: the peer is put back when its time is over, not left in between."""
    world = await started(World())
    denied = refused(world, "east", Denied("no right to list references"))
    world.edit("west", K00=REFERENCE)
    await world.ring()
    await world.until(State.HELD)
    assert denied
    assert world.has("east", "K00") == val("old")
    await world.clean()


async def test_a_reference_that_does_not_resolve_where_it_was_set_goes_nowhere() -> None:
    """West answers as before, since it does not miss the secret yet; the change is bad all the same."""
    world = await started(World())
    world.app.references[site_id("west").lower()] = {"K00": "SecretNotFound"}
    world.edit("west", K00=REFERENCE)
    await world.ring()
    rollout = await world.until(State.CONTAINED)
    why = "Key Vault references are not resolved: K00 (there is no such secret in the vault)"
    assert rollout.reason == f"1 key changed in west, where {why}"
    await world.ticks(20)
    assert world.written == []
    world.app.references.clear()
    await settled(world)
    assert world.has("east", "K00") == REFERENCE


async def test_what_a_person_forces_onward_is_not_asked_whether_it_resolves_at_its_source() -> None:
    """The other region may be the one that has the secret; there it must resolve, or it is put back."""
    world = await started(World())
    world.app.references[site_id("west").lower()] = {"K00": "SecretNotFound"}
    world.edit("west", K00=REFERENCE)
    await world.ring()
    await world.until(State.CONTAINED)
    await world.ask(Ask.FORCE, reason="the east has it")
    await settled(world)
    assert world.has("east", "K00") == REFERENCE


async def test_a_source_whose_references_cannot_be_read_for_a_moment_is_asked_again() -> None:
    """Whether they resolve is not known, which is no reason to tell people that they do not."""
    world = await started(World())
    asked = refused(world, "west", Unavailable("no answer"))
    world.edit("west", K00=REFERENCE)
    await world.ring()
    await world.ticks(20)
    assert len(asked) > 15
    assert world.written == []
    rollout = await world.rollout()
    assert rollout.state is State.SOAKING
    why = "whether the Key Vault references of west resolve could not be read; it is asked again"
    assert rollout.reason == why
    assert [happening.text for happening in rollout.history].count(why) == 1
    world.app.before_read = undisturbed
    await settled(world)
    assert world.has("east", "K00") == REFERENCE


async def test_a_source_whose_references_may_not_be_read_is_contained() -> None:
    """That stays so until a person does something about it, who is told."""
    world = await started(World())
    refused(world, "west", Denied("no right to list references"))
    world.edit("west", K00=REFERENCE)
    await world.ring()
    await world.until(State.CONTAINED)
    assert world.written == []


async def test_references_are_asked_about_where_there_are_any_and_not_before_the_soak_is_over() -> None:
    """A change without a reference costs no read; one with it one for each region."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    await settled(world)
    assert "references" not in {what for _, what in world.app.reads}
    world.edit("west", K00=REFERENCE)
    await world.ring()
    await world.ticks(2)
    assert "references" not in {what for _, what in world.app.reads}
    await world.until(State.VERIFYING)
    assert [site for site, what in world.app.reads if what == "references"][:2] == [
        site_id("west"),
        site_id("east"),
    ]
    await settled(world)


async def test_a_peer_whose_scep_breaks_while_its_probe_is_well_is_put_back() -> None:
    """A proof from before the write says nothing about the write."""
    world = await started(World())
    world.app.after_put = once(lambda: world.probes.scep.update({host("east"): NO_PROOF}))
    world.edit("west", K00=val("new"))
    await world.ring()
    rollout = await world.until(State.HELD)
    assert world.has("east", "K00") == val("old")
    assert any("SCEP does not" in happening.text for happening in rollout.history)


async def test_connection_strings_are_put_back_too() -> None:
    """Changed, added and deleted ones, type and all."""
    world = World(connections={"db": (val(1), "SQLAzure"), "old": (val(2), "Custom")})
    await started(world)
    world.edit("west", K00=val("new"))
    world.connect("west", "db", (val(3), "MySql"))
    world.connect("west", "old", None)
    world.connect("west", "new", (val(4), "Custom"))
    await world.ring()
    await world.until(State.VERIFYING)
    assert world.string("east", "db") == (val(3), "MySql")
    world.sick("east")
    await world.until(State.HELD)
    assert world.app.connections[site_id("east").lower()] == {
        "db": (val(1), "SQLAzure"),
        "old": (val(2), "Custom"),
    }
    await world.clean()


async def test_a_rollback_waits_for_a_refuge() -> None:
    """East does not answer and west went down: nobody is disturbed until west is well again."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.until(State.VERIFYING)
    world.sick("east", seen=False)
    world.sick("west")
    await world.ticks(20)
    assert world.written == ["east"]
    assert "waiting to put east back" in (await world.rollout()).reason
    world.well("west")
    await world.until(State.HELD)
    assert world.has("east", "K00") == val("old")
    await world.clean()


async def test_what_a_person_changed_since_is_not_put_back() -> None:
    """Of two written keys one became a person's; only the other gets its old value."""
    world = await started(World())
    world.edit("west", K00=val("new"), K01=val("new"))
    await world.ring()
    await world.until(State.VERIFYING)
    world.sick("east")
    await world.ticks(3)
    world.edit("east", K00=val("theirs"))
    await world.until(State.HELD)
    assert (world.has("east", "K00"), world.has("east", "K01")) == (val("theirs"), val("old"))
    await world.clean()


async def test_without_its_copy_a_peer_is_left_to_people_and_nothing_hangs() -> None:
    """Somebody purged the vault: the row says so, and the group goes on."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.until(State.VERIFYING)
    world.copies.copies.clear()
    world.sick("east")
    await world.until(State.CONVERGED, within=60)
    rollout = await world.rollout()
    assert any("mend it by hand" in happening.text for happening in rollout.history)
    assert world.written == ["east"]
    await world.clean()


async def test_a_peer_that_was_down_before_is_not_blamed_on_the_write() -> None:
    """East was silent and stays so: the change is in it, and is left there."""
    world = await started(World())
    world.sick("east")
    world.edit("west", K00=val("new"))
    await world.ring()
    await settled(world)
    assert world.has("east", "K00") == val("new")
    assert world.written == ["east"]


async def test_a_peer_out_of_dns_that_answers_is_verified_by_its_probe() -> None:
    """A disabled endpoint may be written while another region is well, and must answer afterwards as before."""
    world = await started(World())
    world.profiles.set_endpoint("east", enabled=False, status=MonitorStatus.DISABLED)
    world.edit("west", K00=val("new"))
    await world.ring()
    await settled(world)
    assert world.written == ["east"]


# -- permits ---------------------------------------------------------------------------------------------------


async def test_without_a_permit_the_change_waits_says_why_and_goes_on_later() -> None:
    """Another piece of work disturbs the group; its row is one line per reason, however long it lasts."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    await hold_permit(world, "drill")
    await world.ticks(8)
    rollout = await world.rollout()
    assert rollout.state is State.WRITING
    assert "no permit: west is being disturbed" in rollout.reason
    assert world.written == []
    assert len(rollout.history) < 8
    assert rollout.flight is None
    await world.ticks(10)
    assert world.written == ["east"]
    await settled(world)


async def hold_permit(world: World, work: str) -> None:
    """Another piece of work holds the group's permit for ten minutes."""
    health = await world.health()
    asked = a_disruption("west", work=work, at_most=600)
    await request(world.store, row_name(world.profile_id), asked, health, world.clock.now())


async def test_regions_that_prove_different_authorities_are_not_written() -> None:
    """East answers with another CA just before the permit: neither is a refuge for the other."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.ticks(2)
    world.probes.scep[host("east")] = "eb" * 32
    await world.ticks(20)
    assert world.written == []
    assert "different CAs" in (await world.rollout()).reason
    world.probes.scep.clear()
    await settled(world)
    assert world.written == ["east"]


async def test_a_source_that_falls_ill_at_the_last_moment_is_not_copied() -> None:
    """The proof before the permit fails in west: no write, and the soak begins anew."""
    world = await started(World(regions=TRIO))
    world.edit("west", K00=val("bad"))
    await world.ring()
    await world.ticks(2)
    world.probes.scep[host("west")] = NO_PROOF
    await world.ticks(10)
    assert world.written == []
    await world.clean()
    world.probes.scep.clear()
    await settled(world)


# -- the group changes -----------------------------------------------------------------------------------------


async def test_a_group_with_one_region_has_nothing_to_keep_in_step() -> None:
    """It is observed, and there is no rollout."""
    world = World(regions=["west"])
    round_ = await world.ring()
    assert "nothing to keep in step" in round_.note
    assert round_.health["west"].state is Health.HEALTHY
    assert round_.rollout is None
    assert await read_rollout(world.store, world.profile_id) is None


@pytest.mark.parametrize("regions", [("west", "east"), TRIO])
@pytest.mark.parametrize("gone", ["west", "east"])
async def test_a_region_that_leaves_in_the_middle_of_a_write_leaves_nothing_behind(
    regions: tuple[str, ...], gone: str
) -> None:
    """The source or the target is taken out of the profile while the target is verified."""
    world = await started(World(regions=regions))
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.until(State.VERIFYING)
    whole = world.profiles.profiles
    world.profiles.profiles = [
        a_profile(*(endpoint for endpoint in whole[0].endpoints if endpoint.name != gone))
    ]
    await world.ring()
    await world.ticks(15)
    if gone == "east":  # its old values are kept for it
        assert len(world.copies.copies) == 1
        await sweep([world.profile_id], world.ports)
        assert len(world.copies.copies) == 1
        world.clock.advance(COPY_LIVES.total_seconds())
        await sweep([world.profile_id], world.ports)
    await world.clean()
    assert len(world.written) <= 3


@pytest.mark.parametrize("regions", [("west", "east"), TRIO])
@pytest.mark.parametrize("ill", [True, False])
async def test_a_region_that_left_in_the_middle_of_a_write_is_seen_to_when_it_is_back(
    regions: tuple[str, ...], *, ill: bool
) -> None:
    """Its old values are put back where it is ill with the new ones; where it is well, the write is over."""
    world = await started(World(regions=regions))
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.until(State.VERIFYING)
    whole = world.profiles.profiles
    world.profiles.profiles = [
        a_profile(*(endpoint for endpoint in whole[0].endpoints if endpoint.name != "east"))
    ]
    await world.ticks(15)
    world.profiles.profiles = whole
    if ill:
        world.sick("east")
    await world.ring()
    await world.ticks(20)
    await world.clean()
    assert world.has("east", "K00") == val("old" if ill else "new")
    assert (await world.rollout()).left == ()


async def test_a_region_that_was_away_for_a_while_gets_the_change_that_was_made_meanwhile() -> None:
    """A pair that was one region for an hour goes on from the same baseline."""
    world = await started(World())
    whole = world.profiles.profiles
    world.profiles.profiles = [a_profile(whole[0].endpoints[0])]
    world.edit("west", K00=val("new"))
    await world.ticks(60)
    assert (await world.rollout()).reason == "only west is left: nothing to keep in step"
    world.profiles.profiles = whole
    await world.ring()
    await settled(world)
    assert world.has("east", "K00") == val("new")
    assert world.written == ["east"]


@pytest.mark.parametrize("state", [State.SOAKING, State.CONTAINED, State.HELD])
async def test_a_row_waits_for_nothing_when_one_region_is_left(state: State) -> None:
    """Whatever it waited for is over: it says so, and asks Azure for no settings after that."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    if state is State.HELD:
        world.edit("east", K00=val("another"))
    if state is State.CONTAINED:
        world.sick("west")
    await world.ring()
    await world.until(state)
    world.profiles.profiles = [a_profile(world.profiles.profiles[0].endpoints[0])]
    await world.ticks(5)
    rollout = await world.rollout()
    assert (rollout.state, rollout.reason) == (
        State.CONVERGED,
        "only west is left: nothing to keep in step",
    )
    assert rollout.plan is not None
    assert rollout.plan.decisions == ()
    before = len(world.app.reads)
    await world.ticks(5)
    assert len(world.app.reads) == before


async def test_a_region_that_leaves_while_it_is_verified_and_comes_back_is_no_stranger() -> None:
    """What was written stays, and so does what people said; nothing is asked, as the pair's past is known."""
    world = await started(World(differs={"west": {"K03": val("apart")}}))
    await world.ask(Ask.REJECT, reason="each its own")
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.until(State.VERIFYING)
    whole = world.profiles.profiles
    world.profiles.profiles = [a_profile(whole[0].endpoints[0])]
    await world.ticks(3)
    world.edit("west", K01=val("new"))
    world.profiles.profiles = whole
    await world.ring()
    await settled(world)
    assert world.has("east", "K01") == val("new")


def unfound(world: World, region: str, error: AppError | None = None) -> None:
    """Resource Manager answers 404, or what is given, for a region's site."""

    def refuse(asked: str) -> None:
        if asked.lower() == site_id(region).lower():
            raise error or NotFound(f"there is no site {asked}")

    world.app.before_read = refuse


async def test_a_site_that_is_deleted_under_its_endpoint_stays_a_region() -> None:
    """Nothing is compared until its endpoint is gone from the profile too; people are told after minutes."""
    world = await started(World(regions=TRIO))
    del world.app.sites[site_id("east").lower()]
    world.edit("west", K00=val("new"))
    for _ in range(5):
        with pytest.raises(NotFound):
            await world.tick(doorbell=True)
    assert "nothing is compared" in (await world.rollout()).reason
    found = await summarize(world.profile_id, world.ports, world.settings)
    assert found.in_step.answer is Answer.UNKNOWN
    assert any("a region that cannot be read" in name for name in found.attention)
    whole = world.profiles.profiles[0].endpoints
    world.profiles.profiles = [a_profile(*(endpoint for endpoint in whole if endpoint.name != "east"))]
    await world.ticks(4)
    await settled(world)
    assert world.has("north", "K00") == val("new")


@pytest.mark.parametrize("error", [NotFound("404"), Denied("403")], ids=["404", "403"])
async def test_a_passing_404_forgets_no_way_back(error: AppError) -> None:
    """The written region is ill and out of sight for a moment: the write is still undone when it is back."""
    world = await started(World())
    world.edit("west", K00=val("bad"))
    await world.ring()
    await world.until(State.VERIFYING)
    world.sick("east")
    unfound(world, "east", error)
    before = await world.rollout()
    for _ in range(2):
        with pytest.raises(type(error)):
            await world.ring()
    rollout = await world.rollout()
    assert (rollout.flight, rollout.baseline) == (before.flight, before.baseline)
    assert world.copies.copies
    world.app.before_read = undisturbed
    await world.ticks(20)
    assert world.has("east", "K00") == val("old")
    await world.clean()


async def test_an_answer_without_an_endpoint_forgets_no_way_back() -> None:
    """Traffic Manager leaves the written region out for two minutes: nothing of it is given up."""
    world = await started(World())
    world.edit("west", K00=val("bad"))
    await world.ring()
    await world.until(State.VERIFYING)
    world.sick("east")
    whole = world.profiles.profiles
    flight = (await world.rollout()).flight
    world.profiles.profiles = [a_profile(whole[0].endpoints[0])]
    await world.ring()
    await world.ticks(1)
    rollout = await world.rollout()
    assert rollout.flight == flight
    assert "leaves out east" in rollout.reason
    world.profiles.profiles = whole
    await world.ticks(20)
    assert world.has("east", "K00") == val("old")
    await world.clean()


async def test_a_copy_that_the_vault_misses_once_is_asked_for_again() -> None:
    """A passing 404 of the vault is no loss of the old values."""
    world = await started(World())
    world.edit("west", K00=val("bad"))
    await world.ring()
    await world.until(State.VERIFYING)
    world.sick("east")
    kept = dict(world.copies.copies)
    world.copies.copies.clear()
    for _ in range(20):
        await world.ticks(1)
        if "the vault does not find" in (await world.rollout()).reason:
            break
    world.copies.copies.update(kept)
    await world.ticks(20)
    assert world.has("east", "K00") == val("old")
    assert not any("mend it by hand" in happening.text for happening in (await world.rollout()).history)
    await world.clean()


async def test_an_older_answer_of_traffic_manager_drops_no_decision() -> None:
    """A third region joins while a change soaks, a side is taken, and a round comes with the cached two regions."""
    world = World(regions=TRIO, differs={"north": {"K01": val("own"), "K02": val("own")}})
    trio = world.profiles.profiles
    pair = a_profile(*(endpoint for endpoint in trio[0].endpoints if endpoint.name != "north"))
    world.profiles.profiles = [pair]
    await started(world)
    world.edit("west", K00=val("new"))
    await world.ring()
    read_at = world.clock.now()
    world.clock.advance(5)
    world.profiles.profiles = trio
    await world.ask(Ask.TAKE, region="west", keys=("K01", "K02"))
    said = {verdict.key for verdict in (await world.rollout()).verdicts}
    assert said == {"K01", "K02"}
    await reconcile.run(pair, world.ports, world.settings, doorbell=True, read_at=read_at)
    assert {verdict.key for verdict in (await world.rollout()).verdicts} == said
    await settled(world)
    assert world.has("north", "K01") == val("old")


async def test_a_round_that_was_overtaken_decides_nothing() -> None:
    """It began with two regions, and a person decided for three before it read the row."""
    world = World(regions=TRIO, differs={"north": {"K01": val("own")}})
    trio = world.profiles.profiles
    pair = a_profile(*(endpoint for endpoint in trio[0].endpoints if endpoint.name != "north"))
    world.profiles.profiles = [pair]
    await started(world)
    tools = reconcile.settings_tools(world.ports, world.settings)
    old = msgspec.structs.replace(a_group("west", "east"), read_at=world.clock.now())
    world.clock.advance(5)
    world.profiles.profiles = trio
    await world.ask(Ask.TAKE, region="west")
    with pytest.raises(Conflict, match="had other regions"):
        await look_only(msgspec.structs.replace(old, id=world.profile_id), tools)


async def test_a_decision_that_is_good_no_longer_ends_with_a_line() -> None:
    """The value changed after the word: the history and the answer say so."""
    world = await started(World())
    world.edit("west", K00=val("west"))
    world.edit("east", K00=val("east"))
    await world.ring()
    world.sick("west")
    world.sick("east")
    await world.ask(Ask.TAKE, region="west")
    world.edit("east", K00=val("again"))
    await world.ring()
    rollout = await world.rollout()
    assert rollout.verdicts == ()
    found = await summarize(world.profile_id, world.ports, world.settings)
    assert any("1 decision dropped" in name for name in found.attention)
    assert any(
        "1 decision dropped" in happening.text and "K00 (take west by ada)" in happening.text
        for happening in rollout.history
    )


# -- Azure's errors --------------------------------------------------------------------------------------------

TROUBLE = [
    Throttled("429", retry_after=30),
    Unavailable("no answer"),
    Denied("no right"),
]


@pytest.mark.parametrize("error", TROUBLE, ids=lambda it: type(it).__name__)
async def test_a_write_that_failed_without_effect_is_made_once_later(error: AppError) -> None:
    """The row says what went wrong; nothing is written twice, and nothing is left behind."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    world.app.before_put = failing(error)
    with pytest.raises(type(error)):
        await world.ticks_until_error()
    assert str(error) in (await world.rollout()).reason
    await settled(world)
    assert world.written == ["east"]


async def test_a_write_whose_answer_was_lost_is_found_to_have_happened() -> None:
    """The PUT took effect and timed out: it is not repeated but verified."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    world.app.after_put = failing(Unavailable("timed out"))
    with pytest.raises(Unavailable):
        await world.ticks_until_error()
    await settled(world)
    assert world.written == ["east"]


@pytest.mark.parametrize("error", TROUBLE, ids=lambda it: type(it).__name__)
async def test_a_write_that_was_half_made_is_finished(error: AppError) -> None:
    """App settings went through, connection strings did not: the second half follows, with the copy of both."""
    world = World(connections={"db": (val(1), "Custom")})
    await started(world)
    world.edit("west", K00=val("new"))
    world.connect("west", "db", (val(2), "Custom"))
    await world.ring()
    puts = []

    def second_fails(site: str) -> None:
        puts.append(site)
        if len(puts) == 2:
            raise error

    world.app.before_put = second_fails
    with pytest.raises(type(error)):
        await world.ticks_until_error()
    assert "will show" in (await world.rollout()).reason
    await settled(world)
    assert world.string("east", "db") == (val(2), "Custom")
    assert world.app.writes == [(site_id("east"), ("K00",)), (site_id("east"), ("db",))]


async def half_made() -> World:
    """The app settings of a change have arrived; whether its connection strings have is not known."""
    world = World(connections={"db": (val(1), "Custom")})
    await started(world)
    world.edit("west", K00=val("new"))
    world.connect("west", "db", (val(2), "Custom"))
    await world.ring()
    puts = []

    def second_fails(site: str) -> None:
        puts.append(site)
        if len(puts) == 2:
            raise Unavailable("no answer")

    world.app.before_put = second_fails
    with pytest.raises(Unavailable):
        await world.ticks_until_error()
    return world


async def test_a_half_made_write_keeps_its_copy_when_the_vault_does_not_answer() -> None:
    """Who goes on with it and cannot read the copy must not forget it: the region may need its old values yet."""
    world = await half_made()
    world.sick("east")
    asked: list[str] = []

    def once_unanswered(name: str) -> None:
        if world.copies.log[-1][0] == "get" and not asked:
            asked.append(name)
            raise Unavailable("the vault does not answer")

    world.copies.before = once_unanswered
    await world.until(State.HELD)
    assert asked
    assert world.has("east", "K00") == val("old")
    assert world.string("east", "db") == (val(1), "Custom")
    await world.clean()


async def verified_while_untagged() -> tuple[World, list[Profile]]:
    """A world whose profile nobody finds any more, while east is being verified; and the profile."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.until(State.VERIFYING)
    tagged = world.profiles.profiles
    world.profiles.profiles = []
    return world, tagged


async def minutes_of_all(world: World, count: int) -> None:
    """Turns of the timer."""
    for _ in range(count):
        world.clock.advance(60)
        await reconcile.run_all(world.ports, world.settings)


async def test_a_copy_of_a_group_that_is_managed_no_more_is_deleted_after_a_day() -> None:
    """Until then it is the way back, and status lists it."""
    world, _ = await verified_while_untagged()
    await minutes_of_all(world, 5)
    ((left, why),) = await left_over([], world.ports)
    assert [left.name] == list(world.copies.copies)
    assert why == UNMANAGED
    world.clock.advance(24 * 3600)
    await minutes_of_all(world, 2)
    assert world.copies.copies  # two answers prove nothing
    await minutes_of_all(world, 2)
    assert world.copies.copies == {}
    assert await left_over([], world.ports) == ()


async def test_a_group_that_is_managed_again_within_a_day_goes_on_with_its_copy() -> None:
    """The verification ends, and takes its copy with it."""
    world, tagged = await verified_while_untagged()
    await minutes_of_all(world, 60)
    world.profiles.profiles = tagged
    await minutes_of_all(world, 10)
    assert world.has("east", "K00") == val("new")
    await world.clean()


async def test_a_profile_that_a_late_answer_leaves_out_once_loses_no_copy() -> None:
    """More than a day after the copy was made, its profile is there again before its absence is proved."""
    world, tagged = await verified_while_untagged()
    world.clock.advance(24 * 3600)
    await minutes_of_all(world, 2)
    world.profiles.profiles = tagged
    world.app.before_read = failing(Unavailable("no answer"))
    await minutes_of_all(world, 1)
    world.profiles.profiles = []
    await minutes_of_all(world, 2)
    assert world.copies.copies


async def test_a_copy_of_a_write_that_is_over_is_swept() -> None:
    """Whoever laid it in was so slow that others had ended the write; the vault may refuse at first."""
    world = await started(World())
    copies = Listed(world.copies, world.store, world.clock, world.profile_id)
    await copies.keep("counterpart-slow", Value(val("old")), expires=world.clock.now())
    assert [why for _, why in await left_over([world.profile_id], world.ports)] == [OVER]

    def refuse(_name: str) -> None:
        raise Unavailable("no answer")

    world.copies.before = refuse
    await minutes_of_all(world, 1)
    assert world.copies.copies
    world.copies.before = undisturbed
    await minutes_of_all(world, 1)
    await world.clean()


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("number", [1, 2])
async def test_killed_while_it_sweeps_the_copy_is_swept_later(number: int, *, late: bool) -> None:
    """Before or after the vault forgot it, and its row."""
    world = await started(World())
    copies = Listed(world.copies, world.store, world.clock, world.profile_id)
    await copies.keep("counterpart-slow", Value(val("old")), expires=world.clock.now())
    world.effects = Effects(kill_at=number, after=late)
    with pytest.raises(Killed):
        await sweep([world.profile_id], world.ports)
    world.effects = Effects()
    await sweep([world.profile_id], world.ports)
    assert not world.copies.copies
    assert await left_over([], world.ports) == ()


async def test_an_undo_that_waits_for_the_vault_names_it() -> None:
    """The old values lie there: the row says what is waited for, and the region gets them when it answers."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.until(State.VERIFYING)
    world.sick("east")

    def refuse(_name: str) -> None:
        raise Unavailable("no answer")

    world.copies.before = refuse
    await world.ticks(15)
    rollout = await world.rollout()
    assert rollout.reason == "waiting for the vault, which holds east's old values: no answer"
    world.copies.before = undisturbed
    await world.until(State.HELD)
    assert world.has("east", "K00") == val("old")
    await world.clean()


async def test_a_half_made_write_whose_source_takes_it_back_is_taken_back() -> None:
    """What did not arrive is dropped; what did is verified, and then follows its source."""
    world = await half_made()
    world.edit("west", K00=val("old"))
    world.connect("west", "db", (val(1), "Custom"))
    await world.ring()
    await settled(world)
    assert world.has("east", "K00") == val("old")
    assert world.string("east", "db") == (val(1), "Custom")


@pytest.mark.parametrize("error", TROUBLE, ids=lambda it: type(it).__name__)
@pytest.mark.parametrize("what", ["keep", "forget"])
async def test_without_the_vault_nothing_is_written_and_nothing_is_forgotten(
    what: str, error: AppError
) -> None:
    """No copy, no write; and a copy that cannot be deleted is deleted later."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.ticks(2)

    def refuse(_name: str) -> None:
        if world.copies.log[-1][0] == what:
            raise error

    world.copies.before = refuse
    await world.ticks(8)
    assert world.written == ([] if what == "keep" else ["east"])
    reason = (await world.rollout()).reason
    assert str(error) in reason
    if what == "forget":
        assert "waiting for the vault to delete the copy" in reason
    world.copies.before = undisturbed
    await settled(world)
    assert world.written == ["east"]


@pytest.mark.parametrize("nth", range(1, 22))
async def test_any_read_of_azure_may_fail_at_any_time(nth: int) -> None:
    """The n-th read of a whole rollout fails once; it ends as it would have, by one write."""
    error = TROUBLE[nth % 3]
    world = await started(World())
    calls = [0]

    def fail(_site: str) -> None:
        calls[0] += 1
        if calls[0] == nth:
            raise error

    world.app.before_read = fail
    world.edit("west", K00=REFERENCE)
    await world.ticks(1)
    try:
        await world.ring()
    except type(error):
        await world.ring()
    await settled(world)
    assert world.has("east", "K00") == REFERENCE
    assert world.written == ["east"]
    assert calls[0] >= nth


@pytest.mark.parametrize("error", TROUBLE, ids=lambda it: type(it).__name__)
async def test_a_read_that_fails_right_before_the_write_gives_the_claim_back(error: AppError) -> None:
    """Nothing was written, so that nobody need wait until the claim is over."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()

    def fail(_site: str) -> None:
        if world.copies.log:  # the copy is made, and the last look before the PUT begins
            world.app.before_read = undisturbed
            raise error

    world.app.before_read = fail
    with pytest.raises(type(error)):
        await world.ticks_until_error()
    rollout = await world.rollout()
    assert (rollout.state, rollout.flight) == (State.WRITING, None)
    assert str(error) in rollout.reason
    assert world.copies.copies == {}
    await settled(world)
    assert world.written == ["east"]


@pytest.mark.parametrize("error", TROUBLE, ids=lambda it: type(it).__name__)
async def test_a_rollback_that_fails_is_tried_again(error: AppError) -> None:
    """Before and after its effect."""
    for hook in ("before_put", "after_put"):
        world = await started(World())
        world.edit("west", K00=val("new"))
        await world.ring()
        await world.until(State.VERIFYING)
        world.sick("east")
        setattr(world.app, hook, failing(error))
        await world.until(State.HELD)
        assert world.has("east", "K00") == val("old")
        await world.clean()


async def test_a_claim_is_given_up_when_getting_ready_took_too_long() -> None:
    """A worker that was held up does not write under a claim that another may have taken over."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.ticks(2)

    def slowly(_name: str) -> None:
        world.clock.advance(40)

    world.copies.before = slowly
    await world.tick()  # tried again until Traffic Manager's word is too old for a permit
    world.copies.before = undisturbed
    assert world.written == []
    rollout = await world.rollout()
    assert any("took too long" in happening.text for happening in rollout.history)
    assert "not seen since" in rollout.reason
    await settled(world)
    assert world.written == ["east"]


async def _another_looks(world: World) -> None:
    """Another instance saves what it saw; the claim in the row is not its own, and stays as it is."""
    row, version = await read(world.store, rollout_key(world.profile_id), Rollout)
    assert row is not None
    assert row.flight is not None
    noted = enter(row, row.state, "another look", world.clock.now())
    await write(world.store, rollout_key(world.profile_id), noted, if_version=version)


@pytest.mark.parametrize("effect", ["keep", "PUT app settings"])
async def test_another_ones_look_leaves_no_claim_lying(effect: str) -> None:
    """Who has the claim says what became of it, over what others wrote meanwhile; nobody waits until it is over."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    looked: list[str] = []

    async def pause(name: str) -> None:
        if name == effect and not looked:
            looked.append(name)
            await _another_looks(world)
            if effect == "keep":  # and a person changes the peer, so that it is not written
                world.edit("east", K00=val("mine"))

    world.effects.pause = pause
    while not looked:
        await world.ticks(1)
    rollout = await world.rollout()
    assert "another look" in {happening.text for happening in rollout.history}
    if effect == "keep":
        assert rollout.flight is None
        assert world.copies.copies == {}
        assert world.written == []
    else:
        assert rollout.state is State.VERIFYING
        assert world.written == ["east"]


async def test_one_groups_trouble_is_not_anothers() -> None:
    """A round that breaks, even on a row that nobody understands, leaves the others their turn."""
    world = await started(World())
    broken = a_profile(name="broken")
    world.profiles.profiles = [broken, *world.profiles.profiles]
    await world.store.put(Row(rollout_key(broken.id), b'{"from": "another version"}'), if_version=None)
    rounds = await reconcile.run_all(world.ports, world.settings)
    world.shown += rounds
    assert [isinstance(item, reconcile.Failure) for item in rounds] == [True, False]


async def test_a_flight_survives_its_worker() -> None:
    """The row names the phase, so that any later worker knows where it stands."""
    world = await started(World())
    world.edit("west", K00=val("new"))
    await world.ring()
    rollout = await world.until(State.VERIFYING)
    assert rollout.flight is not None
    assert rollout.flight.phase is Phase.WRITTEN
    assert rollout.flight.copy_name in world.copies.copies
    assert msgspec.json.decode(msgspec.json.encode(rollout), type=Rollout) == rollout

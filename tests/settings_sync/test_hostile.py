"""Whole rounds with names and values that cannot be handled: each is held by its name, and the others travel."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from shared.errors import IllegalTransition, UnsafePlan
from shared.groups.model import Json, Os
from shared.settings_sync.ask import Ask
from shared.settings_sync.model import Action, Plan, State
from shared.settings_sync.spelling import app_key, connection_key
from tests.builders import site_id
from tests.rounds import SECRET, World, val

pytestmark = pytest.mark.usefixtures("no_value_anywhere")

LICENCE = "AppConfig:LicenseKey"
LINUX_LICENCE = "AppConfig__LicenseKey"


def plan_of(world: World) -> Plan:
    """The plan as it was last saved."""
    plan = world.row.plan
    assert plan is not None
    return plan


def held(world: World) -> dict[str, str]:
    """Return what is held by its name, with the rule."""
    return {key: refusal.rule for refusal in plan_of(world).refusals if refusal.alone for key in refusal.keys}


async def rung(world: World) -> None:
    """An event arrives; then the time that two changes take, one after the other."""
    await world.ring()
    await world.ticks(16)


async def travels_beside(changes: Mapping[str, str], world: World | None = None) -> World:
    """A world in which west got these settings and an unrelated change, after the time that a change takes."""
    world = world or World()
    await world.ticks(2)
    world.edit("west", {**changes, "K00": val("new")})
    await rung(world)
    assert world.has("east", "K00") == val("new"), "the unrelated change did not travel"
    await world.clean()
    return world


async def test_two_spellings_are_no_deletion() -> None:
    """The key is shown as ambiguous with both names; nothing is deleted, and other changes travel."""
    world = World({LICENCE: val(), **{f"K{number:02}": val() for number in range(4)}})
    await travels_beside({LINUX_LICENCE: val("other")}, world)
    (shown,) = plan_of(world).decisions
    assert (shown.key, shown.action) == (LICENCE, Action.AMBIGUOUS)
    assert LICENCE in shown.reason
    assert LINUX_LICENCE in shown.reason
    assert world.has("east", LICENCE) == val()
    assert (world.row.state, held(world)) == (State.HELD, {LICENCE: "ambiguous"})
    world.edit("west", {LINUX_LICENCE: None})
    await world.ring()
    assert (world.row.state, plan_of(world).refusals) == (State.CONVERGED, ())


@pytest.mark.parametrize("twin", [LINUX_LICENCE, LICENCE.upper()])
@pytest.mark.parametrize("what", [Ask.TAKE, Ask.REJECT, Ask.REVERT, Ask.APPROVE, Ask.FORCE])
async def test_a_word_on_an_ambiguous_key_says_what_to_do(what: Ask, twin: str) -> None:
    """Nothing is accepted that would do nothing: the answer names both spellings and the region."""
    world = World({LICENCE: val()})
    await world.ticks(2)
    world.edit("west", {twin: val("other")})
    await world.ring()
    for keys in ((LICENCE,), (LINUX_LICENCE.lower(),), ()):
        with pytest.raises((UnsafePlan, IllegalTransition), match="remove all spellings but one") as said:
            await world.ask(what, region="west", keys=keys, reason="a test")
        assert all(name in str(said.value) for name in (LICENCE, twin, "west"))
    assert world.row.verdicts == ()
    assert world.written == []


async def test_a_second_spelling_in_the_target_is_not_written_over() -> None:
    """A change that is on its way to a region where its key became ambiguous waits for the person who did that."""
    world = World({"A:B": val(), "C": val()})
    await world.ticks(2)
    world.edit("west", {"A:B": val("new")})
    world.edit("east", {"A__B": val("other")})
    await rung(world)
    assert (world.has("east", "A:B"), world.has("east", "A__B")) == (val(), val("other"))
    assert held(world) == {"A:B": "ambiguous"}


async def test_a_setting_named_like_a_connection_string() -> None:
    """It is an app setting, whatever its name, and travels beside the connection string of that name."""
    world = World(connections={"New": (val(1), "Custom")})
    await travels_beside({"connectionstrings/New": val(2)}, world)
    world.connect("west", "New", (val(3), "Custom"))
    await rung(world)
    assert world.has("east", "connectionstrings/New") == val(2)
    assert world.string("east", "New") == (val(3), "Custom")
    assert world.row.state is State.CONVERGED


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("K", val("\ud800"), "half of a character"),
        ("K\udfff", val(), "half of a character"),
        ("K", val("a\0b"), "a zero character"),
        ("K", val("x" * 10_000), "10,005 characters; App Service takes 10,000"),
        ("K", Json(f'["{SECRET * 3000}"]'), "12,004 characters"),
        ("", val(), "empty or blank"),
        (" \t", val(), "empty or blank"),
        ("a=b", val(), "has a '='"),
    ],
)
async def test_what_the_platform_would_refuse_is_held_by_its_name(name: str, value: str, why: str) -> None:
    """It is not written anywhere, its reason is shown, and the others travel."""
    world = await travels_beside({name: value})
    assert held(world) == {app_key(name): "cannot-travel"}
    assert world.row.state is State.HELD
    assert why in world.row.reason
    assert world.has("east", name) is None
    assert world.written == ["east"]


async def test_settings_that_are_too_long_together_are_held() -> None:
    """What would take the target over the environment block is held before any PUT; what makes room travels."""
    most = {f"L{number}": val("x" * 9_900) for number in range(6)}
    world = await travels_beside(
        {"New": val("y" * 9_000)}, World({**most, "K00": val("old"), "L9": val("z" * 900)})
    )
    assert held(world) == {"New": "cannot-travel"}
    assert "of the 65,535 of an environment block" in world.row.reason
    world.edit("west", {"L0": None, "L1": None})
    await rung(world)
    assert world.has("east", "L0") is None
    assert world.has("east", "New") == val("y" * 9_000)
    assert world.row.state is State.CONVERGED


async def test_a_target_that_grew_meanwhile_is_not_written_over_its_limit() -> None:
    """Between the plan and the PUT a person fills the target: nothing is written, and the next plan holds it."""
    world = World({f"L{number}": val("x" * 9_900) for number in range(5)})
    await world.ticks(2)
    world.edit("west", {"New": val("y" * 9_000)})
    filled = False

    async def fill(name: str) -> None:
        nonlocal filled
        if name == "keep" and not filled:
            filled = True
            world.app.edit(site_id("east"), Full=val("z" * 9_900))

    world.effects.pause = fill
    await rung(world)
    assert filled
    assert world.written == []
    assert held(world)["New"] == "cannot-travel"
    await world.clean()


async def test_a_side_that_cannot_travel_is_not_taken_and_the_other_one_is() -> None:
    """Who takes the value that cannot travel is told so; the way back is open."""
    world = await travels_beside({"K01": val("x" * 10_000)})
    with pytest.raises(UnsafePlan, match="K01 cannot be taken from west"):
        await world.ask(Ask.TAKE, region="west", keys=["K01"])
    with pytest.raises(UnsafePlan, match="nothing to approve in it"):
        await world.ask(Ask.APPROVE, keys=["K01"])
    await world.ask(Ask.REVERT, keys=["K01"], reason="too long")
    await rung(world)
    assert world.has("west", "K01") == world.has("east", "K01") == val("old")
    assert world.row.state is State.CONVERGED


async def test_what_cannot_travel_may_be_replaced() -> None:
    """A value that cannot be said anywhere gives way to one that can, and comes back when that one is undone."""
    world = World({"K": val("\ud800"), **{f"K{number:02}": val() for number in range(4)}})
    await world.ticks(2)
    world.edit("west", {"K": val("sound")})
    await world.ring()
    await world.until(State.VERIFYING)
    assert world.has("east", "K") == val("sound")
    world.sick("east")
    await world.until(State.HELD)
    assert world.has("east", "K") == val("\ud800")
    await world.clean()


# -- any names, any values ------------------------------------------------------------------------------------------

PIECES = (
    "A", "a", "B", ":", "__", "_", ".", "-", "=", " ", "/", "%uD800", "\\", '"', "\0", "\n", "\ud800", "\udc00", "ß",
    "İ", "ﬁ", "connectionstrings/", "ConnectionStrings/", "appsettings/", "AppConfig", "😀", "{", "'", "null", "../",
)  # fmt: skip
NAMES = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
VALUES = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=3).map(lambda it: SECRET + "".join(it)),
    st.sampled_from([SECRET * 2_501, Json(f'"{SECRET}"'), Json(f'["{SECRET}", 1.10, null]')]),
)
APPS = st.dictionaries(NAMES, VALUES, max_size=4)
STRINGS = st.dictionaries(NAMES, st.tuples(VALUES, st.sampled_from(["Custom", ""])), max_size=2)


async def settled(world: World, on_conflict: Ask) -> None:
    """A person decides what holds the plan as a whole."""
    for _ in range(2):
        holding = [refusal for refusal in plan_of(world).refusals if not refusal.alone]
        if not holding:
            return
        keys = {
            key
            for refusal in holding
            if refusal.rule in {"conflict", "first-contact"}
            for key in refusal.keys
        }
        if keys:
            await world.ask(on_conflict, region="west", keys=keys, reason="a test")
        else:
            await world.ask(Ask.APPROVE, reason="a test")


@given(
    both=APPS,
    west=APPS,
    east=APPS,
    later=APPS,
    strings=STRINGS,
    system=st.sampled_from([(Os.WINDOWS, Os.WINDOWS), (Os.LINUX, Os.LINUX), (Os.WINDOWS, Os.LINUX)]),
)
@trying(max_examples=60, deadline=None)
async def test_whatever_settings_are_called_and_say_the_others_travel(
    both: dict[str, str],
    west: dict[str, str],
    east: dict[str, str],
    later: dict[str, str],
    strings: dict[str, tuple[str, str]],
    system: tuple[Os, Os],
) -> None:
    """A round never ends for a name or a value: what is sound arrives, what is not is held by name and left alone."""
    world = World({**both, "Sound": val(1)}, os=dict(zip(("west", "east"), system, strict=True)))
    world.edit("west", {**west})
    world.edit("east", {**east})
    await world.ring()
    await settled(world, Ask.REJECT)
    for name, pair in strings.items():
        world.connect("west", name, pair)
    world.edit("west", {**later, "Sound": val(2)})
    await world.ring()
    await settled(world, Ask.TAKE)
    for _ in range(16):
        await world.tick()
    names = {decision.key.lower() for decision in plan_of(world).decisions}
    assert world.has("east", "Sound") == val(2)
    there_now = world.app.sites[site_id("east").lower()]
    for name, value in later.items():
        key = app_key(name).lower()
        there = [name for own, name in there_now.items() if app_key(own).lower() == key]
        assert value in there or key in names, f"{name!r} neither arrived nor is named"
    for name, string in strings.items():
        assert world.string("east", name) == string or connection_key(name).lower() in names
    await world.clean()

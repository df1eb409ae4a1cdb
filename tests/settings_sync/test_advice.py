"""What an operator can do now: the same answer everywhere, the best first, by state, plan and health."""

import pytest

from shared.groups.model import Health
from shared.groups.model import State as HealthState
from shared.groups.soak import Start
from shared.settings_sync.advice import Advice, advise, effect_of
from shared.settings_sync.ask import Ask
from shared.settings_sync.model import Action, Decision, Flight, Phase, Plan, Planned, Refusal, Rollout, State
from tests.builders import a_decision, a_rollout, site_id
from tests.fakes.clock import START

REGIONS = ("west", "east")
IDENTITY = Refusal(rule="identity", keys=("A",), text="the CA", way_out="approve")


def a_plan(*decisions: Decision, refusals: tuple[Refusal, ...] = ()) -> Plan:
    return Plan(fingerprint="f00d", decisions=decisions or (a_decision("A"),), refusals=refusals, agreed=5)


def of(rollout: Rollout | None, **states: HealthState) -> Advice:
    """The advice, with these regions as they are and the others healthy."""
    known = dict.fromkeys(REGIONS, HealthState.HEALTHY) | states
    health = {
        name: Health(state=state, at=START, since=START, reason="a test") for name, state in known.items()
    }
    return advise("scepman", REGIONS, rollout, health)


def verbs(advice: Advice) -> list[str]:
    """Return what the commands begin with."""
    return [" ".join(option.command.split()[1:2]) for option in advice.options]


def test_a_contained_change_is_reverted_first() -> None:
    """The way back, the repair by hand, and last the way on."""
    advice = of(a_rollout(State.CONTAINED, plan=a_plan()), west=HealthState.DOWN)
    assert verbs(advice) == ["revert", "", "apply"]
    assert "does not travel while west is not healthy" in advice.outlook
    assert "restarts" in advice.options[0].effect
    assert "west" in advice.options[0].effect
    assert "--force" in advice.options[2].command


def test_an_identity_change_whose_source_is_down_is_not_to_be_applied() -> None:
    """The revert comes first, and the approval says that it is not advised."""
    held = a_rollout(State.HELD, plan=a_plan(refusals=(IDENTITY,)))
    assert verbs(of(held)) == ["apply", "revert"]
    ill = of(held, west=HealthState.DOWN)
    assert verbs(ill) == ["revert", "apply"]
    assert "Not advised: west" in ill.options[1].what


def test_sides_of_healthy_regions_come_first() -> None:
    """A conflict is settled by a side, or left; it cannot be let travel."""
    conflict = Refusal(rule="conflict", keys=("A",), text="two values", way_out="take")
    plan = a_plan(a_decision("A", Action.CONFLICT), refusals=(conflict,))
    advice = of(a_rollout(State.HELD, plan=plan), west=HealthState.DOWN)
    assert [option.command.split("--all")[0].strip() for option in advice.options] == [
        "counterpart resolve --group scepman --take east",
        "counterpart resolve --group scepman --take west",
        "counterpart resolve --group scepman --leave",
    ]


def test_what_no_word_lifts_says_its_own_way_out() -> None:
    """A name that cannot travel is renamed by hand."""
    stuck = Refusal(rule="cannot-travel", keys=("A",), text="no such name", way_out="rename the setting")
    advice = of(a_rollout(State.HELD, plan=a_plan(refusals=(stuck,))))
    assert (advice.options[0].what, advice.options[0].command) == ("A: rename the setting", "")


def test_keys_that_are_left_different_do_not_travel() -> None:
    """They read as what they are, and a side can still be taken."""
    advice = of(a_rollout(plan=a_plan(a_decision("A", Action.KEEP_APART))))
    assert advice.outlook == "nothing travels: the regions are left different in A by a decision"
    assert set(verbs(advice)) == {"resolve"}


def test_a_write_under_way_leaves_nothing_to_decide() -> None:
    """It says which keys are written where, not that there is nothing to do."""
    flight = Flight(
        id="p",
        phase=Phase.WRITTEN,
        source="west",
        target="east",
        keys=(Planned("A", "1", "2"),),
        claimed_at=START,
        worker="w",
        worker_until=START,
        start=Start.HEALTHY,
        site=site_id("east").lower(),
    )
    advice = of(a_rollout(State.VERIFYING, plan=a_plan(), flight=flight))
    assert advice.options == ()
    assert advice.outlook.startswith("A from west to east: verifying")


@pytest.mark.parametrize(
    ("state", "begins"),
    [
        (HealthState.HEALTHY, "A: travels when west has stayed healthy"),
        (HealthState.DOWN, "A: waits, since west is not healthy"),
    ],
)
def test_a_soaking_change_needs_nobody(state: HealthState, begins: str) -> None:
    """It says when it travels, and how to stop it."""
    advice = of(a_rollout(State.SOAKING, plan=a_plan()), west=state)
    assert advice.outlook.startswith(begins)
    assert verbs(advice) == ["revert", "apply"]


def test_what_is_held_by_name_stops_no_other() -> None:
    """The rest travels by itself, and what is left alone is named with its way out."""
    stuck = Refusal(rule="ambiguous", keys=("B",), text="twice", way_out="remove one", alone=True)
    advice = of(a_rollout(State.SOAKING, plan=a_plan(refusals=(stuck,))), west=HealthState.HEALTHY)
    assert advice.outlook.startswith("A: travels when west has stayed healthy")
    assert advice.outlook.endswith("Held by name, and left alone: B")
    assert advice.options[-1].what == "B: remove one"


def test_in_step_there_is_nothing_to_do() -> None:
    """And before the first look nothing is known."""
    quiet = Plan(fingerprint="f00d", decisions=(), agreed=5)
    assert of(a_rollout(plan=quiet)) == Advice(outlook="nothing to do: the regions agree in 5 keys")
    assert "not looked at yet" in of(None).outlook


def test_an_effect_names_what_is_written_and_restarted() -> None:
    """For each kind of decision, before anybody says yes."""
    keys = [a_decision(name) for name in "ABCDE"]
    held = a_rollout(State.HELD, plan=a_plan(*keys, refusals=(IDENTITY,)))
    assert effect_of(Ask.APPROVE, held) == "writes 5 keys (A, B, C, ...) to east, which restarts"
    assert effect_of(Ask.REVERT, held, keys=["b"]) == "writes B to west, which restarts"
    taken = effect_of(Ask.TAKE, held, keys=["A"], region="east", regions=REGIONS)
    assert taken == "writes east's values of A to west, where they differ, and restarts there"
    assert "nothing is written" in effect_of(Ask.REJECT, held)


def options(advice: Advice) -> list[tuple[str, str, str]]:
    """To the letter: people copy a command as it stands."""
    return [(option.what, option.effect, option.command) for option in advice.options]


TO_EAST = "writes A to east, which restarts"
BACK = (
    "put the change back in west, from the values that the other regions have",
    "writes A to west, which restarts",
    "counterpart revert --group scepman --fingerprint f00d --reason TEXT",
)
ON = "counterpart apply --group scepman --fingerprint f00d"


def test_the_options_of_a_change_to_the_letter() -> None:
    """While it soaks, and while it is held; with a warning only where its source is ill."""
    force = (
        "let it travel without the soak, which protects the other regions",
        TO_EAST,
        f"{ON} --force --reason TEXT",
    )
    soaking = of(a_rollout(State.SOAKING, plan=a_plan()))
    assert soaking.outlook == "A: travels when west has stayed healthy for the soak"
    assert options(soaking) == [BACK, force]
    held = a_rollout(State.HELD, plan=a_plan(refusals=(IDENTITY,)))
    assert options(of(held)) == [("let it travel", TO_EAST, f"{ON} --reason TEXT"), BACK]
    ill = options(of(held, west=HealthState.DOWN))
    warned = "let it travel. Not advised: west, where it was made, is not healthy"
    assert ill == [BACK, (warned, TO_EAST, f"{ON} --reason TEXT")]


def test_the_sides_to_the_letter() -> None:
    """Of equally healthy regions in the group's order; three keys are all named."""
    conflict = Refusal(rule="conflict", keys=("A", "B", "C"), text="two values", way_out="take")
    keys = [a_decision(name, Action.CONFLICT) for name in "ABC"]
    settle = "counterpart resolve --group scepman"
    rest = "--all --fingerprint f00d --reason TEXT"
    found = options(of(a_rollout(State.HELD, plan=a_plan(*keys, refusals=(conflict,)))))
    assert found == [
        (
            f"take {name}'s values",
            f"writes A, B, C where they differ from {name}, and restarts there",
            f"{settle} --take {name} {rest}",
        )
        for name in REGIONS
    ] + [("leave the regions different", "nothing is written", f"{settle} --leave {rest}")]


def test_a_change_of_no_known_region_is_its_sources() -> None:
    """A removal that nobody has: the sentence stays whole."""
    plan = a_plan(a_decision("A", sources=()))
    assert of(a_rollout(State.SOAKING, plan=plan)).outlook == (
        "A: travels when its source has stayed healthy for the soak"
    )

"""The rules by which a plan refuses itself, each with its boundary, and what a person's word lifts of them."""

from collections.abc import Iterable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.groups.model import Os
from shared.settings_sync.model import Action, Decision, Entry, Plan, Side, Verdict, VerdictKind
from shared.settings_sync.plan import BRAKE_FROM, BRAKE_SHARE, LIFTED, plan
from shared.settings_sync.policy import KeyClass, Policy
from tests.builders import a_decision, a_policy, a_region, a_side
from tests.fakes.clock import START

NO_RULES = a_policy()


def planned(
    decisions: Sequence[Decision],
    *,
    sides: Sequence[Side] | None = None,
    policy: Policy = NO_RULES,
    verdicts: Iterable[Verdict] = (),
    undone: Iterable[str] = (),
) -> Plan:
    """The plan for decisions that take west's values to east."""
    west = a_side({decision.key: "new" for decision in decisions}, region="west")
    return plan(
        decisions,
        sides or [west, a_side({}, region="east")],
        policy=policy,
        verdicts=verdicts,
        undone=tuple(undone),
    )


def rules(of: Plan) -> list[str]:
    """The rules that hold the plan."""
    return [refusal.rule for refusal in of.refusals]


def said(decisions: Iterable[Decision], kind: VerdictKind = VerdictKind.APPROVE) -> list[Verdict]:
    """A person's word on each."""
    return [
        Verdict(
            key=decision.key, state=decision.state, kind=kind, by="ada", reason="yes", at=START, side="west"
        )
        for decision in decisions
    ]


def changes(count: int, of: int) -> list[Decision]:
    """So many changed keys of so many."""
    return [
        a_decision(f"K{number:02}", Action.TAKE if number < count else Action.AGREE) for number in range(of)
    ]


def test_a_plain_change_is_held_by_nothing() -> None:
    """One replicated key goes its way."""
    one = planned([a_decision("A")])
    assert rules(one) == []
    assert [change.key for change in one.changes] == ["A"]


def test_agreement_and_local_keys_are_counted_and_not_told() -> None:
    """A plan names what is to be done or said, and counts the rest."""
    plan_ = planned(
        [
            a_decision("A", Action.AGREE),
            a_decision("B", Action.KEEP_LOCAL),
            a_decision("C", Action.KEEP_APART),
        ]
    )
    assert (plan_.agreed, plan_.local) == (1, 1)
    assert [decision.key for decision in plan_.decisions] == ["C"]
    assert plan_.changes == ()


def test_what_all_have_deleted_is_not_counted_as_agreed() -> None:
    """Right after a deletion has travelled the count is the one that the next look will find."""
    pair = [a_side({"A": "1"}, region=name) for name in ("west", "east")]
    gone = [a_decision("A", Action.AGREE), a_decision("B", Action.AGREE)]
    assert planned(gone, sides=pair).agreed == 1


def test_a_conflict_holds_the_plan_and_no_approval_lifts_it() -> None:
    """Only a side settles a conflict."""
    decisions = [a_decision("A", Action.CONFLICT), a_decision("B")]
    held = planned(decisions, verdicts=said(decisions))
    assert rules(held) == ["conflict"]
    assert held.refusals[0].keys == ("A",)
    assert "--take" in held.refusals[0].way_out


def test_first_contact_is_told_apart_from_a_later_conflict() -> None:
    """The two have different reasons, and both are named."""
    decisions = [a_decision("A", Action.CONFLICT, first_contact=True), a_decision("B", Action.CONFLICT)]
    assert rules(planned(decisions)) == ["first-contact", "conflict"]


@pytest.mark.parametrize("action", [Action.TAKE, Action.DELETE])
def test_an_identity_key_always_needs_approval(action: Action) -> None:
    """A change or deletion of what makes the regions one authority waits, by itself, until it is approved."""
    policy = a_policy(Vault=KeyClass.IDENTITY)
    decisions = [a_decision("Vault", action), a_decision("Other")]
    held = planned(decisions, policy=policy)
    assert rules(held) == ["identity"]
    assert held.refusals[0].keys == ("Vault",)
    assert held.fingerprint in held.refusals[0].way_out
    assert rules(planned(decisions, policy=policy, verdicts=said(decisions[:1]))) == []


def test_an_approval_of_another_state_of_the_key_lifts_nothing() -> None:
    """What was approved was the change that was seen."""
    policy = a_policy(Vault=KeyClass.IDENTITY)
    older = said([a_decision("Vault", state="an older state")])
    assert rules(planned([a_decision("Vault")], policy=policy, verdicts=older)) == ["identity"]


@pytest.mark.parametrize(
    ("count", "of", "held"),
    [
        (3, 10, False),  # 30 % is not more than 30 %
        (4, 10, True),
        (9, 9, False),  # below ten keys a share says little
        (3, 9, False),
        (6, 20, False),
        (7, 20, True),
        (10, 10, True),
    ],
)
def test_the_brake_holds_above_its_share_of_ten_or_more_keys(count: int, of: int, *, held: bool) -> None:
    """More than 30 % of ten or more keys needs a person, and the refusal has the numbers."""
    plan_ = planned(changes(count, of))
    assert rules(plan_) == (["brake"] if held else [])
    if held:
        assert f"{count} of {of}" in plan_.refusals[0].text
        assert f"{count / of:.0%}" in plan_.refusals[0].text
        assert "30%" in plan_.refusals[0].text


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 5))
def test_the_brake_is_a_matter_of_numbers_alone(count: int, more: int, local: int) -> None:
    """The rule holds for all numbers; keys that the policy keeps local are no part of the whole."""
    decisions = [
        *changes(count, count + more),
        *(a_decision(f"L{number}", Action.KEEP_LOCAL) for number in range(local)),
    ]
    total = count + more
    expected = total >= BRAKE_FROM and count > BRAKE_SHARE * total
    assert rules(planned(decisions)) == (["brake"] if expected else [])


def test_approving_lifts_the_brake_for_what_was_approved_only() -> None:
    """One more key in the plan, and the whole is looked at again."""
    decisions = changes(5, 10)
    assert rules(planned(decisions, verdicts=said(decisions[:5]))) == []
    assert rules(planned(decisions, verdicts=said(decisions[:4]))) == ["brake"]


@pytest.mark.parametrize("kind", [VerdictKind.APPROVE, VerdictKind.TAKE, VerdictKind.FORCE])
def test_each_word_for_a_change_is_an_approval_too(kind: VerdictKind) -> None:
    """Who takes a side, or forces a change, has seen it."""
    decisions = changes(10, 10)
    assert rules(planned(decisions, verdicts=said(decisions, kind))) == []


def test_what_was_undone_is_not_tried_again_even_if_it_was_approved_before() -> None:
    """The approval was given before it failed; a new word takes the key out of what was undone."""
    (decision,) = decisions = [a_decision("A")]
    held = planned(decisions, undone=[decision.state], verdicts=said(decisions))
    assert rules(held) == ["undone"]
    assert rules(planned(decisions, undone=["another state"])) == []


def test_an_ambiguous_spelling_holds_its_key_alone() -> None:
    """A key that one region spells in two ways is held by its name; the others travel."""
    twice = a_decision("B:C", Action.AMBIGUOUS, reason="in east as B:C and B__C")
    held = planned([a_decision("A"), twice], verdicts=said([a_decision("A")]))
    assert rules(held) == ["ambiguous"]
    assert held.refusals[0].keys == ("B:C",)
    assert "east" in held.refusals[0].text
    assert not held.is_held
    assert [change.key for change in held.changes] == ["A"]


def side_of(name: str, os: Os, *names: str) -> Side:
    """A region of a platform that has these settings, keyed by their canonical names."""
    return Side(
        region=a_region(name, os=os), entries={name.replace("__", ":"): Entry(name, "new") for name in names}
    )


@pytest.mark.parametrize(
    ("source", "target", "name"),
    [
        (Os.WINDOWS, Os.LINUX, "Dotted.Name"),
        (Os.WINDOWS, Os.LINUX, "With-Dash"),
        (Os.WINDOWS, Os.LINUX, "a_:b"),
        (Os.LINUX, Os.WINDOWS, "Dotted.Name"),
    ],
)
def test_a_name_that_the_targets_platform_forbids_cannot_travel(source: Os, target: Os, name: str) -> None:
    """Between the platforms some names have no faithful twin, and no approval makes them one."""
    decisions = [a_decision(name)]
    held = planned(
        decisions,
        sides=[side_of("west", source, name), side_of("east", target)],
        verdicts=said(decisions),
    )
    assert rules(held) == ["cannot-travel"]
    assert held.refusals[0].keys == (name,)


@pytest.mark.parametrize(("source", "target"), [(Os.WINDOWS, Os.WINDOWS), (Os.LINUX, Os.LINUX)])
def test_between_sites_alike_any_name_travels(source: Os, target: Os) -> None:
    """A platform that took a name once takes it again."""
    sides = [side_of("west", source, "Dotted.Name"), side_of("east", target)]
    assert rules(planned([a_decision("Dotted.Name")], sides=sides)) == []


def test_deleting_a_name_needs_no_translation() -> None:
    """What is to go has its own name in the target."""
    sides = [side_of("west", Os.WINDOWS), side_of("east", Os.LINUX, "With-Dash")]
    assert rules(planned([a_decision("With-Dash", Action.DELETE)], sides=sides)) == []


def test_connection_strings_are_named_alike_on_both_platforms() -> None:
    """Their names are not translated, so none is forbidden."""
    key = "connectionstrings/Data-Base.1"
    west = Side(region=a_region("west", os=Os.WINDOWS), entries={key: Entry("Data-Base.1", "new")})
    assert rules(planned([a_decision(key)], sides=[west, side_of("east", Os.LINUX)])) == []


def test_a_translated_value_that_does_not_fit_its_template_cannot_travel() -> None:
    """What cannot be read by the template cannot be said in another region."""
    policy = a_policy(Url=KeyClass.TRANSLATED)
    sides = [a_side({"Url": "1"}, region="west", unfit=["Url"]), a_side({}, region="east")]
    assert rules(planned([a_decision("Url")], sides=sides, policy=policy)) == ["cannot-travel"]
    fits = [a_side({"Url": "1"}, region="west"), a_side({}, region="east")]
    assert rules(planned([a_decision("Url")], sides=fits, policy=policy)) == []


def test_a_translated_value_needs_the_targets_own_name() -> None:
    """Where the target lacks the name that the template asks for, the plan says so before anything is written."""
    by_location = (
        msgspec.structs.replace(rule, template="{location}")
        for rule in a_policy(Url=KeyClass.TRANSLATED).rules
    )
    policy = Policy(by_location)
    nowhere = a_side({}, region=a_region("east", location=""))
    held = planned([a_decision("Url")], sides=[a_side({"Url": "1"}), nowhere], policy=policy)
    assert rules(held) == ["cannot-travel"]
    assert "east" in held.refusals[0].text


@given(st.lists(st.sampled_from(list(Action)), min_size=1, max_size=5), st.data())
def test_the_fingerprint_stands_for_what_would_be_done(actions: list[Action], data: st.DataObject) -> None:
    """The same decisions give the same fingerprint; any change of what is seen or would be done gives another."""
    decisions = [a_decision(f"K{number}", action) for number, action in enumerate(actions)]
    before = planned(decisions)
    assert planned(list(decisions)).fingerprint == before.fingerprint
    at = data.draw(st.integers(0, len(decisions) - 1))
    moved = [*decisions]
    moved[at] = a_decision(f"K{at}", Action.TAKE, state="another state")
    assert planned(moved).fingerprint != before.fingerprint


def test_the_fingerprint_does_not_depend_on_what_was_said() -> None:
    """Approving a plan does not make it another plan, or the approval would not fit it."""
    decisions = changes(10, 10)
    assert planned(decisions).fingerprint == planned(decisions, verdicts=said(decisions)).fingerprint


def test_the_rules_that_an_approval_lifts_are_these() -> None:
    """Identity, size and a failed try are a person's to waive; a guess or an impossible name is not."""
    assert {"identity", "brake", "undone"} == LIFTED

"""What a merge answers for one key, to the word: people read the reasons, and a person's word names the state."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.settings_sync.merge import merge
from shared.settings_sync.model import Action, Decision, Print, Verdict, VerdictKind, Written
from tests.builders import a_side
from tests.fakes.clock import START

ALONE: tuple[str, ...] = ()
OURS = (("east", "A", "2"), ("west", "A", "1"), ("north", "A", "1"))


def answer(
    west: Print,
    east: Print,
    base: Print = None,
    *,
    north: Print = "0",
    undecided: bool = False,
    written: tuple[Written, ...] = (),
    verdicts: tuple[Verdict, ...] = (),
) -> Decision:
    """The merge's answer for the key A among three regions; `north` has what the baseline has."""
    sides = [
        a_side({"A": item}, region=name) for name, item in (("west", west), ("east", east), ("north", north))
    ]
    baseline = {} if base is None else {"A": base}
    (found,) = merge(
        sides, baseline=baseline, undecided=("A",) if undecided else (), written=written, verdicts=verdicts
    )
    return found


def word(kind: VerdictKind, state: str, *, side: str = "", reason: str = "it is right") -> Verdict:
    return Verdict(
        key="A", state=state, kind=kind, by="ada", reason=reason, at=START + timedelta(1), side=side
    )


@pytest.mark.parametrize(
    ("asked", "action", "reason", "sources", "targets"),
    [
        (lambda: answer("0", "0", "0"), Action.AGREE, "the same in every region", ALONE, ALONE),
        (
            lambda: answer("1", "0", "0"),
            Action.TAKE,
            "changed in west, unchanged elsewhere",
            ("west",),
            ("east", "north"),
        ),
        (
            lambda: answer("1", "1", "0"),
            Action.TAKE,
            "changed in east, west, unchanged elsewhere",
            ("east", "west"),
            ("north",),
        ),
        (
            lambda: answer("1", "1", "0", written=(Written("east", "A", "1", "0"),)),
            Action.TAKE,
            "changed in west, unchanged elsewhere",
            ("west",),
            ("north",),
        ),
        (
            lambda: answer(None, "0", "0"),
            Action.DELETE,
            "removed in west, unchanged elsewhere",
            ("west",),
            ("east", "north"),
        ),
        (
            lambda: answer("1", None, north=None),
            Action.TAKE,
            "added in west, unchanged elsewhere",
            ("west",),
            ("east", "north"),
        ),
        (
            lambda: answer("1", "2", "0"),
            Action.CONFLICT,
            "changed differently in east and west since they last agreed",
            ALONE,
            ALONE,
        ),
        (
            lambda: answer("1", "2", undecided=True),
            Action.CONFLICT,
            "different at first contact: no common past to tell what is newer",
            ALONE,
            ALONE,
        ),
        (
            lambda: answer("1", None, undecided=True, north=None),
            Action.CONFLICT,
            "only in west at first contact: no common past to tell what is newer",
            ALONE,
            ALONE,
        ),
        (
            lambda: answer("1", "1", undecided=True, north=None),
            Action.CONFLICT,
            "only in east, west at first contact: no common past to tell what is newer",
            ALONE,
            ALONE,
        ),
        (
            lambda: answer("0", "1", "0", written=(Written("east", "A", "1", "0"),)),
            Action.TAKE,
            "the change was taken back where it was made",
            ("north", "west"),
            ("east",),
        ),
        (
            lambda: answer(None, "1", north=None, written=(Written("east", "A", "1", None),)),
            Action.DELETE,
            "the change was taken back where it was made",
            ("north", "west"),
            ("east",),
        ),
        (
            lambda: answer(
                "1", "2", "0", north="1",
                written=tuple(Written(*pair, "0") for pair in OURS),
            ),
            Action.CONFLICT,
            "we wrote it differently in east and north and west, and the region it came from is gone",
            ALONE,
            ALONE,
        ),
    ],
)  # fmt: skip
def test_every_answer_to_the_word(
    asked: Callable[[], Decision],
    action: Action,
    reason: str,
    sources: tuple[str, ...],
    targets: tuple[str, ...],
) -> None:
    """Which action, why, from where, to where."""
    found = asked()
    assert (found.key, found.action, found.reason) == ("A", action, reason)
    assert (found.sources, found.targets) == (sources, targets)
    assert found.state
    assert found.first_contact is ("first contact" in reason)


def test_a_key_that_stays_says_where() -> None:
    """By the policy, in the regions that have it; it has no state, as there is nothing to decide."""
    sides = [a_side({}, region="west", local=("A", "B")), a_side({}, region="east", local=("A",))]
    found = merge(sides, baseline={})
    assert [(decision.key, decision.action, decision.reason, decision.state) for decision in found] == [
        ("A", Action.KEEP_LOCAL, "the policy keeps it in its region (east, west)", ""),
        ("B", Action.KEEP_LOCAL, "the policy keeps it in its region (west)", ""),
    ]


def test_a_side_that_was_taken() -> None:
    """The person and the reason are named; a region that is not there cannot be taken."""
    state = answer("1", "2", "0").state
    taken = answer("1", "2", "0", verdicts=(word(VerdictKind.TAKE, state, side="east"),))
    assert (taken.key, taken.action, taken.reason) == (
        "A",
        Action.TAKE,
        "east was chosen by ada: it is right",
    )
    assert (taken.sources, taken.targets, taken.state) == (("east",), ("north", "west"), state)
    silent = answer("1", "2", "0", verdicts=(word(VerdictKind.TAKE, state, side="east", reason=""),))
    assert silent.reason == "east was chosen by ada"
    late = answer("1", "0", "0", verdicts=(word(VerdictKind.TAKE, answer("1", "0", "0").state, side="east"),))
    assert (late.sources, late.targets) == (("east",), ("west",)), (
        "of those that have it, the one that was named"
    )
    gone = answer("1", "2", "0", verdicts=(word(VerdictKind.TAKE, state, side="south"),))
    assert gone == answer("1", "2", "0")


def test_left_different_and_other_words() -> None:
    """A rejection keeps apart; a word that says nothing of the direction leaves the answer as it is."""
    state = answer("1", "2", "0").state
    apart = answer("1", "2", "0", verdicts=(word(VerdictKind.REJECT, state),))
    assert (apart.key, apart.action, apart.reason) == (
        "A",
        Action.KEEP_APART,
        "left different by ada: it is right",
    )
    assert apart.state == state
    for kind in (VerdictKind.APPROVE, VerdictKind.FORCE):
        assert answer("1", "2", "0", verdicts=(word(kind, state),)) == answer("1", "2", "0")


def test_the_last_word_counts() -> None:
    """Of two words on one state."""
    state = answer("1", "2", "0").state
    words = (word(VerdictKind.TAKE, state, side="east"), word(VerdictKind.REJECT, state))
    assert answer("1", "2", "0", verdicts=words).action is Action.KEEP_APART
    assert answer("1", "2", "0", verdicts=words[::-1]).action is Action.TAKE


def test_the_state_names_all_that_a_person_saw() -> None:
    """Other values, another baseline, another key or no common past: another state. Our own write is none."""
    plain = answer("1", "0", "0")
    others = [
        answer("2", "0", "0"),
        answer("1", "2", "0"),
        answer("1", "0", "3"),
        answer("1", "0", "0", undecided=True),
        answer("1", "0", "0", north="1"),
    ]
    assert len({plain.state, *(other.state for other in others)}) == len(others) + 1
    assert answer("1", "1", "0", written=(Written("east", "A", "1", "0"),)).state == plain.state
    (renamed, *_) = merge(
        [a_side({"B": item}, region=name) for name, item in (("west", "1"), ("east", "0"), ("north", "0"))],
        baseline={"B": "0"},
    )
    assert renamed.state != plain.state
    turned = merge(
        [a_side({"A": item}, region=name) for name, item in (("north", "0"), ("east", "0"), ("west", "1"))],
        baseline={"A": "0"},
    )
    assert turned == (plain,)

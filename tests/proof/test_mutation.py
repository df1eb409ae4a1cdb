"""What a survivor changed, a sentence alone or a decision, and that each of the latter is explained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from proof.mutation import Score, Survivor, changed, digest
from proof.survivors import Explanations, Reason, explanations, problems, scores

MUTATED = """
def x_f__mutmut_orig(a, *, by="x"):
    return told("not yet known", "key", a > 1)

def x_f__mutmut_1(a, *, by="x"):
    return told("XXnot yet knownXX", "key", a > 1)

def x_f__mutmut_2(a, *, by="x"):
    return told("NOT YET KNOWN", "key", a > 1)

def x_f__mutmut_3(a, *, by="x"):
    return told("not yet known", "XXkeyXX", a > 1)

def x_f__mutmut_4(a, *, by="x"):
    return told("not yet known", "key", a >= 1)

def x_f__mutmut_5(a, *, by="x"):
    return told(None, "key", a > 1)

def x_f__mutmut_6(a, *, by="XXxXX"):
    return told("not yet known", "key", a > 1)

class C:
    def xǁCǁg__mutmut_orig(self):
        return ", ".join(self.names)

    def xǁCǁg__mutmut_1(self):
        return "XX, XX".join(self.names)
"""


@pytest.mark.parametrize(
    ("name", "wording"),
    [
        ("m.x_f__mutmut_1", True),
        ("m.x_f__mutmut_2", True),
        ("m.x_f__mutmut_3", False),  # a word alone may be a key, a state, a name
        ("m.x_f__mutmut_4", False),
        ("m.x_f__mutmut_5", False),  # a sentence that is gone is more than another wording
        ("m.x_f__mutmut_6", False),
        ("m.xǁCǁg__mutmut_1", True),
    ],
)
def test_wording_is_a_sentence_with_other_letters(name: str, *, wording: bool) -> None:
    """Nothing else of the function may differ."""
    assert changed(MUTATED, [name])[name].only_wording is wording


def test_a_survivor_says_what_it_changed() -> None:
    """The lines that differ, before and after."""
    assert str(changed(MUTATED, ["m.x_f__mutmut_4"])["m.x_f__mutmut_4"]) == (
        "return told('not yet known', 'key', a > 1) -> return told('not yet known', 'key', a >= 1)"
    )


def test_three_shares_are_told() -> None:
    """With the survivors that are wording, without, and of those that the types let through."""
    survived = (Survivor("f: a -> b", wording=True), Survivor("f: a -> c", wording=False))
    score = Score(
        module="m", mutants=10, by_types=2, by_tests=5, endless=1, survived=survived, not_run=0, source=""
    )
    assert (score.noticed, score.share) == (8, 0.8)
    assert score.share_of_decisions == 8 / 9
    assert score.share_of_tests == 6 / 8


def test_every_survivor_is_explained_and_every_explanation_is_of_a_survivor() -> None:
    """Wording apart, which needs none."""
    assert not problems(scores(), explanations())


def test_a_digest_is_of_a_modules_text_and_of_nothing_else(tmp_path: Path) -> None:
    """Neither of its name nor of its age; any letter counts."""
    first, second = tmp_path / "a.py", tmp_path / "b.py"
    for path in (first, second):
        path.write_text("x = 1\n")
    assert digest("a.py", tmp_path) == digest("b.py", tmp_path)
    second.write_text("x = 2\n")
    assert digest("a.py", tmp_path) != digest("b.py", tmp_path)


def a_score(*changes: str, wording: bool = False) -> Mapping[str, Any]:
    return {"module": "m", "survived": [{"change": change, "wording": wording} for change in changes]}


def explained(*changes: str) -> Explanations:
    return Explanations(reason=(Reason(why="nobody can tell", changes={"m": changes}),))


@pytest.mark.parametrize(
    ("score", "said", "problem"),
    [
        (a_score("f: a -> b", "f: a -> b"), explained("f: a -> b"), None),
        (a_score("f: a -> b", wording=True), explained(), None),
        (a_score("f: a -> b"), explained(), "m has no reason for f: a -> b"),
        (a_score("f: a -> b", "f: a -> c"), explained("f: a -> b"), "m has no reason for f: a -> c"),
        (a_score(), explained("f: a -> b"), "m has no survivor f: a -> b"),
        (a_score("f: a -> b", wording=True), explained("f: a -> b"), "m has no survivor f: a -> b"),
        (a_score("f: a -> b"), explained("f: a -> b", "f: a -> b"), "m has 2 reasons for f: a -> b"),
    ],
)
def test_an_explanation_fits_what_survived(
    score: Mapping[str, Any], said: Explanations, problem: str | None
) -> None:
    """Neither a survivor without a reason nor a reason without a survivor."""
    assert problems([score], said) == ([problem] if problem else [])


def test_a_reason_for_a_module_that_was_not_measured_is_of_nothing() -> None:
    """As one for a module that is gone."""
    said = Explanations(reason=(Reason(why="", changes={"gone": ("f: a -> b",)}),))
    assert problems([], said) == ["gone has no survivor f: a -> b"]

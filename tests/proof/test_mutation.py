"""What a survivor changed: a sentence alone, or a decision. The rule is the same for all of them."""

import pytest

from proof.mutation import Score, changed

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


def test_both_shares_are_told() -> None:
    """With the survivors that are wording, and without."""
    score = Score(
        module="m", mutants=10, by_types=2, by_tests=5, endless=1, survived={"a": "", "b": ""}, wording=1,
        not_run=0,
    )  # fmt: skip
    assert (score.noticed, score.share) == (8, 0.8)
    assert score.share_of_decisions == 8 / 9

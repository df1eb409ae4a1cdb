"""How times, durations and text from elsewhere are said."""

from datetime import timedelta

import pytest

from shared.words import cell, clipped, moment, spoken
from tests.fakes.clock import START


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0, "0 s"),
        (1, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (75, "1 min 15 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h"),
        (3659, "1 h"),
        (3660, "1 h 1 min"),
        (90_000, "25 h"),
    ],
)
def test_durations_in_words(seconds: float | None, words: str) -> None:
    """As people say them."""
    assert spoken(seconds) == words


def test_a_moment_says_its_zone() -> None:
    """To the second: whoever reads it compares it with a log."""
    assert moment(START + timedelta(seconds=7.9)) == "2026-03-02 12:00:07 UTC"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("  two\nlines,\t one  row ", "two lines, one row"),
        ("a|b", "a\\|b"),
        ("a\\|b", "a\\\\\\|b"),
        ("C:\\home", "C:\\\\home"),
    ],
)
def test_text_from_elsewhere_stays_in_its_cell(text: str, shown: str) -> None:
    """Neither a bar nor a new line ends it, nor a bar whose escape was escaped already."""
    assert cell(text) == shown


@pytest.mark.parametrize(
    ("text", "most", "left"),
    [
        ("as long as may be", 17, "as long as may be"),
        ("one byte longer", 14, "one byte lo..."),
        ("ärger", 6, "ärger"),
        ("ärgere", 6, "är..."),
        ("aäußerst", 5, "a..."),  # half of a character goes with the rest
        ("nothing", 3, "..."),
        ("nothing", 2, "..."),
        ("half \ud800 of one", 99, "half ? of one"),
        ("half \ud800 of one", 10, "half ? ..."),
    ],
)
def test_a_text_is_cut_in_bytes(text: str, most: int, left: str) -> None:
    """What is left can be encoded, and three dots say that it was longer."""
    assert clipped(text, most) == left

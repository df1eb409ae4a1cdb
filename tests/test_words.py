"""How times, durations and text from elsewhere are said."""

from datetime import timedelta

import pytest

from shared.words import cell, moment, spoken
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

"""What does not fit into a settings PUT is known before it is sent; what just fits is not held."""

import pytest

from shared.groups.model import Value
from shared.settings_sync.limits import ENVIRONMENT, LONGEST_VALUE, obstacle, size, too_long


@pytest.mark.parametrize(
    ("name", "value", "why_not"),
    [
        ("A", "x" * LONGEST_VALUE, ""),
        ("A", "x" * (LONGEST_VALUE + 1), "its value has 10,001 characters; App Service takes 10,000"),
        ("A", "\N{FIRE}" * (LONGEST_VALUE // 2), ""),
        (
            "A",
            "\N{FIRE}" * (LONGEST_VALUE // 2) + "x",
            "its value has 10,001 characters; App Service takes 10,000",
        ),
        ("", "x", "its name is empty or blank"),
        (" ", "x", "its name is empty or blank"),
        ("\ud800", "x", "its name holds half of a character (a lone surrogate)"),
        ("A", "\ud800", "its value holds half of a character (a lone surrogate)"),
        ("A\0", "x", "its name holds a zero character, where an environment variable would end"),
        ("A", "\0", "its value holds a zero character, where an environment variable would end"),
    ],
)
def test_what_cannot_be_written(name: str, value: str, why_not: str) -> None:
    """Characters as .NET counts them."""
    assert obstacle(name, Value(value)) == why_not


def test_how_much_room_settings_take() -> None:
    """In bytes, with the sign between name and value and the zero at the end."""
    assert size("A", Value("1")) == 4
    assert size("A", Value("\u00fc")) == 5


def test_a_full_environment_block_is_still_one() -> None:
    """One byte more is held, with both numbers."""
    assert too_long("west", ENVIRONMENT) == ""
    assert too_long("west", ENVIRONMENT + 1) == (
        "west's settings would take 65,536 bytes of the 65,535 of an environment block"
    )

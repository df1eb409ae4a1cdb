"""Dying at any effect changes nothing in the end. `python -m proof crashes` dies at every one; here at some."""

from pathlib import Path
from typing import get_args, get_type_hints, is_protocol

import pytest

from proof.crashes import (
    ELSEWHERE,
    METHODS,
    METHODS_OF,
    STORIES,
    Effects,
    Site,
    Story,
    deaths,
    written_down,
)
from shared.ports import Ports

ROOT = Path(__file__).parents[2]
SHARE = 25  # of so many effects, one
# They change nothing; `failed` keeps what it finds from others for a minute, and `begin_at` an address from this one.
QUESTIONS = frozenset(
    {
        "ask", "begin_at", "check", "failed", "get", "get_probe", "get_scep_proof", "get_settings", "get_site",
        "get_version", "list", "list_profiles", "list_references", "new", "now", "resolve", "sleep",
    }
)  # fmt: skip


@pytest.mark.parametrize("story", STORIES, ids=lambda it: it.name)
def test_dying_changes_nothing_in_the_end(story: Story) -> None:
    """Before or after the effect, the laws hold, and all ends as without."""
    found = list(deaths(story, share=SHARE))
    assert isinstance(found[0], Effects)
    assert len(found[0].names) > SHARE
    assert [str(it) for it in found[1:]] == []


def test_the_stories_reach_every_effect_that_the_code_has() -> None:
    """Whoever adds an effect adds a story that reaches it, or a test that dies there."""
    reached: set[Site] = set()
    for story in STORIES:
        effects = Effects()
        story.play(effects)
        reached |= effects.reached
    assert written_down() - reached == ELSEWHERE.keys()


@pytest.mark.parametrize("test", ELSEWHERE.values())
def test_what_is_died_in_elsewhere_is_a_test(test: str) -> None:
    """One that is there, and of which this says the name that it has."""
    file, _, name = test.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text()


def test_every_method_of_a_port_is_known_as_an_effect_or_as_a_question() -> None:
    """A method that nobody placed might change something, and no story would be asked for it."""
    ports = [
        it for hint in get_type_hints(Ports).values() for it in (hint, *get_args(hint)) if is_protocol(it)
    ]
    methods = {name for it in ports for name in vars(it) if callable(getattr(it, name)) and name[0] != "_"}
    assert methods == METHODS | METHODS_OF.keys() | QUESTIONS

"""Dying at any effect changes nothing in the end. `python -m proof crashes` dies at every one; here at some."""

import json
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
    outcome,
    pardoned,
    written_down,
)
from proof.play import Play
from proof.world import moment
from shared.ports import Ports

ROOT = Path(__file__).parents[2]
SHARE = 25  # of so many effects, one
# They change nothing; `failed` keeps what it finds from others for a minute, and `begin_at` an address from this one.
QUESTIONS = frozenset(
    {
        "ask", "begin_at", "check", "failed", "get", "get_probe", "get_scep_proof", "get_settings", "get_site",
        "get_version", "list", "list_profiles", "list_references", "name", "new", "now", "resolve", "sleep",
    }
)  # fmt: skip


@pytest.mark.parametrize("story", STORIES, ids=lambda it: it.name)
def test_dying_changes_nothing_in_the_end(story: Story) -> None:
    """Before or after the effect, the laws hold, and all ends as without."""
    found = list(deaths(story, share=SHARE))
    assert isinstance(found[0], Effects)
    assert len(found[0].names) > SHARE
    assert [str(failure) for failure in found[1:]] == []


def told(name: str) -> Play:
    """A story, as it ends without a death."""
    return next(story for story in STORIES if story.name == name).play(Effects())


def test_a_letter_may_come_twice_when_who_sent_it_died_before_marking_it() -> None:
    """That one letter and no other, and not without such a death."""
    play = told("a region is lost")
    expected = outcome(play)
    tells = [effect for effect in play.observer.effects if effect[1] == "tell"]
    play.observer.effects.append(tells[1])
    found = outcome(play)
    assert found["told"] != expected["told"]
    assert pardoned(found, expected, Effects(unmarked=2), play) == expected
    for death in (Effects(), Effects(unmarked=1)):
        assert pardoned(found, expected, death, play) != expected


def test_a_drill_may_be_interrupted_by_a_death_while_it_is_under_way() -> None:
    """And end in no other way than it does without, nor leave anything in its slot."""
    play = told("a drill")
    expected = outcome(play)
    assert expected["drills"] == [("west", "succeeded")]
    assert expected["drill"] is None
    for state, drilling, alike in (
        ("interrupted", True, True),
        ("interrupted", False, False),
        ("failed", True, False),
    ):
        found = expected | {"drills": [("west", state)]}
        assert (pardoned(found, expected, Effects(drilling=drilling), play) == expected) is alike
    missing = expected | {"drills": []}
    assert pardoned(missing, expected, Effects(drilling=True), play) != expected


def test_a_permit_stands_until_its_time_is_over_or_its_region_was_seen_well() -> None:
    """Given back or not: what stands for others when all is over is a difference."""
    play = told("a change travels")
    now, site = play.loop.time(), play.world.sites["east"]
    site.since = now - 200.0

    def stands(*, until: float, disturbed: bool, ill: bool = False) -> bool:
        permit = {
            "region": "east",
            "until": moment(now + until).isoformat(),
            "disturbed_at": moment(now - 300.0).isoformat() if disturbed else None,
        }
        site.ills = {"region"} if ill else set()
        play.world.rows["permit/x"] = (json.dumps({"permit": permit}).encode(), 1)
        return outcome(play)["permit"] is not None

    for key in [row for row in play.world.rows if row.startswith("permit/")]:
        del play.world.rows[key]
    assert stands(until=60.0, disturbed=False)
    assert stands(until=60.0, disturbed=True, ill=True)
    assert not stands(until=60.0, disturbed=True)
    assert not stands(until=0.0, disturbed=False)
    site.since = now - 20.0
    assert stands(until=60.0, disturbed=True)


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
        arg for hint in get_type_hints(Ports).values() for arg in (hint, *get_args(hint)) if is_protocol(arg)
    ]
    methods = {
        name for port in ports for name in vars(port) if callable(getattr(port, name)) and name[0] != "_"
    }
    assert methods == METHODS | METHODS_OF.keys() | QUESTIONS

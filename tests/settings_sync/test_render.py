"""A plan and a rollout as people and programs read them: every key, every reason, the commands, never a value."""

import msgspec

from shared.pages import Page
from shared.settings_sync.advice import Advice, Option, advise
from shared.settings_sync.model import (
    Action,
    Happening,
    Plan,
    Refusal,
    Rollout,
    State,
    counted,
)
from shared.settings_sync.page import decision_page
from shared.settings_sync.render import SLOTS, advice_facts, plan_facts, plan_lines, rollout_facts
from shared.settings_sync.transitions import SENTENCES
from tests.builders import a_decision, a_group, a_rollout
from tests.fakes.clock import START

CONFLICT = Refusal(rule="conflict", keys=("B",), text="two values", way_out="take one")
PLAN = Plan(
    fingerprint="f00d",
    decisions=(
        a_decision("A", sources=("west", "north"), targets=("east", "south")),
        a_decision("B", Action.CONFLICT),
    ),
    refusals=(CONFLICT,),
    agreed=5,
    local=2,
)


def test_numbers_of_keys() -> None:
    """One key, two keys, no keys; other nouns as well."""
    assert [counted(number) for number in (0, 1, 2)] == ["0 keys", "1 key", "2 keys"]
    assert counted(2, "region") == "2 regions"


def test_a_plan_in_lines() -> None:
    """One for each key, then what holds it and the way out."""
    assert list(plan_lines(PLAN)) == [
        "take       A west, north -> east, south: a test",
        "conflict   B: a test",
        "held (conflict): two values",
        "  way out: take one",
        SLOTS,
    ]
    nothing = msgspec.structs.replace(PLAN, decisions=(), refusals=())
    assert list(plan_lines(nothing)) == ["nothing to do: the regions agree in 5 keys; 2 are local by policy"]


def test_a_plan_as_facts() -> None:
    """The names are what programs read."""
    assert plan_facts(PLAN) == {
        "fingerprint": "f00d",
        "changes": [
            {
                "key": "A",
                "action": "take",
                "reason": "a test",
                "from": ["west", "north"],
                "to": ["east", "south"],
            },
            {"key": "B", "action": "conflict", "reason": "a test", "from": [], "to": []},
        ],
        "refusals": [
            {"rule": "conflict", "keys": ["B"], "why": "two values", "way_out": "take one"},
        ],
        "agreed": 5,
        "local": 2,
        "notes": [SLOTS],
    }


def test_a_rollout_as_facts() -> None:
    """With its plan and history; a group that was not looked at says so."""
    row = a_rollout(
        State.HELD, plan=PLAN, looked_at=START, history=(Happening(START, State.HELD, "two values"),)
    )
    assert rollout_facts(a_group(), row) == {
        "group": "scepman",
        "group_id": a_group().id,
        "state": "held",
        "meaning": SENTENCES[State.HELD],
        "since": START,
        "reason": "a test",
        "looked_at": START,
        "plan": plan_facts(PLAN),
        "history": [{"at": START, "state": "held", "text": "two values"}],
    }
    assert rollout_facts(a_group(), a_rollout())["plan"] is None
    assert rollout_facts(a_group(), None) == {
        "group": "scepman",
        "state": None,
        "reason": "not looked at yet",
    }


def page_of(rollout: Rollout, asked_for: str) -> Page:
    """The page, with what can be done while both regions are healthy."""
    group = a_group()
    names = [region.name for region in group.regions]
    return decision_page(group, rollout, asked_for, advise(group.name, names, rollout, {}))


def test_the_page_of_a_decision_that_waits() -> None:
    """What is held, why, and what can be done."""
    page = page_of(a_rollout(State.HELD, plan=PLAN), "f00d")
    assert (page.title, page.tone, page.lines) == ("scepman: settings are held", "warning", (SLOTS,))
    assert page.facts == (
        ("State", f"held: {SENTENCES[State.HELD]}"),
        ("Since", "2026-03-02 12:00:00 UTC"),
        ("Why", "a test"),
        ("Plan", "f00d"),
        ("Next", "it waits for a decision"),
    )
    keys, holds, ways = page.tables
    assert (keys.title, keys.columns) == (
        "What would become of each key",
        ("what", "key", "from", "to", "why"),
    )
    assert keys.rows == (
        ("take", "A", "west, north", "east, south", "a test"),
        ("conflict", "B", "", "", "a test"),
    )
    assert (holds.title, holds.columns, holds.rows) == (
        "What holds it",
        ("rule", "why"),
        (("conflict", "two values"),),
    )
    assert (ways.title, ways.columns) == ("What can be done, the best first", ("to", "effect", "command"))
    assert "counterpart resolve --group scepman --take east --all --fingerprint f00d --reason TEXT" in [
        row[2] for row in ways.rows
    ]


def test_a_link_to_an_older_plan_says_so() -> None:
    """And a page on which nothing waits says that."""
    later = page_of(a_rollout(State.HELD, plan=PLAN), "0ld")
    assert later.lines == ("You asked for plan 0ld; the plan is f00d by now.", SLOTS)
    calm = page_of(a_rollout(), "none")
    assert (calm.tone, calm.lines, calm.tables) == ("good", ("Nothing waits for a decision.",), ())
    assert ("Plan", "none") in calm.facts
    quiet = msgspec.structs.replace(PLAN, decisions=(), refusals=())
    assert page_of(a_rollout(plan=quiet), "f00d").tables == ()


def test_advice_as_programs_read_it() -> None:
    """Each option with its command; none where it is done outside of Counterpart."""
    advice = Advice(
        outlook="nothing by itself",
        options=(
            Option(what="take a side", effect="east is written", command="counterpart resolve"),
            Option(what="mend it", effect="none"),
        ),
    )
    assert advice_facts(advice) == {
        "outlook": "nothing by itself",
        "options": [
            {"what": "take a side", "effect": "east is written", "command": "counterpart resolve"},
            {"what": "mend it", "effect": "none", "command": None},
        ],
    }

"""Renderings: facts, a post-mortem, a page, measures; and every cause is explained."""

import csv
import io
from pathlib import Path

import msgspec
import pytest

from cli.samples import outage
from shared.groups.model import Cause
from shared.incidents.card import runbook
from shared.incidents.explain import cause_name, explained
from shared.incidents.measures import means, measure
from shared.incidents.model import EXHAUSTED, HELD, Entry
from shared.incidents.render import COLUMNS, incident_facts, markdown, measures_csv, page
from shared.incidents.transitions import Rules, advance, incidents
from shared.pages import html
from shared.words import spoken
from tests.incidents.facts import a_ledger, at, bad

ROOT = Path(__file__).parents[2]
CAUSES = [*Cause, HELD, EXHAUSTED]


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_is_explained(cause: str) -> None:
    """In words, with what is done and what is left, and a runbook that says it step by step."""
    assert cause_name(cause) != cause
    assert all(explained(cause))
    text = (ROOT / runbook(cause)).read_text("utf-8")
    assert text.startswith("# ")
    if cause != EXHAUSTED:
        assert "\n1. " in text


def test_measures() -> None:
    """From its start until known, acknowledged, out of DNS, and well again."""
    found = measure(outage())
    assert (found.to_detect, found.to_acknowledge, found.to_mitigate, found.to_resolve) == (40, 240, 70, 1485)
    both = means([outage(), msgspec.structs.replace(outage(), resolved=None, mitigated=None)])
    assert (both.incidents, both.open, both.mttr, both.mttm) == (2, 1, 1485, 70)
    assert means([]).mttd is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0, "0 s"),
        (59.6, "1 min"),
        (75, "1 min 15 s"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (90_000, "25 h"),
    ],
)
def test_durations_in_words(seconds: float | None, words: str) -> None:
    """As people say them."""
    assert spoken(seconds) == words


def test_facts() -> None:
    """JSON holds the whole record."""
    facts = msgspec.json.decode(msgspec.json.encode(incident_facts(outage())))
    assert facts["stage"] == "resolved"
    assert facts["measures"]["seconds_to_resolve"] == 1485
    assert len(facts["timeline"]) == 5
    assert facts["runbook"] == "docs/runbooks/one-region.md"


def test_a_post_mortem() -> None:
    """Times, timeline, evidence, and room for people; nothing in it breaks a table."""
    odd = Entry(at=outage().started, who="a|b", text="line\nbreak | pipe")
    text = markdown(msgspec.structs.replace(outage(), timeline=(*outage().timeline, odd)))
    rows = [line for line in text.splitlines() if line.startswith("| 2026")]
    assert len(rows) == 6
    assert rows[-1] == "| 2026-03-02 12:00:20 | a\\|b | line break \\| pipe |"
    assert "- **Out of DNS**: 2026-03-02 12:01:30 UTC, after 1 min 10 s" in text
    assert "## For people to fill in" in text


def test_csv() -> None:
    """Columns that stay; a name that a spreadsheet would calculate is text."""
    evil = msgspec.structs.replace(outage(), group="=cmd()", region="@x")
    rows = list(csv.DictReader(io.StringIO(measures_csv([outage(), evil]))))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["mitigated"] == "2026-03-02T12:01:30+00:00"
    assert (rows[1]["group"], rows[1]["region"]) == ("'=cmd()", "'@x")


def test_a_page_of_an_open_incident() -> None:
    """What is not yet so is not on it."""
    (found,) = incidents(advance(a_ledger(), [bad(1)], at(1), Rules()), Rules())
    text = html(page(found))
    assert "Resolved" not in text
    assert 'class="attention"' in text

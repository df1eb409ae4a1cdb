"""Cards of drills: what a person reads before one, after one, and when a region is still out."""

import pytest

from shared.cards import Link, Tone
from shared.drills.card import drill_card, share
from shared.drills.model import Answer, Measured, State, Verdict
from tests.drills.test_decisions import a_drill, at, samples


def test_it_begins() -> None:
    """Who wants it and why, how long it takes, what was warned of, and how to stop it at once."""
    drill = a_drill(
        State.ACCEPTED,
        asked_by="ada",
        why="before the audit",
        preflight=(
            Answer("law 1", Verdict.PASSED, "east serves"),
            Answer("capacity", Verdict.WARNED, "not declared"),
        ),
    )
    card = drill_card(drill, "started", base_url="https://func.test")
    assert (card.title, card.tone) == ("scepman / west: a drill begins", Tone.ACCENT)
    assert card.facts == (
        ("Asked by", "ada"),
        ("Reason", "before the audit"),
        ("Observed for", "5 min"),
        ("Target", "2 min"),
        ("Predicted recovery", "1 min"),
        ("Drill", "scepman-0-drill-1"),
    )
    assert card.lines == (
        "west is about to be taken out of DNS on purpose, and put back by itself.",
        "To stop it at once: counterpart drill abort --group scepman",
        "capacity: not declared",
        "Step by step: docs/runbooks/drill-started.md",
    )
    assert card.links == (Link("See the drill", "https://func.test/api/drills/scepman-0-drill-1"),)


def test_what_nobody_said_is_not_told() -> None:
    """No reason, no address, and nobody who asked."""
    card = drill_card(a_drill(State.ACCEPTED, practice=True), "started")
    assert card.title == "scepman / west: a practice run begins"
    assert [name for name, _ in card.facts] == [
        *("Asked by", "Observed for", "Target", "Predicted recovery", "Drill")
    ]
    assert card.facts[0] == ("Asked by", "-")
    assert card.links == ()


def test_it_is_over() -> None:
    """What was measured beside what was predicted and wanted, and beside earlier drills."""
    drill = a_drill(
        State.SUCCEEDED,
        reason="recovered after 30 s, within the target of 2 min",
        asked_by="ada",
        samples=samples((0, "00", "0", 0), (30, "11", "1", 0)),
        restored_at=at(300),
        online_at=at(311),
    )
    card = drill_card(drill, "finished", earlier=(31.0, 29.0), base_url="https://func.test")
    assert (card.title, card.tone) == ("scepman / west: drill succeeded", Tone.GOOD)
    assert card.facts == (
        ("Began", "2026-03-02 11:59:00 UTC"),
        ("Asked by", "ada"),
        ("Predicted recovery", "1 min"),
        ("Measured recovery", "30 s"),
        ("Target", "2 min"),
        ("Service available", "100.0% (2 of 2 looks)"),
        ("Online again after", "11 s"),
        ("Drill", "scepman-0-drill-1"),
    )
    assert card.lines == (
        "recovered after 30 s, within the target of 2 min.",
        "Beside earlier drills of west: 30 s; the median of the last 2 is 30 s.",
        "The whole record: counterpart drill report scepman-0-drill-1",
        "Step by step: docs/runbooks/drill-finished.md",
    )
    assert card.links == (Link("See the report", "https://func.test/api/drills/scepman-0-drill-1/report"),)


@pytest.mark.parametrize(
    ("state", "tone"),
    [
        (State.SUCCEEDED, Tone.GOOD),
        (State.FAILED, Tone.ATTENTION),
        (State.ABORTED, Tone.WARNING),
        (State.INTERRUPTED, Tone.WARNING),
    ],
)
def test_how_it_ended(state: State, tone: Tone) -> None:
    """In its headline and its colour."""
    card = drill_card(a_drill(state, practice=True), "finished")
    assert (card.title, card.tone) == (f"scepman / west: practice run {state}", tone)


def test_it_never_drained() -> None:
    """Then there is nothing that was measured."""
    card = drill_card(a_drill(State.ABORTED, drained_at=None), "finished")
    assert card.facts == (
        ("Began", "2026-03-02 11:59:00 UTC"),
        ("Asked by", "-"),
        ("Drained", "never"),
        ("Drill", "scepman-0-drill-1"),
    )
    assert not any("earlier drills" in line for line in card.lines)


def test_it_cannot_be_undone() -> None:
    """Why, since when, and the command that a person can give meanwhile."""
    drill = a_drill(State.RESTORING, reason="west could not be enabled")
    card = drill_card(drill, "stuck", base_url="https://func.test")
    assert (card.title, card.tone) == ("scepman / west: still out of DNS after a drill", Tone.ATTENTION)
    assert card.facts == (
        ("State", "restoring"),
        ("Since", "2026-03-02 12:00:00 UTC"),
        ("Drill", "scepman-0-drill-1"),
    )
    assert card.lines == (
        "west could not be enabled.",
        (
            "Counterpart goes on trying. By hand: az network traffic-manager endpoint update --type azureEndpoints "
            "--endpoint-status Enabled --name west --profile-name scepman --resource-group rg"
        ),
        "Step by step: docs/runbooks/drill-stuck.md",
    )
    assert card.links == (Link("See the drill", "https://func.test/api/drills/scepman-0-drill-1"),)


def test_it_may_be_undone_already() -> None:
    """When nobody knows whether it is out, that and why is said, and not that it is."""
    card = drill_card(a_drill(State.RESTORING, reason="no answer", unheard=True), "stuck")
    assert card.title == "scepman / west: perhaps still out of DNS after a drill"
    assert card.lines[:2] == (
        "no answer.",
        "Whether it is out is not known: an enabling was not answered, and may have taken effect.",
    )


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (Measured(), "-"),
        (Measured(probes=150), "100.0% (150 of 150 looks)"),
        (
            Measured(probes=150, failures=3, longest_gap=8.0),
            "98.0% (147 of 150 looks, longest gap 8 s)",
        ),
    ],
)
def test_availability(found: Measured, says: str) -> None:
    """A share, and what it rests on."""
    assert share(found) == says

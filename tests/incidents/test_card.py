"""Cards of incidents: what a person reads first, whole, for each state."""

import msgspec
import pytest

from shared.cards import Link, Tone
from shared.groups.model import Cause
from shared.incidents.card import incident_card, subject
from shared.incidents.explain import explained
from shared.incidents.model import (
    EXHAUSTED,
    HELD,
    PACKAGE_SETTING,
    UNTRUSTED,
    Claim,
    Fact,
    Incident,
    Severity,
    Telling,
    Topic,
)
from shared.incidents.render import markdown
from shared.incidents.transitions import derive
from tests.incidents.facts import RULES, acked, bad, fired, look, moved, suspect, well


def an_incident(*facts: Fact) -> Incident:
    """The one incident that follows from the facts, numbered."""
    (found,) = derive(facts, "scepman", RULES)
    return msgspec.structs.replace(found, id="scepman-1a2b3c4d5e-7")


def test_a_region_fails() -> None:
    """Facts, what it means, who does what, who else is in trouble, where it is written, and what was seen."""
    seen = tuple(f"seen {number}" for number in range(8))
    card = incident_card(
        an_incident(bad(1, evidence=seen)),
        Telling.OPENED,
        base_url="https://func.test",
        siblings=("east", "north"),
    )
    means, we, you = explained(Cause.ONE_REGION)
    assert (card.title, card.tone) == ("scepman / west: fails", Tone.ATTENTION)
    assert card.facts == (
        ("Severity", "2"),
        ("State", "confirmed"),
        ("Cause", "one region"),
        ("Began", "2026-03-02 12:01:00 UTC"),
        ("Known after", "0 s"),
        ("Incident", "scepman-1a2b3c4d5e-7"),
    )
    assert card.lines == (
        f"What it means: {means}.",
        f"Counterpart {we}.",
        f"Left to you: {you}.",
        "In trouble too: east, north.",
        "Step by step: docs/runbooks/one-region.md",
        *seen[2:],
    )
    assert card.links == (Link("See the incident", "https://func.test/api/incidents/scepman-1a2b3c4d5e-7"),)


def test_it_is_over() -> None:
    """How long everything took, who took it on, how often it came back; nothing is left to do."""
    facts = (fired(1, heard=2), bad(3), acked(4), moved(5), well(6), bad(7), well(8), bad(9), well(10))
    card = incident_card(an_incident(*facts), Telling.RESOLVED)
    assert (card.title, card.tone, card.links) == ("scepman / west: resolved", Tone.GOOD, ())
    assert card.facts == (
        ("Severity", "2"),
        ("State", "resolved, acknowledged"),
        ("Cause", "one region"),
        ("Began", "2026-03-02 12:01:00 UTC"),
        ("Known after", "1 min"),
        ("Out of DNS after", "4 min"),
        ("Well again after", "9 min"),
        ("Came back", "2 times"),
        ("Acknowledged by", "ada, 2026-03-02 12:04:00 UTC"),
        ("Incident", "scepman-1a2b3c4d5e-7"),
    )
    assert card.lines == (
        "It was one region. Nobody needs to close it.",
        "For a post-mortem: counterpart incidents export scepman-1a2b3c4d5e-7",
    )
    once = incident_card(an_incident(bad(1), well(2), bad(3)), Telling.OPENED)
    assert ("Came back", "once") in once.facts


def test_a_held_change_leads_to_its_plan() -> None:
    """First to where it is decided, then to the incident."""
    held = look(Claim.BAD, 1, region="", topic=Topic.SETTINGS, cause=HELD, severity=Severity.MINOR)
    card = incident_card(
        an_incident(held), Telling.HELD, base_url="https://func.test", decision="scepman.3f0a"
    )
    assert [link.url for link in card.links] == [
        "https://func.test/api/decisions/scepman.3f0a",
        "https://func.test/api/incidents/scepman-1a2b3c4d5e-7",
    ]
    assert card.links[0].title == "See the plan and decide"
    assert card.lines[-1] == "Step by step: docs/runbooks/held-change.md"
    assert incident_card(an_incident(held), Telling.HELD, decision="scepman.3f0a").links == ()


GROUP_WIDE = {"region": "", "severity": Severity.MINOR}
OPENED = {
    "a settings change waits for a person": bad(1, topic=Topic.SETTINGS, cause=HELD, **GROUP_WIDE),
    "its package setting leads to no package": bad(1, topic=Topic.HOSTS, cause=PACKAGE_SETTING),
    "no artifact host is left": bad(1, topic=Topic.HOSTS, cause=EXHAUSTED),
    "no artifact host is known to be well": bad(1, topic=Topic.HOSTS, cause=UNTRUSTED),
    "the regions prove different certificate authorities": bad(
        1, topic=Topic.AUTHORITY, cause=Cause.AUTHORITY, **GROUP_WIDE
    ),
    "may have failed; not confirmed": suspect(1, severity=Severity.CRITICAL),
    "fails, and no other region serves": bad(1, severity=Severity.CRITICAL),
    "fails": bad(1),
}


@pytest.mark.parametrize("says", OPENED)
def test_how_an_incident_begins(says: str) -> None:
    """By what it is about, how sure that is, and how bad."""
    incident = an_incident(OPENED[says])
    assert incident_card(incident, Telling.OPENED).title == f"{subject(incident)}: {says}"
    assert subject(incident) == ("scepman / west" if incident.region else "scepman")


@pytest.mark.parametrize(
    ("telling", "says", "tone"),
    [
        (Telling.OPENED, "fails", Tone.ATTENTION),
        (Telling.HELD, "a settings change waits for your decision", Tone.WARNING),
        (Telling.ESCALATED_1, "worse: no region serves", Tone.ATTENTION),
        (Telling.ESCALATED_2, "worse: the region fails", Tone.ATTENTION),
        (Telling.MITIGATED, "devices are led to the other regions", Tone.WARNING),
        (Telling.RESOLVED, "resolved", Tone.GOOD),
    ],
)
def test_headlines(telling: Telling, says: str, tone: Tone) -> None:
    """One for each card, coloured by how urgent it is."""
    card = incident_card(an_incident(bad(1)), telling)
    assert (card.title, card.tone) == (f"scepman / west: {says}", tone)


def test_traffic_that_will_not_move() -> None:
    """The card does not say that DNS leads devices away; it says why not, and what to do."""
    stays = "traffic will not move: west is always served. To move it: disable the endpoint west"
    fact = msgspec.structs.replace(suspect(1), stays=stays)
    incident = an_incident(fact)
    lines = incident_card(incident, Telling.OPENED).lines
    assert lines[0] == f"What it means: the region fails, and devices go on being sent to it; {stays}."
    assert lines[1] == "Counterpart watches the region, and moves nothing."
    assert stays in markdown(incident)
    other = an_incident(msgspec.structs.replace(fact, cause=Cause.ARTIFACT_HOST))
    means, we, _ = explained(Cause.ARTIFACT_HOST)
    assert incident_card(other, Telling.OPENED).lines[:2] == (
        f"What it means: {means}; {stays}.",
        f"Counterpart {we}.",
    )


def test_the_latest_look_says_whether_traffic_moves() -> None:
    """Who turns `alwaysServe` off during the incident is not told of it for ever."""
    first = msgspec.structs.replace(suspect(1), stays="traffic will not move")
    assert an_incident(first, bad(2)).stays == ""

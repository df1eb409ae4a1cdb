"""Renderings: facts, a post-mortem, a page, measures; and every cause is explained."""

import csv
import io
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from cli.samples import DOWN, outage
from shared.groups.model import Cause
from shared.incidents.card import runbook
from shared.incidents.explain import cause_name, explained
from shared.incidents.measures import means, measure
from shared.incidents.model import EXHAUSTED, HELD, PACKAGE_SETTING, UNTRUSTED, Entry, Severity, Stage
from shared.incidents.render import COLUMNS, incident_facts, markdown, means_facts, measures_csv, page
from shared.incidents.transitions import STAGES, Rules, advance, incidents
from shared.pages import html
from tests.incidents.facts import a_ledger, at, bad

ROOT = Path(__file__).parents[2]
CAUSES = [*Cause, HELD, PACKAGE_SETTING, EXHAUSTED, UNTRUSTED]


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_is_explained(cause: str) -> None:
    """In words, with what is done and what is left, and a runbook that says it step by step."""
    assert cause_name(cause) != cause
    assert all(explained(cause))
    assert explained(cause) != explained("of a later version") or cause == Cause.UNKNOWN
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
    assert (both.mttd, both.mtta) == (40, 240)


def test_facts() -> None:
    """JSON holds the whole record; what did not happen is null."""
    incident = outage()
    meaning, we, you = explained(incident.cause)
    facts = msgspec.json.decode(msgspec.json.encode(incident_facts(incident)))
    assert facts == {
        "id": incident.id,
        "also_known_as": [],
        "group": "scepman",
        "topic": "service",
        "region": "weu",
        "stage": "resolved",
        "severity": 2,
        "cause": "one-region",
        "means": meaning,
        "counterpart": we,
        "left_to_you": you,
        "runbook": "docs/runbooks/one-region.md",
        "started": "2026-03-02T12:00:20Z",
        "detected": "2026-03-02T12:01:00Z",
        "confirmed": "2026-03-02T12:01:00Z",
        "acknowledged": "2026-03-02T12:05:00Z",
        "acknowledged_by": "ada@contoso.com",
        "mitigated": "2026-03-02T12:01:30Z",
        "resolved": "2026-03-02T12:25:05Z",
        "flaps": 0,
        "measures": {
            "seconds_to_detect": 40,
            "seconds_to_acknowledge": 240,
            "seconds_to_mitigate": 70,
            "seconds_to_resolve": 1485,
        },
        "evidence": list(DOWN),
        "timeline": [
            {"at": entry.at.isoformat().replace("+00:00", "Z"), "who": entry.who, "text": entry.text}
            for entry in incident.timeline
        ],
    }
    (begun,) = incidents(advance(a_ledger(), [bad(1, region="")], at(1), Rules()), Rules())
    facts = incident_facts(msgspec.structs.replace(begun, aliases=("scepman-9",)))
    assert (facts["region"], facts["acknowledged_by"], facts["also_known_as"]) == (None, None, ["scepman-9"])


def test_means_of_many() -> None:
    """Under the names that people who keep such figures know."""
    open_ = msgspec.structs.replace(outage(), resolved=None, mitigated=None, acknowledged=None)
    assert means_facts([outage(), open_]) == {
        "incidents": 2,
        "open": 1,
        "mttd_seconds": 40,
        "mtta_seconds": 240,
        "mean_seconds_to_mitigation": 70,
        "mttr_seconds": 1485,
    }


POST_MORTEM = """\
# Incident {id}: scepman / weu

- **State**: resolved, acknowledged by ada@contoso.com: {stage}
- **Severity**: 2: A region fails; another one serves.
- **Cause**: one region
- **Came back**: once
- **Began**: 2026-03-02 12:00:20 UTC
- **Detected**: 2026-03-02 12:01:00 UTC, after 40 s
- **Confirmed**: 2026-03-02 12:01:00 UTC
- **Acknowledged**: 2026-03-02 12:05:00 UTC, after 4 min
- **Out of DNS**: 2026-03-02 12:01:30 UTC, after 1 min 10 s
- **Resolved**: 2026-03-02 12:25:05 UTC, after 24 min 45 s

What it means: {means}. Counterpart {we}. Left to people: {you}.

## Timeline

| when (UTC) | who or what | what |
|---|---|---|
| 2026-03-02 12:00:20 | Azure Monitor | alert endpoint-degraded fired for weu |
| 2026-03-02 12:00:20 | a\\|b | line break \\| pipe |

## Evidence

- {evidence}

## For people to fill in

- What devices and users noticed:
- What went well, what did not:
- What will be changed, by whom, until when:
"""


def test_a_post_mortem() -> None:
    """Times, timeline, evidence, and room for people; nothing in it breaks a table."""
    incident = outage()
    odd = Entry(at=incident.started, who="a|b", text="line\nbreak | pipe")
    short = msgspec.structs.replace(
        incident, timeline=(incident.timeline[0], odd), evidence=("what\nwas seen",), flaps=1
    )
    meaning, we, you = explained(incident.cause)
    words = {"id": incident.id, "stage": STAGES[incident.stage], "means": meaning, "we": we, "you": you}
    assert markdown(short) == POST_MORTEM.format(**words, evidence="what was seen")
    nothing = msgspec.structs.replace(short, evidence=())
    assert markdown(nothing) == POST_MORTEM.format(**words, evidence="none")


def test_csv() -> None:
    """Columns that stay; every second of a long one; a name that a spreadsheet would calculate is text."""
    later = outage().started + timedelta(days=20)
    evil = msgspec.structs.replace(outage(), group="=cmd()", region="@x", resolved=later, mitigated=None)
    rows = list(csv.DictReader(io.StringIO(measures_csv([outage(), evil]))))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0] == {
        "id": outage().id,
        "group": "scepman",
        "topic": "service",
        "region": "weu",
        "cause": "one-region",
        "severity": "2",
        "stage": "resolved",
        "flaps": "0",
        "started": "2026-03-02T12:00:20+00:00",
        "detected": "2026-03-02T12:01:00+00:00",
        "confirmed": "2026-03-02T12:01:00+00:00",
        "acknowledged": "2026-03-02T12:05:00+00:00",
        "mitigated": "2026-03-02T12:01:30+00:00",
        "resolved": "2026-03-02T12:25:05+00:00",
        "seconds_to_detect": "40",
        "seconds_to_acknowledge": "240",
        "seconds_to_mitigate": "70",
        "seconds_to_resolve": "1485",
    }
    assert (rows[1]["group"], rows[1]["region"]) == ("'=cmd()", "'@x")
    assert (rows[1]["mitigated"], rows[1]["seconds_to_mitigate"]) == ("", "")
    assert rows[1]["seconds_to_resolve"] == "1728000"
    assert "\r" not in measures_csv([outage()])


@pytest.mark.parametrize("sign", "=+-@")
def test_names_that_a_spreadsheet_would_calculate(sign: str) -> None:
    """Each beginning of a formula."""
    (row,) = csv.DictReader(io.StringIO(measures_csv([msgspec.structs.replace(outage(), group=f"{sign}1")])))
    assert row["group"] == f"'{sign}1"


def test_a_page() -> None:
    """What is so, what it means, what was seen when."""
    incident = outage()
    meaning, we, you = explained(incident.cause)
    made = page(incident)
    assert (made.title, made.tone) == (f"Incident {incident.id}: scepman / weu", "good")
    assert [name for name, _ in made.facts] == [
        *("State", "Severity", "Cause", "Began", "Detected"),
        *("Confirmed", "Acknowledged", "Out of DNS", "Resolved"),
    ]
    assert made.lines == (
        f"What it means: {meaning}.",
        f"Counterpart {we}.",
        f"Left to you: {you}.",
        "Step by step: docs/runbooks/one-region.md",
    )
    timeline, evidence = made.tables
    assert (timeline.title, timeline.columns) == ("Timeline", ("when (UTC)", "who or what", "what"))
    assert timeline.rows[0] == (
        "2026-03-02 12:00:20",
        "Azure Monitor",
        "alert endpoint-degraded fired for weu",
    )
    assert len(timeline.rows) == 5
    assert (evidence.title, evidence.columns) == ("Evidence", ("what was seen",))
    assert evidence.rows == tuple((name,) for name in DOWN)


@pytest.mark.parametrize(
    ("severity", "tone"),
    [(Severity.MINOR, "warning"), (Severity.MAJOR, "attention"), (Severity.CRITICAL, "attention")],
)
def test_a_page_of_an_open_incident(severity: Severity, tone: str) -> None:
    """What is not yet so is not on it; its colour says how bad it is."""
    (found,) = incidents(advance(a_ledger(), [bad(1, severity=severity)], at(1), Rules()), Rules())
    made = page(found)
    assert made.tone == tone
    assert [name for name, _ in made.facts] == [
        *("State", "Severity", "Cause", "Began", "Detected", "Confirmed")
    ]
    assert made.facts[0] == ("State", f"confirmed: {STAGES[Stage.CONFIRMED]}")
    assert "Resolved" not in html(made)

"""An incident rendered: facts for JSON, Markdown for a post-mortem, a page, and a CSV of measures. Pure."""

import csv
import io
from collections.abc import Iterable
from typing import Any, Final

from shared.incidents.card import came_back, runbook, subject
from shared.incidents.explain import cause_name, told
from shared.incidents.measures import Means, means, measure
from shared.incidents.model import Incident
from shared.incidents.transitions import SEVERITIES, STAGES
from shared.pages import Page, Table
from shared.words import cell, moment, spoken

COLUMNS: Final = (
    "id", "group", "topic", "region", "cause", "severity", "stage", "flaps",
    "started", "detected", "confirmed", "acknowledged", "mitigated", "resolved",
    "seconds_to_detect", "seconds_to_acknowledge", "seconds_to_mitigate", "seconds_to_resolve",
)  # fmt: skip


def incident_facts(incident: Incident) -> dict[str, Any]:
    """One incident as plain facts."""
    measures = measure(incident)
    meaning, we, you = told(incident)
    return {
        "id": incident.id,
        "also_known_as": list(incident.aliases),
        "group": incident.group,
        "topic": incident.topic,
        "region": incident.region or None,
        "stage": incident.stage,
        "severity": int(incident.severity),
        "cause": incident.cause,
        "means": meaning,
        "counterpart": we,
        "left_to_you": you,
        "runbook": runbook(incident.cause),
        "started": incident.started,
        "detected": incident.detected,
        "confirmed": incident.confirmed,
        "acknowledged": incident.acknowledged,
        "acknowledged_by": incident.acknowledged_by or None,
        "mitigated": incident.mitigated,
        "resolved": incident.resolved,
        "flaps": incident.flaps,
        "measures": {
            "seconds_to_detect": measures.to_detect,
            "seconds_to_acknowledge": measures.to_acknowledge,
            "seconds_to_mitigate": measures.to_mitigate,
            "seconds_to_resolve": measures.to_resolve,
        },
        "evidence": list(incident.evidence),
        "timeline": [{"at": entry.at, "who": entry.who, "text": entry.text} for entry in incident.timeline],
    }


def means_facts(incidents: Iterable[Incident]) -> dict[str, Any]:
    """The means over incidents as plain facts."""
    found: Means = means(incidents)
    return {
        "incidents": found.incidents,
        "open": found.open,
        "mttd_seconds": found.mttd,
        "mtta_seconds": found.mtta,
        "mean_seconds_to_mitigation": found.mttm,
        "mttr_seconds": found.mttr,
    }


def _times(incident: Incident) -> list[tuple[str, str]]:
    """Each stage with when it came, and how long it took."""
    measures = measure(incident)
    found = [
        ("Began", incident.started, ""),
        ("Detected", incident.detected, spoken(measures.to_detect)),
        ("Confirmed", incident.confirmed, ""),
        ("Acknowledged", incident.acknowledged, spoken(measures.to_acknowledge)),
        ("Out of DNS", incident.mitigated, spoken(measures.to_mitigate)),
        ("Resolved", incident.resolved, spoken(measures.to_resolve)),
    ]
    return [
        (name, f"{moment(at)}{f', after {took}' if took else ''}")
        for name, at, took in found
        if at is not None
    ]


def _summary(incident: Incident) -> list[tuple[str, str]]:
    by = f", acknowledged by {incident.acknowledged_by}" if incident.acknowledged else ""
    return [
        ("State", f"{incident.stage}{by}: {STAGES[incident.stage]}"),
        ("Severity", f"{int(incident.severity)}: {SEVERITIES[incident.severity]}"),
        ("Cause", cause_name(incident.cause)),
        *([("Came back", came_back(incident))] if incident.flaps else []),
        *_times(incident),
    ]


def markdown(incident: Incident) -> str:
    """The record as the beginning of a post-mortem."""
    meaning, we, you = told(incident)
    return "\n".join(
        (
            f"# Incident {incident.id}: {cell(subject(incident))}",
            "",
            *(f"- **{name}**: {cell(text)}" for name, text in _summary(incident)),
            "",
            f"What it means: {meaning}. Counterpart {we}. Left to people: {you}.",
            "",
            "## Timeline",
            "",
            "| when (UTC) | who or what | what |",
            "|---|---|---|",
            *(
                f"| {entry.at:%Y-%m-%d %H:%M:%S} | {cell(entry.who)} | {cell(entry.text)} |"
                for entry in incident.timeline
            ),
            "",
            "## Evidence",
            "",
            *(f"- {cell(name)}" for name in incident.evidence or ("none",)),
            "",
            "## For people to fill in",
            "",
            "- What devices and users noticed:",
            "- What went well, what did not:",
            "- What will be changed, by whom, until when:",
            "",
        )
    )


def page(incident: Incident) -> Page:
    """The record as a page."""
    meaning, we, you = told(incident)
    tone = "good" if not incident.open else "attention" if incident.severity < max(SEVERITIES) else "warning"
    return Page(
        title=f"Incident {incident.id}: {subject(incident)}",
        tone=tone,
        facts=tuple(_summary(incident)),
        lines=(
            f"What it means: {meaning}.",
            f"Counterpart {we}.",
            f"Left to you: {you}.",
            f"Step by step: {runbook(incident.cause)}",
        ),
        tables=(
            Table(
                title="Timeline",
                columns=("when (UTC)", "who or what", "what"),
                rows=tuple(
                    (f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.who, entry.text) for entry in incident.timeline
                ),
            ),
            Table(
                title="Evidence",
                columns=("what was seen",),
                rows=tuple((name,) for name in incident.evidence),
            ),
        ),
    )


def measures_csv(incidents: Iterable[Incident]) -> str:
    """One line per incident. Times in ISO 8601, durations in seconds; a cell is empty for what did not happen."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_csv_row(incident) for incident in incidents)
    return out.getvalue()


def _csv_row(incident: Incident) -> list[str]:
    measures = measure(incident)
    times = (
        incident.started,
        incident.detected,
        incident.confirmed,
        incident.acknowledged,
        incident.mitigated,
        incident.resolved,
    )
    took = (measures.to_detect, measures.to_acknowledge, measures.to_mitigate, measures.to_resolve)
    return [
        incident.id,
        _inert(incident.group),
        incident.topic,
        _inert(incident.region),
        incident.cause,
        str(int(incident.severity)),
        incident.stage,
        str(incident.flaps),
        *("" if time is None else time.isoformat() for time in times),
        *("" if seconds is None else f"{seconds:.15g}" for seconds in took),
    ]


def _inert(text: str) -> str:
    """A name that a spreadsheet would take for a formula, made text."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@"} else text

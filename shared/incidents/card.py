"""Notifications of an incident: one card per state, facts and plain words first. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from shared.cards import Card, Link, Tone
from shared.incidents.explain import cause_name, told
from shared.incidents.measures import measure
from shared.incidents.model import (
    PACKAGE_SETTING,
    UNREAD,
    UNTRUSTED,
    Incident,
    Severity,
    Stage,
    Telling,
    Topic,
)
from shared.words import moment, spoken

_TONES: Final = {
    Telling.OPENED: Tone.ATTENTION,
    Telling.HELD: Tone.WARNING,
    Telling.ESCALATED_2: Tone.ATTENTION,
    Telling.ESCALATED_1: Tone.ATTENTION,
    Telling.MITIGATED: Tone.WARNING,
    Telling.RESOLVED: Tone.GOOD,
}


_HOSTS: Final = {
    PACKAGE_SETTING: "its package setting leads to no package",
    UNTRUSTED: "no artifact host is known to be well",
}


def incident_card(
    incident: Incident,
    telling: Telling,
    *,
    base_url: str = "",
    decision: str = "",
    siblings: Sequence[str] = (),
) -> Card:
    """The card for a state.

    Args:
        incident: as it is now.
        telling: which card.
        base_url: where the function app is reached, without a slash at its end; empty: no links.
        decision: the id of the decision that an incident about settings waits for.
        siblings: other regions with an open incident, by name.
    """
    return Card(
        title=f"{subject(incident)}: {_headline(incident, telling)}",
        tone=_TONES[telling],
        facts=tuple(_facts(incident)),
        lines=tuple(_lines(incident, telling, siblings)),
        links=tuple(_links(incident, base_url, decision)),
    )


def subject(incident: Incident) -> str:
    """Return whom it is about: `scepman, West Europe's endpoint`."""
    return f"{incident.group} / {incident.region}" if incident.region else incident.group


def _headline(incident: Incident, telling: Telling) -> str:
    match telling:
        case Telling.OPENED:
            return _opened(incident)
        case Telling.HELD:
            unread = incident.cause == UNREAD
            return "a region cannot be read" if unread else "a settings change waits for your decision"
        case Telling.ESCALATED_1:
            return "worse: no region serves"
        case Telling.ESCALATED_2:
            return "worse: the region fails"
        case Telling.MITIGATED:
            return "devices are led to the other regions"
        case Telling.RESOLVED:
            return "resolved"


def _opened(incident: Incident) -> str:
    match incident.topic:
        case Topic.AUTHORITY:
            return "the regions prove different certificate authorities"
        case Topic.HOSTS:
            return _HOSTS.get(incident.cause, "no artifact host is left")
        case Topic.SETTINGS:
            unread = incident.cause == UNREAD
            return "a region cannot be read" if unread else "a settings change waits for a person"
        case Topic.SERVICE if incident.stage is Stage.DETECTED:
            return "may have failed; not confirmed"
        case Topic.SERVICE if incident.severity is Severity.CRITICAL:
            return "fails, and no other region serves"
        case Topic.SERVICE:
            return "fails"


def _facts(incident: Incident) -> Iterable[tuple[str, str]]:
    yield "Severity", f"{int(incident.severity)}"
    yield "State", incident.stage if incident.acknowledged is None else f"{incident.stage}, acknowledged"
    yield "Cause", cause_name(incident.cause)
    yield "Began", moment(incident.started)
    measures = measure(incident)
    yield "Known after", spoken(measures.to_detect)
    if incident.mitigated is not None:
        yield "Out of DNS after", spoken(measures.to_mitigate)
    if incident.resolved is not None:
        yield "Well again after", spoken(measures.to_resolve)
    if incident.flaps:
        yield "Came back", came_back(incident)
    if incident.acknowledged is not None:
        yield "Acknowledged by", f"{incident.acknowledged_by}, {moment(incident.acknowledged)}"
    yield "Incident", incident.id


def came_back(incident: Incident) -> str:
    """Return how often, in words."""
    return f"{incident.flaps} times" if incident.flaps > 1 else "once"


def _lines(incident: Incident, telling: Telling, siblings: Sequence[str]) -> Iterable[str]:
    if telling is Telling.RESOLVED:
        yield f"It was {cause_name(incident.cause)}. Nobody needs to close it."
        yield f"For a post-mortem: counterpart incidents export {incident.id}"
        return
    means, we, you = told(incident)
    yield f"What it means: {means}."
    yield f"Counterpart {we}."
    yield f"Left to you: {you}."
    if siblings:
        yield f"In trouble too: {', '.join(siblings)}."
    yield f"Step by step: {runbook(incident.cause)}"
    yield from incident.evidence[-6:]


def runbook(cause: str) -> str:
    """The page of the documents that says what to do about a cause."""
    return f"docs/runbooks/{cause}.md"


def _links(incident: Incident, base_url: str, decision: str) -> Iterable[Link]:
    if not base_url:
        return
    if decision:
        yield Link("See the plan and decide", f"{base_url}/api/decisions/{decision}")
    yield Link("See the incident", f"{base_url}/api/incidents/{incident.id}")

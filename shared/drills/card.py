"""Notifications of a drill: one when it begins, one when it ends, one if it cannot be undone. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from shared.cards import Card, Link, Tone
from shared.drills.measure import compared, measure
from shared.drills.model import Drill, Measured, State, Verdict
from shared.words import moment, spoken

RUNBOOKS: Final = {"started": "drill-started", "finished": "drill-finished", "stuck": "drill-stuck"}
_TONES: Final = {State.SUCCEEDED: Tone.GOOD, State.FAILED: Tone.ATTENTION}


def drill_card(drill: Drill, card: str, *, earlier: Sequence[float] = (), base_url: str = "") -> Card:
    """The card of that name: started, finished or stuck.

    Args:
        drill: as it is now.
        card: which.
        earlier: the recovery times of earlier drills of the region, the newest first.
        base_url: where the function app is reached; empty: no links.
    """
    match card:
        case "started":
            return _started(drill, base_url)
        case "stuck":
            return _stuck(drill, base_url)
        case _:
            return _finished(drill, earlier, base_url)


def _kind(drill: Drill) -> str:
    return "practice run" if drill.practice else "drill"


def _started(drill: Drill, base_url: str) -> Card:
    warned = [
        f"{answer.rule}: {answer.reason}" for answer in drill.preflight if answer.verdict is Verdict.WARNED
    ]
    return Card(
        title=f"{drill.group} / {drill.region}: a {_kind(drill)} begins",
        facts=(
            ("Asked by", drill.asked_by or "-"),
            *((("Reason", drill.why),) if drill.why else ()),
            ("Observed for", spoken(drill.observe_seconds)),
            ("Target", spoken(drill.target_rto_seconds)),
            ("Predicted recovery", spoken(drill.predicted.orderly)),
            ("Drill", drill.id),
        ),
        lines=(
            f"{drill.region} is about to be taken out of DNS on purpose, and put back by itself.",
            f"To stop it at once: counterpart drill abort --group {drill.group}",
            *warned,
            f"Step by step: docs/runbooks/{RUNBOOKS['started']}.md",
        ),
        links=_links(drill, base_url, "See the drill"),
    )


def _finished(drill: Drill, earlier: Sequence[float], base_url: str) -> Card:
    found = measure(drill)
    beside = compared(found.recovery, earlier)
    return Card(
        title=f"{drill.group} / {drill.region}: {_kind(drill)} {drill.state}",
        tone=_TONES.get(drill.state, Tone.WARNING),
        facts=(*_measured_facts(drill, found), ("Drill", drill.id)),
        lines=(
            f"{drill.reason}.",
            *((f"Beside earlier drills of {drill.region}: {beside}.",) if beside else ()),
            f"The whole record: counterpart drill report {drill.id}",
            f"Step by step: docs/runbooks/{RUNBOOKS['finished']}.md",
        ),
        links=_links(drill, base_url, "See the report", "/report"),
    )


def _measured_facts(drill: Drill, found: Measured) -> Iterable[tuple[str, str]]:
    yield "Began", moment(drill.accepted_at)
    yield "Asked by", drill.asked_by or "-"
    if drill.drained_at is None:
        yield "Drained", "never"
        return
    yield "Predicted recovery", spoken(drill.predicted.orderly)
    yield "Measured recovery", spoken(found.recovery)
    yield "Target", spoken(drill.target_rto_seconds)
    yield "Service available", share(found)
    yield "Online again after", spoken(found.restored_after)


def share(found: Measured) -> str:
    """The availability with what it rests on."""
    if found.availability is None:
        return "-"
    of = f"{found.probes - found.failures} of {found.probes} looks"
    gap = f", longest gap {spoken(found.longest_gap)}" if found.failures else ""
    return f"{found.availability:.1%} ({of}{gap})"


def _stuck(drill: Drill, base_url: str) -> Card:
    by_hand = (
        "az network traffic-manager endpoint update --type azureEndpoints --endpoint-status Enabled "
        f"--name {drill.region} --profile-name {drill.group} --resource-group {drill.group_id.split('/')[4]}"
    )
    why = drill.why_perhaps_out
    return Card(
        title=f"{drill.group} / {drill.region}: {'perhaps ' if why else ''}still out of DNS after a {_kind(drill)}",
        tone=Tone.ATTENTION,
        facts=(("State", str(drill.state)), ("Since", moment(drill.since)), ("Drill", drill.id)),
        lines=(
            f"{drill.reason}.",
            *((f"Whether it is out is not known: {why}.",) if why else ()),
            f"Counterpart goes on trying. By hand: {by_hand}",
            f"Step by step: docs/runbooks/{RUNBOOKS['stuck']}.md",
        ),
        links=_links(drill, base_url, "See the drill"),
    )


def _links(drill: Drill, base_url: str, title: str, tail: str = "") -> tuple[Link, ...]:
    return (Link(title, f"{base_url}/api/drills/{drill.id}{tail}"),) if base_url else ()

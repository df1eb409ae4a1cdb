"""A drill rendered: facts for JSON, Markdown, and a page with its samples as a picture. Pure."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from shared.drills.card import share
from shared.drills.measure import compared, measure
from shared.drills.model import ALPHABET, NOBODY, Answer, Drill, Measured, Predicted, Sample, Slot, State
from shared.drills.predict import explained
from shared.drills.preflight import Preflight
from shared.drills.schedule import Calendar, Cron, too_soon, why_not
from shared.drills.transitions import STATES, seconds_since_drain
from shared.groups.model import Profile
from shared.pages import Chart, Lane, Page, Span, Table
from shared.words import cell, moment, spoken

UPCOMING: Final = 5  # runs of a schedule that are shown
DEVICES: Final = "devices (SCEP)"
_TONES: Final = {State.SUCCEEDED: "good", State.FAILED: "attention"}


# -- facts ------------------------------------------------------------------------------------------------------


def preflight_facts(answers: Iterable[Answer]) -> list[dict[str, Any]]:
    """Every rule with its answer."""
    return [{"rule": answer.rule, "verdict": answer.verdict, "reason": answer.reason} for answer in answers]


def drill_facts(drill: Drill, earlier: Sequence[float] = (), *, samples: bool = False) -> dict[str, Any]:
    """One drill as plain facts. `earlier`: recovery times of earlier drills of the region, the newest first."""
    found = measure(drill)
    return {
        "id": drill.id,
        "group": drill.group,
        "group_id": drill.group_id,
        "region": drill.region,
        "practice": drill.practice,
        "state": drill.state,
        "reason": drill.reason,
        "since": drill.since,
        "ended": drill.ended,
        "asked_by": drill.asked_by,
        "why": drill.why or None,
        "accepted_at": drill.accepted_at,
        "drained_at": drill.drained_at,
        "restored_at": drill.restored_at,
        "online_at": drill.online_at,
        "perhaps_out_because": drill.why_perhaps_out or None,
        "ended_at": drill.ended_at,
        "deadline": drill.deadline,
        "observe_seconds": drill.observe_seconds,
        "target_rto_seconds": drill.target_rto_seconds,
        "service": drill.service,
        "resolvers": list(drill.resolvers),
        "predicted": _predicted_facts(drill.predicted),
        "measured": {
            "recovery_seconds": found.recovery,
            "dns_seconds": dict(found.dns),
            "scep_seconds": found.scep,
            "availability": found.availability,
            "probes": found.probes,
            "failures": found.failures,
            "longest_gap_seconds": found.longest_gap,
            "online_again_seconds": found.restored_after,
            "back_in_dns_seconds": found.back_in_dns,
        },
        "earlier_recoveries_seconds": list(earlier),
        "compared": compared(found.recovery, earlier) or None,
        "preflight": preflight_facts(drill.preflight),
        "timeline": [{"at": entry.at, "who": entry.who, "text": entry.text} for entry in drill.timeline],
        **({"samples": [_sample_facts(drill, sample) for sample in drill.samples]} if samples else {}),
    }


def checked_facts(preflight: Preflight, predicted: Predicted, profile: Profile) -> dict[str, Any]:
    """Return what a dry run says."""
    orderly, sudden = explained(profile)
    return {
        "allowed": preflight.allowed,
        "preflight": preflight_facts(preflight.answers),
        "predicted": {
            **_predicted_facts(predicted),
            "orderly_because": orderly,
            "sudden_because": sudden,
        },
    }


def _predicted_facts(predicted: Predicted) -> dict[str, float]:
    return {
        "orderly_seconds": predicted.orderly,
        "sudden_seconds": predicted.sudden,
        "detection_seconds": predicted.detection,
        "ttl_seconds": predicted.ttl,
    }


def skipped_facts(slots: Iterable[Slot]) -> list[dict[str, Any]]:
    """The practice runs that were passed over, the newest first."""
    lines = [(entry.at, slot.group, entry.text) for slot in slots for entry in slot.history]
    return [{"group": group, "at": at, "why": text} for at, group, text in sorted(lines, reverse=True)]


def schedule_facts(
    calendar: Calendar, group: str, slot: Slot | None, now: datetime, observe_seconds: int
) -> dict[str, Any]:
    """Return what a group's schedule means: the next runs, and what of the calendar would hinder each."""
    lines = calendar.lines(group)
    times = sorted({at for line in lines for at in _next(line, now)})[:UPCOMING]
    last = slot.practised if slot else None
    upcoming = []
    for at in times:
        blocked, outside = why_not(calendar, at, at + timedelta(seconds=observe_seconds))
        early = too_soon(calendar, last, at)
        upcoming.append({"at": at, "hindered": blocked or outside or early or None})
        last = last if blocked or outside or early else at
    return {
        "group": group,
        "schedule": [line.text for line in lines],
        "at_most_one_in_days": calendar.every / 86_400,
        "last_practice_run": slot.practised if slot else None,
        "next": upcoming,
        "skipped": skipped_facts([slot] if slot else []),
    }


def _next(line: Cron, now: datetime) -> Iterator[datetime]:
    at: datetime | None = now
    for _ in range(UPCOMING):
        at = line.next_after(at) if at is not None else None
        if at is not None:
            yield at


def _sample_facts(drill: Drill, sample: Sample) -> dict[str, Any]:
    return {
        "seconds": sample.at,
        "dns": {name: _region(drill, code) for name, code in zip(drill.resolvers, sample.dns, strict=True)},
        "served_by": _region(drill, sample.by),
        "problem": drill.problems[sample.problem - 1] if sample.problem else None,
    }


def _region(drill: Drill, code: str) -> str | None:
    return None if code == NOBODY else drill.regions[ALPHABET.index(code)]


# -- words ------------------------------------------------------------------------------------------------------


def _summary(drill: Drill) -> list[tuple[str, str]]:
    return [
        ("State", f"{drill.state}: {drill.reason}"),
        ("Means", STATES[drill.state]),
        ("Asked by", f"{drill.asked_by or '-'}{' (a practice run)' if drill.practice else ''}"),
        *([("Reason", drill.why)] if drill.why else []),
        ("Accepted", moment(drill.accepted_at)),
        *([("Drained", moment(drill.drained_at))] if drill.drained_at else []),
        *([("Enabled again", moment(drill.restored_at))] if drill.restored_at else []),
        *([("Ended", moment(drill.ended_at))] if drill.ended_at else []),
    ]


def figures(drill: Drill, found: Measured, earlier: Sequence[float]) -> list[tuple[str, str, str]]:
    """Return what was predicted or wanted, beside what was measured."""
    rows = [
        ("recovery, orderly drain", _seconds(drill.predicted.orderly), _seconds(found.recovery)),
        *(
            (f"DNS at {name}", _seconds(drill.predicted.orderly), _seconds(seconds))
            for name, seconds in found.dns
        ),
        (DEVICES, _seconds(drill.predicted.orderly), _seconds(found.scep)),
        ("recovery, sudden loss", _seconds(drill.predicted.sudden), "not drilled: a drill is orderly"),
        ("target", _seconds(drill.target_rto_seconds), _against(drill, found)),
        ("service available", "100.0%", share(found)),
        ("online again after the restoring", "-", _seconds(found.restored_after)),
        ("in DNS again after the restoring", "-", _seconds(found.back_in_dns)),
    ]
    beside = compared(found.recovery, earlier)
    return [*rows, (f"earlier drills of {drill.region}", "-", beside or "none to compare with")]


def _against(drill: Drill, found: Measured) -> str:
    if found.recovery is None:  # which is missed when the drill is over, and not before
        return "missed" if drill.state is State.FAILED else "-"
    return "kept" if found.recovery <= drill.target_rto_seconds else "missed"


def _seconds(value: float | None) -> str:
    """A measured duration, to a tenth where that says something."""
    if value is None:
        return "-"
    return f"{value:g} s" if value < 60 else spoken(value)  # noqa: PLR2004 -- a minute


def markdown(drill: Drill, earlier: Sequence[float] = ()) -> str:
    """The report."""
    found = measure(drill)
    return "\n".join(
        (
            f"# Drill {drill.id}: {cell(drill.group)} / {cell(drill.region)}",
            "",
            *(f"- **{name}**: {cell(text)}" for name, text in _summary(drill)),
            "",
            "## Predicted and measured",
            "",
            "| what | predicted or wanted | measured |",
            "|---|---|---|",
            *(f"| {' | '.join(map(cell, row))} |" for row in figures(drill, found, earlier)),
            "",
            _how(drill),
            "",
            "## Timeline",
            "",
            "| when (UTC) | who or what | what |",
            "|---|---|---|",
            *(
                f"| {entry.at:%Y-%m-%d %H:%M:%S} | {cell(entry.who)} | {cell(entry.text)} |"
                for entry in drill.timeline
            ),
            "",
            "## Preflight",
            "",
            "| rule | answer | reason |",
            "|---|---|---|",
            *(f"| {answer.rule} | {answer.verdict} | {cell(answer.reason)} |" for answer in drill.preflight),
            "",
            "## Who answered",
            "",
            "| from | to | asked | answer |",
            "|---|---|---|---|",
            *(
                f"| {begin:g} s | {end:g} s | {cell(lane)} | {cell(text)} |"
                for lane, runs in _runs(drill)
                for begin, end, text, _ in runs
            ),
            "",
        )
    )


def _how(drill: Drill) -> str:
    """Return how it was measured."""
    return (
        f"Every {_interval(drill)} each resolver was asked for `{drill.service}`, and GetCACaps and GetCACert "
        "through that name by an address that is kept for its time to live, as devices keep it. A figure is exact "
        "to one interval."
    )


def _interval(drill: Drill) -> str:
    steps = sorted(round(after.at - at.at, 1) for at, after in itertools.pairwise(drill.samples))
    return f"{steps[len(steps) // 2]:g} s" if steps else "interval"


# -- the picture ------------------------------------------------------------------------------------------------

type _Run = tuple[float, float, str, str]  # from, until, what, tone


def _runs(drill: Drill) -> list[tuple[str, list[_Run]]]:
    """Per resolver, and for devices: the spans in which the answer was the same."""
    lanes = [
        (f"DNS at {name}", [(sample.at, *_dns(drill, sample.dns[place])) for sample in drill.samples])
        for place, name in enumerate(drill.resolvers)
    ]
    lanes.append((DEVICES, [(sample.at, *_served(drill, sample)) for sample in drill.samples]))
    return [(name, _joined(points)) for name, points in lanes]


def _dns(drill: Drill, code: str) -> tuple[str, str]:
    region = _region(drill, code)
    if region is None:
        return "no answer", "none"
    return region, "gone" if region == drill.region else "good"


def _served(drill: Drill, sample: Sample) -> tuple[str, str]:
    if sample.problem:
        return f"not served: {drill.problems[sample.problem - 1]}", "bad"
    region = _region(drill, sample.by)
    if region is None:
        return "served", "good"
    return f"served by {region}", "gone" if region == drill.region else "good"


def _joined(points: Sequence[tuple[float, str, str]]) -> list[_Run]:
    runs: list[_Run] = []
    for place, (at, text, tone) in enumerate(points):
        end = points[place + 1][0] if place + 1 < len(points) else at
        if runs and runs[-1][2] == text:
            runs[-1] = (runs[-1][0], end, text, tone)
        else:
            runs.append((at, end, text, tone))
    return runs


def chart(drill: Drill) -> Chart | None:
    """The samples as a picture; None before there are any."""
    if not drill.samples:
        return None
    marks = [
        (0.0, "drained"),
        (drill.predicted.orderly, "predicted"),
        (float(drill.target_rto_seconds), "target"),
    ]
    if drill.restored_at is not None:
        marks.append((seconds_since_drain(drill, drill.restored_at), "enabled"))
    if drill.online_at is not None:
        marks.append((seconds_since_drain(drill, drill.online_at), "online"))
    return Chart(
        title=f"Who answered, by seconds since the drain: {drill.region} orange, others green, nobody red",
        begin=drill.samples[0].at,
        end=max(drill.samples[-1].at, drill.samples[0].at + 1),
        lanes=tuple(
            Lane(name=name, spans=tuple(Span(begin, end, text, tone) for begin, end, text, tone in runs))
            for name, runs in _runs(drill)
        ),
        marks=tuple(mark for mark in marks if mark[0] <= drill.samples[-1].at),
    )


def page(drill: Drill, earlier: Sequence[float] = ()) -> Page:
    """The report as a page."""
    found = measure(drill)
    return Page(
        title=f"Drill {drill.id}: {drill.group} / {drill.region}",
        tone=_TONES.get(drill.state, "warning" if drill.ended else "accent"),
        facts=tuple(_summary(drill)),
        chart=chart(drill),
        tables=(
            Table(
                title="Predicted and measured",
                columns=("what", "predicted or wanted", "measured"),
                rows=tuple(figures(drill, found, earlier)),
            ),
            Table(
                title="Timeline",
                columns=("when (UTC)", "who or what", "what"),
                rows=tuple(
                    (f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.who, entry.text) for entry in drill.timeline
                ),
            ),
            Table(
                title="Preflight",
                columns=("rule", "answer", "reason"),
                rows=tuple((answer.rule, str(answer.verdict), answer.reason) for answer in drill.preflight),
            ),
        ),
    )

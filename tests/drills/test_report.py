"""A drill rendered: what a reader of the report, the page and the JSON acts on, whole."""

from datetime import timedelta

import msgspec
import pytest

from shared.drills.measure import measure
from shared.drills.model import Answer, Drill, Entry, Measured, Slot, State, Verdict
from shared.drills.predict import predict
from shared.drills.preflight import Preflight
from shared.drills.report import (
    chart,
    checked_facts,
    drill_facts,
    figures,
    markdown,
    page,
    schedule_facts,
    skipped_facts,
)
from shared.drills.schedule import Calendar, dates, schedules, windows
from shared.drills.transitions import STATES
from shared.pages import Lane, Span
from tests.builders import a_profile
from tests.drills.test_decisions import a_drill, at, samples
from tests.fakes.clock import START


def a_practice_run(**changes: object) -> Drill:
    """Over, with a bit of everything in it: answers missing, a look that failed, a region that came back."""
    drill = a_drill(
        State.SUCCEEDED,
        samples=samples(
            (-2.0, "00", "0", 0),
            (0.0, "00", "0", 0),
            (2.0, "1-", "0", 1),
            (4.0, "11", "-", 0),
            (6.0, "11", "1", 0),
            (40.5, "01", "1", 0),
            (42.5, "00", "0", 0),
        ),
        problems=("GetCACaps answered 503", "another one"),
        restoring_at=at(40),
        restored_at=at(41),
        online_at=at(42.5),
        ended_at=at(60),
        asked_by="ada",
        why="before the audit",
        practice=True,
        preflight=(Answer("capacity", Verdict.WARNED, "not declared | x"),),
        timeline=(Entry(at=START, who="ada|b", text="west was\ndrained"),),
    )
    return msgspec.structs.replace(drill, **changes)


# -- facts ------------------------------------------------------------------------------------------------------


def test_facts() -> None:
    """JSON has the whole record under names that stay; what did not happen is null."""
    facts = msgspec.to_builtins(drill_facts(a_practice_run(), (30.0,)), builtin_types=())
    assert facts == {
        "id": "scepman-0-drill-1",
        "group": "scepman",
        "group_id": a_profile().id,
        "region": "west",
        "practice": True,
        "state": "succeeded",
        "reason": "a test",
        "since": "2026-03-02T12:00:00Z",
        "ended": True,
        "asked_by": "ada",
        "why": "before the audit",
        "accepted_at": "2026-03-02T11:59:00Z",
        "drained_at": "2026-03-02T12:00:00Z",
        "restored_at": "2026-03-02T12:00:41Z",
        "online_at": "2026-03-02T12:00:42.500000Z",
        "perhaps_out_because": None,
        "ended_at": "2026-03-02T12:01:00Z",
        "deadline": "2026-03-02T12:06:30Z",
        "observe_seconds": 300,
        "target_rto_seconds": 120,
        "service": "scep.contoso.com",
        "resolvers": ["system", "10.0.0.4"],
        "predicted": {
            "orderly_seconds": 60,
            "sudden_seconds": 190,
            "detection_seconds": 130,
            "ttl_seconds": 60,
        },
        "measured": {
            "recovery_seconds": 6,
            "dns_seconds": {"system": 2, "10.0.0.4": 4},
            "scep_seconds": 6,
            "availability": 5 / 6,
            "probes": 6,
            "failures": 1,
            "longest_gap_seconds": 4,
            "online_again_seconds": 1.5,
            "back_in_dns_seconds": 0.5,
        },
        "earlier_recoveries_seconds": [30],
        "compared": "6 s; the one before is 30 s",
        "preflight": [{"rule": "capacity", "verdict": "warned", "reason": "not declared | x"}],
        "timeline": [{"at": "2026-03-02T12:00:00Z", "who": "ada|b", "text": "west was\ndrained"}],
    }
    alone = drill_facts(a_practice_run(why=""))
    assert [alone[name] for name in ("why", "compared", "earlier_recoveries_seconds")] == [None, None, []]


def test_samples_in_facts() -> None:
    """Asked for, each look says where each resolver led and who served, by name."""
    looks = drill_facts(a_practice_run(), samples=True)["samples"]
    assert looks[2:4] == [
        {
            "seconds": 2.0,
            "dns": {"system": "east", "10.0.0.4": None},
            "served_by": "west",
            "problem": "GetCACaps answered 503",
        },
        {"seconds": 4.0, "dns": {"system": "east", "10.0.0.4": "east"}, "served_by": None, "problem": None},
    ]
    assert len(looks) == 7


def test_a_dry_run() -> None:
    """Every rule's answer, and the two predictions with the figures that they come from."""
    profile = a_profile(ttl=60)
    refused = Preflight(answers=(Answer("law 1", Verdict.REFUSED, "the last region"),))
    assert checked_facts(refused, predict(profile), profile) == {
        "allowed": False,
        "preflight": [{"rule": "law 1", "verdict": "refused", "reason": "the last region"}],
        "predicted": {
            "orderly_seconds": 60,
            "sudden_seconds": 190,
            "detection_seconds": 130,
            "ttl_seconds": 60,
            "orderly_because": "a time to live of 60 s, for a drained endpoint is not answered any more",
            "sudden_because": (
                "30 s until the next probe, 3 tolerated failures of 30 s, 10 s for the last one to fail: 130 s; "
                "then 60 s to live"
            ),
        },
    }


def a_slot(group: str, *skipped: float) -> Slot:
    """A group whose practice runs were passed over, at these minutes."""
    lines = (
        Entry(at=START + timedelta(minutes=seconds), who="x", text=f"why {seconds:g}") for seconds in skipped
    )
    return Slot(group_id=a_profile().id, group=group, history=tuple(lines), practised=START)


def test_skipped_practice_runs() -> None:
    """Of all groups, the newest first."""
    found = skipped_facts([a_slot("one", 1, 3), a_slot("two", 2)])
    assert found == [
        {"group": "one", "at": START + timedelta(minutes=3), "why": "why 3"},
        {"group": "two", "at": START + timedelta(minutes=2), "why": "why 2"},
        {"group": "one", "at": START + timedelta(minutes=1), "why": "why 1"},
    ]


def test_what_a_schedule_means() -> None:
    """The next five times of all its lines, each with the first thing that hinders it; a hindered one counts not."""
    calendar = Calendar(
        schedules=schedules("scepman=30 20 * * MON,THU; scepman=0 21 * * SUN; scepman=30 20 5 3 *"),
        blocked_dates=dates("2026-03-09"),
        allowed=windows("MON-20:00-21:00,THU-20:00-21:00"),
        every=86_400 * 2.5,
    )
    facts = schedule_facts(calendar, "scepman", a_slot("scepman", 1), START, 300)
    assert [(f"{fact['at']:%a %d}", fact["hindered"]) for fact in facts["next"]] == [
        (
            "Mon 02",
            "the last practice run was due 2026-03-02 12:00 UTC, and there is at most one in 2.5 days",
        ),
        ("Thu 05", None),
        ("Sun 08", "Sun 21:00 to 21:05 UTC does not lie inside MON-20:00-21:00, THU-20:00-21:00"),
        ("Mon 09", "2026-03-09 is blocked"),
        ("Thu 12", None),
    ]
    assert {name: item for name, item in facts.items() if name != "next"} == {
        "group": "scepman",
        "schedule": ["30 20 * * MON,THU", "0 21 * * SUN", "30 20 5 3 *"],
        "at_most_one_in_days": 2.5,
        "last_practice_run": START,
        "skipped": [{"group": "scepman", "at": START + timedelta(minutes=1), "why": "why 1"}],
    }
    never = schedule_facts(calendar, "scepman", None, START, 300)
    assert (never["last_practice_run"], never["skipped"]) == (None, [])
    assert never["next"][0]["hindered"] is None
    closed = Calendar(
        schedules=schedules("scepman=0 21 * * SUN; scepman=30 20 * * MON"),
        allowed=windows("MON-20:00-21:00"),
        every=86_400.0,
    )
    week = schedule_facts(closed, "scepman", None, START, 300)["next"][:3]
    assert [bool(item["hindered"]) for item in week] == [
        False,
        True,
        False,
    ]  # the one that was not does not count


# -- words ------------------------------------------------------------------------------------------------------

REPORT = """\
# Drill scepman-0-drill-1: scepman / west

- **State**: succeeded: a test
- **Means**: {means}
- **Asked by**: ada (a practice run)
- **Reason**: before the audit
- **Accepted**: 2026-03-02 11:59:00 UTC
- **Drained**: 2026-03-02 12:00:00 UTC
- **Enabled again**: 2026-03-02 12:00:41 UTC
- **Ended**: 2026-03-02 12:01:00 UTC

## Predicted and measured

| what | predicted or wanted | measured |
|---|---|---|
| recovery, orderly drain | 1 min | 6 s |
| DNS at system | 1 min | 2 s |
| DNS at 10.0.0.4 | 1 min | 4 s |
| devices (SCEP) | 1 min | 6 s |
| recovery, sudden loss | 3 min 10 s | not drilled: a drill is orderly |
| target | 2 min | kept |
| service available | 100.0% | 83.3% (5 of 6 looks, longest gap 4 s) |
| online again after the restoring | - | 1.5 s |
| in DNS again after the restoring | - | 0.5 s |
| earlier drills of west | - | 6 s; the one before is 30 s |

Every 2 s each resolver was asked for `scep.contoso.com`, and GetCACaps and GetCACert through that name by an \
address that is kept for its time to live, as devices keep it. A figure is exact to one interval.

## Timeline

| when (UTC) | who or what | what |
|---|---|---|
| 2026-03-02 12:00:00 | ada\\|b | west was drained |

## Preflight

| rule | answer | reason |
|---|---|---|
| capacity | warned | not declared \\| x |

## Who answered

| from | to | asked | answer |
|---|---|---|---|
| -2 s | 2 s | DNS at system | west |
| 2 s | 40.5 s | DNS at system | east |
| 40.5 s | 42.5 s | DNS at system | west |
| -2 s | 2 s | DNS at 10.0.0.4 | west |
| 2 s | 4 s | DNS at 10.0.0.4 | no answer |
| 4 s | 42.5 s | DNS at 10.0.0.4 | east |
| 42.5 s | 42.5 s | DNS at 10.0.0.4 | west |
| -2 s | 2 s | devices (SCEP) | served by west |
| 2 s | 4 s | devices (SCEP) | not served: GetCACaps answered 503 |
| 4 s | 6 s | devices (SCEP) | served |
| 6 s | 42.5 s | devices (SCEP) | served by east |
| 42.5 s | 42.5 s | devices (SCEP) | served by west |
"""


def test_a_report() -> None:
    """From the headline to who answered when."""
    assert markdown(a_practice_run(), (30.0,)) == REPORT.format(means=STATES[State.SUCCEEDED])


def test_a_report_of_what_has_only_begun() -> None:
    """It says nothing of what has not happened."""
    begun = a_drill(State.ACCEPTED, drained_at=None)
    lines = markdown(begun).splitlines()
    assert lines[2:6] == [
        "- **State**: accepted: a test",
        f"- **Means**: {STATES[State.ACCEPTED]}",
        "- **Asked by**: -",
        "- **Accepted**: 2026-03-02 11:59:00 UTC",
    ]
    assert "## Predicted and measured" in lines[6:8]
    assert "| earlier drills of west | - | none to compare with |" in lines
    assert any(line.startswith("Every interval each resolver") for line in lines)
    assert chart(begun) is None


@pytest.mark.parametrize(
    ("state", "recovery", "says"),
    [
        (State.SUCCEEDED, 120.0, "kept"),
        (State.FAILED, 120.1, "missed"),
        (State.FAILED, None, "missed"),
        (State.OBSERVING, None, "-"),  # there is time left
        (State.ABORTED, None, "-"),  # it was not given its time
        (State.ACCEPTED, None, "-"),
    ],
)
def test_the_target(state: State, recovery: float | None, says: str) -> None:
    """It is missed when the drill has failed, and not while nobody can know."""
    rows = figures(a_drill(state), Measured(recovery=recovery), ())
    assert ("target", "2 min", says) in rows


def test_short_and_long_durations() -> None:
    """To a tenth below a minute, in words from there."""
    for recovery, says in ((59.9, "59.9 s"), (60.0, "1 min"), (None, "-")):
        assert figures(a_drill(), Measured(recovery=recovery), ())[0][2] == says


def test_the_usual_interval_is_told() -> None:
    """One look that took long does not make the interval."""
    times = (0.0, 2.0, 4.0, 9.0, 11.04)
    text = markdown(a_drill(samples=samples(*((time, "11", "1", 0) for time in times))))
    assert "Every 2 s each resolver" in text
    two = markdown(a_drill(samples=samples((0.0, "11", "1", 0), (5.0, "11", "1", 0), (5.04, "11", "1", 0))))
    assert "Every 5 s each resolver" in two
    half = markdown(a_drill(samples=samples((0.0, "11", "1", 0), (2.5, "11", "1", 0))))
    assert "Every 2.5 s each resolver" in half


# -- the picture and the page -----------------------------------------------------------------------------------


def test_a_picture() -> None:
    """A lane for each resolver and for devices; marks where something happened, or should have by then."""
    drawn = chart(a_practice_run())
    assert drawn is not None
    assert (drawn.begin, drawn.end) == (-2, 42.5)
    assert drawn.title == "Who answered, by seconds since the drain: west orange, others green, nobody red"
    assert drawn.lanes == (
        Lane(
            name="DNS at system",
            spans=(
                Span(-2, 2, "west", "gone"),
                Span(2, 40.5, "east", "good"),
                Span(40.5, 42.5, "west", "gone"),
            ),
        ),
        Lane(
            name="DNS at 10.0.0.4",
            spans=(
                Span(-2, 2, "west", "gone"),
                Span(2, 4, "no answer", "none"),
                Span(4, 42.5, "east", "good"),
                Span(42.5, 42.5, "west", "gone"),
            ),
        ),
        Lane(
            name="devices (SCEP)",
            spans=(
                Span(-2, 2, "served by west", "gone"),
                Span(2, 4, "not served: GetCACaps answered 503", "bad"),
                Span(4, 6, "served", "good"),
                Span(6, 42.5, "served by east", "good"),
                Span(42.5, 42.5, "served by west", "gone"),
            ),
        ),
    )
    assert drawn.marks == ((0.0, "drained"), (41.0, "enabled"), (42.5, "online"))


def test_marks_of_a_running_drill() -> None:
    """What has not happened is not marked; what was predicted and wanted is, once it is time."""
    drawn = chart(a_drill(samples=samples((0.0, "00", "0", 0), (130.0, "11", "1", 0))))
    assert drawn is not None
    assert drawn.marks == ((0.0, "drained"), (60.0, "predicted"), (120.0, "target"))
    alone = chart(a_drill(samples=samples((3.0, "00", "0", 0))))
    assert alone is not None
    assert (alone.begin, alone.end) == (3.0, 4.0)  # a picture has a width


def test_a_page() -> None:
    """The same, as a page."""
    drill = a_practice_run()
    made = page(drill, (30.0,))
    assert made.title == "Drill scepman-0-drill-1: scepman / west"
    assert made.facts[:2] == (("State", "succeeded: a test"), ("Means", STATES[State.SUCCEEDED]))
    assert made.chart == chart(drill)
    measured, timeline, preflight = made.tables
    assert (measured.title, measured.columns) == (
        "Predicted and measured",
        ("what", "predicted or wanted", "measured"),
    )
    assert measured.rows == tuple(figures(drill, measure(drill), (30.0,)))
    assert (timeline.title, timeline.columns) == ("Timeline", ("when (UTC)", "who or what", "what"))
    assert timeline.rows == (("2026-03-02 12:00:00", "ada|b", "west was\ndrained"),)
    assert (preflight.title, preflight.columns) == ("Preflight", ("rule", "answer", "reason"))
    assert preflight.rows == (("capacity", "warned", "not declared | x"),)


@pytest.mark.parametrize(
    ("state", "tone"),
    [
        (State.SUCCEEDED, "good"),
        (State.FAILED, "attention"),
        (State.ABORTED, "warning"),
        (State.INTERRUPTED, "warning"),
        (State.OBSERVING, "accent"),
    ],
)
def test_the_colour_of_a_page(state: State, tone: str) -> None:
    """It says how the drill ended, or that it has not."""
    assert page(a_drill(state)).tone == tone

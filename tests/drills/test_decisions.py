"""The pure parts: predictions, measures, schedules, and that no order of looks leaves a region out."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.drills.measure import SLOWER, compared, failed_in_a_row, judged, measure
from shared.drills.model import (
    ALPHABET,
    ENDED,
    LONGEST,
    Drill,
    Ending,
    Predicted,
    Request,
    Rules,
    Sample,
    Seen,
    State,
)
from shared.drills.predict import predict
from shared.drills.report import drill_facts, markdown, page, schedule_facts
from shared.drills.schedule import (
    CATCH_UP,
    REMEMBERED,
    Calendar,
    Dates,
    cron,
    dates,
    due,
    missed,
    schedules,
    why_not,
    windows,
)
from shared.drills.transitions import MOST_SAMPLES, Enable, Finish, Rest, View, Watch, accepted, pace, turn
from shared.groups.model import Monitor, MonitorStatus
from shared.pages import html
from shared.store import MAX_BODY
from tests.builders import a_group, a_health, a_profile
from tests.fakes.clock import START

RULES = Rules()


def a_drill(state: State = State.OBSERVING, **changes: object) -> Drill:
    """A drill of west that was drained at START."""
    plain = Drill(
        id="scepman-0-drill-1",
        group_id=a_profile().id,
        group="scepman",
        region="west",
        regions=("west", "east"),
        resolvers=("system", "10.0.0.4"),
        service="scep.contoso.com",
        observe_seconds=300,
        target_rto_seconds=120,
        predicted=Predicted(orderly=60, sudden=190, detection=130, ttl=60),
        preflight=(),
        state=state,
        reason="a test",
        since=START,
        accepted_at=START - timedelta(minutes=1),
        deadline=START + timedelta(seconds=390),
        drained_at=START,
        looked_at=START,
    )
    return msgspec.structs.replace(plain, **changes)


def samples(*rows: tuple[float, str, str, int]) -> tuple[Sample, ...]:
    """Samples from their fields."""
    return tuple(Sample(*row) for row in rows)


def at(seconds: float) -> datetime:
    """A moment after the drain."""
    return START + timedelta(seconds=seconds)


# -- predict and measure ----------------------------------------------------------------------------------------


def test_the_vendors_own_figures() -> None:
    """Probe every 10 s, 3 tolerated, 5 s timeout, 30 s to live: 75 s for a sudden loss; Azure's defaults: 190 s."""
    fast = Monitor(protocol="HTTPS", port=443, path="/probe", interval=10, timeout=5, tolerated_failures=3)
    assert predict(a_profile(ttl=30, monitor=fast)) == Predicted(orderly=30, sudden=75, detection=45, ttl=30)
    assert predict(a_profile(ttl=60)).sudden == 190


def test_recovery_is_the_last_resolver_and_the_devices() -> None:
    """Each for itself; the whole is recovered when all are. An answer that failed says nothing."""
    drill = a_drill(
        samples=samples(
            (-2, "00", "0", 0),
            (0, "00", "0", 0),
            (2, "10", "0", 0),
            (4, "1-", "0", 0),
            (6, "10", "1", 0),
            (8, "11", "1", 0),
        )
    )
    found = measure(drill)
    assert dict(found.dns) == {"system": 2, "10.0.0.4": 8}
    assert [found.scep, found.recovery] == [6, 8]
    assert [found.probes, found.failures, found.availability] == [5, 0, 1.0]


def test_a_resolver_that_goes_back_has_not_recovered() -> None:
    """What counts is when the answers were another region's for good."""
    drill = a_drill(
        resolvers=("system",), samples=samples((0, "0", "1", 0), (2, "1", "1", 0), (4, "0", "1", 0))
    )
    assert measure(drill).recovery is None
    ending = judged(msgspec.structs.replace(drill, restoring_at=at(300)))
    assert ending.state is State.FAILED
    assert "system" in ending.reason


def test_the_longest_gap() -> None:
    """From the last look that succeeded to the next one, where one failed between; also when none succeeds after."""
    rows = [
        (0.0, "1", "1", 0),
        (2.0, "1", "1", 1),
        (4.0, "1", "1", 1),
        (6.0, "1", "1", 0),
        (20.0, "1", "1", 0),
    ]
    assert measure(a_drill(resolvers=("system",), samples=samples(*rows))).longest_gap == 6.0
    assert measure(a_drill(resolvers=("system",), samples=samples(*rows[:3]))).longest_gap == 4.0


@pytest.mark.parametrize(
    ("rows", "gap"),
    [
        (((3.0, 0), (5.0, 0)), 0.0),  # none failed
        (((0.0, 1), (2.0, 0)), 2.0),  # the very first one, which is counted from the drain
        (((0.5, 1), (2.0, 0)), 2.0),
        (((-2.0, 1), (0.0, 0), (2.0, 0)), 0.0),  # before the drain
        (((0.1, 0), (0.2, 1), (0.4, 0)), 0.3),
        (((0.0, 0), (1.0, 1), (1.26, 0)), 1.3),  # to a tenth
    ],
)
def test_gaps(rows: Sequence[tuple[float, int]], gap: float) -> None:
    """From the drain on, and only around looks that failed."""
    looks = samples(*((at_, "1", "1", problem) for at_, problem in rows))
    assert measure(a_drill(resolvers=("system",), samples=looks)).longest_gap == gap


def test_what_follows_the_restoring_is_no_recovery() -> None:
    """From that moment on the region may answer again, and that is what is measured then."""
    drill = a_drill(
        resolvers=("system",),
        samples=samples((0.0, "1", "1", 0), (40.3, "0", "1", 0), (44.0, "0", "1", 0)),
        restoring_at=at(40.3),
        restored_at=at(41),
        online_at=at(42.26),
    )
    found = measure(drill)
    assert (found.recovery, found.back_in_dns, found.restored_after) == (0.0, 0.0, 1.3)
    later = msgspec.structs.replace(drill, restoring_at=at(40.1))
    assert measure(later).back_in_dns == 0.2
    assert measure(msgspec.structs.replace(drill, restoring_at=None)).back_in_dns is None
    late = msgspec.structs.replace(later, samples=samples((44.26, "0", "1", 0)))
    assert measure(late).back_in_dns == 4.2


def test_judged_late() -> None:
    """Whoever is still led to the region is named."""
    drill = a_drill(samples=samples((0.0, "00", "0", 0), (2.0, "01", "-", 0)), restoring_at=at(300))
    assert judged(drill) == Ending(
        state=State.FAILED,
        reason="system and devices (SCEP): still led to west, or nowhere, when the observation ended",
    )


def test_judged_by_the_target() -> None:
    """Kept to the second; missed by one."""
    looks = samples((0.0, "00", "0", 0), (120.0, "11", "1", 0))
    kept = judged(a_drill(samples=looks, restoring_at=at(300)))
    assert kept == Ending(state=State.SUCCEEDED, reason="recovered after 2 min, within the target of 2 min")
    missed = judged(a_drill(samples=looks, restoring_at=at(300), target_rto_seconds=119))
    assert missed == Ending(
        state=State.FAILED,
        reason="the target was missed: recovery took 2 min, and the target is 1 min 59 s",
    )


@pytest.mark.parametrize(
    ("looks", "failures", "state"),
    [
        (10, 1, State.SUCCEEDED),  # a single one is forgiven
        (200, 2, State.SUCCEEDED),  # 99 %
        (199, 2, State.FAILED),
        (10, 2, State.FAILED),
    ],
)
def test_judged_by_availability(looks: int, failures: int, state: State) -> None:
    """Failed looks that are more than one, and more than one in a hundred."""
    rows = (((n + 1) * 1.0, "11", "1", int(1 <= n <= failures)) for n in range(looks))
    drill = a_drill(samples=samples(*rows), restoring_at=at(300), problems=("503",))
    assert judged(drill).state is state


def test_failed_in_a_row() -> None:
    """Only the last ones count."""
    rows = samples((0, "1", "1", 1), (2, "1", "1", 0), (4, "1", "1", 1), (6, "1", "1", 2))
    assert [failed_in_a_row(rows[:end]) for end in range(5)] == [0, 1, 0, 1, 2]


def test_many_single_failures_are_no_success() -> None:
    """Never two in a row, and yet one look in five failed."""
    rows = [(2.0 * n, "1", "1", int(n % 5 == 4)) for n in range(100)]
    ending = judged(a_drill(resolvers=("system",), samples=samples(*rows), restoring_at=at(300)))
    assert ending.state is State.FAILED
    assert "20 of 100 SCEP looks failed" in ending.reason


def test_slower_than_before() -> None:
    """Slower than the median by half is said; a little slower is only compared."""
    assert compared(None, [30.0]) == ""
    assert compared(30.0, []) == ""
    assert "slower than before by more than half" in compared(61.0, [40.0, 30.0, 50.0])
    assert compared(60.0, [40.0, 30.0, 50.0]) == "1 min; the median of the last 3 is 40 s"
    assert "the median of the last 10" in compared(5.0, [4.0] * 12)
    assert SLOWER == 1.5
    assert (
        compared(61.0, [40.0])
        == "slower than before by more than half: 1 min 1 s, and the one before is 40 s"
    )
    assert compared(50.0, [40.0, 44.0]) == "50 s; the median of the last 2 is 42 s"
    assert compared(1.0, [0.0]).startswith("slower than before")


@given(
    st.lists(
        st.tuples(st.sampled_from("01-"), st.sampled_from("01-"), st.sampled_from("01-"), st.integers(0, 2)),
        max_size=30,
    )
)
def test_any_samples_can_be_measured_and_shown(rows: list[tuple[str, str, str, int]]) -> None:
    """Shares lie between nothing and all, times within the drill; JSON, Markdown and the page never fail."""
    drill = a_drill(
        State.SUCCEEDED,
        samples=samples(*((2.0 * n - 4, a + b, by, problem) for n, (a, b, by, problem) in enumerate(rows))),
        problems=("no answer within 5 s", "GetCACert answered <500>"),
        restoring_at=at(40),
        restored_at=at(41),
    )
    found = measure(drill)
    assert found.availability is None or 0 <= found.availability <= 1
    assert found.recovery is None or 0 <= found.recovery < 40
    assert 0 <= found.longest_gap <= 60
    drill_facts(drill, (30.0,), samples=True)
    assert "<500>" not in html(page(drill, (30.0,)))
    markdown(drill, (30.0,))


def test_the_longest_drill_fits_into_its_row() -> None:
    """Four hours at two seconds with eight resolvers, one look in two failed, and what follows."""
    rows = ((2.0 * n + 0.1, "01234567", "1", n % 2) for n in range(MOST_SAMPLES))
    drill = a_drill(
        resolvers=tuple(f"10.0.0.{n}" for n in range(8)),
        samples=tuple(Sample(*row) for row in rows),
        problems=("x" * 160,) * 35,
    )
    assert len(msgspec.json.encode(drill)) < MAX_BODY


def test_a_long_drill_with_a_short_interval_samples_to_its_end() -> None:
    """Its looks are so far apart that the row is not full before it is over; two seconds are never too short."""
    short = msgspec.structs.replace(RULES, sample_every=0.1)
    long = a_drill(observe_seconds=LONGEST)
    assert pace(long, short) * MOST_SAMPLES >= LONGEST + RULES.restore_within + RULES.verify_within
    assert pace(long, RULES) == RULES.sample_every
    assert pace(a_drill(observe_seconds=1), short) == short.sample_every


def test_the_drilled_region_has_a_character_among_any_number() -> None:
    """Samples tell 36 regions apart; the one that is drilled is always one of them."""
    group = a_group(*(f"r{n}" for n in range(40)))
    asked = Request(group=group.id, region="r39", observe_seconds=60, target_rto_seconds=60)
    drill = accepted(
        asked,
        group,
        number=1,
        name="scepman-0",
        service="scep.contoso.com",
        resolvers=("system",),
        predicted=predict(group.profile),
        preflight=(),
        practice=False,
        idempotency="",
        now=START,
        rules=RULES,
    )
    assert (len(drill.regions), drill.regions[-1]) == (len(ALPHABET), "r39")


# -- the table --------------------------------------------------------------------------------------------------

STATUSES = st.sampled_from([MonitorStatus.ONLINE, MonitorStatus.DEGRADED, MonitorStatus.CHECKING])


@st.composite
def views(draw: st.DrawFn) -> View:
    """Whatever may be seen, by whoever, at any time."""
    group = a_group()
    endpoints = tuple(
        msgspec.structs.replace(endpoint, enabled=draw(st.booleans()), status=draw(STATUSES))
        for endpoint in group.profile.endpoints
    )
    if draw(st.integers(0, 9)) == 0:
        endpoints = endpoints[1:]
    now = at(draw(st.floats(-100, 2000)))
    profile = msgspec.structs.replace(group.profile, endpoints=endpoints)
    seen = Seen(
        group=msgspec.structs.replace(group, profile=profile),
        health={name: a_health(at=now) for name in ("west", "east")},
        incidents=(),
        unsettled="",
        at=now,
    )
    return View(now=now, worker=draw(st.sampled_from("ab")), seen=seen if draw(st.booleans()) else None)


@given(st.sampled_from(list(State)), st.sampled_from(["", "a", "b"]), st.floats(-50, 50), views())
def test_no_turn_leaves_what_was_drained_without_restoring(
    state: State, worker: str, claim: float, view: View
) -> None:
    """Law 6 in the table: from draining and observing every way but waiting leads to the step that enables."""
    drill = a_drill(state, worker=worker, worker_until=at(claim) if worker else None)
    turned = turn(drill, view, RULES)
    if state in {State.DRAINING, State.OBSERVING}:
        gone = view.seen is not None and len(view.seen.group.profile.endpoints) < 2
        assert isinstance(turned.step, Enable | Rest | Watch) or gone
        assert turned.drill.state in {state, State.RESTORING} or gone
        overdue = view.now >= drill.deadline and state is State.OBSERVING
        assert not overdue or isinstance(turned.step, Enable)
    if state is State.RESTORING:
        assert isinstance(turned.step, Enable)
    if state in ENDED:
        assert isinstance(turned.step, Finish)
    assert turned.drill.reason


def test_verifying_ends_though_names_are_kept_for_a_day() -> None:
    """Online is enough then: DNS is not waited for longer than for anything else."""
    seen = Predicted(orderly=86_400, sudden=86_500, detection=130, ttl=86_400)
    ending = Ending(state=State.SUCCEEDED, reason="in time")
    drill = a_drill(
        State.VERIFYING,
        predicted=seen,
        ending=ending,
        restored_at=at(300),
        online_at=at(320),
        samples=samples((-2.0, "00", "0", 0), (2.0, "11", "1", 0)),
    )
    later = turn(drill, View(now=at(300 + RULES.verify_within), worker="a"), RULES)
    assert isinstance(later.step, Watch)
    over = turn(drill, View(now=at(301 + RULES.verify_within), worker="a"), RULES).drill
    assert (over.state, over.reason) == (State.SUCCEEDED, "in time")


# -- schedule ---------------------------------------------------------------------------------------------------


def moments(line: str, begin: datetime, count: int) -> list[str]:
    """The next due minutes."""
    found, now = [], begin
    for _ in range(count):
        following = cron(line).next_after(now)
        assert following is not None
        now = following
        found.append(f"{now:%a %Y-%m-%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("30 20 * * MON", ["Mon 2026-03-02 20:30", "Mon 2026-03-09 20:30"]),
        ("0 4 1 * *", ["Wed 2026-04-01 04:00", "Fri 2026-05-01 04:00"]),
        ("*/20 12 * * *", ["Mon 2026-03-02 12:20", "Mon 2026-03-02 12:40"]),
        ("15 9 * JAN,jul SUN", ["Sun 2026-07-05 09:15", "Sun 2026-07-12 09:15"]),
        ("0 0 29 2 *", ["Tue 2028-02-29 00:00", "Sun 2032-02-29 00:00"]),
        ("0 6 13 * 5", ["Fri 2026-03-06 06:00", "Fri 2026-03-13 06:00"]),
        ("0 0 * * SUN-TUE", ["Tue 2026-03-03 00:00", "Sun 2026-03-08 00:00"]),
        ("5/25 12 * * *", ["Mon 2026-03-02 12:05", "Mon 2026-03-02 12:30"]),
        ("0 22 * * FRI-SUN", ["Fri 2026-03-06 22:00", "Sat 2026-03-07 22:00"]),
        ("5 0 * * 7", ["Sun 2026-03-08 00:05", "Sun 2026-03-15 00:05"]),
    ],
)
def test_cron(line: str, expected: list[str]) -> None:
    """As cron reads it, in UTC."""
    assert moments(line, START, 2) == expected


NO_CRON = (
    *("", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 31 2 *", "x * * * *", "*/0 * * * *"),
    *("5-1 * * * *", "* * * * MOO", "1,,2 * * * *", "* * * 13 *"),
    *("* * 1,32 * *", "* * * 1,13 *", "* * * */JAN *"),
)


@pytest.mark.parametrize("text", NO_CRON)
def test_lines_that_are_no_cron(text: str) -> None:
    """Each is refused; so is a day that never comes."""
    with pytest.raises(ValueError, match=r"five fields|is no number|is not between|never comes"):
        cron(text)


def test_times_within_a_minute() -> None:
    """A line is due in a whole minute: the next one is later, the last one is this one or before it."""
    line = cron("*/20 12 * * *")
    due_at = datetime(2026, 3, 2, 12, 20, tzinfo=UTC)
    for early in (timedelta(seconds=30), timedelta(minutes=1), timedelta(microseconds=1)):
        assert line.next_after(due_at - early) == due_at
    assert line.next_after(due_at) == due_at + timedelta(minutes=20)
    late = timedelta(seconds=30, microseconds=1)
    assert line.last_before(due_at + late) == due_at
    assert line.last_before(due_at + CATCH_UP + late) == due_at
    assert line.last_before(due_at + CATCH_UP + timedelta(minutes=1)) is None


@pytest.fixture(params=["AHEAD-14", "BEHIND+12"])
def another_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine is as far from UTC as any."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("another_zone")
def test_a_machine_in_another_zone() -> None:
    """Lines, windows and dates are read in UTC, wherever the function app runs and whoever asks."""
    local = timezone(timedelta(hours=2))
    begin = datetime(2026, 3, 2, 22, 40, tzinfo=local)
    end = begin + timedelta(minutes=10)
    line = cron("30 20 * * MON")
    assert line.next_after(begin - timedelta(minutes=11)) == datetime(2026, 3, 2, 20, 30, tzinfo=UTC)
    assert line.last_before(begin) == datetime(2026, 3, 2, 20, 30, tzinfo=UTC)
    assert why_not(Calendar(blocked=windows("MON-20:30-21:30")), begin, end)[0]
    outside = why_not(Calendar(allowed=windows("TUE-00:00-00:00,MON-08:00-10:00")), begin, end)[1]
    assert outside == "Mon 20:40 to 20:50 UTC does not lie inside TUE-00:00-00:00, MON-08:00-10:00"
    assert why_not(Calendar(blocked_dates=dates("2026-03-03")), begin, end) == ("", "")
    late = datetime(2026, 3, 3, 1, 55, tzinfo=local)
    assert why_not(Calendar(blocked_dates=dates("2026-03-03")), late, late + timedelta(minutes=10))[0]
    early = datetime(2026, 3, 2, 0, 10, tzinfo=UTC)
    assert why_not(Calendar(blocked=windows("MON-00:00-01:00")), early, early + timedelta(minutes=5))[0]


@given(st.integers(0, 15 * 525_960), st.sampled_from(["7 3 * * *", "0 0 1 */3 *", "30 20 * * MON"]))
def test_the_next_minute_is_due_and_none_before(minutes: int, line: str) -> None:
    """What is next fits the line, and is found again as the last when it has come."""
    moment = START + timedelta(minutes=minutes, seconds=minutes % 60)
    read = cron(line)
    following = read.next_after(moment)
    assert following is not None
    assert following > moment
    assert read.fits(following)
    assert read.last_before(following + timedelta(minutes=9)) == following


def test_windows() -> None:
    """A window of a day, one over midnight; what touches a blocked one, and what lies inside an allowed one."""
    (monday,) = windows("MON-20:30-21:30")
    (night,) = windows("sun-23:00-01:00")
    assert (str(monday), str(night)) == ("MON-20:30-21:30", "SUN-23:00-01:00")
    begin, end = datetime(2026, 3, 2, 20, 40, tzinfo=UTC), datetime(2026, 3, 2, 20, 50, tzinfo=UTC)
    assert why_not(Calendar(allowed=(monday,)), begin, end) == ("", "")
    assert why_not(Calendar(blocked=(monday,)), begin, end)[0] == "MON-20:30-21:30 UTC is blocked"
    late = end + timedelta(hours=1)
    assert "does not lie inside" in why_not(Calendar(allowed=(monday,)), begin, late)[1]
    assert why_not(Calendar(blocked=(monday,)), end + timedelta(minutes=40), late) == ("", "")
    at_night = datetime(2026, 3, 2, 0, 30, tzinfo=UTC)
    assert why_not(Calendar(allowed=(night,)), at_night, at_night + timedelta(minutes=20)) == ("", "")


def test_windows_that_touch_are_one() -> None:
    """A weekend is two windows of a day; the midnight between them is inside, the one after them is not."""
    weekend = Calendar(allowed=windows("SUN-00:00-00:00,SAT-00:00-00:00"))
    saturday = datetime(2026, 3, 7, 23, 50, tzinfo=UTC)
    assert why_not(weekend, saturday, saturday + timedelta(hours=1)) == ("", "")
    (whole_day,) = windows("SAT-00:00-00:00")
    assert why_not(
        Calendar(blocked=(whole_day,)), saturday + timedelta(minutes=10), saturday + timedelta(minutes=20)
    ) == ("", "")
    sunday = saturday + timedelta(days=1)
    assert "does not lie inside" in why_not(weekend, sunday, sunday + timedelta(hours=1))[1]


@pytest.mark.parametrize(
    "text",
    ["MON", "MON-2:30-3:30", "MOX-20:30-21:30", "MON-24:00-01:00", "MON-20:30-21:60", "MON-20:60-21:30"],
)
def test_texts_that_are_no_window(text: str) -> None:
    """Each is refused; the last minute of a day is one."""
    with pytest.raises(ValueError, match="is no"):
        windows(text)
    assert str(*windows("MON-00:00-23:59")) == "MON-00:00-23:59"


def test_dates() -> None:
    """Single days and spans of days, both ends included."""
    found = dates("2026-12-24,2026-12-27..2027-01-02")
    assert found == (
        Dates(first=date(2026, 12, 24), last=date(2026, 12, 24)),
        Dates(first=date(2026, 12, 27), last=date(2027, 1, 2)),
    )
    eve = datetime(2026, 12, 24, 23, 50, tzinfo=UTC)
    assert why_not(Calendar(blocked_dates=found), eve, eve)[0] == "2026-12-24 is blocked"
    before = datetime(2026, 12, 26, 23, 50, tzinfo=UTC)
    blocked = why_not(Calendar(blocked_dates=found), before, before + timedelta(minutes=20))[0]
    assert blocked == "2026-12-27..2027-01-02 is blocked"
    with pytest.raises(ValueError, match="ends before it begins"):
        dates("2027-01-02..2026-12-27")


def test_what_was_missed() -> None:
    """Only what lies between the last time that was considered and what may still be acted on."""
    calendar = Calendar(schedules=schedules("scepman=10 12 * * *"))
    noon, day, minute = START.replace(hour=12, minute=10), timedelta(days=1), timedelta(minutes=1)

    def late(considered: datetime | None, now: datetime) -> datetime | None:
        return missed(calendar, "scepman", considered=considered, now=now)

    assert late(None, noon + 3 * day) is None
    assert late(noon, noon + timedelta(hours=23)) is None
    assert late(noon, noon + day + CATCH_UP) is None
    assert late(noon, noon + day + CATCH_UP + minute - timedelta(seconds=1)) is None
    assert late(noon, noon + day + CATCH_UP + minute) == noon + day
    assert late(noon, noon + 30 * day + timedelta(hours=1)) == noon + 30 * day
    assert late(noon + day, noon + day + timedelta(hours=1)) is None
    assert missed(calendar, "another", considered=noon, now=noon + 3 * day) is None


def test_of_several_lines_the_latest_missed_time_counts() -> None:
    """Also where the first line was never due, and none that is older than a week."""
    noon = START.replace(hour=12, minute=10)
    calendar = Calendar(schedules=schedules("*=0 0 29 2 *; *=10 12 * * *; *=20 11 * * *"))
    latest = missed(calendar, "scepman", considered=noon, now=noon + timedelta(hours=36))
    assert latest == noon + timedelta(days=1)
    once = Calendar(schedules=schedules(f"*=10 12 {noon.day} {noon.month} *"))
    before = noon - timedelta(days=1)
    almost = noon + REMEMBERED - timedelta(minutes=1)
    assert missed(once, "scepman", considered=before, now=almost) == noon
    assert missed(once, "scepman", considered=before, now=noon + REMEMBERED) is None


def test_schedules_of_groups() -> None:
    """A group's own lines, or everybody's."""
    calendar = Calendar(schedules=schedules("scepman=30 20 * * MON;; *=0 4 1 * *"))
    assert [line.text for line in calendar.lines("SCEPman")] == ["30 20 * * MON"]
    assert [line.text for line in calendar.lines("other")] == ["0 4 1 * *"]
    with pytest.raises(ValueError, match="does not name its group"):
        schedules("30 20 * * MON")
    with pytest.raises(ValueError, match="is no number"):
        schedules("scepman=west=30 20 * * MON")


def test_due_once_for_each_time() -> None:
    """In the minutes after its time, unless it was considered; and not too soon after the one before."""
    calendar = Calendar(schedules=schedules("scepman=30 20 * * *"))
    time = datetime(2026, 3, 2, 20, 30, tzinfo=UTC)
    now = time + timedelta(minutes=2)
    found = due(calendar, "scepman", considered=None, practised=None, now=now)
    assert found is not None
    assert (found.at, found.skip) == (time, "")
    assert due(calendar, "scepman", considered=time, practised=None, now=now) is None
    assert due(calendar, "scepman", considered=None, practised=None, now=time + timedelta(hours=1)) is None
    soon = due(calendar, "scepman", considered=None, practised=time - timedelta(days=6), now=now)
    assert soon is not None
    assert "at most one in 7 days" in soon.skip
    week = due(calendar, "scepman", considered=None, practised=time - timedelta(days=7), now=now)
    assert week is not None
    assert not week.skip


def test_what_a_schedule_means() -> None:
    """The next runs, and what would hinder each."""
    calendar = Calendar(
        schedules=schedules("scepman=30 20 * * MON,THU"),
        blocked_dates=dates("2026-03-09"),
        every=86_400 * 4.0,
    )
    facts = schedule_facts(calendar, "scepman", None, START, 300)
    assert [bool(fact["hindered"]) for fact in facts["next"]] == [False, True, True, False, False]


def test_the_example_in_the_documents_is_of_today() -> None:
    """docs/drill-report.* has what a report has; make it anew with python -m simulator.demo --scene 8 --keep docs."""
    docs = Path(__file__).parents[2] / "docs"
    kept, now = (
        (docs / "drill-report.md").read_text("utf-8"),
        markdown(a_drill(samples=samples((0, "11", "1", 0)))),
    )
    headings = [line for line in now.splitlines() if line.startswith(("##", "| what", "| rule", "| from"))]
    assert [line for line in kept.splitlines() if line in headings] == headings
    shown = (docs / "drill-report.html").read_text("utf-8")
    assert "<svg" in shown
    assert kept.splitlines()[0].removeprefix("# ") in shown

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.stage import ncrontab


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("0 * * * * *", "2026-03-01T10:00:00", "2026-03-01T10:01:00"),
        ("* * * * *", "2026-03-01T10:00:30", "2026-03-01T10:01:00"),
        ("*/10 * * * * *", "2026-03-01T10:00:59", "2026-03-01T10:01:00"),
        ("0 */5 * * * *", "2026-03-01T23:58:00", "2026-03-02T00:00:00"),
        ("0 30 9 * * 1-5", "2026-03-06T09:30:00", "2026-03-09T09:30:00"),  # Friday to Monday
        ("0 30 9 * * Mon-Fri", "2026-03-06T09:30:00", "2026-03-09T09:30:00"),
        ("0 0 0 1 Jan,JULY *", "2026-02-01T00:00:00", "2026-07-01T00:00:00"),
        ("0 5/20 * * * *", "2026-03-01T10:26:00", "2026-03-01T10:45:00"),
        ("0 0 8-18/5 * * *", "2026-03-01T13:00:00", "2026-03-01T18:00:00"),
        ("0 0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 0 13 * 5", "2026-03-14T00:00:00", "2026-11-13T00:00:00"),  # day and weekday, not either
        ("0 0 12 * * 0", "2026-03-02T00:00:00", "2026-03-08T12:00:00"),  # Sunday is 0
    ],
)
def test_the_next_moment(expression: str, after: str, due: str) -> None:
    """A schedule names the first fitting second later than a moment."""
    assert ncrontab.parse(expression).next_after(at(after)) == at(due)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * *",
        "60 * * * * *",
        "0 0 0 0 * *",
        "0 0 0 * * 7",
        "0 5-1 * * * *",
        "0 */0 * * * *",
        "0 0 0 * Foo *",
    ],
)
def test_what_is_no_schedule(expression: str) -> None:
    """A wrong field is refused, with its name."""
    with pytest.raises(ValueError, match=r"is no \w|fields"):
        ncrontab.parse(expression)


def test_a_schedule_that_never_happens() -> None:
    """30 February is refused when it is read, not when it fails to come."""
    with pytest.raises(ValueError, match="never happens"):
        ncrontab.parse("0 0 0 30 2 *")


def test_other_zones_are_read_as_utc() -> None:
    """A schedule is in UTC, whatever zone the moment is given in."""
    moment = datetime(2026, 3, 1, 10, 0, tzinfo=timezone(timedelta(hours=5)))
    assert ncrontab.parse("0 0 * * * *").next_after(moment) == at("2026-03-01T06:00:00")


@given(
    st.sampled_from(["0 */5 * * * *", "*/7 3-50/9 * * * *", "15 0 6,18 * * 1-5", "0 0 0 1 */3 *"]),
    st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 -- bounds are naive
)
def test_no_moment_is_passed_over(expression: str, moment: datetime) -> None:
    """From anywhere before a due moment, and after the one before it, that moment is next."""
    schedule = ncrontab.parse(expression)
    due = schedule.next_after(moment)
    assert due > moment
    assert schedule.next_after(due - timedelta(seconds=1)) == due
    assert schedule.next_after(moment + (due - moment) / 2) == due

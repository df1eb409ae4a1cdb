"""A location's state from its checks."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.artifact_hosts.history import (
    GLANCES,
    begin,
    known_tag,
    next_check,
    noted,
    relied_on_from,
    state_of,
    well_for,
)
from shared.artifact_hosts.model import Glance, HostState, Rules, Watch
from tests.artifact_hosts.hosting import OUTAGE, a_check, a_location, a_package, a_watch
from tests.fakes.clock import START

RULES = Rules()
MINUTE = timedelta(minutes=1)


def after(checks: str, row: Watch | None = None) -> Watch:
    """The row after checks, a minute apart: + is good, - is bad."""
    row = row or begin(a_location(), START)
    for number, name in enumerate(checks, start=1):
        at = START + number * MINUTE
        good = a_check(at=at, package=a_package())
        row = noted(row, good if name == "+" else a_check(OUTAGE, at=at), RULES)
    return row


@pytest.mark.parametrize(
    ("checks", "state"),
    [
        ("+++++", HostState.UNKNOWN),
        ("++++++", HostState.UP),
        ("--", HostState.UNKNOWN),
        ("---", HostState.DOWN),
        ("++++++--", HostState.UP),
        ("++++++---", HostState.DOWN),
        ("---+++++", HostState.DOWN),
        ("---++++++", HostState.UP),
        ("---+++++-+", HostState.DOWN),
        ("++++++" + "-+--+" * 9, HostState.UP),
        ("---" + "-+--+" * 9, HostState.DOWN),
    ],
)
def test_down_after_three_up_after_six(checks: str, state: HostState) -> None:
    """The thresholds, exactly: one check less changes nothing, and a flapping host stays what it is."""
    assert after(checks).state is state


@given(st.text("+-", max_size=60))
def test_the_last_run_that_is_long_enough_decides(checks: str) -> None:
    """Down when it was three bad ones, up when it was six good ones, unknown when there was none."""
    down, up = checks.rfind("---"), checks.rfind("++++++")
    expected = HostState.UNKNOWN if down == up else HostState.DOWN if down > up else HostState.UP
    row = after(checks)
    assert row.state is expected
    assert len(row.glances) == min(len(checks), GLANCES)


def test_the_schedule_is_jittered() -> None:
    """Within a tenth of the interval, the same for the same moment, and not the same for two locations."""
    row, other = begin(a_location(), START), begin(a_location("vendor"), START)
    times = [START + timedelta(seconds=17 * number) for number in range(20)]
    waits = [(next_check(row, time, RULES) - time).total_seconds() for time in times]
    assert all(270 <= wait <= 330 for wait in waits)
    assert len(set(waits)) > 10
    assert waits != [(next_check(other, time, RULES) - time).total_seconds() for time in times]
    assert next_check(row, START, RULES) == next_check(row, START, RULES)


def test_an_old_state_says_nothing() -> None:
    """A location that was not looked at lately is unknown, up or down: the app may have slept."""
    for state in (HostState.UP, HostState.DOWN):
        row = a_watch(state=state)
        assert state_of(row, START + timedelta(minutes=17), RULES) is state
        assert state_of(row, START + timedelta(minutes=19), RULES) is HostState.UNKNOWN
    assert state_of(None, START, RULES) is HostState.UNKNOWN
    assert state_of(begin(a_location(), START), START, RULES) is HostState.UNKNOWN


def test_from_when_on_a_location_is_relied_on() -> None:
    """From its sixth good check in a row, when those still due are good; a bad one puts it off."""
    for checks, left in (("---", 5), ("---+", 4), ("+++++", 0)):
        row = after(checks)
        assert relied_on_from(row, RULES) == row.next_at + timedelta(seconds=left * RULES.check_every)


def test_well_for() -> None:
    """The time since the first of the good checks in a row; one bad check begins it anew."""
    row = after("+" * 10)
    assert well_for(row, START + 11 * MINUTE) == 10 * MINUTE
    assert well_for(after("-", row), START + 11 * MINUTE) == timedelta()


def test_the_directory_is_read_again_after_an_hour() -> None:
    """An unchanged tag is believed for an hour; after that, and without a package, nothing is known."""
    row = noted(begin(a_location(), START), a_check(package=a_package(), etag='"x"'), RULES)
    assert known_tag(row, START + timedelta(minutes=59)) == '"x"'
    assert known_tag(row, START + timedelta(minutes=61)) == ""
    assert known_tag(begin(a_location(), START), START) == ""
    unchanged = noted(row, a_check(at=START + MINUTE, unchanged=True, etag='"x"'), RULES)
    assert unchanged.package == a_package()
    assert known_tag(unchanged, START + timedelta(minutes=61)) == ""


def test_packages_are_remembered_in_their_order() -> None:
    """A new package is added once; the earlier ones tell older from newer."""
    row = begin(a_location(), START)
    for name in ("a", "a", "b", "b", "a"):
        row = noted(row, a_check(package=a_package(name)), RULES)
    assert [served.package.digest[0] for served in row.served] == ["a", "b", "a"]
    bad = noted(row, a_check(OUTAGE), RULES)
    assert bad.package == row.package, "what a dead host had is still known"


def test_what_one_check_leaves_in_the_row() -> None:
    """A bad one takes nothing away that a good one found; the next is due by the schedule."""
    until = START + timedelta(days=30)
    row = begin(a_location(), START, site_id="site")
    assert (row.state, row.since, row.next_at, row.wanted_at, row.site_id) == (
        HostState.UNKNOWN, START, START, START, "site",
    )  # fmt: skip
    assert begin(a_location(), START).site_id == ""
    at = START + MINUTE
    good = noted(
        row,
        a_check(at=at, package=a_package(), etag='"x"', certificate_until=until, millis=7, bytes_read=9),
        RULES,
    )
    assert good.glances == (Glance(at, "", 7, 9),)
    assert (good.next_at, good.read_at, good.etag) == (next_check(row, at, RULES), at, '"x"')
    assert (good.certificate_until, good.since, good.good_since) == (until, START, at)
    later = START + 2 * MINUTE
    bad = noted(good, a_check(OUTAGE, at=later, etag='"y"'), RULES)
    assert bad.glances[-1] == Glance(later, OUTAGE, 0, 0)
    assert (bad.next_at, bad.read_at, bad.etag) == (next_check(row, later, RULES), at, '"x"')
    assert (bad.certificate_until, bad.good_since, bad.bad, bad.good) == (until, None, 1, 0)
    down = after("---", bad)
    assert (down.state, down.since) == (HostState.DOWN, START + 2 * MINUTE)
    assert after("---", down).since == down.since


def test_to_the_second() -> None:
    """A tag is believed for less than an hour, a state for three intervals, each to the turn after it."""
    row = noted(begin(a_location(), START), a_check(package=a_package(), etag='"x"'), RULES)
    hour = timedelta(hours=1)
    assert known_tag(row, START + hour - timedelta(seconds=1)) == '"x"'
    assert known_tag(row, START + hour) == ""
    often = Rules(check_every=1.0)
    up = a_watch(state=HostState.UP)
    for rules, seconds in ((RULES, 1080), (often, 183)):
        assert state_of(up, START + timedelta(seconds=seconds), rules) is HostState.UP
        assert state_of(up, START + timedelta(seconds=seconds + 1), rules) is HostState.UNKNOWN

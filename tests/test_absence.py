"""What one answer leaves out is not gone; several over minutes prove it."""

from datetime import datetime, timedelta

import msgspec

from shared.absence import OVER, READINGS, Absence, is_over, missed, sort_begun
from tests.fakes.clock import START

MINUTE = timedelta(minutes=1)


def test_three_readings_over_two_minutes_are_proof() -> None:
    """Neither many in a moment, nor two that are far apart."""
    found = missed(None, START)
    assert found == Absence(since=START, last=START)
    assert not found.is_proof
    assert not missed(found, START + 60 * MINUTE).is_proof
    at = START
    for _ in range(READINGS + 2):
        at += timedelta(seconds=1)
        found = missed(found, at)
    assert not found.is_proof
    assert not missed(found, START + OVER - timedelta(seconds=1)).is_proof
    assert missed(found, START + OVER).is_proof
    assert missed(missed(missed(None, START), START + MINUTE), START + OVER).is_proof


def test_a_reading_counts_once() -> None:
    """An answer that was kept, and an older one, are no other reading."""
    found = missed(missed(None, START), START + MINUTE)
    assert missed(found, START + MINUTE) == found
    assert missed(found, START) == found
    assert found.readings == 2


def test_a_clock_that_was_set_back_begins_anew() -> None:
    """What was noted in the future proves nothing."""
    found = missed(missed(None, START), START + MINUTE)
    before = START - MINUTE
    assert missed(found, before) == Absence(since=before, last=before)


class Write(msgspec.Struct, frozen=True):
    """Something that was begun with a region."""

    region: str
    site: str
    claimed_at: datetime = START


DAY = timedelta(days=1)


def test_what_was_begun_has_a_way_back_for_a_time() -> None:
    """At its very end there is none any more."""
    one = Write("west", "a")
    assert not is_over(one, START + DAY - timedelta(seconds=1), DAY)
    assert is_over(one, START + DAY, DAY)


def test_what_was_begun_is_sorted_by_what_became_of_its_region() -> None:
    """A namesake that leads to another site is no way back."""
    back, away, other, old = (
        Write("west", "a"), Write("east", "b"), Write("north", "c"), Write("south", "d", START - DAY),
    )  # fmt: skip
    sites = {"west": "a", "north": "another", "south": "d"}
    found = sort_begun([back, away, other, old], sites, START, DAY)
    assert (found.back, found.away, found.over) == ((back,), (away,), (other, old))

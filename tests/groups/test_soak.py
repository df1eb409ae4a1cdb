"""A disturbed region has come back when it is as well as before, by evidence from after the disturbance."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.groups.model import Health, ScepProof, State
from shared.groups.soak import Start, came_back, start_of
from tests.builders import a_health
from tests.fakes.clock import START

SOAK = 180.0


def later(seconds: float) -> datetime:
    """So long after the disturbance."""
    return START + timedelta(seconds=seconds)


def seen(
    state: State = State.HEALTHY,
    *,
    at: float = SOAK,
    since: float = -3600,
    proved: float | None = SOAK,
    probe: int | None = 200,
) -> Health:
    """Health at a time after the disturbance, in seconds."""
    proof = None if proved is None else ScepProof(at=later(proved), ca_sha256="ca")
    return a_health(state, at=later(at), since=later(since), probe=probe, scep=proof)


@pytest.mark.parametrize(
    ("health", "start", "back"),
    [
        (seen(), Start.HEALTHY, True),
        (seen(), Start.SILENT, True),
        (seen(at=179), Start.HEALTHY, False),
        (seen(since=1), Start.HEALTHY, False),  # it was ill for a moment
        (seen(proved=None), Start.HEALTHY, True),  # no SCEP server
        (seen(proved=0), Start.HEALTHY, False),  # a proof from before says nothing
        (seen(proved=-60), Start.ANSWERING, False),
        (seen(State.UNKNOWN), Start.HEALTHY, False),
        (seen(State.UNKNOWN), Start.ANSWERING, True),
        (seen(State.UNKNOWN, at=179), Start.ANSWERING, False),
        (seen(State.UNKNOWN, probe=503), Start.ANSWERING, False),
        (seen(State.UNKNOWN), Start.SILENT, False),
        (seen(State.DOWN, probe=None), Start.SILENT, False),
        (None, Start.HEALTHY, False),
    ],
)
def test_the_table_of_coming_back(health: Health | None, start: Start, *, back: bool) -> None:
    """Healthy for the whole soak is always enough; answering is, for what was no more than that."""
    assert came_back(health, start, START, SOAK) is back


@pytest.mark.parametrize("start", list(Start))
def test_evidence_from_before_counts_for_nothing(start: Start) -> None:
    """Not even without a soak."""
    assert not came_back(seen(at=0), start, START, 0)
    assert not came_back(seen(at=-1), start, START, 0)


@given(st.sampled_from(list(State)), st.sampled_from([200, 503, None]))
def test_how_a_region_starts_is_what_it_must_come_back_to(state: State, probe: int | None) -> None:
    """What is left alone comes back to its own start after the soak, unless it was silent."""
    start = start_of(seen(state, at=0, probe=probe))
    after = seen(state, at=SOAK, probe=probe)
    assert came_back(after, start, START, SOAK) is (start is not Start.SILENT)
    assert start_of(None) is Start.SILENT

"""Whether a disturbed region came back as well as it was."""

from datetime import timedelta

import msgspec
import pytest

from shared.groups.model import MonitorStatus, ScepProof, State
from shared.groups.soak import Start, came_back, start_of
from tests.builders import a_health
from tests.fakes.clock import START

SOAK = 180.0


def test_how_a_region_was() -> None:
    """Healthy, answering without being a refuge, or silent."""
    assert start_of(a_health()) is Start.HEALTHY
    assert start_of(a_health(State.UNKNOWN)) is Start.ANSWERING
    assert start_of(a_health(State.DOWN, probe=503)) is Start.SILENT
    assert start_of(None) is Start.SILENT


@pytest.mark.parametrize(("seconds", "back"), [(0, False), (179, False), (180, True)])
def test_the_whole_soak(seconds: float, back: bool) -> None:  # noqa: FBT001 -- a table
    """Evidence must reach past the soak, and the region must have been healthy all the time."""
    at = START + timedelta(seconds=seconds)
    assert came_back(a_health(at=at), Start.HEALTHY, START, SOAK) is back
    late = a_health(at=START + timedelta(seconds=200), since=START + timedelta(seconds=100))
    assert not came_back(late, Start.HEALTHY, START, SOAK)


def test_no_worse_than_before() -> None:
    """What only answered need only answer; what was healthy must be healthy again."""
    answering = a_health(State.UNKNOWN, at=START + timedelta(seconds=200))
    assert came_back(answering, Start.ANSWERING, START, SOAK)
    assert not came_back(answering, Start.HEALTHY, START, SOAK)
    assert not came_back(None, Start.SILENT, START, SOAK)
    in_time = a_health(State.UNKNOWN, at=START + timedelta(seconds=SOAK))
    assert came_back(in_time, Start.ANSWERING, START, SOAK)
    assert not came_back(a_health(at=START, since=START), Start.HEALTHY, START, 0.0), "from before"


@pytest.mark.parametrize(
    ("monitor", "probe", "back"),
    [
        (MonitorStatus.DISABLED, 200, True),
        (MonitorStatus.INACTIVE, 200, True),
        (MonitorStatus.DEGRADED, 200, False),
        (MonitorStatus.DISABLED, 503, False),
    ],
)
def test_a_region_that_a_person_takes_out_meanwhile_need_only_answer(
    monitor: MonitorStatus,
    probe: int,
    back: bool,  # noqa: FBT001 -- a table
) -> None:
    """Its endpoint was disabled while it was verified: it is as well as such a region can be."""
    health = a_health(State.UNKNOWN, at=START + timedelta(seconds=200), probe=probe)
    taken_out = msgspec.structs.replace(health, monitor=monitor)
    assert came_back(taken_out, Start.HEALTHY, START, SOAK) is back


def test_a_proof_from_before_says_nothing() -> None:
    """The SCEP proof must be younger than the disturbance."""
    at = START + timedelta(seconds=200)
    old = ScepProof(at=START, ca_sha256="ca" * 32)
    new = ScepProof(at=at, ca_sha256="ca" * 32)
    assert not came_back(a_health(at=at, scep=old), Start.HEALTHY, START, SOAK)
    assert came_back(a_health(at=at, scep=new), Start.HEALTHY, START, SOAK)

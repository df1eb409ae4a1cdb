"""A region's health from its evidence: a refuge is sure, down is sure, and all else is not known."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.groups.classify import judge, one_authority
from shared.groups.model import Health, MonitorStatus, ProbeResult, ScepProof, State
from tests.builders import a_health, an_endpoint
from tests.fakes.clock import START

GAP = timedelta(seconds=180)
GOOD = ProbeResult(at=START, status=200)
BAD = ProbeResult(at=START, status=503)
MUTE = ProbeResult(at=START, problem="timed out")
PROVED = ScepProof(at=START, ca_sha256="ca", spki_sha256="key")
UNPROVED = ScepProof(at=START, problem="GetCACert answered 500")


def judged(
    status: MonitorStatus = MonitorStatus.ONLINE,
    probe: ProbeResult | None = GOOD,
    scep: ScepProof | None = PROVED,
    *,
    enabled: bool = True,
) -> Health:
    """The judgement on a region at first sight."""
    endpoint = an_endpoint(status=status, enabled=enabled)
    return judge(endpoint, probe=probe, scep=scep, before=None, now=START, gap=GAP)


@pytest.mark.parametrize(
    ("status", "probe", "scep", "state"),
    [
        (MonitorStatus.ONLINE, GOOD, PROVED, State.HEALTHY),
        (MonitorStatus.ONLINE, GOOD, None, State.HEALTHY),  # no SCEP server
        (MonitorStatus.UNMONITORED, GOOD, PROVED, State.HEALTHY),
        (MonitorStatus.ONLINE, GOOD, UNPROVED, State.UNKNOWN),
        (MonitorStatus.ONLINE, None, PROVED, State.UNKNOWN),
        (MonitorStatus.ONLINE, BAD, PROVED, State.UNKNOWN),
        (MonitorStatus.ONLINE, MUTE, None, State.UNKNOWN),
        (MonitorStatus.DEGRADED, GOOD, PROVED, State.UNKNOWN),
        (MonitorStatus.DEGRADED, BAD, PROVED, State.DOWN),
        (MonitorStatus.DEGRADED, MUTE, None, State.DOWN),
        (MonitorStatus.CHECKING, GOOD, PROVED, State.UNKNOWN),
        (MonitorStatus.UNKNOWN, GOOD, PROVED, State.UNKNOWN),
        (MonitorStatus.DISABLED, GOOD, PROVED, State.UNKNOWN),
        (MonitorStatus.STOPPED, BAD, PROVED, State.DOWN),
        (MonitorStatus.INACTIVE, None, None, State.UNKNOWN),
    ],
)
def test_the_table_of_evidence(
    status: MonitorStatus, probe: ProbeResult | None, scep: ScepProof | None, state: State
) -> None:
    """Healthy and down need both witnesses, Traffic Manager and our own look."""
    assert judged(status, probe, scep).state is state


def test_a_disabled_endpoint_is_no_refuge() -> None:
    """However well its app is: no device is sent there."""
    assert judged(enabled=False).state is State.UNKNOWN
    assert "disabled" in judged(enabled=False).reason


@given(
    st.sampled_from(list(MonitorStatus)),
    st.sampled_from([None, GOOD, BAD, MUTE]),
    st.sampled_from([None, PROVED, UNPROVED]),
    st.booleans(),
)
def test_healthy_needs_everything_and_every_judgement_has_its_reason(
    status: MonitorStatus,
    probe: ProbeResult | None,
    scep: ScepProof | None,
    enabled: bool,  # noqa: FBT001 -- drawn by hypothesis
) -> None:
    """A refuge answers its probe, has no failed proof, and is in DNS; what is down answers nobody."""
    health = judged(status, probe, scep, enabled=enabled)
    assert health.reason
    assert health.monitor is status
    if health.state is State.HEALTHY:
        assert enabled
        assert probe is GOOD
        assert scep is not UNPROVED
        assert status in {MonitorStatus.ONLINE, MonitorStatus.UNMONITORED}
    if health.state is State.DOWN:
        assert probe in (BAD, MUTE)


@pytest.mark.parametrize(("later", "kept"), [(60, True), (180, True), (181, False), (3600, False)])
def test_a_state_lasts_while_it_is_watched(later: float, *, kept: bool) -> None:
    """A hole in the evidence longer than the gap ends what was known."""
    before = judged()
    now = START + timedelta(seconds=later)
    probe = ProbeResult(at=now, status=200)
    after = judge(an_endpoint(), probe=probe, scep=PROVED, before=before, now=now, gap=GAP)
    assert after.since == (START if kept else now)
    assert after.at == now


def test_a_new_state_begins_when_it_is_seen_not_when_the_probe_was_made() -> None:
    """Traffic Manager alone may change a judgement between two probes; the time before does not count."""
    before = judged(MonitorStatus.DEGRADED)
    now = START + timedelta(seconds=50)
    after = judge(an_endpoint(), probe=GOOD, scep=PROVED, before=before, now=now, gap=GAP)
    assert (after.state, after.at, after.since) == (State.HEALTHY, START, now)


def a_proved(sha: str | None, state: State = State.HEALTHY) -> Health:
    """A region that proved this CA, or failed to, or was not asked."""
    scep = None if sha is None else ScepProof(at=START, ca_sha256=sha, problem="" if sha else "no answer")
    return a_health(state, scep=scep)


def test_regions_that_prove_one_authority_stay_what_they_are() -> None:
    """Also when one of them did not prove any, or nobody was asked."""
    for shas in (("a", "a"), ("a", None), ("a", ""), (None, None)):
        health = {name: a_proved(sha) for name, sha in zip(("west", "east"), shas, strict=True)}
        assert one_authority(health) == health


def test_on_a_mismatch_none_is_a_refuge_for_the_other() -> None:
    """Every region that proved one is unknown from now on, and the reason shows what each proved."""
    health = {
        "west": a_proved("aaaaaaaa1"),
        "east": a_proved("bbbbbbbb1"),
        "north": a_proved(None),
        "south": a_proved("aaaaaaaa1", State.DOWN),
    }
    after = one_authority(health)
    assert {name: it.state for name, it in after.items()} == {
        "west": State.UNKNOWN,
        "east": State.UNKNOWN,
        "north": State.HEALTHY,
        "south": State.DOWN,
    }
    assert "west aaaaaaaa" in after["east"].reason
    assert "east bbbbbbbb" in after["west"].reason

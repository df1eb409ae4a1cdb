"""A region's health from its evidence: a refuge is sure, down is sure, and all else is not known."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.groups.classify import (
    AUTHORITY,
    TABLE,
    authorities,
    classify,
    judge,
    one_authority,
    proved_one,
    standings,
)
from shared.groups.model import (
    Cause,
    Fault,
    Health,
    MonitorStatus,
    Os,
    ProbeResult,
    ScepProof,
    Site,
    Standing,
    State,
)
from tests.builders import a_group, a_health, an_endpoint
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
    assert {name: health.state for name, health in after.items()} == {
        "west": State.UNKNOWN,
        "east": State.UNKNOWN,
        "north": State.HEALTHY,
        "south": State.DOWN,
    }
    assert "west aaaaaaaa" in after["east"].reason
    assert "east bbbbbbbb" in after["west"].reason


# -- what a failure is ------------------------------------------------------------------------------------------

ONLINE, DEGRADED, STOPPED = MonitorStatus.ONLINE, MonitorStatus.DEGRADED, MonitorStatus.STOPPED
LOST = ProbeResult(at=START, problem="no answer within 10 s", fault=Fault.SILENT)
UNTRUSTED = ProbeResult(at=START, problem="its certificate is not valid: expired", fault=Fault.TLS)
NAMELESS = ProbeResult(at=START, problem="the host name does not resolve", fault=Fault.NAME)
NO_PACKAGE = ProbeResult(at=START, status=503, fault=Fault.PACKAGE)
GONE = ProbeResult(at=START, status=404)
MOVED = ProbeResult(at=START, status=301, problem="answered a redirect", fault=Fault.REDIRECT)
CAPS_FAIL = ScepProof(at=START, problem="GetCACaps answered 503")


def seen(monitor: MonitorStatus, probe: ProbeResult | None = GOOD, scep: ScepProof | None = PROVED) -> Health:
    return Health(
        state=State.UNKNOWN, at=START, since=START, reason="a test", probe=probe, scep=scep, monitor=monitor
    )


WELL = seen(ONLINE)
LATE = ProbeResult(at=START, status=200, millis=10_050)  # the builders' profile waits 10 s


@pytest.mark.parametrize(
    ("west", "east", "causes"),
    [
        (WELL, WELL, {}),
        (seen(DEGRADED, BAD, CAPS_FAIL), WELL, {"west": Cause.ONE_REGION}),
        (seen(ONLINE, BAD, CAPS_FAIL), WELL, {"west": Cause.ONE_REGION}),
        (seen(DEGRADED, LOST, CAPS_FAIL), WELL, {"west": Cause.ONE_REGION}),
        (seen(ONLINE, GOOD, CAPS_FAIL), WELL, {"west": Cause.ONE_REGION}),  # SCEP alone fails
        (seen(DEGRADED), WELL, {"west": Cause.UNKNOWN}),  # Traffic Manager alone says so
        (seen(DEGRADED, LATE), WELL, {"west": Cause.ONE_REGION}),  # too slow for Traffic Manager
        (seen(DEGRADED, LATE), seen(DEGRADED, LATE), {"west": Cause.SHARED, "east": Cause.SHARED}),
        (seen(ONLINE, LATE), WELL, {}),  # one slow answer is not a failure
        (seen(DEGRADED, BAD), seen(DEGRADED, BAD), {"west": Cause.SHARED, "east": Cause.SHARED}),
        (seen(DEGRADED, LOST), seen(DEGRADED, LOST), {"west": Cause.SHARED, "east": Cause.SHARED}),
        (seen(DEGRADED, BAD), seen(DEGRADED, LOST), {"west": Cause.UNKNOWN, "east": Cause.UNKNOWN}),
        (seen(ONLINE, LOST), seen(ONLINE, LOST), {"west": Cause.UNKNOWN, "east": Cause.UNKNOWN}),  # only we
        (
            seen(ONLINE, GOOD, CAPS_FAIL),
            seen(ONLINE, GOOD, CAPS_FAIL),
            {"west": Cause.SHARED, "east": Cause.SHARED},
        ),
        (seen(ONLINE, UNTRUSTED), WELL, {"west": Cause.TLS_OR_NAME}),
        (
            seen(ONLINE, UNTRUSTED),
            seen(ONLINE, UNTRUSTED),
            {"west": Cause.TLS_OR_NAME, "east": Cause.TLS_OR_NAME},
        ),
        (seen(DEGRADED, NAMELESS), WELL, {"west": Cause.TLS_OR_NAME}),
        (seen(DEGRADED, GONE), WELL, {"west": Cause.PROBE_PATH}),
        (seen(DEGRADED, MOVED), seen(DEGRADED, GONE), {"west": Cause.PROBE_PATH, "east": Cause.PROBE_PATH}),
        (seen(DEGRADED, GONE, CAPS_FAIL), WELL, {"west": Cause.ONE_REGION}),
        (seen(DEGRADED, NO_PACKAGE, CAPS_FAIL), WELL, {"west": Cause.ARTIFACT_HOST}),
        (
            seen(DEGRADED, NO_PACKAGE, CAPS_FAIL),
            seen(DEGRADED, NO_PACKAGE, CAPS_FAIL),
            {"west": Cause.ARTIFACT_HOST, "east": Cause.ARTIFACT_HOST},
        ),
        (seen(STOPPED, BAD), WELL, {"west": Cause.STOPPED}),
        (seen(STOPPED, GOOD), WELL, {"west": Cause.STOPPED}),
        (seen(DEGRADED, BAD), seen(MonitorStatus.CHECKING, None, None), {"west": Cause.UNKNOWN}),
        (seen(MonitorStatus.DISABLED, BAD), WELL, {}),
        (seen(MonitorStatus.INACTIVE, None, None), WELL, {}),
    ],
)
def test_causes(west: Health, east: Health, causes: dict[str, Cause]) -> None:
    """The most special reason that fits each region in trouble."""
    found = classify(a_group(), {"west": west, "east": east})
    assert {name: finding.cause for name, finding in found.items()} == causes


def test_every_cause_has_its_row() -> None:
    """The table explains every cause, once."""
    rows = [explained.cause for explained in (*TABLE, AUTHORITY)]
    assert sorted(rows) == sorted(Cause)


def test_evidence_names_every_region() -> None:
    """Each probe's result is kept, the good ones too: they are what makes it one region."""
    found = classify(a_group(), {"west": seen(DEGRADED, LOST, CAPS_FAIL), "east": WELL})["west"]
    west = next(name for name in found.evidence if name.startswith("west: "))
    east = next(name for name in found.evidence if name.startswith("east: "))
    assert "had no answer (no answer within 10 s)" in west
    assert "SCEP fails: GetCACaps answered 503" in west
    assert "Traffic Manager says Degraded" in west
    assert "answered 200" in east


def test_a_late_answer_is_told_as_one() -> None:
    """How long it took stands in the evidence, when it was too long for Traffic Manager."""
    found = classify(a_group(), {"west": seen(DEGRADED, LATE), "east": WELL})["west"]
    assert any("the probe answered 200 after 10.1 s" in name for name in found.evidence)
    assert not any("after" in name for name in found.evidence if name.startswith("east"))


def test_a_host_that_the_watch_knows_to_be_down() -> None:
    """What the watch over the package hosts says counts when the app fails, and only then."""
    sick, hosts = seen(DEGRADED, BAD, CAPS_FAIL), {"west": "github (prod) is down"}
    found = classify(a_group(), {"west": sick, "east": WELL}, packages=hosts)["west"]
    assert found.cause is Cause.ARTIFACT_HOST
    assert "west: its artifact host: github (prod) is down" in found.evidence
    assert classify(a_group(), {"west": WELL, "east": WELL}, packages=hosts) == {}


@pytest.mark.parametrize(
    ("running", "words"),
    [(False, "the web app is stopped"), (True, "runs on a plan of tier Basic: is its plan below Standard?")],
)
def test_stopped_or_plan(running: bool, words: str) -> None:  # noqa: FBT001 -- a table
    """The site's own facts tell the two apart."""
    site = Site(id="x", host="x", os=Os.WINDOWS, running=running, sku="Basic")
    found = classify(a_group(), {"west": seen(STOPPED, BAD), "east": WELL}, sites={"west": site})
    assert any(words in name for name in found["west"].evidence)


PROOFS = {
    "other": ScepProof(at=START, ca_sha256="0b", spki_sha256="other", subject="CN=A"),
    "renewed": ScepProof(at=START, ca_sha256="0c", spki_sha256="key"),
    "namesake": ScepProof(at=START, ca_sha256="0d", spki_sha256="z", subject="CN=Root"),
}


def test_authorities() -> None:
    """Different CAs are a finding that says in what they differ; registration authorities may differ."""
    named = ScepProof(at=START, ca_sha256="ca", spki_sha256="key", subject="CN=Root")
    with_ra = ScepProof(at=START, ca_sha256="ca", spki_sha256="key", registration_authorities=("ra1",))
    pair = {"west": seen(ONLINE, GOOD, named), "east": seen(ONLINE, GOOD, with_ra)}
    assert authorities(pair) is None
    assert proved_one(pair)
    for kind, words in (
        ("renewed", "the public key is the same"),
        ("namesake", "two CAs of one name"),
        ("other", "CN=A"),
    ):
        found = authorities({"west": seen(ONLINE, GOOD, named), "east": seen(ONLINE, GOOD, PROOFS[kind])})
        assert found is not None
        assert found.cause is Cause.AUTHORITY
        assert any(words in name for name in found.evidence)
    assert not proved_one({"west": WELL, "east": seen(ONLINE, GOOD, CAPS_FAIL)})


@given(
    st.lists(
        st.builds(
            seen,
            st.sampled_from(MonitorStatus),
            st.sampled_from([None, GOOD, BAD, LOST, UNTRUSTED, NAMELESS, NO_PACKAGE, GONE, MOVED]),
            st.sampled_from([None, PROVED, CAPS_FAIL]),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_laws_of_classification(healths: list[Health]) -> None:
    """Whoever is in trouble has one cause and evidence; whoever serves or is out has none; a refuge serves."""
    names = ["west", "east", "north"][: len(healths)]
    group, health = a_group(*names), dict(zip(names, healths, strict=True))
    stand, found = standings(group, health), classify(group, health)
    for name, how in stand.items():
        assert (name in found) == (how in {Standing.FAILING, Standing.DOWN})
    assert all(finding.evidence and finding.cause is not Cause.AUTHORITY for finding in found.values())
    shared = [name for name, finding in found.items() if finding.cause is Cause.SHARED]
    assert not shared or Standing.SERVING not in stand.values()
    for name, item in health.items():
        endpoint = an_endpoint(name, status=item.monitor)
        judged_now = judge(endpoint, probe=item.probe, scep=item.scep, before=None, now=START, gap=GAP)
        assert (judged_now.state is not State.HEALTHY) or stand[name] is Standing.SERVING

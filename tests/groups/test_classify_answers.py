"""How regions stand and what a finding tells, word for word where a person acts on it."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from shared.groups.classify import authorities, classify, judge, one_authority, standing, standings
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
ONLINE, DEGRADED, STOPPED = MonitorStatus.ONLINE, MonitorStatus.DEGRADED, MonitorStatus.STOPPED
GOOD = ProbeResult(at=START, status=200)
BAD = ProbeResult(at=START, status=503)
MUTE = ProbeResult(at=START, problem="timed out", fault=Fault.SILENT)
SLOW = ProbeResult(at=START, status=200, millis=10_001)  # the builders' profile waits 10 s
IN_TIME = ProbeResult(at=START, status=200, millis=10_000)
PROVED = ScepProof(at=START, ca_sha256="ca", spki_sha256="key")
UNPROVED = ScepProof(at=START, problem="GetCACert answered 500")


def seen(monitor: MonitorStatus, probe: ProbeResult | None = GOOD, scep: ScepProof | None = PROVED) -> Health:
    return Health(
        state=State.UNKNOWN, at=START, since=START, reason="a test", probe=probe, scep=scep, monitor=monitor
    )


def cause_of(west: Health, east: Health) -> Cause | None:
    found = classify(a_group(), {"west": west, "east": east}).get("west")
    return found.cause if found else None


def evidence(west: Health, east: Health | None = None, site: Site | None = None) -> str:
    """West's own sentence."""
    found = classify(
        a_group(), {"west": west, "east": east or seen(ONLINE)}, sites={"west": site} if site else None
    )
    return next(name for name in found["west"].evidence if name.startswith("west: "))


@pytest.mark.parametrize(
    ("monitor", "probe", "scep", "expected"),
    [
        (ONLINE, GOOD, PROVED, Standing.SERVING),
        (MonitorStatus.UNMONITORED, GOOD, PROVED, Standing.SERVING),
        (MonitorStatus.CHECKING, GOOD, PROVED, Standing.UNSURE),
        (ONLINE, None, None, Standing.UNSURE),
        (DEGRADED, None, None, Standing.FAILING),
        (ONLINE, BAD, PROVED, Standing.FAILING),
        (DEGRADED, BAD, PROVED, Standing.DOWN),
        (ONLINE, GOOD, UNPROVED, Standing.FAILING),
        (DEGRADED, GOOD, UNPROVED, Standing.DOWN),
        (DEGRADED, GOOD, PROVED, Standing.FAILING),
        (DEGRADED, IN_TIME, PROVED, Standing.FAILING),
        (DEGRADED, SLOW, PROVED, Standing.DOWN),
        (ONLINE, SLOW, PROVED, Standing.SERVING),
        (STOPPED, GOOD, PROVED, Standing.DOWN),
        (MonitorStatus.DISABLED, BAD, UNPROVED, Standing.OUT),
    ],
)
def test_how_a_region_stands(
    monitor: MonitorStatus, probe: ProbeResult | None, scep: ScepProof | None, expected: Standing
) -> None:
    """Down needs both witnesses; one of them alone makes it failing; none makes it serve unseen."""
    assert standing(seen(monitor, probe, scep), enabled=True, patience=10) is expected
    assert standing(seen(monitor, probe, scep), enabled=False, patience=10) is Standing.OUT


def test_a_region_without_an_endpoint_is_out() -> None:
    """It was looked at, and the profile no longer has it."""
    assert standings(a_group("west"), {"gone": seen(ONLINE)}) == {"gone": Standing.OUT}


@pytest.mark.parametrize(
    ("status", "expected"), [(399, Cause.PROBE_PATH), (499, Cause.PROBE_PATH), (500, Cause.ONE_REGION)]
)
def test_only_an_answer_below_500_is_the_paths_doing(status: int, expected: Cause) -> None:
    """SCEP works and the probe's path does not; a server's error is more than a path."""
    assert cause_of(seen(DEGRADED, ProbeResult(at=START, status=status)), seen(ONLINE)) is expected


def test_one_region_alone_is_never_everybody() -> None:
    """A group of one, or one whose other region is out of service: nothing to compare with, so unknown."""
    unnamed = seen(ONLINE, ProbeResult(at=START, problem="no such name", fault=Fault.NAME), None)
    (found,) = classify(a_group("west"), {"west": unnamed}).values()
    assert found.cause is Cause.TLS_OR_NAME
    lost = seen(ONLINE, MUTE, None)
    (found,) = classify(a_group("west"), {"west": lost}).values()
    assert found.cause is Cause.UNKNOWN
    sick = seen(DEGRADED, BAD, None)
    (found,) = classify(a_group("west"), {"west": sick}).values()
    assert found.cause is Cause.UNKNOWN
    assert cause_of(sick, seen(MonitorStatus.DISABLED)) is Cause.UNKNOWN


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        (ProbeResult(at=START, status=502), True),
        (ProbeResult(at=START, status=599), True),
        (ProbeResult(at=START, status=404), False),
        (MUTE, False),
        (ProbeResult(at=START, status=500), True),
    ],
)
def test_alike_is_the_same_hundred_of_answers(other: ProbeResult, *, alike: bool) -> None:
    """Two regions that fail with 5xx fail alike; one that is silent, or asked wrongly, fails in its own way."""
    expected = Cause.SHARED if alike else Cause.UNKNOWN
    assert cause_of(seen(DEGRADED, BAD, None), seen(DEGRADED, other, None)) is expected


def test_silences_of_two_kinds_are_not_alike() -> None:
    """A name that does not resolve here, a server that is silent there."""
    reset = ProbeResult(at=START, problem="reset", fault=Fault.NONE)
    assert cause_of(seen(DEGRADED, reset, None), seen(DEGRADED, MUTE, None)) is Cause.UNKNOWN
    assert cause_of(seen(DEGRADED, MUTE, None), seen(DEGRADED, MUTE, None)) is Cause.SHARED


def test_a_judgement_keeps_its_witnesses() -> None:
    """Probe, proof and Traffic Manager's word are in it; a new state began with its evidence."""
    endpoint = an_endpoint(status=DEGRADED)
    later = START + timedelta(seconds=20)
    first = judge(endpoint, probe=BAD, scep=UNPROVED, before=None, now=later, gap=GAP)
    assert (first.probe, first.scep, first.monitor) == (BAD, UNPROVED, DEGRADED)
    assert first.since == START
    again = ProbeResult(at=later, status=200)
    well = judge(an_endpoint(), probe=again, scep=PROVED, before=first, now=later + timedelta(9), gap=GAP)
    assert well.since == later


@pytest.mark.parametrize(
    ("enabled", "status", "words"),
    [
        (False, ONLINE, "disabled"),
        (True, MonitorStatus.INACTIVE, "Inactive"),
        (True, MonitorStatus.DISABLED, "Disabled"),
    ],
)
def test_why_a_region_is_out_of_dns(status: MonitorStatus, words: str, *, enabled: bool) -> None:
    """By its endpoint's switch, or by what Traffic Manager says."""
    found = judge(
        an_endpoint(status=status, enabled=enabled), probe=GOOD, scep=PROVED, before=None, now=START, gap=GAP
    )
    assert found.state is State.UNKNOWN
    assert found.reason == f"the endpoint is {words}, so no device is sent there"


@pytest.mark.parametrize(
    ("probe", "heard"), [(BAD, "the probe answered 503"), (MUTE, "no answer: timed out")]
)
def test_what_was_heard_of_a_region_that_is_down(probe: ProbeResult, heard: str) -> None:
    """A person sees the status, or why there was none."""
    found = judge(an_endpoint(status=DEGRADED), probe=probe, scep=None, before=None, now=START, gap=GAP)
    assert found.state is State.DOWN
    assert heard in found.reason


def test_a_region_that_was_not_probed_yet() -> None:
    """Says so, in its judgement and in the evidence."""
    found = judge(an_endpoint(), probe=None, scep=None, before=None, now=START, gap=GAP)
    assert (found.state, found.reason) == (State.UNKNOWN, "not probed yet")
    assert "not probed yet" in evidence(seen(DEGRADED, None, None))


def test_a_mismatch_begins_with_its_evidence() -> None:
    """From then on the regions are no refuge; each shows eight digits of what each proved."""
    health = {
        "west": a_health(scep=ScepProof(at=START, ca_sha256="aaaaaaaa1")),
        "east": a_health(scep=ScepProof(at=START, ca_sha256="bbbbbbbb1")),
    }
    after = one_authority(health)["west"]
    assert after.since == START
    assert "east bbbbbbbb, west aaaaaaaa" in after.reason


def test_evidence_of_a_region_that_answers_well_and_late() -> None:
    """How late stands there only when it was."""
    assert evidence(seen(DEGRADED, SLOW)) == (
        "west: at 12:00:00 UTC the probe answered 200 after 10.0 s; SCEP proves CA ca; Traffic Manager says Degraded"
    )
    assert evidence(seen(DEGRADED, IN_TIME)) == (
        "west: at 12:00:00 UTC the probe answered 200; SCEP proves CA ca; Traffic Manager says Degraded"
    )


def test_evidence_of_a_missing_package() -> None:
    """App Service's own page says that the package is missing."""
    missing = ProbeResult(at=START, status=503, fault=Fault.PACKAGE)
    assert "answered 503 with App Service's page for a missing package" in evidence(seen(DEGRADED, missing))
    assert "page" not in evidence(seen(DEGRADED, BAD))


@pytest.mark.parametrize(
    ("running", "sku", "words"),
    [
        (False, "Basic", "the web app is stopped"),
        (True, "Basic", "the web app runs on a plan of tier Basic: is its plan below Standard?"),
        (True, "", "the web app runs: is its plan below Standard?"),
    ],
)
def test_evidence_of_what_stopped(sku: str, words: str, *, running: bool) -> None:
    """The app, or its plan; the plan is named where it is known."""
    site = Site(id="x", host="x", os=Os.WINDOWS, running=running, sku=sku)
    assert evidence(seen(STOPPED, BAD), site=site).endswith(f"; {words}")
    assert "web app" not in evidence(seen(DEGRADED, BAD), site=site)


def authority(ca: str, *, key: str = "key", **more: object) -> Health:
    proof: dict[str, object] = {"at": START, "ca_sha256": ca, "spki_sha256": key, **more}
    return seen(ONLINE, GOOD, ScepProof(**proof))  # type: ignore[arg-type]


def test_what_each_region_proved_stands_in_the_finding() -> None:
    """Name, end and key, where the certificate told them."""
    end = datetime(2030, 1, 2, tzinfo=UTC)
    found = authorities(
        {"west": authority("0a", subject="CN=A", not_after=end), "east": authority("0b", key="k2")}
    )
    assert found is not None
    assert found.evidence == (
        "east: CA 0b, public key k2, 0 registration authorities",
        "west: CA 0a (CN=A), valid until 2030-01-02, public key key, 0 registration authorities",
    )


def test_how_two_authorities_differ() -> None:
    """One renewed certificate, two CAs of one name, and what each server can do."""
    renewed = authorities({"west": authority("0a"), "east": authority("0b")})
    assert renewed is not None
    assert renewed.evidence[-1].startswith("the public key is the same: one CA whose certificate was renewed")
    namesakes = authorities(
        {"west": authority("0a", subject="CN=A"), "east": authority("0b", key="k2", subject="CN=A")}
    )
    assert namesakes is not None
    assert namesakes.evidence[-1].startswith("the names are the same and the keys are not")
    able = authorities(
        {
            "west": authority("0a", key="k1", capabilities=("AES", "SHA-1")),
            "east": authority("0b", key="k2", capabilities=("AES",)),
        }
    )
    assert able is not None
    assert able.evidence[-1] == "GetCACaps differs too: east: AES; west: AES, SHA-1"
    nameless = authorities({"west": authority("0a", key="k1"), "east": authority("0b", key="k2")})
    assert nameless is not None
    assert len(nameless.evidence) == 2


# -- our probe and Traffic Manager's, which ask alike ----------------------------------------------------------

NEEDED = timedelta(seconds=80)  # twice the builders' interval and timeout
REFUSED = ProbeResult(at=START + NEEDED, status=403)


def lasting(health: Health, seconds: float = NEEDED.total_seconds()) -> Health:
    return msgspec.structs.replace(health, at=START + timedelta(seconds=seconds), at_odds_since=START)


@pytest.mark.parametrize(
    ("west", "cause"),
    [
        (lasting(seen(DEGRADED)), Cause.PROBE_PATH),
        (lasting(seen(DEGRADED), 79), Cause.UNKNOWN),  # Traffic Manager has not had the time to see it
        (lasting(seen(DEGRADED, SLOW)), Cause.ONE_REGION),
        (lasting(seen(DEGRADED, GOOD, UNPROVED)), Cause.ONE_REGION),
        (lasting(seen(ONLINE, REFUSED, UNPROVED)), Cause.PROBE_PATH),
        (lasting(seen(ONLINE, REFUSED, UNPROVED), 79), Cause.ONE_REGION),
        (lasting(seen(DEGRADED, REFUSED, UNPROVED)), Cause.ONE_REGION),
        (lasting(seen(ONLINE, BAD, UNPROVED)), Cause.ONE_REGION),
    ],
)
def test_a_disagreement_is_the_probe_path(west: Health, cause: Cause) -> None:
    """Both ask by the profile's criteria: whoever fails for good is kept from the app."""
    assert cause_of(west, seen(ONLINE)) is cause
    finding = classify(a_group(), {"west": west, "east": seen(ONLINE)})["west"]
    named = [
        name for name in finding.evidence if "AzureTrafficManager" in name and "access restrictions" in name
    ]
    assert bool(named) is (cause is Cause.PROBE_PATH)


def test_every_region_is_compared() -> None:
    """Also behind one about which nothing is known yet, and one that agrees."""
    first, west = seen(ONLINE, None, None), lasting(seen(DEGRADED))
    found = classify(a_group("north", "east", "west"), {"north": first, "east": seen(ONLINE), "west": west})
    assert found["west"].cause is Cause.PROBE_PATH


def test_a_disagreement_is_as_old_as_its_direction() -> None:
    """A region that comes and goes: our probe is a little sooner than Traffic Manager's, each way."""
    told = [  # seconds, our probe, Traffic Manager's, since when they are at odds
        (0, True, ONLINE, None),
        (60, False, ONLINE, 60),
        (120, False, DEGRADED, None),
        (180, True, DEGRADED, 180),
        (240, True, DEGRADED, 180),
        (300, False, ONLINE, 300),
    ]
    before = None
    for seconds, ok, status, expected in told:
        now = START + timedelta(seconds=seconds)
        before = judge(
            an_endpoint("west", status=status),
            probe=ProbeResult(at=now, status=200 if ok else 503),
            scep=None,
            before=before,
            now=now,
            gap=timedelta(seconds=90),
        )
        since = None if expected is None else START + timedelta(seconds=expected)
        assert before.at_odds_since == since, seconds


def test_all_regions_keep_traffic_manager_out() -> None:
    """One rule of the apps, and all are Degraded: each is the probe path, no shared dependency."""
    west = lasting(seen(DEGRADED))
    assert cause_of(west, west) is Cause.PROBE_PATH


@pytest.mark.parametrize(
    ("probe", "ok", "words"),
    [
        (
            ProbeResult(at=START, status=204, expected=((200, 299),)),
            True,
            "answered 204 (the profile expects 200-299)",
        ),
        (
            ProbeResult(at=START, status=403, expected=((403, 403),)),
            True,
            "answered 403 (the profile expects 403)",
        ),
        (
            ProbeResult(at=START, status=200, expected=((301, 302), (403, 403))),
            False,
            "answered 200 (the profile expects 301-302, 403)",
        ),
        (ProbeResult(at=START, connected=True), True, "was connected"),
        (ProbeResult(at=START), False, "had no answer"),
    ],
)
def test_good_is_what_the_profile_expects(probe: ProbeResult, words: str, *, ok: bool) -> None:
    """Not 200 alone; and the evidence says what was expected."""
    assert probe.ok is ok
    assert words in evidence(seen(STOPPED, probe))


def test_nobody_is_always_served_as_a_witness() -> None:
    """Traffic Manager does not probe what is always served: it does not say that only we are blind."""
    silent = seen(MonitorStatus.UNMONITORED, MUTE, None)
    assert cause_of(silent, silent) is Cause.SHARED
    assert cause_of(seen(ONLINE, MUTE, None), silent) is Cause.UNKNOWN

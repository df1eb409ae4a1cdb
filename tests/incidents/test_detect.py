"""What was seen, heard or done, as facts: which there are, and which of them nobody needs."""

from datetime import timedelta

import msgspec
import pytest

from shared.events.azure_monitor import Alert, Condition
from shared.groups.classify import classify
from shared.groups.model import Cause, Health, MonitorStatus, NameAnswer, ProbeResult, ScepProof, State
from shared.incidents.detect import alerted, broke, looks, matter, moved, noted, open_subjects
from shared.incidents.model import Change, Claim, Fact, Incident, Kind, Severity, Topic
from shared.incidents.transitions import derive
from tests.builders import GROUP, a_group, a_health, a_profile, a_region, an_endpoint, host
from tests.fakes.clock import START
from tests.incidents.facts import RULES, at, bad

ONLINE, DEGRADED = MonitorStatus.ONLINE, MonitorStatus.DEGRADED
CHECKING, STOPPED = MonitorStatus.CHECKING, MonitorStatus.STOPPED
NOW = START + timedelta(minutes=5)
BAD = ProbeResult(at=START, status=503)
MUTE = ProbeResult(at=START, problem="timed out")
LIVE = frozenset({(Topic.SERVICE, "west")})


def seen(
    monitor: MonitorStatus = ONLINE, probe: ProbeResult | None = None, ca: str = "", reason: str = "a test"
) -> Health:
    scep = ScepProof(at=START, ca_sha256=ca, spki_sha256=ca) if ca else None
    plain = a_health(State.UNKNOWN, scep=scep)
    return msgspec.structs.replace(plain, monitor=monitor, probe=probe or plain.probe, reason=reason)


WELL = seen()
DOWN = seen(DEGRADED, BAD)
FAILING = seen(ONLINE, BAD)
UNSURE = seen(CHECKING)
OUT = seen(MonitorStatus.DISABLED)


def facts(
    live: frozenset[tuple[Topic, str]] = frozenset(),
    *,
    disturbed: tuple[str, ...] = (),
    rehearsed: tuple[str, ...] = (),
    **health: Health,
) -> tuple[Fact, ...]:
    group = a_group(*health)
    found = classify(group, health)
    return looks(group, health, found, live=live, disturbed=disturbed, rehearsed=rehearsed, now=NOW)


def test_a_region_that_is_down_is_a_fact_with_its_cause_and_evidence() -> None:
    """When it was seen, what it is, and what a person reads."""
    (fact,) = facts(west=DOWN, east=WELL)
    assert (fact.kind, fact.topic, fact.region, fact.claim) == (Kind.LOOK, Topic.SERVICE, "west", Claim.BAD)
    assert (fact.at, fact.heard, fact.who) == (NOW, NOW, "Counterpart")
    assert (fact.cause, fact.severity) == (Cause.ONE_REGION, Severity.MAJOR)
    assert fact.text == "west fails: one region (a test)"
    assert any(name.startswith("west: ") for name in fact.evidence)


def test_one_witness_alone_makes_a_suspicion() -> None:
    """It may fail: Traffic Manager still answers with it."""
    (fact,) = facts(west=FAILING, east=WELL)
    assert (fact.claim, fact.text) == (Claim.SUSPECT, "west may fail: one region (a test)")


def test_what_is_well_and_was_well_is_not_written_down() -> None:
    """Only while there is an incident to end; one that is unsure says nothing at all."""
    assert facts(west=WELL, east=WELL) == ()
    assert facts(west=OUT, east=WELL) == ()
    assert facts(LIVE, west=UNSURE, east=WELL) == ()
    (well,) = facts(LIVE, west=WELL, east=WELL)
    assert (well.kind, well.region, well.claim, well.who) == (Kind.LOOK, "west", Claim.WELL, "Counterpart")
    assert (well.at, well.heard, well.text) == (NOW, NOW, "west is well: a test")
    (out,) = facts(LIVE, west=OUT, east=WELL)
    assert (out.claim, out.text) == (Claim.OUT, "west is out of service on purpose: a test")
    (other,) = facts(frozenset({(Topic.HOSTS, "west"), (Topic.SERVICE, "east")}), west=WELL, east=WELL)
    assert other.region == "east"


def test_a_region_that_we_restart_may_stumble_but_not_fall() -> None:
    """Unless it has an incident already: then every word of it counts."""
    assert facts(disturbed=("west",), west=FAILING, east=WELL) == ()
    assert [fact.claim for fact in facts(disturbed=("west",), west=DOWN, east=WELL)] == [Claim.BAD]
    assert [fact.claim for fact in facts(LIVE, disturbed=("west",), west=FAILING, east=WELL)] == [
        Claim.SUSPECT
    ]
    assert [fact.region for fact in facts(disturbed=("east",), west=FAILING, east=WELL)] == ["west"]


def test_of_a_region_that_is_kept_out_nothing_is_said() -> None:
    """A drill or a hold has it; the others are looked at as ever."""
    found = facts(LIVE, rehearsed=("west",), west=DOWN, east=DOWN)
    assert [fact.region for fact in found] == ["east"]


def test_a_region_that_is_unsure_hides_no_other() -> None:
    """Each region is looked at, whatever the one before it was."""
    for first in (UNSURE, WELL, OUT):
        assert [fact.region for fact in facts(aaa=first, west=DOWN, zzz=WELL)] == ["west"]


@pytest.mark.parametrize(
    ("east", "severity"),
    [
        (WELL, Severity.MAJOR),
        (UNSURE, Severity.MAJOR),  # it may be serving
        (DOWN, Severity.CRITICAL),
        (FAILING, Severity.CRITICAL),
        (OUT, Severity.CRITICAL),
    ],
)
def test_how_bad_it_is(east: Health, severity: Severity) -> None:
    """The worst when no other region may be serving."""
    west = next(fact for fact in facts(west=DOWN, east=east) if fact.region == "west")
    assert west.severity is severity


def test_what_only_we_see_is_minor() -> None:
    """No region can be reached by us, and Traffic Manager reaches them all; with one region nobody can tell."""
    blind = seen(ONLINE, MUTE)
    assert {fact.severity for fact in facts(west=blind, east=blind)} == {Severity.MINOR}
    assert {fact.severity for fact in facts(west=blind)} == {Severity.CRITICAL}
    assert {fact.severity for fact in facts(west=blind, east=seen(DEGRADED, MUTE))} == {Severity.CRITICAL}
    assert {fact.severity for fact in facts(west=FAILING, east=FAILING)} == {Severity.CRITICAL}


def test_a_region_that_left_ends_its_incident() -> None:
    """No endpoint leads there any more; incidents of the whole group, and of other topics, stay."""
    live = frozenset({(Topic.SERVICE, "gone"), (Topic.SERVICE, ""), (Topic.HOSTS, "away")})
    (fact,) = facts(live, west=WELL, east=WELL)
    assert (fact.region, fact.claim, fact.at, fact.heard) == ("gone", Claim.OUT, NOW, NOW)
    assert fact.text == f"gone is out of service on purpose: no endpoint of {GROUP} leads there any more"


def test_two_authorities_are_a_matter_of_the_group_until_all_prove_one() -> None:
    """While fewer than two prove any, nothing is said."""
    (fact,) = facts(west=seen(ca="0a"), east=seen(ca="0b"))
    assert (fact.topic, fact.region, fact.claim, fact.cause) == (
        Topic.AUTHORITY, "", Claim.BAD, Cause.AUTHORITY,
    )  # fmt: skip
    assert (fact.at, fact.heard) == (NOW, NOW)
    assert fact.text == "the regions prove different certificate authorities"
    assert len(fact.evidence) >= 2
    live = frozenset({(Topic.AUTHORITY, "")})
    (over,) = facts(live, west=seen(ca="0a"), east=seen(ca="0a"))
    assert (over.topic, over.claim, over.cause, over.at, over.heard) == (
        Topic.AUTHORITY, Claim.WELL, "", START, NOW,
    )  # fmt: skip  # as old as its oldest proof
    assert over.text == "all regions prove the same CA"
    assert facts(live, west=seen(ca="0a"), east=WELL) == ()
    assert facts(west=seen(ca="0a"), east=seen(ca="0a")) == ()


@pytest.mark.parametrize(
    ("seconds", "broken"), [(-90, True), (-91, False), (0, True), (600, True), (601, False)]
)
def test_a_change_breaks_a_region_in_the_minutes_after_it(seconds: int, *, broken: bool) -> None:
    """Or it is seen a little later than the failure. Another region's incident says nothing."""
    (one,) = derive((bad(10),), GROUP, RULES)
    change = Change(region="west", at=one.started - timedelta(seconds=seconds), text="K00")
    assert broke([change], [one], at(30)) == ({"west": "K00"} if broken else {})
    (other,) = derive((bad(10, region="east"),), GROUP, RULES)
    assert broke([change], [other], at(30)) == {}
    assert broke([msgspec.structs.replace(change, at=at(25))], [other], at(30)) == {"west": "K00"}


def test_a_matter_is_so_since_its_own_time() -> None:
    """With a cause it is so, without one it is over; all else is as it was said."""
    fact = matter(
        Topic.HOSTS, since=START, now=NOW, text="why", cause="c", id="1", region="west", evidence=["e"]
    )
    assert fact == Fact(
        kind=Kind.LOOK, at=START, heard=NOW, topic=Topic.HOSTS, region="west", claim=Claim.BAD, cause="c",
        id="1", who="Counterpart", text="why", evidence=("e",),
    )  # fmt: skip
    over = matter(Topic.HOSTS, since=START, now=NOW, text="over")
    assert (over.claim, over.cause, over.id, over.region) == (Claim.WELL, "", "", "")


def an_answer(*names: str) -> NameAnswer:
    return NameAnswer(at=NOW, names=names)


def test_dns_moved_when_both_the_name_and_traffic_manager_say_so() -> None:
    """Who said it, and where the name leads now."""
    health = {"west": DOWN, "east": WELL}
    fact = moved(a_group(), a_region("west"), health, an_answer("x.example", "y.example", host("east")), NOW)
    assert fact == Fact(
        kind=Kind.MOVED, at=NOW, heard=NOW, region="west", who="DNS",
        text=f"{a_profile().fqdn} leads to {host('east')}, no longer to {host('west')}",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("health", "names"),
    [
        ({"west": WELL, "east": WELL}, (host("east"),)),  # Traffic Manager answers with one at a time
        ({"west": UNSURE, "east": WELL}, (host("east"),)),
        ({"east": WELL}, (host("east"),)),
        ({"west": DOWN, "east": WELL}, ()),
        ({"west": DOWN, "east": WELL}, (host("west"),)),
        ({"west": DOWN, "east": WELL}, (host("west").upper() + ".",)),
        ({"west": DOWN, "east": DOWN}, (host("east"),)),  # all are degraded, so all are answered
        ({"west": DOWN}, (host("east"),)),
    ],
)
def test_one_of_them_alone_proves_nothing(health: dict[str, Health], names: tuple[str, ...]) -> None:
    """Nor does an answer that goes by way of the region, however it is spelled."""
    assert moved(a_group(), a_region("west"), health, an_answer(*names), NOW) is None


@pytest.mark.parametrize(
    ("condition", "kind"), [(Condition.FIRED, Kind.FIRED), (Condition.RESOLVED, Kind.RESOLVED)]
)
def test_an_alert_speaks_of_the_endpoints_that_it_names(condition: Condition, kind: Kind) -> None:
    """In whatever casing; endpoints of other profiles are left out."""
    alert = Alert(
        id="a-1", rule="rule", profile_ids=(), endpoints=("WEST", "other", "east"), condition=condition,
        at=START,
    )  # fmt: skip
    west, east = alerted(alert, ("West", "east", "north"), NOW)
    assert west == Fact(
        kind=kind, at=START, heard=NOW, region="West", id="a-1", who="Azure Monitor",
        text=f"alert rule {condition.lower()} for West",
    )  # fmt: skip
    assert east.region == "east"


def test_an_alert_from_later_than_now_is_from_now() -> None:
    """Its clock is not ours: no incident begins after it was heard of."""
    alert = Alert(
        id="a-1", rule="rule", profile_ids=(), endpoints=("west",), condition=Condition.FIRED,
        at=NOW + timedelta(minutes=9),
    )  # fmt: skip
    (fact,) = alerted(alert, ("west",), NOW)
    assert fact.at == NOW


def test_a_note_and_open_subjects() -> None:
    """What happened is kept as it was said; what is resolved is open no more."""
    assert noted(START, NOW, "ada", "said", region="west") == Fact(
        kind=Kind.NOTE, at=START, heard=NOW, region="west", who="ada", text="said"
    )
    assert noted(START, NOW, "ada", "said").region == ""
    one = Incident(
        group=GROUP, topic=Topic.SERVICE, region="west", cause="", severity=Severity.MAJOR, started=START,
        detected=START,
    )  # fmt: skip
    over = msgspec.structs.replace(one, region="east", resolved=NOW)
    assert open_subjects((one, over)) == LIVE


def test_stopped_is_down() -> None:
    """Traffic Manager has taken it out as stopped, whatever our own look says."""
    (fact,) = facts(west=seen(STOPPED), east=WELL)
    assert (fact.claim, fact.cause) == (Claim.BAD, Cause.STOPPED)


def test_whose_devices_traffic_manager_does_not_move() -> None:
    """An endpoint that is always served is answered although it fails: the fact says so, and what to do."""
    group = a_group("west", "east")
    west = an_endpoint("west", status=MonitorStatus.UNMONITORED, always_serve=True)
    profile = msgspec.structs.replace(group.profile, endpoints=(west, an_endpoint("east")))
    group = msgspec.structs.replace(group, profile=profile)
    health = {"west": seen(MonitorStatus.UNMONITORED, MUTE), "east": WELL}
    (fact,) = looks(group, health, classify(group, health), live=frozenset(), now=NOW)
    assert fact.stays.startswith("traffic will not move: west is always served (alwaysServe)")
    assert "disable the endpoint west" in fact.stays
    assert fact.cause == Cause.ONE_REGION
    (plain,) = facts(west=DOWN, east=WELL)
    assert plain.stays == ""

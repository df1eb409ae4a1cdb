"""May this drill be? Each rule's answers, and the words with which they refuse: a person acts on them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from shared.disruption.model import Kind, Permit
from shared.drills.model import PRACTICE, Answer, Open, Request, Rules, Seen, ServiceAnswer, Verdict
from shared.drills.preflight import RULES, Circumstances, Declared, Preflight, at_most, preflight, spared
from shared.drills.schedule import Calendar, dates, windows
from shared.groups.model import Endpoint, Health, MonitorStatus, NameAnswer, ScepProof, State
from tests.builders import a_group, a_health, a_permit, a_profile, an_endpoint, host
from tests.fakes.clock import START

PASSED, WARNED, REFUSED = Verdict.PASSED, Verdict.WARNED, Verdict.REFUSED
DEGRADED, UNMONITORED = MonitorStatus.DEGRADED, MonitorStatus.UNMONITORED
FQDN = a_profile().fqdn
TODAY = f"{START:%a}"  # at noon


def proved(ca: str = "0123456789abcdef") -> Health:
    return a_health(scep=ScepProof(at=START, ca_sha256=ca))


def leads(*names: str, problem: str = "", addresses: tuple[str, ...] = ("192.0.2.1",)) -> NameAnswer:
    return NameAnswer(at=START, names=names, addresses=addresses, problem=problem)


def seen(
    *endpoints: Endpoint,
    health: dict[str, Health] | None = None,
    incidents: tuple[Open, ...] = (),
    unsettled: str = "",
    **profile: Any,
) -> Seen:
    group = a_group()
    group = msgspec.structs.replace(group, profile=a_profile(*endpoints, **profile))
    return Seen(
        group=group,
        health=health or {"west": proved(), "east": proved()},
        incidents=incidents,
        unsettled=unsettled,
        at=START,
    )


def asked(region: str = "west", *, observe: int = 300, by: str = "ada") -> Request:
    return Request(
        group="g", region=region, observe_seconds=observe, target_rto_seconds=120, reason="", by=by
    )


def at(**changes: object) -> Circumstances:
    """A pair that may be drilled: every rule passes, unless something is changed."""
    plain = Circumstances(
        asked=asked(),
        seen=seen(),
        id="",
        permit=None,
        running="",
        service="scep.contoso.com",
        names={"system": leads("scep.contoso.com", FQDN, host("west"))},
        through=ServiceAnswer(at=START, address="192.0.2.1"),
        scep=True,
        audit_only=False,
        calendar=Calendar(),
        declared=Declared(load=(("scepman", 100.0),), capacity=(("east", 10.0),)),
        now=START,
    )
    return msgspec.structs.replace(plain, **changes)


def said(rule: str, where: Circumstances) -> Answer:
    return next(answer for answer in preflight(where).answers if answer.rule == rule)


def test_every_rule_is_asked_and_answers_with_a_reason() -> None:
    """Also when all is well: a person sees what was looked at."""
    found = preflight(at())
    assert [answer.rule for answer in found.answers] == list(RULES)
    assert {answer.verdict for answer in found.answers} == {PASSED}
    assert found.allowed
    assert found.refusals == ()
    assert {answer.rule: answer.reason for answer in found.answers} == {
        "region": "west is enabled and Online",
        "one-at-a-time": "no other drill of this group is under way",
        "permit": "east healthy",
        "incidents": "none is open",
        "blocked": "the drill touches no blocked window and no blocked date",
        "allowed": "no windows are set: always",
        "survivors": "east healthy",
        "authority": "all regions prove CA 0123456789ab",
        "capacity": "100 requests a minute, and east can serve 200",
        "dns": "time to live 60 s",
        "resolvers": "scep.contoso.com resolves at system",
        "service": "a device is served through scep.contoso.com",
        "settings": "the regions agree",
        "routing": "with Performance routing the others are answered: east",
    }


WEST, EAST, NORTH = an_endpoint("west"), an_endpoint("east"), an_endpoint("north")


def weak(state: State, **changes: object) -> Health:
    return msgspec.structs.replace(a_health(state, scep=proved().scep), **changes)


def practised(**changes: object) -> Circumstances:
    return at(asked=asked(by=PRACTICE), **changes)


@pytest.mark.parametrize(
    ("rule", "verdict", "where", "words"),
    [
        ("region", REFUSED, lambda: at(asked=asked("south")), "south is no region of scepman"),
        ("region", PASSED, lambda: at(asked=asked("WEST")), "west is enabled"),
        ("region", REFUSED, lambda: at(seen=seen(enabled=False)), "the profile is disabled"),
        (
            "region",
            REFUSED,
            lambda: at(seen=seen(an_endpoint("west", enabled=False), EAST)),
            "west is disabled already",
        ),
        (
            "region",
            REFUSED,
            lambda: at(seen=seen(an_endpoint("west", status=DEGRADED), EAST)),
            "Traffic Manager says Degraded for west: nothing would be lost with it",
        ),
        ("region", PASSED, lambda: at(seen=seen(an_endpoint("west", status=UNMONITORED), EAST)), "west is"),
        ("one-at-a-time", REFUSED, lambda: at(running="d-1"), "drill d-1 is not over"),
        ("one-at-a-time", REFUSED, lambda: at(running="d-1", id="d-2"), "drill d-1 is not over"),
        ("one-at-a-time", PASSED, lambda: at(running="d-1", id="d-1"), "no other drill"),
        ("permit", REFUSED, lambda: at(audit_only=True), "COUNTERPART_AUDIT_ONLY"),
        ("permit", REFUSED, lambda: at(permit=a_permit("east")), "east is being disturbed"),
        ("permit", REFUSED, lambda: at(permit=a_permit("east"), id="other"), "east is being disturbed"),
        ("permit", PASSED, lambda: at(permit=a_permit("east"), id="work"), "east healthy"),
        ("permit", REFUSED, lambda: at(permit=a_permit("east", work="")), "east is being disturbed"),
        (
            "permit",
            REFUSED,
            lambda: at(seen=seen(health={"west": proved(), "east": a_health(State.UNKNOWN)})),
            "west may be the last region serving scepman",
        ),
        ("permit", PASSED, lambda: at(asked=asked("WEST")), "east healthy"),
        (
            "permit",
            REFUSED,
            lambda: at(now=START + timedelta(minutes=1)),
            "not seen since",
        ),
        (
            "incidents",
            REFUSED,
            lambda: at(seen=seen(incidents=(Open("west", "one"), Open("", "two")))),
            "one; two",
        ),
        (
            "blocked",
            REFUSED,
            lambda: at(calendar=Calendar(blocked_dates=dates("2026-01-01..2027-01-01"))),
            "is blocked",
        ),
        (
            "allowed",
            REFUSED,
            lambda: at(calendar=Calendar(allowed=windows(f"{TODAY}-03:00-03:01"))),
            "does not lie inside",
        ),
        (
            "allowed",
            PASSED,
            lambda: at(calendar=Calendar(allowed=windows(f"{TODAY}-11:00-13:00"))),
            "inside an allowed window",
        ),
        ("survivors", REFUSED, lambda: at(seen=seen(WEST)), "no other endpoint is enabled"),
        (
            "survivors",
            REFUSED,
            lambda: at(seen=seen(WEST, an_endpoint("east", enabled=False))),
            "no other endpoint is enabled",
        ),
        (
            "survivors",
            REFUSED,
            lambda: at(seen=seen(WEST, an_endpoint("east", status=DEGRADED), NORTH)),
            "Traffic Manager says Degraded for east; north targets no web app, so its health is not known",
        ),
        (
            "survivors",
            REFUSED,
            lambda: at(seen=seen(health={"west": proved(), "east": weak(State.UNKNOWN)})),
            "east is unknown: a test says unknown",
        ),
        (
            "survivors",
            PASSED,
            lambda: at(
                seen=seen(WEST, EAST, NORTH, health={name: proved() for name in ("west", "east", "north")})
            ),
            "east, north healthy",
        ),
        ("authority", PASSED, lambda: at(scep=False), "no SCEP servers"),
        (
            "authority",
            REFUSED,
            lambda: at(
                seen=seen(
                    health={
                        "west": a_health(),
                        "east": a_health(scep=ScepProof(at=START, problem="GetCACert answered 500")),
                    }
                )
            ),
            "east: GetCACert answered 500; west: no SCEP proof yet",
        ),
        (
            "authority",
            REFUSED,
            lambda: at(seen=seen(health={"west": proved("a"), "east": proved("b")})),
            "the regions prove different certificate authorities",
        ),
        (
            "authority",
            PASSED,
            lambda: at(seen=seen(health={"west": proved("a"), "east": proved("a"), "gone": proved("b")})),
            "all regions prove CA a",
        ),
        (
            "capacity",
            WARNED,
            lambda: at(declared=Declared()),
            "not declared: the load and the capacity of east",
        ),
        ("capacity", WARNED, lambda: at(declared=Declared(capacity=(("east", 1.0),))), "declared: the load;"),
        (
            "capacity",
            WARNED,
            lambda: at(declared=Declared(load=(("scepman", 1.0),))),
            "declared: the capacity of east;",
        ),
        ("capacity", REFUSED, lambda: practised(declared=Declared()), "nobody watches a practice run"),
        ("capacity", PASSED, practised, "east can serve 200"),
        (
            "capacity",
            REFUSED,
            lambda: at(declared=Declared(load=(("scepman", 201.0),), capacity=(("east", 10.0),))),
            "201 requests a minute, and east can serve 200: too few",
        ),
        (
            "capacity",
            PASSED,
            lambda: at(declared=Declared(load=(("scepman", 200.0),), capacity=(("east", 10.0),))),
            "east can serve 200",
        ),
        (
            "capacity",
            PASSED,
            lambda: at(
                seen=seen(WEST, EAST, NORTH),
                declared=Declared(load=(("SCEPMAN", 300.0),), capacity=(("East", 10.0), ("north", 5.0))),
            ),
            "300 requests a minute, and east, north can serve 300",
        ),
        (
            "capacity",
            REFUSED,
            lambda: at(
                declared=Declared(load=(("scepman", 21.0),), capacity=(("east", 10.0), ("scepman/east", 1.0)))
            ),
            "21 requests a minute, and east can serve 20: too few",
        ),
        ("dns", REFUSED, lambda: at(seen=seen(fqdn="")), "the profile has no DNS name"),
        ("dns", WARNED, lambda: at(seen=seen(ttl=0)), "time to live is 0 s"),
        (
            "dns",
            WARNED,
            lambda: at(asked=asked(observe=59)),
            "too short to see the recovery: 1 min is predicted, and 59 s would be observed",
        ),
        ("dns", PASSED, lambda: at(asked=asked(observe=60)), "time to live 60 s"),
        ("resolvers", REFUSED, lambda: at(names={}), "no resolver is configured"),
        (
            "resolvers",
            REFUSED,
            lambda: at(names={"a": leads(problem="timed out"), "b": leads(FQDN, addresses=())}),
            "a: timed out; b: scep.contoso.com has no address",
        ),
        (
            "resolvers",
            REFUSED,
            lambda: at(names={"a": leads(host("west"))}),
            f"a: scep.contoso.com does not lead by way of {FQDN}",
        ),
        (
            "resolvers",
            PASSED,
            lambda: at(service=FQDN.upper(), names={"a": leads(host("west")), "b": leads(host("east"))}),
            "resolves at a, b",
        ),
        (
            "resolvers",
            WARNED,
            lambda: at(names={"a": leads(FQDN, host("east"))}),
            "no resolver is led to west just now",
        ),
        (
            "service",
            REFUSED,
            lambda: at(through=ServiceAnswer(at=START, problem="GetCACert answered 503")),
            "a device is not served through scep.contoso.com: GetCACert answered 503",
        ),
        (
            "service",
            REFUSED,
            lambda: at(service=FQDN.upper(), through=ServiceAnswer(at=START, problem="no")),
            "COUNTERPART_SERVICE_HOSTS",
        ),
        ("settings", REFUSED, lambda: at(seen=seen(unsettled="a change soaks")), "a change soaks: a drill"),
        (
            "routing",
            REFUSED,
            lambda: at(seen=seen(routing="Geographic")),
            "with Geographic routing, some devices may be answered by west only",
        ),
        ("routing", PASSED, lambda: at(seen=seen(routing="Weighted")), "with Weighted routing"),
        (
            "routing",
            WARNED,
            lambda: at(seen=seen(WEST, an_endpoint("east", status=UNMONITORED))),
            "a surviving endpoint is always served",
        ),
        (
            "routing",
            WARNED,
            lambda: at(
                seen=seen(
                    an_endpoint("west", priority=3),
                    an_endpoint("east", priority=2),
                    an_endpoint("north", priority=1),
                    routing="Priority",
                )
            ),
            "east, north comes before west: no device would notice the drill",
        ),
        (
            "routing",
            PASSED,
            lambda: at(
                seen=seen(
                    an_endpoint("west", priority=1), an_endpoint("east", priority=2), routing="Priority"
                )
            ),
            "with Priority routing",
        ),
        (
            "routing",
            PASSED,
            lambda: at(seen=seen(routing="Priority")),
            "with Priority routing",
        ),
        (
            "routing",
            PASSED,
            lambda: at(seen=seen(an_endpoint("west", priority=3), an_endpoint("east", priority=2))),
            "with Performance routing",
        ),
    ],
)
def test_what_a_rule_says(
    rule: str, verdict: Verdict, where: Callable[[], Circumstances], words: str
) -> None:
    """Which verdict, and what a person reads."""
    found = said(rule, where())
    assert words in found.reason
    assert found.verdict is verdict


def test_only_the_name_that_is_traffic_managers_own_asks_for_another() -> None:
    """With a name of its own in front, the hint would lead astray."""
    found = said("service", at(through=ServiceAnswer(at=START, problem="no")))
    assert found.reason == "a device is not served through scep.contoso.com: no"


def test_the_drills_whole_observation_must_be_free() -> None:
    """A window that begins a second before its end is touched; one that begins at its end is not."""
    for observe, verdict in ((3601, REFUSED), (3600, PASSED)):
        calendar = Calendar(blocked=windows(f"{TODAY}-13:00-14:00"))
        assert said("blocked", at(asked=asked(observe=observe), calendar=calendar)).verdict is verdict
        calendar = Calendar(allowed=windows(f"{TODAY}-12:00-13:00"))
        assert said("allowed", at(asked=asked(observe=observe), calendar=calendar)).verdict is verdict


def test_one_refusal_forbids_and_all_are_told() -> None:
    """A warning does not forbid."""
    warned = preflight(at(seen=seen(ttl=0)))
    assert warned.allowed
    assert spared(warned.answers) == ""
    both = preflight(at(running="d-1", seen=seen(unsettled="why")))
    assert not both.allowed
    assert [refusal.rule for refusal in both.refusals] == ["one-at-a-time", "settings"]
    assert spared(both.answers) == (
        "one-at-a-time: drill d-1 is not over; "
        "settings: why: a drill onto a region with other settings proves nothing"
    )
    assert Preflight(()).allowed


def test_a_permit_lasts_for_all_that_a_drill_may_take() -> None:
    """To begin, to observe, to give back, and to see that it is back."""
    rules = Rules(start_within=1, restore_within=20, verify_within=300)
    assert at_most(4000, rules) == timedelta(seconds=4321)


def test_a_drills_own_permit_is_known_by_its_id() -> None:
    """Without an id it is a new one, and whoever holds the permit stands in its way."""
    new = Permit(
        id="new", kind=Kind.DRILL, region="west", granted_at=START, until=START + timedelta(1), reason=""
    )
    assert said("permit", at(permit=new)).verdict is PASSED
    assert said("permit", at(permit=new, id="d-1")).verdict is REFUSED
    assert said("permit", at(asked=asked("south"))).reason == "south is not a region of scepman"

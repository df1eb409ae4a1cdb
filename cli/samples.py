"""Sample incidents and the cards that the product makes of them: what the documents show and the tests compare.

Every card here is made by the product's own code from facts as it would have them; only names and times are made up.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from shared.cards import Card
from shared.drills.card import drill_card
from shared.drills.model import Answer, Drill, Predicted, Sample, Verdict
from shared.drills.model import State as DrillState
from shared.fleet import failing
from shared.groups.model import Cause
from shared.incidents.card import incident_card
from shared.incidents.model import (
    EXHAUSTED,
    HELD,
    PACKAGE_SETTING,
    UNTRUSTED,
    Claim,
    Fact,
    Incident,
    Kind,
    Ledger,
    Severity,
    Telling,
    Topic,
)
from shared.incidents.transitions import Rules, advance, incidents
from shared.outbox import Letter, digest

BASE_URL: Final = "https://func-counterpart.azurewebsites.net"
BEGAN: Final = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
GROUP_ID: Final = (
    "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/rg-scepman/providers"
    "/Microsoft.Network/trafficManagerProfiles/scepman"
)
DOWN: Final = (
    "neu: at 12:00:58 UTC the probe answered 200; SCEP proves CA 9f2c4e1ab0d7; Traffic Manager says Online",
    "weu: at 12:01:00 UTC the probe answered 503; SCEP fails: GetCACaps answered 503; Traffic Manager says Degraded",
)
BOTH_DOWN: Final = (
    "neu: at 12:02:00 UTC the probe answered 503; SCEP fails: GetCACaps answered 503; Traffic Manager says Degraded",
    DOWN[1],
)


def at(seconds: float) -> datetime:
    """So many seconds after the sample's beginning."""
    return BEGAN + timedelta(seconds=seconds)


def look(
    claim: Claim,
    seconds: float,
    cause: str = Cause.ONE_REGION,
    *,
    severity: Severity = Severity.MAJOR,
    topic: Topic = Topic.SERVICE,
    region: str = "weu",
    text: str = "",
    evidence: Sequence[str] = (),
    id: str = "",  # noqa: A002 -- the fact's own field
) -> Fact:
    """Return what a look said."""
    return Fact(
        kind=Kind.LOOK,
        at=at(seconds),
        heard=at(seconds),
        topic=topic,
        region=region,
        claim=claim,
        cause=cause if claim in {Claim.BAD, Claim.SUSPECT} else "",
        severity=severity,
        id=id,
        who="Counterpart",
        text=text or f"{region} {claim}",
        evidence=tuple(evidence),
    )


def fired(seconds: float, heard: float) -> Fact:
    """An alert that fired, and when it came."""
    return Fact(
        kind=Kind.FIRED,
        at=at(seconds),
        heard=at(heard),
        region="weu",
        id="alert-1",
        who="Azure Monitor",
        text="alert endpoint-degraded fired for weu",
    )


def _moved(seconds: float) -> Fact:
    return Fact(
        kind=Kind.MOVED,
        at=at(seconds),
        heard=at(seconds),
        region="weu",
        who="DNS",
        text="scepman.trafficmanager.net leads to app-scepman-neu.azurewebsites.net, "
        "no longer to app-scepman-weu.azurewebsites.net",
    )


def _acknowledged(seconds: float) -> Fact:
    text = "acknowledged: looking at the plan"
    return Fact(
        kind=Kind.ACKNOWLEDGED,
        at=at(seconds),
        heard=at(seconds),
        region="weu",
        who="ada@contoso.com",
        text=text,
    )


def incident(*facts: Fact) -> Incident:
    """The one incident that follows, numbered."""
    ledger = advance(Ledger(group_id=GROUP_ID, group="scepman"), facts, at(0), Rules())
    (found,) = incidents(ledger, Rules())
    return found


_FAILS = look(
    Claim.BAD,
    60,
    text="weu fails: one region (the probe answered 503, and Traffic Manager says Degraded)",
    evidence=DOWN,
)
_ALL_FAIL = look(Claim.BAD, 120, Cause.SHARED, severity=Severity.CRITICAL, evidence=BOTH_DOWN)


def outage() -> Incident:
    """A region dies and comes back: the whole life."""
    well = look(Claim.WELL, 1505, text="weu is well: the probe answers and Traffic Manager says Online")
    return incident(fired(20, 75), _FAILS, _moved(90), _acknowledged(300), well)


def cards() -> dict[str, Card]:
    """Each kind of card, by the name of its picture."""

    def card(telling: Telling, *facts: Fact, siblings: Sequence[str] = (), decision: str = "") -> Card:
        made = incident(*facts)
        return incident_card(made, telling, base_url=BASE_URL, siblings=siblings, decision=decision)

    held = look(
        Claim.BAD,
        0,
        HELD,
        severity=Severity.MINOR,
        topic=Topic.SETTINGS,
        region="",
        id="3f0a11c2d4e5f607",
        evidence=("conflict: AppConfig:LicenseKey was changed in weu and in neu, to different values",),
    )
    exhausted = look(
        Claim.BAD,
        0,
        EXHAUSTED,
        severity=Severity.MINOR,
        topic=Topic.HOSTS,
        evidence=("the next restart of weu would take it down: github (prod) and vendor (prod) are down",),
    )
    untrusted = look(
        Claim.BAD,
        0,
        UNTRUSTED,
        severity=Severity.MINOR,
        topic=Topic.HOSTS,
        evidence=(
            (
                "the next restart of weu may take it down: github (prod, windows) is down: no answer within 10 s; "
                "vendor (prod, windows) answers since 2026-03-02 11:55:00 UTC and is relied on from "
                "2026-03-02 12:20:00 UTC on, if every check is good"
            ),
        ),
    )
    package = look(
        Claim.BAD,
        0,
        PACKAGE_SETTING,
        severity=Severity.MAJOR,
        topic=Topic.HOSTS,
        evidence=("weu cannot start: its package setting is not an https URL of a zip file",),
    )
    authority = look(
        Claim.BAD,
        0,
        Cause.AUTHORITY,
        severity=Severity.MINOR,
        topic=Topic.AUTHORITY,
        region="",
        evidence=(
            "neu: CA 51c07b3e9a44 (CN=SCEPman-Root-CA-V1), valid until 2035-02-28, public key 7d10aa3bc2f0",
            "weu: CA 9f2c4e1ab0d7 (CN=SCEPman-Root-CA-V1), valid until 2035-02-28, public key 1be48cd2a911",
            "the names are the same and the keys are not: two CAs of one name",
        ),
    )
    return {
        "opened": card(Telling.OPENED, fired(20, 75), _FAILS),
        "opened-unconfirmed": card(Telling.OPENED, fired(20, 75)),
        "opened-no-region-serves": card(Telling.OPENED, _ALL_FAIL, siblings=("neu",)),
        "escalated": card(Telling.ESCALATED_1, fired(20, 75), _FAILS, _ALL_FAIL, siblings=("neu",)),
        "mitigated": card(Telling.MITIGATED, fired(20, 75), _FAILS, _moved(90)),
        "resolved": incident_card(outage(), Telling.RESOLVED, base_url=BASE_URL),
        "held": card(Telling.HELD, held, decision="scepman-1a2b3c4d5e.3f0a11c2d4e5f607"),
        "package-setting": card(Telling.OPENED, package),
        "hosts-exhausted": card(Telling.OPENED, exhausted),
        "hosts-untrusted": card(Telling.OPENED, untrusted),
        "ca-mismatch": card(Telling.OPENED, authority),
        "rounds-fail": failing(GROUP_ID, "scepman", BEGAN).card,
        "digest": digest([_letter(number) for number in range(23)]),
        **drill_cards(),
    }


def drill_cards() -> dict[str, Card]:
    """Each kind of card of a drill, by the name of its picture."""
    begun = Drill(
        id="scepman-1a2b3c4d5e-drill-7",
        group_id=GROUP_ID,
        group="scepman",
        region="weu",
        regions=("weu", "neu"),
        resolvers=("system",),
        service="scep.contoso.com",
        observe_seconds=300,
        target_rto_seconds=120,
        predicted=Predicted(orderly=30.0, sudden=75.0, detection=45.0, ttl=30.0),
        preflight=(Answer("capacity", Verdict.WARNED, "not declared: the load and the capacity of neu"),),
        state=DrillState.ACCEPTED,
        reason="every rule of the preflight allows it",
        since=BEGAN,
        accepted_at=BEGAN,
        deadline=at(150),
        asked_by="ada@contoso.com",
        why="before the audit",
    )
    dns, served = "0" * 13 + "1" * 137, "0" * 15 + "1" * 135  # by region, every two seconds
    samples = [Sample(2.0 * turn, *pair) for turn, pair in enumerate(zip(dns, served, strict=True))]
    over = msgspec.structs.replace(
        begun,
        state=DrillState.SUCCEEDED,
        reason="recovered after 30 s, within the target of 2 min",
        drained_at=at(40),
        restoring_at=at(340),
        restored_at=at(341),
        online_at=at(352),
        ended_at=at(380),
        samples=tuple(samples),
    )
    refused = "Denied: Microsoft.Network/trafficManagerProfiles/azureEndpoints/write is missing"
    stuck = msgspec.structs.replace(
        over,
        state=DrillState.RESTORING,
        reason=f"weu could not be enabled and is tried again at every wake-up: {refused}",
        since=at(340),
        restored_at=None,
        ended_at=None,
    )
    return {
        "drill-started": drill_card(begun, "started", base_url=BASE_URL),
        "drill-finished": drill_card(over, "finished", earlier=(31.0, 29.0, 33.0), base_url=BASE_URL),
        "drill-stuck": drill_card(stuck, "stuck", base_url=BASE_URL),
    }


def _letter(number: int) -> Letter:
    made = msgspec.structs.replace(
        incident(_FAILS), group=f"scepman-{number:02}", id=f"scepman-{number:02}-1"
    )
    card = incident_card(made, Telling.OPENED, base_url=BASE_URL)
    return Letter(
        id=f"{made.id}.opened",
        channel="teams",
        kind="incident.opened",
        subject=made.id,
        at=at(60 + number),
        card=card,
        facts=msgspec.Raw(b"{}"),
        posted_at=at(60),
        next_at=at(60),
    )

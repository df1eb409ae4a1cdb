"""Facts with plausible fields, at minutes after the tests' start: `bad(1)`, `fired(2, heard=4)`."""

from datetime import datetime, timedelta

from shared.groups.model import Cause
from shared.incidents.model import Claim, Fact, Kind, Ledger, Severity, Topic
from shared.incidents.transitions import Rules
from tests.builders import GROUP, a_profile
from tests.fakes.clock import START

RULES = Rules()


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def a_ledger(*facts: Fact) -> Ledger:
    return Ledger(group_id=a_profile().id, group=GROUP, facts=facts)


def look(
    claim: Claim,
    minutes: float,
    *,
    region: str = "west",
    cause: str = Cause.ONE_REGION,
    severity: Severity = Severity.MAJOR,
    topic: Topic = Topic.SERVICE,
    evidence: tuple[str, ...] = (),
) -> Fact:
    trouble = claim in {Claim.BAD, Claim.SUSPECT}
    return Fact(
        kind=Kind.LOOK,
        at=at(minutes),
        heard=at(minutes),
        topic=topic,
        region=region,
        claim=claim,
        cause=cause if trouble else "",
        severity=severity if trouble else Severity.MINOR,
        who="Counterpart",
        text=f"{region or 'the group'} is {claim}",
        evidence=evidence,
    )


def bad(minutes: float, **changes: object) -> Fact:
    return look(Claim.BAD, minutes, **changes)  # type: ignore[arg-type]


def suspect(minutes: float, **changes: object) -> Fact:
    return look(Claim.SUSPECT, minutes, **changes)  # type: ignore[arg-type]


def well(minutes: float, **changes: object) -> Fact:
    return look(Claim.WELL, minutes, **changes)  # type: ignore[arg-type]


def out(minutes: float, **changes: object) -> Fact:
    return look(Claim.OUT, minutes, **changes)  # type: ignore[arg-type]


def fired(
    minutes: float, *, heard: float | None = None, region: str = "west", alert: str = "alert-1"
) -> Fact:
    return _signal(Kind.FIRED, minutes, heard, region, alert)


def over(minutes: float, *, heard: float | None = None, region: str = "west", alert: str = "alert-1") -> Fact:
    return _signal(Kind.RESOLVED, minutes, heard, region, alert)


def _signal(kind: Kind, minutes: float, heard: float | None, region: str, alert: str) -> Fact:
    known = at(minutes if heard is None else heard)
    text = f"alert {alert} {kind}"
    return Fact(
        kind=kind, at=at(minutes), heard=known, region=region, id=alert, who="Azure Monitor", text=text
    )


def moved(minutes: float, *, region: str = "west") -> Fact:
    text = f"DNS no longer answers {region}"
    return Fact(kind=Kind.MOVED, at=at(minutes), heard=at(minutes), region=region, who="DNS", text=text)


def waits(minutes: float, *, region: str = "west", plan: str = "3f0a") -> Fact:
    text = "settings are contained"
    return Fact(
        kind=Kind.WAITS,
        at=at(minutes),
        heard=at(minutes),
        region=region,
        id=plan,
        who="Counterpart",
        text=text,
    )


def acked(minutes: float, *, region: str = "west", who: str = "ada") -> Fact:
    return Fact(
        kind=Kind.ACKNOWLEDGED,
        at=at(minutes),
        heard=at(minutes),
        region=region,
        who=who,
        text="acknowledged",
    )


def note(minutes: float, text: str, *, region: str = "") -> Fact:
    return Fact(kind=Kind.NOTE, at=at(minutes), heard=at(minutes), region=region, who="somebody", text=text)

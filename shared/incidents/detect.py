"""Observations, alerts and actions as facts for the incident log. Pure.

A region that is well makes a fact only while it has an open incident: what is well and was well is not written down
every minute.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

import msgspec

from shared.events.azure_monitor import Alert, Condition
from shared.groups.classify import TROUBLED, authorities, proved_one, standings
from shared.groups.model import (
    Cause,
    Finding,
    Group,
    Health,
    MonitorStatus,
    NameAnswer,
    Region,
    Standing,
)
from shared.groups.routing import stays
from shared.incidents.explain import cause_name
from shared.incidents.model import Change, Claim, Fact, Incident, Kind, Severity, Topic
from shared.incidents.transitions import Subject

US = "Counterpart"
# From a change to the failure that it brought: a restart and the first looks.
SAME_MINUTES = timedelta(minutes=10)
SEEN_LATE = timedelta(seconds=90)  # an event and a round later than the failure
_ANSWERED = frozenset({MonitorStatus.ONLINE, MonitorStatus.UNMONITORED, MonitorStatus.CHECKING})
_CLAIMS = {
    Standing.SERVING: Claim.WELL,
    Standing.FAILING: Claim.SUSPECT,
    Standing.DOWN: Claim.BAD,
    Standing.OUT: Claim.OUT,
}


def open_subjects(incidents: Iterable[Incident]) -> frozenset[Subject]:
    """Return what has an open incident."""
    return frozenset((incident.topic, incident.region) for incident in incidents if incident.open)


def broke(changes: Iterable[Change], recent: Iterable[Incident], now: datetime) -> dict[str, str]:
    """Return which changes may have broken their regions: those seen in the minutes before each region failed.

    Args:
        changes: those that only one region has.
        recent: incidents, of which the open ones say since when a region fails; another one fails just now.
        now: the time of the look.
    """
    began = {
        incident.region: incident.started
        for incident in recent
        if incident.open and incident.topic is Topic.SERVICE
    }
    return {
        change.region: change.text
        for change in changes
        if -SEEN_LATE <= began.get(change.region, now) - change.at <= SAME_MINUTES
    }


def waits(
    incident: Incident, since: datetime, now: datetime, text: str, id_: str, evidence: Sequence[str]
) -> Fact:
    """The settings change that broke a region waits for a person, which is no incident of its own."""
    return Fact(
        kind=Kind.WAITS,
        at=max(since, incident.started),
        heard=now,
        region=incident.region,
        id=id_,
        who=US,
        text=text,
        evidence=tuple(evidence),
    )


def looks(
    group: Group,
    health: Mapping[str, Health],
    findings: Mapping[str, Finding],
    *,
    live: AbstractSet[Subject],
    disturbed: Collection[str] = (),
    rehearsed: Collection[str] = (),
    now: datetime,
) -> tuple[Fact, ...]:
    """Return what a look at the regions says.

    Args:
        group: the group, for its endpoints.
        health: every region's.
        findings: of `classify`, for the regions in trouble.
        live: subjects with an open incident.
        disturbed: regions that we are restarting just now: that they stumble is expected, that they fall is not.
        rehearsed: regions that we keep out of DNS, in a drill or as failback hold: nothing is said of them.
        now: the time of the look.
    """
    stand = standings(group, health)
    facts: list[Fact] = []
    for name in (name for name in health if name not in rehearsed):
        claim = _CLAIMS.get(stand[name])
        live_here = (Topic.SERVICE, name) in live
        if claim is None or (claim is Claim.SUSPECT and name in disturbed and not live_here):
            continue
        if claim in {Claim.WELL, Claim.OUT}:
            # Who takes a failing region out has not repaired it: its incident goes on until it answers again.
            if live_here and not (claim is Claim.OUT and _is_silent(health[name])):
                facts.append(_calm(name, claim, health[name].reason, now))
            continue
        fact = _trouble(name, claim, stand, health, findings[name], now)
        why = stays(group.profile, name)
        facts.append(msgspec.structs.replace(fact, stays=str(why)) if why else fact)
    facts += _left(group, live, now)
    facts += _one_authority(health, live, now)
    return tuple(facts)


def _is_silent(health: Health) -> bool:
    """Return whether the app itself fails, by our own probe."""
    return health.probe is not None and not health.probe.ok


def _trouble(
    name: str,
    claim: Claim,
    stand: Mapping[str, Standing],
    health: Mapping[str, Health],
    finding: Finding,
    now: datetime,
) -> Fact:
    what = "fails" if claim is Claim.BAD else "may fail"
    return Fact(
        kind=Kind.LOOK,
        at=now,
        heard=now,
        region=name,
        claim=claim,
        cause=finding.cause,
        severity=_severity(name, stand, health, finding),
        who=US,
        text=f"{name} {what}: {cause_name(finding.cause)} ({health[name].reason})",
        evidence=finding.evidence,
    )


def _severity(
    name: str, stand: Mapping[str, Standing], health: Mapping[str, Health], finding: Finding
) -> Severity:
    """1 when no other region may be serving; 3 when only we see it, in all regions alike; else 2."""
    if any(
        standing not in TROUBLED and standing is not Standing.OUT
        for other, standing in stand.items()
        if other != name
    ):
        return Severity.MAJOR
    blind = finding.cause is Cause.UNKNOWN and all(item.monitor in _ANSWERED for item in health.values())
    return Severity.MINOR if blind and len(health) > 1 else Severity.CRITICAL


def _calm(name: str, claim: Claim, reason: str, now: datetime) -> Fact:
    what = "is well" if claim is Claim.WELL else "is out of service on purpose"
    return Fact(
        kind=Kind.LOOK,
        at=now,
        heard=now,
        region=name,
        claim=claim,
        who=US,
        text=f"{name} {what}: {reason}",
    )


def _left(group: Group, live: AbstractSet[Subject], now: datetime) -> Iterable[Fact]:
    """Regions with an open incident that are no regions any more."""
    for topic, name in sorted(live):
        here = group.region(name) is not None or name in group.missing
        if topic is Topic.SERVICE and name and not here:
            yield _calm(name, Claim.OUT, f"no endpoint of {group.name} leads there any more", now)


def _one_authority(health: Mapping[str, Health], live: AbstractSet[Subject], now: datetime) -> Iterable[Fact]:
    finding = authorities(health)
    if finding is not None:
        yield matter(
            Topic.AUTHORITY,
            since=now,
            now=now,
            cause=Cause.AUTHORITY,
            text="the regions prove different certificate authorities",
            evidence=finding.evidence,
        )
    elif (Topic.AUTHORITY, "") in live and proved_one(health):
        # As old as its oldest proof: what was proved before the regions differed does not end that they do.
        since = min(item.scep.at for item in health.values() if item.scep is not None and item.scep.ok)
        yield matter(Topic.AUTHORITY, since=since, now=now, text="all regions prove the same CA")


def matter(
    topic: Topic,
    *,
    since: datetime,
    now: datetime,
    text: str,
    cause: str = "",
    id: str = "",  # noqa: A002 -- the fact's own field
    region: str = "",
    evidence: Sequence[str] = (),
    severity: Severity = Severity.MINOR,
) -> Fact:
    """Something that is no region's health: with a cause it is so since then, without one it is over since then.

    The same matter since the same time is the same fact, however often it is said.
    """
    return Fact(
        kind=Kind.LOOK,
        at=since,
        heard=now,
        topic=topic,
        region=region,
        claim=Claim.BAD if cause else Claim.WELL,
        cause=cause,
        severity=severity,
        id=id,
        who=US,
        text=text,
        evidence=tuple(evidence),
    )


def moved(
    group: Group, region: Region, health: Mapping[str, Health], answer: NameAnswer, now: datetime
) -> Fact | None:
    """Return that DNS no longer answers a region, if both Traffic Manager and the name itself say so.

    One answer without the region proves little while Traffic Manager still answers with it: it answers with one
    region at a time.
    """
    its = health.get(region.name)
    if its is None or its.monitor in _ANSWERED or not answer.names or answer.leads_to(region.host):
        return None
    if not any(item.monitor in _ANSWERED for name, item in health.items() if name != region.name):
        return None  # all are degraded, so all are answered
    return Fact(
        kind=Kind.MOVED,
        at=now,
        heard=now,
        region=region.name,
        who="DNS",
        text=f"{group.profile.fqdn} leads to {answer.names[-1]}, no longer to {region.host}",
    )


def alerted(alert: Alert, endpoints: Iterable[str], heard: datetime) -> tuple[Fact, ...]:
    """Return what an alert says of these endpoints of its profile. Others that it names are left out."""
    named = {endpoint.lower(): endpoint for endpoint in endpoints}
    kind = Kind.FIRED if alert.condition is Condition.FIRED else Kind.RESOLVED
    return tuple(
        Fact(
            kind=kind,
            at=min(alert.at, heard),  # by its clock; nothing began later than it was heard of
            heard=heard,
            region=named[endpoint.lower()],
            id=alert.id,
            who="Azure Monitor",
            text=f"alert {alert.rule} {alert.condition.lower()} for {named[endpoint.lower()]}",
        )
        for endpoint in alert.endpoints
        if endpoint.lower() in named
    )


def noted(at: datetime, heard: datetime, who: str, text: str, *, region: str = "") -> Fact:
    """Something that happened, for the timelines of the incidents around it."""
    return Fact(kind=Kind.NOTE, at=at, heard=heard, region=region, who=who, text=text)

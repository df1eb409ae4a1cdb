"""May this drill be? Every rule is asked, and every answer returned with its reason. Pure.

Asked when a drill is wanted, and again right before its region is drained: what was so a minute ago counts
for nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from shared.disruption.model import Disruption, Kind, Permit
from shared.disruption.permit import AUDIT_ONLY, Denial, permit
from shared.drills.model import PRACTICE, Answer, Request, Rules, Seen, ServiceAnswer, Verdict
from shared.drills.predict import predict
from shared.drills.schedule import Calendar, why_not
from shared.groups.model import Endpoint, Health, MonitorStatus, NameAnswer, Region, State
from shared.groups.routing import ANSWERED, instead
from shared.words import LINE, clipped, spoken

PER_ACU: Final = 20.0  # SCEP requests a minute that one compute unit serves (facts: section 1.4)


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """Load and capacity as operators declare them: neither can be measured from outside."""

    load: tuple[tuple[str, float], ...] = ()  # group: SCEP requests a minute, at its busiest
    capacity: tuple[tuple[str, float], ...] = ()  # region, or group/region: compute units (ACU)

    def load_of(self, group: str) -> float | None:
        """A group's load."""
        return _named(self.load, group)

    def capacity_of(self, group: str, region: str) -> float | None:
        """A region's compute units."""
        own = _named(self.capacity, f"{group}/{region}")
        return _named(self.capacity, region) if own is None else own


def _named(entries: Iterable[tuple[str, float]], name: str) -> float | None:
    return next((number for known, number in entries if known.lower() == name.lower()), None)


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """All that the rules look at."""

    asked: Request
    seen: Seen
    id: str  # the drill's own, once it has one: its own permit and its own row are no hindrance
    permit: Permit | None
    running: str  # the id of the group's drill that is not over; empty: none
    service: str  # the host name that devices know
    names: Mapping[str, NameAnswer]  # by resolver: where the service's name leads
    through: ServiceAnswer  # what a device gets through that name
    scep: bool  # whether the apps are SCEP servers
    audit_only: bool  # whether Counterpart may only look
    calendar: Calendar
    declared: Declared
    now: datetime

    @property
    def region(self) -> Region | None:
        """The region that is to be drained."""
        return self.seen.group.region(self.asked.region)

    @property
    def endpoint(self) -> Endpoint | None:
        """Its endpoint."""
        wanted = self.asked.region.lower()
        return next(
            (endpoint for endpoint in self.seen.group.profile.endpoints if endpoint.name.lower() == wanted),
            None,
        )

    @property
    def survivors(self) -> tuple[Endpoint, ...]:
        """The other endpoints that are enabled."""
        wanted = self.asked.region.lower()
        return tuple(
            endpoint
            for endpoint in self.seen.group.profile.endpoints
            if endpoint.enabled and endpoint.name.lower() != wanted
        )

    @property
    def practice(self) -> bool:
        """Return whether the schedule asks, and nobody watches."""
        return self.asked.by == PRACTICE


class Preflight(msgspec.Struct, frozen=True):
    """All answers."""

    answers: tuple[Answer, ...]

    @property
    def refusals(self) -> tuple[Answer, ...]:
        """Those that forbid the drill."""
        return tuple(answer for answer in self.answers if answer.verdict is Verdict.REFUSED)

    @property
    def allowed(self) -> bool:
        """Return whether no rule forbids it."""
        return not self.refusals


type _Says = tuple[Verdict, str]


def preflight(at: Circumstances) -> Preflight:
    """Ask every rule."""
    said = {name: rule(at) for name, (rule, _) in RULES.items()}
    return Preflight(
        tuple(Answer(name, verdict, clipped(why, LINE)) for name, (verdict, why) in said.items())
    )


def spared(answers: Iterable[Answer]) -> str:
    """The refusals in one line."""
    return "; ".join(
        f"{answer.rule}: {answer.reason}" for answer in answers if answer.verdict is Verdict.REFUSED
    )


def at_most(observe_seconds: float, rules: Rules) -> timedelta:
    """Return how long a drill may keep its permit."""
    parts = (rules.start_within, observe_seconds, rules.restore_within, rules.verify_within)
    return timedelta(seconds=sum(parts))


def _passed(reason: str) -> _Says:
    return Verdict.PASSED, reason


def _warned(reason: str) -> _Says:
    return Verdict.WARNED, reason


def _refused(reason: str) -> _Says:
    return Verdict.REFUSED, reason


def _region(at: Circumstances) -> _Says:
    endpoint, profile = at.endpoint, at.seen.group.profile
    if endpoint is None or at.region is None:
        return _refused(f"{at.asked.region} is no region of {at.seen.group.name}")
    if not profile.enabled:
        return _refused("the profile is disabled: its name does not exist at all")
    if not endpoint.enabled:
        return _refused(f"{endpoint.name} is disabled already")
    if endpoint.status not in ANSWERED:
        return _refused(
            f"Traffic Manager says {endpoint.status} for {endpoint.name}: nothing would be lost with it"
        )
    return _passed(f"{endpoint.name} is enabled and {endpoint.status}")


def _one_at_a_time(at: Circumstances) -> _Says:
    if at.running and at.running != at.id:
        return _refused(f"drill {at.running} is not over")
    return _passed("no other drill of this group is under way")


def _permit(at: Circumstances) -> _Says:
    if at.audit_only:
        return _refused(AUDIT_ONLY)
    asked = Disruption(
        id=at.id or "new",
        kind=Kind.DRILL,
        group=at.seen.group.name,
        region=at.endpoint.name if at.endpoint else at.asked.region,
        at_most=timedelta(0),
        profile=at.seen.group.profile,
    )
    answer = permit(asked, at.seen.health, at.permit, at.now)
    return _refused(answer.reason) if isinstance(answer, Denial) else _passed(answer.permit.reason)


def _incidents(at: Circumstances) -> _Says:
    if at.seen.incidents:
        return _refused("; ".join(incident.text for incident in at.seen.incidents))
    return _passed("none is open")


def _blocked(at: Circumstances) -> _Says:
    blocked, _ = why_not(at.calendar, *_span(at))
    return (
        _refused(blocked) if blocked else _passed("the drill touches no blocked window and no blocked date")
    )


def _allowed(at: Circumstances) -> _Says:
    _, outside = why_not(at.calendar, *_span(at))
    if outside:
        return _refused(outside)
    return _passed("inside an allowed window" if at.calendar.allowed else "no windows are set: always")


def _span(at: Circumstances) -> tuple[datetime, datetime]:
    return at.now, at.now + timedelta(seconds=at.asked.observe_seconds)


def _survivors(at: Circumstances) -> _Says:
    if not at.survivors:
        return _refused("no other endpoint is enabled")
    wrong = []
    for survivor in at.survivors:
        health = at.seen.health.get(survivor.name)
        if survivor.status not in ANSWERED:
            wrong.append(f"Traffic Manager says {survivor.status} for {survivor.name}")
        elif health is None:
            wrong.append(f"{survivor.name} targets no web app, so its health is not known")
        elif health.state is not State.HEALTHY:
            wrong.append(f"{survivor.name} is {health.state}: {health.reason}")
    if wrong:
        return _refused("; ".join(wrong))
    return _passed(f"{', '.join(survivor.name for survivor in at.survivors)} healthy")


def _authority(at: Circumstances) -> _Says:
    if not at.scep:
        return _passed("the apps are no SCEP servers")
    wrong = [f"{name}: {_unproved(health)}" for name, health in _concerned(at).items() if _unproved(health)]
    if wrong:
        return _refused("; ".join(wrong))
    proved = {health.scep.ca_sha256 for health in _concerned(at).values() if health.scep is not None}
    if len(proved) != 1:
        return _refused("the regions prove different certificate authorities")
    return _passed(f"all regions prove CA {proved.pop()[:12]}")


def _concerned(at: Circumstances) -> dict[str, Health]:
    names = {survivor.name for survivor in at.survivors} | {at.endpoint.name if at.endpoint else ""}
    return {name: health for name, health in sorted(at.seen.health.items()) if name in names}


def _unproved(health: Health) -> str:
    return "no SCEP proof yet" if health.scep is None else health.scep.problem


def _capacity(at: Circumstances) -> _Says:
    group = at.seen.group.name
    load = at.declared.load_of(group)
    units = {survivor.name: at.declared.capacity_of(group, survivor.name) for survivor in at.survivors}
    unknown = [name for name, seconds in units.items() if seconds is None]
    if load is None or unknown:
        what = [*(["the load"] if load is None else []), *(f"the capacity of {name}" for name in unknown)]
        said = f"not declared: {' and '.join(what)}; so whether the others can carry it all is not known"
        return _refused(f"{said}; nobody watches a practice run") if at.practice else _warned(said)
    can = sum(unit for unit in units.values() if unit is not None) * PER_ACU
    told = f"{load:g} requests a minute, and {', '.join(units)} can serve {can:g}"
    return _refused(f"{told}: too few") if can < load else _passed(told)


def _dns(at: Circumstances) -> _Says:
    profile = at.seen.group.profile
    if not profile.fqdn:
        return _refused("the profile has no DNS name")
    expected = predict(profile).orderly
    if profile.ttl == 0:
        return _warned("the profile's time to live is 0 s, or Azure does not say it")
    if at.asked.observe_seconds < expected:
        took = f"{spoken(expected)} is predicted, and {spoken(at.asked.observe_seconds)} would be observed"
        return _warned(f"too short to see the recovery: {took}")
    return _passed(f"time to live {profile.ttl} s")


def _resolvers(at: Circumstances) -> _Says:
    if not at.names:
        return _refused("no resolver is configured")
    fqdn = at.seen.group.profile.fqdn
    wrong = []
    for resolver, answer in at.names.items():
        if answer.problem or not answer.addresses:
            wrong.append(f"{resolver}: {answer.problem or f'{at.service} has no address'}")
        elif at.service.lower() != fqdn.lower() and not answer.leads_to(fqdn):
            wrong.append(f"{resolver}: {at.service} does not lead by way of {fqdn}")
    if wrong:
        return _refused("; ".join(wrong))
    if at.region is not None and not any(
        name_answer.leads_to(at.region.host) for name_answer in at.names.values()
    ):
        return _warned(f"no resolver is led to {at.region.name} just now, so DNS may have little to show")
    return _passed(f"{at.service} resolves at {', '.join(at.names)}")


def _service(at: Circumstances) -> _Says:
    if at.through.ok:
        return _passed(f"a device is served through {at.service}")
    hint = ""
    if at.service.lower() == at.seen.group.profile.fqdn.lower():
        hint = "; COUNTERPART_SERVICE_HOSTS names the host name that devices use, if it is another one"
    return _refused(f"a device is not served through {at.service}: {at.through.problem}{hint}")


def _settings(at: Circumstances) -> _Says:
    if at.seen.unsettled:
        return _refused(f"{at.seen.unsettled}: a drill onto a region with other settings proves nothing")
    return _passed("the regions agree")


def _routing(at: Circumstances) -> _Says:
    profile, endpoint = at.seen.group.profile, at.endpoint
    method = profile.routing
    found = instead(profile, at.asked.region)
    if not found.by:
        return _refused(found.reason)
    if any(survivor.status is MonitorStatus.UNMONITORED for survivor in at.survivors):
        return _warned("a surviving endpoint is always served, so Traffic Manager would not see it fail")
    if method.lower() == "priority" and endpoint is not None:
        before = [
            survivor.name for survivor in at.survivors if (survivor.priority or 0) < (endpoint.priority or 0)
        ]
        if before:
            return _warned(
                f"{', '.join(before)} comes before {endpoint.name}: no device would notice the drill"
            )
    return _passed(found.reason)


RULES: Final[Mapping[str, tuple[Callable[[Circumstances], _Says], str]]] = {
    "region": (_region, "the region is an enabled endpoint that Traffic Manager answers"),
    "one-at-a-time": (_one_at_a_time, "no other drill of the group is under way"),
    "permit": (
        _permit,
        "law 1: no other disruption, and another region healthy by evidence younger than a minute",
    ),
    "incidents": (_incidents, "no incident of the group is open, and no failback hold is under way"),
    "blocked": (_blocked, "no blocked window and no blocked date is touched"),
    "allowed": (_allowed, "the whole observation lies inside an allowed window, where any are set"),
    "survivors": (_survivors, "every other enabled region is healthy and answered"),
    "authority": (_authority, "all regions prove the same certificate authority, by SCEP"),
    "capacity": (_capacity, "the survivors' declared capacity carries the declared load"),
    "dns": (_dns, "the time to live is known, and the observation is long enough to see it pass"),
    "resolvers": (_resolvers, "the service's name leads by way of the profile at every configured resolver"),
    "service": (_service, "a device is served through the service's name, GetCACaps and GetCACert"),
    "settings": (_settings, "the regions' settings agree"),
    "routing": (
        _routing,
        "by routing method and minimum of child endpoints, others are answered to its devices",
    ),
}
"""The rules by name, each with its sentence; `docs/drills.md` is written from this table."""

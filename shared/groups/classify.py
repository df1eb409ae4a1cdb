"""A region's health from its evidence, and what a failure is: this region's, everybody's, or none. Pure."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import msgspec

from shared.groups.model import (
    ONLY_200,
    Cause,
    Endpoint,
    Fault,
    Finding,
    Group,
    Health,
    MonitorStatus,
    ProbeResult,
    ScepProof,
    Site,
    Standing,
    State,
)
from shared.groups.routing import ANSWERED

_OUT = {MonitorStatus.DISABLED, MonitorStatus.INACTIVE, MonitorStatus.STOPPED}


def judge(
    endpoint: Endpoint,
    *,
    probe: ProbeResult | None,
    scep: ScepProof | None,
    before: Health | None,
    now: datetime,
    gap: timedelta,
) -> Health:
    """Judge one region.

    HEALTHY needs Traffic Manager to answer with it, a probe of ours that succeeded, and no failed SCEP proof.
    DOWN needs Traffic Manager and our own look to agree. All else is UNKNOWN. `since` goes back to when the state
    began, unless our evidence has a hole longer than `gap`: what was not watched is not known to have been healthy.
    A new state begins with its probe; one that Traffic Manager alone brought about, between two probes, begins now.
    """
    state, reason = _state(endpoint, probe, scep)
    at = probe.at if probe else now
    began = at if before is None or at > before.at else now
    watched = before if before is not None and at - before.at <= gap else None
    unbroken = watched is not None and watched.state is state
    odds = _odds(probe, endpoint.status)
    same_odds = watched is not None and odds is _odds(watched.probe, watched.monitor)
    odds_began = watched.at_odds_since if watched is not None and same_odds else None
    return Health(
        state=state,
        at=at,
        since=before.since if before is not None and unbroken else began,
        reason=reason,
        probe=probe,
        scep=scep,
        monitor=endpoint.status,
        at_odds_since=(odds_began or began) if odds is not None else None,
    )


def _odds(probe: ProbeResult | None, status: MonitorStatus) -> bool | None:
    """Where our probe and Traffic Manager's do not find the same: whether ours is the one that is answered well."""
    if probe is None or status not in {MonitorStatus.ONLINE, MonitorStatus.DEGRADED}:
        return None
    return probe.ok if probe.ok is not (status is MonitorStatus.ONLINE) else None


def _state(endpoint: Endpoint, probe: ProbeResult | None, scep: ScepProof | None) -> tuple[State, str]:
    status = endpoint.status
    if not endpoint.enabled or status in _OUT:
        return _out_of_dns(endpoint, probe)
    if probe is None:
        return State.UNKNOWN, "not probed yet"
    if not probe.ok:
        return _silent(probe, status)
    if scep is not None and not scep.ok:
        return State.UNKNOWN, f"the probe answers, but SCEP does not: {scep.problem}"
    if status not in ANSWERED:
        return State.UNKNOWN, f"the probe answers, yet Traffic Manager says {status}"
    return State.HEALTHY, f"the probe answers and Traffic Manager says {status}"


def _silent(probe: ProbeResult, status: MonitorStatus) -> tuple[State, str]:
    """Our own look failed: that may be our network, unless Traffic Manager sees it too."""
    heard = f"the probe answered {probe.status}" if probe.status else f"no answer: {probe.problem}"
    if status is MonitorStatus.DEGRADED:
        return State.DOWN, f"{heard}, and Traffic Manager says Degraded"
    return State.UNKNOWN, f"{heard}, yet Traffic Manager says {status}"


def _out_of_dns(endpoint: Endpoint, probe: ProbeResult | None) -> tuple[State, str]:
    """Not in DNS answers: never a refuge. Down only if it does not answer either; cached names may lead to it."""
    why = "disabled" if not endpoint.enabled else str(endpoint.status)
    if probe is not None and not probe.ok:
        return State.DOWN, f"the endpoint is {why} and the probe fails"
    return State.UNKNOWN, f"the endpoint is {why}, so no device is sent there"


def one_authority(health: Mapping[str, Health]) -> dict[str, Health]:
    """Return the health; regions that prove different certificate authorities are no healthy peers of each other.

    Compares the SHA-256 of the CA certificates that GetCACert gave (facts: Windows and Apple pin the CA, so that
    on a mismatch enrolment fails although the probe is well).
    """
    proved = {
        name: item.scep.ca_sha256 for name, item in health.items() if item.scep is not None and item.scep.ok
    }
    if len(set(proved.values())) < 2:  # noqa: PLR2004 -- two different ones are a mismatch
        return dict(health)
    shown = ", ".join(f"{name} {sha[:8]}" for name, sha in sorted(proved.items()))
    return {name: _mismatched(item, shown) if name in proved else item for name, item in health.items()}


def _mismatched(health: Health, shown: str) -> Health:
    if health.state is not State.HEALTHY:
        return health
    return msgspec.structs.replace(
        health, state=State.UNKNOWN, since=health.at, reason=f"the regions prove different CAs: {shown}"
    )


# -- what a failure is ------------------------------------------------------------------------------------------


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the classification: what it rests on, what it means, and who does what about it."""

    cause: Cause
    when: str
    means: str
    we: str  # what Counterpart does by itself
    you: str  # what is left to a person


# In the order in which they are tried for a region: what is most special comes first. `docs/incidents.md` is written
# from this table.
TABLE: tuple[Explained, ...] = (
    Explained(
        cause=Cause.STOPPED,
        when="Traffic Manager says Stopped for the endpoint",
        means="the web app was stopped, or its plan is below Standard, which Traffic Manager treats alike",
        we="tells which of the two the site itself says; the other regions serve",
        you="start the app, or scale its plan up; then disable and enable the endpoint to be seen at once",
    ),
    Explained(
        cause=Cause.ARTIFACT_HOST,
        when="App Service answers that it could not get the app's package, or the watch over its host says so",
        means="the app started anew while its artifact host did not serve the package; a restart will not help",
        we="names the host; rotation brings the app to a host that serves, under a permit",
        you="nothing, unless every host is exhausted; then repair one, or set WEBSITE_RUN_FROM_PACKAGE",
    ),
    Explained(
        cause=Cause.TLS_OR_NAME,
        when="our probe finds no address for the host name, no TLS, or a certificate that is not valid for it",
        means="devices cannot connect, yet Traffic Manager may go on sending them: it checks no certificate",
        we="tells at once, for Traffic Manager will not; does not move traffic by itself",
        you="renew or bind the certificate, or mend the DNS record; disable the endpoint until then",
    ),
    Explained(
        cause=Cause.PROBE_PATH,
        when="the probe path answers otherwise than the profile expects, a redirect or a 4xx, while GetCACert on the "
        "same host is answered; or our probe, which asks as the profile says, and Traffic Manager's stay at odds",
        means="the service works, but Traffic Manager takes the region out of DNS, or one of the probes is refused",
        we="tells; does not hold the region, since nothing but the probe is wrong",
        you="let the service tag AzureTrafficManager through the app's access restrictions, or correct the profile's "
        "probe: protocol, port, path, headers, expected status codes",
    ),
    Explained(
        cause=Cause.SHARED,
        when="every region that is in service fails, and all of them alike",
        means="what all regions stand on is gone (vault, storage, Entra, Intune): moving traffic is pointless",
        we="disables nothing and moves nothing; forbids what needs a healthy region",
        you="look at the shared dependency first; Azure's status page, the vault, the storage account",
    ),
    Explained(
        cause=Cause.SETTINGS_CHANGE,
        when="as below, and the region's settings were changed in the minutes before",
        means="the change broke the region, as far as the times say; it stays where it was made",
        we="names its keys, lets it travel nowhere while the region fails, and puts it back when a person says so",
        you="put the change back (counterpart revert), or repair the setting at its source",
    ),
    Explained(
        cause=Cause.ONE_REGION,
        when="this region fails while another one serves",
        means="devices are served by the others as soon as DNS has moved away from this one",
        we="watches until DNS no longer answers the region; with the failback hold, keeps it out until it is sound",
        you="find out why; nothing is urgent while the others can carry the load",
    ),
    Explained(
        cause=Cause.UNKNOWN,
        when="none of the others fits, or only one witness fails and no other region serves",
        means="the evidence does not say; our own network may be at fault when every region fails for us alone",
        we="keeps looking every minute and classifies anew with each look",
        you="read the evidence of every region in the incident",
    ),
)

# Not of one region: what the SCEP proofs of all regions say together.
AUTHORITY: Explained = Explained(
    cause=Cause.AUTHORITY,
    when="the regions' own GetCACert answers are certificates of different CAs",
    means="enrolment works with one region and fails with the other, although every probe is well",
    we="takes none of these regions for a refuge, so nothing of ours disturbs any of them",
    you="compare KeyVaultURL and CertificateName of the regions; the one that differs from the others is wrong",
)

TROUBLED = frozenset({Standing.FAILING, Standing.DOWN})
_NOT_ADMITTED = frozenset({401, 403})  # HTTP statuses of access restrictions, and of a sign-in before the app
_ERROR = 500  # HTTP statuses from here on say that the app itself fails
_SHORT = 12  # characters of a fingerprint that people compare


def standing(health: Health, *, enabled: bool, patience: float) -> Standing:
    """Return how the region stands, from the evidence alone: not what `judge` made of it, which asks for a refuge.

    `patience` is how many seconds Traffic Manager waits for an answer.
    """
    if not enabled or health.monitor in {MonitorStatus.DISABLED, MonitorStatus.INACTIVE}:
        return Standing.OUT
    if health.monitor is MonitorStatus.STOPPED:
        return Standing.DOWN
    degraded = health.monitor is MonitorStatus.DEGRADED
    if health.probe is None:
        return Standing.FAILING if degraded else Standing.UNSURE
    if not health.probe.ok or (health.scep is not None and not health.scep.ok):
        return Standing.DOWN if degraded else Standing.FAILING
    if degraded:  # a good answer that came late for Traffic Manager says the same as Traffic Manager does
        return Standing.DOWN if _late(health, patience) else Standing.FAILING
    return Standing.SERVING if health.monitor in ANSWERED else Standing.UNSURE


def _late(health: Health, patience: float) -> bool:
    """Return whether our probe was answered, and later than Traffic Manager waits."""
    return health.probe is not None and health.probe.ok and health.probe.millis > patience * 1000


def standings(group: Group, health: Mapping[str, Health]) -> dict[str, Standing]:
    """Return how each region stands that was looked at."""
    enabled = {endpoint.name: endpoint.enabled for endpoint in group.profile.endpoints}
    patience = group.profile.monitor.timeout
    return {
        name: standing(item, enabled=enabled.get(name, False), patience=patience)
        for name, item in health.items()
    }


def classify(
    group: Group,
    health: Mapping[str, Health],
    *,
    sites: Mapping[str, Site] | None = None,
    packages: Mapping[str, str] | None = None,
    changed: Mapping[str, str] | None = None,
) -> dict[str, Finding]:
    """Return what the failure of each region in trouble is; regions that are well, or out of service, have no entry.

    Args:
        group: the group, for which endpoints are enabled.
        health: every region's, by name.
        sites: the sites' own facts by region, read now, where Traffic Manager says Stopped.
        packages: what is wrong with a region's artifact host, by region, as the watch over the hosts says it.
        changed: which settings of a region were changed in the minutes before it failed, by region.
    """
    stand = standings(group, health)
    patience = group.profile.monitor.timeout
    refused = _refused(group, health)
    facts = [_told(name, item, (sites or {}).get(name), patience) for name, item in sorted(health.items())]
    found: dict[str, Finding] = {}
    for name in (name for name in health if stand[name] in TROUBLED):
        package = (packages or {}).get(name, "")
        special = [f"{name}: its artifact host: {package}"] if package else []
        special += [refused[name]] if name in refused else []
        change = (changed or {}).get(name, "")
        special += [f"{name}: {change}"] if change else []
        evidence = (*special, *facts)
        cause = _cause(name, health, stand, refused, package=package, changed=bool(change), patience=patience)
        found[name] = Finding(cause=cause, evidence=evidence)
    return found


def _refused(group: Group, health: Mapping[str, Health]) -> dict[str, str]:
    """Of each region about which our probe and Traffic Manager disagree: in which way, and what to look at.

    Both ask alike, so whoever fails is kept from the app. Traffic Manager is given the time that it needs to see
    a change: the disagreement counts when it has lasted for so long.
    """
    monitor = group.profile.monitor
    needs = timedelta(seconds=2 * (monitor.interval + monitor.timeout))
    found = {}
    for name, its in health.items():
        probe, scep_fails = its.probe, its.scep is not None and not its.scep.ok
        if probe is None or its.at_odds_since is None or its.at - its.at_odds_since < needs:
            continue
        if (
            its.monitor is MonitorStatus.DEGRADED
            and probe.ok
            and not scep_fails
            and not _late(its, monitor.timeout)
        ):
            found[name] = (
                f"{name}: our probe, which asks as the profile says, is answered well, and Traffic Manager's is "
                "not: do the app's access restrictions let the service tag AzureTrafficManager through?"
            )
        elif its.monitor is MonitorStatus.ONLINE and not probe.ok and probe.status in _NOT_ADMITTED:
            found[name] = (
                f"{name}: our probe is refused ({probe.status}), and Traffic Manager's is not: do the app's access "
                "restrictions let only the service tag AzureTrafficManager through, and not Counterpart and devices?"
            )
    return found


def _cause(
    name: str,
    health: Mapping[str, Health],
    stand: Mapping[str, Standing],
    refused: Collection[str],
    *,
    package: str,
    changed: bool,
    patience: float,
) -> Cause:
    its = health[name]
    probe, fault = its.probe, its.probe.fault if its.probe else Fault.NONE
    if its.monitor is MonitorStatus.STOPPED:
        return Cause.STOPPED
    if fault is Fault.PACKAGE or (package and probe is not None and not probe.ok):
        return Cause.ARTIFACT_HOST
    if _only_we_fail(health, stand):
        return Cause.UNKNOWN
    if fault in {Fault.TLS, Fault.NAME}:
        return Cause.TLS_OR_NAME
    if name in refused or _only_the_path(its):
        return Cause.PROBE_PATH
    where = _where(name, health, stand, patience)
    broken = changed and where is not Cause.SHARED and not _looks_well(its, patience)
    return Cause.SETTINGS_CHANGE if broken else where


def _where(name: str, health: Mapping[str, Health], stand: Mapping[str, Standing], patience: float) -> Cause:
    """Everybody's failure, this region's, or neither."""
    in_service = [name for name in health if stand[name] is not Standing.OUT]
    if _looks_well(health[name], patience):  # Traffic Manager alone says Degraded
        return Cause.UNKNOWN
    if len(in_service) > 1 and all(stand[name] in TROUBLED for name in in_service):
        alike = len({_signature(health[name], patience) for name in in_service}) == 1
        return Cause.SHARED if alike else Cause.UNKNOWN
    return Cause.ONE_REGION if Standing.SERVING in stand.values() else Cause.UNKNOWN


def _looks_well(its: Health, patience: float) -> bool:
    return _signature(its, patience) == "well"


def _only_we_fail(health: Mapping[str, Health], stand: Mapping[str, Standing]) -> bool:
    """No region can be reached by us, while Traffic Manager reaches them all: that may be our own network."""
    seen = [item for name, item in health.items() if stand[name] is not Standing.OUT]
    reached = any(
        health.monitor is MonitorStatus.ONLINE for health in seen
    )  # what is always served is not probed
    return (
        len(seen) > 1
        and reached
        and all(
            health.monitor in ANSWERED
            and health.probe is not None
            and health.probe.status is None
            and health.probe.fault is not Fault.TLS  # which is the server's doing, or somebody's in between
            for health in seen
        )
    )


def _only_the_path(its: Health) -> bool:
    probe = its.probe
    answered = probe is not None and not probe.ok and probe.status is not None and probe.status < _ERROR
    return answered and its.scep is not None and its.scep.ok


def _signature(its: Health, patience: float) -> str:
    """Return what failing alike means: the same sort of answer, or of silence."""
    if its.probe is None:
        return "not probed"
    if not its.probe.ok:
        return f"{its.probe.status // 100}xx" if its.probe.status else f"no answer, {its.probe.fault}"
    if its.scep is not None and not its.scep.ok:
        return "SCEP fails"
    return "late" if _late(its, patience) else "well"


def _told(name: str, its: Health, site: Site | None, patience: float) -> str:
    """One region's evidence in a sentence: each probe's result, as it was."""
    late = f" after {its.probe.millis / 1000:.1f} s" if its.probe and _late(its, patience) else ""
    parts = [f"{_probe_told(its.probe)}{late}", *_scep_told(its.scep), f"Traffic Manager says {its.monitor}"]
    if site is not None and its.monitor is MonitorStatus.STOPPED:
        parts.append("the web app is stopped" if not site.running else _plan_told(site))
    return f"{name}: {'; '.join(parts)}"


def _plan_told(site: Site) -> str:
    return (
        f"the web app runs{f' on a plan of tier {site.sku}' if site.sku else ''}: is its plan below Standard?"
    )


def _probe_told(probe: ProbeResult | None) -> str:
    if probe is None:
        return "not probed yet"
    said = f"answered {probe.status}" if probe.status else "had no answer"
    if probe.connected:
        said = "was connected"
    elif probe.status and probe.expected != ONLY_200:
        wanted = ", ".join(
            f"{least}-{most}" if least != most else f"{least}" for least, most in probe.expected
        )
        said += f" (the profile expects {wanted})"
    why = f" ({probe.problem})" if probe.problem else ""
    page = " with App Service's page for a missing package" if probe.fault is Fault.PACKAGE else ""
    return f"at {probe.at:%H:%M:%S} UTC the probe {said}{page}{why}"


def _scep_told(scep: ScepProof | None) -> list[str]:
    if scep is None:
        return []
    if scep.ok:
        return [f"SCEP proves CA {scep.ca_sha256[:_SHORT]}", *scep.remarks]
    return [f"SCEP fails: {scep.problem}"]


def authorities(health: Mapping[str, Health]) -> Finding | None:
    """Return whether the regions prove one CA: a finding when they do not, one without a cause's name is never made.

    None also when fewer than two regions prove any; whether that is agreement is the caller's question.
    """
    proofs = {
        name: item.scep for name, item in sorted(health.items()) if item.scep is not None and item.scep.ok
    }
    if len({proof.ca_sha256 for proof in proofs.values()}) < 2:  # noqa: PLR2004 -- two different ones are a mismatch
        return None
    return Finding(
        cause=Cause.AUTHORITY,
        evidence=(
            *(_authority_told(name, scep_proof) for name, scep_proof in proofs.items()),
            *_compared(proofs),
        ),
    )


def _authority_told(name: str, proof: ScepProof) -> str:
    until = f", valid until {proof.not_after:%Y-%m-%d}" if proof.not_after else ""
    subject = f" ({proof.subject})" if proof.subject else ""
    return (
        f"{name}: CA {proof.ca_sha256[:_SHORT]}{subject}{until}, public key {proof.spki_sha256[:_SHORT]}, "
        f"{len(proof.registration_authorities)} registration authorities"
    )


def _compared(proofs: Mapping[str, ScepProof]) -> list[str]:
    """Return what the difference is, as far as certificates tell it."""
    said: list[str] = []
    if len({proof.spki_sha256 for proof in proofs.values()}) == 1:
        said.append("the public key is the same: one CA whose certificate was renewed in one region only")
    elif len({proof.subject for proof in proofs.values()}) == 1 and all(
        proof.subject for proof in proofs.values()
    ):
        said.append("the names are the same and the keys are not: two CAs of one name")
    if len({proof.capabilities for proof in proofs.values()}) > 1:
        shown = "; ".join(
            f"{name}: {', '.join(scep_proof.capabilities)}" for name, scep_proof in proofs.items()
        )
        said.append(f"GetCACaps differs too: {shown}")
    return said


def proved_one(health: Mapping[str, Health]) -> bool:
    """Return whether at least two regions prove a CA, and all that do prove the same."""
    proved = [item.scep.ca_sha256 for item in health.values() if item.scep is not None and item.scep.ok]
    return len(proved) > 1 and len(set(proved)) == 1

"""A region's health from its evidence: surely serving, surely not, or not known. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from shared.groups.model import Endpoint, Health, MonitorStatus, ProbeResult, ScepProof, State

_OUT = {MonitorStatus.DISABLED, MonitorStatus.INACTIVE, MonitorStatus.STOPPED}
_ANSWERED = {MonitorStatus.ONLINE, MonitorStatus.UNMONITORED}


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
    """
    state, reason = _state(endpoint, probe, scep)
    at = probe.at if probe else now
    unbroken = before is not None and before.state is state and at - before.at <= gap
    return Health(
        state=state,
        at=at,
        since=before.since if before is not None and unbroken else at,
        reason=reason,
        probe=probe,
        scep=scep,
        monitor=endpoint.status,
    )


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
    if status not in _ANSWERED:
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
    """Where the regions prove different certificate authorities, none of them is a refuge for the other.

    Compares the SHA-256 of the CA certificates that GetCACert gave (facts: Windows and Apple pin the CA, so that
    on a mismatch enrolment fails although the probe is well).
    """
    proved = {name: it.scep.ca_sha256 for name, it in health.items() if it.scep is not None and it.scep.ok}
    if len(set(proved.values())) < 2:  # noqa: PLR2004 -- two different ones are a mismatch
        return dict(health)
    shown = ", ".join(f"{name} {sha[:8]}" for name, sha in sorted(proved.items()))
    return {name: _mismatched(it, shown) if name in proved else it for name, it in health.items()}


def _mismatched(health: Health, shown: str) -> Health:
    if health.state is not State.HEALTHY:
        return health
    return msgspec.structs.replace(
        health, state=State.UNKNOWN, since=health.at, reason=f"the regions prove different CAs: {shown}"
    )

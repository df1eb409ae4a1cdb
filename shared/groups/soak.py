"""Has a disturbed region come back, as well as it was before? Pure; asked after every write, rotation and restart."""

from datetime import datetime, timedelta
from enum import StrEnum

from shared.groups.model import Health, MonitorStatus, State

_TAKEN_OUT = {
    MonitorStatus.DISABLED,
    MonitorStatus.INACTIVE,
}  # by a person: the endpoint, or the whole profile


class Start(StrEnum):
    """The state of a region before a disruption; afterwards it must be no worse."""

    HEALTHY = "healthy"
    ANSWERING = "answering"  # its probe answered, but it was no refuge (out of DNS, say)
    SILENT = "silent"


def start_of(health: Health | None) -> Start:
    """Return how the region is now."""
    if health is not None and health.state is State.HEALTHY:
        return Start.HEALTHY
    answered = health is not None and health.probe is not None and health.probe.ok
    return Start.ANSWERING if answered else Start.SILENT


def came_back(health: Health | None, start: Start, since: datetime, soak: float) -> bool:
    """Return whether the region is as well as at its `start`, by evidence that reaches `soak` seconds past `since`.

    A probe or a SCEP proof from before the disturbance says nothing about what came of it.
    """
    if health is None or health.at <= since:
        return False
    if health.scep is not None and health.scep.ok and health.scep.at <= since:
        return False
    span = timedelta(seconds=soak)
    if health.state is State.HEALTHY and health.at - max(since, health.since) >= span:
        return True
    # A region whose endpoint is out of DNS cannot be more than answering; another one must be healthy again.
    answered = health.probe is not None and health.probe.ok
    as_before = start is Start.ANSWERING or (start is Start.HEALTHY and health.monitor in _TAKEN_OUT)
    return as_before and answered and health.at - since >= span

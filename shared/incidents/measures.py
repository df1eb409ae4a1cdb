"""MTTD, MTTA, time to mitigation and MTTR, in seconds, of one incident and over many. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from statistics import fmean

import msgspec

from shared.incidents.model import Incident


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """One incident's times, in seconds; None: that did not happen (yet)."""

    to_detect: float  # from its start until we knew
    to_acknowledge: float | None  # from when we knew until a person took it on
    to_mitigate: float | None  # from its start until DNS stopped answering the region
    to_resolve: float | None  # from its start until it was well again


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """The means over incidents: of each measure, over those that have it."""

    incidents: int
    open: int
    mttd: float | None
    mtta: float | None
    mttm: float | None  # mean time to mitigation
    mttr: float | None


def measure(incident: Incident) -> Measures:
    """One incident's measures."""
    return Measures(
        to_detect=(incident.detected - incident.started).total_seconds(),
        to_acknowledge=_between(incident.detected, incident.acknowledged),
        to_mitigate=_between(incident.started, incident.mitigated),
        to_resolve=_between(incident.started, incident.resolved),
    )


def means(incidents: Iterable[Incident]) -> Means:
    """Over these incidents."""
    known = tuple(incidents)
    measured = [measure(incident) for incident in known]
    return Means(
        incidents=len(known),
        open=sum(incident.open for incident in known),
        mttd=_mean([measures.to_detect for measures in measured]),
        mtta=_mean([measures.to_acknowledge for measures in measured]),
        mttm=_mean([measures.to_mitigate for measures in measured]),
        mttr=_mean([measures.to_resolve for measures in measured]),
    )


def _between(begin: datetime, end: datetime | None) -> float | None:
    return None if end is None else (end - begin).total_seconds()


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None

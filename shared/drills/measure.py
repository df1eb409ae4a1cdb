"""From samples to what was measured, and to what it means. Pure.

A sample's time is when its look began, so every figure is exact to one interval of the samples.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from statistics import median

from shared.drills.model import ALPHABET, NOBODY, Drill, Ending, Measured, Sample, State
from shared.words import spoken

EARLIER = 10  # drills of the same region that one is compared with
SLOWER = 1.5  # times their median: then it is said
LEAST_AVAILABILITY = 0.99  # a share of the SCEP looks; a single failed one is forgiven
TOLERATED = 1  # failed SCEP looks in a row; with the next one the region is given back at once


def measure(drill: Drill) -> Measured:
    """Return what the samples of a drill say."""
    after = [sample for sample in drill.samples if sample.at >= 0]
    gone = ALPHABET[drill.regions.index(drill.region)]
    watched = _until_restored(drill, after)
    dns = tuple((name, _resolver(watched, place, gone)) for place, name in enumerate(drill.resolvers))
    scep = _left([(sample.at, NOBODY if sample.problem else sample.by) for sample in watched], gone)
    parts = [scep, *(seconds for _, seconds in dns)]
    known = [part for part in parts if part is not None]
    back = [sample.at for sample in after if sample.at >= _restored(drill) and gone in sample.dns]
    return Measured(
        dns=dns,
        scep=scep,
        recovery=max(known) if known and len(known) == len(parts) else None,
        probes=len(after),
        failures=sum(sample.problem > 0 for sample in after),
        longest_gap=_longest_gap(drill.samples),
        back_in_dns=round(back[0] - _restored(drill), 1) if back else None,
        restored_after=_seconds(drill.restored_at, drill.online_at),
    )


def _resolver(samples: Sequence[Sample], place: int, gone: str) -> float | None:
    return _left([(sample.at, sample.dns[place]) for sample in samples], gone)


def _left(answers: Sequence[tuple[float, str]], gone: str) -> float | None:
    """When the answers were another region's for good. A look without an answer says nothing."""
    since: float | None = None
    for at, who in answers:
        if who == gone:
            since = None
        elif who != NOBODY and since is None:
            since = at
    return since


def _until_restored(drill: Drill, samples: Iterable[Sample]) -> list[Sample]:
    end = _restored(drill)
    return [sample for sample in samples if sample.at < end]


def _restored(drill: Drill) -> float:
    """When the region began to be given back, in the samples' time."""
    seconds = _seconds(drill.drained_at, drill.restoring_at)
    return math.inf if seconds is None else seconds


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return None if begin is None or end is None else round((end - begin).total_seconds(), 1)


def _longest_gap(samples: Sequence[Sample]) -> float:
    """The longest time between two looks that succeeded, where one failed in between; or until the last look."""
    longest, served, failed = 0.0, 0.0, False
    for sample in samples:
        if sample.at < 0:
            continue
        if sample.problem:
            failed = True
            longest = max(longest, sample.at - served)
            continue
        if failed:
            longest = max(longest, sample.at - served)
        served, failed = sample.at, False
    return round(longest, 1)


def failed_in_a_row(samples: Sequence[Sample]) -> int:
    """Return how many of the last SCEP looks failed, one after the other."""
    count = 0
    for sample in reversed(samples):
        if not sample.problem:
            break
        count += 1
    return count


def judged(drill: Drill) -> Ending:
    """Return how a drill ends whose observation is over."""
    found, target = measure(drill), drill.target_rto_seconds
    late = [name for name, seconds in (*found.dns, ("devices (SCEP)", found.scep)) if seconds is None]
    if late:
        left = f"still led to {drill.region}, or nowhere, when the observation ended"
        return Ending(state=State.FAILED, reason=f"{' and '.join(late)}: {left}")
    assert found.recovery is not None  # noqa: S101 -- nobody is late
    if found.recovery > target:
        took = f"{spoken(found.recovery)}, and the target is {spoken(target)}"
        return Ending(state=State.FAILED, reason=f"the target was missed: recovery took {took}")
    share = found.availability or 0.0
    if found.failures > TOLERATED and share < LEAST_AVAILABILITY:
        looks = f"{found.failures} of {found.probes} SCEP looks failed"
        return Ending(state=State.FAILED, reason=f"the service was not available: {looks}")
    reason = f"recovered after {spoken(found.recovery)}, within the target of {spoken(target)}"
    return Ending(state=State.SUCCEEDED, reason=reason)


def compared(recovery: float | None, earlier: Sequence[float]) -> str:
    """Return how a recovery stands beside those of earlier drills of the region, in words; empty: nothing to say."""
    known = list(earlier)[:EARLIER]
    if recovery is None or not known:
        return ""
    middle = median(known)
    of = f"the median of the last {len(known)}" if len(known) > 1 else "the one before"
    if recovery > middle * SLOWER:
        return f"slower than before by more than half: {spoken(recovery)}, and {of} is {spoken(middle)}"
    return f"{spoken(recovery)}; {of} is {spoken(middle)}"

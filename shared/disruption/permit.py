"""The permit: law 1 as a pure decision. Nobody overrides it, whatever the reason."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from shared.disruption.model import Disruption, Permit
from shared.groups.model import Health, State
from shared.groups.routing import instead
from shared.groups.soak import Start, came_back
from shared.words import LINE, clipped

AUDIT_ONLY = "Counterpart only looks here: COUNTERPART_AUDIT_ONLY is on"
FRESH = timedelta(seconds=60)  # older evidence says nothing about now


class Granted(msgspec.Struct, frozen=True, tag="granted"):
    """The disruption may begin."""

    permit: Permit


class Denial(msgspec.Struct, frozen=True, tag="denied"):
    """The disruption may not begin, and why."""

    reason: str


def permit(
    asked: Disruption, seen: Mapping[str, Health], held: Permit | None, now: datetime
) -> Granted | Denial:
    """Never disturb the last region that may be serving, and never two at once.

    `seen` has every region of the group by name. A region that is surely down may be disturbed, to mend it; taking
    its endpoint out mends nothing, and the others may fail before Traffic Manager sees it. An unknown region may
    be serving, so it needs a refuge beside it, and is none itself. A piece of work that already holds the permit is
    judged anew: each of its disturbances needs a refuge at its own time. One that takes over a region which has not
    come back yet leaves the others waiting for it as long as they would have.
    """
    if held and held.id != asked.id and stands(held, seen, now):
        if held.disturbed_at is None:
            return Denial(f"{held.region} is being disturbed ({held.kind}) until {held.until:%H:%M:%S} UTC")
        if held.region != asked.region:
            waits = f"others wait for it until {held.until:%H:%M:%S} UTC"
            return Denial(
                f"{held.region} has not come back yet from what was done to it ({held.kind}); {waits}"
            )
    if asked.region not in seen:
        return Denial(f"{asked.region} is not a region of {asked.group}")
    fresh = {name: health for name, health in seen.items() if health.age(now) < FRESH}
    refuges = sorted(
        name for name, health in fresh.items() if health.state is State.HEALTHY and name != asked.region
    )
    own = fresh.get(asked.region)
    mends = own is not None and own.state is State.DOWN and not asked.kind.takes_out
    if not refuges and not mends:
        others = ", ".join(
            f"{name}: {_seen(health, now)}" for name, health in sorted(seen.items()) if name != asked.region
        )
        return Denial(
            f"{asked.region} may be the last region serving {asked.group} ({others or 'it has no other'})"
        )
    if asked.kind.takes_out and (why := _unanswered(asked)):
        return Denial(why)
    until, awaited, awaited_until = now + asked.at_most, None, None
    if held and held.region == asked.region and stands(held, seen, now):
        until, awaited = max(until, held.until), held.disturbed_at or held.awaited
        awaited_until = held.until if held.disturbed_at else held.awaited_until
    reason = f"{', '.join(refuges)} healthy" if refuges else f"{asked.region} is down already"
    return Granted(
        Permit(
            id=asked.id,
            kind=asked.kind,
            region=asked.region,
            granted_at=now,
            until=until,
            reason=clipped(reason, LINE),
            awaited=awaited,
            awaited_until=awaited_until,
        )
    )


def _unanswered(asked: Disruption) -> str:
    """Return why nobody would answer the devices of an endpoint that is taken out; empty: others would."""
    if asked.profile is None:
        return f"whether others are answered to the devices of {asked.region} is not known"
    found = instead(asked.profile, asked.region)
    return "" if found.by else found.reason


def stands(held: Permit, seen: Mapping[str, Health], now: datetime) -> bool:
    """Return whether its region is being disturbed: somebody works on it, or it was not seen well since.

    One that was given back with its region well is in no row.
    """
    if now >= held.until:
        return False
    since = held.disturbed_at
    if since is None:
        return True
    return held.region in seen and not came_back(seen[held.region], Start.HEALTHY, since, soak=0)


def _seen(health: Health, now: datetime) -> str:
    if health.is_ahead(now):
        return f"what is known of it is dated later than now, {now:%H:%M:%S} UTC"
    stale = health.age(now) >= FRESH
    return f"not seen since {health.as_of:%H:%M:%S} UTC" if stale else f"{health.state}, {health.reason}"

"""A location's state from its checks: when it is due, and what one more check makes of it. Pure."""

import zlib
from datetime import datetime, timedelta
from typing import Final

import msgspec

from shared.ages import age
from shared.artifact_hosts.model import Check, Glance, HostState, Location, Package, Rules, Served, Watch
from shared.words import LINE, clipped

BAD: Final = 3  # bad checks in a row make a location down
GOOD: Final = 6  # good ones in a row make it up
GLANCES: Final = 24  # checks that are kept: two hours of the default schedule
SERVED: Final = 8  # packages that are kept
JITTER: Final = 0.1  # of the interval, either way: many deployments must not ask a host in the same second
SHAKY: Final = "its last check was good, and few before it"  # of one that is down, and answers
READ_ANEW: Final = timedelta(hours=1)  # an unchanged entity tag is believed for so long
FORGET: Final = timedelta(days=2)  # a location that no region can use any more
_MISSED: Final = 3  # intervals without a check, after which a state says nothing about now
_TURN: Final = 60.0  # s: the timer's, at whose turns alone a check is made, however short the interval


def begin(location: Location, now: datetime, *, site_id: str = "") -> Watch:
    """A location that is to be watched from now on."""
    return Watch(
        location=location,
        state=HostState.UNKNOWN,
        since=now,
        next_at=now,
        wanted_at=now,
        site_id=site_id,
    )


def known_tag(watch: Watch, now: datetime) -> str:
    """The entity tag to ask with; none when the directory is to be read again."""
    fresh = watch.read_at is not None and age(watch.read_at, now) < READ_ANEW
    return watch.etag if fresh and watch.package else ""


def noted(watch: Watch, check: Check, rules: Rules) -> Watch:
    """The location after one more check."""
    bad, good = (0, watch.good + 1) if check.ok else (watch.bad + 1, 0)
    state = watch.state
    if bad >= BAD:
        state = HostState.DOWN
    elif good >= GOOD:
        state = HostState.UP
    glance = Glance(check.at, clipped(check.problem, LINE), check.millis, check.bytes_read)
    return msgspec.structs.replace(
        watch,
        state=state,
        since=check.at if state is not watch.state else watch.since,
        next_at=next_check(watch, check.at, rules),
        bad=bad,
        good=good,
        good_since=(watch.good_since or check.at) if check.ok else None,
        glances=(*watch.glances, glance)[-GLANCES:],
        etag=check.etag if check.ok else watch.etag,
        read_at=check.at if check.package else watch.read_at,
        served=_served(watch.served, check.package, check.at),
        certificate_until=check.certificate_until or watch.certificate_until,
    )


def next_check(watch: Watch, at: datetime, rules: Rules) -> datetime:
    """When to check again after a check: the same for the same location and time, and like chance otherwise."""
    chance = zlib.crc32(f"{watch.location.id} {at.isoformat()}".encode()) / 0xFFFFFFFF
    return at + timedelta(seconds=rules.check_every * (1 - JITTER + 2 * JITTER * chance))


def _served(served: tuple[Served, ...], package: Package | None, at: datetime) -> tuple[Served, ...]:
    if package is None or (served and served[-1].package == package):
        return served
    return (*served, Served(package, at))[-SERVED:]


def state_of(watch: Watch | None, now: datetime, rules: Rules) -> HostState:
    """The state that may be acted on: what was not looked at lately is not known."""
    if watch is None or not watch.glances or is_old(watch.glances[-1].at, now, rules):
        return HostState.UNKNOWN
    return watch.state


def is_old(checked: datetime, now: datetime, rules: Rules) -> bool:
    """Return whether a check was so long ago that it says nothing about now."""
    return age(checked, now) > timedelta(seconds=_MISSED * (rules.check_every + _TURN))


def relied_on_from(watch: Watch, rules: Rules) -> datetime:
    """When a location will be up, if every check is good from now on."""
    return watch.next_at + timedelta(seconds=(GOOD - watch.good - 1) * rules.check_every)


def well_for(watch: Watch, now: datetime) -> timedelta:
    """For how long every check has been good."""
    return now - watch.good_since if watch.good_since else timedelta()

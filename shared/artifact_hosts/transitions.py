"""The life of a rotation or a restart: a table of states, and the pure step from what is seen to what is to be done.

`located` takes in what the settings say now; `turn` decides the next step. The workflow calls both, saves the row and
does what the step says. Nothing here reads a clock or the world.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from shared.absence import sort_begun
from shared.artifact_hosts.catalogue import Catalogue, NotWatched, broken
from shared.artifact_hosts.choose import Choice, Exhausted, Held, Keep, Rotate, Scene, choose, ordered
from shared.artifact_hosts.model import (
    Flight,
    Happening,
    Location,
    Order,
    Origin,
    Outcome,
    Package,
    Packages,
    Phase,
    Refused,
    Rules,
    Running,
    State,
    Use,
    Watch,
    Work,
)
from shared.copies import COPY_LIVES
from shared.groups.model import Health, Os
from shared.groups.model import State as HealthState
from shared.groups.soak import Start, came_back, start_of
from shared.words import LINE, clipped

HISTORY = 50  # lines that are kept
MOST_LEFT = 2  # rotations of regions that left the group, which are remembered
ORDER_LIVES = timedelta(hours=2)  # for which an order waits for a permit, counted anew for each region

SENTENCES: dict[State, str] = {
    State.WATCHING: "Every region has a place to take its package from at its next start, as far as is known.",
    State.ROTATING: "A region is to take its package from another host; it waits for a permit or is being written.",
    State.RESTARTING: "A region is to be restarted, as a person ordered; it waits for a permit.",
    State.VERIFYING: "One region was disturbed; it must come back and stay healthy for the soak.",
    State.UNDOING: "A region did not come back from its new host; it gets its old package URL back.",
    State.HELD: "Something should be done that only a person may decide; the reason says what, and how.",
    State.EXHAUSTED: "A region's host is down, and no other is known to be well: its next restart may take it down.",
}


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The observation of one moment."""

    systems: Mapping[str, Os]  # the group's regions
    sites: Mapping[str, str]  # and the ids of their sites, in lower case
    watches: Mapping[str, Watch]
    health: Mapping[str, Health]
    fresh: frozenset[str]  # regions whose package setting was read in this very step
    now: datetime
    worker: str


class Rest(msgspec.Struct, frozen=True):
    """Nothing to do now; the row says why."""


class Look(msgspec.Struct, frozen=True):
    """Read this region's settings, then decide again: what is known of it may be old."""

    region: str


class Rotating(msgspec.Struct, frozen=True):
    """Write the claimed flight's new URL."""

    flight: Flight


class Restarting(msgspec.Struct, frozen=True):
    """Restart the claimed flight's region."""

    flight: Flight


class Undo(msgspec.Struct, frozen=True):
    """Put the flight's old URL back."""

    flight: Flight


class Close(msgspec.Struct, frozen=True):
    """Give the permit back and delete the vault copy; then save the row, which no longer has the flight."""

    flight: Flight
    well: bool = False  # the region was seen to be well after it; else others wait until it is
    away: bool = False  # the region left the group: the copy stays, for the case that it comes back


type Step = Rest | Look | Rotating | Restarting | Undo | Close


class Turn(msgspec.Struct, frozen=True):
    """The row as it is to be, and the step to take."""

    row: Packages
    step: Step
    choices: tuple[Choice, ...] = ()  # for each region, where they were made and none is carried out


def first(group: str, now: datetime) -> Packages:
    """The row of a group that was never looked at."""
    return Packages(group=group, state=State.WATCHING, since=now, reason="not looked at yet")


def enter(row: Packages, state: State, reason: str, now: datetime) -> Packages:
    """Put the row into a state with the reason; a new state or reason is a line of its history."""
    reason = clipped(reason, LINE)
    if state is row.state and reason == row.reason:
        return row
    # What is tried every minute and refused would otherwise fill the history with two lines by turns.
    told = any(happening.state is state and happening.text == reason for happening in row.history[-2:])
    return msgspec.structs.replace(
        row,
        state=state,
        since=now if state is not row.state else row.since,
        reason=reason,
        history=row.history if told else (*row.history, Happening(now, state, reason))[-HISTORY:],
    )


# -- taking in what is seen ---------------------------------------------------------------------------------------


def located(row: Packages, found: Mapping[str, Location | NotWatched], regions: Sequence[str]) -> Packages:
    """Take in where these regions get their packages; regions that left the group are forgotten.

    A region without a package URL is one whose setting is broken when it had one, or the others have one: tools that
    deploy are known to remove the setting silently.
    """
    fetched = any(use.location is not None for use in row.uses)
    fetched |= any(isinstance(location, Location) for location in found.values())
    uses = []
    for region in regions:
        known = row.use(region) or Use(region=region, location=None, why="not looked at yet")
        match found.get(region):
            case None:
                uses.append(known)
            case NotWatched(missing=True) if fetched:
                uses.append(
                    msgspec.structs.replace(known, location=broken("missing"), why="", signature_until=None)
                )
            case NotWatched(reason):
                uses.append(Use(region=region, location=None, why=reason, running=known.running))
            case Location() as location:
                moved = known.location is not None and known.location.id != location.id
                # Who moves a region by hand says where it belongs.
                home = "" if moved and row.flight is None else known.home
                uses.append(Use(region=region, location=location, home=home, running=known.running))
    return msgspec.structs.replace(row, uses=tuple(uses))


def restarted(row: Packages, region: str, watches: Mapping[str, Watch], at: datetime) -> Packages:
    """A region restarted: it runs what its host has, if that is known. Its home page is asked again."""
    use = row.use(region)
    watch = watches.get(use.location.id) if use and use.location else None
    package = watch.package if watch and not watch.problem else None
    return running(row, region, Running(package=package, package_at=at if package else None))


def running(row: Packages, region: str, now_runs: Running) -> Packages:
    """Note what a region runs."""
    uses = tuple(
        msgspec.structs.replace(use, running=now_runs) if use.region == region else use for use in row.uses
    )
    return msgspec.structs.replace(row, uses=uses)


# -- deciding the next step ---------------------------------------------------------------------------------------


def scene(row: Packages, view: View) -> Scene:
    """Return what a choice is made from."""
    return Scene(
        down=frozenset(name for name, health in view.health.items() if health.state is HealthState.DOWN),
        uses=tuple(use for use in row.uses if use.region in view.systems),
        systems=view.systems,
        watches=view.watches,
        refused=row.refused,
        now=view.now,
    )


def turn(row: Packages, view: View, catalogue: Catalogue, rules: Rules) -> Turn:
    """The next step."""
    row = _taken_up(row, view)
    if row.flight is not None:
        return _in_flight(row, row.flight, view, rules)
    if row.order is not None:
        return _ordered(row, row.order, view, catalogue, rules)
    return _at_rest(row, view, catalogue, rules)


def _taken_up(row: Packages, view: View) -> Packages:
    """Go on with the rotation of a region that has come back; forget what has no way back any more."""
    begun = sort_begun(row.left, view.sites, view.now, COPY_LIVES)
    if row.flight is not None or not begun.back:
        return msgspec.structs.replace(row, left=(*begun.back, *begun.away))
    first, *others = begun.back
    goes_on = enter(row, State.VERIFYING, f"{first.region} is back: its rotation goes on", view.now)
    return msgspec.structs.replace(goes_on, flight=first, left=(*others, *begun.away))


def _at_rest(row: Packages, view: View, catalogue: Catalogue, rules: Rules) -> Turn:
    choices = choose(scene(row, view), catalogue, rules)
    moving = next((choice for choice in choices if isinstance(choice, Rotate)), None)
    if moving is not None and rules.rotate:
        return _claim_rotation(row, moving, view, rules)
    return Turn(enter(row, *summed_up(choices), view.now), Rest(), choices)


def summed_up(choices: Sequence[Choice]) -> tuple[State, str]:
    """The state and the reason that choices amount to when none is carried out."""
    waiting = [choice for choice in choices if isinstance(choice, Rotate)]
    held = [choice for choice in choices if isinstance(choice, Held)]
    exhausted = [choice for choice in choices if isinstance(choice, Exhausted)]
    if exhausted:
        return State.EXHAUSTED, "; ".join(f"{item.region}: {item.reason}" for item in exhausted)
    if held or waiting:
        said = [f"{item.region}: {item.reason}; way out: {item.way_out}" for item in held]
        said += [
            f"{rotate.region}: {rotate.reason}; "
            f"way out: counterpart package rotate --region {rotate.region} --reason TEXT"
            for rotate in waiting
        ]
        return State.HELD, "; ".join(said)
    return State.WATCHING, "; ".join(
        f"{choice.region}: {choice.reason}" for choice in choices if isinstance(choice, Keep)
    )


def _ordered(row: Packages, order: Order, view: View, catalogue: Catalogue, rules: Rules) -> Turn:
    region = order.regions[0]
    if view.now - order.at > ORDER_LIVES:
        return Turn(dropped(row, f"{region} was not done in time: {row.reason}", view.now), Rest())
    if region not in view.systems:
        return Turn(dropped(row, f"{region} left the group", view.now), Rest())
    if order.work is Work.RESTART:
        return _claim_restart(row, order, view, rules)
    choice = ordered(order, scene(row, view), catalogue, rules)
    if isinstance(choice, Held):
        return Turn(dropped(row, f"{region} is not rotated: {choice.reason}", view.now), Rest())
    return _claim_rotation(row, choice, view, rules, by=order.by)


def done(row: Packages, reason: str, now: datetime) -> Packages:
    """The order's first region is seen to; its other regions follow."""
    order = row.order
    left = order.regions[1:] if order else ()
    noted = enter(row, row.state, reason, now)
    if order and left:
        return msgspec.structs.replace(noted, order=msgspec.structs.replace(order, regions=left, at=now))
    return msgspec.structs.replace(
        noted, order=None, outcome=Outcome(now, well=True, reason=clipped(reason, LINE))
    )


def dropped(row: Packages, reason: str, now: datetime) -> Packages:
    """The order cannot be carried out now, so all that is left of it is forgotten.

    An order that waits for better times would surprise somebody next week.
    """
    noted = enter(row, row.state, reason, now)
    return msgspec.structs.replace(
        noted, order=None, outcome=Outcome(now, well=False, reason=clipped(reason, LINE))
    )


def _claim_rotation(row: Packages, choice: Rotate, view: View, rules: Rules, *, by: str = "") -> Turn:
    use = row.use(choice.region)
    if choice.region not in view.fresh or use is None or use.location is None:
        return Turn(row, Look(choice.region))
    reason = f"{choice.region} from {use.location} to {choice.to}: {choice.reason}"
    flight = _flight(Work.ROTATE, choice.region, reason, view, rules, by=by)
    flight = msgspec.structs.replace(flight, old=use.location, new=choice.to, package=choice.package)
    claimed = msgspec.structs.replace(enter(row, State.ROTATING, reason, view.now), flight=flight)
    return Turn(claimed, Rotating(flight))


def _claim_restart(row: Packages, order: Order, view: View, rules: Rules) -> Turn:
    region = order.regions[0]
    why = f": {order.reason}" if order.reason else ""
    reason = f"{region} is restarted, ordered by {order.by}{why}; {len(order.regions) - 1} more after it"
    flight = _flight(Work.RESTART, region, reason, view, rules, by=order.by)
    claimed = msgspec.structs.replace(enter(row, State.RESTARTING, reason, view.now), flight=flight)
    return Turn(claimed, Restarting(flight))


def _flight(work: Work, region: str, reason: str, view: View, rules: Rules, *, by: str) -> Flight:
    name = f"{view.worker} {work} {region} {view.now.isoformat()}"
    return Flight(
        id=hashlib.sha256(name.encode()).hexdigest()[:16],
        work=work,
        phase=Phase.CLAIMED,
        region=region,
        reason=clipped(reason, LINE),
        claimed_at=view.now,
        worker=view.worker,
        worker_until=view.now + timedelta(seconds=rules.claim),
        start=start_of(view.health.get(region)),
        site=view.sites[region],
        by=by,
    )


# -- what the workflow found out while doing ------------------------------------------------------------------------


def unclaim(row: Packages, reason: str, now: datetime) -> Packages:
    """Take the claim back: nothing was done to the region. The row says why and stays in its state."""
    return msgspec.structs.replace(enter(row, row.state, reason, now), flight=None)


def happened(row: Packages, now: datetime, rules: Rules) -> Packages:
    """Azure accepted the write or the restart."""
    flight = _flown(row)
    reason = f"{flight.region} was disturbed and must be healthy for {rules.soak:g} s: {flight.reason}"
    until = now + timedelta(seconds=rules.claim)
    after = msgspec.structs.replace(flight, phase=Phase.DONE, done_at=now, worker_until=until)
    return msgspec.structs.replace(enter(row, State.VERIFYING, reason, now), flight=after)


def put_back(row: Packages, now: datetime) -> Packages:
    """Azure accepted the old URL; the flight is closed when the region shows it."""
    return msgspec.structs.replace(row, flight=msgspec.structs.replace(_flown(row), put_back_at=now))


def lost(row: Packages, reason: str, now: datetime) -> Packages:
    """There is no way back: the old URL is gone."""
    failed = _refuse(row, _flown(row))
    return msgspec.structs.replace(enter(failed, State.HELD, reason, now), flight=None, order=None)


def _flown(row: Packages) -> Flight:
    assert row.flight is not None, "there is a flight"  # noqa: S101 -- an internal order, not input
    return row.flight


# -- a flight under way ---------------------------------------------------------------------------------------------


def _in_flight(row: Packages, flight: Flight, view: View, rules: Rules) -> Turn:
    if flight.region not in view.systems:
        return _left(row, flight, view)
    if flight.work is Work.ROTATE and flight.region not in view.fresh:
        return Turn(row, Look(flight.region))
    match flight.phase:
        case Phase.CLAIMED:
            return _claimed(row, flight, view, rules)
        case Phase.DONE:
            return _verifying(row, flight, view, rules)
        case Phase.UNDOING:
            return _undoing(row, flight, view, rules)


def _left(row: Packages, flight: Flight, view: View) -> Turn:
    """The region of the flight is gone. A restart is over with it; a rotation is ended when the region is back."""
    why = f"{flight.region} left the group while it was being disturbed"
    closed = _close(row, flight, view, why)
    if flight.work is Work.RESTART:
        return closed
    left = (*row.left, flight)[-MOST_LEFT:]
    return Turn(msgspec.structs.replace(closed.row, left=left), Close(flight, away=True))


def _claimed(row: Packages, flight: Flight, view: View, rules: Rules) -> Turn:
    """A claim that is still open: its worker is at it, or died before or after the deed."""
    if view.now < flight.worker_until and flight.worker != view.worker:
        return Turn(row, Rest())
    if flight.work is Work.RESTART:
        # Nothing shows whether the region was restarted. Its order stands, and a second restart does no harm.
        return _close(row, flight, view, f"whether {flight.region} was restarted is not known", well=None)
    if _at(row, flight, flight.new):
        return Turn(happened(row, view.now, rules), Rest())
    if _at(row, flight, flight.old):
        return _close(row, flight, view, f"{flight.region} was not rotated", well=None)
    why = f"{flight.region} got another package URL from somebody else before it was rotated"
    return _close(row, flight, view, why)


def _at(row: Packages, flight: Flight, location: Location | None) -> bool:
    """Return whether the region takes its package from that location now."""
    use = row.use(flight.region)
    return (
        use is not None
        and use.location is not None
        and location is not None
        and use.location.id == location.id
    )


def _verifying(row: Packages, flight: Flight, view: View, rules: Rules) -> Turn:
    at = flight.done_at
    assert at is not None, "what was done was done at a time"  # noqa: S101 -- an internal order, not input
    if flight.work is Work.ROTATE and not _at(row, flight, flight.new):
        if _at(row, flight, flight.old) and view.now < flight.worker_until:
            return Turn(row, Rest())  # Resource Manager applies settings asynchronously
        moved = f"the package URL of {flight.region} was changed by somebody else while it was being verified"
        return _close(row, flight, view, moved)
    return _judged(row, flight, at, view, rules)


def _judged(row: Packages, flight: Flight, at: datetime, view: View, rules: Rules) -> Turn:
    """Return whether the region came back after what was done to it at that time."""
    health = view.health.get(flight.region)
    if came_back(health, flight.start, at, rules.soak):
        came = f"{flight.region} is well after: {flight.reason}"
        return _close(_arrived(row, flight, at), flight, view, came, well=True)
    seen = health.reason if health else "its health is not known"
    deadline = at + timedelta(seconds=rules.verify_deadline)
    if view.now < deadline:
        reason = f"{flight.region}: {seen}; given until {deadline:%H:%M:%S} UTC"
        return Turn(enter(row, State.VERIFYING, reason, view.now), Rest())
    if flight.start is Start.SILENT:
        as_before = f"{flight.region} is as silent as before: {seen}; not undone: {flight.reason}"
        return _close(_arrived(row, flight, at), flight, view, as_before)
    failed = f"{flight.region} did not come back: {seen}"
    if flight.work is Work.RESTART:
        stopped = enter(row, State.HELD, f"{failed}; no other region is restarted", view.now)
        return _close(stopped, flight, view, stopped.reason)
    return _undoing(enter(row, State.UNDOING, failed, view.now), flight, view, rules)


def _arrived(row: Packages, flight: Flight, at: datetime) -> Packages:
    """The region runs what the flight brought it, and remembers where it belongs."""
    known: Package | None = flight.package
    row = running(row, flight.region, Running(package=known, package_at=at if known else None))
    use = row.use(flight.region)
    if use is None or flight.old is None or flight.new is None:
        return row
    left = "" if flight.old.origin is Origin.BROKEN else flight.old.host
    home = "" if flight.by else use.home or left
    here = msgspec.structs.replace(use, home="" if home == flight.new.host else home)
    return msgspec.structs.replace(row, uses=tuple(here if item is use else item for item in row.uses))


def _undoing(row: Packages, flight: Flight, view: View, rules: Rules) -> Turn:
    if flight.phase is Phase.UNDOING and flight.worker != view.worker and view.now < flight.worker_until:
        return Turn(row, Rest())
    if not _at(row, flight, flight.new):
        whose = "its old URL is back" if _at(row, flight, flight.old) else "somebody else changed its URL"
        back = f"{flight.region} did not come back with the package of {flight.new}; {whose}"
        return _close(_refuse(row, flight), flight, view, back)
    if flight.put_back_at and view.now < flight.put_back_at + timedelta(seconds=rules.claim):
        return Turn(row, Rest())  # Resource Manager applies settings asynchronously
    old = view.watches.get(flight.old.id) if flight.old else None
    if flight.phase is Phase.DONE and old is not None and old.problem:
        # Its old URL would restart the region without a package. It may still come back where it is.
        reason = f"{row.reason}; its old URL waits: {flight.old}: {old.problem}"
        return Turn(enter(row, State.UNDOING, reason, view.now), Rest())
    until = view.now + timedelta(seconds=rules.claim)
    mine = msgspec.structs.replace(flight, phase=Phase.UNDOING, worker=view.worker, worker_until=until)
    return Turn(msgspec.structs.replace(row, flight=mine), Undo(mine))


def _refuse(row: Packages, flight: Flight) -> Packages:
    """Note that the region did not come back with this package."""
    if flight.new is None:
        return row
    digest = flight.package.digest if flight.package else ""
    one = Refused(flight.region, flight.new.id, digest)
    return msgspec.structs.replace(row, refused=tuple(dict.fromkeys((*row.refused, one)))[-HISTORY:])


def _close(row: Packages, flight: Flight, view: View, reason: str, *, well: bool | None = False) -> Turn:
    """The flight is over. What a person ordered goes on when this went well, is over when not, stands when None."""
    noted = msgspec.structs.replace(enter(row, row.state, reason, view.now), flight=None)
    if flight.by and well is not None:
        noted = (done if well else dropped)(noted, reason, view.now)
    return Turn(noted, Close(flight, well is True))

"""Carry rollouts on: read, decide, write under a permit, remember. The only effects of this slice.

Every step is safe to die in: the row is saved before what it announces is done, and the next wake-up finds in the
regions themselves how far the last one came (law 3).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from shared.absence import missed
from shared.ages import age
from shared.clock import Clock
from shared.copies import COPY_LIVES
from shared.disruption.model import Disruption, Kind, Permit
from shared.disruption.permit import Denial
from shared.disruption.ports import SettingsWrites
from shared.disruption.workflow import release, request
from shared.errors import AppError, Conflict, Effect, ForeignKey, TransientError, Unavailable, UnsafePlan
from shared.groups.discover import row_name
from shared.groups.model import Group, Health, Region, RegionSettings, Value
from shared.settings_sync import ask, patch
from shared.settings_sync.diff import side
from shared.settings_sync.fingerprint import FingerprintKey
from shared.settings_sync.model import (
    Decision,
    Flight,
    Happening,
    Phase,
    Rollout,
    Side,
    State,
    StoreKey,
    counted,
)
from shared.settings_sync.policy import Policy
from shared.settings_sync.ports import RollbackCopies, SettingsReads
from shared.settings_sync.rotate import rotated
from shared.settings_sync.transitions import (
    HISTORY,
    Again,
    Close,
    Rest,
    Rules,
    Turn,
    Undo,
    View,
    Write,
    enter,
    first_look,
    has_regions,
    in_question,
    landed,
    look,
    lost,
    put_back,
    soaked,
    stale,
    turn,
    unasked,
    unclaim,
)
from shared.store import Key, Store, Version, fitted, key, read, revise, write

log = logging.getLogger(__name__)

STORE_KEY = key("fingerprint-key", "store")
FOREIGN = (
    "this is not the key of this store: COUNTERPART_FINGERPRINT_KEY is another one than its fingerprints were made "
    "with, so nothing is compared and nothing is changed. Use the store's own key; to replace it, set the old one as "
    "COUNTERPART_FINGERPRINT_KEY_PREVIOUS beside the new one; if it is lost: counterpart baseline reset --reason TEXT"
)
MOVES_AT_ONCE = 24  # steps in one wake-up; a guard against a loop, far above what a rollout takes
_CLAIM_LEFT = 2 / 3  # of a claim must be left when a PUT begins: more than the PUT's own deadline of 60 s
_TRIES = 3  # to say what became of a claim, while others save their looks


class Eyes(Protocol):
    """Reads the group's health for this slice; reconcile binds it to the group."""

    def __call__(self, *, prove: bool = False) -> Awaitable[Mapping[str, Health]]:
        """Every region's health now; `prove` includes a fresh SCEP proof."""
        ...


class Hindrance(Protocol):
    """Returns why a region should not be restarted now, by facts of other slices; empty: it may be."""

    def __call__(self, region: str, health: Mapping[str, Health], /) -> Awaitable[str]:
        """Look, just before a write."""
        ...


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """The ports and settings that a round over one group's settings uses."""

    store: Store
    clock: Clock
    reads: SettingsReads
    writes: SettingsWrites
    copies: RollbackCopies
    policy: Policy
    secret: FingerprintKey
    rules: Rules
    previous: FingerprintKey | None = None  # what `secret` replaces
    rotates: bool = True  # False: something under way in the group goes by the previous key still
    hindrance: Hindrance | None = None


class _Seen(msgspec.Struct, frozen=True):
    """One reading of all regions' settings."""

    settings: Mapping[str, RegionSettings]  # by region
    sides: tuple[Side, ...]

    def side(self, region: str) -> Side:
        return next(item for item in self.sides if item.region.name == region)


def rollout_key(group_id: str) -> Key:
    """Return where a group's rollout lies."""
    return key("settings-sync", row_name(group_id))


async def read_rollout(store: Store, group_id: str) -> Rollout | None:
    """The group's rollout as it was last saved."""
    rollout, _ = await read(store, rollout_key(group_id), Rollout)
    return rollout


def needs_look(rollout: Rollout | None, rules: Rules, now: datetime) -> bool:
    """Return whether the timer should read this group's settings now (law 7: converged means quiet)."""
    if rollout is None or rollout.looked_at is None or rollout.flight is not None:
        return True
    if rollout.unread is not None:
        return True
    if rollout.state in {State.SOAKING, State.WRITING, State.VERIFYING, State.CONTAINED}:
        return True
    if any(verdict.at >= rollout.looked_at for verdict in rollout.verdicts):
        return True  # who took a person's word in died before acting on it
    return age(rollout.looked_at, now) >= timedelta(seconds=rules.sweep)


async def sync(group: Group, eyes: Eyes, tools: Tools, *, worker: str) -> Rollout:
    """Read the regions' settings and carry the rollout on as far as it goes now.

    Raises:
        Conflict: another instance works on the same row; the next wake-up goes on.
        Unavailable, Throttled, Denied, NotFound: from the reads and writes; the row says how far it came.
    """
    round_ = _Round(group, eyes, tools, worker)
    for _ in range(MOVES_AT_ONCE):
        turned = await round_.decide()
        if await round_.do(turned):
            return turned.rollout if round_.row is None else round_.row
    raise AssertionError(f"{group.name}: the rollout did not come to rest in {MOVES_AT_ONCE} steps")


async def look_only(group: Group, tools: Tools) -> tuple[Rollout, tuple[Decision, ...]]:
    """The plan as it would be now; nothing is written, not even the row.

    Raises:
        ForeignKey: the row, or the store, belongs to another fingerprint key.
    """
    row, _ = await read(tools.store, rollout_key(group.id), Rollout)
    await check_key(row, tools)
    _check_regions(row, group)
    seen = await _read_all(group, tools, row)
    return look(_begun(group, row, seen, tools), seen.sides, tools.policy, tools.clock.now(), group.read_at)


def _check_regions(row: Rollout | None, group: Group) -> None:
    """A group's regions are one fact: an older answer's must not overwrite what was decided by a newer one's.

    Raises:
        Conflict: the row knows a newer answer, with other regions.
    """
    if row is None or row.regions_at is None or group.read_at is None or group.read_at >= row.regions_at:
        return
    if not has_regions(row, group.regions):
        raise Conflict(f"{group.name}: a later answer of Traffic Manager had other regions")


async def wait(group: Group, why: str, tools: Tools) -> None:
    """A region cannot be read: whatever is known, decided and begun stays as it is, and the row says why."""
    now = tools.clock.now()

    def decide(row: Rollout | None) -> Rollout | None:
        if row is None or row.key_id not in _ours(tools):
            return None
        told = row if why in row.reason else enter(row, row.state, f"nothing is compared: {why}", now)
        return fitted(msgspec.structs.replace(told, unread=missed(row.unread, now)))

    await revise(tools.store, rollout_key(group.id), Rollout, decide)


async def check_key(row: Rollout | None, tools: Tools) -> None:
    """Refuse to work with a key that is not the group's; a group without a row has the store's.

    Raises:
        ForeignKey: it is not, and not the one that it replaces either.
    """
    if row is None:
        stored, _ = await read(tools.store, STORE_KEY, StoreKey)
        owner = stored.id if stored else tools.secret.id
    else:
        owner = row.key_id
    if owner not in _ours(tools):
        raise ForeignKey(FOREIGN)


def _ours(tools: Tools) -> tuple[str, ...]:
    return tuple(
        fingerprint_key.id
        for fingerprint_key in (tools.secret, tools.previous)
        if fingerprint_key is not None
    )


async def _own_store(tools: Tools) -> None:
    """The store belongs to our key from now on, if it belongs to no other one.

    Raises:
        ForeignKey: it does.
    """

    def decide(stored: StoreKey | None) -> StoreKey:
        if stored is not None and stored.id not in _ours(tools):
            raise ForeignKey(FOREIGN)
        is_ours = stored is not None and stored.id == tools.secret.id
        return (
            stored
            if stored is not None and is_ours
            else StoreKey(id=tools.secret.id, since=tools.clock.now())
        )

    await revise(tools.store, STORE_KEY, StoreKey, decide)


def _begun(group: Group, row: Rollout | None, seen: "_Seen", tools: Tools) -> Rollout:
    """The row to go on with: as it is, at first contact, or rotated to the new key."""
    now = tools.clock.now()
    if row is None:
        return first_look(group.name, seen.sides, tools.secret.id, now)
    if _key_for(row, tools).id == row.key_id:
        return row
    assert tools.previous is not None, "the key was checked"  # noqa: S101 -- an internal order, not input
    before = _sides(group, seen.settings, tools.policy, tools.previous, row)
    return rotated(row, before, seen.sides, tools.secret.id, now)


def _key_for(row: Rollout | None, tools: Tools) -> FingerprintKey:
    """A write that is under way is seen through under the key that it was planned with."""
    if row is None or row.key_id == tools.secret.id or tools.previous is None:
        return tools.secret
    return tools.secret if row.flight is None and tools.rotates else tools.previous


async def reset(group: Group, by: str, reason: str, tools: Tools) -> bool:
    """Begin anew under our key where the row's own key is lost. Returns whether there was anything to reset.

    Nothing of such a row can be compared, so nothing of it is kept but its history; a write that was under way stays
    as it is.
    """
    stored, version = await read(tools.store, rollout_key(group.id), Rollout)
    if stored is None or stored.key_id in _ours(tools):
        return False
    seen = await _read_all(group, tools, None)
    now = tools.clock.now()
    begun = first_look(group.name, seen.sides, tools.secret.id, now)
    said, base = counted(len(stored.verdicts), "decision"), counted(len(stored.baseline))
    gone = f"{said} and a baseline of {base} are forgotten"
    if stored.flight is not None:
        gone += f"; a write to {stored.flight.target} was under way and stays as it is"
    line = Happening(now, State.CONVERGED, f"baseline reset by {by}: {reason}; {gone}")
    await _drop_flight(group, stored, tools)
    after = msgspec.structs.replace(begun, history=(*stored.history, line, *begun.history)[-HISTORY:])
    await write(tools.store, rollout_key(group.id), after, if_version=version)
    return True


async def reset_store(tools: Tools) -> bool:
    """The store belongs to our key from now on, whosoever it was. Returns whether it was another's."""
    stored, _ = await read(tools.store, STORE_KEY, StoreKey)
    now = tools.clock.now()
    await revise(
        tools.store,
        STORE_KEY,
        StoreKey,
        lambda it: it if it and it.id in _ours(tools) else StoreKey(id=tools.secret.id, since=now),
    )
    return stored is not None and stored.id not in _ours(tools)


async def settle(group: Group, asked: ask.Request, tools: Tools) -> Rollout:
    """Take a person's word into the row. The next round acts on it.

    Raises:
        StalePlan, IllegalTransition, NotFound, UnsafePlan: as `ask.verdicts` says.
        ForeignKey: the row, or the store, belongs to another fingerprint key.
        Conflict: the row moved while we wrote; ask again.
    """
    stored, version = await read(tools.store, rollout_key(group.id), Rollout)
    looked, _ = await look_only(group, tools)
    now = tools.clock.now()
    said = ask.verdicts(asked, looked, [region.name for region in group.regions], now)
    if stored is None or stored.key_id != looked.key_id:
        await _own_store(tools)
    settled = {verdict.state for verdict in said}
    reason = f"{asked.ask} by {asked.by}" + (f": {asked.reason}" if asked.reason else "")
    noted = enter(looked, looked.state, f"{counted(len(said))}: {reason}", now)
    after = msgspec.structs.replace(
        noted,
        verdicts=ask.joined(noted.verdicts, said),
        undone=tuple(name for name in noted.undone if name not in settled),
    )
    await write(tools.store, rollout_key(group.id), after, if_version=version)
    return after


async def _drop_flight(group: Group, row: Rollout, tools: Tools) -> None:
    """The row's fingerprint key is lost, so nothing of it can be compared: leave nothing of it lying about."""
    if row.flight is not None:
        await tools.copies.forget(row.flight.copy_name)
        now = tools.clock.now()
        await release(tools.store, row_name(group.id), row.flight.id, disturbed_at=now)


class _Round:
    """One wake-up's work on one group's row. Holds the row as it was last read or saved, and its version."""

    def __init__(self, group: Group, eyes: Eyes, tools: Tools, worker: str) -> None:
        self.group, self.eyes, self.tools, self.worker = group, eyes, tools, worker
        self.row: Rollout | None = None
        self._seen = _Seen({}, ())
        self._version: Version | None = None

    # -- deciding

    async def decide(self) -> Turn:
        """Read the row and the regions, and decide the next step."""
        tools, group = self.tools, self.group
        self.row, self._version = await read(tools.store, rollout_key(group.id), Rollout)
        await check_key(self.row, tools)
        _check_regions(self.row, group)
        seen = self._seen = await _read_all(group, tools, self.row)
        rollout = _begun(group, self.row, seen, tools)
        if self.row is None or self.row.key_id != rollout.key_id:
            await _own_store(tools)
        looked, decisions = look(rollout, seen.sides, tools.policy, tools.clock.now(), group.read_at)
        verifying = looked.flight is not None and looked.flight.phase is Phase.WRITTEN
        health = await self.eyes(prove=verifying)
        region, keys = in_question(looked, health, tools.clock.now(), tools.rules)
        try:
            unresolved = await _unresolved(region, keys, seen, tools, sure=looked.flight is None)
        except TransientError:
            await self._save(unasked(looked, region, tools.clock.now()))
            raise
        view = View(
            sides=seen.sides,
            decisions=decisions,
            health=health,
            now=tools.clock.now(),
            worker=self.worker,
            unresolved=unresolved,
        )
        return turn(looked, view, tools.rules)

    # -- doing

    async def do(self, turned: Turn) -> bool:
        """Take the step. Returns whether the round is over."""
        match turned.step:
            case Rest():
                await self._save(turned.rollout)
                return True
            case Again():
                await self._save(turned.rollout)
                return False
            case Close(flight, well, away):
                # Copy and permit first: if we die here the flight is still in the row, and is closed again.
                if not away:
                    await self._forget(flight, turned.rollout.reason)
                await self._release(flight, disturbed=not well, well=well)
                await self._save(turned.rollout)
                return False
            case Write(flight):
                claimed = await self._save(turned.rollout)
                return await self._ours(flight, self._write(claimed, flight, turned.step))
            case Undo(flight):
                claimed = await self._save(turned.rollout)
                return await self._ours(flight, self._undo(claimed, flight))

    async def _ours(self, flight: Flight, work: Awaitable[bool]) -> bool:
        """Work on a claim; whoever was so slow that others took over leaves no permit and no copy behind."""
        try:
            return await work
        except Conflict:
            row = await read_rollout(self.tools.store, self.group.id)
            if row is None or flight.id not in {
                flight.id for flight in (row.flight, *row.left) if flight is not None
            }:
                await self.tools.copies.forget(flight.copy_name)
                await self._release(flight)
            raise

    async def _forget(self, flight: Flight, reason: str) -> None:
        """Delete the copy of what is over; while the vault does not let us, the row says that it waits for it."""
        try:
            await self.tools.copies.forget(flight.copy_name)
        except AppError as error:
            waits = f"{reason}; waiting for the vault to delete the copy of its old values: {error}"
            await self._note(lambda row, now: enter(row, row.state, waits, now))
            raise

    async def _save(self, rollout: Rollout) -> Rollout:
        """Write the row if it says anything new. Raises Conflict when another instance wrote it meanwhile."""
        before, rollout = self.row, fitted(rollout)
        if before is not None and _same(before, rollout, self.tools.rules):
            return rollout
        at = rollout_key(self.group.id)
        self._version = await write(self.tools.store, at, rollout, if_version=self._version)
        if before is None or before.state is not rollout.state:
            log.info("%s: %s: %s", self.group.name, rollout.state, rollout.reason)
        self.row = rollout
        return rollout

    async def _note(self, word: Callable[[Rollout, datetime], Rollout]) -> None:
        """Save what became of our claim; that another instance saved its look meanwhile takes the claim from nobody.

        Raises:
            Conflict: it is not, or the row moves all the time.
        """
        mine = self.row.flight if self.row else None
        for left in range(_TRIES, 0, -1):
            assert self.row is not None, "a claim lies in a row"  # noqa: S101 -- an internal order, not input
            try:
                await self._save(word(self.row, self.tools.clock.now()))
            except Conflict:
                row, version = await read(self.tools.store, rollout_key(self.group.id), Rollout)
                if left == 1 or row is None or row.flight != mine:
                    raise  # and ours stays as it was, so that whoever says more of the claim hears the same
                self.row, self._version = row, version
            else:
                return

    async def _release(self, flight: Flight, *, disturbed: bool = True, well: bool = False) -> None:
        """Give the permit back. Unless `disturbed`, the region need not be waited for on our account."""
        at = self.tools.clock.now() if disturbed else None
        await release(self.tools.store, row_name(self.group.id), flight.id, disturbed_at=at, well=well)

    async def _permit(self, flight: Flight) -> tuple[Permit | Denial, Mapping[str, Health]]:
        health = await self.eyes(prove=True)
        asked = Disruption(
            id=flight.id,
            kind=Kind.SETTINGS_WRITE,
            group=self.group.name,
            region=flight.target,
            at_most=self.tools.rules.permit,
        )
        now = self.tools.clock.now()
        answer = await request(
            self.tools.store,
            row_name(self.group.id),
            asked,
            health,
            now,
            audit_only=self.tools.rules.audit_only,
        )
        return (answer if isinstance(answer, Denial) else answer.permit), health

    async def _write(self, claimed: Rollout, flight: Flight, step: Write) -> bool:
        """Write the claimed flight, if it still fits and a permit is granted."""
        try:
            ready = await self._ready(claimed, flight, step)
        except AppError as error:
            if not step.resumed:
                await self._step_back(flight, f"{flight.target} was not written: {error}")
            else:  # the region may have a first part, and the copy is its way back
                await self._say(f"waiting to go on with what was begun in {flight.target}: {error}")
            raise
        if ready is None:
            return True
        await self._put_forward(flight, *ready)
        await self._note(lambda row, now: landed(row, now, self.tools.rules))
        return False

    async def _ready(self, claimed: Rollout, flight: Flight, step: Write) -> tuple[_Seen, Permit] | None:
        """Return the regions' settings, read last, and the permit. None: not now, and the row says why."""
        hindrance = self.tools.hindrance
        why_not = await hindrance(flight.target, await self.eyes()) if hindrance and not step.resumed else ""
        if why_not:
            await self._wait(why_not, step)
            return None
        granted, health = await self._permit(flight)
        if isinstance(granted, Denial):
            await self._wait(f"no permit: {granted.reason}", step)
            return None
        if not step.forced and not step.resumed and (why_not := self._unsound(claimed, flight, health)):
            await self._step_back(flight, why_not)
            return None
        if not await self._keep_copy(flight, step):
            await self._step_back(flight, f"{flight.target} has no values of ours")
            return None
        # Read last of all, since what a person changes between this and the PUT nobody can see.
        seen = await _read_all(self.group, self.tools, claimed)
        if why_not := stale(flight, seen.sides, resumed=step.resumed):
            if not step.resumed:
                await self._step_back(flight, why_not)
            return None  # the next look finds out what became of a write that was begun
        return seen, granted

    async def _put_forward(self, flight: Flight, seen: _Seen, permit: Permit) -> None:
        """PUT what is planned; an error is noted in the row as far as it says what took effect."""
        source, target = seen.side(flight.source), seen.side(flight.target)
        settings = seen.settings[flight.target]
        writes = self._writes(flight, permit, target)
        try:
            change = patch.forward(
                flight.keys, source, target, seen.settings[flight.source], self.tools.policy
            )
            if why_not := patch.too_long(change, settings, flight.target):
                raise UnsafePlan(why_not)  # it grew since the plan was made
            await writes.put(change, settings)
        except AppError as error:
            # Unless a first part took effect. When it is not known the claim stays, and the next look finds out
            # in the region itself.
            if error.effect is Effect.NOT_APPLIED and not writes.begun:
                await self._step_back(flight, f"{flight.target} was not written: {error}")
            else:
                await self._say(f"whether {flight.target} was written will show: {error}")
            raise

    def _writes(self, flight: Flight, permit: Permit, target: Side) -> "_Writes":
        """The writes of a claim, as long as there is enough of it left for a PUT to end in."""
        begin_by = flight.worker_until - timedelta(seconds=self.tools.rules.claim * _CLAIM_LEFT)
        return _Writes(self.tools, target.region, permit, begin_by)

    def _unsound(self, claimed: Rollout, flight: Flight, health: Mapping[str, Health]) -> str:
        """Return why the source no longer stands by its change, or nothing (law 2, by the freshest evidence)."""
        stood = next(footprint.at for footprint in claimed.footprints if footprint.region == flight.source)
        if soaked(flight.source, stood, health, self.tools.clock.now(), self.tools.rules):
            return ""
        seen = health.get(flight.source)
        return f"{flight.source} is no longer well: {seen.reason if seen else 'not seen'}"

    async def _say(self, reason: str) -> None:
        """The claim stays, and the row says why."""
        await self._note(lambda row, now: enter(row, State.WRITING, reason, now))

    async def _wait(self, reason: str, step: Write) -> None:
        """No permit. A fresh claim is given back; a resumed one stays, as its write has begun."""
        if step.resumed:
            await self._say(reason)
        else:
            await self._note(lambda row, now: unclaim(row, reason, now))

    async def _step_back(self, flight: Flight, reason: str) -> None:
        """The write is not made: give claim and permit back. The round is over; the next one looks anew."""
        log.info("%s: not written: %s", self.group.name, reason)
        # The reason first: should the vault not answer, the claim runs out and the next look cleans up.
        await self._say(reason)
        await self.tools.copies.forget(flight.copy_name)
        await self._release(flight, disturbed=False)
        await self._note(lambda row, now: unclaim(row, reason, now))

    async def _keep_copy(self, flight: Flight, step: Write) -> bool:
        """Lay the target's old values into the vault. A write that was begun has a copy, or it was not ours."""
        if step.resumed:
            return await self._find_copy(flight) is not None
        seen = self._seen
        source, target = seen.side(flight.source), seen.side(flight.target)
        content = patch.copied(flight.keys, source, target, seen.settings[flight.target])
        expires = self.tools.clock.now() + COPY_LIVES
        await self.tools.copies.keep(flight.copy_name, content, expires=expires)
        return True

    async def _find_copy(self, flight: Flight) -> Value | None:
        """The copy of the target's old values, or None when it is proved that there is none (any more).

        Raises:
            Unavailable: the vault did not find it this time.
        """
        try:
            found = await self.tools.copies.get(flight.copy_name)
        except AppError as error:
            waits = f"waiting for the vault, which holds {flight.target}'s old values: {error}"
            await self._note(lambda row, now: enter(row, row.state, waits, now))
            raise
        gone = missed(flight.copy_missing, self.tools.clock.now()) if found is None else None
        why = f"the vault does not find the copy of {flight.target}'s old values; it is asked again"

        def noted(row: Rollout, now: datetime) -> Rollout:
            assert row.flight is not None, "a claim lies in a row"  # noqa: S101 -- an internal order, not input
            after = row if gone is None or gone.is_proof else enter(row, row.state, why, now)
            return msgspec.structs.replace(
                after, flight=msgspec.structs.replace(row.flight, copy_missing=gone)
            )

        if gone != flight.copy_missing:
            await self._note(noted)
        if gone is not None and not gone.is_proof:
            raise Unavailable(why)
        return found

    async def _undo(self, claimed: Rollout, flight: Flight) -> bool:
        """Put the target's old values back, where it still has ours."""
        copy = await self._find_copy(flight)
        if copy is None:
            reason = (
                f"{flight.target} did not come back, and the copy of its old values is gone: mend it by hand"
            )
            log.warning("%s: %s", self.group.name, reason)
            await self._forget(flight, reason)  # what there may be of it
            await self._release(flight)
            await self._note(lambda row, now: lost(row, reason, now))
            return False
        granted, _ = await self._permit(flight)
        if isinstance(granted, Denial):
            waiting = f"waiting to put {flight.target} back: {granted.reason}"
            await self._note(lambda row, now: enter(row, row.state, waiting, now))
            return True
        seen = await _read_all(self.group, self.tools, claimed)
        target = seen.side(flight.target)
        change = patch.backward(copy, flight.keys, target)
        await self._writes(flight, granted, target).put(change, seen.settings[flight.target])
        await self._note(put_back)
        return False


class _Writes:
    """The writes of one step to one site: one merged PUT, a second one only when connection strings change too."""

    def __init__(self, tools: Tools, region: Region, permit: Permit, begin_by: datetime) -> None:
        self._tools, self._region, self._permit, self._begin_by = tools, region, permit, begin_by
        self.begun = False  # a first part took effect

    async def put(self, change: patch.Patch, settings: RegionSettings) -> None:
        """Write the settings as read, with the change in them.

        Raises:
            Conflict: getting here took so long that another worker may take the claim over under the PUT.
        """
        app, connections = patch.applied(change, settings)
        if app is not None:
            self._in_time()
            await self._tools.writes.put_app_settings(self._region.site_id, app, permit=self._permit)
            self.begun = True
        if connections is not None:
            self._in_time()
            await self._tools.writes.put_connection_strings(
                self._region.site_id, connections, permit=self._permit
            )
            self.begun = True

    def _in_time(self) -> None:
        if self._tools.clock.now() > self._begin_by:
            raise Conflict(f"getting ready to write {self._region.name} took too long")


async def _read_all(group: Group, tools: Tools, row: Rollout | None) -> _Seen:
    regions = sorted(group.regions, key=lambda it: it.name)  # Azure's order must not choose a key's capitals
    found = await asyncio.gather(*(tools.reads.get_settings(region.site_id) for region in regions))
    settings = {region.name: region_settings for region, region_settings in zip(regions, found, strict=True)}
    return _Seen(settings, _sides(group, settings, tools.policy, _key_for(row, tools), row))


def _sides(
    group: Group,
    settings: Mapping[str, RegionSettings],
    policy: Policy,
    secret: FingerprintKey,
    row: Rollout | None,
) -> tuple[Side, ...]:
    """The regions' settings under one fingerprint key."""
    known = _known_keys(row) if row else set()
    sides: list[Side] = []
    for region in sorted(group.regions, key=lambda it: it.name):
        one = side(region, settings[region.name], policy, secret, known=sorted(known))
        known |= one.entries.keys()
        sides.append(one)
    return tuple(sides)


def _known_keys(row: Rollout) -> set[str]:
    """Every key that the row has a word on, so that no region's capitals make another key of it."""
    flying = {planned.key for planned in row.flight.keys} if row.flight else set()
    return (
        {key_ for key_, _ in row.baseline}
        | {*row.undecided, *(written.key for written in row.written)}
        | flying
    )


async def _unresolved(
    region: str, keys: Sequence[str], seen: _Seen, tools: Tools, *, sure: bool
) -> tuple[str, ...]:
    """The keys whose references the region is not known to have resolved, each with why. No references, no read.

    What cannot be read is not known to be resolved, so a deadline goes on. `sure`: nothing is under way, and the next
    wake-up may find out.

    Raises:
        Unavailable, Throttled: it was to be sure.
    """
    if not keys or region not in seen.settings:
        return ()
    side_, settings = seen.side(region), seen.settings[region]
    names = {
        entry.name: name
        for name in keys
        if (entry := side_.entries.get(name)) and _is_reference(settings.app.get(entry.name))
    }
    if not names:
        return ()
    try:
        statuses = await tools.reads.list_references(side_.region.site_id)
    except AppError as error:
        if sure and isinstance(error, TransientError):
            raise
        log.warning("the Key Vault references of %s could not be read: %s", region, error)
        return tuple(sorted(f"{key_} (its status could not be read)" for key_ in names.values()))
    words = {statuse.name: "" if statuse.resolved else statuse.words for statuse in statuses}
    why = {key_: words.get(name, "App Service does not list it") for name, key_ in names.items()}
    return tuple(f"{key_} ({said})" for key_, said in sorted(why.items()) if said)


def _is_reference(value: Value | None) -> bool:
    return value is not None and value.reveal().startswith("@Microsoft.KeyVault(")


def _same(before: Rollout, after: Rollout, rules: Rules) -> bool:
    """Return whether only the time of looking differs, and the next sweep does not depend on it yet."""
    if before.looked_at is None or after.looked_at is None:
        return before == after
    recent = age(before.looked_at, after.looked_at) < timedelta(seconds=rules.sweep / 2)
    return recent and msgspec.structs.replace(after, looked_at=before.looked_at) == before

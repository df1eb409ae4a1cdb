"""Copies of old values that belong to no write any more: found by their rows, deleted by the timer, told by status.

A write's own copy goes with the write. What is left over is that of a process that died in between, and of a group
that nobody looks after any more: its profile was untagged or deleted while a region of it was being verified.
"""

import logging
from collections.abc import Collection

import msgspec

from shared.absence import is_over, missed
from shared.artifact_hosts.workflow import read_packages
from shared.copies import COPIES, COPY_LIVES, Kept, Listed, kept_key
from shared.errors import AppError
from shared.ports import Ports
from shared.settings_sync.workflow import read_rollout
from shared.store import readable, revise

log = logging.getLogger(__name__)

OVER = "its write is over"
UNMANAGED = (
    "its group is not managed any more; it is deleted a day after it was made, unless the group is again"
)


async def left_over(managed: Collection[str], ports: Ports) -> tuple[tuple[Kept, str], ...]:
    """The copies that no write of a managed group needs, each with the reason."""
    ids = {name.lower() for name in managed}
    found = [(row, await _why(row, ids, ports)) async for row, _ in readable(ports.store, COPIES, Kept)]
    return tuple((row, why) for row, why in found if why)


async def sweep(managed: Collection[str], ports: Ports) -> None:
    """Delete what is left over. What cannot be deleted now is tried again next turn. Raises nothing of ours."""
    try:
        ids = {name.lower() for name in managed}
        async for row, _ in readable(ports.store, COPIES, Kept):
            await _sweep_one(row, ids, ports)
    except AppError as error:
        log.warning("which copies of old values are left over could not be read: %s", error)


async def _sweep_one(row: Kept, managed: Collection[str], ports: Ports) -> None:
    now = ports.clock.now()
    try:
        why = await _why(row, managed, ports)
        # For a day it is the way back; and one answer that leaves a profile out proves nothing.
        is_old = now - row.at >= COPY_LIVES
        gone = missed(row.unmanaged, now) if why == UNMANAGED and is_old else None
        if why == OVER or (gone is not None and gone.is_proof):
            log.info("the copy %s is deleted: %s", row.name, why)
            await Listed(ports.copies, ports.store, ports.clock, row.group_id).forget(row.name)
        elif gone != row.unmanaged:
            await revise(
                ports.store,
                kept_key(row.name),
                Kept,
                lambda it: it and msgspec.structs.replace(it, unmanaged=gone),
            )
    except AppError as error:
        log.warning("the copy %s is left in the vault for now: %s", row.name, error)


async def _why(row: Kept, managed: Collection[str], ports: Ports) -> str:
    """Return why nobody needs the copy; empty: a write does. A write is in its row before its copy is laid in."""
    now = ports.clock.now()
    rollout = await read_rollout(ports.store, row.group_id)
    packages = await read_packages(ports.store, row.group_id)
    owners = [item for item in (rollout, packages) if item is not None]
    flights = [owner.flight for owner in owners if owner.flight is not None]
    left = [flight for owner in owners for flight in owner.left if not is_over(flight, now, COPY_LIVES)]
    if row.name not in {flight.copy_name for flight in (*flights, *left)}:
        return OVER
    return "" if row.group_id.lower() in managed else UNMANAGED

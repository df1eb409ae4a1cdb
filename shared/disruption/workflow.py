"""Ask for a permit and give it back: one versioned row per group, so that two callers never both win."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from shared.disruption.model import Disruption, Permit
from shared.disruption.permit import AUDIT_ONLY, Denial, Granted, permit
from shared.groups.model import Health
from shared.store import Key, Store, key, revise


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The row: who may disturb the group now, or whose region has not come back yet."""

    permit: Permit | None = None


def permit_key(group_key: str) -> Key:
    """Return where a group's permit lies."""
    return key("permit", group_key)


async def request(
    store: Store,
    group_key: str,
    asked: Disruption,
    seen: Mapping[str, Health],
    now: datetime,
    *,
    audit_only: bool = False,
) -> Granted | Denial:
    """Ask; when granted, the group's permit is held until it is released or its time is over.

    Where Counterpart may only look, nobody gets one.

    Raises:
        Conflict: others kept writing the row.
    """
    if audit_only:
        return Denial(AUDIT_ONLY)
    answer: Granted | Denial = Denial("not asked")

    def decide(row: Held | None) -> Held | None:
        nonlocal answer
        answer = permit(asked, seen, row.permit if row else None, now)
        return Held(answer.permit) if isinstance(answer, Granted) else None

    await revise(store, permit_key(group_key), Held, decide)
    return answer


async def release(
    store: Store, group_key: str, work: str, *, disturbed_at: datetime | None = None, well: bool = False
) -> None:
    """Give the permit back; nothing happens when another piece of work holds it, or nobody.

    `disturbed_at` is for a region that may have been restarted as late as then, and was not seen well since; `well`
    for one that was. With neither, the region is as it was before.
    """

    def decide(row: Held | None) -> Held | None:
        held = row.permit if row else None
        if held is None or held.id != work:
            return None
        if disturbed_at is not None:
            return Held(msgspec.structs.replace(held, disturbed_at=disturbed_at))
        if held.disturbed_at is None and held.awaited is not None and not well:
            until = held.awaited_until or held.until
            return Held(msgspec.structs.replace(held, disturbed_at=held.awaited, until=until))
        return Held() if held.disturbed_at is None else None

    await revise(store, permit_key(group_key), Held, decide)

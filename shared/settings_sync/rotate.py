"""From one fingerprint key to the next: a rollout's row, said anew under the new key. Pure.

Every value that a region has now is known under both keys. A fingerprint that stands for a value which no region has
any more stays as it is: it equals nothing under the new key either, so it goes on standing for "something else".
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from shared.settings_sync.diff import footprint
from shared.settings_sync.merge import merge
from shared.settings_sync.model import Decision, Planned, Print, Rollout, Side, lots
from shared.settings_sync.transitions import enter


def rotated(
    rollout: Rollout, old: Sequence[Side], new: Sequence[Side], key_id: str, now: datetime
) -> Rollout:
    """Return the row under the new key: the same baseline, decisions, holds and soaks. It has no write under way.

    `old` and `new` are the regions' same settings, fingerprinted under the row's own key and under the new one.
    """
    under = {
        (key, entry.print): after.entries[key].print
        for before, after in zip(old, new, strict=True)
        for key, entry in before.entries.items()
    }

    def said(key: str, print_: Print) -> Print:
        return under.get((key, print_), print_) if print_ is not None else None

    looks = {
        side.region.name: (footprint(side), footprint(after)) for side, after in zip(old, new, strict=True)
    }
    carried = msgspec.structs.replace(
        rollout,
        key_id=key_id,
        baseline=tuple((key, said(key, print_) or print_) for key, print_ in rollout.baseline),
        lots=lots(
            msgspec.structs.replace(
                written, print=said(written.key, written.print), old=said(written.key, written.old)
            )
            for written in rollout.written
        ),
        left=tuple(
            msgspec.structs.replace(
                flight,
                keys=tuple(
                    Planned(planned.key, said(planned.key, planned.old), said(planned.key, planned.new))
                    for planned in flight.keys
                ),
            )
            for flight in rollout.left
        ),
        footprints=tuple(
            msgspec.structs.replace(item, digest=looks[item.region][1])
            if item.region in looks and looks[item.region][0] == item.digest
            else item
            for item in rollout.footprints
        ),
    )
    pairs = zip(_decided(old, rollout), _decided(new, carried), strict=True)
    states = {before.state: after.state for before, after in pairs}
    return msgspec.structs.replace(
        enter(carried, carried.state, "the fingerprint key was rotated; nothing was forgotten", now),
        verdicts=tuple(
            msgspec.structs.replace(verdict, state=states.get(verdict.state, verdict.state))
            for verdict in rollout.verdicts
        ),
        undone=tuple(sorted(states.get(name, name) for name in rollout.undone)),
    )


def _decided(sides: Sequence[Side], rollout: Rollout) -> Sequence[Decision]:
    """Every key with the state in which it is seen, in the order of the keys."""
    return merge(sides, baseline=dict(rollout.baseline), undecided=rollout.undecided, written=rollout.written)

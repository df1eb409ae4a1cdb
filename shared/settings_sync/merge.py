"""Three-way merge of the regions' settings, per key: a list of decisions, each with its reason. Pure.

The three ways are the baseline (what all regions last agreed on) and, for two regions, their two values; more
regions work alike. The order in which regions are given does not matter.
"""

from collections.abc import Container, Iterable, Mapping, Sequence

from shared.settings_sync.fingerprint import digest
from shared.settings_sync.model import Action, Decision, Print, Side, Verdict, VerdictKind, Written
from shared.settings_sync.spelling import storable


def merge(
    sides: Sequence[Side],
    *,
    baseline: Mapping[str, str],
    undecided: Iterable[str] = (),
    written: Iterable[Written] = (),
    verdicts: Iterable[Verdict] = (),
) -> tuple[Decision, ...]:
    """Decide every key that any region or the baseline knows or that is undecided, in order of the keys.

    `undecided` are keys without a baseline because they differed at first contact. `written` are values that we
    put somewhere and that are still on their way: they are nobody's own change. Those of them that are `theirs` are
    what somebody put in the place of such a value: always a change.
    """
    ordered = sorted(sides, key=lambda it: it.region.name)
    open_keys = frozenset(undecided)
    written = tuple(written)
    ours = {(item.region, item.key, item.print): item.old for item in written}
    theirs = frozenset((item.region, item.key, item.print) for item in written if item.theirs)
    directions = [verdict for verdict in verdicts if verdict.kind in {VerdictKind.TAKE, VerdictKind.REJECT}]
    said = {(direction.key, direction.state): direction for direction in directions}  # the last word counts
    apart = {direction.key for direction in directions if direction.kind is VerdictKind.REJECT}
    local = {key for side in ordered for key in side.local}
    keys = {key for side in ordered for key in side.entries} | set(baseline) | open_keys
    decisions = [_keep_local(key, ordered) for key in sorted(local)]
    for key in sorted(keys - local):
        prints = {side.region.name: side.print_of(key) for side in ordered}
        base = baseline.get(key)
        # Our own write must not make a person's word on this key void before the last region has it.
        before = {name: ours.get((name, key, print_), print_) for name, print_ in prints.items()}
        state = digest(key, base, sorted(before.items(), key=lambda it: it[0]), key in open_keys)
        if twice := {
            side.region.name: side.entries[key].spellings for side in ordered if key in side.ambiguous
        }:
            decisions.append(_decision(key, Action.AMBIGUOUS, _spelled_twice(twice), state))
        elif len(set(prints.values())) <= 1:
            decisions.append(_decision(key, Action.AGREE, "the same in every region", state))
        elif verdict := said.get((key, state)):
            otherwise = _merge_key(
                key, base, prints, _moved(key, base, prints, ours, theirs), state, open_keys
            )
            decisions.append(_by_verdict(verdict, prints, otherwise))
        elif key in apart:
            why = "left different on purpose, and changed since: no common past to tell what is newer"
            decisions.append(_decision(key, Action.CONFLICT, why, state))
        else:
            decisions.append(
                _merge_key(key, base, prints, _moved(key, base, prints, ours, theirs), state, open_keys)
            )
    return tuple(decisions)


def _decision(key: str, action: Action, reason: str, state: str) -> Decision:
    return Decision(key=key, action=action, reason=reason, state=state)


def _spelled_twice(names: Mapping[str, Sequence[str]]) -> str:
    where = "; ".join(
        f"in {region} as {' and '.join(map(storable, spellings))}" for region, spellings in names.items()
    )
    return f"it stands there more than once, and which of them the app reads is a guess: {where}"


def _keep_local(key: str, ordered: Sequence[Side]) -> Decision:
    where = ", ".join(side.region.name for side in ordered if key in side.local)
    return _decision(key, Action.KEEP_LOCAL, f"the policy keeps it in its region ({where})", "")


def _moved(
    key: str,
    base: Print,
    prints: Mapping[str, Print],
    ours: Container[tuple[str, str, Print]],
    theirs: Container[tuple[str, str, Print]],
) -> dict[str, Print]:
    """Return what regions have by a change of their own, by region."""
    return {
        name: print_
        for name, print_ in prints.items()
        if (name, key, print_) in theirs or (print_ != base and (name, key, print_) not in ours)
    }


def _merge_key(
    key: str,
    base: Print,
    prints: Mapping[str, Print],
    moved: Mapping[str, Print],
    state: str,
    undecided: frozenset[str],
) -> Decision:
    """One key on which the regions differ, without a person's word."""
    if key in undecided:
        having = [name for name, print_ in prints.items() if print_ is not None]
        lacking = [name for name, print_ in prints.items() if print_ is None]
        only = f"only in {', '.join(having)}" if lacking else "different"
        return Decision(
            key=key,
            action=Action.CONFLICT,
            reason=f"{only} at first contact: no common past to tell what is newer",
            state=state,
            first_contact=True,
        )
    if not moved and base not in prints.values():
        left = f"we wrote it differently in {' and '.join(prints)}, and the region it came from is gone"
        return _decision(key, Action.CONFLICT, left, state)
    if not moved:  # what we wrote is ahead of its source, which took its change back
        return _take(key, base, prints, "the change was taken back where it was made", state)
    if len(set(moved.values())) > 1:
        changed = " and ".join(moved)
        return _decision(
            key, Action.CONFLICT, f"changed differently in {changed} since they last agreed", state
        )
    print_ = next(iter(moved.values()))
    verb = "removed" if print_ is None else "added" if base is None else "changed"
    return _take(
        key, print_, prints, f"{verb} in {', '.join(moved)}, unchanged elsewhere", state, tuple(moved)
    )


def _take(
    key: str,
    wanted: Print,
    prints: Mapping[str, Print],
    reason: str,
    state: str,
    sources: tuple[str, ...] = (),
) -> Decision:
    return Decision(
        key=key,
        action=Action.DELETE if wanted is None else Action.TAKE,
        reason=reason,
        state=state,
        sources=sources or tuple(name for name, print_ in prints.items() if print_ == wanted),
        targets=tuple(name for name, print_ in prints.items() if print_ != wanted),
    )


def _by_verdict(verdict: Verdict, prints: Mapping[str, Print], otherwise: Decision) -> Decision:
    """Return what a person said, when it says something about the direction; else what the merge says."""
    said = f"{verdict.by}: {verdict.reason}" if verdict.reason else verdict.by
    match verdict.kind:
        case VerdictKind.TAKE if verdict.side in prints:
            return _take(
                verdict.key,
                prints[verdict.side],
                prints,
                f"{verdict.side} was chosen by {said}",
                verdict.state,
                (verdict.side,),
            )
        case VerdictKind.REJECT:
            return _decision(verdict.key, Action.KEEP_APART, f"left different by {said}", verdict.state)
        case _:
            return otherwise

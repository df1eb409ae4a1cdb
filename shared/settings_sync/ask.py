"""The operator's requests to a rollout, and the decisions that they become. Pure."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec

from shared.errors import IllegalTransition, NotFound, StalePlan, UnsafePlan
from shared.settings_sync.model import Action, Decision, Plan, Rollout, State, Verdict, VerdictKind
from shared.settings_sync.plan import LIFTED
from shared.settings_sync.spelling import fold
from shared.settings_sync.transitions import due
from shared.words import LINE, clipped


class Ask(StrEnum):
    """The questions a person can settle."""

    APPROVE = "approve"  # let the held plan be carried out
    REJECT = "reject"  # leave the regions different in these keys
    TAKE = "take"  # one region's values are the right ones
    REVERT = "revert"  # a contained change goes back to what the peers have
    FORCE = "force"  # a contained or soaking change travels without the soak


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One person's word. `fingerprint` names the plan that the person saw."""

    ask: Ask
    fingerprint: str
    by: str
    reason: str = ""
    region: str = ""  # for TAKE
    keys: tuple[str, ...] = ()  # none: all that the question is about


_KINDS = {
    Ask.APPROVE: VerdictKind.APPROVE,
    Ask.REJECT: VerdictKind.REJECT,
    Ask.TAKE: VerdictKind.TAKE,
    Ask.REVERT: VerdictKind.TAKE,
    Ask.FORCE: VerdictKind.FORCE,
}


def verdicts(
    request: Request, rollout: Rollout, regions: Iterable[str], now: datetime
) -> tuple[Verdict, ...]:
    """Turn a request into a verdict per key.

    Raises:
        StalePlan: the plan is not the one that the person saw.
        IllegalTransition: there is nothing of that kind to settle.
        NotFound: the plan has no such key, or the group no such region.
        UnsafePlan: a reason is needed and missing, or what is asked of a key cannot be done.
    """
    plan = rollout.plan
    if plan is None or plan.fingerprint != request.fingerprint:
        shown = plan.fingerprint if plan else "none"
        raise StalePlan(
            f"the plan is now {shown}, not {request.fingerprint}: look again with `counterpart plan`, then decide"
        )
    if request.ask in {Ask.FORCE, Ask.REJECT} and not request.reason.strip():
        raise UnsafePlan(f"to {request.ask} needs a reason, which is recorded")
    chosen = _chosen(request, rollout, plan)
    return tuple(
        Verdict(
            key=decision.key,
            state=decision.state,
            kind=_KINDS[request.ask],
            by=clipped(request.by, LINE),
            reason=clipped(request.reason, LINE),
            at=now,
            side=_side(request, decision, regions),
        )
        for decision in chosen
    )


def joined(earlier: Iterable[Verdict], said: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """The verdicts that hold after new ones.

    A word on the direction (a side, or apart) replaces all that was said of the key. Any other leaves it: who
    approves a side that was taken does not take the choice of the side back.
    """
    new = tuple(said)
    by_key = {verdict.key: verdict for verdict in new}
    kept = (
        verdict
        for verdict in earlier
        if verdict.key not in by_key or _stands_beside(verdict, by_key[verdict.key])
    )
    return (*kept, *new)


def _stands_beside(earlier: Verdict, new: Verdict) -> bool:
    directs = new.kind in {VerdictKind.TAKE, VerdictKind.REJECT}
    return not directs and earlier.kind is not new.kind and earlier.state == new.state


def _chosen(request: Request, rollout: Rollout, plan: Plan) -> tuple[Decision, ...]:
    candidates = {fold(decision.key): decision for decision in askable(request.ask, rollout)}
    held = {fold(key): refusal for refusal in plan.refusals if refusal.alone for key in refusal.keys}
    for refusal in (held.get(fold(key)) for key in request.keys if fold(key) not in candidates):
        if refusal is not None:
            raise UnsafePlan(f"{refusal.text}. There is nothing to {request.ask} in it: {refusal.way_out}")
    if not candidates:
        hint = "".join(
            f"; {refusal.rule}: {f'{refusal.text}: ' if refusal.alone else ''}{refusal.way_out}"
            for refusal in plan.refusals
        )
        raise IllegalTransition(
            f"there is nothing to {request.ask} while the rollout is {rollout.state}{hint}"
        )
    unknown = [key for key in request.keys if fold(key) not in candidates]
    if unknown:
        raise NotFound(f"the plan has nothing to {request.ask} in {', '.join(unknown)}")
    asked = {fold(key) for key in request.keys or _meant(request, rollout, plan)}
    return tuple(decision for folded, decision in candidates.items() if folded in asked)


def _meant(request: Request, rollout: Rollout, plan: Plan) -> Iterable[str]:
    """Return the keys of a request that names none: all of the plan, or what is under way to put back or force.

    Another region's sound change waits behind it, and is neither put back with it nor spared its own soak. Whether
    what is under way is contained just now or soaks again makes no difference: its region may come and go between a
    person's look and word. A held plan is one question.
    """
    one = rollout.state is not State.HELD and plan.changes and request.ask in {Ask.REVERT, Ask.FORCE}
    return [decision.key for decision in (due(rollout, plan) if one else askable(request.ask, rollout))]


def askable(ask: Ask, rollout: Rollout) -> tuple[Decision, ...]:
    """Return what a question of this kind can be about now. A write that is under way is first seen through."""
    plan = rollout.plan
    if rollout.flight is not None or plan is None:
        return ()
    match ask:
        case Ask.APPROVE:
            return plan.changes if any(refusal.rule in LIFTED for refusal in plan.refusals) else ()
        case Ask.REVERT:
            return (
                *plan.changes,
                *(decision for decision in plan.decisions if decision.action is Action.CANNOT_TRAVEL),
            )
        case Ask.FORCE:
            return plan.changes
        case Ask.TAKE | Ask.REJECT:
            return tuple(decision for decision in plan.decisions if decision.action is not Action.AMBIGUOUS)


def _side(request: Request, decision: Decision, regions: Iterable[str]) -> str:
    if request.ask is Ask.REVERT:
        return min(decision.targets)  # the targets have the old value; that is what they are targets for
    if request.ask is not Ask.TAKE:
        return ""
    by_lower = {name.lower(): name for name in regions}
    if request.region.lower() not in by_lower:
        raise NotFound(
            f"{request.region or '(no region)'} is not a region of this group: {', '.join(by_lower.values())}"
        )
    region = by_lower[request.region.lower()]
    if decision.action is Action.CANNOT_TRAVEL and region in decision.sources:
        raise UnsafePlan(f"{decision.key} cannot be taken from {region}: {decision.reason}")
    return region

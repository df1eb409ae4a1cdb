"""What a person may ask of a rollout, and the verdicts that it becomes. Pure."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec

from shared.errors import IllegalTransition, NotFound, StalePlan, UnsafePlan
from shared.settings_sync.model import Decision, Plan, Rollout, Verdict, VerdictKind


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
        UnsafePlan: a reason is needed and missing.
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
            key=it.key,
            state=it.state,
            kind=_KINDS[request.ask],
            by=request.by,
            reason=request.reason,
            at=now,
            side=_side(request, it, regions),
        )
        for it in chosen
    )


def _chosen(request: Request, rollout: Rollout, plan: Plan) -> tuple[Decision, ...]:
    candidates = {it.key: it for it in _open(request.ask, rollout, plan)}
    unknown = [key for key in request.keys if key not in candidates]
    if unknown:
        raise NotFound(f"the plan has nothing to {request.ask} in {', '.join(unknown)}")
    chosen = tuple(candidates[key] for key in request.keys) or tuple(candidates.values())
    if not chosen:
        hint = "; conflicts need a side: counterpart resolve" if plan.refusals else ""
        raise IllegalTransition(
            f"there is nothing to {request.ask} while the rollout is {rollout.state}{hint}"
        )
    return chosen


def _open(ask: Ask, rollout: Rollout, plan: Plan) -> tuple[Decision, ...]:
    """What a question of this kind can be about now. A write that is under way is first seen through."""
    if rollout.flight is not None:
        return ()
    match ask:
        case Ask.APPROVE:
            return plan.changes if plan.refusals else ()
        case Ask.REVERT | Ask.FORCE:
            return plan.changes
        case Ask.TAKE | Ask.REJECT:
            return plan.decisions


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
    return by_lower[request.region.lower()]

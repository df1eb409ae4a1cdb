"""One plan and one rollout, rendered as facts (for JSON) and as text. Key names and reasons, never values. Pure."""

from collections.abc import Iterable
from typing import Any

from shared.groups.model import Group
from shared.settings_sync.advice import Advice
from shared.settings_sync.model import Decision, Plan, Refusal, Rollout
from shared.settings_sync.transitions import SENTENCES

SLOTS = (
    "Values travel; whether a setting sticks to its deployment slot does not. Where a key is a slot setting, "
    "mark it in the other regions as well."
)


def rollout_facts(group: Group, rollout: Rollout | None) -> dict[str, Any]:
    """A group's rollout as plain facts."""
    if rollout is None:
        return {"group": group.name, "state": None, "reason": "not looked at yet"}
    return {
        "group": group.name,
        "group_id": group.id,
        "state": rollout.state,
        "meaning": SENTENCES[rollout.state],
        "since": rollout.since,
        "reason": rollout.reason,
        "looked_at": rollout.looked_at,
        "plan": plan_facts(rollout.plan) if rollout.plan else None,
        "history": [
            {"at": happening.at, "state": happening.state, "text": happening.text}
            for happening in rollout.history
        ],
    }


def advice_facts(advice: Advice) -> dict[str, Any]:
    """Return what happens by itself, and what an operator can do, as plain facts."""
    options = [
        {"what": option.what, "effect": option.effect, "command": option.command or None}
        for option in advice.options
    ]
    return {"outlook": advice.outlook, "options": options}


def plan_facts(plan: Plan) -> dict[str, Any]:
    """A plan as plain facts."""
    return {
        "fingerprint": plan.fingerprint,
        "changes": [_decision_facts(decision) for decision in plan.decisions],
        "refusals": [_refusal_facts(refusal) for refusal in plan.refusals],
        "agreed": plan.agreed,
        "local": plan.local,
        "notes": list(plan_notes(plan)),
    }


def plan_notes(plan: Plan) -> tuple[str, ...]:
    """Return what a plan that writes something does not do."""
    return (SLOTS,) if plan.changes else ()


def _decision_facts(it: Decision) -> dict[str, Any]:
    return {
        "key": it.key,
        "action": it.action,
        "reason": it.reason,
        "from": list(it.sources),
        "to": list(it.targets),
    }


def _refusal_facts(it: Refusal) -> dict[str, Any]:
    return {"rule": it.rule, "keys": list(it.keys), "why": it.text, "way_out": it.way_out}


def plan_lines(plan: Plan) -> Iterable[str]:
    """A plan for a terminal or a log: one line per key, then what holds it."""
    if not plan.decisions:
        yield f"nothing to do: the regions agree in {plan.agreed} keys; {plan.local} are local by policy"
    for decision in plan.decisions:
        way = f" {', '.join(decision.sources)} -> {', '.join(decision.targets)}" if decision.targets else ""
        yield f"{decision.action:<10} {decision.key}{way}: {decision.reason}"
    for refusal in plan.refusals:
        yield f"held ({refusal.rule}): {refusal.text}"
        yield f"  way out: {refusal.way_out}"
    yield from plan_notes(plan)

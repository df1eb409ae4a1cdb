"""A decision that waits, as a page: what is held, why, and the commands that settle it. Never a value. Pure."""

from collections.abc import Iterable

from shared.groups.model import Group
from shared.pages import Page, Table
from shared.settings_sync.advice import Advice
from shared.settings_sync.model import Plan, Rollout, State
from shared.settings_sync.render import plan_notes
from shared.settings_sync.transitions import SENTENCES
from shared.words import moment

_WAITING = frozenset({State.HELD, State.CONTAINED})


def decision_page(group: Group, rollout: Rollout, asked_for: str, advice: Advice) -> Page:
    """The group's plan. `asked_for` is the fingerprint that the link named; the plan may be another one by now."""
    plan = rollout.plan
    waits = rollout.state in _WAITING
    now = plan.fingerprint if plan else "none"
    facts = (
        ("State", f"{rollout.state}: {SENTENCES[rollout.state]}"),
        ("Since", moment(rollout.since)),
        ("Why", rollout.reason),
        ("Plan", now),
        ("Next", advice.outlook),
    )
    lines = [] if asked_for == now else [f"You asked for plan {asked_for}; the plan is {now} by now."]
    if not waits:
        lines.append("Nothing waits for a decision.")
    lines += plan_notes(plan) if plan else ()
    return Page(
        title=f"{group.name}: settings are {rollout.state}",
        tone="warning" if waits else "good",
        facts=facts,
        lines=tuple(lines),
        tables=tuple(_tables(plan, advice)) if plan else (),
    )


def _tables(plan: Plan, advice: Advice) -> Iterable[Table]:
    if plan.decisions:
        yield Table(
            title="What would become of each key",
            columns=("what", "key", "from", "to", "why"),
            rows=tuple(
                (
                    decision.action,
                    decision.key,
                    ", ".join(decision.sources),
                    ", ".join(decision.targets),
                    decision.reason,
                )
                for decision in plan.decisions
            ),
        )
    if plan.refusals:
        yield Table(
            title="What holds it",
            columns=("rule", "why"),
            rows=tuple((refusal.rule, refusal.text) for refusal in plan.refusals),
        )
    if advice.options:
        yield Table(
            title="What can be done, the best first",
            columns=("to", "effect", "command"),
            rows=tuple((option.what, option.effect, option.command or "-") for option in advice.options),
        )

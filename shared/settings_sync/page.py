"""A decision that waits, as a page: what is held, why, and the commands that settle it. Never a value. Pure."""

from collections.abc import Iterable

from shared.groups.model import Group
from shared.pages import Page, Table
from shared.settings_sync.ask import Ask, askable
from shared.settings_sync.model import Plan, Rollout, State
from shared.settings_sync.transitions import SENTENCES

_WAITING = frozenset({State.HELD, State.CONTAINED})


def decision_page(group: Group, rollout: Rollout, asked_for: str) -> Page:
    """The group's plan. `asked_for` is the fingerprint that the link named; the plan may be another one by now."""
    plan = rollout.plan
    waits = rollout.state in _WAITING
    now = plan.fingerprint if plan else "none"
    facts = (
        ("State", f"{rollout.state}: {SENTENCES[rollout.state]}"),
        ("Since", f"{rollout.since:%Y-%m-%d %H:%M:%S} UTC"),
        ("Why", rollout.reason),
        ("Plan", now),
    )
    lines = [] if asked_for == now else [f"You asked for plan {asked_for}; the plan is {now} by now."]
    if not waits:
        lines.append("Nothing waits for a decision.")
    return Page(
        title=f"{group.name}: settings are {rollout.state}",
        tone="warning" if waits else "good",
        facts=facts,
        lines=tuple(lines),
        tables=tuple(_tables(group, rollout, plan)) if plan else (),
    )


def _tables(group: Group, rollout: Rollout, plan: Plan) -> Iterable[Table]:
    if plan.decisions:
        yield Table(
            title="What would become of each key",
            columns=("what", "key", "from", "to", "why"),
            rows=tuple(
                (it.action, it.key, ", ".join(it.sources), ", ".join(it.targets), it.reason)
                for it in plan.decisions
            ),
        )
    if plan.refusals:
        yield Table(
            title="What holds it",
            columns=("rule", "why", "way out"),
            rows=tuple((it.rule, it.text, it.way_out) for it in plan.refusals),
        )
    if rollout.state in _WAITING:
        commands = tuple(_commands(group, rollout, plan.fingerprint))
        yield Table(title="How to decide", columns=("to", "command"), rows=commands)


def _commands(group: Group, rollout: Rollout, fingerprint: str) -> Iterable[tuple[str, str]]:
    """What can be asked now; a conflict, say, cannot be let travel: a side must be taken."""
    at, this = f"--group {group.name}", f"--fingerprint {fingerprint}"
    yield "look again", f"counterpart plan {at}"
    if askable(Ask.APPROVE, rollout):
        yield "let it travel", f"counterpart apply {at} {this} --reason TEXT"
    if rollout.state is State.CONTAINED and askable(Ask.FORCE, rollout):
        yield "let it travel all the same", f"counterpart apply {at} {this} --force --reason TEXT"
    if askable(Ask.TAKE, rollout):
        for region in group.regions:
            yield (
                f"take {region.name}'s values",
                f"counterpart resolve {at} --take {region.name} --all {this}",
            )
    if askable(Ask.REVERT, rollout):
        yield "put the change back", f"counterpart revert {at} {this} --reason TEXT"

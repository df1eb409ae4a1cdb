"""Output of the command line: one table or list for people, one JSON document for programs."""

import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.copies import Kept
from shared.groups.model import Group
from shared.groups.model import State as HealthState
from shared.outbox import Letter
from shared.reconcile.summary import Answer, Summary
from shared.settings_sync.advice import Advice
from shared.settings_sync.model import Action, Plan, State
from shared.settings_sync.render import plan_notes
from shared.words import moment

_ANSWER_STYLE = {Answer.YES: "green", Answer.NO: "red", Answer.UNKNOWN: "yellow"}
_HEALTH_STYLE = {HealthState.HEALTHY: "green", HealthState.DOWN: "red", HealthState.UNKNOWN: "yellow"}
_ACTION_STYLE = {Action.CONFLICT: "red", Action.DELETE: "magenta", Action.TAKE: "cyan"}


def console() -> Console:
    """Colours and boxes on a terminal, plain lines elsewhere."""
    terminal = sys.stdout.isatty()
    return Console(highlight=False, soft_wrap=not terminal, width=None if terminal else 200)


def as_json(value: Any) -> None:
    """One JSON document, indented."""
    sys.stdout.write(json_text(value))


def json_text(value: Any) -> str:
    """A value as one JSON document, indented, with a line's end."""
    return msgspec.json.format(msgspec.json.encode(value)).decode() + "\n"


def summary(out: Console, found: Summary) -> None:
    """One group: in step? healthy? then the regions, what goes on, what needs a person, and what can be done."""
    out.print(Text(found.group, style="bold"))
    for name, axis in (("in step", found.in_step), ("healthy", found.healthy)):
        out.print(
            Text.assemble(f"  {name:<8} ", (f"{axis.answer:<8}", _ANSWER_STYLE[axis.answer]), axis.text)
        )
    for region, health in sorted(found.health.items()):
        seen = f"seen {health.at:%H:%M:%S} UTC"
        line = Text.assemble("    ", f"{region:<16} ", (f"{health.state:<8}", _HEALTH_STYLE[health.state]))
        out.print(line.append(f" {health.reason}; {seen}"))
    for what in (found.drill, found.hold):
        if what:
            out.print(f"  {what}")
    for reason in found.attention:
        out.print(Text.assemble(("  needs you: ", "yellow"), reason))
    if found.rollout is not None and found.rollout.state is not State.CONVERGED:
        _advice(out, found.advice)


def undelivered(out: Console, letter: Letter) -> None:
    """A message that a channel did not take."""
    tried = "tried once" if letter.tries == 1 else f"tried {letter.tries} times"
    state = (
        "given up" if letter.given_up_at else "perhaps delivered" if letter.perhaps_delivered_at else tried
    )
    out.print(
        Text(f"not delivered to {letter.channel} ({state}): {letter.card.title}: {letter.problem}", "red")
    )


def left_over(out: Console, copy: Kept, why: str) -> None:
    """A copy of old values that no write needs."""
    group = copy.group_id.rsplit("/", 1)[-1]
    out.print(
        f"old values of a region of {group} are in the vault since {moment(copy.at)} (secret {copy.name}): {why}"
    )


def plan(out: Console, group: Group, shown: Plan, advice: Advice) -> None:
    """A plan: each key with what becomes of it and why, then what holds it, then how to go on."""
    regions = ", ".join(f"{region.name} ({region.location}, {region.os})" for region in group.regions)
    out.print(Text.assemble((group.name, "bold"), f"  {regions}"))
    if shown.decisions:
        out.print(_table(shown) if sys.stdout.isatty() else _lines(shown))
    for refusal in shown.refusals:
        out.print(Text.assemble((f"held ({refusal.rule}): ", "yellow"), refusal.text))
    _advice(out, advice)
    for note in plan_notes(shown):
        out.print(f"  {note}")
    out.print(f"plan {shown.fingerprint}: {shown.agreed} keys agree, {shown.local} are local by policy")


def _advice(out: Console, advice: Advice) -> None:
    out.print(f"  {advice.outlook}")
    for option in advice.options:
        out.print(f"  to {option.what}: {option.effect}")
        if option.command:
            out.print(f"    {option.command}")


def _rows(shown: Plan) -> Sequence[tuple[str, str, str, str]]:
    return [
        (
            decision.action,
            decision.key,
            f"{', '.join(decision.sources)} -> {', '.join(decision.targets)}" if decision.targets else "",
            decision.reason,
        )
        for decision in shown.decisions
    ]


def _table(shown: Plan) -> Table:
    table = Table("what", "key", "way", "why", box=None, pad_edge=False)
    for action, *rest in _rows(shown):
        table.add_row(Text(action, style=_ACTION_STYLE.get(Action(action), "")), *rest)
    return table


def _lines(shown: Plan) -> str:
    return "\n".join("  ".join(part for part in row if part) for row in _rows(shown))


def problem(out: Console, title: str, details: Sequence[str]) -> None:
    """An error for a person."""
    out.print(Text.assemble((f"{title}", "red")))
    for detail in details:
        out.print(f"  {detail}")

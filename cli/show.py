"""How the command line shows things: one table or list for people, one JSON document for programs."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.groups.model import Group, Health
from shared.groups.model import State as HealthState
from shared.settings_sync.model import Action, Plan, Rollout, State
from shared.settings_sync.transitions import SENTENCES

_STATE_STYLE = {
    State.CONVERGED: "green",
    State.SOAKING: "cyan",
    State.WRITING: "cyan",
    State.VERIFYING: "cyan",
    State.CONTAINED: "red",
    State.HELD: "yellow",
}
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


def health_facts(health: Mapping[str, Health]) -> list[dict[str, Any]]:
    """Each region's health as plain facts."""
    return [
        {
            "region": name,
            "state": it.state,
            "since": it.since,
            "seen": it.at,
            "reason": it.reason,
            "ca_sha256": it.scep.ca_sha256 if it.scep else None,
        }
        for name, it in sorted(health.items())
    ]


def status(out: Console, name: str, health: Mapping[str, Health], rollout: Rollout | None) -> None:
    """One group: where its settings are, and how its regions are."""
    if rollout is None:
        out.print(Text.assemble((name, "bold"), "  not looked at yet"))
    else:
        style = _STATE_STYLE[rollout.state]
        out.print(
            Text.assemble((name, "bold"), "  ", (rollout.state, style), f"  {SENTENCES[rollout.state]}")
        )
        out.print(f"  {rollout.reason} (since {rollout.since:%Y-%m-%d %H:%M:%S} UTC)")
    for region, it in sorted(health.items()):
        seen = f"seen {it.at:%H:%M:%S} UTC"
        line = Text.assemble("  ", f"{region:<16} ", (f"{it.state:<8}", _HEALTH_STYLE[it.state]))
        out.print(line.append(f" {it.reason}; {seen}"))


def plan(out: Console, group: Group, shown: Plan) -> None:
    """A plan: each key with what becomes of it and why, then what holds it, then how to go on."""
    regions = ", ".join(f"{it.name} ({it.location}, {it.os})" for it in group.regions)
    out.print(Text.assemble((group.name, "bold"), f"  {regions}"))
    if not shown.decisions:
        out.print(f"nothing to do: {shown.agreed} keys agree, {shown.local} are local by policy")
        return
    out.print(_table(shown) if sys.stdout.isatty() else _lines(shown))
    for it in shown.refusals:
        out.print(Text.assemble((f"held ({it.rule}): ", "yellow"), it.text))
        out.print(f"  way out: {it.way_out}")
    if not shown.refusals:
        out.print("nothing holds it; it travels when its source has stayed healthy for the soak")
    out.print(f"plan {shown.fingerprint}: {shown.agreed} keys agree, {shown.local} are local by policy")


def _rows(shown: Plan) -> Sequence[tuple[str, str, str, str]]:
    return [
        (
            it.action,
            it.key,
            f"{', '.join(it.sources)} -> {', '.join(it.targets)}" if it.targets else "",
            it.reason,
        )
        for it in shown.decisions
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
    for it in details:
        out.print(f"  {it}")

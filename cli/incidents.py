"""`counterpart incidents`: what failed, since when, who was told, what it took."""

import getpass
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import show as showing
from cli.running import AsJson, By, EnvFile, Exit, GroupName, Output, Reason, find_profile, run, write
from shared.incidents.card import subject
from shared.incidents.explain import cause_name
from shared.incidents.measures import means, measure
from shared.incidents.model import Incident, Severity, Stage
from shared.incidents.render import incident_facts, markdown, means_facts, measures_csv
from shared.incidents.workflow import find, list_incidents
from shared.outbox import Letter, waiting
from shared.ports import Ports
from shared.reconcile import incidents as reconcile
from shared.reconcile import workflow
from shared.settings import Settings
from shared.words import moment, spoken

app = typer.Typer(
    help="Incidents: what failed, since when, who was told, and what it took.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

_STYLES = {Severity.CRITICAL: "bold red", Severity.MAJOR: "red", Severity.MINOR: "yellow"}

Id = Annotated[str, typer.Argument(help="The incident's id, as `list` shows it.")]
Group = Annotated[str, typer.Option("--group", help="Only this group's, by its profile's name.")]


class Format(StrEnum):
    """What an export is for."""

    MARKDOWN = "markdown"  # the beginning of a post-mortem
    JSON = "json"
    CSV = "csv"  # measures


@app.command("list", epilog="Example: counterpart incidents list --open")
def list_(
    open_: Annotated[bool, typer.Option("--open", help="Only those that are not resolved.")] = False,
    group: Group = "",
    env_file: EnvFile = None,
    json: AsJson = False,
) -> None:
    """Every incident, the newest first, with the means of their measures. Exit code 3 while one is open."""

    async def work(ports: Ports, settings: Settings) -> Exit:
        found = _chosen(await list_incidents(ports.store, settings.incidents), group, only_open=open_)
        untold = [it for it in await waiting(ports.store) if it.problem]
        if json:
            showing.as_json(
                {
                    "incidents": [incident_facts(it) for it in found],
                    "means": means_facts(found),
                    "untold": [_untold_facts(it) for it in untold],
                }
            )
        else:
            _print_list(showing.console(), found, untold)
        return Exit.HELD if any(it.open for it in found) else Exit.DONE

    run(work, env_file, json)


@app.command(epilog="Example: counterpart incidents show scepman-1a2b3c4d5e-7")
def show(id: Id, env_file: EnvFile = None, json: AsJson = False) -> None:  # noqa: A002 -- as people say
    """One incident: its times, what it means, its timeline and evidence. Changes nothing."""

    async def work(ports: Ports, settings: Settings) -> Exit:
        incident = await find(id, ports.store, settings.incidents)
        if json:
            showing.as_json(incident_facts(incident))
        else:
            sys.stdout.write(markdown(incident).partition("\n## For people")[0] + "\n")
        return Exit.HELD if incident.open else Exit.DONE

    run(work, env_file, json)


@app.command(epilog="Example: counterpart incidents ack scepman-1a2b3c4d5e-7 --reason 'looking at it'")
def ack(
    id: Id,  # noqa: A002 -- as people say
    reason: Reason = "",
    by: By = "",
    env_file: EnvFile = None,
    json: AsJson = False,
) -> None:
    """Take an incident on. It stops the clock of the time to acknowledge, and nothing else."""

    async def work(ports: Ports, settings: Settings) -> Exit:
        asked = reconcile.Ask(incident=id, by=by or getpass.getuser(), reason=reason)
        incident = await reconcile.acknowledge(asked, ports, settings)
        if json:
            showing.as_json(incident_facts(incident))
        else:
            took = spoken(measure(incident).to_acknowledge)
            showing.console().print(f"{incident.id} acknowledged by {incident.acknowledged_by} after {took}")
        return Exit.DONE

    run(work, env_file, json)


@app.command(epilog="Example: counterpart incidents release --group scepman --reason 'checked by hand'")
def release(
    group: GroupName = "",
    reason: Reason = "",
    by: By = "",
    env_file: EnvFile = None,
    json: AsJson = False,
) -> None:
    """End a failback hold: the region goes back into DNS now, with all its weight."""

    async def work(ports: Ports, settings: Settings) -> Exit:
        profile = await find_profile(group, ports, settings)
        region = await reconcile.release(profile, by or getpass.getuser(), reason, ports, settings)
        await workflow.run(profile, ports, settings, doorbell=False)
        if json:
            showing.as_json({"group": profile.name, "released": region})
        else:
            showing.console().print(f"{region} of {profile.name} goes back into DNS")
        return Exit.DONE

    run(work, env_file, json)


@app.command(epilog="Example: counterpart incidents export scepman-1a2b3c4d5e-7 --output post-mortem.md")
def export(
    id: Annotated[str, typer.Argument(help="The incident's id; none: all of them, as JSON or CSV.")] = "",  # noqa: A002
    format_: Annotated[
        Format, typer.Option("--format", help="Markdown is for one incident.")
    ] = Format.MARKDOWN,
    output: Output = None,
    group: Group = "",
    env_file: EnvFile = None,
) -> None:
    """Write one incident for a post-mortem (Markdown), or incidents as JSON or as a CSV of their measures."""
    if not id and format_ is Format.MARKDOWN:
        raise typer.BadParameter("say which incident, or --format json or csv for all of them")

    async def work(ports: Ports, settings: Settings) -> Exit:
        if id:
            found: Sequence[Incident] = (await find(id, ports.store, settings.incidents),)
        else:
            known = await list_incidents(ports.store, settings.incidents)
            found = _chosen(known, group, only_open=False)
        write(_exported(found, format_), output)
        return Exit.DONE

    run(work, env_file, json=False)


def _exported(found: Sequence[Incident], format_: Format) -> str:
    match format_:
        case Format.MARKDOWN:
            return markdown(found[0])
        case Format.CSV:
            return measures_csv(found)
        case Format.JSON:
            return showing.json_text([incident_facts(it) for it in found])


def _chosen(found: Sequence[Incident], group: str, *, only_open: bool) -> list[Incident]:
    return [
        it for it in found if (not group or it.group.lower() == group.lower()) and (it.open or not only_open)
    ]


def _untold_facts(it: Letter) -> dict[str, object]:
    return {
        "id": it.id,
        "channel": it.channel,
        "title": it.card.title,
        "tries": it.tries,
        "problem": it.problem,
        "given_up": it.given_up_at,
    }


def _print_list(out: Console, found: Sequence[Incident], untold: Sequence[Letter]) -> None:
    if not found:
        out.print("no incident")
    elif sys.stdout.isatty():
        table = Table("incident", "about", "severity", "state", "cause", "began", "took", box=None)
        for it in found:
            table.add_row(*_row(it), style=_STYLES[it.severity] if it.open else "")
        out.print(table)
    else:
        for it in found:
            out.print("  ".join(_row(it)))
    if found:
        total = means(found)
        out.print(
            f"{total.incidents} incidents, {total.open} open; means: detected after {spoken(total.mttd)}, "
            f"acknowledged after {spoken(total.mtta)}, out of DNS after {spoken(total.mttm)}, "
            f"resolved after {spoken(total.mttr)}"
        )
    for letter in untold:
        tried = "tried once" if letter.tries == 1 else f"tried {letter.tries} times"
        state = "given up" if letter.given_up_at else tried
        out.print(
            Text(f"not told to {letter.channel} ({state}): {letter.card.title}: {letter.problem}", "red")
        )


def _row(it: Incident) -> tuple[str, ...]:
    state = it.stage if it.acknowledged is None or it.stage is Stage.RESOLVED else f"{it.stage}, acknowledged"
    return (
        it.id,
        subject(it),
        f"severity {int(it.severity)}",
        state,
        cause_name(it.cause),
        moment(it.started),
        spoken(measure(it).to_resolve),
    )

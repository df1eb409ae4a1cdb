"""`counterpart incidents`: what failed, since when, who was told, what it took."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli import show as showing
from cli.running import (
    AsJson,
    Because,
    By,
    DryRun,
    EnvFile,
    Exit,
    GroupName,
    Output,
    Reason,
    Yes,
    confirm,
    find_profile,
    run,
    signed_in,
    write,
)
from shared.incidents.card import subject
from shared.incidents.explain import cause_name
from shared.incidents.measures import means, measure
from shared.incidents.model import Incident, Severity, Stage
from shared.incidents.render import incident_facts, markdown, means_facts, measures_csv
from shared.incidents.workflow import find, list_incidents
from shared.outbox import Letter
from shared.ports import Ports
from shared.reconcile import incidents as reconcile
from shared.reconcile import workflow
from shared.reconcile.summary import letter_facts, undelivered
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
    """The formats of an export."""

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
        found = await _chosen(group, ports, settings, only_open=open_)
        lost = await undelivered(ports)
        if json:
            showing.as_json(
                {
                    "incidents": [incident_facts(incident) for incident in found],
                    "means": means_facts(found),
                    "undelivered": [letter_facts(message) for message in lost],
                }
            )
        else:
            _print_list(showing.console(), found, lost)
        return Exit.HELD if any(incident.open for incident in found) else Exit.DONE

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
        asked = reconcile.Ask(incident=id, by=await signed_in(by, ports, needed=False), reason=reason)
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
    reason: Because,
    group: GroupName = "",
    by: By = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    env_file: EnvFile = None,
    json: AsJson = False,
) -> None:
    """End a failback hold: the region goes back into DNS now, with all its weight."""

    async def work(ports: Ports, settings: Settings) -> Exit:
        profile = await find_profile(group, ports, settings)
        who = await signed_in(by, ports)
        effect = f"gives the region that {profile.name} holds out of DNS back, with all its weight"
        if not confirm(effect, yes=yes, dry_run=dry_run):
            return Exit.DONE
        region = await reconcile.release(profile, who, reason, ports, settings)
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
            found = await _chosen(group, ports, settings, only_open=False)
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
            return showing.json_text([incident_facts(incident) for incident in found])


async def _chosen(group: str, ports: Ports, settings: Settings, *, only_open: bool) -> list[Incident]:
    """The incidents of that group, or of all. Raises NotFound: there is no such group, and never was."""
    known = await list_incidents(ports.store, settings.incidents)
    found = [incident for incident in known if not group or incident.group.lower() == group.lower()]
    if group and not found:
        await find_profile(group, ports, settings)
    return [incident for incident in found if incident.open or not only_open]


def _print_list(out: Console, found: Sequence[Incident], lost: Sequence[Letter]) -> None:
    if not found:
        out.print("no incident")
    elif sys.stdout.isatty():
        table = Table("incident", "about", "severity", "state", "cause", "began", "took", box=None)
        for incident in found:
            table.add_row(*_row(incident), style=_STYLES[incident.severity] if incident.open else "")
        out.print(table)
    else:
        for incident in found:
            out.print("  ".join(_row(incident)))
    if found:
        total = means(found)
        out.print(
            f"{total.incidents} incidents, {total.open} open; means: detected after {spoken(total.mttd)}, "
            f"acknowledged after {spoken(total.mtta)}, out of DNS after {spoken(total.mttm)}, "
            f"resolved after {spoken(total.mttr)}"
        )
    for letter in lost:
        showing.undelivered(out, letter)


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

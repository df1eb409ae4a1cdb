"""`counterpart drill`: practise losing a region, by the workflows that the function app runs."""

import asyncio
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli import show as showing
from cli.running import (
    AsJson,
    Because,
    By,
    EnvFile,
    Exit,
    GroupName,
    Output,
    Reason,
    Yes,
    check_regions,
    confirm,
    find_profile,
    find_profiles,
    pause,
    run,
    signed_in,
    write,
)
from shared.drills.measure import measure
from shared.drills.model import LONGEST, SHORTEST, Answer, Drill, Entry, Request, State, Verdict
from shared.drills.report import (
    checked_facts,
    drill_facts,
    figures,
    markdown,
    page,
    schedule_facts,
    skipped_facts,
)
from shared.drills.transitions import STATES, seconds_since_drain
from shared.drills.workflow import find, list_drills, list_slots, recoveries, running, slot
from shared.errors import NotFound, Refused, TransientError
from shared.pages import html
from shared.ports import Ports
from shared.reconcile import drills as reconcile
from shared.settings import Settings
from shared.words import moment, spoken

app = typer.Typer(
    help="Drills: take a region out of DNS on purpose, measure, and put it back.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

_STYLES = {
    State.SUCCEEDED: "green",
    State.FAILED: "red",
    State.ABORTED: "yellow",
    State.INTERRUPTED: "yellow",
}
_VERDICTS = {Verdict.PASSED: "green", Verdict.WARNED: "yellow", Verdict.REFUSED: "red"}

Id = Annotated[
    str,
    typer.Argument(help="The drill's id, as `list` shows it; the group's running or last one by default."),
]
Watch = Annotated[bool, typer.Option("--watch", help="Stay, and show how it goes; see `watch`.")]


class Format(StrEnum):
    """The formats of a report."""

    MARKDOWN = "markdown"
    JSON = "json"
    HTML = "html"


@app.command(
    epilog="Example: counterpart drill start --region weu --observe 300 --target 120 --reason 'quarterly' --watch"
)
def start(
    region: Annotated[str, typer.Option("--region", help="The region to take out, by its endpoint's name.")],
    reason: Because,
    group: GroupName = "",
    observe: Annotated[
        int | None,
        typer.Option("--observe", min=SHORTEST, max=LONGEST, help="Seconds for which it stays out of DNS."),
    ] = None,
    target: Annotated[
        int | None,
        typer.Option(
            "--target", min=SHORTEST, max=LONGEST, help="Seconds within which devices must be led elsewhere."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only ask the preflight and predict. Touches nothing.")
    ] = False,
    watch: Watch = False,
    key: Annotated[
        str, typer.Option("--key", help="An Idempotency-Key: the same request under it is the same drill.")
    ] = "",
    by: By = "",
    yes: Yes = False,
    env_file: EnvFile = None,
    json: AsJson = False,
) -> None:
    """Begin a drill; the function app's next turn drains the region, or this command with --watch."""

    async def work(ports: Ports, settings: Settings) -> Exit:
        profile = await find_profile(group, ports, settings)
        asked = Request(
            group=profile.id,
            region=region,
            observe_seconds=observe or settings.drill_observe,
            target_rto_seconds=target or settings.drill_target,
            reason=reason,
            by=await signed_in(by, ports),
        )
        if dry_run:
            found = await reconcile.check(profile, asked, ports, settings)
            facts = checked_facts(found.preflight, found.predicted, found.seen.group.profile)
            if json:
                showing.as_json(facts)
            else:
                _print_checked(showing.console(), found.preflight.answers, facts["predicted"])
            return Exit.DONE if found.preflight.allowed else Exit.REFUSED
        check_regions([region], profile)
        away = f"takes {region} of {profile.name} out of DNS for {spoken(asked.observe_seconds)}, then gives it back"
        confirm(f"{away}; no app is restarted", yes=yes, dry_run=False)
        try:
            started = await reconcile.start(profile, asked, ports, settings, idempotency=key)
        except Refused as error:
            if not json and "preflight" in error.facts:
                _print_refusals(showing.console(), error.facts["preflight"])
            raise
        if watch:
            return await _watched(started.drill.id, ports, settings, json=json)
        if json:
            showing.as_json(drill_facts(started.drill))
        else:
            out = showing.console()
            out.print(
                f"drill {started.drill.id} is accepted: {started.drill.region} is drained at the next turn"
            )
            out.print(f"to see it: counterpart drill watch {started.drill.id}")
        return Exit.WAITING

    run(work, env_file, json)


@app.command(epilog="Example: counterpart drill watch scepman-1a2b3c4d5e-drill-7")
def watch(id: Id = "", group: GroupName = "", env_file: EnvFile = None, json: AsJson = False) -> None:  # noqa: A002
    """See how a drill goes until it is over. Takes it further itself where no function app is at work."""

    async def work(ports: Ports, settings: Settings) -> Exit:
        return await _watched(await _named(id, group, ports, settings), ports, settings, json=json)

    run(work, env_file, json)


@app.command(epilog="Example: counterpart drill abort --group scepman --reason 'the auditors are here'")
def abort(
    id: Id = "",  # noqa: A002 -- as people say
    group: GroupName = "",
    reason: Reason = "",
    by: By = "",
    env_file: EnvFile = None,
    json: AsJson = False,
) -> None:
    """End a drill now: its region is given back before this returns."""

    async def work(ports: Ports, settings: Settings) -> Exit:
        name = await _named(id, group, ports, settings)
        drill = await reconcile.abort(name, await signed_in(by, ports, needed=False), reason, ports, settings)
        if json:
            showing.as_json(drill_facts(drill))
        else:
            _print_line(showing.console(), drill)
        return _exit(drill)

    run(work, env_file, json)


@app.command(
    epilog="Example: counterpart drill report scepman-1a2b3c4d5e-drill-7 --format html --output report.html"
)
def report(
    id: Id = "",  # noqa: A002 -- as people say
    group: GroupName = "",
    format_: Annotated[
        Format, typer.Option("--format", help="For people, programs, or a browser.")
    ] = Format.MARKDOWN,
    output: Output = None,
    env_file: EnvFile = None,
) -> None:
    """What was predicted and what was measured, who answered when, and why it ended as it did."""

    async def work(ports: Ports, settings: Settings) -> Exit:
        drill = await find(await _named(id, group, ports, settings), ports.store)
        text = _rendered(drill, await recoveries(drill, ports.store), format_)
        write(text, output)
        return _exit(drill)

    run(work, env_file, json=False)


@app.command("list", epilog="Example: counterpart drill list --group scepman --json")
def list_(
    group: Annotated[str, typer.Option("--group", help="Only this group's, by its profile's name.")] = "",
    env_file: EnvFile = None,
    json: AsJson = False,
) -> None:
    """Every drill, the newest first, and the practice runs that were skipped."""

    async def work(ports: Ports, settings: Settings) -> Exit:
        wanted = group.lower()
        found = [drill for drill in await list_drills(ports.store) if wanted in {"", drill.group.lower()}]
        slots = [item for item in await list_slots(ports.store) if wanted in {"", item.group.lower()}]
        if wanted and not found and not slots:
            await find_profile(group, ports, settings)  # raises when there is no such group
        skipped = skipped_facts(slots)
        if json:
            showing.as_json({"drills": [drill_facts(drill) for drill in found], "skipped": skipped})
        else:
            out = showing.console()
            for drill in found:
                _print_line(out, drill)
            for line in skipped:
                out.print(f"{moment(line['at'])}  {line['group']}  {line['why']}")
            if not found and not skipped:
                out.print("no drill yet")
        return Exit.WAITING if any(not drill.ended for drill in found) else Exit.DONE

    run(work, env_file, json)


@app.command(epilog="Example: counterpart drill schedule --group scepman")
def schedule(group: GroupName = "", env_file: EnvFile = None, json: AsJson = False) -> None:
    """When practice runs are due by the schedule, which region's turn it is, and what would hinder them."""

    async def work(ports: Ports, settings: Settings) -> Exit:
        facts: list[dict[str, Any]] = []
        for profile in await find_profiles(group, ports, settings):
            found = schedule_facts(
                settings.drill_calendar,
                profile.name,
                await slot(profile.id, ports.store),
                ports.clock.now(),
                settings.drill_observe,
            )
            facts.append(found | await reconcile.turn_of(profile, ports, settings))
        if json:
            showing.as_json(facts)
        else:
            for fact in facts:
                _print_schedule(showing.console(), fact)
        return Exit.DONE

    run(work, env_file, json)


# -- what the commands share ------------------------------------------------------------------------------------


async def _named(id_: str, group: str, ports: Ports, settings: Settings) -> str:
    """The id that was given, or of the group's running drill, or of its last one."""
    if id_:
        return id_
    profile = await find_profile(group, ports, settings)
    ongoing = await running(profile.id, ports.store)
    if ongoing is not None:
        return ongoing.id
    known = [
        drill for drill in await list_drills(ports.store) if drill.group_id.lower() == profile.id.lower()
    ]
    if not known:
        raise NotFound(f"{profile.name} has had no drill")
    return known[0].id


async def _watched(id_: str, ports: Ports, settings: Settings, *, json: bool) -> Exit:
    """Follow it to its end."""
    drill = await find(id_, ports.store)
    try:
        drill = await _seen_through(drill, ports, settings, json=json)
    except asyncio.CancelledError:
        sys.stderr.write(f"{id_} is not over; it goes on at the function app's next turn\n")
        sys.stderr.write(f"to end it now: counterpart drill abort {id_}\n")
        raise
    earlier = await recoveries(drill, ports.store)
    if json:
        showing.as_json(drill_facts(drill, earlier))
    else:
        _print_end(showing.console(), drill, earlier)
    return _exit(drill)


async def _seen_through(drill: Drill, ports: Ports, settings: Settings, *, json: bool) -> Drill:
    if json or not sys.stdout.isatty():
        return await _followed(drill, ports, settings, None if json else showing.console())
    return await _live(drill, ports, settings)


async def _followed(drill: Drill, ports: Ports, settings: Settings, out: Console | None) -> Drill:
    """Lines as they come, each once: a full timeline loses lines from its middle, so they cannot be counted."""
    told: tuple[Entry, ...] = ()
    while True:
        for entry in drill.timeline:
            if out is not None and entry not in told:
                out.print(f"{entry.at:%H:%M:%S} UTC  {entry.text}")
        told = drill.timeline
        if drill.ended:
            return drill
        drill = await _further(drill, ports, settings)


async def _live(drill: Drill, ports: Ports, settings: Settings) -> Drill:
    """One picture that changes."""
    with Live(_picture(drill, ports), auto_refresh=False) as live:
        while not drill.ended:
            drill = await _further(drill, ports, settings)
            live.update(_picture(drill, ports), refresh=True)
    return drill


async def _further(drill: Drill, ports: Ports, settings: Settings) -> Drill:
    """A moment later. What another process is at is left to it; else this one takes the next steps."""
    try:
        await reconcile.nudge(drill, ports, settings)
    except TransientError:
        _stop_when_told()
        await pause(ports, settings)
    _stop_when_told()
    return await find(drill.id, ports.store)


def _stop_when_told() -> None:
    """Ctrl-C ends the watching, also where a library below took it for a failure of its own."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _picture(drill: Drill, ports: Ports) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row(
        Text(drill.id, style="bold"), Text(str(drill.state), style=_STYLES.get(drill.state, "cyan"))
    )
    table.add_row("", STATES[drill.state])
    table.add_row("", drill.reason)
    if drill.drained_at is not None:
        since = seconds_since_drain(drill, drill.ended_at or ports.clock.now())
        table.add_row("since the drain", f"{spoken(since)} of {spoken(drill.observe_seconds)}")
        for what, wanted, measured in figures(drill, measure(drill), ())[:-1]:
            table.add_row(what, measured if wanted == "-" else f"{measured}  (predicted or wanted: {wanted})")
    for entry in drill.timeline[-6:]:
        table.add_row(f"{entry.at:%H:%M:%S} UTC", entry.text)
    return table


def _rendered(drill: Drill, earlier: Sequence[float], format_: Format) -> str:
    match format_:
        case Format.MARKDOWN:
            return markdown(drill, earlier)
        case Format.JSON:
            return showing.json_text(drill_facts(drill, earlier, samples=True))
        case Format.HTML:
            return html(page(drill, earlier))


def _print_end(out: Console, drill: Drill, earlier: Sequence[float]) -> None:
    out.print(Text.assemble((str(drill.state), _STYLES[drill.state]), f": {drill.reason}"))
    if drill.drained_at is not None:
        for what, wanted, measured in figures(drill, measure(drill), earlier):
            out.print(f"  {what:<34} {wanted:<14} {measured}")
    out.print(f"the whole record: counterpart drill report {drill.id}")


def _print_line(out: Console, drill: Drill) -> None:
    state = (f"{drill.state:<11}", _STYLES.get(drill.state, "cyan"))
    what = f"  {drill.id}  {drill.region}  {moment(drill.accepted_at)}  {drill.reason}"
    out.print(Text.assemble(state, what))


def _print_checked(out: Console, answers: Sequence[Answer], predicted: dict[str, Any]) -> None:
    for answer in answers:
        out.print(
            Text.assemble(
                (f"{answer.verdict:<8}", _VERDICTS[answer.verdict]), f" {answer.rule:<14} {answer.reason}"
            )
        )
    out.print(f"predicted recovery, orderly drain: {spoken(predicted['orderly_seconds'])}")
    out.print(f"  {predicted['orderly_because']}")
    out.print(f"predicted recovery, sudden loss: {spoken(predicted['sudden_seconds'])}")
    out.print(f"  {predicted['sudden_because']}")


def _print_refusals(out: Console, answers: Sequence[dict[str, Any]]) -> None:
    for answer in answers:
        style = _VERDICTS[Verdict(answer["verdict"])]
        out.print(
            Text.assemble((f"{answer['verdict']:<8}", style), f" {answer['rule']:<14} {answer['reason']}")
        )


def _print_schedule(out: Console, facts: dict[str, Any]) -> None:
    out.print(Text(str(facts["group"]), style="bold"))
    if not facts["schedule"]:
        out.print("  no practice runs: COUNTERPART_DRILL_SCHEDULE names none for it")
        return
    out.print(f"  {'; '.join(facts['schedule'])} (UTC), at most one in {facts['at_most_one_in_days']:g} days")
    out.print(f"  next in turn: {facts['next_region'] or '-'}")
    for fact in facts["next"]:
        out.print(f"  {moment(fact['at'])}  {fact['hindered'] or 'nothing in the calendar hinders it'}")


def _exit(drill: Drill) -> Exit:
    if not drill.ended:
        return Exit.WAITING
    return Exit.DONE if drill.state is State.SUCCEEDED else Exit.FAILED

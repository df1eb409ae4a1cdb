"""`counterpart package`: where the regions get their packages, by the workflows that the app runs."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import show
from cli.running import (
    AsJson,
    Because,
    By,
    DryRun,
    EnvFile,
    Exit,
    GroupName,
    Wait,
    Yes,
    check_regions,
    confirm,
    find_profile,
    find_profiles,
    going_on,
    pause,
    run,
    signed_in,
)
from shared.artifact_hosts import ignore_patch as terraform
from shared.artifact_hosts.compare import compare
from shared.artifact_hosts.history import state_of
from shared.artifact_hosts.model import SETTING, Check, HostState, Order, Packages, State, Watch, Work
from shared.artifact_hosts.render import check_facts, finding_facts, packages_facts, watch_facts
from shared.artifact_hosts.workflow import Tended, watches
from shared.groups.model import Group, Profile, Value
from shared.ports import Ports
from shared.reconcile import workflow as reconcile
from shared.settings import Settings
from shared.words import moment

app = typer.Typer(
    help="Where the regions get their packages from: watched, compared, rotated.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

_STYLE = {HostState.UP: "green", HostState.DOWN: "red", HostState.UNKNOWN: "yellow"}
_STUCK = {State.HELD, State.EXHAUSTED}


@app.command(epilog="Example: counterpart package status --json")
def status(group: GroupName = "", env_file: EnvFile = None, json: AsJson = False) -> None:
    """Where each region gets its package, what it runs, how the hosts are, and what should be done."""

    async def work(ports: Ports, settings: Settings) -> Exit:
        facts: list[dict[str, Any]] = []
        worst = Exit.DONE
        for profile in await find_profiles(group, ports, settings):
            found, tended, _ = await reconcile.show_packages(profile, ports, settings)
            worst = max(worst, _exit(tended.row), key=lambda code: (code is Exit.HELD, code))
            if json:
                facts.append(packages_facts(found, tended.row, tended.choices, tended.findings))
            else:
                _show_group(show.console(), found, tended)
        all_seen = await watches(ports.store)
        now = ports.clock.now()
        if json:
            hosts = [
                watch_facts(watch, state_of(watch, now, settings.package_rules))
                for watch in all_seen.values()
            ]
            show.as_json({"groups": facts, "hosts": hosts})
        else:
            _show_hosts(show.console(), all_seen, settings, ports)
        return worst

    run(work, env_file, json)


@app.command(epilog="Example: counterpart package check https://install.scepman.com/dist/Artifacts.zip")
def check(
    url: Annotated[str, typer.Argument(help="A package URL. It is not stored, and not shown again.")],
    env_file: EnvFile = None,
    json: AsJson = False,
) -> None:
    """Would an app that starts get a package there, and which one? Reads at most 1 MiB; changes nothing."""

    async def work(ports: Ports, settings: Settings) -> Exit:
        location = settings.packages.locate(Value(url))
        found = await ports.packages.check(Value(url))
        known = await watches(ports.store)
        others = {
            str(watch.location): compare(found.package, watch.package)
            for watch in known.values()
            if watch.package is not None and watch.location.id != location.id
        }
        if json:
            compared = [
                {"to": name, "relation": comparison.relation, "how": comparison.how}
                for name, comparison in sorted(others.items())
            ]
            show.as_json({"location": str(location), **check_facts(found), "compared": compared})
        else:
            _show_check(show.console(), str(location), found)
            for name, comparison in sorted(others.items()):
                show.console().print(f"  {comparison.relation} to {name}: {comparison.how}")
        return Exit.DONE if found.ok else Exit.FAILED

    run(work, env_file, json)


@app.command(
    epilog="Example: counterpart package rotate --region westeurope --reason 'the host is down' --wait"
)
def rotate(
    region: Annotated[str, typer.Option("--region", help="The region to move.")],
    reason: Because,
    to: Annotated[str, typer.Option("--to", help="The host, github or vendor; the best by default.")] = "",
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Also to an older or a different package, or to another region's host. Law 1 still holds.",
        ),
    ] = False,
    group: GroupName = "",
    by: By = "",
    wait: Wait = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    env_file: EnvFile = None,
    json: AsJson = False,
) -> None:
    """Move a region to another host for the same channel: one settings write, verified, undone if it fails."""

    async def work(ports: Ports, settings: Settings) -> Exit:
        asked = Order(
            work=Work.ROTATE,
            regions=(region,),
            to=to,
            forced=force,
            reason=reason,
            by=await signed_in(by, ports),
            at=ports.clock.now(),
        )
        profile = await find_profile(group, ports, settings)
        check_regions(asked.regions, profile)
        effect = f"writes {SETTING} to {region}, which restarts and fetches its package from {to or 'the best host'}"
        if not confirm(effect, yes=yes, dry_run=dry_run):
            return Exit.DONE
        return await _order(profile, asked, ports, settings, wait=wait, json=json)

    run(work, env_file, json)


@app.command(epilog="Example: counterpart package restart --ordered --reason 'one version again' --wait")
def restart(
    reason: Because,
    ordered: Annotated[
        bool,
        typer.Option("--ordered", help="One region at a time, each only when the last one is well again."),
    ] = False,
    region: Annotated[
        list[str] | None, typer.Option("--region", help="Only this region; may be repeated, in order.")
    ] = None,
    group: GroupName = "",
    by: By = "",
    wait: Wait = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    env_file: EnvFile = None,
    json: AsJson = False,
) -> None:
    """Restart the regions one after the other, so that all fetch the present package. Never done unasked."""
    if not ordered:
        raise typer.BadParameter("say --ordered: regions are only ever restarted one at a time")

    async def work(ports: Ports, settings: Settings) -> Exit:
        asked = Order(
            work=Work.RESTART,
            regions=tuple(region or ()),
            reason=reason,
            by=await signed_in(by, ports),
            at=ports.clock.now(),
        )
        profile = await find_profile(group, ports, settings)
        check_regions(asked.regions, profile)
        named = ", then ".join(asked.regions) or "every region, one after the other"
        if not confirm(f"restarts {named}", yes=yes, dry_run=dry_run):
            return Exit.DONE
        return await _order(profile, asked, ports, settings, wait=wait, json=json)

    run(work, env_file, json)


@app.command(name="ignore-patch", epilog="Example: counterpart package ignore-patch > ignore.tf.txt")
def ignore_patch(json: AsJson = False) -> None:
    """What tells Terraform to leave the package URL alone, and why. Needs no configuration."""
    if json:
        show.as_json({"reason": terraform.REASON, "snippet": terraform.SNIPPET})
    else:
        typer.echo(terraform.text(), nl=False)


# -- what the commands share --------------------------------------------------------------------------------------


async def _order(
    profile: Profile, asked: Order, ports: Ports, settings: Settings, *, wait: bool, json: bool
) -> Exit:
    if wait:
        await reconcile.watch_packages(ports, settings)  # the order is judged by the youngest checks
    await reconcile.order(profile, asked, ports, settings)
    found, tended, _ = await reconcile.show_packages(profile, ports, settings)
    with going_on(f"{found.name}: the order is recorded, and the function app carries it out", found.name):
        while wait and (tended.row.flight is not None or tended.row.order is not None):
            await pause(ports, settings)
            profile = await find_profile(profile.id, ports, settings)
            await reconcile.watch_packages(ports, settings)
            await reconcile.run(profile, ports, settings, doorbell=False)
            found, tended, _ = await reconcile.show_packages(profile, ports, settings)
    if json:
        show.as_json(packages_facts(found, tended.row, tended.choices, tended.findings))
    else:
        _show_group(show.console(), found, tended)
    return _after_order(tended.row)


def _after_order(row: Packages) -> Exit:
    if row.flight is not None or row.order is not None:
        return Exit.WAITING
    return Exit.DONE if row.outcome is not None and row.outcome.well else Exit.REFUSED


def _exit(row: Packages) -> Exit:
    if row.flight is not None or row.order is not None:
        return Exit.WAITING
    return Exit.HELD if row.state in _STUCK else Exit.DONE


def _show_group(out: Console, group: Group, tended: Tended) -> None:
    row = tended.row
    out.print(Text.assemble((group.name, "bold"), "  ", row.state, f"  since {moment(row.since)}"))
    for packages_fact in packages_facts(group, tended.row, tended.choices, tended.findings)["regions"]:
        out.print(
            f"  {packages_fact['region']:<16} {packages_fact['location'] or '-':<32} {packages_fact['runs']}"
        )
        out.print(f"  {'':<16} {packages_fact['choice']}: {packages_fact['reason']}")
    for finding in tended.findings:
        facts = finding_facts(finding)
        out.print(Text.assemble((f"  severity {facts['severity']}: ", "yellow"), facts["text"]))
        out.print(f"    way out: {facts['way_out']}")
    if row.outcome:
        out.print(f"  last order: {'done' if row.outcome.well else 'not done'}: {row.outcome.reason}")
    for line in row.history[-5:]:
        out.print(f"  {line.at:%Y-%m-%d %H:%M:%S} {line.state}: {line.text}")


def _show_hosts(out: Console, seen: Mapping[str, Watch], settings: Settings, ports: Ports) -> None:
    table = Table("package host", "state", "since", "last check", "package", box=None, pad_edge=False)
    for _, watch in sorted(seen.items()):
        state = state_of(watch, ports.clock.now(), settings.package_rules)
        table.add_row(
            str(watch.location),
            Text(state, style=_STYLE[state]),
            f"{watch.since:%Y-%m-%d %H:%M}",
            watch.problem or "good",
            watch.package.short if watch.package else "-",
        )
    out.print(table if seen else "no package host is watched yet: the timer begins with it")


def _show_check(out: Console, name: str, found: Check) -> None:
    verdict = ("good", "green") if found.ok else ("bad", "red")
    out.print(Text.assemble((name, "bold"), "  ", verdict, f"  {found.problem}"))
    if found.package:
        out.print(
            f"  package {found.package.short}: {found.package.members} members, {found.package.size} bytes"
        )
    if found.certificate_until:
        out.print(f"  certificate until {found.certificate_until:%Y-%m-%d}")
    out.print(f"  {found.bytes_read} bytes read in {found.millis} ms")

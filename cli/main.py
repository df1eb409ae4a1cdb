"""`counterpart`: look at groups, see plans, decide, and wait for the outcome, by the workflows that the app runs."""

import getpass
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import drill, incidents, package, show
from cli.running import (
    EXITS,
    AsJson,
    By,
    EnvFile,
    Exit,
    GroupName,
    Reason,
    Wait,
    find_profile,
    find_profiles,
    next_round,
    run,
)
from shared.groups.model import Profile
from shared.groups.workflow import Watched, watched_key
from shared.ports import Ports
from shared.reconcile import workflow as reconcile
from shared.settings import Settings
from shared.settings_sync.ask import Ask, Request
from shared.settings_sync.model import Rollout, State
from shared.settings_sync.render import plan_facts, rollout_facts
from shared.settings_sync.workflow import read_rollout
from shared.store import read

__all__ = ["Exit", "app", "main"]

app = typer.Typer(
    name="counterpart",
    help=f"Keep the regions of a geo-redundant deployment in step.\n\n{EXITS}",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(package.app, name="package")
app.add_typer(incidents.app, name="incidents")
app.add_typer(drill.app, name="drill")

Keys = Annotated[list[str] | None, typer.Option("--key", help="Only this key; may be repeated.")]
Shown = Annotated[
    str, typer.Option("--fingerprint", help="The plan that you saw; the present one by default.")
]
_UNDER_WAY = {State.SOAKING, State.WRITING, State.VERIFYING}


@app.command(epilog="Example: counterpart status --json")
def status(group: GroupName = "", env_file: EnvFile = None, json: AsJson = False) -> None:
    """Where every group's settings are, and how its regions were when last seen. Changes nothing."""

    async def work(ports: Ports, settings: Settings) -> Exit:
        profiles = await find_profiles(group, ports, settings)
        facts, worst = [], Exit.DONE
        for profile in profiles:
            rollout = await read_rollout(ports.store, profile.id)
            watched, _ = await read(ports.store, watched_key(profile.id), Watched)
            health = watched.health if watched else {}
            worst = max(worst, _exit(rollout), key=lambda code: (code is Exit.HELD, code))
            if json:
                facts.append(_status_facts(profile, rollout) | {"regions": show.health_facts(health)})
            else:
                show.status(show.console(), profile.name, health, rollout)
        if json:
            show.as_json(facts)
        elif not profiles:
            show.console().print("no group: no profile is named, and none is tagged counterpart=managed")
        return worst

    run(work, env_file, json)


@app.command(epilog="Example: counterpart plan --group scepman")
def plan(group: GroupName = "", env_file: EnvFile = None, json: AsJson = False) -> None:
    """What would be written now, key by key, and why. Reads the regions; changes nothing."""

    async def work(ports: Ports, settings: Settings) -> Exit:
        profile = await find_profile(group, ports, settings)
        found, rollout, _ = await reconcile.show_plan(profile, ports, settings)
        shown = rollout.plan
        assert shown is not None  # noqa: S101 -- look_only always makes one
        if json:
            show.as_json({"group": found.name, "held": bool(shown.refusals), **plan_facts(shown)})
        else:
            show.plan(show.console(), found, shown)
        if shown.refusals:
            return Exit.HELD
        return Exit.WAITING if shown.changes else Exit.DONE

    run(work, env_file, json)


@app.command(
    epilog="Example: counterpart apply --fingerprint 3f0a11c2d4e5f607 --reason 'seen with the team' --wait"
)
def apply(
    fingerprint: Annotated[str, typer.Option("--fingerprint", help="The plan that you saw.")],
    group: GroupName = "",
    key: Keys = None,
    reason: Reason = "",
    by: By = "",
    force: Annotated[
        bool,
        typer.Option("--force", help="Do not wait for the soak either. Needs --reason; law 1 still holds."),
    ] = False,
    wait: Wait = False,
    env_file: EnvFile = None,
    json: AsJson = False,
) -> None:
    """Approve a plan that holds itself, and carry it on."""
    ask = Ask.FORCE if force else Ask.APPROVE
    _decide(ask, group, fingerprint, key, reason, by, wait=wait, env_file=env_file, json=json)


@app.command(epilog="Example: counterpart resolve --take westeurope --key AppConfig:LicenseKey")
def resolve(
    take: Annotated[str, typer.Option("--take", help="The region whose values are right.")] = "",
    leave: Annotated[
        bool, typer.Option("--leave", help="Leave the regions different in these keys. Needs --reason.")
    ] = False,
    key: Keys = None,
    all_: Annotated[bool, typer.Option("--all", help="All keys of the plan.")] = False,
    fingerprint: Shown = "",
    group: GroupName = "",
    reason: Reason = "",
    by: By = "",
    wait: Wait = False,
    env_file: EnvFile = None,
    json: AsJson = False,
) -> None:
    """Say which region is right where the regions differ, per key or for all."""
    if bool(take) == leave:
        raise typer.BadParameter("say either --take REGION or --leave")
    if bool(key) == all_:
        raise typer.BadParameter("say either --key KEY (repeatable) or --all")
    ask = Ask.REJECT if leave else Ask.TAKE
    _decide(ask, group, fingerprint, key, reason, by, region=take, wait=wait, env_file=env_file, json=json)


@app.command(epilog="Example: counterpart revert --reason 'the new key was mistyped' --wait")
def revert(
    key: Keys = None,
    fingerprint: Shown = "",
    group: GroupName = "",
    reason: Reason = "",
    by: By = "",
    wait: Wait = False,
    env_file: EnvFile = None,
    json: AsJson = False,
) -> None:
    """Put a change back at its source, from the values that its peers still have."""
    _decide(Ask.REVERT, group, fingerprint, key, reason, by, wait=wait, env_file=env_file, json=json)


# -- what the commands share ------------------------------------------------------------------------------------


def _decide(
    ask: Ask,
    group: str,
    fingerprint: str,
    keys: list[str] | None,
    reason: str,
    by: str,
    *,
    region: str = "",
    wait: bool,
    env_file: Path | None,
    json: bool,
) -> None:
    async def work(ports: Ports, settings: Settings) -> Exit:
        profile = await find_profile(group, ports, settings)
        seen = fingerprint or await _present_fingerprint(profile, ports, settings)
        request = Request(
            ask=ask,
            fingerprint=seen,
            by=by or getpass.getuser(),
            reason=reason,
            region=region,
            keys=tuple(keys or ()),
        )
        done = await reconcile.settle(profile, request, ports, settings)
        while wait and done.rollout is not None and done.rollout.state in _UNDER_WAY:
            done = await next_round(profile.id, ports, settings)
        if json:
            show.as_json(rollout_facts(done.group, done.rollout))
        else:
            show.status(show.console(), done.group.name, done.health, done.rollout)
        return _exit(done.rollout)

    run(work, env_file, json)


async def _present_fingerprint(profile: Profile, ports: Ports, settings: Settings) -> str:
    _, rollout, _ = await reconcile.show_plan(profile, ports, settings)
    return rollout.plan.fingerprint if rollout.plan else ""


def _status_facts(profile: Profile, rollout: Rollout | None) -> dict[str, Any]:
    return {
        "group": profile.name,
        "group_id": profile.id,
        "state": rollout.state if rollout else None,
        "since": rollout.since if rollout else None,
        "reason": rollout.reason if rollout else "not looked at yet",
        "looked_at": rollout.looked_at if rollout else None,
        "fingerprint": rollout.plan.fingerprint if rollout and rollout.plan else None,
    }


def _exit(rollout: Rollout | None) -> Exit:
    if rollout is None or rollout.state is State.CONVERGED:
        return Exit.DONE
    return Exit.WAITING if rollout.state in _UNDER_WAY else Exit.HELD


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()

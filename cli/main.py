"""`counterpart`: look at groups, see plans, decide, and wait for the outcome, by the workflows that the app runs."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

import typer

from cli import baseline, drill, incidents, package, show
from cli.running import (
    EXITS,
    AsJson,
    Because,
    By,
    DryRun,
    EnvFile,
    Exit,
    GroupName,
    Wait,
    Yes,
    confirm,
    find_profile,
    find_profiles,
    going_on,
    next_round,
    run,
    signed_in,
)
from shared.errors import Denied, TransientError
from shared.outbox import Letter
from shared.ports import Ports
from shared.reconcile import workflow as reconcile
from shared.reconcile.copies import left_over
from shared.reconcile.summary import (
    Answer,
    Summary,
    advice_for,
    letter_facts,
    seen_groups,
    summarize,
    summary_facts,
    undelivered,
)
from shared.settings import Settings
from shared.settings_sync.advice import effect_of
from shared.settings_sync.ask import Ask, Request, verdicts
from shared.settings_sync.model import Rollout, State
from shared.settings_sync.render import advice_facts, plan_facts, rollout_facts

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
app.add_typer(baseline.app, name="baseline")

Keys = Annotated[list[str] | None, typer.Option("--key", help="Only this key; may be repeated.")]
Shown = Annotated[
    str, typer.Option("--fingerprint", help="The plan that you saw; the present one by default.")
]
_UNDER_WAY = {State.SOAKING, State.WRITING, State.VERIFYING}


@app.command(epilog="Example: counterpart status --json")
def status(group: GroupName = "", env_file: EnvFile = None, json: AsJson = False) -> None:
    """Is every group in step, and is it healthy? Open incidents, drills, and what needs a person. Changes nothing.

    Exit code 3 when a person is needed: an open incident, a region that is down, a decision that waits, a message
    that was not delivered, or a group that was not looked at for five minutes.
    """

    async def work(ports: Ports, settings: Settings) -> Exit:
        ids, unread = await _groups(group, ports, settings)
        found = [await summarize(group_id, ports, settings) for group_id in ids]
        lost = await undelivered(ports)
        # Of one group: whether the others are managed was not asked.
        left = [pair for pair in await left_over(ids, ports) if not group or pair[0].group_id in ids]
        if json:
            groups = [summary_facts(summary) for summary in found]
            copies = [
                {"secret": kept.name, "group_id": kept.group_id, "since": kept.at, "why": why}
                for kept, why in left
            ]
            letters = [letter_facts(message) for message in lost]
            show.as_json({"groups": groups, "undelivered": letters, "copies": copies, "unread": unread})
        else:
            out = show.console()
            for summary in found:
                show.summary(out, summary)
            for letter in lost:
                show.undelivered(out, letter)
            for copy, why in left:
                show.left_over(out, copy, why)
            if unread:
                out.print(f"which groups there are cannot be read now, so these are as last seen: {unread}")
            elif not found:
                out.print("no group: no profile is named, and none is tagged counterpart=managed")
        return _exit_of(found, lost)

    run(work, env_file, json)


@app.command(epilog="Example: counterpart plan --group scepman")
def plan(group: GroupName = "", env_file: EnvFile = None, json: AsJson = False) -> None:
    """What would be written now, key by key, and why. Reads the regions; changes nothing."""

    async def work(ports: Ports, settings: Settings) -> Exit:
        profile = await find_profile(group, ports, settings)
        found, rollout, _ = await reconcile.show_plan(profile, ports, settings)
        shown = rollout.plan
        assert shown is not None  # noqa: S101 -- look_only always makes one
        advice = await advice_for(found, rollout, ports)
        if json:
            held = bool(shown.refusals)
            show.as_json({"group": found.name, "held": held, **plan_facts(shown), **advice_facts(advice)})
        else:
            show.plan(show.console(), found, shown, advice)
        if shown.refusals or rollout.state is State.CONTAINED:
            return Exit.HELD
        return Exit.WAITING if shown.changes or rollout.flight is not None else Exit.DONE

    run(work, env_file, json)


@app.command(
    epilog="Example: counterpart apply --fingerprint 3f0a11c2d4e5f607 --reason 'seen with the team' --wait"
)
def apply(
    fingerprint: Annotated[str, typer.Option("--fingerprint", help="The plan that you saw.")],
    reason: Because,
    group: GroupName = "",
    key: Keys = None,
    by: By = "",
    force: Annotated[
        bool,
        typer.Option("--force", help="Do not wait for the soak either. Law 1 still holds."),
    ] = False,
    wait: Wait = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    env_file: EnvFile = None,
    json: AsJson = False,
) -> None:
    """Approve a plan that holds itself, and carry it on."""
    ask = Ask.FORCE if force else Ask.APPROVE
    asked = _Asked(ask, fingerprint, key, reason, by, wait=wait, yes=yes, dry_run=dry_run)
    _decide(asked, group, env_file, json=json)


@app.command(
    epilog="Example: counterpart resolve --take westeurope --key AppConfig:LicenseKey --reason 'the new licence'"
)
def resolve(
    reason: Because,
    take: Annotated[str, typer.Option("--take", help="The region whose values are right.")] = "",
    leave: Annotated[
        bool, typer.Option("--leave", help="Leave the regions different in these keys.")
    ] = False,
    key: Keys = None,
    all_: Annotated[bool, typer.Option("--all", help="All keys of the plan.")] = False,
    fingerprint: Shown = "",
    group: GroupName = "",
    by: By = "",
    wait: Wait = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    env_file: EnvFile = None,
    json: AsJson = False,
) -> None:
    """Say which region is right where the regions differ, per key or for all."""
    if bool(take) == leave:
        raise typer.BadParameter("say either --take REGION or --leave")
    if bool(key) == all_:
        raise typer.BadParameter("say either --key KEY (repeatable) or --all")
    ask = Ask.REJECT if leave else Ask.TAKE
    asked = _Asked(ask, fingerprint, key, reason, by, region=take, wait=wait, yes=yes, dry_run=dry_run)
    _decide(asked, group, env_file, json=json)


@app.command(epilog="Example: counterpart revert --reason 'the new key was mistyped' --wait")
def revert(
    reason: Because,
    key: Keys = None,
    fingerprint: Shown = "",
    group: GroupName = "",
    by: By = "",
    wait: Wait = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    env_file: EnvFile = None,
    json: AsJson = False,
) -> None:
    """Put a change back at its source, from the values that its peers still have."""
    asked = _Asked(Ask.REVERT, fingerprint, key, reason, by, wait=wait, yes=yes, dry_run=dry_run)
    _decide(asked, group, env_file, json=json)


# -- what the commands share ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Asked:
    """The arguments of a command that decides."""

    ask: Ask
    fingerprint: str  # empty: the present plan
    keys: list[str] | None
    reason: str
    by: str
    _: KW_ONLY
    region: str = ""
    wait: bool
    yes: bool
    dry_run: bool


def _decide(asked: _Asked, group: str, env_file: Path | None, *, json: bool) -> None:
    async def work(ports: Ports, settings: Settings) -> Exit:
        profile = await find_profile(group, ports, settings)
        found, rollout, _ = await reconcile.show_plan(profile, ports, settings)
        request = Request(
            ask=asked.ask,
            fingerprint=asked.fingerprint or (rollout.plan.fingerprint if rollout.plan else ""),
            by=await signed_in(asked.by, ports),
            reason=asked.reason,
            region=asked.region,
            keys=tuple(asked.keys or ()),
        )
        names = [region.name for region in found.regions]
        verdicts(request, rollout, names, ports.clock.now())  # refuses, before anybody is asked
        effect = effect_of(asked.ask, rollout, keys=request.keys, region=asked.region, regions=names)
        if not confirm(effect, yes=asked.yes, dry_run=asked.dry_run):
            return Exit.DONE
        done = await reconcile.settle(profile, request, ports, settings)
        with going_on(
            f"{found.name}: the decision is recorded, and the function app carries it out", found.name
        ):
            while asked.wait and done.rollout is not None and done.rollout.state in _UNDER_WAY:
                done = await next_round(profile.id, ports, settings)
        if json:
            advice = await advice_for(done.group, done.rollout, ports)
            show.as_json({**rollout_facts(done.group, done.rollout), **advice_facts(advice)})
        else:
            show.summary(show.console(), await summarize(profile.id, ports, settings))
        return _exit(done.rollout)

    run(work, env_file, json)


async def _groups(group: str, ports: Ports, settings: Settings) -> tuple[Sequence[str], str]:
    """The groups' ids; as last seen, with the reason, where Azure does not say which there are."""
    try:
        return [profile.id for profile in await find_profiles(group, ports, settings)], ""
    except (TransientError, Denied) as error:
        seen = await seen_groups(ports)
        wanted = group.lower()
        fitting = [name for name in seen if wanted in {"", name.lower(), name.rsplit("/", 1)[-1].lower()}]
        if not fitting:
            raise
        return fitting, str(error)


def _exit(rollout: Rollout | None) -> Exit:
    if rollout is None or rollout.state is State.CONVERGED:
        return Exit.DONE
    return Exit.WAITING if rollout.state in _UNDER_WAY else Exit.HELD


def _exit_of(found: Sequence[Summary], lost: Sequence[Letter]) -> Exit:
    if any(summary.attention or summary.healthy.answer is Answer.NO for summary in found):
        return Exit.HELD
    if any(not message.waiting for message in lost):
        return Exit.HELD
    if any(summary.drill or summary.hold or _exit(summary.rollout) is Exit.WAITING for summary in found):
        return Exit.WAITING
    return Exit.DONE


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()

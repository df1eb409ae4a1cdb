"""`counterpart baseline`: begin anew where the fingerprint key is lost."""

import typer

from cli import show
from cli.running import (
    AsJson,
    Because,
    By,
    DryRun,
    EnvFile,
    Exit,
    Yes,
    confirm,
    find_profiles,
    run,
    signed_in,
)
from shared.ports import Ports
from shared.reconcile import workflow as reconcile
from shared.settings import Settings

app = typer.Typer(name="baseline", help="What the regions last agreed on.", no_args_is_help=True)


@app.callback()
def _several() -> None:
    """Manage the baseline: the values that the regions last agreed on."""


@app.command(epilog="Example: counterpart baseline reset --reason 'the vault was purged with the key in it'")
def reset(
    reason: Because,
    by: By = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    env_file: EnvFile = None,
    json: AsJson = False,
) -> None:
    """Make the store belong to this fingerprint key, because its own key is lost. For all groups.

    Baselines, decisions and holds are forgotten: keys in which the regions are equal become the new baseline, and
    keys in which they differ are held. To replace a key that is not lost, set COUNTERPART_FINGERPRINT_KEY_PREVIOUS.
    """

    async def work(ports: Ports, settings: Settings) -> Exit:
        profiles = await find_profiles("", ports, settings)
        foreign = [
            profile.name for profile in profiles if await reconcile.is_foreign(profile.id, ports, settings)
        ]
        effect = (
            f"forgets the baselines, decisions and holds of {', '.join(foreign) or 'no group'}, and makes the store "
            "belong to this key; no region is written or restarted"
        )
        who = await signed_in(by, ports)
        if not confirm(effect, yes=yes, dry_run=dry_run):
            return Exit.DONE
        done = await reconcile.reset_baseline(profiles, who, reason, ports, settings)
        if json:
            show.as_json({"reset": list(done)})
        else:
            show.console().print(
                f"begun anew: {', '.join(done) or 'no group'}; the store belongs to this key"
            )
        return Exit.DONE

    run(work, env_file, json)

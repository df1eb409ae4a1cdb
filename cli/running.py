"""What every command shares: exit codes, options, the run from settings to ports, and how errors are told."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer

from cli import show
from cli.environment import environment
from shared.bootstrap import opened
from shared.errors import (
    AppError,
    IllegalTransition,
    NotFound,
    PermanentError,
    Refused,
    SettingsError,
    StalePlan,
    TransientError,
    UnsafePlan,
)
from shared.groups.model import Profile
from shared.groups.workflow import discover
from shared.ports import Ports
from shared.reconcile import workflow as reconcile
from shared.reconcile.incidents import sending_beside
from shared.settings import Settings


class Exit(IntEnum):
    """Exit codes, the same for every command."""

    DONE = 0
    FAILED = 1  # Azure, the network or the store did not do what was asked
    USAGE = 2  # wrong arguments or configuration
    HELD = 3  # a person must decide
    WAITING = 4  # under way: soaking, writing or verifying
    REFUSED = 5  # a stale fingerprint, or a law


EXITS = """Exit codes: 0 done, 1 failed (Azure, network or store), 2 wrong arguments or configuration,
3 a person must decide, 4 under way, 5 refused (a stale fingerprint, or a law)."""

EnvFile = Annotated[
    Path | None, typer.Option("--env-file", help="A file of NAME=value lines over the environment.")
]
GroupName = Annotated[
    str, typer.Option("--group", help="The profile's name or ARM id; needed when there are several.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]
By = Annotated[str, typer.Option("--by", help="Who decides; the signed-in user by default.")]
Output = Annotated[Path | None, typer.Option("--output", help="A file; standard output by default.")]
Wait = Annotated[
    bool, typer.Option("--wait", help="Go on with rounds until it is done or a person must decide.")
]


LINGER = 10.0  # seconds that a command waits at its end for a message that is being sent
ROUND_EVERY = 5.0  # seconds between the rounds of --wait
PATIENCE = 12  # rounds of --wait that may fail in a row: a minute


async def pause(ports: Ports, settings: Settings) -> None:
    """Wait until the next round of --wait; in a world that passes faster, less."""
    await ports.clock.sleep(min(ROUND_EVERY, max(settings.looking.probe_every, 0.2)))


async def next_round(group_id: str, ports: Ports, settings: Settings) -> reconcile.Round:
    """Wait, then run a round. One that fails for the moment is followed by another, `PATIENCE` times."""
    for _ in range(PATIENCE):
        await pause(ports, settings)
        with contextlib.suppress(TransientError):
            profile = await find_profile(group_id, ports, settings)
            return await reconcile.run(profile, ports, settings, doorbell=True)
    profile = await find_profile(group_id, ports, settings)
    return await reconcile.run(profile, ports, settings, doorbell=True)


async def find_profiles(group: str, ports: Ports, settings: Settings) -> tuple[Profile, ...]:
    """The group of that name, or all."""
    if group:
        return (await reconcile.profile_named(group, ports, settings),)
    return await discover(settings.scope, ports.profiles)


async def find_profile(group: str, ports: Ports, settings: Settings) -> Profile:
    """The group of that name, or the only one. Raises NotFound."""
    found = await find_profiles(group, ports, settings)
    if len(found) != 1:
        names = ", ".join(it.name for it in found) or "none"
        raise NotFound(f"say which group with --group: {names}")
    return found[0]


def write(text: str, output: Path | None) -> None:
    """Write what a command made to the file that was named, or to standard output. Raises SettingsError."""
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise SettingsError((f"--output {output}: {error.strerror}",)) from error


def run(work: Callable[[Ports, Settings], Awaitable[Exit]], env_file: Path | None, json: bool) -> None:
    """Read the settings, open the ports, work, and exit with the work's code or the error's."""

    async def connected() -> Exit:
        settings = Settings.from_env(environment(env_file))
        async with opened(settings) as ports, sending_beside(ports, settings, linger=LINGER):
            return await work(ports, settings)

    try:
        code = asyncio.run(connected())
    except AppError as error:
        _tell(error, json)
        code = _exit_of(error)
    except KeyboardInterrupt:
        code = Exit.FAILED
    raise typer.Exit(int(code))


def _exit_of(error: AppError) -> Exit:
    match error:
        case SettingsError() | NotFound() | UnsafePlan():
            return Exit.USAGE
        case StalePlan() | IllegalTransition() | Refused():
            return Exit.REFUSED
        case _:
            return Exit.FAILED


def _tell(error: AppError, json: bool) -> None:
    details = error.problems if isinstance(error, SettingsError) else (str(error),)
    title = "the configuration is wrong" if isinstance(error, SettingsError) else "that did not work"
    if json:
        kind = type(error).__name__
        show.as_json({"error": kind, "permanent": isinstance(error, PermanentError), "details": details})
    else:
        for it in (title, *(f"  {detail}" for detail in details)):
            sys.stderr.write(f"{it}\n")

"""Exit codes, options, the run from settings to ports, and error messages that every command shares."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer

from cli import show
from cli.environment import environment
from shared.bootstrap import opened
from shared.errors import (
    AppError,
    ForeignKey,
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
By = Annotated[
    str, typer.Option("--by", help="Who decides; who is signed in to Azure (az login) by default.")
]
Because = Annotated[str, typer.Option("--reason", help="Why; it is recorded.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask. Needed where there is no terminal.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what would be written and restarted. Changes nothing.")
]
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


async def signed_in(by: str, ports: Ports, *, needed: bool = True) -> str:
    """Return who decides: who was named, else who is signed in to Azure.

    `needed`: False for what must work while Entra does not: it is recorded then that nobody could be named.

    Raises:
        SettingsError, Unavailable, Denied: nobody was named, and nobody is signed in.
    """
    if by:
        return by
    try:
        if ports.identity is None:
            raise SettingsError(("say who decides: --by NAME",))
        return await ports.identity.name()
    except AppError:
        if needed:
            raise
        return "the command line (who is signed in could not be asked)"


class NotConfirmed(Exception):
    """The person at the terminal said no, or there is no terminal and no --yes."""


def confirm(effect: str, *, yes: bool, dry_run: bool) -> bool:
    """Say what would be done, and ask on a terminal. Returns whether to go on; False: a dry run ends here.

    Raises:
        NotConfirmed: the answer is no, or nobody can be asked and --yes was not said.
    """
    sys.stderr.write(f"{'this would be done' if dry_run else 'this will be done'}: {effect}\n")
    if dry_run:
        return False
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NotConfirmed("nothing was done: there is no terminal to ask on. Say --yes to do it")
    if not typer.confirm("go on?", err=True):
        raise NotConfirmed("nothing was done")
    return True


@contextlib.contextmanager
def going_on(what: str, group: str) -> Iterator[None]:
    """Ctrl-C while something is waited for ends the waiting only: say what goes on, and how to look."""
    try:
        yield
    except asyncio.CancelledError:
        sys.stderr.write(f"{what}\nto look: counterpart status --group {group}\n")
        raise


async def find_profiles(group: str, ports: Ports, settings: Settings) -> tuple[Profile, ...]:
    """The group of that name, or all."""
    if group:
        return (await reconcile.profile_named(group, ports, settings),)
    return await discover(settings.scope, ports.profiles)


async def find_profile(group: str, ports: Ports, settings: Settings) -> Profile:
    """The group of that name, or the only one. Raises NotFound."""
    found = await find_profiles(group, ports, settings)
    if len(found) != 1:
        names = ", ".join(profile.name for profile in found) or "none"
        raise NotFound(f"say which group with --group: {names}")
    return found[0]


def check_regions(names: Iterable[str], profile: Profile) -> None:
    """Raise NotFound unless all are the profile's: before a person is asked what to do with them."""
    known = [endpoint.name for endpoint in profile.endpoints]
    for name in names:
        if name.lower() not in {name.lower() for name in known}:
            has = ", ".join(known) or "none"
            raise NotFound(f"{profile.name} has no region {name[:80]!r}; it has {has}")


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
    except NotConfirmed as error:
        sys.stderr.write(f"{error}\n")
        code = Exit.USAGE
    except AppError as error:
        _tell(error, json)
        code = _exit_of(error)
    except KeyboardInterrupt:
        code = Exit.FAILED
    raise typer.Exit(int(code))


def _exit_of(error: AppError) -> Exit:
    match error:
        case SettingsError() | ForeignKey() | NotFound() | UnsafePlan():
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
        for name in (title, *(f"  {detail}" for detail in details)):
            sys.stderr.write(f"{name}\n")

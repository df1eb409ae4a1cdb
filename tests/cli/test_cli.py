"""The command line, in this process, against the simulator over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.environment import parse
from cli.main import Exit, app
from shared.errors import SettingsError
from simulator.pair import a_pair
from simulator.server import Cloud
from simulator.world import World

OCSP = "AppConfig:OCSP:CacheTimeOutSecondsIfDeviceExists"
QUICK = {
    "COUNTERPART_SOAK": "0s",
    "COUNTERPART_PROBE_EVERY": "0s",
    "COUNTERPART_PROVE_EVERY": "0s",
}


class Shell:
    """A person's shell in a simulated cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.env = {**cloud.env(), **QUICK}

    @property
    def world(self) -> World:
        return self.cloud.world

    async def run(self, *arguments: str, expect: Exit = Exit.DONE) -> str:
        """Run a command; assert its exit code; return all that it printed."""
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments, env=self.env)
        assert result.exit_code == expect, (result.output, result.exception)
        return result.output

    async def json(self, *arguments: str, expect: Exit = Exit.DONE) -> Any:
        return json.loads(await self.run(*arguments, "--json", expect=expect))


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    """A pair that Counterpart has seen once, converged."""
    world = a_pair()
    world.speed, world.boot_seconds = 50.0, 0.05
    async with Cloud(world, directory=tmp_path) as cloud:
        yield Shell(cloud)


def edit(world: World, short: str, **values: str | None) -> None:
    world.edit(
        world.sites[f"app-scepman-{short}"],
        {OCSP if name == "ocsp" else name: it for name, it in values.items()},
    )


def value(world: World, short: str) -> str | None:
    return world.sites[f"app-scepman-{short}"].app_settings.get(OCSP)


async def test_a_person_takes_a_side(shell: Shell) -> None:
    """First contact with a difference: plan shows it, resolve settles it, status says converged."""
    edit(shell.world, "weu", ocsp="120")
    edit(shell.world, "neu", ocsp="240")
    shown = await shell.json("plan", expect=Exit.HELD)
    assert [it["key"] for it in shown["changes"]] == [OCSP]
    assert shown["refusals"][0]["rule"] == "first-contact"
    text = await shell.run("plan", expect=Exit.HELD)
    assert OCSP in text
    assert "way out" in text
    done = await shell.json("resolve", "--take", "neu", "--key", OCSP, "--wait")
    assert done["state"] == "converged"
    assert value(shell.world, "weu") == value(shell.world, "neu") == "240"
    (status,) = await shell.json("status")
    assert status["state"] == "converged"
    assert {it["state"] for it in status["regions"]} == {"healthy"}
    assert "converged" in await shell.run("status")
    assert "nothing to do" in await shell.run("plan")


async def test_apply_needs_the_plan_that_was_seen(shell: Shell) -> None:
    """An identity key is held; a stale fingerprint is refused; the right one is carried out."""
    await shell.json("resolve", "--take", "weu", "--all", expect=Exit.REFUSED)  # nothing differs yet
    first = await shell.json("plan")
    edit(shell.world, "weu", **{"AppConfig:AuthConfig:ApplicationId": "99999999-2222-3333-4444-555555555555"})
    await shell.json("apply", "--fingerprint", first["fingerprint"], expect=Exit.REFUSED)
    held = await shell.json("plan", expect=Exit.HELD)
    assert held["refusals"][0]["rule"] in {"identity", "first-contact"}


async def test_leaving_a_key_different(shell: Shell) -> None:
    """A rejected key stays as it is in each region, with the reason kept, and holds nobody up."""
    edit(shell.world, "weu", ocsp="120")
    await shell.run("resolve", "--leave", "--all", expect=Exit.USAGE)  # a reason is needed
    done = await shell.json("resolve", "--leave", "--all", "--reason", "a trial", "--by", "ada")
    assert done["state"] == "converged"
    assert "left different by ada: a trial" in json.dumps(done)
    assert value(shell.world, "neu") is None


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ("plan", "--group", "nobody"),
            Exit.USAGE,
            "there is no group 'nobody'; those that are watched: scepman",
        ),
        (("resolve", "--take", "weu"), Exit.USAGE, "--key"),
        (("resolve", "--all"), Exit.USAGE, "--take REGION or --leave"),
        (("resolve", "--take", "mars", "--all"), Exit.USAGE, "mars is not a region"),
        (("apply",), Exit.USAGE, "--fingerprint"),
        (("status", "--env-file", "/no/such/file"), Exit.USAGE, "/no/such/file"),
        (("status", "--frobnicate"), Exit.USAGE, "--frobnicate"),
    ],
)
async def test_bad_input(shell: Shell, arguments: tuple[str, ...], code: Exit, said: str) -> None:
    """Wrong input has an exit code of its own and a sentence that helps."""
    edit(shell.world, "weu", ocsp="120")
    assert said in await shell.run(*arguments, expect=code)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"A=b\nno variable\n", "line 2"), (b"A=\xff\n", "not UTF-8"), (b"A=b\0c\n", "line 1")],
)
def test_an_environment_file_that_is_none(tmp_path: Path, content: bytes, said: str) -> None:
    """It is refused by its name and the line, and nothing of it is taken."""
    file = tmp_path / "counterpart.env"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=said):
        parse(file)


def test_an_environment_file_as_windows_writes_it(tmp_path: Path) -> None:
    """A byte order mark belongs to no name, and quotes to no value."""
    file = tmp_path / "counterpart.env"
    file.write_bytes(b"\xef\xbb\xbfA=b\r\nexport C='d'\r\n")
    assert parse(file) == {"A": "b", "C": "d"}


async def test_wrong_configuration() -> None:
    """Without configuration, every problem is listed; nothing is tried."""
    result = await asyncio.to_thread(CliRunner().invoke, app, ["status"], env={"COUNTERPART_STORE": "x"})
    assert result.exit_code == Exit.USAGE
    assert "COUNTERPART_FINGERPRINT_KEY is missing" in result.output
    assert "COUNTERPART_STORE" in result.output


@pytest.mark.parametrize("command", ["status", "plan", "apply", "resolve", "revert"])
def test_help_has_an_example(command: str) -> None:
    """Each command's help ends with an example that names the command."""
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"Example: counterpart {command}" in " ".join(result.output.split())


def test_exit_codes_are_documented() -> None:
    """The general help names every exit code."""
    output = " ".join(CliRunner().invoke(app, ["--help"]).output.split())
    assert all(f"{code.value} " in output for code in Exit)

"""The command line, in this process, against the simulator over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from benchmarks.arm_calls import environment
from cli.environment import parse
from cli.main import Exit, app
from shared.bootstrap import opened
from shared.errors import SettingsError
from shared.groups.workflow import discover
from shared.reconcile import workflow as reconcile
from shared.settings import Settings
from simulator.pair import a_pair
from simulator.server import Cloud
from simulator.world import World

OCSP = "AppConfig:OCSP:CacheTimeOutSecondsIfDeviceExists"
SAID = ("--reason", "a trial", "--yes")
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
        return (await self._result(arguments, expect)).output

    async def json(self, *arguments: str, expect: Exit = Exit.DONE) -> Any:
        """Run a command; the one document on its standard output."""
        return json.loads((await self._result((*arguments, "--json"), expect)).stdout)

    async def _result(self, arguments: tuple[str, ...], expect: Exit) -> Result:
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments, env=self.env)
        assert result.exit_code == expect, (result.output, result.exception)
        return result


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
        {OCSP if name == "ocsp" else name: item for name, item in values.items()},
    )


def value(world: World, short: str) -> str | None:
    return world.sites[f"app-scepman-{short}"].app_settings.get(OCSP)


async def test_a_person_takes_a_side(shell: Shell) -> None:
    """First contact with a difference: plan shows it, resolve settles it, status says converged."""
    edit(shell.world, "weu", ocsp="120")
    edit(shell.world, "neu", ocsp="240")
    shown = await shell.json("plan", expect=Exit.HELD)
    assert [item["key"] for item in shown["changes"]] == [OCSP]
    assert shown["refusals"][0]["rule"] == "first-contact"
    text = await shell.run("plan", expect=Exit.HELD)
    assert OCSP in text
    assert "counterpart resolve --group scepman --take neu --all" in text
    dry = await shell.run("resolve", "--take", "neu", "--key", OCSP, "--reason", "x", "--dry-run")
    assert f"this would be done: writes neu's values of {OCSP} to weu" in dry
    unasked = await shell.run("resolve", "--take", "neu", "--key", OCSP, "--reason", "x", expect=Exit.USAGE)
    assert "there is no terminal to ask on" in unasked
    assert value(shell.world, "weu") == "120"
    done = await shell.json("resolve", "--take", "neu", "--key", OCSP, *SAID, "--wait")
    assert done["state"] == "converged"
    assert value(shell.world, "weu") == value(shell.world, "neu") == "240"
    status = await shell.json("status")
    (group,) = status["groups"]
    assert group["state"] == "converged"
    assert (group["in_step"]["answer"], group["healthy"]["answer"], group["attention"]) == ("yes", "yes", [])
    assert {item["state"] for item in group["regions"]} == {"healthy"}
    assert (status["undelivered"], status["copies"]) == ([], [])
    assert "converged" in await shell.run("status")
    assert "nothing to do" in await shell.run("plan")


async def test_another_key_is_refused_and_a_lost_one_is_begun_anew(shell: Shell) -> None:
    """A foreign key ends with 2 and changes nothing; with the old one beside it, or after a reset, it is right."""
    edit(shell.world, "weu", ocsp="120")
    await shell.run("resolve", "--leave", "--all", *SAID)
    own = shell.env["COUNTERPART_FINGERPRINT_KEY"]
    shell.env["COUNTERPART_FINGERPRINT_KEY"] = "x" * 40
    for command in (("plan",), ("resolve", "--take", "weu", "--all", *SAID), ("package", "status")):
        assert "not the key of this store" in await shell.run(*command, expect=Exit.USAGE)
    assert "not the key of this store" in await shell.run("status", expect=Exit.HELD)
    shell.env["COUNTERPART_FINGERPRINT_KEY_PREVIOUS"] = own
    left = await shell.json("plan")
    assert [item["action"] for item in left["changes"]] == ["keep-apart"]
    del shell.env["COUNTERPART_FINGERPRINT_KEY_PREVIOUS"]
    reset = ("baseline", "reset", *SAID)
    assert "would be done: forgets the baselines" in await shell.run(*reset[:-1], "--dry-run")
    assert (await shell.json(*reset))["reset"] == ["scepman"]
    assert (await shell.json("plan", expect=Exit.HELD))["refusals"][0]["rule"] == "first-contact"
    assert "there is nothing to reset" in await shell.run(*reset, expect=Exit.REFUSED)


async def test_who_decides_is_who_is_signed_in(shell: Shell) -> None:
    """The history names the identity of the token, never the machine's user."""
    edit(shell.world, "weu", ocsp="120")
    done = await shell.json("resolve", "--leave", "--all", *SAID)
    assert f"by app {shell.cloud.managed_identity.app_id}: a trial" in json.dumps(done["history"])


async def test_a_total_outage_is_not_in_order(shell: Shell) -> None:
    """In step and not healthy are two answers; a person is needed, and neither is hidden behind the other."""
    settings = Settings.from_env(shell.env)
    for site in shell.world.sites.values():
        site.faults.status = 503
    with environment(shell.env):
        async with opened(settings) as ports:
            (profile,) = await discover(settings.scope, ports.profiles)
            for _ in range(2):
                await reconcile.run(profile, ports, settings, doorbell=True)
    status = await shell.json("status", expect=Exit.HELD)
    (group,) = status["groups"]
    assert group["healthy"]["answer"] != "yes"
    assert "0 of 2 regions are healthy" in group["healthy"]["text"]
    assert group["incidents"]
    assert any("severity" in item for item in group["attention"])
    text = await shell.run("status", expect=Exit.HELD)
    assert "needs you: incident" in text


async def test_a_group_that_nobody_looks_at_is_not_converged(shell: Shell) -> None:
    """Neither before the first look, nor when the function app has been silent for more than five minutes."""
    status = await shell.json("status", expect=Exit.HELD)
    (group,) = status["groups"]
    assert (group["in_step"]["answer"], group["healthy"]["answer"]) == ("unknown", "unknown")
    assert "never looked at" in group["attention"][0]


async def test_status_while_azure_does_not_answer(shell: Shell) -> None:
    """The groups are shown as last seen, and it says so: an outage is when people look."""
    edit(shell.world, "weu", ocsp="120")
    await shell.run("resolve", "--leave", "--all", *SAID)
    shell.world.arm.rules.append(lambda _, path: 503 if "trafficmanagerprofiles" in path.lower() else None)
    status = await shell.json("status")
    assert [item["group"] for item in status["groups"]] == ["scepman"]
    assert "HTTP 503" in status["unread"]


async def test_apply_needs_the_plan_that_was_seen(shell: Shell) -> None:
    """An identity key is held; a stale fingerprint is refused; the right one is carried out."""
    await shell.json("resolve", "--take", "weu", "--all", *SAID, expect=Exit.REFUSED)  # nothing differs yet
    first = await shell.json("plan")
    edit(shell.world, "weu", **{"AppConfig:AuthConfig:ApplicationId": "99999999-2222-3333-4444-555555555555"})
    await shell.json("apply", "--fingerprint", first["fingerprint"], *SAID, expect=Exit.REFUSED)
    held = await shell.json("plan", expect=Exit.HELD)
    assert held["refusals"][0]["rule"] in {"identity", "first-contact"}


async def test_leaving_a_key_different(shell: Shell) -> None:
    """A rejected key stays as it is in each region, with the reason kept, and holds nobody up."""
    edit(shell.world, "weu", ocsp="120")
    await shell.run("resolve", "--leave", "--all", expect=Exit.USAGE)  # a reason is needed
    done = await shell.json("resolve", "--leave", "--all", "--by", "ada", *SAID)
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
        (("resolve", "--take", "weu", "--reason", "x"), Exit.USAGE, "--key"),
        (("resolve", "--all", "--reason", "x"), Exit.USAGE, "--take REGION or --leave"),
        (("resolve", "--take", "mars", "--all", "--reason", "x"), Exit.USAGE, "mars is not a region"),
        (("apply", "--reason", "x"), Exit.USAGE, "--fingerprint"),
        (("revert",), Exit.USAGE, "--reason"),
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

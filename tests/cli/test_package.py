"""`counterpart package`, in this process, against the simulator over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import Exit, app
from shared.bootstrap import opened
from shared.reconcile import workflow as reconcile
from shared.settings import Settings
from simulator.artifact_hosts import GITHUB_HOST, VENDOR_HOST
from simulator.pair import a_pair
from simulator.server import Cloud
from simulator.world import PACKAGE

QUICK = {
    "COUNTERPART_SOAK": "0s",
    "COUNTERPART_PROBE_EVERY": "0s",
    "COUNTERPART_PROVE_EVERY": "0s",
    "COUNTERPART_PACKAGE_CHECK_EVERY": "0s",
}

SAID = ("--reason", "a trial", "--yes")


class Shell:
    """A person's shell in a simulated cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.world = cloud.world
        self.env = {**cloud.env(), **QUICK}

    async def run(self, *arguments: str, expect: Exit = Exit.DONE) -> str:
        """Run a command; assert its exit code; return all that it printed."""
        return (await self._result(arguments, expect)).output

    async def json(self, *arguments: str, expect: Exit = Exit.DONE) -> Any:
        """Run a command with --json."""
        return json.loads((await self._result((*arguments, "--json"), expect)).stdout)

    async def _result(self, arguments: tuple[str, ...], expect: Exit) -> Result:
        result = await asyncio.to_thread(CliRunner().invoke, app, ["package", *arguments], env=self.env)
        assert result.exit_code == expect, result.output
        return result

    def url(self, short: str) -> str:
        """A site's package URL."""
        return str(self.world.sites[f"app-scepman-{short}"].app_settings[PACKAGE])

    async def watch(self, environment: pytest.MonkeyPatch) -> None:
        """What the timer does, often enough for the hosts to be up. The identity is found in the environment."""
        for name, value in self.env.items():
            environment.setenv(name, value)
        settings = Settings.from_env(self.env)
        async with opened(settings) as ports:
            for _ in range(7):
                await reconcile.run_all(ports, settings)


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    """A pair with its package hosts."""
    world = a_pair()
    world.speed, world.boot_seconds = 50.0, 0.05
    async with Cloud(world, directory=tmp_path) as cloud:
        yield Shell(cloud)


async def test_rotate_there_and_see_it(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused while both regions would share a host; forced with a reason it is carried out and verified."""
    await shell.watch(monkeypatch)
    refused = await shell.json("rotate", "--region", "weu", *SAID, "--wait", expect=Exit.REFUSED)
    assert "another region takes its package from there" in refused["last_order"]["reason"]
    await shell.run("rotate", "--region", "weu", "--force", expect=Exit.USAGE)  # a reason is needed
    before = dict(shell.world.sites["app-scepman-weu"].app_settings)
    done = await shell.json("rotate", "--region", "weu", "--force", *SAID, "--by", "ada", "--wait")
    assert done["last_order"]["done"]
    vendor = shell.world.artifact_hosts[VENDOR_HOST]
    after = shell.world.sites["app-scepman-weu"].app_settings
    assert after == {**before, PACKAGE: vendor.url("/dist/Artifacts.zip")}
    # The other region was there already: it goes where this one was, so that they do not share a host.
    status = await shell.json("status")
    assert {item["region"]: item["host"] for item in status["groups"][0]["regions"]} == {
        "weu": "vendor",
        "neu": "github",
    }
    assert {item["state"] for item in status["hosts"]} == {"up"}
    text = await shell.run("status")
    assert "vendor (prod, windows)" in text
    assert "ada" in text


async def test_an_ordered_restart(shell: Shell) -> None:
    """One region after the other, and the order is done."""
    await shell.run("restart", *SAID, expect=Exit.USAGE)  # --ordered has to be said
    dry = await shell.run("restart", "--ordered", *SAID, "--dry-run")
    assert "this would be done: restarts every region, one after the other" in dry
    unknown = await shell.run("restart", "--ordered", "--region", "mars", *SAID, expect=Exit.USAGE)
    assert "scepman has no region 'mars'; it has weu, neu" in unknown
    assert "this will be done" not in unknown
    done = await shell.json("restart", "--ordered", *SAID, "--wait")
    assert done["last_order"]["done"]
    assert [happening.where for happening in shell.world.journal if happening.what == "restart"] == [
        "app-scepman-weu",
        "app-scepman-neu",
    ]


async def test_check(shell: Shell) -> None:
    """A good URL, a dead host, and a URL that is refused for what it is."""
    github = shell.world.artifact_hosts[GITHUB_HOST]
    good = await shell.json("check", shell.url("weu"))
    assert good["ok"]
    assert good["location"] == "github (prod, windows)"
    assert good["package"]["members"] > 1
    assert "good" in await shell.run("check", shell.url("weu"))
    github.faults.down = True
    dead = await shell.json("check", shell.url("weu"), expect=Exit.FAILED)
    assert not dead["ok"]
    for url, why in (("http://a.test/a.zip", "not HTTPS"), ("https://10.0.0.1/a.zip", "no public address")):
        assert why in await shell.run("check", url, expect=Exit.FAILED)


async def test_status_before_anything(shell: Shell) -> None:
    """Nothing was looked at yet, and that is said."""
    status = await shell.json("status")
    assert status["hosts"] == []
    assert "no package host is watched yet" in await shell.run("status")


async def test_a_region_that_there_is_not(shell: Shell) -> None:
    """A wrong region has the exit code of wrong arguments."""
    assert "no region 'mars'" in await shell.run("rotate", "--region", "mars", *SAID, expect=Exit.USAGE)


def test_the_patch_for_terraform() -> None:
    """Needs no configuration; the reason comes with it."""
    result = CliRunner().invoke(app, ["package", "ignore-patch"], env={})
    assert result.exit_code == Exit.DONE
    assert 'app_settings["WEBSITE_RUN_FROM_PACKAGE"]' in result.output
    assert "Terraform writes the package URL" in result.output
    facts = json.loads(CliRunner().invoke(app, ["package", "ignore-patch", "--json"], env={}).output)
    assert set(facts) == {"reason", "snippet"}


@pytest.mark.parametrize("command", ["status", "check", "rotate", "restart", "ignore-patch"])
def test_help_has_an_example(command: str) -> None:
    """Each command's help ends with an example that names the command."""
    result = CliRunner().invoke(app, ["package", command, "--help"])
    assert result.exit_code == 0
    assert f"Example: counterpart package {command}" in " ".join(result.output.split())

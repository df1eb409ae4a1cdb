"""The same job done with the Azure CLI, as one would script it: list on one side, set on the other.

In the same run, against the same simulated cloud. Without the CLI on the PATH there are no figures, and that is said.
"""

import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.arm_calls import AT_ONCE, Bench, bench
from benchmarks.measure import Figure
from shared.settings_sync.policy import KeyClass
from simulator.premises import Request
from simulator.world import Site

BURSTS = (1, 10, 100)  # edits; the script runs after each of them, as an event or a person would have it
OURS, THEIRS = "counterpart", "operator"


class AzureCli:
    """The CLI, signed in to the simulated cloud."""

    def __init__(self, on: Bench, directory: str) -> None:
        cloud = on.cloud
        env = {name: item for name, item in cloud.env().items() if not name.startswith("IDENTITY_")}
        self._env: Mapping[str, str] = {
            **os.environ,
            **env,
            **cloud.operator_env(),
            "AZURE_CONFIG_DIR": directory,
        }
        self._cloud = cloud

    async def sign_in(self) -> None:
        """Register the cloud and sign in, once."""
        await self.run("config", "set", "core.instance_discovery=false", "core.collect_telemetry=false")
        await self.run(
            *("cloud", "register", "--name", "Simulated"),
            *("--endpoint-resource-manager", self._cloud.arm_url),
        )
        await self.run("cloud", "set", "--name", "Simulated")
        who = self._cloud.operator
        await self.run(
            *("login", "--service-principal", "-u", who.app_id, "-p", who.secret),
            *("--tenant", self._cloud.tenant),
        )

    async def run(self, *arguments: str) -> Any:
        """One command; its JSON."""
        process = await asyncio.create_subprocess_exec(
            *("az", *arguments, "--only-show-errors", "--output", "json"),
            env=self._env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"az {' '.join(arguments[:4])}: {errors.decode()}")
        return json.loads(out) if out.strip() else None

    async def copy(self, source: Site, target: Site, directory: str) -> None:
        """All settings of one site, set on the other."""
        found = await self.run("webapp", "config", "appsettings", "list", *_named(source))
        file = Path(directory, "settings.json")
        await asyncio.to_thread(file.write_text, json.dumps(found), "utf-8")
        await self.run("webapp", "config", "appsettings", "set", *_named(target), "--settings", f"@{file}")


def _named(site: Site) -> tuple[str, ...]:
    return ("--resource-group", site.resource_group, "--name", site.name)


async def against_the_azure_cli() -> list[Figure]:
    """Both do the same job, first we and then the script; nothing when there is no CLI."""
    if shutil.which("az") is None:
        return []
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as directory:
        async with bench(AT_ONCE) as on:
            cli = AzureCli(on, directory)
            await cli.sign_in()
            for number in BURSTS:
                figures += await _compared(on, cli, number, directory)
    return figures


async def _compared(on: Bench, cli: AzureCli, edits: int, directory: str) -> list[Figure]:
    first, second = on.sites

    async def ours() -> None:
        for turn in range(edits):
            _edit(on, first, f"ours {edits} {turn}")
        await on.converge()

    async def theirs() -> None:
        for turn in range(edits):
            _edit(on, first, f"theirs {edits} {turn}")
            await cli.copy(first, second, directory)

    name = f"azure-cli.burst-{edits}"
    mine, took = await _counted(on, f"{name}.counterpart", ours, second, OURS)
    before = dict(second.app_settings)
    its, took_it = await _counted(on, f"{name}.script", theirs, second, THEIRS)
    spoiled = [
        name
        for name, value in before.items()
        if second.app_settings.get(name) != value and _is_local(on, name)
    ]
    figures = [
        *mine,
        *its,
        Figure(f"{name}.script.keys-spoiled", len(spoiled), "keys"),
        Figure(f"{name}.wall-ratio", round(took / took_it, 3), "ratio", 1),
    ]
    on.cloud.world.edit(second, {name: before[name] for name in spoiled})  # mended, for what comes after
    await on.converge()
    return figures


def _edit(on: Bench, site: Site, text: str) -> None:
    on.cloud.world.edit(site, {"AppConfig:Bench": text})


def _is_local(on: Bench, name: str) -> bool:
    return on.settings.policy.rule_for(name).key_class is KeyClass.LOCAL


async def _counted(on: Bench, name: str, job: Any, peer: Site, who: str) -> tuple[list[Figure], float]:
    """Return what a job cost: Resource Manager's calls, writes and restarts of the peer; and its seconds."""
    world = on.cloud.world
    mark, calls = len(world.journal), len(on.cloud.requests)
    began = time.perf_counter()
    await job()
    took = time.perf_counter() - began
    asked: list[Request] = [request for request in on.cloud.requests[calls:] if request.who == who]
    return [
        Figure(f"{name}.arm-calls", len(asked), "calls"),
        Figure(f"{name}.peer-writes", world.count("settings-put", peer.name, since=mark), "writes"),
        Figure(f"{name}.peer-restarts", world.count("restart", peer.name, since=mark), "restarts"),
    ], took

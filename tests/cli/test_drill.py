"""`counterpart drill`, in this process: on a store with drills in it, and alone against a simulated cloud."""

import asyncio
import io
import json
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmarks.arm_calls import environment
from cli import drill as commands
from cli.main import Exit, app
from shared.adapters.sqlite import SqliteStore
from shared.bootstrap import opened
from shared.clock import SystemClock
from shared.drills.model import Drill
from shared.drills.model import State as DrillState
from shared.drills.transitions import MOST_LINES, not_enabled
from shared.errors import Effect, Unavailable
from shared.groups.workflow import discover
from shared.reconcile import drills
from shared.reconcile import workflow as reconcile
from shared.settings import Settings
from shared.settings_sync.model import State
from simulator.pair import a_pair
from simulator.server import Cloud
from tests.builders import FINGERPRINT_KEY, SUBSCRIPTION
from tests.drills.drilling import a_world
from tests.drills.test_decisions import a_drill
from tests.fakes.clock import START
from tests.fakes.store import FakeStore

DAY = "MON" if SystemClock().now().weekday() in {2, 3, 4, 5} else "THU"  # a day on which no test runs
SAID = ("--reason", "a trial", "--yes")
TIMES = {
    "COUNTERPART_SOAK": "0s",
    "COUNTERPART_PROBE_EVERY": "0s",
    "COUNTERPART_PROVE_EVERY": "0s",
    "COUNTERPART_VERIFY_DEADLINE": "2s",
    "COUNTERPART_SERVICE_HOSTS": "scepman=scep.contoso.test",
    "COUNTERPART_DRILL_SAMPLE_EVERY": "100ms",
    "COUNTERPART_DRILL_SCHEDULE": f"scepman=30 20 * * {DAY}",
    "COUNTERPART_DRILL_BLOCKED_WINDOWS": f"{DAY}-20:00-21:00",
}


# What is begun in the background of a script ignores Ctrl-C, and so does all that it begins.
HEARING = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("cli.main", run_name="__main__")
"""


async def run(env: Mapping[str, str], *arguments: str, expect: Exit = Exit.DONE) -> str:
    """Run a command of `drill`; assert its exit code; return what it printed."""
    result = await asyncio.to_thread(CliRunner().invoke, app, ("drill", *arguments), env=dict(env))
    assert result.exit_code == expect, (result.output, result.exception)
    return result.output


@pytest.fixture
async def played(tmp_path: Path) -> dict[str, str]:
    """The environment of a store with a drill that succeeded and one that was aborted."""
    path = tmp_path / "store.sqlite"
    world = await a_world()
    await world.begun(by="ada")
    await world.minute(9)
    await world.abort(await world.begun("east"))
    store = SqliteStore(str(path))
    assert isinstance(world.store, FakeStore)
    for stored in world.store.rows.values():
        await store.put(stored.row, if_version=None)
    await store.aclose()
    return {
        "COUNTERPART_FINGERPRINT_KEY": FINGERPRINT_KEY,
        "COUNTERPART_VAULT_URL": "https://kv-test.vault.azure.net",
        "COUNTERPART_STORE": f"sqlite:{path}",
        "COUNTERPART_SUBSCRIPTIONS": SUBSCRIPTION,
    }


async def test_list_and_report(played: dict[str, str], tmp_path: Path) -> None:
    """The newest first; a report as Markdown, JSON, and a page in a file; a failed drill is exit code 1."""
    lines = (await run(played, "list")).splitlines()
    assert [line.split()[0] for line in lines] == ["aborted", "succeeded"]
    aborted, succeeded = (line.split()[1] for line in lines)
    facts = json.loads(await run(played, "list", "--json", "--group", "scepman"))
    assert [fact["id"] for fact in facts["drills"]] == [aborted, succeeded]
    assert (await run(played, "report", succeeded)).startswith(f"# Drill {succeeded}")
    assert json.loads(await run(played, "report", succeeded, "--format", "json"))["samples"]
    page = tmp_path / "report.html"
    await run(played, "report", succeeded, "--format", "html", "--output", str(page))
    assert "<svg" in page.read_text("utf-8")
    assert "**State**: aborted: ada aborted it" in await run(played, "report", aborted, expect=Exit.FAILED)
    missing = await run(played, "report", "scepman-0-drill-99", expect=Exit.USAGE)
    assert "counterpart drill list" in missing
    await run(played, "report", succeeded, "--output", str(tmp_path / "no" / "x"), expect=Exit.USAGE)


@pytest.fixture
async def alone() -> AsyncIterator[tuple[Cloud, dict[str, str]]]:
    """A pair that agrees, in a cloud without a function app."""
    world = a_pair()
    world.speed = 50.0
    world.profiles["scepman"].ttl = 1
    async with Cloud(world) as cloud:
        env = {**cloud.env(), **TIMES}
        with environment(env):
            settings = Settings.from_env(env)
            async with opened(settings) as ports, asyncio.timeout(20):
                while True:
                    (profile,) = await discover(settings.scope, ports.profiles)
                    done = await reconcile.run(profile, ports, settings, doorbell=True)
                    if done.rollout is not None and done.rollout.state is State.CONVERGED:
                        break
            yield cloud, env


async def test_from_the_command_line_alone(alone: tuple[Cloud, dict[str, str]]) -> None:
    """Checked, refused, begun and watched to its end, begun and aborted; what the schedule means."""
    cloud, env = alone
    endpoint = cloud.world.profiles["scepman"].endpoints[0]
    text = await run(env, "start", "--region", "weu", *SAID, "--dry-run")
    assert "predicted recovery, sudden loss: 46 s" in text
    assert endpoint.enabled
    begun = ("start", "--region", "weu", "--observe", "2", "--target", "3", "--by", "ada", *SAID)
    text = await run(env, *begun, "--watch")
    assert "weu is out of DNS" in text
    assert "succeeded: recovered after" in text
    assert endpoint.enabled
    text = await run(env, "start", "--region", "weu", "--observe", "600", *SAID, expect=Exit.WAITING)
    refused = await run(env, "start", "--region", "neu", *SAID, expect=Exit.REFUSED)
    unasked = await run(env, "start", "--region", "neu", "--reason", "x", expect=Exit.USAGE)
    assert "this will be done: takes neu of scepman out of DNS" in unasked
    assert "is not over" in refused
    assert "refused  one-at-a-time" in refused
    aborted = json.loads(await run(env, "abort", "--reason", "enough", "--json", expect=Exit.FAILED))
    assert aborted["state"] == "aborted"
    assert aborted["reason"].endswith("aborted it: enough")
    assert endpoint.enabled
    await run(env, "abort", "--group", "scepman", expect=Exit.REFUSED)
    await run(env, "start", "--region", "mars", *SAID, "--dry-run", expect=Exit.USAGE)
    unknown = await run(env, "start", "--region", "mars", *SAID, expect=Exit.USAGE)
    assert "has no region 'mars'" in unknown
    assert "this will be done" not in unknown
    await run(env, "start", "--region", "weu", "--observe", "0", *SAID, expect=Exit.USAGE)
    assert "there is no group 'another'" in await run(env, "list", "--group", "another", expect=Exit.USAGE)
    text = await run(env, "schedule")
    assert f"30 20 * * {DAY} (UTC), at most one in 7 days" in text
    assert text.count(f"{DAY}-20:00-21:00 UTC is blocked") == 5
    assert "next in turn: neu" in text
    (facts,) = msgspec.json.decode(await run(env, "schedule", "--json"))
    assert len(facts["next"]) == 5


async def test_a_full_timeline_is_told_to_its_end(
    played: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps its length and loses lines from its middle; who watches sees each line that comes, once."""
    settings = Settings.from_env(played)
    async with opened(settings) as ports:
        running = a_drill(DrillState.RESTORING)
        steps = []
        for number in range(MOST_LINES + 5):
            running = not_enabled(running, str(number), Effect.NOT_APPLIED, START, gone=False) or running
            steps.append(running)
        over = msgspec.structs.replace(running, state=DrillState.ABORTED)
        coming = iter([*steps[1:], over])

        async def further(*_: object) -> Drill:
            return next(coming)

        monkeypatch.setattr(commands, "_further", further)
        out = Console(file=io.StringIO(), width=200)
        await commands._followed(steps[0], ports, settings, out)
    assert isinstance(out.file, io.StringIO)
    lines = out.file.getvalue().splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == [str(number) for number in range(MOST_LINES + 5)]


async def test_who_walks_away_is_heard_whoever_takes_it_for_a_failure(
    played: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C reaches whatever is waited for just then, and a library may call it a broken connection."""
    begun = asyncio.Event()

    async def broken(*_: object) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise Unavailable("the connection broke") from None

    settings = Settings.from_env(played)
    monkeypatch.setattr(drills, "nudge", broken)
    async with opened(settings) as ports:
        watching = asyncio.ensure_future(
            commands._followed(a_drill(DrillState.RESTORING), ports, settings, None)
        )
        await begun.wait()
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching


async def told(process: Process, wanted: bytes) -> None:
    """Read what a process prints until a line has that. Fails with all that it said when there is no such line.

    Not by the time: on a machine that does other things the drill begins later, as looks of ten seconds are none.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    lines: list[bytes] = []
    while (
        line := await process.stdout.readline()
    ):  # at the end it returns at once, whoever else waits for the loop
        lines.append(line)
        if wanted in line:
            return
    pytest.fail(b"".join((*lines, await process.stderr.read())).decode())


async def test_who_watches_may_walk_away(alone: tuple[Cloud, dict[str, str]]) -> None:
    """Ctrl-C ends the watching and not the drill, says so, and leaves the next step to whoever comes."""
    cloud, env = alone
    command = ("drill", "start", "--region", "weu", "--observe", "60", *SAID, "--watch")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HEARING, *command),
        env={**env, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await told(process, b"is out of DNS")
    process.send_signal(signal.SIGINT)
    _, said = await process.communicate()
    assert process.returncode == Exit.FAILED, said
    assert b"is not over" in said
    assert b"counterpart drill abort scepman-" in said
    (line,) = (await run(env, "list", expect=Exit.WAITING)).splitlines()
    assert line.startswith("observing")
    text = await run(env, "abort", expect=Exit.WAITING)
    assert "is enabled again" in text
    assert cloud.world.profiles["scepman"].endpoints[0].enabled

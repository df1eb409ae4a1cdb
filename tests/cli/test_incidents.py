"""`counterpart incidents`, in this process, on a store in which a bad day was played."""

import asyncio
import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import Exit, app
from shared.adapters.sqlite import SqliteStore
from shared.errors import Unavailable
from shared.incidents.render import COLUMNS
from tests.builders import FINGERPRINT_KEY, SUBSCRIPTION
from tests.fakes.store import FakeStore
from tests.incidents.watching import Watched
from tests.rounds import val


class Shell:
    """A person's shell beside a store."""

    def __init__(self, store: Path) -> None:
        self.env = {
            "COUNTERPART_FINGERPRINT_KEY": FINGERPRINT_KEY,
            "COUNTERPART_VAULT_URL": "https://kv-test.vault.azure.net",
            "COUNTERPART_STORE": f"sqlite:{store}",
            "COUNTERPART_SUBSCRIPTIONS": SUBSCRIPTION,
        }
        self.ids: list[str] = []

    async def run(self, *arguments: str, expect: Exit = Exit.DONE) -> str:
        """Run a command of `incidents`; assert its exit code; return what it printed."""
        whole = ("incidents", *arguments)
        result = await asyncio.to_thread(CliRunner().invoke, app, whole, env=self.env)
        assert result.exit_code == expect, (result.output, result.exception)
        return result.output


@pytest.fixture
async def shell(tmp_path: Path) -> Shell:
    """One outage that is over, one that is not, and a channel that takes nothing any more."""
    path = tmp_path / "store.sqlite"
    world = Watched({"K00": val()})
    await world.minute(2)
    world.sick("west")
    await world.minute(3)
    world.well("west")
    await world.minute(80)
    world.teams.down = Unavailable("post a card to the Teams workflow: HTTP 503")
    world.sick("east")
    await world.minute(3)
    shell = Shell(path)
    shell.ids = [incident.id for incident in await world.incidents()]
    store = SqliteStore(str(path))
    assert isinstance(world.store, FakeStore)
    for stored in world.store.rows.values():
        await store.put(stored.row, if_version=None)
    await store.aclose()
    return shell


async def test_list(shell: Shell) -> None:
    """The newest first, with means, and what nobody could be told; exit code 3 while one is open."""
    text = await shell.run("list", expect=Exit.HELD)
    lines = text.splitlines()
    assert [line.split()[0] for line in lines[:2]] == shell.ids
    assert "2 incidents, 1 open" in text
    assert "not delivered to teams" in text
    facts = json.loads(await shell.run("list", "--json", expect=Exit.HELD))
    assert [fact["id"] for fact in facts["incidents"]] == shell.ids
    assert facts["means"]["open"] == 1
    assert facts["undelivered"][0]["problem"].endswith("HTTP 503")
    only = json.loads(await shell.run("list", "--open", "--json", expect=Exit.HELD))
    assert [item["id"] for item in only["incidents"]] == shell.ids[:1]
    unknown = await shell.run("list", "--group", "other", expect=Exit.FAILED)  # no Azure is there to ask
    assert "no incident" not in unknown


async def test_show(shell: Shell) -> None:
    """The open one, and the one in the archive."""
    text = await shell.run("show", shell.ids[0], expect=Exit.HELD)
    assert "one region" in text
    assert "## Timeline" in text
    old = json.loads(await shell.run("show", shell.ids[1], "--json"))
    assert old["stage"] == "resolved"
    await shell.run("show", "scepman-0000000000-9", expect=Exit.USAGE)


async def test_ack(shell: Shell) -> None:
    """Once; the second time, and for one that is over, it is refused."""
    text = await shell.run("ack", shell.ids[0], "--by", "ada", "--reason", "looking")
    assert f"{shell.ids[0]} acknowledged by ada after" in text
    await shell.run("ack", shell.ids[0], "--by", "bob", expect=Exit.REFUSED)
    await shell.run("ack", shell.ids[1], expect=Exit.REFUSED)
    shown = json.loads(await shell.run("show", shell.ids[0], "--json", expect=Exit.HELD))
    assert shown["acknowledged_by"] == "ada"


async def test_export_markdown(shell: Shell, tmp_path: Path) -> None:
    """The beginning of a post-mortem, to a file."""
    file = tmp_path / "post-mortem.md"
    assert await shell.run("export", shell.ids[1], "--output", str(file)) == ""
    text = file.read_text("utf-8")
    assert text.startswith(f"# Incident {shell.ids[1]}: scepman / west")
    assert "- What will be changed, by whom, until when:" in text
    assert "| DNS |" in text
    await shell.run("export", shell.ids[1], "--output", str(tmp_path / "no" / "where"), expect=Exit.USAGE)
    await shell.run("export", expect=Exit.USAGE)


async def test_export_measures(shell: Shell) -> None:
    """One line per incident, in columns that stay."""
    rows = list(csv.DictReader(io.StringIO(await shell.run("export", "--format", "csv"))))
    assert [row["id"] for row in rows] == shell.ids
    assert tuple(rows[0]) == COLUMNS
    over = rows[1]
    assert over["cause"] == "one-region"
    assert float(over["seconds_to_resolve"]) == 180
    assert rows[0]["resolved"] == rows[0]["seconds_to_resolve"] == ""


async def test_export_json(shell: Shell) -> None:
    """All of them, or one."""
    assert [load["id"] for load in json.loads(await shell.run("export", "--format", "json"))] == shell.ids
    one = json.loads(await shell.run("export", shell.ids[0], "--format", "json"))
    assert [item["id"] for item in one] == shell.ids[:1]

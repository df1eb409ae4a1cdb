"""The trigger table as the platform reads it: function_app.py, indexed by the real Python worker library."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from simulator.stage import Stage, ncrontab, routes

ROOT = Path(__file__).parents[1]
# A handler file that is no row: what the rows share.
NOT_ROWS = {"__init__", "_edge"}
# The rows and their triggers. A new row is added here, with its handler.
ROWS = {
    "app_service_changed": "eventGridTrigger",
    "reconcile": "timerTrigger",
    "reconcile_group": "queueTrigger",
    "decision": "httpTrigger",
    "decision_page": "httpTrigger",
    "drill": "httpTrigger",
    "drill_abort": "httpTrigger",
    "drill_report": "httpTrigger",
    "drill_status": "httpTrigger",
    "drills": "httpTrigger",
    "health": "httpTrigger",
    "incident": "httpTrigger",
    "traffic_manager_alert": "httpTrigger",
}
# Rows that may be there already: later parts of the product bring them.
LATER = {
    "status": "httpTrigger",
    "dashboard": "httpTrigger",
}
# Imported only when a trigger needs them: each costs time at every cold start.
KEPT_FOR_LATER = ("azure.mgmt", "azure.data", "azure.keyvault", "azure.eventgrid", "jinja2")

INDEX = """
import asyncio, json, sys
from pathlib import Path
from azure_functions_runtime.handle_event import _functions
from simulator.stage import worker
functions = asyncio.run(worker.load(Path(sys.argv[1])))
print(json.dumps({
    "functions": {
        each.name: {
            "kind": each.kind,
            "trigger": each.trigger,
            "outputs": each.outputs,
            "async": _functions.get_function(each.id).is_async,
        }
        for each in functions
    },
    "modules": sorted(sys.modules),
}))
"""


@pytest.fixture(scope="module")
def index() -> dict[str, Any]:
    """The index of the app, made in a process of its own with an environment that has nothing in it."""
    return indexed({})


@pytest.fixture(scope="module")
def signed_in() -> dict[str, Any]:
    """The rows where App Service's sign-in is on."""
    return dict(indexed({"WEBSITE_AUTH_ENABLED": "True"})["functions"])


def indexed(env: dict[str, str]) -> dict[str, Any]:
    """The index of the app under an environment."""
    done = subprocess.run(
        [sys.executable, "-c", INDEX, str(ROOT)],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"function_app.py cannot be indexed without settings:\n{done.stderr}"
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def rows(index: dict[str, Any]) -> dict[str, Any]:
    """The rows of the table by name."""
    return dict(index["functions"])


def http_rows(rows: dict[str, Any]) -> dict[str, Any]:
    """The triggers of the rows that answer HTTP."""
    return {name: row["trigger"] for name, row in rows.items() if row["kind"] == "httpTrigger"}


def test_every_row_has_its_handler_and_every_handler_its_row(rows: dict[str, Any]) -> None:
    """A handler nobody calls, and a row without a file of its name, are both mistakes."""
    handlers = {file.stem for file in (ROOT / "handlers").glob("*.py")} - NOT_ROWS
    assert set(rows) == handlers


def test_the_rows_are_the_known_ones(rows: dict[str, Any]) -> None:
    """Each row has the trigger that wakes it, and none is missing."""
    kinds = {name: row["kind"] for name, row in rows.items()}
    assert set(ROWS) <= set(kinds)
    assert kinds == {name: kind for name, kind in (ROWS | LATER).items() if name in kinds}


def test_rows_run_on_the_loop_and_return_nothing_but_answers(rows: dict[str, Any]) -> None:
    """Clients belong to the one loop, so every row is `async def`; no row has an output binding."""
    assert [name for name, row in rows.items() if not row["async"]] == []
    assert [name for name, row in rows.items() if row["outputs"]] == []


def test_the_timer_sweeps_every_minute(rows: dict[str, Any]) -> None:
    """A lost event costs a minute; a cold start or a missed turn is no reason to run."""
    trigger = rows["reconcile"]["trigger"]
    schedule = ncrontab.parse(trigger["schedule"])
    first = schedule.next_after(datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC))
    assert schedule.next_after(first) - first == timedelta(minutes=1)
    assert not trigger.get("runOnStartup")


def levels(rows: dict[str, Any]) -> dict[str, str]:
    """Return who may call each HTTP row."""
    return {name: str(trigger["authLevel"]).upper() for name, trigger in http_rows(rows).items()}


def test_only_health_is_open(rows: dict[str, Any]) -> None:
    """Every other HTTP row wants the function key."""
    found = levels(rows)
    assert found.pop("health") == "ANONYMOUS"
    assert set(found.values()) == {"FUNCTION"}


def test_with_sign_in_only_reading_needs_no_key(signed_in: dict[str, Any]) -> None:
    """Where the platform says who a caller is, pages are for people; what changes something keeps its key."""
    found = levels(signed_in)
    reading = {name for name, item in http_rows(signed_in).items() if set(item["methods"]) == {"GET"}}
    assert {"incident", "decision_page"} <= reading
    assert {name for name, level in found.items() if level == "ANONYMOUS"} == reading
    assert {found[name] for name in found.keys() - reading} == {"FUNCTION"}


async def test_pages_behind_the_platforms_sign_in() -> None:
    """A browser is led to sign in, a program is told, who is signed in gets an answer; a key is no way around."""
    browser, who = (
        {"Accept": "text/html"},
        {"x-ms-client-principal-id": "1", "x-ms-client-principal-name": "ada"},
    )
    async with Stage(ROOT, {"WEBSITE_AUTH_ENABLED": "True"}, timers=False) as stage:
        for path in ("/api/incidents/a-1", "/api/decisions/a-1.0"):
            led = await stage.call("GET", path, headers=browser, key=False)
            assert (led.status, led.headers["Location"]) == (
                302,
                f"/.auth/login/aad?post_login_redirect_uri={path}",
            )
            for key in (True, False):
                assert (await stage.call("GET", path, key=key)).status == 401
            assert (
                await stage.call("GET", path, headers=browser | who, key=False)
            ).status == 503  # no settings
        assert (await stage.call("POST", "/api/decisions", json={}, headers=who, key=False)).status == 401
        assert (await stage.call("GET", "/api/health", key=False)).status == 503


async def test_without_sign_in_nobody_says_who_he_is() -> None:
    """The platform's headers count for nothing where it does not write them."""
    who = {"x-ms-client-principal-id": "1", "x-ms-client-principal-name": "ada"}
    async with Stage(ROOT, {"WEBSITE_AUTH_ENABLED": "False"}, timers=False) as stage:
        assert (await stage.call("GET", "/api/incidents/a-1", headers=who, key=False)).status == 401
        assert (await stage.call("GET", "/api/incidents/a-1", headers=who)).status == 503


def test_http_rows_name_their_methods(rows: dict[str, Any]) -> None:
    """A decision is posted, health is got, and no row takes every method there is."""
    methods = {name: set(trigger.get("methods") or ()) for name, trigger in http_rows(rows).items()}
    assert methods["decision"] == {"POST"}
    assert methods["health"] == {"GET"}
    assert [name for name, given in methods.items() if not given] == []


def test_routes_are_understood_and_apart(rows: dict[str, Any]) -> None:
    """Each route compiles, and no two rows share a route and a method."""
    taken = []
    for name, trigger in http_rows(rows).items():
        route = routes.route(name, trigger.get("route") or name, trigger.get("methods") or ())
        taken += [(route.pattern.pattern, method) for method in route.methods]
    assert len(taken) == len(set(taken))


def test_indexing_imports_no_client(index: dict[str, Any]) -> None:
    """The management, table and vault libraries wait until a trigger needs them."""
    early = [
        module
        for module in index["modules"]
        if any(module == kept or module.startswith(f"{kept}.") for kept in KEPT_FOR_LATER)
    ]
    assert early == []


def test_the_host_has_the_extensions_that_the_triggers_need() -> None:
    """Event Grid and queue triggers live in the extension bundle, which host.json must ask for."""
    host = json.loads((ROOT / "host.json").read_text("utf-8"))
    assert host["version"] == "2.0"
    assert host["extensionBundle"]["id"] == "Microsoft.Azure.Functions.ExtensionBundle"
    assert host["extensionBundle"]["version"] == "[4.0.0, 5.0.0)"


async def test_a_misconfigured_app_runs_and_says_what_is_wrong() -> None:
    """Without a setting: health lists the problems, an event is asked for again, and keys still count."""
    async with Stage(ROOT, {}, timers=False) as stage:
        assert stage.errors == {}
        health = await stage.call("GET", "/api/health", key=False)
        assert health.status == 503
        assert health.json()["problems"]
        assert await stage.send_event("app_service_changed", {"id": "1"}) == 500
        assert (await stage.call("POST", "/api/decisions", key=False)).status == 401
        assert (await stage.call("POST", "/api/decisions", json={})).status == 503

"""The stage, run as a process: a sample app in the real worker library, called over HTTP."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientError, ClientSession

from simulator.stage import InvocationFailed, Stage, StageFailed
from tests.stage.waiting import until

SAMPLE = Path(__file__).parent / "sample_app"
SETTINGS = {"SAMPLE_SCHEDULE": "0 0 0 1 1 *", "SAMPLE_SETTING": "given"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    """One stage for the tests that do not mind each other."""
    async with Stage(SAMPLE, SETTINGS, key="the key/+=") as running:
        yield running


async def seen(stage: Stage, name: str) -> list[Any]:
    """Return what a function of the sample app recorded."""
    return list((await stage.call("GET", "/api/seen")).json().get(name, []))


def an_event(**data: Any) -> dict[str, Any]:
    """An event in the Event Grid schema."""
    return {
        "id": "1",
        "topic": "/t",
        "subject": "s",
        "eventType": "Microsoft.Web.AppUpdated",
        "eventTime": "2026-01-28T18:22:30.2760952Z",
        "data": data,
        "dataVersion": "1",
    }


async def test_the_app_is_described(stage: Stage) -> None:
    """The host tells the functions, their triggers and bindings, and that nothing is wrong."""
    status = await stage.call("GET", "/admin/host/status")
    listed = {each["name"]: each for each in (await stage.call("GET", "/admin/functions")).json()}
    assert (status.json()["state"], status.json()["errors"]) == ("Running", [])
    assert {name: each["trigger"] for name, each in listed.items()} == stage.functions
    assert stage.functions["on_event"] == "eventGridTrigger"
    assert listed["tick"]["config"]["bindings"][0]["schedule"] == "%SAMPLE_SCHEDULE%"


async def test_a_request_reaches_a_function_whole(stage: Stage) -> None:
    """Route parameters, query, headers, raw body and settings are as in Azure."""
    answer = await stage.call(
        "POST", "/api/echo/12?a=1&a=2&b=%20", data=b"\x00\xff", headers={"x-mixed-CASE": "h"}
    )
    assert answer.status == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "method": "POST",
        "url": f"{stage.url}/api/echo/12?a=1&a=2&b=%20",
        "route": {"id": "12"},
        "params": {"a": "1,2", "b": " "},
        "header": "h",
        "body": "00ff",
        "function": "echo",
        "setting": "given",
    }


async def test_an_answer_comes_back_whole(stage: Stage) -> None:
    """Status, headers, both cookies and every byte; a plain function runs in a thread."""
    answer = await stage.call("GET", "/api/binary")
    assert (answer.status, answer.body) == (203, bytes(range(256)))
    assert answer.headers["X-Thread"] == "True"
    assert answer.headers["content-type"] == "application/octet-stream"
    async with ClientSession() as session, session.get(f"{stage.url}/api/binary") as raw:
        assert raw.headers.getall("set-cookie") == ["a=1; Path=/", "b=2; HttpOnly"]


async def test_a_text_is_an_answer(stage: Stage) -> None:
    """A returned `str` is a plain text; a route that is not given is the function's name."""
    answer = await stage.call("GET", "/api/plain")
    assert (answer.status, answer.text) == (200, "plain text")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_what_the_app_says_is_log(stage: Stage) -> None:
    """Log records come in one line each, with their function; a print is log, too."""
    await stage.call("GET", "/api/plain")
    await until(lambda: any(line == "printed by plain" for line in stage.log_lines))
    assert any(line.endswith("INFO sample: [plain] first line | second line") for line in stage.log_lines)


async def test_a_failing_function(stage: Stage) -> None:
    """The client learns nothing but 500; the log has the traceback."""
    answer = await stage.call("GET", "/api/fails")
    assert (answer.status, answer.body) == (500, b"")
    await until(lambda: any("Executed 'fails' (Failed" in line for line in stage.log_lines))
    line = next(line for line in stage.log_lines if "Executed 'fails' (Failed" in line)
    assert "told to fail" in line
    assert "function_app.py" in line


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/echo/1", {}, 401),
        ("/api/echo/1", {"x-functions-key": "wrong"}, 401),
        ("/api/echo/1?code=wrong", {}, 401),
        ("/api/echo/1?code=the%20key%2F%2B%3D", {}, 201),
        ("/api/echo/1", {"x-functions-key": "the key/+="}, 201),
        ("/admin/functions/tick", {}, 401),
        ("/runtime/webhooks/EventGrid?functionName=on_event", {}, 401),
        ("/api/fails", {}, 500),  # anonymous: let in, and then fails
    ],
)
async def test_who_is_let_in(stage: Stage, path: str, headers: dict[str, str], status: int) -> None:
    """A function of level FUNCTION wants the key, in the header or the query; an anonymous one does not."""
    assert (await stage.call("POST", path, headers=headers, key=False)).status == status


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/echo/1"), ("POST", "/api/echo/x"), ("GET", "/"), ("GET", "/api/tick")]
)
async def test_what_is_not_there(stage: Stage, method: str, path: str) -> None:
    """A wrong method, a parameter of the wrong kind, and a function without a route are all 404."""
    assert (await stage.call(method, path)).status == 404


async def test_both_event_schemas_arrive(stage: Stage) -> None:
    """The function gets the raw JSON of either schema."""
    cloud = {"specversion": "1.0", "id": "c", "source": "/s", "type": "t", "data": {"n": 1}}
    assert await stage.send_event("on_event", an_event(n=2)) == 202
    assert await stage.send_event("on_event", cloud) == 202
    received = await seen(stage, "on_event")
    assert an_event(n=2) in received
    assert cloud in received


async def test_an_array_is_one_invocation_for_each_event(stage: Stage) -> None:
    """Event Grid may batch; the trigger does not."""
    assert await stage.send_event("on_event", [an_event(n=3), an_event(n=4)]) == 202
    received = await seen(stage, "on_event")
    assert [each for each in received if each["data"].get("n") in {3, 4}] == [an_event(n=3), an_event(n=4)]


async def test_a_failed_event_is_asked_for_again(stage: Stage) -> None:
    """One failure in a batch is 500 for all of it, so everything is delivered again; then it succeeds."""
    batch = [an_event(n=5), an_event(fail_once=True)]
    assert await stage.send_event("on_event", batch) == 500
    assert await stage.send_event("on_event", batch) == 202
    received = await seen(stage, "on_event")
    assert [received.count(event) for event in batch] == [2, 2]


async def test_event_grid_handshakes(stage: Stage) -> None:
    """A webhook proves itself in both schemas."""
    path = "/runtime/webhooks/eventgrid?functionName=on_event"
    answer = await stage.call(
        "POST",
        path,
        json=[an_event(validationCode="c0de")],
        headers={"aeg-event-type": "SubscriptionValidation"},
    )
    assert (answer.status, answer.json()) == (200, {"validationResponse": "c0de"})
    allowed = await stage.call("OPTIONS", path, headers={"WebHook-Request-Origin": "eventgrid.azure.net"})
    assert (allowed.status, allowed.headers["WebHook-Allowed-Origin"]) == (200, "eventgrid.azure.net")


@pytest.mark.parametrize(
    ("function", "body", "kind", "status"),
    [
        ("nobody", b"[]", "Notification", 404),
        ("tick", b"[]", "Notification", 404),
        ("on_event", b"{", "Notification", 400),
        ("on_event", b"[1]", "Notification", 400),
        ("on_event", b"[]", "Surprise", 400),
        ("on_event", b"[]", "SubscriptionValidation", 400),
    ],
)
async def test_deliveries_that_are_wrong(
    stage: Stage, function: str, body: bytes, kind: str, status: int
) -> None:
    """An unknown function, a body that is no event, and an unknown kind of message are refused."""
    path = f"/runtime/webhooks/EventGrid?functionName={function}"
    answer = await stage.call("POST", path, data=body, headers={"aeg-event-type": kind})
    assert answer.status == status


async def test_a_timer_by_hand(stage: Stage) -> None:
    """A timer can be run now, whatever its schedule."""
    before = len(await seen(stage, "tick"))
    await stage.fire_timer("tick")
    assert len(await seen(stage, "tick")) == before + 1


async def test_a_queue_function_by_hand(stage: Stage) -> None:
    """A message needs no queue; a failure is told to whoever waits for the end."""
    await stage.invoke("on_message", "by hand")
    assert ["by hand", 1] in await seen(stage, "on_message")
    with pytest.raises(InvocationFailed, match="cannot digest this"):
        await stage.invoke("on_message", "poison")


async def test_by_hand_is_answered_at_once(stage: Stage) -> None:
    """202 whether it will succeed or not, 404 for nobody, 400 for HTTP functions and wrong bodies."""

    async def status(name: str, body: Any) -> int:
        return (await stage.call("POST", f"/admin/functions/{name}", json=body)).status

    assert await status("on_message", {"input": "poison"}) == 202
    assert await status("on_event", {"input": json.dumps(an_event(n=6))}) == 202
    assert await status("nobody", {"input": ""}) == 404
    assert await status("plain", {"input": ""}) == 400
    assert await status("on_event", {"input": "no json"}) == 400
    assert await status("tick", ["input"]) == 400


async def test_timers_tick_by_themselves_and_never_overlap() -> None:
    """A period shorter than a run leads to one run after the other."""
    async with Stage(SAMPLE, SETTINGS, timer_every=0.01) as ticking:

        async def ran_often() -> bool:
            return len(await seen(ticking, "tick")) > 3

        await until(ran_often)
        assert {run["at_once"] for run in await seen(ticking, "tick")} == {1}


async def test_two_stages_at_once() -> None:
    """Two processes keep their settings, keys and states apart."""
    async with (
        Stage(SAMPLE, SETTINGS | {"SAMPLE_SETTING": "a"}) as one,
        Stage(SAMPLE, SETTINGS | {"SAMPLE_SETTING": "b"}, timers=False) as two,
    ):
        await one.fire_timer("tick")
        settings = [(await each.call("POST", "/api/echo/1")).json()["setting"] for each in (one, two)]
        assert settings == ["a", "b"]
        assert (len(await seen(one, "tick")), len(await seen(two, "tick"))) == (1, 0)
        stranger = await one.call("POST", "/api/echo/1", key=False, headers={"x-functions-key": two.key})
        assert stranger.status == 401


async def test_a_function_that_cannot_run_leaves_the_others_alone() -> None:
    """A schedule that names a missing setting puts one function in error, as in Azure."""
    async with Stage(SAMPLE, {}) as stage:
        assert stage.errors == {
            "tick": ["%SAMPLE_SCHEDULE% does not resolve: there is no app setting SAMPLE_SCHEDULE"]
        }
        assert (await stage.call("GET", "/api/plain")).status == 200
        assert "SAMPLE_SCHEDULE" in (await stage.call("GET", "/admin/host/status")).json()["errors"][0]
        with pytest.raises(InvocationFailed, match="400"):
            await stage.fire_timer("tick")


HEAD = "import azure.functions as func\napp = func.FunctionApp()\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (HEAD + "import nowhere_to_be_found\n", "nowhere_to_be_found"),
        (HEAD + "raise LookupError('while loading')\n", "in <module>"),
        (HEAD + "@app.route()\ndef f(req: func.HttpRequest, spare=1) -> str:\n    return ''\n", "spare"),
        ("x = 1\n", "Could not find top level function app"),
    ],
)
async def test_an_app_that_cannot_be_indexed(tmp_path: Path, source: str, message: str) -> None:
    """The error carries the worker library's message and the traceback through the app."""
    (tmp_path / "function_app.py").write_text(source)
    with pytest.raises(StageFailed, match=message) as failed:
        async with Stage(tmp_path):
            pass
    assert "Traceback" in failed.value.trace


async def test_a_directory_without_an_app(tmp_path: Path) -> None:
    """The error says what is missing."""
    with pytest.raises(StageFailed, match=r"no function_app\.py"):
        async with Stage(tmp_path):
            pass


async def test_a_running_function_may_finish() -> None:
    """A stop waits for what runs, and takes nothing new."""
    async with Stage(SAMPLE, SETTINGS) as stage:
        call = asyncio.create_task(stage.call("GET", "/api/slow"))
        await until(lambda: any("slow began" in line for line in stage.log_lines))
        stage.signal(signal.SIGTERM)
        assert (await call).text == "finished"


async def test_a_cancelled_caller_leaves_nothing_behind() -> None:
    """However a test ends, its stage ends."""
    urls: list[str] = []

    async def test() -> None:
        async with Stage(SAMPLE, SETTINGS) as stage:
            urls.append(stage.url)
            await asyncio.Event().wait()

    task = asyncio.create_task(test())
    await until(lambda: bool(urls))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not await answers(urls[0])


async def test_a_stage_does_not_outlive_its_parent() -> None:
    """A parent that is killed outright takes its stage with it."""
    program = (
        "import asyncio, sys\nfrom simulator.stage import Stage\n"
        "async def main():\n"
        f"    async with Stage({str(SAMPLE)!r}, {SETTINGS!r}) as stage:\n"
        "        print(stage.url, flush=True)\n        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert parent.stdout is not None
    url = (await parent.stdout.readline()).decode().strip()
    assert await answers(url)
    parent.kill()
    await parent.communicate()

    async def gone() -> bool:
        return not await answers(url)

    await until(gone)


async def answers(url: str) -> bool:
    """Return whether anything listens there."""
    async with ClientSession() as session:
        try:
            async with session.get(f"{url}/api/plain"):
                return True
        except ClientError:
            return False

"""A small app for the stage's tests: a function or two of each kind, and one that shows what they saw."""

import asyncio
import collections
import json
import logging
import os
import threading

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
seen: collections.defaultdict[str, list[object]] = collections.defaultdict(list)
running = 0
log = logging.getLogger("sample")


@app.route(route="seen", auth_level=func.AuthLevel.ANONYMOUS)
async def show(req: func.HttpRequest) -> func.HttpResponse:
    """Return what every function recorded."""
    return func.HttpResponse(json.dumps(seen), mimetype="application/json")


@app.route(route="echo/{id:int}/{more?}", methods=["POST", "PUT"])
async def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """The request, as the worker library shows it."""
    about = {
        "method": req.method,
        "url": req.url,
        "route": dict(req.route_params),
        "params": dict(req.params),
        "header": req.headers.get("X-Mixed-Case"),
        "body": req.get_body().hex(),
        "function": context.function_name,
        "setting": os.environ.get("SAMPLE_SETTING"),
    }
    return func.HttpResponse(json.dumps(about), status_code=201, mimetype="application/json")


@app.route(route="binary", auth_level=func.AuthLevel.ANONYMOUS)
def binary(req: func.HttpRequest) -> func.HttpResponse:
    """Bytes as they are, with headers and two cookies, from a plain function (so from a thread)."""
    answer = func.HttpResponse(
        bytes(range(256)),
        status_code=203,
        headers={"X-Thread": str(threading.current_thread() is not threading.main_thread())},
        mimetype="application/octet-stream",
    )
    answer.headers.add("Set-Cookie", "a=1; Path=/")
    answer.headers.add("Set-Cookie", "b=2; HttpOnly")
    return answer


@app.route(methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def plain(req: func.HttpRequest) -> str:
    """A text; the route is the function's name."""
    print("printed by plain")  # noqa: T201 -- what an app prints is log
    log.info("first line\nsecond line")
    return "plain text"


@app.route(route="fails", auth_level=func.AuthLevel.ANONYMOUS)
async def fails(req: func.HttpRequest) -> func.HttpResponse:
    """Always raises."""
    raise LookupError("told to fail")


@app.route(route="slow", auth_level=func.AuthLevel.ANONYMOUS)
async def slow(req: func.HttpRequest) -> str:
    """Takes a while, and says when it began."""
    log.warning("slow began")
    await asyncio.sleep(float(req.params.get("seconds", "0.5")))
    return "finished"


@app.timer_trigger(arg_name="timer", schedule="%SAMPLE_SCHEDULE%", use_monitor=False)
async def tick(timer: func.TimerRequest) -> None:
    """Records how many of its kind run at the same time."""
    global running  # noqa: PLW0603 -- the smallest counter there is
    running += 1
    await asyncio.sleep(0.03)
    seen["tick"].append({"at_once": running, "past_due": timer.past_due})
    running -= 1


@app.event_grid_trigger(arg_name="event")
async def on_event(event: str) -> None:
    """Records an event of either schema; fails the first time it sees one that asks for it."""
    received = json.loads(event)
    seen["on_event"].append(received)
    first = sum(each == received for each in seen["on_event"]) == 1
    if received.get("data", {}).get("fail_once") and first:
        raise RuntimeError("not this time")


@app.queue_trigger(arg_name="message", queue_name="work", connection="SAMPLE_STORAGE")
async def on_message(message: func.QueueMessage) -> None:
    """Records a message; `poison` always fails."""
    text = message.get_body().decode()
    seen["on_message"].append([text, message.dequeue_count])
    if text == "poison":
        raise RuntimeError("cannot digest this")

"""`python -m simulator.stage`: one function app behind one loopback port, until it is told to stop.

Prints one JSON line when ready: `{"url", "key", "functions", "errors"}`, or `{"failed", "trace"}` with exit
code 1 when the app could not be indexed. Everything else, the app's `print` too, goes to stderr.
"""

import argparse
import asyncio
import contextlib
import functools
import json
import logging
import os
import secrets
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from aiohttp import web
from azure_functions_runtime import invocation_id_cv  # type: ignore[import-untyped]

from simulator.stage import worker
from simulator.stage.configuration import env_file, host_config, local_settings
from simulator.stage.host import Host
from simulator.stage.invocations import Invocations


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m simulator.stage", description="Run a function app in the real Python worker library."
    )
    add = parser.add_argument
    add("--app", type=Path, required=True, help="directory that holds function_app.py and host.json")
    add("--port", type=int, default=0, help="loopback port; 0, the default, takes a free one")
    add("--env-file", type=Path, help="app settings as NAME=value lines; they win over the environment")
    add("--no-local-settings", action="store_true", help="do not read local.settings.json")
    add("--timer-every", type=float, metavar="SECONDS", help="replaces every timer's schedule by this period")
    add("--no-timers", action="store_true", help="timers run by hand only")
    add("--key", help="function and host key; without it one is made and printed")
    add("--grace", type=float, default=5.0, metavar="SECONDS", help="time for running functions at the end")
    add("--quiet", action="store_true", help="log warnings and errors only")
    return parser.parse_args(argv)


class _OneLine(logging.Formatter):
    """A record in one line, with the function it belongs to."""

    def __init__(self, invocations: Invocations) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(where)s%(message)s", "%H:%M:%S")
        self._invocations = invocations

    def format(self, record: logging.LogRecord) -> str:
        """As the base class, with line ends written out."""
        function = self._invocations.names.get(invocation_id_cv.get() or "")
        record.where = f"[{function}] " if function and record.name != "host" else ""
        return " | ".join(super().format(record).splitlines())


def _log_to_stderr(invocations: Invocations, *, quiet: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine(invocations))
    logging.basicConfig(level=logging.WARNING if quiet else logging.INFO, handlers=[handler], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def _set_environment(arguments: argparse.Namespace) -> None:
    """App settings: the env file, then the environment, then local.settings.json; then the platform's own."""
    asked = env_file(arguments.env_file) if arguments.env_file else {}
    local = {} if arguments.no_local_settings else local_settings(arguments.app)
    platform = {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "FUNCTIONS_EXTENSION_VERSION": "~4",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "AzureWebJobsScriptRoot": str(arguments.app),
    }
    for name, value in (local | platform).items():
        os.environ.setdefault(name, value)
    os.environ.update(asked)


def _stop_signal(grace: float) -> asyncio.Event:
    """Set by SIGTERM, SIGINT, SIGHUP, and by the end of a stdin that a parent holds (a pipe or socket)."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)

    if _is_held():
        leave = functools.partial(loop.call_soon_threadsafe, stop.set)
        threading.Thread(target=_follow_parent, args=(leave, grace + 5), daemon=True).start()
    return stop


def _is_held() -> bool:
    """Return whether stdin is a pipe or socket, so that its end means something."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:  # there is no stdin
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _follow_parent(leave: Callable[[], object], patience: float) -> None:
    """Leave when the parent is gone. A thread, because a handler may block the loop for ever."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    with contextlib.suppress(RuntimeError):  # the loop is closed: we are leaving already
        leave()
    time.sleep(patience)
    os._exit(1)


async def _serve(arguments: argparse.Namespace, invocations: Invocations, tell: int) -> None:
    """Load the app, listen, and stay until told to stop."""
    stop = _stop_signal(arguments.grace)
    listening = _listening(arguments.port)
    port = listening.getsockname()[1]
    os.environ.setdefault("WEBSITE_HOSTNAME", f"127.0.0.1:{port}")
    functions = await worker.load(arguments.app)
    key = arguments.key or secrets.token_urlsafe(32)
    host = Host(
        functions,
        config=host_config(arguments.app),
        settings=os.environ,
        key=key,
        invocations=invocations,
        timer_every=arguments.timer_every,
    )
    runner = web.AppRunner(host.application(), shutdown_timeout=1.0)
    await runner.setup()
    site = web.SockSite(runner, listening)
    await site.start()
    listeners = _listen(host, timers=not arguments.no_timers)
    _say(
        tell,
        url=f"http://127.0.0.1:{port}",
        key=key,
        functions={function.name: function.kind for function in functions},
        errors=host.errors,
    )
    await stop.wait()
    for listener in listeners:
        listener.cancel()
    await site.stop()
    await invocations.drain(arguments.grace)
    await runner.cleanup()


def _listening(port: int) -> socket.socket:
    """A loopback socket, bound before the app loads, which may read its address from WEBSITE_HOSTNAME."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    return listening


def _listen(host: Host, *, timers: bool) -> list[asyncio.Task[None]]:
    """Start what wakes functions by itself."""
    loop = asyncio.get_running_loop()
    clocks = [timer.listen() for timer in host.timers.values()] if timers else []
    tasks = [loop.create_task(each) for each in (*clocks, *(poller.listen() for poller in host.pollers))]
    for task in tasks:
        task.add_done_callback(_complain)
    return tasks


def _complain(task: asyncio.Task[None]) -> None:
    """A listener ends only by being cancelled."""
    if not task.cancelled() and (wrong := task.exception()) is not None:
        logging.getLogger("host").critical("a listener ended: %r", wrong)


def _say(tell: int, **line: object) -> None:
    """One JSON line to whoever started us; it is no matter if nobody reads it."""
    with contextlib.suppress(BrokenPipeError):
        os.write(tell, json.dumps(line).encode() + b"\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run until stopped; returns the exit code."""
    arguments = _arguments(argv)
    arguments.app = arguments.app.resolve()
    tell = os.dup(1)
    os.dup2(2, 1)  # what the app prints is log, and must not be mistaken for our one line
    invocations = Invocations()
    _log_to_stderr(invocations, quiet=arguments.quiet)
    try:
        _set_environment(arguments)
        os.chdir(arguments.app)
        asyncio.run(_until_stopped(arguments, invocations, tell))
    except worker.AppFailed as failed:
        logging.getLogger("host").critical("%s\n%s", failed, failed.trace)
        _say(tell, failed=str(failed), trace=failed.trace)
        return 1
    except (OSError, ValueError) as wrong:
        logging.getLogger("host").critical("%s", wrong)
        _say(tell, failed=str(wrong), trace="")
        return 1
    return 0


async def _until_stopped(arguments: argparse.Namespace, invocations: Invocations, tell: int) -> None:
    """Serve, then end the process at once.

    The platform ends a worker without unwinding it, so an app never gets to close what it opened; unwinding
    the interpreter here would complain of that, and would wait for a handler that hangs in a thread.
    """
    await _serve(arguments, invocations, tell)
    worker.abandon_threads()
    logging.shutdown()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())

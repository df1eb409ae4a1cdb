"""A stage in a process of its own, for tests and the demo: started, called, and stopped whatever happens."""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientSession, ClientTimeout

ROOT = Path(__file__).resolve().parents[2]
# What a Python process needs of its surroundings; the app gets nothing else that it was not given.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SYSTEMROOT")
LINE_LIMIT = 16 * 1024 * 1024  # bytes in a log line


class StageFailed(Exception):
    """The app did not start. `trace` is the traceback through the app's code, and is part of the message."""

    def __init__(self, message: str, trace: str = "") -> None:
        self.trace = trace
        super().__init__(f"{message}\n{trace}".rstrip())


class InvocationFailed(Exception):
    """A function that was run by hand failed; the message is its exception."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer of the app or its host."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Stage:
    """`async with Stage(app_dir, env) as stage:` runs one app, and never outlives this process.

    The app sees `env` and next to nothing of this process's environment, and no `local.settings.json`.

    Args:
        app_dir: holds `function_app.py` and `host.json`.
        env: the app settings.
        timer_every: seconds between two runs of every timer, in place of their schedules.
        timers: False leaves timers to `fire_timer`.
        key: the function key; one is made if there is none.
        quiet: logs warnings and errors only.
        port: 0 takes a free one.
        ready_within: seconds until the app must be ready.
        on_log: called with each line of log, as it comes.
        python: the command that runs `-m simulator.stage`; by default this interpreter.
    """

    def __init__(
        self,
        app_dir: Path | str,
        env: Mapping[str, str] | None = None,
        *,
        timer_every: float | None = None,
        timers: bool = True,
        key: str | None = None,
        quiet: bool = False,
        port: int = 0,
        ready_within: float = 60.0,
        on_log: Callable[[str], None] | None = None,
        python: Sequence[str] = (sys.executable, "-m", "simulator.stage"),
    ) -> None:
        self.url = ""
        self.key = ""
        self.functions: dict[str, str] = {}  # name -> trigger type
        self.errors: dict[str, list[str]] = {}  # functions that cannot run, and why
        self.ready_ms = 0  # from the start of the process to its readiness
        self.log_lines: deque[str] = deque(maxlen=100_000)  # the last ones
        self._env = {name: os.environ[name] for name in INHERITED if name in os.environ} | dict(env or {})
        asked = _arguments(
            Path(app_dir), timer_every=timer_every, timers=timers, key=key, quiet=quiet, port=port
        )
        self._arguments = [*python, *asked]
        self._ready_within = ready_within
        self._on_log = on_log
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:  # cancelled, too: never leave a process behind
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    def signal(self, number: int) -> None:
        """Send the process a signal, as an operator would."""
        if self._process is None:
            raise RuntimeError("the stage is not running")
        self._process.send_signal(number)

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        key: bool = True,
    ) -> Answer:
        """Send a request, with the function key unless `key` is False. Redirects are not followed."""
        if self._session is None:
            raise RuntimeError("the stage is not running")
        sent = ({"x-functions-key": self.key} if key else {}) | dict(headers or {})
        async with self._session.request(
            method, self.url + path, json=json, data=data, headers=sent, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers.copy(), await answer.read())

    async def fire_timer(self, name: str) -> None:
        """Run a timer function now and wait for its end; InvocationFailed when it failed."""
        await self.invoke(name, "")

    async def invoke(self, name: str, value: Any) -> None:
        """Run a function that has no HTTP trigger by hand and wait for its end.

        Args:
            name: the function's name.
            value: an event (object or JSON text), a queue message, or anything for a timer.

        Raises:
            InvocationFailed: the function failed, or there is no such function.
        """
        answer = await self.call("POST", f"/admin/functions/{name}?wait=true", json={"input": value})
        if answer.status != 202:
            raise InvocationFailed(f"{name}: HTTP {answer.status} {answer.text}")

    async def send_event(self, name: str, event: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> int:
        """Deliver as Event Grid does, once; returns the status (202, or 500: it would be delivered again)."""
        cloud = isinstance(event, Mapping) and "specversion" in event
        kind = "application/cloudevents+json; charset=utf-8" if cloud else "application/json; charset=utf-8"
        events = event if cloud or not isinstance(event, Mapping) else [event]
        answer = await self.call(
            "POST",
            f"/runtime/webhooks/EventGrid?functionName={name}",
            data=json.dumps(events).encode(),
            headers={"aeg-event-type": "Notification", "content-type": kind},
        )
        return answer.status

    async def _start(self) -> None:
        began = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._env,
            cwd=ROOT,
            limit=LINE_LIMIT,
        )
        self._reader = asyncio.get_running_loop().create_task(self._read_log(self._process))
        async with asyncio.timeout(self._ready_within):
            line = await self._process.stdout.readline() if self._process.stdout else b""
        ready: dict[str, Any] = json.loads(line) if line else await self._died()
        if "failed" in ready:
            raise StageFailed(ready["failed"], ready["trace"])
        self.ready_ms = round((time.monotonic() - began) * 1000)
        self.url, self.key = ready["url"], ready["key"]
        self.functions, self.errors = ready["functions"], ready["errors"]
        self._session = ClientSession(timeout=ClientTimeout(total=300))

    async def _died(self) -> dict[str, str]:
        """Return what there is to say of a process that ended without a word."""
        if self._reader is not None:
            await self._reader
        return {
            "failed": "the stage ended before it was ready",
            "trace": "\n".join(list(self.log_lines)[-50:]),
        }

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        while process.stderr is not None and (raw := await process.stderr.readline()):
            line = raw.decode(errors="replace").rstrip("\n")
            self.log_lines.append(line)
            if self._on_log is not None:
                self._on_log(line)

    async def _stop(self) -> None:
        """End the process: asked first, then killed. The asking happens before anything can be cancelled."""
        session, self._session = self._session, None
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        try:
            if session is not None:
                await session.close()
            if process is not None:
                await self._ended(process)
        except asyncio.CancelledError:
            if process is not None and process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await asyncio.shield(process.wait())
            raise

    async def _ended(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if self._reader is not None:
            await self._reader


def _arguments(
    app_dir: Path, *, timer_every: float | None, timers: bool, key: str | None, quiet: bool, port: int
) -> list[str]:
    """Return what a stage is started with."""
    command = ["--app", str(app_dir.resolve()), "--no-local-settings"]
    command += ["--port", str(port)]
    command += [] if timer_every is None else ["--timer-every", str(timer_every)]
    command += [] if timers else ["--no-timers"]
    command += [] if key is None else ["--key", key]
    command += ["--quiet"] if quiet else []
    return command

"""A real browser, driven by the DevTools protocol over a WebSocket: what a person sees of a page, measured there."""

import asyncio
import contextlib
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PHONE, DESK = 360, 1280  # CSS pixels
QUIET = (
    "--headless",
    "--no-sandbox",  # root in a container has no user namespace to make one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # loopback only
    "--remote-debugging-port=0",
)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a page came to in the browser."""

    status: int
    title: str
    headline: str
    text: str
    language: str
    complaints: tuple[str, ...]  # errors of the console, exceptions, violations of the content policy
    asked: tuple[str, ...]  # every address that was requested
    overflow: tuple[int, ...]  # CSS pixels by which the page is too wide, on a phone and on a desk
    pale: tuple[str, ...]  # texts with too little contrast, in the light and in the dark scheme


def installed() -> str | None:
    """The browser's program."""
    return next((found for program in PROGRAMS if (found := shutil.which(program))), None)


@contextlib.asynccontextmanager
async def browser(program: str) -> AsyncIterator["Browser"]:
    """A browser with a profile of its own, until the block ends."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *(program, *QUIET, f"--user-data-dir={profile}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            port = await _port(Path(profile) / "DevToolsActivePort", process)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                    pages = [item for item in await answer.json() if item["type"] == "page"]
                async with session.ws_connect(
                    pages[0]["webSocketDebuggerUrl"], max_msg_size=64 * 2**20
                ) as socket:
                    yield Browser(socket)
        finally:
            process.kill()
            await process.wait()


async def _port(file: Path, process: asyncio.subprocess.Process) -> int:
    """The port, which the browser writes into a file of its profile when it listens there."""
    async with asyncio.timeout(60):
        while (found := _first_line(file)) is None:
            assert process.returncode is None, "the browser ended before it listened"
            await asyncio.sleep(0.05)
    return int(found)


def _first_line(file: Path) -> str | None:
    lines = file.read_text().splitlines() if file.exists() else []
    return lines[0] if len(lines) > 1 else None


# Texts whose contrast is below WCAG 2.2's 4.5 : 1 (success criterion 1.4.3), by their own and inherited colours.
_PALE = """
(() => {
  const parse = it => {
    const parts = (it.match(/[\\d.]+/g) || [0, 0, 0]).map(Number);
    return parts.length < 4 ? [...parts, 1] : parts;
  };
  const linear = part => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4;
  const light = colour => colour.slice(0, 3).map(part => linear(part / 255))
    .reduce((sum, part, at) => sum + part * [.2126, .7152, .0722][at], 0);
  const behind = it => {
    for (; it; it = it.parentElement) {
      const colour = parse(getComputedStyle(it).backgroundColor);
      if (colour[3] > 0) return colour;
    }
    return [255, 255, 255, 1];
  };
  const scheme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  const found = [];
  for (const it of document.body.querySelectorAll('*')) {
    const own = [...it.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || it.closest('svg') || !it.getClientRects().length) continue;
    const pair = [light(parse(getComputedStyle(it).color)), light(behind(it))].sort((one, two) => two - one);
    if ((pair[0] + .05) / (pair[1] + .05) < 4.5) found.push(`${scheme}: ${it.textContent.trim().slice(0, 40)}`);
  }
  return found;
})()
"""


class Browser:
    """One page of the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._events: list[dict[str, Any]] = []

    async def open(self, url: str) -> Seen:
        """Load a page as a person's browser does, and look at it."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self._call(f"{domain}.enable")
        await self._call("Log.clear")
        self._events.clear()
        await self._call("Page.navigate", url=url)
        await self._until("Page.loadEventFired")
        overflow = [await self._overflow(width) for width in (PHONE, DESK)]
        pale = [text for scheme in ("light", "dark") for text in await self._pale(scheme)]
        return Seen(
            status=self._status(url),
            title=await self._ask("document.title"),
            headline=await self._ask("document.querySelector('h1')?.innerText ?? ''"),
            text=await self._ask("document.body.innerText"),
            language=await self._ask("document.documentElement.lang"),
            complaints=tuple(self._complaints()),
            asked=tuple(
                event["params"]["request"]["url"]
                for event in self._events
                if event["method"] == "Network.requestWillBeSent"
            ),
            overflow=tuple(overflow),
            pale=tuple(pale),
        )

    async def _overflow(self, width: int) -> int:
        await self._size(width)
        return int(await self._ask("document.documentElement.scrollWidth")) - width

    async def _size(self, width: int) -> None:
        await self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False
        )

    async def _pale(self, scheme: str) -> list[str]:
        feature = {"name": "prefers-color-scheme", "value": scheme}
        await self._call("Emulation.setEmulatedMedia", features=[feature])
        found: list[str] = await self._ask(_PALE)
        return found

    def _status(self, url: str) -> int:
        for event in self._events:
            if event["method"] == "Network.responseReceived" and event["params"]["response"]["url"] == url:
                return int(event["params"]["response"]["status"])
        return 0

    def _complaints(self) -> list[str]:
        found = []
        for event in self._events:
            match event["method"]:
                case "Log.entryAdded" if event["params"]["entry"]["level"] in {"error", "warning"}:
                    entry = event["params"]["entry"]
                    found.append(f"{entry['text']} ({entry.get('url', '')})")
                case "Runtime.exceptionThrown":
                    found.append(event["params"]["exceptionDetails"]["text"])
                case "Runtime.consoleAPICalled" if event["params"]["type"] in {"error", "warning"}:
                    found.append(str(event["params"]["args"]))
        return found

    async def _ask(self, expression: str) -> Any:
        answer = await self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    async def _call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while (got := await self._next()).get("id") != number:
            pass
        assert "error" not in got, f"{method}: {got['error']}"
        result: dict[str, Any] = got["result"]
        return result

    async def _until(self, event: str) -> None:
        while not any(entry["method"] == event for entry in self._events):
            await self._next()

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(60):
            got: dict[str, Any] = await self._socket.receive_json()
        if "method" in got:
            self._events.append(got)
        return got

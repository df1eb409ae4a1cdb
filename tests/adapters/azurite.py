"""Azurite, the storage emulator, started for one test run: a free loopback port, nothing kept on disk."""

import base64
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.parts import missing

ROOT = Path(__file__).parents[2]
START = 60.0  # seconds that a cold Node may take

ACCOUNT = "counterpart"
KEY = base64.b64encode(b"no secret: for this test run").decode()


def find_azurite() -> Path | None:
    """The emulator's program: $AZURITE, the PATH's, or the one in node_modules."""
    local = os.pathsep.join(
        (str(ROOT / "node_modules" / ".bin"), str(ROOT / ".ci" / "node_modules" / ".bin"))
    )
    named = os.environ.get("AZURITE")  # noqa: TID251 -- a test's own machine
    found = named or shutil.which("azurite-table") or shutil.which("azurite-table", path=local)
    return Path(found) if found else None


@contextmanager
def running_azurite() -> Iterator[str]:
    """The table endpoint of an emulator that runs until the block ends; skips when there is none."""
    program = find_azurite()
    if program is None:
        missing("Azurite (npm install azurite)")
    port = _free_port()
    options = ["--tableHost", "127.0.0.1", "--tablePort", str(port), "--inMemoryPersistence"]
    quiet = ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    env = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}  # noqa: TID251 -- Node needs the PATH
    with subprocess.Popen([program, *options, *quiet], stdout=subprocess.DEVNULL, env=env) as process:
        try:
            _wait_for(port, process)
            yield f"http://127.0.0.1:{port}/{ACCOUNT}"
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START
    while time.monotonic() < until:
        if process.poll() is not None:
            pytest.fail(f"Azurite ended at once with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"Azurite did not listen within {START:g} s")

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


def find_azurite(service: str = "table") -> Path | None:
    """The emulator's program for a service: beside $AZURITE, the PATH's, or the one in node_modules."""
    local = os.pathsep.join(
        (str(ROOT / "node_modules" / ".bin"), str(ROOT / ".ci" / "node_modules" / ".bin"))
    )
    named = os.environ.get("AZURITE")  # noqa: TID251 -- a test's own machine
    program = f"azurite-{service}"
    found = shutil.which(program) or shutil.which(program, path=local)
    return Path(named).with_name(program) if named else Path(found) if found else None


@contextmanager
def running_azurite(service: str = "table") -> Iterator[str]:
    """The endpoint of a service, `table` or `queue`, that runs until the block ends; skips when there is none."""
    program = find_azurite(service)
    if program is None:
        missing("Azurite (npm install azurite)")
    port = _free_port()
    options = [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port), "--inMemoryPersistence"]
    quiet = ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    env = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}  # noqa: TID251 -- Node needs the PATH
    with subprocess.Popen([program, *options, *quiet], stdout=subprocess.DEVNULL, env=env) as process:
        try:
            _wait_for(port, process)
            yield f"http://127.0.0.1:{port}/{ACCOUNT}"
        finally:
            process.terminate()


def queue_connection(endpoint: str) -> str:
    """The connection string of the emulator's queues."""
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};QueueEndpoint={endpoint};"


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

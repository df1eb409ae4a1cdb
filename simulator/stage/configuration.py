"""What the host reads before it starts an app: `host.json`, app settings, and `%NAME%` in bindings."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class HostConfig:
    """The part of `host.json` that this host acts on; the defaults are the platform's."""

    route_prefix: str = "api"
    queue_batch: int = 16
    queue_max_dequeue: int = 5
    queue_retry_after: float = 0.0  # seconds for which a message stays hidden after a failure
    queue_max_wait: float = 60.0  # seconds between two looks into an empty queue, at most
    queue_base64: bool = True


def host_config(app_dir: Path) -> HostConfig:
    """Read `host.json`.

    Raises:
        ValueError: the file is no JSON object, or a value in it is of the wrong form.
    """
    file = app_dir / "host.json"
    whole = _object(file) if file.is_file() else {}
    extensions = whole.get("extensions", {})
    queues = extensions.get("queues", {})
    return HostConfig(
        route_prefix=str(extensions.get("http", {}).get("routePrefix", "api")).strip("/"),
        queue_batch=int(queues.get("batchSize", 16)),
        queue_max_dequeue=int(queues.get("maxDequeueCount", 5)),
        queue_retry_after=_seconds(queues.get("visibilityTimeout", "00:00:00")),
        queue_max_wait=_seconds(queues.get("maxPollingInterval", "00:01:00")),
        queue_base64=queues.get("messageEncoding", "base64") == "base64",
    )


def _object(file: Path) -> dict[str, Any]:
    """A JSON object from a file."""
    try:
        whole = json.loads(file.read_text("utf-8-sig"))
    except ValueError as wrong:
        raise ValueError(f"{file.name}: {wrong}") from None
    if not isinstance(whole, dict):
        raise ValueError(f"{file.name} is not a JSON object")  # noqa: TRY004 -- one kind of error for bad files
    return whole


def _seconds(span: str) -> float:
    """A .NET time span `[d.]hh:mm:ss[.fff]`, in seconds."""
    found = re.fullmatch(r"(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)", span)
    if found is None:
        raise ValueError(f"host.json: {span!r} is not a time span such as 00:00:30")
    days, hours, minutes, seconds = found.groups()
    return int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def local_settings(app_dir: Path) -> dict[str, str]:
    """The `Values` of `local.settings.json`, as Core Tools reads them; empty without the file."""
    file = app_dir / "local.settings.json"
    values = _object(file).get("Values", {}) if file.is_file() else {}
    return {str(name): str(value) for name, value in values.items()}


def env_file(file: Path) -> dict[str, str]:
    """`NAME=value` lines; blank and `#` lines are skipped, one pair of quotes around a value is taken off.

    Raises:
        ValueError: names the line that is neither.
        OSError: the file cannot be read.
    """
    found: dict[str, str] = {}
    for number, raw in enumerate(file.read_text("utf-8").splitlines(), start=1):
        line = raw.strip().removeprefix("export ")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"{file.name}, line {number}: expected NAME=value")
        found[name.strip()] = _unquoted(value.strip())
    return found


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def resolved(text: str, settings: Mapping[str, str]) -> str:
    """Replace `%NAME%` by the app setting of that name, as the host does in schedules and queue names.

    Raises:
        ValueError: there is no such setting.
    """

    def setting(found: re.Match[str]) -> str:
        if found[1] not in settings:
            raise ValueError(f"%{found[1]}% does not resolve: there is no app setting {found[1]}")
        return settings[found[1]]

    return re.sub(r"%([^%]+)%", setting, text)

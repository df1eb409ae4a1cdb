"""The configuration of the command line: the environment, and a file of variables over it."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from shared.errors import SettingsError

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def environment(file: Path | None) -> Mapping[str, str]:
    """The process's environment; variables of the file win, and are put into the environment too.

    The file has lines `NAME=value` or `export NAME=value`, as `python -m simulator --env` prints them. They go
    into the environment because azure-identity reads its own variables there.
    """
    if file is not None:
        os.environ.update(parse(file))
    return os.environ


def parse(file: Path) -> dict[str, str]:
    """The variables of a file.

    Raises:
        SettingsError: there is no such file, or a line is no variable.
    """
    try:
        return variables(file.read_bytes(), f"--env-file {file}")
    except OSError as error:
        raise SettingsError((f"--env-file {file}: {error.strerror}",)) from error


def variables(content: bytes, name: str) -> dict[str, str]:
    """The variables of a file's content. Raises SettingsError, which names the file and the line."""
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SettingsError((f"{name}: not UTF-8",)) from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or "\0" in line:
            raise SettingsError((f"{name}, line {number}: not NAME=value",))
        found[match[1]] = match[2].strip().strip("'\"")
    return found

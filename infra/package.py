"""Builds what is deployed: `make package` makes `dist/counterpart-<version>.zip`.

In it lies only what runs: the files that `.funcignore` allows, and the pinned dependencies as wheels of the platform
(Linux, x86_64, Python 3.13), in the folder where the Functions host looks for them. Bytecode is compiled in and is
never compared with its source: the package is mounted read-only, where Python could not save it, and compiling anew
at every cold start takes longer than all the rest. The same files give the same bytes: names sorted, times and modes
fixed, paths in the bytecode those of the platform.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pathspec import GitIgnoreSpec

from infra import requirements
from infra.bytecode import compile_folder

ROOT: Final = Path(__file__).parents[1]
LIBRARIES: Final = Path(".python_packages/lib/site-packages")  # where the Functions host looks
MOUNT: Final = "/home/site/wwwroot"  # where the platform puts the package
PYTHON: Final = (3, 13)  # the platform's; bytecode of another version would be passed over
PLATFORM: Final = "x86_64-manylinux_2_28"
MIDNIGHT: Final = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
# What an installer leaves behind that says nothing about the package itself.
TRACES: Final = frozenset({"INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"})


class NotBuilt(Exception):
    """The package cannot be built; the message says why and what to do."""


def name(root: Path = ROOT) -> str:
    """The package's file name, which holds the version."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return f"{project['name']}-{project['version']}.zip"


def allowed(root: Path) -> Iterator[Path]:
    """The files that `.funcignore` lets through, relative to the root, sorted."""
    lines = (root / ".funcignore").read_text("utf-8").splitlines()
    ignored = GitIgnoreSpec.from_lines(lines).match_file
    for folder, folders, files in os.walk(root):
        at = Path(folder).relative_to(root)
        folders[:] = sorted(folder for folder in folders if not ignored(f"{(at / folder).as_posix()}/"))
        yield from (at / file for file in sorted(files) if not ignored((at / file).as_posix()))


def stage(root: Path, into: Path, *, bytecode: bool = True) -> None:
    """Lay the package's files out in a folder, as they will lie on the platform.

    Raises:
        NotBuilt: the pins are stale, a wheel cannot be had, or this is another Python than the platform's.
    """
    if stale := requirements.stale(root):
        raise NotBuilt(f"{', '.join(stale)}: not made from this pyproject.toml; run: make lock")
    for file in allowed(root):
        (into / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / file, into / file)
    _install(into / "requirements.txt", into / LIBRARIES)
    if bytecode:
        _compile(into)


def _install(pins: Path, into: Path) -> None:
    """The wheels by their hashes: from the installer's cache when all are there, else from the index."""
    asked = [
        _uv(), "pip", "install", "--quiet", "--target", str(into), "--python", sys.executable,
        "--python-platform", PLATFORM, "--python-version", ".".join(map(str, PYTHON)), "--link-mode", "copy",
        "--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement", str(pins),
    ]  # fmt: skip
    if subprocess.run([*asked, "--offline"], capture_output=True, check=False).returncode:
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotBuilt(f"the dependencies cannot be had:\n{done.stderr.strip()}")
    shutil.rmtree(into / "bin", ignore_errors=True)  # programs for a shell; nobody has one there
    for file in into.glob("*.dist-info/*"):
        if file.name in TRACES:
            file.unlink()
    (into / ".lock").unlink(missing_ok=True)


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else "uv"


def _compile(folder: Path) -> None:
    if sys.version_info[:2] != PYTHON:
        raise NotBuilt(f"bytecode for Python {PYTHON[0]}.{PYTHON[1]} needs that Python, not {sys.version}")
    try:
        compile_folder(folder, MOUNT)
    except SyntaxError as error:
        raise NotBuilt(f"a module does not compile: {error}") from error


def pack(folder: Path, file: Path) -> None:
    """A zip of a folder's files, the same bytes for the same files."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
        files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        for inside, path in sorted(files.items()):
            entry = zipfile.ZipInfo(inside, MIDNIGHT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, whatever this machine is
            entry.external_attr = 0o100644 << 16
            packed.writestr(entry, path.read_bytes())


def build(root: Path, into: Path, *, bytecode: bool = True) -> Path:
    """Build the package of a project in a folder; returns the file. NotBuilt says why it is not."""
    file = into / name(root)
    with tempfile.TemporaryDirectory(prefix="package-") as folder:
        stage(root, Path(folder), bytecode=bytecode)
        pack(Path(folder), file)
    return file


def described(file: Path) -> str:
    """The package in two lines: how large it is, and what takes the room."""
    with zipfile.ZipFile(file) as packed:
        entries = packed.infolist()
    ours = [member for member in entries if not member.filename.startswith(LIBRARIES.as_posix())]
    compiled = [member for member in entries if member.filename.endswith(".pyc")]
    mib = 2**20
    unpacked = sum(member.file_size for member in entries)
    return (
        f"{file}: {file.stat().st_size / mib:.1f} MiB, unpacked {unpacked / mib:.1f} MiB\n"
        f"{len(entries)} files, {len(ours)} of them Counterpart's own; bytecode is "
        f"{sum(member.compress_size for member in compiled) / mib:.1f} MiB of it"
    )


def main() -> None:
    """Build it where it is asked for, and say how large it became."""
    parser = argparse.ArgumentParser(prog="python -m infra.package", description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "dist", help="the folder (default: dist)")
    parser.add_argument("--no-bytecode", action="store_true", help="leave the bytecode out, to compare")
    asked = parser.parse_args()
    try:
        file = build(ROOT, asked.into, bytecode=not asked.no_bytecode)
    except NotBuilt as why:
        sys.exit(f"not built: {why}")
    print(described(file))


if __name__ == "__main__":
    main()

"""The pins: `requirements.txt` (deployed) and `requirements-dev.txt`, made from `pyproject.toml` by `make lock`.

Each begins with a digest of the dependencies that it was made from, so that a stale one is noticed without asking
any package index: by the tests, and before a package is built.
"""

import hashlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
# By file: the extras in it, and for which platforms it is.
FILES: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "requirements.txt": ((), ("--python-platform", "x86_64-manylinux_2_28")),
    "requirements-dev.txt": (("cli", "dev"), ("--universal",)),
}


def heading(root: Path, file: str) -> str:
    """The first line of a file of pins."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    extras, _ = FILES[file]
    chosen = {name: sorted(project["optional-dependencies"][name]) for name in extras}
    plain = [project["requires-python"], sorted(project["dependencies"]), chosen]
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
    return f"# Made by `make lock` from dependencies with the digest {digest[:16]}."


def stale(root: Path = ROOT) -> tuple[str, ...]:
    """The files of pins that were made from other dependencies than pyproject.toml names now."""
    first = {file: (root / file).read_text("utf-8").partition("\n")[0] for file in FILES}
    return tuple(file for file, line in first.items() if line != heading(root, file))


def lock(root: Path = ROOT) -> None:
    """Pin anew, with hashes and without the name of any index; what need not change stays as it is."""
    for file, (extras, platforms) in FILES.items():
        chosen = [name for extra in extras for name in ("--extra", extra)]
        asked = [
            str(Path(sys.executable).with_name("uv")), "pip", "compile", "--quiet", "pyproject.toml",
            "--generate-hashes", "--python-version", "3.13", *platforms, *chosen,
            "--no-header", "--no-emit-index-url", "-o", file,
        ]  # fmt: skip
        subprocess.run(asked, cwd=root, check=True)
        pins = (root / file).read_text("utf-8")
        (root / file).write_text(f"{heading(root, file)}\n{pins}", "utf-8")


if __name__ == "__main__":
    lock()

"""Mutation testing: is every decision held in place by a test? Run by `make mutants`, one module after the other.

mutmut changes one thing in a decision module at a time and runs the tests of its slice that reach it; a change that
no test notices has survived. The modules are those that the contract "Decisions are pure" names: none is forgotten.
"""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "proof" / "mutation.json"
CONTRACT: Final = "Decisions are pure: values in, values out"
_SLOW: Final = re.compile(r"test_(workflow|findings_workflow)")  # effects; decisions have tests of their own

_TESTED_IN: Final = {
    "shared/pages.py": ["tests/handlers/test_pages.py"],
    "shared/words.py": ["tests/incidents/test_render.py"],  # in what people read
}


@dataclasses.dataclass(frozen=True)
class Score:
    """What became of a module's mutants."""

    module: str
    mutants: int
    killed: int  # noticed by a test, or never coming to an end
    survived: tuple[str, ...]
    seconds: float

    @property
    def share(self) -> float:
        """Of the mutants, how many were noticed."""
        return self.killed / self.mutants if self.mutants else 1.0


def modules() -> list[str]:
    """The decision modules' files, by the contract in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = (it for it in project["tool"]["importlinter"]["contracts"] if it["name"] == CONTRACT)
    found: set[str] = set()
    for name in contract["source_modules"]:
        path = name.replace(".", "/")
        found |= {str(it.relative_to(ROOT)) for it in ROOT.glob(f"{path}.py") if it.name != "__init__.py"}
    return sorted(found)


def covering(module: str) -> list[str]:
    """The tests that hold a module in place: those of its slice, without the slow ones of its effects."""
    if module in _TESTED_IN:
        return _TESTED_IN[module]
    slice_ = Path(module).parent.name
    if slice_ == "shared":
        return [f"tests/test_{Path(module).stem}.py"]
    found = sorted((ROOT / "tests" / slice_).glob("test_*.py"))
    return [str(it.relative_to(ROOT)) for it in found if not _SLOW.match(it.name)]


def measure(module: str, place: Path, *, limit: float) -> Score:
    """Run the mutants of one module in a copy of the tree."""
    copy_tree(place)
    _configure(place, module)
    began = time.monotonic()
    mutmut = Path(sys.executable).with_name("mutmut")
    try:
        subprocess.run(
            [mutmut, "run", "--max-children", "1"],
            cwd=place,
            check=False,
            stdout=(place / "mutmut.txt").open("w"),
            stderr=subprocess.STDOUT,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        print(f"{module}: not all mutants were run within {limit:g} s")
    return _score(place, module, time.monotonic() - began)


def copy_tree(place: Path) -> None:
    """The tree as it is, without what git does not know."""
    shutil.rmtree(place, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)


def _configure(place: Path, module: str) -> None:
    tests = json.dumps(covering(module))
    also = json.dumps(sorted(it.name for it in place.iterdir() if it.name not in {"shared", "mutants"}))
    with (place / "pyproject.toml").open("a") as file:
        file.write(
            f'\n[tool.mutmut]\nsource_paths = ["shared"]\nonly_mutate = ["{module}"]\nalso_copy = {also}\n'
            f"pytest_add_cli_args_test_selection = {tests}\n"
            'pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:xdist"]\n'
            "use_git_change_detection = false\n"
        )


_KILLED: Final = frozenset(
    {1, 3, 36, 24, -24, 152, 255}
)  # by a failing test, or stopped as it never came to an end
_NOT_RUN: Final = frozenset({None, 2, 34, 37})


def _score(place: Path, module: str, seconds: float) -> Score:
    meta = place / "mutants" / f"{module}.meta"
    codes: dict[str, Any] = json.loads(meta.read_text())["exit_code_by_key"] if meta.exists() else {}
    run = {name: code for name, code in codes.items() if code not in _NOT_RUN}
    killed = [name for name, code in run.items() if code in _KILLED]
    return Score(module, len(run), len(killed), tuple(sorted(run.keys() - set(killed))), round(seconds, 1))


def scores(chosen: Sequence[str], *, limit: float) -> Iterator[Score]:
    """One module after the other; each is written down when it is done."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    place = ROOT / "build" / "mutants"
    for module in chosen or modules():
        score = measure(module, place, limit=limit)
        known[module] = {**dataclasses.asdict(score), "share": round(score.share, 4)}
        RESULTS.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
        yield score


def main(arguments: Sequence[str]) -> int:
    """`python -m proof.mutation [MODULE ...]`: all decision modules, or these."""
    total = killed = 0
    for it in scores(arguments, limit=3600.0):
        total, killed = total + it.mutants, killed + it.killed
        print(
            f"{it.share:7.1%}  {it.killed:4} of {it.mutants:4}  {it.seconds:6.0f} s  {it.module}", flush=True
        )
    print(f"{killed / max(total, 1):7.1%}  {killed:4} of {total:4}")
    return 0 if killed >= 0.9 * total else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

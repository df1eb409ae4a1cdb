"""Mutation testing: is every decision held in place by a test? Run by `make mutants`, one module after the other.

mutmut changes one thing in a decision module at a time and runs the tests of its slice that reach it; a change that
no test notices has survived, and `proof/survivors.toml` says why. The modules are those that the contract
"Decisions are pure" names: none is forgotten.
"""

import ast
import contextlib
import copy
import dataclasses
import difflib
import hashlib
import itertools
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "proof" / "mutation.json"
CONTRACT: Final = "Decisions are pure: values in, values out"
# Beside every test_workflow.py: worlds that run for a while. The decisions have tests of their own.
_SLOW: Final = frozenset(
    {"tests/drills/test_laws.py", "tests/drills/test_practice.py", "tests/incidents/test_hold.py"}
)


@dataclasses.dataclass(frozen=True, order=True)
class Survivor:
    """A mutant that nothing noticed. It has no number, which the next change of the module would spoil."""

    change: str  # the function, and its lines before and after
    wording: bool  # a sentence, and nothing else


@dataclasses.dataclass(frozen=True)
class Score:
    """What became of a module's mutants."""

    module: str
    mutants: int  # those that were run; of them:
    by_types: int  # refused by the type checker, which `make test` runs first
    by_tests: int  # a test failed
    endless: int  # stopped, since they did not come to an end
    survived: tuple[Survivor, ...]  # nothing noticed them
    not_run: int  # time was over
    source: str  # digest of the module as it was measured

    @property
    def wording(self) -> int:
        """Of the survivors, those that changed a sentence and nothing else."""
        return sum(survivor.wording for survivor in self.survived)

    @property
    def noticed(self) -> int:
        """By the types, by a test, or by never coming to an end."""
        return self.mutants - len(self.survived)

    @property
    def share(self) -> float:
        """Of the mutants, how many were noticed."""
        return self.noticed / self.mutants if self.mutants else 1.0

    @property
    def share_of_decisions(self) -> float:
        """The same, without the survivors that changed nothing but a sentence."""
        counted = self.mutants - self.wording
        return self.noticed / counted if counted else 1.0

    @property
    def share_of_tests(self) -> float:
        """Return what the tests notice of that alone which the type checker lets through."""
        left = self.mutants - self.by_types
        return (self.noticed - self.by_types) / left if left else 1.0

    def row(self) -> Mapping[str, Any]:
        """As it is written down."""
        return {
            **dataclasses.asdict(self),
            "wording": self.wording,
            "share": round(self.share, 4),
            "share_of_decisions": round(self.share_of_decisions, 4),
            "share_of_tests": round(self.share_of_tests, 4),
        }


def modules() -> list[str]:
    """The decision modules' files, by the contract in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = (item for item in project["tool"]["importlinter"]["contracts"] if item["name"] == CONTRACT)
    found: set[str] = set()
    for name in contract["source_modules"]:
        path = name.replace(".", "/")
        found |= {
            str(item.relative_to(ROOT)) for item in ROOT.glob(f"{path}.py") if item.name != "__init__.py"
        }
    return sorted(found)


def digest(module: str, root: Path = ROOT) -> str:
    """Of a module's text and of nothing else: who changes it measures it anew."""
    return hashlib.sha256((root / module).read_bytes()).hexdigest()[:16]


def covering(module: str) -> list[str]:
    """The tests that hold a module in place: those of its slice, without the slow ones of its effects."""
    slice_ = Path(module).parent.name
    if slice_ == "shared":
        return [f"tests/test_{Path(module).stem}.py"]
    found = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests" / slice_).glob("test_*.py"))
    return [name for name in found if name not in _SLOW and not name.endswith("/test_workflow.py")]


def measure(chosen: Sequence[str], place: Path, *, limit: float) -> Iterator[Score]:
    """Run the mutants of modules that the same tests hold in place, in a copy of the tree."""
    copy_tree(place)
    _configure(place, chosen)
    with (place / "mutmut.txt").open("w") as said, contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [Path(sys.executable).with_name("mutmut"), "run", "--max-children", "1"],
            cwd=place,
            check=False,
            stdout=said,
            stderr=subprocess.STDOUT,
            timeout=limit,
        )
    for module in chosen:
        yield _score(place, module)


def copy_tree(place: Path) -> None:
    """The tree as it is, without what git ignores."""
    shutil.rmtree(place, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)


def _configure(place: Path, chosen: Sequence[str]) -> None:
    also = sorted(path.name for path in place.iterdir() if path.name not in {"shared", "mutants"})
    # A property that fails is a mutant that is noticed: it need not be made short, kept or explained.
    quick = ["-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-profile", "mutants"]
    types = [sys.executable, "-m", "mypy", f"--cache-dir={ROOT / 'build' / 'types'}", "--output=json"]
    config = {
        "source_paths": ["shared"],
        "only_mutate": list(chosen),
        "also_copy": also,
        "pytest_add_cli_args_test_selection": covering(chosen[0]),
        "pytest_add_cli_args": quick,
        "type_check_command": [*types, *chosen],
        "timeout_multiplier": 6.0,
        "use_git_change_detection": False,
    }
    project = place / "pyproject.toml"
    # Only what is wrong by the types counts: `x and False`, which no person writes, is for the tests to notice. And
    # mutmut writes comments for the type checker, without codes.
    plain = {
        "warn_unreachable = true": "warn_unreachable = false\nwarn_unused_ignores = false",
        'enable_error_code = ["exhaustive-match", "ignore-without-code", "redundant-expr", "truthy-bool"]': (
            'enable_error_code = ["exhaustive-match"]'
        ),
    }
    lenient = project.read_text()
    for old, new in plain.items():
        if old not in lenient:
            raise LookupError(old)
        lenient = lenient.replace(old, new)
    lines = [f"{key} = {json.dumps(value)}" for key, value in config.items()]
    project.write_text("\n".join([lenient, "[tool.mutmut]", *lines, ""]))


_BY_TYPES: Final = 37
_ENDLESS: Final = frozenset({36, 24, -24, 152, 255})
_NOTICED: Final = frozenset({1, 3}) | {_BY_TYPES} | _ENDLESS
_NOT_RUN: Final = frozenset({None, 2, 34})


def _score(place: Path, module: str) -> Score:
    meta = place / "mutants" / f"{module}.meta"
    codes: dict[str, Any] = json.loads(meta.read_text())["exit_code_by_key"] if meta.exists() else {}
    run = {name: code for name, code in codes.items() if code not in _NOT_RUN}
    survived = {name for name, code in run.items() if code not in _NOTICED}
    changes = changed((place / "mutants" / module).read_text(), survived) if survived else {}
    return Score(
        module=module,
        mutants=len(run),
        by_types=sum(code == _BY_TYPES for code in run.values()),
        by_tests=sum(code in {1, 3} for code in run.values()),
        endless=sum(code in _ENDLESS for code in run.values()),
        survived=tuple(
            sorted(
                Survivor(f"{_function(name)}: {change}", change.only_wording)
                for name, change in changes.items()
            )
        ),
        not_run=len(codes) - len(run),
        source=digest(module, place),
    )


@dataclasses.dataclass(frozen=True)
class Change:
    """What one mutant changed."""

    old: str
    new: str
    only_wording: bool

    def __str__(self) -> str:
        return f"{self.old} -> {self.new}"


def changed(mutated: str, names: Collection[str]) -> Mapping[str, Change]:
    """Return what these mutants changed, by the text that mutmut made of the module."""
    functions = {
        node.name: node for node in ast.walk(ast.parse(mutated)) if isinstance(node, ast.FunctionDef)
    }
    found = {}
    for name in names:
        short = name.rpartition(".")[2]
        found[name] = _change(functions[f"{short.rpartition('__mutmut_')[0]}__mutmut_orig"], functions[short])
    return found


def _function(name: str) -> str:
    """Of `shared.a.x__f__mutmut_1` it is `_f`, of `shared.a.xǁCǁg__mutmut_1` it is `C.g`."""
    mangled = name.rpartition(".")[2].rpartition("__mutmut_")[0]
    return mangled.removeprefix("x_") if mangled.startswith("x_") else mangled[2:].replace("ǁ", ".")


def _change(was: ast.FunctionDef, now: ast.FunctionDef) -> Change:
    lines = list(difflib.ndiff(_body(was).splitlines(), _body(now).splitlines()))
    return Change(
        old=" ".join(line[2:].strip() for line in lines if line.startswith("-")),
        new=" ".join(line[2:].strip() for line in lines if line.startswith("+")),
        only_wording=_body(_without_sentences(was)) == _body(_without_sentences(now)),
    )


def _body(function: ast.FunctionDef) -> str:
    defaults = (
        default for default in [*function.args.defaults, *function.args.kw_defaults] if default is not None
    )
    return "\n".join(ast.unparse(default) for default in [*defaults, *function.body])


class _WithoutSentences(ast.NodeTransformer):
    """A text with a blank in it is a sentence, or a part of one. One without may be a key, a state, a name."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        sentence = isinstance(node.value, str) and " " in node.value.strip("X")
        return ast.Constant("a sentence") if sentence else node


def _without_sentences(function: ast.FunctionDef) -> ast.FunctionDef:
    changed_: ast.FunctionDef = _WithoutSentences().visit(copy.deepcopy(function))
    return changed_


def scores(chosen: Sequence[str], *, limit: float) -> Iterator[Score]:
    """Slice by slice; each is written down when it is done."""
    place = ROOT / "build" / "mutants"
    for _, together in itertools.groupby(sorted(chosen or modules(), key=covering), key=covering):
        for score in measure(list(together), place, limit=limit):
            known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            known[score.module] = score.row()
            rows = {
                module: known[module] for module in modules() if module in known
            }  # a module that is gone takes its row along
            RESULTS.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
            yield score


def main(arguments: Sequence[str]) -> int:
    """`python -m proof.mutation [MODULE ...]`: all decision modules, or these."""
    if unknown := sorted(set(arguments) - set(modules())):
        print(f"no modules of decisions: {', '.join(unknown)}")
        return 2
    all_ = list[Score]()
    for score in scores(arguments, limit=7200.0):
        all_.append(score)
        print(
            f"{score.share:7.1%}  {score.noticed:4} of {score.mutants:4},"
            f" {score.wording:3} survivors are wording  {score.module}",
            flush=True,
        )
    mutants, noticed = sum(score.mutants for score in all_), sum(score.noticed for score in all_)
    print(f"{noticed / max(mutants, 1):7.1%}  {noticed:4} of {mutants:4}")
    return 0 if noticed >= 0.9 * mutants and not any(score.not_run for score in all_) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

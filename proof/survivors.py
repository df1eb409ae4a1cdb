"""Why a mutant may survive: each that is not wording has its reason in proof/survivors.toml, written by hand.

`python -m proof.survivors [MODULE ...]` prints those without one, in the form of that file.
"""

import collections
import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

ROOT: Final = Path(__file__).resolve().parent.parent


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why no test can notice some changes, or need not."""

    why: str
    changes: Mapping[str, tuple[str, ...]]  # by module


class Explanations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file as it is."""

    reason: tuple[Reason, ...] = ()

    def of(self, module: str) -> collections.Counter[str]:
        """The changes of a module that have a reason. What two mutants did alike is explained once."""
        return collections.Counter(
            change for reason in self.reason for change in reason.changes.get(module, ())
        )


def explanations() -> Explanations:
    """Those of the project."""
    return msgspec.convert(
        tomllib.loads((ROOT / "proof" / "survivors.toml").read_text("utf-8")), Explanations
    )


def rows() -> Mapping[str, Mapping[str, Any]]:
    """Return what `python -m proof.mutation` wrote down, by module."""
    found: Mapping[str, Mapping[str, Any]] = json.loads((ROOT / "proof" / "mutation.json").read_text("utf-8"))
    return found


def scores() -> Sequence[Mapping[str, Any]]:
    """The same, module by module."""
    return tuple(rows().values())


def unexplained(score: Mapping[str, Any], explained: Explanations) -> Sequence[str]:
    """The survivors of a module that are neither wording nor have a reason."""
    known = explained.of(score["module"])
    return [
        item["change"] for item in score["survived"] if not item["wording"] and item["change"] not in known
    ]


def problems(measured: Sequence[Mapping[str, Any]], explained: Explanations) -> Sequence[str]:
    """Return what is wrong with the explanations: missing, of nothing, or twice."""
    found = []
    for score in measured:
        module, left = score["module"], unexplained(score, explained)
        found += [f"{module} has no reason for {name}" for name in left]
    changes = {
        entry["module"]: {one["change"] for one in entry["survived"] if not one["wording"]}
        for entry in measured
    }
    for module in {change for reason in explained.reason for change in reason.changes}:
        for change, times in explained.of(module).items():
            if change not in changes.get(module, set()):
                found.append(f"{module} has no survivor {change}")
            if times > 1:
                found.append(f"{module} has {times} reasons for {change}")
    return found


def main(arguments: Sequence[str]) -> int:
    """Print what has no reason yet."""
    explained = explanations()
    for score in scores():
        left = unexplained(score, explained)
        if left and (not arguments or score["module"] in arguments):
            lines = dict.fromkeys(json.dumps(name, ensure_ascii=False) for name in left)
            print(
                f"changes.{json.dumps(score['module'])} = [  # {len(left)}",
                *(f"    {line}," for line in lines),
                "]",
                sep="\n",
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

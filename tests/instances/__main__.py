"""`python -m tests.instances --minutes 10`: two instances on one store under faults; the long job runs it.

When a law was broken or it did not converge, it prints what happened, with the seed that plays it again: the same
things happen then, at other moments. With `--bug`, one of `proof/planted.py` is in the instances, and must be told.
"""

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from proof.mutation import copy_tree
from proof.planted import BUGS
from tests.instances.pair import two_instances
from tests.instances.run import LONG, play

AGAIN = "again: python -m tests.instances"
EACH = 120.0  # seconds for one pair; then a new one


async def _runs(minutes: float, seed: int) -> int:
    until = time.monotonic() + minutes * 60
    pairs = edits = writes = decisions = drills = 0
    while time.monotonic() < until:
        async with two_instances(seed + pairs) as pair:
            problem = ""
            try:
                await play(pair, min(EACH, until - time.monotonic()), LONG)
            except TimeoutError:
                row = await pair.rollout()
                problem = f"not converged: {row.state if row else None}, {row.reason if row else ''}"
                if row is not None:  # how it came to that, by the row's own history
                    problem += "".join(
                        f"\n  {happening.at:%H:%M:%S.%f} {happening.state}: {happening.text}"
                        for happening in row.history
                    )
            broken = pair.broken()
            pairs, edits = pairs + 1, edits + pair.edits
            decisions, drills = decisions + pair.decisions, drills + pair.drills
            writes += sum(write.who == "counterpart" for write in pair.judge.writes)
            if broken or problem:
                print("\n".join([*pair.told, *broken, problem]))
                print(f"{AGAIN} --minutes 2 --seed {seed + pairs - 1}")
                return 1
        print(
            f"instances: {pairs} pairs, {edits} edits, {decisions} decisions, {drills} drills, "
            f"{writes} writes of ours, no law broken",
            flush=True,
        )
    return 0


def _with(bug: str, minutes: float, seed: int) -> int:
    """The same in a copy of the tree that has a planted bug; 1 when nothing is told of it."""
    planted = next(item for item in BUGS if item.name == bug)
    with tempfile.TemporaryDirectory() as place:
        copy_tree(Path(place))
        planted.plant(Path(place))
        asked = ["-m", "tests.instances", "--minutes", f"{minutes:g}", "--seed", f"{seed}"]
        run = subprocess.run(
            [sys.executable, *asked], cwd=place, check=False, stdout=subprocess.PIPE, text=True
        )
    told = AGAIN in run.stdout  # and not an exception of the run's own
    print(f"{run.stdout}{bug}: {'told' if told else 'nothing was told'}")
    return 0 if told else 1


def main() -> int:
    """Run; 1 when a law was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.instances", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--bug", choices=[bug.name for bug in BUGS], metavar="NAME")
    asked = parser.parse_args()
    if asked.minutes <= 0:
        parser.error("--minutes must be more than none")
    seed = random.SystemRandom().randrange(1 << 30) if asked.seed is None else asked.seed
    if asked.bug:
        return _with(asked.bug, asked.minutes, seed)
    print(f"instances: {asked.minutes:g} minutes, seed {seed}", flush=True)
    return asyncio.run(_runs(asked.minutes, seed))


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tests.instances --minutes 10`: two instances on one store under faults; the long job runs it.

When a law was broken or it did not converge, it prints what happened, with the seed that plays it again: the same
things happen then, at other moments.
"""

import argparse
import asyncio
import random
import sys
import time

from tests.instances.pair import two_instances
from tests.instances.run import LONG, play

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
                    problem += "".join(f"\n  {it.at:%H:%M:%S.%f} {it.state}: {it.text}" for it in row.history)
            broken = pair.broken()
            pairs, edits = pairs + 1, edits + pair.edits
            decisions, drills = decisions + pair.decisions, drills + pair.drills
            writes += sum(it.who == "counterpart" for it in pair.judge.writes)
            if broken or problem:
                print("\n".join([*pair.told, *broken, problem]))
                print(f"again: python -m tests.instances --minutes 2 --seed {seed + pairs - 1}")
                return 1
        print(
            f"instances: {pairs} pairs, {edits} edits, {decisions} decisions, {drills} drills, "
            f"{writes} writes of ours, no law broken",
            flush=True,
        )
    return 0


def main() -> int:
    """Run; 1 when a law was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.instances", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    if asked.minutes <= 0:
        parser.error("--minutes must be more than none")
    seed = random.SystemRandom().randrange(1 << 30) if asked.seed is None else asked.seed
    print(f"instances: {asked.minutes:g} minutes, seed {seed}", flush=True)
    return asyncio.run(_runs(asked.minutes, seed))


if __name__ == "__main__":
    sys.exit(main())

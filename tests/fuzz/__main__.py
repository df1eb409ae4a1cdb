"""`make fuzz MINUTES=…`: fuzz every parser for as long; what does harm is kept in the corpus and shown.

With `--atheris` the coverage-guided fuzzer of that name drives one parser after another (install it beside the
development dependencies: `pip install atheris`); without it, changes are chosen at random, by the seed that is shown.
"""

import argparse
import hashlib
import logging
import random
import subprocess
import sys
import time
import traceback
from pathlib import Path

from tests.fuzz.mutations import CHANGES, mutated
from tests.fuzz.targets import CORPUS, TARGETS, Target

ROOT = Path(__file__).parents[2]
SLOWEST = 5.0  # seconds of the processor for one input


def main() -> int:
    """Fuzz; 1 when anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--target", action="append", choices=[target.name for target in TARGETS])
    parser.add_argument("--atheris", action="store_true")
    asked = parser.parse_args()
    if asked.minutes <= 0:
        parser.error("--minutes must be more than none")
    logging.disable(logging.CRITICAL)
    chosen = [target for target in TARGETS if not asked.target or target.name in asked.target]
    if asked.atheris:
        chosen = [
            target for target in chosen if not target.handled
        ]  # the others go through a parser that is among these
        if not chosen:
            parser.error("what runs a handler is not guided")
        found = [target.name for target in chosen if _guide(target, asked.minutes / len(chosen))]
    else:
        found = _at_random(chosen, asked.minutes, asked.seed)
    print(f"fuzz: {len(chosen)} parsers, {'nothing found' if not found else 'found: ' + ', '.join(found)}")
    return bool(found)


# -- at random --------------------------------------------------------------------------------------------------


def _at_random(chosen: list[Target], minutes: float, seed: int | None) -> list[str]:
    seed = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    print(f"fuzz: {len(chosen)} parsers for {minutes:g} minutes, seed {seed}")
    dice = random.Random(seed)  # noqa: S311 -- no secret
    until = time.monotonic() + minutes * 60
    tried = dict.fromkeys((target.name for target in chosen), 0)
    found: list[str] = []
    while time.monotonic() < until:
        for target in chosen:
            for _ in range(20 if target.seldom else 500):
                data = _made(target, dice)
                tried[target.name] += 1
                if _harms(target, data):
                    found.append(target.name)
    for name, count in tried.items():
        print(f"  {name:28} {count:>9} inputs")
    return sorted(set(found))


def _made(target: Target, dice: random.Random) -> bytes:
    seeds = (*target.seeds, *target.corpus)
    if dice.random() < 0.02:
        return dice.randbytes(dice.randrange(200))
    changes = [
        (dice.choice(tuple(CHANGES)), dice.randrange(1 << 16), dice.randrange(1 << 16))
        for _ in range(dice.randrange(1, 8))
    ]
    return mutated(dice.choice(seeds), changes, seeds)


def _harms(target: Target, data: bytes) -> bool:
    began = time.process_time()
    try:
        target.attempt(data)
    except Exception:  # noqa: BLE001 -- that there is none but the named ones is what is tried
        _keep(target, data, traceback.format_exc())
        return True
    if time.process_time() - began > SLOWEST:
        _keep(target, data, f"it took {time.process_time() - began:.1f} s")
        return True
    return False


def _keep(target: Target, data: bytes, why: str) -> None:
    file = CORPUS / target.name / hashlib.sha256(data).hexdigest()[:16]
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        print(f"{target.name}: kept as {file.relative_to(ROOT)}\n{why}")


# -- guided by coverage -----------------------------------------------------------------------------------------


def _guide(target: Target, minutes: float) -> bool:
    """Run the guided fuzzer over one parser; whether it found anything, which it leaves in `.fuzz/`."""
    command = [sys.executable, "-m", "tests.fuzz.guided", target.name, str(max(1, round(minutes * 60)))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    done_line = next((line for line in reversed(lines) if line.startswith("Done")), "")
    print(f"  {target.name:28} {done_line}", flush=True)
    if done.returncode:
        print("\n".join(lines[-40:]))
    return done.returncode != 0


if __name__ == "__main__":
    sys.exit(main())

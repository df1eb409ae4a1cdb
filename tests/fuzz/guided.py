"""One parser under the coverage-guided fuzzer, in a process of its own, which ends with it: started by `tests.fuzz`.

The product is imported while atheris looks on, which is how it learns of its branches.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def main(name: str, seconds: int) -> None:
    """Fuzz until the time is over or something is found; the fuzzer ends the process."""
    atheris: Any = importlib.import_module("atheris")  # optional, and without types
    with atheris.instrument_imports(include=["cli", "handlers", "shared"]):
        targets: Any = importlib.import_module("tests.fuzz.targets")
    target = next(target for target in targets.TARGETS if target.name == name)
    directory = ROOT / ".fuzz" / target.name
    directory.mkdir(parents=True, exist_ok=True)
    for number, item in enumerate((*target.seeds, *target.corpus)):
        (directory / f"seed-{number}").write_bytes(item)
    os.chdir(directory)
    limits = [f"-max_total_time={seconds}", f"-max_len={64 * 1024}", "-rss_limit_mb=2048", "-timeout=30"]
    atheris.Setup([sys.argv[0], *limits, str(directory)], target.attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

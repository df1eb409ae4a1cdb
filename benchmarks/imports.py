"""The cost of importing the function app, against an app with only azure-functions and azure-identity."""

import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Figure

ROOT = Path(__file__).parents[1]
TURNS = 7  # of which the fastest counts
LEAST = "import azure.functions, azure.identity.aio"
APP = "import function_app"


def imports() -> list[Figure]:
    """A ratio of two times of one run, and how many management libraries the import brought in."""
    modules = subprocess.run(
        [sys.executable, "-c", f"{APP}; import sys; print(*sys.modules)"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    management = sum(
        module in {"azure.mgmt", "azure.data", "azure.keyvault", "azure.storage"} for module in modules
    )
    ratio = min(_seconds(APP) for _ in range(TURNS)) / min(_seconds(LEAST) for _ in range(TURNS))
    return [
        Figure("import.azure-management-libraries", management, "packages", 0),
        Figure("import.ratio-to-least-app", round(ratio, 2), "ratio", 1.5),
    ]


def _seconds(statement: str) -> float:
    """The time that a statement takes in a new interpreter, by its own clock."""
    timed = f"import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
    ran = subprocess.run([sys.executable, "-c", timed], cwd=ROOT, check=True, capture_output=True, text=True)
    return float(ran.stdout)

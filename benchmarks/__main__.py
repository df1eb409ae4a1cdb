"""`make bench`: run every benchmark, print a table, write benchmarks/results.json; fails when a budget is broken."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.arm_calls import against_bare_calls, bursts, quiet_tick
from benchmarks.artifact_hosts import bytes_per_check
from benchmarks.cold_start import cold_start
from benchmarks.imports import imports
from benchmarks.measure import Figure
from benchmarks.store_operations import store_operations

RESULTS = Path(__file__).with_name("results.json")


async def measured() -> list[Figure]:
    """Every figure, in a fixed order."""
    return [
        *await quiet_tick(),
        *await bursts(),
        *await against_bare_calls(),
        *await bytes_per_check(),
        *imports(),
        *await store_operations(),
        *await cold_start(),
    ]


def main() -> int:
    """Measure, show, keep."""
    figures = asyncio.run(measured())
    table = Table("figure", "value", "unit", "budget", "")
    for it in figures:
        budget = "" if it.budget is None else f"{it.budget:g}"
        table.add_row(it.name, f"{it.value:g}", it.unit, budget, "" if it.kept else "over")
    Console().print(table)
    RESULTS.write_text(json.dumps([asdict(it) for it in figures], indent=2) + "\n")
    return 0 if all(it.kept for it in figures) else 1


if __name__ == "__main__":
    sys.exit(main())

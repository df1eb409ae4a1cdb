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
from benchmarks.azure_cli import against_the_azure_cli
from benchmarks.cold_start import cold_start
from benchmarks.day import converged_day
from benchmarks.events import intake
from benchmarks.fleet import swept_in_memory, swept_over_http, work
from benchmarks.imports import imports
from benchmarks.measure import Figure
from benchmarks.store_operations import store_operations

RESULTS = Path(__file__).with_name("results.json")


async def over_http() -> list[Figure]:
    """The figures that need a loop of their own, in a fixed order."""
    return [
        *await quiet_tick(),
        *await converged_day(),
        *await bursts(),
        *await against_bare_calls(),
        *await against_the_azure_cli(),
        *await bytes_per_check(),
        *await store_operations(),
        *await cold_start(),
        *await intake(),
        *await swept_over_http(),
    ]


def measured() -> list[Figure]:
    """Every figure, in a fixed order."""
    return [*asyncio.run(over_http()), *swept_in_memory(), *work(), *imports()]


def main() -> int:
    """Measure, show, keep."""
    figures = measured()
    table = Table("figure", "value", "unit", "budget", "")
    for figure in figures:
        budget = "" if figure.budget is None else f"{figure.budget:g}"
        table.add_row(figure.name, f"{figure.value:g}", figure.unit, budget, "" if figure.kept else "over")
    Console(width=120, soft_wrap=True).print(table)
    if not any(figure.name.startswith("azure-cli.") for figure in figures):
        Console().print("not compared with the Azure CLI: there is no `az` on the PATH")
    RESULTS.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    return 0 if all(figure.kept for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())

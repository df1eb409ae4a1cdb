"""A converged day of one group: every tick of it, on a clock that is moved by hand."""

from datetime import timedelta

from benchmarks.in_memory import Azure, Changes, Hands, Rows, ports_of, settings_of
from benchmarks.measure import Figure
from shared.reconcile import workflow as reconcile

TICKS = 24 * 60
REGIONS = 2
SWEEPS = 24 * 4 + 1  # every 15 minutes, and the first look
CALLS = 2  # of Resource Manager for one region's settings
PROOFS = 24 * 12 + 1  # every five minutes


async def converged_day() -> list[Figure]:
    """Return what a day costs in which nothing happens."""
    hands, store, changes = Hands(), Rows(), Changes()
    azure = Azure(1, hands)
    ports, settings = ports_of(azure, store, hands, changes), settings_of()
    for _ in range(TICKS):
        await reconcile.run_all(ports, settings)
        hands.time += timedelta(minutes=1)
    calls = azure.calls
    return [
        Figure("converged.day.traffic-manager-reads", calls["profiles"], "calls", TICKS),
        Figure("converged.day.settings-reads", calls["settings"], "calls", SWEEPS * REGIONS * CALLS),
        Figure("converged.day.site-reads", calls["site"], "calls", 2 * REGIONS),
        Figure(
            "converged.day.changes", changes.asked.total(), "calls", 0
        ),  # writes, restarts, endpoints, copies
        Figure("converged.day.probes-per-region", calls["probe"] / REGIONS, "probes", TICKS),
        Figure("converged.day.proofs-per-region", calls["proof"] / REGIONS, "proofs", PROOFS),
        Figure("converged.day.store-calls", store.asked.total(), "calls"),
    ]

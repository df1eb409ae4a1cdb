"""Operations that are paid for one by one: of the store in a converged tick, of Key Vault for a change."""

import dataclasses
import logging
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

from benchmarks.arm_calls import AT_ONCE, QUIET, bench
from benchmarks.in_memory import Azure, Hands, Rows, ports_of, settings_of
from benchmarks.measure import Figure
from shared.artifact_hosts.model import SETTING
from shared.groups.model import AppSettings, RegionSettings, Value
from shared.reconcile import workflow as reconcile
from shared.store import Key, Row, Store, Stored, Version


class Counting:
    """A store that notes what is asked of it."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.asked: Counter[str] = Counter()

    async def get(self, key: Key) -> Stored | None:
        """As the port says."""
        self.asked["reads"] += 1
        return await self._inner.get(key)

    async def put(self, row: Row, *, if_version: Version | None) -> Version:
        """As the port says."""
        self.asked["writes"] += 1
        return await self._inner.put(row, if_version=if_version)

    async def delete(self, key: Key, *, if_version: Version) -> None:
        """As the port says."""
        self.asked["writes"] += 1
        await self._inner.delete(key, if_version=if_version)

    def list(self, prefix: str) -> AsyncIterator[Stored]:
        """As the port says."""
        self.asked["reads"] += 1
        return self._inner.list(prefix)


class RowsRead(Rows):
    """Counts the rows that are handed out too: a listing is one operation, and as long as it is."""

    async def get(self, key: Key) -> Stored | None:
        """The row, or None."""
        self.asked["rows"] += 1
        return await super().get(key)

    async def list(self, prefix: str) -> AsyncIterator[Stored]:
        """By prefix, in order."""
        async for stored in super().list(prefix):
            self.asked["rows"] += 1
            yield stored


class OwnHosts(Azure):
    """Pairs whose every site gets its package from a URL of its own."""

    async def get_settings(self, site_id: str) -> RegionSettings:
        """The same everywhere but for that."""
        said = await super().get_settings(site_id)
        url = Value(f"https://{site_id.rsplit('/', 1)[-1]}.blob.core.windows.net/zip/a.zip")
        return RegionSettings(app=AppSettings({**said.app, SETTING: url}), connections={})


async def own_hosts() -> list[Figure]:
    """Return what a quiet round reads of the store in a fleet whose every site has a package host of its own."""
    logging.disable(logging.CRITICAL)
    few, many = await _rows_and_operations(10), await _rows_and_operations(100)
    logging.disable(logging.NOTSET)
    return [
        Figure(
            "own-hosts.100-groups.store-operations-per-quiet-round", round(many[1], 2), "operations", 9.02
        ),
        Figure("own-hosts.100-groups.rows-per-quiet-round", round(many[0], 2), "rows"),
        Figure("own-hosts.rows.ratio-to-10-groups", round(many[0] / few[0], 3), "ratio", 1.05),
    ]


async def _rows_and_operations(groups: int) -> tuple[float, float]:
    """(rows read, operations) for a group in a tick with nothing to do and no host to be checked."""
    hands, store = Hands(), RowsRead()
    ports, settings = ports_of(OwnHosts(groups, hands), store, hands), settings_of()
    for _ in range(3):
        await reconcile.run_all(ports, settings)
        hands.time += timedelta(seconds=10)
    store.asked.clear()
    await reconcile.run_all(ports, settings)
    rows = store.asked.pop("rows")
    return rows / groups, store.asked.total() / groups


async def store_operations() -> list[Figure]:
    """Reads and writes of one tick of a pair, the group's own and those of all groups together."""
    async with bench(QUIET) as on:
        await reconcile.run_all(on.ports, on.settings)
        store = Counting(on.ports.store)
        await reconcile.run_all(dataclasses.replace(on.ports, store=store), on.settings)
    async with bench(AT_ONCE) as on:
        mark = len(on.cloud.world.journal)
        on.cloud.world.edit(on.sites[0], {"AppConfig:Bench": "changed"})
        await on.converge()
        vault = sum(happening.what.startswith("secret-") for happening in on.cloud.world.journal[mark:])
    return [
        Figure("converged.tick.store-reads", store.asked["reads"], "operations"),
        Figure("converged.tick.store-writes", store.asked["writes"], "operations"),
        Figure("change.vault-operations", vault, "operations"),
        *await own_hosts(),
    ]

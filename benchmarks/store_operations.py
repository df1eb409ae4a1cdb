"""Operations that are paid for one by one: of the store in a converged tick, of Key Vault for a change."""

import dataclasses
from collections import Counter
from collections.abc import AsyncIterator

from benchmarks.arm_calls import AT_ONCE, QUIET, bench
from benchmarks.measure import Figure
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
        vault = sum(it.what.startswith("secret-") for it in on.cloud.world.journal[mark:])
    return [
        Figure("converged.tick.store-reads", store.asked["reads"], "operations"),
        Figure("converged.tick.store-writes", store.asked["writes"], "operations"),
        Figure("change.vault-operations", vault, "operations"),
    ]

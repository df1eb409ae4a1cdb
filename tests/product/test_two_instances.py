"""Counterpart twice at once, over one store: the real function app in two processes, in the simulated cloud."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from infra.package import ROOT
from shared.adapters.sqlite import SqliteStore
from shared.settings_sync.model import State
from shared.settings_sync.workflow import read_rollout
from simulator.pair import COPIES_VAULT, a_pair
from simulator.server import Cloud
from simulator.stage import Stage
from simulator.world import EventSubscription, Site

TIMES = {
    "COUNTERPART_SOAK": "1s",
    "COUNTERPART_PROBE_EVERY": "200ms",
    "COUNTERPART_PROVE_EVERY": "1s",
    "COUNTERPART_VERIFY_DEADLINE": "20s",
    "COUNTERPART_SWEEP": "2s",
}
KEY = "AppConfig:OCSP:CacheTimeOutSecondsIfDeviceExists"
TIMER = 0.4  # seconds; the two are never in step for long


@dataclass
class Both:
    """The cloud, the two apps, and the store that they share."""

    cloud: Cloud
    first: Stage
    second: Stage
    store: SqliteStore

    @property
    def sites(self) -> tuple[Site, Site]:
        one, other = self.cloud.world.sites.values()
        return one, other

    async def until(self, state: State) -> None:
        """Wait until the group's row says so."""
        group = next(iter(self.cloud.world.profiles.values())).id
        async with asyncio.timeout(40):
            while True:
                row = await read_rollout(self.store, group)
                if row is not None and row.state is state and row.flight is None:
                    return
                await asyncio.sleep(0.1)

    async def until_set(self, site: Site, value: str) -> None:
        """Wait until the change has come to a site."""
        async with asyncio.timeout(40):
            while site.app_settings.get(KEY) != value:  # noqa: ASYNC110 -- the world is plain state; it tells nobody
                await asyncio.sleep(0.1)

    def noted(self, what: str, site: Site) -> int:
        """Return how often the product did something to a site."""
        journal = self.cloud.world.journal
        return sum(
            happening.what == what and happening.where == site.name and happening.who == "counterpart"
            for happening in journal
        )


@contextlib.asynccontextmanager
async def both(directory: Path) -> AsyncIterator[Both]:
    """Two apps without a lease: both timers run, and every event goes to both."""
    world = a_pair()
    world.speed, world.boot_seconds = 50.0, 0.1
    async with Cloud(world, directory=directory) as cloud:
        env = cloud.env() | TIMES
        async with (
            Stage(ROOT, env, timer_every=TIMER) as first,
            Stage(ROOT, env, timer_every=TIMER * 1.1) as second,
        ):
            for stage in (first, second):
                hook = f"{stage.url}/runtime/webhooks/EventGrid?functionName=app_service_changed&code={stage.key}"
                cloud.event_webhooks.append(EventSubscription(hook, "CloudEventSchemaV1_0", "name"))
            store = SqliteStore(str(directory / "counterpart.sqlite"))
            try:
                on = Both(cloud, first, second, store)
                await on.until(State.CONVERGED)
                yield on
            finally:
                await store.aclose()


async def test_two_at_once_are_as_one(tmp_path: Path) -> None:
    """Each change makes one write and one restart, in either direction; no copy is left behind; both stay well."""
    async with both(tmp_path) as on:
        one, other = on.sites
        for number, (source, peer) in enumerate(((one, other), (other, one)), start=1):
            before = on.noted("settings-put", peer)
            on.cloud.world.edit(source, {KEY: str(300 + number)})
            await on.until_set(peer, str(300 + number))
            await on.until(State.CONVERGED)
            assert on.noted("settings-put", peer) - before == 1
        assert not on.cloud.world.vaults[COPIES_VAULT].secrets
        for stage in (on.first, on.second):
            assert (await stage.call("GET", "/api/health", key=False)).status == 200


async def test_the_other_finishes_what_one_began(tmp_path: Path) -> None:
    """One of the two dies while a change soaks: it arrives all the same, by one write."""
    async with both(tmp_path) as on:
        one, other = on.sites
        on.cloud.world.edit(one, {KEY: "301"})
        await on.until(State.SOAKING)
        on.first.signal(9)
        await on.until_set(other, "301")
        await on.until(State.CONVERGED)
        assert on.noted("settings-put", other) == 1

"""Many groups: one function app hands them out, and two instances of it pull from one storage queue (Azurite)."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from azure.storage.queue.aio import QueueClient

from shared.adapters.sqlite import SqliteStore
from shared.adapters.storage_queue import POISON, QUEUE
from shared.clock import SystemClock
from shared.fleet import Errand, written
from shared.outbox import waiting
from shared.settings_sync.model import State
from shared.settings_sync.workflow import read_rollout
from simulator.pair import many
from simulator.server import Cloud
from simulator.stage import Stage
from tests.adapters.azurite import queue_connection, running_azurite
from tests.builders import a_profile
from tests.stage.waiting import until

ROOT = Path(__file__).parents[2]
GROUPS = 20
TIMES = {
    "COUNTERPART_SOAK": "0s",
    "COUNTERPART_PROBE_EVERY": "0s",
    "COUNTERPART_SWEEP": "0s",
    "COUNTERPART_INLINE_GROUPS": "2",
    "COUNTERPART_WEBHOOK": "https://127.0.0.1:9/nobody",
}


@dataclass
class Fleet:
    """A cloud of pairs, and the app twice over one queue and one store."""

    cloud: Cloud
    stages: tuple[Stage, Stage]
    queue: QueueClient
    poison: QueueClient
    store: SqliteStore

    async def tick(self) -> None:
        """The timer fires on one instance, as the platform has it, and all that it handed out is worked off."""
        await self.stages[0].fire_timer("reconcile")
        async with asyncio.timeout(60):
            while (await self.queue.get_queue_properties()).approximate_message_count:  # noqa: ASYNC110 -- theirs
                await asyncio.sleep(0.1)

    async def states(self) -> set[State | None]:
        rows = [await read_rollout(self.store, profile.id) for profile in self.cloud.world.profiles.values()]
        return {row.state if row else None for row in rows}

    def rounds(self) -> list[int]:
        """Return how many errands each instance ran to their end."""
        done = "Executed 'reconcile_group' (Succeeded"
        return [sum(done in line for line in stage.log_lines) for stage in self.stages]

    def failures(self) -> list[str]:
        """Return what an instance logged of a round that failed."""
        said = ("this round failed", "(Failed", "could not be handed out", "nobody foresaw")
        return [line for stage in self.stages for line in stage.log_lines if any(its in line for its in said)]


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Fleet]:
    world = many(GROUPS)
    world.speed, world.boot_seconds = 50.0, 0.05
    with running_azurite("queue") as endpoint:
        connection = queue_connection(endpoint)
        async with Cloud(world) as cloud, contextlib.AsyncExitStack() as open_:
            env = {**cloud.env(), **TIMES, "AzureWebJobsStorage": connection}
            starting = [open_.enter_async_context(Stage(ROOT, env, timers=False)) for _ in range(2)]
            first, second = await asyncio.gather(*starting)
            queue = QueueClient.from_connection_string(connection, QUEUE)
            poison = QueueClient.from_connection_string(connection, POISON)
            store = SqliteStore(cloud.env()["COUNTERPART_STORE"].removeprefix("sqlite:"))
            try:
                async with queue, poison:
                    yield Fleet(cloud, (first, second), queue, poison, store)
            finally:
                await store.aclose()


async def test_two_instances_pull_from_one_queue() -> None:
    """Every group is looked at once a tick by one of the two, and each changed pair gets one write."""
    async with running() as on:
        await on.tick()
        await until(lambda: sum(on.rounds()) == GROUPS)
        assert await on.states() == {State.CONVERGED}
        world = on.cloud.world
        edited = [f"app-scepman-{number:04}" for number in (0, 7, 19)]
        for name in edited:
            world.edit(world.sites[f"{name}-weu"], {"AppConfig:Fleet": "new"})
        asked = len(on.cloud.requests)
        ticks = 0
        while (not ticks or await on.states() != {State.CONVERGED}) and ticks < 10:
            await on.tick()
            ticks += 1
            await until(lambda: sum(on.rounds()) == GROUPS * (ticks + 1))  # noqa: B023
        assert await on.states() == {State.CONVERGED}
        written_sites = [
            happening.where
            for happening in world.journal
            if happening.what == "settings-put" and happening.who == "counterpart"
        ]
        assert sorted(written_sites) == [f"{name}-neu" for name in edited]
        lists = [
            request
            for request in on.cloud.requests[asked:]
            if request.path.lower().endswith("trafficmanagerprofiles")
        ]
        assert len(lists) == ticks, "one read of Traffic Manager a tick, for all groups and both instances"
        assert all(on.rounds()), "both instances had a part"
        assert on.failures() == []
        await _set_aside_is_told(on)


async def _set_aside_is_told(on: Fleet) -> None:
    """What the platform gave up is laid down to be told, and is gone from its queue."""
    errand = Errand(profile=a_profile(name="broken"), read_at=SystemClock().now() - timedelta(hours=1))
    await on.poison.create_queue()
    await on.poison.send_message(base64.b64encode((written(errand) or "").encode()).decode())
    await on.tick()
    assert (await on.poison.get_queue_properties()).approximate_message_count == 0
    (letter,) = await waiting(on.store)
    assert letter.kind == "rounds.failing"
    assert "broken" in letter.card.title

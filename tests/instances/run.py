"""Two instances of the function app on one store, over real HTTP, while people edit and everything around fails."""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.adapters.sqlite import SqliteStore
from shared.settings_sync.model import Rollout, State
from shared.settings_sync.workflow import read_rollout
from simulator.pair import a_pair
from simulator.server import Cloud
from simulator.services.admin import set_faults
from simulator.stage import Stage
from simulator.world import EventSubscription, Site
from tests.instances.judge import Judge

ROOT = Path(__file__).parents[2]
SOAK = 2.0
TIMES = {
    "COUNTERPART_SOAK": f"{SOAK:g}s",
    "COUNTERPART_SOAK_DEADLINE": "60s",
    "COUNTERPART_VERIFY_DEADLINE": "30s",
    "COUNTERPART_SWEEP": "2s",
    "COUNTERPART_PROBE_EVERY": "200ms",
    "COUNTERPART_PROVE_EVERY": "2s",
    "COUNTERPART_PACKAGE_CHECK_EVERY": "5s",
}
TIMER = 0.5  # seconds between two ticks, of each instance: the platform would let only one of them tick
CALM = 130.0  # seconds in which it must be converged once nothing fails: longer than the claim of a killed instance
KEYS = (
    "AppConfig:Alpha",
    "AppConfig:Beta",
    "AppConfig:Gamma",
)  # each region has its own: no conflicts to hold


@dataclass
class Pair:
    """The world, the two instances, and who judges them."""

    cloud: Cloud
    env: Mapping[str, str]
    judge: Judge
    dice: random.Random
    store: SqliteStore
    stages: list[Stage] = field(default_factory=list)
    told: list[str] = field(default_factory=list)  # what was done, for whoever replays
    edits: int = 0

    @property
    def sites(self) -> tuple[Site, ...]:
        return tuple(self.cloud.world.sites.values())

    def note(self, text: str) -> None:
        self.told.append(f"{self.cloud.world.now():.2f} {text}")

    async def rollout(self) -> Rollout | None:
        (profile,) = self.cloud.world.profiles.values()
        return await read_rollout(self.store, profile.id)

    def alike(self) -> bool:
        """Whether every key that people edited is the same everywhere."""
        names = [f"{key}:{site.name}" for key in KEYS for site in self.sites]
        return all(len({site.app_settings.get(it) for site in self.sites}) == 1 for it in names)


@contextlib.asynccontextmanager
async def two_instances(seed: int) -> AsyncIterator[Pair]:
    """A converged pair and two instances that both tick and both get every event."""
    world = a_pair()
    world.speed, world.boot_seconds = 50.0, 0.2
    async with Cloud(world) as cloud:
        env = {**cloud.env(), **TIMES}
        store = SqliteStore(env["COUNTERPART_STORE"].removeprefix("sqlite:"))
        pair = Pair(cloud, env, Judge(world, SOAK), random.Random(seed), store)  # noqa: S311 -- no secret
        try:
            await asyncio.gather(*(start(pair, place) for place in range(2)))
            await converged(pair)
            yield pair
        finally:
            for it in pair.stages:
                await it.__aexit__(None, None, None)
            await store.aclose()


async def start(pair: Pair, place: int) -> None:
    """Start an instance, and let Event Grid deliver to it."""
    stage = await Stage(ROOT, pair.env, timer_every=TIMER, quiet=True).__aenter__()
    hook = f"{stage.url}/runtime/webhooks/EventGrid?functionName=app_service_changed&code={stage.key}"
    pair.stages.insert(place, stage)
    pair.cloud.event_webhooks.append(EventSubscription(hook, "CloudEventSchemaV1_0", "name"))


async def converged(pair: Pair) -> None:
    """Wait until nothing is under way and the regions are alike."""
    async with asyncio.timeout(CALM):
        while True:
            row = await pair.rollout()
            if row is not None and row.state is State.CONVERGED and row.flight is None and pair.alike():
                return
            await asyncio.sleep(0.2)


# -- what happens -----------------------------------------------------------------------------------------------


async def edit(pair: Pair) -> None:
    """A person saves one or several settings of a region, each with a value that was never there."""
    site = pair.dice.choice(pair.sites)
    for _ in range(pair.dice.choice((1, 1, 3))):
        pair.edits += 1
        name = f"{pair.dice.choice(KEYS)}:{site.name}"
        pair.cloud.world.edit(site, {name: f"edit-{pair.edits}"})
        pair.note(f"edit {name}")
        await asyncio.sleep(0.1)


async def outage(pair: Pair) -> None:
    """A region answers 503 for a while, then comes back."""
    site = pair.dice.choice(pair.sites)
    began = pair.cloud.world.now()
    pair.note(f"{site.name} is ill")
    set_faults(pair.cloud, {"sites": {site.name: {"status": 503}}})
    try:
        await asyncio.sleep(pair.dice.uniform(3, 6))
    finally:
        set_faults(pair.cloud, {"sites": {site.name: {"status": None}}})
        pair.judge.ill.append((site.name, began, pair.cloud.world.now()))


async def trouble(pair: Pair) -> None:
    """Resource Manager refuses some of what it is asked, before or after the effect."""
    status = pair.dice.choice((429, 500, 503, 504))
    times = pair.dice.randrange(1, 6)
    method = pair.dice.choice(("*", "PUT", "POST", "GET"))
    after = status != 429 and pair.dice.random() < 0.5  # who is told to wait has had nothing done
    pair.note(
        f"Resource Manager answers {status} to {times} {method}, {'after' if after else 'before'} the effect"
    )
    answers = [{"method": method, "path": "", "status": status, "times": times}]
    set_faults(
        pair.cloud, {"arm": {"answers": answers, "after_effect": after, "delay": pair.dice.choice((0, 0.2))}}
    )
    await asyncio.sleep(pair.dice.uniform(0.5, 2))


async def strange_events(pair: Pair) -> None:
    """Event Grid loses, doubles or shuffles events."""
    faults = {"lose": pair.dice.random() < 0.3, "duplicates": pair.dice.randrange(3), "shuffle": True}
    pair.note(f"Event Grid: {faults}")
    set_faults(pair.cloud, {"events": faults})
    await asyncio.sleep(0.2)


async def pause(pair: Pair) -> None:
    """An instance stands still in the middle of whatever it does, and goes on as if nothing had been."""
    stage = pair.dice.choice(pair.stages)
    pair.note("an instance stands still")
    stage.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(pair.dice.uniform(0.5, 4))
    finally:
        stage.signal(signal.SIGCONT)


async def death(pair: Pair) -> None:
    """An instance is killed, and another one started in its place."""
    place = pair.dice.randrange(2)
    pair.note("an instance is killed")
    stage = pair.stages.pop(place)
    del pair.cloud.event_webhooks[place]
    stage.signal(signal.SIGKILL)
    await stage.__aexit__(None, None, None)
    await start(pair, place)


type Happening = Callable[[Pair], Awaitable[None]]
ALWAYS: tuple[Happening, ...] = (edit, edit, edit, outage, trouble, strange_events, pause)
LONG: tuple[Happening, ...] = (*ALWAYS, *ALWAYS, death)


async def play(pair: Pair, seconds: float, happenings: tuple[Happening, ...]) -> None:
    """Things happen for so long, now and then two at once; then nothing fails any more, and it must converge."""
    until = pair.cloud.world.now() + seconds
    while pair.cloud.world.now() < until:
        chosen = [pair.dice.choice(happenings) for _ in range(pair.dice.choice((1, 1, 2)))]
        chosen = chosen if chosen.count(death) + chosen.count(pause) < 2 else chosen[:1]
        await asyncio.gather(*(it(pair) for it in chosen))
        await asyncio.sleep(pair.dice.uniform(0.1, 1.5))
    set_faults(pair.cloud, {"arm": {"answers": [], "after_effect": False, "delay": 0}})
    set_faults(pair.cloud, {"events": {"lose": False, "duplicates": 0, "shuffle": False}})
    pair.note("nothing fails any more")
    await converged(pair)

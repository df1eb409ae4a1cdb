"""A pair of regions in the simulated cloud, two instances of the function app on one store, and who judges them."""

import asyncio
import contextlib
import json
import random
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.adapters.sqlite import SqliteStore
from shared.errors import TransientError
from shared.settings_sync.model import Rollout, State
from shared.settings_sync.workflow import read_rollout
from simulator.pair import a_pair
from simulator.server import Cloud
from simulator.services.admin import set_faults
from simulator.stage import Stage
from simulator.world import EventSubscription, ProfileState, Site
from tests.instances.judge import Judge

ROOT = Path(__file__).parents[2]
SOAK = 2.0
TIMES = {
    "COUNTERPART_SOAK": f"{SOAK:g}s",
    "COUNTERPART_SOAK_DEADLINE": "8s",
    "COUNTERPART_VERIFY_DEADLINE": "30s",
    "COUNTERPART_SWEEP": "2s",
    "COUNTERPART_PROBE_EVERY": "200ms",
    "COUNTERPART_PROVE_EVERY": "2s",
    "COUNTERPART_PACKAGE_CHECK_EVERY": "500ms",
    "COUNTERPART_CONFIRM_AFTER": "1s",
    "COUNTERPART_FLAP_WINDOW": "2s",
    "COUNTERPART_DRILL_SAMPLE_EVERY": "200ms",
    "COUNTERPART_DRILL_GIVE_UP_AFTER": "5s",
    "COUNTERPART_SERVICE_HOSTS": "scepman=scep.contoso.test",
}
TTL = 2  # seconds: of the profile, for a drill's own waiting knows no faster world
TIMER = 0.5  # seconds between two ticks, of each instance: the platform would let only one of them tick
CALM = 130.0  # seconds in which it must be converged once nothing fails: longer than the claim of a killed instance
KEYS = (
    "AppConfig:Alpha",
    "AppConfig:Beta",
    "AppConfig:Gamma",
)  # each region has its own: no conflicts to hold
BOTH = "AppConfig:Both"  # changed in both regions
VALIDITY = "AppConfig:ValidityPeriodDays"  # a number, or SCEPman does not start


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
    log: list[str] = field(default_factory=list)  # of all instances
    answers: list[str] = field(default_factory=list)  # to people
    leaks: dict[str, None] = field(default_factory=dict)  # found so far, in their order
    problems: list[str] = field(default_factory=list)  # what no law is about and must not be
    busy: set[str] = field(default_factory=set)  # what happens once at a time and is happening
    edits: int = 0
    decisions: int = 0
    drills: int = 0
    _ill: dict[str, int] = field(default_factory=dict)  # by site, how many things keep it ill

    @property
    def sites(self) -> tuple[Site, ...]:
        return tuple(self.cloud.world.sites.values())

    @property
    def profile(self) -> ProfileState:
        (found,) = self.cloud.world.profiles.values()
        return found

    @property
    def regions(self) -> Mapping[str, str]:
        """The sites' names by the endpoints' names."""
        return {endpoint.name: endpoint.target_site for endpoint in self.profile.endpoints}

    def note(self, text: str) -> None:
        self.told.append(f"{self.cloud.world.now():.2f} {text}")

    async def rollout(self) -> Rollout | None:
        return await read_rollout(self.store, self.profile.id)

    def edit(self, site: Site, name: str) -> None:
        """A person saves a value that was never there."""
        self.edits += 1
        self.cloud.world.edit(site, {name: f"edit-{self.edits}-of-a-person"})
        self.note(f"edit {name} of {site.name}")

    @contextlib.contextmanager
    def ill(self, site: Site) -> Iterator[None]:
        """The region answers 503 until the block ends, and until all such blocks have."""
        self._ill[site.name] = self._ill.get(site.name, 0) + 1
        began = self.cloud.world.now()
        self.note(f"{site.name} is ill")
        set_faults(self.cloud, {"sites": {site.name: {"status": 503}}})
        try:
            yield
        finally:
            self._ill[site.name] -= 1
            if not self._ill[site.name]:
                set_faults(self.cloud, {"sites": {site.name: {"status": None}}})
            self.judge.ill.append((site.name, began, self.cloud.world.now()))
            self.note(f"{site.name} is not ill any more")

    def at_rest(self) -> bool:
        """Return whether every key that people edited is the same everywhere, and all is as it should be."""
        names = [f"{key}:{site.name}" for key in KEYS for site in self.sites]
        alike = all(
            len({site.app_settings.get(name) for site in self.sites}) == 1
            for name in [*names, BOTH, VALIDITY]
        )
        return alike and not self.judge.sick and not self.judge.left()

    def texts(self) -> Mapping[str, str]:
        """All that the product wrote or sent, but the vault's copies."""
        receivers = self.cloud.world.receivers.items()
        with contextlib.closing(sqlite3.connect(self.env["COUNTERPART_STORE"].removeprefix("sqlite:"))) as db:
            rows = "\n".join(
                f"{key} {bytes(body).decode()}" for key, body in db.execute("SELECT key, body FROM rows")
            )
        return {
            "what people were answered": "\n".join(self.answers),
            "the log": "\n".join(self.log),
            "the store": rows,
            **{
                f"what {kind} got": json.dumps([got.body for got in receiver.got])
                for kind, receiver in receivers
            },
        }

    def search(self) -> None:
        """Look for values where none may be: now and then, since rows come and go."""
        self.leaks.update(dict.fromkeys(self.judge.leaked(self.texts())))

    def broken(self) -> list[str]:
        """Every law that was broken, when all is over."""
        self.search()
        unforeseen = [name for name in self.log if unforeseen_in(name)]
        return [*self.judge.broken(), *self.judge.left(), *self.leaks, *self.problems, *unforeseen]


def unforeseen_in(line: str) -> bool:
    """Return whether a line of the log tells an error that is not one of those that pass by themselves."""
    passing = (f"): {subclass.__name__}(" for subclass in TransientError.__subclasses__())
    failed = "ERROR" in line and "(Failed, " in line and not any(name in line for name in passing)
    return failed or "nobody foresaw" in line


@contextlib.asynccontextmanager
async def no_instances(seed: int) -> AsyncIterator[Pair]:
    """A pair of regions, a store, and the judge: nobody keeps the regions in step yet."""
    world = a_pair()
    world.speed, world.boot_seconds = 50.0, 0.2
    for profile in world.profiles.values():
        profile.ttl = TTL
    async with Cloud(world) as cloud:
        env = {**cloud.env(), **TIMES}
        store = SqliteStore(env["COUNTERPART_STORE"].removeprefix("sqlite:"))
        pair = Pair(cloud, env, Judge(world, SOAK), random.Random(seed), store)  # noqa: S311 -- no secret
        try:
            yield pair
        finally:
            await store.aclose()


@contextlib.asynccontextmanager
async def two_instances(seed: int) -> AsyncIterator[Pair]:
    """A converged pair and two instances that both tick and both get every event."""
    async with no_instances(seed) as pair:
        try:
            await asyncio.gather(*(start(pair, place) for place in range(2)))
            await converged(pair)
            yield pair
        finally:
            for stage in pair.stages:
                await stage.__aexit__(None, None, None)


async def start(pair: Pair, place: int) -> None:
    """Start an instance, and let Event Grid deliver to it."""
    stage = await Stage(ROOT, pair.env, timer_every=TIMER, on_log=pair.log.append).__aenter__()
    hook = f"{stage.url}/runtime/webhooks/EventGrid?functionName=app_service_changed&code={stage.key}"
    pair.stages.insert(place, stage)
    pair.cloud.event_webhooks.insert(place, EventSubscription(hook, "CloudEventSchemaV1_0", "name"))


async def converged(pair: Pair) -> None:
    """Wait until nothing is under way and the regions are alike."""
    async with asyncio.timeout(CALM):
        while True:
            row = await pair.rollout()
            if row is not None and row.state is State.CONVERGED and row.flight is None and pair.at_rest():
                return
            await asyncio.sleep(0.2)

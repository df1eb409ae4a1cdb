"""The laws of design section 3 under attack: killed workers, rival workers, and any order of events.

Every world here writes through `rounds.Guard`, which checks laws 1 to 3 at each write; `no_value_anywhere` checks
law 4 after each test. What is asserted here is that all ends as if nothing had happened.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from shared.errors import AppError, Conflict
from shared.settings_sync.ask import Ask
from shared.settings_sync.model import State
from shared.settings_sync.transitions import Rules
from tests.builders import host
from tests.rounds import Effects, Killed, World, val

pytestmark = pytest.mark.usefixtures("no_value_anywhere")

BAD = val("bad")
TRIO = ("east", "north", "west")


class Story:
    """A world, what people do in it, and the minutes in which all must be over whoever was killed when."""

    def __init__(
        self,
        world: Callable[[], World],
        happens: Callable[[World], None],
        minutes: int,
        *,
        brief: bool = True,
    ) -> None:
        self.world, self.happens, self.minutes, self.brief = world, happens, minutes, brief

    async def begun(self, effects: Effects) -> World:
        """The world after its first looks and the people's deeds; from now on effects are counted."""
        world = self.world()
        await world.ticks(2)
        world.effects = effects
        self.happens(world)
        return world

    async def told(self, effects: Effects, *, until: object = None) -> World:
        """Play it, for all its minutes or until the world is so; after a killed worker the next minute goes on."""
        world = await self.begun(effects)
        rung = False  # Event Grid delivers again until somebody lives to hear it
        for _ in range(self.minutes):
            try:
                await world.tick(doorbell=not rung)
            except (AppError, Killed):
                continue
            rung = True
            if until is not None and effects.killed and world.row.flight is None and state_of(world) == until:
                break
        return world


def fails_with(world: World, region: str, name: str) -> None:
    """The region's app fails exactly while it has the bad value."""
    world.probes.results[host(region)] = lambda: 503 if world.has(region, name) == BAD else 200


def everything(world: World) -> None:
    """An edit, a deletion, a new key and a connection string."""
    world.edit("west", K00=val("new"), K01=None, New=val(1))
    world.connect("west", "db", (val(2), "Custom"))


def on_both_sides(world: World) -> None:
    """Two sets of changes, each for two peers."""
    world.edit("west", K00=val("new"))
    world.edit("north", K01=val("new"))


def bad_in_the_peer(world: World) -> None:
    """A change that the peer does not bear."""
    everything(world)
    world.edit("west", K03=BAD)
    fails_with(world, "east", "K03")


def bad_at_its_source(world: World) -> None:
    """A change that its own region does not bear."""
    world.edit("west", K03=BAD)
    fails_with(world, "west", "K03")


def a_pair() -> World:
    """Two regions with a connection string."""
    return World(connections={"db": (val(1), "Custom")})


STORIES: Mapping[str, Story] = {
    "a change travels": Story(a_pair, everything, 16, brief=False),
    "two sets among three regions": Story(lambda: World(regions=TRIO), on_both_sides, 26),
    "a peer is put back": Story(a_pair, bad_in_the_peer, 26),
    "a bad change is reverted": Story(
        lambda: World(rules=Rules(revert_bad_changes=True)), bad_at_its_source, 28
    ),
}


def state_of(world: World) -> object:
    """Return where the world is in the end, without times and texts."""
    row = world.row
    return (world.app.sites, world.app.connections, row.state, row.baseline, row.undone, row.written)


@pytest.mark.parametrize("name", STORIES)
async def test_a_killed_worker_changes_nothing_in_the_end(name: str) -> None:
    """Killed before and after every single effect, the next wake-ups finish or undo what was begun."""
    story = STORIES[name]
    calm = Effects()
    told = await story.told(calm)
    await told.clean()
    expected, writes = state_of(told), told.app.writes
    assert told.row.state in {State.CONVERGED, State.HELD}
    assert calm.count > 10
    # What was seen of health and packages is noted every minute and decides nothing here: a few are enough.
    notes = [
        number
        for number, name in enumerate(calm.names, start=1)
        if not name.startswith(("put settings-sync", "put permit", "keep", "forget", "PUT"))
    ]
    for number in sorted(set(range(1, calm.count + 1)) - set(notes[3:])):
        # Killed after an effect is killed before the next; one story shows that it does not matter.
        for after in (True,) if number > 1 and story.brief else (False, True):
            effects = Effects(kill_at=number, after=after)
            world = await story.told(effects, until=expected)
            where = f"killed {'after' if after else 'before'} {effects.names[number - 1]} ({number})"
            assert effects.killed, where
            assert state_of(world) == expected, where
            assert world.app.writes == writes, where
            await world.clean()


# -- rivals ----------------------------------------------------------------------------------------------------


class Turns:
    """Lets other tasks in before everything that is read or done, as the dice say."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 -- dice, no secret

    async def pause(self, name: str) -> None:
        """Now and then somebody else's turn, or a few."""
        for _ in range(self._dice.choice((0, 0, 1, 2, 5))):
            await asyncio.sleep(0)


async def rivals(world: World, count: int) -> None:
    """So many workers at once, a minute later. Losing a race is the only thing that may go wrong."""
    world.clock.advance(60)
    for result in await asyncio.gather(*(world.ring() for _ in range(count)), return_exceptions=True):
        if isinstance(result, BaseException) and not isinstance(result, Conflict):
            raise result


@pytest.mark.parametrize("name", STORIES)
async def test_rival_workers_write_what_one_would(name: str) -> None:
    """Two or three at every wake-up, interleaved in many ways: each planned write is made once."""
    story = STORIES[name]
    told = await story.told(Effects())
    for seed in range(6):
        world = await story.begun(Effects())
        world.effects.pause = Turns(seed).pause
        for _ in range(story.minutes):
            await rivals(world, 2 + seed % 2)
            if world.row.flight is None and state_of(world) == state_of(told):
                break
        await rivals(world, 2)
        assert state_of(world) == state_of(told), seed
        assert world.app.writes == told.app.writes, seed
        await world.clean()


SLEEPY: ContextVar[bool] = ContextVar("SLEEPY", default=False)
"""Whether this task, or the one that it is a part of, is the one to be frozen."""


def sleepy() -> Context:
    """The context of the task that is to be frozen."""
    context = copy_context()
    context.run(SLEEPY.set, True)  # noqa: FBT003 -- ContextVar.set takes it by position
    return context


class Freezer:
    """Stops one task at its n-th step until it is let go."""

    def __init__(self, step: int) -> None:
        self._step = step
        self.frozen, self.thaw = asyncio.Event(), asyncio.Event()

    async def pause(self, name: str) -> None:
        """The frozen task's steps count; everybody else passes, and so does a request that is on its way."""
        if not SLEEPY.get() or name.startswith("PUT"):
            return
        self._step -= 1
        if self._step == 0:
            self.frozen.set()
            await self.thaw.wait()


@pytest.mark.parametrize(
    ("name", "asleep"), [("a change travels", 2), ("a change travels", 14), ("a peer is put back", 6)]
)
async def test_a_worker_that_sleeps_over_its_claim_does_no_harm(name: str, asleep: int) -> None:
    """Frozen at any step of the rounds that write, while others take over, and thawed when all has moved on."""
    story = STORIES[name]
    told = await story.told(Effects())
    minute = 3 if name == "a change travels" else 13
    frozen = 0
    for step in range(1, 60):
        world = await story.begun(Effects())
        await world.ring()
        await world.ticks(minute - 1)
        freezer = Freezer(step)
        world.effects.pause = freezer.pause
        worker = asyncio.create_task(world.tick(), context=sleepy())
        waiting = asyncio.create_task(freezer.frozen.wait())
        await asyncio.wait([worker, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if worker.done():
            await worker
            break
        frozen += 1
        await world.ticks(asleep)
        freezer.thaw.set()
        await asyncio.wait([worker])
        if error := worker.exception():
            assert isinstance(error, AppError), step
        where = f"frozen at step {step}"
        for _ in range(24):
            await world.ticks(1)
            if world.row.flight is None and state_of(world) == state_of(told):
                break
        assert state_of(world) == state_of(told), where
        assert world.app.writes == told.app.writes, where
        await world.clean()
    assert frozen > 20


# -- any order of events ---------------------------------------------------------------------------------------

NAMES = st.sampled_from(["K00", "K01", "New", "db"])
TEXTS = st.sampled_from([None, "1", "2", "old"])
DEEDS = st.one_of(
    st.tuples(st.just("edit"), st.sampled_from(TRIO), NAMES, TEXTS),
    st.tuples(st.just("sick"), st.sampled_from(TRIO)),
    st.tuples(st.just("well"), st.sampled_from(TRIO)),
    st.tuples(st.just("out"), st.sampled_from(TRIO)),
    st.tuples(st.just("tick"), st.sampled_from([1, 3, 8, 20])),
    st.tuples(st.just("ring")),
    st.tuples(st.just("kill"), st.integers(1, 12), st.booleans()),
    st.tuples(st.just("key")),
    st.tuples(st.just("ask"), st.sampled_from(list(Ask)), st.sampled_from(TRIO)),
)


async def do(world: World, deed: tuple[object, ...]) -> None:
    """One deed of a person, the weather, or Event Grid."""
    match deed:
        case ("edit", str(region), "db", text):
            world.connect(region, "db", None if text is None else (val(text), "Custom"))
        case ("edit", str(region), str(name), text):
            world.edit(region, {name: None if text is None else val(text)})
        case ("sick" | "well" as how, str(region)):
            world.sick(region) if how == "sick" else world.well(region)
            await world.ticks(1)  # what is over between two looks nobody can know
        case ("out", str(region)):
            world.probes.scep[host(region)] = "eb" * 32
        case ("tick", int(count)):
            await world.ticks(count)
        case ("ring",):
            await world.ring()
        case ("kill", int(count), bool(after)):
            world.effects = Effects(kill_at=count, after=after)
        case ("key",):
            world.new_key()
        case ("ask", Ask() as what, str(region)):
            await world.ask(what, region=region, reason="a person may")
        case _:
            raise AssertionError(deed)


async def brought_together(world: World) -> None:
    """All is well again, and a person takes west's side wherever one is asked for."""
    for region in world.regions:
        world.well(region)
    world.probes.scep.clear()
    world.effects = Effects()
    await world.ring()
    for _ in range(12):
        await world.ticks(12)
        if world.row.flight is None and world.row.state is State.HELD:
            await world.ask(Ask.TAKE, region="west")
        if world.row.state is State.CONVERGED:
            return
    raise AssertionError(f"never came to rest: {world.row}")


@given(st.lists(DEEDS, max_size=14), st.booleans(), st.booleans())
@trying(max_examples=35)
async def test_whatever_happens_in_whatever_order_ends_in_agreement(
    deeds: list[tuple[object, ...]],
    three: bool,  # noqa: FBT001 -- drawn by hypothesis
    revert: bool,  # noqa: FBT001 -- drawn by hypothesis
) -> None:
    """The laws hold at every write on the way, and once all is well the regions agree but where people said no."""
    rules = Rules(revert_bad_changes=revert)
    regions = TRIO if three else TRIO[::2]
    world = World(regions=regions, connections={"db": (val("old"), "Custom")}, rules=rules)
    await world.ticks(1)
    for deed in deeds:
        if len(deed) < 2 or deed[1] not in TRIO or deed[1] in regions:
            with suppress(AppError, Killed):
                await do(world, deed)
    await brought_together(world)
    apart = {verdict.key.removeprefix("connectionstrings/") for verdict in world.row.verdicts}
    for name in ("K00", "K01", "New"):
        assert len({world.has(region, name) for region in regions}) == 1 or name in apart
    assert len({world.string(region, "db") for region in regions}) == 1 or "db" in apart
    await world.clean()
    writes = len(world.app.writes)
    await world.ticks(20)
    assert len(world.app.writes) == writes

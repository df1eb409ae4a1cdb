"""What happens to two instances: people edit and decide, everything around fails, instances stand still and die."""

import asyncio
import contextlib
import random
import signal
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from simulator.artifact_hosts import GITHUB_HOST, VENDOR_HOST
from simulator.pair import COPIES_VAULT
from simulator.services.admin import set_faults
from tests.instances.pair import BOTH, KEYS, VALIDITY, Pair, converged, start
from tests.instances.person import ask, attend

TROUBLE = 12.0  # seconds in which things happen, at most, before a lull
LULL = 15.0  # seconds of it, at most
PATIENCE = 30.0  # seconds until a person mends a bad value by hand that nobody has put back


async def edit(pair: Pair, dice: random.Random) -> None:
    """A person saves one or several settings of a region, each with a value that was never there."""
    site = dice.choice(pair.sites)
    for _ in range(dice.choice((1, 1, 3))):
        pair.edit(site, f"{dice.choice(KEYS)}:{site.name}")
        await asyncio.sleep(0.1)


async def conflict(pair: Pair, dice: random.Random) -> None:
    """Two people change one key in both regions; the person on duty takes a side."""
    for site in dice.sample(pair.sites, 2):
        pair.edit(site, BOTH)
        await asyncio.sleep(dice.uniform(0, 0.5))


async def bad_value(pair: Pair, dice: random.Random) -> None:
    """Somebody types words where a number belongs: the region is ill until it is put back."""
    with _alone(pair, "bad value") as mine:
        if not mine or pair.judge.sick:
            return
        site = dice.choice(pair.sites)
        pair.edits += 1
        bad = f"edit-{pair.edits}-that-is-no-number"
        pair.cloud.world.edit(site, {VALIDITY: bad})
        pair.note(f"bad value in {site.name}")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while site.app_settings[VALIDITY] == bad:  # noqa: ASYNC110 -- the world tells nobody
                    await asyncio.sleep(0.2)
        for item in pair.sites:
            if not item.app_settings[VALIDITY].isdigit():
                pair.cloud.world.edit(item, {VALIDITY: f"{1000 + pair.edits}"})
                pair.note(f"a person mends {item.name} by hand")


async def outage(pair: Pair, dice: random.Random) -> None:
    """A region answers 503 for a while, then comes back."""
    with pair.ill(dice.choice(pair.sites)):
        await asyncio.sleep(dice.uniform(3, 6))


async def both_lost(pair: Pair, dice: random.Random) -> None:
    """Nobody serves: both regions answer 503, longer than a change is given to prove itself."""
    with _alone(pair, "both lost") as mine, contextlib.ExitStack() as open_:
        for site in pair.sites if mine else ():
            open_.enter_context(pair.ill(site))
        await asyncio.sleep(dice.uniform(5, 12))


async def host_lost(pair: Pair, dice: random.Random) -> None:
    """A package host resets connections; who restarts meanwhile and needs it does not come up."""
    with _alone(pair, "package host") as mine:
        if not mine:
            return
        name = dice.choice((GITHUB_HOST, VENDOR_HOST))
        pair.note(f"{name} is lost")
        set_faults(pair.cloud, {"hosts": {name: {"down": True}}})
        try:
            await asyncio.sleep(dice.uniform(5, 12))
        finally:
            set_faults(pair.cloud, {"hosts": {name: {"down": False}}})
        pair.note(f"{name} is back")
        await asyncio.sleep(3)
        for site in pair.sites:  # App Service tries no second time by itself
            if site.package.failed:
                pair.cloud.world.restart_site(site, "a person")
                pair.note(f"a person restarts {site.name}, which has no package")


async def trouble(pair: Pair, dice: random.Random) -> None:
    """Resource Manager refuses what it is asked, and says of what it should change that nothing was done."""
    method = dice.choice(("*", "PUT", "POST", "GET"))
    status = dice.choice((429, 500, 503, 504) if method in {"POST", "GET"} else (429,))
    await _arm_answers(pair, method, status, dice)


async def doubt(pair: Pair, dice: random.Random) -> None:
    """Resource Manager answers an error to a change, and nobody knows whether it was made."""
    await _arm_answers(pair, dice.choice(("*", "PUT", "PATCH")), dice.choice((500, 503, 504)), dice)


async def _arm_answers(pair: Pair, method: str, status: int, dice: random.Random) -> None:
    times = dice.randrange(1, 6)
    after = status != 429 and dice.random() < 0.5  # who is told to wait has had nothing done
    pair.note(
        f"Resource Manager answers {status} to {times} {method}, {'after' if after else 'before'} the effect"
    )
    answers = [{"method": method, "path": "", "status": status, "times": times}]
    set_faults(
        pair.cloud, {"arm": {"answers": answers, "after_effect": after, "delay": dice.choice((0, 0.2))}}
    )
    await asyncio.sleep(dice.uniform(0.5, 2))


async def strange_events(pair: Pair, dice: random.Random) -> None:
    """Event Grid loses, doubles or shuffles events."""
    faults = {"lose": dice.random() < 0.3, "duplicates": dice.randrange(3), "shuffle": True}
    pair.note(f"Event Grid: {faults}")
    set_faults(pair.cloud, {"events": faults})


async def vault_fails(pair: Pair, dice: random.Random) -> None:
    """The vault of the copies answers errors, before or after it has kept, given or deleted one."""
    status = dice.choice((429, 500, 503))
    after = status != 429 and dice.random() < 0.5
    pair.note(f"the vault answers {status}, {'after' if after else 'before'} the effect")
    set_faults(pair.cloud, {"vaults": {COPIES_VAULT: {"status": status, "after_effect": after}}})
    await asyncio.sleep(dice.uniform(0.5, 4))
    set_faults(pair.cloud, {"vaults": {COPIES_VAULT: {"status": None}}})


async def nobody_listens(pair: Pair, dice: random.Random) -> None:
    """Teams, the webhook or the topic answers an error, or takes no connection."""
    kind = dice.choice(tuple(pair.cloud.world.receivers))
    wrong: dict[str, Any] = dice.choice(({"status": 429}, {"status": 500}, {"status": 503}, {"down": True}))
    pair.note(f"{kind}: {wrong}")
    set_faults(pair.cloud, {"receivers": {kind: wrong}})
    await asyncio.sleep(dice.uniform(1, 5))
    set_faults(pair.cloud, {"receivers": {kind: {"status": None, "down": False}}})


async def store_locked(pair: Pair, dice: random.Random) -> None:
    """Somebody else holds the store for longer than a writer waits: nothing can be written down."""
    with _alone(pair, "store") as mine:
        if not mine:
            return
        pair.note("nothing can be written into the store")
        file = pair.env["COUNTERPART_STORE"].removeprefix("sqlite:")
        other = sqlite3.connect(file, autocommit=True, timeout=0.2)
        with contextlib.closing(other), contextlib.suppress(sqlite3.OperationalError):
            other.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(dice.uniform(2, 12))
            other.execute("ROLLBACK")
        pair.note("the store takes rows again")


async def drill(pair: Pair, dice: random.Random) -> None:
    """Somebody asks for a drill; while anything is wrong it is refused."""
    wanted = {
        "group": "scepman",
        "region": dice.choice(sorted(pair.regions)),
        "observe_seconds": dice.randrange(1, 5),
        "target_rto_seconds": 4,
        "reason": "practice",
    }
    status, why = await ask(pair, "POST", "/api/drills", dice, wanted)
    pair.drills += status == 202
    pair.note(f"a drill of {wanted['region']} was asked for: {status} {why[:200] if status != 202 else ''}")


async def pause(pair: Pair, dice: random.Random) -> None:
    """An instance stands still in the middle of whatever it does, and goes on as if nothing had been."""
    with _alone(pair, "instance") as mine:
        if not mine:
            return
        stage = dice.choice(pair.stages)
        pair.note("an instance stands still")
        began = pair.cloud.world.now()
        stage.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(dice.uniform(0.5, 4))
        finally:
            stage.signal(signal.SIGCONT)
            pair.judge.still.append((began, pair.cloud.world.now()))


async def death(pair: Pair, dice: random.Random) -> None:
    """An instance is killed, and another one started in its place."""
    with _alone(pair, "instance") as mine:
        if not mine:
            return
        place = dice.randrange(2)
        pair.note("an instance is killed")
        stage = pair.stages.pop(place)
        del pair.cloud.event_webhooks[place]
        stage.signal(signal.SIGKILL)
        await stage.__aexit__(None, None, None)
        await start(pair, place)


@contextlib.contextmanager
def _alone(pair: Pair, what: str) -> Iterator[bool]:
    """Yield whether it does not happen already; then not a second time until the block ends."""
    mine = what not in pair.busy
    pair.busy.add(what)
    try:
        yield mine
    finally:
        if mine:
            pair.busy.discard(what)


type Happening = Callable[[Pair, random.Random], Coroutine[Any, Any, None]]
ALWAYS: tuple[Happening, ...] = (
    *(edit, edit, edit, conflict, outage, trouble, strange_events, nobody_listens, pause),
)
# Some of these leave a claim behind that others wait for until its time is over: not for every run of the tests.
SELDOM: tuple[Happening, ...] = (*(doubt, vault_fails, bad_value, both_lost, host_lost, store_locked, death),)
LONG: tuple[Happening, ...] = (*ALWAYS, *ALWAYS, *SELDOM, drill)


async def play(pair: Pair, seconds: float, happenings: tuple[Happening, ...]) -> None:
    """For so long things happen, several at once, then nothing, and again; at the end it must converge."""
    person = asyncio.create_task(attend(pair, _more(pair.dice)))
    try:
        until = pair.cloud.world.now() + seconds
        while pair.cloud.world.now() < until:
            dice = _more(pair.dice)  # how many things happened in one bout changes nothing of the next
            await _bout(pair, min(TROUBLE, until - pair.cloud.world.now()), happenings, dice)
            pair.search()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LULL):
                    await converged(pair)
            if drill in happenings:  # and the next troubles befall it
                await drill(pair, dice)
                await asyncio.sleep(dice.uniform(0, 4))
        await converged(pair)
    finally:
        person.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await person


async def _bout(pair: Pair, seconds: float, happenings: tuple[Happening, ...], dice: random.Random) -> None:
    until = pair.cloud.world.now() + seconds
    async with asyncio.TaskGroup() as at_once:
        while pair.cloud.world.now() < until:
            # What happens, and how, is decided here: who comes first among several changes nothing of it.
            at_once.create_task(dice.choice(happenings)(pair, _more(dice)))
            await asyncio.sleep(dice.uniform(0.5, 2.5))
    set_faults(pair.cloud, {"arm": {"answers": [], "after_effect": False, "delay": 0}})
    set_faults(pair.cloud, {"events": {"lose": False, "duplicates": 0, "shuffle": False}})
    pair.note("nothing fails any more")


def _more(dice: random.Random) -> random.Random:
    return random.Random(dice.random())  # noqa: S311 -- no secret

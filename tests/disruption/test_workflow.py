"""The permit's row: two callers never both win, and only the holder gives it back."""

import asyncio
from datetime import timedelta

from shared.disruption.model import Permit
from shared.disruption.permit import Denial, Granted
from shared.disruption.workflow import Held, permit_key, release, request
from shared.groups.model import State
from shared.store import Row, Store, Version, read, write
from tests.builders import a_disruption, a_health, a_permit
from tests.fakes.clock import START
from tests.fakes.store import FakeStore

SEEN = {"west": a_health(), "east": a_health()}
GROUP = "scepman-1"


class Slow(FakeStore):
    """A store where others get their turn before every write."""

    async def put(self, row: Row, *, if_version: Version | None) -> Version:
        """Write, after everybody has read."""
        await asyncio.sleep(0)
        return await super().put(row, if_version=if_version)


async def held(store: Store) -> Permit | None:
    """The permit in the row."""
    row, _ = await read(store, permit_key(GROUP), Held)
    return row.permit if row else None


async def test_a_permit_is_kept_until_it_is_given_back() -> None:
    """Granted, denied to others, released, granted to the next."""
    store = FakeStore()
    assert isinstance(await request(store, GROUP, a_disruption("west", work="1"), SEEN, START), Granted)
    assert isinstance(await request(store, GROUP, a_disruption("east", work="2"), SEEN, START), Denial)
    await release(store, GROUP, "1")
    assert isinstance(await request(store, GROUP, a_disruption("east", work="2"), SEEN, START), Granted)


async def test_of_two_at_once_one_wins() -> None:
    """Both read a free row; the store lets one write, and the other sees it and is refused."""
    for first in (("west", "east"), ("east", "west"), ("west", "west")):
        store = Slow()
        asked = (a_disruption(name, work=f"work {number}") for number, name in enumerate(first))
        answers = await asyncio.gather(
            *(request(store, GROUP, disruption, SEEN, START) for disruption in asked)
        )
        assert [isinstance(answer, Granted) for answer in answers].count(True) == 1
        (winner,) = (answer.permit for answer in answers if isinstance(answer, Granted))
        assert await held(store) == winner


async def test_of_many_at_once_no_two_win() -> None:
    """However many ask in however many groups, each group has one permit; the groups do not meet."""
    store = Slow()
    groups = [f"group-{number}" for number in range(4)]
    asked = [
        (group, a_disruption("west", work=f"{group} {number}")) for group in groups for number in range(3)
    ]
    answers = await asyncio.gather(
        *(request(store, group, disruption, SEEN, START) for group, disruption in asked)
    )
    winners = [
        group for (group, _), granted in zip(asked, answers, strict=True) if isinstance(granted, Granted)
    ]
    assert sorted(winners) == groups


async def test_only_the_holder_gives_a_permit_back() -> None:
    """A release by other work, or of nothing, changes nothing."""
    store = FakeStore()
    await release(store, GROUP, "1")
    assert store.rows == {}
    await request(store, GROUP, a_disruption("west", work="1"), SEEN, START)
    await release(store, GROUP, "2")
    assert await held(store) is not None
    await release(store, GROUP, "1")
    writes = store.writes
    await release(store, GROUP, "1")
    assert await held(store) is None
    assert store.writes == writes


async def test_a_region_that_was_not_seen_well_keeps_others_waiting() -> None:
    """However often it is given back, and by whom; the next permit takes its place."""
    store = FakeStore()
    await request(store, GROUP, a_disruption("east", work="1"), SEEN, START)
    await release(store, GROUP, "2", disturbed_at=START)
    assert (await held(store) or a_permit(disturbed_at=START)).disturbed_at is None
    for at in (START, START + timedelta(seconds=1)):
        await release(store, GROUP, "1", disturbed_at=at)
        await release(store, GROUP, "1")
        given_back = await held(store)
        assert given_back is not None
        assert (given_back.id, given_back.disturbed_at) == ("1", at)
    later = START + timedelta(seconds=30)
    starting = {"west": a_health(at=later), "east": a_health(State.DOWN, at=later)}
    other = a_disruption("west", work="2")
    assert isinstance(await request(store, GROUP, other, starting, later), Denial)
    back = {name: a_health(at=later) for name in SEEN}
    assert isinstance(await request(store, GROUP, other, back, later), Granted)
    now_held = await held(store)
    assert now_held is not None
    assert (now_held.id, now_held.disturbed_at) == ("2", None)


async def not_back() -> tuple[FakeStore, Permit]:
    """A store in which east was put back and has not come back, and the permit that says so."""
    store = FakeStore()
    await request(store, GROUP, a_disruption("east", work="1"), SEEN, START)
    await release(store, GROUP, "1", disturbed_at=START)
    standing = await held(store)
    assert standing is not None
    return store, standing


async def test_who_takes_a_region_over_that_has_not_come_back_leaves_others_waiting() -> None:
    """As a hold takes out a region that was put back: what was done to it before is not over by that."""
    store, standing = await not_back()
    later = START + timedelta(seconds=30)
    starting = {"west": a_health(at=later), "east": a_health(State.DOWN, at=later)}
    for _ in range(2):  # who goes on after a crash asks again
        taken = await request(store, GROUP, a_disruption("east", work="hold", at_most=60), starting, later)
        assert isinstance(taken, Granted)
        assert taken.permit.until == standing.until
    await release(store, GROUP, "hold")
    await release(store, GROUP, "hold")
    assert isinstance(await request(store, GROUP, a_disruption("west", work="2"), starting, later), Denial)
    back = {name: a_health(at=later) for name in SEEN}
    assert isinstance(await request(store, GROUP, a_disruption("west", work="2"), back, later), Granted)


async def test_who_takes_a_region_over_and_does_nothing_makes_nobody_wait_longer() -> None:
    """A write that is tried every minute and given up, as while the vault is ill, would put it off for ever."""
    store, before = await not_back()
    for minutes in range(1, 10):
        later = START + timedelta(minutes=minutes)
        starting = {"west": a_health(at=later), "east": a_health(State.DOWN, at=later)}
        for _ in range(2):  # who goes on after a crash asks again
            await request(store, GROUP, a_disruption("east", work=f"try {minutes}"), starting, later)
        await release(store, GROUP, f"try {minutes}")
        given_back = await held(store)
        assert given_back is not None
        assert (given_back.disturbed_at, given_back.until) == (START, before.until)


async def test_a_permit_of_an_older_version_that_awaits_a_region_is_read() -> None:
    """It does not know until when; then its own time is the longest that is waited."""
    store = FakeStore()
    old = Held(a_permit("east", work="1", awaited=START))
    await write(store, permit_key(GROUP), old, if_version=None)
    await release(store, GROUP, "1")
    given_back = await held(store)
    assert given_back is not None
    assert (given_back.disturbed_at, given_back.until) == (START, START + timedelta(seconds=600))


async def test_who_mends_a_region_that_had_not_come_back_leaves_nothing_to_wait_for() -> None:
    """It was seen well after the later work."""
    store = FakeStore()
    await request(store, GROUP, a_disruption("east", work="1"), SEEN, START)
    await release(store, GROUP, "1", disturbed_at=START)
    starting = {"west": a_health(), "east": a_health(State.DOWN)}
    await request(store, GROUP, a_disruption("east", work="2"), starting, START)
    await release(store, GROUP, "2", well=True)
    assert await held(store) is None


async def test_who_disturbs_it_once_more_is_waited_for_since_then() -> None:
    """Not since what was done before, which it may have come back from."""
    store = FakeStore()
    await request(store, GROUP, a_disruption("east", work="1"), SEEN, START)
    await release(store, GROUP, "1", disturbed_at=START)
    starting = {"west": a_health(), "east": a_health(State.DOWN)}
    await request(store, GROUP, a_disruption("east", work="2"), starting, START)
    later = START + timedelta(seconds=9)
    await release(store, GROUP, "2", disturbed_at=later)
    await release(store, GROUP, "2")
    standing = await held(store)
    assert standing is not None
    assert standing.disturbed_at == later


async def test_a_denial_writes_nothing() -> None:
    """Asking in vain leaves no trace."""
    store = FakeStore()
    denied = await request(store, GROUP, a_disruption("west"), {"west": a_health()}, START)
    assert isinstance(denied, Denial)
    assert store.rows == {}

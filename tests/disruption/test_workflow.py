"""The permit's row: two callers never both win, and only the holder gives it back."""

import asyncio

from shared.disruption.model import Permit
from shared.disruption.permit import Denial, Granted
from shared.disruption.workflow import Held, permit_key, release, request
from shared.store import Row, Store, Version, read
from tests.builders import a_disruption, a_health
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
        asked = (a_disruption(it, work=f"work {number}") for number, it in enumerate(first))
        answers = await asyncio.gather(*(request(store, GROUP, it, SEEN, START) for it in asked))
        assert [isinstance(it, Granted) for it in answers].count(True) == 1
        (winner,) = (it.permit for it in answers if isinstance(it, Granted))
        assert await held(store) == winner


async def test_of_many_at_once_no_two_win() -> None:
    """However many ask in however many groups, each group has one permit; the groups do not meet."""
    store = Slow()
    groups = [f"group-{number}" for number in range(4)]
    asked = [(group, a_disruption("west", work=f"{group} {it}")) for group in groups for it in range(3)]
    answers = await asyncio.gather(*(request(store, group, it, SEEN, START) for group, it in asked))
    winners = [group for (group, _), it in zip(asked, answers, strict=True) if isinstance(it, Granted)]
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


async def test_a_denial_writes_nothing() -> None:
    """Asking in vain leaves no trace."""
    store = FakeStore()
    denied = await request(store, GROUP, a_disruption("west"), {"west": a_health()}, START)
    assert isinstance(denied, Denial)
    assert store.rows == {}

"""Many who ask at once share one piece of work, and never one that began before they asked."""

import asyncio

import pytest

from shared.joining import Joining


class Work:
    """Counts how often it ran; ends when told."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self.gate = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        mine = self.begun
        await self.gate.wait()
        self.ended += 1
        return mine


async def settled() -> None:
    """Whatever can go on by itself has done so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_hundred_at_once_are_one() -> None:
    """All of them get the one result."""
    joining, work = Joining[int](), Work()
    work.gate.set()
    assert await asyncio.gather(*(joining.join("a", work) for _ in range(100))) == [1] * 100


async def test_who_comes_later_shares_the_next_one() -> None:
    """Work under way may have looked already: whoever comes now waits for one more, all together."""
    joining, work = Joining[int](), Work()
    first = asyncio.ensure_future(joining.join("a", work))
    await settled()
    assert work.begun == 1
    late = [asyncio.ensure_future(joining.join("a", work)) for _ in range(50)]
    await settled()
    assert work.begun == 1, "one at a time"
    work.gate.set()
    assert await first == 1
    assert await asyncio.gather(*late) == [2] * 50


async def test_keys_are_apart() -> None:
    """One group's round is not another's."""
    joining, work = Joining[int](), Work()
    work.gate.set()
    assert sorted(await asyncio.gather(joining.join("a", work), joining.join("b", work))) == [1, 2]


async def test_an_error_is_everybodys_who_shared_it() -> None:
    """Each of them is told, so that each event is delivered again; the next one begins anew."""
    joining, work = Joining[int](), Work()
    work.gate.set()

    async def broken() -> int:
        raise RuntimeError("no")

    said = await asyncio.gather(*(joining.join("a", broken) for _ in range(3)), return_exceptions=True)
    assert [type(number) for number in said] == [RuntimeError] * 3
    assert await joining.join("a", work) == 1


async def test_where_tasks_begin_at_once_nobody_is_given_what_began_before() -> None:
    """An eager task factory runs work while it is being made a task of."""
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    joining, work = Joining[int](), Work()
    work.gate.set()
    assert [await joining.join("a", work) for _ in range(3)] == [1, 2, 3]


async def test_who_gives_up_does_not_stop_it() -> None:
    """The others get their result, and nothing is kept afterwards."""
    joining, work = Joining[int](), Work()
    hasty = asyncio.ensure_future(joining.join("a", work))
    patient = asyncio.ensure_future(joining.join("a", work))
    await asyncio.sleep(0)
    hasty.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hasty
    work.gate.set()
    assert await patient == 1
    assert not joining._under_way
    assert not joining._next

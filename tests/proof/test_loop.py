"""The loop whose time is a number."""

import asyncio

import pytest

from proof.loop import Loop


def a_loop() -> Loop:
    """One."""
    return Loop()  # type: ignore[abstract]  # what no port needs of a loop is left out


def test_time_passes_alone_when_nobody_waits_for_it() -> None:
    """A timer in it is somebody who does; one that was cancelled is nobody, whatever it was there for."""
    loop = a_loop()
    timer = loop.call_later(5.0, print)
    assert not loop.pass_alone(5.0)
    timer.cancel()
    assert loop.pass_alone(5.0)
    assert loop.time() == 5.0


@pytest.mark.parametrize("eager", [False, True])
def test_what_waits_for_nothing_is_done_at_once_where_that_is_asked_for(*, eager: bool) -> None:
    """Half of what a quiet turn costs is that tasks are queued which have nothing to wait for."""
    loop, said = a_loop(), list[int]()

    async def say(number: int) -> None:
        said.append(number)

    async def both() -> None:
        first = asyncio.ensure_future(say(1))
        assert first.done() is eager
        said.append(2)
        await first

    loop.eager = eager
    loop.run(both())
    assert said == ([1, 2] if eager else [2, 1])


def test_what_a_callback_raises_ends_the_run() -> None:
    """It is a mistake of the proof's own."""
    loop = a_loop()

    async def wait() -> None:
        await loop.create_future()

    def fail() -> None:
        raise LookupError("no such region")

    loop.call_later(1.0, fail)
    with pytest.raises(LookupError, match="no such region"):
        loop.run(wait())


def test_when_nothing_can_happen_any_more_the_run_says_so() -> None:
    """Instead of waiting for ever."""
    loop = a_loop()

    async def wait() -> None:
        await loop.create_future()

    with pytest.raises(RuntimeError, match="nothing is left"):
        loop.run(wait())

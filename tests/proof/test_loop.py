"""The loop whose time is a number."""

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

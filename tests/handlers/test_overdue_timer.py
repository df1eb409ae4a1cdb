"""Timers may stop for good while other triggers go on: whoever finds that takes the timer's turn."""

import asyncio
from datetime import timedelta

import azure.functions as func
import msgspec
import pytest

from handlers import _edge, health
from handlers._edge import answer, settle
from handlers.reconcile import handle as timer_fires
from shared.ports import Ports
from shared.pulse import OVERDUE, ROW, Heartbeat
from shared.settings import Settings
from tests.rounds import Effects, Killed, World, val


class App:
    """A function app whose timer fires when a test lets it."""

    def __init__(self) -> None:
        self.world = World()
        self.ports = self.world.ports  # of one process

    def made(self) -> tuple[Ports, Settings]:
        """As the trigger table makes them."""
        return self.ports, self.world.settings

    async def timer(self) -> None:
        """A minute goes by, and it fires."""
        self.world.clock.advance(60)
        await settle(timer_fires, "{}", self.made, timer=True)

    async def event(self, seconds: float = 60.0) -> None:
        """An event that is about nothing of ours."""
        self.world.clock.advance(seconds)

        async def nothing(value: str, *, ports: Ports, settings: Settings) -> None:
            del value, ports, settings

        await settle(nothing, "{}", self.made)

    async def ask(self) -> tuple[int, dict[str, str]]:
        """Somebody asks for health."""
        request = func.HttpRequest("GET", "https://counterpart.test/api/health", headers={}, body=b"")
        got = await answer(health.handle, request, self.made)
        await asyncio.gather(*_edge._STANDING_IN)
        return got.status_code, msgspec.json.decode(got.get_body())

    def beat(self) -> Heartbeat:
        """The row."""
        return msgspec.json.decode(self.world.body(ROW), type=Heartbeat)


async def test_a_timer_that_fires_is_nobody_elses_business() -> None:
    """An event asks the store for nothing of it."""
    app = App()
    await app.timer()

    async def unasked(name: str) -> None:
        raise AssertionError(name)

    app.world.effects.pause, usual = unasked, app.world.effects.pause
    await app.event()
    app.world.effects.pause = usual
    assert (await app.ask())[0] == 200
    assert app.beat() == Heartbeat(app.world.clock.now() - timedelta(minutes=1))


async def test_an_event_takes_the_turn_of_a_frozen_timer() -> None:
    """For every group, also when the event is about none: a change is swept up, and a lost region told."""
    app = App()
    for _ in range(3):
        await app.timer()
    app.world.edit("west", New=val("good"))
    app.world.sick("east")
    for _ in range(25):
        await app.event()
    assert any("east" in title for title in app.world.teams.titles)
    app.world.well("east")
    for _ in range(25):
        await app.event()
    assert app.world.has("east", "New") == val("good")


async def test_the_turn_is_taken_once_a_minute() -> None:
    """A burst of events is one turn, whichever processes they come to."""
    app = App()
    await app.timer()
    app.world.clock.advance(OVERDUE.total_seconds())
    reads = len(app.world.profiles.reads)
    for _ in range(10):
        await app.event(1.0)
        app.ports = app.world.ports
    assert len(app.world.profiles.reads) == reads + 1
    await app.event(60.0)
    assert len(app.world.profiles.reads) == reads + 2


async def test_health_says_that_the_timer_is_overdue() -> None:
    """And sees to it that its turn is taken: what asks for health may be all that still comes."""
    app = App()
    await app.timer()
    app.world.clock.advance(OVERDUE.total_seconds())
    reads = len(app.world.profiles.reads)
    status, said = await app.ask()
    assert (status, said["detail"][:13]) == (503, "timer overdue")
    assert len(app.world.profiles.reads) == reads + 1
    assert (await app.ask())[0] == 503
    await app.timer()
    assert (await app.ask())[0] == 200


async def test_a_timer_that_never_fired_is_overdue_in_its_time() -> None:
    """Counted from when somebody first missed it."""
    app = App()
    await app.event()
    assert (await app.ask())[0] == 200
    await app.event(OVERDUE.total_seconds())
    assert (await app.ask())[0] == 503
    assert app.world.profiles.reads


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("timer", [True, False])
async def test_killed_while_it_is_written_down_the_turn_is_taken_later(*, timer: bool, after: bool) -> None:
    """The timer dies as it notes that it fired, or an event as it claims the turn: a later trigger goes on."""
    app = App()
    await app.timer()
    app.world.clock.advance(OVERDUE.total_seconds())
    app.world.effects = Effects(kill_at=1, after=after)
    pulse = app.ports.pulse
    with pytest.raises(Killed, match="put"):
        await (pulse.fired if timer else pulse.claim)(app.ports.store, app.world.clock.now())
    reads = len(app.world.profiles.reads)
    app.ports = app.world.ports  # a new process
    await app.event(OVERDUE.total_seconds())
    assert len(app.world.profiles.reads) == reads + 1


async def test_a_turn_that_fails_fails_no_event() -> None:
    """Nor an answer; the next trigger tries again."""
    app = App()
    await app.timer()
    app.world.clock.advance(OVERDUE.total_seconds())

    def broken() -> None:
        raise RuntimeError("nobody foresaw this")

    app.world.profiles.before_read = broken
    await app.event()
    app.world.profiles.before_read = lambda: None
    await app.event()
    assert len(app.world.profiles.reads) == 3

"""A machine whose clock is wrong does nothing by it, and says so."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from handlers import health, reconcile
from handlers._edge import Asked
from shared.adapters.http import comparing, open_session
from shared.clock import LIMIT, Compared
from shared.errors import WrongClock
from shared.ports import Ports
from shared.reconcile.summary import summarize
from shared.store import Guarded
from tests.fakes.clock import START, FakeClock
from tests.rounds import World, val

ANYBODY = Asked(b"", "")


@pytest.mark.parametrize("off", [0.0, 4.0, -4.0])
def test_a_clock_within_the_limit_is_right(off: float) -> None:
    """Answers are dated to the second, and take their time."""
    compared = Compared(FakeClock(START + timedelta(seconds=off)))
    compared.compare("arm", START, compared.now())
    assert compared.wrong == ""


@pytest.mark.parametrize(("off", "way"), [(30.0, "29 s ahead of"), (-600.0, "600 s behind")])
def test_a_clock_beyond_the_limit_is_wrong_in_a_direction(off: float, way: str) -> None:
    """By as much as is sure; until an answer agrees."""
    clock = FakeClock(START + timedelta(seconds=off))
    compared = Compared(clock)
    compared.heard("arm", format_datetime(START, usegmt=True), clock.now())
    assert way in compared.wrong
    clock.advance(-off)
    compared.heard("arm", format_datetime(START, usegmt=True), clock.now())
    assert compared.wrong == ""


def test_a_slow_answer_is_no_wrong_clock() -> None:
    """It was dated some time between asking and hearing."""
    clock = FakeClock()
    compared, asked = Compared(clock), clock.now()
    clock.advance(60)
    compared.compare("arm", START + timedelta(seconds=1), asked)
    assert compared.wrong == ""
    compared.compare("arm", START + timedelta(seconds=59), asked)
    assert compared.wrong == ""


@pytest.mark.parametrize(
    "date", ["", "yesterday", "Mon, 99 Foo 2026 00:00:00 GMT", "Mon, 02 Mar 2026 12:00:00 -0000"]
)
def test_an_answer_without_a_time_says_nothing(date: str) -> None:
    """Nor does one whose date is none."""
    compared = Compared(FakeClock(START + timedelta(hours=1)))
    compared.heard("arm", date, compared.now())
    assert compared.wrong == ""


@asynccontextmanager
async def dated(at: datetime) -> AsyncIterator[int]:
    """A host on this machine whose answers are dated so; its port."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(headers={"Date": format_datetime(at, usegmt=True)})

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_only_the_answers_of_azure_are_compared() -> None:
    """A region or a package host may say any time."""
    async with dated(START) as port:
        for urls, wrong in ((["http://127.0.0.1"], True), (["https://management.azure.com"], False)):
            compared = Compared(FakeClock(START + timedelta(minutes=10)))
            traces = [comparing(compared, urls)]
            async with (
                open_session(None, (), traces=traces) as session,
                session.get(f"http://127.0.0.1:{port}/") as answer,
            ):
                assert answer.status == 200
            assert bool(compared.wrong) == wrong


class Off:
    """A world in which this machine's clock is off, and an answer has said so."""

    def __init__(self) -> None:
        self.world = World()
        self.compared = Compared(self.world.clock)

    @property
    def ports(self) -> Ports:
        """As they are connected."""
        store = Guarded(self.world.store, self.compared)
        return dataclasses.replace(self.world.ports, store=store, compared=self.compared)

    def answer(self, off: float) -> None:
        """Resource Manager answers; our clock differs by so much from its time."""
        now = self.compared.now()
        self.compared.compare("management.azure.com", now - timedelta(seconds=off), now)

    async def turn(self) -> None:
        """The timer fires."""
        self.world.clock.advance(60)
        await reconcile.handle("{}", ports=self.ports, settings=self.world.settings)


async def test_nothing_is_done_by_a_wrong_clock() -> None:
    """No row but the message, no write, whatever there is to do; and all of it once the clock is right."""
    off = Off()
    for _ in range(2):
        await off.turn()
    off.world.edit("west", New=val("good"))
    off.answer(600.0)
    before = dict(off.world.store.rows)
    for _ in range(20):
        await off.turn()
    changed = {name for name, stored in off.world.store.rows.items() if before.get(name) != stored}
    assert {name.split("/")[0] for name in changed} == {"outbox"}
    assert off.world.written == []
    assert off.world.teams.kinds == ["clock.wrong"]
    off.answer(0.0)
    for _ in range(20):
        await off.turn()
    assert off.world.has("east", "New") == val("good")


async def test_a_wrong_clock_is_said() -> None:
    """By health, and by status in every group."""
    off = Off()
    await off.turn()
    assert (await health.handle(ANYBODY, ports=off.ports, settings=off.world.settings)).status == 200
    off.answer(-LIMIT.total_seconds() - 2)
    with pytest.raises(WrongClock, match="behind the time that"):
        await health.handle(ANYBODY, ports=off.ports, settings=off.world.settings)
    said = await summarize(off.world.profile_id, off.ports, off.world.settings)
    assert said.attention[0] == off.compared.wrong

"""What the timer hands out, `reconcile_group` looks after; what nobody foresaw is told to people in the end."""

import asyncio
import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import msgspec
import pytest

from handlers import reconcile, reconcile_group
from shared.disruption.permit import FRESH
from shared.errors import BadEvent, Unavailable
from shared.fleet import Errand, Failed, parse, written
from shared.groups.model import MonitorStatus, Profile, Site, Value
from shared.outbox import waiting
from shared.ports import Ports
from shared.reconcile import workflow
from shared.settings import Settings
from shared.settings_sync.model import State
from shared.settings_sync.workflow import read_rollout
from tests.builders import GROUP, a_profile, an_endpoint, host, site_id
from tests.fakes.storage_queue import FakeErrands
from tests.rounds import Killed, World, val

PAIRS = (("west", "east"), ("north", "south"), ("up", "down"))


class Fleet:
    """Three groups in one world, and a queue; more than one group is handed out."""

    def __init__(self) -> None:
        self.world = World(regions=[name for pair in PAIRS for name in pair])
        names = (GROUP, "two", "three")
        self.profiles = [
            a_profile(*(an_endpoint(name) for name in pair), name=name)
            for name, pair in zip(names, PAIRS, strict=True)
        ]
        self.world.profiles.profiles = self.profiles
        self.errands = FakeErrands()

    @property
    def ports(self) -> Ports:
        return dataclasses.replace(self.world.ports, errands=self.errands)

    @property
    def settings(self) -> Settings:
        return msgspec.structs.replace(self.world.settings, inline_groups=1)

    async def tick(self, ports: Ports | None = None) -> None:
        await reconcile.handle("{}", ports=ports or self.ports, settings=self.settings)

    def dying(self, call: str, number: int, *, late: bool) -> Ports:
        return dataclasses.replace(self.ports, errands=Dying(self.errands, call, number, late=late))

    async def run(self, text: str) -> None:
        await reconcile_group.handle(text, ports=self.ports, settings=self.settings)

    async def state(self, profile: Profile) -> State | None:
        row = await read_rollout(self.world.store, profile.id)
        return row.state if row else None


class Dying:
    """A fleet's queue, whose caller is killed before or after one call of one kind, and does nothing any more."""

    def __init__(self, queue: FakeErrands, call: str, number: int, *, late: bool) -> None:
        self._queue, self._call, self._left, self._late = queue, call, number, late

    async def send(self, text: str, *, lives: timedelta) -> None:
        with self._life("send"):
            await self._queue.send(text, lives=lives)

    async def failed(self) -> tuple[Failed, ...]:
        return await self._queue.failed()

    async def forget(self, failed: Failed) -> None:
        with self._life("forget"):
            await self._queue.forget(failed)

    @contextmanager
    def _life(self, call: str) -> Iterator[None]:
        self._left -= call == self._call
        if self._left < 0 or (self._left == 0 and not self._late):
            raise Killed(call)
        yield
        if self._left == 0:
            raise Killed(call)


async def test_many_groups_are_handed_out(caplog: pytest.LogCaptureFixture) -> None:
    """One read for all of them, one errand each, and no look at any region."""
    caplog.set_level(logging.INFO)
    fleet = Fleet()
    await fleet.tick()
    assert len(fleet.world.profiles.reads) == 1
    assert sorted(parse(name).profile.name for name, _ in fleet.errands.sent) == [GROUP, "three", "two"]
    assert fleet.world.probes.asked == []
    assert "groups looked at: 0, failed: 0, handed out: 3" in caplog.text


async def test_an_errand_is_a_round() -> None:
    """Whoever takes it needs no further read of Traffic Manager."""
    fleet = Fleet()
    await fleet.tick()
    for name in fleet.errands.taken():
        await fleet.run(name)
    assert [await fleet.state(profile) for profile in fleet.profiles] == [State.CONVERGED] * 3
    assert len(fleet.world.profiles.reads) == 1


async def test_what_probe_headers_say_does_not_travel(caplog: pytest.LogCaptureFixture) -> None:
    """It may be a key to the app: whoever takes the errand asks Traffic Manager for it, and probes with it."""
    caplog.set_level(logging.DEBUG)
    fleet = Fleet()
    (first, *others) = fleet.profiles
    monitor = msgspec.structs.replace(first.monitor, headers=(("X-Probe", Value(val("profile's"))),))
    (west, east) = first.endpoints
    west = msgspec.structs.replace(west, headers=(("X-Own", Value(val("endpoint's"))),))
    keyed = msgspec.structs.replace(first, monitor=monitor, endpoints=(west, east))
    fleet.world.profiles.profiles = [keyed, *others]
    await fleet.tick()
    errands = fleet.errands.taken()
    assert not any(val("profile's") in errand or val("endpoint's") in errand for errand in errands)
    for errand in errands:
        await fleet.run(errand)
    sent = {
        tuple((name, value.reveal()) for name, value in asked.headers)
        for asked in fleet.world.probes.requests
    }
    assert sent == {
        (("X-Probe", val("profile's")), ("X-Own", val("endpoint's"))), (("X-Probe", val("profile's")),), (),
    }  # fmt: skip
    assert len(fleet.world.profiles.reads) == 2, "one for all, and one for the group with headers"
    assert val("profile's") not in caplog.text
    assert val("profile's") not in repr(keyed)


async def test_a_group_with_probe_headers_waits_for_traffic_manager() -> None:
    """An errand whose profile cannot be asked for is one failed round, and no message that is set aside."""
    fleet = Fleet()
    (first, *others) = fleet.profiles
    monitor = msgspec.structs.replace(first.monitor, headers=(("Host", Value("scep.contoso.com")),))
    fleet.world.profiles.profiles = [msgspec.structs.replace(first, monitor=monitor), *others]
    await fleet.tick()
    (mine,) = [name for name in fleet.errands.taken() if parse(name).headers]
    fleet.world.profiles.profiles = others
    round_ = await workflow.run_errand(parse(mine), fleet.ports, fleet.settings)
    assert isinstance(round_, workflow.Failure)
    assert fleet.world.probes.asked == []


async def test_a_change_travels_by_errands() -> None:
    """Minute by minute, handed out and taken, a change soaks, is written once, and is verified."""
    fleet = Fleet()
    for minute in range(12):
        await fleet.tick()
        for name in fleet.errands.taken():
            await fleet.run(name)
        if minute == 0:
            fleet.world.edit("west", K00=val("new"))
        fleet.world.clock.advance(900 if minute == 0 else 60)
    assert fleet.world.has("east", "K00") == val("new")
    assert fleet.world.written == ["east"]


async def test_few_groups_are_looked_at_by_the_timer() -> None:
    """Up to the setting's number nothing is handed out, whatever queue there is."""
    fleet = Fleet()
    settings = msgspec.structs.replace(fleet.settings, inline_groups=3)
    await reconcile.handle("{}", ports=fleet.ports, settings=settings)
    assert fleet.errands.sent == []
    assert await fleet.state(fleet.profiles[0]) is State.CONVERGED


async def test_without_a_queue_the_timer_does_it_all() -> None:
    """An app without its own storage has no queue: all groups are looked at, however many."""
    fleet = Fleet()
    await fleet.tick(fleet.world.ports)
    assert [await fleet.state(profile) for profile in fleet.profiles] == [State.CONVERGED] * 3


async def test_what_cannot_be_handed_out_is_looked_at_here() -> None:
    """The queue refuses one errand: that group's round runs in the tick, the others are handed out."""
    fleet = Fleet()

    def refuse(text: str) -> None:
        if parse(text).profile.name == "two":
            raise Unavailable("no queue")

    fleet.errands.before_send = refuse
    await fleet.tick()
    assert len(fleet.errands.sent) == 2
    assert [await fleet.state(profile) for profile in fleet.profiles] == [None, State.CONVERGED, None]


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3])
async def test_killed_while_it_hands_out_every_group_gets_its_round(number: int, *, late: bool) -> None:
    """The next tick hands all of them out again; what was handed out by both is a round that finds nothing to do."""
    fleet = Fleet()
    await fleet.tick()
    for text in fleet.errands.taken():
        await fleet.run(text)
    fleet.world.edit("west", K00=val("new"))
    fleet.world.clock.advance(15 * 60)
    with pytest.raises(Killed):
        await fleet.tick(fleet.dying("send", number, late=late))
    assert len(fleet.errands.sent) == (number if late else number - 1)
    fleet.world.clock.advance(20)
    fleet.world.probes.asked.clear()
    for _ in range(12):
        await fleet.tick()
        for text in fleet.errands.taken():
            await fleet.run(text)
        fleet.world.clock.advance(60)
    assert {asked for asked, *_ in fleet.world.probes.asked} == {
        host(name) for pair in PAIRS for name in pair
    }
    assert await fleet.state(fleet.profiles[0]) is State.CONVERGED
    assert fleet.world.written == ["east"]


async def test_a_late_errand_is_dropped() -> None:
    """The next tick has handed out another one."""
    fleet = Fleet()
    await fleet.tick()
    (text, *_) = fleet.errands.taken()
    fleet.world.clock.advance(46)
    await fleet.run(text)
    assert fleet.world.probes.asked == []


async def test_an_errand_about_somebody_elses_group_is_dropped() -> None:
    """A message that names a group outside the configuration moves nothing."""
    fleet = Fleet()
    foreign = Errand(profile=a_profile(tags=()), read_at=fleet.world.clock.now())
    await fleet.run(written(foreign) or "")
    assert fleet.world.probes.asked == []
    assert fleet.world.app.reads == []


async def test_an_unreadable_message_is_a_named_error() -> None:
    """The edge acknowledges it."""
    with pytest.raises(BadEvent):
        await Fleet().run("what is this?")


async def test_old_evidence_gives_no_permit() -> None:
    """Law 1: a look at the regions of this moment does not make up for Traffic Manager's word of a minute ago."""
    fleet = Fleet()
    world = fleet.world
    await world.tick()
    world.edit("west", K00=val("new"))
    await world.ring()
    world.clock.advance(180)
    minute_ago = world.clock.now() - FRESH
    (profile, *_) = world.profiles.profiles
    round_ = await workflow.run(profile, fleet.ports, fleet.settings, doorbell=False, read_at=minute_ago)
    assert round_.rollout is not None
    assert round_.rollout.state is State.WRITING
    assert "not seen since" in round_.rollout.reason
    assert world.written == []
    await world.tick()
    assert world.written == ["east"]


async def test_a_younger_word_of_traffic_manager_counts() -> None:
    """An event has looked since the errand was written: what the errand holds does not undo what is known."""
    fleet = Fleet()
    world = fleet.world
    await fleet.tick()
    errands = {parse(name).profile.name: name for name in fleet.errands.taken()}
    await fleet.run(errands[GROUP])
    world.clock.advance(10)
    world.profiles.set_endpoint("west", status=MonitorStatus.DEGRADED)
    (fresh,) = [profile for profile in world.profiles.profiles if profile.name == GROUP]
    await workflow.run(fresh, fleet.ports, fleet.settings, doorbell=False)
    world.clock.advance(10)
    round_ = await workflow.run_errand(parse(errands[GROUP]), fleet.ports, fleet.settings)
    assert isinstance(round_, workflow.Round)
    assert round_.health["west"].monitor is MonitorStatus.DEGRADED


class Hanging:
    """Sites of which one never answers."""

    def __init__(self, fleet: Fleet, site: str) -> None:
        self._inner, self._site = fleet.world.app, site
        self.waited = 0

    async def get_site(self, site_id: str) -> Site:
        if site_id == self._site:
            self.waited += 1
            await asyncio.sleep(3600)
        return await self._inner.get_site(site_id)


@pytest.mark.parametrize("handed_out", [False, True])
async def test_a_hanging_group_is_cut_off(
    *, handed_out: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It costs its own deadline and nobody else's round, inline and handed out alike."""
    monkeypatch.setattr(workflow, "ROUND", 0.05)
    fleet = Fleet()
    hanging = Hanging(fleet, site_id("west"))
    ports = dataclasses.replace(fleet.ports, sites=hanging, errands=fleet.errands if handed_out else None)
    await reconcile.handle("{}", ports=ports, settings=fleet.settings)
    for name in fleet.errands.taken():
        await reconcile_group.handle(name, ports=ports, settings=fleet.settings)
    assert hanging.waited == 1
    assert [await fleet.state(profile) for profile in fleet.profiles] == [
        None,
        State.CONVERGED,
        State.CONVERGED,
    ]
    assert f"{GROUP}: this round took longer than 0.05 s and was cut off" in caplog.text


async def test_more_hanging_groups_than_places_leave_the_others_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With one place only, the groups behind a hanging one wait its deadline and no longer."""
    monkeypatch.setattr(workflow, "ROUND", 0.05)
    monkeypatch.setattr(workflow, "AT_ONCE", 1)
    fleet = Fleet()
    ports = dataclasses.replace(fleet.world.ports, sites=Hanging(fleet, site_id("west")))
    await reconcile.handle("{}", ports=ports, settings=fleet.settings)
    assert [await fleet.state(profile) for profile in fleet.profiles] == [
        None,
        State.CONVERGED,
        State.CONVERGED,
    ]


async def test_a_tick_ends_before_the_platform_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds for which there is no time any more are not begun; the next tick has another order."""
    monkeypatch.setattr(workflow, "BEGIN_WITHIN", -1.0)
    fleet = Fleet()
    rounds = await workflow.run_all(fleet.world.ports, fleet.settings)
    assert [type(item) for item in rounds] == [workflow.Failure] * 3
    assert fleet.world.probes.asked == []


async def test_what_nobody_foresaw_rises_and_is_told_when_it_was_set_aside() -> None:
    """The platform tries once more and sets it aside; the next tick tells people, once a day, and forgets it."""
    fleet = Fleet()

    def buggy(site: str) -> None:
        if site == site_id("west"):
            raise ZeroDivisionError("a bug")

    fleet.world.app.before_read = buggy
    await fleet.tick()
    text = next(name for name in fleet.errands.taken() if parse(name).profile.name == GROUP)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await fleet.run(text)
    fleet.errands.set_aside += [text, text, "what is this?"]
    await fleet.tick()
    assert fleet.errands.set_aside == []
    assert fleet.world.teams.titles == [f"{GROUP}: Counterpart cannot look after this group"]
    fleet.errands.set_aside.append(text)
    await fleet.tick()
    assert len(fleet.world.teams.titles) == 1


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3])
async def test_killed_while_it_tells_what_was_set_aside_it_is_told_once(number: int, *, late: bool) -> None:
    """It lies in its queue until it was told, and is told under one name, however often that is begun."""
    fleet = Fleet()
    await fleet.tick()
    fleet.errands.set_aside = [*fleet.errands.taken(), "what is this?"]
    with pytest.raises(Killed):
        await fleet.tick(fleet.dying("forget", number, late=late))
    assert len(fleet.errands.set_aside) == (4 - number if late else 5 - number)
    for _ in range(2):
        fleet.world.clock.advance(60)
        await fleet.tick()
    assert fleet.errands.set_aside == []
    names = [profile.name for profile in fleet.profiles]
    assert sorted(fleet.world.teams.titles) == sorted(
        f"{name}: Counterpart cannot look after this group" for name in names
    )


async def test_trouble_with_what_was_set_aside_stops_no_tick(caplog: pytest.LogCaptureFixture) -> None:
    """It stays in its queue, and the next tick comes for it."""
    fleet = Fleet()

    class Broken(FakeErrands):
        async def failed(self) -> tuple[()]:
            raise Unavailable("no queue")

    await fleet.tick(dataclasses.replace(fleet.ports, errands=Broken()))
    assert "were not seen to: no queue" in caplog.text


async def test_a_bug_in_the_timers_own_round_is_told_too() -> None:
    """Few groups or many: a group that cannot be looked after is told to people."""
    fleet = Fleet()

    def buggy(site: str) -> None:
        if site == site_id("west"):
            raise ZeroDivisionError("a bug")

    fleet.world.app.before_read = buggy
    await fleet.tick(fleet.world.ports)
    assert fleet.world.teams.titles == [f"{GROUP}: Counterpart cannot look after this group"]
    assert await waiting(fleet.world.store) == ()

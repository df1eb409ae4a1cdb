"""The failback hold: out only by law 1, back when sound or when a person says so, and whatever dies between."""

import asyncio
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers import decision
from handlers._edge import Asked
from shared.drills.model import Slot
from shared.drills.model import State as DrillState
from shared.drills.workflow import slot_key
from shared.errors import Denied, IllegalTransition, Unavailable
from shared.groups.model import MonitorStatus
from shared.incidents.hold import Phase
from shared.incidents.model import Stage
from shared.reconcile import drills
from shared.reconcile import workflow as reconcile
from shared.store import read, write
from tests.builders import GROUP, a_profile, an_endpoint, host
from tests.drills.test_decisions import a_drill
from tests.incidents.watching import Watched
from tests.rounds import Killed

SOAK = 600.0  # seconds


class Held(Watched):
    """A world with the hold on, in which Traffic Manager follows what it sees."""

    def __init__(self, *regions: str, routing: str = "Performance", weight: int | None = None) -> None:
        super().__init__(regions=regions or ("west", "east"))
        self.with_hold(soak=SOAK)
        endpoints = (an_endpoint(region, weight=weight) for region in self.regions)
        self.profiles.profiles = [a_profile(*endpoints, routing=routing)]

    def enabled(self, region: str) -> bool:
        """Return whether the endpoint is enabled."""
        return next(
            endpoint.enabled for endpoint in self.profiles.profiles[0].endpoints if endpoint.name == region
        )

    def weight(self, region: str) -> int | None:
        """The endpoint's weight."""
        return next(
            endpoint.weight for endpoint in self.profiles.profiles[0].endpoints if endpoint.name == region
        )

    def probe(self) -> None:
        """Traffic Manager's own probes: it sees what is enabled."""
        for endpoint in self.profiles.profiles[0].endpoints:
            if endpoint.enabled:
                well = self.probes.results[host(endpoint.name)] == 200
                self.status(endpoint.name, MonitorStatus.ONLINE if well else MonitorStatus.DEGRADED)

    async def minutes(self, count: int) -> None:
        """Minutes in which Traffic Manager probes before we look."""
        for _ in range(count):
            self.probe()
            with suppress(Killed):
                await self.minute()

    def breaks(self, region: str) -> None:
        """The region's app fails."""
        self.probes.results[host(region)] = 503

    def mends(self, region: str) -> None:
        """It works again."""
        self.probes.results[host(region)] = 200


async def test_a_region_is_not_held_before_its_drill_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drill gave it back and watches it come back; when it fails instead, the drill ends first, then it is held."""
    world = Held()
    await world.minutes(2)
    drill = a_drill(DrillState.VERIFYING, group_id=world.profile_id, restored_at=world.clock.now())
    at = slot_key(world.profile_id)
    await write(world.store, at, Slot(group_id=world.profile_id, group=GROUP, drill=drill), if_version=None)
    monkeypatch.setattr(drills, "tend", nobody_tends)
    world.breaks("west")
    await world.minutes(4)
    assert world.enabled("west")
    row = await world.held()
    assert row is not None
    assert any("the drill of west is not over" in line.text for line in row.history)
    slot, version = await read(world.store, at, Slot)
    assert slot is not None
    await write(world.store, at, msgspec.structs.replace(slot, drill=None), if_version=version)
    await world.minutes(2)
    assert not world.enabled("west")


async def nobody_tends(*_: object, **__: object) -> None:
    """The drill stays where it is."""


async def test_out_and_back_after_the_soak() -> None:
    """A confirmed failure of one region: out of DNS, though it answers again at once, until it was sound for long."""
    world = Held()
    await world.minutes(2)
    world.breaks("west")
    await world.minutes(2)
    assert not world.enabled("west")
    assert [permit.region for permit in world.profiles.permits] == ["west"]
    permit = await world.permit()
    assert permit is None or permit.permit is None  # given back at once: the others are free to be worked on
    world.mends("west")
    await world.minutes(9)
    assert not world.enabled("west")
    assert (await world.incident()).stage is not Stage.RESOLVED  # well, and out of DNS: not back yet
    await world.minutes(3)
    assert world.enabled("west")
    assert world.profiles.patches == [("west", False, None), ("west", True, None)]
    await world.minutes(12)
    assert (await world.incident()).stage is Stage.RESOLVED
    texts = [entry.text for entry in (await world.incident()).timeline]
    assert "west is out of DNS" in texts
    assert any("west goes back into DNS: its probe and SCEP were good for 600 s" in text for text in texts)
    row = await world.held()
    assert row is not None
    assert row.hold is None


async def test_off_by_default() -> None:
    """Without the setting nothing is ever disabled."""
    world = Held()
    world.settings = Watched().settings
    world.breaks("west")
    await world.minutes(5)
    assert world.profiles.patches == []


async def test_a_relapse_begins_the_soak_anew() -> None:
    """Nine good minutes, a bad one, and ten good ones."""
    world = Held()
    await world.minutes(2)
    world.breaks("west")
    await world.minutes(2)
    world.mends("west")
    await world.minutes(8)
    world.breaks("west")
    await world.minutes(1)
    world.mends("west")
    await world.minutes(9)
    assert not world.enabled("west")
    await world.minutes(3)
    assert world.enabled("west")


async def test_another_ca_is_not_sound() -> None:
    """A region that comes back with another CA stays out: devices would fail there."""
    world = Held()
    await world.minutes(2)
    world.breaks("west")
    await world.minutes(2)
    world.mends("west")
    world.probes.scep[host("west")] = "0b" * 32
    await world.minutes(20)
    assert not world.enabled("west")
    del world.probes.scep[host("west")]
    await world.minutes(14)
    assert world.enabled("west")


async def test_by_steps_of_its_weight() -> None:
    """Weighted routing: a tenth, a quarter, a half, all; each for a while, and only while it is sound."""
    world = Held(routing="Weighted", weight=200)
    await world.minutes(2)
    world.breaks("west")
    await world.minutes(2)
    world.mends("west")
    await world.minutes(12)
    assert world.enabled("west")
    assert world.weight("west") == 20
    world.breaks("west")
    await world.minutes(5)
    assert world.weight("west") == 20
    world.mends("west")
    await world.minutes(12)
    assert [patch for patch in world.profiles.patches if patch[1]] == [
        ("west", True, 20),
        ("west", True, 50),
        ("west", True, 100),
        ("west", True, 200),
    ]
    assert world.weight("west") == 200


async def test_back_at_once_when_nothing_else_serves() -> None:
    """The hold gives back a region that answers as soon as no other one does."""
    world = Held()
    await world.minutes(2)
    world.breaks("west")
    await world.minutes(2)
    world.mends("west")
    await world.minutes(2)
    assert not world.enabled("west")
    world.breaks("east")
    await world.minutes(2)
    assert world.enabled("west")


async def test_a_person_brings_it_back() -> None:
    """By a decision over HTTP; the same incident is not held again."""
    world = Held(routing="Weighted", weight=100)
    await world.minutes(2)
    world.breaks("west")
    await world.minutes(2)
    assert not world.enabled("west")
    body = msgspec.json.encode({"group": GROUP, "decision": "release", "reason": "seen", "by": "ada"})
    asked = Asked(body=body, person="")
    answer = await decision.handle(asked, ports=world.ports, settings=world.settings)
    assert answer.body == {"group": GROUP, "released": "west"}
    assert world.enabled("west")
    assert world.weight("west") == 100
    await world.minutes(5)
    assert world.enabled("west")
    with pytest.raises(IllegalTransition, match="no region of scepman is held"):
        await decision.handle(asked, ports=world.ports, settings=world.settings)


async def test_a_person_enables_it_at_the_portal() -> None:
    """Whoever enables the endpoint has ended the hold."""
    world = Held()
    await world.minutes(2)
    world.breaks("west")
    await world.minutes(2)
    world.profiles.set_endpoint("west", enabled=True)
    await world.minutes(5)
    assert world.enabled("west")
    assert world.profiles.patches == [("west", False, None)]
    row = await world.held()
    assert row is not None
    assert row.hold is None


async def test_a_round_that_read_the_profile_before_we_disabled_does_not_end_the_hold() -> None:
    """Two rounds at once: to the slower one our own change looks undone by somebody, and is not."""
    world = Held()
    await world.minutes(2)
    (before,) = world.profiles.profiles
    world.breaks("west")
    await world.minutes(2)
    await reconcile.run(before, world.ports, world.settings, doorbell=False)
    row = await world.held()
    assert row is not None
    assert row.hold is not None
    assert row.hold.phase is Phase.HELD
    world.mends("west")
    await world.minutes(12)
    assert world.enabled("west")


async def test_somebody_elses_weight_is_left_alone() -> None:
    """A weight that a person sets while the region comes back by steps ends the hold."""
    world = Held(routing="Weighted", weight=200)
    await world.minutes(2)
    world.breaks("west")
    await world.minutes(2)
    world.mends("west")
    await world.minutes(12)
    assert world.weight("west") == 20
    world.profiles.set_endpoint("west", weight=77)
    await world.minutes(10)
    assert world.weight("west") == 77


async def test_never_the_last_one() -> None:
    """With the other endpoint disabled by a person, or degraded, nothing is disabled."""
    world = Held()
    await world.minutes(2)
    world.profiles.set_endpoint("east", status=MonitorStatus.DISABLED, enabled=False)
    world.breaks("west")
    await world.minutes(5)
    assert world.profiles.patches == []


async def test_the_other_one_goes_at_the_last_moment() -> None:
    """Between our look and the change somebody disables the other endpoint: what is read last counts."""
    world = Held()
    await world.minutes(2)
    world.breaks("west")
    world.probe()
    reads = len(world.profiles.reads)

    def somebody() -> None:
        if len(world.profiles.reads) > reads + 1:
            world.profiles.set_endpoint("east", status=MonitorStatus.DISABLED, enabled=False)

    world.profiles.before_read = somebody
    await world.minute(3)
    assert world.profiles.patches == []
    row = await world.held()
    assert row is not None
    assert any("no other endpoint is enabled and online" in entry.text for entry in row.history)


async def test_azure_refuses() -> None:
    """Without the role nothing is held; it is tried again, said once, and the permit is free."""
    world = Held()
    await world.minutes(2)

    def refused() -> None:
        raise Denied("change endpoint west: HTTP 403: our identity may not do this; it needs endpoints/write")

    world.profiles.before_patch = refused
    world.breaks("west")
    await world.minutes(6)
    assert world.enabled("west")
    row = await world.held()
    assert row is not None
    assert sum("not held: change endpoint west" in entry.text for entry in row.history) == 1
    permit = await world.permit()
    assert permit is None or permit.permit is None
    assert (await world.incident()).open


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [Killed("here"), Unavailable("no answer within 60 s")])
async def test_dying_around_the_change(error: BaseException, after: bool) -> None:  # noqa: FBT001 -- a table
    """Whether the change took effect shows at the endpoint: it is held or decided anew, and comes back in the end."""
    world = Held()
    await world.minutes(2)
    died: list[int] = []

    def die() -> None:
        if len(died) < 1:
            died.append(1)
            raise error

    if after:
        world.profiles.after_patch = die
    else:
        world.profiles.before_patch = die
    world.breaks("west")
    await world.minutes(5)
    assert died == [1]
    assert not world.enabled("west")
    row = await world.held()
    assert row is not None
    assert row.hold is not None
    assert row.hold.phase is Phase.HELD
    permit = await world.permit()
    assert permit is not None
    assert permit.permit is None
    died.clear()
    world.mends("west")
    await world.minutes(18)
    assert died == [1]
    assert world.enabled("west")


async def test_a_profile_that_cannot_be_read_before_the_change_leaves_no_permit() -> None:
    """Nothing was asked of Azure, so nobody else has to wait for it."""
    world = Held()
    await world.minutes(2)
    world.breaks("west")
    refused: list[int] = []

    def fails() -> None:
        permits = [stored.row.body for key, stored in world.store.rows.items() if key.startswith("permit/")]
        if any(b"failback-hold" in permit for permit in permits) and not refused:
            refused.append(1)
            raise Unavailable("list profiles: HTTP 503")

    world.profiles.before_read = fails
    await world.minutes(1)
    while not refused:
        await world.minutes(1)
    permit = await world.permit()
    assert permit is not None
    assert permit.permit is None
    await world.minutes(5)
    assert not world.enabled("west")


async def test_out_of_time_before_the_change_the_permit_is_free() -> None:
    """A look after an alert has seven seconds; what it did not come to do keeps nobody else waiting."""
    world = Held()
    await world.minutes(2)
    world.breaks("west")
    read: list[int] = []

    def out_of_time() -> None:
        permits = [stored.row.body for key, stored in world.store.rows.items() if key.startswith("permit/")]
        if any(b"failback-hold" in permit for permit in permits) and not read:
            read.append(1)
            raise asyncio.CancelledError

    world.profiles.before_read = out_of_time
    with pytest.raises(asyncio.CancelledError):
        await world.minutes(5)
    assert world.enabled("west")
    permit = await world.permit()
    assert permit is not None
    assert permit.permit is None
    await world.minutes(5)
    assert not world.enabled("west")


@pytest.mark.parametrize("number", [1, 2])
async def test_dying_right_after_the_change_leaves_no_permit(number: int) -> None:
    """At each of the writes that follow it: the next look gives back what was not given back."""
    world = Held()
    await world.minutes(2)
    written: list[str] = []

    async def dies(name: str) -> None:
        if name.startswith(("put permit/", "put failback-holds/")) and world.profiles.patches:
            written.append(name)
            if len(written) == number:
                raise Killed(name)

    world.effects.pause = dies
    world.breaks("west")
    await world.minutes(5)
    assert len(written) >= number
    assert not world.enabled("west")
    permit = await world.permit()
    assert permit is not None
    assert permit.permit is None


async def test_what_was_begun_is_ended_though_the_hold_is_off() -> None:
    """Somebody turns the setting off while a region is out."""
    world = Held()
    await world.minutes(2)
    world.breaks("west")
    await world.minutes(2)
    world.settings = Watched().settings
    world.mends("west")
    await world.minutes(20)
    assert world.enabled("west")


async def test_a_hold_that_came_to_nothing_leaves_nothing_behind() -> None:
    """The change failed and the setting was turned off: who disables the endpoint later is not undone."""
    world = Held()
    await world.minutes(2)

    def unavailable() -> None:
        raise Unavailable("no answer within 60 s")

    world.profiles.before_patch = unavailable
    world.breaks("west")
    await world.minutes(1)
    world.settings = Watched().settings
    world.mends("west")
    await world.minutes(5)
    row = await world.held()
    assert row is not None
    assert row.hold is None
    world.profiles.set_endpoint("west", status=MonitorStatus.DISABLED, enabled=False)
    await world.minutes(30)
    assert not world.enabled("west")


HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["breaks", "mends", "kill", "kill-after", "nothing", "portal-off", "portal-on"]),
        st.sampled_from(["west", "east", "north"]),
        st.integers(1, 10),
    ),
    max_size=8,
)


@given(HAPPENINGS, st.sampled_from([None, 100]))
@settings(max_examples=15)
async def test_law_1_and_law_6(happenings: list[tuple[str, str, int]], weight: int | None) -> None:
    """Whatever happens: never the last online endpoint; and what the hold took out is given back, with its weight."""
    world = Held("west", "east", "north", routing="Weighted" if weight else "Performance", weight=weight)
    pending: dict[str, int] = {}

    def before() -> None:
        if pending.pop("kill", 0):
            raise Killed("before")

    def after() -> None:
        (profile,) = world.profiles.profiles
        last = world.profiles.patches[-1]
        online = [
            endpoint.name
            for endpoint in profile.endpoints
            if endpoint.enabled and endpoint.status is MonitorStatus.ONLINE
        ]
        if not last[1]:
            assert online != []
        if pending.pop("kill-after", 0):
            raise Killed("after")

    world.profiles.before_patch, world.profiles.after_patch = before, after
    by_hand: set[str] = set()
    await world.minutes(2)
    for what, region, minutes in happenings:
        _happens(world, what, region, pending, by_hand)
        await world.minutes(minutes)
    pending.clear()
    for name in world.regions:
        world.mends(name)
    await world.minutes(45)
    for name in set(world.regions) - by_hand:
        assert world.enabled(name), name
        assert world.weight(name) == weight


def _happens(world: Held, what: str, region: str, pending: dict[str, Any], by_hand: set[str]) -> None:
    match what:
        case "breaks":
            world.breaks(region)
        case "mends":
            world.mends(region)
        case "kill" | "kill-after":
            pending[what] = 1
        case "portal-off":
            world.profiles.set_endpoint(region, status=MonitorStatus.DISABLED, enabled=False)
            by_hand.add(region)
        case "portal-on":
            world.profiles.set_endpoint(region, status=MonitorStatus.CHECKING, enabled=True)
            by_hand.discard(region)
        case _:
            pass

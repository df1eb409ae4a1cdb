"""Two deployments over one store: one runs the timer's rounds, the other stands by and takes over."""

import dataclasses

import msgspec

from handlers.reconcile import handle
from shared.errors import Unavailable
from shared.groups.model import Profile
from shared.ports import Ports
from shared.reconcile import lease
from shared.settings import Settings
from shared.settings_sync.workflow import read_rollout
from tests.rounds import World, val


class Two:
    """One world, and two deployments that look at it."""

    def __init__(self) -> None:
        self.world = World()
        self.reads = {"first": 0, "second": 0}

    def deployment(self, name: str) -> tuple[Ports, Settings]:
        """The ports and the settings of one of them; what it asks Traffic Manager is counted."""
        return (
            dataclasses.replace(self.world.ports, profiles=_Counting(self, name)),
            msgspec.structs.replace(self.world.settings, instance=name),
        )

    async def turn(self, *names: str) -> None:
        """A minute goes by, and the timers fire."""
        self.world.clock.advance(60)
        for name in names:
            ports, settings = self.deployment(name)
            await handle("{}", ports=ports, settings=settings)


class _Counting:
    """Profiles that note who asked."""

    def __init__(self, two: Two, name: str) -> None:
        self._two, self._name = two, name

    async def list_profiles(self, subscription: str) -> tuple[Profile, ...]:
        self._two.reads[self._name] += 1
        return await self._two.world.profiles.list_profiles(subscription)


async def test_one_works_and_the_other_stands_by() -> None:
    """Whoever comes first goes on; nothing is asked twice."""
    two = Two()
    for _ in range(5):
        await two.turn("first", "second")
    await two.turn("second", "first")
    assert two.reads == {"first": 6, "second": 0}


async def test_the_other_takes_over() -> None:
    """A deployment that is gone is followed by the other within three minutes, which goes on where it stopped."""
    two = Two()
    await two.turn("first", "second")
    two.world.edit("east", K00=val("new"))
    await two.turn("first", "second")
    for _ in range(40):
        await two.turn("second")
    assert two.world.has("west", "K00") == val("new")
    assert two.world.written == ["west"]
    assert two.reads["second"] >= 37


async def test_a_holder_that_cannot_work_gives_up() -> None:
    """When all its rounds fail the other one tries; it may be the one that is not cut off."""
    two = Two()
    await two.turn("first", "second")

    def cut_off(_: str) -> None:
        raise Unavailable("nothing answers here")

    two.world.app.before_read = cut_off
    two.world.edit("east", K00=val("new"))
    two.world.clock.advance(16 * 60)  # the sweep is due, so that the settings are read
    await two.turn("first", "second")
    assert two.reads["second"] == 1


async def test_without_a_name_there_is_no_lease() -> None:
    """A single deployment asks nobody."""
    world = World()
    await handle("{}", ports=world.ports, settings=world.settings)
    assert await world.store.get(lease.ROW) is None
    assert await read_rollout(world.store, world.profile_id) is not None


async def test_giving_up_what_another_has_changes_nothing() -> None:
    """Late words of a former holder do not take the lease away from the present one."""
    world = World()
    now = world.clock.now()
    await lease.take(world.store, "second", now)
    await lease.give_up(world.store, "first", now)
    assert (await lease.take(world.store, "first", now)).holder == "second"

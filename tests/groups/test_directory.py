"""Whose site is it? Answered from what was read a moment ago; asked anew when that is too old."""

import asyncio

import msgspec
import pytest

from shared.errors import Unavailable
from shared.groups.discover import Scope
from shared.groups.model import Profile
from shared.groups.workflow import KEPT, Directory
from tests.builders import SUBSCRIPTION, a_profile, an_endpoint, site_id
from tests.fakes.clock import START, FakeClock
from tests.fakes.traffic_manager import FakeProfiles

HERE = Scope(subscriptions=(SUBSCRIPTION,))
AGE = KEPT.total_seconds()


class Slow(FakeProfiles):
    """Others get their turn while it is read."""

    async def list_profiles(self, subscription: str) -> tuple[Profile, ...]:
        await asyncio.sleep(0)
        return await super().list_profiles(subscription)


async def test_a_burst_is_one_read() -> None:
    """A hundred events at once, ours and others', ask Traffic Manager once."""
    profiles = Slow([a_profile()])
    directory = Directory(profiles, FakeClock())
    sites = [site_id("west").upper(), site_id("elsewhere")] * 50
    found = await asyncio.gather(*(directory.group_of(site, HERE) for site in sites))
    assert found == [(a_profile(), START), None] * 50
    assert len(profiles.reads) == 1


async def test_a_moment_later_it_is_asked_anew() -> None:
    """What joined or left a group meanwhile is known within that time."""
    clock, profiles = FakeClock(), FakeProfiles([])
    directory = Directory(profiles, clock)
    assert await directory.group_of(site_id("west"), HERE) is None
    profiles.profiles = [a_profile()]
    clock.advance(AGE - 1)
    assert await directory.group_of(site_id("west"), HERE) is None
    clock.advance(1)
    assert await directory.group_of(site_id("west"), HERE) == (a_profile(), clock.now())
    assert len(profiles.reads) == 2


async def test_another_scope_is_another_reading() -> None:
    """Profiles that are named count, and others do not, whatever was kept of another configuration."""
    directory = Directory(FakeProfiles([a_profile()]), FakeClock())
    assert await directory.group_of(site_id("west"), HERE) is not None
    elsewhere = msgspec.structs.replace(HERE, profiles=(a_profile(name="other").id,))
    assert await directory.group_of(site_id("west"), elsewhere) is None


async def test_the_first_of_two_groups_with_one_site() -> None:
    """In order of their ids, as when they are listed."""
    both = [a_profile(an_endpoint("west"), name=name) for name in ("b", "a")]
    found = await Directory(FakeProfiles(both), FakeClock()).group_of(site_id("west"), HERE)
    assert found is not None
    assert found[0].name == "a"


async def test_trouble_is_everybodys_and_not_kept() -> None:
    """Who asked while it failed gets the error; the next one asks anew."""
    profiles = Slow([a_profile()])

    def broken() -> None:
        raise Unavailable("no answer")

    profiles.before_read = broken
    directory = Directory(profiles, FakeClock())
    asked = [directory.group_of(site_id("west"), HERE) for _ in range(3)]
    said = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(pair) for pair in said] == [Unavailable] * 3
    assert len(profiles.reads) == 1
    profiles.before_read = lambda: None
    assert await directory.group_of(site_id("west"), HERE) is not None


async def test_who_gives_up_does_not_stop_the_others() -> None:
    """One event's deadline passes while several wait for the same reading."""
    directory = Directory(Slow([a_profile()]), FakeClock())
    hasty = asyncio.ensure_future(directory.group_of(site_id("west"), HERE))
    patient = asyncio.ensure_future(directory.group_of(site_id("west"), HERE))
    await asyncio.sleep(0)
    hasty.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hasty
    assert await patient is not None

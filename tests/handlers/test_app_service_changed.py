"""An event makes us look at the site's group at once, and nothing else."""

import asyncio
import json
import logging

import pytest

from handlers.app_service_changed import handle
from shared.errors import BadEvent, Unavailable
from shared.reconcile import workflow
from shared.settings_sync.model import State
from tests.builders import site_id
from tests.rounds import Effects, World, val


def event(site: str = site_id("west"), action: str = "ChangedAppSettings") -> str:
    return json.dumps(
        {
            "id": "1",
            "topic": site,
            "eventType": "Microsoft.Web.AppUpdated",
            "eventTime": "2026-03-02T12:00:00.1234567Z",
            "data": {"appEventTypeDetail": {"action": action}, "siteName": site.rsplit("/", 1)[-1]},
        }
    )


async def test_a_change_is_seen_at_once() -> None:
    """The doorbell reads the settings without waiting for a sweep."""
    world = World()
    await world.tick()
    world.edit("west", K00=val("new"))
    await handle(event(), ports=world.ports, settings=world.settings)
    assert (await world.rollout()).state is State.SOAKING


async def test_repeated_and_late_events_change_nothing() -> None:
    """The same event again, or one about an older change, finds nothing to do."""
    world = World()
    await world.tick()
    world.edit("west", K00=val("new"))
    await handle(event(), ports=world.ports, settings=world.settings)
    before = await world.rollout()
    for _ in range(3):
        await handle(event(), ports=world.ports, settings=world.settings)
    assert await world.rollout() == before
    assert world.written == []


async def test_a_round_that_hangs_is_cut_off_and_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its event is delivered once more; nothing keeps the process until the platform ends it."""
    world = World()
    await world.tick()
    world.edit("west", K00=val("new"))

    async def hanging(name: str) -> None:
        if name == "read":
            await asyncio.sleep(3600)

    ports = world.ports
    ports.directory  # noqa: B018 -- made before the store hangs
    monkeypatch.setattr(workflow, "ROUND", 0.05)
    monkeypatch.setattr(workflow, "looked_since", never)
    world.effects.pause = hanging
    with pytest.raises(Unavailable, match=r"the round took longer than 0\.05 s"):
        await handle(event(), ports=ports, settings=world.settings)
    world.effects.pause = Effects().pause
    await handle(event(), ports=ports, settings=world.settings)
    assert (await world.rollout()).state is State.SOAKING


async def never(*_: object) -> bool:
    """The settings were not looked at since."""
    return False


async def test_a_site_of_nobody_is_acknowledged(caplog: pytest.LogCaptureFixture) -> None:
    """An event of a site in no group of ours is logged, and reads no settings."""
    caplog.set_level(logging.INFO)
    world = World()
    await handle(event(site_id("elsewhere")), ports=world.ports, settings=world.settings)
    assert "no group of ours" in caplog.text
    assert world.app.reads == []


async def test_a_restart_reads_no_settings_of_a_converged_group() -> None:
    """Restarted and Stopped are evidence about health, not about settings."""
    world = World()
    await world.tick()
    world.app.reads.clear()
    await handle(event(action="Restarted"), ports=world.ports, settings=world.settings)
    assert [what for _, what in world.app.reads if what == "settings"] == []


async def test_unreadable_is_a_named_error() -> None:
    """What cannot be read raises the error that the edge acknowledges."""
    world = World()
    with pytest.raises(BadEvent):
        await handle("{}", ports=world.ports, settings=world.settings)


async def test_trouble_rises() -> None:
    """Azure's trouble rises, so that the event is delivered again."""
    world = World()
    await world.tick()

    def broken(site: str) -> None:
        raise Unavailable(f"{site} cannot be read")

    world.app.before_read = broken
    with pytest.raises(Unavailable):
        await handle(event(), ports=world.ports, settings=world.settings)


async def test_a_late_repeat_reads_no_settings() -> None:
    """The same event again, well after the timer's sweep has looked, is old news."""
    world = World()
    await world.tick()
    await world.tick(seconds=1000)
    world.app.reads.clear()
    await handle(event(), ports=world.ports, settings=world.settings)
    assert world.app.reads == []


async def test_a_burst_is_a_few_rounds() -> None:
    """A hundred events at once ask Traffic Manager once, and read the settings for as many rounds as they need."""
    world = World()
    await world.tick()
    ports = world.ports
    world.edit("west", K00=val("new"))
    world.profiles.reads.clear()
    world.app.reads.clear()
    await asyncio.gather(*(handle(event(), ports=ports, settings=world.settings) for _ in range(100)))
    assert len(world.profiles.reads) == 1
    read = [site for site, what in world.app.reads if what == "settings"]
    assert len(read) <= 2 * 2 * 2, "two rounds of two regions, each looked at anew before it rests"
    assert (await world.rollout()).state is State.SOAKING


async def test_events_of_others_cost_one_read() -> None:
    """However many sites in the subscription are not ours, whoever restarts them."""
    world = World()
    ports = world.ports
    for number in range(50):
        await handle(event(site_id(f"other-{number}")), ports=ports, settings=world.settings)
    assert len(world.profiles.reads) == 1
    assert world.app.reads == []
    assert world.store.rows == {}

"""Practice runs: due by the schedule, the regions in turn, skipped with a reason that is said once."""

from collections.abc import Iterator
from datetime import timedelta

import msgspec

from shared.drills.model import State
from shared.drills.preflight import Declared
from shared.drills.schedule import Calendar, schedules, windows
from shared.drills.workflow import next_region
from shared.errors import Unavailable
from tests.builders import an_endpoint
from tests.drills.drilling import Drilled, a_world

DAILY = "scepman=10 12 * * *"  # the worlds begin at 12:00
DECLARED = Declared(load=(("scepman", 1500.0),), capacity=(("west", 100.0), ("scepman/east", 100.0)))


async def scheduled(
    line: str = DAILY, *, declared: Declared = DECLARED, every: float = 7 * 86_400.0
) -> Drilled:
    """A pair whose group has a schedule."""
    world = await a_world()
    calendar = Calendar(schedules=schedules(line), every=every)
    world.settings = msgspec.structs.replace(
        world.settings, drill_calendar=calendar, drill_declared=declared, drill_observe=60
    )
    return world


async def to_ten_past_twelve(world: Drilled) -> None:
    """The next day's, or today's."""
    while (world.clock.now().hour, world.clock.now().minute) != (12, 9):
        world.clock.advance(60)
    await world.minute(6)


async def test_off_unless_asked_for() -> None:
    """Without a schedule nothing is ever drilled."""
    world = await a_world()
    await world.minute(60)
    assert (await world.listed()) == {"drills": [], "skipped": []}
    assert world.profiles.patches == []


async def test_due_and_run() -> None:
    """At its time, by the schedule, once."""
    world = await scheduled()
    await to_ten_past_twelve(world)
    (drill,) = (await world.listed())["drills"]
    assert (drill["state"], drill["practice"], drill["asked_by"]) == (State.SUCCEEDED, True, "the schedule")
    assert world.all_enabled()
    assert world.teams.titles[0] == "scepman / east: a practice run begins"
    await world.minute(30)
    assert len((await world.listed())["drills"]) == 1


async def test_at_most_one_a_week_and_that_is_said_once() -> None:
    """The next day's is skipped; a week later it is the other region's turn."""
    world = await scheduled()
    await to_ten_past_twelve(world)
    await to_ten_past_twelve(world)
    found = await world.listed()
    assert len(found["drills"]) == 1
    (skipped,) = found["skipped"]
    assert "at most one in 7 days" in skipped["why"]
    world.clock.advance(timedelta(days=5, hours=23).total_seconds())
    await world.minute(2)
    await to_ten_past_twelve(world)
    regions = [item["region"] for item in (await world.listed())["drills"]]
    assert regions == ["west", "east"]


async def test_a_time_that_nobody_was_awake_for_is_said_once() -> None:
    """The app slept over two of them: the later one stands in the list with the reason, and nothing is caught up."""
    world = await scheduled(every=86_400.0)
    await to_ten_past_twelve(world)
    world.clock.advance(timedelta(days=2, hours=1).total_seconds())
    await world.minute(5)
    found = await world.listed()
    (skipped,) = found["skipped"]
    assert skipped["why"].startswith("practice run skipped: nobody was awake at that time")
    assert (skipped["at"].day, skipped["at"].hour, skipped["at"].minute) == (4, 12, 10)
    assert len(found["drills"]) == 1
    await to_ten_past_twelve(world)
    assert len((await world.listed())["drills"]) == 2
    assert len((await world.listed())["skipped"]) == 1


async def test_skipped_when_the_preflight_refuses() -> None:
    """With its reason, in the group's record and in the timeline, and not tried again that day."""
    world = await scheduled()
    world.sick("east")
    await to_ten_past_twelve(world)
    found = await world.listed()
    assert found["drills"] == []
    (skipped,) = found["skipped"]
    assert "practice run skipped" in skipped["why"]
    assert "survivors" in skipped["why"] or "region" in skipped["why"]
    world.well("east")
    await world.minute(5)
    assert (await world.listed())["drills"] == []


async def test_capacity_that_nobody_declared() -> None:
    """A person is warned; a practice run does not begin, and one region that is too small forbids both."""
    world = await scheduled(declared=Declared())
    await to_ten_past_twelve(world)
    (skipped,) = (await world.listed())["skipped"]
    assert "not declared" in skipped["why"]
    world.settings = msgspec.structs.replace(
        world.settings,
        drill_declared=Declared(load=(("scepman", 2001.0),), capacity=(("west", 100.0), ("east", 100.0))),
    )
    answer = await world.ask_for(dry_run=True)
    (capacity,) = [item for item in answer.body["preflight"] if item["rule"] == "capacity"]
    assert capacity["verdict"] == "refused"
    assert "2001 requests a minute, and east can serve 2000: too few" in capacity["reason"]


async def test_outside_its_window() -> None:
    """Windows hold for practice runs as for drills by hand."""
    world = await scheduled()
    calendar = msgspec.structs.replace(world.settings.drill_calendar, allowed=windows("SUN-02:00-04:00"))
    world.settings = msgspec.structs.replace(world.settings, drill_calendar=calendar)
    await to_ten_past_twelve(world)
    (skipped,) = (await world.listed())["skipped"]
    assert "does not lie inside SUN-02:00-04:00" in skipped["why"]


async def test_what_is_older_than_the_retention_goes() -> None:
    """A year later, in the night."""
    world = await a_world()
    await world.ask_for(key="a-key")
    await world.minute(9)
    assert len((await world.listed())["drills"]) == 1
    world.clock.advance(timedelta(days=366).total_seconds())
    while (world.clock.now().hour, world.clock.now().minute) != (2, 59):
        world.clock.advance(60)
    await world.minute()
    assert (await world.listed())["drills"] == []
    assert not [row for row in world.store.rows if row.startswith(("drills/", "drill-keys/"))]


async def test_an_endpoint_that_is_no_web_app_has_no_turn() -> None:
    """Something elsewhere stands beside the regions: it is none, and holds up no practice run."""
    world = await scheduled()
    (profile,) = world.profiles.profiles
    elsewhere = msgspec.structs.replace(an_endpoint("abroad"), type="externalEndpoints", target_id="")
    world.profiles.profiles = [msgspec.structs.replace(profile, endpoints=(elsewhere, *profile.endpoints))]
    assert await next_region(world.profiles.profiles[0], world.store) == "east"


async def test_a_practice_run_that_could_never_be_asked_about_is_skipped_with_the_reason() -> None:
    """Each minute tries again, as long as the time of the schedule is acted on; the last one says why none began."""
    world = await scheduled()
    while (world.clock.now().hour, world.clock.now().minute) != (12, 9):
        world.clock.advance(60)
    for minute in range(12):
        reads = iter([None])  # the timer's own; the look that the practice run asks for fails

        def after_the_first(reads: Iterator[None] = reads) -> None:
            if next(reads, "another") is not None:
                raise Unavailable("Resource Manager is gone")

        world.profiles.before_read = after_the_first
        await world.minute()
        skipped = (await world.listed())["skipped"]
        assert len(skipped) == (minute >= 10)
    assert "Resource Manager is gone" in skipped[0]["why"]


async def test_a_schedule_in_trouble_holds_up_no_drill() -> None:
    """The look that a practice run asks for fails: the drill under way goes on."""
    world = await scheduled()
    while (world.clock.now().hour, world.clock.now().minute) != (12, 8):
        world.clock.advance(60)
    await world.begun(observe_seconds=600)
    await world.minute()
    seen = len((await world.drill()).samples)
    reads = iter([None, Unavailable("Resource Manager is gone")])  # the timer's own read, and that look

    def second_fails() -> None:
        if (error := next(reads, None)) is not None:
            raise error

    world.profiles.before_read = second_fails
    await world.minute()
    assert len((await world.drill()).samples) > seen
    assert next(reads, "both read") == "both read"

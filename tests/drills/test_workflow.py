"""Drills over a small world, from the request to the record, and whatever may go wrong on the way."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from handlers import drill as handler
from handlers._edge import Asked
from shared.adapters.event_grid_topic import event_type
from shared.disruption.workflow import Held, permit_key
from shared.drills.measure import EARLIER
from shared.drills.model import Archived, Drill, Slot, State
from shared.drills.preflight import RULES
from shared.drills.workflow import ARCHIVE, SLOTS, slot_key
from shared.errors import (
    BadEvent,
    Conflict,
    Denied,
    IllegalTransition,
    NotFound,
    Refused,
    Throttled,
    Unavailable,
)
from shared.groups.discover import row_name
from shared.groups.model import MonitorStatus
from shared.store import ATTEMPTS, Key, Row, Stored, Version, key, write
from tests.builders import a_profile, an_endpoint, host
from tests.drills.drilling import Drilled, a_world
from tests.fakes.names import address_of
from tests.rounds import Effects, Killed, val

pytestmark = pytest.mark.usefixtures("no_value_anywhere")

WEST_OUT_AND_BACK = [("west", False, None), ("west", True, None)]


def answers(body: Any) -> dict[str, str]:
    """Each rule's verdict."""
    return {item["rule"]: str(item["verdict"]) for item in body["preflight"]}


async def refused(world: Drilled, **body: Any) -> Refused:
    """The refusal of a drill."""
    with pytest.raises(Refused) as caught:
        await world.ask_for(**body)
    return caught.value


# -- as it should be --------------------------------------------------------------------------------------------


async def test_a_drill_from_the_request_to_the_record() -> None:
    """Accepted, drained by the timer, observed, given back, verified, told, and kept."""
    world = await a_world()
    id_ = await world.begun(reason="before the audit", by="ada")
    assert (await world.told(id_))["state"] == State.ACCEPTED
    assert world.all_enabled()
    await world.minute()
    assert (await world.told(id_))["state"] == State.OBSERVING
    assert not world.is_enabled("west")
    await world.minute(8)
    told = await world.told(id_)
    assert (told["state"], told["asked_by"], told["why"]) == (State.SUCCEEDED, "ada", "before the audit")
    assert told["predicted"]["orderly_seconds"] == 60
    assert 0 < told["measured"]["recovery_seconds"] <= 62
    assert told["measured"]["availability"] == 1.0
    assert world.profiles.patches == WEST_OUT_AND_BACK
    assert world.service.began_at == {address_of(host("west"))}
    assert world.teams.titles == [
        "scepman / west: a drill begins",
        "scepman / west: drill succeeded",
    ]
    assert world.teams.kinds == ["drill.started", "drill.finished"]
    assert [event_type(kind) for kind in world.teams.kinds] == [
        "Counterpart.Drill.Started",
        "Counterpart.Drill.Finished",
    ]
    assert world.teams.letters[1].facts
    await world.clean()


async def test_samples_come_every_two_seconds_for_as_long_as_it_was_asked() -> None:
    """A wake-up takes most of a minute, and the next one goes on; the region is back when the time is over."""
    world = await a_world()
    id_ = await world.begun(observe_seconds=100)
    await world.minute(4)
    drill = await world.drill()
    assert drill.id == id_
    assert drill.drained_at is not None
    assert drill.restored_at is not None
    assert 100 <= (drill.restored_at - drill.drained_at).total_seconds() <= 104
    steps = {round(after.at - at.at, 1) for at, after in zip(drill.samples, drill.samples[1:], strict=False)}
    assert min(steps) == 2.0
    assert max(steps) <= 18.0  # from the end of one wake-up to the next


async def test_a_large_row_is_saved_before_its_claim_is_over() -> None:
    """Where a drill is given up soon, its signs of life come as soon, however many samples there are."""
    world = await a_world()
    soon = msgspec.structs.replace(world.settings.drills, lease=6.0)
    world.settings = msgspec.structs.replace(world.settings, drills=soon)
    await world.begun(observe_seconds=3600)
    while len((await world.drill()).samples) < 620:
        await world.minute()
    saved: list[datetime] = []

    async def noting(name: str) -> None:
        if name.startswith(f"put {SLOTS}/"):
            saved.append(world.clock.now())

    world.effects.pause = noting
    await world.minute()
    steps = [(after - at).total_seconds() for at, after in pairwise(saved)]
    assert len(steps) > 5
    assert max(steps) < soon.lease


async def test_no_incident_is_opened_by_what_a_drill_takes_out() -> None:
    """Its own doing is no failure; the timeline of the group says what it did."""
    world = await a_world()
    await world.begun()
    await world.minute(10)
    assert await world.incidents() == ()
    ledger = world.store.rows[next(row for row in world.store.rows if row.startswith("incident-ledgers/"))]
    assert b"west is out of DNS" in ledger.row.body


async def test_settings_wait_while_a_region_is_out() -> None:
    """The permit is the drill's: nothing of ours restarts the region that serves alone."""
    world = await a_world()
    await world.begun(observe_seconds=600)
    await world.minute(2)
    world.edit("west", K00=val("new"))
    await world.ring()
    await world.minute(5)
    assert world.written == []
    await world.minute(20)
    assert world.written == ["east"]


async def test_a_dry_run_leaves_no_trace() -> None:
    """All answers and the prediction; not a row, not a patch, not a card."""
    world = await a_world()
    before = dict(world.store.rows)
    world.clock.advance(61)
    answer = await world.ask_for(dry_run=True)
    assert answer.status == 200
    assert answer.body["allowed"]
    assert set(answers(answer.body)) == set(RULES)
    assert answer.body["predicted"]["sudden_seconds"] == 30 * 4 + 10 + 60
    assert world.store.rows == before
    assert world.profiles.patches == []
    assert world.teams.letters == []


async def test_the_report_in_its_three_forms() -> None:
    """JSON, Markdown and a page say the same."""
    world = await a_world()
    id_ = await world.begun()
    await world.minute(8)
    report = await world.report(id_)
    assert report.body["state"] == State.SUCCEEDED
    assert f"# Drill {id_}" in report.markdown
    assert "| recovery, orderly drain | 1 min |" in report.markdown
    assert report.page is not None
    assert report.page.chart is not None
    assert [lane.name for lane in report.page.chart.lanes] == ["DNS at system", "devices (SCEP)"]


async def test_a_slow_recovery_misses_the_target() -> None:
    """The time to live alone is longer than the target: failed, and the region is back all the same."""
    world = await a_world()
    id_ = await world.begun(target_rto_seconds=20)
    await world.minute(8)
    told = await world.told(id_)
    assert told["state"] == State.FAILED
    assert "the target was missed" in told["reason"]
    assert world.all_enabled()


async def test_slower_than_before_is_said() -> None:
    """Beside the earlier drills of the same region."""
    world = await a_world()
    for _ in range(3):
        await world.begun("east")
        await world.minute(9)
    report = await world.report((await world.drill()).id)
    assert report.body["earlier_recoveries_seconds"] == [0.0, 0.0]


# -- refused ----------------------------------------------------------------------------------------------------


def survivor_down(world: Drilled) -> None:
    world.sick("east")


def out_already(world: Drilled) -> None:
    world.profiles.set_endpoint("west", enabled=False, status=MonitorStatus.DISABLED)


def other_out(world: Drilled) -> None:
    world.profiles.set_endpoint("east", enabled=False, status=MonitorStatus.DISABLED)


def another_authority(world: Drilled) -> None:
    world.probes.scep[host("east")] = "eb" * 32


def settings_differ(world: Drilled) -> None:
    world.edit("west", K00=val("new"))


def geographic(world: Drilled) -> None:
    world.profiles.profiles = [
        msgspec.structs.replace(profile, routing="Geographic") for profile in world.profiles.profiles
    ]


def not_served(world: Drilled) -> None:
    world.service.answers = lambda: ("192.0.2.9", "its certificate is not valid: Hostname mismatch")


@pytest.mark.parametrize(
    ("happens", "rule"),
    [
        (survivor_down, "survivors"),
        (survivor_down, "permit"),
        (out_already, "region"),
        (other_out, "survivors"),
        (another_authority, "authority"),
        (settings_differ, "settings"),
        (geographic, "routing"),
        (not_served, "service"),
    ],
)
async def test_refused(happens: Callable[[Drilled], None], rule: str) -> None:
    """The rule that forbids it says so, every other one answers too, and nothing is touched."""
    world = await a_world()
    happens(world)
    world.clock.advance(61)
    await world.ring()
    error = await refused(world)
    found = answers(error.facts)
    assert found[rule] == "refused"
    assert set(found) == set(RULES)
    assert world.profiles.patches == []


async def test_refused_during_an_incident() -> None:
    """With the incident's name, and all answers."""
    world = await a_world(regions=("west", "east", "north"))
    world.sick("north")
    await world.minute(3)
    error = await refused(world)
    (answer,) = [fact for fact in error.facts["preflight"] if fact["rule"] == "incidents"]
    assert answer["verdict"] == "refused"
    assert (await world.incident()).id in answer["reason"]


async def test_one_at_a_time() -> None:
    """A second drill is refused while one is under way, and the refusal names it."""
    world = await a_world()
    id_ = await world.begun()
    await world.minute()
    error = await refused(world, region="east")
    assert error.facts["running"] == id_
    assert id_ in str(error)


async def test_racing_starters() -> None:
    """However many ask at once, one drill begins."""
    for seed in range(8):
        world = await a_world()
        world.effects.pause = Dice(seed).pause
        found = await asyncio.gather(
            *(world.ask_for(region) for region in ("west", "east", "west")), return_exceptions=True
        )
        begun = [answer for answer in found if not isinstance(answer, BaseException)]
        lost = [answer for answer in found if isinstance(answer, BaseException)]
        assert len(begun) == 1
        assert all(isinstance(error, Refused | Conflict) for error in lost)
        world.effects.pause = Effects().pause
        await world.minute(9)
        assert len((await world.listed())["drills"]) == 1
        assert len(world.profiles.patches) == 2


class Dice:
    """Lets the others in before everything that is read or done, in many ways."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._turn = 0

    async def pause(self, name: str) -> None:
        """Now and then somebody else's turn, or a few."""
        self._turn += 1
        for _ in range((self._seed * 7919 + self._turn * 104729) % 5):
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"group": "scepman", "region": "west", "observe_seconds": 0}',
        b'{"group": "scepman", "region": "west", "observe_seconds": -5}',
        b'{"group": "scepman", "region": "west", "observe_seconds": 14401}',
        b'{"group": "scepman", "region": "west", "target_rto_seconds": 1e99}',
        b'{"group": "scepman", "region": "west", "observe_seconds": "long"}',
        b'{"group": "scepman", "region": "west", "speed": 2}',
    ],
)
async def test_bodies_that_ask_for_no_drill(body: bytes) -> None:
    """Each is told what is wrong with it."""
    world = await a_world()
    with pytest.raises(BadEvent, match="asks for no drill"):
        await handler.handle(Asked(body=body, person=""), ports=world.ports, settings=world.settings)


async def test_unknown_names() -> None:
    """A region, a group or a drill that there is not."""
    world = await a_world()
    with pytest.raises(NotFound, match="has no region 'mars'; it has west, east"):
        await world.ask_for("mars")
    with pytest.raises(NotFound, match="there is no group 'venus'"):
        await world.ask_for(group="venus")
    for id_ in ("", "x", "scepman-42ac3ac3e2-drill-7", "../../etc", "a" * 500):
        with pytest.raises(NotFound):
            await world.told(id_)


# -- Idempotency-Key --------------------------------------------------------------------------------------------


async def test_the_same_request_under_the_same_key_is_the_same_drill() -> None:
    """While it runs and when it is over; another request under the key is refused; without the key it is another."""
    world = await a_world()
    first = (await world.ask_for(key="k-1")).body["id"]
    assert (await world.ask_for(key="k-1")).body["id"] == first
    with pytest.raises(BadEvent, match="another request"):
        await world.ask_for("east", key="k-1")
    await world.minute(9)
    assert (await world.ask_for(key="k-1")).body["id"] == first
    assert (await world.ask_for(key="k-2")).body["id"] != first


async def test_a_key_stands_for_its_request_for_two_days() -> None:
    """The same one a week later begins a drill: what is done every Monday may have one name."""
    world = await a_world()
    first = (await world.ask_for(key="monday")).body["id"]
    await world.minute(9)
    world.clock.advance(timedelta(days=7).total_seconds())
    await world.minute(2)
    assert (await world.ask_for(key="monday")).body["id"] != first


async def test_fifty_at_once_under_one_key_get_one_drill() -> None:
    """Whoever is refused or overtaken by its own other copy is answered with the drill that this one began."""
    for seed in range(6):
        world = await a_world()
        world.effects.pause = Dice(seed).pause
        found = await asyncio.gather(*(world.ask_for(key="k") for _ in range(50)))
        assert len({answer.body["id"] for answer in found}) == 1


@pytest.mark.parametrize("key_", ["", "k"])
async def test_who_loses_to_others_before_any_drill_is_begun_looks_again(
    key_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is seen of the group is written by many at once: under a key the answer is a drill all the same."""
    world = await a_world()
    lost = 0
    inner = world.store.put

    async def losing(row: Row, *, if_version: Version | None) -> Version:
        nonlocal lost
        if row.key.startswith("watched/") and lost < 2 * ATTEMPTS:
            lost += 1
            raise Conflict("another copy was faster")
        return await inner(row, if_version=if_version)

    monkeypatch.setattr(world.store, "put", losing)
    if not key_:
        with pytest.raises(Conflict):
            await world.ask_for()
        return
    assert (await world.ask_for(key=key_)).status == 202
    assert lost == 2 * ATTEMPTS


# -- ended early ------------------------------------------------------------------------------------------------


async def test_a_drill_is_shown_without_reading_all_there_were() -> None:
    """However many drills lie in the archive: as many are read as are compared with."""
    world = await a_world()
    id_ = await world.begun()
    await world.minute(6)
    done = await world.drill()
    for number in range(2, 60):
        one = msgspec.structs.replace(done, id=f"{id_[:-1]}{number}", accepted_at=done.accepted_at)
        await write(
            world.store,
            key(ARCHIVE, one.id),
            Archived(drill=one, archived=world.clock.now()),
            if_version=None,
        )
    read_: list[str] = []
    inner = world.store.get

    async def noting(at: Key) -> Stored | None:
        read_.append(at)
        return await inner(at)

    setattr(world.store, "get", noting)  # noqa: B010 -- mypy takes no method for a field
    told = await world.told(f"{id_[:-1]}59")
    assert len(told["earlier_recoveries_seconds"]) == EARLIER
    assert len([name for name in read_ if name.startswith(f"{ARCHIVE}/")]) <= EARLIER + 2


async def test_aborted_before_it_began() -> None:
    """Nothing was touched, nothing is."""
    world = await a_world()
    id_ = await world.begun()
    answer = await world.abort(id_, b'{"reason": "not now"}')
    assert (answer.body["state"], answer.body["reason"]) == (State.ABORTED, "ada aborted it: not now")
    await world.minute(3)
    assert world.profiles.patches == []
    with pytest.raises(IllegalTransition, match="is over"):
        await world.abort(id_)


async def test_aborted_while_draining() -> None:
    """The answer waits until whoever is at it is done: the region was out, and is back before the answer."""
    world = await a_world()
    id_ = await world.begun()
    asked: list[asyncio.Task[bool]] = []

    async def aborted_and_back() -> bool:
        await world.abort(id_)
        return "west" in str(world.profiles.patches) and world.all_enabled()

    async def in_turns(name: str) -> None:
        if name == "PATCH" and not asked:
            asked.append(asyncio.create_task(aborted_and_back()))
        await asyncio.sleep(0)

    world.effects.pause = in_turns
    await world.minute()
    assert await asked[0]
    await world.minute(3)
    told = await world.told(id_)
    assert (told["state"], told["reason"]) == (State.ABORTED, "ada aborted it")
    assert [item["text"] for item in told["timeline"]].count("ada aborted it") == 1
    assert world.all_enabled()


async def test_aborted_after_who_drained_it_died() -> None:
    """Whether the region is out is not known: it is enabled before the answer, and watched for a late disabling."""
    world = await a_world()
    id_ = await world.begun()

    async def until_the_patch(name: str) -> None:
        if name == "PATCH":
            raise Killed(name)

    world.effects.pause = until_the_patch
    with pytest.raises(Killed):
        await world.minute()
    world.effects = Effects()
    await world.abort(id_)
    assert world.all_enabled()
    assert (await world.drill()).doubtful
    await world.minute(5)
    assert (await world.told(id_))["state"] == State.ABORTED
    await world.clean()


async def test_aborted_while_observing() -> None:
    """The region is back before the answer; the drill is verified, and ends as aborted."""
    world = await a_world()
    id_ = await world.begun()
    await world.minute()
    assert not world.all_enabled()
    await world.abort(id_)
    assert world.all_enabled()
    await world.abort(id_)  # once more changes nothing
    await world.minute(3)
    told = await world.told(id_)
    assert (told["state"], told["reason"]) == (State.ABORTED, "ada aborted it")
    assert world.profiles.patches == WEST_OUT_AND_BACK
    await world.clean()


def the_other_fails(world: Drilled) -> None:
    world.sick("east")


def traffic_manager_alone_sees_it(world: Drilled) -> None:
    world.status("east", MonitorStatus.DEGRADED)


def somebody_disables_the_other(world: Drilled) -> None:
    world.profiles.set_endpoint("east", enabled=False, status=MonitorStatus.DISABLED)


@pytest.mark.parametrize(
    "happens", [the_other_fails, traffic_manager_alone_sees_it, somebody_disables_the_other]
)
async def test_a_failing_survivor_ends_it_at_once(happens: Callable[[Drilled], None]) -> None:
    """Within the same minute the region is back."""
    world = await a_world()
    id_ = await world.begun(observe_seconds=1200)
    await world.minute(2)
    happens(world)
    await world.minute()
    assert world.is_enabled("west")
    await world.minute(12)
    assert (await world.told(id_))["state"] in {State.ABORTED, State.FAILED}


async def test_an_incident_ends_it() -> None:
    """One that another region of the group has."""
    world = await a_world(regions=("west", "east", "north"))
    id_ = await world.begun(observe_seconds=1200)
    await world.minute(2)
    world.sick("north")
    await world.minute(2)
    assert world.all_enabled()
    told = await world.told(id_)
    assert "north" in told["reason"]


async def test_the_service_is_gone() -> None:
    """The second failed look in a row gives the region back; the drill has failed."""
    world = await a_world()
    id_ = await world.begun(observe_seconds=1200)
    await world.minute(2)
    at = world.clock.now()
    device = world.service.answers
    world.service.answers = lambda: ("192.0.2.9", "GetCACert answered 500")
    await world.minute()
    assert world.all_enabled()
    drill = await world.drill()
    assert drill.restored_at is not None
    assert drill.restored_at - at < timedelta(seconds=80)
    world.service.answers = device
    await world.minute(2)
    told = await world.told(id_)
    assert told["state"] == State.FAILED
    assert told["reason"] == "the service was not available: GetCACert answered 500"
    assert told["measured"]["failures"] >= 2


async def test_one_failed_look_is_forgiven() -> None:
    """It shows in the availability."""
    world = await a_world()
    id_ = await world.begun()
    device, count = world.service.answers, [0]

    def once() -> tuple[str, str]:
        count[0] += 1
        return ("192.0.2.9", "no answer within 5 s") if count[0] == 30 else device()

    world.service.answers = once
    await world.minute(9)
    told = await world.told(id_)
    assert told["state"] == State.SUCCEEDED
    assert told["measured"]["failures"] == 1
    assert 4.0 <= told["measured"]["longest_gap_seconds"] <= 20.0


async def test_somebody_enables_the_region() -> None:
    """That is respected: the drill is over, and says who ended it."""
    world = await a_world()
    id_ = await world.begun()
    await world.minute()
    world.profiles.set_endpoint("west", enabled=True, status=MonitorStatus.CHECKING)
    await world.minute(3)
    told = await world.told(id_)
    assert told["state"] == State.INTERRUPTED
    assert "somebody else enabled west" in told["reason"]
    await world.clean()


async def test_somebody_disables_the_region_after_it_came_back() -> None:
    """Theirs stays as it is."""
    world = await a_world()
    id_ = await world.begun(observe_seconds=30)
    await world.minute()
    assert (await world.told(id_))["state"] == State.VERIFYING
    await world.minute()
    world.profiles.set_endpoint("west", enabled=False, status=MonitorStatus.DISABLED)
    await world.minute(3)
    assert not world.is_enabled("west")
    assert (await world.told(id_))["ended"]


async def test_weights_are_left_alone() -> None:
    """The endpoint comes back as it was."""
    world = Drilled()
    world.profiles.set_endpoint("west", weight=7)
    await world.minute(2)
    await world.begun()
    await world.minute(9)
    assert world.profiles.patches == WEST_OUT_AND_BACK
    assert [
        endpoint.weight for endpoint in world.profiles.profiles[0].endpoints if endpoint.name == "west"
    ] == [7]


# -- Azure does not do what it should ---------------------------------------------------------------------------


async def test_azure_refuses_to_disable() -> None:
    """Aborted with Azure's words; the permit is given back."""
    world = await a_world()
    id_ = await world.begun()

    def denied() -> None:
        raise Denied("azureEndpoints/write is missing")

    world.profiles.before_patch = denied
    await world.minute(2)
    told = await world.told(id_)
    assert told["state"] == State.ABORTED
    assert "azureEndpoints/write is missing" in told["reason"]
    await world.clean()


@pytest.mark.parametrize("took_effect", [True, False])
async def test_whether_it_was_disabled_is_not_known(took_effect: bool) -> None:  # noqa: FBT001 -- a parameter
    """A late answer: whatever became of it, the endpoint is enabled."""
    world = await a_world()
    id_ = await world.begun()

    def late() -> None:
        world.profiles.before_patch = world.profiles.after_patch = lambda: None
        raise Unavailable("no answer within 30 s")

    if took_effect:
        world.profiles.after_patch = late
    else:
        world.profiles.before_patch = late
    await world.minute(3)
    assert world.all_enabled()
    assert (await world.told(id_))["state"] == State.ABORTED


async def test_the_region_cannot_be_given_back() -> None:
    """Tried at every wake-up, told loudly once, and done as soon as Azure lets us."""
    world = await a_world()
    id_ = await world.begun(observe_seconds=20)

    def denied() -> None:
        if not world.all_enabled():
            raise Denied("azureEndpoints/write is missing")

    world.profiles.before_patch = denied
    await world.minute(30)
    assert (await world.told(id_))["state"] == State.RESTORING
    assert world.teams.kinds == ["drill.started", "drill.stuck"]
    world.profiles.before_patch = lambda: None
    await world.minute(3)
    assert world.all_enabled()
    assert (await world.told(id_))["ended"]
    assert world.teams.kinds == ["drill.started", "drill.stuck", "drill.finished"]


@pytest.mark.parametrize(
    ("disabling", "enabling", "title"),
    [
        (None, Denied("no"), "still out"),
        (None, Throttled("later"), "still out"),
        (None, Unavailable("no answer"), "perhaps still out"),
        (None, Conflict("another change is under way"), "still out"),
        (Unavailable("no answer"), Denied("no"), "perhaps still out"),
        (Unavailable("no answer"), Unavailable("no answer"), "perhaps still out"),
    ],
)
async def test_what_is_not_known_to_be_out_is_perhaps_out(
    disabling: Exception | None, enabling: Exception, title: str
) -> None:
    """What was not answered may have been done or not, and people are told that much."""
    world = await a_world()
    await world.begun(observe_seconds=20)
    errors = iter([disabling])

    def fails() -> None:
        error = next(errors, enabling)
        if error is not None:
            raise error

    world.profiles.before_patch = fails
    await world.minute(2)
    assert world.teams.titles[1:] == [f"scepman / west: {title} of DNS after a drill"]


async def test_a_look_that_takes_too_long_keeps_it_from_beginning_and_is_told() -> None:
    """The next wake-up tries again."""
    world = await a_world()
    id_ = await world.begun()

    before = len(world.profiles.reads)

    def slow() -> None:
        if len(world.profiles.reads) > before + 1:  # the round's own read comes first
            raise TimeoutError

    world.profiles.before_read = slow
    await world.minute()
    told = await world.told(id_)
    assert told["state"] == State.ACCEPTED
    assert told["reason"] == "it cannot begin yet: a look at the group took longer than 10 s"
    world.profiles.before_read = lambda: None
    await world.minute()
    assert (await world.told(id_))["state"] == State.OBSERVING


async def test_nothing_else_holds_up_the_giving_back() -> None:
    """Settings, packages, other parts of Azure are gone; after its deadline the region is back all the same."""
    world = await a_world()
    await world.begun(observe_seconds=60)
    await world.minute()

    def gone(*_: object) -> None:
        raise Unavailable("Resource Manager is gone")

    world.profiles.before_read = gone
    world.app.before_read = gone
    for _ in range(5):
        with pytest.raises(Unavailable):
            await world.minute()
    assert world.all_enabled()


async def test_a_drill_of_a_group_that_is_no_longer_watched_is_undone() -> None:
    """The scope was changed meanwhile: its row alone is enough."""
    world = await a_world()
    await world.begun(observe_seconds=60)
    await world.minute()
    assert not world.all_enabled()
    world.profiles.profiles = [
        msgspec.structs.replace(profile, tags=()) for profile in world.profiles.profiles
    ]
    await world.minute(5)
    assert world.all_enabled()


async def test_the_endpoint_is_gone() -> None:
    """Somebody removed it: the drill is over."""
    world = await a_world(regions=("west", "east", "north"))
    id_ = await world.begun()
    await world.minute()
    world.profiles.profiles = [
        msgspec.structs.replace(profile, endpoints=profile.endpoints[1:])
        for profile in world.profiles.profiles
    ]
    await world.minute(8)  # one answer is no proof
    told = await world.told(id_)
    assert told["state"] == State.INTERRUPTED


@pytest.mark.parametrize("end", [Killed("sent"), Unavailable("no answer in time")], ids=["died", "no answer"])
async def test_a_disabling_that_takes_effect_after_all(end: BaseException) -> None:
    """Sent by a process that died, or never answered, and given back: when it comes later it is undone too."""
    world = await a_world()
    id_ = await world.begun()
    sent = iter([end])

    def never_answered() -> None:
        if (error := next(sent, None)) is not None:
            raise error

    world.profiles.before_patch = never_answered
    with suppress(Killed):
        await world.minute()
    await world.minute()
    assert (await world.told(id_))["state"] == State.VERIFYING
    world.profiles.set_endpoint("west", enabled=False, status=MonitorStatus.DISABLED)
    await world.minute(5)
    assert world.all_enabled()
    assert (await world.told(id_))["state"] in {State.INTERRUPTED, State.ABORTED}
    assert "somebody else" not in (await world.told(id_))["reason"]


async def test_nobody_comes_to_begin_it() -> None:
    """An accepted drill does not begin an hour later, when nobody expects it any more."""
    world = await a_world()
    id_ = await world.begun()
    world.clock.advance(3600)
    await world.minute(2)
    assert (await world.told(id_))["state"] == State.INTERRUPTED
    assert world.profiles.patches == []


async def test_what_was_so_a_minute_ago_counts_for_nothing() -> None:
    """Between accepting and draining the other region falls ill: nothing is touched."""
    world = await a_world()
    id_ = await world.begun()
    world.sick("east")
    await world.minute()
    told = await world.told(id_)
    assert told["state"] == State.ABORTED
    assert "survivors" in told["reason"]
    assert world.profiles.patches == []
    await world.minute(2)


async def test_a_row_that_cannot_be_read_keeps_no_region_out() -> None:
    """Another version of Counterpart wrote one group's row: the other groups' regions are back all the same."""
    world = await a_world()
    await world.begun(observe_seconds=60)
    await world.minute()
    await world.store.put(Row(Key(f"{SLOTS}/another"), b'{"of": "a newer version"}'), if_version=None)
    world.clock.advance(600)
    await world.minute()
    assert world.all_enabled()


async def test_a_bug_that_one_drill_meets_keeps_no_other_region_out() -> None:
    """Nobody foresaw it, and it is that group's alone."""
    world = await a_world()
    await world.begun(observe_seconds=60)
    await world.minute()
    drill = await world.drill()
    odd = msgspec.structs.replace(
        drill, id="a-drill-1", group_id="/a", state=State.VERIFYING, online_at=drill.since, regions=()
    )
    row = Slot(group_id="/a", group="a", drill=odd)
    await write(world.store, slot_key("/a"), row, if_version=None)
    world.clock.advance(600)
    await world.minute()
    assert world.all_enabled()
    assert (await world.told(drill.id))["state"] in {State.VERIFYING, State.INTERRUPTED}


async def test_nobody_is_awake_to_see_it_come_back() -> None:
    """What nobody looked at is not called offline."""
    world = await a_world()
    id_ = await world.begun(observe_seconds=100)
    while (await world.drill()).state is not State.VERIFYING:
        await world.minute()
    world.clock.advance(3600)
    await world.minute(2)
    told = await world.told(id_)
    assert told["state"] == State.INTERRUPTED
    assert "nobody saw whether west was online" in told["reason"]


async def test_who_watches_walks_away() -> None:
    """Stopped by its caller between two samples, a wake-up leaves: the drill goes on at the next one."""
    world = await a_world()
    id_ = await world.begun(observe_seconds=120)
    await world.minute()
    device = world.service.answers

    def stopped() -> tuple[str, str]:
        raise asyncio.CancelledError

    world.service.answers = stopped
    with pytest.raises(asyncio.CancelledError):
        await world.minute()
    assert (await world.drill()).worker == ""
    world.service.answers = device
    await world.minute(6)
    assert (await world.told(id_))["state"] == State.SUCCEEDED


async def test_what_happens_before_the_permit_is_seen_after_it() -> None:
    """Another instance may take the other region out as long as the permit is free; then this one stays."""
    world = await a_world()
    id_ = await world.begun()

    async def another(name: str) -> None:
        del name
        drill, held = slot_of(world).drill, world.store.rows.get(permit_key(row_name(world.profile_id)))
        free = held is None or msgspec.json.decode(held.row.body, type=Held).permit is None
        if drill is not None and drill.state is State.DRAINING and free:
            world.profiles.set_endpoint("east", enabled=False, status=MonitorStatus.DISABLED)

    world.effects.pause = another
    await world.minute()
    assert not world.is_enabled("east")
    assert world.is_enabled("west")
    assert (await world.told(id_))["state"] == State.ABORTED


async def test_a_region_that_comes_back_by_steps_of_its_weight_is_not_drilled() -> None:
    """A drill would end the failback hold, and a tenth of its weight would be left for good."""
    world = Drilled().with_hold(soak=300.0, step=600.0)
    assert isinstance(world, Drilled)
    endpoints = (an_endpoint(region, weight=200) for region in world.regions)
    world.profiles.profiles = [a_profile(*endpoints, routing="Weighted")]
    await world.minute(2)
    world.sick("west")
    await world.minute(4)
    world.guard.health("west", well=True)
    world.probes.results[host("west")] = 200
    await world.minute(13)
    assert not (await world.incident()).open
    assert "the failback hold of west is not over" in str(await refused(world))
    await world.minute(30)
    assert [endpoint.weight for endpoint in world.profiles.profiles[0].endpoints] == [200, 200]
    await world.begun()


# -- killed -----------------------------------------------------------------------------------------------------


async def told_with(effects: Effects, minutes: int) -> Drilled:
    """A drill of 100 s, with a process that dies."""
    world = await a_world()
    await world.begun(observe_seconds=100)
    world.effects = effects
    for _ in range(minutes):
        try:
            await world.minute()
        except Killed:
            continue
    return world


@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_any_effect_the_region_is_back_at_the_next_wake_up(after: bool) -> None:  # noqa: FBT001
    """Before and after every single one, from the draining to the archive."""
    calm = Effects()
    await told_with(calm, 6)
    assert calm.names.count("PATCH disable west") == 1
    interesting = [
        number
        for number, name in enumerate(calm.names, start=1)
        if not name.startswith("put watched") and not _is_one_of_many(calm.names, number)
    ]
    for number in interesting:
        effects = Effects(kill_at=number, after=after)
        world = await a_world()
        await world.begun(observe_seconds=100)
        world.effects = effects
        for _ in range(8):
            try:
                await world.minute()
            except Killed:
                await world.minute()
                break
        where = f"killed {'after' if after else 'before'} {calm.names[number - 1]} ({number})"
        assert effects.killed, where
        assert world.all_enabled() or (await world.drill()).state is State.OBSERVING, where
        await world.minute(8)
        assert world.all_enabled(), where
        assert (await world.drill()).ended, where
        # Sending is at least once, under the same id: only dying between sending and noting it makes two.
        assert {letter.id for letter in world.teams.letters if letter.kind == "drill.finished"}, where
        assert slot_of(world).drill is None, where
        await world.clean()


def _is_one_of_many(names: list[str], number: int) -> bool:
    """A sample like the ones around it: saving the slot between two savings of the slot."""
    around = names[max(0, number - 3) : number + 2]
    return len(around) == 5 and all(name.startswith(f"put {SLOTS}/") for name in around)


def slot_of(world: Drilled) -> Slot:
    """The group's row."""
    (row,) = [stored for key, stored in world.store.rows.items() if key.startswith(f"{SLOTS}/")]
    return msgspec.json.decode(row.row.body, type=Slot)


async def test_a_process_that_died_while_it_observed() -> None:
    """No sign of life for a minute: the region is back at the next wake-up, and the drill was interrupted."""
    world = await a_world()
    await world.begun(observe_seconds=1200)
    await world.minute()
    world.effects = Effects(kill_at=9)
    with pytest.raises(Killed):
        await world.minute()
    assert not world.all_enabled()
    await world.minute()
    assert world.all_enabled()
    await world.minute(2)
    drill: Drill = await world.drill()
    assert drill.state is State.INTERRUPTED
    assert "the process that was observing is gone" in drill.reason


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
async def test_killed_before_it_enables_what_another_one_gave_back(*, late: bool) -> None:
    """A disabling that hung is heard when the drill was taken over; who sent it dies before it could undo it."""
    world = await a_world()
    await world.begun(observe_seconds=100)
    hangs, taken_over = asyncio.Event(), asyncio.Event()

    async def until_it_is_taken_over(name: str) -> None:
        if name == "PATCH" and not hangs.is_set():
            hangs.set()
            await taken_over.wait()

    world.effects.pause = until_it_is_taken_over
    drainer = asyncio.create_task(world.minute())
    await hangs.wait()
    world.effects = Effects()
    await world.minute()
    assert (await world.drill()).state is State.VERIFYING
    # The next effects are the drainer's: its disabling, and the enabling that it owes.
    world.effects = Effects(kill_at=2, after=late)
    taken_over.set()
    with pytest.raises(Killed):
        await drainer
    assert world.effects.names == ["PATCH disable west", "PATCH enable west"]
    assert world.all_enabled() is late
    world.effects = Effects()
    await world.minute(2)
    assert world.all_enabled()
    await world.minute(4)
    assert (await world.drill()).ended
    assert slot_of(world).drill is None
    await world.clean()


async def test_rival_workers_drain_once() -> None:
    """Two or three timers at once, interleaved in many ways."""
    for seed in range(6):
        world = await a_world()
        await world.begun(observe_seconds=30)
        world.effects.pause = Dice(seed).pause
        for _ in range(4):
            found = await asyncio.gather(*(world.minute() for _ in range(2)), return_exceptions=True)
            for error in found:
                if isinstance(error, BaseException) and not isinstance(error, Conflict):
                    raise error
        world.effects.pause = Effects().pause
        await world.minute(4)
        assert world.all_enabled(), seed
        assert [patch for patch in world.profiles.patches if not patch[1]] == [("west", False, None)], seed

"""A drill's next step from one row and one look, and what its row says then."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from shared.absence import Absence
from shared.drills.measure import measure
from shared.drills.model import (
    ALPHABET,
    Answer,
    Archived,
    Drill,
    Ending,
    Entry,
    Measured,
    Open,
    Predicted,
    Request,
    Rules,
    Sample,
    Seen,
    Slot,
    State,
    Verdict,
)
from shared.drills.preflight import Preflight
from shared.drills.transitions import (
    HISTORY,
    LONGEST_PROBLEM,
    MOST_LINES,
    MOST_PROBLEMS,
    MOST_SAMPLES,
    Drain,
    Enable,
    Finish,
    Rest,
    Turn,
    View,
    Watch,
    aborted,
    accepted,
    coded,
    cut_off,
    drained,
    enabled,
    is_claimed,
    is_urgent,
    left,
    not_drained,
    not_enabled,
    numbered,
    pace,
    paid,
    passed_over,
    perhaps_drained,
    restoring,
    sampled,
    seconds_since_drain,
    trouble,
    turn,
    who_answered,
)
from shared.errors import Effect, IllegalTransition
from shared.groups.model import Endpoint, Group, Health, MonitorStatus, NameAnswer, ProbeResult
from shared.groups.model import State as HealthState
from shared.words import LINE
from tests.builders import a_group, a_health, a_profile, an_endpoint, host
from tests.drills.test_decisions import a_drill, at, samples
from tests.fakes.clock import START

RULES = Rules()
US = "Counterpart"
ONLINE, DEGRADED = MonitorStatus.ONLINE, MonitorStatus.DEGRADED
OUT = an_endpoint("west", enabled=False, status=MonitorStatus.DISABLED)
WEST, EAST = an_endpoint("west"), an_endpoint("east")
ALLOWED = Preflight((Answer("a", Verdict.PASSED, "well"),))
FORBIDDEN = Preflight((Answer("a", Verdict.REFUSED, "one"), Answer("b", Verdict.REFUSED, "two")))
DONE = Ending(state=State.SUCCEEDED, reason="well done")


def seen(
    *endpoints: Endpoint, health: dict[str, Health] | None = None, incidents: tuple[Open, ...] = ()
) -> Seen:
    group = msgspec.structs.replace(a_group(), profile=a_profile(*endpoints))
    health = {"west": a_health(), "east": a_health()} if health is None else health
    return Seen(group=group, health=health, incidents=incidents, unsettled="", at=at(1))


def view(
    seconds: float = 10,
    *endpoints: Endpoint,
    worker: str = "w",
    look: Seen | None = None,
    preflight: Preflight | None = None,
) -> View:
    """The next look, `seconds` after the drain; without endpoints and `look` nothing was seen."""
    return View(
        now=at(seconds),
        worker=worker,
        seen=look or (seen(*endpoints) if endpoints else None),
        preflight=preflight,
    )


def over(found: Turn, state: State, *words: str) -> None:
    """It is over: nobody is at it, the card is owed, and the timeline's last line says how."""
    drill = found.drill
    assert found.step == Finish()
    assert drill.state is state
    assert (drill.worker, drill.worker_until) == ("", None)
    assert drill.ended_at == drill.since == drill.timeline[-1].at
    assert drill.owed[-1] == "finished"
    assert drill.timeline[-1].who == US
    assert f"the drill is over, {state}" in drill.timeline[-1].text
    assert all(word in drill.reason for word in words)


def given_back(found: Turn, state: State, reason: str, when: datetime) -> None:
    """The region is given back, by nobody in particular, and how it will end is noted."""
    drill = found.drill
    assert found.step == Enable()
    assert drill.state is State.RESTORING
    assert drill.ending == Ending(state=state, reason=reason)
    assert (drill.worker, drill.worker_until, drill.restoring_at) == ("", None, when)
    assert drill.reason == f"west is being given back: {reason}"
    assert drill.since == when
    assert drill.timeline[-1] == Entry(at=when, who=US, text=drill.reason)


# -- begun -----------------------------------------------------------------------------------------------------


def asked(**changes: object) -> Request:
    plain = Request(
        group="g", region="west", observe_seconds=300, target_rto_seconds=120, reason="to see", by="ada"
    )
    return msgspec.structs.replace(plain, **changes)


def begun(request: Request | None = None, *, group: Group | None = None) -> Drill:
    return accepted(
        request or asked(),
        group or a_group(),
        number=7,
        name="scepman-0",
        service="scep.contoso.com",
        resolvers=["system"],
        predicted=Predicted(orderly=60, sudden=190, detection=130, ttl=60),
        preflight=ALLOWED.answers,
        practice=True,
        idempotency="key",
        now=START,
        rules=RULES,
    )


def test_a_drill_that_was_allowed_remembers_what_was_asked() -> None:
    """All of it, and until when somebody must begin."""
    assert begun() == Drill(
        id="scepman-0-drill-7",
        group_id=a_group().id,
        group="scepman",
        region="west",
        regions=("west", "east"),
        resolvers=("system",),
        service="scep.contoso.com",
        observe_seconds=300,
        target_rto_seconds=120,
        predicted=Predicted(orderly=60, sudden=190, detection=130, ttl=60),
        preflight=ALLOWED.answers,
        state=State.ACCEPTED,
        reason="every rule of the preflight allows it",
        since=START,
        accepted_at=START,
        deadline=START + timedelta(seconds=RULES.start_within),
        asked_by="ada",
        why="to see",
        practice=True,
        idempotency="key",
        timeline=(Entry(at=START, who="ada", text="a drill of west was asked for: to see"),),
        owed=("started",),
    )


def test_nobody_in_particular_may_ask_without_a_reason() -> None:
    """Then the timeline names us."""
    (line,) = begun(asked(by="", reason="")).timeline
    assert (line.who, line.text) == (US, "a drill of west was asked for")


def test_it_begins_when_a_second_preflight_allows_it() -> None:
    """By one worker, for its time; what was asked and seen is the new answer."""
    again = Preflight((Answer("b", Verdict.WARNED, "new"),))
    found = turn(begun(), view(20, WEST, EAST, preflight=again), RULES)
    assert found.step == Drain()
    drill = found.drill
    assert (drill.state, drill.reason) == (State.DRAINING, "west is about to be drained")
    assert (drill.worker, drill.worker_until) == ("w", at(20 + RULES.lease))
    assert (drill.preflight, drill.looked_at, drill.since) == (again.answers, at(1), at(20))
    assert drill.timeline[-1] == Entry(at=at(20), who=US, text="west is about to be drained")


def test_it_does_not_begin_without_a_look_or_a_preflight() -> None:
    """The next wake-up does."""
    for waiting in (view(20, preflight=ALLOWED), view(20, WEST, EAST)):
        assert turn(begun(), waiting, RULES) == Turn(begun(), Rest())


def test_why_it_cannot_begin_yet_is_told() -> None:
    """Once, however often it is tried: who watches would else see nothing for two minutes and a half."""
    hindered = msgspec.structs.replace(view(20), hindered="Traffic Manager does not answer")
    found = turn(begun(), hindered, RULES)
    assert found.step == Rest()
    assert found.drill.state is State.ACCEPTED
    assert found.drill.reason == "it cannot begin yet: Traffic Manager does not answer"
    assert found.drill.timeline[-1] == Entry(at=at(20), who=US, text=found.drill.reason)
    assert turn(found.drill, hindered, RULES).drill == found.drill


def test_it_ends_when_the_second_preflight_refuses() -> None:
    """With every refusal."""
    found = turn(begun(), view(20, WEST, EAST, preflight=FORBIDDEN), RULES)
    over(found, State.ABORTED, "when it was to begin, the preflight refused: a: one; b: two")


def test_it_ends_when_nobody_began_it_in_time() -> None:
    """At the deadline, to the second, though all would be well."""
    late = RULES.start_within
    on_time = turn(begun(), view(late - 1, WEST, EAST, preflight=ALLOWED), RULES)
    assert on_time.step == Drain()
    found = turn(begun(), view(late, WEST, EAST, preflight=ALLOWED), RULES)
    over(found, State.INTERRUPTED, "no wake-up could begin it within 2 min 30 s")


# -- draining --------------------------------------------------------------------------------------------------


def draining(**changes: object) -> Drill:
    return a_drill(State.DRAINING, worker="w", worker_until=at(25), drained_at=None, **changes)


def test_draining_is_its_workers_until_its_time_is_over() -> None:
    """Then whoever comes gives the region back, in doubt whether it was out."""
    assert turn(draining(), view(24, worker="v"), RULES) == Turn(draining(), Rest())
    found = turn(draining(), view(25, worker="v"), RULES)
    given_back(found, State.INTERRUPTED, "the process that was draining is gone", at(25))
    assert found.drill.doubtful
    wanted = Ending(state=State.ABORTED, reason="ada aborted it")
    found = turn(draining(ending=wanted), view(25, worker="v"), RULES)
    given_back(found, State.ABORTED, "ada aborted it", at(25))


def test_what_azure_took_is_observed_from_then_on() -> None:
    """With the looks from before, and until when it must be given back."""
    before = samples((-2, "00", "0", 0))
    found = drained(draining(), "w", at(3), before, RULES)
    assert found is not None
    assert (found.state, found.reason) == (State.OBSERVING, "west is out of DNS")
    assert (found.drained_at, found.since, found.samples) == (at(3), at(3), before)
    assert found.deadline == at(3 + 300 + RULES.restore_within)
    assert found.timeline[-1] == Entry(at=at(3), who=US, text="west is out of DNS")
    aborted_ = drained(draining(ending=DONE), "w", at(3), before, RULES)
    assert aborted_ is not None
    assert (aborted_.state, aborted_.drained_at, aborted_.restoring_at) == (State.RESTORING, at(3), at(3))


def test_a_drill_that_is_another_workers_takes_no_word_of_ours() -> None:
    """Nor one that went on meanwhile: what we did must be undone at once."""
    assert drained(draining(), "v", at(3), (), RULES) is None
    assert drained(a_drill(State.OBSERVING, worker="w"), "w", at(3), (), RULES) is None
    assert not_drained(draining(), "v", "why", at(3)) is None
    assert not_drained(a_drill(State.OBSERVING, worker="w"), "w", "why", at(3)) is None
    assert perhaps_drained(a_drill(State.OBSERVING), "why", at(3)) is None
    assert enabled(a_drill(State.OBSERVING), at(3)) is None
    assert not_enabled(a_drill(State.OBSERVING), "why", Effect.NOT_APPLIED, at(3), gone=False) is None


def test_what_surely_was_not_touched_is_over() -> None:
    """With the reason; what perhaps was is given back."""
    found = not_drained(draining(), "w", "no permit", at(3))
    assert found is not None
    over(Turn(found, Finish()), State.ABORTED, "no permit")
    assert found.timeline[-1].text == "the drill is over, aborted: no permit"
    found = perhaps_drained(draining(), "no answer", at(3))
    assert found is not None
    given_back(Turn(found, Enable()), State.ABORTED, "no answer", at(3))
    assert (found.drained_at, found.doubtful) == (at(3), True)
    found = perhaps_drained(draining(ending=DONE), "no answer", at(3))
    assert found is not None
    assert found.ending == DONE


# -- observing -------------------------------------------------------------------------------------------------


def test_a_sample_is_taken_by_one_worker() -> None:
    """Who notes what it saw; others wait while it shows life."""
    found = turn(a_drill(), view(40, OUT, EAST), RULES)
    assert found.step == Watch()
    assert (found.drill.worker, found.drill.worker_until) == ("w", at(40 + RULES.lease))
    assert (found.drill.looked_at, found.drill.was_out) == (at(1), True)
    busy = a_drill(worker="w", worker_until=at(50))
    assert turn(busy, view(40, OUT, EAST, worker="v"), RULES) == Turn(busy, Rest())
    again = turn(found.drill, view(45), RULES)
    assert again.drill.was_out
    assert again.drill.looked_at == at(1)


@pytest.mark.parametrize(("seconds", "reason"), [(389, ""), (390, "its time was over")])
def test_past_its_deadline_the_region_is_given_back(seconds: float, reason: str) -> None:
    """By whoever comes, even beside a worker that shows life."""
    busy = a_drill(worker="w", worker_until=at(900))
    found = turn(busy, view(seconds, OUT, EAST, worker="v"), RULES)
    if not reason:
        assert found.step == Rest()
    else:
        given_back(
            found,
            State.INTERRUPTED,
            "its time was over before anybody brought it to its end",
            at(seconds),
        )


def test_a_worker_without_a_sign_of_life_is_gone() -> None:
    """It cannot be known what it did: the region is given back. One that left, or that is back, goes on."""
    silent = a_drill(worker="w", worker_until=at(25))
    found = turn(silent, view(25, OUT, EAST, worker="v"), RULES)
    given_back(found, State.INTERRUPTED, "the process that was observing is gone", at(25))
    assert turn(silent, view(25, OUT, EAST, worker="w"), RULES).step == Watch()
    assert turn(a_drill(), view(25, OUT, EAST, worker="v"), RULES).step == Watch()


def test_an_endpoint_that_is_gone_ends_it() -> None:
    """There is nothing to give back."""
    over(turn(a_drill(), view(40, EAST), RULES), State.INTERRUPTED, "west is no endpoint any more")


def test_when_its_time_is_over_it_is_judged_and_given_back() -> None:
    """After the last second that was asked for."""
    drill = a_drill(resolvers=("system",), samples=samples((0, "0", "0", 0), (2, "1", "1", 0)))
    fresh = msgspec.structs.replace(seen(OUT, EAST), at=at(299))
    assert turn(drill, view(299.9, look=fresh), RULES).step == Watch()
    found = turn(drill, view(300, look=fresh), RULES)
    given_back(found, State.SUCCEEDED, "recovered after 2 s, within the target of 2 min", at(300))


@pytest.mark.parametrize(
    ("last", "watched"),
    [(239.9, False), (240, True)],
)
def test_what_nobody_watched_in_the_end_has_not_failed(last: float, *, watched: bool) -> None:
    """A minute without a look at who answers, to the second: whether it recovered in it is not known."""
    drill = a_drill(resolvers=("system",), samples=samples((0, "0", "0", 0), (last, "0", "0", 0)))
    found = turn(drill, view(300, look=msgspec.structs.replace(seen(OUT, EAST), at=at(299))), RULES)
    said = "nobody saw who answered in the last 1 min of the observation"
    if watched:
        said = "system and devices (SCEP): still led to west, or nowhere, when the observation ended"
    given_back(found, State.FAILED if watched else State.INTERRUPTED, said, at(300))


@pytest.mark.parametrize("looks", [(), ((-4.0, "0", "0", 0),)])
def test_a_drill_at_which_nobody_looked_has_not_failed(looks: tuple[Any, ...]) -> None:
    """Who drained it died, or was answered late; what was seen before the drain says nothing of it."""
    drill = a_drill(resolvers=("system",), samples=samples(*looks), observe_seconds=60)
    fresh = msgspec.structs.replace(seen(OUT, EAST), at=at(69))
    found = turn(drill, view(70, look=fresh), RULES)
    said = "nobody saw who answered in the last 1 min 10 s of the observation"
    given_back(found, State.INTERRUPTED, said, at(70))


def test_two_failed_looks_in_a_row_end_it() -> None:
    """One is forgiven; the reason is the last one's."""
    one = a_drill(samples=samples((0, "11", "1", 1)), problems=("first", "second"))
    assert turn(one, view(40, OUT, EAST), RULES).step == Watch()
    looks = samples((0, "11", "1", 0), (2, "11", "1", 1), (4, "11", "1", 2))
    two = a_drill(samples=looks, problems=("first", "second"))
    given_back(
        turn(two, view(40, OUT, EAST), RULES),
        State.FAILED,
        "the service was not available: second",
        at(40),
    )


@pytest.mark.parametrize(
    ("was_out", "seconds", "ends"),
    [(False, 30, False), (False, 30.1, True), (True, 5, True)],
)
def test_somebody_else_who_enables_it_ends_it(seconds: float, *, was_out: bool, ends: bool) -> None:
    """A read may be older than the drain; once it was seen out, or after a while, it is somebody's doing."""
    found = turn(a_drill(was_out=was_out), view(seconds, WEST, EAST), RULES)
    if ends:
        given_back(found, State.INTERRUPTED, "somebody else enabled west", at(seconds))
        assert "enabled when it was last looked at" in found.drill.why_perhaps_out
    else:
        assert found.step == Watch()
        assert not found.drill.was_out
        assert not found.drill.was_back


def test_trouble_elsewhere_ends_it() -> None:
    """At once."""
    look = seen(OUT, EAST, incidents=(Open("east", "east fails"),))
    found = turn(a_drill(), view(40, look=look), RULES)
    given_back(found, State.ABORTED, "an incident is open: east fails", at(40))


def test_blind_it_ends() -> None:
    """A minute without a look at the others, to the second; before the first look it counts from the drain."""
    assert turn(a_drill(looked_at=at(0)), view(60), RULES).step == Watch()
    found = turn(a_drill(looked_at=at(0)), view(60.5), RULES)
    given_back(found, State.ABORTED, "the other regions could not be looked at for 1 min", at(60.5))
    assert turn(a_drill(looked_at=at(30)), view(60.5), RULES).step == Watch()
    assert turn(a_drill(looked_at=None, since=at(30)), view(60.5), RULES).step == Watch()


FAILS = msgspec.structs.replace(
    a_health(HealthState.UNKNOWN), probe=ProbeResult(at=START, status=503), monitor=ONLINE
)


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (seen(OUT, EAST), ""),
        (seen(OUT, EAST, incidents=(Open("west", "our own doing"),)), ""),
        (seen(OUT, EAST, incidents=(Open("", "one"), Open("east", "two"))), "an incident is open: one; two"),
        (seen(OUT), "no other endpoint is enabled and online (law 1)"),
        (seen(WEST), "no other endpoint is enabled and online (law 1)"),
        (seen(OUT, an_endpoint("east", enabled=False)), "law 1"),
        (seen(OUT, an_endpoint("east", status=DEGRADED)), "law 1"),
        (
            seen(OUT, EAST, health={"east": FAILS}),
            "east, which is to serve meanwhile, fails: a test says unknown",
        ),
        (
            seen(OUT, EAST, health={"east": a_health(HealthState.DOWN)}),
            "east, which is to serve meanwhile, fails: a test says down",
        ),
        (
            seen(OUT, EAST, an_endpoint("north", status=DEGRADED)),
            "north, which is to serve meanwhile: Traffic Manager says Degraded",
        ),
        (seen(OUT, EAST, health={}), ""),
        (seen(OUT, EAST, health={"west": a_health(HealthState.DOWN), "east": a_health()}), ""),
        (seen(OUT, an_endpoint("east", status=MonitorStatus.UNMONITORED)), ""),
    ],
)
def test_what_forbids_that_a_region_stays_out(look: Seen, words: str) -> None:
    """An incident of another region or of all, a region that fails, and law 1."""
    found = trouble(look, "west")
    assert words in found
    assert bool(found) is bool(words)


# -- the way back ----------------------------------------------------------------------------------------------


def test_giving_back_is_tried_whoever_comes() -> None:
    """It needs no claim, no look and no permit."""
    drill = a_drill(State.RESTORING, worker="w", worker_until=at(900))
    assert turn(drill, view(10, worker="v"), RULES) == Turn(drill, Enable())


def test_when_it_began_to_be_given_back_is_said_once() -> None:
    """A second try does not move it: what was measured ends there."""
    again = restoring(a_drill(restoring_at=at(5)), DONE, at(9)).drill
    assert again.restoring_at == at(5)


def test_what_azure_took_is_verified() -> None:
    """It was not seen enabled yet."""
    found = enabled(a_drill(State.RESTORING, was_back=True), at(310))
    assert found is not None
    assert (found.state, found.reason) == (State.VERIFYING, "west is enabled again")
    assert (found.restored_at, found.was_back, found.since) == (at(310), False, at(310))


def test_what_azure_refuses_is_told_once_and_tried_again() -> None:
    """People get one card; an endpoint that is gone ends it."""
    stuck = not_enabled(
        a_drill(State.RESTORING, owed=("started",)), "a lock", Effect.NOT_APPLIED, at(310), gone=False
    )
    assert stuck is not None
    assert stuck.owed == ("started", "stuck")
    assert stuck.reason == "west could not be enabled and is tried again at every wake-up: a lock"
    assert stuck.timeline[-1] == Entry(at=at(310), who=US, text=stuck.reason)
    again = not_enabled(stuck, "a lock", Effect.NOT_APPLIED, at(400), gone=False)
    assert again is not None
    assert (again.owed, again.timeline) == (stuck.owed, stuck.timeline)
    told = not_enabled(
        a_drill(State.RESTORING, told=("stuck",)), "a lock", Effect.NOT_APPLIED, at(310), gone=False
    )
    assert told is not None
    assert told.owed == ()
    gone: Drill | None = a_drill(State.RESTORING)
    for seconds in (310, 370, 430):  # one such answer is no proof
        assert gone is not None
        assert gone.state is State.RESTORING
        gone = not_enabled(gone, "404", Effect.NOT_APPLIED, at(seconds), gone=True)
    assert gone is not None
    over(Turn(gone, Finish()), State.INTERRUPTED, "west is no endpoint any more")


@pytest.mark.parametrize(
    ("changes", "effect", "why"),
    [
        ({}, Effect.NOT_APPLIED, ""),
        ({}, Effect.UNKNOWN, "an enabling was not answered, and may have taken effect"),
        ({"unheard": True}, Effect.NOT_APPLIED, "an enabling was not answered, and may have taken effect"),
        ({"doubtful": True}, Effect.NOT_APPLIED, "how the disabling ended is not known"),
        ({"doubtful": True, "was_out": True}, Effect.NOT_APPLIED, ""),
        (
            {"was_out": True, "was_back": True},
            Effect.NOT_APPLIED,
            "it was enabled when it was last looked at",
        ),
    ],
)
def test_whether_it_is_out_is_known_or_not(changes: dict[str, object], effect: Effect, why: str) -> None:
    """What takes it out was answered, and what puts it back refused; else nobody knows."""
    found = not_enabled(a_drill(State.RESTORING, **changes), "why", effect, at(310), gone=False)
    assert found is not None
    assert found.why_perhaps_out == why
    assert a_drill(State.VERIFYING, **changes).why_perhaps_out == ""


def test_a_region_that_is_back_is_not_told_to_be_stuck() -> None:
    """The card that was owed, and not sent since its process died, would come too late."""
    drill = a_drill(State.RESTORING, owed=("started", "stuck"))
    back = enabled(drill, at(310))
    assert back is not None
    assert back.owed == ("started",)
    proved = Absence(since=at(100), last=at(300), readings=2)
    missed = msgspec.structs.replace(drill, absent=proved)
    gone = not_enabled(missed, "404", Effect.NOT_APPLIED, at(310), gone=True)
    assert gone is not None
    assert gone.owed == ("started", "finished")


def verifying(**changes: object) -> Drill:
    """Given back ten seconds after the observation; nobody is at it."""
    plain: dict[str, object] = {
        "ending": DONE,
        "since": at(310),
        "restoring_at": at(300),
        "restored_at": at(310),
        "was_out": True,
    }
    return a_drill(State.VERIFYING, **{**plain, **changes})


def test_back_and_online_it_is_over_as_it_was_judged() -> None:
    """When DNS never answered it before, nothing is waited for."""
    found = turn(verifying(), view(340, WEST, EAST), RULES)
    over(found, State.SUCCEEDED, "well done")
    assert (found.drill.online_at, found.drill.was_back) == (at(340), True)
    assert [entry.text for entry in found.drill.timeline] == [
        "Traffic Manager calls west Online",
        "the drill is over, succeeded",
    ]


def test_until_it_is_online_it_is_watched() -> None:
    """By one worker; it was seen enabled."""
    found = turn(verifying(), view(340, an_endpoint("west", status=DEGRADED), EAST), RULES)
    assert found.step == Watch()
    assert (found.drill.was_back, found.drill.online_at) == (True, None)
    assert (found.drill.worker, found.drill.worker_until) == ("w", at(340 + RULES.lease))
    unseen = turn(verifying(), view(340), RULES)
    assert (unseen.step, unseen.drill.was_back) == (Watch(), False)
    busy = verifying(worker="w", worker_until=at(350))
    assert turn(busy, view(340, WEST, EAST, worker="v"), RULES) == Turn(busy, Rest())


def test_the_first_time_online_is_kept() -> None:
    """What comes later does not move it."""
    known = verifying(online_at=at(330), was_back=True)
    found = turn(known, view(340, WEST, EAST), RULES)
    assert found.drill.online_at == at(330)


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({}, True),
        ({"was_back": True, "doubtful": True}, True),
        ({"was_back": True}, False),
    ],
)
def test_disabled_again(changes: dict[str, object], *, again: bool) -> None:
    """In doubt it was ours, come late, and is enabled again; once it was back it is somebody's doing."""
    found = turn(verifying(unheard=True, was_out=False, **changes), view(340, OUT, EAST), RULES)
    if again:
        assert (found.drill.was_out, found.drill.was_back, found.drill.unheard) == (True, False, False)
        assert found.step == Enable()
        assert found.drill.state is State.RESTORING
        assert found.drill.ending is not None
        assert found.drill.ending.state is DONE.state
        told = "west was seen disabled after it had been given back, and was enabled once more"
        assert found.drill.ending.reason.startswith(f"{DONE.reason}; {told}")
        back = turn(enabled(found.drill, at(350)), view(360, OUT, EAST), RULES)  # type: ignore[arg-type]
        assert back.drill.ending == found.drill.ending  # said once
    else:
        over(found, State.INTERRUPTED, "well done; since then somebody else disabled west")


def test_a_failure_that_ends_badly_stays_a_failure() -> None:
    """Only a success can be spoilt."""
    failed = verifying(ending=Ending(state=State.FAILED, reason="missed"), was_back=True)
    over(turn(failed, view(340, OUT, EAST), RULES), State.FAILED, "missed; since then somebody else")


def test_gone_while_it_is_verified() -> None:
    """What was measured says nothing."""
    over(turn(verifying(), view(340, EAST), RULES), State.INTERRUPTED, "west is no endpoint any more")


def test_not_online_in_time() -> None:
    """After ten minutes, to the second; counted from when Azure took it, or from when that began."""
    ill = an_endpoint("west", status=DEGRADED)
    assert turn(verifying(), view(910, look=fresh(910, ill)), RULES).step == Watch()
    found = turn(verifying(), view(911, look=fresh(911, ill)), RULES)
    over(found, State.FAILED, "well done; west was not online again after 10 min 1 s")
    assert found.drill.looked_at == at(911)
    since = verifying(restored_at=None, since=at(320))
    assert turn(since, view(911, look=fresh(911, ill)), RULES).step == Watch()
    over(turn(verifying(), view(911, look=fresh(911, WEST)), RULES), State.SUCCEEDED)


def test_nobody_saw_whether_it_was_online_again() -> None:
    """The last look is older than a minute when time is over: what was measured says nothing."""
    words = "well done; nobody saw whether west was online again"
    over(turn(verifying(looked_at=at(850)), view(911), RULES), State.INTERRUPTED, words)
    over(turn(verifying(looked_at=at(851)), view(911), RULES), State.FAILED, "was not online again")
    over(turn(verifying(looked_at=None), view(911), RULES), State.INTERRUPTED, words)
    known = verifying(looked_at=at(320), online_at=at(320), was_back=True)
    over(turn(known, view(911), RULES), State.SUCCEEDED)


def fresh(seconds: float, *endpoints: Endpoint) -> Seen:
    """Seen at that very moment, with east beside it."""
    return msgspec.structs.replace(seen(*endpoints, EAST), at=at(seconds))


def test_how_it_was_to_end_is_not_known() -> None:
    """A row of an older version: what was measured says nothing."""
    over(turn(verifying(ending=None), view(340, WEST, EAST), RULES), State.INTERRUPTED, "is not known")


def test_in_doubt_a_late_disabling_is_waited_for() -> None:
    """So long as it may still take effect."""
    doubtful = verifying(doubtful=True)
    assert turn(doubtful, view(310 + RULES.late - 1, WEST, EAST), RULES).step == Watch()
    over(turn(doubtful, view(310 + RULES.late, WEST, EAST), RULES), State.SUCCEEDED)


def test_its_return_into_dns_is_waited_for_where_it_was_answered_before() -> None:
    """Until it is answered again, or for twice the time to live after it is online."""
    before = (-2, "01", "0", 0)
    gone = samples(before, (309.9, "01", "0", 0))
    drill = verifying(samples=gone, online_at=at(320), was_back=True)
    assert turn(drill, view(320 + 119, WEST, EAST), RULES).step == Watch()
    over(turn(drill, view(320 + 120, WEST, EAST), RULES), State.SUCCEEDED)
    back = samples(before, (310, "01", "0", 0))
    over(turn(verifying(samples=back), view(340, WEST, EAST), RULES), State.SUCCEEDED)
    never = samples((-2, "11", "0", 0), (0, "01", "0", 0))
    over(turn(verifying(samples=never), view(340, WEST, EAST), RULES), State.SUCCEEDED)


def test_what_is_over_is_tidied_up() -> None:
    """Again and again, until its row is in the archive."""
    for state in (State.SUCCEEDED, State.FAILED, State.ABORTED, State.INTERRUPTED):
        assert turn(a_drill(state), view(), RULES) == Turn(a_drill(state), Finish())


# -- who may act -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drill", "seconds", "urgent"),
    [
        (draining(), 24, False),
        (draining(), 25, True),
        (a_drill(), 389, False),
        (a_drill(), 390, True),
        (a_drill(worker="w", worker_until=at(25)), 24, False),
        (a_drill(worker="w", worker_until=at(25)), 25, True),
        (a_drill(State.ACCEPTED), 389, False),
        (a_drill(State.ACCEPTED), 390, True),
        (a_drill(State.VERIFYING), 600, False),
        (a_drill(State.VERIFYING), 601, True),
        (a_drill(State.RESTORING), 0, True),
        (a_drill(State.FAILED), 0, True),
    ],
)
def test_when_even_a_wake_up_without_time_acts(drill: Drill, seconds: float, *, urgent: bool) -> None:
    """When the region is to be back by now, or nobody is at it who should be."""
    assert is_urgent(drill, at(seconds), RULES) is urgent


def test_a_claim_is_somebody_elses_sign_of_life() -> None:
    """One's own is none, nor one that ran out, nor one without a time."""
    drill = a_drill(worker="w", worker_until=at(25))
    assert is_claimed(drill, "v", at(24))
    assert not is_claimed(drill, "w", at(24))
    assert not is_claimed(drill, "v", at(25))
    assert not is_claimed(a_drill(worker="w"), "v", at(24))
    assert not is_claimed(a_drill(worker_until=at(25)), "v", at(24))


def test_samples_are_a_sign_of_life() -> None:
    """Of one's own drill that is not over; beyond the room there is, they are left out."""
    mine = a_drill(worker="w", samples=samples((0, "11", "1", 0)))
    two = samples((2, "11", "1", 0), (4, "11", "1", 1))
    found = sampled(mine, "w", two, ["why"], at(4), RULES)
    assert found is not None
    assert (found.samples, found.problems) == ((*mine.samples, *two), ("why",))
    assert found.worker_until == at(4 + RULES.lease)
    assert sampled(mine, "v", two, [], at(4), RULES) is None
    assert sampled(msgspec.structs.replace(mine, state=State.FAILED), "w", two, [], at(4), RULES) is None
    full = msgspec.structs.replace(mine, samples=(two[0],) * (MOST_SAMPLES - 1))
    found = sampled(full, "w", two, [], at(4), RULES)
    assert found is not None
    assert (len(found.samples), found.samples[-1]) == (MOST_SAMPLES, two[0])
    found = sampled(found, "w", two, [], at(4), RULES)
    assert found is not None
    assert len(found.samples) == MOST_SAMPLES


def test_whoever_leaves_lets_the_next_one_go_on() -> None:
    """One's own drill only, while it is not over."""
    mine = a_drill(worker="w", worker_until=at(25))
    assert left(mine, "w") == a_drill()
    assert left(mine, "v") is None
    assert left(msgspec.structs.replace(mine, state=State.FAILED), "w") is None


def test_a_wake_up_that_is_cut_off_leaves_what_it_only_watched() -> None:
    """What it began to change stays in doubt: whoever comes next finds a worker that shows no life."""
    for state in (State.OBSERVING, State.VERIFYING):
        watched = a_drill(state, worker="w", worker_until=at(25))
        assert cut_off(watched, "w", at(24)) == a_drill(state)
        assert cut_off(watched, "v", at(24)) is None
        assert cut_off(watched, "w", at(25)) is None
    assert cut_off(draining(), "w", at(24)) is None


def test_a_long_drill_takes_its_samples_more_slowly() -> None:
    """So that its row is not full before it is over."""
    assert pace(a_drill(), RULES) == RULES.sample_every
    long = a_drill(observe_seconds=30_000)
    assert pace(long, RULES) == (30_000 + RULES.restore_within + RULES.verify_within) / MOST_SAMPLES


def test_the_drilled_region_is_always_counted() -> None:
    """Of more regions than there are characters, the last ones are left out, but not that one."""
    names = [f"r{number:02}" for number in range(len(ALPHABET) + 3)]
    for region in (names[0], names[-1]):
        drill = begun(asked(region=region), group=a_group(*names))
        assert len(drill.regions) == len(ALPHABET)
        assert region in drill.regions
        assert list(drill.regions) == sorted(drill.regions)


def test_a_card_is_owed_until_it_lies_in_the_outbox() -> None:
    """One that was not owed is not told."""
    found = paid(a_drill(owed=("started", "stuck"), told=("x",)), "started")
    assert (found.owed, found.told) == (("stuck",), ("x", "started"))
    assert paid(a_drill(), "started") == a_drill()


# -- a person's word -------------------------------------------------------------------------------------------


def test_before_it_began_an_abortion_ends_it() -> None:
    """Who and why are in the reason."""
    over(Turn(aborted(begun(), "ada", "not now", at(9)), Finish()), State.ABORTED, "ada aborted it: not now")
    assert aborted(begun(), "ada", "", at(9)).reason == "ada aborted it"


def test_while_somebody_drains_it_gives_it_back_when_it_is_done() -> None:
    """The word stands in the row; when nobody is at it any more, the region is given back at once."""
    noted = aborted(draining(), "ada", "", at(9))
    assert noted == msgspec.structs.replace(
        draining(),
        ending=Ending(state=State.ABORTED, reason="ada aborted it"),
        timeline=(Entry(at=at(9), who="ada", text="ada aborted it"),),
    )
    assert aborted(noted, "ada", "", at(10)) == noted
    assert aborted(noted, "bob", "", at(10)) == noted, "the first word stands, and nobody's is beside it"
    late = aborted(noted, "bob", "", at(25))
    given_back(Turn(late, Enable()), State.ABORTED, "ada aborted it", at(25))
    assert late.doubtful


def test_while_it_is_observed_an_abortion_gives_it_back() -> None:
    """Whoever is at it."""
    found = aborted(a_drill(worker="w", worker_until=at(900)), "ada", "why", at(9))
    given_back(Turn(found, Enable()), State.ABORTED, "ada aborted it: why", at(9))
    assert found.timeline[0] == Entry(at=at(9), who="ada", text="ada aborted it: why")


@pytest.mark.parametrize("state", [State.RESTORING, State.VERIFYING])
def test_what_is_being_given_back_stays_as_it_is(state: State) -> None:
    """There is nothing to hurry."""
    assert aborted(a_drill(state), "ada", "", at(9)) == a_drill(state)


def test_what_is_over_cannot_be_aborted() -> None:
    """The error says how it ended."""
    with pytest.raises(IllegalTransition, match="drill scepman-0-drill-1 is over: failed, a test"):
        aborted(a_drill(State.FAILED), "ada", "", at(9))


# -- samples ---------------------------------------------------------------------------------------------------


def test_who_answered() -> None:
    """By the aliases, or else by the address; else nobody is told."""
    known = {"192.0.2.7": "north", "192.0.2.8": "east"}
    by_name = NameAnswer(at=START, names=("x", host("east")), addresses=("192.0.2.7",))
    assert who_answered(by_name, a_group(), known) == "east"
    by_address = NameAnswer(at=START, names=("x",), addresses=("192.0.2.1", "192.0.2.7", "192.0.2.8"))
    assert who_answered(by_address, a_group(), known) == "north"
    assert who_answered(by_address, a_group(), {}) == ""


def test_a_region_is_one_character_of_a_sample() -> None:
    """Its place among the drill's regions; one that is none of them is nobody."""
    assert [coded(name, ("west", "east")) for name in ("west", "east", "north", "")] == ["0", "1", "-", "-"]
    assert len(set(ALPHABET)) == len(ALPHABET)


def test_a_problem_has_one_place_and_bounded_words() -> None:
    """Known ones keep theirs; beyond the room there is, the last one stands for all."""
    problems: list[str] = []
    assert numbered("", problems) == 0
    assert problems == []
    assert [numbered(name, problems) for name in ("a", "b", "a")] == [1, 2, 1]
    long, longer = "x" * LONGEST_PROBLEM, "x" * (LONGEST_PROBLEM + 1)
    assert numbered(long, problems) == 3
    assert numbered(longer, problems) == 4
    assert problems[2] == long
    assert problems[3] == "x" * (LONGEST_PROBLEM - 3) + "..."
    full = [str(number) for number in range(MOST_PROBLEMS)]
    assert numbered("new", full) == MOST_PROBLEMS
    assert numbered("0", full) == 1
    assert len(full) == MOST_PROBLEMS
    almost = full[:-1]
    assert numbered("new", almost) == MOST_PROBLEMS
    assert almost[-1] == "new"


def test_a_timeline_keeps_its_beginning_and_its_end() -> None:
    """What is tried again and again is one line."""
    drill = a_drill(State.RESTORING)
    for number in range(2 * MOST_LINES):
        found = not_enabled(drill, str(number), Effect.NOT_APPLIED, at(number), gone=False)
        assert found is not None
        drill = found
    numbers = [int(entry.text.rpartition(" ")[2]) for entry in drill.timeline]
    half = MOST_LINES // 2
    assert numbers == [*range(half), *range(2 * MOST_LINES - half, 2 * MOST_LINES)]
    repeated = a_drill(State.RESTORING)
    for reason in ("a", "b", "c", "a", "d", "a"):
        found = not_enabled(repeated, reason, Effect.NOT_APPLIED, at(1), gone=False)
        assert found is not None
        repeated = found
    assert [entry.text[-1] for entry in repeated.timeline] == ["a", "b", "c", "d", "a"]


# -- measures --------------------------------------------------------------------------------------------------


def test_seconds_count_from_the_drain() -> None:
    """Or from the beginning, when it was not drained."""
    assert seconds_since_drain(a_drill(), at(12.34)) == 12.3
    assert seconds_since_drain(a_drill(drained_at=None), at(0)) == 60


def test_what_a_drill_measured() -> None:
    """Each figure by itself, of one set of looks."""
    drill = a_drill(
        samples=samples(
            (-2, "00", "0", 1),
            (0, "00", "0", 0),
            (2, "10", "0", 0),
            (4, "11", "1", 0),
            (6, "11", "1", 1),
            (8, "11", "-", 0),
            (20, "11", "1", 0),
            (312, "11", "1", 0),
            (316, "01", "1", 0),
            (320, "00", "0", 0),
        ),
        restoring_at=at(300.04),
        restored_at=at(310),
        online_at=at(341.5),
    )
    assert measure(drill) == Measured(
        dns=(("system", 2.0), ("10.0.0.4", 4.0)),
        scep=4.0,
        recovery=4.0,
        probes=9,
        failures=1,
        longest_gap=4.0,
        back_in_dns=16.0,
        restored_after=31.5,
    )


def test_what_was_not_seen_is_not_measured() -> None:
    """Nobody was led away, nothing was given back, nobody looked."""
    assert measure(a_drill()) == Measured(dns=(("system", None), ("10.0.0.4", None)))
    one = a_drill(samples=(Sample(0, "1-", "1", 1),))
    found = measure(one)
    assert (found.dns, found.scep, found.recovery) == ((("system", 0), ("10.0.0.4", None)), None, None)


# -- what a row has room for -----------------------------------------------------------------------------------


LONG = "r" * (2 * LINE)
CUT = f"{'r' * (LINE - 3)}..."


def test_what_is_said_of_a_drill_has_the_length_of_a_line() -> None:
    """Who asked and why, in the row and in its timeline; how it ended, and why it cannot be given back."""
    drill = begun(asked(by=LONG, reason=LONG))
    assert (drill.asked_by, drill.why, drill.timeline[0].who) == (CUT, CUT, CUT)
    assert len(drill.timeline[0].text) == LINE
    ending = Ending(state=State.ABORTED, reason=LONG)
    returned = restoring(a_drill(), ending, at(5)).drill
    assert returned.ending == Ending(state=State.ABORTED, reason=CUT)
    assert {len(returned.reason), len(returned.timeline[-1].text)} == {LINE}
    stuck = not_enabled(returned, LONG, Effect.UNKNOWN, at(6), gone=False)
    assert stuck is not None
    assert stuck.reason == stuck.timeline[-1].text
    assert len(stuck.reason) == LINE
    found = not_drained(draining(), "w", LONG, at(7))
    assert found is not None
    assert found.reason == CUT
    assert {len(entry.text) for entry in found.timeline[-1:]} == {LINE}
    waiting = turn(begun(), msgspec.structs.replace(view(), hindered=LONG), RULES).drill
    assert len(waiting.reason) == len(waiting.timeline[-1].text) == LINE


def test_practice_runs_that_were_passed_over_are_remembered_for_a_while() -> None:
    """Each with as much of its reason as a line has."""
    slot = Slot(group_id="g", group="scepman")
    for minute in range(HISTORY + 5):
        slot = passed_over(slot, at(60 * minute), LONG)
    assert slot.considered == at(60 * (HISTORY + 4))
    assert len(slot.history) == HISTORY
    assert slot.history[-1].at == slot.considered
    assert slot.history[-1].who == "schedule"
    assert slot.history[-1].text.startswith("practice run skipped: rrr")
    assert len(slot.history[-1].text) == LINE


def test_a_full_row_drops_what_was_skipped_and_then_the_middle_of_the_timeline() -> None:
    """Its beginning and its end stay, and every sample."""
    lines = tuple(Entry(at=at(number), who=US, text=str(number)) for number in range(40))
    drill = a_drill(timeline=lines, samples=samples())
    slot: Slot | None = Slot(group_id="g", group="scepman", drill=drill, history=lines[:4])
    told: list[tuple[int, list[str]]] = []
    while slot is not None and (slot := slot.shorter()) is not None:
        assert slot.drill is not None
        assert slot.drill.samples == drill.samples
        told.append((len(slot.history), [entry.text for entry in slot.drill.timeline]))
    assert [(count, len(texts)) for count, texts in told] == [(2, 40), (1, 40), (1, 20), (1, 10), (1, 4)]
    assert told[2][1] == [str(number) for number in (*range(10), *range(30, 40))]
    archived = Archived(drill=drill, archived=START).shorter()
    assert archived is not None
    assert [entry.text for entry in archived.drill.timeline] == told[2][1]
    assert (
        Archived(drill=msgspec.structs.replace(drill, timeline=lines[:8]), archived=START).shorter() is None
    )
    assert Slot(group_id="g", group="scepman").shorter() is None

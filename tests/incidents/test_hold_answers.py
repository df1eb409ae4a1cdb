"""The failback hold's decisions alone: one row and one look, and what comes of it."""

from datetime import timedelta

import msgspec
import pytest

from shared.groups.model import Cause, Health, MonitorStatus, ProbeResult, ScepProof, State
from shared.incidents.hold import (
    GAP,
    GONE,
    LINES,
    MANY_DONE,
    Disable,
    Enable,
    Hold,
    HoldRow,
    HoldRules,
    Phase,
    Rest,
    Turn,
    View,
    refused,
    released,
    sound,
    taken_out,
    turn,
)
from shared.incidents.model import Entry, Incident, Severity, Topic
from shared.words import LINE
from tests.builders import GROUP, a_group, a_health, a_profile, an_endpoint
from tests.fakes.clock import START

ON = HoldRules(on=True)
MINUTE = timedelta(minutes=1)
SOAK = timedelta(seconds=ON.soak)
LEASE = timedelta(seconds=ON.lease)
DEGRADED = MonitorStatus.DEGRADED
BAD = ProbeResult(at=START, status=503)


def fallen() -> Health:
    """Return what is surely down, by both witnesses."""
    return msgspec.structs.replace(a_health(State.DOWN), probe=BAD, monitor=DEGRADED)


def answering(*, at: timedelta = timedelta(), ca: str = "") -> Health:
    now = START + at
    return a_health(at=now, scep=ScepProof(at=now, ca_sha256=ca) if ca else None)


def an_incident(**changes: object) -> Incident:
    plain = Incident(
        group=GROUP,
        topic=Topic.SERVICE,
        region="west",
        cause=Cause.ONE_REGION,
        severity=Severity.MAJOR,
        started=START,
        detected=START,
        confirmed=START,
        id="i-1",
    )
    return msgspec.structs.replace(plain, **changes)


def a_hold(phase: Phase = Phase.HELD, **changes: object) -> Hold:
    """A hold of west by the worker w, whose time is over in a minute and a half."""
    plain = Hold(
        id="h-1",
        incident="i-1",
        region="west",
        phase=phase,
        since=START,
        worker="w",
        worker_until=START + LEASE,
    )
    return msgspec.structs.replace(plain, **changes)


def a_row(hold: Hold | None = None, **changes: object) -> HoldRow:
    return msgspec.structs.replace(HoldRow(group=GROUP, hold=hold), **changes)


def view(
    *,
    west: Health | None = None,
    east: Health | None = None,
    enabled: bool = True,
    weight: int | None = None,
    east_status: MonitorStatus = MonitorStatus.ONLINE,
    east_enabled: bool = True,
    routing: str = "Performance",
    incidents: tuple[Incident, ...] = (),
    after: timedelta = timedelta(),
    worker: str = "w",
) -> View:
    profile = a_profile(
        an_endpoint("west", enabled=enabled, weight=weight),
        an_endpoint("east", status=east_status, enabled=east_enabled),
        routing=routing,
    )
    return View(
        group=msgspec.structs.replace(a_group(), profile=profile),
        health={"west": west or fallen(), "east": east or answering(ca="ca")},
        incidents=incidents,
        now=START + after,
        worker=worker,
        new_id="h-2",
    )


def told(found: Turn) -> list[str]:
    return [entry.text for entry in found.row.history]


# -- when a hold begins ----------------------------------------------------------------------------------------


def test_a_confirmed_failure_of_one_region_begins_a_hold() -> None:
    """The row says which incident, which worker and for how long, before anything is changed."""
    found = turn(a_row(), view(incidents=(an_incident(),), worker="v"), ON)
    expected = Hold(
        id="h-2",
        incident="i-1",
        region="west",
        phase=Phase.DISABLING,
        since=START,
        worker="v",
        worker_until=START + LEASE,
    )
    assert found.step == Disable(expected)
    assert found.row.hold == expected
    assert told(found) == ["west is to be held out of DNS until it is sound"]


@pytest.mark.parametrize(("routing", "kept"), [("Weighted", 40), ("weighted", 40), ("Performance", None)])
def test_the_weight_is_remembered_where_weights_count(routing: str, kept: int | None) -> None:
    """With another routing they are not ours to touch."""
    found = turn(a_row(), view(incidents=(an_incident(),), routing=routing, weight=40), ON)
    assert found.row.hold is not None
    assert found.row.hold.weight == kept


@pytest.mark.parametrize(
    "reason",
    [
        "off", "settings", "resolved", "unconfirmed", "shared", "well", "failing", "disabled", "done",
        "no other", "other disabled", "no endpoint", "none",
    ],
)  # fmt: skip
def test_all_else_begins_none(reason: str) -> None:
    """Every condition counts: with one of them missing, no endpoint is touched."""
    incident = an_incident(
        **{
            "settings": {"topic": Topic.AUTHORITY},
            "resolved": {"resolved": START},
            "unconfirmed": {"confirmed": None},
            "shared": {"cause": Cause.SHARED},
            "no endpoint": {"region": "south"},
        }.get(reason, {})  # type: ignore[arg-type]
    )
    failing = msgspec.structs.replace(fallen(), monitor=MonitorStatus.ONLINE)
    seen = view(
        incidents=() if reason == "none" else (incident,),
        west={"well": answering(), "failing": failing}.get(reason),
        enabled=reason != "disabled",
        east_status=DEGRADED if reason == "no other" else MonitorStatus.ONLINE,
        east_enabled=reason != "other disabled",
    )
    row = a_row(done=("i-1",) if reason == "done" else ())
    assert turn(row, seen, HoldRules(on=reason != "off")) == Turn(row, Rest())


def test_the_next_incident_is_looked_at_when_one_calls_for_nothing() -> None:
    """One that is resolved, or whose region is gone, stands in nobody's way."""
    seen = view(
        incidents=(
            an_incident(id="i-0", region="south"),
            an_incident(id="i-0", resolved=START),
            an_incident(),
        )
    )
    found = turn(a_row(), seen, ON)
    assert found.row.hold is not None
    assert found.row.hold.incident == "i-1"


@pytest.mark.parametrize("routing", ["Geographic", "Subnet"])
def test_a_region_whose_devices_nobody_else_would_answer_stays_in(routing: str) -> None:
    """The hold asks the rule that drills ask: by the devices' origin, nobody else may be answered to them."""
    found = turn(a_row(), view(incidents=(an_incident(),), routing=routing), ON)
    assert found.row.hold is None


# -- taking it out ---------------------------------------------------------------------------------------------


def test_disabling_shows_at_the_endpoint() -> None:
    """Whoever finds it disabled notes that it is held; the soundness of before does not count."""
    row = a_row(a_hold(Phase.DISABLING, sound_since=START))
    found = turn(row, view(enabled=False, after=MINUTE, worker="v"), ON)
    assert found.step == Rest()
    assert found.row.hold == a_hold(Phase.HELD)
    assert found.row.history == (Entry(at=START + MINUTE, who="Counterpart", text="west is out of DNS"),)


def test_disabling_is_its_workers_until_its_time_is_over() -> None:
    """Others wait; then, and for the worker itself at once, it is given up and decided anew."""
    row = a_row(a_hold(Phase.DISABLING))
    assert turn(row, view(worker="v", after=LEASE - MINUTE), ON) == Turn(row, Rest())
    for seen in (view(worker="v", after=LEASE), view(worker="w")):
        found = turn(row, seen, ON)
        assert found.step == Rest()
        assert (found.row.hold, found.row.done) == (None, ())
        assert found.row.history == (Entry(at=seen.now, who="Counterpart", text="west was not disabled"),)


def test_an_endpoint_that_is_gone_ends_its_hold() -> None:
    """For a day it may come back, and is given back then; after that there is nothing to give back."""
    gone = turn(a_row(a_hold(region="south", sound_since=START)), view(after=MINUTE), ON)
    assert gone == Turn(a_row(a_hold(region="south", gone_since=START + MINUTE)), Rest())
    assert turn(gone.row, view(after=GONE), ON) == gone
    found = turn(gone.row, view(after=GONE + MINUTE), ON)
    assert (found.step, found.row.hold, found.row.done) == (Rest(), None, ())
    assert found.row.history == (
        Entry(at=START + GONE + MINUTE, who="Counterpart", text="south is no endpoint any more"),
    )


def test_an_endpoint_that_is_back_is_held_and_given_back_as_ever() -> None:
    """Its hold had waited for it."""
    found = turn(a_row(a_hold(gone_since=START)), view(enabled=False, after=MINUTE), ON)
    assert found.row.hold is not None
    assert found.row.hold.gone_since is None


def test_a_hold_is_seen_through_when_the_rules_are_off() -> None:
    """What was taken out is given back."""
    row = a_row(a_hold(released_by="ada"))
    assert isinstance(turn(row, view(enabled=False), HoldRules(on=False)).step, Enable)


# -- while it is held ------------------------------------------------------------------------------------------


def test_a_person_who_enables_it_ends_the_hold_for_this_incident() -> None:
    """It is not held again for the same one."""
    found = turn(a_row(a_hold()), view(enabled=True, after=MINUTE), ON)
    assert (found.step, found.row.hold, found.row.done) == (Rest(), None, ("i-1",))
    assert found.row.history == (Entry(at=START + MINUTE, who="Counterpart", text="somebody enabled west"),)


def test_only_so_many_are_remembered() -> None:
    """The oldest is forgotten first."""
    many = tuple(f"old-{number}" for number in range(MANY_DONE))
    found = turn(a_row(a_hold(), done=many), view(enabled=True), ON)
    assert found.row.done == (*many[1:], "i-1")


def test_soundness_begins_with_the_first_good_look() -> None:
    """A bad one, or none, ends it."""
    row = a_row(a_hold())
    first = turn(row, view(enabled=False, west=answering(ca="ca")), ON)
    assert first.step == Rest()
    assert first.row.hold == a_hold(sound_since=START, seen_at=START)
    on = turn(first.row, view(enabled=False, west=answering(at=MINUTE, ca="ca"), after=MINUTE), ON)
    assert on.row.hold == a_hold(sound_since=START, seen_at=START + MINUTE)
    for bad in (fallen(), msgspec.structs.replace(fallen(), probe=None)):
        ended = turn(on.row, view(enabled=False, west=bad, after=2 * MINUTE), ON)
        assert ended.row.hold == a_hold()


@pytest.mark.parametrize(("late", "kept"), [(0, True), (1, False)])
def test_a_hole_in_the_evidence_begins_the_soak_anew(late: float, *, kept: bool) -> None:
    """Three probes' time without a look is the most."""
    hold = a_hold(sound_since=START, seen_at=START + MINUTE)
    gap = MINUTE + timedelta(seconds=GAP * ON.probe_every + late)
    found = turn(a_row(hold), view(enabled=False, west=answering(at=gap, ca="ca"), after=gap), ON)
    assert found.row.hold is not None
    assert found.row.hold.sound_since == (START if kept else START + gap)


def test_a_hole_is_judged_by_a_second_at_least() -> None:
    """However often regions are probed."""
    often = HoldRules(on=True, probe_every=0.01)
    hold = a_hold(sound_since=START, seen_at=START)
    at = timedelta(seconds=GAP)
    found = turn(a_row(hold), view(enabled=False, west=answering(at=at, ca="ca"), after=at), often)
    assert found.row.hold is not None
    assert found.row.hold.sound_since == START
    later = timedelta(seconds=GAP + 0.1)
    found = turn(a_row(hold), view(enabled=False, west=answering(at=later, ca="ca"), after=later), often)
    assert found.row.hold is not None
    assert found.row.hold.sound_since == START + later


def test_after_the_soak_it_goes_back_and_the_row_says_why() -> None:
    """By evidence that reaches the end of the soak, to the second."""
    hold = a_hold(sound_since=START, seen_at=START + SOAK - MINUTE)
    almost = SOAK - timedelta(seconds=1)
    assert (
        turn(a_row(hold), view(enabled=False, west=answering(at=almost, ca="ca"), after=almost), ON).step
        == Rest()
    )
    found = turn(
        a_row(hold), view(enabled=False, west=answering(at=SOAK, ca="ca"), after=SOAK, worker="v"), ON
    )
    assert found.row.hold is not None
    assert found.step == Enable(found.row.hold, None)
    assert (found.row.hold.phase, found.row.hold.share) == (Phase.RETURNING, 0)
    assert (found.row.hold.worker, found.row.hold.worker_until) == ("v", START + SOAK + LEASE)
    assert found.row.hold.share_since == START + SOAK
    assert told(found) == [
        "west goes back into DNS: its probe and SCEP were good for 900 s",
        "west is being enabled",
    ]


def test_a_person_lets_it_back_at_once() -> None:
    """With its whole weight, sound or not."""
    sound_now = a_hold(released_by="ada", weight=40, sound_since=START, seen_at=START + SOAK)
    back = view(enabled=False, weight=40, routing="Weighted", west=answering(at=SOAK, ca="ca"), after=SOAK)
    step = turn(a_row(sound_now), back, ON).step
    assert isinstance(step, Enable)
    assert step.weight == 40
    hold = a_hold(released_by="ada", weight=40)
    found = turn(a_row(hold), view(enabled=False, weight=40, routing="Weighted"), ON)
    assert isinstance(found.step, Enable)
    assert found.step.weight == 40
    assert told(found) == [
        "west goes back into DNS: ada said so",
        "west is being enabled with weight 40 of 40",
    ]


def test_it_goes_back_when_it_answers_and_no_other_does() -> None:
    """Law 1 the other way round: with its whole weight, without a soak; one that answers nobody stays."""
    hold = a_hold(weight=40)
    alone = view(
        enabled=False, weight=40, routing="Weighted", west=answering(), east_status=DEGRADED,
        east=fallen(),
    )  # fmt: skip
    found = turn(a_row(hold), alone, ON)
    assert isinstance(found.step, Enable)
    assert found.step.weight == 40
    assert "west goes back into DNS: it answers, and no other region does" in told(found)
    silent = view(enabled=False, east_status=DEGRADED, east=fallen())
    assert turn(a_row(a_hold()), silent, ON).step == Rest()
    served = view(enabled=False, west=answering())
    assert turn(a_row(a_hold()), served, ON).step == Rest()


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        (answering(), (answering(ca="ca"),), True),  # no SCEP server
        (answering(ca="ca"), (), True),
        (answering(ca="ca"), (answering(ca="ca"), answering()), True),
        (answering(ca="ca"), (answering(ca="other"),), False),
        (answering(ca="ca"), (answering(ca="ca"), answering(ca="other")), False),
        (a_health(scep=ScepProof(at=START, problem="no")), (answering(),), False),
        (fallen(), (answering(),), False),
        (msgspec.structs.replace(a_health(), probe=None), (answering(),), False),
        (
            answering(ca="ca"),
            (a_health(scep=ScepProof(at=START, ca_sha256="other", problem="no")),),
            True,
        ),
    ],
)
def test_sound_is_answering_with_the_ca_that_the_others_prove(
    own: Health, others: tuple[Health, ...], *, expected: bool
) -> None:
    """One that proves none is no witness against it."""
    seen = msgspec.structs.replace(
        view(), health={"west": own, **{f"other-{at}": health for at, health in enumerate(others)}}
    )
    assert sound(own, seen) is expected


# -- the way back ----------------------------------------------------------------------------------------------


def returning(**changes: object) -> Hold:
    return a_hold(Phase.RETURNING, share_since=START, **changes)


def test_it_is_over_when_the_endpoint_is_enabled() -> None:
    """Without weights at the first look; if a person let it back, this incident holds it no more."""
    found = turn(a_row(returning()), view(after=MINUTE), ON)
    assert (found.step, found.row.hold, found.row.done) == (Rest(), None, ())
    assert found.row.history == (Entry(at=START + MINUTE, who="Counterpart", text="west is back in DNS"),)
    found = turn(a_row(returning(released_by="ada")), view(), ON)
    assert found.row.done == ("i-1",)


def test_an_enabling_that_did_not_happen_is_done_again_by_one_worker() -> None:
    """Its own at once, another one when its time is over; the same line is not written twice."""
    row = a_row(returning())
    assert turn(row, view(enabled=False, worker="v", after=LEASE - MINUTE), ON) == Turn(row, Rest())
    again = turn(row, view(enabled=False, worker="v", after=LEASE), ON)
    assert isinstance(again.step, Enable)
    assert again.step.hold.worker == "v"
    third = turn(again.row, view(enabled=False, worker="v", after=LEASE + MINUTE), ON)
    assert isinstance(third.step, Enable)
    assert told(third) == ["west is being enabled"]


@pytest.mark.parametrize(("share", "weight"), [(0, 4), (1, 10), (2, 20), (3, 40)])
def test_the_weight_of_each_step(share: int, weight: int) -> None:
    """A tenth, a quarter, a half, all; never less than one, which is Azure's least."""
    assert a_hold(weight=40, share=share).target_weight() == weight
    assert a_hold(weight=1, share=share).target_weight() == 1
    assert a_hold(share=share).target_weight() is None


def test_a_step_further_after_its_time_while_it_is_sound() -> None:
    """Not before, not while it stumbles, and not beyond the whole."""
    step = timedelta(seconds=ON.step)
    hold = returning(weight=40, back=True)
    well = view(weight=4, routing="Weighted", west=answering(ca="ca"), after=step)
    found = turn(a_row(hold), well, ON)
    assert isinstance(found.step, Enable)
    assert (found.step.weight, found.step.hold.share, found.step.hold.share_since) == (10, 1, START + step)
    assert told(found) == ["west is being enabled with weight 10 of 40"]
    early = msgspec.structs.replace(well, now=START + step - timedelta(seconds=1))
    assert turn(a_row(hold), early, ON).step == Rest()
    ill = msgspec.structs.replace(well, health={**well.health, "west": fallen()})
    assert turn(a_row(hold), ill, ON).step == Rest()
    unseen = msgspec.structs.replace(well, health={"east": answering()})
    assert turn(a_row(hold), unseen, ON).step == Rest()
    whole = turn(a_row(returning(weight=40, share=3, back=True)), view(weight=40, routing="Weighted"), ON)
    assert (whole.step, whole.row.hold) == (Rest(), None)


def test_a_step_that_did_not_happen_is_done_again() -> None:
    """The endpoint still has an earlier step's weight."""
    found = turn(
        a_row(returning(weight=40, share=2, back=True)),
        view(weight=10, routing="Weighted", west=answering(ca="ca")),
        ON,
    )
    assert isinstance(found.step, Enable)
    assert (found.step.weight, found.step.hold.share) == (20, 2)


def test_without_a_beginning_the_step_begins_now() -> None:
    """A row of an older version says not since when."""
    hold = a_hold(Phase.RETURNING, weight=40, back=True)
    found = turn(a_row(hold), view(weight=4, routing="Weighted", west=answering(ca="ca")), ON)
    assert found.step == Rest()


def test_once_it_was_back_whoever_disables_it_is_somebody_else() -> None:
    """Seen enabled, then disabled: a person's doing, and their last word for this incident."""
    seen = turn(a_row(returning(weight=40)), view(weight=4, routing="Weighted", west=answering(ca="ca")), ON)
    assert seen.row.hold == returning(weight=40, back=True)
    found = turn(seen.row, view(enabled=False, weight=4, routing="Weighted", after=MINUTE), ON)
    assert (found.step, found.row.hold, found.row.done) == (Rest(), None, ("i-1",))
    assert found.row.history == (
        Entry(at=START + MINUTE, who="Counterpart", text="somebody else changed west"),
    )


@pytest.mark.parametrize(
    ("weight", "strange"), [(4, False), (10, False), (20, False), (40, False), (7, True)]
)
def test_a_weight_that_is_no_step_is_somebody_elses(weight: int, *, strange: bool) -> None:
    """While the endpoint is out its weight says nothing."""
    row = a_row(returning(weight=40, share=1))
    found = turn(row, view(weight=weight, routing="Weighted", west=answering(ca="ca")), ON)
    assert (found.row.hold is None) is strange
    out = turn(row, view(enabled=False, weight=weight, routing="Weighted"), ON)
    assert isinstance(out.step, Enable)


# -- what others say of it -------------------------------------------------------------------------------------


def test_a_release_is_a_persons_word_in_the_row() -> None:
    """Who and why stand in the history; without a hold nothing changes."""
    row = released(a_row(a_hold()), "ada", "we need it", START)
    assert row.hold == a_hold(released_by="ada")
    assert row.history == (Entry(at=START, who="ada", text="ada releases west: we need it"),)
    assert released(a_row(a_hold()), "ada", "", START).history[-1].text == "ada releases west"
    assert released(a_row(), "ada", "why", START) == a_row()
    assert taken_out(a_row(), START) == a_row()


def test_a_refusal_ends_the_hold_and_says_why() -> None:
    """No permit, or Azure said no: decided anew at the next look, and not a person's word."""
    row = refused(a_row(a_hold()), "no permit", START)
    assert (row.hold, row.done) == (None, ())
    assert row.history == (Entry(at=START, who="Counterpart", text="not held: no permit"),)


def test_what_is_tried_again_and_again_is_one_line() -> None:
    """Unless three others came since; two lines of one moment keep their order, and the oldest fall away."""
    row = a_row()
    for reason in ("a", "b", "c", "a"):
        row = refused(row, reason, START)
    assert [entry.text[-1] for entry in row.history] == ["a", "b", "c"]
    assert [entry.at - START for entry in row.history] == [
        timedelta(microseconds=number) for number in range(3)
    ]
    row = refused(refused(row, "d", START + MINUTE), "a", START + MINUTE)
    assert [entry.text[-1] for entry in row.history] == ["a", "b", "c", "d", "a"]
    for number in range(2 * LINES):
        row = refused(row, str(number), START + number * MINUTE)
    assert len(row.history) == LINES
    assert row.history[-1].text == f"not held: {2 * LINES - 1}"


def test_what_is_said_of_a_hold_has_the_length_of_a_line() -> None:
    """Who released it and why, and why none came about."""
    long = "r" * (2 * LINE)
    row = released(HoldRow(group=GROUP, hold=a_hold()), long, long, START)
    assert row.hold is not None
    assert row.hold.released_by == row.history[-1].who == f"{'r' * (LINE - 3)}..."
    assert len(row.history[-1].text) == LINE
    again = refused(row, long, START)
    assert len(again.history[-1].text) == LINE
    assert refused(again, long, START).history == again.history, "the same line, once"

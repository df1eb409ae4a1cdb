"""The life of a rotation or a restart: from one row and one look, the next step and what the row says."""

import hashlib
from datetime import timedelta

import msgspec
import pytest

from shared.artifact_hosts.catalogue import Catalogue, NotWatched
from shared.artifact_hosts.choose import Exhausted, Held, Keep, Rotate
from shared.artifact_hosts.model import (
    Flight,
    Happening,
    HostState,
    Order,
    Outcome,
    Packages,
    Phase,
    Refused,
    Rules,
    Running,
    State,
    Use,
    Watch,
    Work,
)
from shared.artifact_hosts.transitions import (
    HISTORY,
    ORDER_LIVES,
    SENTENCES,
    Close,
    Look,
    Rest,
    Restarting,
    Rotating,
    Turn,
    Undo,
    View,
    done,
    dropped,
    enter,
    first,
    happened,
    located,
    lost,
    put_back,
    restarted,
    scene,
    summed_up,
    turn,
    unclaim,
)
from shared.copies import COPY_LIVES
from shared.groups.model import Health, Os
from shared.groups.model import State as HealthState
from shared.groups.soak import Start
from shared.words import LINE
from tests.artifact_hosts.hosting import a_location, a_package, a_use, a_watch
from tests.builders import GROUP, a_health, site_id
from tests.fakes.clock import START

RULES = Rules()
GITHUB, VENDOR = a_location("github"), a_location("vendor")
A = a_package("a")
SYSTEMS = {"west": Os.WINDOWS, "east": Os.WINDOWS}
SITES = {system: site_id(system).lower() for system in SYSTEMS}
CLAIM = timedelta(seconds=RULES.claim)
SECOND = timedelta(seconds=1)
DEADLINE = timedelta(seconds=RULES.verify_deadline)


def a_row(state: State = State.WATCHING, **changes: object) -> Packages:
    plain = Packages(
        group=GROUP,
        state=state,
        since=START - timedelta(hours=1),
        reason="a test",
        uses=(a_use("west", GITHUB), a_use("east", VENDOR)),
    )
    return msgspec.structs.replace(plain, **changes)


def view(
    *watches: Watch,
    after: timedelta = timedelta(),
    health: dict[str, Health] | None = None,
    fresh: tuple[str, ...] = ("west", "east"),
    worker: str = "w",
    systems: dict[str, Os] | None = None,
) -> View:
    seen = watches or (a_watch(GITHUB), a_watch(VENDOR))
    return View(
        systems=SYSTEMS if systems is None else systems,
        sites={system: SITES[system] for system in (SYSTEMS if systems is None else systems)},
        watches={watch.location.id: watch for watch in seen},
        health=health or {},
        fresh=frozenset(fresh),
        now=START + after,
        worker=worker,
    )


def next_step(row: Packages, seen: View, rules: Rules = RULES) -> Turn:
    return turn(row, seen, Catalogue(), rules)


def a_flight(phase: Phase = Phase.CLAIMED, work: Work = Work.ROTATE, **changes: object) -> Flight:
    """West's, from GitHub to the vendor's host; its worker's time is over after a claim's time."""
    plain = Flight(
        id="f-1",
        work=work,
        phase=phase,
        region="west",
        reason="a reason",
        claimed_at=START,
        worker="w",
        worker_until=START + CLAIM,
        start=Start.HEALTHY,
        site=SITES["west"],
        old=GITHUB if work is Work.ROTATE else None,
        new=VENDOR if work is Work.ROTATE else None,
        package=A if work is Work.ROTATE else None,
        done_at=None if phase is Phase.CLAIMED else START,
    )
    return msgspec.structs.replace(plain, **changes)


def flying(flight: Flight, *, at: str = "", **changes: object) -> Packages:
    """A row with that flight; west takes its package from `github`, `vendor`, or `elsewhere`."""
    state = {
        Phase.CLAIMED: State.ROTATING if flight.work is Work.ROTATE else State.RESTARTING,
        Phase.DONE: State.VERIFYING,
        Phase.UNDOING: State.UNDOING,
    }[flight.phase]
    here = {"github": GITHUB, "vendor": VENDOR, "elsewhere": a_location("vendor", "beta")}.get(at, GITHUB)
    return a_row(state, flight=flight, uses=(a_use("west", here), a_use("east", VENDOR)), **changes)


def an_order(*regions: str, work: Work = Work.ROTATE, **changes: object) -> Order:
    plain = Order(work=work, regions=regions or ("west",), by="ada", at=START)
    return msgspec.structs.replace(plain, **changes)


def well(at: timedelta) -> dict[str, Health]:
    return {"west": a_health(at=START + at, since=START - timedelta(hours=1))}


DOWN = a_watch(GITHUB, HostState.DOWN)


# -- the table -------------------------------------------------------------------------------------------------


def test_where_nothing_is_to_be_moved_the_choices_are_handed_on() -> None:
    """Every region keeps its host; who sums the round up need not choose again."""
    turned = next_step(a_row(), view())
    assert turned.step == Rest()
    assert [(type(choice), choice.region) for choice in turned.choices] == [(Keep, "west"), (Keep, "east")]


def test_every_state_has_a_sentence_of_its_own() -> None:
    """People read it."""
    assert set(SENTENCES) == set(State)
    assert len(set(SENTENCES.values())) == len(State)


def test_a_group_that_was_never_looked_at() -> None:
    """It watches, and says that it has not seen anything."""
    assert first(GROUP, START) == Packages(
        group=GROUP, state=State.WATCHING, since=START, reason="not looked at yet"
    )


def test_the_same_said_again_is_no_news() -> None:
    """A new state or reason is a line; what comes by turns is told once; the oldest lines fall away."""
    row = enter(a_row(), State.HELD, "one", START)
    assert (row.since, row.history) == (START, (Happening(START, State.HELD, "one"),))
    assert enter(row, State.HELD, "one", START + SECOND) is row
    again = enter(row, State.HELD, "two", START + SECOND)
    assert (again.since, again.reason) == (START, "two")
    turns = enter(again, State.HELD, "one", START + 2 * SECOND)
    assert [happening.text for happening in turns.history] == ["one", "two"]
    other = enter(turns, State.WATCHING, "one", START + 2 * SECOND)
    assert [happening.text for happening in other.history] == ["one", "two", "one"]
    later = enter(enter(again, State.HELD, "three", START), State.HELD, "one", START)
    assert [happening.text for happening in later.history] == ["one", "two", "three", "one"]
    for number in range(2 * HISTORY):
        row = enter(row, State.HELD, str(number), START)
    assert len(row.history) == HISTORY
    assert row.history[-1].text == str(2 * HISTORY - 1)


# -- taking in what is seen ------------------------------------------------------------------------------------


def test_where_regions_get_their_packages() -> None:
    """What was not read stays; what cannot be watched says why; who left is forgotten."""
    runs = Running(version="2.9")
    row = a_row(
        uses=(a_use("west", GITHUB, running=runs), a_use("east", VENDOR, running=runs), a_use("gone"))
    )
    found = located(row, {"east": NotWatched("from files")}, ["west", "east", "north"])
    assert found.uses == (
        a_use("west", GITHUB, running=runs),
        Use(region="east", location=None, why="from files", running=runs),
        Use(region="north", location=None, why="not looked at yet"),
    )


@pytest.mark.parametrize(
    ("before", "now", "flying_", "home"),
    [
        (GITHUB, GITHUB, False, "home"),
        (GITHUB, VENDOR, False, ""),
        (GITHUB, VENDOR, True, "home"),
        (None, VENDOR, False, "home"),
    ],
)
def test_who_moves_a_region_by_hand_says_where_it_belongs(
    before: object, now: object, home: str, *, flying_: bool
) -> None:
    """Our own move is none, nor the first look at it."""
    runs = Running(version="2.9")
    use = msgspec.structs.replace(a_use("west", home="home", running=runs), location=before)
    row = a_row(uses=(use,), flight=a_flight() if flying_ else None)
    (found,) = located(row, {"west": now}, ["west"]).uses  # type: ignore[dict-item]
    assert (found.location, found.home, found.why, found.running) == (now, home, "", runs)


def test_a_region_that_restarted_runs_what_its_host_has() -> None:
    """If that is known: a host with a problem, or one never read, says nothing. Other regions stay."""
    at = START + SECOND
    watches = {GITHUB.id: a_watch(GITHUB, package=A)}
    found = restarted(a_row(), "west", watches, at)
    assert found.uses == (
        a_use("west", GITHUB, running=Running(package=A, package_at=at)),
        a_use("east", VENDOR),
    )
    for unsure in (
        {},
        {GITHUB.id: a_watch(GITHUB, HostState.DOWN)},
        {GITHUB.id: a_watch(GITHUB, package=None)},
    ):
        known = a_row(uses=(a_use("west", GITHUB, running=Running(version="2.9")),))
        assert restarted(known, "west", unsure, at).uses == (a_use("west", GITHUB, running=Running()),)
    nowhere = a_row(uses=(Use(region="west", location=None, running=Running(version="1")),))
    assert restarted(nowhere, "west", watches, at).uses == (Use(region="west", location=None),)
    assert restarted(a_row(), "south", watches, at) == a_row()


def test_a_choice_is_made_from_the_groups_own_regions() -> None:
    """One that left is no reason to move another."""
    row = a_row(refused=(Refused("west", "x", "y"),))
    found = scene(row, view(systems={"west": Os.LINUX}, after=SECOND))
    assert found.uses == (a_use("west", GITHUB),)
    assert (found.systems, found.refused, found.now) == ({"west": Os.LINUX}, row.refused, START + SECOND)
    assert set(found.watches) == {GITHUB.id, VENDOR.id}


# -- at rest ---------------------------------------------------------------------------------------------------


def test_what_choices_amount_to() -> None:
    """The gravest counts, and each region's way out is told."""
    keep, held = Keep("west", "is up"), Held("west", "older", "force it")
    rotate, gone = Rotate("east", VENDOR, A, "is down"), Exhausted("north", "no twin")
    assert summed_up([keep, Keep("east", "too")]) == (State.WATCHING, "west: is up; east: too")
    assert summed_up([keep, held]) == (State.HELD, "west: older; way out: force it")
    rotation = "counterpart package rotate"
    assert summed_up([rotate, held]) == (
        State.HELD,
        f"west: older; way out: force it; east: is down; way out: {rotation} --region east --reason TEXT",
    )
    assert summed_up([keep, held, gone, Exhausted("south", "too")]) == (
        State.EXHAUSTED,
        "north: no twin; south: too",
    )
    assert summed_up([]) == (State.WATCHING, "")


def test_a_region_is_rotated_after_a_fresh_look() -> None:
    """The claim says from where to where and why, before anything is written."""
    assert next_step(a_row(), view(DOWN, a_watch(VENDOR), fresh=("east",))) == Turn(a_row(), Look("west"))
    found = next_step(a_row(), view(DOWN, a_watch(VENDOR), worker="v"))
    flight = found.row.flight
    assert flight is not None
    assert found.step == Rotating(flight)
    assert found.row.state is State.ROTATING
    assert found.row.reason == flight.reason
    assert flight.reason.startswith("west from github (prod, windows) to vendor (prod, windows): ")
    name = f"v rotate west {START.isoformat()}"
    assert flight == Flight(
        id=hashlib.sha256(name.encode()).hexdigest()[:16],
        work=Work.ROTATE,
        phase=Phase.CLAIMED,
        region="west",
        reason=flight.reason,
        claimed_at=START,
        worker="v",
        worker_until=START + CLAIM,
        start=Start.SILENT,
        site=SITES["west"],
        old=GITHUB,
        new=VENDOR,
        package=a_watch(VENDOR).package,
    )


def test_how_a_region_was_before_is_remembered() -> None:
    """Afterwards it must be no worse."""
    found = next_step(a_row(), view(DOWN, a_watch(VENDOR), health={"west": a_health()}))
    assert found.row.flight is not None
    assert found.row.flight.start is Start.HEALTHY


def test_where_a_person_is_asked_each_time_nothing_is_rotated() -> None:
    """The row tells the way out."""
    found = next_step(a_row(), view(DOWN, a_watch(VENDOR)), Rules(rotate=False))
    assert found.step == Rest()
    assert found.row.state is State.HELD
    assert "way out: counterpart package rotate --region west --reason TEXT" in found.row.reason
    assert found.row.since == START


# -- an order --------------------------------------------------------------------------------------------------


def test_a_restart_is_claimed_with_its_reason() -> None:
    """Who ordered it, and how many more there are."""
    row = a_row(order=an_order("west", "east", work=Work.RESTART, reason="a new secret"))
    found = next_step(row, view(fresh=()))
    flight = found.row.flight
    assert flight is not None
    assert found.step == Restarting(flight)
    assert (found.row.state, found.row.reason) == (
        State.RESTARTING,
        "west is restarted, ordered by ada: a new secret; 1 more after it",
    )
    assert (flight.work, flight.by, flight.reason, flight.region) == (
        Work.RESTART,
        "ada",
        found.row.reason,
        "west",
    )
    plain = next_step(a_row(order=an_order(work=Work.RESTART)), view())
    assert plain.row.reason == "west is restarted, ordered by ada; 0 more after it"


def test_a_rotation_that_was_ordered_is_claimed() -> None:
    """Also where the rules would not rotate by themselves."""
    found = next_step(a_row(order=an_order(forced=True)), view(), Rules(rotate=False))
    assert isinstance(found.step, Rotating)
    assert found.step.flight.by == "ada"
    assert found.row.reason.endswith(": ordered by ada")


@pytest.mark.parametrize(
    ("order", "after", "words"),
    [
        (an_order(), ORDER_LIVES + SECOND, "west was not done in time: a test"),
        (an_order("south", "west"), timedelta(), "south left the group"),
        (an_order(), timedelta(), "west is not rotated: vendor (prod, windows): another region"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_forgotten(order: Order, after: timedelta, words: str) -> None:
    """All that is left of it, and what became of it is told."""
    found = next_step(a_row(order=order), view(after=after))
    assert found.step == Rest()
    assert found.row.order is None
    assert found.row.outcome is not None
    assert (found.row.outcome.well, found.row.outcome.at) == (False, START + after)
    assert words in found.row.outcome.reason
    assert found.row.reason == found.row.outcome.reason


def test_an_order_lives_to_the_second() -> None:
    """Counted from when its region's turn came."""
    found = next_step(a_row(order=an_order(work=Work.RESTART)), view(after=ORDER_LIVES))
    assert isinstance(found.step, Restarting)


def test_one_region_after_the_other() -> None:
    """The next one's time begins anew; after the last the order is done."""
    row = a_row(order=an_order("west", "east"))
    on = done(row, "west is well", START + SECOND)
    assert on.order == an_order("east", at=START + SECOND)
    assert (on.outcome, on.reason, on.state) == (None, "west is well", row.state)
    over = done(on, "east is well", START + 2 * SECOND)
    assert over.order is None
    assert over.outcome == Outcome(START + 2 * SECOND, well=True, reason="east is well")
    none = done(a_row(), "well", START)
    assert (none.order, none.outcome) == (None, Outcome(START, well=True, reason="well"))
    no = dropped(row, "why", START)
    assert (no.order, no.outcome, no.reason) == (None, Outcome(START, well=False, reason="why"), "why")


# -- what the workflow found out -------------------------------------------------------------------------------


def test_a_claim_taken_back() -> None:
    """Nothing was done: the row stays where it was and says why."""
    found = unclaim(flying(a_flight()), "no permit", START)
    assert (found.flight, found.state, found.reason) == (None, State.ROTATING, "no permit")


def test_what_azure_accepted_is_verified() -> None:
    """For the soak, by whoever comes; until a claim's time is over the old value may still show."""
    at = START + SECOND
    found = happened(flying(a_flight()), at, RULES)
    assert found.flight == a_flight(Phase.DONE, done_at=at, worker_until=at + CLAIM)
    assert found.state is State.VERIFYING
    assert found.reason == "west was disturbed and must be healthy for 180 s: a reason"


def test_what_was_put_back_is_noted() -> None:
    """It is closed when the region shows it."""
    found = put_back(flying(a_flight(Phase.UNDOING)), START)
    assert found.flight == a_flight(Phase.UNDOING, put_back_at=START)


def test_without_a_way_back_a_person_is_asked() -> None:
    """The package is not tried again, and what was ordered is over."""
    found = lost(flying(a_flight(Phase.UNDOING), order=an_order()), "the copy is gone", START)
    assert (found.flight, found.order, found.state) == (None, None, State.HELD)
    assert found.reason == "the copy is gone"
    assert found.refused == (Refused("west", VENDOR.id, A.digest),)


# -- a flight under way ----------------------------------------------------------------------------------------


def closed(found: Turn, flight: Flight, *words: str, well: bool = False) -> None:
    """The flight is over and the row says why, in the state that it had; others wait unless the region is well."""
    assert found.step == Close(flight, well)
    assert found.row.flight is None
    assert all(word in found.row.reason for word in words)


def test_a_region_that_left_ends_its_flight() -> None:
    """What a person ordered is over with it; nothing of a restart is left to be seen to."""
    flight = a_flight(work=Work.RESTART, by="ada")
    found = next_step(flying(flight, order=an_order()), view(systems={"east": Os.WINDOWS}))
    closed(found, flight, "west left the group while it was being disturbed")
    assert found.row.order is None
    assert found.row.left == ()
    assert found.row.outcome == Outcome(START, well=False, reason=found.row.reason)


def test_a_rotation_is_ended_when_its_region_is_back() -> None:
    """It is judged as if the region had been there all the time, while the way back lives."""
    flight = a_flight(Phase.DONE, by="ada")
    found = next_step(flying(flight, at="vendor", order=an_order()), view(systems={"east": Os.WINDOWS}))
    assert found.step == Close(flight, away=True)
    assert (found.row.flight, found.row.left) == (None, (flight,))
    assert found.row.order is None
    back = next_step(found.row, view(after=2 * DEADLINE, fresh=(), worker="v"))
    assert back.step == Look("west")
    assert (back.row.flight, back.row.left) == (flight, ())
    late = next_step(found.row, view(after=COPY_LIVES))
    assert (late.row.flight, late.row.left) == (None, ())


def test_a_rotation_is_judged_by_a_fresh_look() -> None:
    """A restart shows nowhere, so it needs none."""
    for phase in Phase:
        row = flying(a_flight(phase))
        assert next_step(row, view(fresh=("east",), worker="v")) == Turn(row, Look("west"))
    restart = a_flight(Phase.DONE, Work.RESTART)
    assert next_step(flying(restart), view(fresh=())).step == Rest()


@pytest.mark.parametrize("work", list(Work))
def test_a_claim_is_its_workers_until_its_time_is_over(work: Work) -> None:
    """Its own worker goes on at once; others at the second."""
    flight = a_flight(work=work)
    row = flying(flight)
    assert next_step(row, view(worker="v", after=CLAIM - SECOND)) == Turn(row, Rest())
    assert next_step(row, view(worker="v", after=CLAIM)).step == Close(flight)
    assert next_step(row, view(worker="w")).step == Close(flight)


def test_what_became_of_a_claim_shows_at_the_region() -> None:
    """The new place: it happened. The old one: it did not, and the order stands. Another: somebody was faster."""
    flight = a_flight(by="ada")
    order = an_order()
    took = next_step(flying(flight, at="vendor", order=order), view(after=SECOND))
    assert took.step == Rest()
    assert took.row == happened(flying(flight, at="vendor", order=order), START + SECOND, RULES)
    kept = next_step(flying(flight, at="github", order=order), view())
    closed(kept, flight, "west was not rotated")
    assert (kept.row.order, kept.row.outcome) == (order, None)
    theirs = next_step(flying(flight, at="elsewhere", order=order), view())
    closed(theirs, flight, "west got another package URL from somebody else before it was rotated")
    assert theirs.row.order is None
    nowhere = flying(flight, order=order)
    nowhere = msgspec.structs.replace(nowhere, uses=(Use(region="west", location=None),))
    closed(next_step(nowhere, view()), flight, "somebody else")
    unknown = msgspec.structs.replace(nowhere, uses=())
    closed(next_step(unknown, view()), flight, "somebody else")


def test_nobody_knows_whether_a_region_was_restarted() -> None:
    """Its order stands: a second restart does no harm."""
    flight = a_flight(work=Work.RESTART, by="ada")
    order = an_order(work=Work.RESTART)
    found = next_step(flying(flight, order=order), view())
    closed(found, flight, "whether west was restarted is not known")
    assert (found.row.order, found.row.outcome) == (order, None)


# -- verifying -------------------------------------------------------------------------------------------------


def test_azure_may_take_a_while_to_show_the_new_url() -> None:
    """The old one is waited for; afterwards, or with another one at once, it is somebody's doing."""
    flight = a_flight(Phase.DONE)
    old = flying(flight, at="github")
    assert next_step(old, view(after=CLAIM - SECOND)) == Turn(old, Rest())
    words = "the package URL of west was changed by somebody else while it was being verified"
    closed(next_step(old, view(after=CLAIM)), flight, words)
    closed(next_step(flying(flight, at="elsewhere"), view()), flight, words)


def test_a_region_that_came_back_runs_what_it_was_brought() -> None:
    """And remembers where it belongs, unless a person moved it."""
    soak = timedelta(seconds=RULES.soak)
    row = flying(a_flight(Phase.DONE), at="vendor")
    found = next_step(row, view(after=soak, health=well(soak)))
    closed(found, a_flight(Phase.DONE), "west is well after: a reason", well=True)
    (west, east) = found.row.uses
    assert west == a_use("west", VENDOR, home="github", running=Running(package=A, package_at=START))
    assert east == a_use("east", VENDOR)
    person = a_flight(Phase.DONE, by="ada")
    ordered = next_step(
        flying(person, at="vendor", order=an_order("west", "east")), view(after=soak, health=well(soak))
    )
    assert ordered.row.uses[0].home == ""
    assert ordered.row.order == an_order("east", at=START + soak)
    last = next_step(flying(person, at="vendor", order=an_order()), view(after=soak, health=well(soak)))
    assert last.row.outcome == Outcome(START + soak, well=True, reason="west is well after: a reason")


def test_a_region_that_is_home_again_is_away_no_more() -> None:
    """One that is moved on remembers the first place."""
    soak = timedelta(seconds=RULES.soak)
    for home, expected in (("vendor", ""), ("first", "first")):
        row = flying(a_flight(Phase.DONE), at="vendor")
        row = msgspec.structs.replace(row, uses=(a_use("west", VENDOR, home=home),))
        found = next_step(row, view(after=soak, health=well(soak)))
        assert found.row.uses[0].home == expected


def test_what_is_not_known_of_a_package_is_not_said() -> None:
    """A restart brings what its host has, whatever that is."""
    soak = timedelta(seconds=RULES.soak)
    restart = a_flight(Phase.DONE, Work.RESTART)
    row = flying(restart)
    found = next_step(row, view(after=soak, health=well(soak)))
    closed(found, restart, "west is well after: a reason", well=True)
    assert found.row.uses[0] == a_use("west", GITHUB, running=Running())


@pytest.mark.parametrize(
    ("health", "said"), [(None, "its health is not known"), (a_health(HealthState.DOWN), "a test says down")]
)
def test_until_the_deadline_it_is_waited_for(health: Health | None, said: str) -> None:
    """What is seen stands in the row, and until when it may take."""
    row = flying(a_flight(Phase.DONE), at="vendor")
    known = {"west": health} if health else {}
    found = next_step(row, view(after=DEADLINE - SECOND, health=known))
    assert found.step == Rest()
    assert found.row.state is State.VERIFYING
    assert found.row.reason == f"west: {said}; given until 12:10:00 UTC"
    over = next_step(row, view(after=DEADLINE, health=known))
    assert isinstance(over.step, Undo)
    assert over.step.flight == over.row.flight
    assert over.step.flight.phase is Phase.UNDOING
    assert over.row.state is State.UNDOING
    assert over.row.reason == f"west did not come back: {said}"


def test_what_was_silent_before_is_not_undone() -> None:
    """It has the new package, as silent as it was; an order is over."""
    silent = a_flight(Phase.DONE, start=Start.SILENT, by="ada")
    found = next_step(flying(silent, at="vendor", order=an_order()), view(after=DEADLINE))
    closed(found, silent, "west is as silent as before: its health is not known; not undone: a reason")
    assert found.row.uses[0].running == Running(package=A, package_at=START)
    assert found.row.outcome is not None
    assert not found.row.outcome.well


def test_after_a_restart_that_failed_no_other_region_is_restarted() -> None:
    """There is nothing to undo: a person is asked."""
    restart = a_flight(Phase.DONE, Work.RESTART, by="ada")
    found = next_step(
        flying(restart, order=an_order("west", "east", work=Work.RESTART)), view(after=DEADLINE)
    )
    closed(found, restart, "west did not come back: its health is not known; no other region is restarted")
    assert found.row.state is State.HELD
    assert found.row.order is None


# -- undoing ---------------------------------------------------------------------------------------------------


def test_one_worker_at_a_time_puts_back() -> None:
    """Others wait until its time is over; the row has who is at it."""
    row = flying(a_flight(Phase.UNDOING), at="vendor")
    assert next_step(row, view(worker="v", after=CLAIM - SECOND)) == Turn(row, Rest())
    found = next_step(row, view(worker="v", after=CLAIM))
    mine = a_flight(Phase.UNDOING, worker="v", worker_until=START + 2 * CLAIM)
    assert (found.step, found.row.flight) == (Undo(mine), mine)
    assert isinstance(next_step(row, view(worker="w")).step, Undo)


def test_what_was_put_back_is_waited_for_as_long_as_a_claim() -> None:
    """Then it is put back again."""
    row = flying(a_flight(Phase.UNDOING, put_back_at=START), at="vendor")
    assert next_step(row, view(after=CLAIM - SECOND)) == Turn(row, Rest())
    assert isinstance(next_step(row, view(after=CLAIM)).step, Undo)


@pytest.mark.parametrize(
    ("at", "words"),
    [("github", "its old URL is back"), ("elsewhere", "somebody else changed its URL")],
)
def test_when_the_new_url_is_gone_it_is_over(at: str, words: str) -> None:
    """The package is not tried again by itself, and noted once."""
    flight = a_flight(Phase.UNDOING)
    found = next_step(flying(flight, at=at), view())
    closed(found, flight, "west did not come back with the package of vendor (prod, windows)", words)
    one = Refused("west", VENDOR.id, A.digest)
    assert found.row.refused == (one,)
    again = next_step(flying(flight, at=at, refused=(one,)), view())
    assert again.row.refused == (one,)
    many = tuple(Refused("x", str(number), "") for number in range(HISTORY))
    full = next_step(flying(flight, at=at, refused=many), view())
    assert full.row.refused == (*many[1:], one)
    unread = a_flight(Phase.UNDOING, package=None)
    assert next_step(flying(unread, at=at), view()).row.refused == (Refused("west", VENDOR.id, ""),)


def test_an_old_url_that_leads_nowhere_waits() -> None:
    """It would restart the region without a package; once it was begun, it is seen through."""
    failed = flying(a_flight(Phase.DONE), at="vendor")
    ill = (a_watch(GITHUB, HostState.DOWN), a_watch(VENDOR))
    found = next_step(failed, view(*ill, after=DEADLINE))
    assert found.step == Rest()
    assert found.row.state is State.UNDOING
    assert found.row.reason.startswith(
        "west did not come back: its health is not known; its old URL waits: github (prod, windows): "
    )
    assert found.row.flight == a_flight(Phase.DONE)
    again = next_step(found.row, view(*ill, after=DEADLINE + SECOND))
    assert again.row.reason == found.row.reason
    begun = flying(a_flight(Phase.UNDOING), at="vendor")
    assert isinstance(next_step(begun, view(*ill)).step, Undo)
    unknown = next_step(failed, view(a_watch(VENDOR), after=DEADLINE))
    assert isinstance(unknown.step, Undo)


def test_what_is_said_of_packages_has_the_length_of_a_line() -> None:
    """State, history, the outcome of an order, and a rotation's reason."""
    long = "r" * (2 * LINE)
    row = enter(first(GROUP, START), State.HELD, long, START)
    assert row.reason == row.history[-1].text
    assert len(row.reason) == LINE
    assert enter(row, State.HELD, long, START + timedelta(seconds=1)) is row
    for after in (done(row, f"d{long}", START), dropped(row, f"d{long}", START)):
        assert after.outcome is not None
        assert after.outcome.reason == after.reason
        assert len(after.reason) == LINE


def test_a_full_row_drops_its_older_history_and_then_what_compares_packages() -> None:
    """What each region runs stays, and where it takes its package from."""
    lines = tuple(Happening(START, State.HELD, str(number)) for number in range(4))
    uses = (
        a_use("west", running=Running(package=a_package())),
        a_use("east"),
        a_use("north", running=Running()),
    )
    row = msgspec.structs.replace(first(GROUP, START), history=lines, uses=uses)
    halved = row.shorter()
    assert halved is not None
    assert halved == msgspec.structs.replace(row, history=lines[2:])
    bare = msgspec.structs.replace(row, history=lines[3:]).shorter()
    assert bare is not None
    assert bare.history == lines[3:]
    assert [use.region for use in bare.uses] == ["west", "east", "north"]
    assert bare.uses[0].running.package == msgspec.structs.replace(a_package(), sketch=())
    assert bare.uses[1:] == uses[1:]
    assert bare.shorter() is None

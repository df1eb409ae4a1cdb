"""The table of states, and the pure steps that the workflow's scenarios do not pin by themselves."""

from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import IllegalTransition
from shared.groups.model import ScepProof
from shared.groups.model import State as Health
from shared.groups.soak import Start
from shared.settings_sync.merge import merge
from shared.settings_sync.model import (
    Action,
    Flight,
    Footprint,
    Phase,
    Planned,
    Print,
    Rollout,
    Side,
    State,
    Verdict,
    VerdictKind,
    Written,
    lots,
)
from shared.settings_sync.transitions import (
    HISTORY,
    MOVES,
    SENTENCES,
    Again,
    Close,
    Rest,
    Rules,
    Turn,
    Undo,
    View,
    Write,
    enter,
    first_look,
    in_question,
    landed,
    look,
    put_back,
    soaked,
    stale,
    turn,
    unasked,
    unclaim,
)
from shared.settings_sync.transitions import POLICY as OURS
from tests.builders import a_health, a_policy, a_rollout, a_side, site_id
from tests.fakes.clock import START

RULES = Rules()
SOAK = timedelta(seconds=RULES.soak)
MINUTE = timedelta(seconds=60)
POLICY = a_policy()


def sides(west: dict[str, Print], east: dict[str, Print], **more: dict[str, Print]) -> list[Side]:
    """Regions with these fingerprints."""
    return [a_side(entry, region=name) for name, entry in {"west": west, "east": east, **more}.items()]


def looked(rollout: Rollout, seen: list[Side], now: datetime) -> Rollout:
    """The row with what is seen taken in."""
    return look(rollout, seen, POLICY, now)[0]


def stepped(
    rollout: Rollout,
    seen: list[Side],
    now: datetime,
    *,
    worker: str = "w",
    sick: str = "",
    rules: Rules = RULES,
    unresolved: tuple[str, ...] = (),
) -> Turn:
    """Look and decide; every region is healthy since long, but the sick ones."""
    after, decisions = look(rollout, seen, POLICY, now)
    health = {
        side.region.name: a_health(
            Health.UNKNOWN if side.region.name in sick.split() else Health.HEALTHY,
            at=now,
            since=START - SOAK,
            probe=503 if side.region.name in sick.split() else 200,
            scep=ScepProof(at=now, ca_sha256="ca"),
        )
        for side in seen
    }
    view = View(sides=seen, decisions=decisions, health=health, now=now, worker=worker, unresolved=unresolved)
    return turn(after, view, rules)


def changed() -> tuple[Rollout, list[Side]]:
    """A pair that agreed, and in which west changed one key at START."""
    row = looked(
        first_look("g", sides({"A": "0"}, {"A": "0"}), "id", START), sides({"A": "0"}, {"A": "0"}), START
    )
    seen = sides({"A": "1"}, {"A": "0"})
    return looked(row, seen, START), seen


def claimed() -> tuple[Rollout, Flight, list[Side]]:
    """Return that change, soaked and claimed by the worker w."""
    row, seen = changed()
    after = stepped(row, seen, START + SOAK)
    assert isinstance(after.step, Write)
    return after.rollout, after.step.flight, seen


# -- the table -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("here", list(State))
@pytest.mark.parametrize("there", list(State))
def test_only_the_moves_of_the_table_are_made(here: State, there: State) -> None:
    """Every other move is an error that names both states; staying is always allowed."""
    row = a_rollout(here)
    if there is here or there in MOVES[here]:
        assert enter(row, there, "why", START).state is there
    else:
        with pytest.raises(IllegalTransition, match=f"{here} to {there}"):
            enter(row, there, "why", START)


def test_every_state_has_its_sentence_and_can_be_reached_and_left() -> None:
    """From converged to each, and from each back to converged; each sentence is its state's alone."""
    assert set(SENTENCES) == set(MOVES) == set(State)
    assert len(set(SENTENCES.values())) == len(State)
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())
    reached, border = {State.CONVERGED}, {State.CONVERGED}
    while border := {move for state in border for move in MOVES[state]} - reached:
        reached |= border
    assert reached == set(State)
    assert all(State.CONVERGED in MOVES[state] for state in State if state is not State.CONVERGED)


def test_verifying_is_entered_by_writing_only() -> None:
    """Nothing is verified that was not written."""
    assert [state for state, to in MOVES.items() if State.VERIFYING in to] == [State.WRITING]


def test_the_same_said_again_is_no_news() -> None:
    """A row that would say the same stays as it is; what comes by turns is told once."""
    row = enter(a_rollout(), State.SOAKING, "one", START)
    assert enter(row, State.SOAKING, "one", START + MINUTE) is row
    for number in range(10):
        row = enter(row, State.SOAKING, ("one", "two")[number % 2], START)
    assert [happening.text for happening in row.history] == ["one", "two"]
    assert row.reason == "two"


@given(st.lists(st.tuples(st.sampled_from(list(State)), st.text(max_size=3)), max_size=120))
def test_history_is_bounded_and_ends_with_what_is_so(moves: list[tuple[State, str]]) -> None:
    """The newest lines stay, and `since` is when the state was entered."""
    row, now = a_rollout(), START
    for state, reason in moves:
        now += MINUTE
        if state is row.state or state in MOVES[row.state]:
            before = row
            row = enter(row, state, reason, now)
            assert (row.state, row.reason) == (state, reason)
            assert row.since == (before.since if state is before.state else now)
    assert len(row.history) <= HISTORY


# -- looking ---------------------------------------------------------------------------------------------------

MAPS = st.fixed_dictionaries(dict.fromkeys("AB", st.sampled_from([None, "0", "1", "2"])))


@given(MAPS, MAPS)
def test_at_first_contact_what_agrees_is_the_baseline_and_the_rest_undecided(
    west: dict[str, Print], east: dict[str, Print]
) -> None:
    """Every key is one or the other."""
    row = first_look("g", sides(west, east), "id", START)
    base = dict(row.baseline)
    for key in "AB":
        if west[key] != east[key]:
            assert key in row.undecided
            assert key not in base
        else:
            assert base.get(key) == west[key]


@given(MAPS, MAPS, MAPS, MAPS)
def test_looking_twice_is_looking_once(
    west: dict[str, Print], east: dict[str, Print], west2: dict[str, Print], east2: dict[str, Print]
) -> None:
    """Nothing new is learned from the same sight, whatever was before."""
    row = looked(first_look("g", sides(west, east), "id", START), sides(west, east), START)
    once = looked(row, sides(west2, east2), START + MINUTE)
    twice = looked(once, sides(west2, east2), START + 2 * MINUTE)
    assert once.plan is not None
    assert twice.plan is not None
    assert (twice.plan.fingerprint, twice.plan.decisions) == (once.plan.fingerprint, once.plan.decisions)
    assert msgspec.structs.replace(twice, looked_at=once.looked_at, plan=once.plan) == once


@given(MAPS, MAPS)
def test_agreement_becomes_the_baseline_and_nothing_else_does(
    west: dict[str, Print], east: dict[str, Print]
) -> None:
    """After a look the baseline of a key is what all have, or what it was."""
    start: dict[str, Print] = {"A": "0"}
    row = looked(first_look("g", sides(start, start), "id", START), sides(start, start), START)
    after = dict(looked(row, sides(west, east), START).baseline)
    for key in "AB":
        expected = west[key] if west[key] == east[key] else dict(row.baseline).get(key)
        assert after.get(key) == expected


def test_one_region_alone_teaches_nothing() -> None:
    """Its values become no baseline, and the region that is away stays known."""
    row, _ = changed()
    alone = looked(row, [a_side({"A": "9"})], START + MINUTE)
    assert alone.baseline == row.baseline
    assert {footprint.region for footprint in alone.footprints} == {"west", "east"}
    assert stepped(row, [a_side({"A": "9"})], START + MINUTE).rollout.state is State.CONVERGED


def test_a_footprint_stands_since_its_region_was_last_seen_to_change() -> None:
    """Another region's change does not move it."""
    row, _ = changed()
    later = looked(row, sides({"A": "1"}, {"A": "0", "B": "1"}), START + MINUTE)
    at = {footprint.region: footprint.at for footprint in later.footprints}
    assert at == {"west": START, "east": START + MINUTE}


def test_words_and_failures_fall_away_with_the_state_they_were_about() -> None:
    """What is remembered of a key's state is forgotten once the key is in another."""
    row, seen = changed()
    (decision,) = merge(seen, baseline=dict(row.baseline))
    marked = msgspec.structs.replace(row, undone=(decision.state,))
    assert looked(marked, seen, START).undone == (decision.state,)
    assert looked(marked, sides({"A": "2"}, {"A": "0"}), START).undone == ()


@pytest.mark.parametrize(
    ("joined", "undecided"),
    [
        ({"A": "1"}, ()),  # as the others
        ({"A": "0"}, ()),  # as they once agreed
        ({"A": "2"}, ("A",)),
        ({}, ("A",)),
        ({"A": "1", "B": "1"}, ("B",)),
    ],
)
def test_a_region_that_joins_brings_no_changes_of_its_own(
    joined: dict[str, Print], undecided: tuple[str, ...]
) -> None:
    """Where it has what was agreed on it is one of them; where it is strange, it is first contact."""
    row, seen = changed()
    grown = looked(row, [*seen, a_side(joined, region="north")], START)
    assert grown.undecided == undecided


def test_what_we_wrote_is_remembered_while_it_is_there() -> None:
    """Once the region has another value, that is its own; once all agree, or it is local, nothing is remembered."""
    row, _ = changed()
    mine = msgspec.structs.replace(row, lots=lots([Written("east", "A", "1", "0")]))
    ahead = sides({"A": "0"}, {"A": "1"})
    assert looked(mine, ahead, START).written == mine.written
    (theirs,) = looked(mine, sides({"A": "0"}, {"A": "2"}), START).written
    assert (theirs.region, theirs.print, theirs.theirs) == ("east", "2", True)
    assert looked(mine, sides({"A": "1"}, {"A": "1"}), START).written == ()
    local = sides({"A": "0"}, {})
    kept = msgspec.structs.replace(local[1], local=("A",))
    assert looked(mine, [local[0], kept], START).written == ()


@pytest.mark.parametrize("north", ["0", "2"])  # as it was, or another one
def test_who_puts_another_value_in_the_place_of_ours_is_not_overwritten(north: str) -> None:
    """A person puts north back while the change goes on to east: that is a decision as good as west's."""
    west, east = sides({"A": "1"}, {"A": "1"})
    there = [west, east, a_side({"A": "1"}, region="north")]
    row = msgspec.structs.replace(
        looked(changed()[0], there, START),
        baseline=(("A", "0"),),
        lots=lots(Written(name, "A", "1", "0") for name in ("east", "north")),
    )
    seen = [west, east, a_side({"A": north}, region="north")]
    after, (decision,) = look(row, seen, POLICY, START)
    assert decision.action is Action.CONFLICT
    again, (decision,) = look(after, seen, POLICY, START + MINUTE)
    assert decision.action is Action.CONFLICT
    assert again.written == after.written


def test_a_change_stays_where_it_was_taken_when_its_source_leaves() -> None:
    """West's change is in east and well there when west leaves: it goes on to north, and is not put back in east."""
    row, _ = changed()
    before = [*sides({"A": "1"}, {"A": "1"}), a_side({"A": "0"}, region="north")]
    known = looked(looked(row, [*before[:2], a_side({"A": "1"}, region="north")], START), before, START)
    sent = msgspec.structs.replace(
        known, baseline=(("A", "0"),), undecided=(), lots=lots([Written("east", "A", "1", "0")])
    )
    _, (decision,) = look(sent, before, POLICY, START)
    assert (decision.action, decision.sources, decision.targets) == (Action.TAKE, ("west",), ("north",))
    after, (decision,) = look(sent, before[1:], POLICY, START)
    assert (decision.action, decision.sources, decision.targets) == (Action.TAKE, ("east",), ("north",))
    assert after.written == ()


def test_a_word_is_not_good_for_a_value_that_was_put_back_since() -> None:
    """West was chosen, and east written; who puts east's old value back says otherwise, and is not overruled."""
    row, _ = changed()
    seen = sides({"A": "1"}, {"A": "2"})
    _, (asked,) = look(row, seen, POLICY, START)
    word = Verdict(
        key="A", state=asked.state, kind=VerdictKind.TAKE, side="west", by="ada", reason="", at=START
    )
    written = msgspec.structs.replace(row, verdicts=(word,), lots=lots([Written("east", "A", "1", "2")]))
    after, (decision,) = look(written, seen, POLICY, START)
    assert decision.action is Action.CONFLICT
    assert after.verdicts == ()


# -- the soak --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed_ago", "since_ago", "seen_ago", "expected"),
    [
        (180, 3600, 0, True),
        (179, 3600, 0, False),
        (3600, 180, 0, True),
        (3600, 179, 0, False),
        (200, 3600, 20, True),  # the evidence itself reaches past the soak
        (200, 3600, 21, False),
    ],
)
def test_the_soak_is_whole_since_the_change_and_since_the_region_is_well(
    changed_ago: float, since_ago: float, seen_ago: float, *, expected: bool
) -> None:
    """A probe from before its end proves nothing about its end."""
    health = {
        "west": a_health(at=START - timedelta(seconds=seen_ago), since=START - timedelta(seconds=since_ago))
    }
    changed_at = START - timedelta(seconds=changed_ago)
    assert soaked("west", changed_at, health, START, RULES) is expected


def test_without_a_soak_health_is_still_needed() -> None:
    """Zero seconds of health are some; unknown, down and unseen regions have none."""
    none = Rules(soak=0)
    assert soaked("west", START, {"west": a_health(at=START - MINUTE)}, START, none)
    for state in (Health.UNKNOWN, Health.DOWN):
        assert not soaked("west", START, {"west": a_health(state)}, START, none)
    assert not soaked("west", START, {}, START, none)


# -- a flight --------------------------------------------------------------------------------------------------


def test_a_claim_names_what_the_target_had_and_is_to_have() -> None:
    """One worker, for a while; what it will write is not the target's own change."""
    row, flight, _ = claimed()
    assert (flight.source, flight.target, flight.phase) == ("west", "east", Phase.CLAIMED)
    assert flight.keys == (Planned("A", "0", "1"),)
    assert (flight.worker, flight.start) == ("w", Start.HEALTHY)
    assert row.written == (Written("east", "A", "1", "0"),)
    assert row.state is State.WRITING


def test_two_claims_never_share_an_id() -> None:
    """By time, worker or target they differ, and so do their copies in the vault."""
    row, seen = changed()
    ids = {
        stepped(row, seen, START + SOAK + wait, worker=worker).rollout.flight.id  # type: ignore[union-attr]
        for wait in (timedelta(), MINUTE)
        for worker in ("v", "w")
    }
    assert len(ids) == 4


def test_a_claim_taken_back_leaves_what_was_written_before() -> None:
    """East has an earlier value of ours; a refused second write does not make it east's own."""
    row, _ = changed()
    older = msgspec.structs.replace(row, lots=lots([Written("east", "A", "1", "0")]))
    seen = sides({"A": "2"}, {"A": "1"})
    older = looked(older, seen, START)
    after = stepped(older, seen, START + SOAK)
    assert isinstance(after.step, Write)
    assert set(after.rollout.written) == {Written("east", "A", "1", "0"), Written("east", "A", "2", "0")}
    back = unclaim(after.rollout, "no permit", START + SOAK)
    assert back.written == (Written("east", "A", "1", "0"),)
    assert back.flight is None
    (decision,) = merge(seen, baseline=dict(back.baseline), written=back.written)
    assert decision.sources == ("west",)


def test_others_leave_a_claim_alone_until_it_runs_out() -> None:
    """Then, if nothing is there of it, it is given up and all is decided anew."""
    row, flight, seen = claimed()
    during = stepped(row, seen, flight.worker_until - MINUTE, worker="v")
    assert during.step == Rest()
    assert during.rollout.flight == flight
    after = stepped(row, seen, flight.worker_until, worker="v")
    assert after.step == Close(flight)
    assert after.rollout.flight is None
    assert (after.rollout.written, after.rollout.undone) == ((), ())


def test_a_claim_that_was_carried_out_is_verified_by_whoever_finds_it() -> None:
    """The worker died after the write."""
    row, flight, _ = claimed()
    found = stepped(row, sides({"A": "1"}, {"A": "1"}), flight.worker_until, worker="v")
    assert found.rollout.state is State.VERIFYING
    assert found.rollout.flight is not None
    assert found.rollout.flight.phase is Phase.WRITTEN
    assert dict(found.rollout.baseline) == {"A": "0"}, "not agreed before it is verified"


def flying(keys: tuple[Planned, ...], phase: Phase = Phase.CLAIMED) -> Rollout:
    """A row with a flight from west to east whose claim has run out at START."""
    flight = Flight(
        id="1",
        phase=phase,
        source="west",
        target="east",
        keys=keys,
        claimed_at=START - 2 * MINUTE,
        worker="w",
        worker_until=START,
        start=Start.HEALTHY,
        site=site_id("east").lower(),
        written_at=None if phase is Phase.CLAIMED else START - 2 * MINUTE,
    )
    state = State.WRITING if phase is Phase.CLAIMED else State.VERIFYING
    return a_rollout(
        state,
        flight=flight,
        baseline=tuple((planned.key, planned.old) for planned in keys if planned.old is not None),
        footprints=(Footprint("west", "-", START), Footprint("east", "-", START)),
        lots=lots(Written("east", planned.key, planned.new, planned.old) for planned in keys),
    )


TWO = (Planned("A", "0", "1"), Planned("B", "0", "1"))


def long_since(row: Rollout, seen: list[Side]) -> Rollout:
    """The row, whose regions have been as they are for an hour."""
    (looked, _) = look(row, seen, POLICY, START - timedelta(hours=1))
    return msgspec.structs.replace(row, footprints=looked.footprints)


def test_a_half_made_write_is_carried_on_with_what_its_source_still_has() -> None:
    """A arrived; B did not, and is finished, or dropped when west took it back."""
    row, half = flying(TWO), sides({"A": "1", "B": "1"}, {"A": "1", "B": "0"})
    on = stepped(long_since(row, half), half, START, worker="v")
    assert isinstance(on.step, Write)
    assert on.step.resumed
    assert on.step.flight.worker == "v"
    dropped = stepped(row, sides({"A": "1", "B": "0"}, {"A": "1", "B": "0"}), START, worker="v")
    assert dropped.rollout.state is State.VERIFYING
    assert dropped.rollout.flight is not None
    assert dropped.rollout.flight.keys == TWO[:1]
    assert dropped.rollout.undone == ()


def test_the_second_part_of_a_write_is_not_taken_from_a_source_that_fell_ill() -> None:
    """The soak held for the first part; what is left soaks anew, and the first part is seen through."""
    half = sides({"A": "1", "B": "1"}, {"A": "1", "B": "0"})
    row = long_since(flying(TWO), half)
    ill = stepped(row, half, START, worker="v", sick="west")
    assert ill.rollout.state is State.VERIFYING
    assert ill.rollout.flight is not None
    assert ill.rollout.flight.keys == TWO[:1]
    assert ill.rollout.undone == (), "it is tried again when west is healthy"


@pytest.mark.parametrize(
    ("by", "sick", "goes_on"), [(OURS, "", False), (OURS, "east", True), ("ada", "", True)]
)
def test_the_second_part_of_what_the_policy_puts_back_is_left_when_the_region_answers(
    by: str, sick: str, *, goes_on: bool
) -> None:
    """The first part has mended it: what is left is a change like any other, and a person's word stands."""
    half = sides({"A": "1", "B": "1"}, {"A": "1", "B": "0"})
    row = long_since(flying(TWO), half)
    (_, decisions) = look(row, half, POLICY, START)
    state = next(decision.state for decision in decisions if decision.key == "B")
    word = Verdict(key="B", state=state, kind=VerdictKind.TAKE, by=by, reason="bad", at=START, side="west")
    row = msgspec.structs.replace(row, verdicts=(word,))
    found = stepped(row, half, START, worker="v", sick=sick)
    assert isinstance(found.step, Write) is goes_on
    assert found.rollout.flight is not None
    assert found.rollout.flight.keys == (TWO if goes_on else TWO[:1])


def test_a_written_key_that_changed_at_its_source_does_not_stop_the_rest() -> None:
    """A was written, then edited in west; B is still to be written, and A's new value travels by itself later."""
    keys = TWO
    row = flying(keys)
    assert row.flight is not None
    now = sides({"A": "2", "B": "1"}, {"A": "1", "B": "0"})
    assert stale(row.flight, now, resumed=True) == ""
    assert "A changed in west" in stale(row.flight, now)
    assert isinstance(stepped(long_since(row, now), now, START, worker="v").step, Write)


def test_a_healthy_region_is_not_undone_because_nobody_looked() -> None:
    """The deadline passed while the app was away; the region is healthy, and is given its soak."""
    row = landed(flying(TWO[:1]), START, RULES)
    new, late = sides({"A": "1"}, {"A": "1"}), START + timedelta(seconds=RULES.verify_deadline + 60)
    looked, decisions = look(row, new, POLICY, late)
    seen = {side.region.name: a_health(at=late, since=late) for side in new}
    found = turn(looked, View(sides=new, decisions=decisions, health=seen, now=late, worker="w"), RULES)
    assert found.step == Rest()
    assert found.rollout.state is State.VERIFYING
    assert "nobody has watched it" in found.rollout.reason


def test_time_in_which_nobody_looked_does_not_count() -> None:
    """A region that is seen failing after a gap is undone when it was watched failing for a while, not at once."""
    row = landed(flying(TWO[:1]), START, RULES)
    new, back = sides({"A": "1"}, {"A": "1"}), START + timedelta(seconds=RULES.verify_deadline + 60)
    steps = []
    for after in (0, 60, 120):
        now = back + timedelta(seconds=after)
        looked, decisions = look(row, new, POLICY, now)
        seen = {
            "west": a_health(at=now, since=START),
            "east": a_health(Health.DOWN, at=now, since=back, probe=503),
        }
        view = View(sides=new, decisions=decisions, health=seen, now=now, worker="w")
        steps.append(type(turn(looked, view, RULES).step))
    assert steps == [Rest, Rest, Undo]


def test_a_word_that_waived_the_soak_is_good_for_one_write() -> None:
    """Forced, written, undone: who approves it after that has not waived the soak again."""
    row, flight, seen = claimed()
    (_, decisions) = look(row, seen, POLICY, START)
    (decision,) = decisions
    force = Verdict(key="A", state=decision.state, kind=VerdictKind.FORCE, by="ada", reason="now", at=START)
    undoing = msgspec.structs.replace(
        row,
        state=State.VERIFYING,
        verdicts=(force,),
        flight=msgspec.structs.replace(flight, phase=Phase.UNDOING, written_at=START),
    )
    after = stepped(undoing, seen, flight.worker_until)
    assert isinstance(after.step, Close)
    assert after.rollout.undone == (decision.state,)
    assert after.rollout.verdicts == ()


def test_somebody_elses_key_is_theirs_and_the_rest_is_seen_through() -> None:
    """Of a half-made write, and of one that is being verified."""
    theirs = sides({"A": "1", "B": "1"}, {"A": "1", "B": "9"})
    for phase in (Phase.CLAIMED, Phase.WRITTEN):
        after = stepped(flying(TWO, phase), theirs, START, worker="v").rollout
        assert after.flight is not None
        assert after.flight.keys == TWO[:1]
        assert {written.key for written in after.written} == {"A"}
        assert len(after.undone) == 1


def test_azure_may_take_a_while_to_show_what_was_written() -> None:
    """Old values right after the write are waited for; later they are somebody's doing."""
    row = landed(flying(TWO[:1]), START, RULES)
    old = sides({"A": "1"}, {"A": "0"})
    assert stepped(row, old, START + MINUTE).step == Rest()
    assert isinstance(stepped(row, old, START + 2 * MINUTE).step, Close)


def test_old_values_that_were_put_back_are_waited_for_and_put_back_once() -> None:
    """Only when they do not show after a claim's time is the PUT repeated."""
    row = put_back(flying(TWO[:1], Phase.UNDOING), START)
    new = sides({"A": "1"}, {"A": "1"})
    assert stepped(row, new, START + MINUTE, worker="w").step == Rest()
    assert isinstance(stepped(row, new, START + 2 * MINUTE, worker="w").step, Undo)
    back = stepped(row, sides({"A": "1"}, {"A": "0"}), START + MINUTE, worker="w")
    assert isinstance(back.step, Close)
    assert len(back.rollout.undone) == 1


def test_one_worker_at_a_time_puts_back() -> None:
    """Others wait until its time is over."""
    row = flying(TWO[:1], Phase.WRITTEN)
    late = START + timedelta(seconds=RULES.verify_deadline)
    undoing = stepped(row, sides({"A": "1"}, {"A": "1"}), late, worker="v", sick="east")
    assert isinstance(undoing.step, Undo)
    again = stepped(undoing.rollout, sides({"A": "1"}, {"A": "1"}), late, worker="u", sick="east")
    assert again.step == Rest()


@pytest.mark.parametrize(("seconds", "undone"), [(599, False), (600, True)])
@pytest.mark.parametrize("cause", ["sick", "unresolved"])
def test_a_target_has_until_the_deadline(seconds: float, cause: str, *, undone: bool) -> None:
    """Sick, or without its secret: then its old values are put back."""
    row = landed(flying(TWO[:1]), START, RULES)
    after = stepped(
        row,
        sides({"A": "1"}, {"A": "1"}),
        START + timedelta(seconds=seconds),
        sick="east" if cause == "sick" else "",
        unresolved=("A",) if cause == "unresolved" else (),
    )
    assert isinstance(after.step, Undo) is undone
    expected = "a test says unknown" if cause == "sick" else "references are not resolved: A"
    assert expected in after.rollout.reason


@pytest.mark.parametrize(
    ("west", "east", "resumed", "fits"),
    [
        ({"A": "1"}, {"A": "0"}, False, True),
        ({"A": "2"}, {"A": "0"}, False, False),  # the source moved
        ({"A": "1"}, {"A": "9"}, False, False),  # the target moved
        ({"A": "1"}, {"A": "1"}, False, False),  # somebody did it: none of ours to put back
        ({"A": "1"}, {"A": "1"}, True, True),
        ({"A": "1"}, {"A": "9"}, True, False),
    ],
)
def test_a_claim_is_carried_out_only_if_it_still_fits(
    west: dict[str, Print], east: dict[str, Print], *, resumed: bool, fits: bool
) -> None:
    """Both regions are looked at again, key by key."""
    flight = flying(TWO[:1]).flight
    assert flight is not None
    assert (stale(flight, sides(west, east), resumed=resumed) == "") is fits
    assert "left the group" in stale(flight, [a_side(west)])


# -- references ------------------------------------------------------------------------------------------------


def asked_about(row: Rollout, *, after: timedelta = SOAK, sick: str = "") -> tuple[str, tuple[str, ...]]:
    """Return whose references are in question, so long after START, with every region well but one."""
    now = START + after
    states = {name: Health.UNKNOWN if name == sick else Health.HEALTHY for name in ("west", "east")}
    health = {name: a_health(state, at=now, since=START - SOAK) for name, state in states.items()}
    return in_question(row, health, now, RULES)


def test_the_references_of_a_change_are_in_question_when_its_soak_is_over() -> None:
    """At its source, and not while it soaks or is ill."""
    row, _ = changed()
    assert asked_about(row) == ("west", ("A",))
    assert asked_about(row, after=MINUTE)[1] == ()
    assert asked_about(row, sick="west")[1] == ()


def test_the_references_of_a_flight_are_in_question_when_it_is_written() -> None:
    """At its target; not before, nor while it is put back."""
    row = flying(TWO)
    assert asked_about(row)[1] == ()
    assert asked_about(landed(row, START, RULES)) == ("east", ("A", "B"))
    assert asked_about(flying(TWO, Phase.UNDOING))[1] == ()


def test_nothing_is_in_question_of_what_nobody_is_about_to_write() -> None:
    """No difference, a plan that was never made, or one that refuses itself."""
    agreed = looked(first_look("g", sides({"A": "0"}, {"A": "0"}), "id", START), sides({}, {}), START)
    assert asked_about(agreed) == ("", ())
    assert asked_about(msgspec.structs.replace(agreed, plan=None)) == ("", ())
    row, _ = changed()
    seen = sides({"A": "1"}, {"A": "2"})
    held = looked(row, seen, START)
    assert held.plan is not None
    assert held.plan.refusals
    assert asked_about(held) == ("", ())


def test_what_a_person_forces_is_not_in_question() -> None:
    """The person answers for it."""
    row, seen = changed()
    assert row.plan is not None
    (change,) = row.plan.changes
    word = Verdict(key="A", state=change.state, kind=VerdictKind.FORCE, by="ada", reason="I know", at=START)
    forced = looked(msgspec.structs.replace(row, verdicts=(word,)), seen, START)
    assert asked_about(forced)[1] == ()
    step = stepped(forced, seen, START + SOAK, unresolved=("A",)).step
    assert isinstance(step, Write)
    assert step.forced


@pytest.mark.parametrize(
    ("seconds", "state", "reason"),
    [
        (
            RULES.soak,
            State.SOAKING,
            "1 key changed in west, where Key Vault references are not resolved: A, B; given until 12:15:00 UTC",
        ),
        (
            RULES.soak_deadline,
            State.CONTAINED,
            "1 key changed in west, where Key Vault references are not resolved: A, B",
        ),
    ],
)
@pytest.mark.parametrize("revert", [True, False])
def test_a_healthy_source_without_its_secrets_is_contained(
    seconds: float, state: State, reason: str, *, revert: bool
) -> None:
    """When its time is over; the policy reverts only an app that fails."""
    row, seen = changed()
    now = START + timedelta(seconds=seconds)
    rules = Rules(revert_bad_changes=revert)
    after = stepped(row, seen, now, unresolved=("A", "B"), rules=rules)
    assert (after.step, after.rollout.state, after.rollout.reason) == (Rest(), state, reason)


# -- contained -------------------------------------------------------------------------------------------------


def test_the_policy_says_its_word_once_and_for_the_healthy_side() -> None:
    """Among several peers one that is well is taken; a second look does not say it again."""
    rules = Rules(revert_bad_changes=True)
    row, _ = changed()
    seen = sides({"A": "1"}, {"A": "0"}, aaa={"A": "0"})
    row = msgspec.structs.replace(row, footprints=())
    row = looked(row, seen, START)
    late = START + timedelta(seconds=rules.soak_deadline)
    first = stepped(row, seen, late, sick="west", rules=rules)
    assert first.step == Again()
    assert first.rollout.state is State.CONTAINED
    (verdict,) = first.rollout.verdicts
    assert verdict.side == "aaa"
    second = stepped(first.rollout, seen, late, sick="west aaa", rules=rules)
    assert second.step == Rest()
    assert second.rollout.verdicts == first.rollout.verdicts


def policys_word() -> tuple[Rollout, list[Side], Rules, datetime]:
    """West's change is contained, and the policy has said that it is to be reverted."""
    rules = Rules(revert_bad_changes=True)
    row, seen = changed()
    late = START + timedelta(seconds=rules.soak_deadline)
    said = stepped(row, seen, late, sick="west", rules=rules)
    assert [verdict.side for verdict in said.rollout.verdicts] == ["east"]
    return said.rollout, seen, rules, late


def test_the_policys_word_is_withdrawn_when_the_region_answers_before_it_was_reverted() -> None:
    """What it did not bear may have been something else: its change soaks as any other does."""
    row, seen, rules, late = policys_word()
    assert stepped(row, seen, late + MINUTE, sick="west", rules=rules).rollout.verdicts == row.verdicts
    mended = stepped(row, seen, late + MINUTE, rules=rules)
    assert mended.step == Again()
    assert mended.rollout.verdicts == ()
    why = "1 key not put back by the policy on_bad_change: the changed region answers again"
    assert (mended.rollout.reason, mended.rollout.state) == (why, row.state)
    after, decisions = look(row, seen, POLICY, late)
    unknown = View(sides=seen, decisions=decisions, health={}, now=late, worker="w")
    assert turn(after, unknown, rules).rollout.verdicts == row.verdicts
    assert isinstance(stepped(mended.rollout, seen, late + MINUTE, rules=rules).step, Write)


@pytest.mark.parametrize("state", list(State))
def test_that_references_could_not_be_read_is_said_and_nobody_is_called_or_sent_home(state: State) -> None:
    """What is contained stays so, and nothing else becomes it: either way people would be told."""
    row, _ = changed()
    row = msgspec.structs.replace(row, state=state)
    found = unasked(row, "west", START + MINUTE)
    assert found.state is (State.CONTAINED if state is State.CONTAINED else State.SOAKING)
    assert found.reason == (
        "whether the Key Vault references of west resolve could not be read; it is asked again"
    )
    assert found.history[-1].at == START + MINUTE


def test_a_persons_word_is_not_withdrawn() -> None:
    """Who takes a side takes it, however well the other one is."""
    row, seen, rules, late = policys_word()
    (word,) = row.verdicts
    persons = msgspec.structs.replace(word, by="ada")
    row = msgspec.structs.replace(row, verdicts=(persons,))
    assert stepped(row, seen, late + MINUTE, rules=rules).rollout.verdicts == (persons,)


@pytest.mark.parametrize("scep", [None, ScepProof(at=START, ca_sha256="ca")])
def test_the_policy_reverts_nothing_that_only_stands_out_of_dns(scep: ScepProof | None) -> None:
    """An app that answers, and whose endpoint is disabled, may have been mended: a person decides."""
    rules = Rules(revert_bad_changes=True)
    row, seen = changed()
    late = START + timedelta(seconds=rules.soak_deadline)
    after, decisions = look(row, seen, POLICY, late)
    health = {name: a_health(Health.UNKNOWN, at=late, scep=scep) for name in ("west", "east")}
    view = View(sides=seen, decisions=decisions, health=health, now=late, worker="w")
    contained = turn(after, view, rules)
    assert contained.step == Rest()
    assert contained.rollout.state is State.CONTAINED
    assert contained.rollout.verdicts == ()

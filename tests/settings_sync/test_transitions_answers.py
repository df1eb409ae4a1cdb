"""What a turn of a rollout answers: which step, what its row remembers, and what it tells people to wait for."""

from datetime import timedelta

import msgspec
import pytest

from shared.copies import COPY_LIVES
from shared.groups.model import Health, ScepProof, State
from shared.groups.soak import Start
from shared.settings_sync.model import (
    Action,
    Decision,
    Flight,
    Footprint,
    Happening,
    Phase,
    Planned,
    Print,
    Rollout,
    Side,
    Verdict,
    VerdictKind,
    Written,
    lots,
)
from shared.settings_sync.model import State as RolloutState
from shared.settings_sync.policy import KeyClass
from shared.settings_sync.transitions import (
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
    look,
    lost,
    stale,
    turn,
)
from tests.builders import a_health, a_policy, a_region, a_rollout, a_side, site_id
from tests.fakes.clock import START

RULES = Rules()
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
POLICY = a_policy()


def pair(west: dict[str, Print], east: dict[str, Print], **more: dict[str, Print]) -> list[Side]:
    return [a_side(entry, region=name) for name, entry in {"west": west, "east": east, **more}.items()]


def decided(
    row: Rollout,
    seen: list[Side],
    *,
    health: dict[str, Health] | None = None,
    rules: Rules = RULES,
    after: timedelta = timedelta(),
    worker: str = "w",
) -> Turn:
    """Look and decide at START, or so long after it; nothing is known of a region's health unless it is given."""
    now = START + after
    looked, decisions = look(row, seen, POLICY, now)
    view = View(sides=seen, decisions=decisions, health=health or {}, now=now, worker=worker)
    return turn(looked, view, rules)


def agreed(*names: str, at: dict[str, timedelta] | None = None, **changes: object) -> Rollout:
    """A row whose regions agreed in A and B, an hour ago unless told otherwise."""
    row = a_rollout(baseline=(("A", "0"), ("B", "0")), key_id="id")
    seen = [a_side({"A": "0", "B": "0"}, region=name) for name in names or ("west", "east")]
    (row, _) = look(row, seen, POLICY, START - HOUR)
    stood = tuple(
        msgspec.structs.replace(footprint, at=START + (at or {}).get(footprint.region, -HOUR))
        for footprint in row.footprints
    )
    return msgspec.structs.replace(row, footprints=stood, **changes)


def flying(phase: Phase = Phase.CLAIMED, *, worker: str = "w", start: Start = Start.HEALTHY) -> Rollout:
    """West's A is on its way to east; the worker's time is over in a minute."""
    flight = Flight(
        id="1",
        phase=phase,
        source="west",
        target="east",
        keys=(Planned("A", "0", "1"),),
        claimed_at=START - MINUTE,
        worker=worker,
        worker_until=START + MINUTE,
        start=start,
        site=site_id("east").lower(),
        written_at=None if phase is Phase.CLAIMED else START - MINUTE,
    )
    state = RolloutState.WRITING if phase is Phase.CLAIMED else RolloutState.VERIFYING
    return agreed(state=state, flight=flight, lots=lots([Written("east", "A", "1", "0")]))


HALF = pair({"A": "1", "B": "0"}, {"A": "1", "B": "0"})  # east has what we wrote


@pytest.mark.parametrize("phase", list(Phase))
def test_a_region_that_leaves_while_it_is_written_is_seen_to_when_it_is_back(phase: Phase) -> None:
    """Others may be written meanwhile; its copy stays in the vault for as long as it lives."""
    row = flying(phase)
    left = [a_side({"A": "1", "B": "0"}, region=name) for name in ("north", "west")]
    turned = decided(row, left)
    assert row.flight is not None
    assert turned.step == Close(row.flight, away=True)
    assert (turned.rollout.flight, turned.rollout.left) == (None, (row.flight,))
    told = "east left the group while it was being written; that is ended when it is back"
    assert turned.rollout.reason == told
    back, _ = look(turned.rollout, HALF, POLICY, START + HOUR)
    assert (back.flight, back.left, back.state) == (row.flight, (), RolloutState.WRITING)
    busy = msgspec.structs.replace(turned.rollout, flight=msgspec.structs.replace(row.flight, id="2"))
    waiting, _ = look(busy, HALF, POLICY, START + HOUR)
    assert waiting.flight is not None
    assert (waiting.flight.id, waiting.left) == ("2", (row.flight,))


def test_what_has_no_way_back_is_forgotten_with_a_line() -> None:
    """The copy lives for a day; and a namesake that leads to another site is another region."""
    flight = flying(Phase.WRITTEN).flight
    assert flight is not None
    row = agreed(left=(flight,))
    late, _ = look(row, HALF, POLICY, START - MINUTE + COPY_LIVES)
    assert (late.flight, late.left) == (None, ())
    assert late.reason == "east was away for too long: what was written there before stays as it is"
    elsewhere = msgspec.structs.replace(a_region("east"), site_id="another")
    another = [HALF[0], a_side({"A": "1", "B": "0"}, region=elsewhere)]
    found, _ = look(row, another, POLICY, START + MINUTE)
    assert (found.flight, found.left) == (None, ())


# -- at rest ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "left"), [(("west",), "only west is left"), ((), "only no region is left")]
)
def test_who_is_left_is_named(names: tuple[str, ...], left: str) -> None:
    """A person sees which region there still is, or that there is none."""
    found = decided(agreed(), [a_side({"A": "0", "B": "0"}, region=name) for name in names])
    assert found.step == Rest()
    assert left in found.rollout.reason


def test_how_much_agrees_and_how_much_was_left_different() -> None:
    """Keys that a person left different are counted, and only they."""
    seen = pair({"A": "1", "B": "0"}, {"A": "2", "B": "0"})
    (_, decisions) = look(agreed(), seen, POLICY, START)
    apart = Verdict(
        key="A", state=_of(decisions, "A").state, kind=VerdictKind.REJECT, by="ada", reason="", at=START
    )
    found = decided(agreed(verdicts=(apart,)), seen).rollout
    assert (found.state, found.reason) == (
        RolloutState.CONVERGED,
        "the regions agree in 1 key; left different on purpose: 1 key",
    )
    plain = decided(agreed(), pair({"A": "0", "B": "0"}, {"A": "0", "B": "0"})).rollout
    assert plain.reason == "the regions agree in 2 keys"


def test_all_that_holds_a_plan_is_told() -> None:
    """Two refusals are two sentences of the reason."""
    seen = [
        a_side({"A": "1", "B": "1"}, region="west", unfit=("B",)),
        a_side({"A": "2", "B": "0"}, region="east"),
    ]
    found = decided(agreed(), seen).rollout
    assert found.state is RolloutState.HELD
    assert found.plan is not None
    texts = [refusal.text for refusal in found.plan.refusals]
    assert found.reason == "; ".join(texts)


def _of(decisions: tuple[Decision, ...], key: str) -> Decision:
    return next(decision for decision in decisions if decision.key == key)


# -- before a write --------------------------------------------------------------------------------------------


def test_how_long_a_soak_still_lasts() -> None:
    """From the change, or from when its region became well, whichever is later."""
    row = agreed(at={"west": -MINUTE})
    seen = pair({"A": "1", "B": "0"}, {"A": "0", "B": "0"})
    (row, _) = look(row, seen, POLICY, START - MINUTE)
    well = decided(row, seen, health={"west": a_health(since=START - HOUR)})
    assert well.rollout.state is RolloutState.SOAKING
    assert "1 key changed in west" in well.rollout.reason
    assert "healthy until 12:02:00 UTC" in well.rollout.reason
    later = decided(row, seen, health={"west": a_health(since=START)})
    assert "healthy until 12:03:00 UTC" in later.rollout.reason


@pytest.mark.parametrize(
    ("health", "why"),
    [({}, "its health is not known"), ({"west": a_health(State.DOWN)}, "a test says down")],
)
def test_why_a_change_does_not_travel_and_until_when_it_may(health: dict[str, Health], why: str) -> None:
    """Its source is not well: the reason says how so, and when patience ends."""
    seen = pair({"A": "1", "B": "1"}, {"A": "0", "B": "0"})
    (row, _) = look(agreed(), seen, POLICY, START)
    waits = decided(row, seen, health=health).rollout
    assert waits.reason == f"2 keys changed in west, which is not healthy: {why}; given until 12:15:00 UTC"
    over = decided(row, seen, health=health, after=timedelta(seconds=RULES.soak_deadline)).rollout
    assert over.state is RolloutState.CONTAINED
    assert over.reason == f"2 keys changed in west, which is not healthy since: {why}"


def test_the_change_that_stood_longest_travels_first() -> None:
    """Also when another region's name comes before, and when several have the same change."""
    row = agreed("west", "east", "north", at={"east": -MINUTE * 5, "west": -MINUTE * 10})
    seen = pair({"A": "1", "B": "0"}, {"A": "0", "B": "1"}, north={"A": "0", "B": "0"})
    stood = _standing(row, seen, west=-MINUTE * 10, east=-MINUTE * 5)
    well = {name: a_health(since=START - HOUR) for name in ("west", "east", "north")}
    first = decided(stood, seen, health=well)
    assert isinstance(first.step, Write)
    assert (first.step.flight.source, [planned.key for planned in first.step.flight.keys]) == ("west", ["A"])
    both = pair({"A": "1", "B": "0"}, {"A": "1", "B": "0"}, north={"A": "0", "B": "0"})
    of_two = decided(_standing(row, both, west=-MINUTE * 10, east=-MINUTE * 5), both, health=well)
    assert isinstance(of_two.step, Write)
    assert (of_two.step.flight.source, of_two.step.flight.target) == ("west", "north")


def _standing(row: Rollout, seen: list[Side], **at: timedelta) -> Rollout:
    (row, _) = look(row, seen, POLICY, START - HOUR)
    stood = (
        msgspec.structs.replace(footprint, at=START + at.get(footprint.region, -HOUR))
        for footprint in row.footprints
    )
    return msgspec.structs.replace(row, footprints=tuple(stood))


def test_a_claim_is_one_workers_for_its_time_and_says_whether_the_soak_was_waived() -> None:
    """What a person forced goes before all else, and the write knows it."""
    seen = pair({"A": "1", "B": "0"}, {"A": "0", "B": "1"})
    row = _standing(agreed(), seen, west=-MINUTE * 10, east=-MINUTE * 5)
    (_, decisions) = look(row, seen, POLICY, START)
    force = Verdict(
        key="B", state=_of(decisions, "B").state, kind=VerdictKind.FORCE, by="ada", reason="", at=START
    )
    forced = decided(msgspec.structs.replace(row, verdicts=(force,)), seen)
    assert isinstance(forced.step, Write)
    assert forced.step.forced
    assert forced.step.flight.source == "east"
    assert forced.step.flight.worker_until == START + timedelta(seconds=RULES.claim)
    plain = decided(row, seen, health={"west": a_health(since=START - HOUR)})
    assert isinstance(plain.step, Write)
    assert not plain.step.forced


def test_two_targets_never_share_an_id() -> None:
    """One worker at one moment: the copies in the vault still have names of their own."""
    east = decided(*_claimable("east"), health={"west": a_health(since=START - HOUR)})
    north = decided(*_claimable("north"), health={"west": a_health(since=START - HOUR)})
    assert isinstance(east.step, Write)
    assert isinstance(north.step, Write)
    assert east.step.flight.id != north.step.flight.id


def _claimable(target: str) -> tuple[Rollout, list[Side]]:
    seen = [a_side({"A": "1", "B": "0"}, region="west"), a_side({"A": "0", "B": "0"}, region=target)]
    return _standing(agreed("west", target), seen), seen


# -- the policy's own word -------------------------------------------------------------------------------------


def test_the_policy_takes_a_healthy_side_and_signs_with_its_name() -> None:
    """Of two peers the one that is well, though the other's name comes first; the row says who spoke."""
    rules = Rules(revert_bad_changes=True)
    seen = pair({"A": "1", "B": "0"}, {"A": "0", "B": "0"}, aaa={"A": "0", "B": "0"})
    row = _standing(agreed("west", "east", "aaa"), seen)
    health = {"west": a_health(State.DOWN, probe=503), "east": a_health(), "aaa": a_health(State.UNKNOWN)}
    found = decided(row, seen, health=health, rules=rules)
    assert found.step == Again()
    (said,) = found.rollout.verdicts
    assert (said.side, said.by, said.reason) == (
        "east",
        "the policy on_bad_change",
        "west was not healthy with its change",
    )


@pytest.mark.parametrize("health", [{}, {"west": msgspec.structs.replace(a_health(State.DOWN), probe=None)}])
def test_the_policy_reverts_nothing_of_an_app_that_nobody_asked(health: dict[str, Health]) -> None:
    """Without an answer of its own, an app has not failed."""
    seen = pair({"A": "1", "B": "0"}, {"A": "0", "B": "0"})
    found = decided(_standing(agreed(), seen), seen, health=health, rules=Rules(revert_bad_changes=True))
    assert found.rollout.state is RolloutState.CONTAINED
    assert found.step == Rest()


# -- a flight --------------------------------------------------------------------------------------------------


def test_a_claim_that_is_taken_over_stays_in_the_row() -> None:
    """The next worker's name and time stand there, so that a third one waits."""
    row = flying()
    assert row.flight is not None
    two = msgspec.structs.replace(row.flight, keys=(Planned("A", "0", "1"), Planned("B", "0", "1")))
    row = msgspec.structs.replace(row, flight=two)
    seen = pair({"A": "1", "B": "1"}, {"A": "1", "B": "0"})
    well = {"west": a_health(at=START + MINUTE)}
    taken = decided(_standing(row, seen), seen, worker="v", after=MINUTE, health=well)
    assert isinstance(taken.step, Write)
    assert taken.rollout.flight == taken.step.flight
    assert taken.step.flight.worker == "v"


def test_undoing_is_taken_over_when_its_time_is_over_and_stays_in_the_row() -> None:
    """Until then others wait; its own worker goes on at any time."""
    row = flying(Phase.UNDOING)
    assert decided(row, HALF, worker="v").step == Rest()
    assert isinstance(decided(row, HALF, worker="w").step, Undo)
    taken = decided(row, HALF, worker="v", after=MINUTE)
    assert isinstance(taken.step, Undo)
    assert taken.rollout.flight == taken.step.flight
    assert taken.step.flight.worker == "v"


def test_what_was_put_back_is_waited_for_as_long_as_a_claim() -> None:
    """At its end, to the second, the PUT is repeated."""
    row = flying(Phase.UNDOING)
    assert row.flight is not None
    row = msgspec.structs.replace(row, flight=msgspec.structs.replace(row.flight, put_back_at=START))
    claim = timedelta(seconds=RULES.claim)
    assert decided(row, HALF, after=claim - timedelta(seconds=1)).step == Rest()
    assert isinstance(decided(row, HALF, after=claim).step, Undo)


def test_old_values_count_as_not_yet_shown_until_the_workers_time_is_over() -> None:
    """At its end, to the second, they are somebody's doing."""
    row = flying(Phase.WRITTEN)
    old = pair({"A": "1", "B": "0"}, {"A": "0", "B": "0"})
    assert decided(row, old, after=MINUTE - timedelta(seconds=1)).step == Rest()
    assert isinstance(decided(row, old, after=MINUTE).step, Close)


def test_a_written_region_is_judged_by_its_own_health() -> None:
    """As healthy as before, after the soak: the flight is over, and nobody has to wait for the region."""
    well = {"east": a_health(at=START + HOUR, since=START - HOUR, scep=ScepProof(at=START, ca_sha256="ca"))}
    row = flying(Phase.WRITTEN)
    found = decided(row, HALF, health=well, after=MINUTE * 5)
    assert row.flight is not None
    assert found.step == Close(row.flight, well=True)
    assert "has the change and is healthy" in found.rollout.reason


@pytest.mark.parametrize(
    ("health", "why"),
    [
        ({}, "its health is not known"),
        ({"east": a_health(at=START)}, "it is healthy so far"),
        ({"east": a_health(State.DOWN)}, "a test says down"),
    ],
)
def test_why_a_written_region_is_not_verified_yet(health: dict[str, Health], why: str) -> None:
    """And until when it may take."""
    found = decided(flying(Phase.WRITTEN), HALF, health=health)
    assert found.step == Rest()
    assert found.rollout.reason == f"east was written; {why}; given until 12:09:00 UTC"


def test_a_region_that_was_silent_before_need_not_answer_after() -> None:
    """At the deadline it has the change, as silent as it was; one that was well is put back."""
    late = timedelta(seconds=RULES.verify_deadline)
    row = flying(Phase.WRITTEN, start=Start.SILENT)
    silent = decided(row, HALF, after=late)
    assert row.flight is not None
    assert silent.step == Close(row.flight), "it was not seen well"
    assert "as before it" in silent.rollout.reason
    assert isinstance(decided(flying(Phase.WRITTEN), HALF, after=late).step, Undo)


def test_a_flight_without_a_way_back_is_over_and_says_why() -> None:
    """Its old values are gone: the row stays where it was, without the flight, and tells."""
    row = flying(Phase.UNDOING)
    gone = lost(row, "the copy is gone", START)
    assert gone.flight is None
    assert (gone.state, gone.reason) == (row.state, "the copy is gone")
    assert gone.history[-1] == Happening(START, row.state, "the copy is gone")


def test_a_claim_is_not_taken_for_a_resumed_one_unless_it_is_said() -> None:
    """A value like ours in the target is somebody else's."""
    flight = flying().flight
    assert flight is not None
    assert "changed in east meanwhile" in stale(flight, HALF)


# -- looking ---------------------------------------------------------------------------------------------------


def test_first_contact_is_told_with_its_numbers() -> None:
    """How many keys agree and how many differ; the row's history begins with it."""
    row = first_look("g", pair({"A": "1", "B": "1", "C": "1"}, {"A": "1", "B": "2"}), "id", START)
    assert row.reason == "first contact: 1 keys agree, 2 differ"
    assert row.history == (Happening(START, RolloutState.CONVERGED, row.reason),)


def test_a_look_says_when_it_was() -> None:
    """A converged group is looked at again when that is long ago."""
    (row, _) = look(agreed(), HALF, POLICY, START)
    assert row.looked_at == START


def test_what_is_undecided_stays_so_and_is_settled_by_agreement() -> None:
    """A key without a past is a conflict at each look; once all agree it is one like the others."""
    row = agreed(undecided=("A", "B"))
    seen = pair({"A": "1", "B": "0"}, {"A": "2", "B": "0"})
    (row, decisions) = look(row, seen, POLICY, START)
    assert row.undecided == ("A",)
    assert _of(decisions, "A").action is Action.CONFLICT
    assert _of(decisions, "A").first_contact
    (row, _) = look(row, pair({"A": "1", "B": "0"}, {"A": "1", "B": "0"}), POLICY, START)
    assert row.undecided == ()


def test_an_undecided_key_that_is_gone_everywhere_is_undecided_no_more() -> None:
    """To have it nowhere is agreement too: who adds it later adds it, and nobody is asked about first contact."""
    row = agreed(undecided=("K",))
    (row, decisions) = look(row, pair({"A": "0", "B": "0"}, {"A": "0", "B": "0"}), POLICY, START)
    assert _of(decisions, "K").action is Action.AGREE
    assert row.undecided == ()
    assert dict(row.baseline).keys() == {"A", "B"}
    (row, decisions) = look(row, pair({"A": "0", "B": "0", "K": "1"}, {"A": "0", "B": "0"}), POLICY, START)
    assert _of(decisions, "K").action is Action.TAKE


def test_a_stranger_that_is_alone_makes_nothing_undecided() -> None:
    """There is nobody with whom it could differ; what was known of the others stays."""
    row = agreed()
    (alone, _) = look(row, [a_side({"A": "1", "B": "0"}, region="north")], POLICY, START)
    assert (alone.undecided, alone.baseline) == ((), row.baseline)


def test_a_key_that_became_local_is_undecided_no_more() -> None:
    """The policy took it out of the comparison."""
    seen = [a_side({"B": "0"}, region=name, local=("A",)) for name in ("west", "east")]
    (row, _) = look(agreed(undecided=("A",)), seen, POLICY, START)
    assert row.undecided == ()
    assert dict(row.baseline) == {"B": "0"}


def test_words_and_failures_are_kept_while_one_region_is_alone() -> None:
    """With one region nothing can be said of any key: what was said is kept for the others' return."""
    seen = pair({"A": "1", "B": "0"}, {"A": "2", "B": "0"})
    (_, decisions) = look(agreed(), seen, POLICY, START)
    state = _of(decisions, "A").state
    word = Verdict(key="A", state=state, kind=VerdictKind.APPROVE, by="ada", reason="", at=START)
    row = agreed(verdicts=(word,), undone=(state,))
    (alone, _) = look(row, [a_side({"A": "1", "B": "0"})], POLICY, START)
    assert (alone.verdicts, alone.undone) == ((word,), (state,))
    (kept, _) = look(row, seen, POLICY, START)
    assert (kept.verdicts, kept.undone) == ((word,), (state,))
    (gone, _) = look(row, pair({"A": "0", "B": "0"}, {"A": "0", "B": "0"}), POLICY, START)
    assert (gone.verdicts, gone.undone) == ((), ())


def test_a_word_counts_for_the_plan_but_not_for_what_was_undone() -> None:
    """An identity travels once a person approved it; what did not hold is not tried again by an older word."""
    policy = a_policy(A=KeyClass.IDENTITY)
    seen = pair({"A": "1", "B": "0"}, {"A": "0", "B": "0"})
    (row, decisions) = look(agreed(), seen, policy, START)
    state = _of(decisions, "A").state
    word = Verdict(key="A", state=state, kind=VerdictKind.APPROVE, by="ada", reason="", at=START)
    assert _rules(row) == ["identity"]
    (free, _) = look(agreed(verdicts=(word,)), seen, policy, START)
    assert _rules(free) == []
    (held, _) = look(agreed(verdicts=(word,), undone=(state,)), seen, policy, START)
    assert _rules(held) == ["undone"]


def _rules(row: Rollout) -> list[str]:
    assert row.plan is not None
    return [refusal.rule for refusal in row.plan.refusals]


def test_a_region_whose_site_is_another_is_a_new_one() -> None:
    """Its name is the same, so the id of its site tells; what we wrote into the old one is not there."""
    other = msgspec.structs.replace(a_region("east"), site_id="/subscriptions/other/sites/east")
    seen = [a_side({"A": "0", "B": "0"}), a_side({"A": "7", "B": "0"}, region=other)]
    row = agreed(lots=lots([Written("east", "A", "7", "0")]))
    (joined, _) = look(row, seen, POLICY, START)
    assert joined.undecided == ("A",)
    assert joined.written == ()
    shouted = msgspec.structs.replace(a_region("east"), site_id=a_region("east").site_id.upper())
    (same, _) = look(
        agreed(), [a_side({"A": "0", "B": "0"}), a_side({"A": "7", "B": "0"}, region=shouted)], POLICY, START
    )
    assert same.undecided == (), "Azure may write an id in other letters"


def test_what_was_written_to_the_others_is_remembered_when_a_region_joins() -> None:
    """The newcomer is a stranger, the rest are not."""
    row = agreed(lots=lots([Written("east", "A", "1", "0")]))
    seen = pair({"A": "0", "B": "0"}, {"A": "1", "B": "0"}, north={"A": "0", "B": "0"})
    (joined, _) = look(row, seen, POLICY, START)
    assert joined.written == row.written


def test_a_region_that_left_is_forgotten_while_others_are_there() -> None:
    """Only one that is alone keeps the place of those that are away."""
    three = agreed("west", "east", "north")
    (two, _) = look(three, pair({"A": "0", "B": "0"}, {"A": "0", "B": "0"}), POLICY, START)
    assert [footprint.region for footprint in two.footprints] == ["west", "east"]
    (one, _) = look(three, [a_side({"A": "0", "B": "0"})], POLICY, START)
    assert [footprint.region for footprint in one.footprints] == ["west", "east", "north"]


def test_the_same_said_three_lines_ago_is_news() -> None:
    """Only what comes by turns is told once."""
    row = a_rollout(footprints=(Footprint("west", "-", START),))
    for reason in ("one", "two", "three", "one"):
        row = enter(row, RolloutState.SOAKING, reason, START)
    assert [happening.text for happening in row.history] == ["one", "two", "three", "one"]

"""The merge's laws: it decides every key, from the values alone, and what it decides converges."""

from collections.abc import Mapping, Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shared.settings_sync.merge import merge
from shared.settings_sync.model import (
    Action,
    Decision,
    Entry,
    Print,
    Side,
    Verdict,
    VerdictKind,
    Written,
)
from tests.builders import a_side
from tests.fakes.clock import START

KEYS = ("A", "B:C", "connectionstrings/db")
PRINTS: st.SearchStrategy[Print] = st.sampled_from([None, "1", "2", "3"])
MAPS = st.fixed_dictionaries(dict.fromkeys(KEYS, PRINTS))
NAMES = ("east", "north", "west")
WORLDS = st.lists(MAPS, min_size=2, max_size=3).map(
    lambda maps: [a_side(entry, region=name) for name, entry in zip(NAMES, maps, strict=False)]
)
BASELINES = MAPS.map(lambda it: {key: print_ for key, print_ in it.items() if print_ is not None})


def carried_out(sides: Sequence[Side], decisions: Sequence[Decision]) -> list[Side]:
    """The sides after everything that was decided was written."""
    by_name = {side.region.name: side for side in sides}
    after = {name: dict(side.entries) for name, side in by_name.items()}
    for decision in decisions:
        for target in decision.targets:
            if decision.action is Action.DELETE:
                after[target].pop(decision.key)
            elif decision.action is Action.TAKE:
                after[target][decision.key] = Entry(
                    decision.key, by_name[decision.sources[0]].entries[decision.key].print
                )
    return [msgspec.structs.replace(side, entries=after[side.region.name]) for side in sides]


def by_key(decisions: Sequence[Decision]) -> Mapping[str, Decision]:
    """The decisions by their key; each key has one."""
    found = {decision.key: decision for decision in decisions}
    assert len(found) == len(decisions)
    return found


def prints(sides: Sequence[Side], key: str) -> list[Print]:
    """A key's values in all regions."""
    return [side.print_of(key) for side in sides]


@given(WORLDS, BASELINES)
def test_every_key_that_is_known_anywhere_is_decided_with_a_reason(
    sides: list[Side], baseline: dict[str, str]
) -> None:
    """No key is passed over, and no decision is without its reason."""
    decided = by_key(merge(sides, baseline=baseline))
    assert set(decided) == {key for side in sides for key in side.entries} | set(baseline)
    assert all(decision.reason and decision.state for decision in decided.values())


@given(WORLDS, BASELINES)
def test_what_is_decided_converges_at_once(sides: list[Side], baseline: dict[str, str]) -> None:
    """Merging again after carrying out what was decided leaves agreement, and the conflicts that people settle."""
    before = by_key(merge(sides, baseline=baseline))
    after = by_key(merge(carried_out(sides, list(before.values())), baseline=baseline))
    for key, decision in after.items():
        held = before[key].action is Action.CONFLICT
        assert decision.action is (Action.CONFLICT if held else Action.AGREE)


@given(WORLDS, BASELINES, st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(KEYS))))
def test_no_value_is_invented(
    sides: list[Side], baseline: dict[str, str], ours: set[tuple[str, str]]
) -> None:
    """Whatever is to be taken stands in a region already; a deletion stands there too, as the lack of it."""
    written = [
        Written(side.region.name, key, side.print_of(key), baseline.get(key))
        for side in sides
        for key in KEYS
        if (side.region.name, key) in ours
    ]
    for decision in merge(sides, baseline=baseline, written=written):
        having = {side.region.name: side.print_of(decision.key) for side in sides}
        if decision.action is Action.TAKE:
            assert decision.sources
            assert len({having[name] for name in decision.sources}) == 1
            assert having[decision.sources[0]] is not None
        if decision.action is Action.DELETE:
            assert decision.sources
            assert all(having[name] is None for name in decision.sources)


@given(WORLDS, BASELINES)
def test_a_change_made_in_one_region_only_is_never_lost(sides: list[Side], baseline: dict[str, str]) -> None:
    """Where one region differs from the baseline and the others do not, the others get what it has."""
    for decision in merge(sides, baseline=baseline):
        base = baseline.get(decision.key)
        moved = {side.region.name for side in sides if side.print_of(decision.key) != base}
        wanted = {side.print_of(decision.key) for side in sides if side.region.name in moved}
        if not moved or len(moved) == len(sides):
            continue
        if len(wanted) > 1:
            assert decision.action is Action.CONFLICT
            continue
        assert decision.action is (Action.DELETE if wanted == {None} else Action.TAKE)
        assert set(decision.sources) == moved
        assert set(decision.targets) == {side.region.name for side in sides} - moved


@given(WORLDS, BASELINES)
def test_only_a_region_with_another_value_is_a_target(sides: list[Side], baseline: dict[str, str]) -> None:
    """Nobody is written who has the value already, and nobody is left out who has not."""
    for decision in merge(sides, baseline=baseline):
        if decision.action in {Action.TAKE, Action.DELETE}:
            having = {side.region.name: side.print_of(decision.key) for side in sides}
            wanted = having[decision.sources[0]]
            assert set(decision.targets) == {name for name, print_ in having.items() if print_ != wanted}


@given(WORLDS, BASELINES, st.data())
def test_the_order_of_the_regions_does_not_matter(
    sides: list[Side], baseline: dict[str, str], data: st.DataObject
) -> None:
    """Regions in any order give the same decisions, to the letter."""
    shuffled = data.draw(st.permutations(sides))
    assert merge(shuffled, baseline=baseline) == merge(sides, baseline=baseline)


@given(WORLDS, BASELINES)
def test_the_same_everywhere_is_agreement_whatever_was_before(
    sides: list[Side], baseline: dict[str, str]
) -> None:
    """A change that was made alike in every region is nobody's conflict, and neither is a deletion."""
    alike = [msgspec.structs.replace(side, entries=sides[0].entries) for side in sides]
    assert {decision.action for decision in merge(alike, baseline=baseline)} <= {Action.AGREE}


@given(WORLDS, BASELINES)
def test_a_value_that_we_wrote_is_not_its_regions_own_change(
    sides: list[Side], baseline: dict[str, str]
) -> None:
    """What we put into a region counts for nothing there: the others' values decide."""
    own, ours = sides[0], sides[1]
    written = [
        Written(ours.region.name, key, ours.print_of(key), baseline.get(key))
        for key in KEYS
        if ours.print_of(key) != own.print_of(key)
    ]
    keys = {item.key for item in written}
    for decision in merge(sides, baseline=baseline, written=written):
        if decision.key not in keys:
            continue
        others = [side for side in sides if side is not ours]
        moved = {side.print_of(decision.key) for side in others} - {baseline.get(decision.key)}
        if len(moved) > 1:
            assert decision.action is Action.CONFLICT
            continue
        wanted = next(iter(moved), baseline.get(decision.key))
        assert decision.action in {Action.TAKE, Action.DELETE}
        assert ours.region.name not in decision.sources or ours.print_of(decision.key) == wanted
        assert (
            next(side for side in sides if side.region.name == decision.sources[0]).print_of(decision.key)
            == wanted
        )


@given(MAPS, BASELINES, st.sampled_from(NAMES))
def test_each_region_written_in_turn_leaves_what_a_person_said_valid(
    west: dict[str, Print], baseline: dict[str, str], first: str
) -> None:
    """Our own writes do not change the state of a key, so an approval outlives the first of three writes."""
    sides = [a_side(west if name == "west" else baseline, region=name) for name in NAMES]
    before = by_key(merge(sides, baseline=baseline))
    written = [
        Written(target, decision.key, a_side(west).print_of(decision.key), baseline.get(decision.key))
        for decision in before.values()
        for target in decision.targets
        if target == first
    ]
    partly = [
        a_side(west if side.region.name == first else dict(_prints(side)), region=side.region.name)
        for side in sides
    ]
    after = by_key(merge(partly, baseline=baseline, written=written))
    for key, decision in before.items():
        if decision.action in {Action.TAKE, Action.DELETE}:
            assert after[key].state == decision.state
            assert set(after[key].targets) == set(decision.targets) - {first}


def _prints(side: Side) -> dict[str, Print]:
    return {key: entry.print for key, entry in side.entries.items()}


def a_verdict(of: Decision, kind: VerdictKind, side: str = "") -> Verdict:
    """A person's word on the key as it is."""
    return Verdict(key=of.key, state=of.state, kind=kind, by="ada", reason="why not", at=START, side=side)


@given(WORLDS, BASELINES, st.sampled_from(NAMES[:2]))
def test_a_taken_side_is_everywhere_after(sides: list[Side], baseline: dict[str, str], side: str) -> None:
    """Taking a side settles conflicts, first contact and one-sided changes alike."""
    chosen = next(item for item in sides if item.region.name == side)
    first = merge(sides, baseline=baseline, undecided=KEYS)
    verdicts = [a_verdict(decision, VerdictKind.TAKE, side) for decision in first]
    second = merge(sides, baseline=baseline, undecided=KEYS, verdicts=verdicts)
    for item in carried_out(sides, second):
        assert item.entries == chosen.entries or _prints(item) == _prints(chosen)


@given(WORLDS, BASELINES)
def test_rejected_keys_stay_as_they_are(sides: list[Side], baseline: dict[str, str]) -> None:
    """A rejected key is left different, and says by whom."""
    verdicts = [a_verdict(side, VerdictKind.REJECT) for side in merge(sides, baseline=baseline)]
    decisions = merge(sides, baseline=baseline, verdicts=verdicts)
    assert {decision.action for decision in decisions} <= {Action.AGREE, Action.KEEP_APART}
    assert all("ada" in decision.reason for decision in decisions if decision.action is Action.KEEP_APART)
    assert carried_out(sides, decisions) == list(sides)


@given(WORLDS, BASELINES, st.sampled_from(KEYS), PRINTS, st.sampled_from(list(VerdictKind)))
def test_a_word_holds_only_for_the_very_state_of_the_key(
    sides: list[Side], baseline: dict[str, str], key: str, other: Print, kind: VerdictKind
) -> None:
    """When a region's value of the key moves on, what a person said of it before counts no more.

    What was left different on purpose has no direction after that either: a change of it is nobody's news.
    """
    said = [a_verdict(side, kind, "east") for side in merge(sides, baseline=baseline) if side.key == key]
    changed = dict(_prints(sides[0])) | {key: other}
    moved = [a_side(changed, region="east"), *sides[1:]]
    if other == sides[0].print_of(key):
        return
    found = merge(moved, baseline=baseline, verdicts=said)
    if kind is not VerdictKind.REJECT:
        assert found == merge(moved, baseline=baseline)
    else:
        assert {decision.action for decision in found if decision.key == key and said} <= {
            Action.AGREE,
            Action.CONFLICT,
        }


def test_a_key_that_was_left_different_is_never_news_later() -> None:
    """Left different; deleted in west days later: east's value does not travel, and a person is asked."""
    three = [
        a_side({"K": item}, region=name) for name, item in (("east", "1"), ("north", None), ("west", "2"))
    ]
    (first,) = merge(three, baseline={})
    left = a_verdict(first, VerdictKind.REJECT)
    gone = [*three[:2], a_side({}, region="west")]
    (after,) = merge(gone, baseline={}, verdicts=[left])
    assert after.action is Action.CONFLICT
    assert "left different on purpose" in after.reason
    agreed = [a_side({}, region=side.region.name) for side in three]
    assert merge(agreed, baseline={}, verdicts=[left]) == ()


@given(WORLDS, BASELINES)
def test_approving_says_nothing_about_the_direction(sides: list[Side], baseline: dict[str, str]) -> None:
    """An approval, or a force, leaves every decision what it was."""
    plain = merge(sides, baseline=baseline)
    for kind in (VerdictKind.APPROVE, VerdictKind.FORCE):
        assert (
            merge(sides, baseline=baseline, verdicts=[a_verdict(decision, kind) for decision in plain])
            == plain
        )


def test_an_approval_after_a_side_was_taken_does_not_take_it_back() -> None:
    """The choice of the side stands; the approval stands beside it."""
    sides = [a_side({"A": "1"}, region="east"), a_side({"A": "2"}, region="west")]
    (conflict,) = merge(sides, baseline={"A": "0"})
    said = [a_verdict(conflict, VerdictKind.TAKE, "west"), a_verdict(conflict, VerdictKind.APPROVE)]
    (taken,) = merge(sides, baseline={"A": "0"}, verdicts=said)
    assert (taken.action, taken.sources) == (Action.TAKE, ("west",))


def test_a_side_that_left_the_group_cannot_be_taken() -> None:
    """A word about a region that is gone falls away, and the conflict shows again."""
    sides = [a_side({"A": "1"}, region="east"), a_side({"A": "2"}, region="west")]
    (conflict,) = merge(sides, baseline={})
    (again,) = merge(sides, baseline={}, verdicts=[a_verdict(conflict, VerdictKind.TAKE, "gone")])
    assert again.action is Action.CONFLICT


def test_local_keys_are_kept_and_say_where() -> None:
    """A key that the policy keeps in its region is no difference, even if an old baseline knows it."""
    sides = [a_side({}, region="east", local=["A"]), a_side({}, region="west")]
    (kept,) = merge(sides, baseline={"A": "1"})
    assert (kept.action, kept.targets) == (Action.KEEP_LOCAL, ())
    assert "east" in kept.reason


def test_a_change_taken_back_at_its_source_is_taken_back_where_we_wrote_it() -> None:
    """A third region that was written before the source changed its mind gets the old value again."""
    sides = [
        a_side({"A": "0"}, region="east"),
        a_side({"A": "1"}, region="north"),
        a_side({"A": "0"}, region="west"),
    ]
    (it,) = merge(sides, baseline={"A": "0"}, written=[Written("north", "A", "1", "0")])
    assert (it.action, it.sources, it.targets) == (Action.TAKE, ("east", "west"), ("north",))


def test_one_region_alone_agrees_with_itself() -> None:
    """With one region, or none, there is nothing to do."""
    alone = a_side({"A": "1"})
    assert [decision.action for decision in merge([alone], baseline={"A": "0", "B": "1"})] == [
        Action.AGREE
    ] * 2
    assert [decision.action for decision in merge([], baseline={"A": "0"})] == [Action.AGREE]


def test_first_contact_says_which_region_has_the_key() -> None:
    """A key without a common past is a conflict that says so, whether it differs or is missing."""
    sides = [a_side({"A": "1", "B": "1"}, region="east"), a_side({"A": "2"}, region="west")]
    decided = by_key(merge(sides, baseline={}, undecided=["A", "B"]))
    assert all(decision.first_contact and decision.action is Action.CONFLICT for decision in decided.values())
    assert decided["A"].reason.startswith("different")
    assert decided["B"].reason.startswith("only in east")

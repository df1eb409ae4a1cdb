"""A rollout's row: what it holds once for several regions, and what goes first when it is full."""

from datetime import timedelta

import msgspec

from shared.groups.soak import Start
from shared.settings_sync.model import (
    Flight,
    Happening,
    Lot,
    Phase,
    Plan,
    Rollout,
    Verdict,
    VerdictKind,
    Written,
    lots,
)
from tests.builders import a_decision, a_rollout, site_id
from tests.fakes.clock import START

LATER = START + timedelta(hours=1)


def a_verdict(key: str, kind: VerdictKind = VerdictKind.TAKE) -> Verdict:
    return Verdict(key=key, state="s", kind=kind, by="ada", reason="r", at=START, side="west")


def texts(row: Rollout | None) -> list[str]:
    assert row is not None
    return [happening.text for happening in row.history]


def test_what_several_regions_have_alike_is_held_once() -> None:
    """In whatever order it was written; what only one has stands by itself."""
    written = [
        Written("west", "B", "2", None),
        Written("east", "A", "1", "0"),
        Written("west", "A", "1", "0"),
        Written("east", "B", "2", None),
        Written("east", "C", None, "0", theirs=True),
    ]
    found = lots(written)
    assert found == (
        Lot(("east",), (("C", None, "0", True),)),
        Lot(("east", "west"), (("A", "1", "0", False), ("B", "2", None, False))),
    )
    assert lots(reversed(written)) == found
    row = a_rollout(lots=found)
    assert set(row.written) == set(written)
    assert len(row.written) == len(written)
    assert msgspec.json.decode(msgspec.json.encode(row))["written"], "as it was called before"
    twice = [Written("east", "A", "1", "0"), Written("east", "A", None, "0")]
    assert set(a_rollout(lots=lots(twice)).written) == set(twice), "what a write may still go back to"


def test_first_goes_what_is_there_for_people_to_read() -> None:
    """The plan, then the older half of the history, of which some lines stay."""
    lines = tuple(Happening(START, a_rollout().state, str(number)) for number in range(20))
    plan = Plan(fingerprint="f", decisions=tuple(a_decision(str(number)) for number in range(4)))
    row = a_rollout(plan=plan, history=lines, verdicts=(a_verdict("A"), a_verdict("B")))
    seen: list[tuple[int, list[str]]] = []
    for _ in range(4):
        shorter = row.shorter()
        assert shorter is not None
        assert shorter.plan is not None
        seen.append((len(shorter.plan.decisions), texts(shorter)))
        row = shorter
    numbers = [str(number) for number in range(20)]
    assert seen == [(2, numbers), (1, numbers), (1, numbers[10:]), (1, numbers[12:])]
    assert len(row.verdicts) == 2


def test_the_way_back_of_a_region_that_left_goes_before_decisions() -> None:
    """The oldest first, each with a line."""
    plain = Flight(
        id="1", phase=Phase.WRITTEN, source="west", target="east", keys=(), claimed_at=START, worker="w",
        worker_until=START, start=Start.HEALTHY, site=site_id("east").lower(),
    )  # fmt: skip
    other = msgspec.structs.replace(plain, id="2", target="north")
    row = a_rollout(left=(plain, other), verdicts=(a_verdict("A"), a_verdict("B")), looked_at=LATER)
    shorter = row.shorter()
    assert shorter is not None
    assert (shorter.left, shorter.verdicts) == ((other,), row.verdicts)
    assert texts(shorter) == [
        "the way back of east, which left the group, is given up, since the row is full"
    ]
    assert shorter.history[0].at == LATER


def test_of_decisions_the_older_half_goes() -> None:
    """What was left different on purpose is no news then: it is undecided. One decision stays whatever there is."""
    said = (
        a_verdict("A", VerdictKind.REJECT),
        a_verdict("B"),
        a_verdict("C", VerdictKind.REJECT),
        a_verdict("D"),
        a_verdict("E"),
    )
    shorter = a_rollout(verdicts=said, undecided=("Z",)).shorter()
    assert shorter is not None
    assert shorter.verdicts == said[2:]
    assert shorter.undecided == ("A", "Z")
    assert texts(shorter) == ["2 decisions dropped, since the row is full; decide anew"]
    assert shorter.history[0].at == START, "it was never looked at"
    assert a_rollout(verdicts=said[:1]).shorter() is None
    two = a_rollout(verdicts=said[:2]).shorter()
    assert two is not None
    assert two.verdicts == said[1:2]


def test_of_what_was_written_half_of_the_keys_go() -> None:
    """In every region; they are undecided, and nothing else is."""
    written = [Written(region, key, "1", "0") for region in ("east", "north") for key in ("A", "B", "C")]
    row = a_rollout(lots=lots(written), undecided=("Z",))
    shorter = row.shorter()
    assert shorter is not None
    assert {(written.region, written.key) for written in shorter.written} == {("east", "C"), ("north", "C")}
    assert shorter.undecided == ("A", "B", "Z")
    assert texts(shorter) == [
        "the memory of what was written of 2 keys dropped, since the row is full; decide anew"
    ]
    last = shorter.shorter()
    assert last is not None
    assert (last.written, last.undecided) == ((), ("A", "B", "C", "Z"))
    assert last.shorter() is None


def test_what_was_forgotten_is_told_in_few_lines() -> None:
    """The youngest eight."""
    row: Rollout | None = a_rollout(verdicts=tuple(a_verdict(str(number)) for number in range(1024)))
    while row is not None and (shorter := row.shorter()) is not None:
        row = shorter
    assert [text.split()[0] for text in texts(row)] == ["128", "64", "32", "16", "8", "4", "2", "1"]

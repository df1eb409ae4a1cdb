"""A row said anew under another fingerprint key: all that it says of values, and nothing else."""

from datetime import timedelta

import msgspec

from shared.groups.soak import Start
from shared.settings_sync.diff import footprint
from shared.settings_sync.merge import merge
from shared.settings_sync.model import (
    Flight,
    Footprint,
    Phase,
    Planned,
    Rollout,
    Side,
    Verdict,
    VerdictKind,
    Written,
    lots,
)
from shared.settings_sync.rotate import rotated
from tests.builders import a_rollout, a_side, site_id
from tests.fakes.clock import START

LATER = START + timedelta(hours=1)


def under(letter: str) -> list[Side]:
    """The same settings under the key of that letter: A has a change of west's, B is alike, U is undecided."""
    return [
        a_side({"A": f"{letter}1", "B": f"{letter}5", "U": f"{letter}7"}, region="west"),
        a_side({"A": f"{letter}0", "B": f"{letter}5", "U": f"{letter}8"}, region="east"),
    ]


def states(sides: list[Side], row: Rollout) -> dict[str, str]:
    """By key, as a person saw it."""
    found = merge(sides, baseline=dict(row.baseline), undecided=row.undecided, written=row.written)
    return {decision.key: decision.state for decision in found}


def a_word(key: str, state: str) -> Verdict:
    return Verdict(key=key, state=state, kind=VerdictKind.REJECT, by="ada", reason="r", at=START)


def a_row() -> Rollout:
    """Everything that holds a fingerprint; `gone` stands for a value that no region has any more."""
    old = under("o")
    flight = Flight(
        id="1", phase=Phase.WRITTEN, source="west", target="north", claimed_at=START, worker="w",
        keys=(Planned("A", "o0", "o1"), Planned("B", None, "gone")), worker_until=START, start=Start.HEALTHY,
        site=site_id("north").lower(),
    )  # fmt: skip
    row = a_rollout(
        key_id="o",
        baseline=(("A", "o0"), ("B", "o5"), ("C", "gone")),
        undecided=("U",),
        lots=lots([Written("west", "A", "o1", "o0"), Written("east", "U", "o8", None)]),
        left=(flight,),
        footprints=(
            Footprint("west", footprint(old[0]), START),
            Footprint("east", "another", START),
            Footprint("north", "left", START),
        ),
    )
    seen = states(old, row)
    return msgspec.structs.replace(
        row,
        verdicts=(a_word("A", seen["A"]), a_word("U", seen["U"]), a_word("B", "older")),
        undone=tuple(sorted((seen["U"], "an older one"))),
    )


def test_all_that_a_row_says_of_values_is_said_under_the_new_key() -> None:
    """What no region has any more stays as it is, and so does what is not there."""
    row, old, new = a_row(), under("o"), under("n")
    after = rotated(row, old, new, "n", LATER)
    assert after.key_id == "n"
    assert after.baseline == (("A", "n0"), ("B", "n5"), ("C", "gone"))
    assert set(after.written) == {Written("west", "A", "n1", "n0"), Written("east", "U", "n8", None)}
    assert after.left[0].keys == (Planned("A", "n0", "n1"), Planned("B", None, "gone"))
    assert msgspec.structs.replace(after.left[0], keys=()) == msgspec.structs.replace(row.left[0], keys=())
    assert [item.digest for item in after.footprints] == [footprint(new[0]), "another", "left"]
    assert [item.at for item in after.footprints] == [START] * 3, "a soak goes on"
    now = states(new, after)
    assert [(verdict.key, verdict.state) for verdict in after.verdicts] == [
        ("A", now["A"]),
        ("U", now["U"]),
        ("B", "older"),
    ]
    assert after.undone == tuple(sorted((now["U"], "an older one")))
    assert states(old, row)["A"] != now["A"]
    assert (after.undecided, after.state) == (row.undecided, row.state)
    assert after.reason == "the fingerprint key was rotated; nothing was forgotten"
    assert after.history[-1].at == LATER

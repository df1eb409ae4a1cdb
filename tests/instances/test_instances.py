"""Two instances on one store, for a few seconds of faults; `python -m tests.instances` does it for long."""

from simulator.pair import a_pair
from tests.instances.judge import Judge, Write
from tests.instances.run import ALWAYS, SOAK, edit, play, two_instances

SECONDS = 8.0
SEED = 6


async def test_two_instances_keep_the_laws() -> None:
    """Both tick, both get every event, one stands still now and then: one writer at a time, and nothing is lost."""
    async with two_instances(SEED) as pair:
        await edit(pair)
        await play(pair, SECONDS, ALWAYS)
        assert pair.judge.broken() == []
        assert pair.edits > 0
        assert any(it.who == "counterpart" for it in pair.judge.writes)


def a_judge(*writes: Write, ill: tuple[tuple[str, float, float], ...] = ()) -> Judge:
    judge = Judge(a_pair(), SOAK)
    judge.writes += writes
    judge.ill += ill
    return judge


WEST, NORTH = "app-scepman-weu", "app-scepman-neu"
EDIT = Write(100.0, WEST, "a person", {"A": ("0", "1")})


def test_the_judge_sees_a_proper_rollout() -> None:
    """An edit, and its write after the soak, breaks nothing."""
    assert a_judge(EDIT, Write(102.5, NORTH, "counterpart", {"A": ("0", "1")})).broken() == []


def test_the_judge_sees_what_is_wrong() -> None:
    """Each law, broken by hand."""

    def said(*writes: Write, ill: tuple[tuple[str, float, float], ...] = ()) -> str:
        return "\n".join(a_judge(*writes, ill=ill).broken())

    ours = Write(103.0, NORTH, "counterpart", {"A": ("0", "1")})
    assert "nothing changed" in said(EDIT, ours, Write(103.1, NORTH, "counterpart", {}))
    assert "after it was made" in said(EDIT, Write(101.0, NORTH, "counterpart", {"A": ("0", "1")}))
    assert "that was ill" in said(EDIT, ours, ill=((WEST, 100.5, 104.0),))
    assert "within the soak" in said(EDIT, ours, Write(104.0, WEST, "counterpart", {"B": ("0", "1")}))
    theirs = Write(101.0, NORTH, "a person", {"A": ("0", "mine")})
    assert "set by a person" in said(EDIT, theirs, Write(103.0, NORTH, "counterpart", {"A": ("mine", "1")}))
    assert "the last one that served" in said(EDIT, ours, ill=((WEST, 90.0, 104.0),))

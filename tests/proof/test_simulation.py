"""Years of faults: no seed breaks a law. `make soak` plays more of them."""

import pytest

from proof.cast import Cast
from proof.observer import LAWS
from proof.play import DAY, Play
from proof.weather import Fault, forecast

SEEDS = [str(number) for number in (*range(1, 10), 18)]  # of the rarest faults somebody must draw one
DAYS = 12.0


@pytest.mark.parametrize("seed", SEEDS)
def test_no_law_is_broken(seed: str) -> None:
    """Whatever people, Azure and our own deaths do, the laws hold, and in the end all comes to rest."""
    report = Play(seed, seconds=DAYS * DAY).run()
    again = f".venv/bin/python -m proof replay {seed} --days {DAYS:g}"
    assert not report.breaches, "\n".join([report.breaches[0].text, *report.story, f"again: {again}"])
    assert sum(report.faults.values()) > 50
    assert all(report.checks[law] > 0 for law in LAWS)
    assert len(report.effects) > 10


def test_all_that_can_happen_happens_in_them() -> None:
    """Between them, in good time before the faults stop."""
    heaps = [heap for seed in SEEDS for heap in forecast(seed, (DAYS - 0.5) * DAY)]
    assert {fault for heap in heaps for _, fault in heap.faults} == set(Fault)


@pytest.mark.parametrize("seed", ["1", "5"])
def test_the_same_seed_is_the_same_story(seed: str) -> None:
    """A failing seed can be played again."""
    one, other = (Play(seed, seconds=2 * DAY).run() for _ in range(2))
    assert one.effects == other.effects
    assert one.end == other.end


def test_who_reads_changes_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are opened while the decision waits, the drill runs, the incident is open; all is as it is without."""
    read = Play("1", seconds=6 * DAY)
    one = read.run()
    assert min(read.cast.opened[name] for name in ("decision_page", "drill_status", "incident", "health")) > 0
    monkeypatch.setattr(Cast, "open", lambda *_: None)
    other = Play("1", seconds=6 * DAY).run()
    assert one.effects == other.effects
    assert one.end == other.end
    assert one.checks[4] > other.checks[4]

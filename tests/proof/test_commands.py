"""The proof's commands: on several cores too, and none that proves nothing says that all is well."""

import itertools
import subprocess
import sys
from collections.abc import Iterator

import pytest

from proof import mutation, planted
from proof.__main__ import spread


def ran(*command: str) -> subprocess.CompletedProcess[str]:
    """`python -m proof ...`, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "proof", *command], check=False, capture_output=True, text=True
    )


def test_stories_are_played_on_several_cores() -> None:
    """The pool's processes find their way into the stories; with so small a share nobody dies."""
    told = ran("crashes", "--share", "100000", "--cores", "2")
    assert told.returncode == 0, told.stderr
    assert "0 died at (0%), 0 differ" in told.stdout


def test_chosen_stories_are_played_and_no_other() -> None:
    """Whoever mended what one of them showed dies through that one whole."""
    told = ran(
        "crashes", "--share", "100000", "--story", "a drill", "--story", "a change travels", "--cores", "2"
    )
    assert told.returncode == 0, told.stderr
    names = [line.rpartition("differ")[2].strip() for line in told.stdout.splitlines()]
    assert names[:-2] == ["a change travels", "a drill"]
    assert "in 2 stories" in told.stdout


@pytest.mark.parametrize("cores", [1, 2])
def test_no_seed_is_begun_before_a_core_is_free_for_it(cores: int) -> None:
    """Who takes them until its time is over would else begin hundreds, and play them all after that time."""
    taken = 0

    def seeds() -> Iterator[int]:
        nonlocal taken
        for number in itertools.count(1):
            taken = number
            yield -number

    told = itertools.islice(spread(abs, seeds(), cores), 50)
    ahead = [taken - ended for ended, _ in enumerate(told, start=1)]
    assert len(ahead) == 50
    assert max(ahead) <= cores


def test_all_that_is_asked_is_done() -> None:
    """On several cores in any order, and no more than there is."""
    assert sorted(spread(abs, range(-5, 0), 2)) == [1, 2, 3, 4, 5]
    assert list(spread(abs, (), 2)) == []


def test_so_many_seeds_are_so_many_on_any_number_of_cores() -> None:
    """Whatever the time: what is counted is the same each time."""
    asked = ("soak", "--seeds", "3", "--begin", "701", "--days", "0.5", "--hours", "0")
    alone, shared = (ran(*asked, "--cores", name) for name in ("1", "2"))
    assert (alone.returncode, shared.returncode) == (0, 0), alone.stderr + shared.stderr
    assert alone.stdout.startswith("seeds 701 to 703: 3 of ")
    timeless = [
        completed_process.stdout.replace(completed_process.stdout.splitlines()[1], "")
        for completed_process in (alone, shared)
    ]
    assert timeless[0] == timeless[1]


@pytest.mark.parametrize(
    "command",
    [
        ("soak", "--hours", "0"),
        ("soak", "--cores", "0"),
        ("soak", "--seeds", "0"),
        ("crashes", "--share", "0"),
        ("crashes", "--story", "no story of this name"),
        ("replay", "1", "--days", "-1"),
    ],
)
def test_what_would_prove_nothing_is_refused(command: tuple[str, ...]) -> None:
    """Instead of finding nothing wrong."""
    told = ran(*command)
    assert told.returncode == 2
    assert command[1] in told.stderr or "--days" in told.stderr


def test_an_unknown_module_or_bug_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A slip of the pen is no module without survivors."""
    assert mutation.main(["shared/nope.py"]) == 2
    assert planted.main(["no bug of this name"]) == 2
    said = capsys.readouterr().out
    assert "no modules of decisions: shared/nope.py" in said
    assert "no planted bug has no bug of this name in its name" in said

"""The planted bugs fit the source, each at one place. `make mutants` plants them and sees that each is caught."""

from pathlib import Path

import pytest

from proof.mutation import copy_tree, covering, modules
from proof.observer import LAWS
from proof.planted import BUGS, Bug, clean, run

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("bug", BUGS, ids=lambda it: it.name)
def test_a_planted_bug_has_its_place(bug: Bug) -> None:
    """Whoever changes the code around a planted bug plants it anew."""
    assert bug.problem() == ""
    assert bug.old != bug.new
    assert all((ROOT / test).exists() for test in bug.tests)


@pytest.mark.parametrize("bug", BUGS, ids=lambda it: it.name)
def test_a_planted_bug_is_caught_by_tests_or_by_a_law_that_it_breaks(bug: Bug) -> None:
    """One or the other: what breaks another law than it must has shown something else."""
    assert bool(bug.tests) != bool(bug.laws)
    assert set(bug.laws) <= LAWS.keys()


@pytest.mark.parametrize(
    ("law", "code", "said"), [(4, 1, "seed 1 broke law 4 ("), (1, 0, "(seed 1 broke law 4, which is not")]
)
def test_a_bug_that_breaks_another_law_is_not_caught(law: int, code: int, said: str, tmp_path: Path) -> None:
    """A seed on which something else goes wrong has shown nothing of the bug."""
    copy_tree(tmp_path)
    next(bug for bug in BUGS if bug.name == "a value is logged").plant(tmp_path)
    done = run(["proof", "bite", "--seeds=1", "--days=0.5", f"--law={law}"], tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stdout.startswith(said)


def test_nothing_is_caught_where_it_goes_wrong_without_any_bug(tmp_path: Path) -> None:
    """The tests that are to catch it must pass before it is planted."""
    fails = Bug("a test that fails", "README.md", "", "", tests=("tests/no_such_test.py",))
    assert clean([fails], tmp_path).startswith("pytest fails without any bug:")
    assert clean([], tmp_path) == ""


def test_their_names_tell_them_apart() -> None:
    """One line of a report is one bug."""
    assert len({bug.name for bug in BUGS}) == len(BUGS)


def test_every_decision_module_is_mutated() -> None:
    """The contract names the modules, and each has tests that are run over its mutants."""
    found = modules()
    assert "shared/disruption/permit.py" in found
    assert all((ROOT / test).is_file() for name in found for test in covering(name))

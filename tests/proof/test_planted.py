"""The planted bugs fit the source, each at one place. `make mutants` plants them and sees that each is caught."""

from pathlib import Path

import pytest

from proof.mutation import covering, modules
from proof.planted import BUGS, Bug

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("bug", BUGS, ids=lambda it: it.name)
def test_a_planted_bug_has_its_place(bug: Bug) -> None:
    """Whoever changes the code around a planted bug plants it anew."""
    assert bug.problem() == ""
    assert bug.old != bug.new
    assert all((ROOT / it).exists() for it in bug.tests)


def test_their_names_tell_them_apart() -> None:
    """One line of a report is one bug."""
    assert len({it.name for it in BUGS}) == len(BUGS)


def test_every_decision_module_is_mutated() -> None:
    """The contract names the modules, and each has tests that are run over its mutants."""
    found = modules()
    assert "shared/disruption/permit.py" in found
    assert all((ROOT / test).is_file() for it in found for test in covering(it))

"""The proof's commands: on several cores too, and none that proves nothing says that all is well."""

import subprocess
import sys

import pytest

from proof import mutation, planted


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


@pytest.mark.parametrize(
    "command",
    [
        ("soak", "--hours", "0"),
        ("soak", "--cores", "0"),
        ("crashes", "--share", "0"),
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

"""`make` finds an interpreter by itself, or says what is missing."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / ".ci" / "find-python"


def find(tmp_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    plain = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    return subprocess.run(["sh", str(SCRIPT)], env=plain | env, capture_output=True, text=True, check=False)


def test_the_named_one_is_taken(tmp_path: Path) -> None:
    """PYTHON wins."""
    found = find(tmp_path, PYTHON=sys.executable)
    assert found.returncode == 0
    assert found.stdout.strip() == sys.executable


def test_a_wrong_one_is_refused(tmp_path: Path) -> None:
    """A PYTHON that is no such interpreter is an error, not a reason to take another."""
    found = find(tmp_path, PYTHON="/bin/false")
    assert found.returncode == 1
    assert "PYTHON=/bin/false is not a working Python 3.13" in found.stderr


def test_pyenvs_are_found(tmp_path: Path) -> None:
    """A version that pyenv keeps, and does not put on the PATH, is found under the home directory."""
    home = tmp_path / ".pyenv" / "versions" / "3.13.99" / "bin"
    home.mkdir(parents=True)
    (home / "python").symlink_to(Path(sys.executable).resolve())
    found = find(tmp_path, PATH=_path_without_python(tmp_path))
    assert found.stdout.strip() == str(home / "python")


def test_none_is_said_clearly(tmp_path: Path) -> None:
    """Without one, the message says what was looked at and how to get one."""
    found = find(tmp_path, PATH=_path_without_python(tmp_path))
    assert found.returncode == 1
    assert "No Python 3.13 or newer was found" in found.stderr
    assert "make PYTHON=" in found.stderr


def _path_without_python(tmp_path: Path) -> str:
    """A directory with what the script itself needs, and nothing else."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "cat"):
        source = next(
            Path(part) / name for part in os.defpath.split(":") if part and (Path(part) / name).exists()
        )
        (tools / name).symlink_to(source)
    return str(tools)

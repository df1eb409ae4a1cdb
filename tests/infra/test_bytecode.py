"""The bytecode of the package: what Python would make, the same every time."""

import marshal
from types import CodeType, ModuleType
from typing import Any

import pytest

from infra.bytecode import compiled

SOURCE = '''
"""A module with constants of every kind, some of them equal."""
ONE, ALSO_ONE, YES, ZERO, LESS = 1, 1.0, True, 0.0, -0.0
PAIRS = ((1, "a"), (1.0, "a"), (True, "a"), (1, "a"))
WORDS = "a text that is no name", "a text that is no name", "naïve", b"a text that is no name"
def pick(kind: str) -> object:
    """Uses a set and a closure."""
    naïve = 3j
    def inner() -> object:
        return naïve, kind in {"a", "b", "naïve"}, ...
    return inner()
'''


def code_of(pyc: bytes) -> CodeType:
    found = marshal.loads(pyc[16:])  # noqa: S302 -- our own bytes
    assert isinstance(found, CodeType)
    return found


def run(code: CodeType) -> dict[str, Any]:
    module = ModuleType("tried")
    exec(code, module.__dict__)  # noqa: S102 -- the source above
    return {name: repr(value) for name, value in vars(module).items() if name.isupper()} | {
        "picked": repr(module.pick("a"))
    }


def test_it_means_the_same() -> None:
    """Equal constants of different types stay apart; closures, sets and names work."""
    plain = compile(SOURCE, "tried.py", "exec", dont_inherit=True)
    assert run(code_of(compiled(SOURCE.encode(), "tried.py"))) == run(plain)


def test_it_is_the_same_every_time() -> None:
    """Whether or not somebody else holds the module's names and constants, and however often it is made."""
    first = compiled(SOURCE.encode(), "tried.py")
    held = [compile(SOURCE, "tried.py", "exec", dont_inherit=True) for _ in range(3)]
    assert {compiled(SOURCE.encode(), "tried.py") for _ in range(5)} == {first}
    assert held


def test_bad_source_is_an_error() -> None:
    """A module that does not compile stops the build."""
    with pytest.raises(SyntaxError):
        compiled(b"def", "tried.py")

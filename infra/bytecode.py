"""Bytecode that is the same every time: for a package that is built twice and compared.

What Python itself writes for a module differs a little from run to run: equal constants are sometimes one object and
sometimes two, and the format notes which. Here equal ones are always one.
"""

import importlib.util
import marshal
import sys
from pathlib import Path
from types import CodeType
from typing import Any, Final

UNCHECKED: Final = 1  # flags of a file that is identified by its source's hash, which nobody is to check


def compiled(source: bytes, path: str) -> bytes:
    """The content of a `.pyc` file that is taken as it is, whatever becomes of the source. May raise SyntaxError."""
    code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    head = importlib.util.MAGIC_NUMBER + UNCHECKED.to_bytes(4, "little") + importlib.util.source_hash(source)
    return head + marshal.dumps(_Canon().code(code))


def compile_folder(folder: Path, mount: str) -> None:
    """A `.pyc` for every module of a folder, under the paths that the modules will have below `mount`."""
    for file in sorted(folder.rglob("*.py")):
        into = Path(importlib.util.cache_from_source(str(file), optimization=""))
        into.parent.mkdir(exist_ok=True)
        into.write_bytes(compiled(file.read_bytes(), f"{mount}/{file.relative_to(folder).as_posix()}"))


class _Canon:
    """Makes equal constants of a module one object. Holding them all, it also makes each count as shared."""

    def __init__(self) -> None:
        self._known: dict[object, Any] = {}

    def code(self, code: CodeType) -> CodeType:
        """The same code, from shared parts."""
        return code.replace(
            co_consts=tuple(map(self._constant, code.co_consts)),
            co_names=tuple(map(self._text, code.co_names)),
            co_varnames=tuple(map(self._text, code.co_varnames)),
            co_freevars=tuple(map(self._text, code.co_freevars)),
            co_cellvars=tuple(map(self._text, code.co_cellvars)),
            co_filename=self._text(code.co_filename),
            co_name=self._text(code.co_name),
            co_qualname=self._text(code.co_qualname),
            co_linetable=self._one(code.co_linetable),
            co_exceptiontable=self._one(code.co_exceptiontable),
        )

    def _constant(self, value: Any) -> Any:
        match value:
            case CodeType():
                return self.code(value)
            case str():
                return self._text(value)
            case tuple():
                parts = tuple(map(self._constant, value))
                return self._known.setdefault((tuple, *map(id, parts)), parts)
            case frozenset():
                parts = tuple(map(self._constant, sorted(value, key=repr)))
                return self._known.setdefault((frozenset, *map(id, parts)), frozenset(parts))
            case _:
                return self._one(value)

    def _text(self, text: str) -> str:
        """Names are interned, as Python does when it makes code."""
        if text.isidentifier() or text.replace("_", "a").isalnum():
            text = sys.intern(text)
        return str(self._known.setdefault(text, text))

    def _one(self, value: Any) -> Any:
        return self._known.setdefault((type(value), repr(value)), value)

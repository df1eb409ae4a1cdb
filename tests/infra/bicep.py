"""Reads the Bicep templates with a grammar of their language: what is declared, and with what.

Nothing is evaluated: what is computed stays an `Expression`, with the values that stand in it.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

from infra.package import ROOT

INFRA = ROOT / "infra"


class Unreadable(Exception):
    """A file that the grammar does not take; the message says where."""


@dataclass(frozen=True)
class Expression:
    """Something computed: its text, and the plain values in it."""

    text: str
    holds: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Declared:
    """A parameter or an output."""

    name: str
    type: str
    value: Any = None  # a parameter's default, an output's value
    secure: bool = False
    required: bool = False
    described: bool = False


@dataclass(frozen=True)
class Resource:
    """A resource: with `existing` it is only referred to."""

    symbol: str
    type: str
    version: str
    existing: bool
    body: dict[str, Any]


@dataclass(frozen=True)
class Module:
    """A module: the file, what it is given, and its scope."""

    symbol: str
    file: Path
    body: dict[str, Any]

    @property
    def given(self) -> dict[str, Any]:
        """Its parameters' values."""
        return dict(self.body.get("params", {}))


@dataclass
class Template:
    """A file of the infrastructure."""

    path: Path
    scope: str = "resourceGroup"
    parameters: dict[str, Declared] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    modules: dict[str, Module] = field(default_factory=dict)
    outputs: dict[str, Declared] = field(default_factory=dict)
    identifiers: frozenset[str] = frozenset()  # every name that stands in an expression

    @property
    def made(self) -> Iterator[Resource]:
        """The resources that it makes."""
        return (resource for resource in self.resources.values() if not resource.existing)


@functools.cache
def read(path: Path) -> Template:
    """A `.bicep` file. Unreadable says where the grammar stops."""
    root = _parsed(path.read_text("utf-8"), path)
    found = Template(path, identifiers=frozenset(_identifiers(root)))
    decorators: list[str] = []
    for node in root.named_children:
        if node.type == "decorators":
            decorators = [_text(child) for child in node.named_children]
            continue
        _declare(node, found, decorators)
        decorators = []
    return found


def templates() -> list[Path]:
    """Every template, sorted."""
    return sorted(INFRA.rglob("*.bicep"))


def parameter_files() -> list[Path]:
    """Every parameter file, sorted."""
    return sorted(INFRA.rglob("*.bicepparam"))


def given(path: Path) -> tuple[Path, dict[str, Any]]:
    """The template that a parameter file is for, and the values that it gives.

    The grammar does not know parameter files; but for `using`, they are read as variables.
    """
    text = path.read_text("utf-8")
    using = re.search(r"^using '([^']+)'$", text, re.MULTILINE)
    if using is None:
        raise Unreadable(f"{path.name} says for no template what it is")
    names = re.findall(r"^param (\w+) =", text, re.MULTILINE)
    plain = re.sub(r"^using .*$", "", text, flags=re.MULTILINE)
    root = _parsed(re.sub(r"^param (\w+) =", r"var \1 =", plain, flags=re.MULTILINE), path)
    found = Template(path)
    for node in root.named_children:
        _declare(node, found, [])
    return (path.parent / using[1]).resolve(), {name: found.variables[name] for name in names}


def plain(value: Any) -> Iterator[str]:
    """Every text and every computed part in a value, however deep."""
    match value:
        case str():
            yield value
        case Expression():
            yield value.text
            yield from (name for part in value.holds for name in plain(part))
        case dict():
            yield from (name for part in value.values() for name in plain(part))
        case list():
            yield from (name for part in value for name in plain(part))
        case _:
            pass


def _parsed(text: str, path: Path) -> Node:
    root = Parser(Language(tree_sitter_bicep.language())).parse(text.encode()).root_node
    if root.has_error:
        wrong = next(_errors(root))
        raise Unreadable(f"{path.name}:{wrong.start_point.row + 1}: {_text(wrong)[:60]!r}")
    return root


def _errors(node: Node) -> Iterator[Node]:
    if node.is_error or node.is_missing:
        yield node
    for child in node.children:
        yield from _errors(child)


def _identifiers(node: Node) -> Iterator[str]:
    """Names in use: not what is declared, and not the keys of an object."""
    for index, child in enumerate(node.named_children):
        declares = node.type.endswith("_declaration") and index == 0
        is_key = node.type == "object_property" and index == 0 and child.type == "identifier"
        if child.type == "identifier" and not declares and not is_key:
            yield _text(child)
        else:
            yield from _identifiers(child)


def _text(node: Node) -> str:
    return (node.text or b"").decode()


def _declare(node: Node, into: Template, decorators: list[str]) -> None:
    name = _text(node.named_children[0]) if node.named_children else ""
    match node.type:
        case "target_scope_assignment":
            into.scope = str(_value(node.named_children[-1]))
        case "parameter_declaration":
            into.parameters[name] = _declared(node, name, decorators)
        case "output_declaration":
            into.outputs[name] = _declared(node, name, decorators)
        case "variable_declaration":
            into.variables[name] = _value(node.named_children[-1])
        case "resource_declaration":
            kind, _, version = str(_value(node.named_children[1])).partition("@")
            existing = any(child.type == "existing" for child in node.children)
            into.resources[name] = Resource(name, kind, version, existing, _body(node))
        case "module_declaration":
            file = (into.path.parent / str(_value(node.named_children[1]))).resolve()
            into.modules[name] = Module(name, file, _body(node))
        case "comment":
            pass
        case other:
            raise Unreadable(f"{into.path.name}: a {other}, which nothing here reads")


def _declared(node: Node, name: str, decorators: list[str]) -> Declared:
    kind = next(child for child in node.named_children if child.type == "type")
    after = [child for child in node.named_children if child.start_byte > kind.end_byte]
    return Declared(
        name,
        _text(kind),
        _value(after[-1]) if after else None,
        secure="@secure()" in decorators,
        required=not after,
        described=any(decorator.startswith("@description") for decorator in decorators),
    )


def _body(node: Node) -> dict[str, Any]:
    """The object of a declaration, behind its condition or its loop."""
    inner = node.named_children[-1]
    while inner.type in {"if_statement", "for_statement"}:
        inner = inner.named_children[-1]
    found = _value(inner)
    return dict(found) if isinstance(found, dict) else {}


def _value(node: Node) -> Any:
    match node.type:
        case "string":
            return "".join(_text(child) for child in node.named_children).replace("\\'", "'")
        case "number":
            return int(_text(node))
        case "boolean":
            return _text(node) == "true"
        case "object":
            pairs = [child.named_children for child in node.named_children if child.type == "object_property"]
            return {_key(key): _value(value) for key, *_, value in pairs}
        case "array":
            return [_value(child) for child in node.named_children if child.type != "comment"]
        case _:
            return Expression(_text(node), tuple(_parts(node)))


def _key(node: Node) -> str:
    return str(_value(node)) if node.type == "string" else _text(node)


def _parts(node: Node) -> Iterator[Any]:
    """The plain values inside a computed one."""
    for child in node.named_children:
        if child.type in {"string", "object", "array", "number", "boolean"}:
            yield _value(child)
        else:
            yield from _parts(child)

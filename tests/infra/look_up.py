"""Looks up every property of the templates in the types that Microsoft publishes for Bicep, and writes down which.

`python -m tests.infra.look_up CHECKOUT` wants a checkout of github.com/Azure/bicep-types-az. It compares names (with
their casing), required and read-only properties, fixed values and kinds of values; what is computed is passed over.
When all is right it writes `looked_up.txt`, which a test compares with the templates: a property that is new, or
spelled another way, has not been looked up.
"""

import argparse
import functools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.infra.bicep import INFRA, Expression, Resource, read, templates

LIST = Path(__file__).with_name("looked_up.txt")
OWN = {"parent", "scope", "dependsOn"}  # Bicep's, of no resource type
REQUIRED, READ_ONLY = 1, 2  # a property's flags
GIVEN = {"name", "type", "apiVersion", "id"}  # by the declaration itself

type Type = dict[str, Any]


def paths(value: Any, at: str) -> Iterator[str]:
    """Every property that stands in a value, as `a.b[].c`; in what is computed, the objects of its branches."""
    match value:
        case dict():
            for name, inner in value.items():
                yield f"{at}.{name}"
                yield from paths(inner, f"{at}.{name}")
        case list():
            for inner in value:
                yield from paths(inner, f"{at}[]")
        case Expression():
            for inner in _branches(value):
                yield from paths(inner, f"{at}[]" if value.text.startswith("[") else at)
        case _:
            pass


def _branches(computed: Expression) -> Iterator[Any]:
    """Yield what a choice or a loop may give; arguments of functions are not what they give."""
    if re.match(r"\[\s*for |[^({]*\?", computed.text):
        yield from (hold for hold in computed.holds if isinstance(hold, dict | list))


def used() -> list[str]:
    """Every property of every resource that the templates make: `type@version.path`."""
    found: set[str] = set()
    for template in map(read, templates()):
        for resource in template.made:
            body = {name: value for name, value in resource.body.items() if name not in OWN}
            found.update(paths(body, f"{resource.type}@{resource.version}"))
    return sorted(found)


class Types:
    """The published types of a checkout."""

    def __init__(self, checkout: Path) -> None:
        self._root = checkout / "generated"

    def problems(self, it: Resource) -> Iterator[str]:
        """Yield what is wrong with a resource."""
        name = f"{it.type}@{it.version}"
        found = self._find(name)
        if found is None:
            yield f"{name}: no such type"
            return
        types, body = found
        plain = {key: value for key, value in it.body.items() if key not in OWN}
        yield from _compared(types, body, plain, name)

    @functools.cache  # noqa: B019 -- lives as long as the program
    def _find(self, name: str) -> tuple[list[Type], Type] | None:
        provider, version = name.partition("/")[0].lower(), name.partition("@")[2]
        for file in self._root.glob(f"*/{provider}/{version}/types.json"):
            types: list[Type] = json.loads(file.read_text("utf-8"))
            for entry in types:
                if entry["$type"] == "ResourceType" and entry["name"] == name:
                    return types, _target(types, entry["body"])
        return None


def _target(types: list[Type], reference: Type) -> Type:
    return types[int(reference["$ref"].rpartition("/")[2])]


def _compared(types: list[Type], wanted: Type, value: Any, at: str) -> Iterator[str]:
    if isinstance(value, Expression):
        for inner in _branches(value):
            looped = value.text.startswith("[")
            kind = _target(types, wanted["itemType"]) if looped and "itemType" in wanted else wanted
            yield from _compared(types, kind, inner, at)
        return
    match wanted["$type"]:
        case "ObjectType":
            yield from _object(types, wanted, value, at)
        case "DiscriminatedObjectType":
            chosen = wanted["elements"].get(value.get(wanted["discriminator"]))
            if chosen is None:
                yield f"{at}: {wanted['discriminator']} must be one of {', '.join(wanted['elements'])}"
                return
            kind = _target(types, chosen)
            merged = kind | {"properties": wanted["baseProperties"] | kind["properties"]}
            yield from _object(types, merged, value, at)
        case "ArrayType":
            if not isinstance(value, list):
                yield f"{at}: a list is wanted"
                return
            for inner in value:
                yield from _compared(types, _target(types, wanted["itemType"]), inner, f"{at}[]")
        case kind:
            yield from _scalar(types, kind, wanted, value, at)


def _object(types: list[Type], wanted: Type, value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at}: an object is wanted"
        return
    known = wanted["properties"]
    for name, inner in value.items():
        if name in known:
            if known[name]["flags"] & READ_ONLY:
                yield f"{at}.{name}: is read-only"
            yield from _compared(types, _target(types, known[name]["type"]), inner, f"{at}.{name}")
        elif wanted.get("additionalProperties"):
            yield from _compared(types, _target(types, wanted["additionalProperties"]), inner, f"{at}.{name}")
        else:
            yield f"{at}.{name}: no such property"
    missing = {name for name, item in known.items() if item["flags"] & REQUIRED} - value.keys() - GIVEN
    yield from (f"{at}.{name}: is missing" for name in sorted(missing))


def _scalar(types: list[Type], kind: str, wanted: Type, value: Any, at: str) -> Iterator[str]:
    computed = isinstance(value, str) and "${" in value
    match kind:
        case "UnionType" if isinstance(value, str) and not computed:
            choices = [_target(types, item) for item in wanted["elements"]]
            fixed = {choice.get("value") for choice in choices}
            if value not in fixed and not any(choice["$type"] == "StringType" for choice in choices):
                yield f"{at}: {value!r} is none of {', '.join(sorted(map(str, fixed)))}"
        case "StringLiteralType" if isinstance(value, str) and not computed and value != wanted["value"]:
            yield f"{at}: {value!r} must be {wanted['value']!r}"
        case "StringType" if not isinstance(value, str):
            yield f"{at}: a text is wanted"
        case "IntegerType" if isinstance(value, bool) or not isinstance(value, int):
            yield f"{at}: a number is wanted"
        case "BooleanType" if not isinstance(value, bool):
            yield f"{at}: true or false is wanted"
        case _:
            pass


def main() -> None:
    """Look everything up; write the list when all is right."""
    parser = argparse.ArgumentParser(prog="python -m tests.infra.look_up", description=__doc__)
    parser.add_argument("checkout", type=Path)
    types = Types(parser.parse_args().checkout)
    wrong = [
        f"{path.relative_to(INFRA)}: {problem}"
        for path in templates()
        for resource in read(path).made
        for problem in types.problems(resource)
    ]
    if wrong:
        sys.exit("\n".join(wrong))
    LIST.write_text("".join(f"{name}\n" for name in used()), "utf-8")
    sys.stdout.write(f"{len(used())} properties are as published\n")


if __name__ == "__main__":
    main()

"""Every property of the templates was looked up in Microsoft's published types, and what looks up finds mistakes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.infra.bicep import Resource
from tests.infra.look_up import LIST, Types, used

KIND, VERSION = "Microsoft.Web/things", "2024-04-01"


def ref(number: int) -> dict[str, str]:
    return {"$ref": f"#/{number}"}


def named(kind: int, flags: int = 0) -> dict[str, Any]:
    return {"type": ref(kind), "flags": flags}


TYPES: list[dict[str, Any]] = [
    {"$type": "StringType"},
    {"$type": "IntegerType"},
    {"$type": "BooleanType"},
    {"$type": "StringLiteralType", "value": "warm"},
    {"$type": "StringLiteralType", "value": "cold"},
    {"$type": "UnionType", "elements": [ref(3), ref(4)]},
    {"$type": "ArrayType", "itemType": ref(1)},
    {"$type": "ObjectType", "properties": {}, "additionalProperties": ref(0)},
    {
        "$type": "ObjectType",
        "properties": {
            "name": named(0, 1),
            "location": named(0, 1),
            "tags": named(7),
            "mode": named(5),
            "sizes": named(6),
            "on": named(2),
            "state": named(0, 2),
        },
    },
    {"$type": "ResourceType", "name": f"{KIND}@{VERSION}", "body": ref(8)},
]


@pytest.fixture
def types(tmp_path: Path) -> Types:
    """A checkout with one small type."""
    file = tmp_path / "generated" / "web" / "microsoft.web" / VERSION / "types.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(TYPES), "utf-8")
    return Types(tmp_path)


def problems(types: Types, *, version: str = VERSION, **body: Any) -> list[str]:
    whole = {"name": "x", "location": "here", **body}
    return [
        problem.partition(VERSION)[2] or problem
        for problem in types.problems(Resource("it", KIND, version, existing=False, body=whole))
    ]


def test_every_property_was_looked_up() -> None:
    """A property that is new in a template, or spelled another way, is looked up first: see look_up.py."""
    assert used() == LIST.read_text("utf-8").splitlines()


def test_what_is_right_has_no_problem(types: Types) -> None:
    """Known properties of their kinds; free ones where a type allows them; a dependency of Bicep's own."""
    assert problems(types, tags={"a": "b"}, mode="cold", sizes=[1, 2], on=True, dependsOn=["y"]) == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"Mode": "cold"}, ".Mode: no such property"),
        ({"mode": "hot"}, ".mode: 'hot' is none of cold, warm"),
        ({"sizes": 1}, ".sizes: a list is wanted"),
        ({"sizes": ["1"]}, ".sizes[]: a number is wanted"),
        ({"on": "true"}, ".on: true or false is wanted"),
        ({"tags": {"a": 1}}, ".tags.a: a text is wanted"),
        ({"state": "x"}, ".state: is read-only"),
    ],
)
def test_each_mistake_is_found(types: Types, body: dict[str, Any], problem: str) -> None:
    """A wrong name, value or kind, and what only Azure may set."""
    assert problems(types, **body) == [problem]


def test_what_is_missing_and_what_is_unknown(types: Types) -> None:
    """A required property, and a version that was never published."""
    found = list(types.problems(Resource("it", KIND, VERSION, existing=False, body={"name": "x"})))
    assert found == [f"{KIND}@{VERSION}.location: is missing"]
    assert problems(types, version="2020-01-01") == [f"{KIND}@2020-01-01: no such type"]

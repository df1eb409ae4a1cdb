"""Changes to a real input: of its bytes, and where it is JSON, of its structure. Each is a value, to be shrunk."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

LARGEST = 64 * 1024  # bytes

# What parsers stumble over: ends of ranges, deep nesting, odd text, and words of the formats.
TOKENS: tuple[bytes, ...] = (
    *(
        b"",
        b"\0",
        b"\xff",
        b"\xff" * 8,
        b"\x80\x00",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x98\x80",
        b"\r\n",
        b"=",
        b":",
    ),
    *(
        b"*",
        b"**",
        b"0",
        b"-1",
        b"1e999",
        b"9" * 400,
        b"NaN",
        b"null",
        b"true",
        b'"',
        b"\\u0000",
        b"\\ud800",
        b"{}",
    ),
    *(b"[]", b"[[", b"[" * 3000, b'{"a":' * 3000, b"a = " + b"[" * 3000, b"a" * 5000, b"*a" * 40, b"<" * 200),
    *(
        b"&nbsp;" * 30,
        b"0001-01-01T00:00:00+23:59",
        b"9999-12-31T23:59:59.999999-23:59",
        b"2026-03-02T12:00:00",
    ),
    *(
        b"PK\x05\x06",
        b"PK\x06\x06",
        b"PK\x06\x07",
        b"PK\x01\x02",
        b"\x30\x82\xff\xff",
        b"\x30\x80",
        b"\xc0\x0c",
    ),
    *(b"\xc0\xff", b"{host}", b"https://", b"https://[", b"..", b"xn--", b"%00"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63, 2**64, 1e308, "", "a", "\0", "\ud800", "x" * 2000, [], {}, [[]], [None] * 50),
    *({"": {}}, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "../..", "/subscriptions/a/resourceGroups/b"),
    *("ä", "*", {"a": {"b": [1]}}),
)

type Change = tuple[str, int, int]  # what, where, with which


def mutated(data: bytes, changes: Sequence[Change], others: Sequence[bytes]) -> bytes:
    """The input with every change made, in order; never longer than `LARGEST`."""
    for what, where, which in changes:
        data = CHANGES[what](data, where, which, others)[:LARGEST]
    return data


def _put(data: bytes, where: int, which: int, _others: Sequence[bytes]) -> bytes:
    at = where % (len(data) + 1)
    return data[:at] + TOKENS[which % len(TOKENS)] + data[at:]


def _over(data: bytes, where: int, which: int, _others: Sequence[bytes]) -> bytes:
    at, token = where % (len(data) + 1), TOKENS[which % len(TOKENS)]
    return data[:at] + token + data[at + len(token) :]


def _flip(data: bytes, where: int, which: int, _others: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at = where % len(data)
    return data[:at] + bytes([data[at] ^ (1 << which % 8)]) + data[at + 1 :]


def _byte(data: bytes, where: int, which: int, _others: Sequence[bytes]) -> bytes:
    at = where % (len(data) + 1)
    return data[:at] + bytes([which % 256]) + data[at + 1 :]


def _cut(data: bytes, where: int, which: int, _others: Sequence[bytes]) -> bytes:
    at = where % (len(data) + 1)
    return data[:at] + data[at + which % 64 :] if which % 2 else data[:at]


def _twice(data: bytes, where: int, which: int, _others: Sequence[bytes]) -> bytes:
    at = where % (len(data) + 1)
    part = data[at : at + 1 + which % 200]
    return data[:at] + part * (1 + which % 50) + data[at:]


def _splice(data: bytes, where: int, which: int, others: Sequence[bytes]) -> bytes:
    other = others[which % len(others)]
    return data[: where % (len(data) + 1)] + other[where % (len(other) + 1) :]


def _node(data: bytes, where: int, which: int, _others: Sequence[bytes]) -> bytes:
    """One place of a JSON document gets another value; what is no JSON stays."""
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):
        return data
    places = list(_places([whole]))
    holder, key = places[where % len(places)]
    value = VALUES[which % len(VALUES)]
    if which % 5 == 0 and isinstance(holder, dict):
        del holder[key]
    else:
        holder[key] = value
    root = [whole] if places[0][0] is not holder else holder
    return json.dumps(root[0]).encode("utf-8", "surrogatepass")


def _places(whole: Any) -> Iterator[tuple[Any, Any]]:
    waiting = [whole]
    while waiting:
        holder = waiting.pop(0)
        found = list(holder.items() if isinstance(holder, dict) else enumerate(holder))
        for key, value in found[:200]:
            yield holder, key
            if isinstance(value, dict | list):
                waiting.append(value)


CHANGES: dict[str, Callable[[bytes, int, int, Sequence[bytes]], bytes]] = {
    "put": _put,
    "over": _over,
    "flip": _flip,
    "byte": _byte,
    "cut": _cut,
    "twice": _twice,
    "splice": _splice,
    "node": _node,
}

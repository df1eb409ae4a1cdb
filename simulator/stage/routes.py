"""Which HTTP function answers a path: ASP.NET's route templates, as far as Functions uses them. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

_PART = re.compile(r"\{(?P<rest>\*)?(?P<name>\w+)(?::(?P<kind>\w+))?(?P<optional>\?)?\}")
_KINDS = {
    None: "[^/]+",
    "alpha": "[A-Za-z]+",
    "bool": "(?:[Tt]rue|[Ff]alse)",
    "guid": "[0-9A-Fa-f]{8}-?(?:[0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}",
    "int": "-?[0-9]+",
    "long": "-?[0-9]+",
}


@dataclass(frozen=True, slots=True)
class Route:
    """One function's route: literal segments, `{id}`, `{id:int}`, `{id?}` and `{*rest}`."""

    function: str
    template: str
    methods: frozenset[str]  # empty: all of them
    pattern: re.Pattern[str]
    rank: tuple[int, ...]  # by segment: literal before constrained before free before optional before rest

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        """The route's parameters, or None when this is not its request."""
        if self.methods and method.upper() not in self.methods:
            return None
        found = self.pattern.fullmatch(path)
        return (
            None
            if found is None
            else {name: unquote(value) for name, value in found.groupdict().items() if value}
        )


def route(function: str, template: str, methods: Iterable[str]) -> Route:
    """Compile a template, which is relative to the host's root and has the route prefix in it.

    Raises:
        ValueError: the template holds a parameter that this host does not know.
    """
    segments = [segment for segment in template.strip("/").split("/") if segment]
    pattern = "".join(_segment(segment) for segment in segments)
    return Route(
        function=function,
        template=template,
        methods=frozenset(method.upper() for method in methods),
        pattern=re.compile(pattern + "/?", re.IGNORECASE),
        rank=tuple(map(_rank, segments)),
    )


def _segment(segment: str) -> str:
    """One segment as a pattern that begins with its slash, so that an optional one may be absent."""
    whole = _PART.fullmatch(segment)
    if whole is not None and whole["rest"]:
        return f"(?:/(?P<{whole['name']}>.*))?"
    if whole is not None and whole["optional"]:
        return f"(?:/(?P<{whole['name']}>{_kind(whole)}))?"
    literals = _PART.sub("\0", segment).split("\0")
    if any("{" in part or "}" in part for part in literals):
        raise ValueError(f"route segment {segment!r} is not understood")
    inner = [f"(?P<{part['name']}>{_kind(part)})" for part in _PART.finditer(segment)]
    escaped = [re.escape(part) for part in literals]
    return "/" + escaped[0] + "".join(hole + after for hole, after in zip(inner, escaped[1:], strict=True))


def _kind(part: re.Match[str]) -> str:
    """The pattern of a parameter's constraint."""
    if part["kind"] not in _KINDS:
        raise ValueError(f"route constraint {part['kind']!r} is not understood")
    return _KINDS[part["kind"]]


def _rank(segment: str) -> int:
    """Return how specific a segment is; smaller wins."""
    whole = _PART.search(segment)
    if whole is None:
        return 0
    if whole["rest"]:
        return 4
    if whole["optional"]:
        return 3
    return 1 if whole["kind"] or whole.span() != (0, len(segment)) else 2


def find(routes: Iterable[Route], method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
    """The most specific route for a request, with its parameters. `path` is still percent-encoded."""
    for candidate in sorted(routes, key=lambda each: each.rank):
        params = candidate.match(method, path)
        if params is not None:
            return candidate, params
    return None

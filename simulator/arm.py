"""What Resource Manager's operations have in common: how one is declared, called, answered and refused.

The services `microsoft_resources`, `microsoft_web` and `microsoft_network` declare operations;
`resource_manager` speaks HTTP and takes a request through authentication, versions, permissions and faults.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.premises import Premises
from simulator.tokens import Principal
from simulator.wire import skipped
from simulator.world import World

type Json = dict[str, Any]


class ArmError(Exception):
    """A refusal in Azure's shape; `provider_body` replaces the usual body where a provider has a shape of its own."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        provider_body: Json | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.headers = dict(headers or {})
        self.provider_body = provider_body
        super().__init__(message)

    def body(self) -> Json:
        """The answer's body."""
        return self.provider_body or {"error": {"code": self.code, "message": str(self)}}


@dataclass(frozen=True)
class Call:
    """One authenticated request at an operation. Names in `at` keep the caller's casing."""

    cloud: Premises
    who: Principal
    method: str
    path: str
    version: str
    at: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None

    @property
    def world(self) -> World:
        """The world."""
        return self.cloud.world


@dataclass(frozen=True)
class Answer:
    """What an operation answers; no body means an empty one, and a text is XML."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """One operation: where it is, which api-versions it has, the permission it needs, what it does."""

    method: str
    path: str  # as the REST specification writes it, {names} included
    type: str  # the resource type whose api-versions count
    action: str  # the permission; empty when being signed in is enough
    answer: Callable[[Call], Answer]
    pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Compile the path: fixed parts in any casing, each name one segment, a trailing slash tolerated."""
        parts = re.split(r"\{(\w+)\}", self.path)
        text = "".join(
            f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts)
        )
        object.__setattr__(self, "pattern", re.compile(f"{text}/?", re.IGNORECASE))

    @property
    def of_one(self) -> bool:
        """Return whether it is about one resource, so that a role on that resource is enough for it."""
        return f"/providers/{self.type}/{{" in self.path


def page(items: list[Json], call: Call, size: int = 100) -> Answer:
    """One page of a list, with a link to the next one while there are more (`$skiptoken` counts items)."""
    start = skipped(call.query)
    if start is None:
        raise ArmError(400, "InvalidQueryParameter", "The '$skiptoken' query parameter is invalid.")
    body: Json = {"value": items[start : start + size]}
    if start + size < len(items):
        body["nextLink"] = (
            f"{call.cloud.arm_url}{call.path}?api-version={call.version}&$skiptoken={start + size}"
        )
    return Answer(body)


def group_name(call: Call) -> str:
    """The resource group of the path with its own casing; 404 when there is none."""
    wanted = call.at["group"].lower()
    found = next((name for name in call.world.resource_groups if name.lower() == wanted), None)
    if found is None:
        raise ArmError(
            404, "ResourceGroupNotFound", f"Resource group '{call.at['group']}' could not be found."
        )
    return found


def not_found(kind: str, name: str, group: str) -> ArmError:
    """A resource that does not exist."""
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. For more details please go "
        "to https://aka.ms/ARMResourceNotFoundFix",
    )


def properties(call: Call) -> Json:
    """The `properties` object of a request's body; 400 when it is none."""
    content = call.body.get("properties") if isinstance(call.body, dict) else None
    if not isinstance(content, dict):
        raise ArmError(
            400,
            "InvalidRequestContent",
            "The request content was invalid and could not be deserialized: 'properties' is expected to be an "
            "object.",
        )
    return content

"""Roles: what a principal may do, read from the definitions that the deployment makes in Azure (`infra/roles/`).

The same files are read by the Bicep templates, so that what the simulated services refuse is what Azure would
refuse.
"""

import json
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Final

DIRECTORY: Final = Path(__file__).parents[1] / "infra" / "roles"

type Role = frozenset[str]

READER: Final[Role] = frozenset(
    {"*/read"}
)  # the built-in role of that name; it lists no settings, opens no secret
EVENT_GRID_DATA_SENDER: Final[Role] = frozenset({"Microsoft.EventGrid/events/send/action"})  # built in


def definition(name: str) -> Mapping[str, Any]:
    """A custom role as it lies in `infra/roles/`: name, description, scope, actions and data actions with reasons."""
    return dict(json.loads((DIRECTORY / f"{name}.json").read_text("utf-8")))


def role(*names: str) -> Role:
    """Everything that custom roles allow together."""
    found = map(definition, names)
    return frozenset(item["action"] for each in found for item in (*each["actions"], *each["dataActions"]))


def allows(granted: AbstractSet[str], action: str) -> bool:
    """Return whether one of the granted actions, which may hold `*`, covers an action; casing does not matter."""
    return any(_covers(one, action) for one in granted)


def _covers(granted: str, action: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in granted.split("*"))
    return re.fullmatch(pattern, action, re.IGNORECASE) is not None

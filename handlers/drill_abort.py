"""When somebody aborts a drill, its region is given back before we answer.

Needs no permit. Waits only for who is at the draining of it right now, and not longer than they show a sign of life;
when Azure does not take the giving back, the answer says so and every wake-up tries again. Safe to repeat: a drill
whose region is being given back stays as it is; one that is over is 409.
"""

from typing import Annotated

import msgspec

from handlers._edge import Answer, Asked
from shared.drills.report import drill_facts
from shared.errors import BadEvent
from shared.ports import Ports
from shared.reconcile import drills
from shared.settings import Settings


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of the request, which may be empty."""

    reason: Annotated[str, msgspec.Meta(max_length=400)] = ""
    by: Annotated[str, msgspec.Meta(max_length=200)] = ""


async def handle(asked: Asked, *, ports: Ports, settings: Settings) -> Answer:
    """Abort the drill of the id in the route."""
    body = _decode(asked.body)
    by = asked.person or body.by or "the holder of a function key"
    drill = await drills.abort(asked.params.get("id", ""), by, body.reason, ports, settings)
    return Answer(200, drill_facts(drill))


def _decode(body: bytes) -> Body:
    try:
        return msgspec.json.decode(body, type=Body) if body.strip() else Body()
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadEvent(f"the body gives no reason for aborting: {error}") from error

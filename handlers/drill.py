"""When somebody asks for a drill, we ask every rule of the preflight, note the drill, and answer where to watch it.

Drains nothing itself: the next turn of the timer looks again and does. A dry run (`dry_run`) returns the answers and
the predicted recovery time, and leaves no trace. Never begins a second drill of a group: of two that race, one gets
409, which names the other. Safe to repeat because the same request under the same `Idempotency-Key` is the same
drill; under the same key another request is refused (422).
"""

import re
from typing import Annotated

import msgspec

from handlers._edge import Answer, Asked
from shared.drills.model import LONGEST, SHORTEST, Request
from shared.drills.report import checked_facts, drill_facts
from shared.errors import BadEvent
from shared.ports import Ports
from shared.reconcile import drills
from shared.reconcile import workflow as reconcile
from shared.settings import Settings

Seconds = Annotated[int, msgspec.Meta(ge=SHORTEST, le=LONGEST)]
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of the request."""

    group: str
    region: str
    observe_seconds: Seconds | None = None
    target_rto_seconds: Seconds | None = None
    reason: Annotated[str, msgspec.Meta(max_length=400)] = ""
    by: Annotated[str, msgspec.Meta(max_length=200)] = ""
    dry_run: bool = False


async def handle(asked: Asked, *, ports: Ports, settings: Settings) -> Answer:
    """Begin it, or only say what would be."""
    body = _decode(asked.body)
    if asked.idempotency and not _KEY.fullmatch(asked.idempotency):
        raise BadEvent("an Idempotency-Key is 1 to 255 visible ASCII characters")
    profile = await reconcile.profile_named(body.group, ports, settings)
    wanted = Request(
        group=profile.id,
        region=body.region,
        observe_seconds=body.observe_seconds or settings.drill_observe,
        target_rto_seconds=body.target_rto_seconds or settings.drill_target,
        reason=body.reason,
        by=asked.person or body.by or "the holder of a function key",
    )
    if body.dry_run:
        found = await drills.check(profile, wanted, ports, settings)
        return Answer(200, checked_facts(found.preflight, found.predicted, found.seen.group.profile))
    started = await drills.start(profile, wanted, ports, settings, idempotency=asked.idempotency)
    where = f"/api/drills/{started.drill.id}"
    return Answer(202, {"url": where, **drill_facts(started.drill)}, headers={"Location": where})


def _decode(body: bytes) -> Body:
    try:
        return msgspec.json.decode(body, type=Body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadEvent(f"the body asks for no drill: {error}") from error

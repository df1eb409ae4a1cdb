"""When a person decides (approve, reject, take a side, revert, force), we record it and act on it at once.

Never takes a word about another plan than the one the person saw: the body names its fingerprint. Safe to repeat
because the second time the plan is another one, and the answer is 409.
"""

import msgspec

from handlers._edge import Answer, Asked
from shared.errors import BadEvent
from shared.ports import Ports
from shared.reconcile import workflow as reconcile
from shared.settings import Settings
from shared.settings_sync.ask import Ask, Request
from shared.settings_sync.render import rollout_facts


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is posted."""

    group: str
    decision: Ask
    fingerprint: str
    reason: str = ""
    region: str = ""
    keys: tuple[str, ...] = ()
    by: str = ""


async def handle(asked: Asked, *, ports: Ports, settings: Settings) -> Answer:
    """Record the decision and run a round; the answer says where the rollout is now."""
    try:
        body = msgspec.json.decode(asked.body, type=Body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadEvent(f"the body is no decision: {error}") from error
    profile = await reconcile.profile_named(body.group, ports, settings)
    request = Request(
        ask=body.decision,
        fingerprint=body.fingerprint,
        by=asked.person or body.by or "the holder of a function key",
        reason=body.reason,
        region=body.region,
        keys=body.keys,
    )
    done = await reconcile.settle(profile, request, ports, settings)
    return Answer(200, rollout_facts(done.group, done.rollout))

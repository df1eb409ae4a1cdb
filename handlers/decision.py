"""When a person decides (approve, reject, take a side, revert, force, restart), we record it and act on it at once.

Never takes a word about another plan than the one the person saw: the body names its fingerprint. Safe to repeat
because the second time the plan is another one, and the answer is 409. `restart` is about no plan: it restarts the
regions one after the other, each under a permit; a second one is refused while the first is under way. `acknowledge`
takes an incident on, `release` ends a failback hold.
"""

from typing import Annotated, Literal

import msgspec

from handlers._edge import Answer, Asked
from shared.artifact_hosts.model import Order, Work
from shared.artifact_hosts.render import packages_facts
from shared.errors import BadEvent
from shared.incidents.render import incident_facts
from shared.ports import Ports
from shared.reconcile import incidents
from shared.reconcile import workflow as reconcile
from shared.reconcile.summary import advice_for
from shared.settings import Settings
from shared.settings_sync.ask import Ask, Request
from shared.settings_sync.render import advice_facts, rollout_facts

Name = Annotated[str, msgspec.Meta(max_length=600)]  # an ARM id has a few hundred characters
Reason = Annotated[str, msgspec.Meta(max_length=400)]


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of the request."""

    group: Name
    decision: Ask
    fingerprint: Name
    reason: Reason = ""
    region: Name = ""
    keys: Annotated[tuple[Name, ...], msgspec.Meta(max_length=1000)] = ()
    by: Name = ""


class Restart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request for an ordered restart; no regions means all."""

    group: Name
    decision: Literal["restart"]
    regions: Annotated[tuple[Name, ...], msgspec.Meta(max_length=200)] = ()
    reason: Reason = ""
    by: Name = ""


class Acknowledge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request that acknowledges an incident."""

    incident: Name
    decision: Literal["acknowledge"]
    reason: Reason = ""
    by: Name = ""


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request that ends a failback hold: the region goes back into DNS now."""

    group: Name
    decision: Literal["release"]
    reason: Reason = ""
    by: Name = ""


class _Which(msgspec.Struct):
    """Only what tells one kind of body from the other."""

    decision: str = ""


async def handle(asked: Asked, *, ports: Ports, settings: Settings) -> Answer:
    """Record the decision and run a round; the answer says where the rollout, or the restart, is now."""
    body = _decode(asked.body)
    by = asked.person or body.by or "the holder of a function key"
    match body:
        case Restart():
            return await _restart(body, by, ports, settings)
        case Acknowledge():
            return await _acknowledge(body, by, ports, settings)
        case Release():
            return await _release(body, by, ports, settings)
        case Body():
            return await _settle(body, by, ports, settings)


async def _settle(body: Body, by: str, ports: Ports, settings: Settings) -> Answer:
    profile = await reconcile.profile_named(body.group, ports, settings)
    request = Request(
        ask=body.decision,
        fingerprint=body.fingerprint,
        by=by,
        reason=body.reason,
        region=body.region,
        keys=body.keys,
    )
    done = await reconcile.settle(profile, request, ports, settings)
    advice = await advice_for(done.group, done.rollout, ports)
    return Answer(200, {**rollout_facts(done.group, done.rollout), **advice_facts(advice)})


def _decode(body: bytes) -> Body | Restart | Acknowledge | Release:
    try:
        match msgspec.json.decode(body, type=_Which).decision:
            case "restart":
                return msgspec.json.decode(body, type=Restart)
            case "acknowledge":
                return msgspec.json.decode(body, type=Acknowledge)
            case "release":
                return msgspec.json.decode(body, type=Release)
            case _:
                return msgspec.json.decode(body, type=Body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadEvent(f"the body is no decision: {error}") from error


async def _acknowledge(body: Acknowledge, by: str, ports: Ports, settings: Settings) -> Answer:
    asked = incidents.Ask(incident=body.incident, by=by, reason=body.reason)
    return Answer(200, incident_facts(await incidents.acknowledge(asked, ports, settings)))


async def _release(body: Release, by: str, ports: Ports, settings: Settings) -> Answer:
    profile = await reconcile.profile_named(body.group, ports, settings)
    region = await incidents.release(profile, by, body.reason, ports, settings)
    await reconcile.run(profile, ports, settings, doorbell=False)
    return Answer(200, {"group": profile.name, "released": region})


async def _restart(body: Restart, by: str, ports: Ports, settings: Settings) -> Answer:
    profile = await reconcile.profile_named(body.group, ports, settings)
    order = Order(work=Work.RESTART, regions=body.regions, by=by, at=ports.clock.now(), reason=body.reason)
    await reconcile.order(profile, order, ports, settings)
    group, tended, _ = await reconcile.show_packages(profile, ports, settings)
    return Answer(200, packages_facts(group, tended.row, tended.choices, tended.findings))

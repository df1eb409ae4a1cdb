"""A person's decision over HTTP: carried out at once, or refused with the reason."""

from typing import Any

import msgspec
import pytest

from handlers._edge import Answer, Asked
from handlers.decision import handle
from shared.errors import BadEvent, IllegalTransition, NotFound, StalePlan, UnsafePlan
from shared.settings_sync.model import State
from tests.builders import GROUP
from tests.rounds import World, val


async def conflicted() -> tuple[World, str]:
    """Both regions changed one key, long ago; the plan is held."""
    world = World()
    await world.tick()
    world.edit("west", K00=val("w"))
    world.edit("east", K00=val("e"))
    await world.ring()
    await world.ticks(5)
    rollout = await world.rollout()
    assert rollout.state is State.HELD
    assert rollout.plan is not None
    return world, rollout.plan.fingerprint


async def post(world: World, person: str = "", **body: Any) -> Answer:
    asked = Asked(body=msgspec.json.encode(body), person=person)
    return await handle(asked, ports=world.ports, settings=world.settings)


async def test_taking_a_side() -> None:
    """The chosen region's value is written to the other, and who chose is kept."""
    world, fingerprint = await conflicted()
    answer = await post(
        world,
        "ada@contoso.test",
        group=GROUP,
        decision="take",
        region="EAST",
        fingerprint=fingerprint,
        keys=["K00"],
    )
    assert answer.status == 200
    assert world.has("west", "K00") == val("e")
    assert any("ada@contoso.test" in line["text"] for line in answer.body["history"])


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"group": "nobody"}, NotFound),
        ({"region": "mars"}, NotFound),
        ({"keys": ["K99"]}, NotFound),
        ({"fingerprint": "0" * 16}, StalePlan),
        ({"decision": "approve"}, IllegalTransition),
        ({"decision": "reject", "reason": " "}, UnsafePlan),
        ({"decision": "perhaps"}, BadEvent),
        ({"surprise": 1}, BadEvent),
        ({"keys": "K00"}, BadEvent),
    ],
)
async def test_refusals(body: dict[str, Any], error: type[Exception]) -> None:
    """Each kind of wrong request is its own error, and nothing is written."""
    world, fingerprint = await conflicted()
    plain = {"group": GROUP, "decision": "take", "region": "east", "fingerprint": fingerprint}
    with pytest.raises(error):
        await post(world, **(plain | body))
    assert world.written == []


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{" * 70_000, b'{"group": 1}'])
async def test_no_json(body: bytes) -> None:
    """A body that is no decision is refused."""
    world = World()
    with pytest.raises(BadEvent):
        await handle(Asked(body=body, person=""), ports=world.ports, settings=world.settings)

"""`decision: restart` over HTTP."""

from typing import Any

import msgspec
import pytest

from handlers._edge import Answer, Asked
from handlers.decision import handle
from shared.errors import BadEvent, IllegalTransition, NotFound
from tests.artifact_hosts.hosting import GITHUB_URL, VENDOR_URL, Hosted
from tests.builders import GROUP, site_id


async def post(world: Hosted, **body: Any) -> Answer:
    plain = {"group": GROUP, "decision": "restart"}
    asked = Asked(body=msgspec.json.encode(plain | body), person="ada@contoso.test")
    return await handle(asked, ports=world.ports, settings=world.settings)


async def test_an_ordered_restart() -> None:
    """It begins at once with the first region, and says who ordered it; a second order is refused meanwhile."""
    world = Hosted({"west": GITHUB_URL, "east": VENDOR_URL})
    await world.all_up()
    answer = await post(world, reason="one version again")
    assert answer.status == 200
    assert answer.body["under_way"]["region"] == "west"
    assert answer.body["under_way"]["by"] == "ada@contoso.test"
    assert [site for site, _ in world.app.restarts] == [site_id("west")]
    with pytest.raises(IllegalTransition):
        await post(world)
    await world.minutes(12)
    assert len(world.app.restarts) == 2


async def test_only_some_regions() -> None:
    """The regions that are named, in their order."""
    world = Hosted({"west": GITHUB_URL, "east": VENDOR_URL})
    await world.all_up()
    await post(world, regions=["EAST"])
    await world.minutes(12)
    assert [site for site, _ in world.app.restarts] == [site_id("east")]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"group": "nobody"}, NotFound),
        ({"regions": ["mars"]}, NotFound),
        ({"fingerprint": "0" * 16}, BadEvent),
        ({"regions": "west"}, BadEvent),
    ],
)
async def test_refusals(body: dict[str, Any], error: type[Exception]) -> None:
    """Each kind of wrong request is its own error, and nothing is restarted."""
    world = Hosted({"west": GITHUB_URL, "east": VENDOR_URL})
    with pytest.raises(error):
        await post(world, **body)
    assert world.app.restarts == []

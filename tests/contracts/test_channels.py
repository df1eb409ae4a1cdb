"""The contract of the outbox's Channel: the adapters with the simulator, and what arrives at the other end."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from shared.adapters.event_grid_topic import EventGridTopic
from shared.adapters.webhook import JsonWebhook, TeamsWebhook
from shared.cards import Card
from shared.errors import AppError, Denied, Throttled, Unavailable
from shared.groups.model import Value
from shared.outbox import Channel, Letter
from simulator.pair import a_pair
from simulator.receivers import Receiver
from simulator.world import World
from tests.adapters.test_webhook import a_letter
from tests.contracts.simulated import simulated
from tests.fakes.credentials import FakeCredential


@dataclass(frozen=True)
class Bench:
    """A channel, and who is at its other end."""

    kind: str
    channel: Channel
    receiver: Receiver
    world: World

    def told(self) -> list[str]:
        """Return what the other end answered, each time."""
        return [happening.detail for happening in self.world.journal if happening.what == "told"]

    def title(self, body: Any) -> Any:
        """Which of the letters this is."""
        match self.kind:
            case "teams":
                return body["attachments"][0]["content"]["body"][0]["text"]
            case "webhook":
                return body["title"]
            case _:
                return body["subject"]


@pytest.fixture(params=["teams", "webhook", "event-grid"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """One of the channels."""
    async with simulated(a_pair()) as here:
        receiver = here.cloud.world.receivers[request.param]
        url = receiver.url(here.cloud.https_port)
        if request.param != "event-grid":
            kind = TeamsWebhook if request.param == "teams" else JsonWebhook
            yield Bench(request.param, kind(here.session, Value(url)), receiver, here.cloud.world)
            return
        token, _ = here.cloud.tokens.issue(here.cloud.managed_identity, "https://eventgrid.azure.net", "x")
        topic = EventGridTopic(url, FakeCredential(token), here.session)
        yield Bench(request.param, topic, receiver, here.cloud.world)
        await topic.aclose()


def letter(**changes: Any) -> Letter:
    return msgspec.structs.replace(a_letter(), **changes)


async def test_taken(bench: Bench) -> None:
    """It arrives as the other side wants it: a card, facts as JSON, a CloudEvent."""
    await bench.channel.send(letter(subject="scepman / west: fails"))
    (got,) = bench.receiver.got
    assert bench.title(got.body) == "scepman / west: fails"
    assert got.key == ("" if bench.kind == "teams" else letter().id)


async def test_a_long_letter_is_taken(bench: Bench) -> None:
    """However much there is to say, it is not refused for its size."""
    card = Card(title="x" * 500, lines=tuple("ü" * 590 for _ in range(60)))
    facts = msgspec.Raw(msgspec.json.encode({"evidence": ["x" * 500] * 200}))
    await bench.channel.send(letter(card=card, facts=facts))
    assert len(bench.receiver.got) == 1


@pytest.mark.parametrize(("status", "error"), [(429, Throttled), (503, Unavailable), (401, Denied)])
async def test_refused(bench: Bench, status: int, error: type[AppError]) -> None:
    """What may pass is told from what will not, with the time that the other side asks for."""
    bench.receiver.faults.status, bench.receiver.faults.retry_after = status, 17
    with pytest.raises(error) as caught:
        await bench.channel.send(letter())
    (said,) = bench.told()
    assert said == str(status)  # asked once: the outbox comes back by itself
    if isinstance(caught.value, Throttled):
        assert caught.value.retry_after == 17
    assert not bench.receiver.got


async def test_nobody_there(bench: Bench) -> None:
    """A connection that is reset may come about later; the secret of the address is in no word of it."""
    bench.receiver.faults.down = True
    with pytest.raises(Unavailable) as caught:
        await bench.channel.send(letter())
    assert bench.receiver.secret not in str(caught.value)


async def test_the_address_is_told_to_nobody(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the errors, not in the logs, whatever the other side answers."""
    caplog.set_level(logging.DEBUG)
    errors: list[str] = []
    for status in (302, 400, 401, 403, 404, 413, 429, 500, 503):
        bench.receiver.faults.status = status
        with pytest.raises(AppError) as caught:
            await bench.channel.send(letter())
        errors.append(repr(caught.value) + str(caught.value))
    assert bench.receiver.secret not in "".join(errors) + caplog.text
    assert len(bench.receiver.secret) > 10

"""The contract of Errands, on the fake and on storage queues (Azurite)."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from aiohttp import ClientSession
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from shared.adapters.storage_queue import POISON, QUEUE, StorageQueueErrands, _decoded, open_errands
from shared.errors import Unavailable
from shared.fleet import Errands
from tests.adapters.azurite import queue_connection, running_azurite
from tests.fakes.credentials import FakeCredential
from tests.fakes.storage_queue import FakeErrands

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Bench:
    """The port under test, and the platform's side of the queue."""

    port: Errands
    taken: Callable[[], Awaitable[list[str]]]  # what reconcile_group would be given
    set_aside: Callable[[str], Awaitable[None]]  # what the platform does with what failed too often


@pytest.fixture(scope="module")
def queues() -> Iterator[str]:
    """The emulator's connection string."""
    with running_azurite("queue") as endpoint:
        yield queue_connection(endpoint)


@pytest.fixture(params=["fake", "azurite"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """No queue yet."""
    if request.param == "fake":
        fake = FakeErrands()

        async def taken() -> list[str]:
            return fake.taken()

        async def set_aside(text: str) -> None:
            fake.set_aside.append(text)

        yield Bench(fake, taken, set_aside)
        return
    connection: str = request.getfixturevalue("queues")
    async with ClientSession() as session:
        adapter = open_errands(connection, session, FakeCredential)
        async with (
            QueueClient.from_connection_string(connection, QUEUE) as queue,
            QueueClient.from_connection_string(connection, POISON) as poison,
        ):
            yield Bench(adapter, lambda: _all(queue), lambda text: _put(poison, text))
            for queue_client in (queue, poison):
                await _drop(queue_client)
        await adapter.aclose()
        assert not session.closed


async def _all(queue: QueueClient) -> list[str]:
    messages = [receive_message async for receive_message in queue.receive_messages(visibility_timeout=1)]
    for message in messages:
        await queue.delete_message(message)
    return [base64.b64decode(message.content).decode() for message in messages]


async def _put(poison: QueueClient, text: str) -> None:
    await poison.create_queue()
    await poison.send_message(base64.b64encode(text.encode()).decode())


async def _drop(queue: QueueClient) -> None:
    try:
        await queue.delete_queue()
    except ResourceNotFoundError:
        return


def test_the_adapters_have_the_ports_shape() -> None:
    """The types are compared by mypy; nobody inherits the port."""
    kinds: list[type[Errands]] = [FakeErrands, StorageQueueErrands]
    assert all(Errands not in kind.__mro__ for kind in kinds)


async def test_an_errand_is_taken_as_it_was_sent(bench: Bench) -> None:
    """The first one makes the queue, and any text arrives whole."""
    texts = ['{"a":"<&>"}', "ä" * 20_000]
    for text in texts:
        await bench.port.send(text, lives=MINUTE)
    assert await bench.taken() == texts


async def test_many_at_once_make_the_queue_once(bench: Bench) -> None:
    """Nothing is lost when they all find no queue."""
    await asyncio.gather(*(bench.port.send(f"{number}", lives=MINUTE) for number in range(8)))
    assert sorted(await bench.taken()) == [f"{number}" for number in range(8)]


async def test_nothing_was_set_aside(bench: Bench) -> None:
    """There is no poison queue as long as nothing failed."""
    assert await bench.port.failed() == ()


async def test_what_was_set_aside_is_seen_until_it_is_forgotten(bench: Bench) -> None:
    """It is shown with its text, and forgetting twice is no error."""
    await bench.set_aside("an errand")
    (failed,) = await bench.port.failed()
    assert failed.text == "an errand"
    await bench.port.forget(failed)
    await bench.port.forget(failed)
    assert await bench.port.failed() == ()


@pytest.mark.parametrize("content", ["grüße", "no Base64!", "gA=="])
def test_what_somebody_else_put_there_is_shown_as_it_is(content: str) -> None:
    """Letters that Base64 has not, or bytes that are no text, hold up nothing."""
    assert _decoded(content) == content


async def test_an_errand_is_gone_after_its_time(queues: str) -> None:
    """The queue itself drops what nobody took."""
    async with ClientSession() as session, QueueClient.from_connection_string(queues, QUEUE) as queue:
        adapter = open_errands(queues, session, FakeCredential)
        await adapter.send("short", lives=timedelta(seconds=1))
        await adapter.send("long", lives=MINUTE)
        (first, _) = await queue.peek_messages(max_messages=2)
        assert (first.expires_on - first.inserted_on).total_seconds() == 1  # type: ignore[operator]
        await asyncio.sleep(1.2)
        assert await _all(queue) == ["long"]
        await _drop(queue)
        await adapter.aclose()


async def test_no_queue_service() -> None:
    """Nobody answers: the error is one of ours, and says which queue."""
    connection = queue_connection("http://127.0.0.1:9/counterpart")
    async with ClientSession() as session:
        adapter = open_errands(connection, session, FakeCredential)
        with pytest.raises(Unavailable, match=QUEUE):
            await adapter.send("text", lives=MINUTE)
        await adapter.aclose()


async def test_by_identity() -> None:
    """An endpoint is asked with a token; a connection string brings its own key."""
    asked: list[str] = []

    def credential() -> FakeCredential:
        asked.append("asked")
        return FakeCredential()

    async with ClientSession() as session:
        for account in ("https://stfunc.queue.core.windows.net", "UseDevelopmentStorage=true"):
            await open_errands(account, session, credential).aclose()
    assert asked == ["asked", "asked"]  # for the queue and for what was set aside

"""Storage queue triggers: looked at only when the trigger's connection string is configured.

Follows the Functions host: a failed message shows again, and after `maxDequeueCount` attempts it is moved to
`<queue>-poison`. Identity-based connections are not supported here.
"""

import asyncio
import base64
import binascii
import contextlib
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError

from simulator.stage import worker
from simulator.stage.configuration import HostConfig, resolved
from simulator.stage.invocations import Invocations
from simulator.stage.worker import Function, Outcome, Value

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage
    from azure.storage.queue.aio import QueueClient

log = logging.getLogger("host")

LEASE = 600  # seconds for which a message is hidden while its function runs (the host's own figure)
SHORTEST_WAIT = 0.1  # seconds between two looks, doubled while the queue stays empty (the host's own figure)


def connection(function: Function, settings: Mapping[str, str]) -> str | None:
    """The connection string that a queue trigger names, in either of the host's spellings, if it is set."""
    name = str(function.trigger.get("connection") or "Storage")
    return settings.get(f"AzureWebJobs{name}") or settings.get(name) or None


def queue_name(function: Function, settings: Mapping[str, str]) -> str:
    """The queue's name; ValueError when it names an app setting that is not there."""
    return resolved(str(function.trigger["queueName"]), settings)


def metadata(
    *, identity: str, dequeued: int, inserted: datetime, expires: datetime, shows: datetime, receipt: str
) -> dict[str, Value]:
    """The trigger metadata of a message (all as JSON texts, as the host sends them)."""
    return {
        "Id": worker.as_json(identity),
        "DequeueCount": worker.as_json(dequeued),
        "InsertionTime": worker.as_json(inserted.astimezone(UTC).isoformat()),
        "ExpirationTime": worker.as_json(expires.astimezone(UTC).isoformat()),
        "NextVisibleTime": worker.as_json(shows.astimezone(UTC).isoformat()),
        "PopReceipt": worker.as_json(receipt),
    }


async def run_by_hand(invocations: Invocations, function: Function, message: str) -> Outcome:
    """Run a queue function with a message that never was in a queue."""
    now = datetime.now(UTC)
    about = metadata(
        identity="by-hand",
        dequeued=1,
        inserted=now,
        expires=now + timedelta(days=7),
        shows=now + timedelta(seconds=LEASE),
        receipt="none",
    )
    return await invocations.run(function, worker.text(message), about)


class Poller:
    """Takes one function's messages from its queue."""

    def __init__(
        self,
        function: Function,
        *,
        connection: str,
        queue: str,
        config: HostConfig,
        invocations: Invocations,
    ) -> None:
        self._function = function
        self._connection = connection
        self._queue = queue
        self._config = config
        self._invocations = invocations

    async def listen(self) -> None:
        """Look into the queue for ever, the less often the longer it is empty."""
        from azure.storage.queue.aio import QueueClient  # noqa: PLC0415 -- only apps with a queue pay for it

        queue = QueueClient.from_connection_string(self._connection, self._queue)
        poison = QueueClient.from_connection_string(self._connection, f"{self._queue}-poison")
        async with queue, poison:
            wait = SHORTEST_WAIT
            while True:
                wait = (
                    SHORTEST_WAIT
                    if await self._look(queue, poison)
                    else min(wait * 2, self._config.queue_max_wait)
                )
                await asyncio.sleep(wait)

    async def _look(self, queue: "QueueClient", poison: "QueueClient") -> bool:
        """Take a batch and work it off. A queue that does not exist is empty; other trouble is logged."""
        batch = self._config.queue_batch
        try:
            messages = (
                [
                    message
                    async for message in queue.receive_messages(max_messages=batch, visibility_timeout=LEASE)
                ]
                if batch
                else []
            )
            tasks = [self._invocations.start(self._settle(queue, poison, each)) for each in messages]
            await asyncio.gather(*map(asyncio.shield, tasks))
        except ResourceNotFoundError:
            return False
        except AzureError as wrong:
            log.warning("queue %s: %s", self._queue, wrong)
            return False
        return bool(messages)

    async def _settle(self, queue: "QueueClient", poison: "QueueClient", message: "QueueMessage") -> None:
        """Run the function, then delete, release or set aside the message."""
        now = datetime.now(UTC)
        count = message.dequeue_count or 1
        about = metadata(
            identity=message.id,
            dequeued=count,
            inserted=message.inserted_on or now,
            expires=message.expires_on or now,
            shows=message.next_visible_on or now,
            receipt=message.pop_receipt or "",
        )
        outcome = await self._invocations.run(self._function, worker.text(self._decoded(message)), about)
        if outcome.ok:
            await queue.delete_message(message)
        elif count < self._config.queue_max_dequeue:
            await queue.update_message(message, visibility_timeout=round(self._config.queue_retry_after))
        else:
            await self._set_aside(queue, poison, message)

    def _decoded(self, message: "QueueMessage") -> str:
        """The text of a message; one that is not Base64 although it should be is taken as it is."""
        if not self._config.queue_base64:
            return str(message.content)
        try:
            return base64.b64decode(message.content, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return str(message.content)

    async def _set_aside(self, queue: "QueueClient", poison: "QueueClient", message: "QueueMessage") -> None:
        """Move a message that failed too often."""
        log.warning(
            "queue %s: message %s failed too often, moved to %s-poison",
            *(self._queue, message.id, self._queue),
        )
        with contextlib.suppress(ResourceExistsError):
            await poison.create_queue()
        await poison.send_message(message.content)
        await queue.delete_message(message)

"""The port Errands on an Azure storage queue: the one that `reconcile_group` is triggered by, and its poison queue.

The queue is made by the first errand that finds none. What the Functions host sets aside, it moves to the queue of
the same name with `-poison` behind it. Imports the SDK; import it lazily.
"""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.queue.aio import QueueClient

from shared.adapters.failures import RETRY, create, translated, within
from shared.errors import NotFound
from shared.fleet import Failed

QUEUE: Final = "counterpart-groups"  # function_app.py names the same one
POISON: Final = f"{QUEUE}-poison"
DEADLINE: Final = 15.0  # seconds for one call with its retries
LEASE: Final = 60  # seconds that what was set aside is left to whoever took it
AT_ONCE: Final = 32  # messages: the most that one call gives

NEEDS: Final = "the role Storage Queue Data Contributor on the function app's storage account"

_EMULATOR: Final = "UseDevelopmentStorage=true"  # the SDK does not know it; the host and Azurite do
# The emulator's account and key are the same everywhere, and public.
_EMULATED: Final = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
)


class StorageQueueErrands:
    """Errands as messages, in Base64 as the Functions host wants them; `aclose` closes the clients."""

    def __init__(self, queue: QueueClient, poison: QueueClient) -> None:
        self._queue, self._poison = queue, poison

    async def send(self, text: str, *, lives: timedelta) -> None:
        """Put one message; the queue drops it after its time by itself."""
        content = base64.b64encode(text.encode()).decode()
        try:
            await self._send(content, lives)
        except NotFound:
            await create(self._queue.create_queue, f"create queue {QUEUE}", seconds=DEADLINE, needs=NEEDS)
            await self._send(content, lives)

    async def failed(self) -> tuple[Failed, ...]:
        """Return what the host set aside; none when it never did."""
        what = f"look into queue {POISON}"
        try:
            async with within(DEADLINE, what):
                with translated(what, needs=NEEDS):
                    found = self._poison.receive_messages(max_messages=AT_ONCE, visibility_timeout=LEASE)
                    page = await anext(aiter(found.by_page()), None)
                    messages = [queue_message async for queue_message in page] if page else []
        except NotFound:
            return ()
        return tuple(
            Failed(f"{message.id} {message.pop_receipt}", _decoded(str(message.content)))
            for message in messages
        )

    async def forget(self, failed: Failed) -> None:
        """Delete it; somebody else may have, or its lease may be over: then it comes once more."""
        what = f"delete a message of queue {POISON}"
        name, _, receipt = failed.receipt.partition(" ")
        try:
            async with within(DEADLINE, what):
                with translated(what, needs=NEEDS):
                    await self._poison.delete_message(name, receipt)
        except NotFound:
            return

    async def aclose(self) -> None:
        """Close the clients; a lent session stays open."""
        await self._queue.close()
        await self._poison.close()

    async def _send(self, content: str, lives: timedelta) -> None:
        what = f"put a message into queue {QUEUE}"
        async with within(DEADLINE, what):
            with translated(what, needs=NEEDS):
                await self._queue.send_message(content, time_to_live=round(lives.total_seconds()))


def open_errands(
    account: str, session: aiohttp.ClientSession, credential: Callable[[], AsyncTokenCredential]
) -> StorageQueueErrands:
    """The queue in a storage account.

    Args:
        account: the queue endpoint, `https://<account>.queue.core.windows.net`, or a connection string.
        session: lent, with its CAs and its resolver.
        credential: called for an endpoint only; a connection string brings its own key.
    """
    options: dict[str, Any] = {
        **RETRY,
        "transport": AioHttpTransport(session=session, session_owner=False),
        "logging_enable": False,
        # The storage SDK's own retries; by themselves they would begin after 15 s.
        "initial_backoff": 1,
        "increment_base": 2,
        "random_jitter_range": 1,
    }
    if account.startswith("https://"):
        queue, poison = (
            QueueClient(account, name, credential=credential(), **options) for name in (QUEUE, POISON)
        )
    else:
        known = _EMULATED if account.rstrip(";") == _EMULATOR else account
        queue, poison = (
            QueueClient.from_connection_string(known, name, **options) for name in (QUEUE, POISON)
        )
    return StorageQueueErrands(queue, poison)


def _decoded(content: str) -> str:
    """The text; what is no Base64 is shown as it is."""
    try:
        return base64.b64decode(content, validate=True).decode()
    except (
        ValueError
    ):  # binascii.Error and UnicodeDecodeError are of its kind; letters beyond ASCII are plainly it
        return content

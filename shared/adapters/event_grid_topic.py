"""An Event Grid custom topic through azure-eventgrid: a channel of the outbox. Imports the SDK; import it lazily."""

from typing import Final

import aiohttp
import msgspec
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.messaging import CloudEvent
from azure.core.pipeline.transport import AioHttpTransport
from azure.eventgrid.aio import EventGridPublisherClient

from shared.adapters.failures import translated, within
from shared.outbox import Letter

DEADLINE: Final = 30.0  # seconds for one event
SOURCE: Final = "/counterpart"
NEEDS: Final = "the role EventGrid Data Sender on the topic"


class EventGridTopic:
    """Publishes each letter as a CloudEvent 1.0. The topic's input schema must be CloudEvents.

    The event's id is the message's, so that a subscriber knows one that comes twice; its type is the message's kind
    under `Counterpart.`, as in `Counterpart.Incident.Opened`.
    """

    for_people = False

    def __init__(
        self, endpoint: str, credential: AsyncTokenCredential, session: aiohttp.ClientSession
    ) -> None:
        self._client = EventGridPublisherClient(
            endpoint,
            credential,
            transport=AioHttpTransport(session=session, session_owner=False),
            user_agent="counterpart",
            logging_enable=False,
            permit_redirects=False,
            retry_total=0,  # the outbox comes back by itself, and a Retry-After would be slept in full
        )

    async def send(self, letter: Letter) -> None:
        """Publish one event."""
        event = CloudEvent(
            source=SOURCE,
            type=event_type(letter.kind),
            id=letter.id,
            time=letter.at,
            subject=letter.subject,
            data=msgspec.json.decode(letter.facts),
        )
        what = "publish to the Event Grid topic"
        async with within(DEADLINE, what):
            with translated(what, needs=NEEDS):
                await self._client.send(event)

    async def aclose(self) -> None:
        """Close the client; the lent session stays open."""
        await self._client.close()


def event_type(kind: str) -> str:
    """`Counterpart.Incident.EscalatedTo1` for `incident.escalated-to-1`."""
    words = ("".join(word.capitalize() for word in part.split("-")) for part in kind.split("."))
    return ".".join(("Counterpart", *words))

"""Webhooks: a Teams workflow that posts cards, and any address that takes JSON. Two channels of the outbox.

A webhook's address is a secret: whoever has it can post. It is in no error and no log here. Redirects are not
followed, for they would carry the content elsewhere.
"""

from typing import Final

import aiohttp
import msgspec

from shared.adapters.failures import asked_wait, of_status, translated, within
from shared.cards import message
from shared.errors import Effect
from shared.groups.model import Value
from shared.outbox import Letter

DEADLINE: Final = 60.0  # seconds for one post: a Teams workflow was seen to take 25 s
_GATEWAY: Final = frozenset({502, 504})  # a gateway's answer: what is behind it may have taken the post
ANSWER: Final = 4 * 1024  # bytes read of an answer; only its status counts
_TAKEN = range(200, 300)

_json: Final = {"Content-Type": "application/json; charset=utf-8"}


class TeamsWebhook:
    """A Teams workflow ("When a Teams webhook request is received"). Any 2xx means that it took the card.

    A 202 does not prove that the card was shown (facts: Teams); nobody tells us if it was not.
    """

    for_people = True

    def __init__(self, session: aiohttp.ClientSession, url: Value) -> None:
        self._session = session
        self._url = url

    async def send(self, letter: Letter) -> None:
        """Post the card."""
        await _post(self._session, self._url, message(letter.card), {}, "post a card to the Teams workflow")


class JsonWebhook:
    """Any address that takes the facts as JSON. `Idempotency-Key` is the message's id: it may come twice."""

    for_people = False

    def __init__(self, session: aiohttp.ClientSession, url: Value) -> None:
        self._session = session
        self._url = url

    async def send(self, letter: Letter) -> None:
        """Post the facts, with what they are and what they are about."""
        headers = {"Idempotency-Key": letter.id}
        await _post(self._session, self._url, _body(letter), headers, "post to the JSON webhook")


def _body(letter: Letter) -> bytes:
    envelope = {
        "id": letter.id,
        "kind": letter.kind,
        "subject": letter.subject,
        "at": letter.at,
        "title": letter.card.title,
        "facts": letter.facts,
    }
    return msgspec.json.encode(envelope)


async def _post(
    session: aiohttp.ClientSession, url: Value, body: bytes, headers: dict[str, str], what: str
) -> None:
    async with within(DEADLINE, what):
        with translated(what):
            async with session.post(
                url.reveal(), data=body, headers={**_json, **headers}, allow_redirects=False
            ) as answer:
                await answer.content.read(ANSWER)
                if answer.status not in _TAKEN:
                    error = of_status(answer.status, what, retry_after=asked_wait(answer.headers))
                    if answer.status not in _GATEWAY:
                        error.effect = Effect.NOT_APPLIED
                    raise error

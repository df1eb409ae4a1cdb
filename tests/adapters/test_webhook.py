"""Webhooks: any 2xx is taken, what may pass is tried again, and the address is told to nobody."""

import json
import logging
import traceback
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from shared.adapters.webhook import JsonWebhook, TeamsWebhook
from shared.cards import LARGEST, Card, Link, Tone
from shared.errors import AppError, Denied, NotFound, PermanentError, Throttled, Unavailable
from shared.groups.model import Value
from shared.outbox import Letter
from tests.adapters.stub_azure import Azure, Handler, answering, serving
from tests.fakes.clock import START

SECRET = "sig=hush-hush"  # noqa: S105 -- a test's
PATH = f"/workflows/1/triggers/manual/paths/invoke?api-version=1&{SECRET}"


def a_letter(**changes: Any) -> Letter:
    plain = Letter(
        id="scepman-1a2b3c4d5e-7.opened",
        channel="teams",
        kind="incident.opened",
        subject="scepman-1a2b3c4d5e-7",
        at=START,
        card=Card(
            title="scepman / west: fails",
            tone=Tone.ATTENTION,
            facts=(("Severity", "2"),),
            lines=("What it means.",),
            links=(Link("See the incident", "https://func.test/api/incidents/1"),),
        ),
        facts=msgspec.Raw(b'{"id":"scepman-1a2b3c4d5e-7","severity":2}'),
        posted_at=START,
        next_at=START,
    )
    return msgspec.structs.replace(plain, **changes)


class Mailbox:
    """Keeps what was posted to it, and answers as it is told."""

    def __init__(self, handler: Handler) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._handler = handler

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(json.loads(await request.read()))
        self.headers.append(dict(request.headers))
        return await self._handler(request)


async def told(mailbox: Mailbox, letter: Letter | None = None, *, kind: type[Any] = TeamsWebhook) -> None:
    async with serving(Azure(mailbox.handle)) as (session, url):
        await kind(session, Value(f"{url}{PATH}")).send(letter or a_letter())


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_is_taken(status: int) -> None:
    """A workflow answers 202 with nothing; the old connectors answered 200 and `1`."""
    mailbox = Mailbox(answering(status))
    await told(mailbox)
    (body,) = mailbox.bodies
    assert body["type"] == "message"
    (attachment,) = body["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["content"]["version"] == "1.4"
    assert attachment["content"]["body"][0]["text"] == "scepman / west: fails"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, Throttled),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
        (400, PermanentError),
        (401, Denied),
        (404, NotFound),
        (410, NotFound),
        (302, PermanentError),
    ],
)
async def test_what_is_no_2xx(status: int, error: type[AppError]) -> None:
    """429 and 5xx may pass, the rest is somebody's to mend; a redirect is not followed."""
    mailbox = Mailbox(answering(status, None, Location="https://elsewhere.test"))
    with pytest.raises(error) as caught:
        await told(mailbox)
    assert len(mailbox.bodies) == 1
    assert str(status) in str(caught.value)


async def test_retry_after() -> None:
    """How long the other side asks to wait is kept."""
    with pytest.raises(Throttled) as caught:
        await told(Mailbox(answering(429, None, **{"Retry-After": "17"})))
    assert caught.value.retry_after == 17


async def test_the_address_is_in_no_error_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """Not when it is refused, not when nobody is there, not in a traceback."""
    caplog.set_level(logging.DEBUG)
    errors: list[BaseException] = []
    for status in (400, 401, 404, 429, 500):
        with pytest.raises(AppError) as caught:
            await told(Mailbox(answering(status)))
        errors.append(caught.value)
    async with aiohttp.ClientSession() as session:
        for address in (
            f"https://127.0.0.1:9{PATH}",
            f"https://hush-hush.invalid{PATH}",
            f"nonsense:{SECRET}",
        ):
            with pytest.raises(AppError) as caught:
                await TeamsWebhook(session, Value(address)).send(a_letter())
            errors.append(caught.value)
    shown = "".join("".join(traceback.format_exception(error)) for error in errors) + caplog.text
    assert "hush" not in shown
    assert "hush" not in repr(TeamsWebhook.__dict__)


async def test_a_card_is_never_too_large() -> None:
    """However much there is to say, in whatever script."""
    lines = tuple("🌍" * 5000 for _ in range(200))
    facts = tuple((f"fact {number}", "ä" * 5000) for number in range(200))
    mailbox = Mailbox(answering(202))
    card = Card(title="x" * 9000, lines=lines, facts=facts)
    await told(mailbox, a_letter(card=card))
    (body,) = mailbox.bodies
    assert len(msgspec.json.encode(body)) <= LARGEST


async def test_json_for_programs() -> None:
    """The facts as they are, with what they are about, and a key by which a repeat is known."""
    mailbox = Mailbox(answering(200))
    await told(mailbox, kind=JsonWebhook)
    assert mailbox.bodies == [
        {
            "id": "scepman-1a2b3c4d5e-7.opened",
            "kind": "incident.opened",
            "subject": "scepman-1a2b3c4d5e-7",
            "at": "2026-03-02T12:00:00Z",
            "title": "scepman / west: fails",
            "facts": {"id": "scepman-1a2b3c4d5e-7", "severity": 2},
        }
    ]
    assert mailbox.headers[0]["Idempotency-Key"] == "scepman-1a2b3c4d5e-7.opened"

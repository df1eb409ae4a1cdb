"""The edge of all handlers: acknowledge or redeliver, and map errors to statuses.

`settle` is for triggers that redeliver on failure, `answer` for HTTP. No handler catches errors itself.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import azure.functions as func
import msgspec

from shared.errors import (
    AppError,
    BadEvent,
    Denied,
    ForeignKey,
    IllegalTransition,
    NotFound,
    PermanentError,
    Refused,
    SettingsError,
    StalePlan,
    TooLarge,
    TransientError,
    UnsafePlan,
)
from shared.pages import Page, html
from shared.ports import Ports
from shared.reconcile import turn
from shared.reconcile.incidents import sending_beside
from shared.settings import Settings

log = logging.getLogger(__name__)

# What App Service's sign-in adds to a request, and takes out of what comes from outside, while it is on.
_WHO = "x-ms-client-principal-id"
_LOGIN = "/.auth/login/aad"

JSON, HTML, MARKDOWN = "application/json", "text/html", "text/markdown"
# Seconds that a trigger waits at its end for messages that are being sent; what is left then is the timer's.
LINGER, HTTP_LINGER = 30.0, 1.0
STAND_IN = (
    30.0  # seconds that an event waits for the timer's turn, taken in its place; then it goes on by itself
)
LONGEST = 256 * 1024  # bytes of a request's body: as much as an alert may have

type World = Callable[[], tuple[Ports, Settings]]


class Asked(msgspec.Struct, frozen=True):
    """An HTTP request, reduced to what handlers use."""

    body: bytes
    person: str  # by the platform's sign-in; empty when it is off, or when a function key was enough
    params: Mapping[str, str] = {}  # of the route
    query: Mapping[str, str] = {}
    idempotency: str = ""  # the caller's Idempotency-Key


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer: a status and what is sent as JSON; or as a page or Markdown, to who would rather read that."""

    status: int
    body: Any
    page: Page | None = None
    markdown: str = ""
    headers: Mapping[str, str] = {}


class Reaction(Protocol):
    """A handler of a trigger that redelivers."""

    async def __call__(self, value: str, /, *, ports: Ports, settings: Settings) -> None:
        """React."""
        ...


class Answering(Protocol):
    """A handler of an HTTP trigger."""

    def __call__(self, asked: Asked, /, *, ports: Ports, settings: Settings) -> Awaitable[Answer]:
        """Answer."""
        ...


# Which status each error is. The first class that fits counts; a plain AppError is a 500.
STATUSES: tuple[tuple[type[AppError], int, str], ...] = (
    (BadEvent, 422, "The request cannot be understood"),
    (UnsafePlan, 422, "This needs more than was said"),
    (TooLarge, 422, "This is too long to be kept"),
    (NotFound, 404, "There is no such thing"),
    (StalePlan, 409, "The plan is another one by now"),
    (IllegalTransition, 409, "This cannot be asked now"),
    (Refused, 409, "A rule forbids it"),
    (SettingsError, 503, "Counterpart is not configured"),
    (ForeignKey, 503, "This is not the key of this store"),
    (Denied, 502, "Azure refused Counterpart's identity"),
    (TransientError, 503, "Try again later"),
)


async def settle(handle: Reaction, value: str, world: World, *, timer: bool = False) -> None:
    """Run a reaction. What cannot be helped by redelivery is logged and acknowledged; all else rises.

    A wrong configuration rises too: once it is mended, the event is wanted.

    Args:
        handle: the reaction.
        value: what the trigger brings.
        world: the ports and the settings.
        timer: it is the timer's own; any other one takes the timer's turn when that is overdue.
    """
    ports, settings = world()
    if timer:
        await turn.fired(ports)
    try:
        async with sending_beside(ports, settings, linger=LINGER):
            await handle(value, ports=ports, settings=settings)
    except PermanentError as error:
        log.warning("%s: %s", type(error).__name__, error)
    finally:
        if not timer and ports.pulse.is_old(ports.clock.now()):
            await asyncio.wait([_stand_in(ports, settings)], timeout=STAND_IN)


_STANDING_IN = set[asyncio.Task[None]]()  # the loop itself holds a task weakly


def _stand_in(ports: Ports, settings: Settings) -> asyncio.Task[None]:
    """Take the timer's turn, if it is overdue, beside what was asked: that must be answered in time."""
    task = asyncio.create_task(turn.stand_in(ports, settings))
    _STANDING_IN.add(task)
    task.add_done_callback(_STANDING_IN.discard)
    return task


async def answer(
    handle: Answering, req: func.HttpRequest, world: World, *, sign_in: bool = False, reading: bool = False
) -> func.HttpResponse:
    """Run an HTTP handler and turn errors into problem bodies (RFC 9457).

    Args:
        handle: the handler.
        req: the request.
        world: the ports and the settings.
        sign_in: the platform's sign-in is on, so that what it says of the caller is true.
        reading: with it on, this row has no function key but is for who is signed in.
    """
    if sign_in and reading and not req.headers.get(_WHO):
        return _sign_in_first(req)
    try:
        ports, settings = world()
        if ports.pulse.is_old(ports.clock.now()):
            _stand_in(ports, settings)
        async with sending_beside(ports, settings, linger=HTTP_LINGER):
            answered = await handle(_asked(req, sign_in=sign_in), ports=ports, settings=settings)
    except AppError as error:
        return _problem(error)
    return _sent(answered, req.headers.get("Accept", ""))


def _sent(answered: Answer, accept: str) -> func.HttpResponse:
    """The answer in the form that the caller would rather read; JSON where it is all the same."""
    offers = [JSON]
    offers += [HTML] if answered.page is not None else []
    offers += [MARKDOWN] if answered.markdown else []
    kind = preferred(accept, offers)
    headers = dict(answered.headers)
    if len(offers) > 1:
        headers |= {"Vary": "Accept", "Cache-Control": "no-store"}
    if kind == HTML and answered.page is not None:
        headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
        body = html(answered.page).encode()
    elif kind == MARKDOWN:
        body = answered.markdown.encode()
    else:
        body = msgspec.json.encode(answered.body)
    return func.HttpResponse(
        body, status_code=answered.status, mimetype=kind, charset="utf-8", headers=headers
    )


def preferred(accept: str, offers: Sequence[str]) -> str:
    """The offer that the caller would rather have (RFC 9110, 12.5.1); the first when all are alike, or none fits."""
    weights: dict[str, float] = {}
    for part in accept.split(",")[:32]:
        kind, *parameters = (name.strip().lower() for name in part.split(";"))
        weight = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
        weights[kind] = float(weight) if re.fullmatch(r"[01](\.\d{0,3})?", weight) else 0.0
    return max(offers, key=lambda it: weights.get(it, 0.0))


def _sign_in_first(req: func.HttpRequest) -> func.HttpResponse:
    """A person is led to the platform's sign-in and back; a program is told."""
    if preferred(req.headers.get("Accept", ""), (JSON, HTML)) == HTML:
        back = _path(req.url)
        return func.HttpResponse(
            status_code=302,
            headers={"Location": f"{_LOGIN}?post_login_redirect_uri={back}", "Cache-Control": "no-store"},
        )
    body = {
        "type": "urn:counterpart:SignIn",
        "title": "Sign in first",
        "status": 401,
        "detail": "this is for who is signed in: send a bearer token of the app's own audience, or use a browser",
    }
    return func.HttpResponse(msgspec.json.encode(body), status_code=401, mimetype="application/problem+json")


def _path(url: str) -> str:
    """The path of a request's URL, whose host is the caller's to say."""
    try:
        return quote(urlsplit(url).path, safe="/", errors="replace")
    except ValueError:
        return "/"


def _asked(req: func.HttpRequest, *, sign_in: bool) -> Asked:
    body = req.get_body()
    if len(body) > LONGEST:
        raise BadEvent(f"a body of {len(body)} bytes is too long; {LONGEST} are the most")
    return Asked(
        body=body,
        person=req.headers.get("x-ms-client-principal-name", "") if sign_in else "",
        params={name: str(item) for name, item in req.route_params.items()},
        query=dict(req.params),
        idempotency=req.headers.get("Idempotency-Key", ""),
    )


def _problem(error: AppError) -> func.HttpResponse:
    kind = type(error).__name__
    status, title = next(
        ((status, title) for fits, status, title in STATUSES if isinstance(error, fits)),
        (500, "Something went wrong"),
    )
    log.warning("HTTP %d: %s: %s", status, kind, error)
    body: dict[str, Any] = {
        "type": f"urn:counterpart:{kind}",
        "title": title,
        "status": status,
        "detail": str(error),
    }
    if isinstance(error, SettingsError):
        body["problems"] = error.problems
    if isinstance(error, Refused):
        body |= error.facts
    headers = {}
    if isinstance(error, TransientError):
        headers["Retry-After"] = f"{max(1, round(error.retry_after or 5))}"
    return func.HttpResponse(
        msgspec.json.encode(body), status_code=status, mimetype="application/problem+json", headers=headers
    )

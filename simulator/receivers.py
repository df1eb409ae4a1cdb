"""Whom the product tells: a Teams workflow, somebody's JSON webhook, a custom topic of Event Grid.

Plain state and pure answers: what each has got, what is wrong with it, and what it takes. The faces in
`simulator.services` speak HTTPS for them. A workflow's and a webhook's address holds a secret, a topic has a key; all
three carry the mark by which a test finds them where they must not be.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from simulator.wire import parsed

type Kind = Literal["teams", "webhook", "event-grid"]

LARGEST_CARD = 28 * 1024  # bytes of a message to Teams
LARGEST_EVENT = 1024 * 1024  # bytes of an event, and of a batch
CARD_TYPE = "application/vnd.microsoft.card.adaptive"
NEWEST_CARD = (1, 5)
KEPT = 2000  # of what a receiver got; more than a day has by the slowest of the rates
# Of the retired connectors, whose figures are published; those of workflows are not known.
RATES = ((4, 1.0), (60, 30.0), (100, 3600.0), (150, 7200.0), (1800, 86_400.0))  # posts, in so many seconds


@dataclass
class ReceiverFaults:
    """What is wrong with a receiver."""

    down: bool = False  # connections are reset
    status: int | None = None  # answered instead of taking anything
    retry_after: int | None = None  # seconds, sent with that
    slow: float = 0.0  # seconds before each answer


@dataclass(frozen=True)
class Received:
    """One thing that a receiver took."""

    at: float  # the world's clock, seconds
    body: Any  # a message with a card, a JSON object, or one CloudEvent
    key: str = ""  # the header by which a repeat is known


@dataclass
class Receiver:
    """One receiver: where it is, what it got, oldest first, and what is wrong with it."""

    host: str
    address: str  # the loopback address that its name resolves to
    path: str
    secret: str  # the signature, the key in the address, or the topic's key
    faults: ReceiverFaults = field(default_factory=ReceiverFaults)
    got: deque[Received] = field(default_factory=lambda: deque(maxlen=KEPT))

    def url(self, port: int) -> str:
        """Return where it is posted to; with the secret, where that stands in the address."""
        return f"https://{self.host}:{port}{self.path}"


def receivers(secrets: Mapping[Kind, str]) -> dict[str, Receiver]:
    """One of each, with these secrets."""
    teams, webhook = secrets["teams"], secrets["webhook"]
    flow = (
        "/workflows/0c4ff7c1d3e84b0f/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Frun"
    )
    return {
        "teams": Receiver(
            "prod-01.westeurope.logic.azure.test", "127.0.0.35", f"{flow}&sv=1.0&sig={teams}", teams
        ),
        "webhook": Receiver("hooks.contoso.test", "127.0.0.36", f"/counterpart?key={webhook}", webhook),
        "event-grid": Receiver(
            "counterpart.westeurope-1.eventgrid.azure.test",
            "127.0.0.37",
            "/api/events",
            secrets["event-grid"],
        ),
    }


@dataclass(frozen=True)
class Refusal:
    """Why something is not taken."""

    status: int
    reason: str
    retry_after: int | None = None  # seconds


def throttled(taken_at: Iterable[float], now: float, speed: float) -> Refusal | None:
    """Return whether a Teams webhook has had enough by now; the seconds of its limits pass `speed` times faster."""
    times = sorted(taken_at)
    for most, seconds in RATES:
        since = now - seconds / speed
        recent = [time for time in times if time > since]
        if len(recent) >= most:
            wait = (recent[-most] - since) or seconds / speed
            return Refusal(429, f"more than {most} requests in {seconds:g} s", max(1, round(wait)))
    return None


def card_problem(body: bytes) -> Refusal | None:
    """Return what a Teams workflow does not take: too much, or no message with an Adaptive Card in it."""
    if len(body) > LARGEST_CARD:
        return Refusal(413, f"the message has {len(body)} bytes, and {LARGEST_CARD} are the most")
    try:
        said = parsed(body)
    except ValueError:
        return Refusal(400, "the request's body is no JSON")
    reason = _no_message(said)
    return Refusal(400, reason) if reason else None


def _no_message(said: Any) -> str:
    if not isinstance(said, dict) or said.get("type") != "message":
        return "the body's type is not message"
    attachments = said.get("attachments")
    if not isinstance(attachments, list) or not attachments:
        return "the message has no attachments"
    return next((reason for attachment in attachments if (reason := _no_card(attachment))), "")


def _no_card(attachment: Any) -> str:
    if not isinstance(attachment, dict) or attachment.get("contentType") != CARD_TYPE:
        return f"an attachment's contentType is not {CARD_TYPE}"
    card = attachment.get("content")
    if not isinstance(card, dict) or card.get("type") != "AdaptiveCard":
        return "an attachment's content is no AdaptiveCard"
    numbers = re.fullmatch(r"([0-9]{1,3})\.([0-9]{1,3})", str(card.get("version")))
    version = tuple(map(int, numbers.groups())) if numbers else ()
    if not version or version > NEWEST_CARD:
        return f"the card's version {card.get('version')!r} is not supported"
    if not isinstance(card.get("body"), list) or not card["body"]:
        return "the card has no body"
    return _no_actions(card.get("actions", []))


def _no_actions(actions: Any) -> str:
    if not isinstance(actions, list):
        return "the card's actions are no list"
    if any(action.get("type") == "Action.Submit" for action in actions if isinstance(action, dict)):
        return "the card has an Action.Submit, which a webhook's card cannot have"
    return ""


def events_of(body: bytes, content_type: str) -> list[dict[str, Any]] | Refusal:
    """The CloudEvents 1.0 of one request to a topic whose input schema that is."""
    if len(body) > LARGEST_EVENT:
        return Refusal(413, f"the request has {len(body)} bytes, and {LARGEST_EVENT} are the most")
    batch = {"application/cloudevents-batch+json": True, "application/cloudevents+json": False}
    is_batch = batch.get(content_type)
    if is_batch is None:
        return Refusal(400, f"this topic takes CloudEvents 1.0, not {content_type}")
    try:
        said = parsed(body)
    except ValueError:
        return Refusal(400, "the request's body is no JSON")
    events = said if is_batch else [said]
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        return Refusal(400, "the request's body is no event, or no batch of events")
    reason = next((reason for event in events if (reason := _no_event(event))), "")
    return Refusal(400, reason) if reason else events


def _no_event(event: dict[str, Any]) -> str:
    missing = [
        name for name in ("id", "source", "type") if not event.get(name) or not isinstance(event[name], str)
    ]
    if missing:
        return f"the event has no {', '.join(missing)}"
    return "" if event.get("specversion") == "1.0" else "the event's specversion is not 1.0"

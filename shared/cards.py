"""Adaptive Cards 1.4: what people are told, as facts first, then plain words, then links. Pure.

Slices make a `Card`; `adaptive` turns it into the JSON that Teams shows. A card only links: nothing in it can be
pressed that sends something (Teams workflows do not take `Action.Submit`; facts: Teams).
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

LARGEST = 20 * 1024  # bytes of the whole message; Teams refuses somewhere above (facts: about 28 KB)
LONGEST = 600  # characters of one text, or of an address
LONGEST_TITLE = 60  # characters of a button
MOST_FACTS, MOST_LINES, MOST_LINKS = 16, 16, 4
SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"
VERSION = "1.4"


class Tone(StrEnum):
    """The colour of a card's headline, in Adaptive Cards' own words."""

    GOOD = "good"
    WARNING = "warning"
    ATTENTION = "attention"
    ACCENT = "accent"


class Link(msgspec.Struct, frozen=True):
    """A button that opens a page."""

    title: str
    url: str


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One notification: a headline, facts, sentences, links."""

    title: str
    tone: Tone = Tone.ACCENT
    facts: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()


def adaptive(card: Card, most: int = MOST_LINES) -> dict[str, Any]:
    """The card's own JSON, with so many lines at most."""
    body: list[dict[str, Any]] = [
        {
            "type": "TextBlock",
            "text": _plain(card.title),
            "weight": "Bolder",
            "size": "Medium",
            "color": card.tone.capitalize(),
            "wrap": True,
        }
    ]
    if card.facts:
        shown = [{"title": _plain(name), "value": _plain(text)} for name, text in card.facts[:MOST_FACTS]]
        body.append({"type": "FactSet", "facts": shown})
    body += [
        {"type": "TextBlock", "text": _plain(line), "wrap": True, "spacing": "Small"}
        for line in _cut(card.lines, most)
    ]
    made: dict[str, Any] = {"$schema": SCHEMA, "type": "AdaptiveCard", "version": VERSION, "body": body}
    links = [link for link in card.links if len(link.url) <= LONGEST][:MOST_LINKS]
    if links:
        made["actions"] = [
            {"type": "Action.OpenUrl", "title": link.title[:LONGEST_TITLE], "url": link.url} for link in links
        ]
    return made


def message(card: Card) -> bytes:
    """Return what is posted to a Teams workflow: the card in its envelope, as JSON, at most `LARGEST` bytes."""
    for most in range(MOST_LINES, -1, -1):
        body = _enveloped(adaptive(card, most))
        if len(body) <= LARGEST:
            return body
    return _enveloped(adaptive(least(card)))


def least(card: Card) -> Card:
    """The least that still says what happened: for texts whose bytes are many more than their characters."""
    return Card(title=card.title[:200], tone=card.tone, links=card.links[:1])


def _enveloped(content: Mapping[str, Any]) -> bytes:
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": content,
    }
    return msgspec.json.encode({"type": "message", "attachments": [attachment]})


def _cut(lines: Sequence[str], most: int) -> list[str]:
    if len(lines) <= most:
        return list(lines)
    kept = max(most - 1, 0)
    return [*lines[:kept], f"... and {len(lines) - kept} more"]


def _plain(text: str) -> str:
    """The text, not too long, and without the one piece of Markdown that could mislead: a link."""
    short = text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
    return short.replace("](", "] (")

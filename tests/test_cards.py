"""Cards: Adaptive Cards 1.4 that any Teams takes, facts first, and never too large."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.pictures import picture
from cli.samples import BASE_URL, cards
from shared.cards import LARGEST, MOST_LINES, Card, Link, Tone, adaptive, message

TYPES = {"AdaptiveCard", "TextBlock", "FactSet", "Action.OpenUrl"}


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a card."""
    if isinstance(value, dict):
        yield value
        for it in value.values():
            yield from walk(it)
    elif isinstance(value, list):
        for it in value:
            yield from walk(it)


@pytest.mark.parametrize("name", list(cards()))
def test_every_card(name: str) -> None:
    """The right version, only what Teams knows, facts before sentences, links only to our pages."""
    raw = message(cards()[name])
    assert len(raw) <= LARGEST
    sent = json.loads(raw)
    assert sent["type"] == "message"
    (attachment,) = sent["attachments"]
    card = attachment["content"]
    assert card["$schema"] == "http://adaptivecards.io/schemas/adaptive-card.json"
    assert card["version"] == "1.4"
    assert {it["type"] for it in walk(card) if "type" in it} <= TYPES
    kinds = [it["type"] for it in card["body"]]
    assert kinds[:2] == ["TextBlock", "FactSet"]
    assert set(kinds[2:]) <= {"TextBlock"}
    pages = tuple(f"{BASE_URL}/api/{it}/" for it in ("incidents", "decisions", "drills"))
    for action in card.get("actions", []):
        assert action["url"].startswith(pages)


@given(
    st.builds(
        Card,
        title=st.text(max_size=3000),
        tone=st.sampled_from(Tone),
        facts=st.lists(st.tuples(st.text(max_size=400), st.text(max_size=2000)), max_size=30).map(tuple),
        lines=st.lists(st.text(max_size=2000), max_size=60).map(tuple),
        links=st.lists(st.builds(Link, st.text(max_size=200), st.just("https://x.test/1")), max_size=8).map(
            tuple
        ),
    )
)
def test_never_too_large(card: Card) -> None:
    """Whatever is put into a card, in whatever script."""
    raw = message(card)
    assert len(raw) <= LARGEST
    json.loads(raw)


def test_the_worst_case() -> None:
    """Every text at its longest, and four bytes for each character."""
    long = "🌍" * 5000
    card = Card(
        title=long, facts=((long, long),) * 40, lines=(long,) * 40, links=(Link(long, "https://x.test"),)
    )
    assert len(message(card)) <= LARGEST


def test_many_lines_are_counted() -> None:
    """What is left out is said."""
    body = adaptive(Card(title="x", lines=tuple(str(it) for it in range(40))))["body"]
    assert len(body) == MOST_LINES + 1
    assert body[-1]["text"] == f"... and {40 - MOST_LINES + 1} more"


def test_no_link_hides_in_a_text() -> None:
    """A name in Markdown's link syntax does not become a link."""
    body = adaptive(Card(title="[press me](https://evil.test)"))["body"]
    assert "](" not in body[0]["text"]


def test_a_picture_refuses_what_it_cannot_draw() -> None:
    """So that no picture leaves out what Teams would show."""
    with pytest.raises(ValueError, match="no picture of a Image"):
        picture({"body": [{"type": "TextBlock", "text": "x"}, {"type": "Image"}]})

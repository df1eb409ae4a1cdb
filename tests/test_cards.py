"""Cards: Adaptive Cards 1.4 that any Teams takes, facts first, and never too large."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
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
        for item in value.values():
            yield from walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)


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
    assert {node["type"] for node in walk(card) if "type" in node} <= TYPES
    kinds = [item["type"] for item in card["body"]]
    assert kinds[:2] == ["TextBlock", "FactSet"]
    assert set(kinds[2:]) <= {"TextBlock"}
    pages = tuple(f"{BASE_URL}/api/{name}/" for name in ("incidents", "decisions", "drills"))
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


def posted(card: Card) -> Any:
    """The card as it is in the message that is posted."""
    (attachment,) = json.loads(message(card))["attachments"]
    return attachment["content"]


def test_a_whole_message() -> None:
    """What Teams gets, field by field: a misspelt one it would show nothing of, and say nothing."""
    card = Card(
        title="scepman / weu: fails",
        tone=Tone.ATTENTION,
        facts=(("Severity", "2"), ("State", "confirmed")),
        lines=("What it means: x.",),
        links=(Link("See the incident", "https://x.test/1"),),
    )
    assert json.loads(message(card)) == {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "body": [
                        {
                            "type": "TextBlock",
                            "text": "scepman / weu: fails",
                            "weight": "Bolder",
                            "size": "Medium",
                            "color": "Attention",
                            "wrap": True,
                        },
                        {
                            "type": "FactSet",
                            "facts": [
                                {"title": "Severity", "value": "2"},
                                {"title": "State", "value": "confirmed"},
                            ],
                        },
                        {"type": "TextBlock", "text": "What it means: x.", "wrap": True, "spacing": "Small"},
                    ],
                    "actions": [
                        {
                            "type": "Action.OpenUrl",
                            "title": "See the incident",
                            "url": "https://x.test/1",
                        }
                    ],
                },
            }
        ],
    }


def test_the_worst_case() -> None:
    """Every text at its longest, and four bytes for each character: what happened and where to look is said."""
    long = "🌍" * 5000
    links = (Link(long, "https://x.test/1"), Link(long, "https://x.test/2"))
    card = Card(title=long, tone=Tone.GOOD, facts=((long, long),) * 40, lines=(long,) * 40, links=links)
    assert len(message(card)) <= LARGEST
    sent = posted(card)
    (headline,) = sent["body"]
    assert (headline["text"], headline["color"]) == ("🌍" * 200, "Good")
    assert [(item["title"], item["url"]) for item in sent["actions"]] == [("🌍" * 60, "https://x.test/1")]


def test_many_lines_are_counted() -> None:
    """What is left out is said, also in what is posted; as many as there is room for are all there."""
    for most, last in ((MOST_LINES, str(MOST_LINES - 1)), (40, f"... and {40 - MOST_LINES + 1} more")):
        body = posted(Card(title="x", lines=tuple(str(number) for number in range(most))))["body"]
        assert len(body) == MOST_LINES + 1
        assert body[-1]["text"] == last


def test_lines_give_way_to_what_is_larger() -> None:
    """No byte too early, one after the other, each counted; the facts stay."""
    facts = (("f" * 560, "v" * 560),) * 16
    spare = LARGEST - len(message(Card(title="x", facts=facts, lines=("", "", ""))))
    each = spare // 3
    full = Card(title="x", facts=facts, lines=("a" * each, "b" * each, "c" * (spare - 2 * each)))
    assert len(message(full)) == LARGEST
    more = msgspec.structs.replace(full, lines=(*full.lines[:2], f"{full.lines[2]}c"))
    assert [item["text"] for item in posted(more)["body"][2:]] == [full.lines[0], "... and 2 more"]
    short = full.lines[2][:-100]
    four = msgspec.structs.replace(full, lines=(*full.lines[:2], short, "d" * 200))
    assert [item["text"] for item in posted(four)["body"][2:]] == [*full.lines[:2], "... and 2 more"]
    alone = Card(title="t" * 600, facts=(("f" * 590, "v" * 590),) * 16, lines=("y" * 600,))
    assert [item["text"] for item in posted(alone)["body"][2:]] == ["... and 1 more"]


def test_long_texts_are_cut() -> None:
    """With a sign that there was more; an address is left out rather than cut, for it would lead elsewhere."""
    fits, long = "x" * 600, "x" * 601
    body = adaptive(Card(title=fits, lines=(long,)))["body"]
    assert [item["text"] for item in body] == [fits, f"{'x' * 597}..."]
    links = tuple(Link(str(number), "h" * (598 + number)) for number in range(8))
    made = adaptive(Card(title="x", links=links))
    assert [len(item["url"]) for item in made["actions"]] == [598, 599, 600]
    many = adaptive(Card(title="x", links=(Link("y", "z"),) * 5, facts=(("a", "b"),) * 17))
    assert (len(many["actions"]), len(many["body"][1]["facts"])) == (4, 16)


def test_no_link_hides_in_a_text() -> None:
    """A name in Markdown's link syntax does not become a link."""
    body = adaptive(Card(title="[press me](https://evil.test)"))["body"]
    assert body[0]["text"] == "[press me] (https://evil.test)"


def test_a_picture_refuses_what_it_cannot_draw() -> None:
    """So that no picture leaves out what Teams would show."""
    with pytest.raises(ValueError, match="no picture of a Image"):
        picture({"body": [{"type": "TextBlock", "text": "x"}, {"type": "Image"}]})

"""Pictures of Adaptive Cards, drawn from the very JSON that is posted: for the documents. Plain SVG.

Draws what our cards use: text blocks, fact sets, and buttons that open a page. Anything else is an error, so that a
picture never leaves out what Teams would show.
"""

import textwrap
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final

WIDTH: Final = 640  # pixels
_EDGE: Final = 18
_TITLES: Final = 150  # where a fact's text begins
_CHARACTERS: Final = 92  # of a line of the body
_VALUES: Final = 68  # of a fact's text
_LINE: Final = 19
_COLOURS: Final = {"Good": "#107c10", "Warning": "#8a6100", "Attention": "#c50f1f", "Accent": "#0b6bcb"}


def picture(card: dict[str, Any]) -> str:
    """An SVG of the card."""
    lines: list[str] = []
    y = _EDGE + 8
    for element in card["body"]:
        y = _draw(element, y, lines)
    y = _buttons(card.get("actions", ()), y, lines)
    height = y + _EDGE
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">',
            '<g font-family="Segoe UI, Helvetica, Arial, sans-serif" font-size="14">',
            f"<title>{escape(card['body'][0]['text'])}</title>",
            f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6" fill="#fff" stroke="#d1d1d1"/>',
            *lines,
            "</g>",
            "</svg>",
            "",
        )
    )


def _draw(element: dict[str, Any], y: int, lines: list[str]) -> int:
    """Draw one element below `y`; returns where the next one begins."""
    match element["type"]:
        case "TextBlock":
            return _text_block(element, y, lines)
        case "FactSet":
            return _fact_set(element["facts"], y, lines)
        case other:
            raise ValueError(f"no picture of a {other}")


def _text_block(block: dict[str, Any], y: int, lines: list[str]) -> int:
    headline = block.get("weight") == "Bolder"
    colour = _COLOURS.get(block.get("color", ""), "#242424")
    style = f'font-size="17" font-weight="bold" fill="{colour}"' if headline else f'fill="{colour}"'
    for line in _wrapped(block["text"], 66 if headline else _CHARACTERS):
        y += _LINE + (4 if headline else 0)
        lines.append(f'<text x="{_EDGE}" y="{y}" {style}>{escape(line)}</text>')
    return y + 5


def _fact_set(facts: Sequence[dict[str, str]], y: int, lines: list[str]) -> int:
    y += 4
    for fact in facts:
        for number, line in enumerate(_wrapped(fact["value"], _VALUES)):
            y += _LINE
            if not number:
                title = escape(fact["title"])
                lines.append(f'<text x="{_EDGE}" y="{y}" font-weight="bold" fill="#242424">{title}</text>')
            lines.append(f'<text x="{_TITLES}" y="{y}" fill="#242424">{escape(line)}</text>')
    return y + 6


def _buttons(actions: Sequence[dict[str, str]], y: int, lines: list[str]) -> int:
    if not actions:
        return y
    x, y = _EDGE, y + 12
    for action in actions:
        if action["type"] != "Action.OpenUrl":
            raise ValueError(f"no picture of {action['type']}")
        width = 24 + round(7.4 * len(action["title"]))
        lines.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="30" rx="4" fill="#fff" stroke="#0b6bcb"/>'
            f'<text x="{x + width / 2:g}" y="{y + 20}" text-anchor="middle" fill="#0b6bcb">'
            f"{escape(action['title'])}</text>"
        )
        x += width + 10
    return y + 30


def _wrapped(text: str, width: int) -> Iterator[str]:
    yield from textwrap.wrap(text, width) or [""]

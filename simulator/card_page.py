"""The cards that the Teams workflow got, as a page for a person's browser. Pure: JSON in, HTML out.

Draws text blocks, fact sets, containers, columns and links, in the order of the card. What it does not know it names,
so that nothing of a card is missing in silence. Loads nothing from anywhere, and looks for new cards by itself.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from simulator.receivers import Received

AGAIN: Final = 3  # seconds until the page looks again
_SHADES: Final = {"good": "#107c10", "warning": "#8a6100", "attention": "#c50f1f", "accent": "#0b6bcb"}
_SIZES: Final = {"small": "12px", "medium": "17px", "large": "20px", "extralarge": "24px"}

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="{again}">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
body {{ font: 14px/1.45 "Segoe UI", system-ui, sans-serif; background: #f0f0f0; color: #242424; margin: 0 }}
main {{ max-width: 44rem; margin: 1.5rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.2rem }} time, .none {{ color: #616161; font-size: 12px }}
article {{ background: #fff; border: 1px solid #d1d1d1; border-radius: 6px; padding: .8rem 1.1rem;
  margin: .2rem 0 1.2rem }}
article p {{ margin: .35rem 0; overflow-wrap: anywhere }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .5rem 0 }}
dt {{ font-weight: 600 }} dd {{ margin: 0; overflow-wrap: anywhere }}
.row {{ display: flex; gap: 1rem }} .row > div {{ flex: 1 }}
.links a {{ display: inline-block; border: 1px solid #0b6bcb; border-radius: 4px; padding: .3rem .8rem;
  color: #0b6bcb; text-decoration: none; margin: .5rem .5rem 0 0 }}
.unknown {{ color: #c50f1f }}
</style>
</head>
<body><main>
<h1>{title}</h1>
{cards}
</main></body>
</html>
"""


def page(got: Sequence[Received]) -> str:
    """All of them, the newest first."""
    cards = "\n".join(_message(received) for received in reversed(got))
    title = f"Teams: {len(got)} card{'' if len(got) == 1 else 's'}"
    nothing = '<p class="none">No card came yet. This page looks again by itself.</p>'
    return _PAGE.format(again=AGAIN, title=title, cards=cards or nothing)


def _message(it: Received) -> str:
    at = datetime.fromtimestamp(it.at, UTC)
    drawn = "".join(_card(attachment["content"]) for attachment in it.body["attachments"])
    return f"<time>{at:%Y-%m-%d %H:%M:%S} UTC</time>\n{drawn}"


def _card(card: dict[str, Any]) -> str:
    return f"<article>{_all(card.get('body', ()))}{_links(card.get('actions', ()))}</article>\n"


def _all(elements: Iterable[Any]) -> str:
    return "".join(_element(element) for element in elements)


def _element(it: Any) -> str:
    if not isinstance(it, dict):
        return '<p class="unknown">[not an element]</p>'
    if it.get("isVisible") is False:
        return ""
    draw = _DRAWN.get(it.get("type", ""))
    return draw(it) if draw else f'<p class="unknown">[{escape(str(it.get("type")))}: not drawn here]</p>'


def _text_block(it: dict[str, Any]) -> str:
    return f"<p{_style(it)}>{escape(str(it.get('text', '')))}</p>"


def _fact_set(it: dict[str, Any]) -> str:
    rows = (
        f"<dt>{escape(str(fact.get('title')))}</dt><dd>{escape(str(fact.get('value')))}</dd>"
        for fact in it.get("facts", ())
    )
    return f"<dl>{''.join(rows)}</dl>"


def _container(it: dict[str, Any]) -> str:
    return f"<div>{_all(it.get('items', ()))}</div>"


def _column_set(it: dict[str, Any]) -> str:
    return f'<div class="row">{_all(it.get("columns", ()))}</div>'


def _action_set(it: dict[str, Any]) -> str:
    return _links(it.get("actions", ()))


_DRAWN: Final[Mapping[str, Callable[[dict[str, Any]], str]]] = {
    "TextBlock": _text_block,
    "FactSet": _fact_set,
    "Container": _container,
    "Column": _container,
    "ColumnSet": _column_set,
    "ActionSet": _action_set,
}


def _style(block: dict[str, Any]) -> str:
    shade = _SHADES.get(str(block.get("color", "")).lower())
    size = _SIZES.get(str(block.get("size", "")).lower())
    bold = str(block.get("weight", "")).lower() == "bolder"
    parts = [
        f"color:{shade}" if shade else "",
        f"font-size:{size}" if size else "",
        "font-weight:600" if bold else "",
    ]
    style = ";".join(part for part in parts if part)
    return f' style="{style}"' if style else ""


def _links(actions: Iterable[Any]) -> str:
    drawn = "".join(_link(action) for action in actions)
    return f'<div class="links">{drawn}</div>' if drawn else ""


def _link(action: Any) -> str:
    match action:
        case {"type": "Action.OpenUrl", "url": str(url), "title": title} if url.startswith(
            ("https:", "http:")
        ):
            return f'<a href="{escape(url)}" target="_blank" rel="noopener">{escape(str(title))}</a>'
        case {"type": other}:
            return f'<span class="unknown">[{escape(str(other))}: not drawn here]</span>'
        case _:
            return '<span class="unknown">[not an action]</span>'

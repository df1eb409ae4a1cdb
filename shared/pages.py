"""Plain readable pages: a headline, facts, sentences, tables, links. One template for all of them. Pure.

Everything that is shown is escaped by the template; the pages load nothing from anywhere, and their empty icon keeps
a browser from asking for one.
"""

import functools
import math
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    import jinja2


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows under a heading."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Span(msgspec.Struct, frozen=True):
    """A stretch of a lane."""

    begin: float
    end: float
    text: str
    tone: str  # good, gone, bad or none


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a chart."""

    name: str
    spans: tuple[Span, ...]


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A chart over time: lanes over seconds, with marked moments."""

    title: str
    begin: float
    end: float
    lanes: tuple[Lane, ...]
    marks: tuple[tuple[float, str], ...] = ()


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a page."""

    title: str
    tone: str = "accent"  # good, warning, attention or accent
    facts: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()
    chart: Chart | None = None
    tables: tuple[Table, ...] = ()
    links: tuple[tuple[str, str], ...] = ()  # title, address


_TEMPLATE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ page.title }}</title>
<link rel="icon" href="data:,">
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b;
  overflow-wrap: anywhere }
h1 { font-size: 1.4rem; border-left: .4rem solid #0b6bcb; padding-left: .7rem }
h1.good { border-color: #107c10 } h1.warning { border-color: #c19c00 } h1.attention { border-color: #c50f1f }
h2 { font-size: 1.1rem; margin-top: 2rem }
dl { display: grid; grid-template-columns: fit-content(40%) 1fr; gap: .2rem 1rem }
dt { color: #555 } dd { margin: 0 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #ddd }
th { overflow-wrap: normal }
@media (min-width: 40rem) { td:not(:last-child) { overflow-wrap: normal } }
figure { margin: 1.5rem 0 } figcaption { color: #555 } svg { width: 100%; font: 12px system-ui, sans-serif }
svg text { fill: #1b1b1b } svg line { stroke: #888 } svg .mark { stroke-dasharray: 3 3 }
svg .good { fill: #5fae5f } svg .gone { fill: #e0a030 } svg .bad { fill: #c50f1f } svg .none { fill: #c8c8c8 }
@media (prefers-color-scheme: dark) {
  svg text { fill: #eee } figcaption { color: #aaa }
  body { background: #1b1b1b; color: #eee } dt { color: #aaa } th, td { border-color: #444 } a { color: #6cb8ff }
}
</style>
</head>
<body>
<h1 class="{{ page.tone }}">{{ page.title }}</h1>
{% if page.facts %}<dl>
{% for name, text in page.facts %}<dt>{{ name }}</dt><dd>{{ text }}</dd>
{% endfor %}</dl>
{% endif %}{% for line in page.lines %}<p>{{ line }}</p>
{% endfor %}{% if drawn %}<figure>
<figcaption>{{ drawn.title }}</figcaption>
<svg viewBox="0 0 {{ drawn.width }} {{ drawn.height }}" role="img" aria-label="{{ drawn.title }}">
{% for it in drawn.boxes %}<rect class="{{ it.tone }}" x="{{ it.x }}" y="{{ it.y }}" width="{{ it.width }}" \
height="{{ it.height }}"><title>{{ it.text }}</title></rect>
{% endfor %}{% for it in drawn.lines %}<line class="{{ it.kind }}" x1="{{ it.x }}" y1="{{ it.top }}" \
x2="{{ it.x }}" y2="{{ it.bottom }}"/>
{% endfor %}{% for it in drawn.texts %}<text x="{{ it.x }}" y="{{ it.y }}" text-anchor="{{ it.anchor }}">\
{{ it.text }}</text>
{% endfor %}</svg>
</figure>
{% endif %}{% for table in page.tables %}<h2>{{ table.title }}</h2>
<table>
<thead><tr>{% for column in table.columns %}<th>{{ column }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table>
{% endfor %}{% if page.links %}<p>{% for title, address in page.links %}<a href="{{ address }}">{{ title }}</a> \
{% endfor %}</p>
{% endif %}</body>
</html>
"""


@functools.cache
def _compiled() -> "jinja2.Template":
    """Made when a page is first asked for: the library would make every cold start longer."""
    import jinja2  # noqa: PLC0415 -- see above

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_TEMPLATE)


def html(page: Page) -> str:
    """The page's HTML."""
    return _compiled().render(page=page, drawn=draw(page.chart) if page.chart else None)


# -- charts -----------------------------------------------------------------------------------------------------

_LEFT, _RIGHT, _WIDTH = 170.0, 30.0, 960.0  # the names' column, the margin, the whole
_LANE, _GAP, _TEXT = 22.0, 10.0, 15.0  # heights
_TICKS = 8  # at most
_STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)  # seconds between two


class Box(msgspec.Struct, frozen=True):
    """A stretch of a lane, placed."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    text: str


class Line(msgspec.Struct, frozen=True):
    """A vertical line: a tick of the axis, or a marked moment."""

    x: float
    top: float
    bottom: float
    kind: str


class Text(msgspec.Struct, frozen=True):
    """A text, placed."""

    x: float
    y: float
    anchor: str
    text: str


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """A chart, placed."""

    title: str
    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    texts: tuple[Text, ...]


def _ticks(chart: Chart) -> list[float]:
    """Round moments along the axis."""
    step = next((step for step in _STEPS if (chart.end - chart.begin) / step <= _TICKS), _STEPS[-1])
    first = math.ceil(chart.begin / step)
    return [float(number * step) for number in range(first, math.floor(chart.end / step) + 1)]


def draw(chart: Chart) -> Drawing:
    """Place everything of a chart."""
    scale = (_WIDTH - _LEFT - _RIGHT) / max(chart.end - chart.begin, 0.001)

    def across(seconds: float) -> float:
        return round(_LEFT + (min(max(seconds, chart.begin), chart.end) - chart.begin) * scale, 1)

    top = _TEXT * (
        len(chart.marks) + 0.5
    )  # each mark's name has a row of its own, so that none hides another
    bottom = top + len(chart.lanes) * (_LANE + _GAP)
    boxes, texts = [], []
    for number, lane in enumerate(chart.lanes):
        y = top + number * (_LANE + _GAP)
        texts.append(Text(_LEFT - 8, y + _LANE * 0.7, "end", lane.name))
        for span in lane.spans:
            width = max(1.5, across(span.end) - across(span.begin))
            told = f"{span.begin:g} s to {span.end:g} s: {span.text}"
            boxes.append(Box(across(span.begin), y, round(width, 1), _LANE, span.tone, told))
    lines = []
    for number, (seconds, name) in enumerate(sorted(chart.marks)):
        x, y = across(seconds), _TEXT * (number + 0.8)
        lines.append(Line(x, y, bottom, "mark"))
        near_the_end = x > _WIDTH * 0.8
        texts.append(Text(x - 4 if near_the_end else x + 4, y, "end" if near_the_end else "start", name))
    for seconds in _ticks(chart):
        lines.append(Line(across(seconds), bottom, bottom + 4, "tick"))
        texts.append(Text(across(seconds), bottom + 4 + _TEXT, "middle", f"{seconds:g} s"))
    return Drawing(
        title=chart.title,
        width=_WIDTH,
        height=bottom + 4 + 1.5 * _TEXT,
        boxes=tuple(boxes),
        lines=tuple(lines),
        texts=tuple(texts),
    )

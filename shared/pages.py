"""Plain readable pages: a headline, facts, sentences, tables, links. One template for all of them. Pure.

Everything that is shown is escaped by the template; the pages load nothing from anywhere, and their empty icon keeps
a browser from asking for one.
"""

import functools
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    import jinja2


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows under a heading."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What a page says."""

    title: str
    tone: str = "accent"  # good, warning, attention or accent
    facts: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()
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
@media (prefers-color-scheme: dark) {
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
{% endfor %}{% for table in page.tables %}<h2>{{ table.title }}</h2>
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
    return _compiled().render(page=page)

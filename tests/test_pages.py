"""Pages: what is shown is escaped, and a chart's parts stand where their seconds are."""

import pytest

from shared.pages import Box, Chart, Drawing, Lane, Line, Page, Span, Table, Text, draw, html

CHART = Chart(
    title="What answered",
    begin=0,
    end=76,
    lanes=(
        Lane(name="west", spans=(Span(0, 38, "answers", "good"), Span(38, 100, "is gone", "gone"))),
        Lane(name="east", spans=(Span(-5, 0.01, "is bad", "bad"),)),
    ),
    marks=((70, "restored"), (10, "drained")),
)


def test_a_chart_is_placed() -> None:
    """Ten points a second here: lanes under each other, marks in their order, each with a row for its name."""
    assert draw(CHART) == Drawing(
        title="What answered",
        width=960,
        height=128,
        boxes=(
            Box(170, 37.5, 380, 22, "good", "0 s to 38 s: answers"),
            Box(550, 37.5, 380, 22, "gone", "38 s to 100 s: is gone"),
            Box(170, 69.5, 1.5, 22, "bad", "-5 s to 0.01 s: is bad"),
        ),
        lines=(
            Line(270, 12, 101.5, "mark"),
            Line(870, 27, 101.5, "mark"),
            *(Line(170 + 10 * number, 101.5, 105.5, "tick") for number in range(0, 80, 10)),
        ),
        texts=(
            Text(162, 52.9, "end", "west"),
            Text(162, 84.9, "end", "east"),
            Text(274, 12, "start", "drained"),
            Text(866, 27, "end", "restored"),
            *(Text(170 + 10 * number, 120.5, "middle", f"{number} s") for number in range(0, 80, 10)),
        ),
    )


@pytest.mark.parametrize(
    ("begin", "end", "ticks"),
    [
        (0, 8, list(range(9))),
        (0, 9, [0, 2, 4, 6, 8]),
        (3, 12, [4, 6, 8, 10, 12]),
        (0, 28_800, list(range(0, 28_801, 3600))),
        (3599, 100_000, list(range(3600, 100_000, 3600))),
        (5, 5, [5]),
    ],
)
def test_the_axis_has_round_moments(begin: float, end: float, ticks: list[int]) -> None:
    """Eight steps at most, but of no more than an hour."""
    drawn = draw(Chart(title="", begin=begin, end=end, lanes=()))
    assert [text.text for text in drawn.texts] == [f"{tick} s" for tick in ticks]
    assert {line.kind for line in drawn.lines} == {"tick"}


def test_a_mark_is_named_on_the_side_where_there_is_room() -> None:
    """Up to four fifths of the width to its right, beyond that to its left."""
    chart = Chart(title="", begin=0, end=760, lanes=(), marks=((598, "at"), (598.1, "after")))
    assert [(text.text, text.anchor) for text in draw(chart).texts[:2]] == [("at", "start"), ("after", "end")]


def test_a_chart_of_no_time_is_placed_too() -> None:
    """A drill that was given up at once."""
    assert draw(Chart(title="", begin=5, end=5, lanes=(), marks=((5, "now"),))).lines[0].x == 170
    short = draw(Chart(title="", begin=5, end=5.5, lanes=(), marks=((5.25, "now"),)))
    assert short.lines[0].x == 550


def test_places_are_of_a_tenth_of_a_point() -> None:
    """More would make the page longer, and nobody sees it."""
    lanes = (Lane(name="", spans=(Span(10, 20, "", "good"), Span(0, 10, "", "bad"))),)
    drawn = draw(Chart(title="", begin=0, end=30, lanes=lanes))
    assert [(box.x, box.width) for box in drawn.boxes] == [(423.3, 253.4), (170, 253.3)]


def test_a_page_shows_all_it_has() -> None:
    """Facts, sentences, the chart, tables, links, each escaped."""
    text = html(
        Page(
            title="A & B",
            tone="warning",
            facts=(("Group", "<scepman>"),),
            lines=("It's well.",),
            chart=CHART,
            tables=(Table(title="Keys", columns=("Key",), rows=(("<i>",),)),),
            links=(("JSON", "/api/it?a=1&b=2"),),
        )
    )
    for shown in (
        '<h1 class="warning">A &amp; B</h1>',
        "<dt>Group</dt><dd>&lt;scepman&gt;</dd>",
        "<p>It&#39;s well.</p>",
        '<svg viewBox="0 0 960.0 128.0" role="img" aria-label="What answered">',
        '<rect class="good" x="170.0" y="37.5" width="380.0" height="22.0"><title>0 s to 38 s: answers</title>',
        "<h2>Keys</h2>",
        "<td>&lt;i&gt;</td>",
        '<a href="/api/it?a=1&amp;b=2">JSON</a>',
    ):
        assert shown in text


def test_a_page_without_a_chart_has_no_picture() -> None:
    """Nor a list, a table or a link that would be empty."""
    text = html(Page(title="Nothing"))
    assert not [name for name in ("<svg", "<dl", "<table", "<a ", "<p>") if name in text]

"""Where the strip is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck.report.paper.pages import Head, Page, Span, Strip, cut

HIGH = 100.0
MOST = 50


def lines(count: int, height: float = 10.0, gap: float = 0.0) -> list[Span]:
    return [Span(n * (height + gap), n * (height + gap) + height) for n in range(count)]


def tops(pages: list[Page]) -> list[float]:
    return [page.body.top for page in pages]


@pytest.mark.parametrize(
    ("strip", "begin"),
    [
        (Strip([]), []),
        (Strip(lines(1)), [0]),
        (Strip(lines(10)), [0]),
        (Strip(lines(11)), [0, 100]),
        (Strip(lines(4, 30)), [0, 90]),
        # the blank between paragraphs does not begin a page
        (Strip(lines(3, 40, 25)), [0, 65, 130]),
        # a row stays whole
        (Strip(lines(12), rows=[Span(80, 120)]), [0, 80]),
        # one that is higher than a page is cut between its lines
        (Strip(lines(14), rows=[Span(20, 140)]), [0, 100]),
        # a heading goes with what it is over, and that with what follows
        (Strip(lines(12), follow=[Span(90, 110)]), [0, 90]),
        (Strip(lines(12), follow=[Span(70, 90), Span(80, 110)]), [0, 70]),
        # rows count more, where not all can be had
        (Strip(lines(12), rows=[Span(80, 120)], follow=[Span(0, 60), Span(50, 90)]), [0, 80]),
        # a drawing without end is cut all the same
        (Strip([Span(0, 250)]), [0, 100, 200]),
        # a table goes on under its head: there is room for less
        (
            Strip(lines(21), heads=[Head(Span(50, 60), 210)]),
            [0, 100, 190],
        ),
        # but not at the next table, nor at the head itself
        (Strip(lines(21), heads=[Head(Span(100, 110), 200)]), [0, 100, 200]),
        (Strip(lines(12), heads=[Head(Span(0, 60), 120)]), [0, 100]),
    ],
)
def test_where_pages_begin(strip: Strip, begin: list[float]) -> None:
    assert tops(cut(strip, HIGH, MOST)) == begin


def test_a_head_is_repeated_where_its_table_goes_on() -> None:
    head = Span(50, 60)
    found = cut(Strip(lines(30), heads=[Head(head, 210)]), HIGH, MOST)
    assert [page.head for page in found] == [None, head, head, None]


def test_there_is_one_page_more_than_can_be_shown_at_most() -> None:
    assert len(cut(Strip(lines(10_000)), HIGH, 7)) == 8
    assert len(cut(Strip(lines(70)), HIGH, 7)) == 7


@st.composite
def strips(draw: st.DrawFn) -> Strip:
    at, ink = 0.0, []
    for high, gap in draw(
        st.lists(st.tuples(st.integers(1, 40), st.integers(0, 30)), min_size=1, max_size=60)
    ):
        ink.append(Span(at, at + high))
        at += high + gap
    place = st.integers(0, len(ink) - 1)

    def spans() -> list[Span]:
        ends = draw(st.lists(st.tuples(place, place), max_size=8))
        return [Span(ink[min(e)].top, ink[max(e)].bottom) for e in ends]

    heads = [Head(ink[at], ink[-1].bottom) for at in draw(st.lists(place, max_size=1))]
    return Strip(ink, spans(), spans(), heads)


@given(strips())
def test_every_line_is_on_one_page_and_whole(strip: Strip) -> None:
    found = cut(strip, HIGH, 1000)
    for line in strip.ink:
        assert [p.body.top <= line.top and line.bottom <= p.body.bottom for p in found].count(
            True
        ) == 1
    for page in found:
        head = page.head.bottom - page.head.top if page.head else 0
        assert page.body.bottom - page.body.top + head <= HIGH
        assert any(page.body.top <= line.top < page.body.bottom for line in strip.ink)
    assert all(one.body.bottom <= next_.body.top for one, next_ in pairwise(found))

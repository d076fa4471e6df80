"""Where a long strip is cut into pages."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

_TINY = 0.01  # of a unit: what rounding may add


class Span(NamedTuple):
    """A piece of the strip, from its top to its bottom."""

    top: float
    bottom: float


class Head(NamedTuple):
    """What a table begins with, and where the table ends."""

    span: Span
    until: float


class Page(NamedTuple):
    """``body`` is the page's piece of the strip; ``head`` is repeated above it, if any is."""

    body: Span
    head: Span | None = None


class Strip(NamedTuple):
    """``ink`` is every line and every drawing; ``rows`` and, less important, ``follow`` are to
    stay whole."""

    ink: Sequence[Span]
    rows: Sequence[Span] = ()
    follow: Sequence[Span] = ()
    heads: Sequence[Head] = ()


def cut(strip: Strip, height: float, most: int) -> list[Page]:
    """The pages, each at most `height` high with its head, in order; one more than `most` at most.

    All ink is on exactly one page, but for heads.  A span is cut only where it is higher than a
    page, or where what is to stay together with it is.
    """
    whole = [each for each in strip.rows if each.bottom - each.top <= height]
    levels = [
        _Spans([*strip.ink, *whole, *strip.follow], height),
        _Spans([*strip.ink, *whole], height),
        _Spans(strip.ink, height),
        _Spans((), height),
    ]
    starts = sorted({each.top for each in (*strip.ink, *whole)})
    end = max((each.bottom for each in (*strip.ink, *whole)), default=0.0)
    pages: list[Page] = []
    start = starts[0] if starts else end
    while start < end - _TINY and len(pages) <= most:
        head = _head(strip.heads, start, height)
        limit = start + height - (head.bottom - head.top if head else 0.0)
        if limit >= end - _TINY:
            pages.append(Page(Span(start, end), head))
            break
        found = ((level.before(limit), level) for level in levels)
        stop, level = next(each for each in found if each[0] > start + _TINY)
        pages.append(Page(Span(start, stop), head))
        # The blank between two paragraphs is not taken over to the next page.
        following = bisect_left(starts, stop - _TINY)
        start = stop if level is levels[-1] or following == len(starts) else starts[following]
    return pages


def _head(heads: Sequence[Head], start: float, height: float) -> Span | None:
    """Of the table in whose middle a page begins; none that would take half of the page."""
    for each in heads:
        high = each.span.bottom - each.span.top
        if each.span.bottom - _TINY <= start < each.until - _TINY and high <= height / 2:
            return each.span
    return None


class _Spans:
    """Spans that are not to be cut."""

    def __init__(self, spans: Sequence[Span], height: float) -> None:
        kept = sorted(each for each in spans if each.bottom - each.top <= height + _TINY)
        self._tops = [each.top for each in kept]
        self._reach = list(accumulate((each.bottom for each in kept), max))
        self._kept = kept

    def before(self, limit: float) -> float:
        """The last place, not after `limit`, that is inside none of them."""
        while True:
            last = bisect_left(self._tops, limit - _TINY) - 1
            inside = limit
            while last >= 0 and self._reach[last] > limit + _TINY:
                if self._kept[last].bottom > limit + _TINY:
                    inside = self._tops[last]
                last -= 1
            if inside == limit:
                return limit
            limit = inside

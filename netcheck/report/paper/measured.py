"""What stands where on the strip, and what of it is to stay together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from PySide6.QtGui import QTextBlock, QTextDocument, QTextTable

from netcheck.report.paper import pages
from netcheck.report.paper.document import COMMAND, Strip, tables
from netcheck.report.paper.pages import Head, Span

_PADDING = 3.0  # units: what a row has above and below its text


class Piece(NamedTuple):
    """A line of a block, or a drawing: the block's number, the line's number in it, and where the
    block begins."""

    span: Span
    block: int
    line: int
    left: float
    top: float


class Measured(NamedTuple):
    """``strip`` for who cuts it; ``pieces``, from top to bottom, for who draws."""

    strip: pages.Strip
    pieces: list[Piece]
    rules: list[float]


def measure(strip: Strip) -> Measured:
    """Everything on it; ``rules`` are the lines between the rows of tables."""
    by_block: dict[int, list[Piece]] = {}
    block = strip.text.begin()
    while block.isValid():
        if pieces := list(_pieces(strip, block)):
            by_block[block.blockNumber()] = pieces
        block = block.next()
    rows: list[Span] = []
    heads: list[Head] = []
    follow: list[Span] = []
    inside: dict[int, Span] = {}  # what to keep with what stands before a table
    for table in tables(strip.text):
        found = [row for row in _rows(table, by_block) if row is not None]
        rows += found
        if found:
            inside[table.firstCursorPosition().block().blockNumber()] = found[0]
        if table.format().headerRowCount() and len(found) > 1:
            heads.append(Head(found[0], found[-1].bottom))
            follow.append(Span(found[0].top, found[1].bottom))
    follow += _following(strip.text, by_block, inside)
    pieces = sorted(piece for each in by_block.values() for piece in each)
    ink = [piece.span for piece in pieces]
    return Measured(pages.Strip(ink, rows, follow, heads), pieces, [row.bottom for row in rows])


def _pieces(strip: Strip, block: QTextBlock) -> Iterator[Piece]:
    number = block.blockNumber()
    if not block.text() and not block.blockFormat().property(COMMAND):
        return
    box = strip.text.documentLayout().blockBoundingRect(block)
    layout = block.layout()
    for at in range(layout.lineCount()):
        line = layout.lineAt(at)
        top = box.top() + line.y()
        yield Piece(Span(top, top + line.height()), number, at, box.left(), box.top())


def _rows(table: QTextTable, pieces: dict[int, list[Piece]]) -> Iterator[Span | None]:
    """Each row with the room round its text."""
    for row in range(table.rows()):
        spans = []
        for column in range(table.columns()):
            cell = table.cellAt(row, column)
            block, last = cell.firstCursorPosition().block(), cell.lastCursorPosition().block()
            while block.isValid() and block.blockNumber() <= last.blockNumber():
                spans += [piece.span for piece in pieces.get(block.blockNumber(), ())]
                block = block.next()
        if not spans:
            yield None
            continue
        yield Span(min(spans).top - _PADDING, max(each.bottom for each in spans) + _PADDING)


def _following(
    text: QTextDocument, by_block: dict[int, list[Piece]], inside: dict[int, Span]
) -> Iterator[Span]:
    """A heading with what it is over; the lines of one command, and of several in a row; a
    sentence with the command that it speaks of; no line of a paragraph alone."""
    numbers = list(by_block)
    commands: list[Piece] = []
    for number, next_number in zip(numbers, [*numbers[1:], -1], strict=True):
        block, pieces = text.findBlockByNumber(number), by_block[number]
        following = by_block.get(next_number, pieces)
        if block.blockFormat().property(COMMAND):
            commands += pieces
            if not _is_command(text, next_number):
                yield Span(commands[0].span.top, commands[-1].span.bottom)
                commands = []
            continue
        until = inside.get(next_number, following[: _ALONE + 1][-1].span).bottom
        if block.blockFormat().headingLevel():
            yield Span(pieces[0].span.top, until)
        elif _is_command(text, next_number) or next_number in inside:
            yield Span(pieces[-1].span.top, until)
        if len(pieces) > 1:
            yield Span(pieces[0].span.top, pieces[min(_ALONE, len(pieces) - 1)].span.bottom)
            yield Span(pieces[max(0, len(pieces) - 1 - _ALONE)].span.top, pieces[-1].span.bottom)


_ALONE = 1
"""Lines of a paragraph that are too few for a page of their own."""


def _is_command(text: QTextDocument, number: int) -> bool:
    return number >= 0 and bool(text.findBlockByNumber(number).blockFormat().property(COMMAND))

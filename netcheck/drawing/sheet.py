"""What a drawing is drawn on: lengths from the side at which its reader begins to read."""

from __future__ import annotations

from netcheck.drawing import svg
from netcheck.drawing.drawing import Drawing, Palette, Part
from netcheck.drawing.look import Look
from netcheck.drawing.measure import fitted

_OTHER = {"start": "end", "end": "start", "middle": "middle"}


class Sheet:
    """``x`` is the distance from the left, or from the right where the reader begins there.

    What grows to the right for every reader, as time and port numbers do, is drawn from
    :meth:`left` on, in the drawing's own units, straight into ``body``.
    """

    def __init__(self, look: Look, width: float) -> None:
        self.look = look
        self.width = width
        self.body: list[str] = []
        self.parts: list[Part] = []

    @property
    def colours(self) -> Palette:
        return self.look.colours

    def left(self, x: float, wide: float = 0) -> float:
        """Where what begins at ``x`` and is so wide has its left edge."""
        return self.width - x - wide if self.look.right_to_left else x

    def text(
        self,
        x: float,
        y: float,
        words: str,
        colour: str,
        *,
        size: float = 12,
        bold: bool = False,
        anchor: str = "start",
    ) -> None:
        """One line as it is; ``anchor`` is as the reader reads."""
        there = _OTHER[anchor] if self.look.right_to_left else anchor
        self.body.append(
            svg.text(self.left(x), y, words, colour, size=size, bold=bold, anchor=there)
        )

    def fit(
        self,
        x: float,
        y: float,
        room: float,
        words: str,
        colour: str,
        *,
        size: float = 12,
        bold: bool = False,
        anchor: str = "start",
        most: int = 1,
        lead: float = 15,
    ) -> float:
        """At most so many lines, made to fit into ``room``, ``lead`` apart; where the next one
        would be."""
        lines, fits = fitted(words, room, size, most, bold=bold)
        for number, line in enumerate(lines):
            self.text(x, y + lead * number, line, colour, size=fits, bold=bold, anchor=anchor)
        return y + lead * len(lines)

    def box(
        self, x: float, y: float, wide: float, high: float, fill: str, line: str, round_: float
    ) -> None:
        self.body.append(svg.box(self.left(x, wide), y, wide, high, fill, line, round_))

    def line(
        self, x1: float, y1: float, x2: float, y2: float, colour: str, *, dashed: bool = False,
        thick: float = 2,
    ) -> None:  # fmt: skip
        ends = sorted((self.left(x1), self.left(x2)))
        self.body.append(svg.line(ends[0], y1, ends[1], y2, colour, thick=thick, dashed=dashed))

    def mark(self, x: float, y: float, kind: str, size: float) -> None:
        self.body.append(svg.mark(self.left(x), y, kind, self.colours, size))

    def part(
        self, name: str, words: str, x: float, y: float, wide: float, high: float, finding: str = ""
    ) -> None:
        self.parts.append(
            Part(
                name=name, words=words, x=self.left(x, wide), y=y, width=wide, height=high,
                finding=finding,
            )
        )  # fmt: skip

    def drawing(self, height: float, title: str) -> Drawing:
        return Drawing(
            svg=svg.document(self.width, height, title, self.body),
            width=self.width,
            height=height,
            parts=tuple(self.parts),
        )

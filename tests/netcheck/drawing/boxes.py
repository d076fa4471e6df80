"""Where words and marks of a drawing are, by their coordinates and the widths that we assume."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import combinations
from typing import NamedTuple

from netcheck.drawing import measure
from netcheck.drawing.drawing import Drawing

SVG = "{http://www.w3.org/2000/svg}"
_PLACED = re.compile(r"translate\((\S+) (\S+)\)(?: scale\((\S+)\))?")
_SHARE = {"start": 0.0, "middle": 0.5, "end": 1.0}


class Box(NamedTuple):
    what: str
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        return (
            self.left < other.right - 0.5
            and other.left < self.right - 0.5
            and self.top < other.bottom - 0.5
            and other.top < self.bottom - 0.5
        )


def texts(drawing: Drawing) -> list[Box]:
    """Of every line of words."""
    found = []
    for element in ET.fromstring(drawing.svg).iter(f"{SVG}text"):
        words, size = element.text or "", float(element.attrib["font-size"])
        wide = measure.width(words, size, bold="font-weight" in element.attrib)
        left = float(element.attrib["x"]) - wide * _SHARE[element.attrib["text-anchor"]]
        line = float(element.attrib["y"])
        found.append(
            Box(
                words, left, line - measure.ASCENT * size, left + wide,
                line + measure.DESCENT * size,
            )
        )  # fmt: skip
    return found


def marks(drawing: Drawing) -> list[Box]:
    """Of every mark and every sign of a device."""
    found = []
    for element in ET.fromstring(drawing.svg).iter(f"{SVG}g"):
        placed = _PLACED.fullmatch(element.attrib["transform"])
        assert placed
        x, y, scale = float(placed[1]), float(placed[2]), placed[3]
        wide, high = (24 * float(scale), 24 * float(scale)) if scale else (28.0, 24.0)
        # Not the room around a shape, which is round.
        found.append(Box("mark", x + 1, y + 1, x + wide - 1, y + high - 1))
    return found


def faults(drawing: Drawing) -> list[str]:
    """Words that lie on other words or on a mark, or that leave the drawing."""
    words, shapes = texts(drawing), marks(drawing)
    found = [f"{one} on {other}" for one, other in combinations(words, 2) if one.meets(other)]
    found += [f"{one} on {other}" for one in words for other in shapes if one.meets(other)]
    for box in (*words, *shapes):
        if box.left < -0.5 or box.top < -0.5:
            found.append(f"{box} begins outside")
        if box.right > drawing.width + 0.5 or box.bottom > drawing.height + 0.5:
            found.append(f"{box} ends outside {drawing.width} x {drawing.height}")
    return found

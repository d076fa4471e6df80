"""What every drawing is: SVG Tiny, and its parts as data."""

from __future__ import annotations

import msgspec


class Palette(msgspec.Struct, frozen=True):
    """Colours as #rrggbb.  Text colours stand on ``window`` and on ``base`` with a contrast of
    at least 4.5 (WCAG 2.2 AA).  ``good``, ``part``, ``bad`` and ``open`` are for verdicts."""

    window: str
    base: str
    text: str
    quiet: str
    line: str
    accent: str
    on_accent: str
    good: str
    part: str
    bad: str
    open: str


LIGHT = Palette(
    window="#f4f5f7", base="#ffffff", text="#1c2024", quiet="#565d66", line="#c9ced6",
    accent="#1f5fbf", on_accent="#ffffff",
    good="#1a7340", part="#8a5300", bad="#b3261e", open="#5f6672",
)  # fmt: skip
DARK = Palette(
    window="#1d2025", base="#26292f", text="#eceef1", quiet="#aab1bb", line="#4a505a",
    accent="#8ab4f8", on_accent="#10233f",
    good="#6fcf8f", part="#f0b35a", bad="#ff8a80", open="#aab1bb",
)  # fmt: skip


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part that can be pointed at: its box in the drawing's units, its ``name`` and, in words,
    what it shows.  ``finding``: the id of what it leads to, a finding or in the timeline an
    observation, or nothing."""

    name: str
    words: str
    x: float
    y: float
    width: float
    height: float
    finding: str = ""


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """``svg`` is a whole document of ``width`` by ``height`` units, which are CSS pixels."""

    svg: str
    width: float
    height: float
    parts: tuple[Part, ...] = ()

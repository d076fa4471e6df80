"""How much room text takes, without knowing the font: rather too much than too little (pure).

The widths are the largest of Noto Sans, DejaVu Sans, Liberation Sans (Arial's widths) and their
bold kinds, in parts of the font's size.  DejaVu Sans is what many systems have in place of others.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from netcheck.drawing.svg import printable

_CLASSES: dict[float, str] = {
    0.28: "'ijl",
    0.34: " ,.’·J:;I",
    0.42: "f-/\\()[]t!r",
    0.52: '"_`–°“”',
    0.56: "sz?cç*L|",
    0.62: "FkvxyPTYaeo",
    0.65: "$0123456789ESbdghnpqu{}",
    0.7: "KABVXCR",
    0.79: "UHN&DGOQ",
    0.85: "w#+<=>^~×→←",
    1.0: "MmW%@…—",
}
_WIDTHS = {letter: width for width, letters in _CLASSES.items() for letter in letters}
_BOLD = 0.12  # more, of any letter
_ACCENT = 0.35  # a mark that falls on no letter takes room of its own
_LETTER, _FULL, _EMOJI, _ANY, _FAR = 1.2, 1.1, 1.5, 3.0, 6.0
_LIGATURE = ("\ufdfd", 9.0)  # a whole sentence in one sign

_BREAK = re.compile(r"(?<=[.:/_@,;-])")

ASCENT, DESCENT = 0.95, 0.25
"""What letters take above and below their line, accents on capitals included, in the same parts."""


@lru_cache(4096)
def _letter(letter: str) -> float:
    if letter in _WIDTHS:
        return _WIDTHS[letter]
    if unicodedata.combining(letter):
        return _ACCENT
    if letter == _LIGATURE[0]:
        return _LIGATURE[1]
    base = unicodedata.normalize("NFD", letter)[0]
    if base != letter and base in _WIDTHS:
        return _WIDTHS[base] + 0.02
    code = ord(letter)
    if unicodedata.east_asian_width(letter) in "WF":
        return _FULL if code < 0x1F000 else _EMOJI
    if code < 0x700:  # Latin, Greek, Cyrillic, Armenian, Hebrew, Arabic
        return _LETTER
    return _ANY if code < 0x10000 else _FAR


def width(words: str, size: float, *, bold: bool = False) -> float:
    """Of one line, in the units of ``size``."""
    shown = printable(words)
    return size * (sum(map(_letter, shown)) + (_BOLD * len(shown) if bold else 0))


def wrapped(words: str, room: float, size: float, *, bold: bool = False) -> list[str]:
    """Lines that are no wider than ``room``.  What has no spaces is broken behind a dot, a colon
    or the like, and else anywhere."""
    lines: list[str] = []
    for word in words.split():
        if lines and width(f"{lines[-1]} {word}", size, bold=bold) <= room:
            lines[-1] += f" {word}"
        else:
            lines += _pieces(word, room, size, bold)
    return lines


def _pieces(word: str, room: float, size: float, bold: bool) -> list[str]:
    if width(word, size, bold=bold) <= room:
        return [word]
    pieces = [""]
    for run in _BREAK.split(word):
        if width(run, size, bold=bold) > room:
            for letter in run:
                if pieces[-1] and width(pieces[-1] + letter, size, bold=bold) > room:
                    pieces.append("")
                pieces[-1] += letter
        elif pieces[-1] and width(pieces[-1] + run, size, bold=bold) > room:
            pieces.append(run)
        else:
            pieces[-1] += run
    return [piece for piece in pieces if piece]


def fitted(
    words: str, room: float, size: float, most: int = 1, *, least: float = 9, bold: bool = False
) -> tuple[list[str], float]:
    """At most ``most`` lines no wider than ``room``, and the size that they are written in: not
    below ``least``, and as large as ``size`` where there is room.  What has none even then ends in
    an ellipsis."""
    words = words[: round(most * room)]  # more letters than units of room fit nowhere
    tried = size
    while True:
        lines = wrapped(words, room, tried, bold=bold)
        whole = all(width(word, tried, bold=bold) <= room for word in words.split())
        if len(lines) <= most and (whole or most > 1 or not lines):
            return lines, tried
        if tried <= least:
            break
        tried = max(least, tried - 1)
    last = lines[most - 1]
    while last and width(f"{last}…", tried, bold=bold) > room:
        last = last[:-1]
    return [*lines[: most - 1], f"{last.rstrip()}…"], tried

"""How a drawing looks and speaks: its colours, its language and its direction."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from netcheck.drawing.drawing import Palette

_PLACE = re.compile(r"\{(\w+)\}")


def QT_TRANSLATE_NOOP(context: str, text: str) -> str:
    """The text itself.  Qt's lupdate finds what is to be translated by this name, and by that of
    :meth:`Look.translate`, so that a drawing need not know Qt."""
    return text


def _english(context: str, text: str) -> str:
    return text


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """``speaks`` gives a text of a context in the reader's language.  ``right_to_left``: so does
    the reader read; numbers grow to the right all the same."""

    colours: Palette
    speaks: Callable[[str, str], str] = _english
    right_to_left: bool = False

    def translate(self, context: str, text: str) -> str:
        """``text`` as the reader would say it."""
        return self.speaks(context, text)


def filled(text: str, **values: object) -> str:
    """``text`` with each ``{name}`` in it as ``values`` has it.  Apart from ``translate``, of which
    lupdate knows no values."""
    return _PLACE.sub(lambda found: str(values.get(found[1], found[0])), text)


def look_of(look: Look | Palette) -> Look:
    """Colours alone stand for English, as reports are written in."""
    return look if isinstance(look, Look) else Look(colours=look)

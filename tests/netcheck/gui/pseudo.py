"""A translation that nobody speaks: longer, and with accents, to see that there is room."""

from __future__ import annotations

import re

from PySide6.QtCore import QTranslator

_ACCENTS = str.maketrans("aceinosuyzACEINOSUYZ", "äçéïñöšüýžÄÇÉÏÑÖŠÜÝŽ")
_KEPT = re.compile(r"(%\w|&\w|\{\w+\}|\n)")


def pseudo(text: str) -> str:
    """A third longer, at least two letters, with every letter that has one accented."""
    parts = _KEPT.split(text)
    accented = "".join(p if _KEPT.fullmatch(p) else p.translate(_ACCENTS) for p in parts)
    return (
        accented
        + "õ" * max(2, len(text) // 3 if " " not in text else 2)
        + (" öñé möré" * (len(text) // 30))
    )


class Pseudo(QTranslator):
    """Translates whatever it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def isEmpty(self) -> bool:
        return False

    def translate(
        self,
        context: str,
        sourceText: str,
        disambiguation: str | None = None,
        n: int = -1,
    ) -> str:
        self.asked.add(sourceText)
        return pseudo(sourceText)

"""Messages over the window: words that can be copied, and a sign that can be read out."""

from __future__ import annotations

import re
from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QMessageBox, QWidget

from netcheck.gui.words import translate


def warn(parent: QWidget, sentence: str) -> None:
    """Say what is wrong and what to do."""
    box = _box(parent, QMessageBox.Icon.Warning, sentence, translate("Message", "Warning"))
    box.open()


def ask(parent: QWidget, question: str, explained: str, yes: str, do: Callable[[], object]) -> None:
    """Do it if the user presses ``yes``."""
    box = _box(parent, QMessageBox.Icon.Question, question, translate("Message", "Question"))
    box.setInformativeText(explained)
    box.addButton(yes, QMessageBox.ButtonRole.DestructiveRole).clicked.connect(do)
    box.addButton(QMessageBox.StandardButton.Cancel)
    box.open()


LONGEST_WORD = 66
"""Characters: a fingerprint stands in full, and the box fits the narrowest screen."""

ROOMY_WORD = 20
"""Characters: Qt gives the box room for such a word by itself."""

_LONG = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")


def shortened(text: str) -> str:
    """The text with its longest words, such as a file's name, without their middle."""
    half = LONGEST_WORD // 2
    return _LONG.sub(lambda found: f"{found[0][:half]}…{found[0][1 - half :]}", text)


def _box(parent: QWidget, icon: QMessageBox.Icon, text: str, sign: str) -> QMessageBox:
    shown = shortened(text)
    box = QMessageBox(icon, "netcheck", shown, parent=parent)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse
        | Qt.TextInteractionFlag.TextSelectableByKeyboard
    )
    if shown != text:
        box.setDetailedText(text)
    label = box.findChild(QLabel, "qt_msgbox_label")
    longest = max(shown.split(), key=len, default="")
    if isinstance(label, QLabel) and len(longest) > ROOMY_WORD:  # lines end between words only
        label.setMinimumWidth(label.fontMetrics().horizontalAdvance(longest))
    picture = box.findChild(QLabel, "qt_msgboxex_icon_label")
    if isinstance(picture, QLabel):
        picture.setAccessibleName(sign)
    box.finished.connect(box.deleteLater)
    return box

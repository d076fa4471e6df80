"""What the user sees of a fault of our own: a sentence, what to report, and where the log is."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from netcheck.gui.words import copyable, quiet

DETAILS_MAX = 100_000
"""Characters: a fault that comes back with every picture must not fill the memory."""


class Fault(QDialog):
    """One at a time: what comes while it is open is added to its details."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.log: Path | None = None
        self.setWindowTitle("netcheck")
        self.sentence = copyable(QLabel())
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence.setWordWrap(True)
        self.advice = copyable(quiet(""))
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setTabChangesFocus(True)
        self.details.setAccessibleName(self.tr("Details of the error"))
        self.copy = QPushButton(self.tr("&Copy the details"))
        self.copy.clicked.connect(
            lambda: QGuiApplication.clipboard().setText(self.details.toPlainText())
        )
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.addButton(self.copy, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        for widget in (self.sentence, self.advice, self.details, buttons):
            column.addWidget(widget)
        self.resize(640, 400)

    def show_fault(self, sentence: str, details: str) -> None:
        """Say it, and go on."""
        if self.isVisible():
            details = f"{self.details.toPlainText()}\n{details}"
        self.sentence.setText(sentence)
        advice = self.tr("You can go on. Please copy the details and send them to its makers.")
        if self.log is not None:
            advice += " " + self.tr("They are also in %1.").replace("%1", str(self.log))
        self.advice.setText(advice)
        self.details.setPlainText(details[:DETAILS_MAX])
        self.open()

"""Saving a report: in which format, and whether names and addresses are in it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, Qt, QTemporaryDir, QUrl, Signal
from PySide6.QtGui import QDrag, QGuiApplication, QMouseEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from netcheck.gui.words import quiet
from netcheck.report import formats, save
from netcheck.report.model import Report
from netcheck.report.read import ReportError

SUFFIXES = {"html": ".html", "pdf": ".pdf", "json": ".netcheck.json", "text": ".txt"}


def rendered(report: Report, name: str, *, redact: bool, details: bool = True) -> bytes:
    """The report in a format; text with or without every observation.  Raises nothing for what
    stands in it."""
    if redact:
        from netcheck.cli.redacting import redacted

        report = redacted(report)
    if name == "pdf":
        from netcheck.gui import paper

        return paper.render(report)
    options = {"details": details} if name == "text" else {}
    return formats.render(name, report, **options).encode("utf-8", "replace")


def format_of(file: Path) -> str:
    """By the end of its name; JSON where that says nothing."""
    end = file.suffix.lower()
    known = {".html": "html", ".htm": "html", ".pdf": "pdf", ".txt": "text"}
    return known.get(end, "json")


def write(report: Report, file: Path, *, redact: bool) -> None:
    """Write it whole or not at all.  Raises ReportError."""
    save.save(file, rendered(report, format_of(file), redact=redact))


def file_name(report: Report, name: str) -> str:
    """Such as netcheck-2026-05-01-1432.html."""
    moment = "".join(c for c in report.started_at[:16].replace("T", "-") if c.isalnum() or c == "-")
    return f"netcheck-{moment}{SUFFIXES[name]}"


def mime(report: Report, folder: Path) -> QMimeData:
    """The report as a file to be dropped or pasted somewhere, and as text.  Raises ReportError."""
    file = folder / file_name(report, "html")
    write(report, file, redact=False)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(file))])
    data.setText(rendered(report, "text", redact=False).decode())
    return data


class Handle(QPushButton):
    """What is dragged from it is the report as a file; a click puts the same on the clipboard.
    ``copied`` when it did, ``failed`` with a sentence when the file cannot be made."""

    copied = Signal()
    failed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.report: Report | None = None
        self._folder: QTemporaryDir | None = None
        self.setText(self.tr("Drag or copy as &file"))
        self.setToolTip(
            self.tr("Drag it into a mail or a folder, or click and paste the file there")
        )
        self.clicked.connect(self.to_clipboard)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if not self.isDown() or self.rect().contains(event.position().toPoint()):
            super().mouseMoveEvent(event)
            return
        self.setDown(False)
        if (data := self._mime()) is not None:
            drag = QDrag(self)
            drag.setMimeData(data)
            drag.exec(Qt.DropAction.CopyAction)

    def to_clipboard(self) -> None:
        """The file, to be pasted."""
        if (data := self._mime()) is not None:
            QGuiApplication.clipboard().setMimeData(data)
            self.copied.emit()

    def _mime(self) -> QMimeData | None:
        if self.report is None:
            return None
        # A folder of our own, gone with the window: nobody else can be there first.
        self._folder = self._folder or QTemporaryDir()
        try:
            return mime(self.report, Path(self._folder.path()))
        except ReportError as error:
            self.failed.emit(str(error))
            return None


class SaveDialog(QDialog):
    """Asks for format and redaction; then the system's own dialog asks where to."""

    def __init__(self, report: Report, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._report = report
        self.setWindowTitle(self.tr("Save report"))
        self._formats = QButtonGroup(self)
        offered = (
            ("html", self.tr("Web page (HTML)"), self.tr("opens in any browser, prints well")),
            ("pdf", self.tr("PDF"), self.tr("for printing and for mail")),
            ("json", self.tr("Data (JSON)"), self.tr("can be opened again and compared")),
            ("text", self.tr("Text"), self.tr("for a mail or a ticket")),
        )
        column = QVBoxLayout(self)
        for number, (name, title, what) in enumerate(offered):
            button = QRadioButton(f"{title}: {what}")
            button.setProperty("format", name)
            button.setChecked(not number)
            self._formats.addButton(button)
            column.addWidget(button)
        self.redact = QCheckBox(self.tr("&Leave out names and addresses"))
        column.addSpacing(8)
        column.addWidget(self.redact)
        column.addWidget(
            quiet(
                self.tr(
                    "Placeholders stand for users, computers, network cards, addresses and "
                    "programs: for a report that others will read."
                )
            )
        )
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.save = buttons.addButton(self.tr("&Save …"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.save.setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column.addWidget(buttons)

    @property
    def format(self) -> str:
        chosen = self._formats.checkedButton()
        assert chosen is not None  # one is from the start
        return str(chosen.property("format"))

    def choose(self, name: str) -> None:
        for button in self._formats.buttons():
            if button.property("format") == name:
                button.setChecked(True)

    def ask_where(self, parent: QWidget) -> Path | None:
        """The file to write, if the user names one."""
        suffix = SUFFIXES[self.format]
        chosen, _ = QFileDialog.getSaveFileName(
            parent,
            self.tr("Save report"),
            file_name(self._report, self.format),
            f"*{suffix}",
        )
        if not chosen:
            return None
        file = Path(chosen)
        return file if file.suffix else file.with_name(file.name + suffix)

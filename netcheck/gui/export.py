"""Saving a report: in which format, and whether names and addresses are in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from PySide6.QtCore import (
    QT_TRANSLATE_NOOP,
    QMimeData,
    QStandardPaths,
    Qt,
    QTemporaryDir,
    QUrl,
    Signal,
)
from PySide6.QtGui import QDrag, QGuiApplication, QMouseEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QMessageBox,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from netcheck.gui.words import quiet, translate
from netcheck.report import formats, save
from netcheck.report.model import Report


class Offered(NamedTuple):
    """A format of netcheck.report.formats as the window offers it: what its files are called at
    the end, by which ``endings`` a name asks for it, and its title and use in words."""

    suffix: str
    endings: tuple[str, ...]
    title: str
    use: str


OFFERED = {
    "html": Offered(
        ".html",
        (".html", ".htm"),
        QT_TRANSLATE_NOOP("Formats", "Web page (HTML)"),
        QT_TRANSLATE_NOOP("Formats", "opens in any browser, prints well"),
    ),
    "pdf": Offered(
        ".pdf",
        (".pdf",),
        QT_TRANSLATE_NOOP("Formats", "PDF"),
        QT_TRANSLATE_NOOP("Formats", "for printing and for mail"),
    ),
    "json": Offered(
        ".netcheck.json",
        (".json",),
        QT_TRANSLATE_NOOP("Formats", "Data (JSON)"),
        QT_TRANSLATE_NOOP("Formats", "can be opened again and compared"),
    ),
    "text": Offered(
        ".txt",
        (".txt",),
        QT_TRANSLATE_NOOP("Formats", "Text"),
        QT_TRANSLATE_NOOP("Formats", "for a mail or a ticket"),
    ),
}
"""In the order in which they are offered."""

_BY_ENDING = {ending: name for name, each in OFFERED.items() for ending in each.endings}


def rendered(report: Report, name: str, *, redact: bool, details: bool = True) -> bytes:
    """The report in a format; text with or without every observation.  Raises nothing for what
    stands in it."""
    if redact:
        from netcheck.redacting import redacted

        report = redacted(report)
    options = {"details": details} if name == "text" else {}
    return formats.to_bytes(name, report, **options)


def format_of(file: Path) -> str:
    """By the end of its name; JSON where that says nothing."""
    return _BY_ENDING.get(file.suffix.lower(), "json")


def write(report: Report, file: Path, *, redact: bool) -> None:
    """Write it whole or not at all.  Raises ReportError."""
    save.save(file, rendered(report, format_of(file), redact=redact))


def file_name(report: Report, name: str) -> str:
    """Such as netcheck-2026-05-01-1432.html."""
    moment = "".join(c for c in report.started_at[:16].replace("T", "-") if c.isalnum() or c == "-")
    return f"netcheck-{moment}{OFFERED[name].suffix}"


class _Made(NamedTuple):
    """A report as what is dropped or pasted: a file, and text."""

    file: Path
    text: str


def _made(report: Report, folder: Path) -> _Made:
    """Raises ReportError."""
    file = folder / file_name(report, "html")
    write(report, file, redact=False)
    return _Made(file, rendered(report, "text", redact=False).decode())


class Work(Protocol):
    """As the engine's: ``what`` may take long or wait for a disk, ``then`` and ``failed`` are
    called in the window's thread."""

    def __call__(
        self,
        what: Callable[[], _Made],
        then: Callable[[_Made], None],
        failed: Callable[[str], None],
        /,
    ) -> None: ...


class Handle(QPushButton):
    """What is dragged from it is the report as a file; a click puts the same on the clipboard.
    ``copied`` when it did, ``failed`` with a sentence when the file cannot be made, ``ready`` when
    it is there to be dragged.

    The file is made from the moment the button is pressed: of a large report that takes seconds,
    and the drag begins with the first move after them.
    """

    copied = Signal()
    failed = Signal(str)
    ready = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.work: Work | None = None
        self._report: Report | None = None
        self._data: _Made | None = None
        self._asked = False  # for the file, which is being made
        self._copy = False  # as soon as it is there
        self._folders: list[QTemporaryDir] = []
        self.setText(self.tr("Drag or copy as &file"))
        self.setToolTip(
            self.tr("Drag it into a mail or a folder, or click and paste the file there")
        )
        self.pressed.connect(self._make)
        self.clicked.connect(self.to_clipboard)

    @property
    def report(self) -> Report | None:
        return self._report

    @report.setter
    def report(self, report: Report) -> None:
        self._report = report
        self._data, self._asked, self._copy = None, False, False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if not self.isDown() or self.rect().contains(event.position().toPoint()):
            super().mouseMoveEvent(event)
            return
        if self._data is not None:
            self.setDown(False)
            drag = QDrag(self)
            drag.setMimeData(_mime(self._data))
            drag.exec(Qt.DropAction.CopyAction)

    def to_clipboard(self) -> None:
        """The file, to be pasted; as soon as it is made."""
        self._copy = True
        if self._data is not None:
            self._there(self._data)
        else:
            self._make()

    def tidy(self) -> None:
        """Leave no report behind, even if the program ends while it is being made."""
        for folder in self._folders:
            folder.remove()

    def _make(self) -> None:
        if self._report is None or self._asked or self.work is None:
            return
        # A folder of its own, gone with the window: nobody else can be there first, and what was
        # copied before stays.
        temporary = QTemporaryDir()
        if not temporary.isValid():
            self.setDown(False)
            self.failed.emit(self.tr(
                "There is no room for the file: the folder for temporary files is full or may not"
                " be written to. Save the report in another folder."
            ))  # fmt: skip
            return
        self._asked = True
        self._folders.append(temporary)
        report, folder = self._report, Path(temporary.path())

        def there(data: _Made) -> None:
            if report is self._report:
                self._there(data)

        def failed(sentence: str) -> None:
            if report is self._report:
                self._asked = self._copy = False
                self.setDown(False)  # else its release would be a click that tries again
            self.failed.emit(sentence)

        self.work(lambda: _made(report, folder), there, failed)

    def _there(self, data: _Made) -> None:
        self._data = data
        self.ready.emit()
        if self._copy:
            self._copy = False
            QGuiApplication.clipboard().setMimeData(_mime(data))
            self.copied.emit()


def _mime(made: _Made) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(made.file))])
    data.setText(made.text)
    return data


class SaveDialog(QDialog):
    """Asks for format and redaction; then the system's own dialog asks where to."""

    def __init__(self, report: Report, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._report = report
        self.setWindowTitle(self.tr("Save report"))
        self._formats = QButtonGroup(self)
        column = QVBoxLayout(self)
        for number, (name, each) in enumerate(OFFERED.items()):
            title = translate("Formats", each.title)
            use = translate("Formats", each.use)
            button = QRadioButton(f"{title}: {use}")
            button.setProperty("format", name)
            button.setChecked(not number)
            self._formats.addButton(button)
            column.addWidget(button)
        self.redact = QCheckBox(self.tr("&Leave out names and addresses"))
        column.addSpacing(8)
        column.addWidget(self.redact)
        explained = quiet(
            self.tr(
                "Placeholders stand for users, computers, network cards, addresses and "
                "programs: for a report that others will read."
            )
        )
        # As narrow as it can be, it would be as high as a screen.
        explained.setMinimumWidth(explained.fontMetrics().averageCharWidth() * 50)
        column.addWidget(explained)
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
        suffix = OFFERED[self.format].suffix
        chosen, _ = QFileDialog.getSaveFileName(
            parent,
            self.tr("Save report"),
            str(_documents() / file_name(self._report, self.format)),
            f"*{suffix}",
        )
        if not chosen:
            return None
        file = Path(chosen)
        if file.suffix.lower() in _BY_ENDING:
            return file
        # The system's dialog has asked about the name as it was typed, and not about this one.
        file = file.with_name(file.name + suffix)
        return file if not file.exists() or _may_be_replaced(file, parent) else None


def _may_be_replaced(file: Path, parent: QWidget) -> bool:
    Button = QMessageBox.StandardButton
    question = translate("SaveDialog", "%1 is there already. Replace it?")
    said = QMessageBox.question(
        parent, "netcheck", question.replace("%1", str(file)), Button.Yes | Button.No, Button.No
    )
    return said == Button.Yes


def _documents() -> Path:
    """Where a person looks for what was saved, not where the program was started."""
    return Path(QStandardPaths.writableLocation(_DOCUMENTS) or Path.home())


_DOCUMENTS = QStandardPaths.StandardLocation.DocumentsLocation

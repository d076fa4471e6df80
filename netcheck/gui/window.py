"""The main window: the pages, and what leads from one to the next."""

from __future__ import annotations

from pathlib import Path

import msgspec
from PySide6.QtCore import QEvent, QSettings, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAction,
    QActionGroup,
    QCloseEvent,
    QGuiApplication,
    QKeySequence,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QFileDialog,
    QMainWindow,
    QStackedWidget,
    QToolBar,
    QWidget,
)

from netcheck import profile
from netcheck.gui import article, export, keys, message, theme
from netcheck.gui.bridge import Engine
from netcheck.gui.dropped import Dropped
from netcheck.gui.fault import Fault
from netcheck.gui.pages.answer import Answer
from netcheck.gui.pages.articles import Articles
from netcheck.gui.pages.comparison import ComparisonPage
from netcheck.gui.pages.details import Details
from netcheck.gui.pages.history import Past
from netcheck.gui.pages.running import Running
from netcheck.gui.pages.start import Start
from netcheck.gui.remembered import Remembered
from netcheck.gui.ring import Follower
from netcheck.history import History
from netcheck.prepared import Wanted
from netcheck.report.model import Finding, Report
from netcheck.unfinished import found_nothing
from probes.errors import LinkError

_RECOLOURED = (
    QEvent.Type.ApplicationPaletteChange,
    QEvent.Type.PaletteChange,
    QEvent.Type.ThemeChange,
)

LOAD_AFTER_MS = 100
"""When the first picture is there, and before anybody has read it."""

SAID_MS = 5000
"""Long enough to be read, and no longer in the way."""


class Window(QMainWindow):
    """Owns the engine; ``settings`` is where it remembers things.  ``saved`` carries the name of
    a file that a report was written to; ``loaded`` comes when a check can start at once."""

    saved = Signal(str)
    loaded = Signal()

    def __init__(self, engine: Engine, settings: QSettings, history: History) -> None:
        super().__init__()
        self._recolour = QTimer(self, singleShot=True, interval=0)
        self._recolour.timeout.connect(self._dress)
        self._engine = engine
        self._remembered = Remembered(settings)
        self._wanted: Wanted | None = None
        self._before: Report | None = None
        self._loading = False
        self._leaving = False
        # The id of the report that was made just now, and what was asked for: a check after it may
        # be refused, and leave that report as it is.
        self._own: tuple[str, Wanted | None] = ("", None)
        self.fault = Fault(self)
        self._ring = Follower(self)
        self._titles = {each.id: each.title for each in profile.built_in()}
        self.start = Start(profile.built_in(), self._remembered.servers)
        self.running = Running()
        self.answer = Answer()
        self.details = Details()
        self.articles = Articles()
        self.past = Past(history, engine)
        self.comparison = ComparisonPage()
        self.pages = QStackedWidget()
        for page in (
            *(self.start, self.running, self.answer, self.details),
            *(self.past, self.comparison, self.articles),
        ):
            self.pages.addWidget(page)
        self.setCentralWidget(self.pages)
        self._make_bar()
        self._connect()
        Dropped(self, self.open_file, self.complain)
        self._dress()
        self._remembered.place(self)
        self.start.choose(self._remembered.profiles)
        if self._remembered.alone:
            self.start.point_at("")

    # what leads where

    def _connect(self) -> None:
        engine = self._engine
        engine.told.connect(self.running.tell)
        engine.finished.connect(self._finished)
        engine.refused.connect(self._refused)
        engine.broken.connect(self.show_broken)
        engine.unkept.connect(self.complain)
        self.start.wanted.connect(self.check)
        self.running.cancelled.connect(engine.cancel)
        self.answer.again.connect(self.check_again)
        self.answer.remedied.connect(self.check_again)
        self.answer.details.connect(lambda: self.go(self.details))
        self.answer.observed.connect(self._show_observations)
        self.answer.article.connect(self.show_article)
        self.articles.values = self.answer.values_of
        self.articles.left.connect(lambda: self.go(self.answer))
        self.answer.save.connect(self.save)
        self.answer.copy.connect(self.copy_text)
        self.answer.handle.work = engine.work
        self.answer.handle.failed.connect(self.complain)
        self.answer.handle.copied.connect(
            lambda: self._say(self.tr("The report is on the clipboard as a file: paste it."))
        )
        self.details.back.connect(lambda: self.go(self.answer))
        self.past.opened.connect(self.show_report)
        self.past.compared.connect(self.compare)
        self.past.failed.connect(self.complain)
        self.comparison.back.connect(lambda: self.go(self.past))
        for page in (self.answer, self.articles):
            page.copied.connect(lambda _: self._say(self.tr("Copied")))
        QGuiApplication.styleHints().colorSchemeChanged.connect(lambda _: self._recolour.start())

    def _make_bar(self) -> None:
        bar = QToolBar(self.tr("Pages"))
        bar.setMovable(False)
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.addToolBar(bar)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        group = QActionGroup(self)
        self._actions: dict[QWidget, QAction] = {}
        entries: tuple[tuple[QWidget, str, str], ...] = (
            (self.start, self.tr("Check"), "Ctrl+1"),
            (self.answer, self.tr("Answer"), "Ctrl+2"),
            (self.details, self.tr("Details"), "Ctrl+3"),
            (self.past, self.tr("Past checks"), "Ctrl+4"),
            (self.articles, self.tr("Articles"), "Ctrl+5"),
        )
        for page, title, shortcut in entries:
            action = QAction(title, self)
            action.setCheckable(True)
            action.setShortcut(QKeySequence(shortcut))
            action.triggered.connect(lambda _=False, to=page: self.go(to))
            group.addAction(action)
            bar.addAction(action)
            button = bar.widgetForAction(action)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self._actions[page] = action
        keys.install(self, bar)
        self._first: dict[QWidget, QWidget] = {
            self.start: self.start.go,
            self.running: self.running.cancel,
            self.answer: self.answer.features.list,
            self.details: self.details.tabs.tabBar(),
            self.past: self.past.view.view,
            self.comparison: self.comparison.tabs.tabBar(),
            self.articles: self.articles.search,
        }
        self._actions[self.answer].setEnabled(False)
        self._actions[self.details].setEnabled(False)
        self.go(self.start)

    def go(self, page: QWidget) -> None:
        """Show this page; instead of the start page the check that runs."""
        if page is self.start and self._engine.busy:
            page = self.running
        self.pages.setCurrentWidget(page)
        if page is self.past:
            self.past.refresh()
        known = {self.running: self.start, self.comparison: self.past}.get(page, page)
        if known in self._actions:
            self._actions[known].setChecked(True)
        titles = {self.running: self.tr("Checking"), self.comparison: self.tr("Comparison")}
        title = titles.get(page) or self._actions[known].text()
        self.setWindowTitle(f"{title} – netcheck")
        self._first[page].setFocus()

    def _say(self, words: str) -> None:
        self.statusBar().showMessage(words, SAID_MS)

    @property
    def engine(self) -> Engine:
        return self._engine

    # checking

    def check(self, wanted: Wanted, before: Report | None = None) -> None:
        """Run this check and show its answer, and what is other than ``before``."""
        if self._engine.busy:
            return
        self._wanted, self._before = wanted, before
        self._remembered.asked(self.start.server, [each.id for each in self.start.chosen])
        self.start.remember(self._remembered.servers)
        self.running.begin(wanted)
        self._engine.start(wanted, before if wanted.only else None)
        self.go(self.running)

    def check_again(self, finding: Finding | None = None) -> None:
        """The check of the report that is shown; of a finding only what its remedy concerns."""
        from netcheck import again  # loaded here, as what the first picture does not need

        report = self.answer.report
        if report is None:
            return
        if self._engine.busy:
            self.go(self.running)
            self._say(self.tr("One check at a time: wait for the end of this one, or press Esc."))
            return
        only = again.concerned(finding, report) if finding is not None else frozenset()
        own, wanted = self._own
        if wanted is not None and own == report.id:
            self.check(msgspec.structs.replace(wanted, only=only), report)
            return
        # Whoever wrote the file names a server in it: the user is asked before it is called.
        self.start.choose([feature.profile for feature in report.features])
        self.go(self.start)
        try:
            found = again.link_of(report)
        except LinkError:
            self.start.ask_for_server()
            self._say(self.tr("The report does not say which echo server it was made with."))
            return
        self.start.point_at("" if found is None else str(found))
        self._say(self.tr("This report was not made just now. Is this the right server?"))

    def _finished(self, report: Report) -> None:
        from netcheck.gui import changes, trouble

        if found_nothing(report):  # what was shown before says more
            self.go(self.start if self._before is None else self.answer)
            self._say(self.tr("The check was stopped before it found anything."))
            return
        self._own = (report.id, self._wanted)
        change = changes.in_words(self._before, report) if self._before is not None else ""
        link = self._wanted.link if self._wanted is not None else None
        at = self.answer.features.current()
        self.show_report(report, change, trouble.sentence(report, link))
        if self._before is not None and at is not None:
            self.answer.choose(at.profile, at.feature)

    def _refused(self, sentence: str) -> None:
        self.go(self.start)
        self.complain(sentence)

    def show_broken(self, sentence: str, details: str) -> None:
        """A fault of our own: the window stays, and offers what to report."""
        if self.pages.currentWidget() is self.running and not self._engine.busy:
            self.go(self.start)
        self.fault.show_fault(sentence, details)

    # reports

    def show_report(self, report: Report, change: str = "", trouble_: str = "") -> None:
        """Show this one, wherever it comes from."""
        self.answer.show_report(report, self._titles, change, trouble_)
        self.details.show_report(report)
        for page in (self.answer, self.details):
            self._actions[page].setEnabled(True)
        self.go(self.answer)

    def ask_for_file(self) -> None:
        """Open a report that the user names."""
        chosen, _ = QFileDialog.getOpenFileName(
            self, self.tr("Open report"), "", self.tr("Reports (*.json)")
        )
        if chosen:
            self.open_file(Path(chosen))

    def open_file(self, file: Path) -> None:
        """Show the report in a file, or say why not."""
        from netcheck.report.read import read

        def work() -> Report:
            report = read(file)
            article.load()
            return report

        self._engine.work(work, self.show_report, self.complain)

    def compare(self, old: Report, new: Report) -> None:
        """Show what changed from one to the other."""
        self.comparison.show_reports(old, new)
        self.go(self.comparison)

    def copy_text(self) -> None:
        """The report as text, to the clipboard."""
        report = self.answer.report
        if report is not None:
            text = export.rendered(report, "text", redact=False, details=False)
            QGuiApplication.clipboard().setText(text.decode())
            self._say(self.tr("The report is on the clipboard as text."))

    def save(self) -> None:
        """Ask how and where to, and write the report there."""
        report = self.answer.report
        if report is None:
            return
        dialog = export.SaveDialog(report, self)
        dialog.accepted.connect(lambda: self._save_as(dialog))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _save_as(self, dialog: export.SaveDialog) -> None:
        file = dialog.ask_where(self)
        if file is not None:
            self.save_to(file, redact=dialog.redact.isChecked())

    def save_to(self, file: Path, *, redact: bool = False) -> None:
        """In the format that the name ends in; JSON unless it is another."""
        report = self.answer.report
        assert report is not None
        self._engine.work(
            lambda: export.write(report, file, redact=redact),
            lambda _: self._saved(file),
            self._unsaved,
            saves=True,
        )

    def _saved(self, file: Path) -> None:
        self._say(self.tr("Saved as %1").replace("%1", str(file)))
        self.saved.emit(str(file))

    def _unsaved(self, sentence: str) -> None:
        self._leaving = False
        self.show()
        self.complain(sentence)

    def complain(self, sentence: str) -> None:
        """Say what is wrong and what to do."""
        message.warn(self, sentence)

    def show_article(self, name: str) -> None:
        self.articles.open(name)
        self.go(self.articles)

    def _show_observations(self, ids: tuple[str, ...]) -> None:
        self.go(self.details)
        self.details.show_observations(ids)

    # Qt's own

    def event(self, event: QEvent) -> bool:
        """In the colours of the system, whenever they change; not while they do."""
        if event.type() in _RECOLOURED:
            self._recolour.start()
        return super().event(event)

    def _dress(self) -> None:
        if (style := theme.style()) != self.styleSheet():
            self.setStyleSheet(style)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not self._loading:
            self._loading = True
            QTimer.singleShot(LOAD_AFTER_MS, self, lambda: self._engine.load(self.loaded.emit))

    def closeEvent(self, event: QCloseEvent) -> None:
        self._remembered.left(self)
        self._leaving = True
        if self._engine.saving:  # a large report takes seconds, in which nothing moves here
            self.hide()
            self._engine.settle()
        if not self._leaving:  # what was to be saved is not: the window stays, and says so
            event.ignore()
            return
        self._engine.close()
        self.answer.handle.tidy()
        super().closeEvent(event)

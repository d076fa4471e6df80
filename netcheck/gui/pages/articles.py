"""The knowledge base by itself: browse, search, read; all of it is on this computer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from netcheck import kb
from netcheck.gui import keys
from netcheck.gui.article import ArticleView, searched
from netcheck.gui.words import quiet

_ID = int(Qt.ItemDataRole.UserRole)
_ELSEWHERE = ""  # another page


class Articles(QWidget):
    """``copied`` carries a command that is on the clipboard now; ``left`` when the reader goes
    back from the first article to where the link to it was."""

    copied = Signal(str)
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._trail: list[str] = []  # what was read before each link that was followed
        self._shown = ""
        self.values: Callable[[str], Mapping[str, object] | None] = lambda _: None
        """What fills in an article, by its id, for who came to it from a report."""
        self.search = QLineEdit()
        self.search.setPlaceholderText(self.tr("Search the articles"))
        self.search.setAccessibleName(self.tr("Search the articles"))
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._look_for)
        self.list = QListWidget()
        self.list.setAccessibleName(self.tr("Articles"))
        self.list.setWordWrap(True)
        self.list.setSpacing(2)
        self.list.setAlternatingRowColors(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideNone)
        self.list.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.list.currentItemChanged.connect(self._moved)
        self.none = quiet(self.tr("No article has all of these words."))
        self.none.hide()
        self.view = ArticleView(self)
        self.view.opened.connect(self._follow)
        self.back = QPushButton(self.tr("&Back"))
        self.back.clicked.connect(self.go_back)
        self.back.hide()
        for key in (Qt.Key.Key_Escape, keys.Key.Back):
            keys.within(self, key, self.go_back)
        self.view.copied.connect(self.copied)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.search, self.none, self.list):
            column.addWidget(widget)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(left)
        right = QWidget()
        beside = QVBoxLayout(right)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addWidget(self.back, 0, Qt.AlignmentFlag.AlignLeading)
        beside.addWidget(self.view, 1)
        split.addWidget(right)
        split.setSizes([340, 680])
        split.setStretchFactor(0, 1)
        split.setStretchFactor(1, 2)
        split.setChildrenCollapsible(False)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(20, 16, 20, 16)
        whole.addWidget(split)

    def showEvent(self, event: QShowEvent) -> None:
        self._fill()
        super().showEvent(event)

    def _fill(self) -> None:
        """When they are first looked at: the window opens sooner."""
        if self.list.count():
            return
        for article in sorted(kb.articles(), key=lambda article: article.title.casefold()):
            item = QListWidgetItem(article.title)
            item.setData(_ID, article.id)
            self.list.addItem(item)
        self.list.setCurrentRow(0)

    def open(self, name: str) -> None:
        """Show the article with this id, to which a link on another page leads."""
        self._trail = [_ELSEWHERE]
        self._select(name)

    def go_back(self) -> None:
        """To what was read before a link was followed."""
        if not self._trail:
            return
        name = self._trail.pop()
        if name != _ELSEWHERE:
            self._select(name)
            return
        self._look()
        self.left.emit()

    def _follow(self, name: str) -> None:
        self._trail.append(self._shown)
        self._select(name)

    def _look(self) -> None:
        self.back.setVisible(bool(self._trail))

    def _select(self, name: str) -> None:
        self._fill()
        self.search.clear()
        for number in range(self.list.count()):
            if self.list.item(number).data(_ID) == name:
                self.list.setCurrentRow(number)
        self._look()
        self._show(name)

    def _moved(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self._show(item.data(_ID))

    def _show(self, name: str) -> None:
        """Of where a link came from, its values are filled in; who browses reads it in general."""
        article = kb.find(name)
        if article is not None:
            self._shown = name
            self.view.show_article(article, self.values(name) if self._trail else None)

    def _look_for(self, text: str) -> None:
        words = text.casefold().split()
        shown = 0
        for number in range(self.list.count()):
            item = self.list.item(number)
            there = all(word in searched(item.data(_ID)) for word in words)
            item.setHidden(not there)
            shown += there
        self.none.setVisible(not shown)
        now = self.list.currentItem()
        if shown and (now is None or now.isHidden()):  # else the arrows would lead nowhere
            every = map(self.list.item, range(self.list.count()))
            self.list.setCurrentItem(next(item for item in every if not item.isHidden()))

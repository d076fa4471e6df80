"""The knowledge base by itself: browse, search, read; all of it is on this computer."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from netcheck import kb
from netcheck.gui.article import ArticleView, as_document
from netcheck.gui.words import quiet

_ID = int(Qt.ItemDataRole.UserRole)


class Articles(QWidget):
    """``copied`` carries a command that is on the clipboard now."""

    copied = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._texts: dict[str, str] = {}
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
        self.list.currentItemChanged.connect(self._moved)
        self.none = quiet(self.tr("No article has all of these words."))
        self.none.hide()
        self.view = ArticleView(self)
        self.view.opened.connect(self.open)
        self.view.copied.connect(self.copied)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.search, self.none, self.list):
            column.addWidget(widget)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(left)
        split.addWidget(self.view)
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
        """Show the article with this id."""
        self._fill()
        self.search.clear()
        for number in range(self.list.count()):
            if self.list.item(number).data(_ID) == name:
                self.list.setCurrentRow(number)

    def _moved(self, item: QListWidgetItem | None) -> None:
        article = kb.find(item.data(_ID)) if item is not None else None
        if article is not None:
            self.view.show_article(article)

    def _look_for(self, text: str) -> None:
        words = text.casefold().split()
        shown = 0
        for number in range(self.list.count()):
            item = self.list.item(number)
            there = all(word in self._text(item.data(_ID)) for word in words)
            item.setHidden(not there)
            shown += there
        self.none.setVisible(not shown)

    def _text(self, name: str) -> str:
        if name not in self._texts:
            article = kb.find(name)
            assert article is not None
            words = " ".join((article.title, *article.keywords))
            self._texts[name] = f"{words} {as_document(article).toPlainText()}".casefold()
        return self._texts[name]

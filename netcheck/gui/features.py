"""The features of a report as a list: icon, name, verdict and one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import (
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSignalBlocker,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QAction,
    QColor,
    QFont,
    QFontMetrics,
    QGuiApplication,
    QKeySequence,
    QPainter,
    QPalette,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from netcheck.gui import theme
from netcheck.gui.models.table import by_itself, one_line
from netcheck.gui.words import WAITING, said
from netcheck.report.model import Feature

_FEATURE = int(Qt.ItemDataRole.UserRole)
_APPLICATION = _FEATURE + 1
_VERDICT = _FEATURE + 2
_SUMMARY = _FEATURE + 3
_TITLE_MAX = 80  # characters
_GAP = 10
_ICON = 24
_WRAP = Qt.TextFlag.TextWordWrap


class Features(QWidget):
    """``chosen`` carries the Feature that the user is at."""

    chosen = Signal(Feature)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list = QListWidget()
        self.list.setItemDelegate(_Lines(self.list))
        self.list.setAccessibleName(self.tr("Features and their verdicts"))
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.list.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.list.setWordWrap(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.currentItemChanged.connect(self._moved)
        copy = QAction(self.tr("Copy"), self)
        copy.setShortcut(QKeySequence.StandardKey.Copy)
        copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        copy.triggered.connect(self.copy)
        self.list.addAction(copy)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.list)

    def show_all(
        self,
        features: Sequence[Feature],
        applications: Mapping[str, str],
        *,
        waiting: bool = False,
    ) -> None:
        """Show these, in their order.  ``applications`` are titles by profile id, shown where
        there is more than one.  ``waiting``: their verdicts are not known yet."""
        with QSignalBlocker(self.list):  # on the way out each would be chosen for a moment
            self.list.clear()
        several = len({feature.profile for feature in features}) > 1
        for feature in features:
            item = QListWidgetItem()
            item.setData(
                _APPLICATION,
                applications.get(feature.profile, feature.profile) if several else "",
            )
            self.list.addItem(item)
            _fill(item, feature, WAITING if waiting else feature.verdict)

    def update_one(self, feature: Feature) -> None:
        """A feature that is shown already has become known."""
        for item in self._items():
            shown: Feature = item.data(_FEATURE)
            if (shown.profile, shown.feature) == (feature.profile, feature.feature):
                if shown != feature or item.data(_VERDICT) == WAITING:
                    _fill(item, feature, feature.verdict)
                return

    def choose(self, profile: str, feature: str) -> None:
        for item in self._items():
            shown: Feature = item.data(_FEATURE)
            if (shown.profile, shown.feature) == (profile, feature):
                self.list.setCurrentItem(item)

    def current(self) -> Feature | None:
        """The one that the user is at."""
        item = self.list.currentItem()
        if item is None:
            return None
        feature: Feature = item.data(_FEATURE)
        return feature

    def copy(self) -> None:
        """The feature that the user is at, with its verdict and its sentence."""
        if (item := self.list.currentItem()) is not None:
            QGuiApplication.clipboard().setText(item.data(Qt.ItemDataRole.AccessibleTextRole))

    def features(self) -> list[Feature]:
        return [item.data(_FEATURE) for item in self._items()]

    def _items(self) -> list[QListWidgetItem]:
        return [self.list.item(n) for n in range(self.list.count())]

    def _moved(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.chosen.emit(item.data(_FEATURE))


def _fill(item: QListWidgetItem, feature: Feature, verdict: str) -> None:
    item.setData(_FEATURE, feature)
    item.setData(_VERDICT, verdict)
    title, summary = one_line(feature.title, _TITLE_MAX), one_line(feature.summary)
    application = item.data(_APPLICATION)
    of = f"  ({one_line(application, _TITLE_MAX)})" if application else ""
    item.setText(f"{title}{of}: {said(verdict)}")
    item.setData(_SUMMARY, summary)
    item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{item.text()}. {summary}")


class _Lines(QStyledItemDelegate):
    """Icon, then title and verdict in one line, then the sentence, wrapped."""

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        empty = QStyleOptionViewItem(option)
        self.initStyleOption(empty, index)
        empty.text = ""
        widget = option.widget
        style = widget.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, empty, painter, widget)
        painter.save()
        box = option.rect.adjusted(_GAP, _GAP // 2, -_GAP, -_GAP // 2)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        right_to_left = option.direction == Qt.LayoutDirection.RightToLeft
        at = QRect(box.right() - _ICON if right_to_left else box.left(), box.top(), _ICON, _ICON)
        if index.data(_VERDICT) == WAITING:
            quiet = QColor(theme.palette().quiet)
            _dots(painter, at, option.palette.highlightedText().color() if chosen else quiet)
        else:
            theme.icon(index.data(_VERDICT), _ICON, chosen=chosen).paint(painter, at)
        text = box.adjusted(0 if right_to_left else _ICON + _GAP, 0,
                            -(_ICON + _GAP) if right_to_left else 0, 0)  # fmt: skip
        palette: QPalette = option.palette
        role = QPalette.ColorRole.HighlightedText if chosen else QPalette.ColorRole.Text
        painter.setPen(palette.color(role))
        bold = _bold(option)
        painter.setFont(bold)
        flags = Qt.AlignmentFlag.AlignRight if right_to_left else Qt.AlignmentFlag.AlignLeft
        height = _height(bold, text.width(), index.data(Qt.ItemDataRole.DisplayRole))
        first = QRect(text.left(), text.top(), text.width(), max(height, _ICON))
        words = int(flags | Qt.AlignmentFlag.AlignVCenter | _WRAP)
        title, summary = index.data(Qt.ItemDataRole.DisplayRole), index.data(_SUMMARY)
        if right_to_left:
            title, summary = by_itself(title), by_itself(summary)
        painter.drawText(first, words, title)
        painter.setFont(option.font)
        if not chosen:
            painter.setPen(QColor(theme.palette().quiet))
        second = QRect(text.left(), first.bottom() + 2, text.width(), text.bottom())
        painter.drawText(second, int(flags | _WRAP), summary)
        painter.restore()

    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        widget: QListWidget = option.widget
        width = max(120, widget.viewport().width() - _ICON - 4 * _GAP)
        title = _height(_bold(option), width, index.data(Qt.ItemDataRole.DisplayRole))
        summary = _height(option.font, width, index.data(_SUMMARY))
        return QSize(width, max(title, _ICON) + summary + 2 + _GAP)


def _dots(painter: QPainter, at: QRect, colour: QColor) -> None:
    """What waits looks other than what could not be decided."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    for number in (-1, 0, 1):
        painter.drawEllipse(at.center() + QPoint(number * _ICON // 3, 1), 2, 2)
    painter.restore()


def _height(font: QFont, width: int, words: str) -> int:
    """Of words that are wrapped."""
    if not words:
        return 0
    return QFontMetrics(font).boundingRect(QRect(0, 0, width, 10_000), int(_WRAP), words).height()


def _bold(option: QStyleOptionViewItem) -> QFont:
    font = QFont(option.font)
    font.setBold(True)
    return font

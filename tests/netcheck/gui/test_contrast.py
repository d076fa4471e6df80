"""Read off the painted window, in both themes: words at 4.5:1 and the keyboard's mark at 3:1
(WCAG 2.2, success criteria 1.4.3 and 1.4.11, level AA)."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager, nullcontext

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QCheckBox,
    QLabel,
    QRadioButton,
    QTabBar,
    QTextBrowser,
    QWidget,
)
from pytestqt.qtbot import QtBot

from netcheck import profile
from netcheck.gui import theme
from netcheck.gui.ring import Ring
from netcheck.gui.window import Window
from netcheck.history import History
from netcheck.prepared import Wanted
from tests.netcheck.gui.test_access import reachable
from tests.netcheck.gui.test_accessible_tree import dialogs
from tests.netcheck.gui.test_theme import at_night
from tests.netcheck.report import samples

PAGES = ("start", "running", "answer", "details", "past", "comparison", "articles")
TEXT, MARK = 4.5, 3.0
MARKED = 20
"""Pixels: what is smaller is no mark."""

SIGN = 24
"""Pixels that the sign of a radio button or of a tick box takes before its words."""


@pytest.fixture
def full(qtbot: QtBot, window: Window, history: History) -> Window:
    report = samples.everything()
    history.add(report)
    window.running.begin(Wanted(profiles=profile.built_in()))
    window.compare(samples.all_good(), report)
    window.show_report(report, "Since 10:00: nothing changed.", "There was trouble.")
    window.start.point_at("a b")  # what is wrong with it is said, and the large button waits
    with qtbot.waitSignal(window.past.refreshed):
        window.go(window.past)
    qtbot.waitUntil(window.isActiveWindow)
    return window


THEMES = pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])


def themed(
    qtbot: QtBot, qapp: QApplication, window: Window, dark: bool
) -> AbstractContextManager[None]:
    return at_night(qtbot, qapp, window) if dark else nullcontext()


def picture(top: QWidget) -> QImage:
    QApplication.processEvents()
    return top.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)


def place(widget: QWidget, top: QWidget) -> QRect:
    at = QRect(widget.mapTo(top, QPoint(0, 0)), widget.size())
    return at.intersected(top.rect())


def strongest(image: QImage, part: QRect) -> float:
    """The contrast of the clearest ink to its ground, which most of the part is."""
    colours = Counter(
        image.pixelColor(x, y).name()
        for x in range(part.left(), part.right() + 1)
        for y in range(part.top(), part.bottom() + 1)
    )
    ground = colours.most_common(1)[0][0]
    return max(theme.contrast(colour, ground) for colour in colours)


def faint(top: QWidget) -> list[tuple[str, float]]:
    """The words that cannot be read; of what is switched off only ours, as the system greys its
    own controls (the criterion leaves these out)."""
    image = picture(top)
    found = []
    for kind in (QLabel, QAbstractButton, QTabBar):
        for each in top.findChildren(kind):
            words = each.text() if isinstance(each, (QLabel, QAbstractButton)) else "tabs"
            greyed = not each.isEnabled() and each.objectName() != "go"
            if not words or greyed or not each.isVisible() or each.visibleRegion().isEmpty():
                continue
            part = place(each, top).adjusted(3, 3, -3, -3)
            if isinstance(each, (QRadioButton, QCheckBox)):
                part.setLeft(part.left() + SIGN)
            if part.isEmpty():
                continue
            if (said := strongest(image, part)) < TEXT:
                found.append((words, said))
    return found


def differing(before: QImage, after: QImage, part: QRect) -> int:
    """Pixels that changed by 3:1."""
    return sum(
        theme.contrast(QColor(one).name(), QColor(other).name()) >= MARK
        for x in range(part.left(), part.right() + 1)
        for y in range(part.top(), part.bottom() + 1)
        if (one := before.pixel(x, y)) != (other := after.pixel(x, y))
    )


def unmarked(top: QWidget) -> list[str]:
    """Where Tab goes and nobody sees that it did."""
    (top.focusWidget() or top).clearFocus()
    found, seen = [], set[QWidget]()
    before = picture(top)
    for _ in range(80):
        QTest.keyClick(top.focusWidget() or top, Qt.Key.Key_Tab)
        after = picture(top)
        now = top.focusWidget()
        if now is None or (now in seen and not isinstance(now, QTextBrowser)):
            break
        if now not in seen:
            around = place(now, top).adjusted(-4, -4, 4, 4).intersected(top.rect())
            around.setHeight(min(around.height(), 60))
            if differing(before, after, around) < MARKED:
                found.append(f"{type(now).__name__} {now.accessibleName()!r}")
        seen.add(now)
        before = after
    assert len(seen) > 0
    return found


@THEMES
@pytest.mark.parametrize("name", PAGES)
def test_on_every_page(
    qtbot: QtBot, qapp: QApplication, full: Window, name: str, dark: bool
) -> None:
    full.pages.setCurrentWidget(getattr(full, name))
    with themed(qtbot, qapp, full, dark):
        assert faint(full) == []
        assert unmarked(full) == []


@THEMES
def test_in_every_dialog(qtbot: QtBot, qapp: QApplication, full: Window, dark: bool) -> None:
    with themed(qtbot, qapp, full, dark):
        for dialog in dialogs(full):
            dialog.activateWindow()
            qtbot.waitUntil(dialog.isActiveWindow)
            assert faint(dialog) == []
            if len(reachable(dialog)) > 1:  # else Tab goes nowhere
                assert unmarked(dialog) == []
            dialog.close()


def test_what_is_faint_would_be_found(qtbot: QtBot) -> None:
    label = QLabel("Can this be read?")
    label.setStyleSheet("color: #999999; background: #ffffff")
    host = QWidget()
    qtbot.addWidget(host)
    label.setParent(host)
    host.show()
    label.adjustSize()
    assert [words for words, _ in faint(host)] == ["Can this be read?"]


def test_there_is_one_ring(full: Window) -> None:
    """Also when a page is shown again; and none where a list has a frame of its own."""
    full.pages.setCurrentWidget(full.answer)
    for _ in range(12):
        QTest.keyClick(full.focusWidget() or full, Qt.Key.Key_Tab)
    full.pages.setCurrentWidget(full.start)
    QTest.keyClick(full.start.go, Qt.Key.Key_Tab)
    full.pages.setCurrentWidget(full.answer)
    QApplication.processEvents()
    full.answer.whole.setFocus()
    QTest.keyClick(full.answer.whole, Qt.Key.Key_Tab)
    (ring,) = (each for each in full.findChildren(Ring) if each.isVisible())
    assert ring.widget() is full.answer.more
    full.answer.features.list.setFocus()
    assert not any(each.isVisible() for each in full.findChildren(Ring))


def test_the_system_alone_would_not_mark_a_button(full: Window) -> None:
    """The ring is what does: without it the test above finds them."""
    full._ring.stop()
    full.pages.setCurrentWidget(full.answer)
    assert any("QPushButton" in each for each in unmarked(full))

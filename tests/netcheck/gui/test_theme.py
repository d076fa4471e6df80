"""Colours that can be read, and shapes that tell verdicts apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import combinations

import pytest
from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from netcheck import kb
from netcheck.drawing.drawing import DARK, LIGHT, Palette
from netcheck.drawing.svg import SHAPES
from netcheck.gui import theme
from netcheck.gui.article import ArticleView
from netcheck.gui.window import Window
from tests.netcheck.report import samples


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["text", "quiet", "good", "part", "bad", "open", "accent"])
@pytest.mark.parametrize("ground", ["base", "window"])
def test_text_can_be_read(colours: Palette, name: str, ground: str) -> None:
    """WCAG 2.2 success criterion 1.4.3, level AA."""
    assert theme.contrast(getattr(colours, name), getattr(colours, ground)) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_the_large_button_can_be_read(colours: Palette) -> None:
    assert theme.contrast(colours.on_accent, colours.accent) >= 4.5


def test_contrast_is_that_of_wcag() -> None:
    assert theme.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert theme.contrast("#ffffff", "#000000") == pytest.approx(21)
    assert theme.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_kinds_differ_in_more_than_colour() -> None:
    drawn = {kind: shape.format(c="#000000", b="#ffffff") for kind, shape in SHAPES.items()}
    assert all(one != other for one, other in combinations(drawn.values(), 2))


@pytest.mark.parametrize("verdict", ["works", "limited", "fails", "unknown"])
def test_an_icon_is_drawn(qapp: object, verdict: str) -> None:
    image = theme.icon(verdict, 24).pixmap(QSize(24, 24)).toImage()
    colours = {image.pixelColor(x, y).name() for x in range(0, 24, 2) for y in range(0, 24, 2)}
    assert len(colours) > 1


GROUNDS = (
    QPalette.ColorRole.Window,
    QPalette.ColorRole.Base,
    QPalette.ColorRole.AlternateBase,
)
Role = QPalette.ColorRole
NIGHT = QPalette()
for _role, _colour in {
    Role.Window: "#323232", Role.WindowText: "#f0f0f0", Role.Base: "#242424",
    Role.AlternateBase: "#2b2b2b", Role.Text: "#f0f0f0", Role.Button: "#323232",
    Role.ButtonText: "#f0f0f0",
}.items():  # fmt: skip
    NIGHT.setColor(_role, QColor(_colour))


@contextmanager
def at_night(qtbot: QtBot, qapp: QApplication, window: Window) -> Iterator[None]:
    """As if the user had changed the system's theme."""
    before = qapp.palette()
    qapp.setPalette(NIGHT)
    qtbot.waitUntil(lambda: DARK.accent in window.styleSheet())
    yield
    qapp.setPalette(before)
    qtbot.waitUntil(lambda: LIGHT.accent in window.styleSheet())


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_what_we_colour_can_be_read_on_what_the_system_colours(
    qtbot: QtBot, qapp: QApplication, window: Window, dark: bool
) -> None:
    """In both themes, and while the window is open."""
    with at_night(qtbot, qapp, window) if dark else nullcontext():
        assert theme.is_dark() is dark
        ours, system = theme.palette(), window.palette()
        for role in GROUNDS:
            ground = system.color(role).name()
            for name in ("quiet", "good", "part", "bad", "open", "accent"):
                assert theme.contrast(getattr(ours, name), ground) >= 4.5, (name, role)
            text = system.color(QPalette.ColorRole.WindowText).name()
            assert theme.contrast(text, ground) >= 4.5
        for view in (window.answer.features.list, window.past.view.view, window.articles.list):
            chosen = view.palette().color(QPalette.ColorRole.Highlight).name()
            words = view.palette().color(QPalette.ColorRole.HighlightedText).name()
            assert theme.contrast(chosen, words) >= 4.5
        field = window.articles.search.palette()
        hint = field.color(QPalette.ColorRole.PlaceholderText).name()
        assert theme.contrast(hint, field.color(QPalette.ColorRole.Base).name()) >= 4.5


HIGH = {
    "white on black": {
        Role.Window: "#000000", Role.WindowText: "#ffffff", Role.Base: "#000000",
        Role.Text: "#ffffff", Role.Highlight: "#00ffff", Role.HighlightedText: "#000000",
    },
    "black on white": {
        Role.Window: "#ffffff", Role.WindowText: "#000000", Role.Base: "#ffffff",
        Role.Text: "#000000", Role.Highlight: "#37006e", Role.HighlightedText: "#ffffff",
    },
    "black on yellow": {
        Role.Window: "#ffff00", Role.WindowText: "#000000", Role.Base: "#ffff00",
        Role.Text: "#000000", Role.Highlight: "#ffff80", Role.HighlightedText: "#ffff00",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", HIGH)
def test_high_contrast_is_the_systems_colours(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """WCAG 2.2 success criterion 1.4.6, level AAA, whatever colours the user chose."""
    system = QPalette()
    for role, colour in HIGH[name].items():
        system.setColor(role, QColor(colour))
    before = qapp.palette()
    qapp.setPalette(system)
    try:
        assert not theme.wants_contrast()
        monkeypatch.setattr(theme, "wants_contrast", lambda: True)
        ours = theme.palette()
        assert (ours.window, ours.base) == (HIGH[name][Role.Window], HIGH[name][Role.Base])
        for ground in (ours.window, ours.base):
            for each in ("text", "quiet", "line", "accent", "good", "part", "bad", "open"):
                assert theme.contrast(getattr(ours, each), ground) >= 7, (each, ground)
        assert theme.contrast(ours.on_accent, ours.accent) >= 7
        assert ours.line in theme.style()
    finally:
        qapp.setPalette(before)


def test_the_window_follows_the_theme_while_it_runs(
    qtbot: QtBot, qapp: QApplication, window: Window
) -> None:
    window.show_report(samples.everything())
    light, style = window.grab().toImage(), window.styleSheet()
    with at_night(qtbot, qapp, window):
        dark = window.grab().toImage()
        assert window.styleSheet() != style
    assert window.styleSheet() == style
    middle = window.rect().center()
    assert light.pixelColor(5, middle.y()).lightness() > 128
    assert dark.pixelColor(5, middle.y()).lightness() < 128
    part = window.answer.picture.parts[0]
    at = part.mapTo(window, part.rect().center())
    assert light.pixelColor(at) != dark.pixelColor(at)


def test_an_article_keeps_its_text_while_the_theme_changes(qtbot: QtBot) -> None:
    """Qt goes through all that is in a window, and its text must not be replaced meanwhile."""
    view = ArticleView()
    qtbot.addWidget(view)
    view.show_article(kb.articles()[0])
    document = view.browser.document()
    before = document.revision()
    QApplication.sendEvent(view, QEvent(QEvent.Type.PaletteChange))
    assert document.revision() == before
    qtbot.waitUntil(lambda: document.revision() > before)

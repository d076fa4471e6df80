"""Colours and icons, light and dark: never colour alone, every verdict has a shape and a word."""

from __future__ import annotations

from functools import cache
from typing import get_args

from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer

from netcheck.drawing.drawing import DARK, LIGHT, Palette
from netcheck.drawing.svg import SHAPES
from netcheck.report.verdicts import OPEN, SIGNS, Kind


def is_dark() -> bool:
    """As the system has it: by the colour of its windows, which every platform tells."""
    return QGuiApplication.palette().color(QPalette.ColorRole.Window).lightness() < 128


def wants_contrast() -> bool:
    """Whether the user asked the system for high contrast."""
    hints = QGuiApplication.styleHints()  # kept: the binding forgets what is in it with it
    return hints.accessibility().contrastPreference() == Qt.ContrastPreference.HighContrast


def palette() -> Palette:
    ours = DARK if is_dark() else LIGHT
    return _system(ours) if wants_contrast() else ours


HIGH_CONTRAST = 7.0
"""WCAG 2.2's level AAA (success criterion 1.4.6): what is below it is for nobody who asked."""


def _system(ours: Palette) -> Palette:
    """The system's own colours, as who chose them wants them; ours only for verdicts, and only
    where they can be read as well: shape and word tell these apart too."""
    system = QGuiApplication.palette()

    def of(role: QPalette.ColorRole) -> str:
        return system.color(role).name()

    def readable(colour_: str, otherwise: str, ground: str) -> str:
        return colour_ if contrast(colour_, ground) >= HIGH_CONTRAST else otherwise

    roles = QPalette.ColorRole
    window, base, text = of(roles.Window), of(roles.Base), of(roles.Text)
    accent = readable(readable(of(roles.Highlight), text, base), text, window)
    kinds = {
        name: readable(readable(str(getattr(ours, name)), text, base), text, window)
        for name in get_args(Kind)
    }
    return Palette(
        window=window, base=base, text=text, quiet=text, line=text, accent=accent,
        on_accent=readable(of(roles.HighlightedText), base, accent), **kinds,
    )  # fmt: skip


def kind(verdict: str) -> Kind:
    """Which of four kinds a verdict, a state or a severity is; what is still waited for is open."""
    return SIGNS.get(verdict, OPEN).kind


def colour(verdict: str) -> QColor:
    return QColor(str(getattr(palette(), kind(verdict))))


def icon(verdict: str, size: int = 20, *, chosen: bool = False) -> QIcon:
    """The shape of a verdict; in the colour of the words where its row is ``chosen``."""
    return _icon(kind(verdict), palette(), size, chosen)


@cache
def _icon(of: Kind, colours: Palette, size: int, chosen: bool) -> QIcon:
    colour, ground = getattr(colours, of), colours.base
    if chosen:
        colour, ground = colours.on_accent, colours.accent
    shape = SHAPES[of].format(c=colour, b=ground)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">{shape}</svg>'
    renderer = QSvgRenderer(QByteArray(svg.encode()))
    found = QIcon()
    for scale in (1, 2, 3):
        pixmap = QPixmap(QSize(size * scale, size * scale))
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        renderer.render(painter)
        painter.end()
        pixmap.setDevicePixelRatio(scale)
        found.addPixmap(pixmap)
    return found


def style() -> str:
    """What the system's own style does not have: cards, quiet words, the large button; what is
    chosen in colours that can be read; and a frame around what has the keyboard, also where
    nothing in it is chosen."""
    c = palette()
    return f"""
        QFrame#card {{ background: {c.base}; border: 2px solid {c.line}; border-radius: 8px; }}
        QFrame#card[chosen="true"] {{ border-color: {c.accent}; }}
        QFrame#card QLabel, QFrame#card QRadioButton {{ color: {c.text}; background: {c.base}; }}
        QFrame#card QLabel[quiet="true"] {{ color: {c.quiet}; }}
        QFrame#notice {{ background: {c.base}; border: 2px solid {c.part}; border-radius: 8px; }}
        QFrame#notice QLabel {{ color: {c.text}; }}
        QAbstractItemView, QTextEdit, QPlainTextEdit, QLineEdit {{
            selection-background-color: {c.accent}; selection-color: {c.on_accent}; }}
        QTableView, QListWidget, QTextBrowser, QPlainTextEdit {{ border: 2px solid {c.line}; }}
        QTableView:focus, QListWidget:focus, QTextBrowser:focus, QPlainTextEdit:focus {{
            border-color: {c.accent}; }}
        QPushButton:flat {{ border: 2px solid transparent; border-radius: 6px;
            padding: 4px 8px; }}
        QPushButton:flat:focus {{ border-color: {c.accent}; }}
        QLineEdit, QComboBox {{ placeholder-text-color: {c.quiet}; }}
        QLabel[quiet="true"] {{ color: {c.quiet}; }}
        QLabel#hint[wrong="true"] {{ color: {c.bad}; }}
        QPushButton#part {{ background: transparent; border: none; }}
        QPushButton#part:focus {{ border: 2px solid {c.accent}; border-radius: 6px; }}
        QPushButton#go {{ background: {c.accent}; color: {c.on_accent}; border-radius: 8px;
            padding: 12px 24px; font-weight: bold; border: 2px solid {c.accent}; }}
        QPushButton#go:focus {{ border: 2px solid {c.text}; }}
        QPushButton#go:disabled {{ background: {c.base}; border-color: {c.line};
            color: {c.quiet}; }}
    """


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two colours, 1 to 21."""
    first, second = sorted((_luminance(one), _luminance(other)))
    return (second + 0.05) / (first + 0.05)


def _luminance(colour_: str) -> float:
    parts = [int(colour_[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

"""Words for verdicts, labels that look alike on every page, and longer texts."""

from __future__ import annotations

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, Qt
from PySide6.QtWidgets import QLabel, QSizePolicy

SENT_OVER_THE_NETWORK = QT_TRANSLATE_NOOP(
    "Start",
    "netcheck talks to the echo server. It opens short connections to it as the programs would, "
    "sends small packets with random contents, a few seconds of artificial sound and picture, "
    "and messages as those programs write them, with the address of this computer in them; the "
    "server calls back in the same way. Besides, netcheck asks your name servers where the echo "
    "server is, and your router what it offers. If the server cannot be found, it asks for one "
    "web page there, which shows whether this network wants you to sign in. No file, no name and "
    "no password of yours is sent. The server sees your public address, as every server does. The "
    "report stays on this computer until you save or send it.",
)

WAITING = "waiting"
"""The verdict of a feature that is being tested."""

_SAID = {
    "works": QT_TRANSLATE_NOOP("Verdict", "works"),
    "limited": QT_TRANSLATE_NOOP("Verdict", "works in part"),
    "fails": QT_TRANSLATE_NOOP("Verdict", "does not work"),
    "unknown": QT_TRANSLATE_NOOP("Verdict", "not decided"),
    WAITING: QT_TRANSLATE_NOOP("Verdict", "waiting"),
    "open": QT_TRANSLATE_NOOP("Verdict", "open"),
    "refused": QT_TRANSLATE_NOOP("Verdict", "refused"),
    "blocked": QT_TRANSLATE_NOOP("Verdict", "blocked"),
    "intercepted": QT_TRANSLATE_NOOP("Verdict", "intercepted"),
    "altered": QT_TRANSLATE_NOOP("Verdict", "altered"),
    "busy": QT_TRANSLATE_NOOP("Verdict", "busy"),
    "unavailable": QT_TRANSLATE_NOOP("Verdict", "unavailable"),
    "untested": QT_TRANSLATE_NOOP("Verdict", "not tested"),
    "not-tested": QT_TRANSLATE_NOOP("Verdict", "not tested"),
    "not-needed": QT_TRANSLATE_NOOP("Verdict", "not needed"),
    "edited": QT_TRANSLATE_NOOP("Verdict", "edited"),
    "edited-unreachable": QT_TRANSLATE_NOOP("Verdict", "edited, but not reachable"),
    "untouched": QT_TRANSLATE_NOOP("Verdict", "untouched"),
    "mangled": QT_TRANSLATE_NOOP("Verdict", "damaged"),
    "better": QT_TRANSLATE_NOOP("Verdict", "better"),
    "worse": QT_TRANSLATE_NOOP("Verdict", "worse"),
    "changed": QT_TRANSLATE_NOOP("Verdict", "changed"),
    "finished": QT_TRANSLATE_NOOP("Verdict", "finished"),
    "cancelled": QT_TRANSLATE_NOOP("Verdict", "cancelled"),
    "unfinished": QT_TRANSLATE_NOOP("Verdict", "netcheck ended before it did"),
    "running": QT_TRANSLATE_NOOP("Verdict", "running now"),
}


translate = QCoreApplication.translate
"""What is not a method of a QObject asks by this name: it is one that Qt's lupdate looks for."""

NARROWEST = 80
"""Pixels: else one word without an end would widen the window."""


def copyable(label: QLabel) -> QLabel:
    """What people send on can be selected."""
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def said(verdict: str) -> str:
    """A verdict as a person would say it; any other word as it is."""
    return QCoreApplication.translate("Verdict", _SAID[verdict]) if verdict in _SAID else verdict


def heading(text: str, *, size: float = 1.6, bold: bool = True) -> QLabel:
    """A heading, which screen readers find as text of its own: ``size`` times as large as other
    text, and never markup."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    font = label.font()
    font.setBold(bold)
    font.setPointSizeF(font.pointSizeF() * size)
    label.setFont(font)
    label.setWordWrap(True)
    label.setMinimumWidth(NARROWEST)
    return label


def quiet(text: str) -> QLabel:
    """What explains, beside what matters.  Any text is shown as it is, never as markup."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setMinimumWidth(NARROWEST)
    label.setProperty("quiet", True)
    label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    return label

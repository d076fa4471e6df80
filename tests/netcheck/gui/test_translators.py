"""Every word of the window reaches translators: none is shown that was not asked for, and Qt's
lupdate finds all that is asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from PySide6.QtCore import QSettings, QTranslator
from PySide6.QtWidgets import QApplication, QDialog
from pytestqt.qtbot import QtBot

import netcheck.gui
from netcheck.gui import changes, keys, trouble, words
from netcheck.gui.export import SaveDialog
from netcheck.history import History
from netcheck.report.model import EditorVerdict, PortState, Verdict
from probes.wire.link import Link
from tests.netcheck.gui.test_fit import PAGES, filled, page
from tests.netcheck.report import samples

SOURCES = sorted(Path(netcheck.gui.__file__).parent.rglob("*.py"))
SHOWN_BY = frozenset(
    {
        "Card", "Column", "QAction", "QCheckBox", "QGroupBox", "QLabel", "QListWidgetItem",
        "QMenu", "QMessageBox", "QPushButton", "QRadioButton", "QToolBar", "View", "_say",
        "addAction", "addButton", "addItem", "addItems", "addMenu", "addRow", "addTab", "ask",
        "complain", "getOpenFileName", "getSaveFileName", "heading", "insertTab", "quiet",
        "setAccessibleDescription", "setAccessibleName", "setDetailedText", "setHeaderLabels",
        "setHtml", "setInformativeText", "setLabelText", "setPlaceholderText", "setPlainText",
        "setStatusTip", "setTabText", "setText", "setTitle", "setToolTip", "setWhatsThis",
        "setWindowTitle", "showMessage", "show_broken", "show_fault", "show_text", "warn",
    }
)  # fmt: skip
"""What puts its words before the user: Qt's and our own."""

OURS = frozenset({"netcheck", " – netcheck"})
"""The program's name is the same in every language."""


def literals(argument: ast.expr) -> Iterator[str]:
    """The words in it that no call has translated."""
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        if any(letter.isalpha() for letter in argument.value):
            yield argument.value
    elif isinstance(argument, (ast.JoinedStr, ast.BinOp, ast.BoolOp, ast.IfExp, ast.Tuple)):
        for part in ast.iter_child_nodes(argument):
            if isinstance(part, ast.expr):
                yield from literals(part)


def untranslated(source: str) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in SHOWN_BY:
                given = [*node.args, *(each.value for each in node.keywords)]
                found += [
                    (node.lineno, said)
                    for each in given
                    for said in literals(each)
                    if said not in OURS
                ]
    return found


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.stem)
def test_no_word_is_shown_as_it_stands_in_the_source(file: Path) -> None:
    assert untranslated(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("label.setText('Save')", ["Save"]),
        ("QLabel(f'Save {name}')", ["Save "]),
        ("self.box.addButton('Yes' if ready else '…', role)", ["Yes"]),
        ("label.setText(self.tr('Save'))", []),
        ("label.setText(translate('Keys', 'Save') + ' …')", []),
    ],
)
def test_a_word_that_nobody_translates_would_be_found(source: str, words: list[str]) -> None:
    assert [each for _, each in untranslated(source)] == words


LISTED = frozenset(
    {"SENT_OVER_THE_NETWORK", "_SAID[verdict]", "_DISTRUSTED[detail]", "each.title", "each.use"}
)
"""What stands in QT_TRANSLATE_NOOP a few lines away."""


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.stem)
def test_what_is_translated_stands_where_it_is_asked_for(file: Path) -> None:
    """Else lupdate, which reads the source, finds nothing: a function of our own around it would
    keep its words from translators."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in ("tr", "translate"):
                words = node.args[-1]
                literal = isinstance(words, ast.Constant)
                assert literal or ast.unparse(words) in LISTED, ast.unparse(node)


class Listener(QTranslator):
    """Notes what is asked for, and where; Qt's own words are Qt's to translate."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[tuple[str, str]] = set()

    def isEmpty(self) -> bool:
        return False

    def translate(
        self,
        context: str,
        sourceText: str,
        disambiguation: str | None = None,
        n: int = -1,
    ) -> str:
        if not context.startswith("Q"):
            self.asked.add((context, sourceText))
        return sourceText


@pytest.fixture
def listener(qapp: QApplication) -> Iterator[Listener]:
    translator = Listener()
    qapp.installTranslator(translator)
    yield translator
    qapp.removeTranslator(translator)


def test_every_state_and_verdict_has_words_of_the_window() -> None:
    for literal in (Verdict, PortState, EditorVerdict):
        assert set(get_args(literal)) <= set(words._SAID)


def test_translators_are_given_every_word(
    qtbot: QtBot, listener: Listener, settings: QSettings, history: History, tmp_path: Path
) -> None:
    window = filled(qtbot, settings, history)
    for name in PAGES:
        shown = page(qtbot, window, name)
        tabs = getattr(shown, "tabs", None)
        if tabs is not None:
            for number in range(tabs.count()):
                tabs.setCurrentIndex(number)
    SaveDialog(samples.everything(), window)
    keys.show(window)
    window.past._ask_to_delete()
    window.complain("")
    changes.in_words(samples.behind_nat(), samples.everything())
    trouble.sentence(samples.no_server(), Link("echo.example.org"))
    for dialog in window.findChildren(QDialog):
        dialog.close()
    window.close()
    found = tmp_path / "found.ts"
    tool = Path(sys.executable).parent / "pyside6-lupdate"
    drawn = sorted((SOURCES[0].parents[1] / "drawing").glob("*.py"))
    subprocess.run([tool, *SOURCES, *drawn, "-ts", found], check=True, capture_output=True)
    listed = {
        (context.findtext("name"), message.findtext("source"))
        for context in ET.parse(found).getroot().findall("context")
        for message in context.findall("message")
    }
    assert {"Keys", "Tables", "Comparison", "Past", "Changes", "Drawing", "Verdict"} <= {
        context for context, _ in listener.asked
    }
    assert listener.asked - listed == set()

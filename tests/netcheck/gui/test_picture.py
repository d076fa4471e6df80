"""Drawings in the window: in its language and its direction, by key and by mouse."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QFontInfo, QFontMetricsF
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

import netcheck.drawing
from netcheck.drawing import dynamic, measure, media, path, timeline
from netcheck.drawing.drawing import LIGHT
from netcheck.drawing.look import Look
from netcheck.gui.picture import Drawn, Picture
from netcheck.report.model import Finding, Nat, PathHop, Report
from netcheck.report.verdicts import SAMPLES
from tests.netcheck.drawing import test_drawings
from tests.netcheck.drawing.boxes import faults
from tests.netcheck.gui.pseudo import Pseudo, pseudo
from tests.netcheck.report import samples


@pytest.fixture
def translated(qapp: QApplication) -> Iterator[Pseudo]:
    translator = Pseudo()
    qapp.installTranslator(translator)
    yield translator
    qapp.removeTranslator(translator)


def broken() -> Report:
    """At this computer, at the router and at the carrier."""
    at = {"local-port-in-use": "", "inbound-tcp-blocked": "router", "carrier-grade-nat": ""}
    findings = [
        Finding(
            id=cause, cause=cause, severity="error", article=cause,  # type: ignore[arg-type]
            title=f"It is {cause}", evidence=[], parameters={"device": device} if device else {},
        )
        for cause, device in at.items()
    ]  # fmt: skip
    return msgspec.structs.replace(
        samples.all_good(),
        nat=Nat(present=True, carrier_grade=True, layers=2),
        path=[PathHop(ttl=2, address="100.64.0.1", place="carrier")],
        findings=findings,
    )


def shown(qtbot: QtBot, report: Report) -> Picture:
    picture = Picture()
    qtbot.addWidget(picture)
    picture.resize(900, 300)
    picture.show_report(report)
    picture.show()
    qtbot.waitExposed(picture)
    return picture


def marked(picture: Picture) -> dict[str, QPushButton]:
    return {
        part.accessibleName(): part
        for part in picture.parts
        if part.accessibleName().startswith("Broken: ")
    }


def across(picture: Picture) -> dict[str, int]:
    return {part.accessibleName(): part.geometry().center().x() for part in picture.parts}


def test_the_picture_speaks_the_language_of_the_window(qtbot: QtBot, translated: Pseudo) -> None:
    picture = shown(qtbot, samples.everything())
    names = [part.accessibleName() for part in picture.parts]
    assert pseudo("This computer") in names
    assert pseudo("Echo server") in names
    assert "This computer" in translated.asked
    assert any(pseudo("Broken: {what}").partition("{")[0] in name for name in names)


def test_it_changes_its_language_while_it_is_shown(qtbot: QtBot, qapp: QApplication) -> None:
    picture = shown(qtbot, samples.everything())
    translator = Pseudo()
    qapp.installTranslator(translator)
    qtbot.waitUntil(lambda: pseudo("Router") in across(picture))
    qapp.removeTranslator(translator)
    qtbot.waitUntil(lambda: "Router" in across(picture))


def test_from_right_to_left_this_computer_is_at_the_right(qtbot: QtBot) -> None:
    picture = shown(qtbot, broken())
    there = across(picture)
    assert there["This computer"] < there["Router"] < there["Carrier"] < there["Echo server"]
    order = [part.accessibleName() for part in picture.parts]
    picture.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    back = across(picture)
    assert [part.accessibleName() for part in picture.parts] == order
    for name, x in there.items():
        assert back[name] == pytest.approx(picture.width() - x, abs=2)


@pytest.mark.parametrize("direction", Qt.LayoutDirection)
def test_arrows_go_where_they_point(qtbot: QtBot, direction: Qt.LayoutDirection) -> None:
    if direction == Qt.LayoutDirection.LayoutDirectionAuto:
        direction = Qt.LayoutDirection.LeftToRight
    picture = shown(qtbot, broken())
    picture.setLayoutDirection(direction)
    picture.activateWindow()
    marks = sorted(marked(picture).values(), key=lambda part: part.geometry().center().x())
    assert len(marks) == 3
    marks[0].setFocus()
    for key, expected in (
        (Qt.Key.Key_Right, 1), (Qt.Key.Key_Right, 2), (Qt.Key.Key_Right, 2), (Qt.Key.Key_Left, 1),
        (Qt.Key.Key_Left, 0), (Qt.Key.Key_Left, 0),
    ):  # fmt: skip
        focused = picture.focusWidget()
        assert focused is not None
        qtbot.keyClick(focused, key)
        assert picture.focusWidget() is marks[expected]
    qtbot.keyClick(marks[0], Qt.Key.Key_Up)
    above = picture.focusWidget()
    assert above is not None
    assert above.accessibleName() in ("This computer", "Carrier")
    qtbot.keyClick(above, Qt.Key.Key_Down)
    assert picture.focusWidget() is marks[0]
    with qtbot.waitSignal(picture.chosen) as chosen:
        qtbot.keyClick(marks[0], Qt.Key.Key_Space)
    assert chosen.args == [marks[0].accessibleName().removeprefix("Broken: It is ")]


def test_a_probe_in_the_timeline_is_chosen_by_mouse_and_is_no_stop_of_tab(qtbot: QtBot) -> None:
    drawn = Drawn()
    qtbot.addWidget(drawn)
    drawn.resize(900, 300)
    drawn.show_drawing(lambda look: timeline.draw(samples.everything(), look))
    drawn.show()
    assert {part.focusPolicy() for part in drawn.parts} == {Qt.FocusPolicy.NoFocus}
    part = next(part for part in drawn.parts if part.accessibleName() == "control-1")
    with qtbot.waitSignal(drawn.chosen) as chosen:
        qtbot.mouseClick(part, Qt.MouseButton.LeftButton)
    assert chosen.args == ["control-1"]


@pytest.mark.parametrize("sample", sorted(samples.all_samples()))
@pytest.mark.parametrize("right_to_left", [False, True])
def test_a_longer_language_has_room(sample: str, right_to_left: bool) -> None:
    report = samples.all_samples()[sample]
    look = Look(
        colours=LIGHT, speaks=lambda context, text: pseudo(text), right_to_left=right_to_left
    )
    for draw in (path.draw, dynamic.draw, media.draw, timeline.draw):
        drawing = draw(report, look)
        assert drawing is None or faults(drawing) == []


def test_translators_are_given_every_word(tmp_path: Path) -> None:
    """Qt's lupdate finds in the drawings' source all that they ask for."""
    asked: set[str] = set()

    def speaks(context: str, text: str) -> str:
        asked.add(text)
        return text

    look = Look(colours=LIGHT, speaks=speaks)
    swept = (
        test_drawings.swept(*outcomes)
        for outcomes in (SAMPLES, [o for o in SAMPLES for _ in "ab"], ["blocked"])
    )
    for report in (*samples.all_samples().values(), broken(), *swept):
        for draw in (path.draw, dynamic.draw, media.draw, timeline.draw):
            draw(report, look)
    path.draw_hops((), look)
    sources = sorted(Path(netcheck.drawing.__file__).parent.glob("*.py"))
    found = tmp_path / "found.ts"
    tool = Path(sys.executable).parent / "pyside6-lupdate"
    subprocess.run([tool, *sources, "-ts", found], check=True, capture_output=True)
    contexts = ET.parse(found).getroot().findall("context")
    assert [context.findtext("name") for context in contexts] == ["Drawing"]
    listed = {message.findtext("source") for message in contexts[0].findall("message")}
    assert {"This computer", "Broken: {what}", "passes (above the line)"} <= asked
    assert asked <= listed


@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize("family", ["Noto Sans", "DejaVu Sans", "sans-serif", "Arial"])
def test_words_are_no_wider_than_is_assumed(qapp: QApplication, family: str, bold: bool) -> None:
    font = QFont(family)
    font.setPixelSize(100)
    font.setBold(bold)
    metrics = QFontMetricsF(font)
    for words in (
        "This computer", "Programs tell others an address where nobody can reach you",
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "WWWMMM@@@%%%mmm", "iiilll|||...",
        "Thïš çömpütérõõ",
        "Компьютер", "Υπολογιστής", "המחשב הזה", "هذا الكمبيوتر", "这台电脑",
        "このコンピューター", "이 컴퓨터",
        "เครื่องนี้", "यह कंप्यूटर", "﷽", "�����", "“…—–”", "ÆŒ", "😀😀", "၊ꧣ",
    ):  # fmt: skip
        real = metrics.horizontalAdvance(words)
        assert real <= measure.width(words, 100, bold=bold), (words, QFontInfo(font).family())
    tall = metrics.tightBoundingRect("ÉÄŽgjyqÇ|")
    assert -tall.top() <= 100 * measure.ASCENT
    assert tall.bottom() <= 100 * measure.DESCENT

"""What is remembered survives the program, and whatever somebody wrote into its file."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from netcheck.gui.bridge import Engine
from netcheck.gui.remembered import SERVERS_KEPT, Remembered
from netcheck.gui.window import Window
from netcheck.history import History


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "netcheck.ini"


def of(file: Path) -> Remembered:
    """As the next start reads it."""
    return Remembered(QSettings(str(file), QSettings.Format.IniFormat))


def test_nothing_is_remembered_at_first(file: Path) -> None:
    remembered = of(file)
    assert (remembered.servers, remembered.profiles, remembered.alone) == ([], [], False)


def test_of_one_it_is_a_list_as_well(qtbot: QtBot, file: Path) -> None:
    remembered = of(file)
    remembered.asked("one.example", ["msn"])
    remembered.left(QWidget())
    assert (of(file).servers, of(file).profiles) == (["one.example"], ["msn"])


def test_the_last_server_comes_first_and_none_comes_twice(file: Path) -> None:
    remembered = of(file)
    for server in ("one", "two", "one"):
        remembered.asked(server, ["msn"])
    assert remembered.servers == ["one", "two"]


def test_this_computer_only_forgets_no_server(file: Path) -> None:
    remembered = of(file)
    remembered.asked("one", ["msn", "netmeeting"])
    assert not remembered.alone
    remembered.asked("", ["msn", "netmeeting"])
    assert remembered.alone
    assert remembered.servers == ["one"]
    assert remembered.profiles == ["msn", "netmeeting"]


def test_the_oldest_servers_are_forgotten(file: Path) -> None:
    remembered = of(file)
    names = [f"server-{number}" for number in range(SERVERS_KEPT + 3)]
    for name in names:
        remembered.asked(name, [])
    assert remembered.servers == names[:2:-1]


@pytest.mark.parametrize(
    "written",
    [
        "servers=,,\nalone=maybe\nprofiles=\ngeometry=rubbish\n",
        "servers=@Variant(\\0\\0)\nalone=@Invalid()\nprofiles=@Invalid()\ngeometry=@Size(0 0)\n",
        "servers=@ByteArray(\\xff)\nalone=7\nprofiles=1, 2\ngeometry=@ByteArray(\\x1)\n",
    ],
)
def test_a_damaged_file_gives_what_can_be_read(qtbot: QtBot, file: Path, written: str) -> None:
    file.write_text(f"[General]\n{written}")
    remembered, window = of(file), QWidget()
    qtbot.addWidget(window)
    assert all(isinstance(each, str) and each for each in remembered.servers + remembered.profiles)
    assert isinstance(remembered.alone, bool)
    remembered.place(window)
    assert (window.width(), window.height()) == (1080, 760)


def test_the_window_opens_with_a_damaged_file(
    qtbot: QtBot, settings: QSettings, history: History
) -> None:
    settings.setValue("servers", ["\x00\u202e", 5])
    settings.setValue("profiles", ["none such", "msn"])
    settings.setValue("geometry", "rubbish")
    window = Window(Engine(history), settings, history)
    qtbot.addWidget(window)
    window.show()
    assert [each.id for each in window.start.chosen]
    window.close()

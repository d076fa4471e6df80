"""One program: a second start raises the window of the first; faults are told and logged."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QProcess, QProcessEnvironment
from PySide6.QtNetwork import QLocalSocket
from pytestqt.qtbot import QtBot

from netcheck.gui import app
from netcheck.gui.window import Window
from netcheck.report import json as json_format
from tests.netcheck.report import samples

STARTS_MS = 30_000
"""A busy machine takes seconds for what takes half a second."""

GUI = ("-m", "netcheck", "gui")


def surroundings(folder: Path) -> dict[str, str]:
    """A home of its own: no settings and no history of the user's."""
    return {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "NETCHECK_DATA_DIR": str(folder / "data"),
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_DATA_HOME": str(folder / "share"),
        "TMPDIR": str(folder),
    }


@pytest.fixture
def alone(qapp: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[app.Alone]:
    """The first program, as far as the second can see."""
    monkeypatch.setenv("NETCHECK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    made = app.Alone(app.instance_name())
    made.listen()
    yield made
    made.stop()


def test_a_second_start_hands_its_file_over_and_ends(
    qtbot: QtBot, alone: app.Alone, tmp_path: Path
) -> None:
    second = QProcess()
    environment = QProcessEnvironment()
    for name, value in surroundings(tmp_path).items():
        environment.insert(name, value)
    second.setProcessEnvironment(environment)
    with (
        qtbot.waitSignal(second.finished, timeout=STARTS_MS) as ended,
        qtbot.waitSignal(alone.called, timeout=STARTS_MS) as told,
    ):
        second.start(sys.executable, [*GUI, "some report.json"])
    assert told.args == [str(Path("some report.json").absolute())]
    assert ended.args[0] == 0


def test_two_programs_show_one_window(tmp_path: Path) -> None:
    """The first runs on, the second ends at once."""
    environment = surroundings(tmp_path)
    with subprocess.Popen([sys.executable, *GUI], env=environment) as first:
        try:
            deadline = STARTS_MS // app.ANSWER_MS
            while deadline and not _answers(environment):
                deadline -= 1
            second = subprocess.run(
                [sys.executable, *GUI], env=environment, timeout=STARTS_MS / 1000, check=False
            )
            assert second.returncode == 0
            assert first.poll() is None
        finally:
            first.terminate()


def _answers(environment: dict[str, str]) -> bool:
    """Whether a window listens, which is asked as the second start does."""
    code = (
        "from PySide6.QtCore import QCoreApplication as A; a = A([])\n"
        "from PySide6.QtNetwork import QLocalSocket\n"
        "from netcheck.gui import app\n"
        "s = QLocalSocket(); s.connectToServer(app.instance_name())\n"
        "raise SystemExit(not s.waitForConnected(app.ANSWER_MS))"
    )
    return not subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode


@pytest.mark.parametrize("said", [b"x" * 100_000, b"\xff\xfe\n"], ids=["endless", "no text"])
def test_what_is_no_message_does_no_harm(qtbot: QtBot, alone: app.Alone, said: bytes) -> None:
    socket = QLocalSocket()
    socket.connectToServer(app.instance_name())
    qtbot.waitUntil(lambda: socket.state() == QLocalSocket.LocalSocketState.ConnectedState)
    heard: list[str] = []
    alone.called.connect(heard.append)
    socket.write(said)
    qtbot.waitUntil(
        lambda: bool(heard) or socket.state() != QLocalSocket.LocalSocketState.ConnectedState
    )
    assert all("\n" not in each for each in heard)
    socket.abort()


def test_each_user_and_each_history_has_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    names = set()
    for folder in ("/a", "/b"):
        monkeypatch.setenv("NETCHECK_DATA_DIR", folder)
        names.add(app.instance_name())
    assert len(names) == 2


def test_a_call_raises_the_window_and_opens_the_file(
    qtbot: QtBot, window: Window, tmp_path: Path
) -> None:
    file = tmp_path / "r.netcheck.json"
    file.write_text(json_format.render(samples.everything()), encoding="utf-8")
    window.showMinimized()
    with qtbot.waitSignal(window.answer.features.chosen):
        app.raise_(window, str(file))
    assert not window.isMinimized()
    assert window.answer.report is not None
    assert window.answer.report.id == samples.everything().id


def test_an_unexpected_error_is_shown_and_logged(
    qtbot: QtBot, window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import platformdirs

    monkeypatch.setattr(platformdirs, "user_log_path", lambda *_, **__: tmp_path)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    app.catch(window)
    try:
        raise ZeroDivisionError("told <b>as it is</b>")
    except ZeroDivisionError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    assert window.isVisible()
    assert window.fault.isVisible()
    assert "told <b>as it is</b>" in window.fault.details.toPlainText()
    assert "ZeroDivisionError" in (tmp_path / app.LOG).read_text(encoding="utf-8")
    assert str(tmp_path / app.LOG) in window.fault.advice.text()
    window.fault.close()
    app.forget_log()

"""The program with the window: what it does when it is called, and with faults of its own."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from netcheck.gui import app
from netcheck.gui.window import Window
from netcheck.report import json as json_format
from netcheck.report.read import PIPE_SILENCE_S
from tests.netcheck.report import samples


def test_a_call_raises_the_window_and_opens_the_file(
    qtbot: QtBot, window: Window, tmp_path: Path
) -> None:
    file = tmp_path / "r.netcheck.json"
    file.write_text(json_format.render(samples.everything()), encoding="utf-8")
    window.showMinimized()
    with qtbot.waitSignal(window.answer.features.chosen):
        app.raise_(window, file)
    assert not window.isMinimized()
    assert window.answer.report is not None
    assert window.answer.report.id == samples.everything().id


_CLOSED = """
import sys
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from netcheck.gui import app
made = app.made("offscreen")
QTimer.singleShot(500, QApplication.closeAllWindows)
sys.exit(app.run(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe that nothing comes from")
def test_the_program_ends_with_its_window_though_a_file_does_not_come(tmp_path: Path) -> None:
    pipe = tmp_path / "report.json"
    if sys.platform != "win32":
        os.mkfifo(pipe)
    silent = os.open(pipe, os.O_RDWR)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _CLOSED, str(pipe)],
            env={**os.environ, "NETCHECK_DATA_DIR": str(tmp_path), "HOME": str(tmp_path)},
            capture_output=True, text=True, check=False, timeout=PIPE_SILENCE_S / 2,
        )  # fmt: skip
    finally:
        os.close(silent)
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("console", [True, False])
def test_an_unexpected_error_is_shown_and_logged(
    qtbot: QtBot,
    window: Window,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    console: bool,
) -> None:
    import platformdirs

    if not console:  # as by pythonw.exe on Windows
        monkeypatch.setattr(sys, "stderr", None)
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
    log = logging.getLogger("netcheck")
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()

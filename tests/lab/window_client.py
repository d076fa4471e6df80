"""The window at a client of the lab, driven as a person would, without a screen.

``python -m tests.lab.window_client LINK FOLDER``: checks and says ``checked``; for each line on
standard input it presses "Check this again" and says ``again``.  Reports go to FOLDER.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEventLoop, QSettings, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from netcheck.gui.bridge import Engine
from netcheck.gui.window import Window
from netcheck.history import History
from netcheck.report import json as json_format

PATIENCE_MS = 60_000


def main(link: str, folder: Path) -> int:
    application = QApplication(sys.argv[:1])
    application.setQuitOnLastWindowClosed(False)
    history = History(folder)
    settings = QSettings(str(folder / "netcheck.ini"), QSettings.Format.IniFormat)
    window = Window(Engine(history), settings, history)
    window.resize(1024, 700)
    window.show()
    window.activateWindow()
    QTest.qWaitForWindowActive(window)
    field = window.start._where.field.lineEdit()
    assert field is not None
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, link)
    finished(window, lambda: QTest.keyClick(field, Qt.Key.Key_Return))
    keep(window, folder, "first")
    tell("checked")
    for number, _ in enumerate(sys.stdin):
        window.answer.choose("msn-messenger", "send-files")
        finished(window, lambda: QTest.mouseClick(window.answer.recheck, Qt.MouseButton.LeftButton))
        keep(window, folder, f"again-{number}")
        tell(f"again {window.answer.change.text()}")
    window.close()
    return 0


def tell(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def finished(window: Window, act: object) -> None:
    """Do it, and wait for the report.  Raises TimeoutError."""
    assert callable(act)
    loop = QEventLoop()
    window.engine.finished.connect(loop.quit)
    late = QTimer(singleShot=True, interval=PATIENCE_MS)
    late.timeout.connect(lambda: loop.exit(1))
    late.start()
    QTimer.singleShot(0, act)
    if loop.exec():
        raise TimeoutError("no report")


def keep(window: Window, folder: Path, name: str) -> None:
    assert window.answer.report is not None
    text = json_format.render(window.answer.report)
    (folder / f"{name}.json").write_text(text, encoding="utf-8")
    window.grab().save(str(folder / f"{name}.png"))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], Path(sys.argv[2])))

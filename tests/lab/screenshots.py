"""``python -m tests.lab.screenshots FOLDER``: the pictures of docs/images, of a real check.

The check is made behind a provider's NAT in the lab, and the window shown without a screen.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QSettings
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QWidget

from netcheck import profile
from netcheck.gui.bridge import Engine
from netcheck.gui.window import Window
from netcheck.history import History
from netcheck.report import read
from netcheck.report.model import Report
from tests.lab.description import Network
from tests.lab.nat_reports import report_in

SIZE = 1024, 720
RTT_MS = 50.0
RGB = QImage.Format.Format_RGB888
SMALLEST = 0
"""Of Qt's qualities of a PNG file: the pixels are the same, the bytes fewer."""


def main(folder: Path) -> int:
    network = Network(carrier=True, rtt_ms=RTT_MS)
    report = read.parse(json.dumps(report_in(network)).encode())
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screenshots-") as home:
        application = QApplication(sys.argv[:1])
        for name, image in pictures(application, report, Path(home)).items():
            image.convertToFormat(RGB).save(str(folder / f"{name}.png"), quality=SMALLEST)
    return 0


def pictures(application: QApplication, report: Report, home: Path) -> dict[str, QImage]:
    """The best pages, by the name of their file."""
    history = History(home)
    settings = QSettings(str(home / "netcheck.ini"), QSettings.Format.IniFormat)
    window = Window(Engine(history), settings, history)
    window.resize(*SIZE)
    window.show()
    taken: dict[str, QImage] = {}

    def take(name: str, page: QWidget) -> None:
        window.go(page)
        application.processEvents()
        taken[name] = window.grab().toImage()

    window.start.choose([each.id for each in profile.built_in()])
    window.start.point_at("echo.example.org")
    take("start", window.start)
    window.show_report(report)
    take("answer", window.answer)
    window.go(window.details)
    for number, name in ((1, "network"), (window.details.tabs.count() - 1, "timeline")):
        window.details.tabs.setCurrentIndex(number)
        take(name, window.details)
    window.close()
    return taken


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))

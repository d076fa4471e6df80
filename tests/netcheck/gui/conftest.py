"""What every test of the window needs: no screen, settings of its own, and an echo server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from netcheck import plan, profile
from netcheck.gui.bridge import Engine
from netcheck.gui.window import Window
from netcheck.history import History
from netcheck.server.embedded import embedded
from probes.wire.link import Link

SIZE = 1024, 700
"""Of the smallest screen that the window is made for."""


@pytest.fixture(scope="session")
def qapp_args() -> list[str]:
    """No screen; by an argument, as the surroundings are those of other tests' programs too."""
    return ["netcheck", "-platform", "offscreen"]


@pytest.fixture
def settings(tmp_path: Path) -> QSettings:
    return QSettings(str(tmp_path / "netcheck.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "history")


@pytest.fixture
def window(qtbot: QtBot, settings: QSettings, history: History) -> Iterator[Window]:
    """The whole window, with an engine of its own."""
    made = Window(Engine(history), settings, history)
    qtbot.addWidget(made)
    made.resize(*SIZE)
    made.show()
    made.activateWindow()
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[Link]:
    """An echo server on loopback, in a thread of its own."""
    needed = plan.make(profile.built_in())
    ready: list[Link] = []
    told, done = threading.Event(), threading.Event()

    async def serve() -> None:
        async with embedded(needed.tcp_ports, needed.udp_ports) as (link, _):
            ready.append(link)
            told.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    told.wait()
    yield ready[0]
    done.set()
    thread.join()


def message(qtbot: QtBot, window: Window) -> QMessageBox:
    """The sentence that the window shows, as soon as it does."""

    def shown() -> bool:
        return any(box.isVisible() for box in window.findChildren(QMessageBox))

    qtbot.waitUntil(shown)
    return next(box for box in window.findChildren(QMessageBox) if box.isVisible())

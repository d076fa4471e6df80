"""The program with the window: from its start to its end."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TextIO

from PySide6.QtCore import (
    QLibraryInfo,
    QMessageLogContext,
    QSettings,
    Qt,
    QtMsgType,
    qInstallMessageHandler,
)
from PySide6.QtWidgets import QApplication

from netcheck.gui.alone import Alone, SilentError
from netcheck.gui.bridge import Engine
from netcheck.gui.window import Window
from netcheck.gui.words import translate
from netcheck.history import History, folder

LOG = "netcheck.log"


def run(arguments: Sequence[str], platform: str = "") -> int:
    """Open the window, with the report in the file that ``arguments`` name; its exit code.

    ``platform``: which of Qt's to use.  The process ends with 2 where Qt cannot use it.
    """
    file = Path(arguments[0]) if arguments else None
    with suppress(OSError):  # the folder that this was started in is gone: so is the file
        file = file and file.absolute()
    application = QApplication.instance() or made(platform)
    assert isinstance(application, QApplication)
    application.setApplicationName("netcheck")
    application.setOrganizationName("netcheck")
    application.setDesktopFileName("netcheck")
    alone = Alone(folder())
    silent = ""
    try:
        if not alone.first(file):
            return 0
    except SilentError as error:
        silent = str(error)
        _tell(f"{silent}\n")
    # Ctrl+C ends it as the terminal's user wants; what was found is kept already.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    history = History()
    window = Window(Engine(history), QSettings(), history)
    catch(window)
    alone.called.connect(lambda named: raise_(window, named))
    window.show()
    if file:
        window.open_file(file)
    if silent:
        window.complain(silent)
    try:
        code = application.exec()
    finally:
        alone.stop()
    window.engine.close()
    if window.engine.stuck:
        os._exit(code)  # else a program without a window would wait on
    return code


def made(platform: str = "") -> QApplication:
    """Qt, ready for a window.  Where it cannot be, one sentence and the end: Qt would abort."""
    named = ["-platform", platform] if platform else []
    said: list[str] = []

    def hear(kind: QtMsgType, _: QMessageLogContext, text: str) -> None:
        said.append(text)
        if kind == QtMsgType.QtFatalMsg:
            _tell(_unusable(platform or os.environ.get("QT_QPA_PLATFORM", "")) + "\n")
            os._exit(2)

    before = qInstallMessageHandler(hear)
    try:
        application = QApplication([*sys.argv[:1], *named])
    finally:
        qInstallMessageHandler(before)
    for text in said:
        logging.getLogger("netcheck").debug("%s", text)
    return application


def _unusable(platform: str) -> str:
    """Why Qt cannot open a window there."""
    name = platform.partition(";")[0].partition(":")[0].partition("-")[0]
    folder_ = Path(QLibraryInfo.path(QLibraryInfo.LibraryPath.PluginsPath)) / "platforms"
    plugin = folder_ / f"libq{name}.so"
    why = f"Qt cannot use the platform '{name}'; unset QT_QPA_PLATFORM"
    if plugin.exists():
        why = f"Qt cannot use the display through {plugin.name}"
        try:
            ctypes.CDLL(str(plugin))
        except OSError as error:  # it begins with the library that is missing
            library = Path(str(error).partition(":")[0]).name
            why = f"the system's library {library} is missing or damaged; install it"
    return f"The window cannot be opened: {why}, or use 'netcheck check', which needs no window."


def _tell(text: str) -> None:
    """On the terminal, where there is one: Windows starts programs without it, too."""
    terminal: TextIO | None = sys.stderr
    if terminal is not None:
        terminal.write(text)
        terminal.flush()


def raise_(window: Window, file: Path | None) -> None:
    """Bring the window to the front, with the report in ``file`` if there is one."""
    window.setWindowState(window.windowState() & ~Qt.WindowState.WindowMinimized)
    window.show()
    window.raise_()
    window.activateWindow()
    if file:
        window.open_file(file)


def catch(window: Window) -> None:
    """A fault of our own keeps the window, offers what to report, and goes to the log."""
    log = logging.getLogger("netcheck")
    try:
        import platformdirs

        window.fault.log = platformdirs.user_log_path("netcheck", ensure_exists=True) / LOG
        log.addHandler(logging.FileHandler(window.fault.log, encoding="utf-8", delay=True))
    except (OSError, RuntimeError):  # RuntimeError: a user without a home folder
        window.fault.log = None  # the details are still shown

    def caught(
        kind: type[BaseException], error: BaseException, where: TracebackType | None
    ) -> None:
        details = "".join(traceback.format_exception(kind, error, where))
        log.error("%s", details)
        _tell(details)
        met = translate("Fault", "netcheck met an error of its own: %1.")
        window.show_broken(met.replace("%1", kind.__name__), details)

    sys.excepthook = caught
    window.engine.broken.connect(lambda _, details: log.error("%s", details))

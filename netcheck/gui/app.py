"""One program: the window is opened once, and a second start raises it."""

from __future__ import annotations

import getpass
import hashlib
import logging
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QObject, QSettings, Qt, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket
from PySide6.QtWidgets import QApplication

from netcheck.gui.bridge import Engine
from netcheck.gui.window import Window
from netcheck.history import History, folder

ANSWER_MS = 500
"""A window that runs already answers at once; one that hangs is not waited for."""

LOG = "netcheck.log"

_MESSAGE_MAX = 8192  # bytes: the path of one file


class Alone(QObject):
    """Whether this is the only window of this user; ``called`` carries the file that a further
    start was given, or nothing."""

    called = Signal(str)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._server: QLocalServer | None = None

    def hand_over(self, file: str) -> bool:
        """Give the file to the window that runs already; False if there is none."""
        socket = QLocalSocket()
        socket.connectToServer(self._name)
        if not socket.waitForConnected(ANSWER_MS):
            return False
        socket.write(file.encode()[:_MESSAGE_MAX] + b"\n")
        socket.waitForBytesWritten(ANSWER_MS)
        socket.waitForReadyRead(ANSWER_MS)
        return bytes(socket.readAll().data()) == b"ok\n"

    def listen(self) -> None:
        """Be the one that others hand over to."""
        QLocalServer.removeServer(self._name)  # of a program that was killed
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._met)
        self._server.listen(self._name)

    def stop(self) -> None:
        """Be it no longer."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def _met(self) -> None:
        assert self._server is not None
        socket = self._server.nextPendingConnection()
        if socket is None:
            return
        socket.readyRead.connect(lambda: self._read(socket))
        socket.disconnected.connect(socket.deleteLater)

    def _read(self, socket: QLocalSocket) -> None:
        said = bytes(socket.peek(_MESSAGE_MAX + 1).data())
        if b"\n" not in said:
            if len(said) > _MESSAGE_MAX:
                socket.abort()
            return
        socket.readAll()
        socket.write(b"ok\n")
        socket.flush()
        self.called.emit(said.partition(b"\n")[0].decode(errors="replace"))


def instance_name() -> str:
    """One for each user and each folder of past checks."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "nobody"
    return f"netcheck-{user}-{hashlib.sha256(str(folder()).encode()).hexdigest()[:12]}"


def run(arguments: Sequence[str]) -> int:
    """Open the window, with the report in the file that ``arguments`` name; its exit code."""
    file = str(Path(arguments[0]).absolute()) if arguments else ""
    application = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(application, QApplication)
    application.setApplicationName("netcheck")
    application.setOrganizationName("netcheck")
    application.setDesktopFileName("netcheck")
    alone = Alone(instance_name())
    if alone.hand_over(file):
        return 0
    alone.listen()
    # Ctrl+C ends it as the terminal's user wants; what was found is kept already.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    history = History()
    window = Window(Engine(history), QSettings(), history)
    catch(window)
    alone.called.connect(lambda named: raise_(window, named))
    window.show()
    if file:
        window.open_file(Path(file))
    return application.exec()


def raise_(window: Window, file: str) -> None:
    """Bring the window to the front, with the report in ``file`` if there is one."""
    window.setWindowState(window.windowState() & ~Qt.WindowState.WindowMinimized)
    window.show()
    window.raise_()
    window.activateWindow()
    if file:
        window.open_file(Path(file))


def catch(window: Window) -> None:
    """A fault of our own keeps the window, offers what to report, and goes to the log."""
    log = logging.getLogger("netcheck")
    try:
        import platformdirs

        window.fault.log = platformdirs.user_log_path("netcheck", ensure_exists=True) / LOG
        log.addHandler(logging.FileHandler(window.fault.log, encoding="utf-8", delay=True))
    except OSError:
        window.fault.log = None  # the details are still shown

    def caught(
        kind: type[BaseException], error: BaseException, where: TracebackType | None
    ) -> None:
        details = "".join(traceback.format_exception(kind, error, where))
        log.error("%s", details)
        sys.stderr.write(details)
        window.show_broken(f"netcheck met an error of its own: {kind.__name__}.", details)

    sys.excepthook = caught
    window.engine.broken.connect(lambda _, details: log.error("%s", details))


def forget_log() -> None:
    """Close the log's file."""
    log = logging.getLogger("netcheck")
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()

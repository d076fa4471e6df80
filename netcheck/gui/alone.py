"""One window for each user and each folder of past checks: a further start hands over to it."""

from __future__ import annotations

import os
import secrets
import sys
import time
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

ANSWER_S = 10.0
"""A busy machine needs seconds to open the first window; one that is silent for longer hangs."""

POLL_S = 0.05
"""Between two looks at a window that is only just being opened."""

MESSAGE_MAX = 8192
"""Bytes: the path of one file, and what the desktop gave a start to come to the front with."""

TOKEN_VARIABLE = "XDG_ACTIVATION_TOKEN"
"""Wayland lets a window come to the front only with the token of the start that asks for it."""

_LOCKED_BYTE = 1 << 30  # Windows lets nobody read what is locked: far behind what is written


class SilentError(Exception):
    """The window that is open already does not answer: one sentence for the user."""


class Alone(QObject):
    """Whether this program has the only window; ``called`` carries the Path that a further start
    was given, or None."""

    called = Signal(object)

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._lock = Lock(folder)
        self._server: QLocalServer | None = None

    def first(self, file: Path | None, within_s: float = ANSWER_S) -> bool:
        """Whether the window is to be opened here; else ``file`` was handed to the one there is.

        Raises SilentError if that one neither answers nor ends within this time.
        """
        deadline = time.monotonic() + within_s
        while not self._lock.take():
            name = self._lock.name
            if name and _hand_over(name, file, deadline):
                return False
            if time.monotonic() > deadline:
                raise SilentError(
                    f"Another window of netcheck is open and does not answer{_of(self._lock.pid)}. "
                    "End it if that does not change; this window works without it."
                )
            time.sleep(POLL_S)
        self._listen()
        return True

    def stop(self) -> None:
        """Leave it to the next start to be the first."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._lock.free()

    def _listen(self) -> None:
        killed = self._lock.name  # what a program listened to that could not tidy up
        self._lock.say("")
        if killed:
            QLocalServer.removeServer(killed)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._met)
        # Nobody can know the name before it is there: what answers to it is ours.
        if self._server.listen(f"netcheck-{secrets.token_hex(8)}"):
            self._lock.say(self._server.fullServerName())
        else:
            self._lock.free()  # better two windows than one that further starts wait for

    def _met(self) -> None:
        assert self._server is not None
        socket = self._server.nextPendingConnection()
        if socket is None:
            return
        socket.readyRead.connect(lambda: self._read(socket))
        socket.disconnected.connect(socket.deleteLater)
        self._read(socket)  # what came before anybody listened

    def _read(self, socket: QLocalSocket) -> None:
        said = bytes(socket.peek(MESSAGE_MAX + 1).data())
        if said.count(b"\0") < 2:
            if len(said) > MESSAGE_MAX:
                socket.abort()
            return
        socket.readAll()
        socket.write(b"ok\n")
        socket.flush()
        file, token = said.split(b"\0")[:2]
        if token:
            os.environ[TOKEN_VARIABLE] = token.decode(errors="replace")
        self.called.emit(Path(os.fsdecode(file)) if file else None)


class Lock:
    """Held by the first program, and by the system's doing free when that ends, however it does.

    In it stands, for others of the same user, which process that is and what it listens to.
    Where the folder cannot be written, or what is there is another user's, every program holds it.
    """

    def __init__(self, folder: Path) -> None:
        user = ""
        if sys.platform != "win32":
            user = f"-{os.getuid()}"
        self.path = folder / f"window{user}.lock"
        self._open: int | None = None
        self._held = False

    def take(self) -> bool:
        """Hold it from now on, unless another program does."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            if self._open is None:
                self._open = os.open(self.path, flags, 0o600)
        except OSError:
            return True
        if sys.platform == "win32":
            os.lseek(self._open, _LOCKED_BYTE, os.SEEK_SET)
            try:
                msvcrt.locking(self._open, msvcrt.LK_NBLCK, 1)
            except OSError:
                return False
        else:
            if os.fstat(self._open).st_uid != os.getuid():
                self.free()  # nothing that stands in it is believed
                return True
            try:
                fcntl.flock(self._open, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            except OSError:
                return True  # a file system without locks
        self._held = True
        return True

    @property
    def pid(self) -> int | None:
        """The process that held it last."""
        said = self._read()
        return int(said[0]) if said and said[0].isdecimal() else None

    @property
    def name(self) -> str:
        """What that one listens to; nothing as long as it does not."""
        said = self._read()
        return said[1] if len(said) == 3 and not said[2] else ""

    def say(self, name: str) -> None:
        """For others: what this process listens to."""
        if self._held and self._open is not None:
            os.ftruncate(self._open, 0)
            os.lseek(self._open, 0, os.SEEK_SET)
            os.write(self._open, f"{os.getpid()}\n{name}\n".encode())

    def free(self) -> None:
        """Let another program have it."""
        if self._open is not None:
            os.close(self._open)
        self._open, self._held = None, False

    def _read(self) -> list[str]:
        if self._open is None:
            return []
        os.lseek(self._open, 0, os.SEEK_SET)
        return os.read(self._open, MESSAGE_MAX).decode(errors="replace").split("\n")


def _hand_over(name: str, file: Path | None, deadline: float) -> bool:
    socket = QLocalSocket()
    socket.connectToServer(name)
    if not socket.waitForConnected(_ms_until(deadline)):
        return False
    message = (
        (os.fsencode(file) if file else b"")
        + b"\0"
        + os.environ.get(TOKEN_VARIABLE, "").encode()
        + b"\0"
    )
    socket.write(message if len(message) <= MESSAGE_MAX else b"\0\0")
    said = b""
    while not said.endswith(b"\n") and socket.waitForReadyRead(_ms_until(deadline)):
        said += bytes(socket.readAll().data())
    return said == b"ok\n"


def _ms_until(deadline: float) -> int:
    return max(1, round((deadline - time.monotonic()) * 1000))


def _of(pid: int | None) -> str:
    return "" if pid is None else f" (process {pid})"

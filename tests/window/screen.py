"""A real screen without a monitor, and a person at it: Xvfb and xdotool."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

READY_S = 30.0
POLL_S = 0.05
"""Between two looks at the screen: a person looks as often."""

_PASTE = (
    "import sys; from PySide6.QtGui import QGuiApplication; a = QGuiApplication([]); "
    "sys.stdout.write(a.clipboard().text())"
)


class ScreenError(Exception):
    """What a person would wait for in vain."""


class Person:
    """Types, clicks and reads titles on one screen."""

    def __init__(self, display: str, server: subprocess.Popen[bytes]) -> None:
        """``server``: the process of the screen."""
        self.display = display
        self.server = server

    def ended(self) -> bool:
        """Whether the screen is gone."""
        return self.server.poll() is not None

    def environment(self, home: Path) -> dict[str, str]:
        """For a program that is to open its window here, with a home of its own."""
        return {
            **{k: v for k, v in os.environ.items() if k not in ("WAYLAND_DISPLAY",)},
            "DISPLAY": self.display,
            "QT_QPA_PLATFORM": "xcb",
            "HOME": str(home),
            "NETCHECK_DATA_DIR": str(home / "data"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_STATE_HOME": str(home / "state"),
        }

    def title_is(self, beginning: str, timeout_s: float = READY_S) -> str:
        """Wait for a window with this title and give its number.  Raises ScreenError."""
        found: list[str] = []

        def there() -> bool:
            found[:] = self._do("search", "--onlyvisible", "--name", f"^{beginning}").split()
            return bool(found)

        self.until(there, f"a window named {beginning}", timeout_s)
        return found[-1]

    def until(self, true: Callable[[], bool], what: str, timeout_s: float = READY_S) -> None:
        """Look until it is so.  Raises ScreenError."""
        deadline = time.monotonic() + timeout_s
        while not true():
            if time.monotonic() > deadline:
                raise ScreenError(f"not seen within {timeout_s:g} s: {what}")
            time.sleep(POLL_S)

    def keys(self, *keys: str) -> None:
        self._do("key", "--clearmodifiers", *keys)

    def types(self, text: str) -> None:
        self._do("type", "--delay", "5", text)

    def clicks(self, x: int, y: int) -> None:
        self._do("mousemove", str(x), str(y), "click", "1")

    def clipboard(self) -> str:
        """What any other program would paste."""
        environment = {**os.environ, "DISPLAY": self.display, "QT_QPA_PLATFORM": "xcb"}
        return subprocess.run(
            [sys.executable, "-c", _PASTE], env=environment,
            capture_output=True, text=True, check=False, timeout=READY_S,
        ).stdout  # fmt: skip

    def goes_to(self, window: str) -> None:
        """There is no window manager that would give it the keyboard."""
        self._do("windowfocus", "--sync", window)

    def place(self, window: str) -> tuple[int, int, int, int]:
        """x, y, width and height."""
        words = self._do("getwindowgeometry", "--shell", window).split()
        said = dict(word.split("=", 1) for word in words)
        return int(said["X"]), int(said["Y"]), int(said["WIDTH"]), int(said["HEIGHT"])

    def _do(self, *words: str) -> str:
        return subprocess.run(
            ["xdotool", *words], env={**os.environ, "DISPLAY": self.display},
            capture_output=True, text=True, check=False, timeout=READY_S,
        ).stdout  # fmt: skip


@contextmanager
def screen(*options: str, size: str = "1280x900x24") -> Iterator[Person]:
    """A screen of its own, with these options of Xvfb, gone at the end."""
    reading, writing = os.pipe()
    argv = ["Xvfb", "-displayfd", str(writing), "-screen", "0", size, "-nolisten", "tcp", *options]
    with subprocess.Popen(
        argv, pass_fds=(writing,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        os.close(writing)
        try:
            if not select.select([reading], [], [], READY_S)[0]:
                raise ScreenError("Xvfb does not start")
            yield Person(f":{os.read(reading, 16).decode().strip()}", server)
        finally:
            os.close(reading)
            server.terminate()

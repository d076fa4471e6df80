"""Whether there is a display that answers: without one Qt aborts, or waits without end."""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ANSWER_S = 5.0
"""A display at the far end of a slow line answers in a second or two."""

_ELSE = "use 'netcheck check', which needs no window"


class NoDisplayError(Exception):
    """One sentence: what is wrong with the display, and what to do."""


def named() -> bool:
    """Whether the surroundings name a display at all."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")))


@contextmanager
def platform() -> Iterator[str]:
    """The one of Qt's platforms whose display answers; nothing where that is Qt's to choose.

    X11's is held on to meanwhile: a display whose last client leaves may begin anew, and would
    drop the window's connection that is just being made.  Raises NoDisplayError.
    """
    with ExitStack() as held:
        yield _answering(held)


def _answering(held: ExitStack) -> str:
    if not named():
        raise NoDisplayError(f"There is no screen to open the window on; {_ELSE}.")
    if sys.platform == "win32" or sys.platform == "darwin":
        return ""
    wanted = os.environ.get("QT_QPA_PLATFORM", "")
    if wanted:
        # What its user asks for by name has no other to fall back to, unless a list says so.
        kinds = [name.partition(":")[0].partition("-")[0] for name in wanted.split(";")]
        if not set(kinds) <= {"xcb", "wayland"}:
            return ""
    else:
        kinds = ["wayland"] * bool(os.environ.get("WAYLAND_DISPLAY"))
        kinds += ["xcb"] * bool(os.environ.get("DISPLAY"))
    said = []
    for kind in kinds:
        wrong = _wayland() if kind == "wayland" else _x11(held)
        if not wrong:
            return kind if not wanted else ""
        said.append(wrong)
    raise NoDisplayError(f"The window cannot be opened: {'; '.join(said)}. {_advice(kinds)}")


def _advice(kinds: list[str]) -> str:
    variable = "DISPLAY" if "xcb" in kinds else "WAYLAND_DISPLAY"
    return f"Correct {variable} or start netcheck on the desktop itself; or {_ELSE}."


def _wayland() -> str:
    """What is wrong with it; nothing if it answers the question that every client begins with."""
    name = os.environ.get("WAYLAND_DISPLAY") or "wayland-0"
    path = Path(os.environ.get("XDG_RUNTIME_DIR", "")) / name  # or the name alone, if absolute
    if sys.platform == "win32":
        return "Wayland is not for Windows"
    if not path.is_absolute():
        return f"the Wayland display {name} is named without XDG_RUNTIME_DIR, where it would be"
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(ANSWER_S)
        try:
            asked.connect(str(path))
            # wl_display.sync, as the Wayland protocol's appendix on its wire format has it.
            asked.sendall(struct.pack("=III", 1, 12 << 16, 2))
            if asked.recv(1):
                return ""
        except TimeoutError:
            return f"the Wayland display {name} does not answer"
        except (OSError, ValueError):
            pass
    return f"there is no Wayland display {name}"


def _x11(held: ExitStack) -> str:
    """What is wrong with it.  By its own library, as nobody else has the user's cookie; in a
    thread that is left behind if the display takes the connection and says nothing."""
    import ctypes

    name = os.environ.get("DISPLAY", "")
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return "the library libxcb.so.1 is missing (in Debian's package libxcb1)"
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
    xcb.xcb_connection_has_error.argtypes = (ctypes.c_void_p,)
    xcb.xcb_disconnect.argtypes = (ctypes.c_void_p,)
    asked: list[int] = []

    def ask() -> None:
        asked.append(xcb.xcb_connect(None, None))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_S)
    if not asked:
        return f"the display {name} does not answer"
    held.callback(xcb.xcb_disconnect, asked[0])
    if xcb.xcb_connection_has_error(asked[0]):
        return f"the display {name or '(none)'} cannot be reached, or does not let you in"
    return ""

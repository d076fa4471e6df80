"""Ctrl+C while a command is being loaded."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""Ended by Ctrl+C, as shells say it; click's own 1 would be read as a verdict."""


@contextmanager
def at_once() -> Iterator[None]:
    """Ctrl+C ends the program here and now: there is nothing to be tidied up yet.

    Python drops a KeyboardInterrupt that comes between two imports, in the callback that frees a
    module's lock: it shows a traceback and goes on.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # no signal comes here
        return
    before = signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)

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
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield  # no signal comes here, or whoever started us wants none to count
        return
    before = signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)

"""A program of a lab, measured from its start to its end: time, CPU and memory.

The lab's own ``run`` looks every 50 ms whether the program has ended, which is too coarse here.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.row import BenchmarkError

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from tests.lab.network import Lab, NodeProcess

NETCHECK = str(Path(sys.executable).with_name("netcheck"))
"""The installed command, which is what users start."""

PATIENCE_S = 60.0
"""A check takes 20 s at most, a scan of closed ports less; what takes longer hangs."""


@dataclass(frozen=True)
class Finished:
    """``seconds`` include entering the lab's node (about 10 ms); ``peak_mb`` is never less than
    the memory of the program that started it, which Linux counts until the new one is loaded."""

    status: int
    seconds: float
    cpu_s: float
    peak_mb: float
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Running:
    process: NodeProcess
    began: float

    def wait(self) -> Finished:
        """Raises BenchmarkError if it does not end in time."""
        pid = self.process.pid
        handle = os.pidfd_open(pid)
        try:
            ended, _, _ = select.select([handle], [], [], PATIENCE_S)
        finally:
            os.close(handle)
        seconds = time.perf_counter() - self.began
        if not ended:
            raise BenchmarkError(f"no end within {PATIENCE_S:g} s\n{self.process.log()}")
        _, status, used = os.wait4(pid, 0)
        self.process.popen.returncode = os.waitstatus_to_exitcode(status)
        return Finished(
            self.process.popen.returncode,
            seconds,
            used.ru_utime + used.ru_stime,
            used.ru_maxrss / 1024,  # kilobytes (getrusage(2))
            self.process.stdout,
            self.process.stderr,
        )


def start(lab: Lab, argv: Sequence[str]) -> Running:
    """Start a program at the client; ``wait`` for it then."""
    began = time.perf_counter()
    return Running(lab.popen("client", argv), began)

"""What benchmarks.accuracy does: jobs, what was measured already, and how many at a time."""

from __future__ import annotations

import json
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

from tests.lab.network import LabError

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

TRIES = 2
"""A lab that did not come about is made once more; a check that then fails is told."""

FAILED = "failed "  # before the key of a job: why it gave no report


class Part(NamedTuple):
    """A part of the page; ``good``: nothing in it is wrong, and all that was begun was measured."""

    text: str
    good: bool


class Memory:
    """What was measured already, one line of JSON each; safe from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.lines: dict[str, Any] = {}
        if path.exists():
            # A line that was cut short is measured again.
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    key, value = json.loads(line)
                except ValueError:
                    continue
                self.lines[key] = value

    def keep(self, key: str, value: Any) -> None:
        with self._lock:
            self.lines[key] = value
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, value]) + "\n")


class Job(ABC):
    """One thing to measure, by a key that tells it from all others."""

    def __init__(self, kind: str, name: str, loss: int = 0, number: int = 0) -> None:
        self.kind = kind
        self.name = name
        self.loss = loss
        self.key = f"{kind} {name} {loss} {number}"

    def do(self) -> Any:
        """Raises LabError."""
        for left in reversed(range(TRIES)):
            try:
                return self.measured()
            except LabError:
                if not left:
                    raise
        raise AssertionError

    @abstractmethod
    def measured(self) -> Any:
        """What JSON can hold.  Raises LabError."""


class Work:
    """Does what was not done before, and begins nothing after ``end_s`` of the clock."""

    def __init__(self, memory: Memory, end_s: float) -> None:
        self._memory = memory
        self._end_s = end_s

    def do(self, jobs: Sequence[Job], at_once: int) -> None:
        left = [job for job in jobs if job.key not in self._memory.lines]
        with ThreadPoolExecutor(at_once) as pool:
            begun = {pool.submit(self._one, job): job for job in left}
            for count, future in enumerate(as_completed(begun), start=1):
                future.result()
                job = begun[future]
                print(f"{job.kind}: {count} of {len(left)}, {job.name}", file=sys.stderr)

    def done(self, job: Job) -> Any:
        """What was measured; None if it was not."""
        return self._memory.lines.get(job.key)

    def failures(self, jobs: Sequence[Job]) -> dict[str, str]:
        """Why these gave no report.  Told until they do, though another run writes the page."""
        return {
            job.key: str(self._memory.lines[FAILED + job.key])
            for job in jobs
            if FAILED + job.key in self._memory.lines and job.key not in self._memory.lines
        }

    def _one(self, job: Job) -> None:
        if time.monotonic() > self._end_s:
            return
        try:
            self._memory.keep(job.key, job.do())
        except Exception as error:  # the others are still worth having
            self._memory.keep(FAILED + job.key, f"{type(error).__name__}: {error}")

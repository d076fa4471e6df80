"""Feeds a decoder mutated messages, and tells what became of them."""

from __future__ import annotations

import hashlib
import re
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType

from tests.fuzz.decoders import Decoder
from tests.fuzz.mutation import Case, mutated, torn

if sys.platform != "linux":
    raise ImportError("the fuzzer needs interval timers and /proc")

AT_MOST_S = 0.5
"""Of this process's own time for one case, of 20 kB at most.  A genuine dialogue takes 1 ms; what
grows faster than the message does is a hundred times over this."""

ROOM_MB = 64
"""What the process may grow by while it reads one message after the other: it keeps none."""

FOUND = Path(__file__).with_name("found")
"""One file for each input that once failed: every test run feeds them again."""

_MANY = 20
"""Failures that are told of one decoder; the first ones say what is wrong."""


class TooSlow(BaseException):
    """Not an Exception: a decoder may catch whatever its libraries raise."""


@dataclass(frozen=True)
class Failure:
    decoder: str
    case: Case
    what: str


@dataclass
class Tally:
    """``understood`` of the ``messages`` without a WireError; ``seconds`` are the process's
    own, ``slowest_s`` those of one case; ``grew_mb``: by how much its memory had grown at most."""

    decoder: str
    messages: int = 0
    understood: int = 0
    failed: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    grew_mb: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.messages += other.messages
        self.understood += other.understood
        self.failed += other.failed
        self.seconds += other.seconds
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.grew_mb = max(self.grew_mb, other.grew_mb)
        self.failures += other.failures[: _MANY - len(self.failures)]


def cases(decoder: Decoder, count: int, seed: str) -> Iterator[Case]:
    """The same for the same seed, each with one mutated message."""
    random = Random(f"{decoder.name} {seed}")
    others = [message for case in decoder.cases for message in case]
    for _ in range(count):
        genuine = random.choice(decoder.cases)
        at = random.randrange(len(genuine))
        case = (*genuine[:at], mutated(random, genuine[at], others), *genuine[at + 1 : at + 3])
        yield torn(random, case) if decoder.stream and not random.randrange(8) else case


def fuzzed(decoder: Decoder, count: int, seed: str) -> Tally:
    """The verdict on ``count`` cases."""
    tally = Tally(decoder.name)
    before_mb = memory_mb("VmRSS")
    with _alarms():
        for case in cases(decoder, count, seed):
            began = time.thread_time()
            what = fed(decoder, case, tally)
            took_s = time.thread_time() - began
            tally.messages += 1
            tally.seconds += took_s
            tally.slowest_s = max(tally.slowest_s, took_s)
            if what:
                tally.failed += 1
                if len(tally.failures) < _MANY:
                    tally.failures.append(Failure(decoder.name, case, what))
    tally.grew_mb = max(0.0, memory_mb("VmHWM") - before_mb)
    return tally


def fed(decoder: Decoder, case: Case, tally: Tally) -> str:
    """What is wrong with what became of it; empty if nothing is."""
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, AT_MOST_S)
        try:
            tally.understood += decoder.feed(case)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except TooSlow:
        return f"more than {AT_MOST_S} s"
    except Exception as error:  # any but a WireError, which is caught within, is the finding
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
        return f"{type(error).__name__}: {error} ({place})"
    return ""


@contextmanager
def _alarms() -> Iterator[None]:
    """``TooSlow`` when the process has used the time of the virtual timer."""

    def rings(_: int, __: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGVTALRM, rings)
    try:
        yield
    finally:
        signal.signal(signal.SIGVTALRM, before)


@contextmanager
def bounded(room_mb: float = ROOM_MB) -> Iterator[None]:
    """The process's memory cannot grow by more: what asks for it gets a MemoryError.  A decoder
    that hides that shows by ``grew_mb``."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    most = int((memory_mb("VmSize") + 2 * room_mb) * 2**20)
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def memory_mb(name: str) -> float:
    """``VmRSS`` now, ``VmHWM`` at most, ``VmSize`` with what was only asked for (proc(5))."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def keep(failure: Failure, folder: Path = FOUND) -> Path:
    """Write it down as a case that is fed again in every test run."""
    lines = [chunk.hex() for chunk in failure.case]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
    path = folder / f"{failure.decoder.replace(' ', '-')}-{digest}.txt"
    path.write_text("\n".join((failure.decoder, *lines)) + "\n", encoding="ascii")
    return path


def kept(path: Path) -> tuple[str, Case]:
    """The decoder's name, and the case."""
    name, *lines = path.read_text(encoding="ascii").splitlines()
    return name, tuple(bytes.fromhex(line) for line in lines)

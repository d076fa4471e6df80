"""A program that runs inside one node of a lab, with its output kept in files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

POLL_S = 0.002  # a file that grows and a socket that appears cannot be awaited, only looked at
GRACE_S = 1.0  # a server may flush its log on SIGTERM; longer than this is a hang
READY_S = 10.0  # Python starts in 0.2 s on an idle machine; this one may run two test suites
SHOWN_CHARACTERS = 4000  # of each output in a failure report: the end tells most

# The network is entered first, then a private mount namespace in which the node's own resolver
# configuration covers the machine's. Neither step needs more than root of the user namespace.
_ENTER = """
mount --bind "$1" /etc/resolv.conf
mount --bind "$2" /etc/nsswitch.conf 2>/dev/null || :
mount -t sysfs sysfs /sys 2>/dev/null || :
shift 2
exec "$@"
"""


class LabError(Exception):
    """The lab itself does not work, so nothing can be said about what is tested in it."""


@dataclass(frozen=True)
class Surroundings:
    """What every process of one lab is started with."""

    prefix: str
    directory: Path

    def enter(self, node: str, argv: Sequence[str]) -> list[str]:
        """`argv` inside `node`. Each step replaces itself, so the pid is the program's own."""
        files = [str(self.directory / "resolv.conf"), str(self.directory / "nsswitch.conf")]
        return [
            "nsenter",
            f"--net=/run/netns/{self.prefix}{node}",
            *("unshare", "--mount", "--propagation", "slave"),
            *("sh", "-ec", _ENTER, "sh", *files),
            *argv,
        ]


class NodeProcess:
    """A running or ended program. `stop`, or leaving a `with`, ends its process group."""

    def __init__(
        self,
        surroundings: Surroundings,
        node: str,
        argv: Sequence[str],
        *,
        number: int,
        stdin: int = subprocess.DEVNULL,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.node = node
        self.argv = tuple(argv)
        stem = f"{number:02}-{node}-{Path(argv[0]).name}"
        self.stdout_path = surroundings.directory / f"{stem}.out"
        self.stderr_path = surroundings.directory / f"{stem}.err"
        with self.stdout_path.open("wb") as out, self.stderr_path.open("wb") as err:
            self.popen = subprocess.Popen(
                surroundings.enter(node, argv),
                stdin=stdin,
                stdout=out,
                stderr=err,
                env=env,
                cwd=cwd,
                text=True,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def returncode(self) -> int | None:
        return self.popen.poll()

    @property
    def stdout(self) -> str:
        """All it has written so far."""
        return self.stdout_path.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return self.stderr_path.read_text(errors="replace")

    def wait(self, timeout: float) -> int:
        """The exit status. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        return self.popen.wait(timeout)

    def wait_for(self, text: str, timeout: float = READY_S) -> None:
        """Until `text` is in the output. Raises LabError after `timeout` seconds or at the end."""
        self.wait_until(lambda: text in self.stdout or text in self.stderr, repr(text), timeout)

    def wait_until(self, true: Callable[[], bool], what: str, timeout: float = READY_S) -> None:
        """Until `true()`. Raises LabError after `timeout` seconds or when the program ends."""
        deadline = time.monotonic() + timeout
        while not true():
            if (status := self.returncode) is not None:
                raise LabError(f"ended with {status} before {what}\n{self.log()}")
            if time.monotonic() > deadline:
                raise LabError(f"no {what} within {timeout} s\n{self.log()}")
            time.sleep(POLL_S)

    def tell(self, line: str) -> None:
        """A line for its standard input, which must be a pipe."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()

    def terminate(self) -> None:
        """Asks it and those it started to end, without waiting."""
        self._signal(signal.SIGTERM)

    def finish(self) -> None:
        """Waits for the end after `terminate`, and brings it about if it does not come."""
        try:
            self.popen.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self.popen.wait()
        if self.popen.stdin is not None:
            self.popen.stdin.close()

    def stop(self) -> None:
        """Ends the program, by force if it does not go."""
        self.terminate()
        self.finish()

    def _signal(self, number: signal.Signals) -> None:
        # Once it has been waited for, its number may belong to somebody else.
        if self.returncode is None:
            os.killpg(self.pid, number)

    def log(self) -> str:
        """What it was and what it said, for a failure report."""
        status = "running" if self.returncode is None else f"status {self.returncode}"
        text = f"[{self.node}] {' '.join(self.argv)} ({status})\n"
        for name, path in (("stdout", self.stdout_path), ("stderr", self.stderr_path)):
            said = path.read_text(errors="replace") if path.exists() else ""
            if said:
                text += f"--- {name}\n{said[-SHOWN_CHARACTERS:].rstrip()}\n"
        return text

"""A check in a lab, measured, with the state of every port it reported."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.program import NETCHECK, Finished, Running, start
from benchmarks.row import BenchmarkError
from tests.lab.scenarios import Truth, port_key

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from tests.lab.network import Lab

Start = Callable[[Lab, Sequence[str]], Running]


@dataclass(frozen=True)
class Checked:
    """One check: what it took and what it reported."""

    program: Finished
    report: dict[str, Any]

    @property
    def states(self) -> dict[str, str]:
        return {port_key(port): port["state"] for port in self.report["ports"]}


def check_as_text(lab: Lab, link: str, truth: Truth) -> Finished:
    """The command as users type it.  Raises BenchmarkError unless it ends as the truth asks."""
    done = start(lab, (NETCHECK, "check", "--quick", "--server", link)).wait()
    if done.status != truth.exit_status or not done.stdout:
        raise BenchmarkError(f"status {done.status}, not {truth.exit_status}: {done.stderr}")
    return done


def check(lab: Lab, link: str, *options: str, begin: Start = start) -> Checked:
    """Raises BenchmarkError if there is no report."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        output = Path(folder, "report.json")
        argv = (
            NETCHECK,
            "check",
            "--quick",
            "--server",
            link,
            "--format",
            "json",
            "--output",
            str(output),
        )
        program = begin(lab, (*argv, *options)).wait()
        if not output.exists():
            raise BenchmarkError(f"status {program.status} without a report: {program.stderr}")
        return Checked(program, json.loads(output.read_text(encoding="utf-8")))


def require(states: Mapping[str, str], truth: Truth) -> None:
    """A fast wrong answer is no figure.  Raises BenchmarkError."""
    if wrong := differing(states, truth):
        raise BenchmarkError(f"wrong states (expected, reported): {wrong}")


def differing(states: Mapping[str, str], truth: Truth) -> dict[str, tuple[str, str]]:
    """The ports whose state is not the truth: expected and reported."""
    expected = truth.states
    return {
        port: (expected.get(port, "-"), states.get(port, "-"))
        for port in sorted(expected.keys() | states.keys())
        if expected.get(port) != states.get(port)
    }

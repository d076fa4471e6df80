"""The whole editor matrix at 50 ms: every dialogue on its own port and on a control port, compared
and followed, behind a NAT without editors and behind one with the kernel's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from benchmarks.row import REPEATS, BenchmarkError, Row, timing
from tests.lab.description import EDITORS, Network

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from benchmarks import program
from tests.lab.nat_reports import check
from tests.lab.network import Lab
from tests.lab.scenarios import served

RTT_MS = 50.0
AT_MOST_S = 2.5
NETWORKS = {"no editors": Network(rtt_ms=RTT_MS), "all": Network(rtt_ms=RTT_MS, editors=EDITORS)}


def run() -> Iterator[Row]:
    for name, network in NETWORKS.items():
        with Lab(network) as lab, served(lab) as (_, link):
            asked = ("--server", link, "--only", "editors")
            check(lab, *asked)  # reads the program from the disk once
            reports = [check(lab, *asked) for _ in range(REPEATS)]
            commands = [_command_s(lab, *asked) for _ in range(REPEATS)]
            whole = check(lab, "--server", link)
        dialogues = max(_talks(report) for report in reports)
        detail = f"{dialogues} dialogues"
        matrix = [_took_s(report) for report in reports]
        yield timing(f"editor matrix, 50 ms, {name}", matrix, "s", AT_MOST_S, detail)
        yield timing("  the check with --only editors", commands, "s")
        yield Row("  beside the other probes", _took_s(whole), "s", detail="in a default check")


def _command_s(lab: Lab, *options: str) -> float:
    """Seconds of the command as users type it."""
    done = program.start(lab, (program.NETCHECK, "check", *options)).wait()
    if not done.stdout:
        raise BenchmarkError(f"status {done.status} without a report: {done.stderr}")
    return done.seconds


def _held(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in report["observations"] if each["probe"] == "talk"]


def _talks(report: dict[str, Any]) -> int:
    """How many dialogues were held.  Raises BenchmarkError if one of them was not tested: what
    is left out takes no time."""
    held = _held(report)
    missing = [each["id"] for each in held if each["outcome"] == "untested"]
    if not held or missing:
        raise BenchmarkError(f"of {len(held)} dialogues not tested: {missing}")
    return len(held)


def _took_s(report: dict[str, Any]) -> float:
    """From the begin of the first dialogue to the end of the last."""
    held = _held(report)
    return float(max(e["at_s"] + e["took_s"] for e in held) - min(e["at_s"] for e in held))

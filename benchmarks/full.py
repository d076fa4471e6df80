"""The default check of both profiles behind an ordinary NAT at 50 ms: ports, the NAT, the dynamic
ports, voice and video; and how soon there is something to see on a terminal."""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.row import REPEATS, BenchmarkError, Row, timing
from tests.lab.description import Network

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from benchmarks import program
from benchmarks.program import NETCHECK
from tests.lab.nat_reports import check
from tests.lab.nat_scenarios import truth_of
from tests.lab.nat_verdicts import judge
from tests.lab.network import Lab
from tests.lab.scenarios import served

RTT_MS = 50.0
AT_MOST_S = 5.0
FIRST_AT_MOST_S = 0.3
MEDIA = "media"

# The first fact in words, or the progress bar counting one.
_FOUND = re.compile(rb"This computer is [\d.]+|(?<![\d/])([1-9]\d*)/\d+")
_CONTROLS = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def run() -> Iterator[Row]:
    network = Network(rtt_ms=RTT_MS)
    with Lab(network) as lab, served(lab) as (_, link):
        report = check(lab, "--server", link)  # reads the program from the disk once
        _require_whole(report, network)
        checks: list[float] = []
        firsts: list[float] = []
        for _ in range(REPEATS):
            done = program.start(lab, (NETCHECK, "check", "--server", link)).wait()
            if not done.stdout:
                raise BenchmarkError(f"status {done.status} without a report: {done.stderr}")
            checks.append(done.seconds)
            firsts.append(_first_result_s(lab, link))
    streams = [o["took_s"] for o in report["observations"] if MEDIA in o["probe"]]
    media = f"of which the streams {max(streams):.2g} s" if streams else ""
    yield timing("default check, both profiles, 50 ms", checks, "s", AT_MOST_S, media)
    yield timing("  first result on a terminal", firsts, "s", FIRST_AT_MOST_S)


def _require_whole(report: dict[str, Any], network: Network) -> None:
    """All parts were tested and nothing is wrong.  Raises BenchmarkError."""
    missing = [
        part for part in ("dynamic_udp", "dynamic_tcp", "media", "ports") if not report[part]
    ]
    wrong = [each for each in judge(truth_of(network), report) if each.judgement == "wrong"]
    if missing or wrong:
        raise BenchmarkError(f"not tested: {missing}; not the truth: {wrong}")


def _first_result_s(lab: Lab, link: str) -> float:
    """Seconds from the start until something found is shown, by the clock of script(1)."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        out, times = Path(folder, "out"), Path(folder, "times")
        command = shlex.join((NETCHECK, "check", "--server", link))
        options = ("--quiet", "--flush", "--command", command)
        argv = ("script", *options, "--log-out", str(out), "--log-timing", str(times))
        program.start(lab, argv).wait()
        # The log begins with a line of script's own.
        written = out.read_bytes().partition(b"\n")[2]
        shown, at_s = b"", 0.0
        for line in times.read_text().splitlines():
            delay, size = line.split()
            at_s += float(delay)
            shown, written = shown + written[: int(size)], written[int(size) :]
            if _FOUND.search(_CONTROLS.sub(b"", shown)):
                return at_s
        raise BenchmarkError(f"no progress on the terminal: {shown[-500:]!r}")

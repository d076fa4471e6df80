"""How soon the program is there, and the most memory that a check takes."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benchmarks.row import REPEATS, BenchmarkError, Row, timing
from tests.lab.description import Network
from tests.lab.scenarios import served

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from benchmarks import program
from benchmarks.checks import check
from tests.lab.network import Lab

HELP_AT_MOST_S = 0.150
PEAK_AT_MOST_MB = 80.0


def run() -> Iterator[Row]:
    with Lab(Network(nat=False)) as lab, served(lab) as (_, link):
        _time(lab, program.NETCHECK, "--help")  # reads the program from the disk once
        bare: list[float] = []
        helped: list[float] = []
        for _ in range(REPEATS):
            bare.append(_time(lab, sys.executable, "-c", "pass"))
            helped.append(_time(lab, program.NETCHECK, "--help"))
        peaks = [check(lab, link).program.peak_mb for _ in range(REPEATS)]
    yield timing("netcheck --help", helped, "s", HELP_AT_MOST_S)
    yield timing("  Python that does nothing", bare, "s")
    yield Row("peak memory of a check", max(peaks), "MB", PEAK_AT_MOST_MB, f"of {REPEATS} runs")


def _time(lab: Lab, *argv: str) -> float:
    done = program.start(lab, argv).wait()
    if done.status:
        raise BenchmarkError(f"{argv} ended with {done.status}: {done.stderr}")
    return done.seconds

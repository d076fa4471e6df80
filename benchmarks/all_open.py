"""Both profiles' ports, all open, over a path of 50 ms: how long until the report is there."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benchmarks.row import REPEATS, Row, timing
from tests.lab.description import Network
from tests.lab.scenarios import Truth, served

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from benchmarks import program
from benchmarks.checks import Checked, check, check_as_text, require
from benchmarks.program import Finished
from tests.lab.network import Lab

RTT_MS = 50.0
AT_MOST_S = 0.7
TRUTH = Truth(inbound="open", nat=False)


def run() -> Iterator[Row]:
    with Lab(Network(nat=False, rtt_ms=RTT_MS)) as lab, served(lab) as (_, link):
        check(lab, link)  # reads the program from the disk once
        check_as_text(lab, link, TRUTH)
        checks: list[Checked] = []
        texts: list[Finished] = []
        for _ in range(REPEATS):
            checks.append(check(lab, link))
            require(checks[-1].states, TRUTH)
            texts.append(check_as_text(lab, link, TRUTH))
        entering = [program.start(lab, ("true",)).wait().seconds for _ in range(REPEATS)]
    yield timing("all ports open, 50 ms", [done.seconds for done in texts], "s", AT_MOST_S)
    yield timing("  with --format json", [c.program.seconds for c in checks], "s", AT_MOST_S)
    yield timing("  of that: in the check", [c.report["duration_s"] for c in checks], "s")
    yield timing("  of that: entering the lab's node", entering, "s")
    yield timing("  CPU time", [done.cpu_s for done in texts], "s")

"""How a NAT maps, filters, hairpins and keeps ports, as a user asks with any STUN server: the
whole program in every mode of NAT, beside Debian's stun, coturn's natdiscovery and pystun3.

The server is ours for all of them.  The others wait for what cannot come, so they run at the
same time, and in a few of the networks.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.row import REPEATS, BenchmarkError, Row, timing
from benchmarks.stun_tools import TOOLS, Name
from tests.lab.nat_scenarios import NAT_SCENARIOS, NatScenario

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from benchmarks import program
from benchmarks.program import NETCHECK
from tests.lab.nat_reports import check
from tests.lab.network import Lab
from tests.lab.scenarios import served

AT_MOST_S = 0.6
FIELDS = ("mapping", "filtering", "hairpin", "port_preservation")
MODES = (
    *("routed-and-open", "masquerade", "masquerade-random", "masquerade-fully-random", "hairpin"),
    *(f"{maps}-mapping-{lets}-filtering" for maps in ("ei", "ad", "apd") for lets in ("ei", "apd")),
)
OTHERS_IN = ("routed-and-open", "masquerade", "masquerade-random", "ei-mapping-ei-filtering")


def run() -> Iterator[Row]:
    by_name = {each.name: each for each in NAT_SCENARIOS}
    ours: dict[str, list[float]] = {}
    theirs: dict[Name, list[float]] = {name: [] for name in TOOLS}
    entering: list[float] = []
    for name in MODES:
        scenario = by_name[name]
        with Lab(scenario.network) as lab, served(lab):
            _require_truth(lab, scenario)  # which reads the program from the disk as well
            ours[name] = [_ours(lab) for _ in range(REPEATS)]
            entering.append(program.start(lab, ("true",)).wait().seconds)
            if name in OTHERS_IN:
                for tool, seconds in _others(lab).items():
                    theirs[tool].append(seconds)
    slowest = max(ours, key=lambda name: statistics.median(ours[name]))
    words = f"the slowest of {len(MODES)} modes of NAT: {slowest}"
    yield timing("NAT behaviour, check --quick --stun", ours[slowest], "s", AT_MOST_S, words)
    yield timing("  in all modes", [s for each in ours.values() for s in each], "s")
    yield timing("  of that: entering the lab's node", entering, "s")
    for tool, times in theirs.items():
        yield timing(f"  {tool}", times, "s", detail=f"in {len(times)} of these networks")


def _options(lab: Lab) -> tuple[str, ...]:
    return ("--quick", "--stun", lab.network.server, "--stun", lab.network.server_2)


def _require_truth(lab: Lab, scenario: NatScenario) -> None:
    """A fast wrong answer is no figure, nor is none.  Raises BenchmarkError."""
    nat, truth = check(lab, *_options(lab))["nat"], scenario.truth
    wrong = {
        field: (getattr(truth, field), nat[field])
        for field in FIELDS
        if nat[field] != getattr(truth, field)
    }
    if wrong:
        raise BenchmarkError(f"{scenario.name}: not the truth (true, reported): {wrong}")


def _ours(lab: Lab) -> float:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        output = Path(folder, "report.txt")
        argv = (NETCHECK, "check", *_options(lab), "--output", str(output))
        done = program.start(lab, argv).wait()
        if not output.exists():
            raise BenchmarkError(f"status {done.status} without a report: {done.stderr}")
    return done.seconds


def _others(lab: Lab) -> dict[Name, float]:
    """Seconds until each ended.  Raises BenchmarkError if one did not, or said nothing."""
    running = {
        name: program.start(lab, tool.argv(lab.network.server)) for name, tool in TOOLS.items()
    }
    with ThreadPoolExecutor(len(running)) as pool:
        ended = {name: pool.submit(each.wait) for name, each in running.items()}
    done = {name: each.result() for name, each in ended.items()}
    for name, each in done.items():
        if not TOOLS[name].read(each.stdout + each.stderr):
            raise BenchmarkError(f"{name} found nothing out: {each.stdout}{each.stderr}")
    return {name: each.seconds for name, each in done.items()}

"""A hundred checks of an open network that loses a packet in ten, each way: none may say
"blocked", for nothing is."""

from __future__ import annotations

import statistics
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.row import BenchmarkError, Row
from tests.lab.description import Network
from tests.lab.scenarios import served

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from benchmarks import program
from benchmarks.checks import Checked, check
from tests.lab.network import Lab

CHECKS = 100
CLIENTS = 4  # at the same time; two cores are busy with about twice as many
LOSS_PERCENT = 10.0
RTT_MS = 20.0


def run() -> Iterator[Row]:
    checks = _checks()
    reached = [each for each in checks if each.report["server"]["reached"]]
    states = Counter(state for each in reached for state in each.states.values())
    seconds = sorted(each.program.seconds for each in checks)
    total = sum(states.values())
    shown = ", ".join(f"{count} {state}" for state, count in states.most_common())
    yield Row(
        f"{CHECKS} checks at 10 % loss: ports called blocked that are not",
        float(states["blocked"]),
        "ports",
        0.0,
        f"of {total}: {shown}",
    )
    sent, lost = _tally(reached)
    yield Row("  loss that the checks saw", 100 * lost / sent, "%", detail=f"{lost} of {sent}")
    others = total - states["open"] - states["unknown"] - states["blocked"]
    yield Row("  otherwise wrong", float(others), "ports", 0.0)
    yield Row("  unknown", float(states["unknown"]), "ports", detail=_places(reached, "unknown"))
    yield Row("  server not reached", float(len(checks) - len(reached)), "checks")
    yield Row("  time, median", statistics.median(seconds), "s", detail=f"{CLIENTS} at a time")
    yield Row("  time, 95th percentile", seconds[len(seconds) * 95 // 100 - 1], "s")
    yield Row("  time, longest", seconds[-1], "s")


def _checks() -> list[Checked]:
    network = Network(nat=False, loss_percent=LOSS_PERCENT, rtt_ms=RTT_MS)
    # Each client has an address, so that the same local ports serve all of them.
    addresses = [f"{network.lan_v4}.{10 + number}" for number in range(CLIENTS)]
    with Lab(network) as lab, served(lab) as (_, link):
        for address in addresses:
            program.start(lab, ("ip", "address", "add", f"{address}/24", "dev", "eth0")).wait()
        starting = threading.Lock()  # the lab numbers its programs

        def begin(lab: Lab, argv: Sequence[str]) -> program.Running:
            with starting:
                return program.start(lab, argv)

        def share(address: str) -> list[Checked]:
            rounds = CHECKS // CLIENTS
            return [check(lab, link, "--bind", address, begin=begin) for _ in range(rounds)]

        with ThreadPoolExecutor(CLIENTS) as pool:
            return [each for checks in pool.map(share, addresses) for each in checks]


def _tally(checks: list[Checked]) -> tuple[int, int]:
    """Round trips tried and lost, over all checks.  Raises BenchmarkError if none was."""
    tallies = [o for each in checks for o in each.report["observations"] if o["id"] == "loss"]
    sent, lost = (
        sum(tally[f"{kind}_{what}"] for tally in tallies for kind in ("control", "tcp", "udp"))
        for what in ("sent", "lost")
    )
    if not lost:
        raise BenchmarkError("no check lost anything: the network does not do what it should")
    return sent, lost


def _places(checks: list[Checked], state: str) -> str:
    """Where a state was reported most."""
    ports = Counter(p for each in checks for p, s in each.states.items() if s == state)
    return ", ".join(f"{port} ({count})" for port, count in ports.most_common(5))

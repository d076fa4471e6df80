"""The echo server: its memory when idle, and a hundred checks at once.

Server and clients share one node of a lab, over its loopback: nothing is measured but the two
programs, each of which has a core of its own on the two that the target speaks of.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.row import REPEATS, BenchmarkError, Row
from tests.lab.description import Network

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from benchmarks.crowd import TRUTH
from benchmarks.program import NETCHECK, PATIENCE_S
from tests.lab.network import Lab, NodeProcess

ADDRESS = "127.0.0.2"
IDLE_AT_MOST_MB = 60.0
CHECKS = 100
SLOWEST_AT_MOST_S = 3.0


def run() -> Iterator[Row]:
    with Lab(Network(dns=None)) as lab, _serving(lab) as (server, link):
        idle_mb = _memory_mb(server.pid)
        before_s = _cpu_s(server.pid)
        crowds = [_crowd(lab, link) for _ in range(REPEATS)]
        server_s = (_cpu_s(server.pid) - before_s) / REPEATS
        after_mb = _memory_mb(server.pid)
    yield Row("server, idle: memory", idle_mb, "MB", IDLE_AT_MOST_MB)
    seconds = [s for crowd in crowds for s in crowd["seconds"]]
    slowest = [max(crowd["seconds"]) for crowd in crowds]
    wrong = [report for crowd in crowds for report in crowd["wrong"]]
    yield Row(
        f"{CHECKS} checks at once: reports that are wrong",
        float(len(wrong)),
        "reports",
        0.0,
        f"of {len(seconds)}" + (f"; the first: {wrong[0]}"[:80] if wrong else ""),
    )
    shown = ", ".join(f"{s:.2f}" for s in slowest)
    yield Row("  the slowest", max(slowest), "s", SLOWEST_AT_MOST_S, f"{REPEATS} runs: {shown}")
    yield Row("  median", statistics.median(seconds), "s")
    tries = statistics.median(crowd["tries"] for crowd in crowds) / CHECKS
    yield Row("  tries in each check", tries, "tries", detail=f"{len(TRUTH)} are the least")
    yield Row("  CPU time of the server", server_s, "s", detail="each run")
    clients_s = statistics.median(crowd["cpu_s"] for crowd in crowds)
    yield Row(
        "  CPU time of the clients", clients_s, "s", detail=f"each run, {CHECKS} in a process"
    )
    yield Row("  server memory afterwards", after_mb, "MB")


@contextmanager
def _serving(lab: Lab) -> Iterator[tuple[NodeProcess, str]]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        argv = (NETCHECK, "serve", "--data-dir", folder, "--listen", ADDRESS)
        with lab.popen("server", argv) as server:
            server.wait_for("netcheck://")
            link = re.search(r"netcheck://\S+[0-9a-f]{64}", server.stdout)
            if link is None or server.stderr:
                raise BenchmarkError(server.log())
            yield server, link[0]


def _crowd(lab: Lab, link: str) -> dict[str, Any]:
    argv = (sys.executable, "-m", "benchmarks.crowd", link, str(CHECKS))
    done = lab.run("server", argv, timeout=PATIENCE_S)
    if done.returncode:
        raise BenchmarkError(f"the clients ended with {done.returncode}: {done.stderr}")
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def _memory_mb(pid: int) -> float:
    """Resident memory now (proc(5))."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def _cpu_s(pid: int) -> float:
    """User and system time so far (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

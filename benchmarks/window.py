"""The window: how soon it is there, whether it ever stalls, and the memory it takes.

Each figure is of a process of its own (benchmarks.window_run), on a screen that is none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.row import REPEATS, BenchmarkError, Row, timing
from tests.lab.description import Network
from tests.lab.scenarios import served

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from tests.lab.network import Lab

START_AT_MOST_S = 0.8
STALL_AT_MOST_MS = 30.0
MEMORY_AT_MOST_MB = 200.0
OPEN_AT_MOST_S = 0.5
OF_5_MB = 4600  # observations, each of which takes a thousand bytes
MANY = 10_000

PATIENCE_S = 120.0


def run() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        environment = {
            **os.environ,
            "QT_QPA_PLATFORM": "offscreen",
            "NETCHECK_DATA_DIR": folder,
            "XDG_CONFIG_HOME": folder,
        }

        def figures(what: str, *words: str) -> dict[str, float]:
            argv = [sys.executable, "-m", "benchmarks.window_run", what, *words]
            done = subprocess.run(
                argv, env=environment, capture_output=True, text=True, timeout=PATIENCE_S,
                check=False,
            )  # fmt: skip
            if done.returncode:
                raise BenchmarkError(f"{argv} ended with {done.returncode}: {done.stderr[-2000:]}")
            found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
            return found

        figures("start", str(time.time()))  # reads everything from the disk once
        starts = [figures("start", str(time.time()))["painted_s"] for _ in range(REPEATS)]
        yield timing("from the start to the painted window", starts, "s", START_AT_MOST_S)
        with Lab(Network(rtt_ms=50)) as lab, served(lab) as (_, link):
            yield from _check(lab, link, environment, Path(folder))
        opened = [figures("open", str(OF_5_MB)) for _ in range(REPEATS)]
        size = f"{opened[0]['size_mb']:.1f} MB, {OF_5_MB} observations"
        yield timing("opening a report", [o["opened_s"] for o in opened], "s", OPEN_AT_MOST_S, size)
        yield timing("  longest stall meanwhile", [o["stall_ms"] for o in opened], "ms")
        many = [figures("open", str(MANY)) for _ in range(REPEATS)]
        scrolled = [o["scroll_ms"] for o in many]
        yield timing(f"longest stall scrolling {MANY}", scrolled, "ms", STALL_AT_MOST_MS)
        yield timing("  sorting them", [o["sort_ms"] for o in many], "ms", STALL_AT_MOST_MS)
        yield timing("  filtering them", [o["filter_ms"] for o in many], "ms", STALL_AT_MOST_MS)
        memory = max(o["memory_mb"] for o in many)
        yield Row("  memory with them", memory, "MB", MEMORY_AT_MOST_MB, f"of {REPEATS} runs")


def _check(lab: Lab, link: str, environment: dict[str, str], folder: Path) -> Iterator[Row]:
    told = []
    for number in range(REPEATS):
        file = folder / f"check-{number}.json"
        argv = (sys.executable, "-m", "benchmarks.window_run", "check", link, str(file))
        done = lab.run("client", argv, env=environment, timeout=PATIENCE_S)
        if done.returncode:
            raise BenchmarkError(f"status {done.returncode}: {done.stderr[-2000:]}")
        told.append(json.loads(file.read_text()))
    stalls = [each["stall_ms"] for each in told]
    yield timing("longest stall during a check", stalls, "ms", STALL_AT_MOST_MS)
    yield timing("  of showing its answer", [each["answer_ms"] for each in told], "ms")
    yield timing("  cancel answers", [each["cancel_ms"] for each in told], "ms", 100.0)
    memory = max(each["memory_mb"] for each in told)
    yield Row("  memory", memory, "MB", MEMORY_AT_MOST_MB, f"of {REPEATS} runs")

"""``python -m benchmarks.accuracy [--runs N] [--only NAME] [--output FILE]``: truth and verdicts.

Every network of the lab whose NAT is known, checked again and again without loss and with 10 %
of the packets lost each way, and once by other programs without loss.  What was measured is
kept in a file, so that a run that was ended goes on where it was; the file belongs to this very
source, so that no verdict of another version counts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.accuracy_table import Found, Run, Table, render
from benchmarks.stun_tools import TOOLS, Name
from tests.lab.nat_scenarios import NAT_SCENARIOS, NatScenario
from tests.lab.nat_verdicts import judge

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from tests.lab.nat_reports import DEEP_ENDS_S, parts, report_in
from tests.lab.network import Lab, LabError
from tests.lab.scenarios import served

RUNS = 20
LOSSES = (0, 10)
AT_ONCE = 2  # the checks of the table are not disturbed by each other on two cores
OTHERS_AT_ONCE = 6  # these only wait
DEEP_AT_ONCE = 8  # likewise

OTHERS_END_S = 60.0
"""pystun3 gives up after 16 s, and natdiscovery after 12."""

MINUTES = 120
"""Twenty runs of all take an hour on two cores; what is then left is told, and done next time."""

TRIES = 2
"""A lab that did not come about is made once more; a check that then fails is told."""

_ROOT = Path(__file__).parent.parent
_SOURCES = ("netcheck", "probes", "tests/lab", "benchmarks")


FAILED = "failed "  # before the key of a job: why it gave no report


class Memory:
    """What was measured already, one line of JSON each; safe from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.lines: dict[str, Any] = {}
        if path.exists():
            # A line that was cut short is measured again.
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    key, value = json.loads(line)
                except ValueError:
                    continue
                self.lines[key] = value

    def keep(self, key: str, value: Any) -> None:
        with self._lock:
            self.lines[key] = value
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, value]) + "\n")


class Job:
    """One thing to measure, by a key that tells it from all others."""

    def __init__(self, kind: str, scenario: NatScenario, loss: int = 0, number: int = 0) -> None:
        self.kind = kind
        self.scenario = scenario
        self.loss = loss
        self.key = f"{kind} {scenario.name} {loss} {number}"

    def do(self) -> Any:
        """Raises LabError."""
        for left in reversed(range(TRIES)):
            try:
                return self._measured()
            except LabError:
                if not left:
                    raise
        raise AssertionError

    def _measured(self) -> Any:
        network = replace(self.scenario.network, loss_percent=self.loss)
        if self.kind == "others":
            return _others(self.scenario)
        if self.kind == "deep":
            # So that the search for that of TCP ends with the other.
            network = replace(network, tcp_timeout_s=network.udp_timeout_s)
            report = report_in(network, "--only", "nat", "--deep", ends_s=DEEP_ENDS_S)
        else:
            report = report_in(network, *parts(self.scenario))
        found = judge(self.scenario.truth, report, deep=self.kind == "deep")
        return [(each.field, each.judgement, str(each.said)) for each in found]


def _others(scenario: NatScenario) -> dict[Name, str | None]:
    """What each program says in the same network at the same time; None if it did not end."""
    with Lab(scenario.network) as lab, served(lab):
        server = lab.network.server
        running = {name: lab.popen("client", tool.argv(server)) for name, tool in TOOLS.items()}
        said: dict[Name, str | None] = {}
        for name, process in running.items():
            try:
                process.wait(OTHERS_END_S)
            except subprocess.TimeoutExpired:
                said[name] = None
                continue
            said[name] = process.stdout + process.stderr
        return said


def main() -> int:
    options = _options()
    chosen = [each for each in NAT_SCENARIOS if not options.only or each.name in options.only]
    memory = Memory(options.state or _state())
    jobs = list(_jobs(chosen, options.runs))
    work = Work(memory, time.monotonic() + 60 * options.minutes)
    # The deep ones take minutes, in which they only wait.
    with ThreadPoolExecutor(1) as aside:
        deep = aside.submit(work.do, [job for job in jobs if job.kind == "deep"], DEEP_AT_ONCE)
        work.do([job for job in jobs if job.kind == "others"], OTHERS_AT_ONCE)
        work.do([job for job in jobs if job.kind == "ours"], AT_ONCE)
        deep.result()
    done = [(job, memory.lines[job.key]) for job in jobs if job.key in memory.lines]
    # Told until it is measured, though another run writes the page.
    failures = {
        job.key: str(memory.lines[FAILED + job.key])
        for job in jobs
        if FAILED + job.key in memory.lines and job.key not in memory.lines
    }
    table = Table(
        losses=LOSSES,
        scenarios=chosen,
        ours=[
            Run(job.scenario.name, job.loss, job.kind == "deep", [Found(*each) for each in found])
            for job, found in done
            if job.kind != "others"
        ],
        others={job.scenario.name: said for job, said in done if job.kind == "others"},
        failures=failures,
    )
    text = render(table)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 1 if failures or table.wrong else 0


def _options() -> argparse.Namespace:
    names = [each.name for each in NAT_SCENARIOS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy",
        description="Hold netcheck's verdicts on NATs against the truth.",
    )
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of each [default: {RUNS}]")
    parser.add_argument("--only", action="append", metavar="NAME", choices=names, help="a network")
    parser.add_argument("--output", type=Path, metavar="FILE", help="[default: standard output]")
    parser.add_argument(
        "--minutes", type=float, default=MINUTES, help=f"begin nothing later [default: {MINUTES}]"
    )
    parser.add_argument("--state", type=Path, metavar="FILE", help="what was measured already")
    return parser.parse_args()


def _state() -> Path:
    """Of this very source: with another one nothing that was measured counts."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return Path(tempfile.gettempdir(), f"netcheck-accuracy-{digest.hexdigest()[:16]}.jsonl")


def _jobs(chosen: Iterable[NatScenario], runs: int) -> Iterator[Job]:
    """Round by round, so that a table of fewer runs is whole as well."""
    chosen = list(chosen)
    for scenario in chosen:
        yield Job("others", scenario)
        if scenario.truth.binding_lifetime_s is not None:
            yield from (Job("deep", scenario, loss) for loss in LOSSES)
    for number in range(runs):
        for scenario in chosen:
            yield from (Job("ours", scenario, loss, number) for loss in LOSSES)


class Work:
    """Does what was not done before, and begins nothing after ``end_s`` of the clock."""

    def __init__(self, memory: Memory, end_s: float) -> None:
        self._memory = memory
        self._end_s = end_s

    def do(self, jobs: list[Job], at_once: int) -> None:
        left = [job for job in jobs if job.key not in self._memory.lines]
        with ThreadPoolExecutor(at_once) as pool:
            begun = {pool.submit(self._one, job): job for job in left}
            for count, future in enumerate(as_completed(begun), start=1):
                future.result()
                job = begun[future]
                print(f"{job.kind}: {count} of {len(left)}, {job.scenario.name}", file=sys.stderr)

    def _one(self, job: Job) -> None:
        if time.monotonic() > self._end_s:
            return
        try:
            self._memory.keep(job.key, job.do())
        except Exception as error:  # the others are still worth having
            self._memory.keep(FAILED + job.key, f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    raise SystemExit(main())

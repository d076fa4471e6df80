"""Verdicts on NATs: what is measured of them, ours and other programs'.

Every network of the lab whose NAT is known, checked again and again without loss and with 10 %
of the packets lost each way, and once by other programs without loss.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from benchmarks.accuracy_table import Found, Run, Table, render
from benchmarks.accuracy_work import Job, Part, Work
from benchmarks.stun_tools import TOOLS, Name
from tests.lab.nat_scenarios import NAT_SCENARIOS, NatScenario
from tests.lab.nat_verdicts import judge

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from tests.lab.nat_reports import DEEP_ENDS_S, parts, report_in
from tests.lab.network import Lab
from tests.lab.scenarios import served

NAMES = tuple(each.name for each in NAT_SCENARIOS)

RUNS = 20
LOSSES = (0, 10)
AT_ONCE = 2  # the checks of the table are not disturbed by each other on two cores
OTHERS_AT_ONCE = 6  # these only wait
DEEP_AT_ONCE = 8  # likewise

OTHERS_END_S = 60.0
"""pystun3 gives up after 16 s, and natdiscovery after 12."""


class NatJob(Job):
    def __init__(self, kind: str, scenario: NatScenario, loss: int = 0, number: int = 0) -> None:
        super().__init__(kind, scenario.name, loss, number)
        self.scenario = scenario

    def measured(self) -> Any:
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


def part(names: Collection[str], runs: int, work: Work) -> Part:
    """Of the networks of these names."""
    chosen = [each for each in NAT_SCENARIOS if each.name in names]
    jobs = list(_jobs(chosen, runs))
    # The deep ones take minutes, in which they only wait.
    with ThreadPoolExecutor(1) as aside:
        deep = aside.submit(work.do, [job for job in jobs if job.kind == "deep"], DEEP_AT_ONCE)
        work.do([job for job in jobs if job.kind == "others"], OTHERS_AT_ONCE)
        work.do([job for job in jobs if job.kind == "ours"], AT_ONCE)
        deep.result()
    done = [(job, found) for job in jobs if (found := work.done(job)) is not None]
    table = Table(
        losses=LOSSES,
        scenarios=chosen,
        ours=[
            Run(job.name, job.loss, job.kind == "deep", [Found(*each) for each in found])
            for job, found in done
            if job.kind != "others"
        ],
        others={job.name: said for job, said in done if job.kind == "others"},
        failures=work.failures(jobs),
    )
    return Part(render(table), good=not (table.failures or table.wrong))


def _jobs(chosen: Sequence[NatScenario], runs: int) -> Iterator[NatJob]:
    """Round by round, so that a table of fewer runs is whole as well."""
    for scenario in chosen:
        yield NatJob("others", scenario)
        if scenario.truth.binding_lifetime_s is not None:
            yield from (NatJob("deep", scenario, loss) for loss in LOSSES)
    for number in range(runs):
        for scenario in chosen:
            yield from (NatJob("ours", scenario, loss, number) for loss in LOSSES)

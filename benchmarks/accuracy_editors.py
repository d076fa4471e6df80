"""Verdicts on NAT editors: what is measured of them.

Every network of the lab with its editors, or without any, checked again and again without loss
and with 5 % of the packets lost each way.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.accuracy_editors_table import Found, Run, Table, render
from benchmarks.accuracy_work import Job, Part, Work
from tests.lab.editor_scenarios import EDITOR_SCENARIOS, LOSSES, EditorScenario
from tests.lab.editor_verdicts import judge

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from tests.lab.nat_reports import report_in

NAMES = tuple(each.name for each in EDITOR_SCENARIOS)

RUNS = 5
AT_ONCE = 2  # the checks are not disturbed by each other on two cores


class EditorJob(Job):
    def __init__(self, scenario: EditorScenario, loss: int, number: int) -> None:
        super().__init__("editors", scenario.name, loss, number)
        self.scenario = scenario

    def measured(self) -> Any:
        network = replace(self.scenario.network, loss_percent=self.loss)
        # the row of ICMP rests on what the behaviour of the NAT is measured by
        report = report_in(network, "--only", "editors", "--only", "nat")
        return list(judge(self.scenario, report, loss=self.loss > 0))


def part(names: Collection[str], runs: int, work: Work) -> Part:
    """Of the networks of these names."""
    chosen = [each for each in EDITOR_SCENARIOS if each.name in names]
    jobs = list(_jobs(chosen, runs))
    work.do(jobs, AT_ONCE)
    table = Table(
        losses=LOSSES,
        scenarios=chosen,
        runs=[
            Run(job.name, job.loss, [Found(*each) for each in found])
            for job in jobs
            if (found := work.done(job)) is not None
        ],
        failures=work.failures(jobs),
    )
    return Part(render(table), good=not (table.failures or table.wrong))


def _jobs(chosen: Sequence[EditorScenario], runs: int) -> Iterator[EditorJob]:
    """Round by round, so that a table of fewer runs is whole as well."""
    for number in range(runs):
        for scenario in chosen:
            yield from (EditorJob(scenario, loss, number) for loss in LOSSES)

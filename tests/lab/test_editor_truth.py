"""What becomes of the addresses in messages, by the real command, in every network of the lab.

Without loss every verdict is the truth; with loss one that rests on silence may be left open.
Here each network is checked once; `make accuracy` checks each with loss and without, many times.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from tests.lab.editor_scenarios import EDITOR_SCENARIOS, EditorScenario, at_one_loss
from tests.lab.editor_verdicts import Judged, judge
from tests.lab.nat_reports import Report, report_in

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

WITH_ICMP = ("routed", "nat", "double-nat", "forwarded-all")
"""Where that row is judged as well: it rests on what the NAT's behaviour is measured by, and that
takes longer than all the rest."""

QUICK_S = 2.5
"""The whole matrix at 50 ms, beside nothing else."""


def shown(report: Report) -> str:
    """What the verdicts rest on."""
    return "\n".join(json.dumps(o) for o in report["observations"] if o["probe"] == "talk")


def wrong(scenario: EditorScenario, report: Report, *, loss: bool) -> list[Judged]:
    """The verdicts that are not true, with their reasons, and the protocols that have none."""
    return [j for j in judge(scenario, report, loss=loss) if j.judgement == "wrong"]


@pytest.mark.parametrize(
    ("scenario", "loss"),
    [pytest.param(s, loss, id=f"{s.name}-{loss}") for s, loss in at_one_loss()],
)
def test_every_verdict_is_true(scenario: EditorScenario, loss: int) -> None:
    network = replace(scenario.network, loss_percent=loss)
    options = ["--only", "editors"]
    if scenario.name in WITH_ICMP:
        options += ["--only", "nat"]
    report = report_in(network, *options)
    said = wrong(scenario, report, loss=loss > 0)
    if scenario.name not in WITH_ICMP:
        said = [each for each in said if each.protocol != "icmp"]
    assert said == [], shown(report)


def test_a_pinhole_is_said_to_be_one() -> None:
    """A message that says where to go was followed there or was not; without one, null."""
    (scenario,) = (s for s in EDITOR_SCENARIOS if s.name == "rewriting-no-way")
    rows = {
        row["protocol"]: row for row in report_in(scenario.network, "--only", "editors")["editors"]
    }
    assert [rows[p]["pinhole"] for p in ("ldap", "dcom", "msn", "rpc", "pptp")] == [
        *(False, False, False, None, None)
    ]


def test_the_matrix_is_quick() -> None:
    (scenario,) = (s for s in EDITOR_SCENARIOS if s.name == "kernel-all")
    report = report_in(replace(scenario.network, rtt_ms=50), "--only", "editors")
    talks = [o for o in report["observations"] if o["probe"] == "talk"]
    began = min(o["at_s"] for o in talks)
    assert max(o["at_s"] + o["took_s"] for o in talks) - began <= QUICK_S

"""What a check said of each protocol, held against the truth (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.lab.editor_scenarios import EditorScenario, Protocol
from tests.lab.nat_verdicts import Judgement

NO_ROW = "no row"


class Judged(NamedTuple):
    """One row of the editor matrix.  ``unknown`` says too little, because of loss."""

    protocol: Protocol
    judgement: Judgement
    said: str
    reason: str


def judge(scenario: EditorScenario, report: dict[str, Any], *, loss: bool) -> Iterator[Judged]:
    """Every protocol of the scenario's truth."""
    rows = {row["protocol"]: row for row in report["editors"]}
    for protocol, true in scenario.truth.items():
        row = rows.get(protocol, {"verdict": NO_ROW, "reason": ""})
        judgement: Judgement = "wrong"
        if row["verdict"] in true:
            judgement = "right"
        elif row["verdict"] in scenario.allowed(protocol, loss=loss):
            judgement = "unknown"
        yield Judged(protocol, judgement, row["verdict"], row["reason"])

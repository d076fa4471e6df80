"""A measured figure, and the figure it is held against."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

REPEATS = 5  # the least from which a median says more than a single run


@dataclass(frozen=True)
class Row:
    """``at_most`` is the target in ``unit``; without one the row only informs."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    detail: str = ""

    @property
    def met(self) -> bool | None:
        return None if self.at_most is None else self.value <= self.at_most


class BenchmarkError(Exception):
    """What was to be measured did not happen, so there is no figure."""


def timing(
    name: str, times: Sequence[float], unit: str, at_most: float | None = None, detail: str = ""
) -> Row:
    """The median of several runs, with the range in words."""
    spread = f"{min(times):.4g}–{max(times):.4g} {unit} in {len(times)} runs"
    words = f"{spread}; {detail}" if detail else spread
    return Row(name, statistics.median(times), unit, at_most, words)

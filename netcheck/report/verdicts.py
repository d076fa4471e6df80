"""How verdicts, states and severities look: their kind, and their sign.

Pages, lists, drawings and the window all have them from here, so that one word never looks good
in one place and bad in another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from netcheck.report.model import EditorVerdict, Feature, PortState, Severity, Verdict

if TYPE_CHECKING:
    from netcheck.report.compare_network import Trend

Kind = Literal["good", "part", "bad", "open"]
"""Which of four shapes and colours stands for it; ``open`` is what could not be decided."""


class Sign(NamedTuple):
    """The kind of a word; the sign before it, with and without Unicode; its style on a terminal."""

    kind: Kind
    mark: str
    plain: str
    style: str


GOOD = Sign("good", "✓", "+", "green")
PART = Sign("part", "~", "~", "yellow")
BAD = Sign("bad", "✗", "x", "red")
OPEN = Sign("open", "?", "?", "magenta")

VERDICTS: dict[Verdict, Sign] = {
    "works": GOOD,
    "limited": PART,
    "fails": BAD._replace(style="bold red"),
    "unknown": OPEN,
}
WORST_FIRST: tuple[Verdict, ...] = ("fails", "limited", "unknown", "works")
"""The order in which they are told."""

PORT_STATES: dict[PortState, Sign] = {
    "open": GOOD,
    "refused": BAD,
    "blocked": BAD,
    "intercepted": BAD,
    "altered": BAD,
    "busy": PART._replace(mark="!", plain="!"),
    "unavailable": OPEN,
    "untested": OPEN,
    "unknown": OPEN,
}
EDITORS: dict[EditorVerdict, Sign] = {
    "not-needed": GOOD,
    "edited": GOOD,
    "edited-unreachable": BAD,
    "untouched": PART,
    "mangled": BAD,
    "blocked": BAD,
    "not-tested": OPEN,
}
SEVERITIES: dict[Severity, Sign] = {"error": BAD, "warning": PART, "info": OPEN}
TRENDS: dict[Trend, Sign] = {"better": GOOD, "worse": BAD, "changed": PART}
SAMPLES: dict[str, Sign] = {
    "open": GOOD,
    "refused": BAD,
    "blocked": BAD,
    "altered": BAD,
    "intercepted": BAD,
    "reply-lost": PART,
    "undecided": OPEN,
}
"""The outcomes of ``PortSample``, a dynamic port that was tried."""

# Any: to mypy a mapping of some literal words is none of words.
TABLES: tuple[Mapping[Any, Sign], ...] = (
    VERDICTS, PORT_STATES, EDITORS, SEVERITIES, TRENDS, SAMPLES,
)  # fmt: skip

SIGNS: dict[str, Sign] = {word: sign for table in TABLES for word, sign in table.items()}
"""By the word alone, whatever it is said of: no two tables contradict each other."""

STYLES: dict[str, Kind] = {sign.style: sign.kind for sign in SIGNS.values()}
"""Back from what a page for a terminal was told."""


def worst_first(features: Iterable[Feature]) -> list[Feature]:
    """Those of one verdict stay in their order."""
    return sorted(features, key=lambda feature: WORST_FIRST.index(feature.verdict))

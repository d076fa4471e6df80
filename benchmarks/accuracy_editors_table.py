"""The page of benchmarks.accuracy_editors, from what was measured (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from netcheck.protocols import in_words
from tests.lab.editor_scenarios import PROTOCOLS, EditorScenario, Truth
from tests.lab.nat_verdicts import Judgement


class Found(NamedTuple):
    """What a check said of one protocol."""

    protocol: str
    judgement: Judgement
    said: str
    reason: str


@dataclass(frozen=True)
class Run:
    """One check."""

    name: str
    loss: int
    found: Sequence[Found]

    def those(self, judgement: Judgement) -> list[Found]:
        return [each for each in self.found if each.judgement == judgement]

    @property
    def kind(self) -> Judgement:
        """That of the worst verdict."""
        if self.those("wrong"):
            return "wrong"
        return "unknown" if self.those("unknown") else "right"


@dataclass(frozen=True)
class Table:
    """``failures`` says why something was not measured."""

    losses: Sequence[int]
    scenarios: Sequence[EditorScenario]
    runs: Sequence[Run]
    failures: Mapping[str, str]

    def of(self, name: str, loss: int) -> list[Run]:
        return [run for run in self.runs if (run.name, run.loss) == (name, loss)]

    @property
    def wrong(self) -> Counter[tuple[str, int, Found]]:
        """Every verdict that is not true, and how often it was given."""
        return Counter(
            (run.name, run.loss, each) for run in self.runs for each in run.those("wrong")
        )


HEAD = """## Addresses inside messages

What becomes of the addresses inside the messages of twelve protocols, by `netcheck check
--only editors --only nat`. The truth about each network is stated in
`tests/lab/editor_scenarios.py`, and tests with plain sockets show that it is so.

- `kernel-…` have the editors of the Linux kernel, one alone or all of them.
- `rewriting-…` have one more program on the router, for LDAP, COM, RPC and MSN, which the kernel
  has no editor for. It rewrites rightly, opens no way in, gets lengths wrong, edits the first
  address alone (of H.323 as well), or drops the message. `search-and-replace` knows no protocol:
  it replaces the text and the four octets of the address, on every port.
- `…-behind-a-carrier`: the carrier translates once more. What an editor at home writes is an
  address of the carrier's network, where nobody outside gets in.
- `…-forwarded-all`: all ports from 1024 on lead to the client: no editor has to open one.

TFTP and Amanda have editors in the kernel, and no address in any message: these let in answers
from other ports. netcheck has no dialogue for them; that they touch nothing else is in the table.

The truth names what is not *untouched*. The header inside an ICMP error is always *edited* where
there is a NAT, which is not repeated (`search-and-replace` loses such errors, so there it is
not judged). A run is **right** if every verdict is true. With loss, what rests on silence may be
**left open**: *blocked* and *edited-unreachable* then may be *not-tested*, or what is true of the
rest of the protocol is said. **WRONG** is a verdict that is not true.
"""


def render(table: Table) -> str:
    """Markdown."""
    parts = (_summary(table), _rows(table), _protocols(table), _notes(table))
    return "\n".join([HEAD, *(line for part in parts for line in part)])


def _summary(table: Table) -> Iterator[str]:
    yield "| | runs | right | with something left open | wrong |"
    yield "|---|--:|--:|--:|--:|"
    for loss in table.losses:
        kinds = Counter(run.kind for run in table.runs if run.loss == loss)
        counts = f"{kinds['right']} | {kinds['unknown']} | {kinds['wrong']}"
        yield f"| netcheck, {_with(loss)} | {kinds.total()} | {counts} |"
    yield ""


def _rows(table: Table) -> Iterator[str]:
    yield "### Every network with its editors"
    yield ""
    yield f"| network | truth | {' | '.join(_with(loss) for loss in table.losses)} |"
    yield "|---|---|" + "---|" * len(table.losses)
    for scenario in table.scenarios:
        ours = [_ours(table.of(scenario.name, loss)) for loss in table.losses]
        yield f"| `{scenario.name}` | {_truth(scenario.truth)} | {' | '.join(ours)} |"
    yield ""


def _truth(truth: Truth) -> str:
    """What is special about it, by verdict."""
    by: dict[str, list[str]] = {}
    for protocol, true in truth.items():
        if true != ("untouched",) and (protocol, true) != ("icmp", ("edited",)):
            by.setdefault(" or ".join(true), []).append(in_words(protocol))
    if [len(each) for each in by.values()] == [len(truth)]:
        return f"all {next(iter(by))}"
    return "; ".join(f"{', '.join(each)}: {verdict}" for verdict, each in by.items()) or "–"


def _ours(runs: Sequence[Run]) -> str:
    """How many runs were right, and what the others said."""
    if not runs:
        return "not run"
    words = [f"{sum(run.kind == 'right' for run in runs)} of {len(runs)}"]
    for judgement, says in (("wrong", "**WRONG**"), ("unknown", "left open")):
        found = Counter(
            f"{in_words(each.protocol)} {each.said}"
            for run in runs
            for each in run.found
            if each.judgement == judgement
        )
        if found:
            told = ", ".join(f"{what} {count}×" for what, count in found.most_common())
            words.append(f"{says}: {told}")
    return "; ".join(words)


def _protocols(table: Table) -> Iterator[str]:
    """The same verdicts by protocol."""
    heads = [f"{what}, {_with(loss)}" for loss in table.losses for what in _COLUMNS.values()]
    yield "### Every protocol"
    yield ""
    yield f"| protocol | {' | '.join(heads)} |"
    yield "|---|" + "--:|" * len(heads)
    for protocol in PROTOCOLS:
        cells = []
        for loss in table.losses:
            kinds = Counter(
                each.judgement
                for run in table.runs
                if run.loss == loss
                for each in run.found
                if each.protocol == protocol
            )
            cells += [str(kinds[judgement]) for judgement in _COLUMNS]
        yield f"| {in_words(protocol)} | {' | '.join(cells)} |"
    yield ""


_COLUMNS: Mapping[Judgement, str] = {"right": "right", "unknown": "left open", "wrong": "wrong"}


def _notes(table: Table) -> Iterator[str]:
    yield "### Verdicts on editors that are wrong"
    yield ""
    truths = {each.name: each.truth for each in table.scenarios}
    for (name, loss, found), count in sorted(table.wrong.items()):
        true = next((" or ".join(t) for p, t in truths[name].items() if p == found.protocol), "")
        yield (
            f"* `{name}`, {_with(loss)}: {in_words(found.protocol)} said `{found.said}` "
            f"({found.reason}), truly `{true}` ({count}×)"
        )
    yield "" if table.wrong else "None.\n"
    if table.failures:
        yield "### Checks of editors that gave no report"
        yield ""
        for key, why in sorted(table.failures.items()):
            yield f"* {key}: {why.splitlines()[0][:160] if why else ''}"
        yield ""


def _with(loss: int) -> str:
    return f"{loss} % loss" if loss else "no loss"

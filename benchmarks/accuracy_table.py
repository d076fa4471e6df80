"""The page of benchmarks.accuracy_nat, from what was measured (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.stun_tools import TOOLS, Name, mark
from tests.lab.nat_scenarios import ABBREVIATIONS, EVERY_PORT, NatScenario, NatTruth
from tests.lab.nat_verdicts import Judgement, unsayable


class Found(NamedTuple):
    """What a check said of one field, in words."""

    field: str
    judgement: Judgement
    said: str


@dataclass(frozen=True)
class Run:
    """One check of ours."""

    name: str
    loss: int
    deep: bool
    found: Sequence[Found]

    def fields(self, judgement: Judgement) -> list[str]:
        return [each.field for each in self.found if each.judgement == judgement]


@dataclass(frozen=True)
class Table:
    """``others`` is what each program wrote in each network, None if it did not end;
    ``failures`` says why something was not measured."""

    losses: Sequence[int]
    scenarios: Sequence[NatScenario]
    ours: Sequence[Run]
    others: Mapping[str, Mapping[Name, str | None]]
    failures: Mapping[str, str]

    def of(self, name: str, loss: int, *, deep: bool = False) -> list[Run]:
        return [r for r in self.ours if (r.name, r.loss, r.deep) == (name, loss, deep)]

    @property
    def wrong(self) -> Counter[tuple[str, int, Found]]:
        """Every verdict of ours that is not true, and how often it was given."""
        return Counter(
            (run.name, run.loss, each)
            for run in self.ours
            for each in run.found
            if each.judgement == "wrong"
        )


HEAD = """## Verdicts on NATs

And what other programs say in the same networks.

Each row is a network of namespaces whose NAT is made by the Linux kernel. The truth about it is
stated in `tests/lab/nat_scenarios.py`, and tests with plain sockets show that it is so. In each,
`netcheck check --only nat` runs as a user would start it (with `--only range` where ports are
limited). A run is **right** if nothing that netcheck says is wrong, and if it leaves unknown only
what nobody can know there (listed below). **WRONG** is a verdict that is not true.

The other programs run once, without loss and all three at the same time, against the same server.
They are held to what they claim, in their own words, about answers, the presence of a NAT, mapping,
filtering, hairpinning and whether ports are kept; netcheck is held to all the rest as well. A
word that covers several behaviours counts as right for each of them.

The numbers say how often each network was checked so far; `make accuracy` goes on until it is 20
times each way.

EI, AD and APD are endpoint-independent, address-dependent, and address-and-port-dependent
(RFC 4787); the truth gives mapping / filtering.
"""


def render(table: Table) -> str:
    """Markdown."""
    return "\n".join([HEAD, *_summary(table), *_rows(table), *_lifetimes(table), *_notes(table)])


def _summary(table: Table) -> Iterator[str]:
    yield "| | runs | right | with something unknown | wrong |"
    yield "|---|--:|--:|--:|--:|"
    scenarios = {each.name: each for each in table.scenarios}
    for loss in table.losses:
        runs = [r for r in table.ours if r.loss == loss and not r.deep]
        kinds = Counter(_kind(r, scenarios[r.name].truth) for r in runs)
        counts = f"{kinds['right']} | {kinds['unknown']} | {kinds['wrong']}"
        yield f"| netcheck, {_with(loss)} | {len(runs)} | {counts} |"
    for name in TOOLS:
        said = [(scenarios[n].truth, o[name]) for n, o in table.others.items() if n in scenarios]
        marks = Counter(mark(TOOLS[name].read(text or ""), truth)[0] for truth, text in said)
        counts = f"{marks['right']} | {marks['cannot tell']} | {marks['wrong']}"
        yield f"| {name}, {_with(0)} | {len(said)} | {counts} |"
    yield ""


def _rows(table: Table) -> Iterator[str]:
    names = " | ".join(TOOLS)
    losses = " | ".join(f"netcheck, {_with(loss)}" for loss in table.losses)
    yield "### Every network"
    yield ""
    yield f"| network | truth | {losses} | {names} |"
    yield "|---|---|" + "---|" * (len(table.losses) + len(TOOLS))
    for scenario in table.scenarios:
        ours = [_ours(table.of(scenario.name, loss), scenario.truth) for loss in table.losses]
        said = table.others.get(scenario.name)
        others = [_other(name, said, scenario.truth) for name in TOOLS]
        cells = (f"`{scenario.name}`", _truth(scenario.truth), *ours, *others)
        yield f"| {' | '.join(cells)} |"
    yield ""


def _lifetimes(table: Table) -> Iterator[str]:
    """What `--deep` found."""
    aimed = [each for each in table.scenarios if each.truth.binding_lifetime_s is not None]
    if not aimed:
        return
    yield "### How long a binding lives (`--deep`)"
    yield ""
    yield "| network | loss | truth | found | refreshed by | verdict |"
    yield "|---|---|--:|--:|---|---|"
    for scenario in aimed:
        true = scenario.truth.binding_lifetime_s
        for loss in table.losses:
            runs = table.of(scenario.name, loss, deep=True)
            said = {each.field: each.said for run in runs for each in run.found}
            found = said.get("binding_lifetime_s", "–")
            by = said.get("refreshed_by", "–").strip("[]").replace("'", "")
            verdict = _ours(runs, scenario.truth)
            if f"deep {scenario.name} {loss} 0" in table.failures:
                verdict = "**no report**: see below"
            cells = (f"{true} s", found, by, verdict)
            yield f"| `{scenario.name}` | {_with(loss)} | {' | '.join(cells)} |"
    yield ""


def _notes(table: Table) -> Iterator[str]:
    yield "### Verdicts of ours that are wrong"
    yield ""
    truths = {each.name: each.truth for each in table.scenarios}
    for (name, loss, found), count in sorted(table.wrong.items()):
        true = getattr(truths[name], found.field, "")
        yield (
            f"* `{name}`, {_with(loss)}: {found.field} said `{found.said}`, truly `{true}` "
            f"({count}×)"
        )
    yield "" if table.wrong else "None.\n"
    yield "### What nobody can know there"
    yield ""
    for scenario in table.scenarios:
        if silent := sorted(unsayable(scenario.truth)):
            yield f"* `{scenario.name}`: {', '.join(silent)}"
    yield ""
    if table.failures:
        yield "### Checks that gave no report"
        yield ""
        for key, why in sorted(table.failures.items()):
            yield f"* {key}: {why.splitlines()[0][:160] if why else ''}"
        yield ""


def _kind(run: Run, truth: NatTruth) -> Judgement:
    if run.fields("wrong"):
        return "wrong"
    return "unknown" if set(run.fields("unknown")) - unsayable(truth) else "right"


def _with(loss: int) -> str:
    return f"{loss} % loss" if loss else "no loss"


def _ours(runs: Sequence[Run], truth: NatTruth) -> str:
    """How many runs were right, and what the others lacked."""
    if not runs:
        return "not run"
    right = sum(_kind(run, truth) == "right" for run in runs)
    words = [f"{right} of {len(runs)}"]
    wrong = Counter(field for run in runs for field in run.fields("wrong"))
    unknown = Counter(
        field for run in runs for field in run.fields("unknown") if field not in unsayable(truth)
    )
    if wrong:
        words.append("**WRONG**: " + _counted(wrong))
    if unknown:
        words.append("unknown: " + _counted(unknown))
    return "; ".join(words)


def _counted(fields: Counter[str]) -> str:
    return ", ".join(f"{field} {count}×" for field, count in fields.most_common())


def _other(name: Name, said: Mapping[Name, str | None] | None, truth: NatTruth) -> str:
    if said is None:
        return "not run"
    text = said[name]
    if text is None:
        return "no end within its time"
    verdict, wrong = mark(TOOLS[name].read(text), truth)
    return f"**wrong**: {', '.join(wrong)}" if wrong else verdict


def _truth(truth: NatTruth) -> str:
    """What is special about it, in short."""
    words = [f"{ABBREVIATIONS[truth.mapping].upper()} / {ABBREVIATIONS[truth.filtering].upper()}"]
    if (truth.tcp_mapping, truth.tcp_filtering) != (truth.mapping, truth.filtering):
        tcp = [ABBREVIATIONS[each].upper() for each in (truth.tcp_mapping, truth.tcp_filtering)]
        words.append(f"TCP {' / '.join(tcp)}")
    if not truth.present:
        words = [f"no NAT, filtering {ABBREVIATIONS[truth.filtering].upper()}"]
    if truth.hairpin:
        words.append("hairpin")
    if not truth.port_preservation:
        words.append("ports not kept")
    if truth.pooling == "arbitrary":
        words.append("addresses pooled arbitrarily")
    if truth.layers not in (0, 1, None):
        words.append(f"{truth.layers} layers")
    if truth.carrier_grade:
        words.append("carrier-grade")
    if truth.binding_lifetime_s is not None:
        words.append(f"{truth.binding_lifetime_s} s")
    if truth.fragments_out_of_order == "dropped":
        words.append("fragments dropped")
    if truth.path_mtu != 1500:
        words.append(f"MTU {truth.path_mtu}")
    for transport, ranges in (("UDP", truth.udp_open), ("TCP", truth.tcp_open)):
        if ranges != EVERY_PORT:
            spans = ", ".join(f"{low}–{high}" for low, high in ranges)
            words.append(f"{transport} only {spans}" if spans else f"no {transport} ports")
    if not truth.udp_answers:
        words.append("UDP answers dropped")
    return ", ".join(words)

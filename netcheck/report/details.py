"""The measurements behind a report, as tables for someone who knows the network."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from netcheck.report.model import Dynamic, Port, PortState, Report
from netcheck.report.page import Page
from probes.observation import Attempt

if TYPE_CHECKING:
    from rich.text import Text

# sign, ASCII sign, style
_SIGNS: dict[PortState, tuple[str, str, str]] = {
    "open": ("✓", "+", "green"),
    "refused": ("✗", "x", "red"),
    "blocked": ("✗", "x", "red"),
    "intercepted": ("✗", "x", "red"),
    "altered": ("✗", "x", "red"),
    "busy": ("!", "!", "yellow"),
    "unavailable": ("?", "?", "magenta"),
    "untested": ("?", "?", "magenta"),
    "unknown": ("?", "?", "magenta"),
}

# Entries of one list of an observation, such as the server's ledger; the JSON has them all.
_MAX_ENTRIES = 12


def add_details(page: Page, report: Report) -> None:
    """Append the ports, the NAT, the computer and every observation to `page`."""
    _add_ports(page, report.ports)
    _add_samples(page, report)
    page.heading("NAT on the path")
    _add_pairs(page, _known(report.nat))
    page.heading("This computer")
    _add_pairs(page, _known(report.host))
    if report.findings:
        page.heading("Findings and their evidence")
        page.rows(
            (
                (each.id, each.severity, f"{each.cause}: {', '.join(each.evidence)}")
                for each in report.findings
            ),
            widths=[_longest(each.id for each in report.findings), len("warning")],
        )
    if report.observations:
        page.heading("Observations")
        page.rows(
            (
                (each.id, _probe(each), f"{each.at_s:.2f} s", _without(each, "id", "at_s"))
                for each in report.observations
            ),
            widths=[_longest(each.id for each in report.observations), len("outbound-tcp"), 8],
            header=["Id", "Probe", "At", "Facts"],
        )


def _add_ports(page: Page, ports: list[Port]) -> None:
    if not ports:
        return
    page.heading("Ports")
    rows = [_port_row(page, group) for group in grouped(ports)]
    page.rows(
        rows,
        widths=[len("Direction"), _longest(row[1] for row in rows), 13, len("100–200 ms")],
        header=["Direction", "Port", "State", "Round trip", "Why"],
    )


def grouped(ports: Iterable[Port]) -> list[list[Port]]:
    """Ports in order; those that follow each other and fared the same share a group."""
    same = attrgetter(
        "direction", "transport", "local_port", "remote_port", "state", "why", "reached_server"
    )
    groups: list[list[Port]] = []
    for port in sorted(ports, key=_rank):
        last = groups[-1][-1] if groups else None
        if last and port.port == last.port + 1 and same(port) == same(last):
            groups[-1].append(port)
        else:
            groups.append([port])
    return groups


def _rank(port: Port) -> tuple[bool, str, int, int, int]:
    ends = (port.local_port or 0, port.remote_port or 0, port.port)
    return (port.direction == "inbound", port.transport, *ends)


def _port_row(page: Page, group: list[Port]) -> tuple[str, str, Text, str, str]:
    first = group[0]
    sign, plain, style = _SIGNS[first.state]
    trips = [port.rtt_ms for port in group if port.rtt_ms is not None]
    arrival = {True: "it reached the server", False: "it never reached the server"}
    reasons = [first.why]
    if first.state != "open" and first.reached_server is not None:
        reasons.append(arrival[first.reached_server])
    return (
        kind(first),
        ranges(port.port for port in group) + other_end(first),
        page.sign(sign, plain, first.state, style),
        _span_of(trips),
        "; ".join(filter(None, reasons)),
    )


def kind(port: Port) -> str:
    """``TCP out`` or ``TCP in``."""
    return f"{port.transport.upper()} {port.direction.removesuffix('bound')}"


def other_end(port: Port) -> str:
    """The port at the sending end, if it had to be a certain one."""
    sender = port.local_port if port.direction == "outbound" else port.remote_port
    return "" if sender is None else f" (from {sender})"


def _span_of(trips: list[float]) -> str:
    if not trips:
        return ""
    low, high = milliseconds(min(trips)), milliseconds(max(trips))
    return high if low == high else f"{low.removesuffix(' ms')}–{high}"


def milliseconds(value: float) -> str:
    """A round trip as text: tenths matter only below 10 ms."""
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


def ranges(ports: Iterable[int]) -> str:
    """Port numbers as text: ``6891–6900, 6905``."""
    # The numbers of a run are all equally far ahead of their place in the list.
    numbered = enumerate(sorted(set(ports)))
    runs = [[port for _, port in run] for _, run in groupby(numbered, lambda it: it[1] - it[0])]
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _add_samples(page: Page, report: Report) -> None:
    rows = []
    for name, sample in (("UDP", report.dynamic_udp), ("TCP", report.dynamic_tcp)):
        if sample is not None:
            rows.append((f"Dynamic {name} ports", _sample(sample)))
    rows += [(f"Stream {each.direction}", _without(each, "direction")) for each in report.media]
    rows += [(f"NAT editor {each.protocol}", _without(each, "protocol")) for each in report.editors]
    if rows:
        page.heading("Dynamic ports, media and NAT editors")
        _add_pairs(page, rows)


def _sample(sample: Dynamic) -> str:
    interval = "–".join(f"{bound:.0%}" for bound in sample.ci95)
    spans = ", ".join("–".join(map(str, span)) for span in sample.open_ranges) or "none"
    return (
        f"{sample.open} of {sample.sampled} sampled were open ({sample.fraction:.0%},"
        f" with 95 % confidence {interval}); open ranges: {spans}"
    )


def _add_pairs(page: Page, pairs: list[tuple[str, str]]) -> None:
    if pairs:
        page.rows(pairs, widths=[_longest(name for name, _ in pairs)])
    else:
        page.rows([("Nothing is known.",)], widths=[])


def _longest(names: Iterable[str]) -> int:
    return max((len(name) for name in names), default=0)


def _known(facts: msgspec.Struct) -> list[tuple[str, str]]:
    """The facts of a struct that are known, as label and text."""
    return [
        (_label(name), _measured(name, value))
        for name, value in msgspec.structs.asdict(facts).items()
        if value not in (None, "", "unknown", [], {})
    ]


def _probe(observation: msgspec.Struct) -> str:
    return str(observation.__struct_config__.tag)


def _without(facts: msgspec.Struct, *names: str) -> str:
    """Whatever was stated, without what is shown beside it."""
    stated = _stated(facts)
    return _joined({name: stated[name] for name in stated if name not in names})


def _stated(facts: msgspec.Struct) -> dict[str, Any]:
    """The fields that say something: a default is what was not seen to happen."""
    return {
        field.name: value
        for field in msgspec.structs.fields(facts)
        if (value := getattr(facts, field.name)) != field.default
    }


def _joined(facts: dict[Any, Any]) -> str:
    """``port 6891, took 0.2 s``."""
    return ", ".join(
        f"{_label(name)} {_measured(name, value)}"
        for name, value in facts.items()
        if value not in ([], (), {}, None, "")
    )


def _label(name: Any) -> str:
    return re.sub("_(s|ms)$", "", str(name)).replace("_", " ")


def _measured(name: Any, value: Any) -> str:
    """A value with the unit that its key ends in, if it does."""
    unit = re.search("_(s|ms)$", str(name))
    return f"{_value(value)} {unit[1]}" if unit else _value(value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, Attempt):
        took = f" in {milliseconds(value.took_s * 1000)}" if value.took_s is not None else ""
        return f"{value.outcome}{took}{f' ({value.detail})' if value.detail else ''}"
    if isinstance(value, msgspec.Struct):
        return f"({_joined(_stated(value))})"
    if isinstance(value, dict):
        return f"({_joined(value)})"
    if isinstance(value, (list, tuple)):
        return _several(value)
    return str(value)


def _several(values: list[Any] | tuple[Any, ...]) -> str:
    if values and all(type(value) is int for value in values):
        return ranges(values)
    runs = [(said, len(list(run))) for said, run in groupby(map(_value, values))]
    shown = [said if times == 1 else f"{times} × {said}" for said, times in runs[:_MAX_ENTRIES]]
    if len(runs) > _MAX_ENTRIES:
        shown.append(f"and {sum(times for _, times in runs[_MAX_ENTRIES:])} more")
    return ", ".join(shown)

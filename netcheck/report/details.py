"""The measurements behind a report, as tables for someone who knows the network."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from netcheck.report.model import Port, Report
from netcheck.report.network_details import add_network_details
from netcheck.report.page import Page
from netcheck.report.stated import known, milliseconds, ranges, without
from netcheck.report.verdicts import PORT_STATES
from probes.observation import Observation

if TYPE_CHECKING:
    from rich.text import Text


def add_details(page: Page, report: Report) -> None:
    """Append the ports, the network, the computer and every observation to `page`."""
    _add_ports(page, report.ports)
    add_network_details(page, report)
    page.heading("This computer")
    page.pairs([(label, said) for _, label, said in known(report.host)])
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
        for each in report.observations:
            page.rows([(f"{each.id}  ({_probe(each)}, {_when(each)})",)], widths=[])
            page.rows([(without(each, "id", "at_s", "took_s"),)], widths=[], indent=6)


def _probe(observation: msgspec.Struct) -> str:
    return str(observation.__struct_config__.tag)


def _when(observation: Observation) -> str:
    return f"at {observation.at_s:.2f} s, took {observation.took_s:.2f} s"


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
    trips = [port.rtt_ms for port in group if port.rtt_ms is not None]
    arrival = {True: "it reached the server", False: "it never reached the server"}
    reasons = [first.why]
    if first.state != "open" and first.reached_server is not None:
        reasons.append(arrival[first.reached_server])
    return (
        kind(first),
        ranges(port.port for port in group) + other_end(first),
        page.sign(PORT_STATES[first.state], first.state),
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


def _longest(names: Iterable[str]) -> int:
    return max((len(name) for name in names), default=0)

"""The tables of one report."""

from __future__ import annotations

import msgspec
from PySide6.QtCore import QCoreApplication

from netcheck.gui.models.table import Column, Table
from netcheck.protocols import in_words
from netcheck.report import calls as report_calls
from netcheck.report.details import kind, other_end
from netcheck.report.model import Editor, EditorDialogue, PlacedCall, Port, Report, Stream
from netcheck.report.stated import known, milliseconds, without
from probes.observation import AnyObservation


class Fact(msgspec.Struct, frozen=True):
    """One thing that is known of the network, in words."""

    about: str
    name: str
    value: str
    evidence: tuple[str, ...] = ()


class EditorRow(msgspec.Struct, frozen=True):
    """One protocol, or one way of speaking it."""

    name: str
    verdict: str
    sent: str
    received: str
    pinhole: bool | None
    reason: str
    evidence: tuple[str, ...]


def _tr(text: str) -> str:
    return QCoreApplication.translate("Tables", text)


def ports() -> Table[Port]:
    return Table(
        (
            Column(_tr("State"), lambda p: p.state),
            Column(_tr("Direction"), kind),
            Column(_tr("Port"), lambda p: f"{p.port}{other_end(p)}", lambda p: p.port, number=True),
            Column(_tr("Round trip"), lambda p: _ms(p.rtt_ms), lambda p: p.rtt_ms, number=True),
            Column(_tr("Tries"), lambda p: str(p.attempts), lambda p: p.attempts, number=True),
            Column(_tr("Reached the server"), lambda p: _yes(p.reached_server)),
            Column(_tr("Why"), lambda p: p.why),
        ),
        evidence=lambda p: (p.observation,) if p.observation else (),
        verdict=lambda p: p.state,
    )


def facts() -> Table[Fact]:
    return Table(
        (
            Column(_tr("About"), lambda f: f.about),
            Column(_tr("What"), lambda f: f.name),
            Column(_tr("Value"), lambda f: f.value),
        ),
        evidence=lambda f: f.evidence,
    )


def facts_of(report: Report) -> list[Fact]:
    """What the report says of the computer, the server and the NAT."""
    rows: list[Fact] = []
    about = (
        (_tr("This computer"), report.host, ()),
        (_tr("Echo server"), report.server, ()),
        (_tr("Address translation (NAT)"), report.nat, tuple(report.nat.evidence)),
    )
    for title, struct, evidence in about:
        rows += [
            Fact(title, label, said, evidence) for _, label, said in known(struct, ("evidence",))
        ]
    for hop in report.path:
        said = ", ".join(said for _, _, said in known(hop, ("ttl",)))
        rows.append(Fact(_tr("Way to the server"), _tr("hop %1").replace("%1", str(hop.ttl)), said))
    for transport, sample in (("UDP", report.dynamic_udp), ("TCP", report.dynamic_tcp)):
        if sample is not None:
            evidence = (sample.observation,) if sample.observation else ()
            title = _tr("Dynamic %1 ports").replace("%1", transport)
            rows += [
                Fact(title, label, said, evidence)
                for _, label, said in known(sample, ("observation",))
            ]
    return rows


def editors() -> Table[EditorRow]:
    return Table(
        (
            Column(_tr("Verdict"), lambda e: e.verdict),
            Column(_tr("Protocol"), lambda e: e.name),
            Column(_tr("Sent"), lambda e: e.sent),
            Column(_tr("Arrived"), lambda e: e.received),
            Column(_tr("Way opened"), lambda e: _yes(e.pinhole)),
            Column(_tr("In words"), lambda e: e.reason),
        ),
        evidence=lambda e: e.evidence,
        verdict=lambda e: e.verdict,
    )


def editors_of(rows: list[Editor]) -> list[EditorRow]:
    """Each protocol, followed by the ways in which it was spoken."""
    shown: list[EditorRow] = []
    for each in rows:
        evidence = tuple(each.evidence)
        name = in_words(each.protocol)
        ways: list[tuple[str, Editor | EditorDialogue]] = [(name, each)]
        ways += [(f"{name}: {way.name}", way) for way in each.dialogues]
        shown += [
            EditorRow(
                title, way.verdict, way.sent or "", way.received or "", way.pinhole, way.reason,
                evidence,
            )
            for title, way in ways
        ]  # fmt: skip
    return shown


def calls() -> Table[PlacedCall]:
    return Table(
        (
            Column(_tr("Set up"), lambda c: _yes(c.set_up)),
            Column(
                _tr("Direction"), lambda c: _tr("out") if c.direction == "outbound" else _tr("in")
            ),
            Column(_tr("How far"), report_calls.how_far),
            Column(_tr("Sound"), report_calls.hears),
            Column(_tr("Picture"), report_calls.sees),
            Column(_tr("Set up at"), lambda c: c.signalling or ""),
            Column(_tr("Controlled at"), lambda c: c.control or ""),
            Column(_tr("Data reached"), lambda c: _yes(c.data_reached)),
            Column(_tr("Why"), lambda c: c.reason),
        ),
        evidence=lambda c: c.evidence,
        verdict=lambda c: _SET_UP[c.set_up],
    )


_SET_UP = {True: "works", False: "fails", None: "unknown"}
"""The verdict whose shape a call has."""


def media() -> Table[Stream]:
    return Table(
        (
            Column(_tr("Stream"), lambda s: _stream(s)),
            Column(_tr("Sent"), lambda s: str(s.sent), lambda s: s.sent, number=True),
            Column(_tr("Received"), lambda s: _text(s.received), lambda s: s.received, number=True),
            Column(_tr("Loss"), lambda s: _percent(s.loss), lambda s: s.loss, number=True),
            Column(_tr("Jitter"), lambda s: _ms(s.jitter_ms), lambda s: s.jitter_ms, number=True),
            Column(_tr("Round trip"), lambda s: _ms(s.rtt_ms), lambda s: s.rtt_ms, number=True),
            Column(_tr("Quality (MOS)"), lambda s: _text(s.mos), lambda s: s.mos, number=True),
        ),
        evidence=lambda s: (s.observation,) if s.observation else (),
    )


def observations() -> Table[AnyObservation]:
    """The timeline: every probe, when it was made and what it saw."""
    return Table(
        (
            Column(_tr("At"), lambda o: f"{o.at_s:.3f} s", lambda o: o.at_s, number=True),
            Column(_tr("Took"), lambda o: f"{o.took_s:.3f} s", lambda o: o.took_s, number=True),
            Column(_tr("Probe"), lambda o: str(o.__struct_config__.tag)),
            Column(_tr("Name"), lambda o: o.id),
            Column(_tr("Facts"), lambda o: without(o, "id", "at_s", "took_s")),
        ),
        evidence=lambda o: (o.id,),
    )


def _stream(stream: Stream) -> str:
    to = _tr("to others") if stream.direction == "outbound" else _tr("to you")
    return f"{stream.kind} {to}"


def _ms(value: float | None) -> str:
    return "" if value is None else milliseconds(value)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def _text(value: float | None) -> str:
    return "" if value is None else str(value)


def _yes(value: bool | None) -> str:
    return "" if value is None else _tr("yes") if value else _tr("no")

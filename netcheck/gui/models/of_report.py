"""The tables of one report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from netcheck import kb
from netcheck.gui.models.table import Column, Table
from netcheck.gui.words import said, translate
from netcheck.protocols import in_words
from netcheck.report import calls as report_calls
from netcheck.report.details import kind, other_end
from netcheck.report.model import (
    Editor,
    EditorDialogue,
    PlacedCall,
    Port,
    Report,
    Severity,
    Stream,
)
from netcheck.report.stated import known, milliseconds, without
from probes.observation import AnyObservation

_Row = TypeVar("_Row")


class Fact(msgspec.Struct, frozen=True):
    """One thing that is known of the network, in words."""

    about: str
    name: str
    value: str
    evidence: tuple[str, ...] = ()


class Remedied(msgspec.Struct, frozen=True):
    """A finding and the first thing to do about it."""

    severity: Severity
    title: str
    affects: str
    remedy: str
    evidence: tuple[str, ...]


class EditorRow(msgspec.Struct, frozen=True):
    """One protocol, or one way of speaking it."""

    name: str
    verdict: str
    sent: str
    received: str
    pinhole: bool | None
    reason: str
    evidence: tuple[str, ...]


def ports() -> Table[Port]:
    return Table(
        (
            Column(translate("Tables", "State"), lambda p: said(p.state)),
            Column(translate("Tables", "Direction"), kind),
            Column(
                translate("Tables", "Port"),
                lambda p: f"{p.port}{other_end(p)}",
                lambda p: p.port,
                number=True,
            ),
            _number(translate("Tables", "Round trip"), lambda p: p.rtt_ms, _ms),
            _number(translate("Tables", "Tries"), lambda p: p.attempts, str),
            Column(translate("Tables", "Reached the server"), lambda p: _yes(p.reached_server)),
            Column(translate("Tables", "Why"), lambda p: p.why),
        ),
        evidence=lambda p: (p.observation,) if p.observation else (),
        verdict=lambda p: p.state,
    )


def facts() -> Table[Fact]:
    return Table(
        (
            Column(translate("Tables", "About"), lambda f: f.about),
            Column(translate("Tables", "What"), lambda f: f.name),
            Column(translate("Tables", "Value"), lambda f: f.value),
        ),
        evidence=lambda f: f.evidence,
    )


def facts_of(report: Report) -> list[Fact]:
    """What the report says of the computer, the server and the NAT."""
    rows: list[Fact] = []
    about = (
        (translate("Tables", "This computer"), report.host, ()),
        (translate("Tables", "Echo server"), report.server, ()),
        (translate("Tables", "Address translation (NAT)"), report.nat, tuple(report.nat.evidence)),
    )
    for title, struct, evidence in about:
        rows += [
            Fact(title, label, said, evidence) for _, label, said in known(struct, ("evidence",))
        ]
    for hop in report.path:
        said = ", ".join(said for _, _, said in known(hop, ("ttl",)))
        rows.append(
            Fact(
                translate("Tables", "Way to the server"),
                translate("Tables", "hop %1").replace("%1", str(hop.ttl)),
                said,
            )
        )
    for transport, sample in (("UDP", report.dynamic_udp), ("TCP", report.dynamic_tcp)):
        if sample is not None:
            evidence = (sample.observation,) if sample.observation else ()
            title = translate("Tables", "Dynamic %1 ports").replace("%1", transport)
            rows += [
                Fact(title, label, said, evidence)
                for _, label, said in known(sample, ("observation",))
            ]
    return rows


def editors() -> Table[EditorRow]:
    return Table(
        (
            Column(translate("Tables", "Verdict"), lambda e: said(e.verdict)),
            Column(translate("Tables", "Protocol"), lambda e: e.name),
            Column(translate("Tables", "Sent"), lambda e: e.sent),
            Column(translate("Tables", "Arrived"), lambda e: e.received),
            Column(translate("Tables", "Way opened"), lambda e: _yes(e.pinhole)),
            Column(translate("Tables", "In words"), lambda e: e.reason),
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
            Column(translate("Tables", "Set up"), lambda c: _yes(c.set_up)),
            Column(
                translate("Tables", "Direction"),
                lambda c: (
                    translate("Tables", "out")
                    if c.direction == "outbound"
                    else translate("Tables", "in")
                ),
            ),
            Column(translate("Tables", "How far"), report_calls.how_far),
            Column(translate("Tables", "Sound"), report_calls.hears),
            Column(translate("Tables", "Picture"), report_calls.sees),
            Column(translate("Tables", "Set up at"), lambda c: c.signalling or ""),
            Column(translate("Tables", "Controlled at"), lambda c: c.control or ""),
            Column(translate("Tables", "Data reached"), lambda c: _yes(c.data_reached)),
            Column(translate("Tables", "Why"), lambda c: c.reason),
        ),
        evidence=lambda c: c.evidence,
        verdict=lambda c: _SET_UP[c.set_up],
    )


_SET_UP = {True: "works", False: "fails", None: "unknown"}
"""The verdict whose shape a call has."""


def media() -> Table[Stream]:
    return Table(
        (
            Column(translate("Tables", "Stream"), lambda s: _stream(s)),
            _number(translate("Tables", "Sent"), lambda s: s.sent, str),
            _number(translate("Tables", "Received"), lambda s: s.received, _text),
            _number(translate("Tables", "Loss"), lambda s: s.loss, _percent),
            _number(translate("Tables", "Jitter"), lambda s: s.jitter_ms, _ms),
            _number(translate("Tables", "Round trip"), lambda s: s.rtt_ms, _ms),
            _number(translate("Tables", "Quality (MOS)"), lambda s: s.mos, _text),
        ),
        evidence=lambda s: (s.observation,) if s.observation else (),
    )


def findings() -> Table[Remedied]:
    return Table(
        (
            Column(
                translate("Tables", "Weight"),
                lambda f: _weight(f.severity),
                lambda f: _ORDER.index(f.severity),
            ),
            Column(translate("Tables", "What was found"), lambda f: f.title),
            Column(translate("Tables", "Affects"), lambda f: f.affects),
            Column(translate("Tables", "What to do"), lambda f: f.remedy),
        ),
        evidence=lambda f: f.evidence,
        verdict=lambda f: _HARM[f.severity],
    )


def findings_of(report: Report) -> list[Remedied]:
    """All of them: those without harm, too, which the answer leaves out."""
    rows = []
    for finding in report.findings:
        affected = [each.title for each in report.features if finding.id in each.findings]
        article = kb.find(finding.article)
        remedy = kb.remedy(article, kb.values_of(report, finding)) if article is not None else ""
        rows.append(
            Remedied(
                finding.severity, finding.title, ", ".join(affected), remedy,
                tuple(finding.evidence),
            )
        )  # fmt: skip
    return rows


_ORDER: tuple[Severity, ...] = ("error", "warning", "info")
_HARM: dict[Severity, str] = {"error": "fails", "warning": "limited", "info": ""}


def _weight(severity: Severity) -> str:
    return {
        "error": translate("Tables", "keeps something from working"),
        "warning": translate("Tables", "does harm"),
        "info": translate("Tables", "perhaps harmless"),
    }[severity]


def observations() -> Table[AnyObservation]:
    """The timeline: every probe, when it was made and what it saw."""
    return Table(
        (
            _number(translate("Tables", "At"), lambda o: o.at_s, _s),
            _number(translate("Tables", "Took"), lambda o: o.took_s, _s),
            Column(translate("Tables", "Probe"), lambda o: str(o.__struct_config__.tag)),
            Column(translate("Tables", "Name"), lambda o: o.id),
            Column(translate("Tables", "Facts"), lambda o: without(o, "id", "at_s", "took_s")),
        ),
        evidence=lambda o: (o.id,),
    )


def _stream(stream: Stream) -> str:
    to = (
        translate("Tables", "to others")
        if stream.direction == "outbound"
        else translate("Tables", "to you")
    )
    return f"{stream.kind} {to}"


def _number(title: str, value: Callable[[_Row], Any], say: Callable[[Any], str]) -> Column[_Row]:
    """Sorted by its value, not by its text."""
    return Column(title, lambda row: say(value(row)), value, number=True)


def _ms(value: float | None) -> str:
    return "" if value is None else milliseconds(value)


def _s(value: float) -> str:
    return f"{value:.3f} s"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def _text(value: float | None) -> str:
    return "" if value is None else str(value)


def _yes(value: bool | None) -> str:
    return (
        "" if value is None else translate("Tables", "yes") if value else translate("Tables", "no")
    )

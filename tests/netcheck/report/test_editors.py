"""Addresses inside messages: a calm section for everybody, a table for who wants it."""

from __future__ import annotations

import msgspec
import pytest

from netcheck.report import text
from netcheck.report.compare import compare
from netcheck.report.model import Editor, EditorVerdict, Report

from .samples import all_good, everything

HEADING = "Addresses inside messages"


def with_editors(**verdicts: EditorVerdict) -> Report:
    rows = [Editor(protocol=p, verdict=v, reason=f"why {p}") for p, v in verdicts.items()]
    return msgspec.structs.replace(all_good(), editors=rows)


def section(report: Report, heading: str = HEADING, *, details: bool = False) -> list[str]:
    lines = text.render(report, details=details, width=100).splitlines()
    if heading not in lines:
        return []
    after = lines[lines.index(heading) + 1 :]
    return [line.strip() for line in after[: after.index("")]]


@pytest.mark.parametrize(
    ("verdicts", "lines"),
    [
        ({}, []),
        ({"ftp": "not-tested", "sip": "not-tested"}, []),
        (
            {"ftp": "not-needed", "sip": "not-tested"},
            ["Nothing to rewrite  your address is not translated on the way"],
        ),
        (
            {"ftp": "untouched", "msn": "untouched", "pptp": "untouched", "ipsec": "untouched"},
            ["Left as they are  FTP, MSN Messenger: who reads them cannot reach you there"],
        ),
        ({"icmp": "edited", "h323": "edited"}, ["Rewritten rightly  ICMP errors, H.323"]),
        (
            {"sip": "mangled", "snmp": "blocked", "h323": "edited-unreachable", "ftp": "edited"},
            [
                "SIP                damaged: why sip",
                "SNMP traps         kept back: why snmp",
                "H.323              why h323",
                "Rewritten rightly  FTP",
            ],
        ),
    ],
)
def test_only_what_matters_has_a_line(verdicts: dict[str, EditorVerdict], lines: list[str]) -> None:
    assert section(with_editors(**verdicts)) == lines


def test_the_table_shows_what_was_sent_and_what_arrived() -> None:
    table = " ".join(section(everything(), "NAT editors", details=True))
    for said in (
        "192.168.1.20:20001 → 198.51.100.7:20001", "acts on this port alone",
        "only your own address", "seen by talk-ftp-port-21, talk-ftp-port-control",
        "ftp EPRT  ? not-tested", "acts on the content, on any port", "? not-tested",
    ):  # fmt: skip
        assert said in table
    assert section(all_good(), "NAT editors", details=True) == []


@pytest.mark.parametrize(
    ("was", "now", "trend"),
    [
        ("untouched", "edited", "better"),
        ("mangled", "not-needed", "better"),
        ("edited", "blocked", "worse"),
        ("not-needed", "untouched", "worse"),
        ("mangled", "untouched", "changed"),
        ("not-needed", "edited", "changed"),
        ("edited", "edited", None),
        ("not-tested", "mangled", None),
        ("edited", "not-tested", None),
    ],
)
def test_what_changed(was: EditorVerdict, now: EditorVerdict, trend: str | None) -> None:
    changes = compare(with_editors(h323=was), with_editors(h323=now)).network
    assert [(c.trend, c.what, c.old, c.new) for c in changes] == (
        [(trend, "addresses in H.323", was, now)] if trend else []
    )


def test_a_protocol_in_one_report_alone_is_no_change() -> None:
    assert compare(with_editors(h323="edited"), with_editors(sip="mangled")).network == []

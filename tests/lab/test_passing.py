"""GRE, ESP and AH through real networks: beside the dialogues that begin PPTP and IPsec."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.lab.description import PUBLIC, Network
from tests.lab.nat_reports import Report, report_in

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

PASSES = dict.fromkeys(("gre", "esp", "ah"), (True, True))


def raw(report: Report) -> dict[str, dict[str, Any]]:
    return {o["protocol"]: o for o in report["observations"] if o["probe"] == "raw-protocol"}


def fates(report: Report) -> dict[str, tuple[bool, bool]]:
    """Of each whether it reached the server, and whether an answer came."""
    found = raw(report)
    assert all(not o.get("untested") for o in found.values())
    return {
        name: (o.get("reached_server", False), o.get("answered", False))
        for name, o in found.items()
    }


def reasons(report: Report) -> tuple[str, str]:
    rows = {row["protocol"]: row["reason"] for row in report["editors"]}
    return rows["pptp"], rows["ipsec"]


def test_without_a_nat_all_of_them_pass() -> None:
    """Lost packets are sent again."""
    report = report_in(Network(nat=False, loss_percent=10), "--only", "editors")
    assert fates(report) == PASSES
    pptp, ipsec = reasons(report)
    assert "the call's data (GRE) passes as well" in pptp
    assert "IPsec's own packets (ESP) pass as well" in ipsec
    assert "signed packets (AH) pass as well" in ipsec


def test_linux_needs_an_editor_for_gre_alone() -> None:
    """ESP and AH it translates by their addresses.  Of GRE it knows no answer, whose call ID is
    another one, unless PPTP's editor has told it of the call."""
    plain, edited = (
        report_in(Network(editors=editors), "--only", "editors") for editors in ((), ("pptp",))
    )
    assert fates(plain) == PASSES | {"gre": (True, False)}
    assert fates(edited) == PASSES
    for report in (plain, edited):
        assert {o["source"] for o in raw(report).values()} == {PUBLIC}
        _, ipsec = reasons(report)
        assert "ESP) pass as well" in ipsec
        assert "AH) arrive useless: their signature covers the address" in ipsec
    assert "GRE) goes out, and no answer comes in" in reasons(plain)[0]
    assert "GRE) passes as well" in reasons(edited)[0]


@pytest.mark.parametrize(
    ("rule", "fate", "said"),
    [
        ('iifname "lan" meta l4proto { 47, 50, 51 } drop', (False, False), "not pass"),
        ('iifname "wan" meta l4proto { 47, 50, 51 } drop', (True, False), "no answer comes in"),
    ],
)
def test_a_firewall_that_knows_tcp_and_udp_alone(
    rule: str, fate: tuple[bool, bool], said: str
) -> None:
    report = report_in(Network(nat=False, firewall=(rule,)), "--only", "editors")
    assert fates(report) == dict.fromkeys(PASSES, fate)
    assert all(said in reason for reason in reasons(report))

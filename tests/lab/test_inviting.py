"""Ten files offered at once, as a contact sees it, by the real command (facts M2, M3, M5)."""

from __future__ import annotations

import socket
import sys
from dataclasses import replace
from typing import Any

import pytest

from tests.lab.description import PUBLIC, Forward, Network, Rewriting
from tests.lab.nat_reports import Report, check, report_in
from tests.lab.network import Lab
from tests.lab.scenarios import served

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

PORTS = tuple(range(6891, 6901))
ALONE = ("--profile", "msn-messenger", "--only", "editors")
BESIDE = (*ALONE, "--only", "ports")
"""With what the ports are to somebody who was not invited."""

FORWARDED = (Forward("tcp", "6891-6900"),)
ROUTED = Network(nat=False)
EDITED = Network(rewriting=Rewriting("right"))
NO_WAY = Network(rewriting=Rewriting("no-way"))


def invited(report: Report) -> dict[str, Any]:
    (found,) = (o for o in report["observations"] if o["probe"] == "invited")
    assert [i["port"] for i in found["invitations"]] == list(PORTS)
    return dict(found)


def send_files(report: Report) -> tuple[str, int | None, str]:
    (found,) = (f for f in report["features"] if f["feature"] == "send-files")
    return found["verdict"], found["capacity"], found["summary"]


@pytest.mark.parametrize(
    "network",
    [
        ROUTED,
        EDITED,
        replace(NO_WAY, forwards=FORWARDED),
    ],
    ids=["routed", "edited", "edited and forwarded"],
)
def test_ten_at_once(network: Network) -> None:
    report = report_in(network, *ALONE)
    found = invited(report)
    assert found["together"] == list(PORTS)
    assert send_files(report)[:2] == ("works", 10), found
    outside = network.client if network is ROUTED else PUBLIC
    assert {i["arrived"] for i in found["invitations"]} == {f"{outside}:{port}" for port in PORTS}


@pytest.mark.parametrize("forwards", [(), FORWARDED], ids=["plain NAT", "forwarded"])
def test_an_address_that_nobody_edits_is_of_no_use(forwards: tuple[Forward, ...]) -> None:
    """Though every port may be open to who knows the address from elsewhere (fact M5)."""
    network = Network(forwards=forwards)
    report = report_in(network, *BESIDE)
    found = invited(report)
    verdict, _, summary = send_files(report)
    assert verdict == "fails"
    assert f"{network.client}:6891" in summary
    for invitation in found["invitations"]:
        assert invitation["arrived"] == invitation["sent"]
        assert invitation["refused"] == "not-proven"
    states = {
        p["state"]
        for p in report["ports"]
        if (p["transport"], p["direction"]) == ("tcp", "inbound") and p["port"] in PORTS
    }
    assert states == ({"open"} if forwards else {"blocked"})


def test_an_editor_that_opens_no_way() -> None:
    report = report_in(NO_WAY, *ALONE)
    found = invited(report)
    verdict, _, summary = send_files(report)
    assert (verdict, "together" in found) == ("fails", False)
    assert f"{PUBLIC}:6891" in summary
    assert {a["outcome"] for i in found["invitations"] for a in i["attempts"]} == {"silent"}


def test_as_many_as_get_in() -> None:
    network = replace(NO_WAY, forwards=(Forward("tcp", "6891-6893"),))
    report = report_in(network, *ALONE)
    assert invited(report)["together"] == [6891, 6892, 6893]
    verdict, capacity, summary = send_files(report)
    assert (verdict, capacity) == ("limited", 3)
    assert "3 of 10" in summary


def test_an_editor_that_edits_the_first_one_alone() -> None:
    report = report_in(Network(rewriting=Rewriting("half")), *ALONE)
    assert invited(report)["together"] == [6891]
    assert send_files(report)[:2] == ("limited", 1)


def test_no_more_than_a_firewall_lets_in_at_a_time() -> None:
    """Each of them alone would get in."""
    rule = "iifname wan tcp dport 6891-6900 ct state new ct count over 4 drop"
    report = report_in(replace(ROUTED, firewall=(rule,)), *BESIDE)
    found = invited(report)
    assert len(found["together"]) == 4
    assert send_files(report)[:2] == ("limited", 4), found


def test_a_port_that_is_in_use_here_is_one_less() -> None:
    with Lab(ROUTED) as lab, served(lab) as (_, link):
        with lab.inside("client"):
            taken = socket.create_server((ROUTED.client, 6895))
        with taken:
            report = check(lab, "--server", link, *ALONE)
    found = invited(report)
    assert found["together"] == [port for port in PORTS if port != 6895]
    assert [i["port"] for i in found["invitations"] if i.get("busy")] == [6895]
    verdict, capacity, summary = send_files(report)
    assert (verdict, capacity) == ("limited", 9)
    assert "6895" in summary


@pytest.mark.parametrize("forwards", [(), (Forward("udp", 6901),)], ids=["no way", "forwarded"])
def test_a_right_address_is_enough_to_talk_where_its_port_is_forwarded(
    forwards: tuple[Forward, ...],
) -> None:
    features = report_in(replace(NO_WAY, forwards=forwards), *BESIDE)["features"]
    (voice,) = (f for f in features if f["feature"] == "voice")
    assert voice["verdict"] == ("works" if forwards else "fails"), voice


@pytest.mark.parametrize("drop", ["drop", "reject with tcp reset"])
def test_without_the_chat_service_nothing_is_known(drop: str) -> None:
    report = report_in(replace(ROUTED, firewall=(f"tcp dport 1863 {drop}",)), *BESIDE)
    verdict, _, summary = send_files(report)
    assert verdict == "unknown", summary


@pytest.mark.parametrize("network", [ROUTED, EDITED], ids=["routed", "edited"])
def test_loss_is_never_taken_for_a_wall(network: Network) -> None:
    report = report_in(replace(network, loss_percent=5, rtt_ms=20), *BESIDE)
    assert send_files(report)[0] in ("works", "unknown"), invited(report)


@pytest.mark.parametrize("network", [Network(), NO_WAY], ids=["plain NAT", "no way"])
def test_ten_more_do_not_make_the_check_longer(network: Network) -> None:
    """Other probes are still under way when the contact has been everywhere."""
    observations = report_in(replace(network, rtt_ms=50))["observations"]
    ends = {o["id"]: o["at_s"] + o["took_s"] for o in observations}
    assert ends["invited"] <= max(end for name, end in ends.items() if "lifetime" in name)

"""Calls across real networks: what is stated is what there is.

Where nothing is in the way, a call has both connections, and RTP and RTCP of sound and picture
both ways; each network takes away some of that.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from probes.observation import Call, CallMedia
from probes.silence import ATTEMPTS_MIN
from tests.lab import firewall
from tests.lab.description import PUBLIC, SERVER, Forward, Network, Rewriting
from tests.lab.nat_reports import check, report_in
from tests.lab.network import Lab
from tests.lab.scenarios import served

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

ROOT = Path(__file__).parents[2]
INSIDE = "192.168.77.2"
ROUTED = Network(nat=False)
NAT = Network()
FORWARDED = replace(NAT, forwards=(Forward("tcp", 1720),))
"""The router leads calls in to the client."""
EDITED = replace(FORWARDED, editors=("h323",), rewriting=Rewriting("right", ports=(389, 1002)))
"""And the directory entry has its address, as the call's messages do."""
OUT_S = 1.8
"""A call out at 50 ms, with a second of media."""
CHECK_S = 5.0


def calls(network: Network) -> tuple[Call, Call]:
    """The call out, and the call in."""
    with Lab(network) as lab, served(lab, ("--stun-port", "0")) as (_, link):
        argv = [sys.executable, "-m", "tests.lab.call_client", link]
        done = lab.run("client", argv, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        return stated(json.loads(done.stdout))


def stated(observations: list[Any]) -> tuple[Call, Call]:
    found = {
        o["id"]: msgspec.json.decode(json.dumps(o), type=Call)
        for o in observations
        if o["probe"] == "call"
    }
    assert sorted(found) == ["call-inbound", "call-outbound"]
    return found["call-outbound"], found["call-inbound"]


def is_set_up(call: Call) -> None:
    assert call.untested == ""
    for connection in (call.signalling, call.control):
        assert (connection.outcome, connection.over, connection.refused) == ("answered", True, "")
        for heard in (connection.out, connection.back):
            assert (heard.changed, heard.faults) == (False, ())
            assert len(heard.kinds) == heard.expected > 0


def media(call: Call, direction: str) -> list[CallMedia]:
    found = [m for m in call.media if m.direction == direction]
    assert [m.kind for m in found] == ["audio", "video"]
    return found


def flows(call: Call, direction: str) -> None:
    for medium in media(call, direction):
        assert (medium.refused, medium.rtcp_refused) == ("", "")
        assert medium.received == medium.sent > 0
        assert medium.reports == medium.reports_sent > 0


def is_silent(call: Call, direction: str) -> None:
    for medium in media(call, direction):
        assert (medium.refused, medium.received, medium.reports) == ("", 0, 0)
        assert medium.sent > 0


def is_not_at(call: Call, address: str) -> None:
    """Media of the server's, which the messages wanted at ``address``."""
    for medium in media(call, "inbound"):
        assert (medium.refused, medium.rtcp_refused) == ("not-proven", "not-proven")
        assert (medium.sent, medium.received) == (0, 0)
        assert (medium.rtp_to or "").startswith(address + ":")
        assert (medium.rtcp_to or "").startswith(address + ":")


def is_not_called(call: Call, address: str) -> None:
    assert call.untested == ""
    assert (call.signalling.to, call.signalling.refused) == (f"{address}:1720", "not-proven")
    assert (call.signalling.outcome, call.control.outcome, call.media) == (None, None, ())


def test_where_nothing_is_in_between_everything_flows() -> None:
    out, back = calls(ROUTED)
    for call in (out, back):
        is_set_up(call)
        flows(call, "outbound")
        flows(call, "inbound")
    assert out.data is not None
    assert out.data.heard
    assert back.signalling.to == f"{ROUTED.client}:1720"


def test_behind_a_plain_nat_they_hear_us_and_we_hear_nobody() -> None:
    out, back = calls(NAT)
    is_set_up(out)
    flows(out, "outbound")
    is_not_at(out, INSIDE)
    assert out.data is not None
    assert (out.data.target, out.data.refused) == (f"{INSIDE}:1503", "not-proven")
    is_not_called(back, INSIDE)


def test_the_kernels_editor_makes_a_call_out_whole() -> None:
    out, back = calls(replace(NAT, editors=("h323",)))
    is_set_up(out)
    flows(out, "outbound")
    flows(out, "inbound")
    assert all((m.rtp_to or "").startswith(PUBLIC + ":") for m in media(out, "inbound"))
    assert out.data is not None
    assert out.data.heard
    is_not_called(back, INSIDE)  # nobody edits the directory entry


def test_a_forwarded_port_is_no_use_to_a_directory_that_has_another_address() -> None:
    _, back = calls(FORWARDED)
    is_not_called(back, INSIDE)


def test_a_call_comes_in_where_the_entry_and_the_call_are_edited() -> None:
    out, back = calls(EDITED)
    is_set_up(out)
    is_set_up(back)
    assert back.signalling.to == f"{PUBLIC}:1720"
    assert (back.control.to or "").startswith(PUBLIC + ":")
    for direction in ("outbound", "inbound"):
        flows(back, direction)


def test_a_call_that_is_not_edited_gets_no_further_than_its_set_up() -> None:
    _, back = calls(replace(EDITED, editors=()))
    assert (back.signalling.outcome, back.signalling.over) == ("answered", True)
    assert (back.control.to or "").startswith(INSIDE + ":")
    assert (back.control.outcome, back.control.refused) == (None, "not-proven")


def test_an_entry_that_leads_to_a_closed_port() -> None:
    network = replace(NAT, rewriting=Rewriting("no-way", ports=(389, 1002)))
    _, back = calls(network)
    assert (back.signalling.to, back.signalling.refused) == (f"{PUBLIC}:1720", "")
    assert back.signalling.outcome == "silent"
    assert back.signalling.attempts >= ATTEMPTS_MIN
    assert back.control.outcome is None


@pytest.mark.parametrize("direction", ["outbound", "inbound", "both"])
def test_a_firewall_that_drops_udp(direction: str) -> None:
    """Fact N7: the call is set up, and nobody hears anybody."""
    dropped = {
        "outbound": firewall.drop("udp", "1024-65535"),
        "inbound": firewall.drop("udp", "1024-65535", "in"),
        "both": firewall.drop("udp", "1024-65535", "both"),
    }[direction]
    for call in calls(replace(ROUTED, firewall=(dropped,))):
        is_set_up(call)
        for way in ("outbound", "inbound"):
            (is_silent if direction in (way, "both") else flows)(call, way)


def test_call_set_up_that_is_dropped() -> None:
    out, _ = calls(replace(ROUTED, firewall=(firewall.drop("tcp", 1720),)))
    assert (out.signalling.outcome, out.control.outcome, out.media) == ("silent", None, ())
    assert out.signalling.attempts >= ATTEMPTS_MIN


def test_call_set_up_that_is_refused() -> None:
    out, _ = calls(replace(ROUTED, firewall=(firewall.reject_with_reset(1720),)))
    assert (out.signalling.outcome, out.signalling.attempts) == ("refused", 2)


def test_a_dynamic_port_that_is_dropped() -> None:
    """Fact N3: call control is on a port of which nobody knew."""
    known = firewall.only_ports("tcp", (1720, 8463))
    out, _ = calls(replace(ROUTED, firewall=(known,)))
    assert (out.signalling.outcome, out.signalling.over) == ("answered", True)
    assert (out.control.to or "").startswith(SERVER + ":")
    assert (out.control.outcome, out.control.over) == ("silent", False)
    assert out.control.attempts >= ATTEMPTS_MIN
    assert all(not m.sent for m in out.media)


def test_a_port_that_another_program_has() -> None:
    with Lab(ROUTED) as lab, served(lab) as (_, link):
        lab.occupy("client", "tcp", ROUTED.client, 1720)
        report = check(lab, "--server", link, "--only", "editors")
    _, back = stated(report["observations"])
    assert "1720" in back.untested


@pytest.mark.parametrize("network", [ROUTED, EDITED], ids=["routed", "edited"])
def test_loss_takes_no_call_away(network: Network) -> None:
    """TCP waits longer each time it sends again: the last messages of a call may be on their way
    when it is over.  What they would have led to is not known then, and nothing is changed."""
    report = report_in(replace(network, loss_percent=5, rtt_ms=20), "--only", "editors")
    for call in stated(report["observations"]):
        assert call.untested == ""
        for connection in (call.signalling, call.control):
            assert (connection.outcome, connection.refused) == ("answered", "")
            for heard in (connection.out, connection.back):
                assert (heard.changed, heard.faults) == (False, ())
                assert 0 < len(heard.kinds) <= heard.expected
    seen_and_heard = [c["sound"] == c["picture"] == "both" for c in report["calls"]]
    assert any(seen_and_heard)
    for placed in report["calls"]:
        assert (placed["set_up"], placed["reason"]) == (True, "")
        assert {placed["sound"], placed["picture"]} <= {"both", "unknown"}
        for medium in placed["media"]:
            assert medium["arrives"] is not False
            assert medium["reports_arrive"] is not False


def test_calls_are_quick() -> None:
    report = report_in(replace(ROUTED, rtt_ms=50))
    out, back = stated(report["observations"])
    assert out.took_s <= OUT_S
    assert back.took_s <= OUT_S
    assert report["duration_s"] <= CHECK_S

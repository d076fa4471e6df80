"""What changed in how the network behaves."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from netcheck.report.compare import as_text, compare
from netcheck.report.compare_network import network_changes
from netcheck.report.model import Dynamic, Nat, PlacedCall, Report, Stream

from .samples import all_good, everything

EIM, ADM, APDM = "endpoint-independent", "address-dependent", "address-and-port-dependent"


def with_nat(**parts: Any) -> Report:
    return msgspec.structs.replace(all_good(), nat=Nat(present=True, evidence=["e"], **parts))


def with_media(**parts: Any) -> Report:
    stream = Stream(direction="outbound", sent=150, received=150, loss=0.0)
    changed = msgspec.structs.replace(stream, **parts)
    return msgspec.structs.replace(all_good(), media=[changed])


def with_ports(opened: int, of: int, *ranges: list[int], **parts: Any) -> Report:
    interval = {(0, 64): [0.0, 0.06], (16, 64): [0.16, 0.37], (19, 72): [0.18, 0.38]}
    sample = Dynamic(
        sampled=of,
        open=opened,
        fraction=opened / of,
        ci95=interval.get((opened, of), [0.94, 1.0]),
        open_ranges=list(ranges),
        **parts,
    )
    return msgspec.structs.replace(all_good(), dynamic_udp=sample)


@pytest.mark.parametrize(
    ("old", "new", "trend"),
    [
        ({"mapping": EIM}, {"mapping": APDM}, "worse"),
        ({"mapping": APDM}, {"mapping": ADM}, "better"),
        ({"mapping": "unknown"}, {"mapping": APDM}, "changed"),
        ({"mapping": APDM}, {}, "changed"),
        # It keeps callers out, and strangers: some want it so.
        ({"filtering": EIM}, {"filtering": APDM}, "changed"),
        ({"hairpin": True}, {"hairpin": False}, "worse"),
        ({"hairpin": None}, {"hairpin": False}, "changed"),
        ({"carrier_grade": False}, {"carrier_grade": True}, "worse"),
        ({"fragments": "dropped"}, {"fragments": "pass"}, "better"),
        ({"binding_lifetime_s": 300.0}, {"binding_lifetime_s": 30.0}, "worse"),
        ({"binding_lifetime_s": 31.0}, {"binding_lifetime_s": 30.0}, None),
        ({"binding_lifetime_min_s": 3.2}, {"binding_lifetime_min_s": 4.1}, None),
        ({"path_mtu": 1500}, {"path_mtu": 1492}, "worse"),
        ({"public_addresses": ["192.0.2.1"]}, {"public_addresses": ["192.0.2.2"]}, "changed"),
        ({"tcp_unsolicited": "reset"}, {"tcp_unsolicited": "silence"}, "changed"),
    ],
)
def test_the_nat(old: dict[str, Any], new: dict[str, Any], trend: str | None) -> None:
    comparison = compare(with_nat(**old), with_nat(**new))
    assert [change.trend for change in comparison.network] == ([trend] if trend else [])
    assert comparison.worse is (trend == "worse")


@pytest.mark.parametrize(
    ("old", "new", "trend"),
    [
        (with_ports(64, 64), with_ports(16, 64, [16384, 32767]), "worse"),
        (with_ports(16, 64, [16384, 32767]), with_ports(64, 64), "better"),
        # Other samples of the same ranges.
        (
            with_ports(16, 64, [16384, 32767], edges_within=40),
            with_ports(19, 72, [16416, 32748], edges_within=57),
            None,
        ),
        (
            with_ports(16, 64, [16384, 32767], edges_within=40),
            with_ports(19, 72, [40000, 56000], edges_within=57),
            "changed",
        ),
        (with_ports(0, 64), with_ports(0, 64), None),
        (all_good(), with_ports(0, 64), None),
    ],
)
def test_dynamic_ports(old: Report, new: Report, trend: str | None) -> None:
    assert [c.trend for c in network_changes(old, new)] == ([trend] if trend else [])


@pytest.mark.parametrize(
    ("old", "new", "trend"),
    [
        ({}, {"received": 135, "loss": 0.1}, "worse"),
        ({"received": 0, "loss": 1.0}, {}, "better"),
        # Chance: one and three of 150.
        ({"received": 149, "loss": 0.0067}, {"received": 147, "loss": 0.02}, None),
        ({"mos": 3.8}, {"mos": 3.0}, "worse"),
        ({"mos": 3.8}, {"mos": 3.7}, None),
        ({"received": None, "loss": None}, {}, "changed"),
        ({"received": None, "loss": None}, {"received": None, "loss": None}, None),
        ({"kind": "video"}, {"kind": "audio"}, None),
    ],
)
def test_media(old: dict[str, Any], new: dict[str, Any], trend: str | None) -> None:
    assert [c.trend for c in network_changes(with_media(**old), with_media(**new))] == (
        [trend] if trend else []
    )


def with_call(**parts: Any) -> Report:
    call = PlacedCall(direction="outbound", reached="media", set_up=True)
    return msgspec.structs.replace(all_good(), calls=[msgspec.structs.replace(call, **parts)])


NOT_IN = {"direction": "inbound", "reached": "nothing", "set_up": False}


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ({"sound": "both"}, {"sound": "both"}, []),
        ({"sound": "both"}, {"sound": "only-you"}, [("worse", "call out: sound")]),
        ({"picture": "neither"}, {"picture": "only-they"}, [("better", "call out: picture")]),
        ({"sound": "only-you"}, {"sound": "only-they"}, [("changed", "call out: sound")]),
        ({"sound": "unknown"}, {"sound": "only-they"}, []),
        ({}, {"reached": "answered", "set_up": False}, [("worse", "call out")]),
        ({}, {"reached": "answered", "set_up": None}, [("changed", "call out")]),
        ({}, {"reached": "untested", "set_up": None}, []),
        (NOT_IN, {"direction": "inbound"}, [("better", "call in")]),
        (NOT_IN, {"direction": "outbound"}, []),
    ],
)
def test_calls(old: dict[str, Any], new: dict[str, Any], changed: list[tuple[str, str]]) -> None:
    found = network_changes(with_call(**old), with_call(**new))
    assert [(c.trend, c.what) for c in found] == changed


def test_a_call_is_told_in_the_words_of_the_report() -> None:
    old, new = with_call(sound="only-you"), with_call(sound="only-they")
    said = " ".join(as_text(compare(old, new)).split())
    assert (
        "Call out: sound you hear them, they do not hear you → they hear you, you do not hear them"
    ) in said


def test_what_only_one_of_the_reports_asked_is_no_change_of_the_network() -> None:
    assert network_changes(all_good(), everything()) == []
    assert network_changes(everything(), all_good()) == []


def test_as_text_the_worse_comes_first() -> None:
    new = everything()
    old = msgspec.structs.replace(
        new,
        nat=msgspec.structs.replace(new.nat, mapping=EIM, hairpin=None),
        dynamic_udp=with_ports(64, 64, [1024, 65535]).dynamic_udp,
        media=[msgspec.structs.replace(new.media[0], received=150, loss=0.0, mos=3.8)],
    )
    shown = as_text(compare(old, new))
    assert shown.startswith("Every feature fares the same; what lies behind it changed.\n\nWorse\n")
    said = " ".join(shown.split())
    assert "NAT: mapping endpoint-independent → address-dependent" in said
    assert "Dynamic UDP ports 64 of 64 open (1024–65535) → 16 of 64 open (17024–32024)" in said
    assert "Audio out 0.0 % lost, quality 3.8 of 5 → 6.0 % lost, quality 2.9 of 5" in said
    assert said.index("Changed") < said.index("NAT: hairpin not known → no")

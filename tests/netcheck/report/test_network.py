"""How the network behaves, in words."""

from __future__ import annotations

import msgspec
import pytest

from netcheck.report import text
from netcheck.report.model import Dynamic, Nat, Report, Stream

from . import samples

NAT = Nat(
    present=True,
    public_addresses=["198.51.100.7"],
    mapping="endpoint-independent",
    filtering="address-and-port-dependent",
    tcp_mapping="address-and-port-dependent",
    tcp_unsolicited="reset",
    binding_lifetime_min_s=4.2,
    evidence=["nat-mapping-udp"],
)
VOICE = Stream(
    kind="audio", direction="outbound", sent=150, received=147, loss=0.02, jitter_ms=1.2, mos=3.74
)


def said(**parts: object) -> str:
    """The section, every run of spaces as one."""
    report: Report = msgspec.structs.replace(samples.behind_nat(), **parts)
    shown = text.render(report, width=200)
    _, found, section = shown.partition("How your network behaves\n")
    return " ".join(section.partition("How it was tested")[0].split()) if found else ""


def test_nothing_is_said_of_what_was_not_measured() -> None:
    assert said(nat=Nat(present=True), dynamic_udp=None, dynamic_tcp=None, media=[]) == ""


def test_a_nat_in_words_and_in_the_fields_terms() -> None:
    shown = said(nat=NAT, dynamic_udp=None, dynamic_tcp=None, media=[])
    assert "translated: others see 198.51.100.7" in shown
    assert "you keep one public port for everybody" in shown
    assert "endpoint-independent mapping, address-and-port-dependent filtering" in shown
    assert "refused with a reset" in shown
    assert "Idle bindings outlast 4 s, the longest pause tried" in shown


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"carrier_grade": True}, "at your carrier"),
        ({"layers": 2}, "by 2 routers one behind the other"),
        ({"layers": 1}, "by your router"),
        ({"present": False, "public_addresses": ["192.0.2.7"]}, "not translated"),
        ({"binding_lifetime_s": 31.0}, "end after about 31 s"),
        ({"binding_lifetime_s": 300.0}, "end after about 5 min"),
    ],
)
def test_where_and_how_long(parts: dict[str, object], words: str) -> None:
    assert words in said(nat=msgspec.structs.replace(NAT, **parts))


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (Dynamic(sampled=64, open=64, fraction=1.0, ci95=[0.94, 1.0], open_ranges=[[1024, 65535]]),
         "all 64 that were tried pass"),
        (Dynamic(sampled=64, open=16, fraction=0.25, ci95=[0.16, 0.37],
                 open_ranges=[[16384, 32767]], edges_within=40),
         "only 16384–32767 pass, give or take 40"),
        (Dynamic(sampled=64, open=0, fraction=0.0, ci95=[0.0, 0.06], open_ranges=[]),
         "none of the 64 that were tried passes"),
    ],
)  # fmt: skip
def test_dynamic_ports(sample: Dynamic, words: str) -> None:
    shown = said(dynamic_udp=sample, dynamic_tcp=None)
    assert f"Dynamic UDP ports {words}" in shown
    assert "Dynamic TCP" not in shown


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({}, "Audio to others 2.0 % lost, jitter 1 ms, quality 3.7 of 5 (good)"),
        ({"loss": 0.0}, "Audio to others nothing lost, jitter"),
        ({"mos": 3.2}, "(fair)"),
        ({"mos": 2.0}, "(poor)"),
        ({"mos": None}, "jitter 1 ms"),
        ({"direction": "inbound", "received": 0, "loss": 1.0},
         "Audio to you nothing of 150 packets arrived"),
        ({"received": None, "loss": None}, "the other end's count did not arrive"),
        ({"kind": "video", "reordered": 3}, "Video to others"),
    ],
)  # fmt: skip
def test_streams(parts: dict[str, object], words: str) -> None:
    assert words in said(media=[msgspec.structs.replace(VOICE, **parts)])

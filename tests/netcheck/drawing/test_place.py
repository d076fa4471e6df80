"""Each broken stretch is marked at the device where it breaks; where that is not known, so says
the picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from netcheck.cause import CAUSES, Cause
from netcheck.drawing import path, place
from netcheck.drawing.drawing import LIGHT, Drawing
from netcheck.drawing.place import Place
from netcheck.drawing.svg import SHAPES
from netcheck.report.model import Finding, Nat, PathHop, Report, Server
from probes.observation import Control, ControlAttempt

from ..report.samples import all_good, embedded
from .boxes import texts

OUTER, SHARED, PUBLIC = "10.0.0.1", "100.64.0.1", "203.0.113.2"

NATS = {
    "unknown": Nat(),
    "none": Nat(present=False, layers=0, carrier_grade=False, public_addresses=["192.168.1.20"]),
    # As a quick check has it: that addresses are translated, and no more.
    "some": Nat(present=True, public_addresses=[PUBLIC]),
    "home": Nat(present=True, layers=1, carrier_grade=False, public_addresses=[PUBLIC]),
    "double": Nat(present=True, layers=2, public_addresses=[PUBLIC]),
    "carrier": Nat(present=True, layers=2, carrier_grade=True, public_addresses=[PUBLIC]),
    "mobile": Nat(present=True, carrier_grade=True, public_addresses=[PUBLIC]),
}
BEHIND = {"double": OUTER, "carrier": SHARED}


def finding(cause: Cause, **parameters: Any) -> Finding:
    return Finding(
        id=f"{cause}-1", cause=cause, severity="error", article=cause, title=f"It is {cause}",
        evidence=["control-1"], parameters=parameters,
    )  # fmt: skip


def behind(nat: str, *findings: Finding) -> Report:
    """A report of a network with this NAT; what the route shows of it is in it, too."""
    good = all_good()
    hops = [PathHop(ttl=1, address="192.168.1.1", place="router")]
    if nat == "carrier":
        hops.append(PathHop(ttl=2, address=SHARED, place="carrier"))
    if nat == "double":
        hops.append(PathHop(ttl=2, address=OUTER, place="unknown"))
    return msgspec.structs.replace(good, nat=NATS[nat], path=hops, findings=list(findings))


ANYWHERE: Place = ("computer", "server")
OUTSIDE: Place = ("computer", "internet")
TABLE: list[tuple[str, Cause, dict[str, Any], Place]] = [
    # What goes out is followed hop by hop: the finding says where it was seen last.
    ("home", "outbound-tcp-blocked", {"device": "computer"}, ("computer", "computer")),
    ("home", "outbound-tcp-blocked", {"device": "router"}, ("router", "router")),
    ("carrier", "outbound-udp-blocked", {"device": "carrier"}, ("carrier", "carrier")),
    ("home", "outbound-udp-blocked", {"device": "beyond"}, ("internet", "internet")),
    ("home", "outbound-tcp-blocked", {}, ANYWHERE),
    ("home", "outbound-tcp-refused", {}, ANYWHERE),
    ("home", "outbound-udp-blocked", {}, ANYWHERE),
    ("home", "calls-without-media", {}, ANYWHERE),
    ("home", "udp-range-limited", {}, ANYWHERE),
    # What comes in ends at whoever has the public address, if that one translates.
    ("home", "inbound-tcp-blocked", {}, ("router", "router")),
    ("home", "inbound-udp-blocked", {}, ("router", "router")),
    ("carrier", "inbound-tcp-blocked", {"outer_router": SHARED}, ("carrier", "carrier")),
    ("mobile", "inbound-tcp-blocked", {}, ("carrier", "carrier")),
    ("double", "inbound-tcp-blocked", {"outer_router": OUTER}, ("outer", "outer")),
    ("double", "inbound-tcp-blocked", {}, ("outer", "outer")),
    ("some", "inbound-tcp-blocked", {"outer_router": OUTER}, ("outer", "outer")),
    ("some", "inbound-tcp-blocked", {}, ("router", "internet")),
    ("none", "inbound-tcp-blocked", {}, OUTSIDE),
    ("unknown", "inbound-tcp-blocked", {}, OUTSIDE),
    ("home", "inbound-tcp-refused", {}, ("computer", "router")),
    ("none", "inbound-tcp-refused", {}, OUTSIDE),
    ("carrier", "inbound-tcp-refused", {}, ("computer", "carrier")),
    ("home", "inbound-wrong-host", {}, ("router", "router")),
    ("carrier", "inbound-wrong-host", {}, ("router", "carrier")),
    ("home", "calls-only-outward", {}, ("router", "router")),
    ("carrier", "calls-only-outward", {}, ("carrier", "carrier")),
    ("carrier", "calls-only-outward", {"entry": "192.168.1.20:1720"}, ("router", "router")),
    ("carrier", "calls-only-outward", {"answer": "192.168.1.20:20001"}, ("router", "router")),
    ("home", "local-port-in-use", {}, ("computer", "computer")),
    # Addresses in messages: the first that translates should have seen to them.
    ("home", "embedded-address-untouched", {}, ("router", "router")),
    ("carrier", "embedded-address-untouched", {}, ("router", "router")),
    ("double", "embedded-address-untouched", {}, ("router", "router")),
    ("mobile", "embedded-address-untouched", {}, ("router", "carrier")),
    ("some", "embedded-address-untouched", {}, ("router", "internet")),
    # Which of two it was that spoilt a message is not to be seen.
    ("home", "embedded-address-mangled", {}, ("router", "router")),
    ("double", "embedded-address-mangled", {}, ("router", "outer")),
    ("carrier", "embedded-address-mangled", {}, ("router", "carrier")),
    ("home", "editor-pinhole-closed", {}, ("router", "router")),
    ("carrier", "editor-pinhole-closed", {}, ("router", "carrier")),
    ("home", "protocol-filtered", {}, ANYWHERE),
    ("home", "payload-altered", {}, OUTSIDE),
    # What a NAT does.
    ("home", "symmetric-mapping", {}, ("router", "router")),
    ("carrier", "symmetric-mapping", {}, ("router", "carrier")),
    ("double", "double-nat", {"outer_router": OUTER}, ("outer", "outer")),
    ("carrier", "carrier-grade-nat", {}, ("carrier", "carrier")),
    ("home", "no-hairpin", {}, ("router", "router")),
    ("home", "filtering-needs-peer-first", {}, ("computer", "router")),
    # The rest is somewhere on the way.
    ("home", "high-loss", {}, ANYWHERE),
    ("home", "poor-media", {}, ANYWHERE),
    ("home", "fragments-dropped", {}, ANYWHERE),
    ("home", "one-way-media", {}, OUTSIDE),
    ("home", "udp-reply-blocked", {}, OUTSIDE),
    ("home", "proxy-required", {}, OUTSIDE),
    ("unknown", "dns-failure", {}, OUTSIDE),
    ("unknown", "dns-rewritten", {}, OUTSIDE),
    ("unknown", "captive-portal", {"location": "http://192.168.1.1/login"}, ("router", "router")),
    ("unknown", "captive-portal", {"location": "https://hotel.example/"}, ("router", "internet")),
    ("unknown", "captive-portal", {"location": "http://[bad"}, ("router", "internet")),
    ("unknown", "server-unreachable", {}, ANYWHERE),
    ("home", "server-port-unavailable", {}, ("server", "server")),
]


@pytest.mark.parametrize(("nat", "cause", "parameters", "expected"), TABLE)
def test_where_it_breaks(
    nat: str, cause: Cause, parameters: dict[str, Any], expected: Place
) -> None:
    found = finding(cause, **parameters)
    assert place.where(found, behind(nat, found)) == expected


@pytest.mark.parametrize("nat", NATS)
@pytest.mark.parametrize("cause", CAUSES)
def test_a_place_is_in_the_picture(cause: Cause, nat: str) -> None:
    for device in ("", "computer", "router", "carrier", "beyond", "nonsense"):
        found = finding(cause, device=device)
        for report in (behind(nat, found), msgspec.structs.replace(embedded(), findings=[found])):
            known = [each for each, _ in place.devices(report)]
            first, last = place.where(found, report)
            assert known.index(first) <= known.index(last)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["silent", "silent"], ANYWHERE),
        (["refused"], ANYWHERE),
        (["wrong-certificate"], ANYWHERE),
        (["abandoned", "busy"], ("server", "server")),
        (["other-version"], ("server", "server")),
    ],
)
def test_a_server_that_spoke_was_reached(outcomes: list[Any], expected: Place) -> None:
    found = finding("server-unreachable")
    control = Control(
        id="control-1", at_s=0, took_s=1, host="echo.example.net", connected=False,
        attempts=tuple(ControlAttempt(port=8463, outcome=outcome) for outcome in outcomes),
    )  # fmt: skip
    report = msgspec.structs.replace(behind("unknown", found), observations=[control])
    assert place.where(found, report) == expected


def test_a_device_that_is_not_there_is_not_known() -> None:
    """Such as the router of a computer that has none: then it is somewhere around it."""
    good = all_good()
    report = msgspec.structs.replace(
        good,
        host=msgspec.structs.replace(good.host, gateways=[]),
        findings=[finding("outbound-tcp-blocked", device="router")],
    )
    assert place.where(report.findings[0], report) == ("computer", "internet")


# ---- in the picture ----


def drawn(report: Report) -> tuple[dict[str, str], Drawing]:
    drawing = path.draw(report, LIGHT)
    assert drawing is not None
    return {part.name: part.words for part in drawing.parts}, drawing


def links(drawing: Drawing) -> list[str]:
    """How each stretch from device to device is drawn: whole, broken, or perhaps broken."""
    boxes = sorted(
        (part.x, part.x + part.width, part.y + part.height / 2)
        for part in drawing.parts
        if part.y == path._TOP
    )
    found = []
    root = ET.fromstring(drawing.svg)
    svg = "{http://www.w3.org/2000/svg}"
    for (_, start, middle), (end, _, _) in pairwise(boxes):
        dashed = [
            "stroke-dasharray" in line.attrib
            for line in root.iter(f"{svg}line")
            if float(line.attrib["y1"]) == float(line.attrib["y2"]) == middle
            and start - 1 <= float(line.attrib["x1"]) <= end
        ]
        marks = [
            len(group)
            for group in root.iter(f"{svg}g")
            if group.attrib["transform"].startswith(
                f"translate({(start + end) / 2 - path._HALF_MARK:g} "
            )
        ]
        kinds = {
            shape.count("<"): kind for kind, shape in SHAPES.items() if kind in ("bad", "open")
        }
        assert len(set(dashed)) == 1
        assert len(marks) == dashed[0]
        found.append(kinds[marks[0]] if marks else "")
    return found


def test_what_is_known_is_marked_at_its_device_and_the_stretch_beside_it() -> None:
    said, drawing = drawn(behind("home", finding("inbound-tcp-blocked")))
    assert said["Router"] == "192.168.1.1: It is inbound-tcp-blocked"
    assert said["Broken: It is inbound-tcp-blocked"] == "It is inbound-tcp-blocked"
    assert "nothing wrong was found here" in said["Internet"]
    assert links(drawing) == ["bad", "", ""]
    out = finding("outbound-tcp-blocked", device="router")
    assert links(drawn(behind("home", out))[1]) == ["", "bad", ""]
    assert links(drawn(behind("home", finding("local-port-in-use")))[1]) == ["", "", ""]


def test_what_is_not_known_has_a_question_mark_on_each_stretch() -> None:
    said, drawing = drawn(behind("some", finding("inbound-tcp-blocked")))
    where = "It is not known where, from “Router” to “Internet”:"
    assert said["Broken: It is inbound-tcp-blocked"] == f"{where} It is inbound-tcp-blocked"
    assert "whether it is here is not known" in said["Router"]
    assert "whether it is here is not known" in said["Internet"]
    assert said["This computer"].endswith("nothing wrong was found here")
    assert where in drawing.svg
    assert links(drawing) == ["", "open", ""]


def test_what_is_known_is_not_hidden_by_what_is_not() -> None:
    report = behind("home", finding("high-loss"), finding("inbound-tcp-blocked"))
    assert links(drawn(report)[1]) == ["bad", "open", "open"]


def test_what_is_too_much_for_one_device_is_counted() -> None:
    found = [
        finding("inbound-tcp-blocked"),
        finding("inbound-udp-blocked"),
        finding("inbound-wrong-host"),
        finding("no-hairpin"),
    ]
    assert "and 1 more" in drawn(behind("home", *found))[1].svg
    assert "more" not in drawn(behind("home", *found[:3]))[1].svg


def test_a_carrier_and_a_second_router_are_devices() -> None:
    double = drawn(behind("double", finding("inbound-tcp-blocked", outer_router=OUTER)))[0]
    assert double["Second router"] == f"{OUTER}: It is inbound-tcp-blocked"
    assert "Carrier" not in double
    shared = drawn(behind("carrier", finding("inbound-tcp-blocked", outer_router=SHARED)))[0]
    assert shared["Carrier"] == f"{SHARED}: It is inbound-tcp-blocked"
    assert "Second router" not in shared


def test_what_was_not_reached_was_not_tested() -> None:
    report = msgspec.structs.replace(
        behind("unknown"), server=Server(host="echo.example.net", embedded=False, reached=False)
    )
    said, drawing = drawn(report)
    assert all("nothing wrong" not in words for words in said.values())
    assert said["Internet"] == "not tested"
    assert links(drawing) == ["open", "open", "open"]


def test_this_computer_alone_says_so() -> None:
    report = msgspec.structs.replace(embedded(), findings=[finding("local-port-in-use")])
    said, drawing = drawn(report)
    assert list(said) == ["This computer", "Broken: It is local-port-in-use"]
    assert "Only this computer was tested" in drawing.svg


def test_only_ipv6_is_a_path_as_well() -> None:
    good = all_good()
    address = "2001:db8:ffff:ffff:ffff:ffff:ffff:fffe"
    report = msgspec.structs.replace(
        good,
        host=msgspec.structs.replace(good.host, addresses=[address], gateways=["fe80::1"]),
        nat=Nat(present=False, layers=0, public_addresses=[address]),
        findings=[finding("inbound-tcp-blocked")],
    )
    said, drawing = drawn(report)
    assert said["This computer"].startswith(f"{address}: whether it is here is not known")
    assert said["Router"].startswith("fe80::1: ")
    assert address in "".join(box.what for box in texts(drawing))
    assert links(drawing) == ["open", "open", ""]

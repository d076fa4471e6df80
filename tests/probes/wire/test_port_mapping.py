"""The questions to a gateway that may map ports, and its answers, byte by byte."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.errors import WireError
from probes.wire import port_mapping as wire
from probes.wire.port_mapping import NatPmpAnswer, PcpAnswer

PCP_OK = bytes.fromhex("028000000000000000000007" + "00" * 12)
NAT_PMP_OK = bytes.fromhex("0080000000000007c6336404")
LOCATION = "http://192.168.1.1:5000/rootDesc.xml"
GATEWAY = "urn:schemas-upnp-org:device:InternetGatewayDevice"


def ssdp(*lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([status, *lines, "", ""]).encode()


def test_the_questions_are_those_of_the_rfcs() -> None:
    assert wire.external_address_request() == bytes.fromhex("0000")
    assert wire.announce_request("192.168.1.7") == bytes.fromhex(
        "020000000000000000000000000000000000ffffc0a80107"
    )
    with pytest.raises(ValueError):
        wire.announce_request("fe80::1")


def test_the_search_asks_everybody_with_a_delay_and_one_without() -> None:
    everybody = wire.search_request(wire.SSDP_GROUP, 1900).decode().split("\r\n")
    assert everybody == [
        "M-SEARCH * HTTP/1.1", "HOST: 239.255.255.250:1900", 'MAN: "ssdp:discover"', "MX: 1",
        f"ST: {GATEWAY}:1", "", "",
    ]  # fmt: skip
    one = wire.search_request("192.168.1.1", 1900)
    assert b"MX" not in one
    assert b"HOST: 192.168.1.1:1900" in one


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (NAT_PMP_OK, NatPmpAnswer("198.51.100.4")),
        (NAT_PMP_OK[:8] + bytes(4), NatPmpAnswer(None, "the gateway names no address")),
        (b"\0\x80\0\x03" + bytes(8), NatPmpAnswer(None, wire.NAT_PMP_RESULTS[3])),
        (bytes.fromhex("00800002"), NatPmpAnswer(None, wire.NAT_PMP_RESULTS[2])),
        (bytes.fromhex("0080ffff"), NatPmpAnswer(None, "result 65535")),
        (PCP_OK, PcpAnswer()),
        (PCP_OK[:3] + b"\x0c" + PCP_OK[4:], PcpAnswer(wire.PCP_RESULTS[12])),
        (PCP_OK[:3] + b"\xff" + PCP_OK[4:], PcpAnswer("result 255")),
        (PCP_OK + b"\0" * 8, PcpAnswer()),
        (b"\x01\x80\x00\x01" + PCP_OK[4:], PcpAnswer("unsupported version")),
    ],
)  # fmt: skip
def test_answers(data: bytes, answer: NatPmpAnswer | PcpAnswer) -> None:
    assert wire.read(data) == answer


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x80\x00",
        NAT_PMP_OK[:-1],
        NAT_PMP_OK + b"\0",
        b"\x00\x00" + NAT_PMP_OK[2:],  # a question
        b"\x00\x81" + NAT_PMP_OK[2:],  # the answer to a mapping
        bytes.fromhex("0080000100000007"),  # an answer to PCP by one that knows NAT-PMP alone
        PCP_OK[:-1],
        PCP_OK[:20],
        PCP_OK + b"\0" * 1080,
        b"\x02\x00" + PCP_OK[2:],
        b"\x03" + PCP_OK[1:],
    ],
)
def test_what_is_no_answer(data: bytes) -> None:
    with pytest.raises(WireError):
        wire.read(data)


def test_search_answers() -> None:
    for lines in (
        (f"ST: {GATEWAY}:1", f"LOCATION: {LOCATION}"),
        (f"Location:{LOCATION}", "USN: x", f"st:  {GATEWAY}:2", "EXT:"),
    ):
        assert wire.read_search_answer(ssdp(*lines)) == LOCATION


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 40,
        ssdp(f"ST: {GATEWAY}:1"),
        ssdp("ST: urn:schemas-upnp-org:device:MediaServer:1", f"LOCATION: {LOCATION}"),
        ssdp(f"LOCATION: {LOCATION}"),
        ssdp(f"ST: {GATEWAY}:1", f"LOCATION: {LOCATION}", status="HTTP/1.1 404 Not Found"),
        ssdp(f"ST: {GATEWAY}:1", f"LOCATION: {LOCATION}", status="NOTIFY * HTTP/1.1"),
        ssdp(f"ST: {GATEWAY}:1", "LOCATION: http://192.168.1.1/" + "a" * 500),
        ssdp(f"ST: {GATEWAY}:1", "LOCATION: http://192.168.1.1/\x1b[31m"),
        ssdp(f"ST: {GATEWAY}:1", f"LOCATION: {LOCATION}", "X: " + "a" * 3000),
    ],
)
def test_what_is_no_search_answer(data: bytes) -> None:
    with pytest.raises(WireError):
        wire.read_search_answer(data)


@given(
    st.binary(max_size=1200)
    | st.builds(lambda h, t: h + t, st.sampled_from([PCP_OK, NAT_PMP_OK]), st.binary(max_size=40))
)
def test_any_bytes_give_an_answer_or_a_wire_error(data: bytes) -> None:
    with contextlib.suppress(WireError):
        assert isinstance(wire.read(data), NatPmpAnswer | PcpAnswer)


@given(
    st.binary(max_size=3000)
    | st.text(max_size=600).map(lambda t: ssdp(f"ST: {GATEWAY}:1", f"LOCATION:{t}"))
)
def test_any_search_answer_gives_a_short_line_or_a_wire_error(data: bytes) -> None:
    with contextlib.suppress(WireError):
        location = wire.read_search_answer(data)
        assert 0 < len(location) <= wire.LOCATION_SIZE_MAX
        assert location.isprintable()

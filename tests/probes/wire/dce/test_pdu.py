from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.editors.dcom import DIALOGUES as DCOM
from probes.editors.rpc import DIALOGUES as RPC
from probes.errors import WireError
from probes.wire.dce import pdu
from probes.wire.dce.port_135 import read, server
from probes.wire.reading import MESSAGE_MAX
from tests.probes.editors.talk import CLIENT, SERVER, talk

MESSAGES = [m for d in (*RPC, *DCOM) for heard in talk(d) for m in heard]
REQUEST = talk(DCOM[0])[0][1]
STUB = REQUEST[24:]


def fragments(message: bytes, *cuts: int) -> bytes:
    """A request as several fragments, its parameters cut there."""
    stub = message[24:]
    parts = [stub[one:other] for one, other in pairwise((0, *cuts, len(stub)))]
    return b"".join(
        pdu.write(
            pdu.REQUEST,
            2,
            struct.pack("<I", len(STUB)) + message[20:24] + part,
            flags=(number == 0) * pdu.FIRST_FRAG | (number == len(cuts)) * pdu.LAST_FRAG,
        )
        for number, part in enumerate(parts)
    )


def big_endian(message: bytes) -> bytes:
    """An ept_map as a big-endian client writes it; a tower is little-endian all the same."""
    assert len(message) == 156
    numbers = struct.unpack_from("<HHIIHHI", message, 8)
    uuid = struct.unpack_from("<IHH8s", message, 28)
    lengths = struct.unpack_from("<III", message, 44)
    return (
        message[:4]
        + bytes(4)
        + struct.pack(">HHIIHHI", *numbers)
        + struct.pack(">IHH8s", *uuid)
        + struct.pack(">III", *lengths)
        + message[56:132]
        + bytes(20)
        + struct.pack(">I", 1)
    )


@given(st.lists(st.sampled_from(MESSAGES), max_size=6), st.lists(st.integers(1, 90)))
def test_a_stream_may_be_cut_anywhere(messages: list[bytes], sizes: list[int]) -> None:
    data = b"".join(messages)
    stream = pdu.stream()
    found: list[bytes] = []
    at = 0
    for size in [*sizes, len(data)]:
        found += stream.feed(data[at : at + size])
        at += size
    assert found == messages


@given(st.lists(st.integers(0, len(STUB)), max_size=5).map(sorted))
def test_fragments_are_put_together(cuts: list[int]) -> None:
    message = fragments(REQUEST, *cuts)
    assert list(pdu.stream().feed(message)) == [message]
    got = pdu.read(message)
    assert got.body == STUB
    assert not got.faults
    assert read(message).carried == read(REQUEST).carried
    assert read(message).label == CLIENT.label


def test_fragments_are_no_less_than_a_message() -> None:
    stream = pdu.stream()
    message = fragments(REQUEST, 10, 20)
    for byte in message[:-1]:
        assert list(stream.feed(bytes([byte]))) == []
    assert list(stream.feed(message[-1:])) == [message]


@pytest.mark.parametrize(
    "message",
    [
        fragments(REQUEST, 100)[len(fragments(REQUEST, 100)[: 24 + 100]) :],  # no first
        fragments(REQUEST, 100) + fragments(REQUEST, 100)[:124],
        fragments(REQUEST, 100)[:124] + fragments(REQUEST, 100),  # two firsts
        fragments(REQUEST, 100)[:124] + MESSAGES[0],
        fragments(REQUEST, 100)[:136] + b"\3" + fragments(REQUEST, 100)[137:],  # another's call
    ],
)
def test_fragments_that_do_not_follow_each_other(message: bytes) -> None:
    with pytest.raises(WireError):
        pdu.read(message)


def test_another_byte_order() -> None:
    little = next(m for m in MESSAGES if read(m).kind == "ept_map")
    got, was = read(big_endian(little)), read(little)
    assert (got.kind, got.label, got.carried, got.faults) == (
        was.kind, was.label, was.carried, was.faults,
    )  # fmt: skip
    assert got.rest != was.rest


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", "rpc_vers"),
        (b"\x04", "rpc_vers"),
        (bytes.fromhex("05000003 20000000 1800 0000 00000000"), "packed_drep"),
        (bytes.fromhex("05000003 10000000 0f00 0000 00000000"), "frag_length"),
        (bytes.fromhex("05000003 10000000 0120 0000 00000000"), "frag_length"),
        (bytes.fromhex("05000403 10000000 1000 0000 00000000"), "PTYPE"),
        (bytes.fromhex("05000003 10000000 1000 0000 00000000"), "request"),
        (bytes.fromhex("05000383 10000000 1200 0000 00000000 0000"), "fault"),
        (bytes.fromhex("05000b03 10000000 1000 0100 00000000"), "auth_length"),
        (bytes.fromhex("05000b03 10000000 1900 0100 00000000 0000010000000000 00"), "auth_pad"),
    ],
)
def test_what_is_no_message(data: bytes, place: str) -> None:
    with pytest.raises(WireError) as caught:
        server(SERVER).receive(data)
    assert place in caught.value.place


def test_a_message_is_bounded() -> None:
    part = pdu.write(pdu.REQUEST, 2, bytes(1008), flags=pdu.FIRST_FRAG)
    more = pdu.write(pdu.REQUEST, 2, bytes(1008), flags=0)
    stream = pdu.stream()
    assert list(stream.feed(part + more * 7)) == []
    with pytest.raises(WireError, match=str(MESSAGE_MAX)):
        list(stream.feed(more[:16]))


def test_a_verifier_is_no_parameter() -> None:
    body = REQUEST[16:24] + bytes(10) + b"pad" + bytes([10, 2, 3, 0, 0, 0, 0, 0]) + b"sign"
    message = bytearray(pdu.write(pdu.REQUEST, 2, body))
    message[10] = 4
    got = pdu.read(bytes(message))
    assert (got.body, got.authenticated) == (bytes(10), True)
    assert b"padd" not in got.body
    assert pdu.read(bytes(message[:-1]) + b"N").frame != got.frame


@pytest.mark.parametrize(("hint", "faults"), [(0, 0), (230, 0), (229, 1), (231, 1), (1 << 31, 1)])
def test_an_alloc_hint_counts_the_parameters(hint: int, faults: int) -> None:
    message = REQUEST[:16] + struct.pack("<I", hint) + REQUEST[20:]
    assert len(pdu.read(message).faults) == faults

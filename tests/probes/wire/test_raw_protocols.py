"""GRE, ESP and AH."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.errors import WireError
from probes.wire import raw_protocols
from probes.wire.raw_protocols import KEY_MAX, NUMBERS, Packet, RawName

names = st.sampled_from(tuple(NUMBERS))

EXAMPLES: dict[RawName, str] = {
    # RFC 2637 section 4.1: K and S, version 1, PPP, length 4, call ID, sequence
    "gre": "3001 880b 0004 1234 00000007 61626364",
    # RFC 4303 section 2: SPI, sequence
    "esp": "00001234 00000007 61626364",
    # RFC 4302 section 2: no next header, 24 bytes, reserved, SPI, sequence, ICV
    "ah": "3b 04 0000 00001234 00000007 88d4266fd4e6338d13b845fc 61626364",
}


@pytest.mark.parametrize("name", NUMBERS)
def test_as_the_rfc_has_it(name: RawName) -> None:
    assert raw_protocols.write(name, 0x1234, 7, b"abcd") == bytes.fromhex(EXAMPLES[name])


@given(names, st.data(), st.integers(0, 2**32 - 1), st.binary(max_size=256))
def test_what_is_written_can_be_read(
    name: RawName, data: st.DataObject, sequence: int, payload: bytes
) -> None:
    key = data.draw(st.integers(1, KEY_MAX[name]))
    written = raw_protocols.write(name, key, sequence, payload)
    assert raw_protocols.read(name, written) == Packet(key, payload)


@given(names, st.binary(max_size=2100))
def test_any_bytes_give_a_packet_or_the_one_error(name: RawName, data: bytes) -> None:
    try:
        packet = raw_protocols.read(name, data)
    except WireError:
        return
    assert data.endswith(packet.payload)
    assert 0 <= packet.key <= KEY_MAX[name]


@given(st.binary(max_size=80))
def test_any_bytes_have_a_header_or_the_one_error(data: bytes) -> None:
    try:
        inside = raw_protocols.without_header(data)
    except WireError:
        return
    assert data.endswith(inside)
    assert 20 <= len(data) - len(inside) <= 60


def test_the_header_may_have_options() -> None:
    for words in (5, 15):
        head = bytes([0x40 | words]) + bytes(4 * words - 1)
        assert raw_protocols.without_header(head + b"abc") == b"abc"
    for wrong in (b"", b"\x45", bytes([0x44]) + bytes(19), bytes([0x65]) + bytes(40)):
        with pytest.raises(WireError):
            raw_protocols.without_header(wrong)


@given(st.integers(0, 2**32 - 1))
def test_the_key_for_the_answer(key: int) -> None:
    assert raw_protocols.key_in(raw_protocols.body(key).ljust(64, b"\0")) == key

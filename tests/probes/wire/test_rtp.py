"""RTP packets: every value comes back, any bytes are a value or one error, tshark agrees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.errors import WireError
from probes.wire import rtp
from probes.wire.rtp import Packet

from .tshark import fields_of

u16, u32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF)
packets = st.builds(
    Packet,
    payload_type=st.integers(0, 127),
    sequence=u16,
    timestamp=u32,
    ssrc=u32,
    payload=st.binary(max_size=60),
    marker=st.booleans(),
    csrcs=st.lists(u32, max_size=15).map(tuple),
    extension=st.none()
    | st.tuples(
        u16, st.integers(0, 6).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n))
    ),
)
PLAIN = Packet(payload_type=4, sequence=1, timestamp=2, ssrc=3, payload=b"abcd")


@given(packets)
def test_what_is_written_is_read_again(packet: Packet) -> None:
    assert rtp.read(rtp.write(packet)) == packet


@given(
    st.binary(max_size=100)
    | packets.map(rtp.write).flatmap(lambda b: st.integers(0, len(b)).map(lambda n: b[:n]))
)
def test_any_bytes_are_a_packet_or_one_error(data: bytes) -> None:
    try:
        packet = rtp.read(data)
    except WireError:
        return
    assert len(packet.payload) <= len(data) - rtp.HEADER_SIZE


def test_the_layout_is_the_rfcs() -> None:
    packet = Packet(
        payload_type=34, sequence=0x0102, timestamp=0x03040506, ssrc=0x0708090A,
        payload=b"\xff", marker=True, csrcs=(0x0B0C0D0E,), extension=(0x1112, b"wxyz"),
    )  # fmt: skip
    assert rtp.write(packet).hex() == (
        "91a2" "0102" "03040506" "0708090a" "0b0c0d0e" "11120001" "7778797a" "ff"
    )  # fmt: skip


def test_padding_is_taken_off() -> None:
    padded = bytearray(rtp.write(PLAIN) + b"\0\0\3")
    padded[0] |= 0x20
    assert rtp.read(bytes(padded)).payload == b"abcd"


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"", "rtp"),
        (rtp.write(PLAIN)[:11], "rtp"),
        (b"\x40" + rtp.write(PLAIN)[1:], "rtp.version"),
        (b"\x8f" + rtp.write(PLAIN)[1:], "rtp.csrc"),
        (b"\x90" + rtp.write(PLAIN)[1:13], "rtp.extension"),
        (b"\x90" + rtp.write(PLAIN)[1:12] + b"\0\0\0\2abcd", "rtp.extension"),
        (b"\xa0" + rtp.write(PLAIN)[1:-1] + b"\0", "rtp.padding"),
        (b"\xa0" + rtp.write(PLAIN)[1:-1] + b"\5", "rtp.padding"),
        (b"\xa0" + rtp.write(PLAIN)[1:12], "rtp.padding"),
    ],
)
def test_what_is_wrong_is_named(data: bytes, place: str) -> None:
    with pytest.raises(WireError) as caught:
        rtp.read(data)
    assert caught.value.place == place


def test_what_cannot_be_written_is_refused() -> None:
    for wrong in (
        Packet(payload_type=4, sequence=0, timestamp=0, ssrc=0, csrcs=(1,) * 16),
        Packet(payload_type=4, sequence=0, timestamp=0, ssrc=0, extension=(1, b"abc")),
    ):
        with pytest.raises(ValueError, match=r"more than|multiple"):
            rtp.write(wrong)


@pytest.mark.parametrize(("payload_type", "hz"), [(4, 8000), (34, 90_000), (96, 8000)])
def test_clocks(payload_type: int, hz: int) -> None:
    assert rtp.clock_hz(payload_type) == hz


def test_tshark_reads_the_same() -> None:
    written = [
        Packet(payload_type=4, sequence=65535, timestamp=2**32 - 1, ssrc=2**31, payload=b"x" * 24),
        Packet(payload_type=34, sequence=0, timestamp=0, ssrc=7, payload=b"y" * 9, marker=True,
               csrcs=(1, 2), extension=(9, b"abcdefgh")),
    ]  # fmt: skip
    fields = ("rtp.version", "rtp.p_type", "rtp.seq", "rtp.timestamp", "rtp.ssrc", "rtp.marker",
              "rtp.cc", "rtp.ext.len")  # fmt: skip
    shown = [
        ["1" if value == "True" else "0" if value == "False" else value for value in line]
        for line in fields_of([rtp.write(p) for p in written], "rtp", fields)
    ]  # later versions write the marker in words
    assert shown == [
        ["2", "4", "65535", "4294967295", "0x80000000", "0", "0", ""],
        ["2", "34", "0", "0", "0x00000007", "1", "2", "2"],
    ]

"""RTCP compounds: every value comes back, any bytes are a value or one error, tshark agrees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.errors import WireError
from probes.wire import rtcp
from probes.wire.rtcp import (
    App,
    Block,
    Bye,
    Description,
    Other,
    Part,
    ReceiverReport,
    SenderReport,
)

from .tshark import fields_of

u8, u32 = st.integers(0, 255), st.integers(0, 0xFFFF_FFFF)
words = st.integers(0, 5).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n))
blocks = st.lists(
    st.builds(
        Block,
        ssrc=u32,
        fraction_lost=u8,
        lost=st.integers(-(2**23), 2**23 - 1),
        highest=u32,
        jitter=u32,
        last_sr=u32,
        delay=u32,
    ),
    max_size=3,
).map(tuple)
reports = st.builds(
    SenderReport, ssrc=u32, ntp=st.integers(0, 2**64 - 1), timestamp=u32, packets=u32, octets=u32,
    blocks=blocks,
) | st.builds(ReceiverReport, ssrc=u32, blocks=blocks)  # fmt: skip
items = st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=20)), max_size=3).map(tuple)
others = (
    st.builds(Description, chunks=st.lists(st.tuples(u32, items), max_size=3).map(tuple))
    | st.builds(Bye, ssrcs=st.lists(u32, max_size=3).map(tuple), reason=st.binary(max_size=20))
    | st.builds(App, ssrc=u32, name=st.binary(min_size=4, max_size=4), data=words,
                subtype=st.integers(0, 31))
    | st.builds(Other, kind=st.integers(205, 255), count=st.integers(0, 31), body=words)
)  # fmt: skip
compounds = st.tuples(reports, st.lists(others | reports, max_size=4)).map(lambda t: (t[0], *t[1]))


@given(compounds)
def test_what_is_written_is_read_again(parts: tuple[Part, ...]) -> None:
    assert rtcp.read(rtcp.write(parts)) == parts


@given(
    st.binary(max_size=120)
    | st.tuples(compounds.map(rtcp.write), st.integers(0, 400), st.integers(0, 255)).map(
        lambda t: t[0][: t[1]] + bytes([t[2]]) + t[0][t[1] + 1 :]
    )
)
def test_any_bytes_are_a_compound_or_one_error(data: bytes) -> None:
    try:
        parts = rtcp.read(data)
    except WireError:
        return
    assert 1 <= len(parts) <= len(data) // 4


EMPTY = rtcp.write((ReceiverReport(ssrc=1),))


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"", "rtcp"),
        (EMPTY[:3], "rtcp"),
        (EMPTY + b"\x80", "rtcp"),
        (b"\x40" + EMPTY[1:], "rtcp.version"),
        (EMPTY[:-1], "rtcp.length"),
        (b"\xa0" + EMPTY[1:], "rtcp"),  # a padded first packet
        (rtcp.write_part(Bye(ssrcs=(1,))), "rtcp"),  # no report first
        (b"\x81" + EMPTY[1:], "rtcp.rr"),  # a block that is not there
        (b"\x80\xc8\0\1" + bytes(4), "rtcp.sr"),
        (EMPTY + b"\x81\xca\0\0", "rtcp.sdes"),
        (EMPTY + b"\x81\xca\0\2" + bytes(4) + b"\1\2ab", "rtcp.sdes"),  # no end
        (EMPTY + b"\x81\xca\0\2" + bytes(4) + b"\1\3ab", "rtcp.sdes"),
        (EMPTY + b"\x81\xcb\0\0", "rtcp.bye"),
        (EMPTY + b"\x80\xcb\0\1\4abc", "rtcp.bye"),
        (EMPTY + b"\x80\xcc\0\1" + bytes(4), "rtcp.app"),
        (EMPTY + b"\xa0\xcd\0\1\0\0\0\5", "rtcp.padding"),
        (EMPTY + b"\xa0\xcd\0\1\0\0\0\4" + EMPTY, "rtcp.padding"),
    ],
)
def test_what_is_wrong_is_named(data: bytes, place: str) -> None:
    with pytest.raises(WireError) as caught:
        rtcp.read(data)
    assert caught.value.place == place


def test_padding_of_the_last_packet_is_taken_off() -> None:
    padded = EMPTY + b"\xa0\xcc\0\3" + bytes(4) + b"name" + b"\0\0\0\4"
    assert rtcp.read(padded)[1] == App(ssrc=0, name=b"name")


def test_ntp_times() -> None:
    assert rtcp.ntp(0.5) == rtcp.NTP_EPOCH_S << 32 | 1 << 31
    assert rtcp.middle(0x1111_2222_3333_4444) == 0x2222_3333


def test_the_round_trip_of_the_rfcs_example() -> None:
    """RFC 3550 section 6.4.1, figure 2: 6.125 s."""
    block = Block(ssrc=1, last_sr=0xB705_2000, delay=0x0005_4000)
    assert rtcp.round_trip_s(0xB710_8000 << 16, block) == 6.125


def test_no_round_trip_without_a_report_of_ours() -> None:
    assert rtcp.round_trip_s(0xB710_8000 << 16, Block(ssrc=1, delay=5)) is None


def test_a_round_trip_is_never_negative() -> None:
    assert rtcp.round_trip_s(10 << 16, Block(ssrc=1, last_sr=9, delay=3)) == 0.0


def test_a_report_of_the_future_tells_no_round_trip() -> None:
    assert rtcp.round_trip_s(10 << 16, Block(ssrc=1, last_sr=9, delay=3000)) is None


def test_tshark_reads_the_same() -> None:
    block = Block(ssrc=9, fraction_lost=64, lost=-3, highest=70_000, jitter=17, last_sr=5, delay=6)
    sender = SenderReport(
        ssrc=8, ntp=(3_900_000_000 << 32) + 5, timestamp=160, packets=50, octets=1200,
        blocks=(block,),
    )  # fmt: skip
    parts = (sender, Description(chunks=((8, ((1, b"netcheck"),)),)), App(ssrc=8, name=b"nchk"))
    fields = (
        "rtcp.pt", "rtcp.senderssrc", "rtcp.timestamp.ntp.msw", "rtcp.timestamp.ntp.lsw",
        "rtcp.timestamp.rtp", "rtcp.sender.packetcount", "rtcp.sender.octetcount",
        "rtcp.ssrc.fraction", "rtcp.ssrc.cum_nr", "rtcp.ssrc.ext_high", "rtcp.ssrc.jitter",
        "rtcp.ssrc.lsr", "rtcp.ssrc.dlsr", "rtcp.sdes.text", "rtcp.app.name",
    )  # fmt: skip
    assert fields_of([rtcp.write(parts)], "rtcp", fields) == [
        ["200,202,204", "0x00000008", "3900000000", "5", "160", "50", "1200", "64", "-3", "70000",
         "17", "5", "6", "netcheck", "nchk"]
    ]  # fmt: skip

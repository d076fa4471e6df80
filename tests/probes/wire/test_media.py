"""Two ends that hear each other and nobody else, and the schedule that they keep."""

from __future__ import annotations

import hmac
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.wire import media, rtcp, rtp
from probes.wire.media import Due, End, Shape

SPECIFICATION = Path(__file__).parents[3] / "docs" / "protocol.md"
SECRET = bytes(range(32))
VOICE = Shape(payload_type=rtp.G723, payload_bytes=24, packets_per_s=50)
OURS, THEIRS = 0xFFFF_FFF0, 0x1234_5678  # one whose number and timestamp wrap


def end(ssrc: int = OURS, peer: int = THEIRS, secret: bytes = SECRET) -> End:
    return End(secret, VOICE, ssrc=ssrc, peer_ssrc=peer, duration_s=2.0, epoch_s=1.6e9)


def pair() -> tuple[End, End]:
    return end(), end(THEIRS, OURS)


def test_the_bytes_are_the_specifications() -> None:
    text = SPECIFICATION.read_text(encoding="utf-8")
    example = re.search(r"<!-- rtp -->\n```\n([0-9a-f\s]+)```", text)
    assert example is not None
    made = End(SECRET, VOICE, ssrc=0x12345678, peer_ssrc=1, duration_s=1.0, epoch_s=0.0)
    assert made.packet(3, 0.0015) == bytes.fromhex(example[1])


def test_one_hears_the_other() -> None:
    one, other = pair()
    for index in range(100):
        assert other.hear(one.packet(index, 0.0), 7 + index / 50)
    count = other.count
    assert (count.received, count.duplicates, count.reordered, count.late) == (100, 0, 0, 0)
    assert count.complete(other.planned)
    assert count.jitter_s == pytest.approx(0, abs=2e-4)  # a timestamp is 125 us


def test_every_packet_has_the_size_that_was_announced() -> None:
    for size in (16, 24, 800, 1200):
        shape = Shape(payload_type=4, payload_bytes=size, packets_per_s=50)
        made = End(SECRET, shape, ssrc=1, peer_ssrc=2, duration_s=1.0, epoch_s=0.0)
        assert len(made.packet(0, 0.0)) == rtp.HEADER_SIZE + size


def test_a_busy_sender_is_no_jitter() -> None:
    one, other = pair()
    for index, lag_s in enumerate((0.0, 0.08, 0.06, 0.04, 0.0)):
        assert other.hear(one.packet(index, lag_s), 7 + index / 50 + lag_s)
    assert other.count.jitter_s == pytest.approx(0, abs=2e-4)
    assert other.count.late == 0


def test_a_round_trip_comes_out_of_reports() -> None:
    one, other = pair()
    assert other.hear_report(one.report(10.0), 10.04)
    assert one.round_trip_s is None
    assert one.hear_report(other.report(10.5), 10.56)
    assert one.round_trip_s == pytest.approx(0.1, abs=1e-4)
    assert (one.reports_heard, other.reports_heard) == (1, 1)


def test_a_report_of_very_many_parts_is_not_read() -> None:
    _, other = pair()
    for at, parts in enumerate((0, 1, 300), start=1):
        report = rtcp.SenderReport(ssrc=OURS, ntp=at << 32, timestamp=1, packets=1, octets=1)
        told = rtcp.write((report, *(rtcp.Bye(ssrcs=(OURS,)) for _ in range(parts))))
        tag = hmac.digest(SECRET, told, "sha256")[: media.TAG_SIZE]
        proof = rtcp.write_part(rtcp.App(ssrc=OURS, name=b"nchk", data=tag))
        assert other.hear_report(told + proof, 1.0) == (parts < 300)


def test_reports_tell_what_was_heard() -> None:
    one, other = pair()
    for index in (0, 1, 3, 3):
        other.hear(one.packet(index, 0.0), index / 50)
    sender = rtcp.read(other.report(1.0))[0]
    assert isinstance(sender, rtcp.SenderReport)
    (block,) = sender.blocks
    assert (block.ssrc, block.highest) == (OURS, (OURS & 0xFFFF) + 3)
    assert block.lost == 0  # a duplicate counts against what is missing (appendix A.3)


def test_a_reflected_packet_is_not_the_others() -> None:
    one, _ = pair()
    assert not one.hear(one.packet(0, 0.0), 1.0)
    assert not one.hear_report(one.report(1.0), 1.0)


def test_a_stranger_is_not_heard() -> None:
    stranger = end(THEIRS, OURS, secret=bytes(32))
    one = end()
    assert not one.hear(stranger.packet(0, 0.0), 1.0)
    assert not one.hear_report(stranger.report(1.0), 1.0)
    assert (one.count.received, one.reports_heard) == (0, 0)


@given(st.integers(0, 35), st.integers(1, 255))
def test_a_changed_packet_is_not_heard(at: int, change: int) -> None:
    one, other = pair()
    data = bytearray(one.packet(5, 0.01))
    data[at] ^= change
    heard = other.hear(bytes(data), 1.0)
    # Version, padding, marker and payload type are not signed: boxes that know RTP may set them.
    assert not heard or at < 2
    assert other.count.received == int(heard)


@given(st.integers(0, 400), st.integers(1, 255))
def test_a_changed_report_is_not_heard(at: int, change: int) -> None:
    one, other = pair()
    data = bytearray(one.report(1.0))
    data[at % len(data)] ^= change
    assert not other.hear_report(bytes(data), 1.0)


@given(st.binary(max_size=200))
def test_any_bytes_are_passed_over(data: bytes) -> None:
    one = end()
    assert not one.hear(data, 1.0)
    assert not one.hear_report(data, 1.0)


@pytest.mark.parametrize("now_s", [1e6, 1e6 + 2**15])
def test_a_report_that_claims_a_long_round_trip_is_not_believed(now_s: float) -> None:
    one, _ = pair()
    block = rtcp.Block(ssrc=OURS, last_sr=1, delay=0)
    told = rtcp.write(
        (rtcp.SenderReport(ssrc=THEIRS, ntp=1, timestamp=0, packets=0, octets=0, blocks=(block,)),)
    )
    tag = one._tag(told)
    signed = told + rtcp.write_part(rtcp.App(ssrc=THEIRS, name=b"nchk", data=tag))
    assert one.hear_report(signed, now_s)
    assert one.round_trip_s is None


def test_the_schedule_is_in_order_and_complete() -> None:
    video = Shape(payload_type=rtp.H263, payload_bytes=800, packets_per_s=30)
    due = media.schedule((VOICE, video), 3.0)
    assert [d.at_s for d in due] == sorted(d.at_s for d in due)
    for stream, packets in ((0, 150), (1, 90)):
        indices = [d.index for d in due if d.stream == stream and d.index is not None]
        assert indices == list(range(packets))
        assert [d.at_s for d in due if d.stream == stream and d.index is None] == [
            0.0, 0.5, 1.0, 1.5, 2.0, 2.5,
        ]  # fmt: skip
    assert Due(2.98, 0, 149) in due
    assert due[-1].at_s < 3.0


@pytest.mark.parametrize(("duration_s", "packets"), [(3.0, 150), (0.2, 10), (0.201, 11), (0.0, 1)])
def test_how_many_packets(duration_s: float, packets: int) -> None:
    assert VOICE.packets(duration_s) == packets


class Port:
    """A socket of a machine on which only some ports are free."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Machine:
    def __init__(self, offers: list[int], taken: set[int]) -> None:
        self.offers = iter(offers)
        self.taken = taken
        self.opened: list[Port] = []

    def bind(self, number: int) -> Port:
        number = number or next(self.offers)
        if number in self.taken:
            raise OSError("taken")
        self.opened.append(Port(number))
        return self.opened[-1]


@pytest.mark.parametrize(
    ("offers", "taken", "found"),
    [
        ([4000], set(), (4000, 4001)),
        ([4001], set(), (4000, 4001)),
        ([4000, 5001], {4001}, (5000, 5001)),
        ([65535], set(), (65534, 65535)),
    ],
)
def test_an_even_port_and_the_next(
    offers: list[int], taken: set[int], found: tuple[int, int]
) -> None:
    machine = Machine(offers, taken)
    pair = media.even_pair(machine.bind, lambda port: port.number)
    assert (pair[0].number, pair[1].number) == found
    assert [p.number for p in machine.opened if not p.closed] == sorted(
        found, key=[p.number for p in machine.opened].index
    )


def test_no_pair_at_all_is_an_error_that_leaves_nothing_open() -> None:
    machine = Machine([4000] * 100, {4001})
    with pytest.raises(OSError, match="neighbouring"):
        media.even_pair(machine.bind, lambda port: port.number)
    assert all(port.closed for port in machine.opened)


@pytest.mark.parametrize(
    ("notes", "age"),
    [
        ([], 0.0),
        ([(1, media.SO_TIMESTAMPNS, struct.pack("@ll", 99, 750_000_000))], 0.25),
        ([(1, 2, b""), (1, media.SO_TIMESTAMPNS, struct.pack("@ll", 99, 0))], 1.0),
        ([(1, media.SO_TIMESTAMPNS, b"short")], 0.0),
        ([(1, media.SO_TIMESTAMPNS, struct.pack("@ll", 200, 0))], 0.0),  # the clock was set back
        ([(1, media.SO_TIMESTAMPNS, struct.pack("@ll", 5, 0))], 0.0),  # or forward
    ],
)
def test_how_old_a_datagram_is(notes: list[tuple[int, int, bytes]], age: float) -> None:
    assert media.age_s(notes, 100.0) == age


def test_a_report_that_comes_again_later_makes_no_round_trip_longer() -> None:
    one, other = pair()
    first = one.report(10.0)
    assert other.hear_report(first, 10.02)
    assert one.hear_report(answer := other.report(10.5), 10.52)
    assert not one.hear_report(answer, 11.5)
    assert other.hear_report(one.report(11.0), 11.02)
    assert not other.hear_report(first, 11.1)  # an old one, replayed
    assert one.hear_report(other.report(11.5), 11.52)
    assert one.round_trip_s == pytest.approx(0.04, abs=1e-3)
    assert other.round_trip_s == pytest.approx(0.04, abs=1e-3)

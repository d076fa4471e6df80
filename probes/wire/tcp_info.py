"""What Linux tells of a TCP connection in ``struct tcp_info`` (pure; linux/tcp.h)."""

from __future__ import annotations

import struct

import msgspec

SIZE = 160  # up to and with tcpi_data_segs_out, since Linux 4.6
_TOTAL_RETRANS = struct.Struct("@I")
_RETRANS_AT = 100
_SEGS_IN_AT = 140
_DATA_SEGS_OUT_AT = 156


class Segments(msgspec.Struct, frozen=True):
    """Segments with data that one end has sent, and how many of them it sent again."""

    sent: int
    resent: int

    def since(self, before: Segments) -> Segments:
        """What came after ``before``."""
        return Segments(max(0, self.sent - before.sent), max(0, self.resent - before.resent))


def read(info: bytes) -> Segments | None:
    """None if the kernel told too little."""
    if len(info) < SIZE:
        return None
    resent: int = _TOTAL_RETRANS.unpack_from(info, _RETRANS_AT)[0]
    sent: int = _TOTAL_RETRANS.unpack_from(info, _DATA_SEGS_OUT_AT)[0]
    return Segments(sent, resent)


def segments_in(info: bytes) -> int | None:
    """All segments that came, a reset among them; None if the kernel told too little."""
    if len(info) < SIZE:
        return None
    came: int = _TOTAL_RETRANS.unpack_from(info, _SEGS_IN_AT)[0]
    return came


def round_trips(one: Segments, other: Segments) -> tuple[int, int]:
    """How many round trips both ends' segments amount to, and how many of these were lost:
    a round trip is lost when either of its two packets is."""
    sent = (one.sent + other.sent) // 2
    lost = sum(sent * end.resent / end.sent for end in (one, other) if end.sent)
    return sent, min(sent, round(lost))

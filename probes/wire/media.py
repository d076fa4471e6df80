"""One end of a pair of RTP streams, one in each direction, without I/O or clock.

Client and server both use it: it makes the packets and reports that one end sends, knows
those of the other end from anybody else's, and counts.  What it sends, when, is a
schedule; who sends it has the sockets and the clock (monotonic seconds, ``now_s``).
"""

from __future__ import annotations

import hmac
import math
import statistics
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

import msgspec

from probes.errors import WireError
from probes.wire import rtcp, rtp
from probes.wire.rtp_count import Count

TAG_SIZE = 8
"""A stranger's packet is taken for ours once in 2**64."""

REPORT_S = 0.5
"""Between reports.  RFC 3550 section 6.2 asks for 5 s in a conference; these streams last
three seconds, and a report is at most a tenth of what they carry."""

CALL_REPORT_S = 0.125
"""In a call of one second, which is asked whether reports get through at all: one lost report, or
two, must not look as if none did."""

ROUND_TRIP_MAX_S = 10.0
"""What a report tells beyond this is no round trip: no packet lives so long on its way."""

PORT_TRIES = 32
"""Each finds an even port with a free one beside it more often than not."""

REPORT_MAX = 256
"""Bytes of a report that is read; ours have 92.  One of many tiny parts would take long."""

_APP_NAME = b"nchk"
_SIGNED = struct.Struct("!IHI")
_CNAME = b"netcheck"
_TIMESPEC = struct.Struct("@ll")
SO_TIMESTAMPNS = 35
"""Linux (asm-generic/socket.h): the kernel's receive time with each datagram; socket(7)."""

IP_MTU_DISCOVER, IP_PMTUDISC_DONT = 10, 0
"""Linux (linux/in.h; ip(7)): without them datagrams say that nobody may fragment them, as those
of the applications did not: a path of small packets would then stop our pictures and not theirs."""


class Closable(Protocol):
    """All that is asked of a socket here."""

    def close(self) -> None: ...


_S = TypeVar("_S", bound=Closable)


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How a stream looks; both directions look alike."""

    payload_type: int
    payload_bytes: int
    packets_per_s: int

    def packets(self, duration_s: float) -> int:
        """How many packets fill ``duration_s``."""
        return max(1, math.ceil(duration_s * self.packets_per_s - 1e-9))


class Due(msgspec.Struct, frozen=True, order=True):
    """What is to be sent ``at_s`` after the beginning: packet ``index`` of ``stream``, or its
    report where ``index`` is None."""

    at_s: float
    stream: int
    index: int | None


def schedule(shapes: Sequence[Shape], duration_s: float, report_s: float = REPORT_S) -> list[Due]:
    """Everything that one end sends, in order: absolute times, so that nothing drifts."""
    due = [
        Due(index / shape.packets_per_s, stream, index)
        for stream, shape in enumerate(shapes)
        for index in range(shape.packets(duration_s))
    ] + [
        Due(number * report_s, stream, None)
        for stream in range(len(shapes))
        for number in range(math.ceil(duration_s / report_s))
    ]
    return sorted(due, key=lambda d: (d.at_s, d.stream))


class End:
    """One end.  ``ssrc`` is its own, ``peer_ssrc`` the other's; each stream begins with
    sequence number and timestamp taken from its SSRC, so that the other end knows which
    packet was the first even if it never arrives.  ``epoch_s`` is what makes ``now_s``
    seconds since 1970."""

    def __init__(
        self,
        secret: bytes,
        shape: Shape,
        *,
        ssrc: int,
        peer_ssrc: int,
        duration_s: float,
        epoch_s: float,
    ) -> None:
        self.shape = shape
        self.planned = shape.packets(duration_s)
        self.sent = 0
        self.count = Count(
            first=peer_ssrc & 0xFFFF,
            planned=self.planned,
            clock_hz=rtp.clock_hz(shape.payload_type),
        )
        self.reports_heard = 0
        self._secret = secret
        self._ssrc = ssrc
        self._peer_ssrc = peer_ssrc
        self._epoch_s = epoch_s
        self._clock_hz = rtp.clock_hz(shape.payload_type)
        self._last_timestamp = ssrc
        self._round_trips: list[float] = []
        self._last_report = 0  # the NTP time of the newest one
        self._last_sr = (0, 0.0)  # its middle NTP bits, and when it arrived

    @property
    def round_trip_s(self) -> float | None:
        """The median of what the other end's reports told."""
        return statistics.median(self._round_trips) if self._round_trips else None

    def packet(self, index: int, lag_s: float) -> bytes:
        """RTP packet ``index``, stamped with its nominal time.

        ``lag_s`` is how late it leaves: a busy sender must not look like jitter of the
        network, so the packet says it, and the receiver takes it off.
        """
        sequence = (self._ssrc + index) & 0xFFFF
        ticks = index * self._clock_hz // self.shape.packets_per_s
        timestamp = self._last_timestamp = (self._ssrc + ticks) & 0xFFFF_FFFF
        lag_us = min(0xFFFF_FFFF, max(0, int(lag_s * 1e6)))
        rest = lag_us.to_bytes(4, "big").ljust(self.shape.payload_bytes - TAG_SIZE, b"\0")
        payload = self._tag(_SIGNED.pack(self._ssrc, sequence, timestamp) + rest) + rest
        return rtp.write(
            rtp.Packet(
                payload_type=self.shape.payload_type,
                sequence=sequence,
                timestamp=timestamp,
                ssrc=self._ssrc,
                payload=payload,
                marker=index == 0,
            )
        )

    def hear(self, data: bytes, now_s: float) -> bool:
        """Whether ``data``, which arrived at ``now_s``, is a packet of the other end's; it is
        then counted."""
        try:
            got = rtp.read(data)
        except WireError:
            return False
        if got.ssrc != self._peer_ssrc or len(got.payload) != self.shape.payload_bytes:
            return False
        tag, rest = got.payload[:TAG_SIZE], got.payload[TAG_SIZE:]
        signed = _SIGNED.pack(got.ssrc, got.sequence, got.timestamp) + rest
        if not hmac.compare_digest(tag, self._tag(signed)):
            return False
        lag_s = int.from_bytes(rest[:4], "big") / 1e6
        return self.count.heard(got.sequence, got.timestamp, now_s - lag_s)

    def report(self, now_s: float) -> bytes:
        """The RTCP compound to send now: what was sent, what was heard, and who says so."""
        now = rtcp.ntp(now_s + self._epoch_s)
        last_sr, heard_s = self._last_sr
        block = rtcp.Block(
            ssrc=self._peer_ssrc,
            fraction_lost=self.count.fraction_lost(),
            lost=self.count.cumulative_lost,
            highest=self.count.highest,
            jitter=self.count.jitter_units,
            last_sr=last_sr,
            delay=min(0xFFFF_FFFF, int((now_s - heard_s) * 65536)) if last_sr else 0,
        )
        told = rtcp.write(
            (
                rtcp.SenderReport(
                    ssrc=self._ssrc,
                    ntp=now,
                    timestamp=self._last_timestamp,
                    packets=self.sent,
                    octets=self.sent * self.shape.payload_bytes,
                    blocks=(block,) if self.count.received or last_sr else (),
                ),
                rtcp.Description(chunks=((self._ssrc, ((rtcp.CNAME, _CNAME),)),)),
            )
        )
        proof = rtcp.App(ssrc=self._ssrc, name=_APP_NAME, data=self._tag(told))
        return told + rtcp.write_part(proof)

    def hear_report(self, data: bytes, now_s: float) -> bool:
        """Whether ``data`` is a report of the other end's; its round trip is then noted."""
        if len(data) > REPORT_MAX:
            return False
        try:
            parts = rtcp.read(data)
        except WireError:
            return False
        sender, proof = parts[0], parts[-1]
        if not isinstance(sender, rtcp.SenderReport) or not isinstance(proof, rtcp.App):
            return False
        told = data[: len(data) - 12 - len(proof.data)]
        if (proof.ssrc, proof.name, proof.subtype) != (self._peer_ssrc, _APP_NAME, 0):
            return False
        if sender.ssrc != proof.ssrc or not hmac.compare_digest(proof.data, self._tag(told)):
            return False
        if sender.ntp <= self._last_report:
            return False  # a copy, or overtaken: its round trip would be that of its detour
        self._last_report = sender.ntp
        self.reports_heard += 1
        middle = rtcp.middle(sender.ntp)
        if middle != self._last_sr[0]:
            self._last_sr = (middle, now_s)
        arrived = rtcp.ntp(now_s + self._epoch_s)
        for block in sender.blocks:
            trip = rtcp.round_trip_s(arrived, block) if block.ssrc == self._ssrc else None
            if trip is not None and trip < ROUND_TRIP_MAX_S and len(self._round_trips) < 256:
                self._round_trips.append(trip)
        return True

    def _tag(self, data: bytes) -> bytes:
        return hmac.digest(self._secret, data, "sha256")[:TAG_SIZE]


def even_pair(bind: Callable[[int], _S], port_of: Callable[[_S], int]) -> tuple[_S, _S]:
    """An even port for RTP and the next one for RTCP (RFC 3550 section 11).

    ``bind(0)`` opens any free port, ``bind(p)`` that one or raises OSError; what is of no
    use is closed.  Raises OSError when no pair was found.
    """
    for _ in range(PORT_TRIES):
        one = bind(0)
        port = port_of(one)
        try:
            other = bind(port ^ 1)
        except OSError:
            one.close()
            continue
        except BaseException:
            one.close()
            raise
        return (other, one) if port % 2 else (one, other)
    raise OSError(f"no two neighbouring ports were free in {PORT_TRIES} tries")


def age_s(ancillary: Iterable[tuple[int, int, bytes]], wall_s: float) -> float:
    """How long ago the kernel received a datagram, by what came with it (SO_TIMESTAMPNS) and
    the wall clock's time now, in seconds; 0 where nothing usable came."""
    for _, kind, data in ancillary:
        if kind == SO_TIMESTAMPNS and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            age = wall_s - (seconds + nanoseconds / 1e9)
            # Beyond these the wall clock has been set in between.
            return age if 0 <= age < ROUND_TRIP_MAX_S else 0.0
    return 0.0

"""A pair of RTP streams, one in each direction, at the server's end: sockets and counts."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Callable

from netcheck.server.session import Session, canonical
from probes.wire import media
from probes.wire.frame import Endpoint
from probes.wire.messages import MediaCount, MediaSpec

Address = tuple[str | int, ...]

_DATAGRAM_MAX = 2048  # more than any packet here has; what is longer is nobody's we know
_AT_A_TIME = 64  # datagrams read before others have their turn


def bound(address: str, port: int) -> socket.socket:
    """A UDP socket at ``port`` of an own address; 0 for any port.  Raises OSError."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.bind((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


class Stream:
    """Nothing is sent before ``rtp_to`` and ``rtcp_to`` are set; whoever sets them knows that
    they may be sent to.  ``latches``: the packets go to where the client's come from, once they
    do from an address of its own.  ``heard`` is called whenever something of the client's came.
    """

    def __init__(
        self,
        session: Session,
        spec: MediaSpec,
        pair: tuple[socket.socket, socket.socket],
        duration_s: float,
        heard: Callable[[], None],
        *,
        latches: bool,
    ) -> None:
        self.number = spec.number
        self.rtp_to: Address | None = None
        self.rtcp_to: Address | None = None
        self.confirmed = False  # the client's packets come from a proven address
        self.end = media.End(
            session.secret,
            media.Shape(
                payload_type=spec.payload_type,
                payload_bytes=spec.payload_bytes,
                packets_per_s=spec.packets_per_s,
            ),
            ssrc=spec.server_ssrc,
            peer_ssrc=spec.ssrc,
            duration_s=duration_s,
            epoch_s=time.time() - time.monotonic(),
        )
        self._session = session
        self._heard = heard
        self._latches = latches
        self._source: Endpoint | None = None
        self._reports_sent = 0
        even, odd = pair
        self.port: int = even.getsockname()[1]
        self._rtp = _Socket(even, self._hear)
        self._rtcp = _Socket(odd, self._hear_report)

    @property
    def complete(self) -> bool:
        """Whether every packet of the client's has come."""
        return self.end.count.complete(self.end.planned)

    async def listen(self) -> None:
        await self._rtp.listen()
        await self._rtcp.listen()

    def close(self) -> None:
        self._rtp.close()
        self._rtcp.close()

    def send(self, due: media.Due, began: float) -> None:
        now = time.monotonic()
        if due.index is None:
            if self.rtcp_to:
                self._reports_sent += self._rtcp.send(self.end.report(now), self.rtcp_to)
        elif self.rtp_to:
            packet = self.end.packet(due.index, now - began - due.at_s)
            self.end.sent += self._rtp.send(packet, self.rtp_to)

    def counted(self) -> MediaCount:
        """What this end has sent and heard."""
        end, count = self.end, self.end.count
        missing = count.losses(end.planned, end.shape.packets_per_s)
        return MediaCount(
            number=self.number,
            sent=end.sent,
            received=count.received,
            lost=missing.lost,
            duplicates=count.duplicates,
            reordered=count.reordered,
            early=missing.early,
            late=count.late,
            gaps=missing.gaps,
            losses=missing.by_quarter,
            jitter_ms=_ms(count.jitter_s),
            rtt_ms=_ms(end.round_trip_s),
            rtcp_received=end.reports_heard,
            rtcp_sent=self._reports_sent,
            source=str(self._source) if self._source else None,
            longest_gap_ms=_ms(count.longest_gap_s),
            jitters_ms=tuple(map(_ms, count.jitters_s(end.planned, end.shape.packets_per_s))),
        )

    def _hear(self, data: bytes, source: Address, now_s: float) -> None:
        if not self.end.hear(data, now_s):
            return
        self._source = seen = Endpoint(canonical(str(source[0])), int(source[1]))
        if seen.address in self._session.proven:
            self.confirmed = True
            if self._latches:
                self.rtp_to = source  # the NAT's mapping, where there is one
        self._heard()

    def _hear_report(self, data: bytes, source: Address, now_s: float) -> None:
        if not self.end.hear_report(data, now_s):
            return
        if self._latches and canonical(str(source[0])) in self._session.proven:
            self.rtcp_to = source
        self._heard()


class _Socket(asyncio.DatagramProtocol):
    """Gives each datagram with its source and the time at which it arrived: by the kernel's
    own note where there is one (Linux), so that a busy server does not look like jitter."""

    def __init__(self, sock: socket.socket, hear: Callable[[bytes, Address, float], None]) -> None:
        self._sock = sock
        self._hear = hear
        self._transport: asyncio.DatagramTransport | None = None

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        if sys.platform == "linux":
            self._sock.setsockopt(socket.SOL_SOCKET, media.SO_TIMESTAMPNS, 1)
            if self._sock.family == socket.AF_INET:
                self._sock.setsockopt(
                    socket.IPPROTO_IP, media.IP_MTU_DISCOVER, media.IP_PMTUDISC_DONT
                )
            loop.add_reader(self._sock, self._readable)
        else:
            self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=self._sock)

    def send(self, data: bytes, to: Address) -> bool:
        """Whether this machine let it out."""
        try:
            if self._transport:
                self._transport.sendto(data, to)
            else:
                self._sock.sendto(data, to)
        except OSError:
            return False
        return True

    def close(self) -> None:
        if self._transport:
            self._transport.abort()
            return
        if sys.platform == "linux":
            asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._hear(data, addr, time.monotonic())

    if sys.platform == "linux":

        def _readable(self) -> None:
            for _ in range(_AT_A_TIME):
                try:
                    data, notes, _, source = self._sock.recvmsg(_DATAGRAM_MAX, 64)
                except BlockingIOError:
                    return
                except OSError:  # an ICMP error that one of our own packets met
                    continue
                age_s = media.age_s(notes, time.time())
                self._hear(data, source, time.monotonic() - age_s)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)

"""Media: RTP to the client and from it, at the same time, counted at this end.

Only for a session, only to an address that has proved to be the client's own, no more than
the client says it sends itself, and for no longer than its control connection lives.  A port
of that address may be somebody else's, behind a carrier's NAT: a stream on which nothing of
the client's arrives from there is soon given up.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from weakref import WeakKeyDictionary

from netcheck.server.limits import ServerLimits
from netcheck.server.permission import forbidden
from netcheck.server.session import Session, canonical, neighbourhood
from probes.wire import media, rtp
from probes.wire.frame import Endpoint
from probes.wire.messages import (
    MediaCount,
    MediaPorts,
    MediaReady,
    MediaReport,
    MediaRequest,
    MediaSpec,
    Refusal,
)

Address = tuple[str | int, ...]

_DATAGRAM_MAX = 2048  # more than any packet here has; what is longer is nobody's we know
_AT_A_TIME = 64  # datagrams read before others have their turn


class Media:
    """The media of all sessions, one request of each at a time, and bounded in all."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._busy: set[Session] = set()
        self._per_source: Counter[str] = Counter()
        self._spent_s: WeakKeyDictionary[Session, float] = WeakKeyDictionary()

    async def carry_out(self, session: Session, request: MediaRequest) -> None:
        """Exchange the streams of ``request`` and tell the client what was counted; never
        raises for what the network does."""
        refusal = refuse(session, request) or self._no_room(session, request)
        if refusal:
            session.tell(refusal)
            return
        source = neighbourhood(session.source)
        self._busy.add(session)
        self._per_source[source] += 1
        self._spent_s[session] = self._spent(session) + request.duration_ms / 1000
        try:
            await _exchange(session, request, self._limits.media_unheard_s)
        finally:
            self._busy.discard(session)
            self._per_source[source] -= 1
            self._per_source += Counter()  # drops the sources that have none

    def _spent(self, session: Session) -> float:
        return self._spent_s.get(session, 0.0)

    def _no_room(self, session: Session, request: MediaRequest) -> Refusal | None:
        limits = self._limits
        detail = ""
        if session in self._busy:
            detail = "media of this session is under way"
        elif _bytes_per_s(request) > limits.media_bytes_per_s:
            detail = "more bytes a second than the server sends"
        elif self._spent(session) + request.duration_ms / 1000 > limits.media_s:
            detail = "this session's seconds of media are used up"
        elif self._per_source[neighbourhood(session.source)] >= limits.media_per_source:
            detail = "too much media for your address at once"
        elif len(self._busy) >= limits.media_in_all:
            detail = "the server exchanges media with too many others"
        return Refusal(id=request.id, reason="limit", detail=detail) if detail else None


def _bytes_per_s(request: MediaRequest) -> int:
    return sum((rtp.HEADER_SIZE + s.payload_bytes) * s.packets_per_s for s in request.streams)


def refuse(session: Session, request: MediaRequest) -> Refusal | None:
    """Whether ``request`` may be carried out at all."""

    def because(detail: str) -> Refusal:
        return Refusal(id=request.id, reason="bad-request", detail=detail)

    try:
        target = canonical(request.address)
    except ValueError:
        return because("not an address")
    specs = request.streams
    sources = [ssrc for spec in specs for ssrc in (spec.ssrc, spec.server_ssrc)]
    if len({spec.number for spec in specs}) != len(specs):
        return because("a number is named twice")
    if len(set(sources)) != len(sources):
        return because("an SSRC is named twice")
    if len({spec.client_port for spec in specs}) != len(specs):
        return because("a port is named twice")
    if any(spec.client_port % 2 or spec.client_port < 1024 for spec in specs):
        return because("RTP ports are even, and from 1024 on")
    if target not in session.proven:
        return Refusal(
            id=request.id, reason="not-proven", detail="no exchange came from that address"
        )
    why = forbidden(target, session.local_address)
    return Refusal(id=request.id, reason="forbidden-address", detail=why) if why else None


async def _exchange(session: Session, request: MediaRequest, unheard_s: float) -> None:
    duration_s, patience_s = request.duration_ms / 1000, request.patience_ms / 1000
    streams: list[_Stream] = []
    complete = asyncio.Event()

    def heard() -> None:
        if all(stream.complete for stream in streams):
            complete.set()

    try:
        try:
            for spec in request.streams:
                streams.append(_Stream(session, request.address, spec, duration_s, heard))
            for stream in streams:
                await stream.listen()
        except OSError:
            session.tell(
                Refusal(id=request.id, reason="limit", detail="the server has no ports left")
            )
            return
        session.tell(
            MediaReady(
                id=request.id,
                streams=tuple(MediaPorts(number=s.number, port=s.port) for s in streams),
            )
        )
        began = time.monotonic()
        for due in media.schedule([stream.end.shape for stream in streams], duration_s):
            if (wait := began + due.at_s - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            stream = streams[due.stream]
            if stream.confirmed or due.at_s < unheard_s:
                stream.send(due, began)
        # The client's last packets are under way; all of them, or its patience, ends the wait.
        last = max(time.monotonic(), began + duration_s) + patience_s
        try:
            async with asyncio.timeout_at(last):
                await complete.wait()
        except TimeoutError:
            pass
        session.tell(
            MediaReport(id=request.id, streams=tuple(stream.counted() for stream in streams))
        )
    finally:
        for stream in streams:
            stream.close()


class _Stream:
    """One pair of streams: its sockets, and where the other end is."""

    def __init__(
        self,
        session: Session,
        address: str,
        spec: MediaSpec,
        duration_s: float,
        heard: Callable[[], None],
    ) -> None:
        self.number = spec.number
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
        self._source: Endpoint | None = None
        target = canonical(address)
        # Where a call's messages would have said that the client is, until it is heard itself.
        self._rtp_to: Address = (target, spec.client_port)
        self._rtcp_to: Address = (target, spec.client_port + 1)
        even, odd = media.even_pair(self._bind, lambda sock: int(sock.getsockname()[1]))
        self.port: int = even.getsockname()[1]
        self._rtp = _Socket(even, self._hear)
        self._rtcp = _Socket(odd, self._hear_report)

    def _bind(self, port: int) -> socket.socket:
        own = self._session.local_address
        sock = socket.socket(socket.AF_INET6 if ":" in own else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.bind((own, port))
        except BaseException:
            sock.close()
            raise
        return sock

    @property
    def complete(self) -> bool:
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
            self._rtcp.send(self.end.report(now), self._rtcp_to)
        elif self._rtp.send(self.end.packet(due.index, now - began - due.at_s), self._rtp_to):
            self.end.sent += 1

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
            source=str(self._source) if self._source else None,
            longest_gap_ms=_ms(count.longest_gap_s),
        )

    def _hear(self, data: bytes, source: Address, now_s: float) -> None:
        if self.end.hear(data, now_s):
            seen = Endpoint(canonical(str(source[0])), int(source[1]))
            self._source = seen
            if seen.address in self._session.proven:
                self._rtp_to = source  # the NAT's mapping, where there is one
                self.confirmed = True
            self._heard()

    def _hear_report(self, data: bytes, source: Address, now_s: float) -> None:
        if self.end.hear_report(data, now_s) and canonical(str(source[0])) in self._session.proven:
            self._rtcp_to = source


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

"""This computer as a terminal of one call: the ports that its messages announce, and its media.

What a call asks is whether sound and picture come through at all, and both calls have them beside
each other and beside streams whose quality is measured: so they are thin ones.
"""

from __future__ import annotations

import errno
import secrets
import socket
import time
from collections.abc import Callable
from typing import Literal

from probes import sockets
from probes.editors.contract import Own
from probes.editors.h323 import addresses, control
from probes.editors.h323.addresses import Media
from probes.observation import CallMedia
from probes.rtp_socket import Address, RtpSocket, play
from probes.session import Session
from probes.wire import media, messages, rtp
from probes.wire.frame import Endpoint

Kind = Literal["audio", "video"]

KINDS: dict[str, Kind] = {"audioData": "audio", "videoData": "video"}
"""Sound and picture, as H.245 calls them and as we do."""

SHAPES: dict[Kind, media.Shape] = {
    "audio": media.Shape(payload_type=rtp.G723, payload_bytes=24, packets_per_s=25),
    "video": media.Shape(payload_type=rtp.H263, payload_bytes=200, packets_per_s=15),
}
"""Enough in a second that loss alone takes none of them all; together 5 kB a second each way."""

DURATION_S = 1.0
"""Of which nine reports are sent as well."""

PATIENCE_MAX_S = 3.0
"""As messages.TerminalRequest bounds it."""

_TRIES = 64
"""Ports tried for one that has four free UDP ports in the right place: in a busy range of ports
every second has not."""

_TAKEN = frozenset({errno.EADDRINUSE, errno.EACCES})
"""Windows keeps some ranges of ports for itself."""

_PRIVILEGED = 1024
"""No media of the server's is below."""


class Terminal:
    """``listening`` is a TCP socket that is bound and does not listen yet.  ``open`` it, let it
    ``hear`` the server's messages on the control channel, ``play``, and ``close`` it.

    ``arrives`` is called whenever something of the server's media came.
    """

    def __init__(
        self,
        session: Session,
        listening: socket.socket,
        streams: tuple[Stream, ...],
    ) -> None:
        self.listening = listening
        self.address = Endpoint.of(listening.getsockname())
        self.streams = streams
        self._session = session

    @classmethod
    async def open(cls, session: Session, arrives: Callable[[], None]) -> Terminal:
        """With any port that has free ones for media beside it.  Raises OSError."""
        for _ in range(_TRIES):
            listening = sockets.tcp(session.local_address)
            streams: list[Stream] = []
            try:
                try:
                    here = Endpoint.of(listening.getsockname())
                    for kind, at in _media(here).items():
                        streams.append(Stream(session, KINDS[kind], at, arrives))
                except OSError as error:
                    if error.errno not in _TAKEN:
                        raise
                    _close(listening, streams)
                    continue
                for stream in streams:
                    await stream.listen()
            except BaseException:
                _close(listening, streams)
                raise
            return cls(session, listening, tuple(streams))
        raise OSError(errno.EADDRINUSE, "no port that has free ones beside it")

    def close(self) -> None:
        _close(self.listening, self.streams)

    def own(self, here: Endpoint, peer: Endpoint, label: bytes) -> Own:
        """What the messages of a connection from ``here`` to ``peer`` may say."""
        return Own(socket=here, listening=self.address, peer=peer, label=label)

    def request(
        self,
        request_id: int,
        number: int,
        directory: messages.Directory | None,
        offsets_s: tuple[float, ...],
    ) -> messages.TerminalRequest:
        return messages.TerminalRequest(
            id=request_id,
            number=number,
            duration_ms=round(DURATION_S * 1000),
            patience_ms=round(self.patience_s * 1000),
            streams=tuple(stream.spec for stream in self.streams),
            directory=directory,
            offsets_ms=tuple(round(offset * 1000) for offset in offsets_s),
        )

    @property
    def patience_s(self) -> float:
        return min(PATIENCE_MAX_S, self._session.pace.patience_s)

    def hear(self, message: bytes) -> None:
        """One whole message of the server's on the control channel.  Its media are where it
        says, if that is the server's own address: nothing is sent to any other."""
        agreed = control.agreed(message)
        if agreed is None:
            return
        for stream in self.streams:
            if stream.kind == KINDS[agreed.kind]:
                stream.goes(agreed.rtp, agreed.rtcp, self._session.server_address)

    async def play(self, stream: Stream) -> None:
        heard_s = DURATION_S + self.patience_s - self._session.pace.rtt_s
        await play((stream,), DURATION_S, heard_s, media.CALL_REPORT_S)

    def whole(self, report: messages.TerminalReport | None) -> bool:
        """Whether all has come that the server says it sent, of what came at all."""
        counts = {told.count.number: told.count for told in report.streams} if report else {}
        return all(
            stream.end.count.received >= min(counts[stream.number].sent, stream.end.planned)
            for stream in self.streams
            if stream.number in counts and stream.end.count.received
        )

    def stated(self, report: messages.TerminalReport | None) -> tuple[CallMedia, ...]:
        told = {each.count.number: each for each in report.streams} if report else {}
        return tuple(
            one
            for stream in self.streams
            for one in (
                stream.outbound(told.get(stream.number)),
                stream.inbound(told.get(stream.number)),
            )
        )


class Stream:
    """One medium, in both directions."""

    def __init__(
        self, session: Session, kind: Kind, at: Media, arrives: Callable[[], None]
    ) -> None:
        self.kind = kind
        self.number = list(SHAPES).index(kind) + 1
        self._rtp_to: Endpoint | None = None
        self._rtcp_to: Endpoint | None = None
        self._refused = self._rtcp_refused = ""
        self._reports_sent = 0
        self._arrives = arrives
        shape = SHAPES[kind]
        ssrc, server_ssrc = secrets.randbits(32), secrets.randbits(32)
        self.end = media.End(
            session.secret,
            shape,
            ssrc=ssrc,
            peer_ssrc=server_ssrc,
            duration_s=DURATION_S,
            epoch_s=time.time() - time.monotonic(),
        )
        self.spec = messages.MediaSpec(
            number=self.number,
            client_port=at.rtp.port,
            ssrc=ssrc,
            server_ssrc=server_ssrc,
            payload_bytes=shape.payload_bytes,
            packets_per_s=shape.packets_per_s,
            payload_type=shape.payload_type,
        )
        rtp_socket = sockets.udp(session.local_address, at.rtp.port)
        try:
            rtcp_socket = sockets.udp(session.local_address, at.rtcp.port)
        except BaseException:
            rtp_socket.close()
            raise
        self._rtp = RtpSocket(rtp_socket, self._hear)
        self._rtcp = RtpSocket(rtcp_socket, self._hear_report)

    async def listen(self) -> None:
        await self._rtp.listen()
        await self._rtcp.listen()

    def close(self) -> None:
        self._rtp.close()
        self._rtcp.close()

    def goes(self, rtp_to: Endpoint | None, rtcp_to: Endpoint | None, server: str) -> None:
        """Where the server says that it waits.  What is said again changes nothing."""
        if self._rtp_to is None:
            self._rtp_to, self._refused = rtp_to, _refusal(rtp_to, server)
        if self._rtcp_to is None:
            self._rtcp_to, self._rtcp_refused = rtcp_to, _refusal(rtcp_to, server)

    @property
    def goes_somewhere(self) -> bool:
        return bool(
            (self._rtp_to and not self._refused) or (self._rtcp_to and not self._rtcp_refused)
        )

    def send(self, due: media.Due, began: float) -> None:
        now = time.monotonic()
        try:
            if due.index is None:
                if self._rtcp_to and not self._rtcp_refused:
                    self._rtcp.send(self.end.report(now), _name(self._rtcp_to))
                    self._reports_sent += 1
            elif self._rtp_to and not self._refused:
                packet = self.end.packet(due.index, now - began - due.at_s)
                self._rtp.send(packet, _name(self._rtp_to))
                self.end.sent += 1
        except OSError:
            pass  # it is not counted as sent

    def _hear(self, data: bytes, source: Address, now_s: float) -> None:
        if self.end.hear(data, now_s):
            self._arrives()

    def _hear_report(self, data: bytes, source: Address, now_s: float) -> None:
        if self.end.hear_report(data, now_s):
            self._arrives()

    def _can_be_true(self, count: messages.MediaCount) -> bool:
        """Neither end sends more than was agreed on; on the way, reports may become more."""
        planned = self.end.planned
        due = media.schedule((self.end.shape,), DURATION_S, media.CALL_REPORT_S)
        return max(count.sent, count.received) <= planned and count.rtcp_sent <= len(due) - planned

    def outbound(self, told: messages.TerminalStream | None) -> CallMedia:
        """Ours, as the server counted it, if that can be true."""
        count = told.count if told and self._can_be_true(told.count) else None
        return CallMedia(
            kind=self.kind,
            direction="outbound",
            rtp_to=_text(self._rtp_to),
            rtcp_to=_text(self._rtcp_to),
            refused=self._refused,
            rtcp_refused=self._rtcp_refused,
            sent=max(self.end.sent, count.received if count else 0),
            received=count.received if count else None,
            reports_sent=self._reports_sent,
            reports=count.rtcp_received if count else None,
        )

    def inbound(self, told: messages.TerminalStream | None) -> CallMedia:
        """The server's, as we counted it."""
        end = self.end
        if told is None or not self._can_be_true(told.count):
            return CallMedia(kind=self.kind, direction="inbound")
        return CallMedia(
            kind=self.kind,
            direction="inbound",
            rtp_to=told.rtp_to,
            rtcp_to=told.rtcp_to,
            refused=told.refused or "",
            rtcp_refused=told.rtcp_refused or "",
            sent=max(told.count.sent, end.count.received),
            received=end.count.received,
            reports_sent=max(told.count.rtcp_sent, end.reports_heard),
            reports=end.reports_heard,
        )


def _media(here: Endpoint) -> dict[str, Media]:
    return addresses.media(Own(socket=here, listening=here, peer=here, label=b""), "h245")


def _close(listening: socket.socket, streams: tuple[Stream, ...] | list[Stream]) -> None:
    listening.close()
    for stream in streams:
        stream.close()


def _refusal(to: Endpoint | None, server: str) -> str:
    """Why nothing is sent there."""
    if to is None:
        return ""
    if to.address != server:
        return "not-proven"
    return "forbidden-address" if to.port < _PRIVILEGED else ""


def _name(endpoint: Endpoint) -> Address:
    return endpoint.address, endpoint.port


def _text(endpoint: Endpoint | None) -> str | None:
    return str(endpoint) if endpoint else None

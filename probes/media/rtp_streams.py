"""Voice and video as RTP, both ways at once: who would hear and see whom, and how well.

Audio has the size and more than the pace of G.723.1, video is a modest H.263 (fact N5: two
port pairs on each side).  Every packet carries a tag that only this session's ends can
make, so nobody else's is counted.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal, cast

import msgspec

from probes import sockets
from probes.errors import WireError
from probes.observation import MediaStream
from probes.rtp_socket import Address, RtpSocket, play
from probes.session import PROOF_S, ControlLost, Session
from probes.wire import media, messages, rtp
from probes.wire.frame import Endpoint

Kind = Literal["audio", "video"]

SHAPES: dict[Kind, media.Shape] = {
    "audio": media.Shape(payload_type=rtp.G723, payload_bytes=24, packets_per_s=50),
    "video": media.Shape(payload_type=rtp.H263, payload_bytes=800, packets_per_s=30),
}
"""G.723.1 sends a frame of 24 bytes every 30 ms; fifty a second sound the path more finely."""

DURATION_MIN_S, DURATION_MAX_S = 0.2, 30.0
"""As messages.MediaRequest bounds it."""

UNHEARD_SHARE = 0.5
"""Where the server may have stopped listening before so much of a stream could arrive, and it
heard no more than the rest, nothing is known of it."""

ANSWER_S = 5.0
"""Beyond the streams' own time; a server that has said nothing by then never will."""

PATIENCE_MAX_S = 3.0
"""As messages.MediaRequest bounds it."""


async def run(session: Session, *, duration_s: float = 3.0) -> tuple[MediaStream, ...]:
    """Exchange both kinds for ``duration_s`` seconds (0.2 to 30) with the echo server.

    Gives four streams: each kind, outbound as the server counted it, inbound as we did.
    What went wrong is their ``untested``; raises nothing for what the network does.
    """
    duration_s = round(min(DURATION_MAX_S, max(DURATION_MIN_S, duration_s)), 3)
    began = session.now()
    streams: list[_Stream] = []
    untested = ""
    try:
        for number, kind in enumerate(SHAPES, start=1):
            streams.append(_Stream(session, number, kind, duration_s))
        for stream in streams:
            await stream.listen()
        untested = await _exchange(session, streams, duration_s)
    except OSError as error:
        untested = f"this computer: {error.strerror or error}"
    except ControlLost as error:
        untested = f"the control connection was lost: {error}"
    finally:
        for stream in streams:
            stream.close()
    took_s = round(session.now() - began, 4)
    if len(streams) < len(SHAPES):
        return tuple(
            MediaStream(
                id=f"media-{kind}-{direction}",
                at_s=began,
                took_s=took_s,
                kind=kind,
                direction=direction,
                local_port=0,
                server_port=0,
                sent=0,
                received=None,
                untested=untested,
            )
            for kind in SHAPES
            for direction in _DIRECTIONS
        )
    return tuple(
        told
        for stream in streams
        for told in (
            stream.outbound(began, took_s, untested),
            stream.inbound(began, took_s, untested),
        )
    )


_DIRECTIONS: tuple[Literal["outbound", "inbound"], ...] = ("outbound", "inbound")


async def _exchange(session: Session, streams: list[_Stream], duration_s: float) -> str:
    """Send and hear until the server has told what it counted; why not, in words, if it
    does not.  Raises ControlLost."""
    address = next(iter(await session.control.proven(PROOF_S)), None)
    if address is None:
        return "no address of this computer could be proved to the echo server"
    patience_s = min(PATIENCE_MAX_S, session.pace.patience_s)

    def request(request_id: int) -> messages.MediaRequest:
        return messages.MediaRequest(
            id=request_id,
            address=address,
            duration_ms=round(duration_s * 1000),
            patience_ms=round(patience_s * 1000),
            streams=tuple(stream.spec for stream in streams),
        )

    playing: asyncio.Task[None] | None = None
    session.slowest_s = 0.0
    asked = cast("AsyncGenerator[messages.ServerMessage, None]", session.control.ask(request))
    try:
        async with aclosing(asked), asyncio.timeout(patience_s + ANSWER_S) as deadline:
            async for reply in asked:
                match reply:
                    case messages.Refusal():
                        return f"the echo server refused: {reply.detail or reply.reason}"
                    case messages.MediaReady() if playing is None:
                        if not _led(streams, reply):
                            return "the echo server answered with ports that cannot be used"
                        heard_s = duration_s + patience_s - session.pace.rtt_s
                        playing = asyncio.create_task(play(streams, duration_s, heard_s))
                        rest_s = duration_s + 2 * patience_s + ANSWER_S
                        deadline.reschedule(asyncio.get_running_loop().time() + rest_s)
                    case messages.MediaReport() if playing is not None:
                        missed_s = max(0.0, session.slowest_s - patience_s)
                        for stream in streams:
                            stream.told(reply)
                            stream.cut_off = min(1.0, missed_s / duration_s)
                        await playing
                        await _stragglers(streams, patience_s)
                        return ""
                    case _:
                        return "the echo server answered out of turn"
    except TimeoutError:
        return "the echo server did not say what it counted"
    finally:
        if playing is not None:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
    return "the echo server did not say what it counted"


async def _stragglers(streams: list[_Stream], patience_s: float) -> None:
    """Wait for what is still missing of streams that came, since a late packet is no lost one."""
    due = [stream.whole.wait() for stream in streams if stream.end.count.received]
    try:
        async with asyncio.timeout(patience_s):
            await asyncio.gather(*due)
    except TimeoutError:
        pass


def _led(streams: list[_Stream], ready: messages.MediaReady) -> bool:
    """Tell each stream the server's port; False if one has none that can be."""
    ports = {entry.number: entry.port for entry in ready.streams}
    for stream in streams:
        port = ports.get(stream.spec.number, 0)
        if port % 2 or port < 1024:
            return False
        stream.server_port = port
    return True


class _Stream:
    """One kind, in both directions: its sockets, and what each end counted."""

    def __init__(self, session: Session, number: int, kind: Kind, duration_s: float) -> None:
        self.kind = kind
        self.server_port = 0
        self.cut_off = 0.0  # the share that may have come after the server had stopped listening
        self.whole = asyncio.Event()  # everything of the server's has arrived
        self._local = session.local_address
        self._server = session.server_address
        self._problem = ""
        self._source: str | None = None
        self._told: messages.MediaCount | None = None
        shape = SHAPES[kind]
        ssrc, server_ssrc = secrets.randbits(32), secrets.randbits(32)
        self.end = media.End(
            session.secret,
            shape,
            ssrc=ssrc,
            peer_ssrc=server_ssrc,
            duration_s=duration_s,
            epoch_s=time.time() - time.monotonic(),
        )
        rtp_socket, rtcp_socket = media.even_pair(self._bind, lambda s: int(s.getsockname()[1]))
        self.spec = messages.MediaSpec(
            number=number,
            client_port=rtp_socket.getsockname()[1],
            ssrc=ssrc,
            server_ssrc=server_ssrc,
            payload_bytes=shape.payload_bytes,
            packets_per_s=shape.packets_per_s,
            payload_type=shape.payload_type,
        )
        self._rtp = RtpSocket(rtp_socket, self._hear)
        self._rtcp = RtpSocket(rtcp_socket, lambda data, _, now_s: self._hear_report(data, now_s))

    def _bind(self, port: int) -> socket.socket:
        return sockets.udp(self._local, port)

    async def listen(self) -> None:
        await self._rtp.listen()
        await self._rtcp.listen()

    def close(self) -> None:
        self._rtp.close()
        self._rtcp.close()

    def send(self, due: media.Due, began: float) -> None:
        now = time.monotonic()
        try:
            if due.index is None:
                self._rtcp.send(self.end.report(now), (self._server, self.server_port + 1))
            else:
                packet = self.end.packet(due.index, now - began - due.at_s)
                self._rtp.send(packet, (self._server, self.server_port))
                self.end.sent += 1
        except OSError as error:
            self._problem = error.strerror or type(error).__name__

    def _hear(self, data: bytes, source: Address, now_s: float) -> None:
        if self.end.hear(data, now_s):
            self._source = str(Endpoint.of(source))
            if self.end.count.complete(self.end.planned):
                self.whole.set()

    def _hear_report(self, data: bytes, now_s: float) -> None:
        self.end.hear_report(data, now_s)

    def told(self, report: messages.MediaReport) -> None:
        """What the server counted, if it can be true."""
        for count in report.streams:
            if (
                count.number == self.spec.number
                and count.sent <= self.end.planned
                and count.received + count.early <= self.end.planned
            ):
                self._told = count

    def outbound(self, began: float, took_s: float, untested: str) -> MediaStream:
        """Ours, as the server counted it."""
        told = self._told
        if not untested and not self.end.sent:
            untested = f"this computer did not let it out: {self._problem}"
        if not untested and told is None:
            untested = "the echo server did not say what it counted"
        if not untested and told is not None and self._came_too_late(told):
            untested = "it came later than the echo server waits: the way or this computer was busy"
        facts = self._stream("outbound", began, took_s, untested)
        if told is None:
            return facts
        sent = max(self.end.sent - told.early, told.received)
        return msgspec.structs.replace(
            facts,
            sent=sent,
            received=told.received,
            early=told.early,
            late=min(told.late, told.received),
            gaps=min(told.gaps, sent),
            duplicates=told.duplicates,
            reordered=min(told.reordered, told.received),
            jitter_ms=_plausible(told.jitter_ms),
            rtt_ms=_plausible(told.rtt_ms) or _ms(self.end.round_trip_s),
            longest_gap_ms=_plausible(told.longest_gap_ms),
            rtcp_received=told.rtcp_received,
            source=_endpoint(told.source),
            losses=told.losses if sum(told.losses) <= self.end.planned else (),
            jitters_ms=tuple(map(_plausible, told.jitters_ms)),
        )

    def _came_too_late(self, told: messages.MediaCount) -> bool:
        share = told.received / self.end.sent if self.end.sent else 0.0
        return share < UNHEARD_SHARE <= share + self.cut_off

    def inbound(self, began: float, took_s: float, untested: str) -> MediaStream:
        """The server's, as we counted it."""
        told, count = self._told, self.end.count
        if not untested and (told is None or not told.sent):
            untested = "the echo server did not say that it sent anything"
        facts = self._stream("inbound", began, took_s, untested)
        # A server that does not hear us may send fewer than planned.
        last = told.sent if told else self.end.planned
        whole, packets_per_s = max(last, count.reached), self.end.shape.packets_per_s
        missing = count.losses(whole, packets_per_s)
        jitters_s = count.jitters_s(whole, packets_per_s)
        sent = max((told.sent if told else count.expected) - missing.early, count.received)
        return msgspec.structs.replace(
            facts,
            sent=sent,
            received=count.received if told else None,
            early=missing.early,
            late=count.late,
            gaps=missing.gaps,
            duplicates=count.duplicates,
            reordered=count.reordered,
            jitter_ms=_ms(count.jitter_s),
            rtt_ms=_ms(self.end.round_trip_s) or (_plausible(told.rtt_ms) if told else None),
            longest_gap_ms=_ms(count.longest_gap_s),
            rtcp_received=self.end.reports_heard,
            source=self._source,
            losses=missing.by_quarter if told else (),
            jitters_ms=tuple(map(_ms, jitters_s)) if told else (),
        )

    def _stream(
        self, direction: Literal["outbound", "inbound"], began: float, took_s: float, untested: str
    ) -> MediaStream:
        shape = self.end.shape
        return MediaStream(
            id=f"media-{self.kind}-{direction}",
            at_s=began,
            took_s=took_s,
            kind=self.kind,
            direction=direction,
            local_port=self.spec.client_port,
            server_port=self.server_port,
            sent=self.end.sent if direction == "outbound" else 0,
            received=None,
            packets_per_s=shape.packets_per_s,
            payload_bytes=shape.payload_bytes,
            untested=untested,
        )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


def _endpoint(text: str | None) -> str | None:
    """An address and port that a server told, if it is one."""
    try:
        return str(Endpoint.read(text or ""))
    except WireError:
        return None


def _plausible(ms: float | None) -> float | None:
    """A time that a server told: finite, and no longer than anything here lasts."""
    if ms is None or not math.isfinite(ms):
        return None
    return round(min(ms, DURATION_MAX_S * 1000), 2)

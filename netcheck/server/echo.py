"""The echo itself, over TCP and UDP: prove what arrived, from where, to the one who asked.

Nothing is sent by UDP without a valid tag, and no answer is larger than its request.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import time
from collections import Counter
from typing import cast

from netcheck.server.ledger import Sources, Strays
from netcheck.server.limits import ServerLimits
from netcheck.server.session import Session, Sessions, canonical, neighbourhood
from probes.errors import WireError
from probes.wire import frame


class Desk:
    """What every echo socket shares: the sessions, the record of sources, the ceilings."""

    def __init__(self, sessions: Sessions, limits: ServerLimits) -> None:
        self.sessions = sessions
        self.limits = limits
        self.sources = Sources(limits.source_records)
        self.strays = Strays(limits.stray_records)
        self._connections: set[asyncio.Transport] = set()
        self._closed = False
        self._per_source: Counter[str] = Counter()

    def admit(self, connection: asyncio.Transport, address: str) -> bool:
        source = neighbourhood(address)
        full = self._closed or len(self._connections) >= self.limits.connections
        if full or self._per_source[source] >= self.limits.connections_per_source:
            self.sessions.not_served(address, full=full)
            return False
        self._connections.add(connection)
        self._per_source[source] += 1
        return True

    def leave(self, connection: asyncio.Transport, address: str) -> None:
        source = neighbourhood(address)
        self._connections.discard(connection)
        self._per_source[source] -= 1
        if self._per_source[source] <= 0:
            del self._per_source[source]

    def close(self) -> None:
        """End every echo connection and admit no more."""
        self._closed = True
        for connection in self._connections:
            connection.abort()


def answer_to(
    data: bytes,
    got: frame.Frame,
    session: Session,
    source: frame.Endpoint,
    port: int,
    server_nonce: bytes,
) -> bytes:
    """The proof: signed for this session, over what arrived, where, and from whom."""
    body = frame.write_answer(frame.Answer(source, port, frame.digest(data), server_nonce))
    return frame.write(
        frame.Frame(frame.ANSWER, got.number, session.id, got.nonce, body), session.secret
    )


class EchoTcp(asyncio.Protocol):
    """One echo connection.  ``only`` limits a dynamic port to the session that opened it."""

    def __init__(self, desk: Desk, port: int, only: Session | None = None) -> None:
        self._desk = desk
        self._port = port
        self._only = only
        self._buffer = bytearray()
        self._admitted = False
        self._source = frame.Endpoint("0.0.0.0", 0)
        self._nonces: set[bytes] = set()
        self._proved: Session | None = None
        self.ended = asyncio.Event()
        self._deadline: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        if not peer:
            self._transport.abort()
            return
        self._source = frame.Endpoint(canonical(peer[0]), peer[1])
        if not self._desk.admit(self._transport, self._source.address):
            self._transport.abort()
            return
        self._admitted = True
        self._desk.sources.accepted(self._source.address, self._port, time.monotonic())
        self._expect_within(self._desk.limits.first_frame_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()
        if self._deadline:
            self._deadline.cancel()
        if self._proved:
            self._proved.forget_endpoint(self._source, self)
        if self._admitted and self._transport:
            self._desk.leave(self._transport, self._source.address)

    def pause_writing(self) -> None:
        """The client does not read its answers: do not pile up more of them."""
        if self._transport:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._buffer += data
        while len(self._buffer) >= frame.SIZE:
            whole = bytes(self._buffer[: frame.SIZE])
            del self._buffer[: frame.SIZE]
            if not self._frame(whole):
                self._close()
                return
        if not frame.MAGIC.startswith(bytes(self._buffer[:4])):
            self._stray(bytes(self._buffer))
            self._close()

    def _frame(self, data: bytes) -> bool:
        """Deal with one frame; False ends the connection."""
        try:
            session = self._desk.sessions.find(frame.session_of(data))
            if session is None or (self._only is not None and session is not self._only):
                self._stray(data)
                return False
            got = frame.read(data, session.secret)
        except WireError:
            self._stray(data)
            return False
        if not session.may_echo():
            return False
        if got.authentic and got.kind == frame.CONFIRM:
            return self._confirm(got, session)
        if got.authentic and got.kind == frame.REPLY and self._proved is session:
            hear = session.replies.get(got.nonce)
            if hear:
                hear(data)
            return True
        if got.authentic and got.kind != frame.PROBE:
            return False
        session.record("tcp", self._port, got.number, self._source, not got.authentic)
        server_nonce = secrets.token_bytes(8)
        if got.authentic and len(self._nonces) < 16:
            self._nonces.add(server_nonce)
        limits = self._desk.limits
        self._expect_within(limits.proved_connection_s if self._proved else limits.connection_s)
        if self._transport:
            self._transport.write(
                answer_to(data, got, session, self._source, self._port, server_nonce)
            )
        return True

    def _stray(self, data: bytes) -> None:
        self._desk.strays.add(self._port, data, time.monotonic())

    def _confirm(self, got: frame.Frame, session: Session) -> bool:
        """The client returns the nonce that only this address could have received."""
        if got.body[:8] not in self._nonces:
            return False
        self._nonces.discard(got.body[:8])
        if self._proved is not None and self._proved is not session:
            return False
        self._proved = session
        session.prove_endpoint(self._source, self)
        self._expect_within(self._desk.limits.proved_connection_s)
        return True

    def speak(self, data: bytes) -> None:
        """Say something that was asked for on the control connection."""
        if self._transport and not self._transport.is_closing():
            self._transport.write(data)

    def _expect_within(self, seconds: float) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(seconds, self.end)

    def _close(self) -> None:
        self._buffer.clear()
        if self._transport:
            self._transport.close()

    def end(self) -> None:
        if self._transport:
            self._transport.abort()


class EchoUdp(asyncio.DatagramProtocol):
    """One echo socket for datagrams."""

    def __init__(self, desk: Desk, port: int, only: Session | None = None) -> None:
        self._desk = desk
        self._port = port
        self._only = only
        self.transport: asyncio.DatagramTransport | None = None
        self._error: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        if len(data) > frame.DATAGRAM_MAX:
            return
        signed = data[: frame.SIZE]
        try:
            session = self._desk.sessions.find(frame.session_of(signed))
            if session is None or (self._only is not None and session is not self._only):
                return
            got = frame.read(signed, session.secret)
        except WireError:
            return
        if len(data) > frame.SIZE and got.kind != frame.PROBE:
            return
        if not session.may_echo():
            return
        if got.authentic and got.kind == frame.REPLY:
            hear = session.replies.get(got.nonce)
            if hear:
                hear(data)
            return
        if got.authentic and got.kind != frame.PROBE:
            return
        source = frame.Endpoint(canonical(str(addr[0])), int(addr[1]))
        session.record("udp", self._port, got.number, source, not got.authentic)
        if got.authentic and self.transport:
            self.transport.sendto(answer_to(data, got, session, source, self._port, bytes(8)), addr)

    def send(self, data: bytes, address: str, port: int) -> None:
        """Send a call from this port.  Raises OSError if this machine does not let it out."""
        if self.transport is None or self.transport.is_closing():
            raise OSError(errno.ENOTCONN, "the port is closed")
        self._error = None
        self.transport.sendto(data, (address, port))
        if isinstance(self._error, OSError):  # asyncio reports it before sendto returns
            raise self._error

    def error_received(self, exc: Exception) -> None:
        """What befell an answer of ours is the client's business; a call's sender looks."""
        self._error = exc

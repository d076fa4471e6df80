"""TCP from the client to the server: does each port pass, and do ten at once (M1-M4, N1-N4, N6)?"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import cast

from probes import sockets
from probes.attempts import Try, classify, race
from probes.observation import AtOnce, AttemptOutcome, Observation, OutboundTcp
from probes.path import cancelled_at_end
from probes.proof import read_proof
from probes.session import Session
from probes.wire import frame

AT_ONCE_S = 6.0
"""TCP repeats a lost packet after 0.2, 0.6, 1.4, 3.0 and 6.2 s; a connection that was
alive and stays mute for so long proves nothing, and is counted as not settled."""


class Connection(asyncio.Protocol):
    """One TCP connection to the echo server, carrying one exchange at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._arrived: asyncio.Future[bytes | None] | None = None
        self._transport: asyncio.Transport | None = None
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data[: frame.SIZE * 4]
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._arrived is None or self._arrived.done():
            return
        whole = len(self._buffer) >= frame.SIZE
        foreign = not frame.MAGIC.startswith(bytes(self._buffer[:4]))
        if whole or foreign or self._ended:
            taken = bytes(self._buffer[: frame.SIZE])
            del self._buffer[: frame.SIZE]
            self._arrived.set_result(taken or None)

    @property
    def own(self) -> frame.Endpoint:
        name = self._transport.get_extra_info("sockname") if self._transport else None
        return frame.Endpoint(name[0], name[1]) if name else frame.Endpoint("0.0.0.0", 0)

    def send(self, data: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(data)

    async def exchange(self, data: bytes) -> bytes | None:
        """Send ``data`` and wait for what comes back: a frame's length, less if it is
        foreign or the connection ended, None if it ended without a word."""
        self._arrived = asyncio.get_running_loop().create_future()
        self.send(data)
        self._wake()
        return await self._arrived

    def end(self) -> None:
        if self._transport:
            self._transport.abort()


class Reach:
    """One port under test.  ``connection`` is the one that answered, still open."""

    def __init__(self, session: Session, port: int, local_port: int | None = None) -> None:
        self.port = port
        self.connection: Connection | None = None
        self._session = session
        self._local_port = local_port
        self._number = session.number()
        self._source: str | None = None
        self._arrived_on: int | None = None
        self._busy = False

    async def run(self) -> OutboundTcp:
        """Try until it is known.  Whatever the network does is in what this returns."""
        session = self._session
        began = session.now()
        untested = ""
        tries: list[Try] = []
        if ("tcp", self.port) in session.unavailable:
            untested = "the echo server does not offer this port"
        else:
            tries = await race(
                session, "tcp", self._one, one_at_a_time=self._local_port is not None
            )
        answered = [t.took_s for t in tries if t.outcome == "answered" and t.took_s is not None]
        if answered:
            session.unproved.pop(self.port, None)
        return OutboundTcp(
            id=f"outbound-tcp-{self.port}"
            + (f"-from-{self._local_port}" if self._local_port else ""),
            at_s=began,
            took_s=round(session.now() - began, 4),
            port=self.port,
            number=self._number,
            local_port=self._local_port,
            attempts=tuple(t.stated() for t in tries),
            rtt_ms=round(min(answered) * 1000, 2) if answered else None,
            source=self._source,
            arrived_on=self._arrived_on,
            busy=self._busy,
            untested=untested,
        )

    async def _one(self, this: Try) -> None:
        session = self._session
        connection = Connection()
        try:
            sock = sockets.tcp(session.local_address, self._local_port or 0)
            try:
                await asyncio.get_running_loop().sock_connect(
                    sock, (session.server_address, self.port)
                )
            except BaseException:
                sock.close()
                raise
            connected_s = this.age_s
            await asyncio.get_running_loop().create_connection(lambda: connection, sock=sock)
            this.connected()
            sent = session.probe_frame("tcp", self.port, self._number, connection.own)
            session.unproved[self.port] = sent
            got = await connection.exchange(sent)
            outcome, detail = self._judge(sent, got, connection)
            this.ended(outcome, detail)
            if outcome == "answered":
                # The handshake is one round trip; the exchange after it is another.
                this.took_s = round(min(connected_s, this.age_s - connected_s), 5)
        except OSError as error:
            self._busy = self._busy or (error.errno == errno.EADDRINUSE and bool(self._local_port))
            this.ended(*classify(error))
        finally:
            if connection is not self.connection:
                connection.end()

    def _judge(
        self, sent: bytes, got: bytes | None, connection: Connection
    ) -> tuple[AttemptOutcome, str]:
        if got is None:
            return "closed", "the connection was ended without an answer"
        verdict = read_proof(sent, got, self._session)
        if isinstance(verdict, tuple):
            return verdict
        self._source = str(verdict.source)
        if verdict.port != self.port:
            self._arrived_on = verdict.port
        if self.connection is None:
            self.connection = connection
        # Completes the exchange that proves to the server that this address is ours.
        confirm = frame.Frame(
            frame.CONFIRM, self._number, self._session.id, sent[16:32], verdict.server_nonce
        )
        connection.send(frame.write(confirm, self._session.secret))
        return "answered", ""


async def at_once(
    session: Session,
    ports: tuple[int, ...],
    tell: Callable[[Observation], None],
) -> None:
    """Reach every port, keep what was reached open, then carry data over all of it at the
    same time: the number of simultaneous transfers that the path bears (M3)."""
    reaches = [Reach(session, port) for port in ports]

    async def one(reach: Reach) -> None:
        tell(await reach.run())

    try:
        async with asyncio.TaskGroup() as group:
            for reach in reaches:
                group.create_task(one(reach))
        if len(ports) > 1:
            tell(await _carry(session, [r for r in reaches if r.connection], ports))
    finally:
        for reach in reaches:
            if reach.connection:
                reach.connection.end()


async def _carry(session: Session, reaches: list[Reach], ports: tuple[int, ...]) -> AtOnce:
    began = session.now()
    carried: set[int] = set()
    ended: set[int] = set()

    async def one(reach: Reach) -> None:
        connection = reach.connection
        assert connection is not None
        sent = session.probe_frame("tcp", reach.port, session.number(), connection.own)
        got = await connection.exchange(sent)
        proved = got is not None and not isinstance(read_proof(sent, got, session), tuple)
        (carried if proved else ended).add(reach.port)

    tasks = {asyncio.create_task(one(reach)) for reach in reaches}
    async with cancelled_at_end(tasks):
        if tasks:
            await asyncio.wait(tasks, timeout=AT_ONCE_S)
    return AtOnce(
        id=f"at-once-{min(ports)}-{max(ports)}",
        at_s=began,
        took_s=round(session.now() - began, 4),
        ports=ports,
        carried=tuple(sorted(carried)),
        settled=len(carried) + len(ended) == len(reaches),
    )

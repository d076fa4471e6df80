"""UDP from the client to the server and back, each direction of travel for itself (M4, N5)."""

from __future__ import annotations

import asyncio
import errno
from typing import cast

import msgspec

from probes.attempts import Try, classify, race
from probes.observation import OutboundUdp
from probes.proof import read_proof
from probes.session import Session
from probes.wire import frame


class Datagrams(asyncio.DatagramProtocol):
    """A UDP socket connected to the server.  Answers find their try by the nonce."""

    def __init__(self) -> None:
        self.waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        waiting = self.waiting.get(data[16:32])
        if waiting is None and len(self.waiting) == 1:  # not ours, or its nonce was changed
            waiting = next(iter(self.waiting.values()))
        if waiting is not None and not waiting.done():
            waiting.set_result(data[: frame.SIZE + 1])

    def error_received(self, exc: Exception) -> None:
        """ICMP says that a datagram did not arrive: the last one, most likely, and only that."""
        for waiting in reversed(self.waiting.values()):
            if not waiting.done():
                waiting.set_exception(exc)
                return

    @property
    def own(self) -> frame.Endpoint:
        name = self.transport.get_extra_info("sockname") if self.transport else None
        return frame.Endpoint(name[0], name[1]) if name else frame.Endpoint("0.0.0.0", 0)


class Destination(msgspec.Struct, frozen=True):
    """A UDP port of the server's; ``any_port``: its number is of no matter (fact M4).
    ``missing`` says why there is none."""

    port: int
    any_port: bool = False
    missing: str = ""


async def any_port(session: Session, otherwise: int) -> Destination:
    """A port that the server opens for us; where it does not, ``otherwise`` stands for it."""
    opened = await session.echo_ports("udp", 1)
    if isinstance(opened, str):
        return Destination(otherwise, any_port=True, missing=opened)
    return Destination(opened[0], any_port=True)


async def run(session: Session, to: Destination, local_port: int | None = None) -> OutboundUdp:
    """Reach a UDP port of the server's, from ``local_port`` or from any."""
    began = session.now()
    number = session.number()
    port = to.port
    untested = to.missing
    if ("udp", port) in session.unavailable and not to.any_port:
        untested = "the echo server does not offer this port"
    probe = _Probe(session, port, number)
    tries: list[Try] = []
    busy = False
    if not untested:
        try:
            transport, datagrams = await asyncio.get_running_loop().create_datagram_endpoint(
                Datagrams,
                local_addr=(session.local_address, local_port or 0),
                remote_addr=(session.server_address, port),
            )
        except OSError as error:
            busy = error.errno == errno.EADDRINUSE
            untested = "" if busy else f"this computer: {error.strerror}"
        else:
            probe.datagrams = datagrams
            try:
                tries = await race(session, "udp", probe.one)
            finally:
                transport.close()
    answered = [t.took_s for t in tries if t.outcome == "answered" and t.took_s is not None]
    name = "any" if to.any_port else str(port)
    return OutboundUdp(
        id=f"outbound-udp-{name}" + (f"-from-{local_port}" if local_port else ""),
        at_s=began,
        took_s=round(session.now() - began, 4),
        port=port,
        number=number,
        local_port=local_port,
        attempts=tuple(t.stated() for t in tries),
        rtt_ms=round(min(answered) * 1000, 2) if answered else None,
        source=probe.source,
        busy=busy,
        untested=untested,
        any_port=to.any_port,
    )


class _Probe:
    """The tries of one port share a socket, so that its address stays the same."""

    def __init__(self, session: Session, port: int, number: int) -> None:
        self.source: str | None = None
        self.datagrams = Datagrams()
        self._session = session
        self._port = port
        self._number = number

    async def one(self, this: Try) -> None:
        datagrams = self.datagrams
        sent = self._session.probe_frame("udp", self._port, self._number, datagrams.own)
        nonce = sent[16:32]
        waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        datagrams.waiting[nonce] = waiting
        try:
            assert datagrams.transport is not None
            datagrams.transport.sendto(sent)
            try:
                got = await waiting
            except OSError as error:
                late = await self._after(nonce)
                if late is None:
                    this.ended(*classify(error))
                    return
                got = late
            verdict = read_proof(sent, got, self._session)
            if isinstance(verdict, tuple):
                this.ended(*verdict)
            else:
                self.source = str(verdict.source)
                this.ended("answered")
        except OSError as error:
            this.ended(*classify(error))
        finally:
            datagrams.waiting.pop(nonce, None)

    async def _after(self, nonce: bytes) -> bytes | None:
        """What comes although ICMP said that nothing would: anybody can say that, the answer
        none but the server can give."""
        waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.datagrams.waiting[nonce] = waiting
        try:
            async with asyncio.timeout(self._session.pace.patience_s):
                return await waiting
        except (TimeoutError, OSError):
            return None

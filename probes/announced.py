"""Where messages of ours say that we listen: listening there, and being called there."""

from __future__ import annotations

import asyncio
import errno
from functools import partial

import msgspec

from probes import sockets
from probes.callers import CALLERS_MAX, Caller
from probes.calls import Called, Calls
from probes.observation import Followed, Transport
from probes.proof import read_call
from probes.session import PROOF_S, ControlLost, Session
from probes.wire import frame, messages
from probes.wire.frame import Endpoint

_PORT_MAX = 65_500
"""H.323 announces media on the ports that follow: there have to be some."""

_PORTS = 8
"""Ports of one dialogue: H.323's control channel, and four of media."""

_SPARE = (1, 6)
"""Calls beyond what the loss seen so far asks for: messages are followed early in a check, when
little of it is known, and more where some was seen already."""

_AGAIN_S = 0.05
"""How often to look whether an address is proved: a round trip of a quick path."""


class Announced:
    """The ports that the messages of one dialogue announce, on one address of ours.

    Who calls there and knows the secret is answered; nobody else is.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._servers: dict[int, asyncio.Server] = {}
        self._datagrams: dict[int, asyncio.DatagramTransport] = {}
        self._callers: set[Caller] = set()
        self._called: dict[int, tuple[Called, tuple[Transport, int]]] = {}  # by number

    async def open(self, transport: Transport, port: int | None = None) -> int:
        """Listen on ``port``, or on any.  Raises OSError."""
        for _ in range(_PORTS):
            opened = await self._open(transport, port or 0)
            if port or opened <= _PORT_MAX:
                return opened
            self._end(transport, opened)
        raise OSError(errno.EADDRINUSE, "no port below those that a protocol needs")

    async def also(self, transport: Transport, port: int) -> bool:
        """Listen on ``port`` too, if it is free; whether anybody listens there now."""
        if len(self._servers) + len(self._datagrams) < _PORTS and not self.has(transport, port):
            try:
                await self._open(transport, port)
            except OSError:
                return False
        return self.has(transport, port)

    def has(self, transport: Transport, port: int) -> bool:
        return port in (self._servers if transport == "tcp" else self._datagrams)

    async def close(self) -> None:
        servers = tuple(self._servers.values())
        for port in tuple(self._servers):
            self._end("tcp", port)
        for port in tuple(self._datagrams):
            self._end("udp", port)
        for caller in tuple(self._callers):
            caller.end()
        for server in servers:
            await server.wait_closed()

    def expect(self, called: Called, transport: Transport, port: int) -> None:
        """Calls with this number are meant for our own ``port``."""
        self._called[called.number] = called, (transport, port)

    # callers over TCP

    def admit(self, caller: Caller, port: int, address: str) -> bool:
        if len(self._callers) >= CALLERS_MAX:
            return False
        self._callers.add(caller)
        return True

    def leave(self, caller: Caller, port: int) -> None:
        self._callers.discard(caller)

    def answer(self, data: bytes, port: int) -> bytes | None:
        return self._reply(data, "tcp", port)

    # datagrams

    def hear(self, data: bytes, port: int, source: tuple[str | int, ...]) -> None:
        """A reply goes to the server's own address alone."""
        reply = self._reply(data, "udp", port)
        if reply and str(source[0]).partition("%")[0] == self._session.server_address:
            self._datagrams[port].sendto(reply, source)

    def _reply(self, data: bytes, transport: Transport, port: int) -> bytes | None:
        number = int.from_bytes(data[6:8], "big")
        called, where = self._called.get(number, (None, None))
        if called is None or where != (transport, port):
            return None
        got = read_call(data, self._session, number)
        if got is None:
            return None
        called.heard += 1
        return frame.reply_to(data, got, self._session.secret)

    async def _open(self, transport: Transport, port: int) -> int:
        loop = asyncio.get_running_loop()
        address = self._session.local_address
        if transport == "tcp":
            opened: list[int] = []
            server = await loop.create_server(
                lambda: Caller(self, opened[0]), address, port, start_serving=False
            )
            opened.append(int(server.sockets[0].getsockname()[1]))
            self._servers[opened[0]] = server
            await server.start_serving()
            return opened[0]
        sock = sockets.udp(address, port)
        own = int(sock.getsockname()[1])
        try:
            made, _ = await loop.create_datagram_endpoint(partial(_Ear, self, own), sock=sock)
        except BaseException:
            sock.close()
            raise
        self._datagrams[own] = made
        return own

    def _end(self, transport: Transport, port: int) -> None:
        if transport == "tcp":
            self._servers.pop(port).close()
        else:
            self._datagrams.pop(port).close()


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, announced: Announced, port: int) -> None:
        self._announced = announced
        self._port = port

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        if self._announced.has("udp", self._port):
            self._announced.hear(data, self._port, addr)


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """An address of ours in a message as it arrived: the ``carried``-th of the
    ``overheard``-th, which stands for our own ``port``."""

    field: str
    overheard: int
    carried: int
    transport: Transport
    port: int
    target: Endpoint


class _Calls(Calls):
    """Calls to where a message says."""

    def __init__(self, session: Session, announcement: Announcement, called: Called) -> None:
        super().__init__(session, announcement.transport, (called,), spare=_SPARE)
        self._announcement = announcement
        self._called = called

    def _request(
        self, request_id: int, address: str, offsets_ms: tuple[int, ...], patience_ms: int
    ) -> messages.CallRequest | messages.FollowRequest:
        return messages.FollowRequest(
            id=request_id,
            overheard=self._announcement.overheard,
            carried=self._announcement.carried,
            number=self._called.number,
            offsets_ms=offsets_ms,
            patience_ms=patience_ms,
        )


async def follow(
    session: Session, announced: Announced, announcement: Announcement, source: str
) -> Followed:
    """Have the server go there.  ``source``: the address from which the message came to it."""
    target = announcement.target
    followed, refused = await _followed(session, announced, announcement)
    if refused == "not-proven" and target.address == source:
        # It is ours for sure: only nothing has proved it yet.
        await proved(session, target.address)
        followed, _ = await _followed(session, announced, announcement)
    return followed


async def _followed(
    session: Session, announced: Announced, announcement: Announcement
) -> tuple[Followed, str]:
    called = Called(announcement.target.port, session.number())
    announced.expect(called, announcement.transport, announcement.port)
    calls = _Calls(session, announcement, called)
    await calls.run(announcement.target.address)
    reason = calls.refusal.reason if calls.refusal else ""
    followed = Followed(
        field=announcement.field,
        target=str(announcement.target),
        heard=called.heard,
        attempts=tuple(called.calls),
        refused=reason or called.untested,
    )
    return followed, reason


async def proved(session: Session, address: str) -> None:
    """Wait until ``address`` is proved to be ours, as long as that may take: the probes that
    prove it began when the dialogues did, so that where nothing is lost it was done before."""
    until = session.now() + (PROOF_S if session.loss[1] else session.pace.patience_s)
    try:
        while session.now() < until and session.control.alive:
            if address in await session.control.proven(_AGAIN_S):
                return
            await asyncio.sleep(_AGAIN_S)
    except ControlLost:
        pass

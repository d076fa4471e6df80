"""UDP from the server to the client that no packet of ours asked for (M4)."""

from __future__ import annotations

import asyncio
import errno

from probes.calls import Called, Calls
from probes.observation import InboundUdp
from probes.proof import read_call
from probes.session import Session
from probes.wire import frame


class Receiver:
    """One local UDP port.  ``remote_port`` is the server's, if it has to be a certain one;
    ``port`` 0 stands for any that is free."""

    def __init__(self, port: int, remote_port: int | None = None) -> None:
        self.wanted = port
        self.port = port
        self.remote_port = remote_port
        self.taken = False
        self.problem = ""
        self._transport: asyncio.DatagramTransport | None = None
        self._ear = _Ear(self)
        self._session: Session | None = None
        self._called: Called | None = None

    async def bind(self, local_address: str) -> None:
        """Open the port; what fails is noted, not raised."""
        try:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: self._ear, local_addr=(local_address, self.wanted)
            )
        except OSError as error:
            self.taken = error.errno == errno.EADDRINUSE
            self.problem = error.strerror or "cannot be opened"
            return
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    @property
    def open(self) -> bool:
        return self._transport is not None

    def close(self) -> None:
        if self._transport:
            self._transport.close()
            self._transport = None

    async def run(self, session: Session, address: str | None) -> InboundUdp:
        """Be sent to, and close the port: a packet of ours from it would open the way."""
        began = session.now()
        self._session = session
        called = self._called = Called(self.port, session.number())
        calls = Calls(session, "udp", (called,) if self.open else (), remote_port=self.remote_port)
        try:
            if self.open:
                await calls.run(address)
        finally:
            if self.open:
                self.close()
                await self._ear.ended.wait()
        untested = called.untested or ("" if self.taken else self.problem)
        return InboundUdp(
            id=f"inbound-udp-{self.wanted or 'any'}"
            + (f"-from-{self.remote_port}" if self.remote_port else ""),
            at_s=began,
            took_s=round(session.now() - began, 4),
            port=self.port,
            number=called.number,
            address=calls.address,
            calls=tuple(called.calls),
            heard=called.heard,
            rtt_ms=round(called.rtt_s * 1000, 2) if called.rtt_s else None,
            busy=self.taken,
            untested=untested,
            remote_port=self.remote_port,
        )

    def hear(self, data: bytes, source: tuple[str | int, ...]) -> None:
        """Note a call that knows the secret, and reply to it; all else is passed over.

        The reply goes to where the call came from, which an authentic call from the
        server's own address alone decides.
        """
        session = self._session
        if session is None or self._called is None or self._transport is None:
            return
        got = read_call(data, session, self._called.number)
        if got is None:
            return
        self._called.heard += 1
        if str(source[0]).partition("%")[0] == session.server_address:
            self._transport.sendto(frame.reply_to(data, got, session.secret), source)


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self.ended = asyncio.Event()  # the port is free again

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        self._receiver.hear(data, addr)

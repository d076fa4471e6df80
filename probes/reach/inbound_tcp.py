"""TCP from the server to the client: accept only who knows the secret (M2, N8)."""

from __future__ import annotations

import asyncio
import errno
from functools import partial

from probes.callers import CALLERS_MAX, Caller
from probes.calls import Called, Calls
from probes.observation import InboundTcp
from probes.proof import read_call
from probes.session import Session
from probes.wire import frame


class Listeners:
    """The local ports that were opened, before the server is told of them."""

    def __init__(self, ports: tuple[int, ...]) -> None:
        self.ports = ports
        self.busy: dict[int, str] = {}  # port -> why it could not be opened
        self.taken: set[int] = set()
        self._servers: dict[int, asyncio.Server] = {}
        self._callers: dict[int, set[Caller]] = {port: set() for port in ports}
        self._called: dict[int, Called] = {}
        self._session: Session | None = None

    @property
    def open(self) -> tuple[int, ...]:
        return tuple(self._servers)

    async def bind(self, local_address: str) -> None:
        """Open the ports on one address; what fails is noted, not raised."""
        loop = asyncio.get_running_loop()
        for port in self.ports:
            try:
                # Not serving at once: a cancellation between opening the port and being
                # given it would leave it open for ever.
                self._servers[port] = await loop.create_server(
                    partial(Caller, self, port),
                    local_address,
                    port,
                    start_serving=False,
                )
                await self._servers[port].start_serving()
            except OSError as error:
                self.busy[port] = error.strerror or "cannot be opened"
                if error.errno == errno.EADDRINUSE:
                    self.taken.add(port)

    async def close(self) -> None:
        for server in self._servers.values():
            server.close()
        for callers in self._callers.values():
            for caller in tuple(callers):
                caller.end()
        for server in self._servers.values():
            await server.wait_closed()
        self._servers.clear()

    async def run(self, session: Session, address: str | None) -> tuple[InboundTcp, ...]:
        """Be called on every open port, all at once."""
        began = session.now()
        self._session = session
        self._called = {port: Called(port, session.number()) for port in self._servers}
        calls = Calls(session, "tcp", self._called.values())
        await calls.run(address)
        took = round(session.now() - began, 4)
        return tuple(self._observation(port, began, took, calls.address) for port in self.ports)

    def _observation(self, port: int, began: float, took: float, address: str | None) -> InboundTcp:
        called = self._called.get(port)
        return InboundTcp(
            id=f"inbound-tcp-{port}",
            at_s=began,
            took_s=took,
            port=port,
            number=called.number if called else 0,
            address=address,
            calls=tuple(called.calls) if called else (),
            heard=called.heard if called else 0,
            reached=called.reached if called else 0,
            rtt_ms=round(called.rtt_s * 1000, 2) if called and called.rtt_s else None,
            busy=port in self.taken,
            untested=(
                called.untested
                if called
                else ("" if port in self.taken else self.busy.get(port, "it was not opened"))
            ),
        )

    def admit(self, caller: Caller, port: int, address: str) -> bool:
        if len(self._callers[port]) >= CALLERS_MAX:
            return False
        self._callers[port].add(caller)
        called = self._called.get(port)
        if called is not None and self._session is not None:
            called.reached += address == self._session.server_address
        return True

    def leave(self, caller: Caller, port: int) -> None:
        self._callers[port].discard(caller)

    def answer(self, data: bytes, port: int) -> bytes | None:
        """The reply to a call that knows the secret; None for anybody else."""
        session, called = self._session, self._called.get(port)
        if session is None or called is None:
            return None
        got = read_call(data, session, called.number)
        if got is None:
            return None
        called.heard += 1
        return frame.reply_to(data, got, session.secret)

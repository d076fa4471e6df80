"""Whose connections does a NAT let in?  (RFC 5382 section 4.3, RFC 5780 section 4.4)

A connection from local port L to the server makes a mapping and proves it; then the server calls
that mapping from another port and from its other address, while L listens.  L is used for
nothing else: a call that is dropped may leave a half-open entry in the NAT.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, cast

from probes.calls import Called, Calls
from probes.endpoint import Held, hold, shared
from probes.observation import NatFiltering, Unasked
from probes.proof import read_call
from probes.session import Session
from probes.wire import frame

GAP_S = 0.08
"""Between two calls.  The heartbeats of the control connection run in the same moments, every
40 ms, and show that the path was alive meanwhile; so the calls need not outlast an outage."""

CALLS_MAX = 28
"""Where a tenth of the packets is lost each way, a try of TCP that takes two round trips fails
one time in three, and by so few samples of its own sixteen silences would mean nothing."""

SPARE = (3, 9)
"""Calls beyond what the loss seen so far asks for: it may look worse when all is known, and more
so where some was seen already."""

CALLERS_MAX = 96
"""Connections looked at: twice as many as the calls, and room for strangers, but no flood."""

_Source = Literal["other-port", "other-address"]
_SOURCES: tuple[_Source, ...] = ("other-port", "other-address")


async def run(session: Session, ports: tuple[int, ...] = ()) -> NatFiltering:
    """Be called at an endpoint that connects to one of the server's echo ``ports``, or to a
    dynamic one.

    ``control_sent`` and ``control_heard`` of each test are all round trips by which the loss
    of the path is known at its end.  A silence that the loss may explain is ``untested``.
    """
    began = session.now()
    async with hold(session, ports) as held:
        if isinstance(held, str):
            tests = tuple(Unasked(source=source, untested=held) for source in _SOURCES)
            return _observation(session, began, "", None, tests)
        try:
            listening = shared(session.local_address, held.local.port)
        except OSError as error:
            why = f"the local port cannot be listened on: {error.strerror}"
            tests = tuple(Unasked(source=source, untested=why) for source in _SOURCES)
        else:
            tests = await _called(session, held, listening)
        return _observation(session, began, str(held.local), str(held.mapped), tests)


def _observation(
    session: Session, began: float, local: str, mapped: str | None, tests: tuple[Unasked, ...]
) -> NatFiltering:
    return NatFiltering(
        id="nat-filtering-tcp",
        at_s=began,
        took_s=round(session.now() - began, 4),
        transport="tcp",
        local=local,
        mapped=mapped,
        tests=tests,
    )


class _Test:
    """Calls from one source.  ``astray`` counts those that came from another one."""

    def __init__(self, session: Session, source: _Source, mapped: frame.Endpoint) -> None:
        self.source = source
        self.called = Called(mapped.port, session.number())
        self.astray = 0
        self._session = session
        self._address = mapped.address

    def heard_from(self, address: str) -> None:
        """A call that knew the secret came from ``address``."""
        if (address == self._session.server_address) == (self.source == "other-port"):
            self.called.heard += 1
        else:
            self.astray += 1

    async def run(self) -> None:
        calls = Calls(
            self._session,
            "tcp",
            [self.called],
            from_other=self.source == "other-address",
            gap_s=max(GAP_S, self._session.pace.rtt_s),
            most=CALLS_MAX,
            spare=SPARE,
        )
        await calls.run(self._address)

    def result(self) -> Unasked:
        session, called = self._session, self.called
        tallies = (session.control_tally, *session.tallies.values())
        sent, lost = sum(t.sent for t in tallies), sum(t.lost for t in tallies)
        untested = called.untested
        refused = any(c.outcome in ("refused", "unreachable") for c in called.calls)
        passed = called.heard > 0
        if self.astray and not passed:
            untested = "the echo server's calls did not come from the address they should"
        elif any(c.outcome in ("closed", "mute", "foreign") for c in called.calls) and not passed:
            untested = untested or "something else answered the calls"
        elif not (passed or refused or untested) and not session.silence_means_blocked(
            "tcp", len(called.calls)
        ):
            untested = "the loss of the path may explain the silence"
        return Unasked(
            source=self.source,
            asked=len(called.calls),
            heard=called.heard,
            attempts=tuple(called.calls),
            control_sent=sent,
            control_heard=sent - lost,
            untested="" if passed else untested,
        )


async def _called(session: Session, held: Held, listening: socket.socket) -> tuple[Unasked, ...]:
    """Both tests at once.  ``listening`` is closed in the end."""
    tests = [_Test(session, source, held.mapped) for source in _SOURCES]
    async with _answering(session, listening, tests), asyncio.TaskGroup() as group:
        for test in tests:
            group.create_task(test.run())
    return tuple(test.result() for test in tests)


@asynccontextmanager
async def _answering(
    session: Session, listening: socket.socket, tests: list[_Test]
) -> AsyncIterator[None]:
    """Reply to whoever connects and knows the secret.  ``listening`` is closed in the end."""
    callers: set[_Caller] = set()
    with listening:
        server = await asyncio.get_running_loop().create_server(
            lambda: _Caller(session, tests, callers), sock=listening, backlog=CALLERS_MAX
        )
        try:
            yield
        finally:
            server.close()
            for caller in tuple(callers):
                caller.end()


class _Caller(asyncio.Protocol):
    """Somebody who connected to the mapped endpoint."""

    def __init__(self, session: Session, tests: list[_Test], callers: set[_Caller]) -> None:
        self._session = session
        self._tests = tests
        self._callers = callers
        self._buffer = bytearray()
        self._peer = ""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if len(self._callers) >= CALLERS_MAX:
            self._transport.abort()
            return
        self._callers.add(self)
        peer = transport.get_extra_info("peername") or ("",)  # it may have gone again
        self._peer = str(peer[0]).partition("%")[0]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        size = len(self._buffer)
        if not frame.MAGIC.startswith(bytes(self._buffer[:4])) or size > frame.SIZE:
            self.end()
        elif size == frame.SIZE:
            self._answer(bytes(self._buffer))

    def _answer(self, data: bytes) -> None:
        for test in self._tests:
            got = read_call(data, self._session, test.called.number)
            if got is not None and self._transport is not None:
                test.heard_from(self._peer)
                # The server ends it when it has read the reply.
                self._transport.write(frame.reply_to(data, got, self._session.secret))
                return
        self.end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._callers.discard(self)

    def end(self) -> None:
        if self._transport is not None:
            self._transport.abort()

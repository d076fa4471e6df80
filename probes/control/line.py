"""The conversation on an open control connection: requests, heartbeats, and its own loss.

A heartbeat every 40 ms tells three things: that the path and the server live (or
silence elsewhere would mean nothing), how long a round trip takes, and how
many packets the path loses.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from probes.control.dial import Dialled
from probes.errors import WireError
from probes.session import ControlLost, Session
from probes.wire import messages, tcp_info

if sys.platform == "linux":
    from socket import IPPROTO_TCP, TCP_INFO

if TYPE_CHECKING:
    from aiohttp import WSMessage

PING_S = 0.04
"""Twenty-five a second: the 0.8 s that the shortest search for silence takes then hold
twenty samples of the path's loss, enough for the 3e-6 that ``blocked`` asks for."""

WELCOME_S = 5.0
"""The server speaks first; two lost packets may delay it by 0.2 + 0.4 s and more."""

CONFIRM_S = 5.0
"""The last question of a check.  TCP repeats a lost packet after 0.2, 0.6, 1.4 and 3 s;
who has not answered by then is gone."""

SILENT_S = 5.0
"""Heartbeats unanswered for so long are no loss any more (see CONFIRM_S): the control
connection is gone, and nothing that would come over it is waited for."""

STALL_S = 0.03
"""Where the system does not count retransmissions: a heartbeat later than usual by this
much had to be sent again (the repeat waits for at least the next heartbeat)."""

CALLED_UNREAD_MAX = 4096
"""Twice what the largest request for calls can bring: 64 ports, 32 times each."""

UNREAD_MAX = 16
"""Other replies: three belong to a request at the most."""

SAID_MAX, SAID_PER_S = 5000, 1000
"""Messages of a server: so many at any time, and so many more a second.  Honest ones bring 25
heartbeats and 200 calls a second, 1000 calls in all; a flood would leave no time for Cancel."""

_M = TypeVar("_M", bound=messages.Message)


class Line:
    """Owns the control connection from the welcome to the close."""

    def __init__(self, dialled: Dialled, welcome: messages.Welcome, received_at: float) -> None:
        self._dialled = dialled
        self.welcome = welcome
        self.last_heard = received_at
        self.lost_reason = ""
        self.proven_addresses: list[str] = []
        self.raw_arrivals: list[messages.RawArrived] = []
        self.rtt_min_s: float | None = None
        self._lost = asyncio.Event()
        self._proof = asyncio.Event()
        self._outbox: asyncio.Queue[messages.Message] = asyncio.Queue()
        self._waiting: dict[int, asyncio.Queue[messages.ServerMessage]] = {}
        self._overhearing: dict[int, Callable[[messages.Overheard], None]] = {}
        self._pings: dict[int, float] = {}
        self._next_id = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: Session | None = None
        self._own_first = self._counted()
        self._server_first: tcp_info.Segments | None = None
        self._server_last: tcp_info.Segments | None = None
        self._stalled = False
        self._stalls = 0
        self._answered = 0

    @property
    def alive(self) -> bool:
        return not self._lost.is_set()

    def start(self, session: Session, hello: messages.Hello) -> None:
        """Say hello and begin to listen and to ping."""
        self._session = session
        self.say(hello)
        for job in (self._read(), self._write(), self._ping()):
            self._tasks.add(asyncio.create_task(job))

    async def close(self) -> None:
        """End the conversation at once; the server frees the session by itself."""
        for task in self._tasks:
            task.cancel()
        try:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            self._lost.set()
            await self._dialled.close()

    def say(self, message: messages.Message) -> None:
        self._outbox.put_nowait(message)

    async def open_ports(
        self,
        transport: messages.TransportName,
        count: int = 0,
        ports: tuple[int, ...] = (),
        speaks: str = "",
    ) -> messages.Opened | messages.Refusal:
        """Ask for dynamic ``ports``, or for ``count`` of the server's choice, which echo, or
        speak the dialogue ``speaks``.  Raises ControlLost."""
        request_id, replies = self._new_request()
        try:
            async with asyncio.timeout(CONFIRM_S):
                self.say(
                    messages.OpenRequest(
                        id=request_id,
                        transport=transport,
                        count=count,
                        ports=ports,
                        speaks=speaks,
                    )
                )
                reply = await self._next(replies)
        except TimeoutError:
            raise ControlLost("the server did not answer") from None
        finally:
            del self._waiting[request_id]
        if isinstance(reply, (messages.Opened, messages.Refusal)):
            return reply
        raise ControlLost("the server answered out of turn")

    async def call(
        self, request: Callable[[int], messages.CallRequest | messages.FollowRequest]
    ) -> AsyncIterator[messages.Called | messages.Refusal]:
        """Ask to be called, and yield what the server says of each call.  Raises ControlLost."""
        request_id, replies = self._new_request()
        try:
            self.say(request(request_id))
            while True:
                reply = await self._next(replies)
                if isinstance(reply, messages.CallsDone):
                    return
                if isinstance(reply, (messages.Called, messages.Refusal)):
                    yield reply
                if isinstance(reply, messages.Refusal):
                    return
        finally:
            del self._waiting[request_id]

    @contextmanager
    def overhear(self, number: int, take: Callable[[messages.Overheard], None]) -> Iterator[None]:
        """Have ``take`` given what arrives of the dialogue ``number``, as long as this lasts."""
        self._overhearing[number] = take
        try:
            yield
        finally:
            del self._overhearing[number]

    async def ask(
        self, request: Callable[[int], messages.ClientMessage]
    ) -> AsyncIterator[messages.ServerMessage]:
        """Send a request and yield every reply to it, until the caller has had enough.
        Raises ControlLost."""
        request_id, replies = self._new_request()
        try:
            self.say(request(request_id))
            while True:
                yield await self._next(replies)
        finally:
            del self._waiting[request_id]

    def stop_call(self, request_id: int, port: int, after: int = 0) -> None:
        self.say(messages.CallStop(id=request_id, port=port, after=after))

    async def proven(self, wait_s: float) -> tuple[str, ...]:
        """The addresses that the server holds for ours, waiting for the first if need be."""
        try:
            async with asyncio.timeout(wait_s):
                await self._proof.wait()
        except TimeoutError:
            pass
        return tuple(self.proven_addresses)

    async def ledger(self, sent: tuple[messages.Sent, ...] = ()) -> messages.LedgerPage | None:
        """The server's record; None if it no longer answers.  ``sent`` is what got no proper
        answer: the server looks whether it arrived as other bytes."""
        request_id, replies = self._new_request()
        try:
            async with asyncio.timeout(CONFIRM_S):
                self.say(messages.LedgerRequest(id=request_id, sent=sent))
                reply = await self._next(replies)
        except ControlLost:
            return None
        except TimeoutError:
            self._end(f"the server was not heard for {CONFIRM_S:g} s")
            return None
        finally:
            del self._waiting[request_id]
        return reply if isinstance(reply, messages.LedgerPage) else None

    async def unread(self) -> tuple[messages.UnreadLine, ...]:
        """What arrived in other protocols and was not overheard; nothing if the server does not
        say."""
        request_id, replies = self._new_request()
        try:
            async with asyncio.timeout(CONFIRM_S):
                self.say(messages.UnreadRequest(id=request_id))
                reply = await self._next(replies)
        except (ControlLost, TimeoutError):
            return ()
        finally:
            del self._waiting[request_id]
        return reply.lines if isinstance(reply, messages.UnreadPage) else ()

    def _new_request(self) -> tuple[int, asyncio.Queue[messages.ServerMessage]]:
        self._next_id += 1
        replies: asyncio.Queue[messages.ServerMessage] = asyncio.Queue()
        self._waiting[self._next_id] = replies
        return self._next_id, replies

    async def _next(self, replies: asyncio.Queue[messages.ServerMessage]) -> messages.ServerMessage:
        """The next reply, or ControlLost when there will be none."""
        if not replies.empty():
            return replies.get_nowait()
        reply = asyncio.ensure_future(replies.get())
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({reply, lost}, return_when=asyncio.FIRST_COMPLETED)
            if reply.done():
                return reply.result()
            raise ControlLost(self.lost_reason)
        finally:
            reply.cancel()
            lost.cancel()

    def _end(self, reason: str) -> None:
        if not self._lost.is_set():
            self.lost_reason = reason
            self._lost.set()
            if self._session is not None:
                self._session.answered_until = None

    async def _read(self) -> None:
        from aiohttp import WSMsgType

        began, said = time.monotonic(), 0
        while True:
            received: WSMessage = await self._dialled.socket.receive()
            said += 1
            if said > SAID_MAX + SAID_PER_S * (time.monotonic() - began):
                self._end("the server said far more than it was asked")
                return
            if received.type is not WSMsgType.TEXT:
                self._end(
                    "the server ended the control connection"
                    if received.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING)
                    else "the control connection broke"
                )
                return
            self.last_heard = time.monotonic()
            try:
                self._handle(messages.read_from_server(received.data))
            except WireError:
                self._end("the server said something that is not netcheck's protocol")
                return

    def _handle(self, message: messages.ServerMessage) -> None:
        match message:
            case messages.Pong():
                self._pong(message)
            case messages.Proven():
                if message.address not in self.proven_addresses and len(self.proven_addresses) < 16:
                    self.proven_addresses.append(message.address)
                self._proof.set()
            case messages.Overheard():
                if take := self._overhearing.get(message.number):
                    take(message)
            case messages.RawArrived():
                if len(self.raw_arrivals) < UNREAD_MAX:
                    self.raw_arrivals.append(message)
            case messages.Closing():
                pass  # a check that runs is given the time to end, which is all we need
            case messages.Welcome():
                self._end("the server welcomed us twice")
            case _:
                waiting = self._waiting.get(message.id)
                if waiting is not None and waiting.qsize() < _unread_max(message):
                    waiting.put_nowait(message)

    async def _write(self) -> None:
        while True:
            message = await self._outbox.get()
            try:
                await self._dialled.socket.send_str(messages.write(message))
            except (ConnectionError, RuntimeError):
                self._end("the control connection broke")
                return

    async def _ping(self) -> None:
        n = 0
        while self.alive:
            n += 1
            self._pings[n] = time.monotonic()
            self.say(messages.Ping(n=n))
            await asyncio.sleep(PING_S)
            if time.monotonic() - self.last_heard > SILENT_S:
                self._end(f"the server was not heard for {SILENT_S:g} s")

    def _pong(self, pong: messages.Pong) -> None:
        sent_at = self._pings.pop(pong.n, None)
        session = self._session
        if sent_at is None or session is None:
            return
        rtt = time.monotonic() - sent_at
        session.answered_until = sent_at
        self.rtt_min_s = rtt if self.rtt_min_s is None else min(self.rtt_min_s, rtt)
        late = rtt > self.rtt_min_s * 1.5 + STALL_S
        if late and not self._stalled:
            self._stalls += 1
        self._stalled = late
        self._answered += 1
        if pong.segments is not None and pong.resent is not None:
            self._server_last = tcp_info.Segments(pong.segments, pong.resent)
            self._server_first = self._server_first or self._server_last
        sent, lost = self._round_trips()
        if not late or lost == session.control_tally.lost:
            # One that had to be repeated says nothing of how long a round trip takes.
            session.pace = session.pace.measured(rtt)
            session.slowest_s = max(session.slowest_s, rtt)
        session.control_tally.sent, session.control_tally.lost = sent, lost

    def _round_trips(self) -> tuple[int, int]:
        """Tried and lost: by the segments that either end had to repeat, where both systems
        tell; else by the heartbeats and their stalls."""
        own = self._counted()
        if not (own and self._own_first and self._server_first and self._server_last):
            return self._answered, min(self._answered, self._stalls)
        return tcp_info.round_trips(
            own.since(self._own_first), self._server_last.since(self._server_first)
        )

    def _counted(self) -> tcp_info.Segments | None:
        raw = self._dialled.socket.get_extra_info("socket")
        if raw is None or self._dialled.via_proxy:  # a proxy's connection is not the path's
            return None
        if sys.platform == "linux":
            try:
                return tcp_info.read(raw.getsockopt(IPPROTO_TCP, TCP_INFO, tcp_info.SIZE))
            except OSError:  # the connection has just ended
                return None
        return None


def _unread_max(message: messages.ServerMessage) -> int:
    """How many replies to one request may wait to be read, for one like this to join them: a
    server could fill the memory with what nobody reads at the moment."""
    match message:
        case messages.Called() | messages.CallsDone():
            # The end of the calls comes behind all of them, often in the same instant.
            return CALLED_UNREAD_MAX
        case messages.LedgerPage() | messages.Opened() | messages.UnreadPage():
            return 1  # up to a megabyte, and the only reply to its request
    return UNREAD_MAX


async def welcomed(dialled: Dialled) -> Line | str:
    """Wait for the server's first message; a sentence if it is not one."""
    from aiohttp import WSMsgType

    try:
        async with asyncio.timeout(WELCOME_S):
            received = await dialled.socket.receive()
        if received.type is not WSMsgType.TEXT:
            return "it ended the connection before saying hello"
        message = messages.read_from_server(received.data)
    except TimeoutError:
        return "it said nothing after the connection was made"
    except WireError:
        return "what it said first is not netcheck's protocol"
    if not isinstance(message, messages.Welcome) or message.protocol != messages.PROTOCOL:
        return "it speaks another version of the protocol"
    return Line(dialled, message, time.monotonic())

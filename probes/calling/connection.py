"""One end of H.225.0 or H.245, spoken over one TCP connection; and who connects to us."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable

from probes.callers import CALLERS_MAX, LISTEN_S
from probes.editors.contract import End, Reading, Step
from probes.editors.h323 import tpkt
from probes.errors import WireError
from probes.exchange import ARRIVED_MAX
from probes.observation import AttemptOutcome
from probes.path import cancelled_at_end
from probes.wire.frame import Endpoint

_ACCEPT_AGAIN_S = 0.05
"""After an accept that failed: this computer has no file left, or whoever it was is gone."""


class Connection:
    """It owns ``sock``, which is connected.  ``await speak()`` until the other end ends it, then
    or before ``close()``.

    ``over``: everything was said that had to be, though the other end may still ask; ``ended``:
    nothing more comes; ``stranger``: what came is not the protocol.  ``moved`` is called whenever
    something changes, ``hears`` given each whole message.
    """

    def __init__(
        self,
        sock: socket.socket,
        peer: Endpoint,
        end: End,
        moved: Callable[[], None],
        hears: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self.sock = sock
        self.here = Endpoint.of(sock.getsockname())
        self.peer = peer
        self.sent: list[bytes] = []
        self.arrived: list[bytes] = []
        self.over = self.ended = self.stranger = False
        self.moved_at = time.monotonic()
        self._end = end
        self._moved = moved
        self._hears = hears
        self._left = ARRIVED_MAX
        self._outcome: AttemptOutcome | None = None

    def close(self) -> None:
        self.sock.close()

    async def speak(self, first: bytes = b"") -> None:
        """``first``: what has been read from the connection already."""
        loop = asyncio.get_running_loop()
        try:
            await self._send(self._end.begin())
            data = first or await loop.sock_recv(self.sock, 4096)
            while data and await self._take(data):
                data = await loop.sock_recv(self.sock, 4096)
        except OSError:
            pass
        finally:
            self.ended = True
            self._moves()

    async def goodbye(self, patience_s: float) -> None:
        """The last word, while somebody still listens by ``speak``; then its end is awaited."""
        try:
            async with asyncio.timeout(patience_s):
                await self._send(self._end.finish())
        except (OSError, WireError, TimeoutError):
            pass

    async def _take(self, data: bytes) -> bool:
        """Whether to go on."""
        self._left -= len(data)
        try:
            step = self._end.receive(data) if self._left >= 0 else None
        except WireError:
            step = None
        if step is None:
            self.stranger = True
            return False
        for message in step.arrived:
            self.arrived.append(message)
            self._hears(message)
        await self._send(step)
        self.over |= step.over
        if step.arrived or step.over:
            self._moves()
        return True

    async def _send(self, step: Step) -> None:
        loop = asyncio.get_running_loop()
        for message in step.send:
            self.sent.append(message)
            await loop.sock_sendall(self.sock, message)

    def _moves(self) -> None:
        self.moved_at = time.monotonic()
        self._moved()

    def settle(self, *, said: bool = True) -> None:
        """How it fared is known: what becomes of it from now on is our own doing.  Without what
        had to be ``said``, what did arrive is no answer."""
        if self._outcome is None:
            self._outcome = self.outcome if said else self._failed()

    @property
    def outcome(self) -> AttemptOutcome:
        """How it fared as an attempt to speak."""
        if self._outcome is not None:
            return self._outcome
        return "answered" if self.arrived else self._failed()

    def _failed(self) -> AttemptOutcome:
        if self.stranger and not self.arrived:
            return "foreign"
        return "closed" if self.ended else "mute"


Serve = Callable[[socket.socket], Awaitable[bool]]
"""What is done with a connection; whether somebody else closes it."""


async def accept(listening: socket.socket, serve: Serve) -> None:
    """Serve whoever connects to ``listening``, at most CALLERS_MAX at the same time, until
    cancelled."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()
    here: set[socket.socket] = set()

    async def one(sock: socket.socket) -> None:
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if await serve(sock):
                here.discard(sock)
        except OSError:
            pass
        finally:
            if sock in here:
                here.discard(sock)
                sock.close()

    try:
        async with cancelled_at_end(tasks):
            while True:
                try:
                    sock, _ = await loop.sock_accept(listening)
                except OSError:
                    await asyncio.sleep(_ACCEPT_AGAIN_S)
                    continue
                if len(here) >= CALLERS_MAX:
                    sock.close()
                    continue
                here.add(sock)
                task = asyncio.create_task(one(sock))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
    finally:
        for sock in here:  # of a task that was cancelled before it began
            sock.close()


async def first_label(
    sock: socket.socket, read: Callable[[bytes], Reading]
) -> tuple[bytes, bytes | None] | None:
    """What has been read when the first whole message is there, and that one's label; None if
    there comes none in time.  Raises OSError."""
    loop = asyncio.get_running_loop()
    packets, data = tpkt.stream(), b""
    try:
        async with asyncio.timeout(LISTEN_S):
            while len(data) < ARRIVED_MAX:
                more = await loop.sock_recv(sock, 4096)
                if not more:
                    return None
                data += more
                for message in packets.feed(more):
                    return data, read(message).label
    except (WireError, TimeoutError):
        pass
    return None

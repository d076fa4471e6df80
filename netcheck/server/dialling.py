"""Connecting to the client over TCP as the other end of a call would, and talking there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Sequence

import msgspec

from netcheck.server.calling import by_icmp, outcome_of, tcp_socket
from netcheck.server.dialogues import Stage
from netcheck.server.overhearing import Place
from netcheck.server.session import Session
from netcheck.server.switchboard import Switchboard
from probes.errors import WireError
from probes.wire.end import End
from probes.wire.frame import Endpoint
from probes.wire.messages import CallOutcome

_REFUSALS_ENOUGH = 2  # as in a call: one reset may be a passing overload
_READ = 65_536


REPEATED_S = 3.0
"""By then a system has repeated the SYN of a socket twice (RFC 6298 section 2.1)."""


class Attempts(msgspec.Struct):
    """What came of connecting: ``sock`` is the connection, if there is one.  ``made`` is 1 if it
    is the first socket's, else how many there were."""

    made: int = 0
    sock: socket.socket | None = None
    outcome: CallOutcome = "silent"
    detail: str = ""


class _Sockets:
    """The sockets that are to connect, in order: ``decided`` once more of them are of no use.

    An editor that opened the way for a call opened it for one connection, and the first socket's
    SYN uses that up even if it is lost behind the editor.  The system repeats that SYN, so
    another socket counts only once the first has failed: to have been refused where the first may
    yet come about says nothing.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.decided = asyncio.Event()
        self.open: dict[int, socket.socket] = {}
        self.failed: dict[int, CallOutcome] = {}

    @property
    def first_may_come(self) -> bool:
        """It has not yet, but what came of others shows that somebody is there."""
        return 0 not in self.failed and bool(self.open or self.failed)

    def connected(self, index: int, sock: socket.socket) -> None:
        self.open[index] = sock
        self._decide()

    def fail(self, index: int, outcome: CallOutcome) -> None:
        self.failed[index] = outcome
        self._decide()

    def taken(self) -> socket.socket | None:
        """The connection that is used; the others are closed."""
        taken = self.open.pop(min(self.open), None) if self.open else None
        self.close()
        return taken

    def close(self) -> None:
        for sock in self.open.values():
            sock.close()
        self.open.clear()

    def _decide(self) -> None:
        refusals = sum(each in ("refused", "unreachable") for each in self.failed.values())
        others = self.open or refusals >= _REFUSALS_ENOUGH or len(self.failed) == self._most
        if 0 in self.open or (0 in self.failed and others):
            self.decided.set()


async def dial(
    session: Session,
    switchboard: Switchboard,
    to: Endpoint,
    offsets_s: Sequence[float],
    patience_s: float,
    got: Attempts,
) -> None:
    """Connect to ``to``, which may be called, at each of ``offsets_s`` until one succeeds or two
    are refused; the last is waited for ``patience_s``, and the first for as long as its system
    tries if another shows that somebody is there.  What comes of it is in ``got`` as it comes.
    Never raises for what the network does."""
    sockets = _Sockets(len(offsets_s))

    async def one(index: int) -> None:
        async with switchboard.slots:
            sock = tcp_socket(to.address)
            try:
                sock.bind((session.local_address, 0))
                await asyncio.get_running_loop().sock_connect(sock, (to.address, to.port))
            except OSError as error:
                refused = isinstance(error, ConnectionRefusedError)
                why = "unreachable" if refused and by_icmp(sock) else outcome_of(error)
                sock.close()
                got.outcome, got.detail = why, error.strerror or ""
                sockets.fail(index, why)
            except BaseException:
                sock.close()
                raise
            else:
                sockets.connected(index, sock)

    began = time.monotonic()
    tasks: list[asyncio.Task[None]] = []
    try:
        for index, offset in enumerate(sorted(offsets_s)):
            if await _within(sockets.decided, began + offset):
                break
            await switchboard.pace(session, to.address)
            tasks.append(asyncio.create_task(one(index)))
            got.made += 1
        await _within(sockets.decided, time.monotonic() + patience_s)
        if sockets.first_may_come:
            await _within(sockets.decided, began + REPEATED_S + patience_s)
        if 0 in sockets.open:
            got.made = 1
        got.sock = sockets.taken()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        sockets.close()
    if got.sock:
        # What is said last has to arrive; tcp_socket's would be reset.
        got.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes(8))
        got.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def _within(event: asyncio.Event, moment: float) -> bool:
    """Whether ``event`` comes before ``moment`` of the monotonic clock."""
    try:
        async with asyncio.timeout(moment - time.monotonic()):
            await event.wait()
    except TimeoutError:
        return False
    return True


class Connection:
    """A connection that the server opened, and its end of the dialogue there.  ``hear`` is
    called with every message, which the session is told as well.

    ``outcome`` says how the other end took it: ``answered`` once it has spoken the protocol,
    which ``known`` tells, or that it never will.
    """

    def __init__(
        self,
        session: Session,
        stage: Stage,
        sock: socket.socket,
        end: End,
        place: Place,
        number: int,
        hear: Callable[[str, bytes], None],
    ) -> None:
        self.outcome: CallOutcome = "mute"
        self.known = asyncio.Event()
        self._session = session
        self._stage = stage
        self._sock = sock
        self._end = end
        self._place = place
        self._number = number
        self._hear = hear
        self._left = session.limits.spoken_bytes

    async def talk(self, *, to_its_end: bool) -> None:
        """Until the other end closes, or, if not ``to_its_end``, until nothing is left to say."""
        loop = asyncio.get_running_loop()
        try:
            await self._say(self._end.begin().send)
            while data := await loop.sock_recv(self._sock, _READ):
                self._left -= len(data)
                if self._left < 0 or not self._stage.take_turn(self._place.source.address):
                    self._unless_answered("foreign")
                    return
                with self._stage.working(self._place.source.address):
                    step = self._end.receive(data)
                    for message in step.arrived:
                        self._arrived(message)
                await self._say(step.send)
                if step.over and not to_its_end:
                    return
            self._unless_answered("closed")
        except WireError:
            self._unless_answered("foreign")
        except OSError:
            self._unless_answered("closed")
        finally:
            self.known.set()

    def goodbye(self) -> None:
        """The last word, if there is one left, to whoever still reads."""
        for message in self._end.finish().send:
            with contextlib.suppress(OSError):
                self._sock.send(message)

    def close(self) -> None:
        self._sock.close()

    async def _say(self, messages: tuple[bytes, ...]) -> None:
        for message in messages:
            await asyncio.get_running_loop().sock_sendall(self._sock, message)

    def _unless_answered(self, outcome: CallOutcome) -> None:
        if self.outcome != "answered":
            self.outcome = outcome

    def _arrived(self, message: bytes) -> None:
        """Raises WireError for what is none of the protocol."""
        if self._place.language.read(message) is None:
            raise WireError(self._place.language.name, "it is something else")
        self.outcome = "answered"
        self.known.set()
        told = self._session.overheard.add(message, self._number, self._place)
        if told:
            self._session.tell(told)
        else:
            self._session.ledger.complete = False  # our limit is not the network's doing
        self._hear(self._place.language.name, message)

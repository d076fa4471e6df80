"""A call from the echo server, to the address that it read in our directory entry (fact N8)."""

from __future__ import annotations

import errno
import functools
import socket

import msgspec

from probes import sockets
from probes.announced import proved
from probes.callers import CALLERS_MAX
from probes.calling.call import (
    ANSWER_S,
    H245,
    H323,
    SIGNALLING,
    Calling,
    Direction,
    Server,
    why_refused,
)
from probes.calling.connection import Connection, accept, first_label
from probes.calling.directory import Entry
from probes.calling.terminal import Terminal
from probes.editors.contract import Own
from probes.editors.h323 import control, signalling
from probes.observation import AttemptOutcome, Call, CallConnection
from probes.session import Session
from probes.wire import label, messages
from probes.wire.frame import Endpoint

_OFFSETS_MAX = 16
_OFFSET_MAX_S = 5.0
"""As messages.TerminalRequest bounds them."""


async def hold(session: Session, server: Server, entry: Entry) -> Call:
    """Be called at port 1720, which has to be free.  ``entry`` is where the server may read that,
    and has to stand until this is over.  Whatever the network or the server does is in what this
    returns."""
    calling = Inward(session, server, entry)
    try:
        await calling.hold()
    finally:
        calling.close()
    return calling.stated()


def _caller(own: Own) -> signalling.Caller:
    return signalling.Caller(own, fast_start=False)


class Inward(Calling):
    direction: Direction = "inbound"
    dialogue = msgspec.structs.replace(H323, client=signalling.Called, server=_caller)

    def __init__(self, session: Session, server: Server, entry: Entry) -> None:
        super().__init__(session, server)
        self._entry = entry
        self._listening: socket.socket | None = None

    def close(self) -> None:
        super().close()
        if self._listening is not None:
            self._listening.close()

    async def set_up(self, terminal: Terminal) -> None:
        try:
            self._listening = sockets.tcp(self.session.local_address, SIGNALLING)
            for listening in (self._listening, terminal.listening):
                listening.listen(CALLERS_MAX)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                self.untested = f"TCP port {SIGNALLING} of this computer is in use"
            else:
                self.untested = f"this computer: TCP port {SIGNALLING}: {error.strerror}"
            return
        self.start(accept(self._listening, functools.partial(self._called, terminal)))
        self.start(accept(terminal.listening, functools.partial(self._controlled, terminal)))
        if self._entry.target.address == self._entry.source:
            await proved(self.session, self._entry.source)
        offsets_s = self._offsets_s()
        request = functools.partial(
            terminal.request,
            number=self.number,
            directory=self._entry.where,
            offsets_s=offsets_s,
        )
        self.start(self.far.run(request))
        await self.within(lambda: self.far.answered, ANSWER_S)
        if self.far.port is None:
            if self.far.refusal is None:
                self.untested = self.far.problem or "the echo server did not answer"
            elif self.far.refusal.reason not in ("not-proven", "forbidden-address"):
                self.untested = why_refused(self.far.refusal)
            return
        # It connects to both of our ports in turn, and each may be silent.
        each_s = offsets_s[-1] + 2 * self.session.pace.patience_s + self.stands_s
        await self.within(lambda: self.control is not None or self.far.over, 2 * each_s)

    def _offsets_s(self) -> tuple[float, ...]:
        wanted = min(_OFFSETS_MAX, self.session.attempts_wanted("tcp"))
        offsets = self.session.pace.offsets_s(wanted)
        return tuple(offset for offset in offsets if offset <= _OFFSET_MAX_S)

    def _is_ours(self, found: bytes | None) -> bool:
        return found is not None and label.number(found, self.session.secret) == self.number

    async def _called(self, terminal: Terminal, sock: socket.socket) -> bool:
        """Whoever sets up a call by our label is answered; nobody else is."""
        first = await first_label(sock, signalling.read)
        if first is None or not self._is_ours(first[1]) or self.signalling is not None:
            return False
        here, peer = Endpoint.of(sock.getsockname()), Endpoint.of(sock.getpeername())
        end = signalling.Called(terminal.own(here, peer, self.label))
        self.signalling = connection = Connection(sock, peer, end, self.moved)
        await connection.speak(first[0])
        return True

    async def _controlled(self, terminal: Terminal, sock: socket.socket) -> bool:
        """The control channel, whose capabilities carry our label too."""
        first = await first_label(sock, control.read)
        if first is None or not self._is_ours(first[1]) or self.control is not None:
            return False
        here, peer = Endpoint.of(sock.getsockname()), Endpoint.of(sock.getpeername())
        # The call out beside this one has T.120: Linux's editor drops what the second says of it.
        end = control.client(terminal.own(here, peer, self.label), data=False)
        self.control = connection = Connection(sock, peer, end, self.moved, terminal.hear)
        await connection.speak(first[0])
        return True

    def seen_as(self, connection: Connection) -> Endpoint:
        """Where the server called."""
        return self._entry.target

    def signalling_stated(self) -> CallConnection:
        stated = self._dialled("signalling", self.signalling)
        if stated.to is None:
            refusal = self.far.refusal
            stated = msgspec.structs.replace(
                stated,
                to=None if self.untested else str(self._entry.target),
                refused=refusal.reason if refusal and not self.untested else "",
            )
        stated = self.with_heard(stated, H323)
        return msgspec.structs.replace(stated, over="Connect" in stated.out.kinds)

    def control_stated(self) -> CallConnection:
        stated = self._dialled("control", self.control)
        if self.control is not None:
            stated = msgspec.structs.replace(stated, over=self.control.over)
        return self.with_heard(stated, H245)

    def _dialled(self, name: str, connection: Connection | None) -> CallConnection:
        """As the server tells of it; what has arrived here was answered, whatever it tells."""
        dialled = self.far.report.dialled if self.far.report else ()
        told = next((each for each in dialled if each.connection == name), None)
        came: AttemptOutcome | None = "answered" if connection is not None else None
        if told is None:
            return CallConnection(outcome=came, attempts=1 if came else 0)
        # Whoever spoke the protocol there, it was not this computer.
        outcome = "foreign" if told.outcome == "answered" else _outcome(told)
        return CallConnection(
            to=told.to,
            outcome=came or outcome,
            attempts=told.attempts,
            refused=told.refused or "",
            detail=told.detail,
        )


def _outcome(told: messages.Dialled) -> AttemptOutcome | None:
    if told.outcome is None:
        return None
    return "silent" if told.outcome == "sent" else told.outcome

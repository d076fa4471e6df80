"""A call to the echo server: call signalling to its port 1720, then the control channel to where
the answer says (facts N3, N5, N7)."""

from __future__ import annotations

import functools
import socket

import msgspec

from probes import heard
from probes.announced import Announced
from probes.attempts import Try
from probes.calling.call import ANSWER_S, SIGNALLING, Calling, Direction, Server, why_refused
from probes.calling.connection import Connection
from probes.calling.one_socket import connected_once
from probes.calling.terminal import Terminal
from probes.connecting import connected
from probes.editors.h323 import DIALOGUES, control, signalling
from probes.observation import Call, CallConnection
from probes.session import Session
from probes.silence import REFUSALS_ENOUGH
from probes.wire.frame import Endpoint

_DYNAMIC = 1024
"""No dynamic port is below."""


async def hold(session: Session, server: Server, announced: Announced | None = None) -> Call:
    """Call the server.  ``announced`` listens at port 1503, or T.120 is not tried.  Whatever the
    network or the server does is in what this returns."""
    calling = Outward(session, server)
    try:
        await calling.hold(announced)
    finally:
        calling.close()
    return calling.stated()


class Outward(Calling):
    direction: Direction = "outbound"
    dialogue = DIALOGUES[0]

    def __init__(self, session: Session, server: Server) -> None:
        super().__init__(session, server)
        self._sock: socket.socket | None = None  # connected, and no Connection's yet
        self._tries: list[Try] = []
        self._to = Endpoint(session.server_address, SIGNALLING)
        self._signalling = CallConnection(to=str(self._to))
        self._control = CallConnection()

    def close(self) -> None:
        super().close()
        if self._sock is not None:
            self._sock.close()

    async def set_up(self, terminal: Terminal) -> None:
        request = functools.partial(
            terminal.request, number=self.number, directory=None, offsets_s=(0.0,)
        )
        self.start(self.far.run(request))
        connecting = self.start(self._connect(SIGNALLING))
        await self.within(lambda: self.far.answered, ANSWER_S)
        if self.far.port is None:
            self.untested = (
                why_refused(self.far.refusal)
                if self.far.refusal
                else self.far.problem or "the echo server did not answer"
            )
            return
        await self.until(connecting.done, lambda: ANSWER_S)
        where = await self._call(terminal)
        if where is not None:
            await self._open_control(terminal, where)

    async def _connect(self, port: int) -> None:
        self._sock, self._tries = await connected(self.session, port)

    def _taken(self) -> socket.socket | None:
        sock, self._sock = self._sock, None
        return sock

    async def _call(self, terminal: Terminal) -> Endpoint | None:
        """Where the control channel is, by an answer to the call."""
        connects = 0
        for left in reversed(range(REFUSALS_ENOUGH)):
            sock = self._taken()
            connects += len(self._tries)
            if sock is None:
                self._signalling = _failed(self._to, self._tries)
                return None
            if self.signalling is not None:
                self.signalling.close()
            own = terminal.own(Endpoint.of(sock.getsockname()), self._to, self.label)
            end = signalling.Caller(own, fast_start=False)
            self.signalling = connection = Connection(sock, self._to, end, self.moved)
            self.start(connection.speak())
            is_up = await self.spoken(connection)
            connection.settle(said=is_up)
            outcome, attempts = self.fares(connection, connects)
            self._signalling = CallConnection(
                to=str(self._to), outcome=outcome, attempts=attempts, over=is_up
            )
            if is_up:
                return self._answered(connection.arrived)
            if outcome == "mute" or not left:
                break
            await self._connect(SIGNALLING)
        return None

    def _answered(self, arrived: list[bytes]) -> Endpoint | None:
        for message in arrived:
            reading = heard.read(self.dialogue, message).reading
            for carried in reading.carried if reading and reading.kind == "Connect" else ():
                if carried.field == "h245Address" and carried.port:
                    return Endpoint(carried.address, carried.port)
        self._control = CallConnection(detail="the answer does not say where")
        return None

    async def _open_control(self, terminal: Terminal, where: Endpoint) -> None:
        """The client goes to the server's own address alone, whatever the answer names."""
        if where.address != self.session.server_address:
            self._control = CallConnection(to=str(where), refused="not-proven")
            return
        if where.port < _DYNAMIC:
            self._control = CallConnection(to=str(where), refused="forbidden-address")
            return
        self._sock, self._tries = await connected_once(self.session, where.port)
        sock = self._taken()
        if sock is None:
            self._control = _failed(where, self._tries)
            return
        self._control = CallConnection(to=str(where), attempts=len(self._tries))
        own = terminal.own(Endpoint.of(sock.getsockname()), where, self.label)
        end = control.client(own)
        self.control = Connection(sock, where, end, self.moved, terminal.hear)
        self.start(self.control.speak())

    def signalling_stated(self) -> CallConnection:
        stated = self.with_heard(self._signalling, self.dialogue)
        nowhere = self.control is None and self._control.to is None
        if stated.outcome == "answered" and nowhere and not stated.out.kinds:
            # Who answered was not the server, which has heard nothing of the call.
            stated = msgspec.structs.replace(stated, outcome="foreign")
        return stated

    def control_stated(self) -> CallConnection:
        stated = self._control
        if self.control is not None:
            outcome, attempts = self.fares(self.control, stated.attempts)
            stated = CallConnection(
                to=stated.to, outcome=outcome, attempts=attempts, over=self.control.over
            )
        return self.with_heard(stated, DIALOGUES[1])


def _failed(to: Endpoint, tries: list[Try]) -> CallConnection:
    last = tries[-1] if tries else None
    return CallConnection(
        to=str(to),
        outcome=last.outcome if last else "local-error",
        attempts=len(tries),
        detail=last.detail if last else "",
    )

"""One connection, or one flow of datagrams, in which another protocol is spoken with the server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

from probes.editors.contract import Dialogue, Own, Step
from probes.errors import WireError
from probes.session import Session
from probes.wire import label, messages
from probes.wire.frame import Endpoint

OVERHEARD_MAX = 64
"""Messages that are looked at: a dialogue has seven, and a datagram may come sixteen times."""

ARRIVED_MAX = 64 * 1024
"""Bytes of the server's: a dialogue has 2 kB."""


class Exchange:
    """What was said and heard at both ends.  It owns ``sock``, which is connected; ``close()``."""

    def __init__(
        self,
        session: Session,
        dialogue: Dialogue,
        sock: socket.socket,
        port: int,
        listening: int,
        news: asyncio.Event,
    ) -> None:
        number = session.number()
        here = Endpoint.of(sock.getsockname())
        self.number = number
        self.sock = sock
        self.own = Own(
            socket=here,
            listening=Endpoint(here.address, listening),
            peer=Endpoint(session.server_address, port),
            label=label.write(session.id, number, session.secret),
        )
        self.end = dialogue.client(self.own)
        self.sent: list[bytes] = []
        self.arrived: list[bytes] = []
        self.overheard: list[messages.Overheard] = []
        self.over = False
        self.ended = False  # before it was over
        self.stranger = False  # by what is not this protocol
        self.moved_at = time.monotonic()
        self._left = ARRIVED_MAX
        self._finished = False
        self._datagrams = sock.type == socket.SOCK_DGRAM
        self._news = news
        self._overhearing = session.control.overhear(number, self._overhear)
        self._overhearing.__enter__()

    def finish(self) -> tuple[bytes, ...]:
        """The last word, to whoever asks first."""
        said = () if self._finished else self.end.finish().send
        self._finished = True
        return said

    def close(self) -> None:
        """A flow of datagrams ends for nobody by that, so it is told: an editor keeps open for
        minutes what it opened for one that just stops.  A connection is reset (probes.sockets)."""
        self._overhearing.__exit__(None, None, None)
        if self._datagrams:
            with contextlib.suppress(OSError, WireError):
                for data in self.finish():
                    self.sock.send(data)
        self.sock.close()

    @property
    def done(self) -> bool:
        return self.over or self.ended

    @property
    def progress(self) -> tuple[bool, int]:
        """Larger for the one that came further."""
        return self.over, len(self.told) + len(self.arrived)

    @property
    def told(self) -> list[bytes]:
        """What arrived at the server.  A datagram that came again was sent again."""
        found = [bytes.fromhex(said.data) for said in self.overheard]
        return list(dict.fromkeys(found)) if self._datagrams else found

    @property
    def source(self) -> Endpoint | None:
        """Where the server saw it come from."""
        for said in self.overheard:
            try:
                return Endpoint.read(said.source)
            except WireError:
                continue
        return None

    def receive(self, data: bytes) -> Step:
        """What the server said, and what to say to it; ``over`` if nothing more is."""
        self._left -= len(data)
        if self._left < 0:
            self.stranger = True
            self.ends()
            return Step(over=True)
        try:
            step = self.end.receive(data)
        except WireError:
            self.stranger = True
            if self._datagrams:
                return Step()  # anybody can send one
            self.ends()
            return Step(over=True)
        self.arrived += step.arrived
        if step.arrived or step.send:
            self.moves()
        return step

    def moves(self) -> None:
        self.moved_at = time.monotonic()
        self._news.set()

    def ends(self) -> None:
        self.ended = not self.over
        self._news.set()

    def is_over(self) -> None:
        self.over = not self.ended
        self.moves()

    def _overhear(self, said: messages.Overheard) -> None:
        if len(self.overheard) < OVERHEARD_MAX:
            self.overheard.append(said)
            self._news.set()

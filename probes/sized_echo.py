"""Echo probes of any size: a signed frame and filler after it.  Answers are small, all the same."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable

from probes.hop_errors import Datagrams, Reaction
from probes.proof import read_proof
from probes.session import Session
from probes.wire import frame

_TOLD_MAX = 64  # routers' remarks that are kept: there is one for each packet at most
_UDP_HEADER = 8
_IP_HEADER = {4: 20, 6: 40}  # bytes, without options (RFC 791, RFC 8200)


def overhead(address: str) -> int:
    """Bytes of the headers of a datagram to ``address``."""
    return _UDP_HEADER + _IP_HEADER[6 if ":" in address else 4]


async def any_port(session: Session) -> int | str:
    """A UDP port that the server opens for us, or why there is none."""
    opened = await session.echo_ports("udp", 1)
    return opened if isinstance(opened, str) else opened[0]


class SizedEcho:
    """A UDP socket to an echo port.  ``sent`` and ``answered`` are by size, which is that of
    the whole packet, headers included; times are of the monotonic clock, in seconds."""

    def __init__(self, session: Session, port: int) -> None:
        self.sent: dict[int, list[float]] = {}
        self.answered: Counter[int] = Counter()
        self.altered = 0
        self.too_big: list[Reaction] = []
        self.news = asyncio.Event()
        self.smallest = frame.SIZE + overhead(session.server_address)
        self.largest = frame.DATAGRAM_MAX + overhead(session.server_address)
        self._session = session
        self._port = port
        self._number = session.number()
        self._waiting: dict[bytes, tuple[bytes, int]] = {}
        self._datagrams: Datagrams | None = None

    async def open(self, *prepare: Callable[[socket.socket], None]) -> Datagrams:
        """Raises OSError if this computer has no such socket to give."""
        self._datagrams = await Datagrams.open(
            self._session.local_address,
            (self._session.server_address, self._port),
            self._heard,
            *prepare,
        )
        return self._datagrams

    def make(self, size: int) -> bytes:
        """A new probe, counted as sent now; its answer will count too."""
        assert self._datagrams is not None
        own = frame.Endpoint.of(self._datagrams.sock.getsockname())
        signed = self._session.probe_frame("udp", self._port, self._number, own)
        data = signed + bytes(size - self.smallest)
        self._waiting[data[16:32]] = (data, size)
        self.sent.setdefault(size, []).append(time.monotonic())
        return data

    def send(self, size: int) -> None:
        data = self.make(size)
        assert self._datagrams is not None
        self._datagrams.send(data)

    def close(self) -> None:
        if self._datagrams is not None:
            self._datagrams.close()

    def _heard(self, reaction: Reaction) -> None:
        if reaction.kind == "too-big":
            self.too_big = [*self.too_big[-_TOLD_MAX:], reaction]
        elif reaction.kind == "answered":
            waiting = self._waiting.pop(reaction.data[16:32], None)
            if waiting is not None:
                sent, size = waiting
                verdict = read_proof(sent, reaction.data[: frame.SIZE + 1], self._session)
                if isinstance(verdict, tuple):
                    self.altered += 1
                else:
                    self.answered[size] += 1
        self.news.set()

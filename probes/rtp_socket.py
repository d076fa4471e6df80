"""RTP and RTCP out of and into this computer: sockets that know when a datagram came, and packets
that leave when they are due."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from probes.wire import media

_DATAGRAM_MAX = 2048  # more than any packet here has; what is longer is nobody's we know
_AT_A_TIME = 64  # datagrams read before others have their turn

Address = tuple[str | int, ...]


class Sender(Protocol):
    """One stream of the schedule."""

    end: media.End

    def send(self, due: media.Due, began: float) -> None: ...


async def play(
    streams: Sequence[Sender],
    duration_s: float,
    heard_s: float,
    report_s: float = media.REPORT_S,
) -> None:
    """Send everything at its own absolute time; what is due after a busy moment leaves at
    once, and says how late it is.  What would come after the server has stopped listening,
    ``heard_s`` seconds from now, stays here: nobody lost it."""
    began = time.monotonic()
    for due in media.schedule([stream.end.shape for stream in streams], duration_s, report_s):
        if (wait := began + due.at_s - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        if time.monotonic() - began > max(heard_s, duration_s):
            return
        streams[due.stream].send(due, began)


class RtpSocket(asyncio.DatagramProtocol):
    """Gives each datagram with its source and the time at which it arrived: by the kernel's
    own note where there is one (Linux), so that a busy computer does not look like jitter."""

    def __init__(self, sock: socket.socket, hear: Callable[[bytes, Address, float], None]) -> None:
        self._sock = sock
        self._hear = hear
        self._transport: asyncio.DatagramTransport | None = None

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        if sys.platform == "linux":
            self._sock.setsockopt(socket.SOL_SOCKET, media.SO_TIMESTAMPNS, 1)
            if self._sock.family == socket.AF_INET:
                self._sock.setsockopt(
                    socket.IPPROTO_IP, media.IP_MTU_DISCOVER, media.IP_PMTUDISC_DONT
                )
            loop.add_reader(self._sock, self._readable)
        else:
            self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=self._sock)

    def send(self, data: bytes, to: Address) -> None:
        """Raises OSError if this computer does not let it out."""
        if self._transport:
            self._transport.sendto(data, to)
        else:
            self._sock.sendto(data, to)

    def close(self) -> None:
        if self._transport:
            self._transport.abort()
            return
        if sys.platform == "linux":
            asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._hear(data, addr, time.monotonic())

    if sys.platform == "linux":

        def _readable(self) -> None:
            for _ in range(_AT_A_TIME):
                try:
                    data, notes, _, source = self._sock.recvmsg(_DATAGRAM_MAX, 64)
                except BlockingIOError:
                    return
                except OSError:  # an ICMP error that one of our own packets met
                    continue
                age_s = media.age_s(notes, time.time())
                self._hear(data, source, time.monotonic() - age_s)

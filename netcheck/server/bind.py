"""Opening an echo port, and saying in words why one could not be opened."""

from __future__ import annotations

import asyncio
import errno

from netcheck.server.dialogues import Post
from netcheck.server.echo import Desk, EchoTcp, EchoUdp
from netcheck.server.session import Session
from netcheck.server.spoken_ports import SpokenTcp, SpokenUdp
from probes.wire.messages import TransportName

_BACKLOG = 256  # a hundred checks may begin in the same instant


class Bound:
    """An open echo port; ``udp`` is what serves it, if it is one for datagrams."""

    def __init__(
        self, port: int, handle: asyncio.Server | asyncio.DatagramTransport, udp: EchoUdp | None
    ) -> None:
        self.port = port
        self.udp = udp
        self._handle = handle

    def close(self) -> None:
        """Close the port at once; datagrams that wait to be sent are dropped."""
        # Not asked the other way round: asyncio's own socket class is no DatagramTransport in 3.11.
        if isinstance(self._handle, asyncio.Server):
            self._handle.close()
        else:
            self._handle.abort()


async def bind(
    desk: Desk,
    transport: TransportName,
    address: str,
    port: int,
    *,
    only: Session | None = None,
    post: Post | None = None,
) -> Bound:
    """Open one echo port, on which ``post`` says what is spoken besides.  Raises OSError."""
    loop = asyncio.get_running_loop()
    if transport == "tcp":
        server = await loop.create_server(
            lambda: SpokenTcp(desk, post) if post else EchoTcp(desk, port, only),
            address,
            port,
            backlog=_BACKLOG,
        )
        return Bound(port, server, None)
    datagrams, udp = await loop.create_datagram_endpoint(
        lambda: SpokenUdp(desk, post) if post else EchoUdp(desk, port, only),
        local_addr=(address, port),
    )
    return Bound(port, datagrams, udp)


def reason_of(error: OSError) -> str:
    """Why a port could not be opened, for the operator and for clients."""
    match error.errno:
        case errno.EADDRINUSE:
            return "taken by another program"
        case errno.EACCES | errno.EPERM:
            return "needs more privilege"
        case errno.EADDRNOTAVAIL:
            return "the address is not this machine's"
        case _:
            return error.strerror or "cannot be opened"

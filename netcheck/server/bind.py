"""Opening an echo port, and saying in words why one could not be opened."""

from __future__ import annotations

import asyncio
import errno

from netcheck.server.echo import Desk, EchoTcp, EchoUdp
from netcheck.server.session import Session
from probes.wire.messages import TransportName

_BACKLOG = 256  # a hundred checks may begin in the same instant


class Bound:
    """An open echo port."""

    def __init__(
        self, transport: TransportName, port: int, handle: asyncio.Server | asyncio.DatagramTransport
    ) -> None:
        self.transport = transport
        self.port = port
        self.handle = handle

    def close(self) -> None:
        """Close the port at once; datagrams that wait to be sent are dropped."""
        if isinstance(self.handle, asyncio.DatagramTransport):
            self.handle.abort()
        else:
            self.handle.close()

    @property
    def datagrams(self) -> asyncio.DatagramTransport | None:
        # Not asked the other way round: asyncio's own socket class is no DatagramTransport in 3.11.
        return None if isinstance(self.handle, asyncio.Server) else self.handle


async def bind(
    desk: Desk, transport: TransportName, address: str, port: int, *, only: Session | None = None
) -> Bound:
    """Open one echo port.  Raises OSError."""
    loop = asyncio.get_running_loop()
    if transport == "tcp":
        server = await loop.create_server(
            lambda: EchoTcp(desk, port, only), address, port, backlog=_BACKLOG
        )
        return Bound(transport, port, server)
    datagrams, _ = await loop.create_datagram_endpoint(
        lambda: EchoUdp(desk, port, only), local_addr=(address, port)
    )
    return Bound(transport, port, datagrams)


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

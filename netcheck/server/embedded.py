"""An echo server inside this very program, on loopback: it tests this computer alone."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from netcheck.server.serve import EchoServer, ServerConfig
from probes.errors import SetupError
from probes.wire.link import Link

_ADDRESSES = ("127.0.0.2", "127.0.0.1")
"""A loopback address of its own, where the system has one, so that server and client can
both have the same ports; macOS has but 127.0.0.1."""


@asynccontextmanager
async def embedded(tcp_ports: tuple[int, ...], udp_ports: tuple[int, ...]) -> AsyncIterator[Link]:
    """Serve on loopback and give the link.  Raises SetupError."""
    with tempfile.TemporaryDirectory(prefix="netcheck-") as folder:
        server = EchoServer(
            ServerConfig(
                listen=(_address(),),
                control_ports=(0,),
                tcp_ports=tcp_ports,
                udp_ports=udp_ports,
                data_dir=Path(folder),
            )
        )
        await server.start()
        try:
            yield server.links()[0]
        finally:
            await server.close()


def _address() -> str:
    for address in _ADDRESSES:
        with socket.socket() as sock:
            try:
                sock.bind((address, 0))
            except OSError:
                continue
            return address
    raise SetupError(
        "This computer has no loopback address to test on; give an echo server with --server."
    )

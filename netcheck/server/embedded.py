"""An echo server inside this very program, on loopback: it tests this computer alone."""

from __future__ import annotations

import secrets
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from netcheck.server.serve import EchoServer, ServerConfig
from probes.errors import SetupError
from probes.wire.link import Link

_ONLY_ONE = "127.0.0.1"  # macOS has no other; inbound ports are then busy with the server's


@asynccontextmanager
async def embedded(
    tcp_ports: tuple[int, ...], udp_ports: tuple[int, ...]
) -> AsyncIterator[tuple[Link, str]]:
    """Serve on loopback; give the link, and the address to test from.

    Both addresses are this run's own, so that server and client can have the same
    ports, and two checks at once do not meet.  Raises SetupError.
    """
    here, there = _free_address(), _free_address()
    with tempfile.TemporaryDirectory(prefix="netcheck-") as folder:
        server = EchoServer(
            ServerConfig(
                listen=(there,),
                control_ports=(0,),
                tcp_ports=tcp_ports,
                udp_ports=udp_ports,
                stun_port=None,  # two checks at once would meet there
                editors=False,  # there is no NAT on the way, and loading them takes 0.2 s
                data_dir=Path(folder),
            )
        )
        await server.start()
        try:
            yield server.links()[0], here
        finally:
            await server.close()


def _free_address() -> str:
    """A loopback address that nobody is likely to use (RFC 1122 section 3.2.1.3)."""
    chosen = (
        f"127.{secrets.randbelow(254) + 1}.{secrets.randbelow(256)}.{secrets.randbelow(253) + 2}"
    )
    for address in (chosen, _ONLY_ONE):
        with socket.socket() as sock:
            try:
                sock.bind((address, 0))
            except OSError:
                continue
            return address
    raise SetupError(
        "This computer has no loopback address to test on; give an echo server with --server."
    )

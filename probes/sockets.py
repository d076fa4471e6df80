"""Sockets of this computer, bound and ready for asyncio: what differs by system is here."""

from __future__ import annotations

import socket
import struct
import sys

_RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""SO_LINGER: a reset at the end instead of TIME_WAIT, so that a local port is free at once, and
hundreds of short connections leave nothing behind."""


def tcp(address: str, port: int = 0, *, shared: bool = False) -> socket.socket:
    """A TCP socket bound to ``address`` and ``port``; 0 stands for any that is free.
    ``shared``: others that are, too, can have the same port.

    Raises OSError if this computer has no such socket to give.
    """
    sock = socket.socket(_family(address), socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if sys.platform == "win32":
            # SO_REUSEADDR means something else there: it takes the port from whoever has it, and
            # a port that is in use would never be seen to be.
            if shared:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif port or shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def udp(address: str, port: int = 0) -> socket.socket:
    """A UDP socket bound to ``address`` and ``port``; 0 stands for any that is free.

    Raises OSError if this computer has no such socket to give.
    """
    sock = socket.socket(_family(address), socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.bind((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET

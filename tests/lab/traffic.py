"""Packets through a lab by plain sockets, to see what it does without any program under test."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.lab.description import SERVER, SERVER_V6, Node
from tests.lab.network import Lab, Network

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

SILENCE_S = 0.3  # a lab without delay answers in 1 ms; more would only slow the tests down
PATIENCE_S = 5.0  # for what must come; a busy machine may take its time
PORT = 5000


def plain(**how: Any) -> Network:
    """Without a resolver, which takes longer to start than all the rest of a lab."""
    return Network(dns=None, **how)


def udp(address: str, port: int = 0) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(PATIENCE_S)
    sock.bind((address, port))
    return sock


class Pair:
    """A UDP socket on the client and one on the server."""

    def __init__(self, lab: Lab, *, v6: bool = False, port: int = PORT, client_port: int = 0):
        self.address = (SERVER_V6 if v6 else SERVER, port)
        with lab.inside("server"):
            self.server = udp(*self.address)
        with lab.inside("client"):
            self.client = udp("::" if v6 else "0.0.0.0", client_port)

    def exchange(
        self, payload: bytes = b"hello", *, timeout: float = PATIENCE_S
    ) -> tuple[str, bytes, bytes]:
        """Who the server sees, what it gets, and what comes back of the same payload.

        Raises TimeoutError when either way takes longer than `timeout` seconds.
        """
        self.server.settimeout(timeout)
        self.client.settimeout(timeout)
        self.client.sendto(payload, self.address)
        there, source = self.server.recvfrom(65535)
        self.server.sendto(payload, source)
        return source[0], there, self.client.recv(65535)

    def close(self) -> None:
        self.server.close()
        self.client.close()


@contextmanager
def pair(lab: Lab, *, v6: bool = False, port: int = PORT, client_port: int = 0) -> Iterator[Pair]:
    made = Pair(lab, v6=v6, port=port, client_port=client_port)
    try:
        yield made
    finally:
        made.close()


def silent(sock: socket.socket) -> bool:
    """Whether nothing arrives, as far as one can wait."""
    sock.settimeout(SILENCE_S)
    try:
        sock.recv(65535)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(PATIENCE_S)
    return False


def connect(lab: Lab, node: Node, address: str, port: int, *, timeout: float = PATIENCE_S) -> bytes:
    """The first bytes of the far end. Raises OSError as `socket.create_connection` does."""
    with (
        lab.inside(node),
        socket.create_connection((address, port), timeout=timeout) as connection,
    ):
        return connection.recv(100)


def talk(
    lab: Lab,
    port: int,
    payload: bytes,
    *,
    until: bytes | None = None,
    to: str = SERVER,
    timeout: float = PATIENCE_S,
) -> bytes:
    """What the client reads after `payload`: up to `until`, or all until the far end closes."""
    got = b""
    with (
        lab.inside("client"),
        socket.create_connection((to, port), timeout=timeout) as connection,
    ):
        connection.sendall(payload)
        while (until is None or until not in got) and (data := connection.recv(4096)):
            got += data
    return got

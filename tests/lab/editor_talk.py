"""Connections through a lab on which single messages are said, by plain sockets."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.description import SERVER, Node
from tests.lab.network import Lab
from tests.lab.traffic import PATIENCE_S, SILENCE_S, silent

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

LONGEST = 65535

Address = tuple[str, int]


class Connection:
    """A TCP connection from the client to the server, both ends in hand."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server

    def said(self, message: bytes) -> bytes:
        """What the server gets of it in one piece."""
        self.client.sendall(message)
        return self.server.recv(LONGEST)

    def answered(self, message: bytes) -> bytes:
        """What the client gets."""
        self.server.sendall(message)
        return self.client.recv(LONGEST)

    def lost(self, message: bytes) -> bool:
        self.client.sendall(message)
        return silent(self.server)

    def close(self) -> None:
        self.client.close()
        self.server.close()


def listener(lab: Lab, node: Node, port: int, address: str = "0.0.0.0") -> socket.socket:
    with lab.inside(node):
        sock = socket.socket()
        sock.settimeout(PATIENCE_S)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen()
        return sock


@contextmanager
def connected(lab: Lab, port: int, *, client_port: int = 0) -> Iterator[Connection]:
    """A connection to the server's `port`."""
    with listener(lab, "server", port, SERVER) as waiting:
        with lab.inside("client"):
            client = socket.socket()
        client.settimeout(PATIENCE_S)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.bind(("0.0.0.0", client_port))
        client.connect((SERVER, port))
        server, _ = waiting.accept()
    server.settimeout(PATIENCE_S)
    made = Connection(client, server)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def called(lab: Lab, public: Address, inside: Address) -> Iterator[Connection]:
    """A connection that the server makes to `public` and the client accepts at `inside`.

    Raises OSError when it does not come about.
    """
    with listener(lab, "client", inside[1], inside[0]) as waiting:
        with lab.inside("server"):
            server = socket.create_connection(public, timeout=SILENCE_S)
        client, _ = waiting.accept()
    for end in (client, server):
        end.settimeout(PATIENCE_S)
    made = Connection(client, server)
    try:
        yield made
    finally:
        made.close()


def reached(lab: Lab, public: Address, inside: Address) -> bool:
    """Whether the server comes to the client's TCP port `inside` at `public`."""
    try:
        with called(lab, public, inside):
            return True
    except (TimeoutError, ConnectionRefusedError):
        return False


def reached_by_datagram(lab: Lab, public: Address, inside: Address, source: int = 0) -> bool:
    """The same for UDP."""
    with lab.inside("client"):
        waiting = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with lab.inside("server"):
        calling = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with waiting, calling:
        waiting.bind(inside)
        calling.bind((SERVER, source))
        calling.sendto(b"hello", public)
        return not silent(waiting)

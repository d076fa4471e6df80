"""Another program on a host: it keeps ports taken, or accepts connections with a banner.

Its settings are one JSON object as the only argument. It ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys


def bound(protocol: str, address: str, port: int) -> socket.socket:
    """A socket that holds `port` to itself; TCP also listens, so that nobody else can."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    sock = socket.socket(family, kind)
    if protocol == "tcp":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    if protocol == "tcp":
        sock.listen(64)
    return sock


def serve(sockets: list[socket.socket], banner: bytes | None) -> None:
    """Until standard input ends; without a banner nothing is accepted."""
    listening = sockets if banner is not None else []
    connections: list[socket.socket] = []
    while True:
        readable, _, _ = select.select([sys.stdin, *listening, *connections], [], [])
        for sock in readable:
            if not isinstance(sock, socket.socket):
                return
            try:
                if sock in listening:
                    connection, _ = sock.accept()
                    connections.append(connection)
                    connection.sendall(banner or b"")
                elif not sock.recv(65536):
                    connections.remove(sock)
                    sock.close()
            except ConnectionError:
                connections.remove(sock)
                sock.close()


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    held = [bound(told["protocol"], told["address"], port) for port in told["ports"]]
    os.write(1, b"ready\n")
    serve(held, told["banner"].encode() if told["banner"] is not None else None)

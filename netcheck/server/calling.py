"""One call to the client: its frame, its socket, and what became of it."""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
import sys

from netcheck.server.session import Session
from probes.errors import WireError
from probes.wire import frame, tcp_info
from probes.wire.messages import CallOutcome


def call_frame(session: Session, number: int, dialled: frame.Endpoint) -> tuple[bytes, bytes]:
    """The nonce and the bytes of a call."""
    nonce = secrets.token_bytes(frame.NONCE_SIZE)
    body = frame.call_body(dialled)
    call = frame.Frame(frame.CALL, number, session.id, nonce, body)
    return nonce, frame.write(call, session.secret)


async def converse(
    session: Session, sock: socket.socket, number: int, target: str, port: int
) -> CallOutcome:
    """Ask who is there on a connection that was just made.  Raises OSError."""
    nonce, call = call_frame(session, number, frame.Endpoint(target, port))
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, call)
    data = b""
    while len(data) < frame.SIZE:
        more = await loop.sock_recv(sock, frame.SIZE - len(data))
        if not more:
            return "foreign" if data else "closed"
        data += more
        if not frame.MAGIC.startswith(data[:4]):
            return "foreign"
    try:
        knew = frame.knows(data, frame.REPLY, nonce, call, session.secret)
    except WireError:
        return "foreign"
    return "answered" if knew else "foreign"


def tcp_socket(target: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    # Reset instead of TIME_WAIT: the same client may be called again at once.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    return sock


def by_icmp(sock: socket.socket) -> bool:
    """Whether an ICMP error refused the connection: Linux says the same of a reset, but a reset
    is a segment."""
    if sys.platform != "linux":
        return False
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, tcp_info.SIZE)
    return tcp_info.segments_in(info) == 0


def outcome_of(error: OSError) -> CallOutcome:
    if error.errno in (errno.ECONNREFUSED, errno.ECONNRESET):
        return "refused"
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return "unreachable"
    if error.errno == errno.ETIMEDOUT:
        return "silent"
    return "local-error"

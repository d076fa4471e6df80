"""A middlebox that takes over TCP connections redirected to it (see `description.Transparent`).

Its settings are one JSON object as the only argument. It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable
from typing import Any

if sys.platform != "linux":
    raise ImportError("the original destination is asked of Linux's netfilter")

SO_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h; IPv6 has the same number
CHUNK = 65536
CONNECT_S = 10.0  # longer than any scenario waits for the far end

_BODY = b"<html><body>400 Bad Request</body></html>\r\n"
PAGE = (
    b"HTTP/1.1 400 Bad Request\r\nServer: gateway\r\nContent-Type: text/html\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(_BODY), _BODY)
)
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger of socket(7): on, at once

Alteration = Callable[[bytes], bytes]


def original_destination(sock: socket.socket) -> tuple[str, int]:
    """Where the client meant to go, before the redirection."""
    if sock.family == socket.AF_INET6 and not sock.getpeername()[0].startswith("::ffff:"):
        raw = sock.getsockopt(socket.IPPROTO_IPV6, SO_ORIGINAL_DST, 28)
        port, _flow, packed = struct.unpack_from("!2xHI16s", raw)
        return socket.inet_ntop(socket.AF_INET6, packed), port
    raw = sock.getsockopt(socket.IPPROTO_IP, SO_ORIGINAL_DST, 16)
    port, packed = struct.unpack_from("!2xH4s", raw)
    return socket.inet_ntoa(packed), port


def alteration(settings: dict[str, Any]) -> Alteration:
    """The change made to each piece of the stream."""
    if settings["replace"]:
        old, new = (bytes.fromhex(each) for each in settings["replace"])
        return lambda data: data.replace(old, new)
    if settings["alteration"] == "xor":
        return lambda data: bytes(octet ^ 1 for octet in data)
    return bytes.upper


def _same(data: bytes) -> bytes:
    return data


async def _pump(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, change: Alteration
) -> None:
    while data := await source.read(CHUNK):
        target.write(change(data))
        await target.drain()
    target.write_eof()


async def _relay(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, out: Alteration, back: Alteration
) -> None:
    sock = writer.get_extra_info("socket")
    destination = original_destination(sock)
    try:
        far_reader, far_writer = await asyncio.wait_for(
            asyncio.open_connection(*destination), CONNECT_S
        )
    except (OSError, TimeoutError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        return
    try:
        await asyncio.gather(
            _pump(reader, far_writer, out),
            _pump(far_reader, writer, back),
        )
    finally:
        far_writer.close()


async def serve(settings: dict[str, Any]) -> None:
    """Until cancelled."""
    action, direction = settings["action"], settings["direction"]
    change = alteration(settings)
    out = change if direction in ("out", "both") else _same
    back = change if direction in ("in", "both") else _same

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            if action == "alter":
                await _relay(reader, writer, out, back)
            elif action == "answer":
                if await reader.read(CHUNK):
                    writer.write(PAGE)
                    await writer.drain()
            else:
                while await reader.read(CHUNK):
                    pass
        writer.close()

    server = await asyncio.start_server(connected, None, settings["port"])
    os.write(1, b"ready\n")
    await server.serve_forever()


if __name__ == "__main__":
    service = threading.Thread(
        target=lambda: asyncio.run(serve(json.loads(sys.argv[1]))), daemon=True
    )
    service.start()
    sys.stdin.read()

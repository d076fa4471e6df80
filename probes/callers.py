"""Whoever connects to a port of ours, which only the echo server is meant to do."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from probes.wire import frame

LISTEN_S = 10.0
"""A caller that sends no frame for so long is not our server."""

CALLERS_MAX = 64
"""Connections looked at on one port: sixteen calls, and room for strangers, but no flood."""


class Desk(Protocol):
    """Who is asked about callers on ``port``, and what to answer to a frame's bytes."""

    def admit(self, caller: Caller, port: int, address: str) -> bool: ...

    def leave(self, caller: Caller, port: int) -> None: ...

    def answer(self, data: bytes, port: int) -> bytes | None: ...


class Caller(asyncio.Protocol):
    """Somebody who connected to ``port`` of ours.  Who does not know the secret is ended."""

    def __init__(self, desk: Desk, port: int) -> None:
        self._desk = desk
        self._port = port
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername") or ("",)
        if not self._desk.admit(self, self._port, str(peer[0]).partition("%")[0]):
            self._transport.abort()
            return
        self._deadline = asyncio.get_running_loop().call_later(LISTEN_S, self.end)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) < frame.SIZE or self._transport is None:
            return
        reply = self._desk.answer(bytes(self._buffer[: frame.SIZE]), self._port)
        if reply is None or len(self._buffer) > frame.SIZE:
            self.end()
            return
        self._transport.write(reply)
        self._buffer.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._desk.leave(self, self._port)

    def end(self) -> None:
        if self._transport:
            self._transport.abort()

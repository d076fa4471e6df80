"""A TCP simultaneous open with the client (RFC 9293 section 3.5, RFC 5382 REQ-2).

The server connects from a new port to where the client connects from, and listens nowhere:
a connection comes about only if both ends' SYN find each other.  It does so only to an address
and port from which an open connection has proved to be the client's own.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Coroutine
from typing import Any

from netcheck.server.calling import converse, outcome_of, tcp_socket
from netcheck.server.permission import forbidden
from netcheck.server.session import Session, canonical
from netcheck.server.switchboard import Switchboard
from probes.wire import frame
from probes.wire.messages import (
    Called,
    CallOutcome,
    CallsDone,
    Punching,
    PunchRequest,
    Refusal,
    RefusalReason,
)

TRIES_MAX = 10
"""Connects of one request, each at once after the one before it was reset: a NAT that resets
the first SYN may let one pass once the client's own has gone out."""


def refuse(session: Session, request: PunchRequest) -> Refusal | None:
    """Whether ``request`` may be carried out."""

    def because(reason: RefusalReason, detail: str) -> Refusal:
        return Refusal(id=request.id, reason=reason, detail=detail)

    try:
        target = canonical(request.address)
    except ValueError:
        return because("bad-request", "not an address")
    why = forbidden(target, session.local_address)
    if why:
        return because("forbidden-address", why)
    if frame.Endpoint(target, request.port) not in session.endpoints:
        return because("not-proven", "no connection is open from there")
    if session.punches_left < 1:
        return because("limit", "this session's simultaneous opens are used up")
    if session.calls_left < TRIES_MAX:
        return because("limit", "this session's calls are used up")
    return None


class Puncher:
    """The simultaneous opens of one session."""

    def __init__(self, session: Session, switchboard: Switchboard) -> None:
        self._session = session
        self._switchboard = switchboard
        self._stopped: dict[int, asyncio.Event] = {}

    def begin(self, request: PunchRequest) -> Coroutine[Any, Any, None] | None:
        """What carries out ``request``, or None if it was refused."""
        refusal = refuse(self._session, request)
        if request.id in self._stopped:
            refusal = Refusal(id=request.id, reason="bad-request", detail="the id is in use")
        if refusal:
            self._session.tell(refusal)
            return None
        self._session.punches_left -= 1
        self._session.calls_left -= TRIES_MAX
        self._stopped[request.id] = asyncio.Event()
        return self._carry_out(request)

    def stop(self, request_id: int) -> None:
        event = self._stopped.get(request_id)
        if event:
            event.set()

    async def _carry_out(self, request: PunchRequest) -> None:
        """Connect until it is known, the client stops it or its patience ends; never raises
        for what the network does."""
        stopped = asyncio.ensure_future(self._stopped[request.id].wait())
        work = asyncio.ensure_future(self._punch(request))
        try:
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel()
            stopped.cancel()
            await asyncio.gather(work, stopped, return_exceptions=True)
            del self._stopped[request.id]
        self._session.tell(CallsDone(id=request.id))

    async def _punch(self, request: PunchRequest) -> None:
        session, target = self._session, canonical(request.address)
        async with self._switchboard.slots:
            # Holds the port from one try to the next; it neither connects nor listens.
            with _sharing(target) as place:
                try:
                    place.bind((session.local_address, 0))
                except OSError as error:
                    self._tell(request, 0, "local-error", None, error.strerror or "")
                    return
                port: int = place.getsockname()[1]
                session.tell(Punching(id=request.id, port=port))
                await asyncio.sleep(request.after_ms / 1000)
                end = time.monotonic() + request.patience_ms / 1000
                for index in range(TRIES_MAX):
                    await self._switchboard.pace(session, target)
                    began = time.monotonic()
                    outcome, detail = await self._try(request, target, port, end)
                    answered = outcome not in ("silent", "mute")
                    took = time.monotonic() - began if answered else None
                    self._tell(request, index, outcome, took, detail)
                    if outcome != "refused" or time.monotonic() > end:
                        return

    async def _try(
        self, request: PunchRequest, target: str, port: int, end: float
    ) -> tuple[CallOutcome, str]:
        loop = asyncio.get_running_loop()
        met: CallOutcome = "silent"
        try:
            async with asyncio.timeout(end - time.monotonic()):
                with _sharing(target) as sock:
                    sock.bind((self._session.local_address, port))
                    await loop.sock_connect(sock, (target, request.port))
                    met = "mute"
                    return await converse(
                        self._session, sock, request.number, target, request.port
                    ), ""
        except TimeoutError:
            return met, ""
        except OSError as error:
            return ("closed" if met == "mute" else outcome_of(error)), error.strerror or ""

    def _tell(
        self,
        request: PunchRequest,
        attempt: int,
        outcome: CallOutcome,
        took_s: float | None,
        detail: str,
    ) -> None:
        self._session.tell(
            Called(
                id=request.id,
                port=request.port,
                attempt=attempt,
                outcome=outcome,
                took_ms=None if took_s is None else round(took_s * 1000, 2),
                detail=detail,
            )
        )


def _sharing(target: str) -> socket.socket:
    """A TCP socket that can have the local port of another one made here."""
    sock = tcp_socket(target)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sys.platform == "darwin":  # where SO_REUSEADDR shares no port
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return sock

"""The control connection, server side: one WebSocket, one session (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

from aiohttp import WSMsgType, web

from netcheck import __version__
from netcheck.server.connect_back import Caller
from netcheck.server.dynamic import DynamicPorts
from netcheck.server.echo import Desk
from netcheck.server.session import Session, canonical
from probes.errors import WireError
from probes.wire import messages, tcp_info

if sys.platform == "linux":
    from socket import IPPROTO_TCP, TCP_INFO

SOFTWARE = f"netcheck/{__version__}"
_TASKS_AT_ONCE = 32  # requests of one session that may be under way
_CLOSE_S = 1.0  # a polite end waits this long for the other side's, no longer


class Offer:
    """What a server offers on one of its addresses: told in the welcome."""

    def __init__(self) -> None:
        self.tcp: set[int] = set()
        self.udp: dict[int, asyncio.DatagramTransport] = {}
        self.unavailable: list[messages.Unavailable] = []


class Control:
    """Handles the control connections of one server."""

    def __init__(
        self, desk: Desk, offers: Callable[[str], Offer], addresses: Callable[[str], tuple[str, ...]]
    ) -> None:
        self._desk = desk
        self._offers = offers
        self._addresses = addresses
        self._dynamic = DynamicPorts(desk)
        self._closing_at: float | None = None
        self._used: set[web.RequestHandler] = set()
        self.idle = asyncio.Event()
        self.idle.set()

    def begin_closing(self) -> None:
        """Take no more checks, and tell those that run how long they have."""
        self._closing_at = time.monotonic() + self._desk.limits.drain_s
        for session in self._desk.sessions.all():
            session.tell(messages.Closing(in_s=self._desk.limits.drain_s))

    def end_unless_used(self, connection: web.RequestHandler) -> None:
        """Close a connection that has had its time and carries no session."""
        if connection not in self._used:
            connection.force_close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request on the control port."""
        offered = [
            part.strip() for part in request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        ]
        if messages.PROTOCOL not in offered:
            return web.json_response(
                {"error": "other-version", "speaks": messages.PROTOCOL, "software": SOFTWARE}, status=426
            )
        if self._closing_at is not None:
            return web.json_response({"error": "closing"}, status=503)
        peer = request.transport.get_extra_info("peername") if request.transport else None
        own = request.transport.get_extra_info("sockname") if request.transport else None
        if not peer or not own:
            return web.Response(status=400)
        session = self._desk.sessions.open(canonical(peer[0]), canonical(own[0]))
        if session is None:
            return web.json_response({"error": "busy"}, status=503)
        self.idle.clear()
        self._used.add(request.protocol)
        try:
            return await self._serve(request, session, f"{session.source}:{peer[1]}")
        finally:
            self._used.discard(request.protocol)
            self._desk.sessions.close(session)
            self._dynamic.forget(session)
            if not len(self._desk.sessions):
                self.idle.set()

    async def _serve(self, request: web.BaseRequest, session: Session, peer: str) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(
            protocols=(messages.PROTOCOL,),
            max_msg_size=messages.MAX_MESSAGE,
            compress=False,
            timeout=_CLOSE_S,
        )
        await socket.prepare(request)
        session.tell(self._welcome(session, peer))
        offer = self._offers(session.local_address)
        caller = Caller(session, offer.udp.get)
        writer = asyncio.create_task(self._write(socket, session))
        work: set[asyncio.Task[None]] = set()
        try:
            async with asyncio.timeout(session.limits.session_s):
                await self._read(socket, session, caller, work)
        except TimeoutError:
            pass
        finally:
            for task in (writer, *work):
                task.cancel()
            await asyncio.gather(writer, *work, return_exceptions=True)
            await socket.close()
        return socket

    def _welcome(self, session: Session, peer: str) -> messages.Welcome:
        limits = session.limits
        offer = self._offers(session.local_address)
        return messages.Welcome(
            protocol=messages.PROTOCOL,
            software=SOFTWARE,
            session=session.id.hex(),
            secret=session.secret.hex(),
            limits=messages.Limits(
                session_s=limits.session_s,
                dynamic_ports=limits.dynamic_ports,
                dynamic_s=limits.dynamic_s,
                calls=limits.calls,
                calls_per_s=int(limits.calls_per_s),
                frames=limits.frames,
            ),
            heartbeat_s=limits.heartbeat_s,
            your_address=peer,
            tcp_ports=tuple(sorted(offer.tcp)),
            udp_ports=tuple(sorted(offer.udp)),
            unavailable=tuple(offer.unavailable),
            addresses=self._addresses(session.local_address),
        )

    async def _write(self, socket: web.WebSocketResponse, session: Session) -> None:
        """Send what is queued.  Ends the connection when the client does not read."""
        while not session.overflowed:
            message = await session.outbox.get()
            try:
                async with asyncio.timeout(session.limits.heartbeat_s * 3):
                    await socket.send_str(messages.write(message))
            except (TimeoutError, ConnectionError, RuntimeError):
                break
        await socket.close()

    async def _read(
        self,
        socket: web.WebSocketResponse,
        session: Session,
        caller: Caller,
        work: set[asyncio.Task[None]],
    ) -> None:
        raw = socket.get_extra_info("socket")

        def resent() -> int | None:
            if sys.platform != "linux" or raw is None:
                return None
            return tcp_info.retransmissions(raw.getsockopt(IPPROTO_TCP, TCP_INFO, tcp_info.SIZE))

        while True:
            # A client pings far more often; three missed heartbeats are an end.
            async with asyncio.timeout(session.limits.heartbeat_s * 3):
                received = await socket.receive()
            if received.type is not WSMsgType.TEXT:
                return
            if not session.message_bucket.take(time.monotonic()):
                return
            try:
                message = messages.read_from_client(received.data)
            except WireError:
                return
            self._handle(message, session, caller, work, resent)

    def _handle(
        self,
        message: messages.ClientMessage,
        session: Session,
        caller: Caller,
        work: set[asyncio.Task[None]],
        resent: Callable[[], int | None],
    ) -> None:
        match message:
            case messages.Ping():
                session.tell(messages.Pong(n=message.n, resent=resent()))
            case messages.Hello():
                session.declared = {
                    "tcp": frozenset(message.tcp_ports),
                    "udp": frozenset(message.udp_ports),
                }
                # This very exchange is a completed TCP exchange that carried the
                # secret, unless a proxy made it for the client.
                if message.direct and message.session == session.id.hex():
                    session.prove(session.source)
            case messages.LedgerRequest():
                session.tell(self._page(message.id, session))
            case messages.CallStop():
                caller.stop(message.id, message.port)
            case messages.CallRequest() | messages.OpenRequest():
                if len(work) >= _TASKS_AT_ONCE:
                    session.tell(
                        messages.Refusal(id=message.id, reason="limit", detail="too many requests at once")
                    )
                    return
                job = (
                    caller.carry_out(message)
                    if isinstance(message, messages.CallRequest)
                    else self._open(session, message)
                )
                task = asyncio.create_task(job)
                work.add(task)
                task.add_done_callback(work.discard)

    async def _open(self, session: Session, message: messages.OpenRequest) -> None:
        session.tell(await self._dynamic.open(session, message))

    def _page(self, request_id: int, session: Session) -> messages.LedgerPage:
        sources = self._desk.sources
        return messages.LedgerPage(
            id=request_id,
            lines=session.ledger.lines(),
            complete=session.ledger.complete,
            accepted=sources.ports_accepted(session.proven, session.began),
            garbled=sources.ports_garbled(session.proven, session.began),
        )

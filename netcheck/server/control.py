"""The control connection, server side: one WebSocket, one session (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import WSMsgType, web

from netcheck import __version__
from netcheck.server.connect_back import Caller
from netcheck.server.dialogues import Stage
from netcheck.server.dynamic import DynamicPorts
from netcheck.server.echo import Desk, EchoUdp
from netcheck.server.media import Media
from netcheck.server.media_budget import MediaBudget
from netcheck.server.punch import Puncher
from netcheck.server.session import Session, canonical
from netcheck.server.switchboard import Switchboard
from netcheck.server.terminal import Terminals
from probes.errors import WireError
from probes.wire import frame, messages, tcp_info

if sys.platform == "linux":
    from socket import IPPROTO_TCP, TCP_INFO

SOFTWARE = f"netcheck/{__version__}"
_TASKS_AT_ONCE = 64  # requests of one session under way; a check follows forty addresses
_CLOSE_S = 1.0  # a polite end waits this long for the other side's, no longer


class Offer:
    """What a server offers on one of its addresses: told in the welcome."""

    def __init__(self) -> None:
        self.tcp: set[int] = set()
        self.udp: dict[int, EchoUdp] = {}
        self.unavailable: list[messages.Unavailable] = []
        self.spoken: list[messages.Spoken] = []
        self.raw: list[messages.RawName] = []
        self.stun: messages.StunOffer | None = None
        self.other: str | None = None  # the server's other address of this kind


class Control:
    """Handles the control connections of one server."""

    def __init__(
        self,
        desk: Desk,
        stage: Stage,
        offers: Callable[[str], Offer],
        addresses: Callable[[str], tuple[str, ...]],
    ) -> None:
        self._desk = desk
        self._offers = offers
        self._addresses = addresses
        self._unread = stage.unread
        self._dynamic = DynamicPorts(desk, stage)
        self._switchboard = Switchboard(desk.limits)
        budget = MediaBudget(desk.limits)
        self._media = Media(desk.limits, budget)
        self._terminals = Terminals(desk.limits, stage, self._dynamic, self._switchboard, budget)
        self._closing = False
        self._ending = asyncio.Event()
        self._used: set[web.RequestHandler] = set()
        self.idle = asyncio.Event()
        self.idle.set()

    def begin_closing(self) -> None:
        """Take no more checks, and tell those that run how long they have."""
        self._closing = True
        for session in self._desk.sessions.all():
            session.tell(messages.Closing(in_s=self._desk.limits.drain_s))

    async def end(self) -> None:
        """End every session now."""
        self._closing = True
        self._ending.set()
        await self.idle.wait()
        await self._dynamic.settle()

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
                {"error": "other-version", "speaks": messages.PROTOCOL, "software": SOFTWARE},
                status=426,
            )
        if "Origin" in request.headers:
            # A web page could otherwise have the ports of whoever looks at it called.
            return web.json_response({"error": "browser"}, status=403)
        if self._closing:
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
            return await self._serve(request, session, frame.Endpoint(session.source, peer[1]))
        except ConnectionError:  # it was gone before it could be answered
            return web.Response(status=400)
        finally:
            self._used.discard(request.protocol)
            self._desk.sessions.close(session)
            self._dynamic.forget(session)
            self._terminals.forget(session)
            if not len(self._desk.sessions):
                self.idle.set()

    async def _serve(
        self, request: web.BaseRequest, session: Session, peer: frame.Endpoint
    ) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(
            protocols=(messages.PROTOCOL,),
            max_msg_size=messages.MAX_REQUEST,
            compress=False,
            timeout=_CLOSE_S,
            autoping=False,  # pings count as messages
        )
        session.tell(self._welcome(session, peer))  # before anything else can be queued
        await socket.prepare(request)
        offer = self._offers(session.local_address)
        caller = Caller(session, self._switchboard, offer.udp.get, offer.other)
        puncher = Puncher(session, self._switchboard)
        work: set[asyncio.Task[None]] = set()
        ways_to_end = [
            asyncio.create_task(self._read(socket, session, caller, puncher, work)),
            asyncio.create_task(self._write(socket, session)),
            asyncio.create_task(_until_set(self._ending)),
        ]
        try:
            ended, _ = await asyncio.wait(
                ways_to_end,
                timeout=session.limits.session_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in ended:
                task.result()
        finally:
            tasks = (*ways_to_end, *work)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await _say_goodbye(socket)
        return socket

    def _welcome(self, session: Session, peer: frame.Endpoint) -> messages.Welcome:
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
            your_address=str(peer),
            tcp_ports=tuple(sorted(offer.tcp)),
            udp_ports=tuple(sorted(offer.udp)),
            unavailable=tuple(offer.unavailable),
            addresses=self._addresses(session.local_address),
            stun=offer.stun,
            spoken=tuple(offer.spoken),
            raw=tuple(offer.raw),
        )

    async def _write(self, socket: web.WebSocketResponse, session: Session) -> None:
        """Send what is queued, until the client does not read."""
        while not session.overflowed:
            message = await session.outbox.get()
            try:
                async with asyncio.timeout(session.limits.heartbeat_s * 3):
                    await socket.send_str(messages.write(message))
            except (TimeoutError, ConnectionError, RuntimeError):
                return

    async def _read(
        self,
        socket: web.WebSocketResponse,
        session: Session,
        caller: Caller,
        puncher: Puncher,
        work: set[asyncio.Task[None]],
    ) -> None:
        raw = socket.get_extra_info("socket")

        def counted() -> tcp_info.Segments | None:
            if sys.platform == "linux" and raw is not None:
                try:
                    info = raw.getsockopt(IPPROTO_TCP, TCP_INFO, tcp_info.SIZE)
                except OSError:  # the connection has just ended
                    return None
                return tcp_info.read(info)
            return None

        patience_s = session.limits.heartbeat_s * 3  # a client pings far more often
        while not session.overflowed:
            try:
                async with asyncio.timeout(patience_s):
                    received = await socket.receive()
                    if received.type is WSMsgType.PING:
                        await socket.pong(received.data)
            except (TimeoutError, ConnectionError):
                return
            if not session.message_bucket.take(time.monotonic()):
                return
            if received.type in (WSMsgType.PING, WSMsgType.PONG):
                continue
            if received.type is not WSMsgType.TEXT:
                return
            try:
                message = messages.read_from_client(received.data)
            except WireError:
                return
            self._handle(message, session, caller, puncher, work, counted)

    def _handle(
        self,
        message: messages.ClientMessage,
        session: Session,
        caller: Caller,
        puncher: Puncher,
        work: set[asyncio.Task[None]],
        counted: Callable[[], tcp_info.Segments | None],
    ) -> None:
        match message:
            case messages.Ping():
                own = counted()
                session.tell(
                    messages.Pong(
                        n=message.n,
                        segments=own.sent if own else None,
                        resent=own.resent if own else None,
                    )
                )
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
                if session.ledger_bucket.take(time.monotonic()):
                    session.tell(self._page(message, session))
                else:
                    session.tell(
                        messages.Refusal(id=message.id, reason="limit", detail="asked too often")
                    )
            case messages.UnreadRequest():
                now = time.monotonic()
                if session.unread_bucket.take(now):
                    lines = self._unread.of(session, now)
                    session.tell(messages.UnreadPage(id=message.id, lines=lines))
                else:
                    session.tell(
                        messages.Refusal(id=message.id, reason="limit", detail="asked too often")
                    )
            case messages.CallStop():
                caller.stop(message.id, message.port, message.after)
                puncher.stop(message.id)
                self._terminals.stop(session, message.id)
            case (
                messages.CallRequest()
                | messages.FollowRequest()
                | messages.OpenRequest()
                | messages.MediaRequest()
                | messages.PunchRequest()
                | messages.TerminalRequest()
            ):
                if len(work) >= _TASKS_AT_ONCE:
                    session.tell(
                        messages.Refusal(
                            id=message.id, reason="limit", detail="too many requests at once"
                        )
                    )
                    return
                job = self._job(message, session, caller, puncher)
                if job is not None:
                    task = asyncio.create_task(job)
                    work.add(task)
                    task.add_done_callback(work.discard)

    def _job(
        self,
        message: messages.CallRequest
        | messages.FollowRequest
        | messages.OpenRequest
        | messages.MediaRequest
        | messages.PunchRequest
        | messages.TerminalRequest,
        session: Session,
        caller: Caller,
        puncher: Puncher,
    ) -> Coroutine[Any, Any, None] | None:
        """What carries out a request that takes its time, or None if it was refused."""
        match message:
            case messages.CallRequest():
                return caller.begin(message)
            case messages.FollowRequest():
                return caller.follow(message)
            case messages.PunchRequest():
                return puncher.begin(message)
            case messages.OpenRequest():
                return self._open(session, message)
            case messages.MediaRequest():
                return self._media.carry_out(session, message)
            case messages.TerminalRequest():
                return self._terminals.begin(session, message)

    async def _open(self, session: Session, message: messages.OpenRequest) -> None:
        session.tell(await self._dynamic.open(session, message))

    def _page(self, request: messages.LedgerRequest, session: Session) -> messages.LedgerPage:
        sources, strays = self._desk.sources, self._desk.strays
        sent = {each.port: bytes.fromhex(each.frame) for each in request.sent}  # one for each port
        return messages.LedgerPage(
            id=request.id,
            lines=session.ledger.lines(),
            complete=session.ledger.complete,
            accepted=sources.ports_accepted(session.proven, session.began),
            garbled=tuple(
                sorted(
                    port
                    for port, data in sent.items()
                    if strays.resembling(port, data, session.began)
                )
            ),
        )


async def _until_set(event: asyncio.Event) -> None:
    await event.wait()


async def _say_goodbye(socket: web.WebSocketResponse) -> None:
    """End the WebSocket politely, but not at the pace of a client that does not read."""
    try:
        async with asyncio.timeout(_CLOSE_S):
            await socket.close(drain=False)
    except TimeoutError:
        pass

"""Servers that a check may meet in the echo server's place: mute, foreign, confused or lying."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import Any, cast

import msgspec
from aiohttp import WSMsgType, web

from probes.errors import WireError
from probes.wire import messages, stun
from probes.wire.frame import Endpoint

Serve = Callable[[str, ssl.SSLContext], AbstractAsyncContextManager[int]]
"""Serves on an address and gives the port."""

Socket = web.WebSocketResponse
Stream = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

WELCOME: dict[str, Any] = {
    "type": "welcome",
    "protocol": messages.PROTOCOL,
    "software": "netcheck/0",
    "session": "0123456789abcdef",
    "secret": "ab" * 32,
    "limits": {
        "session_s": 900.0, "dynamic_ports": 256, "dynamic_s": 30.0,
        "calls": 1000, "calls_per_s": 200, "frames": 50000,
    },
    "heartbeat_s": 5.0,
    "your_address": "127.0.0.1:40000",
    "tcp_ports": [389, 522, 1503, 1720, 1731, 1863, *range(6891, 6902)],
    "udp_ports": [6901],
}  # fmt: skip

LEDGER: dict[str, Any] = {"type": "ledger", "lines": [], "complete": True}


# Plain and TLS streams


@asynccontextmanager
async def stream(
    talk: Stream, address: str, tls: ssl.SSLContext, *, secure: bool = False
) -> AsyncIterator[int]:
    """A TCP server, with TLS if it is to be ``secure``."""
    writers: set[asyncio.StreamWriter] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(
        accept, address, 0, ssl=tls if secure else None, ssl_handshake_timeout=None
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await _settled()


async def _settled() -> None:
    """Let tasks that have lost their connection come to their end."""
    for _ in range(5):
        await asyncio.sleep(0)


async def _mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(4096):
        pass


async def _ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


def says(text: bytes) -> Stream:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await _mute(reader, writer)

    return talk


# HTTP and WebSocket


@asynccontextmanager
async def http(
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    address: str,
    tls: ssl.SSLContext,
    *,
    secure: bool = True,
) -> AsyncIterator[int]:
    runner = web.ServerRunner(
        web.Server(handle, access_log=None, handler_cancellation=True), shutdown_timeout=0.1
    )
    await runner.setup()
    site = web.TCPSite(runner, address, 0, ssl_context=tls if secure else None)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
        await _settled()


def answers(status: int, *, secure: bool = True, **headers: str) -> Serve:
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, text="no", headers=headers)

    return partial(http, handle, secure=secure)


def websocket(
    talk: Callable[[Socket], Awaitable[None]], *, protocols: tuple[str, ...] = (messages.PROTOCOL,)
) -> Serve:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        socket = Socket(protocols=protocols, compress=False, timeout=0.1)
        await socket.prepare(request)
        with suppress(ConnectionError, RuntimeError):
            await talk(socket)
        return socket

    return partial(http, handle)


async def _listen(socket: Socket) -> None:
    async for _ in socket:
        pass


async def _deaf(socket: Socket) -> None:
    """Not even a goodbye is answered."""
    await asyncio.Event().wait()


def first(text: str | bytes) -> Serve:
    """This first, and then nothing."""

    async def talk(socket: Socket) -> None:
        await (socket.send_str(text) if isinstance(text, str) else socket.send_bytes(text))
        await _listen(socket)

    return websocket(talk)


def welcoming(**changes: Any) -> Serve:
    """A welcome with these values, and then nothing."""
    return first(json.dumps(WELCOME | changes))


Reply = Callable[[Mapping[str, Any]], list[Any]]


def replying(reply: Reply, **changes: Any) -> Serve:
    """A welcome; pongs; to any other message what ``reply`` makes of it."""

    async def talk(socket: Socket) -> None:
        await socket.send_str(json.dumps(WELCOME | changes))
        async for received in socket:
            if received.type is WSMsgType.TEXT:
                message = json.loads(received.data)
                if message["type"] == "ping":
                    await socket.send_str(json.dumps({"type": "pong", "n": message["n"]}))
                    continue
                for said in reply(message):
                    await socket.send_str(said if isinstance(said, str) else json.dumps(said))

    return websocket(talk)


def then(said: str) -> Serve:
    """A proper welcome, and then this as the reply to the hello."""
    return replying(lambda message: [said] if message["type"] == "hello" else [])


def confirms(message: Mapping[str, Any]) -> list[Any]:
    """Refuses every request but that for the ledger, which is empty."""
    match message["type"]:
        case "ledger-request":
            return [LEDGER | {"id": message["id"]}]
        case "call" | "open":
            return [{"type": "refusal", "id": message["id"], "reason": "limit", "detail": "no"}]
    return []


def lies(message: Mapping[str, Any]) -> list[Any]:
    """Answers with values that no honest server has."""
    number = message.get("id")
    match message["type"]:
        case "call":
            called = {"type": "called", "id": number, "outcome": "silent", "took_ms": -5.0}
            return [
                *(
                    called | {"port": port, "attempt": attempt, "outcome": outcome}
                    for port in (1, 65535, *message["ports"])
                    for attempt in (-1000, -1, 0, 10**9)
                    for outcome in ("silent", "answered", "mute", "local-error")
                ),
                {"type": "calls-done", "id": number},
                {"type": "calls-done", "id": 65535},
            ]
        case "open":
            opened = {"type": "opened", "id": number, "transport": "tcp", "for_s": -1.0}
            return [opened | {"ports": [1, 65535]}]
        case "ledger-request":
            line = {
                "transport": "udp", "port": 1, "number": 65535, "source": "\x1b[2J",
                "count": -5, "altered": -1, "first_s": -1e9, "last_s": 1e300,
            }  # fmt: skip
            return [
                LEDGER | {"id": number, "lines": [line] * 4000, "accepted": [1], "garbled": [1]}
            ]
    return [{"type": "proven", "address": "\x1b[2J not an address"}]


def never_done(message: Mapping[str, Any]) -> list[Any]:
    """Alive, and silent on every request but the last."""
    return confirms(message) if message["type"] == "ledger-request" else []


SERVERS: dict[str, Serve] = {
    # No netcheck server at all
    "tcp-mute": partial(stream, _mute),
    "tcp-ends": partial(stream, _ends),
    "tcp-banner": partial(stream, says(b"220 mail.example ESMTP\r\n")),
    "http": answers(200, secure=False),
    "https": answers(404),
    "https-ok": answers(200),
    "https-unauthorized": answers(401),
    "tls-banner": partial(stream, says(b"* OK IMAP4rev1\r\n"), secure=True),
    "tls-mute": partial(stream, _mute, secure=True),
    "tls-ends": partial(stream, _ends, secure=True),
    "tls-endless-head": partial(stream, says(b"HTTP/1.1 101 X\r\nA: " + b"x" * 10**6), secure=True),
    "websocket-other-protocol": websocket(_listen, protocols=("chat",)),
    "websocket-no-protocol": websocket(_listen, protocols=()),
    # It claims to be one
    "busy": answers(503),
    "other-version": answers(426),
    "mute": websocket(_listen),
    "deaf": websocket(_deaf),
    "garbage": first("hello"),
    "binary": first(b"\0\xff"),
    "no-unicode": first('{"type": "welcome", "software": "\\ud800"}'),
    "nested": first("[" * 100_000),
    "huge": first("x" * (messages.MAX_MESSAGE + 1)),
    "pong-first": first('{"type": "pong", "n": 1}'),
    "welcome-session-not-hex": welcoming(session="0123456789abcdeg"),
    "welcome-session-short": welcoming(session=""),
    "welcome-secret-not-hex": welcoming(secret="x" * 64),
    "welcome-other-version": welcoming(protocol="netcheck.9"),
    "welcome-port-0": welcoming(tcp_ports=[0]),
    "welcome-port-70000": welcoming(udp_ports=[70000]),
    "welcome-ports-text": welcoming(tcp_ports="all"),
    "welcome-too-many-ports": welcoming(tcp_ports=[1] * 5000),
    "welcome-no-limits": welcoming(limits=None),
    "welcome-heartbeat": welcoming(heartbeat_s=-1.0),
    "welcome-then-mute": welcoming(),
    "welcome-then-garbage": then("}{"),
    "welcome-then-huge": then("x" * (messages.MAX_MESSAGE + 1)),
    "welcome-twice": then(json.dumps(WELCOME)),
    "no-ports": replying(confirms, tcp_ports=[], udp_ports=[]),
    "strange-texts": replying(
        confirms, software="\x1b[2J\u202e" * 40, your_address="]]]", addresses=["", "\x1b[2J"]
    ),
    "refuses": replying(confirms),
    "lies": replying(lies),
    "never-done": replying(never_done),
}


# A real echo server that lies in some of its messages

Lie = Callable[[messages.Message], Iterator[messages.Message]]
"""What a client gets in the place of one message."""

_HUGE = 2**31
_STRANGE = "\x1b[2J\u202e not an address"


def lying(kind: type[messages.Message], **values: Any) -> Lie:
    """These values in every message of this kind."""

    def lie(message: messages.Message) -> Iterator[messages.Message]:
        if isinstance(message, kind):
            message = msgspec.structs.replace(message, **values)
        yield message

    return lie


def never(*kinds: type[messages.Message]) -> Lie:
    """Messages of these kinds do not come."""

    def lie(message: messages.Message) -> Iterator[messages.Message]:
        if not isinstance(message, kinds):
            yield message

    return lie


def offering(port: int, other_port: int | None, other_address: str | None) -> Lie:
    return lying(
        messages.Welcome,
        stun=messages.StunOffer(port=port, other_port=other_port, other_address=other_address),
    )


def _media_ports(change: Callable[[messages.MediaPorts], Iterator[messages.MediaPorts]]) -> Lie:
    def lie(message: messages.Message) -> Iterator[messages.Message]:
        if isinstance(message, messages.MediaReady):
            ports = tuple(told for one in message.streams for told in change(one))
            message = msgspec.structs.replace(message, streams=ports)
        yield message

    return lie


def _odd(one: messages.MediaPorts) -> Iterator[messages.MediaPorts]:
    yield messages.MediaPorts(number=one.number, port=one.port + 1)


def _privileged(one: messages.MediaPorts) -> Iterator[messages.MediaPorts]:
    yield messages.MediaPorts(number=one.number, port=22)


def _twice(one: messages.MediaPorts) -> Iterator[messages.MediaPorts]:
    yield one
    yield messages.MediaPorts(number=one.number + 100, port=22)


def _three_times(one: messages.MediaPorts) -> Iterator[messages.MediaPorts]:
    yield from (one, one, one)


def _absurd_counts(message: messages.Message) -> Iterator[messages.Message]:
    if isinstance(message, messages.MediaReport):
        absurd = tuple(
            messages.MediaCount(
                number=number, sent=_HUGE, received=_HUGE, lost=_HUGE, duplicates=_HUGE,
                reordered=_HUGE, early=_HUGE, late=_HUGE, gaps=_HUGE, losses=(_HUGE,) * 128,
                jitter_ms=1e300, rtt_ms=1e300, rtcp_received=_HUGE, source=_STRANGE,
                jitters_ms=(1e300,) * 128,
            )
            for number in (1, 2, 65535)
        )  # fmt: skip
        message = msgspec.structs.replace(message, streams=absurd)
    yield message


def _plausible_counts(message: messages.Message) -> Iterator[messages.Message]:
    """Few enough packets, and impossible in every other way."""
    if isinstance(message, messages.MediaReport):
        counts = tuple(
            msgspec.structs.replace(
                one, sent=0, received=1, lost=_HUGE, reordered=_HUGE, late=_HUGE, gaps=_HUGE,
                duplicates=_HUGE, losses=(_HUGE,) * 128, jitter_ms=1e300, source=_STRANGE,
                jitters_ms=(1e300, None) * 64,
            )
            for one in message.streams
        )  # fmt: skip
        message = msgspec.structs.replace(message, streams=counts)
    yield message


def _report_first(message: messages.Message) -> Iterator[messages.Message]:
    if isinstance(message, messages.MediaReady):
        yield messages.MediaReport(id=message.id, streams=())
    yield message


def _flood(message: messages.Message) -> Iterator[messages.Message]:
    """Each word about a call many times, about calls that nobody asked for, and no end."""
    if isinstance(message, messages.CallsDone):
        return
    if not isinstance(message, messages.Called):
        yield message
        return
    for number in range(4):  # more, and an honest server's own queue overflows
        yield msgspec.structs.replace(message, attempt=number * 10**6, port=1 + number)
        yield msgspec.structs.replace(message, outcome="answered", detail=_STRANGE)


LIES: dict[str, Lie] = {
    "stun-strange-address": offering(3478, 3479, _STRANGE),
    "stun-broadcast": offering(3478, 3479, "255.255.255.255"),
    "stun-nowhere": offering(1, 65535, None),
    "stun-one-port-twice": offering(3478, 3478, None),
    "media-odd-ports": _media_ports(_odd),
    "media-privileged-ports": _media_ports(_privileged),
    "media-no-ports": lying(messages.MediaReady, streams=()),
    "media-more-streams": _media_ports(_twice),
    "media-too-many-streams": _media_ports(_three_times),
    "media-absurd-counts": _absurd_counts,
    "media-plausible-counts": _plausible_counts,
    "media-report-first": _report_first,
    "media-never-ready": never(messages.MediaReady),
    "media-never-reported": never(messages.MediaReport),
    "punching-port-1": lying(messages.Punching, port=1),
    "opened-others": lying(messages.Opened, ports=(1, 22, 1024, 65535)),
    "opened-nothing": lying(messages.Opened, ports=()),
    "opened-never": never(messages.Opened),
    "opened-for-no-time": lying(messages.Opened, for_s=-1e308),
    "called-flood": _flood,
    "called-never": never(messages.Called, messages.CallsDone, messages.Punching),
    "nothing-proven": never(messages.Proven),
    "proven-strange": lying(messages.Proven, address=_STRANGE),
}


# STUN servers

Answer = Callable[[stun.Message, Endpoint], bytes]


class StunLiar(asyncio.DatagramProtocol):
    """Answers each request at two ports of an address with what ``answer`` makes of it."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        try:
            request = stun.read(data)
        except WireError:
            return
        assert self._transport is not None
        said = self._answer(request, Endpoint(addr[0], addr[1]))
        if said:
            self._transport.sendto(said, addr)


@asynccontextmanager
async def stun_liar(address: str, answer: Answer) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_datagram_endpoint(lambda: StunLiar(answer), local_addr=(address, port))
        for port in (stun.PORT, stun.OTHER_PORT)
    ]
    try:
        yield
    finally:
        for transport, _ in opened:
            transport.close()
        await _settled()


def naming(whom: Endpoint, other: Endpoint) -> Answer:
    """Says that everybody is ``whom``, and that its other address is ``other``."""

    def answer(request: stun.Message, source: Endpoint) -> bytes:
        return stun.write(
            stun.Message(
                kind="success",
                transaction=request.transaction,
                xor_mapped_address=whom,
                mapped_address=whom,
                response_origin=other,
                other_address=other,
                software=_STRANGE,
            )
        )

    return answer


STUN_ANSWERS: dict[str, Answer] = {
    "mute": lambda request, source: b"",
    "noise": lambda request, source: b"\xff" * 600,
    "request": lambda request, source: stun.write(request),
    "cut-short": lambda request, source: stun.write(
        stun.Message(kind="success", transaction=request.transaction, xor_mapped_address=source)
    )[:-3],
    "another-transaction": lambda request, source: stun.write(
        stun.Message(
            kind="success", transaction=stun.transaction(b"x" * 12), xor_mapped_address=source
        )
    ),
    "no-address": lambda request, source: stun.write(
        stun.Message(kind="success", transaction=request.transaction)
    ),
    "error": lambda request, source: stun.write(
        stun.Message(kind="error", transaction=request.transaction, error_code=500, reason=_STRANGE)
    ),
}

"""The control connection's server end, against clients that are polite, broken and hostile."""

import asyncio
import hashlib
import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from netcheck import __version__
from netcheck.server.serve import EchoServer
from probes.wire import messages
from tests.netcheck.server.client import (
    LOOPBACK,
    PATIENCE_S,
    Client,
    free_ports,
    free_udp_ports,
    session,
    tcp,
    trust,
    until,
    url,
)
from tests.netcheck.server.conftest import Serve

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": messages.PROTOCOL,
}


async def get(server: EchoServer, headers: dict[str, str]) -> tuple[int, Any]:
    """The status and the JSON of what a request without a session gets."""
    address = url(server).replace("wss:", "https:")
    async with (
        aiohttp.ClientSession() as http,
        http.get(address, headers=headers, ssl=trust(server)) as response,
    ):
        text = await response.text()
        is_json = response.content_type == "application/json"
        return response.status, json.loads(text) if is_json else text


@asynccontextmanager
async def tls(
    server: EchoServer,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A TLS connection to the control port, with nothing said yet."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(LOOPBACK, server.control_ports[0], ssl=context)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All that comes before the end of the connection."""
    async with asyncio.timeout(PATIENCE_S):
        try:
            return await reader.read()
        except (ConnectionError, ssl.SSLError):
            return b""


# The welcome


async def test_the_server_speaks_first_and_tells_everything(serve: Serve) -> None:
    tcp_ports, udp_ports = free_ports(2), free_udp_ports(1)
    server = await serve(tcp=tcp_ports, udp=udp_ports, calls=7, dynamic_ports=3)
    async with session(server) as client:
        welcome = client.welcome
        own = client.ws.get_extra_info("sockname")
        assert welcome.protocol == "netcheck.1"
        assert welcome.software == f"netcheck/{__version__}"
        assert welcome.your_address == f"{own[0]}:{own[1]}"
        assert welcome.tcp_ports == tuple(sorted(tcp_ports))
        assert welcome.udp_ports == udp_ports
        assert welcome.unavailable == ()
        assert welcome.addresses == (LOOPBACK,)
        assert welcome.heartbeat_s == 5.0
        assert (welcome.limits.calls, welcome.limits.dynamic_ports) == (7, 3)
        assert client.ws.protocol == messages.PROTOCOL


async def test_sessions_share_neither_name_nor_secret(serve: Serve) -> None:
    server = await serve()
    async with session(server) as one, session(server) as two:
        assert one.id != two.id
        assert one.secret != two.secret


async def test_the_certificate_shown_is_the_one_in_the_link(serve: Serve) -> None:
    server = await serve()
    async with tls(server) as (_, writer):
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        assert hashlib.sha256(shown).hexdigest() == server.fingerprint
        assert server.links()[0].fingerprint == server.fingerprint


# Requests that get no session


@pytest.mark.parametrize("offered", [None, "netcheck.2", "chat, netcheck.10", ""])
async def test_another_version_is_told_what_is_spoken_here(
    serve: Serve, offered: str | None
) -> None:
    server = await serve()
    headers = {**UPGRADE, "Sec-WebSocket-Protocol": offered or ""}
    if offered is None:
        del headers["Sec-WebSocket-Protocol"]
    assert await get(server, headers) == (
        426,
        {"error": "other-version", "speaks": "netcheck.1", "software": f"netcheck/{__version__}"},
    )


async def test_ours_is_found_among_several_versions(serve: Serve) -> None:
    server = await serve()
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(
            url(server), protocols=("netcheck.2", messages.PROTOCOL), ssl=trust(server)
        ) as ws,
    ):
        assert ws.protocol == messages.PROTOCOL


async def test_a_web_page_gets_no_session(serve: Serve) -> None:
    server = await serve(sessions=1)
    assert await get(server, {**UPGRADE, "Origin": "https://example.org"}) == (
        403,
        {"error": "browser"},
    )
    async with session(server):
        pass


async def test_a_plain_request_gets_no_session(serve: Serve) -> None:
    server = await serve(sessions=1)
    status, _ = await get(server, {"Sec-WebSocket-Protocol": messages.PROTOCOL})
    assert status == 400
    async with session(server):
        pass


@pytest.mark.parametrize("limits", [{"sessions": 1}, {"sessions_per_source": 1}])
async def test_beyond_the_ceiling_the_server_is_busy(serve: Serve, limits: dict[str, int]) -> None:
    server = await serve(**limits)
    async with session(server):
        assert await get(server, UPGRADE) == (503, {"error": "busy"})
    async with session(server):  # the place is free again
        pass


async def test_what_is_no_http_is_ended_and_not_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve()
    for garbage in (
        b"\0\1\2\3" * 100 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"x" * 20000 + b"\r\n\r\n",
    ):
        async with tls(server) as (reader, writer):
            writer.write(garbage)
            assert (await ended(reader)).startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


async def test_what_is_no_tls_is_ended(serve: Serve) -> None:
    server = await serve()
    async with tcp(server.control_ports[0]) as connection:
        await connection.send(b"GET /netcheck HTTP/1.1\r\nHost: echo\r\n\r\n")
        assert b"HTTP" not in await connection.receive(1000)
    async with session(server):
        pass


# Connections that ask for nothing


async def test_a_connection_without_tls_is_ended(serve: Serve) -> None:
    server = await serve(request_s=0.2)
    async with tcp(server.control_ports[0]) as connection:
        assert await connection.ended()


async def test_a_connection_without_a_request_is_ended(serve: Serve) -> None:
    server = await serve(request_s=0.2)
    async with tls(server) as (reader, _):
        assert await ended(reader) == b""


async def test_a_slow_request_is_ended(serve: Serve) -> None:
    server = await serve(request_s=0.3)
    async with tls(server) as (reader, writer):
        over = asyncio.ensure_future(ended(reader))
        for byte in b"GET /netcheck HTTP/1.1\r\n" + b"X-Slow: 1\r\n" * 1000:
            writer.write(bytes([byte]))
            if (await asyncio.wait({over}, timeout=0.01))[0]:
                break
        assert await over == b""


async def test_a_refused_connection_is_not_kept(serve: Serve) -> None:
    server = await serve(request_s=0.2)
    async with tls(server) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: echo\r\n\r\n")
        assert (await ended(reader)).startswith(b"HTTP/1.1 426")


async def test_a_session_outlives_the_time_for_its_request(serve: Serve) -> None:
    server = await serve(request_s=0.1)
    async with session(server) as client:
        await asyncio.sleep(0.2)  # nothing happens then, which no event can tell
        assert await client.ask(messages.Ping(n=1), messages.Pong)


async def test_there_is_a_ceiling_for_connections_that_ask_nothing(serve: Serve) -> None:
    server = await serve(control_connections=2)
    async with tls(server), session(server) as client:
        with pytest.raises((ConnectionError, ssl.SSLError)):
            async with tls(server):
                pass
        assert await client.ask(messages.Ping(n=1), messages.Pong)


@pytest.mark.parametrize(
    "limits", [{"control_connections": 3}, {"control_connections_per_source": 3}]
)
async def test_the_ceiling_holds_before_tls_too(serve: Serve, limits: dict[str, int]) -> None:
    server = await serve(**limits)
    port = server.control_ports[0]
    async with session(server) as client, tcp(port) as one, tcp(port) as other:
        async with tcp(port) as too_many:
            assert await too_many.ended()
        assert await client.ask(messages.Ping(n=1), messages.Pong)
        await one.send(b"no TLS")  # which ends it, and its place is free again
        assert await one.ended()
        async with tcp(port) as again:
            again_ended = asyncio.ensure_future(again.ended())
            assert await client.ask(messages.Ping(n=2), messages.Pong)
            assert not again_ended.done()
            await other.send(b"no TLS")
            assert await other.ended()
            again_ended.cancel()


async def test_a_connection_in_its_handshake_ends_with_the_server(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client, tcp(server.control_ports[0]) as connection:
        assert await client.ask(messages.Ping(n=1), messages.Pong)
        await server.close()
        assert await connection.ended()


# Within a session


async def test_pings_are_answered_in_order(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        for n in (0, 5, 2**53 - 1):
            pong = await client.ask(messages.Ping(n=n), messages.Pong)
            assert pong.n == n
            assert pong.resent is None or pong.resent >= 0


async def test_what_goes_through_a_proxy_does_not_prove_its_address(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        await client.hello(direct=False)
        assert await client.proven() == []
        await client.hello(direct=True, session="0" * 16)
        assert await client.proven() == []
        await client.hello(direct=True)
        assert await client.proven() == [LOOPBACK]
        await client.hello(direct=True)
        assert await client.proven() == []  # told once


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"type":"welcome"}',
        '{"type":"pong","n":1}',
        '{"type":"ping"}',
        '{"type":"ping","n":-1}',
        '{"type":"ping","n":1e99}',
        '{"type":"ping","n":' + "9" * 6000 + "}",
        '{"type":"call","id":1}',
        '{"type":"open","id":1,"transport":"tcp","ports":[1023]}',
        '{"type":"open","id":1,"transport":"sctp","count":1}',
        '{"type":"hello","software":"x","session":"","direct":true,"tcp_ports":[0]}',
        '{"type":"ping","x":' + "[" * 8000,
    ],
)
async def test_a_message_that_is_none_ends_the_session(serve: Serve, text: str) -> None:
    server = await serve()
    async with session(server) as client:
        await client.ws.send_str(text)
        await client.ended()
        assert await _gone(server, client)


async def test_binary_messages_end_the_session(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        await client.ws.send_bytes(messages.write(messages.Ping(n=1)).encode())
        await client.ended()
        assert await _gone(server, client)


async def test_a_message_that_is_too_large_ends_the_session(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        filling = "x" * messages.MAX_REQUEST
        await client.ws.send_str('{"type":"ping","n":1,"x":"' + filling + '"}')
        await client.ended()
        assert await _gone(server, client)


async def test_unknown_keys_are_passed_over(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        await client.ws.send_str('{"later":[1,{}],"type":"ping","n":3}')
        assert (await client.next(messages.Pong)).n == 3


@pytest.mark.parametrize("what", ["messages", "pings", "pongs"])
async def test_a_flood_ends_the_session(serve: Serve, what: str) -> None:
    server = await serve(messages_per_s=10.0, message_burst=20)
    async with session(server) as client:
        for _ in range(40):
            try:
                match what:
                    case "messages":
                        await client.say(messages.Ping(n=1))
                    case "pings":
                        await client.ws.ping()
                    case "pongs":
                        await client.ws.pong()
            except ConnectionError:
                break
        await client.ended()
        assert await _gone(server, client)


async def test_a_websocket_ping_is_answered(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        await client.ws.ping(b"hello")
        got = await client.ws.receive(timeout=PATIENCE_S)
        assert (got.type, got.data) == (aiohttp.WSMsgType.PONG, b"hello")


async def test_a_client_that_is_not_heard_is_ended(serve: Serve) -> None:
    server = await serve(heartbeat_s=0.1)
    async with session(server) as client:
        assert client.welcome.heartbeat_s == 0.1
        await client.ended()
        assert await _gone(server, client)


async def test_a_session_ends_when_its_time_is_up(serve: Serve) -> None:
    server = await serve(session_s=0.3, messages_per_s=1e6, message_burst=10**6)
    async with session(server) as client:
        began = asyncio.get_running_loop().time()
        try:
            while not client.ws.closed:
                await client.say(messages.Ping(n=1))
                await client.next(messages.Pong)
        except (TypeError, ConnectionError):  # a closing frame instead of text
            pass
        assert await _gone(server, client)
        assert asyncio.get_running_loop().time() - began >= 0.2


async def test_a_client_that_does_not_read_is_ended(serve: Serve) -> None:
    """It goes on asking for ledgers, which fill its window, the socket and then the outbox."""
    ports = free_ports(1)
    server = await serve(
        tcp=ports,
        heartbeat_s=0.5,
        messages_per_s=1e6,
        message_burst=10**6,
        ledgers_per_s=1e6,
        ledger_burst=10**6,
    )
    async with session(server) as client, tcp(ports[0]) as connection:
        for number in range(200):
            await connection.exchange(client.probe(ports[0], number=number))
        raw = client.ws.get_extra_info("socket")
        transport = client.ws._response.connection.transport  # type: ignore[union-attr]
        assert transport is not None
        transport.pause_reading()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        async with asyncio.timeout(PATIENCE_S):
            while len(server._sessions):
                await client.say(messages.LedgerRequest(id=1))
                await asyncio.sleep(0)
        transport.abort()


async def test_the_ledger_may_not_be_asked_for_all_the_time(serve: Serve) -> None:
    server = await serve(ledgers_per_s=0.001, ledger_burst=1)
    async with session(server) as client:
        assert await client.ledger()
        refusal = await client.ask(messages.LedgerRequest(id=8), messages.Refusal)
        assert (refusal.id, refusal.reason) == (8, "limit")


async def test_a_client_that_is_gone_before_it_is_answered_is_no_error(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve()
    request = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
    for _ in range(20):
        async with tls(server) as (_, writer):
            writer.write(f"GET /netcheck HTTP/1.1\r\nHost: echo\r\n{request}\r\n".encode())
            writer.close()  # its goodbye arrives together with the request
    async with session(server) as client:
        assert await client.ask(messages.Ping(n=1), messages.Pong)
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


async def test_a_client_that_vanishes_leaves_nothing_behind(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        await client.hello()
        transport = client.ws._response.connection.transport  # type: ignore[union-attr]
        assert transport is not None
        transport.abort()
        assert await _gone(server, client)


async def _gone(server: EchoServer, client: Client) -> bool:
    """Wait until the server has forgotten the session."""
    return await until(lambda: server._sessions.find(client.id) is None)

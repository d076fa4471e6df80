"""The server as a whole: what it binds, what it says it could not, and how it ends."""

import asyncio
import errno
import json
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest

from netcheck.server.bind import reason_of
from netcheck.server.serve import EchoServer, ServerConfig, expand, own_addresses
from netcheck.server.session import canonical
from probes.errors import SetupError
from probes.wire import link, messages
from tests.conftest import open_sockets
from tests.netcheck.server.client import (
    LOOPBACK,
    PATIENCE_S,
    Client,
    free_ports,
    free_udp_ports,
    heard,
    session,
    tcp,
    trust,
    udp,
    url,
)
from tests.netcheck.server.conftest import Serve


def config(data_dir: Path, **changes: object) -> ServerConfig:
    given = {"listen": (LOOPBACK,), "control_ports": (0,), "data_dir": data_dir, "stun_port": None}
    return ServerConfig(**(given | changes))  # type: ignore[arg-type]


# Ports that cannot be had


async def test_taken_ports_are_named_and_the_rest_goes_on(serve: Serve) -> None:
    (free,), (free_udp,) = free_ports(1), free_udp_ports(1)
    with socket.socket() as taken, udp() as taken_udp:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port, udp_port = taken.getsockname()[1], taken_udp.getsockname()[1]
        server = await serve(tcp=(port, free), udp=(udp_port, free_udp))
        assert server.problems == [
            f"TCP {port} on {LOOPBACK}: taken by another program",
            f"UDP {udp_port} on {LOOPBACK}: taken by another program",
        ]
        async with session(server) as client, tcp(free) as connection:
            welcome = client.welcome
            assert welcome.tcp_ports == (free,)
            assert welcome.udp_ports == (free_udp,)
            assert list(welcome.unavailable) == server.unavailable()[LOOPBACK]
            assert [(u.transport, u.port, u.reason) for u in welcome.unavailable] == [
                ("tcp", port, "taken by another program"),
                ("udp", udp_port, "taken by another program"),
            ]
            client.answer(await connection.exchange(client.probe(free)))
            with udp(free_udp) as sock:
                sock.send(client.probe(free_udp, "udp"))
                client.answer(await heard(sock))


async def test_one_control_port_is_enough(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        (free,) = free_ports(1)
        server = EchoServer(config(data_dir, control_ports=(port, free)))
        await server.start()
        try:
            assert server.control_ports == (free,)
            assert server.problems == [
                f"control port {port} on {LOOPBACK}: taken by another program"
            ]
            assert server.links()[0].ports == (free,)
        finally:
            await server.close()


async def test_without_a_control_port_there_is_no_server(data_dir: Path) -> None:
    (free,) = free_ports(1)
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = EchoServer(config(data_dir, control_ports=(port,), tcp_ports=(free,)))
        with pytest.raises(SetupError) as caught:
            await server.start()
    assert str(caught.value) == (
        f"No control port could be opened (control port {port} on {LOOPBACK}: "
        "taken by another program); choose another with --control-port or --listen."
    )
    with socket.socket() as again:
        again.bind((LOOPBACK, free))  # what had been opened is given back


async def test_an_address_of_somebody_else_is_a_problem_of_each_port(data_dir: Path) -> None:
    server = EchoServer(config(data_dir, listen=("192.0.2.1",), tcp_ports=(7000,)))
    with pytest.raises(SetupError):
        await server.start()
    assert server.problems[0] == "TCP 7000 on 192.0.2.1: the address is not this machine's"


async def test_a_broken_certificate_stops_the_start(data_dir: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("broken")
    with pytest.raises(SetupError, match="cannot be used as a certificate"):
        await EchoServer(config(data_dir, certificate=broken)).start()


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EADDRINUSE, "taken by another program"),
        (errno.EACCES, "needs more privilege"),
        (errno.EPERM, "needs more privilege"),
        (errno.EADDRNOTAVAIL, "the address is not this machine's"),
        (errno.EMFILE, "Too many open files"),
    ],
)
def test_the_reason_is_in_words(number: int, reason: str) -> None:
    assert reason_of(OSError(number, "Too many open files")) == reason


def test_an_error_without_words_has_a_reason_too() -> None:
    assert reason_of(OSError()) == "cannot be opened"


# Addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_an_address_has_one_spelling(text: str, expected: str) -> None:
    assert canonical(text) == expected


def test_listening_everywhere_means_each_address_of_this_machine() -> None:
    assert LOOPBACK in own_addresses("0.0.0.0")
    assert all(":" in address for address in own_addresses("::"))
    assert expand(("0.0.0.0", LOOPBACK)) == own_addresses("0.0.0.0")
    assert expand(("127.0.0.2", LOOPBACK, "127.0.0.2")) == ("127.0.0.2", LOOPBACK)


@pytest.mark.parametrize("text", ["localhost", "", "127.0.0.1:80", "127.0.0.256"])
def test_a_name_is_no_address_to_listen_on(text: str) -> None:
    with pytest.raises(SetupError, match="--listen"):
        expand((text,))


async def test_behind_a_nat_clients_are_told_the_public_address(data_dir: Path) -> None:
    server = EchoServer(
        config(
            data_dir,
            listen=(LOOPBACK, "127.0.0.2"),
            advertise=("203.0.113.5",),
            control_ports=free_ports(1),
        )
    )
    await server.start()
    try:
        async with session(server) as client:
            assert client.welcome.addresses == ("203.0.113.5", "127.0.0.2")
        first, second = server.links()
        assert (first.host, second.host) == ("203.0.113.5", "127.0.0.2")
        assert first.also == second.also == ()  # one is known outside, the other is not
        assert link.parse(str(first)) == first
    finally:
        await server.close()


# The end


async def status(server: EchoServer) -> tuple[int, str]:
    """What a new check gets."""
    headers = {"Sec-WebSocket-Protocol": messages.PROTOCOL}
    address = url(server).replace("wss:", "https:")
    async with (
        aiohttp.ClientSession() as http,
        http.get(address, headers=headers, ssl=trust(server)) as response,
    ):
        return response.status, json.loads(await response.text())["error"]


async def test_a_drain_lets_running_checks_end_and_takes_no_new_ones(serve: Serve) -> None:
    (port,) = free_ports(1)
    server = await serve(tcp=(port,), drain_s=30.0)
    async with session(server) as client, session(server) as other, tcp(port) as connection:
        drain = asyncio.create_task(server.drain())
        assert (await client.next(messages.Closing)).in_s == 30.0
        assert (await other.next(messages.Closing)).in_s == 30.0
        assert await status(server) == (503, "closing")
        client.answer(await connection.exchange(client.probe(port)))  # it is still served
        assert (await client.ledger()).lines
        await client.close()
        await other.ask(messages.Ping(n=1), messages.Pong)
        assert not drain.done()
        await other.close()
        async with asyncio.timeout(PATIENCE_S):
            await drain  # long before its time is up


async def test_a_drain_waits_no_longer_than_it_may(serve: Serve) -> None:
    server = await serve(drain_s=0.1)
    async with session(server):
        async with asyncio.timeout(PATIENCE_S):
            await server.drain()


async def test_an_idle_server_drains_at_once(serve: Serve) -> None:
    server = await serve(drain_s=30.0)
    async with session(server):
        pass
    async with asyncio.timeout(PATIENCE_S):
        await server.drain()


async def test_close_ends_everything_at_once(serve: Serve) -> None:
    (tcp_port,), (udp_port,) = free_ports(1), free_udp_ports(1)
    server = await serve(tcp=(tcp_port,), udp=(udp_port,))
    plain = ssl.create_default_context()
    plain.check_hostname = False
    plain.verify_mode = ssl.CERT_NONE
    async with session(server) as client, tcp(tcp_port) as answered, tcp(tcp_port) as silent:
        reader, writer = await asyncio.open_connection(LOOPBACK, server.control_ports[0], ssl=plain)
        client.answer(await answered.exchange(client.probe(tcp_port)))
        dynamic = await client.ask(
            messages.OpenRequest(id=1, transport="tcp", count=3), messages.Opened
        )
        await client.say(messages.OpenRequest(id=2, transport="udp", count=100))
        began = asyncio.get_running_loop().time()
        await server.close()
        assert asyncio.get_running_loop().time() - began < 1.5
        await client.ended()
        assert await answered.ended()
        assert await silent.ended()
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises((ConnectionError, ssl.SSLError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        writer.transport.abort()
        for port in (tcp_port, *dynamic.ports, server.control_ports[0]):
            with pytest.raises(ConnectionRefusedError):
                async with tcp(port):
                    pass
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind((LOOPBACK, udp_port))


async def test_close_does_not_wait_for_a_client_that_does_not_answer(serve: Serve) -> None:
    before = open_sockets()
    server = await serve()
    client = await Client.connect(server)
    try:
        transport = client.ws._response.connection.transport  # type: ignore[union-attr]
        assert transport is not None
        transport.pause_reading()
        began = asyncio.get_running_loop().time()
        await server.close()
        assert asyncio.get_running_loop().time() - began < 2.5
        assert len(open_sockets() - before) <= 1  # the client's own
        transport.abort()
    finally:
        await client.http.close()


async def test_a_server_can_be_closed_twice_and_before_it_started(data_dir: Path) -> None:
    server = EchoServer(config(data_dir))
    await server.close()
    other = EchoServer(config(data_dir))
    await other.start()
    await other.close()
    await other.close()


async def test_the_ports_can_be_had_again_at_once(data_dir: Path) -> None:
    (port,), (udp_port,), (control,) = free_ports(1), free_udp_ports(1), free_ports(1)
    for _ in range(2):
        server = EchoServer(
            config(data_dir, control_ports=(control,), tcp_ports=(port,), udp_ports=(udp_port,))
        )
        await server.start()
        try:
            assert server.problems == []
            async with session(server) as client, tcp(port) as connection:
                client.answer(await connection.exchange(client.probe(port)))
        finally:
            await server.close()


async def test_only_the_public_address_is_replaced_for_a_client(data_dir: Path) -> None:
    server = EchoServer(config(data_dir, advertise=("203.0.113.5",)))
    await server.start()
    try:
        async with session(server) as client:
            assert client.welcome.addresses == ("203.0.113.5",)
            assert client.welcome.your_address.startswith(f"{LOOPBACK}:")
    finally:
        await server.close()

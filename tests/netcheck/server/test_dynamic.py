"""Dynamic ports: for one session, bounded, and closed again."""

import socket
from typing import Literal

import pytest

from probes.wire import frame, messages
from probes.wire.messages import Opened, OpenRequest, Refusal
from tests.netcheck.server.client import (
    LOOPBACK,
    Client,
    free_ports,
    heard,
    session,
    tcp,
    udp,
    until,
)
from tests.netcheck.server.conftest import Serve


async def opened(
    client: Client,
    transport: Literal["tcp", "udp"],
    *,
    count: int = 0,
    ports: tuple[int, ...] = (),
) -> Opened:
    return await client.ask(
        OpenRequest(id=3, transport=transport, count=count, ports=ports), Opened
    )


async def refused(client: Client, request: OpenRequest) -> str:
    return (await client.ask(request, Refusal)).reason


def is_free(port: int, kind: socket.SocketKind) -> bool:
    """Whether nobody has ``port``.  Found by taking it: a connection could be accepted in
    the very moment in which the port is closed, which asyncio does not end (Python 3.11)."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
        try:
            sock.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


async def is_closed(port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> bool:
    """Wait until the server has given ``port`` back."""
    return await until(lambda: is_free(port, kind))


async def test_tcp_ports_of_the_servers_choice_echo(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        answer = await opened(client, "tcp", count=5)
        assert (answer.id, answer.transport, answer.failed) == (3, "tcp", ())
        assert len(set(answer.ports)) == 5
        assert all(1024 <= port <= 65535 for port in answer.ports)
        for port in answer.ports:
            async with tcp(port) as connection:
                proof = client.answer(await connection.exchange(client.probe(port)))
                assert proof.port == port


async def test_udp_ports_of_the_servers_choice_echo(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        for port in (await opened(client, "udp", count=3)).ports:
            with udp(port) as sock:
                sock.send(client.probe(port, "udp"))
                assert client.answer(await heard(sock)).port == port


async def test_a_port_that_is_named_is_opened_or_said_to_be_taken(serve: Serve) -> None:
    free, taken = free_ports(2)
    server = await serve(tcp=(taken,))
    async with session(server) as client:
        answer = await opened(client, "tcp", ports=(free, taken))
        assert answer.ports == (free,)
        (failed,) = answer.failed
        assert (failed.port, failed.reason) == (taken, "taken by another program")


async def test_ports_that_are_taken_can_be_named_so_often_and_no_more(serve: Serve) -> None:
    """Each costs the server as much as one that is free, and none of them is ever open."""
    (taken,) = free_ports(1)
    server = await serve(tcp=(taken,), taken_per_s=1e-9, taken_burst=3)
    async with session(server) as client:
        for _ in range(3):
            assert (await opened(client, "tcp", ports=(taken,))).ports == ()
        assert await refused(client, OpenRequest(id=1, transport="tcp", ports=(taken,))) == "limit"


async def test_ports_that_open_cost_nothing_of_that(serve: Serve) -> None:
    server = await serve(taken_per_s=1e-9, taken_burst=3)
    async with session(server) as client:
        for _ in range(3):
            assert len((await opened(client, "tcp", count=3)).ports) == 3


async def test_another_session_cannot_use_them(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client, session(server) as other:
        (port,) = (await opened(client, "tcp", count=1)).ports
        async with tcp(port) as connection:
            await connection.send(other.probe(port))
            assert await connection.ended()
        (port,) = (await opened(client, "udp", count=1)).ports
        with udp(port) as sock:
            sock.send(other.probe(port, "udp"))
            probe = client.probe(port, "udp")
            sock.send(probe)
            assert client.answer(await heard(sock)).digest == frame.digest(probe)
        assert (await other.ledger()).lines == ()


async def test_they_are_closed_when_their_time_is_up(serve: Serve) -> None:
    server = await serve(dynamic_s=0.1, dynamic_ports=1)
    async with session(server) as client:
        answer = await opened(client, "tcp", count=1)
        assert answer.for_s == 0.1
        assert await is_closed(answer.ports[0])
        answer = await opened(client, "udp", count=1)  # the place is free again
        assert await is_closed(answer.ports[0], socket.SOCK_DGRAM)


async def test_they_are_closed_when_the_session_ends(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        (at_tcp,) = (await opened(client, "tcp", count=1)).ports
        (at_udp,) = (await opened(client, "udp", count=1)).ports
        assert not is_free(at_tcp, socket.SOCK_STREAM)
        assert not is_free(at_udp, socket.SOCK_DGRAM)
    assert await is_closed(at_tcp)
    assert await is_closed(at_udp, socket.SOCK_DGRAM)


async def test_a_session_has_so_many_and_no_more(serve: Serve) -> None:
    server = await serve(dynamic_ports=3)
    async with session(server) as client:
        await opened(client, "tcp", count=2)
        assert await refused(client, OpenRequest(id=1, transport="udp", count=2)) == "limit"
        await opened(client, "udp", count=1)
        assert await refused(client, OpenRequest(id=1, transport="udp", count=1)) == "limit"


async def test_asking_for_all_at_once_gets_no_more(serve: Serve) -> None:
    server = await serve(dynamic_ports=4)
    async with session(server) as client:
        for number in range(10):
            await client.say(OpenRequest(id=number, transport="udp", count=2))
        answers = [await client.next(Opened, Refusal) for _ in range(10)]
        assert sum(isinstance(answer, Opened) for answer in answers) == 2


async def test_all_sessions_together_have_so_many_and_no_more(serve: Serve) -> None:
    server = await serve(dynamic_ports_total=3)
    async with session(server) as client, session(server) as other:
        await opened(client, "tcp", count=2)
        assert await refused(other, OpenRequest(id=1, transport="udp", count=2)) == "limit"
        await opened(other, "udp", count=1)
        assert await refused(other, OpenRequest(id=1, transport="udp", count=1)) == "limit"


async def test_asking_for_none_is_refused(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        assert await refused(client, OpenRequest(id=1, transport="tcp")) == "bad-request"


async def test_a_session_that_ends_while_they_are_opened_leaves_none_open(serve: Serve) -> None:
    ports = free_ports(40)
    server = await serve()
    async with session(server) as client:
        await client.say(OpenRequest(id=1, transport="tcp", ports=ports))
    for port in ports:
        assert await is_closed(port)


@pytest.mark.parametrize("port", [0, 80, 1023, 65536])
async def test_no_port_outside_the_range_can_be_named(serve: Serve, port: int) -> None:
    server = await serve()
    async with session(server) as client:
        await client.say(messages.OpenRequest(id=1, transport="tcp", ports=(port,)))
        await client.ended()

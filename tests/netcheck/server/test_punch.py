"""Simultaneous opens: whom the server connects to, how often, and what it says of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from netcheck.server.limits import ServerLimits
from netcheck.server.punch import TRIES_MAX, refuse
from netcheck.server.session import Session
from probes.wire import frame
from probes.wire.messages import Called, CallsDone, CallStop, Punching, PunchRequest, Refusal
from tests.netcheck.server.client import LOOPBACK, Client, Tcp, free_ports, session, tcp
from tests.netcheck.server.conftest import Serve


def punch(port: int, **changes: Any) -> PunchRequest:
    given: dict[str, Any] = {
        "id": 7,
        "address": LOOPBACK,
        "port": port,
        "number": 21,
        "patience_ms": 500,
    }
    return PunchRequest(**(given | changes))


@asynccontextmanager
async def proved(client: Client, port: int) -> AsyncIterator[tuple[Tcp, int]]:
    """An open connection whose endpoint the server holds for the client's, and its port."""
    async with tcp(port) as connection:
        await confirm(client, connection, port)
        yield connection, connection.sock.getsockname()[1]


async def confirm(client: Client, connection: Tcp, port: int) -> None:
    answer = client.answer(await connection.exchange(probe := client.probe(port)))
    nonce = frame.read(probe, client.secret).nonce
    await connection.send(client.signed(frame.CONFIRM, answer.server_nonce, nonce=nonce))
    client.answer(await connection.exchange(client.probe(port)))  # so the server has read it


async def refused(client: Client, request: PunchRequest) -> tuple[str, str]:
    refusal = await client.ask(request, Refusal)
    assert refusal.id == request.id
    return refusal.reason, refusal.detail


async def test_every_connect_is_told(serve: Serve) -> None:
    """Our end does not connect: its port is that of the open connection, which resets others."""
    (echo,) = free_ports(1)
    server = await serve(tcp=(echo,))
    async with session(server) as client, proved(client, echo) as (_, own):
        punching = await client.ask(punch(own), Punching)
        assert punching.id == 7
        assert punching.port != echo
        said = [m for m in await client.all_until(CallsDone) if isinstance(m, Called)]
        assert [c.attempt for c in said] == list(range(TRIES_MAX))
        assert {(c.id, c.port, c.outcome) for c in said} == {(7, own, "refused")}


async def test_a_port_that_only_was_declared_is_not_connected_to(serve: Serve) -> None:
    server = await serve()
    (port,) = free_ports(1)
    async with session(server) as client:
        await client.hello(tcp=(port,))
        assert (await refused(client, punch(port)))[0] == "not-proven"


async def test_an_endpoint_is_good_while_its_connection_is_open(serve: Serve) -> None:
    (echo,) = free_ports(1)
    server = await serve(tcp=(echo,))
    async with session(server) as client:
        async with tcp(echo) as connection:
            own = connection.sock.getsockname()[1]
            assert (await refused(client, punch(own)))[0] == "not-proven"
            client.answer(await connection.exchange(client.probe(echo)))
            # An answer that was not confirmed may have gone to somebody else.
            assert (await refused(client, punch(own)))[0] == "not-proven"
            await confirm(client, connection, echo)
            await client.ask(punch(own), Punching)
            await client.next(CallsDone)
            await connection.send(b"no frame at all")
            assert await connection.ended()
        assert (await refused(client, punch(own)))[0] == "not-proven"


@pytest.mark.parametrize("address", ["127.0.0.2", "192.0.2.1", "::1"])
async def test_no_other_address_is_connected_to(serve: Serve, address: str) -> None:
    (echo,) = free_ports(1)
    server = await serve(tcp=(echo,))
    async with session(server) as client, proved(client, echo) as (_, own):
        reason, _ = await refused(client, punch(own, address=address))
        assert reason in ("not-proven", "forbidden-address")


async def test_what_one_session_proved_is_nothing_to_another(serve: Serve) -> None:
    (echo,) = free_ports(1)
    server = await serve(tcp=(echo,))
    async with (
        session(server) as client,
        session(server) as other,
        proved(client, echo) as (_, own),
    ):
        await other.hello(tcp=(own,))  # declaring it is not proving it
        assert (await refused(other, punch(own)))[0] == "not-proven"


@pytest.mark.parametrize("address", ["localhost", "", "127.0.0.1:80"])
async def test_what_is_no_address_is_refused(serve: Serve, address: str) -> None:
    server = await serve()
    async with session(server) as client:
        assert (await refused(client, punch(7000, address=address)))[0] == "bad-request"


async def test_a_session_has_so_many_and_no_more(serve: Serve) -> None:
    (echo,) = free_ports(1)
    server = await serve(tcp=(echo,), punches=2)
    async with session(server) as client, proved(client, echo) as (_, own):
        for _ in range(2):
            await client.ask(punch(own), Punching)
            await client.next(CallsDone)
        assert (await refused(client, punch(own)))[0] == "limit"


async def test_connects_are_calls(serve: Serve) -> None:
    (echo,) = free_ports(1)
    server = await serve(tcp=(echo,), calls=TRIES_MAX)
    async with session(server) as client, proved(client, echo) as (_, own):
        await client.ask(punch(own), Punching)
        await client.next(CallsDone)
        assert (await refused(client, punch(own)))[0] == "limit"


async def test_the_client_can_stop_it(serve: Serve) -> None:
    (echo,) = free_ports(1)
    server = await serve(tcp=(echo,))
    async with session(server) as client, proved(client, echo) as (_, own):
        await client.ask(punch(own, after_ms=1000, patience_ms=5000), Punching)
        assert await refused(client, punch(own)) == ("bad-request", "the id is in use")
        await client.say(CallStop(id=8, port=own))  # this is not it
        began = asyncio.get_running_loop().time()
        await client.say(CallStop(id=7, port=own))
        said = await client.all_until(CallsDone)
        assert not any(isinstance(m, Called) for m in said)
        assert asyncio.get_running_loop().time() - began < 0.9


def test_a_proof_does_not_lift_what_is_forbidden() -> None:
    class Connection:
        ended = asyncio.Event()

        def speak(self, data: bytes) -> None: ...

        def end(self) -> None: ...

    client = Session("192.0.2.7", "198.51.100.1", ServerLimits())
    for address in ("127.0.0.1", "169.254.169.254", "224.0.0.1"):
        client.prove_endpoint(frame.Endpoint(address, 7000), Connection())
        refusal = refuse(client, punch(7000, address=address))
        assert refusal is not None
        assert refusal.reason == "forbidden-address"


def test_the_endpoints_of_a_session_are_bounded() -> None:
    class Connection:
        ended = asyncio.Event()

        def speak(self, data: bytes) -> None: ...

        def end(self) -> None: ...

    client = Session("192.0.2.7", "198.51.100.1", ServerLimits(endpoints=3))
    for port in range(1, 9):
        client.prove_endpoint(frame.Endpoint("192.0.2.7", port), Connection())
    assert [e.port for e in client.endpoints] == [6, 7, 8]

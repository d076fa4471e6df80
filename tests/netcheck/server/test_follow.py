"""Going where a message says: to proven addresses, and for what a message carries."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from probes.wire import frame, label
from probes.wire.frame import Endpoint
from probes.wire.messages import (
    Called,
    CallRequest,
    CallsDone,
    CallStop,
    FollowRequest,
    Opened,
    OpenRequest,
    Overheard,
    Refusal,
)
from tests.netcheck.server.client import (
    LOOPBACK,
    PATIENCE_S,
    Client,
    free_ports,
    free_udp_ports,
    session,
    tcp,
    udp,
)
from tests.netcheck.server.conftest import Serve
from tests.netcheck.server.speaking import DIALOGUES, overheard, speaking
from tests.netcheck.server.test_connect_back import knowing, listening

IRC = DIALOGUES["irc-chat"]
SIP = DIALOGUES["sip-udp"]


def follow(index: int, carried: int = 0, **changes: Any) -> FollowRequest:
    given: dict[str, Any] = {
        "id": 5,
        "overheard": index,
        "carried": carried,
        "number": 11,
        "offsets_ms": (0,),
        "patience_ms": 2000,
    }
    return FollowRequest(**(given | changes))


def offer(client: Client, to: Endpoint) -> bytes:
    """What an IRC client says to offer a talk at ``to``."""
    made = label.write(client.id, 1, client.secret).hex()
    address = int.from_bytes(socket.inet_aton(to.address), "big")
    chat = f"PRIVMSG n :\x01DCC CHAT chat {address} {to.port}\x01"
    return f"NICK n\r\nUSER a 0 * :{made}\r\n{chat}\r\n".encode()


@asynccontextmanager
async def offered(serve: Serve, to: Endpoint, **limits: Any) -> AsyncIterator[Client]:
    """A session whose third overheard message, of index 2, offers a talk at ``to``."""
    (port,) = free_ports(1)
    server = await serve(dialogues={IRC.name: port}, **limits)
    async with session(server) as client, tcp(port) as connection:
        await client.hello()
        await connection.send(offer(client, to))
        assert len(await overheard(client, 3)) == 3
        yield client


async def called(client: Client, request: FollowRequest) -> list[Called]:
    await client.say(request)
    said = await client.all_until(CallsDone)
    return [message for message in said if isinstance(message, Called)]


async def refused(client: Client, request: FollowRequest) -> tuple[str, str]:
    refusal = await client.ask(request, Refusal)
    assert refusal.id == request.id
    return refusal.reason, refusal.detail


@contextlib.asynccontextmanager
async def nobody_calls(address: str = LOOPBACK) -> AsyncIterator[int]:
    """A port that must not be called."""
    with socket.socket() as listener, socket.socket(type=socket.SOCK_DGRAM) as ear:
        listener.bind((address, 0))
        port: int = listener.getsockname()[1]
        ear.bind((address, port))
        listener.listen()
        for each in (listener, ear):
            each.setblocking(False)
        yield port
        with pytest.raises(BlockingIOError):
            listener.accept()
        with pytest.raises(BlockingIOError):
            ear.recv(1)


# Where it goes


async def test_the_server_goes_where_the_message_says(serve: Serve) -> None:
    ports = free_ports(1)
    server = await serve(dialogues={IRC.name: ports[0]})
    async with session(server) as client, listening(knowing(client)) as port:
        await client.hello()  # no port is declared: the message names it
        async with speaking(client, IRC, ports[0], listening=port) as speaker:
            await speaker.talk()
            told = await overheard(client, len(speaker.sent))
            (index,) = (m.index for m in told if b"DCC" in bytes.fromhex(m.data))
            (call,) = await called(client, follow(index))
            assert (call.id, call.port, call.attempt, call.outcome) == (5, port, 0, "answered")


async def test_over_udp_it_leaves_from_the_port_of_the_flow(serve: Serve) -> None:
    """Its own port and a dynamic one: an editor opens the way for that flow alone."""
    (own_port,) = free_udp_ports(1)
    server = await serve(dialogues={SIP.name: own_port})
    async with session(server) as client:
        await client.hello()
        request = OpenRequest(id=3, transport="udp", count=1, speaks=SIP.name)
        (dynamic,) = (await client.ask(request, Opened)).ports
        for port in (own_port, dynamic):
            with udp() as ear:
                at = ear.getsockname()[1]
                async with speaking(client, SIP, port, listening=at) as speaker:
                    await speaker.take(speaker.end.begin())
                    (told,) = await overheard(client, 1)
                    carried = SIP.read(bytes.fromhex(told.data)).carried
                    which = next(n for n, c in enumerate(carried) if c.reached_by and c.port == at)
                    await client.say(follow(told.index, which))
                    async with asyncio.timeout(PATIENCE_S):
                        loop = asyncio.get_running_loop()
                        data, source = await loop.sock_recvfrom(ear, 65536)
                    assert source == (LOOPBACK, port)
                    got = frame.read(data, client.secret)
                    assert (got.kind, got.number, got.authentic) == (frame.CALL, 11, True)
                    ear.sendto(frame.reply_to(data, got, client.secret), source)
                    said = await client.all_until(CallsDone)
                    assert [c.outcome for c in said if isinstance(c, Called)] == ["answered"]


async def test_who_does_not_know_the_secret_is_told_from_us(serve: Serve) -> None:
    async with (
        listening(lambda data: bytes(frame.SIZE)) as port,
        offered(serve, Endpoint(LOOPBACK, port)) as client,
    ):
        assert [c.outcome for c in await called(client, follow(2))] == ["foreign"]


async def test_a_port_that_has_been_closed_sends_nothing(serve: Serve) -> None:
    server = await serve(dialogues={IRC.name: free_ports(1)[0]}, dynamic_s=0.2)
    async with session(server) as client, nobody_calls() as at:
        await client.hello()
        request = OpenRequest(id=3, transport="udp", count=1, speaks=SIP.name)
        (port,) = (await client.ask(request, Opened)).ports
        async with speaking(client, SIP, port, listening=at) as speaker:
            await speaker.take(speaker.end.begin())
            (told,) = await overheard(client, 1)
            carried = SIP.read(bytes.fromhex(told.data)).carried
            which = next(n for n, each in enumerate(carried) if each.reached_by)
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    with socket.socket(type=socket.SOCK_DGRAM) as taken:
                        try:
                            taken.bind((LOOPBACK, port))
                            break
                        except OSError:
                            await asyncio.sleep(0.01)
            assert [c.outcome for c in await called(client, follow(told.index, which))] == [
                "local-error"
            ]


# Where it does not


async def test_an_address_that_is_not_proven_is_not_called(serve: Serve) -> None:
    async with (
        nobody_calls("127.0.0.9") as port,
        offered(serve, Endpoint("127.0.0.9", port)) as client,
    ):
        assert await refused(client, follow(2)) == ("not-proven", "127.0.0.9")


async def test_nothing_is_proven_without_a_direct_hello(serve: Serve) -> None:
    (port,) = free_ports(1)
    server = await serve(dialogues={IRC.name: port})
    async with session(server) as client, nobody_calls() as at, tcp(port) as connection:
        await client.hello(direct=False)
        await connection.send(offer(client, Endpoint(LOOPBACK, at)))
        await overheard(client, 3)
        assert await refused(client, follow(2)) == ("not-proven", LOOPBACK)


@pytest.mark.parametrize("address", ["224.0.0.1", "0.0.0.0", "255.255.255.255", "240.0.0.1"])
async def test_what_is_no_hosts_address_is_never_called(serve: Serve, address: str) -> None:
    """Not even one that was proven, which it cannot be."""
    (port,) = free_ports(1)
    server = await serve(dialogues={IRC.name: port})
    async with session(server) as client, tcp(port) as connection:
        await client.hello()
        await connection.send(offer(client, Endpoint(address, 7000)))
        await overheard(client, 3)
        assert await refused(client, follow(2)) == ("not-proven", address)
        kept = server._sessions.find(client.id)
        assert kept is not None
        kept.proven.add(address)
        assert (await refused(client, follow(2)))[0] == "forbidden-address"


@pytest.mark.parametrize("request_", [follow(3), follow(65535), follow(2, 1), follow(2, 63)])
async def test_what_is_not_there_cannot_be_followed(serve: Serve, request_: FollowRequest) -> None:
    async with nobody_calls() as port, offered(serve, Endpoint(LOOPBACK, port)) as client:
        assert (await refused(client, request_))[0] == "bad-request"


async def test_where_nobody_goes_by_that_field_nobody_goes(serve: Serve) -> None:
    (port,) = free_udp_ports(1)
    server = await serve(dialogues={"snmp-v1": port})
    dialogue = DIALOGUES["snmp-v1"]
    async with session(server) as client, speaking(client, dialogue, port) as speaker:
        await client.hello()
        await speaker.talk()
        assert len(await overheard(client, 1)) == 1
        reason, detail = await refused(client, follow(0))
        assert (reason, detail) == ("bad-request", "nobody goes where agent-addr says")


async def test_another_sessions_messages_cannot_be_followed(serve: Serve) -> None:
    (port,) = free_ports(1)
    server = await serve(dialogues={IRC.name: port})
    async with (
        session(server) as client,
        session(server) as other,
        nobody_calls() as at,
        tcp(port) as connection,
    ):
        await client.hello()
        await other.hello()
        await connection.send(offer(client, Endpoint(LOOPBACK, at)))
        await overheard(client, 3)
        assert (await refused(other, follow(2)))[0] == "bad-request"


# How often


async def test_it_is_counted_as_a_call(serve: Serve) -> None:
    (port,) = free_ports(1)
    async with offered(serve, Endpoint(LOOPBACK, port), calls=3) as client:
        assert [c.outcome for c in await called(client, follow(2, offsets_ms=(0, 0)))]
        assert await refused(client, follow(2, offsets_ms=(0, 0))) == (
            "limit",
            "this session's calls are used up",
        )


async def test_it_can_be_stopped_as_a_call_can(serve: Serve) -> None:
    async with (
        listening(lambda _: None, keep=True) as port,
        offered(serve, Endpoint(LOOPBACK, port)) as client,
    ):
        await client.say(follow(2, offsets_ms=(0, 20_000), patience_ms=10_000))
        await client.say(CallStop(id=5, port=port))
        said = await client.all_until(CallsDone)
        assert len([c for c in said if isinstance(c, Called)]) <= 1


async def test_its_id_is_not_that_of_a_call_under_way(serve: Serve) -> None:
    async with (
        listening(lambda _: None, keep=True) as port,
        offered(serve, Endpoint(LOOPBACK, port)) as client,
    ):
        await client.say(follow(2, offsets_ms=(0, 20_000)))
        assert await refused(client, follow(2)) == ("bad-request", "the id is in use")
        await client.hello(tcp=(port,))
        call = CallRequest(
            id=5,
            transport="tcp",
            address=LOOPBACK,
            ports=(port,),
            numbers=(1,),
            offsets_ms=(0,),
            patience_ms=100,
        )
        assert (await client.ask(call, Refusal)).detail == "the id is in use"


async def test_what_was_not_told_is_not_kept(serve: Serve) -> None:
    (port,) = free_ports(1)
    server = await serve(dialogues={IRC.name: port}, overheard=2)
    async with session(server) as client, tcp(port) as connection, nobody_calls() as at:
        await client.hello()
        await connection.send(offer(client, Endpoint(LOOPBACK, at)))
        told = await overheard(client, 2)
        assert all(isinstance(each, Overheard) for each in told)
        assert (await refused(client, follow(2)))[0] == "bad-request"

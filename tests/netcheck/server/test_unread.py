"""What arrived in other protocols and made no message: told when it is asked for."""

import asyncio

import pytest

from netcheck.server.limits import ServerLimits
from netcheck.server.session import Session
from netcheck.server.unread import LINES_MAX, Key, Unread
from probes.editors.contract import Dialogue
from probes.wire import label
from probes.wire.frame import Endpoint
from probes.wire.messages import (
    Hello,
    Opened,
    OpenRequest,
    Ping,
    Pong,
    Refusal,
    UnreadLine,
    UnreadPage,
    UnreadRequest,
)
from tests.netcheck.server.client import LOOPBACK, Client, free_ports, free_udp_ports, session, tcp
from tests.netcheck.server.conftest import Serve
from tests.netcheck.server.speaking import DIALOGUES, overheard, speaking

OVER_TCP = [each for each in DIALOGUES.values() if each.ports and each.transport == "tcp"]
IRC, FTP, SIP = DIALOGUES["irc-chat"], DIALOGUES["ftp-port"], DIALOGUES["sip-udp"]


def free_port(dialogue: Dialogue) -> int:
    return (free_ports(1) if dialogue.transport == "tcp" else free_udp_ports(1))[0]


async def unread(client: Client) -> tuple[UnreadLine, ...]:
    return (await client.ask(UnreadRequest(id=5), UnreadPage)).lines


async def until_unread(client: Client, size: int) -> UnreadLine:
    """The first line, once it is of so many bytes: nobody is told when they come."""
    async with asyncio.timeout(5):
        while True:
            lines = await unread(client)
            if lines and lines[0].size == size:
                return lines[0]
            await client.ask(Ping(n=1), Pong)


def prove(client: Client) -> Hello:
    return Hello(software="", session=client.welcome.session, direct=True)


def named(client: Client, number: int) -> bytes:
    return label.write(client.id, number, client.secret).hex().encode()


@pytest.mark.parametrize("dialogue", OVER_TCP, ids=[each.name for each in OVER_TCP])
async def test_a_message_without_its_end_is_known_by_its_label(
    serve: Serve, dialogue: Dialogue
) -> None:
    """Wherever the label stands in the protocol's first message that has one."""
    port = free_port(dialogue)
    server = await serve(dialogues={dialogue.name: port})
    async with session(server) as client, speaking(client, dialogue, port) as speaker:
        await speaker.talk()
        (whole,) = [m for m in speaker.sent if dialogue.read(m).label is not None][:1]
        async with tcp(port) as other:
            await other.send(whole[:-1])
            line = await until_unread(client, len(whole) - 1)
            assert line.source == str(Endpoint(*other.sock.getsockname()))
    assert (line.transport, line.port, line.number) == ("tcp", port, 7)


async def test_what_follows_a_message_with_a_label(serve: Serve) -> None:
    port = free_port(IRC)
    server = await serve(dialogues={IRC.name: port})
    async with session(server) as client, tcp(port) as connection:
        await connection.send(b"\r\nUSER a 0 * :%b\r\n\r\nPRIVMSG b" % named(client, 3))
        (told,) = await overheard(client, 1)
        assert told.number == 3
        line = await until_unread(client, 11)
        assert (line.number, line.port, line.source) == (3, port, told.source)
        assert (line.whole, line.rest) == (0, 11)
        await connection.send(b" :c\r\n")
        await overheard(client, 1)
        assert await unread(client) == ()


async def test_what_ended_the_connection_is_still_known(serve: Serve) -> None:
    port = free_port(DIALOGUES["pptp"])
    server = await serve(dialogues={"pptp": port})
    async with session(server) as client, tcp(port) as connection:
        await client.say(prove(client))
        await connection.send(bytes(range(100, 200)))
        assert await connection.ended()
        line = await until_unread(client, 100)
        assert (line.transport, line.port, line.number) == ("tcp", port, None)


@pytest.mark.parametrize("proved", [True, False])
async def test_a_message_whose_label_is_damaged_may_be_the_address_owners(
    serve: Serve, proved: bool
) -> None:
    port = free_port(IRC)
    server = await serve(dialogues={IRC.name: port})
    async with session(server) as client, tcp(port) as connection:
        if proved:
            await client.say(prove(client))
        await connection.send(b"USER a 0 * :%b\r\nPING :x\r\n" % named(client, 3)[:-1])
        assert await connection.receive(1)
        lines = await unread(client)
        found = [(line.size, line.whole, line.rest, line.number) for line in lines]
        assert found == ([(54, 2, 0, None)] if proved else [])


async def test_a_datagram_that_cannot_be_read(serve: Serve) -> None:
    port = free_port(SIP)
    server = await serve(dialogues={SIP.name: port})
    async with session(server) as client, speaking(client, SIP, port) as speaker:
        await client.say(prove(client))
        (whole,) = speaker.end.begin().send
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(speaker.sock, bytes(reversed(whole)))
        line = await until_unread(client, len(whole))
        assert (line.transport, line.number, line.source) == ("udp", None, speaker.source)
        await loop.sock_sendall(speaker.sock, whole)
        await overheard(client, 1)
        assert await unread(client) == ()


async def test_on_a_dynamic_port_it_is_its_sessions(serve: Serve) -> None:
    server = await serve(dialogues={IRC.name: free_port(IRC)})
    async with session(server) as client, session(server) as other:
        for each in (client, other):
            await each.say(prove(each))
        request = OpenRequest(id=3, transport="tcp", count=1, speaks=IRC.name)
        (port,) = (await client.ask(request, Opened)).ports
        async with tcp(port) as connection:
            await connection.send(b"NICK")
            assert (await until_unread(client, 4)).port == port
            assert await unread(other) == ()


async def test_anothers_label_is_not_told_of(serve: Serve) -> None:
    port = free_port(IRC)
    server = await serve(dialogues={IRC.name: port})
    async with session(server) as client, session(server) as other, tcp(port) as connection:
        await other.say(prove(other))
        await connection.send(b"USER a 0 * :%b\r\nPRIV" % named(client, 3))
        await overheard(client, 1)
        assert (await until_unread(client, 4)).number == 3
        assert await unread(other) == ()


async def test_who_asks_too_often_is_refused(serve: Serve) -> None:
    dialogues = {IRC.name: free_port(IRC)}
    server = await serve(dialogues=dialogues, unread_per_s=0.001, unread_burst=1)
    async with session(server) as client:
        assert await unread(client) == ()
        assert (await client.ask(UnreadRequest(id=6), Refusal)).reason == "limit"


# The record itself


def record(capacity: int, sources: int) -> tuple[Unread, Session]:
    mine = Session(LOOPBACK, LOOPBACK, ServerLimits())
    mine.proven.add(LOOPBACK)
    kept = Unread(capacity)
    for port in range(1, sources + 1):
        key: Key = ("tcp", 21, Endpoint(LOOPBACK, port))
        kept.keep(key, (), b"x" * port, now=mine.began + port, session=None, number=None)
    return kept, mine


def test_only_so_much_is_kept_and_told() -> None:
    kept, mine = record(4, 6)
    assert [line.size for line in kept.of(mine, mine.began + 6)] == [6, 5, 4, 3]
    assert [line.age_ms for line in kept.of(mine, mine.began + 6)] == [0, 1000, 2000, 3000]
    kept, mine = record(LINES_MAX + 9, LINES_MAX + 9)
    assert len(kept.of(mine, mine.began + 1000)) == LINES_MAX


def test_what_came_before_the_session_is_not_its() -> None:
    kept, mine = record(4, 3)
    mine.began += 2.5
    assert [line.size for line in kept.of(mine, mine.began)] == [3]


def test_a_label_is_known_by_its_tag() -> None:
    kept, mine = record(8, 0)
    mine.proven.clear()
    good = label.write(mine.id, 5, mine.secret)
    bad = good[:-1] + bytes([good[-1] ^ 1])
    whole = good, good.hex().encode()
    damaged = bad, bad.hex().encode(), good[:-1], good.hex().encode()[:-1]
    for port, data in enumerate((*whole, *damaged), 1):
        key: Key = ("tcp", 21, Endpoint(LOOPBACK, port))
        kept.keep(key, (), b"a" + data, now=mine.began, session=None, number=None)
        found = kept.of(mine, mine.began)
        assert [line.number for line in found] == [5] * min(port, 2)

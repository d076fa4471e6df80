"""Other protocols: spoken with everybody, and told to the session whose label they carry."""

import asyncio
import contextlib
import secrets
import socket
from pathlib import Path

import msgspec
import pytest

from netcheck.server.dialogues import Flows, Post, Stage
from netcheck.server.echo import Desk
from netcheck.server.limits import ServerLimits
from netcheck.server.repertoire import Language, Repertoire
from netcheck.server.serve import EchoServer, ServerConfig
from netcheck.server.session import Sessions
from netcheck.server.spoken_ports import SpokenUdp
from probes.editors.contract import ANNOUNCED_PORT, Dialogue, Step, apart
from probes.editors.ftp import BEYOND
from probes.editors.h323 import per, q931, tpkt
from probes.wire import frame, label
from probes.wire.frame import Endpoint
from probes.wire.messages import (
    LedgerPage,
    LedgerRequest,
    Opened,
    OpenRequest,
    Overheard,
    Ping,
    Pong,
    Refusal,
    Sent,
    Spoken,
)
from tests.netcheck import loopback
from tests.netcheck.server.client import (
    LOOPBACK,
    Client,
    Tcp,
    free_ports,
    free_udp_ports,
    heard,
    session,
    tcp,
    udp,
    until,
)
from tests.netcheck.server.conftest import Serve
from tests.netcheck.server.speaking import DIALOGUES, overheard, speaking
from tests.probes.editors.talk import talk

OWN_PORTS = [each for each in DIALOGUES.values() if each.ports]

all_dialogues = pytest.mark.parametrize("dialogue", DIALOGUES.values(), ids=DIALOGUES)
on_own_ports = pytest.mark.parametrize("dialogue", OWN_PORTS, ids=[each.name for each in OWN_PORTS])

IRC = DIALOGUES["irc-chat"]
FTP = DIALOGUES["ftp-port"]
H323 = DIALOGUES["h323"]
SNMP = DIALOGUES["snmp-v2c"]


def free_port(dialogue: Dialogue) -> int:
    (port,) = free_ports(1) if dialogue.transport == "tcp" else free_udp_ports(1)
    return port


async def said(client: Client) -> list[Overheard]:
    """All of which the server has told until now."""
    await client.say(Ping(n=0))
    return [each for each in await client.all_until(Pong) if isinstance(each, Overheard)]


def user(client: Client, number: int = 1) -> bytes:
    """A message of IRC with a label."""
    return b"USER a 0 * :%b\r\n" % label.write(client.id, number, client.secret).hex().encode()


async def in_order(connection: Tcp) -> None:
    """Wait until the server has dealt with what was sent."""
    await connection.send(b"PING :done\r\n")
    data = b""
    while not data.endswith(b":done\r\n"):
        data += await connection.receive(1)


# Every protocol


@on_own_ports
async def test_the_session_is_told_what_was_sent(serve: Serve, dialogue: Dialogue) -> None:
    port = free_port(dialogue)
    server = await serve(dialogues={dialogue.name: port})
    async with session(server) as client, speaking(client, dialogue, port) as speaker:
        assert client.welcome.spoken == (
            Spoken(dialogue=dialogue.name, transport=dialogue.transport, port=port),
        )
        await speaker.talk()
        await speaker.goodbye()
        told = await overheard(client, len(speaker.sent))
        assert [bytes.fromhex(each.data) for each in told] == speaker.sent
        assert [each.index for each in told] == list(range(len(told)))
        assert {(m.number, m.dialogue, m.transport, m.port, m.source) for m in told} == {
            (7, dialogue.name, dialogue.transport, port, speaker.source)
        }


@all_dialogues
async def test_it_is_spoken_on_a_dynamic_port_as_well(serve: Serve, dialogue: Dialogue) -> None:
    server = await serve(dialogues={IRC.name: free_port(IRC)})
    async with session(server) as client:
        request = OpenRequest(id=3, transport=dialogue.transport, count=1, speaks=dialogue.name)
        (port,) = (await client.ask(request, Opened)).ports
        async with speaking(client, dialogue, port, number=9) as speaker:
            await speaker.talk()
            await speaker.goodbye()
            told = await overheard(client, len(speaker.sent))
            assert [bytes.fromhex(each.data) for each in told] == speaker.sent
            assert {(m.number, m.dialogue, m.port) for m in told} == {(9, dialogue.name, port)}


@on_own_ports
async def test_the_servers_addresses_are_its_own(serve: Serve, dialogue: Dialogue) -> None:
    port = free_port(dialogue)
    server = await serve(dialogues={dialogue.name: port})
    async with session(server) as client, speaking(client, dialogue, port) as speaker:
        await speaker.talk()
        carried = [c for m in speaker.arrived for c in dialogue.read(m).carried]
        assert {c.address for c in carried} <= {LOOPBACK, ""}  # PPTP's are numbers alone
        if dialogue.name == "ftp-pasv":
            (told,) = {c.port for c in carried}
            labels = [made for m in speaker.sent if (made := dialogue.read(m).label)]
            where = apart(Endpoint(LOOPBACK, ANNOUNCED_PORT), labels[0])
            assert told == where.port + BEYOND


def test_all_of_one_port_are_answered_by_one_end() -> None:
    ports = Repertoire().ports
    assert ports["tcp", 21].name == "ftp-port"
    assert [each.name for each in ports["tcp", 21].dialogues] == [
        "ftp-port",
        "ftp-eprt",
        "ftp-pasv",
    ]
    assert [where for where, each in ports.items() if each.speaks_first] == [("tcp", 21)]
    for language in ports.values():
        assert len({each.read for each in language.dialogues}) == 1


# Beside the echo


async def test_the_first_bytes_decide_what_a_port_is(serve: Serve) -> None:
    port = free_port(IRC)
    server = await serve(tcp=(port,), dialogues={IRC.name: port})
    async with session(server) as client, tcp(port) as echo, speaking(client, IRC, port) as irc:
        assert client.welcome.tcp_ports == (port,)
        await irc.talk()
        for data in (client.probe(port), client.probe(port)):
            assert client.answer(await echo.exchange(data)).digest == frame.digest(data)
        assert len(await overheard(client, len(irc.sent))) == len(irc.sent)
        await echo.send(user(client))  # a connection is one thing or the other
        assert await echo.ended()
        assert await said(client) == []


async def test_a_frame_in_pieces_is_echoed(serve: Serve) -> None:
    port = free_port(IRC)
    server = await serve(dialogues={IRC.name: port})
    async with session(server) as client, tcp(port) as connection:
        probe = client.probe(port)
        await connection.send(probe[:3])
        await connection.send(probe[3:50])
        client.answer(await connection.exchange(probe[50:]))


async def test_a_message_that_begins_as_a_frame_does_is_a_message(serve: Serve) -> None:
    port = free_port(IRC)
    server = await serve(dialogues={IRC.name: port})
    async with session(server) as client, tcp(port) as connection:
        for part in (b"N", b"IC", b"K a\r\n", user(client)):
            await connection.send(part)
        told = await overheard(client, 2)
        assert bytes.fromhex(told[0].data) == b"NICK a\r\n"


async def test_a_port_of_another_protocol_echoes_datagrams_too(serve: Serve) -> None:
    port = free_port(SNMP)
    server = await serve(dialogues={SNMP.name: port})
    async with session(server) as client:
        assert client.welcome.udp_ports == (port,)
        probe = client.probe(port, "udp")
        with udp(port) as sock:
            sock.send(probe)
            assert client.answer(await heard(sock)).digest == frame.digest(probe)


async def test_a_frame_that_was_altered_is_still_known(serve: Serve) -> None:
    """Though no message of another protocol came of it, whether it ended the connection or not."""
    irc, ldap = free_port(IRC), free_port(DIALOGUES["ldap"])
    server = await serve(tcp=(irc, ldap), dialogues={IRC.name: irc, "ldap": ldap})
    async with session(server) as client:
        for port in (irc, ldap):
            probe = client.probe(port)
            # For LDAP it may be the beginning of a longer message.
            altered = b"\x30\x82\x07\x4b" + probe[4:]
            async with tcp(port) as connection:
                await connection.send(altered)
                if port == irc:
                    await connection.send(b"\r\n")
                    assert await connection.ended()
                else:
                    await client.ask(Ping(n=1), Pong)
            sent = (Sent(port=port, frame=probe.hex()),)
            page = await client.ask(LedgerRequest(id=1, sent=sent), LedgerPage)
            assert page.garbled == (port,)


async def test_where_the_server_speaks_first_a_profile_has_the_port(serve: Serve) -> None:
    port = free_port(FTP)
    server = await serve(tcp=(port,), dialogues={FTP.name: port})
    async with session(server) as client, tcp(port) as connection:
        assert client.welcome.spoken == ()
        assert client.welcome.tcp_ports == (port,)
        client.answer(await connection.exchange(client.probe(port)))
    assert server.problems == [
        f"other protocols on TCP {port} (a profile's, where the client speaks first)"
    ]


async def test_where_the_server_speaks_first_nothing_is_echoed(serve: Serve) -> None:
    port = free_port(FTP)
    server = await serve(dialogues={FTP.name: port})
    async with session(server) as client, tcp(port) as connection:
        assert client.welcome.tcp_ports == ()
        assert (await connection.receive(4)) == b"220 "
        await connection.send(client.probe(port) + b"\r\n")
        greeting = await connection.receive(1000)
        assert frame.MAGIC not in greeting


# Whose it is


async def test_what_came_before_the_label_is_told_with_it(serve: Serve) -> None:
    port = free_port(IRC)
    server = await serve(dialogues={IRC.name: port})
    async with session(server) as client, tcp(port) as connection:
        await connection.send(b"NICK a\r\nPING :x\r\n")
        assert await connection.receive(1)
        assert await said(client) == []
        await connection.send(user(client, 3))
        told = await overheard(client, 3)
        assert [m.number for m in told] == [3, 3, 3]
        assert [bytes.fromhex(m.data)[:4] for m in told] == [b"NICK", b"PING", b"USER"]


@pytest.mark.parametrize("wrong", ["tag", "session", "ended"])
async def test_a_label_that_is_nobodys_is_a_strangers(serve: Serve, wrong: str) -> None:
    port = free_port(IRC)
    server = await serve(dialogues={IRC.name: port})
    async with session(server) as client, tcp(port) as connection:
        made = label.write(client.id, 1, client.secret)
        if wrong == "tag":
            made = made[:-1] + bytes([made[-1] ^ 1])
        elif wrong == "session":
            made = secrets.token_bytes(8) + made[8:]
        else:
            async with session(server) as gone:
                made = label.write(gone.id, 1, gone.secret)
            await until(lambda: server._sessions.find(gone.id) is None)
        await connection.send(b"USER a 0 * :%b\r\n" % made.hex().encode())
        await in_order(connection)  # it is spoken with all the same
        assert await said(client) == []


async def test_a_connection_belongs_to_one_session(serve: Serve) -> None:
    port = free_port(IRC)
    server = await serve(dialogues={IRC.name: port})
    async with session(server) as client, session(server) as other, tcp(port) as connection:
        await connection.send(user(client))
        assert len(await overheard(client, 1)) == 1
        await connection.send(user(other))
        assert await connection.ended()
        assert await said(client) == await said(other) == []


async def test_a_flow_may_become_another_sessions(serve: Serve) -> None:
    """A NAT gives a port to the next client; a connection could not be taken over like that."""
    port = free_port(SNMP)
    server = await serve(dialogues={SNMP.name: port})
    async with (
        session(server) as client,
        session(server) as other,
        speaking(client, SNMP, port) as mine,
        speaking(other, SNMP, port) as theirs,
    ):
        await mine.talk()
        (first, *_) = await overheard(client, len(mine.sent))
        for message in theirs.end.begin().send:
            await asyncio.get_running_loop().sock_sendall(mine.sock, message)
        told = await overheard(other, 2)
        assert {m.source for m in told} == {first.source}
        assert await said(client) == []


async def test_on_a_dynamic_port_only_its_own_session_is_heard(serve: Serve) -> None:
    server = await serve(dialogues={IRC.name: free_port(IRC)})
    async with session(server) as client, session(server) as other:
        for dialogue in (IRC, SNMP):
            request = OpenRequest(id=3, transport=dialogue.transport, count=1, speaks=dialogue.name)
            (port,) = (await client.ask(request, Opened)).ports
            async with speaking(other, dialogue, port) as speaker:
                for message in speaker.end.begin().send:
                    await asyncio.get_running_loop().sock_sendall(speaker.sock, message)
                if dialogue is IRC:
                    assert await Tcp(speaker.sock).ended()
            assert await said(client) == await said(other) == []


async def test_a_label_that_is_replayed_tells_where_it_came_from(serve: Serve) -> None:
    port = free_port(IRC)
    server = await serve(dialogues={IRC.name: port})
    async with session(server) as client, tcp(port) as connection, tcp(port) as replayed:
        for each in (connection, replayed):
            await each.send(user(client))
        sources = {m.source for m in await overheard(client, 2)}
        assert sources == {
            str(frame.Endpoint(*e.sock.getsockname())) for e in (connection, replayed)
        }
        assert await client.proven() == []


async def test_a_session_that_has_ended_is_told_nothing_more(serve: Serve) -> None:
    port = free_port(IRC)
    server = await serve(dialogues={IRC.name: port})
    async with session(server) as client, tcp(port) as connection:
        await connection.send(user(client))
        await overheard(client, 1)
        await client.close()
        await until(lambda: server._sessions.find(client.id) is None)
        await connection.send(b"PING :a\r\n")
        assert await connection.ended()


# A dynamic port


@pytest.mark.parametrize(("transport", "speaks"), [("tcp", "gopher"), ("udp", "irc-chat")])
async def test_what_is_not_spoken_is_refused(serve: Serve, transport: str, speaks: str) -> None:
    server = await serve(dialogues={IRC.name: free_port(IRC)})
    async with session(server) as client:
        request = OpenRequest(id=3, transport=transport, count=1, speaks=speaks)  # type: ignore[arg-type]
        refusal = await client.ask(request, Refusal)
        assert (refusal.id, refusal.reason) == (3, "bad-request")


async def test_a_server_without_them_speaks_none(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        assert client.welcome.spoken == ()
        request = OpenRequest(id=3, transport="tcp", count=1, speaks="irc-chat")
        assert (await client.ask(request, Refusal)).reason == "bad-request"


async def test_a_dynamic_port_that_speaks_does_not_echo(serve: Serve) -> None:
    server = await serve(dialogues={IRC.name: free_port(IRC)})
    async with session(server) as client:
        for dialogue in (IRC, SNMP):
            request = OpenRequest(id=3, transport=dialogue.transport, count=1, speaks=dialogue.name)
            (port,) = (await client.ask(request, Opened)).ports
            probe = client.probe(port, dialogue.transport)
            if dialogue is IRC:
                async with tcp(port) as connection:
                    await connection.send(probe + b"\r\n")
                    assert frame.MAGIC not in await connection.receive(1000)
            else:
                with udp(port) as sock:
                    sock.send(probe)
            assert (await client.ledger()).lines == ()


# What comes from anybody


JUNK = [
    b"\0" * 300,
    b"\r\n" * 400,
    b"GET / HTTP/1.1\r\n\r\n",
    b"\xff" * 9000,
    b"\x30\x84\xff\xff\xff\xff",
]


@on_own_ports
@pytest.mark.parametrize("junk", JUNK)
async def test_junk_does_not_stop_the_server(serve: Serve, dialogue: Dialogue, junk: bytes) -> None:
    port = free_port(dialogue)
    server = await serve(dialogues={dialogue.name: port}, first_frame_s=0.2, connection_s=1.0)
    async with session(server) as client:
        if dialogue.transport == "tcp":
            async with tcp(port) as connection:
                with contextlib.suppress(ConnectionError):
                    await connection.send(junk)
                await connection.receive(100_000)  # until it is ended
        else:
            with udp(port) as sock:
                sock.send(junk)
        async with speaking(client, dialogue, port) as speaker:
            await speaker.talk()
        assert await overheard(client, 1)


@pytest.mark.parametrize("dialogue", [IRC, FTP], ids=["client first", "server first"])
async def test_who_says_nothing_is_not_waited_for(serve: Serve, dialogue: Dialogue) -> None:
    port = free_port(dialogue)
    server = await serve(dialogues={dialogue.name: port}, first_frame_s=0.1)
    async with tcp(port) as connection:
        await connection.receive(1000)
    assert server._stage._connections == 0


async def test_a_connection_lasts_so_long_and_no_longer(serve: Serve) -> None:
    port = free_port(IRC)
    server = await serve(dialogues={IRC.name: port}, connection_s=0.3)
    async with tcp(port) as connection:
        began = asyncio.get_running_loop().time()

        async def chat() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    await connection.send(b"PING :a\r\n")
                    await asyncio.sleep(0.02)

        chatting = asyncio.create_task(chat())
        await connection.receive(1_000_000)
        assert 0.25 < asyncio.get_running_loop().time() - began < 2
        chatting.cancel()
    assert server._stage._connections == 0


async def test_a_connection_says_so_much_and_no_more(serve: Serve) -> None:
    port = free_port(IRC)
    await serve(dialogues={IRC.name: port}, spoken_bytes=200)
    async with tcp(port) as connection:
        with contextlib.suppress(ConnectionError):
            for _ in range(30):
                await connection.send(b"PING :aaaa\r\n")
        assert (await connection.receive(100_000)).count(b"PONG") < 30


async def test_a_session_is_told_so_much_and_no_more(serve: Serve) -> None:
    port = free_port(IRC)
    server = await serve(dialogues={IRC.name: port}, overheard=5)
    async with session(server) as client, tcp(port) as connection:
        await connection.send(user(client) + b"PING :a\r\n" * 20)
        await in_order(connection)
        assert [m.index for m in await said(client)] == list(range(5))
        assert not (await client.ledger()).complete
    server = await serve(dialogues={IRC.name: (second := free_port(IRC))}, overheard_bytes=100)
    async with session(server) as client, tcp(second) as connection:
        await connection.send(user(client) + b"PING :a\r\n" * 20)
        await in_order(connection)
        assert sum(len(m.data) // 2 for m in await said(client)) <= 100


async def test_what_waits_for_a_label_is_bounded(serve: Serve) -> None:
    port = free_port(IRC)
    server = await serve(dialogues={IRC.name: port})
    async with session(server) as client, tcp(port) as connection:
        await connection.send(b"PING :a\r\n" * 100 + user(client))
        await in_order(connection)
        told = await said(client)
        assert len(told) < 20
        assert bytes.fromhex(told[0].data) == b"PING :a\r\n"
        assert user(client) in {bytes.fromhex(m.data) for m in told}


async def test_connections_are_limited_and_the_session_is_told(serve: Serve) -> None:
    port = free_port(IRC)
    server = await serve(dialogues={IRC.name: port}, spoken_connections_per_source=2)
    async with session(server) as client, contextlib.AsyncExitStack() as stack:
        for _ in range(2):
            connection = await stack.enter_async_context(tcp(port))
            await in_order(connection)
        assert (await client.ledger()).complete
        async with tcp(port) as third:
            await third.send(b"PING :a\r\n")
            assert await third.ended()
        assert not (await client.ledger()).complete
        async with tcp(port) as echo:  # which has its own limits
            client.answer(await echo.exchange(client.probe(port)))


async def test_a_flood_is_not_read(serve: Serve) -> None:
    port = free_port(SNMP)
    server = await serve(dialogues={SNMP.name: port}, spoken_per_s=1e-9, spoken_burst=10)
    async with session(server) as client, speaking(client, SNMP, port) as speaker:
        message = speaker.end.begin().send[0]
        for _ in range(30):
            speaker.sock.send(message)
        probe = client.probe(port, "udp")
        speaker.sock.send(probe)
        await heard(speaker.sock)  # the probe came last, and is answered
        assert 0 < len(await said(client)) <= 10
        assert not (await client.ledger()).complete


async def test_what_takes_long_to_read_is_a_flood_as_well(serve: Serve) -> None:
    """A set-up of H.323 can be written that takes a hundred milliseconds to read."""
    user = q931.read(tpkt.read(talk(H323)[0][0])).element(q931.USER_USER)
    assert user is not None
    value = per.read("H323-UserInformation", user[1:])
    setup = value["h323-uu-pdu"]["h323-message-body"][1]
    setup["sourceAddress"] = [("h323-ID", "a")] * 1900
    content = user[:1] + per.write("H323-UserInformation", value)
    slow = q931.Message(type=5, reference=b"\0\1", elements=((q931.USER_USER, content),))
    port = free_port(H323)
    server = await serve(dialogues={H323.name: port}, spoken_per_s=1e-9, spoken_burst=10)
    async with session(server) as client:
        async with tcp(port) as connection:
            await connection.send(tpkt.write(q931.write(slow)))
            assert len(await connection.receive(4)) == 4  # it has been read
        async with tcp(port) as connection:
            await connection.send(tpkt.write(b""))
            assert await connection.ended()
        assert not (await client.ledger()).complete


async def test_forged_flows_do_not_fill_the_memory(serve: Serve) -> None:
    port = free_port(SNMP)
    server = await serve(dialogues={SNMP.name: port}, spoken_flows=3)
    async with session(server) as client, speaking(client, SNMP, port) as speaker:
        message = speaker.end.begin().send[0]
        for _ in range(10):
            with udp(port) as sock:
                sock.send(message)
        await speaker.talk()
        assert len(await overheard(client, 10 + len(speaker.sent))) > 10
        flows = server._bound[0].udp._flows  # type: ignore[union-attr]
        assert len(flows._known) == 3


async def test_a_datagram_is_answered_by_no_more_than_it_had(serve: Serve) -> None:
    port = free_port(DIALOGUES["sip-udp"])
    server = await serve(dialogues={"sip-udp": port})
    async with session(server) as client, speaking(client, DIALOGUES["sip-udp"], port) as speaker:
        (invite,) = speaker.end.begin().send
        for size in (len(invite), len(invite) - 100, 200):
            with udp(port) as sock:
                sock.send(invite[:size])
                probe = client.probe(port, "udp")
                sock.send(probe)
                answers = [await heard(sock)]
                while not answers[-1].startswith(frame.MAGIC):
                    answers.append(await heard(sock))
                assert len(answers) <= 2
                assert all(len(answer) <= size for answer in answers[:-1])


class Babbler:
    """An end that says more than it may, and always that much more."""

    def __init__(self, answers: tuple[bytes, ...]) -> None:
        self._answers = answers

    def begin(self) -> Step:
        return Step()

    def receive(self, data: bytes) -> Step:
        return Step(send=self._answers, arrived=(data,))

    def finish(self) -> Step:
        return Step()


@pytest.mark.parametrize(
    ("answers", "sent"),
    [((), b""), ((b"1234",), b"1234"), ((b"12345",), b""), ((b"1", b"2", b"3"), b"1")],
)
def test_whatever_an_end_says_a_datagram_is_answered_by_one_that_is_no_longer(
    answers: tuple[bytes, ...], sent: bytes
) -> None:
    dialogue = msgspec.structs.replace(SNMP, server=lambda own: Babbler(answers))
    limits = ServerLimits()
    post = Post(Stage(Sessions(limits), limits), Language((dialogue,)), LOOPBACK, 162)
    flows = Flows(post, SpokenUdp(Desk(Sessions(limits), limits), post))
    assert flows.answer(b"abcd", frame.Endpoint(LOOPBACK, 7)) == sent
    assert flows.answer(b"a" * 8193, frame.Endpoint(LOOPBACK, 7)) == b""


@pytest.mark.parametrize("ends", [False, True])
async def test_half_a_message_is_not_waited_for(serve: Serve, *, ends: bool) -> None:
    port = free_port(IRC)
    server = await serve(dialogues={IRC.name: port}, connection_s=0.2)
    async with session(server) as client, tcp(port) as connection:
        await connection.send(user(client)[:20])
        if ends:
            connection.sock.shutdown(socket.SHUT_WR)
        assert await connection.ended()
        assert await said(client) == []
    assert await until(lambda: server._stage._connections == 0)


async def test_closing_ends_the_conversations(serve: Serve) -> None:
    port = free_port(IRC)
    server = await serve(dialogues={IRC.name: port})
    async with tcp(port) as connection:
        await in_order(connection)
        await server.close()
        assert await connection.ended()


# What cannot be had


async def test_every_protocol_is_spoken_where_editors_look_for_it_or_named(data_dir: Path) -> None:
    server = EchoServer(
        ServerConfig(
            listen=(loopback.address(),),
            control_ports=(0,),
            stun_port=None,
            editors=True,
            data_dir=data_dir,
        )
    )
    await server.start()
    try:
        (offer,) = server._offers.values()
        spoken = {(each.transport, each.port) for each in offer.spoken}
        lacking = Repertoire().ports.keys() - spoken
        assert len(server.problems) == bool(lacking)
        assert all(str(port) in server.problems[0] for _, port in lacking)
        tcp_too, udp_too = offer.tcp, set(offer.udp)
        assert spoken == {("tcp", p) for p in tcp_too} | {("udp", p) for p in udp_too} | (
            spoken & {("tcp", 21)}
        )
    finally:
        await server.close()


async def test_ports_that_cannot_be_had_are_one_problem(serve: Serve) -> None:
    ports = free_ports(3)
    at = dict(zip(("irc-chat", "ldap", "h323"), ports, strict=True))
    with contextlib.ExitStack() as stack:
        for port in ports:
            sock = stack.enter_context(socket.socket())
            sock.bind((LOOPBACK, port))
            sock.listen()
        server = await serve(dialogues=at)
    first, second, third = sorted(ports)
    assert server.problems == [
        f"other protocols on TCP {first}, {second} and {third} (taken by another program)"
    ]
    assert server.unavailable() == {LOOPBACK: []}
    async with session(server) as client:
        assert client.welcome.spoken == ()

"""The TCP echo, over real sockets: what it answers, what it ends, what proves an address."""

import asyncio
import socket

import pytest

from netcheck.server.serve import EchoServer
from probes.wire import frame
from tests.netcheck.server.client import LOOPBACK, Client, free_ports, session, tcp, until
from tests.netcheck.server.conftest import Serve


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


async def test_the_answer_proves_the_server_and_says_what_it_saw(serve: Serve, port: int) -> None:
    server = await serve(tcp=(port,))
    async with session(server) as client, tcp(port) as connection:
        sent = client.probe(port, number=7)
        got = await connection.exchange(sent)
        answer = client.answer(got)
        assert answer.source == frame.Endpoint(*connection.sock.getsockname())
        assert answer.port == port
        assert answer.digest == frame.digest(sent)
        assert frame.read(got, client.secret).number == 7
        assert got[16:32] == sent[16:32]


async def test_each_answer_has_a_nonce_of_its_own(serve: Serve, port: int) -> None:
    server = await serve(tcp=(port,))
    async with session(server) as client, tcp(port) as connection:
        first = client.answer(await connection.exchange(client.probe(port)))
        second = client.answer(await connection.exchange(client.probe(port)))
        assert first.server_nonce != second.server_nonce
        assert bytes(8) not in (first.server_nonce, second.server_nonce)


@pytest.mark.parametrize("pieces", [1, 3, 64])
async def test_a_frame_may_come_in_pieces(serve: Serve, port: int, pieces: int) -> None:
    server = await serve(tcp=(port,))
    async with session(server) as client, tcp(port) as connection:
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent = client.probe(port)
        for start in range(0, frame.SIZE, pieces):
            await connection.send(sent[start : start + pieces])
            await asyncio.sleep(0)
        assert client.answer(await connection.receive()).digest == frame.digest(sent)


async def test_frames_that_come_together_are_answered_one_by_one(serve: Serve, port: int) -> None:
    server = await serve(tcp=(port,))
    async with session(server) as client, tcp(port) as connection:
        probes = [client.probe(port) for _ in range(5)]
        await connection.send(b"".join(probes))
        digests = [client.answer(await connection.receive()).digest for _ in probes]
        assert digests == [frame.digest(probe) for probe in probes]


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: echo\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"NCK2" + bytes(124),
        b"nck1" + bytes(124),
        b"NCX",
        bytes(128),
        bytes(1_000_000),
        b"NCK1" + bytes(124),  # a frame of a session that nobody has
        b"NCK1" + bytes(1_000_000),
    ],
)
async def test_strangers_get_an_end_and_not_a_byte(serve: Serve, port: int, garbage: bytes) -> None:
    server = await serve(tcp=(port,))
    async with tcp(port) as connection:
        try:
            await connection.send(garbage)
        except ConnectionError:  # ended before all of it was sent
            return
        assert await connection.ended()
    async with session(server) as client, tcp(port) as connection:
        client.answer(await connection.exchange(client.probe(port)))  # it goes on serving


async def test_a_session_that_has_ended_is_a_stranger(serve: Serve, port: int) -> None:
    server = await serve(tcp=(port,))
    async with session(server) as client:
        sent = client.probe(port)
    async with session(server) as other:  # welcomed, so the end of the first has been seen
        await other.hello()
        assert await _ended_in_time(port, sent)


async def _ended_in_time(port: int, sent: bytes) -> bool:
    async with tcp(port) as connection:
        return await connection.exchange(sent) == b""


@pytest.mark.parametrize("kind", [frame.ANSWER, frame.CALL, frame.REPLY])
async def test_other_kinds_of_frame_end_the_connection(serve: Serve, port: int, kind: int) -> None:
    server = await serve(tcp=(port,))
    async with session(server) as client, tcp(port) as connection:
        await connection.send(client.signed(kind))
        assert await connection.ended()


@pytest.mark.parametrize("bit", [33 * 8, 95 * 8, 96 * 8, 127 * 8 + 7])
async def test_a_changed_probe_is_answered_with_what_arrived(
    serve: Serve, port: int, bit: int
) -> None:
    server = await serve(tcp=(port,))
    async with session(server) as client, tcp(port) as connection:
        changed = bytearray(client.probe(port))
        changed[bit // 8] ^= 1 << bit % 8
        answer = client.answer(await connection.exchange(bytes(changed)))
        assert answer.digest == frame.digest(bytes(changed))
        assert [line.altered for line in (await client.ledger()).lines] == [1]


async def test_a_silent_connection_is_ended(serve: Serve, port: int) -> None:
    await serve(tcp=(port,), first_frame_s=0.1)
    async with tcp(port) as connection:
        assert await connection.ended()


async def test_a_slow_sender_is_ended_though_it_keeps_sending(serve: Serve, port: int) -> None:
    server = await serve(tcp=(port,), first_frame_s=0.2)
    async with session(server) as client, tcp(port) as connection:
        ended = asyncio.ensure_future(connection.ended())
        for byte in client.probe(port)[:-1]:
            if ended.done():
                break
            try:
                await connection.send(bytes([byte]))
            except ConnectionError:
                break
            await asyncio.wait({ended}, timeout=0.02)
        assert await ended


async def test_an_answered_connection_is_held_and_then_ended(serve: Serve, port: int) -> None:
    server = await serve(tcp=(port,), first_frame_s=0.1, connection_s=0.3)
    async with session(server) as client, tcp(port) as connection:
        began = asyncio.get_running_loop().time()
        client.answer(await connection.exchange(client.probe(port)))
        assert await connection.ended()
        assert asyncio.get_running_loop().time() - began >= 0.25


async def test_there_is_a_ceiling_for_connections(serve: Serve, port: int) -> None:
    server = await serve(tcp=(port,), connections=2)
    async with session(server) as client, tcp(port) as one, tcp(port) as two:
        client.answer(await one.exchange(client.probe(port)))
        client.answer(await two.exchange(client.probe(port)))
        async with tcp(port) as three:
            assert await three.ended()
        client.answer(await one.exchange(client.probe(port)))


async def test_a_place_is_free_again_when_a_connection_has_ended(serve: Serve, port: int) -> None:
    server = await serve(tcp=(port,), connections_per_source=1)
    async with session(server) as client:
        for _ in range(3):
            async with tcp(port) as connection:
                client.answer(await connection.exchange(client.probe(port)))
                async with tcp(port) as too_many:
                    assert await too_many.ended()
                await connection.send(b"over")
                assert await connection.ended()


@pytest.mark.parametrize("limits", [{"frames": 3}, {"frame_burst": 3, "frames_per_s": 0.001}])
async def test_frames_are_bounded_in_number_and_rate(
    serve: Serve, port: int, limits: dict[str, float]
) -> None:
    server = await serve(tcp=(port,), **limits)
    async with session(server) as client, tcp(port) as connection:
        for _ in range(3):
            client.answer(await connection.exchange(client.probe(port)))
        await connection.send(client.probe(port))
        assert await connection.ended()


async def test_answers_do_not_pile_up_for_a_client_that_does_not_read(
    serve: Serve, port: int
) -> None:
    server = await serve(tcp=(port,), frames=10**6, frame_burst=10**6)
    async with session(server) as client:
        with socket.socket() as sock:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(sock, (LOOPBACK, port))
            flood = asyncio.create_task(loop.sock_sendall(sock, client.probe(port) * 100_000))
            assert await until(lambda: _paused(server))
            flood.cancel()
            await asyncio.gather(flood, return_exceptions=True)
        client.answer(await _fresh_answer(client, port))


def _paused(server: EchoServer) -> bool:
    return any(not each.is_reading() for each in server._desk._connections)


async def _fresh_answer(client: Client, port: int) -> bytes:
    async with tcp(port) as connection:
        return await connection.exchange(client.probe(port))


async def test_the_echo_of_the_servers_nonce_proves_the_address(serve: Serve, port: int) -> None:
    server = await serve(tcp=(port,))
    async with session(server) as client, tcp(port) as connection:
        answer = client.answer(await connection.exchange(client.probe(port)))
        await connection.send(client.signed(frame.CONFIRM, answer.server_nonce))
        client.answer(await connection.exchange(client.probe(port)))  # the confirm was read
        assert await client.proven() == [LOOPBACK]


@pytest.mark.parametrize("nonce", [b"", bytes(8), b"\xff" * 8])
async def test_a_wrong_nonce_proves_nothing_and_ends_the_connection(
    serve: Serve, port: int, nonce: bytes
) -> None:
    server = await serve(tcp=(port,))
    async with session(server) as client, tcp(port) as connection:
        client.answer(await connection.exchange(client.probe(port)))
        await connection.send(client.signed(frame.CONFIRM, nonce))
        assert await connection.ended()
        assert await client.proven() == []


async def test_a_confirm_counts_once(serve: Serve, port: int) -> None:
    server = await serve(tcp=(port,))
    async with session(server) as client, tcp(port) as connection:
        answer = client.answer(await connection.exchange(client.probe(port)))
        confirm = client.signed(frame.CONFIRM, answer.server_nonce)
        await connection.send(confirm + confirm)
        assert await connection.ended()
        assert await client.proven() == [LOOPBACK]


async def test_a_confirm_replayed_on_another_connection_proves_nothing(
    serve: Serve, port: int
) -> None:
    server = await serve(tcp=(port,))
    async with session(server) as client, tcp(port) as connection, tcp(port) as another:
        answer = client.answer(await connection.exchange(client.probe(port)))
        confirm = client.signed(frame.CONFIRM, answer.server_nonce)
        client.answer(await another.exchange(client.probe(port)))
        await another.send(confirm)
        assert await another.ended()
        assert await client.proven() == []


async def test_a_confirm_that_was_changed_on_the_way_proves_nothing(
    serve: Serve, port: int
) -> None:
    server = await serve(tcp=(port,))
    async with session(server) as client, tcp(port) as connection:
        answer = client.answer(await connection.exchange(client.probe(port)))
        confirm = bytearray(client.signed(frame.CONFIRM, answer.server_nonce))
        confirm[-1] ^= 1
        client.answer(await connection.exchange(bytes(confirm)))
        assert await client.proven() == []


async def test_the_answer_to_a_changed_probe_cannot_be_confirmed(serve: Serve, port: int) -> None:
    """Its session may be anybody's guess: only who has the secret can prove an address."""
    server = await serve(tcp=(port,))
    async with session(server) as client, tcp(port) as connection:
        changed = bytearray(client.probe(port))
        changed[-1] ^= 1
        answer = client.answer(await connection.exchange(bytes(changed)))
        await connection.send(client.signed(frame.CONFIRM, answer.server_nonce))
        assert await connection.ended()
        assert await client.proven() == []

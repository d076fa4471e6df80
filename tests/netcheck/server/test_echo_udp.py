"""The UDP echo, over real sockets: equal size, valid tag, or not a byte.

Loopback keeps the order of datagrams, so that nothing has to be waited for: whatever must
stay unanswered is followed by a probe, and the first answer must be to that probe.
"""

import secrets
import socket

import pytest

from probes.wire import frame
from tests.netcheck.server.client import Client, free_udp_ports, heard, session, udp
from tests.netcheck.server.conftest import Serve


@pytest.fixture
def port() -> int:
    return free_udp_ports(1)[0]


async def unanswered(client: Client, sock: socket.socket, port: int, *sent: bytes) -> bool:
    """Whether none of ``sent`` gets an answer."""
    for each in sent:
        sock.send(each)
    probe = client.probe(port, "udp")
    sock.send(probe)
    return client.answer(await heard(sock)).digest == frame.digest(probe)


async def test_the_answer_proves_the_server_and_is_no_larger(serve: Serve, port: int) -> None:
    server = await serve(udp=(port,))
    async with session(server) as client:
        with udp(port) as sock:
            sent = client.probe(port, "udp")
            sock.send(sent)
            got = await heard(sock)
            assert len(got) == len(sent) == frame.SIZE
            answer = client.answer(got)
            assert answer.source == frame.Endpoint(*sock.getsockname())
            assert answer.port == port
            assert answer.digest == frame.digest(sent)
            assert answer.server_nonce == bytes(8)


async def test_a_flipped_bit_anywhere_is_never_answered(serve: Serve, port: int) -> None:
    server = await serve(udp=(port,), frame_burst=5000)
    async with session(server) as client:
        with udp(port) as sock:
            for byte in range(frame.SIZE):
                flipped = []
                for bit in range(8):
                    data = bytearray(client.probe(port, "udp"))
                    data[byte] ^= 1 << bit
                    flipped.append(bytes(data))
                assert await unanswered(client, sock, port, *flipped), f"byte {byte}"


async def test_only_whole_frames_are_answered(serve: Serve, port: int) -> None:
    server = await serve(udp=(port,))
    async with session(server) as client:
        with udp(port) as sock:
            whole = client.probe(port, "udp")
            for size in (0, 1, 4, 8, 16, 127, frame.DATAGRAM_MAX + 1, 9000):
                sent = (whole * 80)[:size]
                assert await unanswered(client, sock, port, sent), f"{size} bytes"


@pytest.mark.parametrize("size", [129, 256, 1472, 2000, frame.DATAGRAM_MAX])
async def test_a_probe_with_filler_gets_a_small_answer_over_all_of_it(
    serve: Serve, port: int, size: int
) -> None:
    server = await serve(udp=(port,))
    async with session(server) as client:
        with udp(port) as sock:
            sent = client.probe(port, "udp").ljust(size, b"x")
            sock.send(sent)
            got = await heard(sock)
            assert len(got) == frame.SIZE
            assert client.answer(got).digest == frame.digest(sent)


async def test_filler_after_a_wrong_tag_is_not_answered(serve: Serve, port: int) -> None:
    server = await serve(udp=(port,))
    async with session(server) as client:
        with udp(port) as sock:
            wrong = bytearray(client.probe(port, "udp").ljust(1400, b"x"))
            wrong[100] ^= 1
            assert await unanswered(client, sock, port, bytes(wrong))


@pytest.mark.parametrize("kind", [frame.ANSWER, frame.CONFIRM, frame.CALL, frame.REPLY])
async def test_other_kinds_with_filler_are_not_answered(serve: Serve, port: int, kind: int) -> None:
    server = await serve(udp=(port,))
    async with session(server) as client:
        with udp(port) as sock:
            assert await unanswered(client, sock, port, client.signed(kind).ljust(1400, b"x"))


@pytest.mark.parametrize("kind", [frame.ANSWER, frame.CONFIRM, frame.CALL, frame.REPLY])
async def test_other_kinds_are_not_answered(serve: Serve, port: int, kind: int) -> None:
    server = await serve(udp=(port,))
    async with session(server) as client:
        with udp(port) as sock:
            assert await unanswered(client, sock, port, client.signed(kind))


async def test_our_own_answer_sent_back_is_not_answered(serve: Serve, port: int) -> None:
    """Two servers, or a server and its own port, must not keep each other busy."""
    server = await serve(udp=(port,))
    async with session(server) as client:
        with udp(port) as sock:
            sock.send(client.probe(port, "udp"))
            assert await unanswered(client, sock, port, await heard(sock))


async def test_an_unknown_or_ended_session_is_not_answered(serve: Serve, port: int) -> None:
    server = await serve(udp=(port,))
    async with session(server) as ended:
        old = ended.probe(port, "udp")
    made_up = frame.write(
        frame.Frame(frame.PROBE, 1, secrets.token_bytes(8), secrets.token_bytes(16), b""),
        secrets.token_bytes(32),
    )
    async with session(server) as client:
        with udp(port) as sock:
            assert await unanswered(client, sock, port, old, made_up)


async def test_a_frame_of_one_session_signed_by_another_is_not_answered(
    serve: Serve, port: int
) -> None:
    server = await serve(udp=(port,))
    async with session(server) as client, session(server) as other:
        with udp(port) as sock:
            forged = frame.write(
                frame.Frame(frame.PROBE, 1, other.id, secrets.token_bytes(16), b""), client.secret
            )
            assert await unanswered(client, sock, port, forged)


async def test_beyond_the_budget_nothing_is_answered(serve: Serve, port: int) -> None:
    server = await serve(udp=(port,), frames=3)
    async with session(server) as client, session(server) as other:
        with udp(port) as sock:
            for _ in range(3):
                sock.send(client.probe(port, "udp"))
                client.answer(await heard(sock))
            assert await unanswered(other, sock, port, client.probe(port, "udp"))


async def test_one_session_cannot_use_up_anothers_budget(serve: Serve, port: int) -> None:
    server = await serve(udp=(port,), frame_burst=2, frames_per_s=0.001)
    async with session(server) as greedy, session(server) as client:
        with udp(port) as sock:
            sent = [greedy.probe(port, "udp") for _ in range(10)]
            for each in sent:
                sock.send(each)
            assert greedy.answer(await heard(sock)).digest == frame.digest(sent[0])
            assert greedy.answer(await heard(sock)).digest == frame.digest(sent[1])
            assert await unanswered(client, sock, port)

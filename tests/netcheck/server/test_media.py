"""Media of the server: to whom, how much, and what it counts."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from netcheck.server.limits import ServerLimits, fitted
from probes.wire import media, rtp
from probes.wire.messages import (
    MediaReady,
    MediaReport,
    MediaRequest,
    MediaSpec,
    Ping,
    Pong,
    Refusal,
)
from tests.netcheck.server.client import LOOPBACK, PATIENCE_S, Client, session, until
from tests.netcheck.server.conftest import Serve

ELSEWHERE = "127.0.62.9"  # the client's machine too, and proved by nothing
SHAPE = media.Shape(payload_type=rtp.G723, payload_bytes=24, packets_per_s=50)
OURS, THEIRS = 0x1111_0001, 0x2222_0002
DURATION_S = 0.3
PACKETS = 15


def request(port: int = 40000, **changes: Any) -> MediaRequest:
    spec = MediaSpec(
        number=1,
        client_port=port,
        ssrc=OURS,
        server_ssrc=THEIRS,
        payload_bytes=24,
        packets_per_s=50,
    )
    usual: dict[str, Any] = {
        "id": 5,
        "address": LOOPBACK,
        "duration_ms": round(DURATION_S * 1000),
        "patience_ms": 100,
        "streams": (spec,),
    }
    return MediaRequest(**(usual | changes))


def spec(**changes: Any) -> MediaSpec:
    usual: dict[str, Any] = {
        "number": 1, "client_port": 40000, "ssrc": OURS, "server_ssrc": THEIRS,
        "payload_bytes": 24, "packets_per_s": 50,
    }  # fmt: skip
    return MediaSpec(**(usual | changes))


@contextmanager
def ports(address: str = LOOPBACK) -> Iterator[tuple[socket.socket, socket.socket]]:
    """An RTP socket and its RTCP neighbour."""

    def bind(port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.bind((address, port))
        except OSError:
            sock.close()
            raise
        sock.setblocking(False)
        return sock

    pair = media.even_pair(bind, lambda sock: int(sock.getsockname()[1]))
    with pair[0], pair[1]:
        yield pair


def end(client: Client, secret: bytes | None = None) -> media.End:
    return media.End(
        secret or client.secret, SHAPE, ssrc=OURS, peer_ssrc=THEIRS, duration_s=DURATION_S,
        epoch_s=time.time() - time.monotonic(),
    )  # fmt: skip


@asynccontextmanager
async def proved(serve: Serve, **limits: Any) -> AsyncIterator[Client]:
    server = await serve(**limits)
    async with session(server) as client:
        await client.hello()
        assert await client.proven() == [LOOPBACK]
        yield client


def drained(sock: socket.socket) -> list[bytes]:
    got = []
    while True:
        try:
            got.append(sock.recv(4096))
        except BlockingIOError:
            return got


async def refusal(client: Client, asked: MediaRequest) -> str:
    return (await client.ask(asked, Refusal)).reason


async def test_both_ways_every_packet_is_counted(serve: Serve) -> None:
    async with proved(serve) as client:
        with ports() as (rtp_sock, rtcp_sock):
            own = end(client)
            ready = await client.ask(request(rtp_sock.getsockname()[1]), MediaReady)
            (opened,) = ready.streams
            assert (ready.id, opened.number, opened.port % 2) == (5, 1, 0)
            began = time.monotonic()
            for due in media.schedule((SHAPE,), DURATION_S):
                await asyncio.sleep(max(0.0, began + due.at_s - time.monotonic()))
                now = time.monotonic()
                if due.index is None:
                    rtcp_sock.sendto(own.report(now), (LOOPBACK, opened.port + 1))
                else:
                    packet = own.packet(due.index, now - began - due.at_s)
                    rtp_sock.sendto(packet, (LOOPBACK, opened.port))
                    own.sent += 1
            report = await client.next(MediaReport)
            (count,) = report.streams
            assert (count.sent, count.received, count.lost) == (PACKETS, PACKETS, 0)
            assert (count.duplicates, count.reordered, count.early, count.gaps) == (0, 0, 0, 0)
            assert count.rtcp_received == 1
            assert count.source == f"{LOOPBACK}:{rtp_sock.getsockname()[1]}"
            assert count.jitter_ms is not None
            assert count.losses == (0, 0)
            assert len(count.jitters_ms) == 2
            assert all(each is not None for each in count.jitters_ms)
            heard = drained(rtp_sock)
            assert [own.hear(data, 0.0) for data in heard] == [True] * PACKETS
            assert len(set(map(len, heard))) == 1
            assert len(heard[0]) == len(own.packet(0, 0.0))
            assert [own.hear_report(data, 0.0) for data in drained(rtcp_sock)] == [True]


async def test_a_client_that_sends_nothing_is_told_so(serve: Serve) -> None:
    async with proved(serve) as client:
        with ports() as (rtp_sock, _):
            await client.ask(request(rtp_sock.getsockname()[1]), MediaReady)
            (count,) = (await client.next(MediaReport)).streams
            assert (count.sent, count.received, count.lost, count.source) == (
                PACKETS, 0, PACKETS, None,
            )  # fmt: skip
            assert count.jitter_ms is None
            assert count.jitters_ms == (None, None)
            assert len(drained(rtp_sock)) == PACKETS


async def test_it_answers_to_where_the_stream_comes_from(serve: Serve) -> None:
    """A NAT's mapping: not the port that the client knows."""
    async with proved(serve) as client:
        own = end(client)
        with ports() as (declared, _), ports() as (mapped, _):
            ready = await client.ask(request(declared.getsockname()[1]), MediaReady)
            mapped.sendto(own.packet(0, 0.0), (LOOPBACK, ready.streams[0].port))
            (count,) = (await client.next(MediaReport)).streams
            assert count.source == f"{LOOPBACK}:{mapped.getsockname()[1]}"
            here, there = len(drained(mapped)), len(drained(declared))
            assert here + there == PACKETS
            assert here >= PACKETS // 2


async def test_a_stream_that_the_client_is_not_heard_on_is_given_up(serve: Serve) -> None:
    """Its port may be somebody else's, and of two streams only one has been heard."""
    async with proved(serve, media_unheard_s=0.1) as client:
        own = end(client)
        with ports() as (heard, _), ports() as (unheard, reports):
            specs = (
                spec(client_port=heard.getsockname()[1]),
                spec(number=2, client_port=unheard.getsockname()[1], ssrc=3, server_ssrc=4),
            )
            ready = await client.ask(request(streams=specs, duration_ms=800), MediaReady)
            heard.sendto(own.packet(0, 0.0), (LOOPBACK, ready.streams[0].port))
            kept, given_up = (await client.next(MediaReport)).streams
            assert (kept.sent, kept.received) == (40, 1)
            assert (given_up.sent, given_up.received) == (5, 0)
            assert (len(drained(heard)), len(drained(unheard)), len(drained(reports))) == (40, 5, 1)


async def test_an_address_that_proved_nothing_is_never_sent_to(serve: Serve) -> None:
    async with proved(serve) as client:
        own = end(client)
        with ports() as (declared, _), ports(ELSEWHERE) as (stranger, stranger_rtcp):
            ready = await client.ask(request(declared.getsockname()[1]), MediaReady)
            port = ready.streams[0].port
            for index in range(3):
                stranger.sendto(own.packet(index, 0.0), (LOOPBACK, port))
            stranger_rtcp.sendto(own.report(time.monotonic()), (LOOPBACK, port + 1))
            (count,) = (await client.next(MediaReport)).streams
            assert (count.received, count.rtcp_received) == (3, 1)  # they are the client's
            assert drained(stranger) == drained(stranger_rtcp) == []
            assert len(drained(declared)) == PACKETS


async def test_strangers_packets_count_for_nothing(serve: Serve) -> None:
    async with proved(serve) as client:
        forger = end(client, secret=bytes(32))
        with ports() as (declared, _), ports() as (other, _):
            ready = await client.ask(request(declared.getsockname()[1]), MediaReady)
            port = ready.streams[0].port
            for data in (b"", b"x" * 2000, forger.packet(0, 0.0), forger.packet(1, 0.0)):
                other.sendto(data, (LOOPBACK, port))
                other.sendto(data, (LOOPBACK, port + 1))
            (count,) = (await client.next(MediaReport)).streams
            assert (count.received, count.source, count.rtcp_received) == (0, None, 0)
            assert drained(other) == []
            assert len(drained(declared)) == PACKETS


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"address": "nowhere"}, "bad-request"),
        ({"address": "198.51.100.1"}, "not-proven"),
        ({"streams": (spec(client_port=40001),)}, "bad-request"),
        ({"streams": (spec(client_port=22),)}, "bad-request"),
        ({"streams": (spec(server_ssrc=OURS),)}, "bad-request"),
        ({"streams": (spec(), spec(client_port=40002, ssrc=3, server_ssrc=4))}, "bad-request"),
        ({"streams": (spec(), spec(number=2, ssrc=3, server_ssrc=4))}, "bad-request"),
        ({"streams": (spec(), spec(number=2, client_port=40002))}, "bad-request"),
        ({"duration_ms": 1100}, "limit"),
        ({"streams": (spec(payload_bytes=1200, packets_per_s=60),)}, "limit"),
    ],
)
async def test_what_is_refused(serve: Serve, changes: dict[str, Any], reason: str) -> None:
    async with proved(serve, media_s=1.0) as client:
        assert await refusal(client, request(**changes)) == reason


async def test_nothing_goes_to_an_address_before_it_is_proved(serve: Serve) -> None:
    server = await serve()
    async with session(server) as client:
        with ports() as (rtp_sock, _):
            assert await refusal(client, request(rtp_sock.getsockname()[1])) == "not-proven"
            assert drained(rtp_sock) == []


async def test_one_request_of_a_session_at_a_time(serve: Serve) -> None:
    async with proved(serve) as client:
        await client.ask(request(), MediaReady)
        assert await refusal(client, request(id=6)) == "limit"
        await client.next(MediaReport)
        await client.ask(request(id=7), MediaReady)
        await client.next(MediaReport)


@pytest.mark.parametrize("limit", ["media_in_all", "media_per_source"])
async def test_so_many_at_once_and_no_more(serve: Serve, limit: str) -> None:
    server = await serve(**{limit: 1})
    async with session(server) as client, session(server) as other:
        for each in (client, other):
            await each.hello()
            await each.proven()
        await client.ask(request(), MediaReady)
        assert await refusal(other, request()) == "limit"
        await client.next(MediaReport)
        await other.ask(request(), MediaReady)
        await other.next(MediaReport)


async def test_a_session_has_so_many_seconds_and_no_more(serve: Serve) -> None:
    async with proved(serve, media_s=0.5) as client:
        await client.ask(request(), MediaReady)
        await client.next(MediaReport)
        assert await refusal(client, request()) == "limit"
        await client.ask(request(duration_ms=200), MediaReady)


async def test_it_ends_with_the_control_connection(serve: Serve) -> None:
    with ports() as (rtp_sock, _):
        async with proved(serve, media_in_all=1) as client:
            long = request(rtp_sock.getsockname()[1], duration_ms=30_000)
            (opened,) = (await client.ask(long, MediaReady)).streams
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.get_running_loop().sock_recv(rtp_sock, 100)
        assert await until(lambda: is_free(opened.port) and is_free(opened.port + 1))
        drained(rtp_sock)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):  # five packets' time
                await asyncio.get_running_loop().sock_recv(rtp_sock, 100)


async def test_it_lasts_no_longer_than_was_asked(serve: Serve) -> None:
    async with proved(serve) as client:
        began = time.monotonic()
        await client.ask(request(patience_ms=10), MediaReady)
        await client.next(MediaReport)
        assert DURATION_S <= time.monotonic() - began + 0.02 < DURATION_S + 2.0
        await client.say(request(id=9, duration_ms=10))  # below what a request may ask for
        await client.ended()


async def test_a_heartbeat_is_answered_meanwhile(serve: Serve) -> None:
    async with proved(serve) as client:
        await client.ask(request(), MediaReady)
        assert (await client.ask(Ping(n=3), Pong)).n == 3
        await client.next(MediaReport)


def test_few_files_leave_room_for_less_media() -> None:
    small = fitted(ServerLimits(), 1024)
    assert 0 < small.media_in_all < ServerLimits().media_in_all
    assert small.media_per_source <= small.media_in_all


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((LOOPBACK, port))
        except OSError:
            return False
        return True

"""The ledger: what arrived, bounded, for the session that it concerns."""

import random
import secrets

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck.server.ledger import Ledger, Sources, Strays
from netcheck.server.limits import ServerLimits
from probes.wire import frame, messages
from tests.netcheck.server.client import (
    LOOPBACK,
    free_ports,
    free_udp_ports,
    heard,
    session,
    tcp,
    udp,
)
from tests.netcheck.server.conftest import Serve


async def test_it_holds_each_probe_by_port_number_and_source(serve: Serve) -> None:
    (tcp_port,), (udp_port,) = free_ports(1), free_udp_ports(1)
    server = await serve(tcp=(tcp_port,), udp=(udp_port,))
    async with session(server) as client, tcp(tcp_port) as connection:
        with udp(udp_port) as sock:
            await connection.exchange(client.probe(tcp_port, number=1))
            await connection.exchange(client.probe(tcp_port, number=1))
            altered = bytearray(client.probe(tcp_port, number=1))
            altered[-1] ^= 1
            await connection.exchange(bytes(altered))
            sock.send(client.probe(udp_port, "udp", number=2))
            await heard(sock)
            page = await client.ledger()
            at_tcp, at_udp = page.lines
            assert page.id == 99
            assert page.complete
            assert msgspec.structs.asdict(at_tcp) == {
                "transport": "tcp",
                "port": tcp_port,
                "number": 1,
                "source": f"{LOOPBACK}:{connection.sock.getsockname()[1]}",
                "count": 3,
                "altered": 1,
                "first_s": at_tcp.first_s,
                "last_s": at_tcp.last_s,
            }
            assert 0 <= at_tcp.first_s <= at_tcp.last_s < 5
            assert at_udp.source == f"{LOOPBACK}:{sock.getsockname()[1]}"
            assert (at_udp.transport, at_udp.port, at_udp.number) == ("udp", udp_port, 2)
            assert (at_udp.count, at_udp.altered) == (1, 0)


async def test_a_changed_datagram_is_recorded_though_not_answered(serve: Serve) -> None:
    (port,) = free_udp_ports(1)
    server = await serve(udp=(port,))
    async with session(server) as client:
        with udp(port) as sock:
            altered = bytearray(client.probe(port, "udp", number=5))
            altered[50] ^= 1
            sock.send(altered)
            sock.send(client.probe(port, "udp", number=6))
            await heard(sock)
            lines = {line.number: line for line in (await client.ledger()).lines}
            assert (lines[5].count, lines[5].altered) == (1, 1)
            assert (lines[6].count, lines[6].altered) == (1, 0)


async def test_sessions_do_not_see_each_others_probes(serve: Serve) -> None:
    (port,) = free_ports(1)
    server = await serve(tcp=(port,))
    async with session(server) as client, session(server) as other, tcp(port) as connection:
        await connection.exchange(client.probe(port))
        assert (await other.ledger()).lines == ()


async def test_it_is_bounded_and_says_so(serve: Serve) -> None:
    (port,) = free_ports(1)
    server = await serve(tcp=(port,), ledger_lines=2)
    async with session(server) as client, tcp(port) as connection:
        for number in (1, 2, 3, 1):
            client.answer(await connection.exchange(client.probe(port, number=number)))
        page = await client.ledger()
        assert not page.complete
        assert [(line.number, line.count) for line in page.lines] == [(1, 2), (2, 1)]


async def test_a_connection_without_a_frame_is_seen_once_its_address_is_proven(
    serve: Serve,
) -> None:
    empty, foreign, unused = free_ports(3)
    server = await serve(tcp=(empty, foreign, unused))
    async with session(server) as client, tcp(empty), tcp(foreign) as connection:
        await connection.send(b"GET / HTTP/1.0\r\n\r\n")
        assert await connection.ended()
        assert (await client.ledger()).accepted == ()
        await client.hello()
        assert (await client.ledger()).accepted == tuple(sorted((empty, foreign)))


@pytest.mark.parametrize("place", [0, 3, 8, 15])
async def test_what_came_as_other_bytes_is_told_to_who_sent_it(serve: Serve, place: int) -> None:
    """Altered where the frame says whose it is, so that it cannot be told by that."""
    altered, scanned = free_ports(2)
    server = await serve(tcp=(altered, scanned))
    async with session(server) as client, tcp(altered) as one, tcp(scanned) as two:
        sent = {port: client.probe(port) for port in (altered, scanned)}
        arrived = bytearray(sent[altered])
        arrived[place] ^= 0xFF
        await one.send(bytes(arrived))
        assert await one.ended()
        await two.send(b"\x16\x03\x01" + secrets.token_bytes(200))
        assert await two.ended()
        assert (await client.ledger()).garbled == ()
        page = await client.ask(
            messages.LedgerRequest(
                id=1,
                sent=tuple(
                    messages.Sent(port=port, frame=data.hex()) for port, data in sent.items()
                ),
            ),
            messages.LedgerPage,
        )
        assert page.garbled == (altered,)


@pytest.mark.parametrize("last", ["arrived", "another"])
async def test_one_frame_for_each_port_is_looked_for(serve: Serve, last: str) -> None:
    """Sixty-four, against all strangers' bytes, would cost the server milliseconds."""
    (port,) = free_ports(1)
    server = await serve(tcp=(port,))
    async with session(server) as client, tcp(port) as connection:
        sent, another = client.probe(port), client.probe(port)
        await connection.send(b"XXXX" + sent[4:])
        assert await connection.ended()
        frames = (another, sent) if last == "arrived" else (sent, secrets.token_bytes(128))
        page = await client.ask(
            messages.LedgerRequest(
                id=1, sent=tuple(messages.Sent(port=port, frame=f.hex()) for f in frames)
            ),
            messages.LedgerPage,
        )
        assert page.garbled == ((port,) if last == "arrived" else ())


async def test_connections_before_the_session_are_not_its_own(serve: Serve) -> None:
    (port,) = free_ports(1)
    server = await serve(tcp=(port,))
    async with tcp(port) as connection:
        await connection.send(b"before")
        assert await connection.ended()
    async with session(server) as client:
        await client.hello()
        assert (await client.ledger()).accepted == ()


def test_the_fullest_ledger_fits_into_one_message() -> None:
    limits = ServerLimits()
    ledger = Ledger(limits.ledger_lines)
    source = str(frame.Endpoint("2001:db8:1111:2222:3333:4444:5555:6666", 65535))
    for number in range(limits.ledger_lines + 1):
        ledger.add("tcp", 65535, 10000 + number, source, at_s=899.1234, altered=True)
    assert not ledger.complete
    ports = tuple(range(65535 - limits.source_records, 65535))
    page = messages.LedgerPage(
        id=65535, lines=ledger.lines(), complete=False, accepted=ports, garbled=ports
    )
    text = messages.write(page)
    assert messages.read_from_server(text) == page
    assert len(text) + 10 * limits.ledger_lines < messages.MAX_MESSAGE  # longer counts, too


def test_sources_forget_the_oldest() -> None:
    sources = Sources(2)
    sources.accepted("a", 1, 1.0)
    sources.accepted("a", 2, 2.0)
    sources.accepted("a", 1, 3.0)  # again, so that port 2 is now the oldest
    sources.accepted("a", 3, 4.0)
    assert sources.ports_accepted({"a"}, 0.0) == (1, 3)


@pytest.mark.parametrize(
    ("addresses", "since", "expected"),
    [
        ({"a"}, 0.0, (1, 2)),
        ({"a"}, 1.5, (2,)),
        ({"b"}, 0.0, (3,)),
        ({"a", "b"}, 0.0, (1, 2, 3)),
        (set(), 0.0, ()),
        ({"a"}, 9.0, ()),
    ],
)
def test_sources_are_asked_by_address_and_time(
    addresses: set[str], since: float, expected: tuple[int, ...]
) -> None:
    sources = Sources(10)
    for address, port, at in (("a", 1, 1.0), ("a", 2, 2.0), ("b", 3, 1.0)):
        sources.accepted(address, port, at)
    assert sources.ports_accepted(addresses, since) == expected


FRAME = st.binary(min_size=frame.SIZE, max_size=frame.SIZE)


@given(FRAME, st.lists(st.integers(0, 7), min_size=frame.SIZE, max_size=frame.SIZE))
def test_what_was_altered_resembles_what_was_sent(sent: bytes, bits: list[int]) -> None:
    """Even with a bit of every byte flipped, and with its second half missing."""
    arrived = bytes(byte ^ 1 << bit for byte, bit in zip(sent, bits, strict=True))
    for size in (frame.SIZE // 2, frame.SIZE, frame.SIZE + 1):
        strays = Strays(1)
        strays.add(80, (arrived + b"more")[:size], 1.0)
        assert strays.resembling(80, sent, 1.0)
        assert not strays.resembling(81, sent, 1.0)
        assert not strays.resembling(80, sent, 1.1)


def test_what_is_unrelated_does_not_resemble_it() -> None:
    generator = random.Random(1)
    strays = Strays(2000)
    for _ in range(2000):
        strays.add(80, generator.randbytes(frame.SIZE), 1.0)
    assert not any(strays.resembling(80, generator.randbytes(frame.SIZE), 0.0) for _ in range(20))


def test_strays_forget_the_oldest_and_pass_over_fragments() -> None:
    sent = bytes(frame.SIZE)
    strays = Strays(2)
    strays.add(80, sent, 1.0)
    strays.add(80, b"\xff" * frame.SIZE, 2.0)
    assert strays.resembling(80, sent, 0.0)
    strays.add(80, sent[: frame.SIZE // 2 - 1], 3.0)
    assert not strays.resembling(80, sent, 0.0)

"""Fragments made by hand, byte by byte; that they travel is shown in the lab (test_route.py)."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.nat import fragments
from probes.nat.fragments import Tried, means_dropped
from probes.path import Path, StunServer
from tests.probes.nat.sized_server import behind, up_to

HERE = "127.0.62.4"


def sums_to_zero(data: bytes) -> bool:
    """The test of RFC 1071: with its checksum, the sum of all words is all ones."""
    padded = data + bytes(len(data) % 2)
    total = sum(padded[i] << 8 | padded[i + 1] for i in range(0, len(padded), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


@given(st.binary(min_size=1600, max_size=2500), st.integers(1280, 1500), st.integers(1, 65535))
def test_two_fragments_make_the_datagram(data: bytes, mtu: int, port: int) -> None:
    source, target = "192.0.2.7", "198.51.100.5"
    first, second = fragments.fragments(source, 40001, target, port, data, mtu)
    whole = first[20:] + second[20:]
    for packet in (first, second):
        assert sums_to_zero(packet[:20])
        assert len(packet) == struct.unpack_from("!H", packet, 2)[0] <= mtu
        assert packet[12:20] == socket.inet_aton(source) + socket.inet_aton(target)
    assert first[4:6] == second[4:6] != b"\0\0"
    assert struct.unpack_from("!H", first, 6)[0] == 0x2000
    assert struct.unpack_from("!H", second, 6)[0] * 8 == len(first) - 20
    assert struct.unpack_from("!HHH", whole) == (40001, port, 8 + len(data))
    assert whole[8:] == data
    pseudo = socket.inet_aton(source) + socket.inet_aton(target)
    assert sums_to_zero(pseudo + struct.pack("!BBH", 0, 17, len(whole)) + whole)


async def test_where_packets_are_larger_than_any_datagram_of_ours_nothing_is_tested() -> None:
    async with behind(HERE, up_to(1 << 16)) as (session, port, server):
        found = await fragments.outbound(session, port)
    assert found.untested
    assert (found.sent, server.largest) == (0, 0)


def quiet() -> Path:
    path = Path(server_address=HERE, local_address=HERE, began=0.0)
    path.control_tally.add(500, 0)
    return path


def test_small_ones_that_are_lost_as_well_keep_silence_from_meaning_anything() -> None:
    path = quiet()
    assert means_dropped(path, 20, Tried(small=20, small_answered=20))
    assert not means_dropped(path, 20, Tried(small=20, small_answered=10))
    assert not means_dropped(path, 20, Tried(small=20, small_answered=0))
    assert not means_dropped(path, 5, Tried(small=5, small_answered=5))


def test_a_datagram_in_two_pieces_is_expected_to_be_lost_twice_as_easily() -> None:
    path = quiet()
    path.control_tally.add(500, 190)
    assert not means_dropped(path, 12, Tried(small=12, small_answered=10))
    assert means_dropped(path, 32, Tried(small=32, small_answered=26))


async def test_our_own_requests_sent_back_are_no_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A box that mirrors small datagrams does not make the large ones look lost."""

    class Mirror(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.DatagramTransport, transport)

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            if len(data) < 1000:
                self.transport.sendto(data, addr)

    monkeypatch.setattr("probes.hop_errors.local_mtu", lambda _: 1500)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Mirror, local_addr=(HERE, 0))
    path = Path(
        server_address=HERE,
        local_address=HERE,
        began=0.0,
        stun=StunServer(address=HERE, port=transport.get_extra_info("sockname")[1]),
    )
    path.pace = path.pace.measured(0.001)
    path.control_tally.add(500, 0)
    try:
        found = await fragments.both(path)
    finally:
        transport.close()
    assert found.sent > 0
    assert (found.answered, found.control_answered) == (0, 0)

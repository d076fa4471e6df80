"""What the kernel tells of ICMP errors: its structure by table and by any bytes, then for real."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.errors import WireError
from probes.hop_errors import (
    Datagrams,
    Reaction,
    available,
    knock,
    limit_hops,
    local_mtu,
    never_fragment,
    read_extended,
)

HERE = "127.0.62.1"
V4 = struct.pack("=H2x4s8x", socket.AF_INET, socket.inet_aton("192.0.2.1"))
V6 = struct.pack("=H6x16s4x", socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "2001:db8::1"))
LOCAL, ICMP, ICMP6 = 1, 2, 3

linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells who sent an ICMP error"
)


def extended(origin: int, kind: int, code: int, info: int = 0, error: int = 0) -> bytes:
    return struct.pack("=IBBBxII", error, origin, kind, code, info, 0)


@pytest.mark.parametrize(
    ("data", "kind", "address", "mtu"),
    [
        (extended(ICMP, 11, 0) + V4, "time-exceeded", "192.0.2.1", None),
        (extended(ICMP, 3, 3) + V4, "refused", "192.0.2.1", None),
        (extended(ICMP, 3, 4, 1400) + V4, "too-big", "192.0.2.1", 1400),
        (extended(ICMP, 3, 13) + V4, "unreachable", "192.0.2.1", None),
        (extended(ICMP, 3, 1) + V4, "unreachable", "192.0.2.1", None),
        (extended(ICMP6, 3, 0) + V6, "time-exceeded", "2001:db8::1", None),
        (extended(ICMP6, 1, 4) + V6, "refused", "2001:db8::1", None),
        (extended(ICMP6, 1, 1) + V6, "unreachable", "2001:db8::1", None),
        (extended(ICMP6, 2, 0, 1280) + V6, "too-big", "2001:db8::1", 1280),
        (extended(LOCAL, 0, 0, 1500), "too-big", None, 1500),
        (extended(LOCAL, 0, 0, 0, 1), "local-error", None, None),
        (extended(LOCAL, 0, 0, 0, 0xFFFF_FFFF), "local-error", None, None),
        (extended(ICMP, 11, 0), "time-exceeded", None, None),
        (extended(ICMP, 11, 0) + V4[:5], "time-exceeded", None, None),
    ],
)
def test_reading(data: bytes, kind: str, address: str | None, mtu: int | None) -> None:
    read = read_extended(data)
    assert (read.kind, read.address, read.mtu) == (kind, address, mtu)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_reaction_or_one_error(data: bytes) -> None:
    try:
        read = read_extended(data)
    except WireError:
        return
    assert len(data) >= 16
    assert read.kind in ("time-exceeded", "refused", "unreachable", "too-big", "local-error")


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HERE, 0))
        port: int = sock.getsockname()[1]
        return port


async def reactions(port: int, *sent: bytes) -> list[Reaction]:
    """The first reaction to each of ``sent``, in order."""
    heard: asyncio.Queue[Reaction] = asyncio.Queue()
    datagrams = await Datagrams.open(HERE, (HERE, port), heard.put_nowait)
    try:
        found = []
        for each in sent:
            datagrams.send(each)
            async with asyncio.timeout(5):
                found.append(await heard.get())
        return found
    finally:
        datagrams.close()
        await asyncio.sleep(0)


@linux
async def test_a_closed_port_refuses_and_says_who_did() -> None:
    found = await reactions(free_udp_port(), b"one", b"two", b"three")
    assert [(r.kind, r.address) for r in found] == [("refused", HERE)] * 3


async def test_a_datagram_is_an_answer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind((HERE, 0))
        heard: asyncio.Queue[Reaction] = asyncio.Queue()
        near = await Datagrams.open(HERE, far.getsockname(), heard.put_nowait)
        near.send(b"question")
        data, source = far.recvfrom(100)
        far.sendto(data[::-1], source)
        async with asyncio.timeout(5):
            got = await heard.get()
        near.close()
        await asyncio.sleep(0)
    assert (got.kind, got.address, got.data) == ("answered", HERE, b"noitseuq")


@linux
async def test_what_is_too_large_to_leave_is_told_with_the_limit() -> None:
    heard: asyncio.Queue[Reaction] = asyncio.Queue()
    datagrams = await Datagrams.open(HERE, (HERE, 9), heard.put_nowait, never_fragment)
    try:
        mtu = local_mtu(datagrams.sock)
        assert mtu is not None
        datagrams.send(bytes(min(mtu, 65507)))
        async with asyncio.timeout(5):
            got = await heard.get()
        if mtu < 65507:
            assert (got.kind, got.mtu) == ("too-big", mtu)
    finally:
        datagrams.close()
        await asyncio.sleep(0)


@linux
async def test_knocking() -> None:
    with socket.socket() as listener:
        listener.bind((HERE, 0))
        to = listener.getsockname()
        refused = await knock(HERE, to, 3)
        assert (refused.kind, refused.detail) == ("refused", "TCP reset")
        listener.listen()
        assert (await knock(HERE, to, 1)).kind == "answered"


@linux
def test_the_hop_limit_is_the_sockets() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        limit_hops(sock, 7)
        assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 7
    assert available()

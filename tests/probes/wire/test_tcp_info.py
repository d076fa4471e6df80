"""What Linux tells of a connection: against a made-up structure and against the kernel."""

import socket
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.wire import tcp_info
from probes.wire.tcp_info import Segments

COUNT = st.integers(0, 2**32 - 1)


@given(COUNT, COUNT, st.binary(min_size=100, max_size=100), st.binary(max_size=200))
def test_the_counts_are_where_linux_puts_them(
    sent: int, resent: int, before: bytes, after: bytes
) -> None:
    info = before + struct.pack("@I", resent) + bytes(52) + struct.pack("@I", sent) + after
    assert tcp_info.read(info) == Segments(sent, resent)


@given(st.binary(max_size=tcp_info.SIZE - 1))
def test_an_older_kernel_tells_nothing(info: bytes) -> None:
    assert tcp_info.read(info) is None


def test_the_kernel_counts_what_was_sent() -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux has this structure")
    else:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname()) as client,
            server.accept()[0] as accepted,
        ):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(3):
                client.sendall(b"x")
                accepted.recv(1)
            info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, tcp_info.SIZE)
            assert tcp_info.read(info) == Segments(3, 0)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Segments(100, 0), Segments(100, 0), (100, 0)),
        (Segments(100, 10), Segments(100, 10), (100, 20)),
        (Segments(100, 10), Segments(50, 5), (75, 15)),
        (Segments(0, 0), Segments(10, 1), (5, 0)),
        (Segments(0, 0), Segments(0, 0), (0, 0)),
        (Segments(4, 9), Segments(4, 9), (4, 4)),
    ],
)
def test_a_round_trip_is_lost_when_either_way_is(
    one: Segments, other: Segments, expected: tuple[int, int]
) -> None:
    assert tcp_info.round_trips(one, other) == expected


@given(COUNT, COUNT, COUNT, COUNT)
def test_never_more_is_lost_than_was_sent(a: int, b: int, c: int, d: int) -> None:
    sent, lost = tcp_info.round_trips(Segments(a, b), Segments(c, d))
    assert 0 <= lost <= sent

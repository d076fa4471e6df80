"""What Linux tells of a connection: against a made-up structure and against the kernel."""

import socket
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.wire import tcp_info


@given(st.integers(0, 2**32 - 1), st.binary(min_size=100, max_size=100), st.binary(max_size=200))
def test_the_count_is_where_linux_puts_it(count: int, before: bytes, after: bytes) -> None:
    info = before + struct.pack("@I", count) + after
    assert tcp_info.retransmissions(info) == count


@given(st.binary(max_size=tcp_info.SIZE - 1))
def test_an_older_kernel_tells_nothing(info: bytes) -> None:
    assert tcp_info.retransmissions(info) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this structure")
def test_a_fresh_connection_has_sent_nothing_again() -> None:
    if sys.platform == "linux":
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname()) as client,
        ):
            client.sendall(b"x" * 1000)
            info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, tcp_info.SIZE)
            assert len(info) == tcp_info.SIZE
            assert tcp_info.retransmissions(info) == 0

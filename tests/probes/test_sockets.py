import errno
import socket

import pytest

from probes import sockets


def test_a_port_that_is_listened_on_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=r".") as caught:
            sockets.tcp("127.0.0.1", port)
    assert caught.value.errno == errno.EADDRINUSE


def test_shared_sockets_have_one_port() -> None:
    with sockets.tcp("127.0.0.1", shared=True) as one:
        port = one.getsockname()[1]
        with sockets.tcp("127.0.0.1", port, shared=True) as other:
            assert other.getsockname()[1] == port


def test_a_connection_that_is_closed_leaves_its_port_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = sockets.tcp("127.0.0.1")
        port = one.getsockname()[1]
        one.setblocking(True)
        one.connect(server.getsockname())
        one.close()
        with sockets.tcp("127.0.0.1", port) as again:
            again.setblocking(True)
            again.connect(server.getsockname())  # refused while TIME_WAIT lasts
            assert again.getsockname()[1] == port


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_datagrams_of_either_version(address: str) -> None:
    with sockets.udp(address) as sock:
        assert sock.getsockname()[0] == address
        assert not sock.getblocking()

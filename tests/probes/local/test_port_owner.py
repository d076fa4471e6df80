"""Which program holds a port: asked about real programs."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.local.port_owner import Holder, PortOwner, holding_process, owner_of, printable_name
from probes.observation import Transport

# macOS tells the owners of sockets only to root.
tells_owners = pytest.mark.skipif(sys.platform == "darwin", reason="needs root on macOS")

HOLD = """
import socket, sys
kind = socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM
family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
with socket.socket(family, kind) as held:
    held.bind((sys.argv[2], 0))
    if kind == socket.SOCK_STREAM:
        held.listen()
    print(held.getsockname()[1], flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def holding(transport: Transport, address: str) -> Iterator[tuple[int, int]]:
    """A program that holds a free port: its process id and the port."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, transport, address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdin is not None
        try:
            yield program.pid, int(program.stdout.readline())
        finally:
            program.stdin.close()


@tells_owners
@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("127.0.0.1", "0.0.0.0"),
        ("::", "127.0.0.1"),
        ("::1", "::"),
    ],
)
def test_another_program_is_named(transport: Transport, held: str, wanted: str) -> None:
    with holding(transport, held) as (pid, port):
        owner = owner_of(transport, wanted, port)
    assert owner is not None
    assert owner.pid == pid
    assert "python" in owner.program.lower()


@tells_owners
def test_this_program_is_named_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        owner = owner_of("tcp", "127.0.0.1", server.getsockname()[1])
    assert owner is not None
    assert owner.pid == os.getpid()


def test_nobody_holds_a_free_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert owner_of("tcp", "127.0.0.1", port) is None


def test_the_other_transport_is_another_port() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        owner = owner_of("tcp", "127.0.0.1", udp.getsockname()[1])
    assert owner is None or owner.pid != os.getpid()


def test_nonsense_is_held_by_nobody() -> None:
    assert owner_of("tcp", "nonsense", 80) is None


@pytest.mark.parametrize(
    ("held", "wanted", "collides"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("0.0.0.0", "::1", False),
        ("0.0.0.0", "::", True),
        ("::", "192.0.2.1", True),
        ("::1", "0.0.0.0", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::1", True),
        ("", "192.0.2.1", False),
    ],
)
def test_which_addresses_collide(held: str, wanted: str, collides: bool) -> None:
    found = holding_process([Holder(held, 6891, 7, True)], wanted, 6891)
    assert found == (7 if collides else None)


def test_the_closest_match_wins() -> None:
    holders = [
        Holder("::", 6891, 1, True),
        Holder("0.0.0.0", 6891, 2, True),
        Holder("192.0.2.1", 6891, 3, False),
        Holder("192.0.2.1", 6891, 4, True),
        Holder("192.0.2.1", 6891, None, True),
        Holder("192.0.2.1", 6892, 5, True),
    ]
    assert holding_process(holders, "192.0.2.1", 6891) == 4
    assert holding_process(holders, "192.0.2.9", 6891) == 2


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("msnmsgr.exe", "msnmsgr.exe"),
        ("evil\x1b[31m\n", "evil[31m"),
        ("gpj\u202eexe", "gpjexe"),
        ("\udcff", ""),
        ("x" * 100, "x" * 64),
    ],
)
def test_names_are_made_printable(name: str, shown: str) -> None:
    assert printable_name(name) == shown


@given(st.text())
def test_any_name_becomes_printable(name: str) -> None:
    shown = printable_name(name)
    assert shown.isprintable()
    assert len(shown) <= 64
    assert printable_name(shown) == shown


def test_an_owner_is_a_value() -> None:
    assert PortOwner(program="a", pid=1) == PortOwner(program="a", pid=1)
    with pytest.raises(AttributeError):
        PortOwner(program="a", pid=1).program = "b"  # type: ignore[misc]

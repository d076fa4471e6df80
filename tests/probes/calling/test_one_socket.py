"""The connection that an editor expects is spoken on its first socket, however late that is."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from probes.calling import one_socket
from probes.calling.one_socket import REPEATED_S, connected_once
from probes.session import Session
from probes.silence import ATTEMPTS_MIN
from tests.netcheck.loopback import address
from tests.probes.calling.far_ends import Line, left_running, mute, session_with, stranger

LATE_S = 0.5

_genuine = one_socket._connects


async def late(session: Session, sock: socket.socket, port: int) -> None:
    """As if its first SYN was lost, and no others."""
    await asyncio.sleep(LATE_S)
    await _genuine(session, sock, port)


async def never(session: Session, sock: socket.socket, port: int) -> None:
    await asyncio.Event().wait()


def session() -> Session:
    return session_with(Line(), address(), address())


async def test_the_first_socket_is_the_only_one_where_nothing_is_lost() -> None:
    made = session()
    async with stranger(mute, made.server_address) as port:
        sock, tries = await connected_once(made, port)
        assert sock is not None
        with sock:
            assert sock.getpeername()[1] == port
    assert len(tries) == 1
    assert left_running() == set()


async def test_the_first_socket_is_waited_for_where_others_are_quicker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(one_socket, "_connects", late)
    made = session()
    began = time.monotonic()
    async with stranger(mute, made.server_address) as port:
        sock, tries = await connected_once(made, port)
        assert sock is not None
        sock.close()
    assert len(tries) == 1
    assert LATE_S <= time.monotonic() - began < REPEATED_S


async def test_another_socket_is_counted_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_socket, "_connects", never)
    monkeypatch.setattr(one_socket, "REPEATED_S", 0.1)
    made = session()
    async with stranger(mute, made.server_address) as port:
        sock, tries = await connected_once(made, port)
        assert sock is not None
        sock.close()
    assert len(tries) > 1
    assert left_running() == set()


async def test_a_closed_port_refuses_twice() -> None:
    made = session()
    with socket.socket() as free:
        free.bind((made.server_address, 0))
        port = free.getsockname()[1]
    sock, tries = await connected_once(made, port)
    assert sock is None
    assert [this.outcome for this in tries] == ["refused", "refused"]


async def test_silence_takes_as_many_sockets_as_everywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def silent(*_: object) -> bool:
        await asyncio.Event().wait()
        return False

    monkeypatch.setattr(one_socket, "_connects", never)
    monkeypatch.setattr(one_socket, "connect", silent)
    sock, tries = await connected_once(session(), 30000)
    assert sock is None
    assert [this.outcome for this in tries] == ["silent"] * ATTEMPTS_MIN
    assert left_running() == set()

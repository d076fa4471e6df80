"""Asking by GRE, ESP and AH, over a pair of sockets in place of the network."""

from __future__ import annotations

import asyncio
import math
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from probes import raw_protocols
from probes.observation import RawProtocol
from probes.pace import Pace
from probes.session import ControlLine, Session
from probes.silence import ATTEMPTS_MIN
from probes.wire import frame, messages
from probes.wire import raw_protocols as wire
from probes.wire.raw_protocols import NUMBERS, RawName

if sys.platform != "linux":
    pytest.skip("only Linux lets a program receive them", allow_module_level=True)

SECRET = bytes(32)
BACK = 0x4321
each = pytest.mark.parametrize("name", NUMBERS)

Reply = Callable[[RawName, bytes], list[bytes]]


class Line:
    def __init__(self) -> None:
        self.alive = True
        self.raw_arrivals: list[messages.RawArrived] = []


def made(server: str = "127.0.0.1") -> Session:
    session = Session(
        control=cast(ControlLine, Line()),
        session_id=b"8 bytes!",
        secret=SECRET,
        server_address=server,
        local_address="127.0.0.1",
        began=time.monotonic(),
    )
    session.pace = Pace().measured(0.001)
    session.answered_until = math.inf
    session.control_tally.add(200, 0)
    return session


def answer(name: RawName, packet: bytes, *, key: int = BACK, secret: bytes = SECRET) -> bytes:
    """What the server would say."""
    asked = wire.read(name, packet).payload
    got = frame.read(asked, SECRET)
    body = frame.write_answer(
        frame.Answer(frame.Endpoint("127.0.0.1", 0), NUMBERS[name], frame.digest(asked), bytes(8))
    )
    said = frame.write(frame.Frame(frame.ANSWER, 7, got.session, got.nonce, body), secret)
    return b"\x45" + bytes(19) + wire.write(name, key, 0, said)


@asynccontextmanager
async def network(
    monkeypatch: pytest.MonkeyPatch, name: RawName, reply: Reply
) -> AsyncIterator[list[bytes]]:
    """What came to the other end."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    near.setblocking(False)
    far.setblocking(False)
    monkeypatch.setattr(raw_protocols, "_open", lambda *_: near)
    came: list[bytes] = []

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        while True:
            came.append(await loop.sock_recv(far, 4096))
            for data in reply(name, came[-1]):
                await loop.sock_sendall(far, data)

    serving = asyncio.create_task(serve())
    try:
        yield came
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        far.close()


async def asked(session: Session, name: RawName, **more: Any) -> RawProtocol:
    usual: dict[str, Any] = {"key": 5, "back": BACK, "offered": True} | more
    return await raw_protocols.ask(session, name, 7, **usual)


@each
async def test_an_answer_ends_it(monkeypatch: pytest.MonkeyPatch, name: RawName) -> None:
    async with network(monkeypatch, name, lambda n, p: [answer(n, p)]) as came:
        found = await asked(made(), name)
    assert (found.answered, found.reached_server, found.sent) == (True, True, 1)
    assert wire.read(name, came[0]).key == 5


@each
async def test_what_proves_nothing_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, name: RawName
) -> None:
    def strangers(name: RawName, packet: bytes) -> list[bytes]:
        return [
            b"\x45" + bytes(19) + packet,  # the question itself
            answer(name, packet)[:-1],
            answer(name, packet, secret=bytes([1]) * 32),
            answer(name, packet, key=BACK + 1),
            b"\x45",
        ]

    began = time.monotonic()
    async with network(monkeypatch, name, strangers) as came:
        found = await asked(made(), name)
    assert (found.answered, found.reached_server) == (False, False)
    assert found.sent == len(came) == ATTEMPTS_MIN
    assert time.monotonic() - began < 2.5


async def test_a_packet_that_is_lost_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = iter((True, True, False))
    async with network(monkeypatch, "esp", lambda n, p: [] if next(lost) else [answer(n, p)]):
        found = await asked(made(), "esp")
    assert (found.answered, found.sent) == (True, 3)


async def test_the_server_tells_what_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    session = made()
    told = cast(Any, session.control).raw_arrivals
    told.append(messages.RawArrived(protocol="esp", number=8, source="192.0.2.9"))
    told.append(messages.RawArrived(protocol="ah", number=7, source="192.0.2.9"))
    async with network(monkeypatch, "esp", lambda *_: []):
        assert not (await asked(session, "esp")).reached_server
    async with network(monkeypatch, "ah", lambda *_: []):
        found = await asked(session, "ah")
    assert (found.reached_server, found.answered, found.source) == (True, False, "192.0.2.9")
    assert found.local == "127.0.0.1"


async def test_why_it_is_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    not_offered = await asked(made(), "gre", offered=False)
    over_ipv6 = await asked(made("2001:db8::1"), "gre")

    def refused(*_: Any) -> socket.socket:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(raw_protocols, "_open", refused)
    no_privilege = await asked(made(), "gre")
    monkeypatch.setattr(sys, "platform", "darwin")
    elsewhere = await asked(made(), "gre")
    found = [not_offered, over_ipv6, no_privilege, elsewhere]
    assert [each.untested for each in found] == [
        raw_protocols.NOT_OFFERED,
        raw_protocols.NO_IPV4,
        raw_protocols.NO_PRIVILEGE,
        raw_protocols.NO_SYSTEM,
    ]
    assert all((each.sent, each.answered) == (0, False) for each in found)

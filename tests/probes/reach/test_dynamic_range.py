"""The dynamic ports of a real echo server on loopback, and of one that does not play along."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from netcheck.server.limits import ServerLimits
from netcheck.server.serve import EchoServer, ServerConfig
from probes import sampling
from probes.observation import Transport
from probes.pace import Pace
from probes.reach import dynamic_range
from probes.session import ControlLost, Session
from probes.wire import messages
from tests.netcheck import loopback
from tests.probes import live

BOTH = pytest.mark.parametrize("transport", ["udp", "tcp"])
SECRET = bytes(range(32))


@asynccontextmanager
async def served(folder: Path, **limits: Any) -> AsyncIterator[Session]:
    server = EchoServer(
        ServerConfig(
            listen=(loopback.address(),),
            control_ports=(0,),
            stun_port=None,
            data_dir=folder,
            limits=ServerLimits(**limits),
        )
    )
    await server.start()
    try:
        async with live.session(server.links()[0]) as session:
            yield session
    finally:
        await server.close()


@BOTH
async def test_every_port_of_an_open_path_is_open(tmp_path: Path, transport: Transport) -> None:
    async with served(tmp_path) as session:
        found = await dynamic_range.run(session, transport, budget_s=5.0)
        assert found.id == f"dynamic-{transport}"
        assert found.untested == ""
        assert found.first == found.strata == dynamic_range.STRATA[transport]
        assert {s.outcome for s in found.samples} == {"open"}
        for index, sample in enumerate(found.samples[: found.first]):
            assert sample.port in sampling.stratum(index, found.strata)
        assert found.took_s < 2.0
        assert session.tallies[transport].sent >= found.first


async def test_both_at_once_fit_into_what_one_session_may_open(tmp_path: Path) -> None:
    async with served(tmp_path) as session:
        both = await asyncio.gather(
            dynamic_range.run(session, "udp", budget_s=5.0),
            dynamic_range.run(session, "tcp", budget_s=5.0),
        )
    assert [(found.untested, found.first) for found in both] == [("", 72), ("", 36)]


async def test_a_server_that_opens_few_ports_gets_a_smaller_sample(tmp_path: Path) -> None:
    async with served(tmp_path, dynamic_ports=40) as session:
        found = await dynamic_range.run(session, "udp", budget_s=5.0)
    assert found.strata == found.first == 36


async def test_a_server_that_opens_hardly_any_is_said(tmp_path: Path) -> None:
    async with served(tmp_path, dynamic_ports=5) as session:
        found = await dynamic_range.run(session, "udp", budget_s=5.0)
    assert found.samples == ()
    assert "too many dynamic ports" in found.untested


@BOTH
async def test_a_port_that_the_server_has_not_is_replaced(
    tmp_path: Path, transport: Transport
) -> None:
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    part = sampling.stratum(3, dynamic_range.STRATA[transport])
    async with served(tmp_path) as session:
        with socket.socket(socket.AF_INET, kind) as other:
            other.bind((session.server_address, part[0]))
            found = await dynamic_range.run(session, transport, budget_s=5.0, choose=lambda _: 0)
    assert part[0] in found.unavailable
    assert part[1] in {s.port for s in found.samples}
    assert found.first == found.strata


class Line:
    """A control connection that grants every port, which nobody then listens on."""

    alive = True

    def __init__(self, address: str, *, answer: messages.Refusal | None = None) -> None:
        self.address = address
        self.answer = answer
        self.opened: list[socket.socket] = []
        self.listen: Callable[[messages.TransportName, int], socket.socket] | None = None
        self.page: messages.LedgerPage | None = messages.LedgerPage(
            id=1, lines=(), complete=True, accepted=(), garbled=()
        )

    async def open_ports(
        self, transport: messages.TransportName, count: int = 0, ports: tuple[int, ...] = ()
    ) -> messages.Opened | messages.Refusal:
        if self.answer is not None:
            return self.answer
        if self.listen is not None:
            self.opened += [self.listen(transport, port) for port in ports]
        return messages.Opened(id=1, transport=transport, ports=ports, failed=(), for_s=30.0)

    async def ledger(self, sent: tuple[messages.Sent, ...] = ()) -> messages.LedgerPage | None:
        return self.page

    def session(self) -> Session:
        made = Session(
            control=self,  # type: ignore[arg-type]
            session_id=bytes(range(8)),
            secret=SECRET,
            server_address=self.address,
            local_address=self.address,
            began=0.0,
        )
        made.control_tally.add(100, 0)
        made.pace = Pace().measured(0.001)
        return made

    def close(self) -> None:
        for sock in self.opened:
            sock.close()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight ports, so that silence is soon known."""
    monkeypatch.setattr(dynamic_range, "STRATA", {"udp": 8, "tcp": 8})


@BOTH
async def test_what_refuses_is_refused(few: None, transport: Transport) -> None:
    found = await dynamic_range.run(Line(loopback.address()).session(), transport, budget_s=5.0)
    assert {s.outcome for s in found.samples} == {"refused"}
    assert {s.tries for s in found.samples} == {2}


def mute(address: str) -> Callable[[messages.TransportName, int], socket.socket]:
    """Whatever arrives is taken and never answered."""

    def listen(transport: messages.TransportName, port: int) -> socket.socket:
        kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
        sock = socket.socket(socket.AF_INET, kind)
        sock.bind((address, port))
        if transport == "tcp":
            sock.listen()
        return sock

    return listen


@BOTH
async def test_silence_beyond_loss_is_blocked(few: None, transport: Transport) -> None:
    line = Line(loopback.address())
    line.listen = mute(line.address)
    try:
        found = await dynamic_range.run(line.session(), transport, budget_s=9.0)
    finally:
        line.close()
    assert {s.outcome for s in found.samples} == {"blocked"}
    assert all(s.tries >= 6 for s in found.samples)


async def test_what_arrived_by_the_ledger_lost_only_its_answer(few: None) -> None:
    line = Line(loopback.address())
    line.listen = mute(line.address)
    line.page = messages.LedgerPage(
        id=1,
        lines=tuple(
            messages.LedgerLine(
                transport="udp",
                port=1,
                number=number,
                source="192.0.2.1:1",
                count=1,
                altered=0,
                first_s=0.0,
                last_s=0.0,
            )
            for number in (1, 2, 3)
        ),
        complete=True,
        accepted=(),
        garbled=(),
    )
    try:
        found = await dynamic_range.run(line.session(), "udp", budget_s=9.0)
    finally:
        line.close()
    outcomes = [s.outcome for s in found.samples]
    assert outcomes.count("reply-lost") == 3
    assert outcomes.count("blocked") == len(outcomes) - 3


async def test_a_server_that_passed_over_packets_decides_nothing(few: None) -> None:
    line = Line(loopback.address())
    line.listen = mute(line.address)
    line.page = messages.LedgerPage(id=1, lines=(), complete=False, accepted=(), garbled=())
    try:
        found = await dynamic_range.run(line.session(), "udp", budget_s=9.0)
    finally:
        line.close()
    assert {s.outcome for s in found.samples} == {"undecided"}


@BOTH
async def test_a_time_too_short_leaves_silence_undecided(few: None, transport: Transport) -> None:
    line = Line(loopback.address())
    line.listen = mute(line.address)
    try:
        found = await dynamic_range.run(line.session(), transport, budget_s=0.3)
    finally:
        line.close()
    assert {s.outcome for s in found.samples} == {"undecided"}
    assert found.untested == ""


async def test_a_refusal_to_open_is_the_reason(few: None) -> None:
    refusal = messages.Refusal(id=1, reason="closing", detail="")
    session = Line(loopback.address(), answer=refusal).session()
    found = await dynamic_range.run(session, "udp", budget_s=5.0)
    assert found.untested == "the echo server opened no port: closing"
    assert found.samples == ()


async def test_a_control_connection_that_is_lost_is_the_reason() -> None:
    class Lost(Line):
        async def open_ports(self, *_: Any, **__: Any) -> messages.Opened:
            raise ControlLost("it broke")

    found = await dynamic_range.run(Lost(loopback.address()).session(), "udp", budget_s=5.0)
    assert found.untested == "the control connection was lost: it broke"


@pytest.mark.parametrize(
    "said",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"N", bytes(128), b"NCK1" + bytes(124), bytes(1000)],
    ids=["http", "one-byte", "zeros", "frame-like", "long"],
)
async def test_whoever_else_answers_is_not_taken_for_the_server(few: None, said: bytes) -> None:
    address = loopback.address()
    servers: list[asyncio.Server] = []

    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(128)
        writer.write(said)
        writer.close()

    class Strangers(Line):
        async def open_ports(
            self, transport: messages.TransportName, count: int = 0, ports: tuple[int, ...] = ()
        ) -> messages.Opened | messages.Refusal:
            for port in ports:
                servers.append(await asyncio.start_server(stranger, address, port))
            return await super().open_ports(transport, count, ports)

    try:
        found = await dynamic_range.run(Strangers(address).session(), "tcp", budget_s=5.0)
    finally:
        for server in servers:
            server.close()
            await server.wait_closed()
    assert {s.outcome for s in found.samples} == {"intercepted"}

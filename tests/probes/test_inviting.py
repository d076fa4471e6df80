"""Ten files offered to a real echo server, through a router that leaves the invitations as they
are, edits them, or does harm."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from netcheck.server.serve import EchoServer, ServerConfig
from probes import inviting
from probes.editors import msn
from probes.observation import Invited
from probes.session import Session
from probes.silence import ATTEMPTS_MIN
from probes.speaking import Place
from probes.wire import frame
from tests.netcheck.loopback import address
from tests.probes import live
from tests.probes.box import Box, box, rewriting

PORTS = tuple(range(6891, 6901))


class Net:
    """A client behind a box, with a session."""

    def __init__(self, session: Session, box: Box, place: Place, client: str, public: str) -> None:
        self.session, self.box, self.place = session, box, place
        self.client, self.public = client, public

    async def invite(self, ways: tuple[int, ...] = ()) -> Invited:
        for port in ways:
            await self.box.open_way("tcp", port)
        return await inviting.invite(self.session, self.place, PORTS)

    def edits(self) -> None:
        self.box.out = rewriting(self.client, self.public)


@asynccontextmanager
async def net(folder: Path) -> AsyncIterator[Net]:
    own = address()
    head, _, last = own.rpartition(".")
    first = head.rpartition(".")[0]
    server_at, inside, public, client = [f"{first}.{n}.{last}" for n in (211, 221, 231, 241)]
    with socket.socket() as free:
        free.bind((server_at, 0))
        port = free.getsockname()[1]
    server = EchoServer(
        ServerConfig(
            listen=(server_at,),
            control_ports=(0,),
            stun_port=None,
            dialogue_ports={msn.FILE: port},
            data_dir=folder,
        )
    )
    await server.start()
    try:
        async with (
            live.session(server.links()[0], bind=public) as session,
            box(inside, server_at, public, client) as router,
        ):
            session.local_address, session.server_address = client, inside
            await router.forward("tcp", port)
            place = Place(
                protocol="msn",
                dialogue=msn.DIALOGUES[0],
                port=port,
                aim="own-port",
                server=server_at,
                same_version=True,
            )
            yield Net(session, router, place, client, public)
    finally:
        await server.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


async def test_an_address_that_is_not_known_to_be_ours_is_not_gone_to(folder: Path) -> None:
    async with net(folder) as behind:
        found = await behind.invite(PORTS)
    assert (found.talk, found.together, found.untested) == ("talked", (), "")
    assert (found.out.changed, found.out.faults) == (False, ())
    assert (found.source or "").startswith(behind.public + ":")
    for port, one in zip(PORTS, found.invitations, strict=True):
        assert one.port == port
        assert one.sent == one.arrived == f"{behind.client}:{port}"
        assert (one.refused, one.attempts, one.heard) == ("not-proven", (), 0)


async def test_all_ten_are_there_in_one_moment(folder: Path) -> None:
    async with net(folder) as behind:
        behind.edits()
        found = await behind.invite(PORTS)
    assert found.together == PORTS
    for one in found.invitations:
        assert one.sent == f"{behind.client}:{one.port}"
        assert one.arrived == f"{behind.public}:{one.port}"
        assert one.heard == 1
        assert [a.outcome for a in one.attempts] == ["answered"]


async def test_those_that_get_in_are_there_together(folder: Path) -> None:
    async with net(folder) as behind:
        behind.edits()
        found = await behind.invite(PORTS[2:5])
    assert found.together == PORTS[2:5]
    for one in found.invitations:
        outcomes = [a.outcome for a in one.attempts]
        assert outcomes == (["answered"] if one.port in found.together else ["refused"] * 2)


LATE_S = 0.06
"""Three looks at whether all are there, and less than the server waits to call again."""


async def test_the_first_ones_wait_for_the_last(folder: Path) -> None:
    """Without which ten connections one after another would look like ten at once."""
    said: list[str] = []
    nine = asyncio.Event()

    async with net(folder) as behind:
        behind.edits()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            port = writer.get_extra_info("sockname")[1]
            call = await reader.readexactly(frame.SIZE)
            if port == PORTS[-1]:
                await nine.wait()
                await asyncio.sleep(LATE_S)
            said.append("call")
            if len(said) == len(PORTS) - 1:
                nine.set()
            far, away = await asyncio.open_connection(behind.client, port)
            away.write(call)
            reply = await far.readexactly(frame.SIZE)
            said.append("reply")
            writer.write(reply)
            with contextlib.suppress(ConnectionResetError):  # the server has heard enough
                await reader.read()
            for each in (away, writer):
                each.transport.abort()

        ways = [await asyncio.start_server(accept, behind.public, port) for port in PORTS]
        found = await behind.invite()
        for way in ways:
            way.close()
    assert found.together == PORTS
    assert said == ["call"] * len(PORTS) + ["reply"] * len(PORTS)


async def test_an_answer_that_the_server_did_not_hear_is_none(folder: Path) -> None:
    """A connection that was open, and no longer carries what we say."""
    async with net(folder) as behind:
        behind.edits()
        behind.session.control_tally.sent = 10**6

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far, away = await asyncio.open_connection(behind.client, PORTS[-1])
            away.write(await reader.readexactly(frame.SIZE))
            await far.readexactly(frame.SIZE)
            with contextlib.suppress(ConnectionResetError):
                await reader.read()
            for each in (away, writer):
                each.transport.abort()

        way = await asyncio.start_server(accept, behind.public, PORTS[-1])
        found = await behind.invite(PORTS[:-1])
        way.close()
    assert found.together == PORTS[:-1]
    last = found.invitations[-1]
    assert last.heard == 1
    assert {a.outcome for a in last.attempts} == {"mute"}


async def test_an_editor_may_write_other_ports(folder: Path) -> None:
    """Which invitation is whose is told by the rest of it."""
    async with net(folder) as behind:
        edit = rewriting(behind.client, behind.public)
        behind.box.out = lambda data: re.sub(rb"Port: 6(\d{3})", rb"Port: 7\1", edit(data) or b"")
        found = await behind.invite()
    assert found.together == ()
    for one in found.invitations:
        assert one.sent == f"{behind.client}:{one.port}"
        assert one.arrived == f"{behind.public}:{one.port + 1000}"
        assert {a.outcome for a in one.attempts} == {"refused"}


async def test_what_cannot_be_read_leads_nowhere(folder: Path) -> None:
    async with net(folder) as behind:
        behind.box.out = lambda data: data.replace(b"IP-Address: 1", b"IP-Address: ..")
        found = await behind.invite(PORTS)
    assert found.together == ()
    assert all(not i.attempts and not i.heard for i in found.invitations)
    assert found.out.changed or found.out.faults


async def test_a_port_that_is_in_use_is_one_less(folder: Path) -> None:
    async with net(folder) as behind:
        behind.edits()
        with socket.create_server((behind.client, PORTS[3])):
            found = await behind.invite(PORTS)
    others = tuple(p for p in PORTS if p != PORTS[3])
    assert found.together == others
    assert [i.port for i in found.invitations if i.busy] == [PORTS[3]]
    assert found.invitations[3].sent is None


async def test_all_ports_in_use_is_no_test_at_all(folder: Path) -> None:
    async with net(folder) as behind:
        taken = [socket.create_server((behind.client, port)) for port in PORTS]
        try:
            found = await behind.invite()
        finally:
            for sock in taken:
                sock.close()
    assert (found.talk, found.together) == ("untested", ())
    assert found.untested
    assert all(i.busy for i in found.invitations)


async def test_a_server_that_is_gone_has_not_refused_anybody(folder: Path) -> None:
    async with net(folder) as behind:
        behind.edits()
        control = cast(Any, behind.session.control)

        def end(data: bytes) -> bytes | None:
            if b"Port: " in data:
                control._end("gone")
            return rewriting(behind.client, behind.public)(data)

        behind.box.out = end
        found = await behind.invite(PORTS)
    assert found.together == ()
    assert all(i.refused != "not-proven" for i in found.invitations)
    assert found.untested or all(i.refused or i.arrived is None for i in found.invitations)


async def test_silence_is_believed_after_enough_calls_alone(folder: Path) -> None:
    """A socket whose queue is full is as silent as a firewall."""
    async with net(folder) as behind:
        behind.edits()
        session = behind.session
        session.control_tally.sent = 10**6  # a path that loses nothing
        full = socket.create_server((behind.public, PORTS[0]), backlog=0)
        held = [_begun(behind.public, PORTS[0]) for _ in range(4)]
        try:
            found = await behind.invite(PORTS[1:])
        finally:
            for sock in (full, *held):
                sock.close()
    assert found.together == PORTS[1:]
    (first, *_) = found.invitations
    assert {a.outcome for a in first.attempts} == {"silent"}
    assert len(first.attempts) >= ATTEMPTS_MIN


def _begun(at: str, port: int) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex((at, port))
    return sock


async def test_a_cancelled_one_leaves_nothing_open(folder: Path) -> None:
    async with net(folder) as behind:
        behind.box.out = lambda data: None
        waiting = asyncio.create_task(behind.invite())
        while True:
            try:
                socket.create_connection((behind.client, PORTS[-1]), 1).close()
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        for port in PORTS:
            socket.create_server((behind.client, port)).close()


def test_where_nobody_was_invited_each_port_says_why() -> None:
    found = inviting.untested(PORTS, 1.0, "why")
    assert {i.untested for i in found.invitations} == {found.untested} == {"why"}
    assert [i.port for i in found.invitations] == list(PORTS)

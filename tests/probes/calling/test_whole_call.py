"""Calls with a real echo server, both ways, where nothing is in between."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from netcheck.server.serve import EchoServer, ServerConfig
from probes.announced import Announced
from probes.calling import inward, outward
from probes.calling.call import Server
from probes.calling.directory import registered
from probes.observation import Call
from probes.session import Session
from tests.netcheck.loopback import address
from tests.probes import live
from tests.probes.calling.far_ends import left_running

CALL_S = 1.8
"""A call out with a second of media, where round trips take no time."""


class Net:
    def __init__(self, session: Session, server: Server, ldap: int) -> None:
        self.session, self.server, self.ldap = session, server, ldap

    async def out(self) -> Call:
        announced = Announced(self.session)
        try:
            await announced.open("tcp", 1503)
            return await outward.hold(self.session, self.server, announced)
        finally:
            await announced.close()

    async def back(self) -> Call:
        async with registered(self.session, (self.ldap,), self.server.address) as entry:
            assert entry is not None
            return await inward.hold(self.session, self.server, entry)


@asynccontextmanager
async def net(folder: Path) -> AsyncIterator[Net]:
    here, client = address(), address()
    with socket.socket() as free:
        free.bind((here, 0))
        ldap = free.getsockname()[1]
    server = EchoServer(
        ServerConfig(
            listen=(here,),
            control_ports=(0,),
            stun_port=None,
            dialogue_ports={"ldap": ldap, "h323": 1720},
            data_dir=folder,
        )
    )
    await server.start()
    try:
        async with live.session(server.links()[0], bind=client) as session:
            yield Net(session, Server(address=here, same_version=True), ldap)
    finally:
        await server.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


def is_whole(call: Call) -> None:
    assert (call.untested, call.data is not None) == ("", call.direction == "outbound")
    for connection in (call.signalling, call.control):
        assert (connection.outcome, connection.refused, connection.over) == ("answered", "", True)
        for heard in (connection.out, connection.back):
            assert heard.kinds
            assert len(heard.kinds) == heard.expected
            assert (heard.changed, heard.faults) == (False, ())
            assert all(said.sent == said.arrived for said in heard.said)
    assert [(m.kind, m.direction) for m in call.media] == [
        ("audio", "outbound"), ("audio", "inbound"), ("video", "outbound"), ("video", "inbound"),
    ]  # fmt: skip
    for medium in call.media:
        assert (medium.refused, medium.rtcp_refused) == ("", "")
        assert medium.rtp_to
        assert medium.rtcp_to
        assert medium.received == medium.sent == (25 if medium.kind == "audio" else 15)
        assert medium.reports == medium.reports_sent == 8


async def test_a_call_out_and_a_call_in_at_once(folder: Path) -> None:
    async with net(folder) as behind:
        began = time.monotonic()
        out, back = await asyncio.gather(behind.out(), behind.back())
        assert time.monotonic() - began < CALL_S
        assert left_running() == set()
    is_whole(out)
    is_whole(back)
    assert out.data is not None
    assert (out.data.field, out.data.heard) == ("separateStack", 1)
    assert (back.id, back.direction) == ("call-inbound", "inbound")
    assert back.signalling.to == f"{behind.session.local_address}:1720"

"""The ten invitations are stated once, whatever the server offers and does."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any, cast

import pytest

from netcheck import plan, profile
from netcheck.measure import editors, inviting
from netcheck.measure.editors import Offer
from netcheck.measure.record import Event, Progress, Record
from netcheck.server.serve import EchoServer, ServerConfig
from probes.editors import msn
from probes.observation import Invited
from tests.netcheck.loopback import address
from tests.probes import live

PLAN = plan.make(profile.built_in(), "default", ["editors"])
PORTS = tuple(range(6891, 6901))


def ready() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


def only(record: Record) -> Invited:
    (found,) = record.observations
    assert isinstance(found, Invited)
    return found


def record(told: list[Event] | None = None) -> Record:
    return Record(PLAN, (told if told is not None else []).append)


def test_the_profile_says_which_ports() -> None:
    assert PLAN.invited == PORTS
    netmeeting = plan.make([profile.find("netmeeting")], "default", ["editors"])
    assert netmeeting.invited == ()
    assert plan.make([profile.find("msn-messenger")]).invited == PORTS


def test_a_profile_of_many_ports_has_some_announced() -> None:
    text = """
        id = "x"
        title = "x"
        [[features]]
        id = "y"
        title = "y"
        [[features.requires]]
        probe = "inbound-tcp"
        ports = ["7000-7040"]
        [[features.requires]]
        probe = "embedded-address"
        protocol = "msn-file"
    """
    made = plan.make([profile.parse(text, "x.toml")], "default")
    assert made.invited == tuple(range(7000, 7000 + plan.INVITED_MAX))


@pytest.mark.parametrize("why", [editors.NO_SERVER, editors.EMBEDDED])
def test_without_a_server_each_port_is_stated_with_the_reason(why: str) -> None:
    told: list[Event] = []
    kept = record(told)
    inviting.untested(PLAN, kept, why)
    found = only(kept)
    assert found.untested == why
    assert [(i.port, i.untested) for i in found.invitations] == [(p, why) for p in PORTS]
    assert [e.done for e in told if isinstance(e, Progress)] == [1]


def test_what_no_profile_asks_for_is_not_stated() -> None:
    made = plan.make([profile.find("netmeeting")], "default", ["editors"])
    kept = Record(made, lambda event: None)
    inviting.untested(made, kept, "why")
    assert kept.observations == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


async def _with_server(folder: Path, name: str, local: str | None = None) -> tuple[Record, bool]:
    """What is stated, and whether it waited until the ports were free."""
    here = address()
    with socket.socket() as free:
        free.bind((here, 0))
        port = free.getsockname()[1]
    server = EchoServer(
        ServerConfig(
            listen=(here,),
            control_ports=(0,),
            stun_port=None,
            dialogue_ports={name: port},
            data_dir=folder,
        )
    )
    await server.start()
    kept = record()
    try:
        async with live.session(server.links()[0], here) as session:
            if local:
                session.local_address = local
            welcome = cast(Any, session.control).welcome
            offer = Offer.of(welcome, welcome.software)
            tested = asyncio.Event()
            # As the probe before it: these ports are not free yet.
            held = [socket.create_server((here, own)) for own in PORTS]
            running = asyncio.create_task(inviting.invite(session, PLAN, kept, offer, tested, port))
            done, _ = await asyncio.wait({running}, timeout=0.05)
            for sock in held:
                sock.close()
            tested.set()
            await running
            return kept, not done
    finally:
        await server.close()


async def test_ten_are_invited_when_their_ports_are_free(folder: Path) -> None:
    kept, waited = await _with_server(folder, msn.FILE)
    assert waited
    found = only(kept)
    assert (found.together, found.talk, found.untested) == (PORTS, "talked", "")


async def test_a_server_that_does_not_speak_it_is_not_asked(folder: Path) -> None:
    kept, waited = await _with_server(folder, "irc-chat")
    assert not waited
    assert "does not speak msn-file" in only(kept).untested


async def test_an_address_that_no_invitation_carries_is_not_tested(folder: Path) -> None:
    kept, _ = await _with_server(folder, msn.FILE, "::1")
    assert "IPv6" in only(kept).untested

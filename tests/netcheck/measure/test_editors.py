"""Every dialogue and every aim is stated once, whatever the server offers and does."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netcheck import plan, profile
from netcheck.measure import editors
from netcheck.measure.editors import Offer
from netcheck.measure.record import Record
from netcheck.server.serve import EchoServer, ServerConfig
from probes.observation import Talk
from probes.pace import Pace
from probes.session import ControlLine, ControlLost, Session
from probes.wire import messages
from tests.netcheck.loopback import address
from tests.probes import live

PLAN = plan.make(profile.built_in(), "default", ["editors"])
HELD = editors.spoken()
ALL = {
    (dialogue.name, port) for _, dialogue in HELD for port in (*dialogue.ports, "control")
}  # fmt: skip


def at(ports: dict[str, int]) -> editors.Spoken:
    """Those dialogues, where they have no port that only root may have."""
    return tuple(
        (name, msgspec.structs.replace(one, ports=(port,)))
        for name, one in HELD
        if (port := ports.get(one.name))
    )


def talks(record: Record) -> list[Talk]:
    found = [o for o in record.observations if isinstance(o, Talk)]
    assert len(found) == len(record.observations)
    ids = [o.id for o in found]
    assert len(ids) == len(set(ids))
    return found


def stated(record: Record) -> set[tuple[str, int | str]]:
    return {(t.dialogue, t.port if t.aim == "own-port" else t.aim) for t in talks(record)}


def ready() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


def record() -> Record:
    return Record(PLAN, lambda event: None)


def test_the_plan_counts_every_dialogue_and_aim() -> None:
    assert len(ALL) == sum(1 + len(one.ports) for _, one in HELD)
    assert PLAN.steps == len(ALL) + bool(PLAN.invited) + 2 * PLAN.calls


def test_without_a_server_each_is_stated_with_the_reason() -> None:
    kept = record()
    editors.untested(kept, editors.NO_SERVER)
    assert stated(kept) == ALL
    assert {(t.outcome, t.untested) for t in talks(kept)} == {("untested", editors.NO_SERVER)}


# A real server


@asynccontextmanager
async def served(
    folder: Path, names: tuple[str, ...], bind: str | None = None
) -> AsyncIterator[tuple[Session, Offer]]:
    here = address()
    ports = {}
    for name in names:
        transport = next(one.transport for _, one in HELD if one.name == name)
        kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
        with socket.socket(type=kind) as free:
            free.bind((here, 0))
            ports[name] = free.getsockname()[1]
    server = EchoServer(
        ServerConfig(
            listen=(here,),
            control_ports=(0,),
            stun_port=None,
            dialogue_ports=ports,
            data_dir=folder,
        )
    )
    await server.start()
    try:
        async with live.session(server.links()[0], bind) as session:
            welcome = cast(Any, session.control).welcome
            yield session, Offer.of(welcome, welcome.software)
    finally:
        await server.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


async def test_own_port_and_control_hear_the_same(folder: Path) -> None:
    names = tuple(one.name for _, one in HELD)
    async with served(folder, names) as (session, offer):
        held = at({one.dialogue: one.port for one in offer.spoken})
        kept = record()
        await editors.editors(session, PLAN, kept, offer, ready(), held)
    found = talks(kept)
    assert len(found) == 2 * len(names)
    assert {t.outcome for t in found} == {"talked"}
    for own in (t for t in found if t.aim == "own-port"):
        (control,) = (t for t in found if t.dialogue == own.dialogue and t.aim == "control")
        assert control.port != own.port
        assert control.out.kinds == own.out.kinds
        assert control.followed == ()
        # Nothing is translated here, so what is announced is reached as it stands.
        assert all(f.heard for f in own.followed)
        assert bool(own.followed) == any(s.announced for s in own.out.said)


async def test_what_a_server_does_not_speak_is_not_tested(folder: Path) -> None:
    async with served(folder, ("irc-chat",)) as (session, offer):
        kept = record()
        await editors.editors(session, PLAN, kept, offer, ready())
    assert stated(kept) == ALL
    assert {t.outcome for t in talks(kept)} == {"untested"}
    assert all(t.untested for t in talks(kept))


async def test_an_address_that_a_protocol_cannot_carry_is_not_tested(folder: Path) -> None:
    async with served(folder, ("ftp-port",)) as (session, offer):
        session.local_address = "::1"
        kept = record()
        await editors.editors(
            session, PLAN, kept, offer, ready(), at({"ftp-port": offer.spoken[0].port})
        )
    assert {t.untested for t in talks(kept)} == {"FTP's PORT carries no IPv6 address"}


async def test_a_port_that_is_in_use_here_is_said(folder: Path) -> None:
    async with served(folder, ("ldap",)) as (session, offer):
        held = at({"ldap": offer.spoken[0].port})
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            session.local_address = address()
            other.bind((session.local_address, 1720))
            other.listen()
            kept = record()
            await editors.editors(session, PLAN, kept, offer, ready(), held)
    assert {t.untested for t in talks(kept)} == {"TCP port 1720 of this computer is in use"}
    assert len(talks(kept)) == 2


async def test_a_port_that_is_called_is_announced_only_then(folder: Path) -> None:
    """1720 is called by the inbound test, and must not have been announced before that."""
    calling = plan.make(profile.built_in(), "default")
    assert 1720 in calling.inbound_tcp
    own = address()
    async with served(folder, ("ldap", "irc-chat"), own) as (session, offer):
        held = at({one.dialogue: one.port for one in offer.spoken})
        both = asyncio.Event()
        kept = Record(calling, lambda _: both.set() if len(kept.observations) == 2 else None)
        tested = asyncio.Event()
        running = asyncio.create_task(editors.editors(session, calling, kept, offer, tested, held))
        with socket.socket() as inbound:
            inbound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            inbound.bind((own, 1720))
            inbound.listen()
            await both.wait()
            assert {t.dialogue for t in talks(kept)} == {"irc-chat"}
        tested.set()
        await running
    assert {(t.dialogue, t.outcome) for t in talks(kept)} == {
        ("irc-chat", "talked"),
        ("ldap", "talked"),
    }


# Servers that are none


class Line:
    """A control connection whose server answers ``open`` with what it likes."""

    def __init__(self, opened: Any) -> None:
        self.alive = True
        self._opened = opened

    @contextlib.contextmanager
    def overhear(self, number: int, take: Callable[[messages.Overheard], None]) -> Any:
        yield

    async def open_ports(self, *_: Any, **__: Any) -> Any:
        if isinstance(self._opened, Exception):
            raise self._opened
        return self._opened

    async def unread(self) -> tuple[messages.UnreadLine, ...]:
        return ()

    async def call(self, request: Callable[[int], Any]) -> AsyncIterator[Any]:
        request(1)
        yield messages.Refusal(id=1, reason="limit")


def session_with(opened: Any) -> Session:
    made = Session(
        control=cast(ControlLine, Line(opened)),
        session_id=bytes(8),
        secret=bytes(32),
        server_address="127.0.0.1",
        local_address="127.0.0.1",
        began=time.monotonic(),
    )
    made.pace = Pace().measured(0.001)
    made.answered_until = math.inf
    made.control_tally.add(200, 0)
    return made


def opened(*ports: int) -> messages.Opened:
    return messages.Opened(id=1, transport="tcp", ports=ports, for_s=30.0)


@asynccontextmanager
async def speaker(said: list[bytes]) -> AsyncIterator[int]:
    """Says this, one after the other, to whoever connects, and ends the connection."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for data in said:
            writer.write(data)
            await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@given(
    said=st.lists(st.binary(max_size=300), max_size=4),
    reply=st.sampled_from(
        [
            messages.Refusal(id=1, reason="limit"),
            messages.Refusal(id=1, reason="bad-request", detail="\x1b[2J"),
            opened(),
            "itself",
            ControlLost("gone"),
        ]
    ),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_server_says_there_is_one_talk_for_each(said: list[bytes], reply: Any) -> None:
    async def check() -> None:
        async with speaker(said) as port:
            held = at({one.name: port for _, one in HELD if one.transport == "tcp"})
            offer = Offer(
                spoken=tuple(
                    messages.Spoken(dialogue=one.name, transport="tcp", port=port)
                    for _, one in held
                )
            )
            session = session_with(opened(port) if reply == "itself" else reply)
            kept = record()
            session.local_address = "127.0.0.1"
            await editors.editors(session, PLAN, kept, offer, ready(), held)
        assert len(talks(kept)) == 2 * len(held)
        for talk in talks(kept):
            if talk.aim == "control" and reply != "itself":
                assert (talk.outcome, bool(talk.untested)) == ("untested", True)
            else:
                assert talk.outcome in ("talked", "broken-off")
            assert talk.out.kinds == ()

    asyncio.run(check())

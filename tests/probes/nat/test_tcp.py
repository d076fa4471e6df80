"""TCP behaviour on loopback: no NAT, a real echo server, and others in its place."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck.server.serve import EchoServer, ServerConfig
from probes.endpoint import Held, hold
from probes.nat import punch, tcp_filtering, tcp_lifetime, tcp_mapping
from probes.observation import LifetimeTrial
from probes.path import Path as Way
from probes.path import StunServer
from probes.session import Session
from probes.wire import stun
from probes.wire.frame import Endpoint
from tests.netcheck import loopback
from tests.netcheck.checking import check_against

ECHO = (6891, 6892)
STUN_PORT = 23478
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder, so that one certificate serves all tests."""
    return tmp_path_factory.mktemp("server")


@asynccontextmanager
async def checking(
    data_dir: Path, *, addresses: int = 2, stun_port: int | None = STUN_PORT
) -> AsyncIterator[Session]:
    """A session with a server of so many addresses, from an address that is not the server's."""
    server = EchoServer(
        ServerConfig(
            listen=tuple(loopback.address() for _ in range(addresses)),
            control_ports=(0,),
            tcp_ports=ECHO,
            stun_port=stun_port,
            data_dir=data_dir,
        )
    )
    await server.start()
    try:
        async with check_against(server, bind=loopback.address()) as session:
            yield session
    finally:
        await server.close()


# Mapping


async def test_one_local_port_asks_every_destination(data_dir: Path) -> None:
    async with checking(data_dir) as session:
        found = await tcp_mapping.run(session)
        assert session.stun is not None
        wanted = [str(Endpoint(*to)) for to in session.stun.destinations]
    assert len(wanted) == 4
    assert [m.destination for m in found.seen] == wanted
    assert {m.xored for m in found.seen} == {m.plain for m in found.seen} == {found.local}
    assert found.local.startswith(session.local_address + ":")
    assert session.tallies["tcp"].sent == 4 * 2  # the handshake and the answer


@pytest.mark.parametrize("echo", [ECHO, ()], ids=["named", "dynamic"])
async def test_frames_ask_where_there_is_no_stun(data_dir: Path, echo: tuple[int, ...]) -> None:
    async with checking(data_dir, stun_port=None) as session:
        assert session.stun is None
        found = await tcp_mapping.run(session, tuple((session.server_address, p) for p in echo))
    assert len(found.seen) == 2
    assert {m.xored for m in found.seen} == {found.local}


def answering(make: Callable[[stun.Message, tuple[str, int]], bytes]) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = stun.read(await reader.readexactly(stun.HEADER_SIZE))
        writer.write(make(request, writer.get_extra_info("peername")))
        await reader.read()

    return talk


async def _ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(stun.HEADER_SIZE)


def _success(request: stun.Message, peer: tuple[str, int]) -> bytes:
    return stun.write(
        stun.Message(
            kind="success", transaction=request.transaction, mapped_address=Endpoint(*peer[:2])
        )
    )


def _other(request: stun.Message, peer: tuple[str, int]) -> bytes:
    other = stun.transaction(bytes(stun.IDENTIFIER_SIZE))
    return stun.write(
        stun.Message(kind="success", transaction=other, xor_mapped_address=Endpoint(*peer[:2]))
    )


def _error(request: stun.Message, peer: tuple[str, int]) -> bytes:
    return stun.write(
        stun.Message(kind="error", transaction=request.transaction, error_code=400, reason="no")
    )


def _nothing(request: stun.Message, peer: tuple[str, int]) -> bytes:
    return stun.write(stun.Message(kind="success", transaction=request.transaction))


@pytest.mark.parametrize(
    ("talk", "outcome"),
    [
        (answering(_success), "answered"),
        (answering(_other), "foreign"),
        (answering(_error), "foreign"),
        (answering(_nothing), "foreign"),
        (answering(lambda request, peer: b"220 mail.example.org ESMTP\r\n"), "foreign"),
        (answering(lambda request, peer: b"\x01\x01\xff\xfc" + request.transaction), "foreign"),
        (_ends, "closed"),
    ],
    ids=["plain", "other", "error", "empty", "banner", "huge", "ends"],
)
async def test_who_answers_in_the_server_s_place(talk: Talk, outcome: str) -> None:
    address = loopback.address()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, address, 0)
    port = server.sockets[0].getsockname()[1]
    path = Way(
        server_address=address,
        local_address=loopback.address(),
        began=0.0,
        stun=StunServer(address=address, port=port),
    )
    try:
        found = await tcp_mapping.run(path)
    finally:
        server.close()
        await server.wait_closed()
    (seen,) = found.seen
    assert {a.outcome for a in seen.attempts} == {outcome}
    assert (seen.plain == found.local) == (outcome == "answered")
    assert seen.xored is None


# Filtering


async def test_without_a_nat_both_sources_come_in(data_dir: Path) -> None:
    async with checking(data_dir) as session:
        found = await tcp_filtering.run(session, ECHO)
    assert found.mapped == found.local
    assert [t.source for t in found.tests] == ["other-port", "other-address"]
    for test in found.tests:
        assert (test.heard, test.untested) == (1, "")
        assert [a.outcome for a in test.attempts] == ["answered"]


async def test_a_server_with_one_address_leaves_one_question_open(data_dir: Path) -> None:
    async with checking(data_dir, addresses=1) as session:
        found = await tcp_filtering.run(session)
    assert (found.tests[0].heard, found.tests[0].untested) == (1, "")
    assert found.tests[1].heard == 0
    assert "no other address" in found.tests[1].untested


async def test_what_cannot_be_reached_is_not_tested(data_dir: Path) -> None:
    async with checking(data_dir) as session:
        with socket.socket() as unused:
            unused.bind((session.server_address, 0))
            closed = unused.getsockname()[1]
            found = await tcp_filtering.run(session, (closed,))
            opened = await punch.run(session, (closed,))
    assert found.mapped is None
    assert all(str(closed) in t.untested and not t.heard for t in found.tests)
    assert (opened.opened, opened.attempts) == (None, ())
    assert str(closed) in opened.untested


async def test_one_echo_port_that_passes_is_enough(data_dir: Path) -> None:
    async with checking(data_dir) as session:
        with socket.socket() as mute:
            mute.bind((session.server_address, 0))
            mute.listen()
            async with hold(session, (mute.getsockname()[1], ECHO[1])) as held:
                assert isinstance(held, Held)
                assert held.port == ECHO[1]
                assert held.mapped == held.local


# Simultaneous open


async def test_ends_that_do_not_meet_prove_nothing(data_dir: Path) -> None:
    """On loopback a reset is back before anybody else can connect."""
    async with checking(data_dir) as session:
        found = await punch.run(session, ECHO)
    if found.opened is None:
        assert "was not connecting" in found.untested
        assert {a.outcome for a in found.attempts} <= {"refused", "silent", "mute"}
    else:
        assert found.opened
        assert found.attempts[-1].outcome == "answered"


# Lifetime


async def test_an_idle_connection_is_spoken_to_at_the_end(data_dir: Path) -> None:
    async with checking(data_dir) as session:
        life = tcp_lifetime.Lifetime()
        await life.begin(session, ECHO)
        found = await life.finish()
        await life.close()
    assert [(t.alive, t.refreshed) for t in found.trials] == [(True, "nothing")]
    assert (found.deep, found.untested) == (False, "")


async def test_a_lifetime_that_was_begun_can_be_left(data_dir: Path) -> None:
    async with checking(data_dir) as session:
        life = tcp_lifetime.Lifetime()
        await life.begin(session)
        await life.close()
        await life.close()


async def test_a_connection_that_is_ended_says_nothing_of_a_nat(data_dir: Path) -> None:
    async with checking(data_dir) as session, hold(session, ECHO) as held:
        assert isinstance(held, Held)
        held.sock.shutdown(socket.SHUT_RDWR)
        trial = await tcp_lifetime._trial(session, held, time.monotonic(), 5.0, 1.0)
    assert trial.alive is None


@given(st.floats(1.0, 3000.0))
def test_the_ladder_ends_in_time(most_s: float) -> None:
    times = tcp_lifetime.ladder(most_s)
    assert times
    assert list(times) == sorted(times)
    assert all(t > 0 for t in times)
    assert times[-1] <= most_s
    assert len(times) <= 26  # with REFINED well below what a server lets a session prove


TRIALS = st.lists(
    st.builds(
        LifetimeTrial,
        idle_s=st.floats(1, 1000).map(lambda s: round(s, 1)),
        alive=st.sampled_from([True, False, None]),
    )
)


@given(TRIALS)
def test_the_bounds_enclose_where_it_dies(trials: list[LifetimeTrial]) -> None:
    lived, died = tcp_lifetime.bounds(tuple(trials))
    assert lived < died
    assert all(t.idle_s <= lived for t in trials if t.alive)
    assert not any(lived < t.idle_s < died for t in trials if t.alive is False)

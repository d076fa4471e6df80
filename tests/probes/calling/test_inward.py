"""Being called: by the server, by strangers, and by nobody."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from probes.callers import CALLERS_MAX
from probes.calling import inward
from probes.calling.call import SIGNALLING, Server
from probes.calling.directory import LDAP, Entry, _entry, registered
from probes.editors.contract import Own
from probes.editors.h323 import control, signalling, tpkt
from probes.observation import Call
from probes.session import ControlLost
from probes.wire import label, messages
from probes.wire.frame import Endpoint
from tests.netcheck.loopback import address
from tests.probes.calling.far_ends import SECRET, Line, left_running, session_with
from tests.probes.calling.test_whole_call import is_whole, net
from tests.probes.editors.talk import talk

LONGEST_S = 4.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


def entry(at: str) -> Entry:
    return Entry(
        where=messages.Directory(overheard=0, carried=0),
        target=Endpoint(at, SIGNALLING),
        source="192.0.2.1",
    )


def setup(number: int, secret: bytes = SECRET) -> bytes:
    here = Endpoint("192.0.2.7", 40000)
    written = label.write(b"8 bytes!", number, secret)
    own = Own(socket=here, listening=here, peer=here, label=written)
    return signalling.Caller(own, fast_start=False).begin().send[0]


async def called(line: Line, local: str) -> Call:
    session = session_with(line, address(), local)
    call = await inward.hold(session, Server(address="192.0.2.1"), entry(local))
    assert left_running() == set()
    assert line.takers == {}
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((local, SIGNALLING))
    return call


async def connect(to: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(LONGEST_S):
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                return await asyncio.open_connection(to, SIGNALLING)
            await asyncio.sleep(0.005)


async def ended(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(LONGEST_S):
        try:
            return await reader.read(100)
        except ConnectionError:
            return b""


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        bytes(200),
        b"NCK1" + bytes(124),
        setup(2),  # another call's number
        setup(1, bytes(32)),  # a label that our secret did not make
    ],
)
async def test_a_stranger_is_ended_without_a_word(said: bytes) -> None:
    line, local = Line(30000), address()
    calling = asyncio.create_task(called(line, local))
    reader, writer = await connect(local)
    writer.write(said)
    assert await ended(reader) == b""
    writer.close()
    line.stopped.set()
    call = await calling
    assert (call.signalling.outcome, call.signalling.out.kinds) == (None, ())
    assert call.media == ()


def capabilities(number: int, secret: bytes = SECRET) -> bytes:
    here = Endpoint("192.0.2.7", 40000)
    written = label.write(b"8 bytes!", number, secret)
    own = Own(socket=here, listening=here, peer=here, label=written)
    return control.server(own).begin().send[0]


async def answered_where(reader: asyncio.StreamReader) -> int | None:
    """The port of the control channel, by our answer to a call."""
    packets = tpkt.stream()
    async with asyncio.timeout(LONGEST_S):
        while True:
            for message in packets.feed(await reader.read(4096)):
                for carried in signalling.read(message).carried:
                    if carried.field == "h245Address":
                        return carried.port


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.0\r\n\r\n", capabilities(2), capabilities(1, bytes(32))]
)
async def test_a_stranger_on_the_control_channel_is_ended_without_a_word(said: bytes) -> None:
    """The port is in our answer to a call, so whoever reads that knows it."""
    line, local = Line(30000), address()
    calling = asyncio.create_task(called(line, local))
    reader, caller = await connect(local)
    caller.write(setup(1))
    port = await answered_where(reader)
    there, writer = await asyncio.open_connection(local, port)
    writer.write(said)
    assert await ended(there) == b""
    line.stopped.set()
    call = await calling
    caller.close()
    writer.close()
    assert (call.signalling.outcome, call.control.outcome) == ("answered", None)


async def test_no_more_strangers_than_so_many_wait() -> None:
    line, local = Line(30000), address()
    calling = asyncio.create_task(called(line, local))
    waiting = [await connect(local) for _ in range(CALLERS_MAX)]
    reader, writer = await connect(local)
    assert await ended(reader) == b""
    # One that has gone makes room.
    waiting[0][1].write(b"x" * 4)
    assert await ended(waiting[0][0]) == b""
    reader, caller = await connect(local)
    caller.write(setup(1))
    assert (await ended(reader))[:1] == b"\x03"
    line.stopped.set()
    call = await calling
    assert call.signalling.outcome == "answered"
    for _, each in (*waiting, (reader, writer), (reader, caller)):
        each.close()


async def test_strangers_do_not_disturb_a_call(folder: Path) -> None:
    async with net(folder) as behind:
        calling = asyncio.create_task(behind.back())
        own = behind.session.local_address
        before = [await connect(own) for _ in range(3)]
        before[0][1].write(b"hello")
        before[1][1].write(setup(1))
        call = await calling
        is_whole(call)
        for _, writer in before:
            writer.close()


@pytest.mark.parametrize(
    ("outcome", "refused"), [("silent", None), ("refused", None), (None, "not-proven")]
)
async def test_a_call_that_does_not_arrive(
    outcome: messages.CallOutcome | None, refused: messages.RefusalReason | None
) -> None:
    line, local = Line(30000), address()
    line.report = messages.TerminalReport(
        id=1,
        dialled=(
            messages.Dialled(
                connection="signalling",
                to=f"{local}:1720",
                outcome=outcome,
                refused=refused,
                attempts=6 if outcome else 0,
            ),
        ),
    )
    line.stopped.set()
    call = await called(line, local)
    assert call.untested == ""
    assert (call.signalling.to, call.signalling.outcome) == (f"{local}:1720", outcome)
    assert (call.signalling.refused, call.signalling.over) == (refused or "", False)
    assert (call.control.outcome, call.media, call.data) == (None, (), None)


async def test_what_did_not_arrive_was_answered_by_another() -> None:
    """A router may forward the port to a telephone, which speaks the protocol as well."""
    line, local = Line(30000), address()
    line.report = messages.TerminalReport(
        id=1,
        dialled=tuple(
            messages.Dialled(connection=name, to=f"{local}:1720", outcome="answered", attempts=1)
            for name in ("signalling", "control")
        ),
    )
    line.stopped.set()
    call = await called(line, local)
    assert (call.signalling.outcome, call.control.outcome) == ("foreign", "foreign")


async def test_what_arrived_is_answered_whatever_the_server_says() -> None:
    line, local = Line(30000), address()
    line.report = messages.TerminalReport(
        id=1,
        dialled=(messages.Dialled(connection="signalling", to="nonsense", outcome="silent"),),
    )
    calling = asyncio.create_task(called(line, local))
    reader, writer = await connect(local)
    writer.write(setup(1))
    assert await ended(reader)
    line.stopped.set()
    call = await calling
    writer.close()
    assert call.signalling.outcome == "answered"
    assert call.signalling.back.kinds == ("Setup",)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (messages.Refusal(id=1, reason="limit", detail="too many calls"), "too many calls"),
        (messages.Refusal(id=1, reason="bad-request", detail="no such message"), "no such message"),
        (ControlLost("gone"), "the control connection was lost: gone"),
    ],
)
async def test_a_server_that_makes_no_call(reply: messages.Refusal | ControlLost, why: str) -> None:
    call = await called(Line(replies=(reply,)), address())
    assert why in call.untested


async def test_an_address_that_is_refused_at_once_is_an_answer() -> None:
    local = address()
    reply = messages.Refusal(id=1, reason="not-proven", detail=local)
    call = await called(Line(replies=(reply,)), local)
    assert (call.untested, call.signalling.refused) == ("", "not-proven")
    assert call.signalling.to == f"{local}:1720"


async def test_the_server_is_asked_once_our_address_is_proved() -> None:
    """It would refuse one that is ours, and that alone would look like a wrong entry."""

    class Proving(Line):
        asked_before: int | None = None

        async def proven(self, wait_s: float) -> tuple[str, ...]:
            self.asked_before = len(self.requests)
            return (local,)

    line, local = Proving(30000), address()
    line.stopped.set()
    session = session_with(line, address(), local)
    ours = Entry(
        where=messages.Directory(overheard=0, carried=0),
        target=Endpoint(local, SIGNALLING),
        source=local,
    )
    await inward.hold(session, Server(address="192.0.2.1"), ours)
    assert (line.asked_before, len(line.requests)) == (0, 1)


async def test_a_port_that_another_program_has() -> None:
    local = address()
    line = Line(30000)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((local, SIGNALLING))
        other.listen()
        session = session_with(line, address(), local)
        call = await inward.hold(session, Server(address="192.0.2.1"), entry(local))
    assert call.untested == "TCP port 1720 of this computer is in use"
    assert line.requests == []


async def test_a_cancelled_call_leaves_nothing_open() -> None:
    line, local = Line(30000), address()
    session = session_with(line, address(), local)
    calling = asyncio.create_task(inward.hold(session, Server(address="192.0.2.1"), entry(local)))
    reader, writer = await connect(local)
    writer.write(setup(1))
    assert await ended(reader)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert await ended(reader) is not None
    writer.close()
    assert left_running() == set()
    assert line.takers == {}
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((local, SIGNALLING))


# The directory


def test_the_entry_is_what_the_server_was_told_last() -> None:
    """It is added, and then modified."""
    arrived, _ = talk(LDAP)
    told = [
        cast(Any, SimpleNamespace(index=at, data=message.hex(), source="192.0.2.9:40000"))
        for at, message in enumerate(arrived)
    ]
    places = [
        at
        for at, message in enumerate(arrived)
        if any(each.field == "sipaddress" for each in LDAP.read(message).carried)
    ]
    assert len(places) > 1
    exchange = SimpleNamespace(over=True, overheard=told)
    found = _entry(cast(Any, SimpleNamespace(exchanges=[exchange])))
    assert found is not None
    assert (found.where.overheard, found.source) == (places[-1], "192.0.2.9")


async def test_an_entry_is_there_as_long_as_the_call_needs_it(folder: Path) -> None:
    async with net(folder) as behind:
        async with registered(behind.session, (behind.ldap,), behind.server.address) as found:
            assert found is not None
            own = behind.session.local_address
            assert (found.target, found.source) == (Endpoint(own, SIGNALLING), own)
        assert left_running() == set()


async def test_without_a_directory_there_is_no_entry(folder: Path) -> None:
    async with net(folder) as behind:
        with socket.socket() as free:
            free.bind((behind.session.server_address, 0))
            closed = free.getsockname()[1]
        async with registered(behind.session, (closed,), behind.server.address) as found:
            assert found is None
        async with registered(
            behind.session, (closed, behind.ldap), behind.server.address
        ) as found:
            assert found is not None

"""Both calls are stated once, whatever the server offers, and wait for what they have to."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import msgspec
import pytest

from netcheck import plan, profile
from netcheck.measure import calls, editors
from netcheck.measure.editors import Offer
from netcheck.measure.record import Record
from probes.calling.call import SIGNALLING
from probes.editors.h323.addresses import T120
from probes.observation import Call
from probes.session import Session
from probes.wire import messages
from tests.netcheck.loopback import address
from tests.probes.calling.far_ends import Line, session_with
from tests.probes.calling.test_whole_call import Net, net

NETMEETING = [p for p in profile.built_in() if p.id == "netmeeting"]
PLAN = plan.make(NETMEETING, "default")
WITHOUT = plan.make([p for p in profile.built_in() if p.id != "netmeeting"], "default")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


def stated(record: Record) -> dict[str, Call]:
    found = [o for o in record.observations if isinstance(o, Call)]
    assert len(found) == len(record.observations)
    assert len({o.id for o in found}) == len(found)
    return {o.direction: o for o in found}


def ready(is_ready: bool = True) -> asyncio.Event:
    event = asyncio.Event()
    if is_ready:
        event.set()
    return event


def offered(behind: Net, *ldap: int) -> Offer:
    ports = (("h323", SIGNALLING), *(("ldap", port) for port in ldap))
    return Offer(
        spoken=tuple(
            messages.Spoken(dialogue=name, transport="tcp", port=port) for name, port in ports
        ),
        address=behind.server.address,
        same_version=True,
    )


async def made(behind: Net, offer: Offer, session: Session | None = None) -> dict[str, Call]:
    record = Record(PLAN, lambda event: None)
    await calls.call(
        session or behind.session, PLAN, record, offer, ready(), ready(), (behind.ldap,)
    )
    return stated(record)


def test_the_plan_counts_the_calls_where_a_profile_wants_them() -> None:
    assert (PLAN.calls, WITHOUT.calls) == (True, False)
    one = plan.make(NETMEETING, "default", ["editors"])
    assert one.steps == msgspec.structs.replace(one, calls=False).steps + 2
    assert plan.make(NETMEETING, "quick").steps == msgspec.structs.replace(
        plan.make(NETMEETING, "quick"), calls=False
    ).steps  # fmt: skip


@pytest.mark.parametrize("why", [editors.NO_SERVER, editors.EMBEDDED])
def test_what_is_not_tried_is_stated_with_the_reason(why: str) -> None:
    record = Record(PLAN, lambda event: None)
    calls.untested(PLAN, record, why)
    assert {d: c.untested for d, c in stated(record).items()} == {"outbound": why, "inbound": why}


async def test_a_plan_without_calls_makes_none() -> None:
    record = Record(WITHOUT, lambda event: None)
    calls.untested(WITHOUT, record, editors.NO_SERVER)
    line = Line(30000)
    session = session_with(line, address(), address())
    await calls.call(session, WITHOUT, record, Offer(), ready(), ready())
    assert (record.observations, line.requests) == ([], [])


async def test_a_server_that_does_not_speak_it() -> None:
    record = Record(PLAN, lambda event: None)
    session = session_with(Line(30000), address(), address())
    await calls.call(session, PLAN, record, Offer(), ready(), ready())
    assert {c.untested for c in stated(record).values()} == {
        "the echo server does not speak h323 there"
    }
    assert len(record.observations) == 2


async def test_without_a_directory_only_the_call_out_is_made(folder: Path) -> None:
    async with net(folder) as behind:
        found = await made(behind, offered(behind))
    assert found["outbound"].untested == ""
    assert found["inbound"].untested == "the echo server has no directory"


async def test_t120_is_left_out_where_another_program_has_its_port(folder: Path) -> None:
    async with net(folder) as behind:
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((behind.session.local_address, T120))
            other.listen()
            found = await made(behind, offered(behind, behind.ldap))
    assert {c.untested for c in found.values()} == {""}
    assert found["outbound"].data is None
    assert found["outbound"].control.over


async def test_calls_wait_for_the_ports_that_they_announce(folder: Path) -> None:
    assert {SIGNALLING, T120} <= {*PLAN.inbound_tcp}
    tested, announced = ready(False), ready(False)
    async with net(folder) as behind:
        out = asyncio.Event()
        record = Record(PLAN, lambda event: out.set() if record.observations else None)
        offer = offered(behind, behind.ldap)
        calling = asyncio.create_task(
            calls.call(behind.session, PLAN, record, offer, tested, announced, (behind.ldap,))
        )
        own = behind.session.local_address
        holders = []
        for port in (SIGNALLING, T120):
            holder = socket.socket()
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind((own, port))
            holder.listen()
            holders.append(holder)
        ended, _ = await asyncio.wait({calling}, timeout=0.1)
        assert (ended, record.observations) == (set(), [])
        holders.pop().close()
        tested.set()
        await out.wait()
        assert set(stated(record)) == {"outbound"}
        assert record.observations[0].data is not None  # type: ignore[union-attr]
        holders.pop().close()
        announced.set()
        await calling
    assert stated(record)["inbound"].untested == ""
    assert stated(record)["inbound"].control.over

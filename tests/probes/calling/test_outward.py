"""Calls out to servers that lie, say nothing or are none."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from probes.calling import outward
from probes.calling.call import Server
from probes.editors.h323 import control, signalling, tpkt
from probes.observation import Call
from probes.session import ControlLost
from probes.wire import messages
from probes.wire.frame import Endpoint
from tests.netcheck.loopback import address
from tests.probes.calling.far_ends import (
    Line,
    Speak,
    Spoken,
    closing,
    endless,
    junk,
    left_running,
    mute,
    session_with,
    stranger,
)

LONGEST_S = 4.0


async def called(here: str, line: Line) -> Call:
    session = session_with(line, here, address())
    call = await outward.hold(session, Server(address=here, same_version=True))
    assert left_running() == set()
    assert line.takers == {}
    assert len(msgspec.json.encode(call)) < 20_000
    return call


@asynccontextmanager
async def far_end(here: str, control_at: Endpoint | None = None, media_at: str = "") -> (
    AsyncIterator[tuple[Line, Spoken, Spoken]]
):  # fmt: skip
    """One that says it is at ``control_at``, and that its media are at ``media_at``."""
    with socket.socket() as free:
        free.bind((here, 0))
        port = free.getsockname()[1]
    true = Endpoint(here, port)
    setting_up = Spoken(signalling.Called, control_at or true)
    channel = Spoken(control.server, Endpoint(media_at or here, port))
    await setting_up.open(here, 1720)
    await channel.open(here, port)
    try:
        yield Line(port), setting_up, channel
    finally:
        await setting_up.close()
        await channel.close()


async def test_the_client_follows_no_other_address_to_the_control_channel() -> None:
    here, third = address(), address()
    with socket.socket() as heard:
        heard.bind((third, 0))
        heard.listen()
        heard.setblocking(False)
        elsewhere = Endpoint(third, heard.getsockname()[1])
        async with far_end(here, elsewhere) as (line, _, channel):
            call = await called(here, line)
        with pytest.raises(BlockingIOError):
            heard.accept()
    assert (call.signalling.outcome, call.signalling.over) == ("answered", True)
    assert (call.control.to, call.control.refused) == (str(elsewhere), "not-proven")
    assert (call.control.outcome, call.media, channel.connections) == (None, (), 0)


async def test_the_client_goes_to_no_privileged_port() -> None:
    here = address()
    async with far_end(here, Endpoint(here, 22)) as (line, _, _):
        call = await called(here, line)
    assert (call.control.to, call.control.refused) == (f"{here}:22", "forbidden-address")
    assert call.control.outcome is None


async def test_media_go_to_no_other_address() -> None:
    here, third = address(), address()
    async with far_end(here, media_at=third) as (line, _, _):
        call = await called(here, line)
    assert (call.control.outcome, call.control.over) == ("answered", True)
    outbound = [m for m in call.media if m.direction == "outbound"]
    assert len(outbound) == 2
    for medium in outbound:
        assert (medium.rtp_to or "").startswith(third + ":")
        assert (medium.refused, medium.rtcp_refused) == ("not-proven", "not-proven")
        assert (medium.sent, medium.reports_sent) == (0, 0)
    assert call.took_s < LONGEST_S


async def test_media_that_nobody_counts_are_not_said_to_be_lost() -> None:
    here = address()
    async with far_end(here) as (line, _, _):
        call = await called(here, line)
    for medium in call.media:
        if medium.direction == "outbound":
            assert (medium.sent > 0, medium.received, medium.reports) == (True, None, None)
        else:
            assert (medium.sent, medium.received) == (0, None)
    assert line.stopped.is_set()  # by the client, which waits no longer
    assert call.took_s < LONGEST_S


@pytest.mark.parametrize("absurd", ["sent", "received", "rtcp_sent"])
async def test_counts_that_cannot_be_true_are_none(absurd: str) -> None:
    here = address()
    async with far_end(here) as (line, _, _):
        streams = []
        for number in (1, 2):
            count = messages.MediaCount(
                number=number, sent=5, received=5, lost=0, duplicates=0, reordered=0, rtcp_sent=1
            )
            count = msgspec.structs.replace(count, **{absurd: 2**31})
            streams.append(messages.TerminalStream(count=count, rtp_to=f"{here}:5000"))
        line.report = messages.TerminalReport(id=1, streams=tuple(streams))
        call = await called(here, line)
    assert len(call.media) == 4
    for medium in call.media:
        outbound = medium.direction == "outbound"
        assert (medium.sent > 0, medium.received, medium.reports_sent > 0) == (
            outbound, None, outbound,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("speak", "outcome"),
    [(mute, "mute"), (junk, "foreign"), (closing, "closed"), (endless, "foreign")],
)
async def test_a_stranger_where_calls_are_set_up(speak: Speak, outcome: str) -> None:
    here = address()
    began = time.monotonic()
    async with stranger(speak, here, 1720):
        call = await called(here, Line(30000))
    assert call.untested == ""
    assert (call.signalling.outcome, call.signalling.over) == (outcome, False)
    assert call.signalling.attempts >= 2
    assert (call.control.outcome, call.media) == (None, ())
    assert time.monotonic() - began < LONGEST_S


def answering(*said: bytes, closes: bool) -> Speak:
    """What answers a call in the server's place, or as much of the server as comes through."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.writelines(said)
        if closes:
            writer.close()
        else:
            await reader.read()

    return speak


async def test_who_turns_a_call_away_that_the_server_has_not_heard_of_is_another() -> None:
    here = address()
    refusal = tpkt.write(bytes.fromhex("08 02 80 01 5a 08 02 80 95"))
    async with stranger(answering(refusal, closes=True), here, 1720):
        call = await called(here, Line(30000))
    assert (call.signalling.outcome, call.control.outcome) == ("foreign", None)


@pytest.mark.parametrize(
    ("closes", "outcome", "connections"), [(True, "closed", 2), (False, "mute", 1)]
)
async def test_a_call_that_is_only_proceeding_is_not_answered(
    closes: bool, outcome: str, connections: int
) -> None:
    here = address()
    proceeding = tpkt.write(bytes.fromhex("08 02 80 01 02"))
    async with stranger(answering(proceeding, closes=closes), here, 1720):
        call = await called(here, Line(30000))
    assert (call.signalling.outcome, call.signalling.over) == (outcome, False)
    assert call.signalling.attempts >= connections
    assert call.control.outcome is None


@pytest.mark.parametrize(
    ("speak", "outcome"),
    [(mute, "mute"), (junk, "foreign"), (closing, "closed"), (endless, "foreign")],
)
async def test_a_stranger_on_the_control_channel(speak: Speak, outcome: str) -> None:
    here = address()
    async with stranger(speak, here) as port:
        setting_up = Spoken(signalling.Called, Endpoint(here, port))
        await setting_up.open(here, 1720)
        call = await called(here, Line(port))
        await setting_up.close()
    assert (call.signalling.outcome, call.control.outcome) == ("answered", outcome)
    assert not call.control.over
    assert all(not m.sent for m in call.media)
    assert call.took_s < LONGEST_S


async def test_a_port_that_refuses_is_asked_twice() -> None:
    call = await called(address(), Line(30000))
    assert (call.signalling.outcome, call.signalling.attempts) == ("refused", 2)
    assert call.untested == ""


REFUSED = messages.Refusal(id=1, reason="limit", detail="too many calls")


@pytest.mark.parametrize(
    ("replies", "why"),
    [
        ((REFUSED,), "too many calls"),
        ((ControlLost("gone"),), "the control connection was lost: gone"),
        ((messages.CallsDone(id=1),), "out of turn"),
        ((messages.TerminalReady(id=1, port=30000), ControlLost("gone")), "lost: gone"),
    ],
)
async def test_a_server_that_makes_no_call(replies: tuple[Any, ...], why: str) -> None:
    call = await called(address(), Line(replies=replies))
    assert why in call.untested
    assert (call.control.outcome, call.media) == (None, ())


@pytest.mark.parametrize(("lost", "times"), [(0, 3), (200, 5)])
def test_tcp_is_given_more_time_where_more_is_lost(lost: int, times: int) -> None:
    session = session_with(Line(), address(), address())
    session.control_tally.add(400, lost)
    call = outward.Outward(session, Server(address="192.0.2.1"))
    assert call.transmissions == times


async def test_a_cancelled_call_leaves_nothing_open() -> None:
    here = address()
    async with far_end(here) as (line, _, channel):
        session = session_with(line, here, address())
        calling = asyncio.create_task(outward.hold(session, Server(address=here)))
        async with asyncio.timeout(LONGEST_S):
            while not channel.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert left_running() == set()
        assert line.takers == {}
        # Its media ports can be had again.
        for spec in line.requests[0].streams:
            with socket.socket(type=socket.SOCK_DGRAM) as sock:
                sock.bind((session.local_address, spec.client_port))

"""Voice and video against a real server on loopback, and against servers that lie."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from netcheck.server.limits import ServerLimits
from netcheck.server.serve import EchoServer, ServerConfig
from probes.media import rtp_streams
from probes.observation import MediaStream
from probes.rtp_socket import play
from probes.session import ControlLine, ControlLost, Session
from probes.wire import messages
from tests.netcheck.loopback import address

from .real import session_with
from .relay import BEHIND, Direction, Fate, Relay, RelayedLine

if sys.platform == "win32":
    raise ImportError("the relay needs a loop that watches sockets")

SHORT_S = 0.6
CLIENT = "127.0.0.1"
BUSY_MS = 8.0
"""More jitter than this on loopback would be this computer's own, not the network's."""


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@asynccontextmanager
async def session(data_dir: Path, **limits: Any) -> AsyncIterator[tuple[Session, EchoServer]]:
    server = EchoServer(
        ServerConfig(
            listen=(address(),),
            control_ports=(0,),
            stun_port=None,
            data_dir=data_dir,
            limits=ServerLimits(**limits),
        )
    )
    await server.start()
    try:
        async with session_with(server.links()[0]) as (opened, _):
            yield opened, server
    finally:
        await server.close()


async def through(
    data_dir: Path, fate: Fate, duration_s: float = SHORT_S, **limits: Any
) -> dict[str, MediaStream]:
    """What comes out on a way that treats packets so, by id."""
    async with session(data_dir, **limits) as (opened, server):
        relay = Relay(address(), CLIENT, server.addresses[0], fate)
        opened.control = cast(ControlLine, RelayedLine(opened.control, relay))
        opened.server_address = relay.address
        try:
            return by_id(await rtp_streams.run(opened, duration_s=duration_s))
        finally:
            relay.close()


def by_id(streams: tuple[MediaStream, ...]) -> dict[str, MediaStream]:
    assert [s.id for s in streams] == [
        "media-audio-outbound", "media-audio-inbound",
        "media-video-outbound", "media-video-inbound",
    ]  # fmt: skip
    return {s.id.removeprefix("media-"): s for s in streams}


async def test_an_idle_way_carries_everything(data_dir: Path) -> None:
    async with session(data_dir) as (opened, server):
        streams = by_id(await rtp_streams.run(opened, duration_s=SHORT_S))
    for name, stream in streams.items():
        packets = 30 if stream.kind == "audio" else 18
        assert (stream.sent, stream.received, stream.untested) == (packets, packets, ""), name
        assert (stream.early, stream.late, stream.gaps) == (0, 0, 0)
        assert (stream.duplicates, stream.reordered) == (0, 0)
        assert stream.jitter_ms is not None
        assert stream.jitter_ms < BUSY_MS
        assert stream.rtt_ms is not None
        assert 0 <= stream.rtt_ms < 50
        assert stream.rtcp_received == 2
        assert (stream.local_port % 2, stream.server_port % 2) == (0, 0)
        assert stream.losses == (0, 0, 0)
        assert len(stream.jitters_ms) == 3
        assert all(jitter is not None for jitter in stream.jitters_ms)
    outbound, inbound = streams["audio-outbound"], streams["audio-inbound"]
    assert outbound.source == f"{CLIENT}:{outbound.local_port}"
    assert inbound.source == f"{server.addresses[0]}:{inbound.server_port}"
    assert (outbound.packets_per_s, outbound.payload_bytes) == (50, 24)
    assert (streams["video-inbound"].packets_per_s, streams["video-inbound"].payload_bytes) == (
        30, 800,
    )  # fmt: skip


async def test_where_the_kernel_notes_no_time_of_arrival(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows and macOS; both ends then take asyncio's own datagram sockets."""
    elsewhere = SimpleNamespace(platform="darwin")
    monkeypatch.setattr("probes.rtp_socket.sys", elsewhere)
    monkeypatch.setattr("netcheck.server.rtp_stream.sys", elsewhere)
    async with session(data_dir) as (opened, _):
        streams = by_id(await rtp_streams.run(opened, duration_s=0.2))
    for stream in streams.values():
        assert (stream.received, stream.untested) == (stream.sent, "")
        assert stream.jitter_ms is not None


async def test_loss_is_counted_in_each_direction(data_dir: Path) -> None:
    def fate(direction: Direction, number: int) -> tuple[float, ...]:
        lost = number in (3, 4, 9) if direction == "outbound" else number == 5
        return () if lost else (0.0,)

    streams = await through(data_dir, fate)
    out, back = streams["audio-outbound"], streams["audio-inbound"]
    assert (out.sent, out.received, out.gaps, sum(out.losses)) == (30, 27, 2, 3)
    assert back.received is not None
    assert (back.sent - back.received, back.gaps) == (1, 1)


async def test_duplicates_and_reordering_are_counted(data_dir: Path) -> None:
    def fate(direction: Direction, number: int) -> tuple[float, ...]:
        if direction == "outbound":
            return (0.0, 0.0) if number in (2, 6) else (0.0,)
        return (BEHIND,) if number == 4 else (0.0,)

    streams = await through(data_dir, fate)
    out, back = streams["audio-outbound"], streams["audio-inbound"]
    assert (out.sent, out.received, out.duplicates, out.reordered) == (30, 30, 2, 0)
    assert (back.duplicates, back.reordered) == (0, 1)
    assert back.received == back.sent


async def test_jitter_and_late_packets(data_dir: Path) -> None:
    def fate(direction: Direction, number: int) -> tuple[float, ...]:
        if direction == "outbound":
            return (0.015 * (number % 2) or 1e-4,)
        return (0.1,) if number % 10 == 4 else (1e-4,)

    streams = await through(data_dir, fate)
    out, back = streams["audio-outbound"], streams["audio-inbound"]
    assert out.jitter_ms is not None
    assert out.jitter_ms > 8  # 15 ms more and less, a sixteenth of the way at a time
    assert back.late >= 3
    assert back.received == back.sent  # late is not lost
    assert out.rtt_ms is not None


@pytest.mark.parametrize("uneven", ["outbound", "inbound"])
async def test_jitter_is_told_where_it_was(data_dir: Path, uneven: Direction) -> None:
    def fate(direction: Direction, number: int) -> tuple[float, ...]:
        if direction != uneven or number < 25:
            return (1e-4,)
        return (0.012 * (number % 2) or 1e-4,)

    streams = await through(data_dir, fate, 1.0)
    even = streams[f"audio-{'inbound' if uneven == 'outbound' else 'outbound'}"].jitters_ms
    smooth, _, _, rough = streams[f"audio-{uneven}"].jitters_ms
    assert smooth is not None
    assert rough is not None
    # A busy computer adds to each; how much there is exactly is in wire/test_rtp_count.py.
    assert rough > 8
    assert smooth < rough
    assert statistics.median(each for each in even if each is not None) < rough / 2


async def test_a_server_that_does_not_tell_jitter_over_time() -> None:
    """An older one."""
    streams = await against(Fake(ready(), report(losses=(0,), jitter_ms=2.0)))
    out = next(s for s in streams if s.id == "media-audio-outbound")
    assert (out.jitter_ms, out.losses, out.jitters_ms) == (2.0, (0,), ())


async def test_one_way_only(data_dir: Path) -> None:
    streams = await through(data_dir, lambda direction, _: (0.0,) if direction == "inbound" else ())
    for kind in ("audio", "video"):
        out = streams[f"{kind}-outbound"]
        assert out.sent > 0
        assert (out.received, out.source, out.jitter_ms) == (0, None, None)
        assert out.rtt_ms is None
        # Without a packet of ours the server sends to where we said we are.
        assert streams[f"{kind}-inbound"].received == streams[f"{kind}-inbound"].sent > 0


async def test_what_a_server_that_hears_nothing_does_not_send_is_not_lost(data_dir: Path) -> None:
    streams = await through(
        data_dir,
        lambda direction, _: (0.0,) if direction == "inbound" else (),
        0.6,
        media_unheard_s=0.2,
    )
    told = streams["audio-inbound"]
    assert (told.sent, told.received, told.gaps, sum(told.losses)) == (10, 10, 0, 0)
    assert streams["audio-outbound"].sent == 30


async def test_the_first_packets_that_meet_a_closed_door_are_not_loss(data_dir: Path) -> None:
    def fate(direction: Direction, number: int) -> tuple[float, ...]:
        return () if direction == "outbound" and number < 4 else (0.0,)

    out = (await through(data_dir, fate))["audio-outbound"]
    assert (out.early, out.sent, out.received) == (4, 26, 26)


async def test_a_refusal_says_why(data_dir: Path) -> None:
    async with session(data_dir, media_s=0.0) as (opened, _):
        for stream in await rtp_streams.run(opened, duration_s=SHORT_S):
            assert stream.untested == (
                "the echo server refused: this session's seconds of media are used up"
            )
            assert stream.received is None


class Fake:
    """A server that says what it is told to say."""

    alive = True

    def __init__(
        self,
        *replies: Callable[[messages.MediaRequest], messages.ServerMessage | Exception],
        proven: tuple[str, ...] = (CLIENT,),
    ) -> None:
        self._replies = replies
        self._proven = proven

    async def proven(self, wait_s: float) -> tuple[str, ...]:
        return self._proven

    async def ask(
        self, request: Callable[[int], messages.ClientMessage]
    ) -> AsyncIterator[messages.ServerMessage]:
        asked = request(1)
        assert isinstance(asked, messages.MediaRequest)
        for reply in self._replies:
            said = reply(asked)
            if isinstance(said, Exception):
                raise said
            yield said


def ready(port: int = 40000, step: int = 2) -> Callable[[messages.MediaRequest], Any]:
    return lambda asked: messages.MediaReady(
        id=1,
        streams=tuple(
            messages.MediaPorts(number=spec.number, port=port + step * index)
            for index, spec in enumerate(asked.streams)
        ),
    )


def report(**changes: Any) -> Callable[[messages.MediaRequest], Any]:
    usual = {"sent": 10, "received": 10, "lost": 0, "duplicates": 0, "reordered": 0}
    return lambda asked: messages.MediaReport(
        id=1,
        streams=tuple(
            messages.MediaCount(number=spec.number, **cast(Any, usual | changes))
            for spec in asked.streams
        ),
    )


async def against(fake: Fake, duration_s: float = 0.2) -> tuple[MediaStream, ...]:
    made = Session(
        control=cast(ControlLine, fake),
        session_id=bytes(8),
        secret=bytes(32),
        server_address=address(),
        local_address=CLIENT,
        began=0.0,
    )
    return await rtp_streams.run(made, duration_s=duration_s)


@pytest.mark.parametrize(
    ("fake", "why"),
    [
        (Fake(proven=()), "no address of this computer could be proved"),
        (Fake(), "did not say what it counted"),
        (Fake(lambda _: ControlLost("gone")), "the control connection was lost: gone"),
        (Fake(ready(), lambda _: ControlLost("gone")), "the control connection was lost: gone"),
        (Fake(report()), "out of turn"),
        (Fake(ready(), ready()), "out of turn"),
        (Fake(ready(40001)), "ports that cannot be used"),
        (Fake(ready(22)), "ports that cannot be used"),
        (Fake(ready(40000, 1)), "ports that cannot be used"),
        (Fake(lambda _: messages.MediaReady(id=1, streams=())), "ports that cannot be used"),
        (Fake(ready(), lambda _: messages.MediaReport(id=1, streams=())), "did not say"),
        (Fake(ready(), report(received=1000)), "did not say"),
        (Fake(ready(), report(sent=1000)), "did not say"),
    ],
)
async def test_what_a_server_may_say_instead(fake: Fake, why: str) -> None:
    streams = await against(fake)
    assert len(streams) == 4
    for stream in streams:
        assert why in stream.untested
        assert stream.received is None


async def test_a_count_that_cannot_be_is_cut_down_to_one_that_can() -> None:
    lie = report(
        received=5, early=5, late=999, gaps=999, reordered=999, jitter_ms=1e308, rtt_ms=1e308,
        source="\x1b[2J", longest_gap_ms=1e308, lost=2**31, losses=(9,) * 128,
        jitters_ms=(1e308, None, 0.0),
    )  # fmt: skip
    out = next(s for s in await against(Fake(ready(), lie)) if s.id == "media-audio-outbound")
    assert (out.sent, out.received, out.late, out.gaps, out.reordered) == (5, 5, 5, 5, 5)
    assert (out.jitter_ms, out.rtt_ms, out.longest_gap_ms) == (30_000, 30_000, 30_000)
    assert (out.source, out.losses) == (None, ())
    assert out.jitters_ms == (30_000, None, 0.0)


async def test_an_address_that_this_computer_does_not_have() -> None:
    made = Session(
        control=cast(ControlLine, Fake()),
        session_id=bytes(8),
        secret=bytes(32),
        server_address=CLIENT,
        local_address="192.0.2.1",
        began=0.0,
    )
    streams = by_id(await rtp_streams.run(made, duration_s=0.2))
    assert all(s.untested.startswith("this computer: ") for s in streams.values())


async def test_what_leaves_after_the_server_has_stopped_listening_is_not_lost() -> None:
    """A computer that stood still in the middle says what it sent, not what it meant to."""

    class Stalling:
        def __init__(self) -> None:
            self.end = SimpleNamespace(shape=rtp_streams.SHAPES["audio"])
            self.sent_at: list[float] = []

        def send(self, due: Any, began: float) -> None:
            self.sent_at.append(time.monotonic() - began)
            if len(self.sent_at) == 5:
                time.sleep(0.6)

    stalling = Stalling()
    await play([cast(Any, stalling)], 0.4, 0.5)
    assert len(stalling.sent_at) == 5
    whole = Stalling()
    await play([cast(Any, whole)], 0.4, 0.9)
    assert len(whole.sent_at) > 20


@pytest.mark.parametrize(
    ("slowest_s", "passes", "known"), [(0.02, False, True), (3.0, False, False), (3.0, True, True)]
)
async def test_a_server_that_could_not_wait_for_it_says_nothing_of_a_stream(
    data_dir: Path, slowest_s: float, passes: bool, known: bool
) -> None:
    """A queue of seconds on the way out: the server ends its count before anything arrives."""
    async with session(data_dir) as (opened, server):

        def fate(direction: Direction, number: int) -> tuple[float, ...]:
            opened.slowest_s = slowest_s  # as the heartbeats would tell
            return (0.0,) if passes or direction == "inbound" else ()

        relay = Relay(address(), CLIENT, server.addresses[0], fate)
        opened.control = cast(ControlLine, RelayedLine(opened.control, relay))
        opened.server_address = relay.address
        try:
            streams = by_id(await rtp_streams.run(opened, duration_s=SHORT_S))
        finally:
            relay.close()
    assert (streams["audio-outbound"].untested == "") == known
    assert streams["audio-inbound"].untested == ""

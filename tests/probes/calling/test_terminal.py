"""What a terminal does with what the server says of the media: pure parts, on real ports."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from probes.calling.terminal import Stream, Terminal
from probes.observation import CallMedia
from probes.wire import media, messages
from probes.wire.frame import Endpoint
from tests.netcheck.loopback import address
from tests.probes.calling.far_ends import Line, session_with


@pytest.fixture
async def terminal() -> AsyncIterator[Terminal]:
    made = await Terminal.open(session_with(Line(), address(), address()), lambda: None)
    yield made
    made.close()


def outbound(stream: Stream, *, received: int, reports: int = 0) -> CallMedia:
    count = messages.MediaCount(
        number=stream.number,
        sent=0,
        received=received,
        lost=0,
        duplicates=0,
        reordered=0,
        rtcp_received=reports,
    )
    return stream.outbound(messages.TerminalStream(count=count))


async def test_media_go_to_where_they_were_first_said_to_wait(terminal: Terminal) -> None:
    """An acknowledgement that comes again, or another, moves no stream."""
    stream, server = terminal.streams[0], "192.0.2.1"
    first, second = Endpoint(server, 20000), Endpoint(server, 30000)
    stream.goes(first, None, server)
    stream.goes(second, second, server)
    told = outbound(stream, received=0)
    assert (told.rtp_to, told.rtcp_to) == (str(first), str(second))


@pytest.mark.parametrize(
    ("port", "is_the_server", "refused"),
    [(1024, True, ""), (1023, True, "forbidden-address"), (20000, False, "not-proven")],
)
async def test_media_go_to_the_server_alone(
    terminal: Terminal, port: int, is_the_server: bool, refused: str
) -> None:
    stream, to = terminal.streams[0], Endpoint(address(), port)
    stream.goes(to, to, to.address if is_the_server else address())
    assert stream.goes_somewhere is (refused == "")
    stream.send(media.Due(at_s=0.0, stream=0, index=0), 0.0)
    stream.send(media.Due(at_s=0.0, stream=0, index=None), 0.0)
    told = outbound(stream, received=0)
    assert (told.refused, told.rtcp_refused) == (refused, refused)
    assert (told.sent, told.reports_sent) == ((0, 0) if refused else (1, 1))


async def test_a_count_that_cannot_be_true_counts_for_nothing(terminal: Terminal) -> None:
    stream = terminal.streams[0]
    planned = stream.end.planned
    assert outbound(stream, received=planned).received == planned
    told = outbound(stream, received=planned + 1, reports=3)
    assert (told.received, told.reports) == (None, None)

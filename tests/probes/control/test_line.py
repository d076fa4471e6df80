"""What waits to be read on a control connection."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import WSMessage, WSMsgType

from probes.control import line
from probes.control.dial import Dialled
from probes.wire import messages


def made() -> line.Line:
    """One whose socket is never used."""
    dialled = SimpleNamespace(
        socket=SimpleNamespace(get_extra_info=lambda _: None), via_proxy=False
    )
    return line.Line(cast(Dialled, dialled), cast(Any, None), 0.0)


@pytest.mark.parametrize(
    ("reply", "most"),
    [
        (messages.LedgerPage(id=1, lines=(), complete=True), 1),
        (messages.Opened(id=1, transport="tcp", ports=(), for_s=1.0), 1),
        (messages.MediaReport(id=1, streams=()), line.UNREAD_MAX),
        (messages.Refusal(id=1, reason="limit"), line.UNREAD_MAX),
        (messages.Called(id=1, port=1, attempt=0, outcome="silent"), line.CALLED_UNREAD_MAX),
    ],
)
async def test_what_a_server_says_again_and_again_is_bounded(
    reply: messages.ServerMessage, most: int
) -> None:
    opened = made()
    request_id, replies = opened._new_request()
    assert request_id == 1
    for _ in range(most + 100):
        opened._handle(reply)
    assert replies.qsize() == most


async def test_the_largest_request_for_calls_fits_with_its_end() -> None:
    opened = made()
    request_id, replies = opened._new_request()
    for attempt in range(64 * 32):
        opened._handle(messages.Called(id=request_id, port=1, attempt=attempt, outcome="silent"))
    opened._handle(messages.CallsDone(id=request_id))
    assert replies.qsize() == 64 * 32 + 1


async def test_a_server_that_floods_is_not_listened_to() -> None:
    """What has arrived is read without a pause: nothing else would ever have its turn."""

    class Flood:
        read = 0

        async def receive(self) -> WSMessage:
            self.read += 1
            assert self.read <= 10 * line.SAID_MAX
            pong = messages.write(messages.Pong(n=1))
            return WSMessage(WSMsgType.TEXT, pong, None)

        def get_extra_info(self, _: str) -> None:
            return None

    opened, flood = made(), Flood()
    opened._dialled.socket = flood
    await opened._read()
    assert flood.read > line.SAID_MAX
    assert opened.lost_reason == "the server said far more than it was asked"


def overheard(number: int) -> messages.Overheard:
    return messages.Overheard(
        index=0,
        number=number,
        dialogue="irc-chat",
        transport="tcp",
        port=6667,
        source="192.0.2.1:40000",
        data="00",
    )


async def test_what_is_overheard_goes_to_who_wants_it_as_long_as_he_does() -> None:
    opened = made()
    heard: list[messages.Overheard] = []
    with opened.overhear(7, heard.append):
        for number in (6, 7, 8, 7):
            opened._handle(overheard(number))
    opened._handle(overheard(7))
    assert [each.number for each in heard] == [7, 7]
    assert opened.alive

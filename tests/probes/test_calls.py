"""What the server is asked for when it is to call us."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest

from probes.calls import Called, Calls
from probes.pace import Pace
from probes.session import ControlLine, Session
from probes.silence import ATTEMPTS_MAX, ATTEMPTS_MIN
from probes.wire import messages


class _Asked:
    """A control connection that keeps what it is asked, and says that all calls were made."""

    alive = True

    def __init__(self) -> None:
        self.requests: list[messages.CallRequest] = []

    async def call(
        self, request: Callable[[int], messages.CallRequest]
    ) -> AsyncIterator[messages.Called | messages.Refusal]:
        self.requests.append(request(1))
        nothing: tuple[messages.Called, ...] = ()
        for said in nothing:
            yield said


@pytest.mark.parametrize("rtt_s", [0.05, 0.6, 1.4, 2.5, 9.0])
@pytest.mark.parametrize("most", [ATTEMPTS_MAX, 28])
async def test_on_the_slowest_path_a_server_is_asked_for_what_it_does(
    rtt_s: float, most: int
) -> None:
    """It takes a request beyond its bounds for nonsense, and ends the session."""
    asked = _Asked()
    session = Session(
        control=cast(ControlLine, asked),
        session_id=bytes(8),
        secret=bytes(32),
        server_address="127.0.0.1",
        local_address="127.0.0.1",
        began=time.monotonic(),
    )
    session.pace = Pace().measured(rtt_s)
    for gap_s in (None, session.pace.rtt_s):
        calls = Calls(session, "tcp", [Called(1720, 1)], most=most, gap_s=gap_s)
        await calls.run("127.0.0.1")
    for request in asked.requests:
        assert messages.read_from_client(messages.write(request)) == request
        assert len(request.offsets_ms) >= (most if rtt_s < 0.6 else 3)
    assert len(asked.requests[0].offsets_ms) >= ATTEMPTS_MIN


class _Stopped(_Asked):
    """Nobody hears the calls; they end when they are to stop, which is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.after: list[int] = []
        self._over = asyncio.Event()

    async def call(
        self, request: Callable[[int], messages.CallRequest]
    ) -> AsyncIterator[messages.Called | messages.Refusal]:
        self.requests.append(request(1))
        await self._over.wait()
        nothing: tuple[messages.Called, ...] = ()
        for said in nothing:
            yield said

    def stop_call(self, request_id: int, port: int, after: int = 0) -> None:
        self.after.append(after)
        self._over.set()


@pytest.mark.parametrize(
    ("spare", "lost", "more"), [((0, 0), 0, 0), ((3, 9), 0, 3), ((3, 9), 1, 9)]
)
async def test_a_stop_for_silence_names_the_calls_it_rests_on(
    spare: tuple[int, int], lost: int, more: int
) -> None:
    """A busy server makes them later than was asked, and must not end them unmade."""
    stopped = _Stopped()
    session = Session(
        control=cast(ControlLine, stopped),
        session_id=bytes(8),
        secret=bytes(32),
        server_address="127.0.0.1",
        local_address="127.0.0.1",
        began=time.monotonic(),
    )
    session.pace = Pace().measured(0.001)
    session.control_tally.add(1000, lost)
    await Calls(session, "tcp", [Called(1720, 1)], gap_s=0.02, spare=spare).run("127.0.0.1")
    assert len(stopped.after) == 1
    assert stopped.after[0] >= ATTEMPTS_MIN + more

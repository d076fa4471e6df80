import asyncio
import errno
import time

import pytest

from probes.attempts import QUEUE_MAX_S, Try, classify, race
from probes.observation import AttemptOutcome
from probes.pace import PATIENCE_MIN_S, Pace
from probes.path import Path


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (errno.ECONNREFUSED, "refused"),
        (errno.ECONNRESET, "refused"),
        (errno.ECONNABORTED, "refused"),
        (errno.EPIPE, "refused"),
        (errno.EHOSTUNREACH, "unreachable"),
        (errno.ENETUNREACH, "unreachable"),
        (errno.EHOSTDOWN, "unreachable"),
        (errno.ENETDOWN, "unreachable"),
        (errno.ETIMEDOUT, "silent"),
        (errno.EPERM, "local-error"),
        (errno.EADDRINUSE, "local-error"),
    ],
)
def test_what_an_error_says_of_the_network(number: int, outcome: AttemptOutcome) -> None:
    assert classify(OSError(number, "in words")) == (outcome, "in words")


class _FromWindows(OSError):
    """As asyncio's event loop on Windows raises it: EINVAL stands for all it does not know."""

    def __init__(self, winerror: int) -> None:
        super().__init__(errno.EINVAL, "in words")
        self.winerror = winerror


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (_FromWindows(1234), "refused"),
        (_FromWindows(121), "silent"),
        (_FromWindows(1231), "unreachable"),
        (_FromWindows(1232), "unreachable"),
        (_FromWindows(87), "local-error"),
        (ConnectionRefusedError(errno.EINVAL, "in words"), "refused"),
        (ConnectionResetError(errno.EINVAL, "in words"), "refused"),
        (ConnectionAbortedError(errno.EINVAL, "in words"), "refused"),
    ],
)
def test_what_one_of_windows_says(error: OSError, outcome: AttemptOutcome) -> None:
    assert classify(error) == (outcome, "in words")


def _path(tries_sampled: int = 200) -> Path:
    path = Path(server_address="127.0.0.1", local_address="127.0.0.1", began=time.monotonic())
    path.pace = Pace(0.01, 0.001)
    path.control_tally.add(tries_sampled, 0)
    return path


@pytest.mark.parametrize("alone", [False, True])
async def test_behind_a_queue_silence_is_not_believed(alone: bool) -> None:
    """As on a slow link that fills up: round trips become longer than any so far."""
    path = _path()
    path.answered_until = time.monotonic() - 0.001
    queue_s = 0.6 if alone else 1.5

    async def answered_late(this: Try) -> None:
        await asyncio.sleep(queue_s)
        this.ended("answered")

    async def heartbeats() -> None:
        while True:
            await asyncio.sleep(0.01)
            path.answered_until = time.monotonic() - queue_s

    beating = asyncio.create_task(heartbeats())
    try:
        tries = await race(path, "tcp", answered_late, one_at_a_time=alone)
    finally:
        beating.cancel()
    assert "answered" in [t.outcome for t in tries]


async def test_where_heartbeats_are_answered_silence_is_soon_believed() -> None:
    path = _path()

    async def silent(this: Try) -> None:
        await asyncio.Event().wait()

    async def heartbeats() -> None:
        while True:
            path.answered_until = time.monotonic() - 0.01
            await asyncio.sleep(0.005)

    beating = asyncio.create_task(heartbeats())
    began = time.monotonic()
    try:
        tries = await race(path, "tcp", silent)
    finally:
        beating.cancel()
    assert {t.outcome for t in tries} == {"silent"}
    assert time.monotonic() - began < path.pace.offsets_s(len(tries))[-1] + 2 * PATIENCE_MIN_S


async def test_a_queue_without_end_is_not_waited_for() -> None:
    path = _path()
    path.answered_until = time.monotonic() - 0.001  # and nothing is answered after that

    async def silent(this: Try) -> None:
        await asyncio.Event().wait()

    async with asyncio.timeout(QUEUE_MAX_S + 5):
        tries = await race(path, "tcp", silent)
    assert {t.outcome for t in tries} == {"silent"}

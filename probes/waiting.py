"""Waiting for news, where time in which this computer was too busy to listen does not count."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from probes.attempts import LAG_S


async def until(
    news: asyncio.Event,
    enough: Callable[[], bool],
    left_s: Callable[[], float],
    late: Callable[[float], None],
) -> bool:
    """Whether it was ``enough`` before there was no time left.  ``news`` is set whenever that may
    have changed; ``late`` is told by how many seconds this computer woke up too late, and is to
    put off by them what ``left_s`` says."""
    while not enough():
        wait = left_s()
        if wait <= 0:
            return False
        due = time.monotonic() + wait
        news.clear()
        try:
            async with asyncio.timeout(wait):
                await news.wait()
        except TimeoutError:
            lag = time.monotonic() - due
            if lag > LAG_S:
                late(lag)
                await asyncio.sleep(0)  # what has arrived is read first
    return True

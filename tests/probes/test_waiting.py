"""Waiting until it is enough, or there is no time left that this computer had."""

import asyncio
import time

from probes import waiting
from probes.attempts import LAG_S


def nobody(seconds: float) -> None:
    raise AssertionError(seconds)


async def test_news_are_looked_at_until_they_are_enough() -> None:
    news, came = asyncio.Event(), [0]

    async def tell() -> None:
        while True:
            await asyncio.sleep(0)
            came[0] += 1
            news.set()

    telling = asyncio.create_task(tell())
    assert await waiting.until(news, lambda: came[0] >= 3, lambda: 5.0, nobody)
    telling.cancel()
    assert came[0] == 3


async def test_what_is_enough_already_needs_no_time() -> None:
    assert await waiting.until(asyncio.Event(), lambda: True, lambda: 0.0, nobody)


async def test_without_news_it_is_over_when_there_is_no_time_left() -> None:
    began = time.monotonic()
    until = began + 0.02
    assert not await waiting.until(
        asyncio.Event(), lambda: False, lambda: until - time.monotonic(), lambda seconds: None
    )
    assert time.monotonic() >= until


async def test_what_came_while_nobody_listened_is_read_first() -> None:
    news = asyncio.Event()
    until = time.monotonic() + 0.01
    late: list[float] = []

    def noticed(seconds: float) -> None:
        late.append(seconds)
        asyncio.get_running_loop().call_soon(news.set)  # as what is read then does

    asyncio.get_running_loop().call_soon(time.sleep, 3 * LAG_S)
    assert await waiting.until(news, news.is_set, lambda: until - time.monotonic(), noticed)
    assert len(late) == 1
    assert late[0] > 2 * LAG_S


async def test_time_in_which_nobody_listened_may_be_put_off() -> None:
    news = asyncio.Event()
    left = 0.01

    def noticed(seconds: float) -> None:
        nonlocal left
        left = 5.0
        asyncio.get_running_loop().call_later(0.01, news.set)

    asyncio.get_running_loop().call_soon(time.sleep, 3 * LAG_S)
    assert await waiting.until(news, news.is_set, lambda: left, noticed)

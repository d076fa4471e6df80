"""The captive portal: what its answer means, and asking a real web server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.reach import portal


@pytest.mark.parametrize(
    ("head", "outcome", "location"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://login.example/?a=1\r\n\r\n", "redirected", True),
        (b"HTTP/1.0 307 x\r\nlocation:\thttp://login.example/?a=1\r\n\r\n", "redirected", True),
        (b"HTTP/1.1 302 Found\r\n\r\n", "answered", False),
        (b"HTTP/1.1 511 Network Authentication Required\r\n\r\n", "login-required", False),
        (b"HTTP/1.1 200 OK\r\nLocation: http://login.example/\r\n\r\n", "answered", False),
        (b"SSH-2.0-OpenSSH\r\n", "answered", False),
        (b"", "answered", False),
    ],
)
def test_what_an_answer_means(head: bytes, outcome: str, location: bool) -> None:
    got = portal.read_answer(head)
    assert got == (outcome, "http://login.example/?a=1" if location else "")


@given(st.binary(max_size=6000))
def test_any_bytes_have_a_meaning_and_a_short_printable_location(data: bytes) -> None:
    outcome, location = portal.read_answer(data)
    assert outcome in {"redirected", "login-required", "answered"}
    assert len(location) <= 200
    assert location == "" or location.isprintable()


@asynccontextmanager
async def web_server(answer: bytes, address: str) -> AsyncIterator[None]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, address, portal.HTTP_PORT)
    async with server:
        yield


async def test_a_portal_is_recognised() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n"
    async with web_server(answer, "127.0.41.1"):
        found = await portal.look("127.0.41.1", now=lambda: 0.0)
    assert (found.outcome, found.location) == ("redirected", "http://login.example/")


async def test_an_endless_answer_is_cut_short() -> None:
    async with web_server(b"x" * 200_000, "127.0.41.2"):
        found = await portal.look("127.0.41.2", now=lambda: 0.0)
    assert found.outcome == "answered"


async def test_nobody_there_is_a_result() -> None:
    found = await portal.look("127.0.41.3", now=lambda: 0.0)
    assert found.outcome == "refused"

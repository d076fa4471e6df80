"""Binding requests: whose answers count, and what becomes of all other bytes."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.binding import (
    REQUEST_BYTES,
    BindingSocket,
    Question,
    open_socket,
    printable,
    untranslated,
)
from probes.path import Path
from probes.wire import stun
from probes.wire.frame import Endpoint

SERVER = Endpoint("192.0.2.5", 3478)
STRANGER = ("192.0.2.66", 3478)


def a_path() -> Path:
    return Path(server_address="127.0.0.1", local_address="127.0.0.1", began=time.monotonic())


@given(st.binary(max_size=3000))
def test_no_bytes_from_strangers_are_an_answer(data: bytes) -> None:
    sock = BindingSocket()
    question = sock._question(SERVER)
    sock.datagram_received(data, STRANGER)
    sock.datagram_received(data[:4] + question.transaction + data[4:], STRANGER)
    assert question.message is None or stun.read(data[:4] + question.transaction + data[4:])


@pytest.mark.parametrize(
    ("kind", "source", "outcome"),
    [
        ("success", SERVER, "answered"),
        ("success", Endpoint("192.0.2.6", 3478), "altered"),
        ("success", Endpoint("192.0.2.5", 3479), "altered"),
        ("error", SERVER, "closed"),
        ("indication", SERVER, "answered"),
        ("request", SERVER, "silent"),
    ],
)
def test_who_may_answer(kind: str, source: Endpoint, outcome: str) -> None:
    sock = BindingSocket()
    question = sock._question(SERVER)
    message = stun.Message(
        kind=kind,  # type: ignore[arg-type]
        transaction=question.transaction,
        xor_mapped_address=Endpoint("198.51.100.7", 5000),
        error_code=400 if kind == "error" else None,
    )
    sock.datagram_received(stun.write(message), (source.address, source.port))
    assert question.outcome[0] == outcome


def test_the_first_answer_counts_and_a_forgotten_question_has_none() -> None:
    sock = BindingSocket()
    first, second = sock._question(SERVER), sock._question(SERVER)
    sock.forget(second)
    for question in (first, second):
        for port in (1, 2):
            message = stun.Message(
                kind="success",
                transaction=question.transaction,
                xor_mapped_address=Endpoint("198.51.100.7", port),
            )
            sock.datagram_received(stun.write(message), ("192.0.2.5", 3478))
    assert first.message is not None
    assert first.message.xor_mapped_address == Endpoint("198.51.100.7", 1)
    assert second.message is None


async def test_requests_are_as_large_as_any_answer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(2)
        to = Endpoint(*server.getsockname())
        with await open_socket(a_path()) as sock, await open_socket(a_path()) as other:
            sock.ask(to)
            sock.ask(to, change_ip=True, change_port=True)
            sock.ask(to, response_port=5000, answer_at=other)
            sock.tell(to, heard_by=other)
            sizes = [len(await asyncio.to_thread(server.recv, 2048)) for _ in range(4)]
    assert sizes == [REQUEST_BYTES] * 3 + [stun.HEADER_SIZE]
    far = Endpoint("2001:db8::1", 3478)
    largest = stun.Message(
        kind="success",
        transaction=stun.transaction(bytes(12)),
        xor_mapped_address=far,
        mapped_address=far,
        response_origin=far,
        other_address=far,
        software="netcheck/10.10.10",
        fingerprint=True,
    )
    assert len(stun.write(largest)) <= REQUEST_BYTES


async def test_an_icmp_error_reaches_a_connected_socket() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        to = Endpoint(*taken.getsockname())
    with await open_socket(a_path(), connected_to=to) as sock:
        question = sock.ask(to)
        async with asyncio.timeout(2):
            await question.arrived.wait()
    assert question.outcome[0] == "refused"


async def test_a_packet_that_cannot_leave() -> None:
    to = Endpoint("255.255.255.255", 3478)  # needs a permission that the socket does not have
    with await open_socket(a_path()) as sock:
        question = sock.ask(to)
    assert question.outcome[0] == "local-error"


@given(st.text())
def test_what_a_server_says_can_be_shown(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) <= 80


@pytest.mark.parametrize(
    ("local", "seen", "same"),
    [
        (("192.0.2.7", 5000), ("192.0.2.7", 5000), True),
        (("192.0.2.7", 5000), ("192.0.2.7", 5001), False),
        (("192.168.1.2", 5000), ("192.0.2.7", 5000), False),
        (("2001:db8:0::7", 1), ("2001:db8::7", 1), True),
        (("", 1), ("192.0.2.7", 1), False),
    ],
)
def test_untranslated(local: tuple[str, int], seen: tuple[str, int], same: bool) -> None:
    assert untranslated(Endpoint(*local), Endpoint(*seen)) is same


def test_a_question_ages() -> None:
    question = Question(SERVER, stun.transaction(bytes(12)))
    assert question.age_s < 1
    assert question.outcome == ("silent", "")

"""A UDP port of the server's, where ICMP errors come that are not true."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import cast

import pytest

from probes.attempts import Try
from probes.pace import Pace
from probes.reach import outbound_udp
from probes.session import ControlLine, Session

HERE = "127.0.0.1"


class _Forged:
    """Whatever is sent is said by ICMP not to have arrived; and ``answers`` come all the same."""

    def __init__(self, datagrams: outbound_udp.Datagrams, *, answers: bool) -> None:
        self._datagrams = datagrams
        self._answers = answers

    def get_extra_info(self, _: str) -> tuple[str, int]:
        return HERE, 40000

    def sendto(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(self._datagrams.error_received, ConnectionRefusedError(111, "refused"))
        if self._answers:
            loop.call_later(0.02, self._datagrams.datagram_received, data, (HERE, 1))


@pytest.mark.parametrize(("answers", "outcome"), [(True, "answered"), (False, "refused")])
async def test_an_answer_says_more_than_an_icmp_error(
    answers: bool, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = SimpleNamespace(source="192.0.2.1:40000")
    monkeypatch.setattr(outbound_udp, "read_proof", lambda *_: proof)
    session = Session(
        control=cast(ControlLine, None),
        session_id=bytes(8),
        secret=bytes(32),
        server_address=HERE,
        local_address=HERE,
        began=time.monotonic(),
    )
    session.pace = Pace(0.02, 0.0)
    probe = outbound_udp._Probe(session, 6901, 1)
    forged = _Forged(probe.datagrams, answers=answers)
    probe.datagrams.connection_made(cast(asyncio.DatagramTransport, forged))
    this = Try(0.0)
    await probe.one(this)
    assert this.outcome == outcome

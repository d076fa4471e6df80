"""ICMP errors on loopback: who refuses, and who is not asked for ever."""

from __future__ import annotations

import socket
import sys
import time

import pytest

from probes import hop_errors
from probes.nat import icmp_errors
from probes.pace import Pace
from probes.path import Path

HERE = "127.0.62.5"

linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells who sent an ICMP error"
)


def path() -> Path:
    made = Path(server_address=HERE, local_address=HERE, began=time.monotonic())
    made.pace = Pace().measured(0.001)
    return made


@linux
async def test_one_error_is_enough() -> None:
    found = await icmp_errors.run(path())
    assert [a.outcome for a in found.attempts] == ["refused"]
    host, _, port = found.destination.partition(":")
    assert host == HERE
    assert icmp_errors.FIRST_PORT <= int(port) <= icmp_errors.LAST_PORT


@linux
async def test_silence_is_asked_a_few_times() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HERE, 0))
        found = await icmp_errors.run(path(), sock.getsockname()[1])
    assert [a.outcome for a in found.attempts] == ["silent"] * icmp_errors.TRIES_MAX


async def test_elsewhere_it_is_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hop_errors, "available", lambda: False)
    found = await icmp_errors.run(path())
    assert found.untested
    assert not found.attempts

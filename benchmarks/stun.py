"""STUN: how fast messages are read, and how many requests our server and coturn answer.

Both servers run on one core, on the loopback of one node, and are sent the same requests by the
same loop in this process, which keeps some of them under way at all times.  The requests have
room for the whole answer, as those of netcheck's own client do.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.row import REPEATS, BenchmarkError, Row
from probes.wire import stun
from probes.wire.frame import Endpoint
from tests.lab.description import Network

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from benchmarks.program import NETCHECK
from tests.lab.network import Lab, NodeProcess

READ_AT_MOST_US = 10.0  # 100,000 a second
MESSAGES = 2000
ROUNDS = 10
"""Readings of every message in one run: some tenths of a second."""

OURS, OURS_2 = "127.0.0.2", "127.0.0.3"
COTURN, COTURN_2 = "127.0.0.4", "127.0.0.5"
REQUEST_SIZE = 100
UNDER_WAY = 64
"""Requests that wait for their answers: no server is idle, and no buffer overflows."""

LOAD_S = 1.0
LOST_S = 0.5  # nothing for so long on loopback: all that was under way is lost, begin anew


def run() -> Iterator[Row]:
    yield from _codec()
    with Lab(Network(dns=None)) as lab:
        with _ours(lab) as server:
            ours = [_load(lab, server, OURS) for _ in range(REPEATS)]
        with _coturn(lab) as server:
            coturns = [_load(lab, server, COTURN) for _ in range(REPEATS)]
    for name, runs in (("netcheck", ours), ("coturn", coturns)):
        rates = sorted(rate for rate, _ in runs)
        spread = f"{rates[0]:.0f}–{rates[-1]:.0f} /s in {REPEATS} runs, {UNDER_WAY} under way"
        yield Row(f"STUN server {name}: answers", rates[REPEATS // 2], "/s", detail=spread)
        cpu = sorted(cpu for _, cpu in runs)
        each = cpu[REPEATS // 2]
        yield Row("  CPU time of an answer", each, "µs", detail=f"{1e6 / each:.0f} /s on one core")


def _codec() -> Iterator[Row]:
    kinds: Sequence[tuple[str, Callable[[int], stun.Message]]] = (
        ("STUN: read a binding response, RFC 5780", _whole),
        ("  one with XOR-MAPPED-ADDRESS alone", _plain),
    )
    for name, make in kinds:
        written = [stun.write(make(number)) for number in range(MESSAGES)]
        times = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            for _ in range(ROUNDS):
                for data in written:
                    stun.read(data)
            times.append((time.perf_counter() - began) / (ROUNDS * MESSAGES) * 1e6)
        middle = sorted(times)[REPEATS // 2]
        detail = f"{1e6 / middle:.0f} /s, {len(written[0])} bytes each"
        yield Row(name, middle, "µs", READ_AT_MOST_US, detail)


def _plain(number: int) -> stun.Message:
    mapped = Endpoint(f"203.0.{number % 256}.{number % 251}", 1024 + number)
    transaction = stun.transaction(number.to_bytes(stun.IDENTIFIER_SIZE, "big"))
    return stun.Message(kind="success", transaction=transaction, xor_mapped_address=mapped)


def _whole(number: int) -> stun.Message:
    plain = _plain(number)
    return stun.Message(
        kind="success",
        transaction=plain.transaction,
        mapped_address=plain.xor_mapped_address,
        xor_mapped_address=plain.xor_mapped_address,
        response_origin=Endpoint("198.51.100.5", 3478),
        other_address=Endpoint("198.51.100.6", 3479),
        software="netcheck/0.1.0",
        fingerprint=True,
    )


@contextmanager
def _ours(lab: Lab) -> Iterator[NodeProcess]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        addresses = ("--listen", OURS, "--listen", OURS_2)
        argv = (*_one_core(), NETCHECK, "serve", "--data-dir", folder, *addresses)
        with lab.popen("server", argv) as server:
            server.wait_for("netcheck://")
            if server.stderr:
                raise BenchmarkError(server.log())
            yield server


@contextmanager
def _coturn(lab: Lab) -> Iterator[NodeProcess]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        argv = (
            *(*_one_core(), "turnserver", "-n", "--stun-only", "--no-cli", "--no-tls", "--no-dtls"),
            *("-L", COTURN, "-L", COTURN_2, "-m", "1", "--log-file", "stdout"),
            *("--pidfile", str(Path(folder, "pid"))),
        )
        with lab.popen("server", argv) as server:
            lab.wait_listening("server", "udp", stun.PORT)
            yield server


def _one_core() -> tuple[str, ...]:
    """On the last core: the loop that asks has the others."""
    return ("taskset", "--cpu-list", str((os.cpu_count() or 1) - 1))


def _load(lab: Lab, server: NodeProcess, address: str) -> tuple[float, float]:
    """Answers a second, and microseconds of the server's CPU time for each."""
    requests = [
        stun.write(
            stun.Message(kind="request", transaction=stun.transaction(number.to_bytes(12, "big"))),
            at_least=REQUEST_SIZE,
        )
        for number in range(UNDER_WAY)
    ]
    with lab.inside("server"):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(LOST_S)
        sock.connect((address, stun.PORT))
        used_before, began = _cpu_s(server.pid), time.perf_counter()
        answers = 0
        for request in requests:
            sock.send(request)
        while time.perf_counter() - began < LOAD_S:
            try:
                answer = sock.recv(2048)
            except TimeoutError:
                for request in requests:
                    sock.send(request)
                continue
            answers += 1
            sock.send(requests[answer[19] % UNDER_WAY])
        seconds = time.perf_counter() - began
        used_s = _cpu_s(server.pid) - used_before
    if not answers:
        raise BenchmarkError(f"{address} did not answer")
    if stun.read(answer).xor_mapped_address is None:
        raise BenchmarkError(f"{address} did not answer as it should: {answer.hex()}")
    return answers / seconds, used_s / answers * 1e6


def _cpu_s(pid: int) -> float:
    """User and system time so far (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

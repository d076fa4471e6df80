"""The same ports, all silently dropped at 50 ms, beside nmap, which tests the outbound ones."""

from __future__ import annotations

import re
import shutil
import statistics
import sys
from collections.abc import Iterator

from benchmarks.row import REPEATS, BenchmarkError, Row, timing
from netcheck import plan, profile
from tests.lab import firewall
from tests.lab.description import Network
from tests.lab.scenarios import CONTROL_PORT, Truth, served

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from benchmarks import program
from benchmarks.checks import check, require
from tests.lab.network import Lab

RTT_MS = 50.0
AT_MOST_S = 3.0


def run() -> Iterator[Row]:
    if shutil.which("nmap") is None:
        raise BenchmarkError("nmap is not installed: there is nothing to compare with")
    ports = plan.make(profile.built_in())
    network = Network(
        nat=False,
        rtt_ms=RTT_MS,
        firewall=(
            f'iifname "lan" tcp dport != {CONTROL_PORT} drop',
            firewall.drop("udp", direction="both"),
            firewall.drop("tcp", ports.inbound_tcp, direction="in"),
        ),
    )
    tcp: list[float] = []
    udp: list[float] = []
    checks = []
    with Lab(network) as lab, served(lab) as (_, link):
        for _ in range(REPEATS):  # by turns, so that what disturbs one disturbs the other
            checks.append(check(lab, link))
            require(checks[-1].states, Truth(outbound="blocked", nat=False))
            tcp.append(_scan(lab, "-sT", ports.tcp_ports, "filtered"))
            udp.append(_scan(lab, "-sU", ports.udp_ports, "open|filtered"))
    seconds = [each.program.seconds for each in checks]
    tested = len(checks[0].states)
    yield timing("all ports dropped, 50 ms", seconds, "s", AT_MOST_S, f"{tested} tests, both ways")
    yield timing("nmap -sT, outbound only", tcp, "s", detail=f"{len(ports.tcp_ports)} ports")
    yield timing("nmap -sU, outbound only", udp, "s", detail='says "open|filtered": cannot tell')
    scans = [a + b for a, b in zip(tcp, udp, strict=True)]
    yield Row("netcheck to nmap -sT", _ratio(seconds, tcp), "x", detail="less is faster")
    yield Row("netcheck to nmap -sT and -sU", _ratio(seconds, scans), "x")


def _scan(lab: Lab, kind: str, ports: tuple[int, ...], expected: str) -> float:
    """Raises BenchmarkError unless nmap calls every port ``expected``."""
    numbers = ",".join(map(str, ports))
    argv = ("nmap", kind, "-Pn", "-n", "-v", "-p", numbers, lab.network.server)
    done = program.start(lab, argv).wait()
    # Ports that are alike are only counted, in words that depend on their number.
    alike = re.search(rf"All {len(ports)} scanned ports .* are in ignored states", done.stdout)
    said = re.findall(r"^\d+/\w+ +(\S+)", done.stdout, re.MULTILINE)
    counted = re.search(rf"Not shown: {len(ports)} {re.escape(expected)} ", done.stdout)
    if done.status or not (
        (alike and counted) or (len(said) == len(ports) and set(said) == {expected})
    ):
        raise BenchmarkError(
            f"nmap {kind} did not call all {expected}:\n{done.stdout}{done.stderr}"
        )
    return done.seconds


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))

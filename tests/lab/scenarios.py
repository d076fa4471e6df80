"""What a scenario is: a network, what is done in it, and the truth that netcheck must find.

The truth covers every port and every feature: what a scenario does not name is as in
an open network, so a wrong verdict anywhere fails.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.description import Network
from tests.lab.network import Lab, NodeProcess

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

NETCHECK = (sys.executable, "-m", "netcheck")
CONTROL_PORT = 8463

OUTBOUND = (
    "tcp out 1863",
    *(f"tcp out {port}" for port in range(6891, 6902)),
    *(f"tcp out {port}" for port in (389, 522, 1503, 1720, 1731)),
    "tcp out 6901 from 6901",
    "udp out 6901",
    "udp out any from 6901",
)
INBOUND = (
    *(f"tcp in {port}" for port in (*range(6891, 6901), 1503, 1720)),
    "udp in 6901",
    "udp in any from 6901",
)
OPEN_NETWORK = {
    "messaging": "works",
    "receive-files": "works",
    "directory": "works",
    "data-sharing": "works",
    # What later work measures is unknown, never guessed.
    "send-files": "unknown",
    "voice": "unknown",
    "call-out": "unknown",
    "audio": "unknown",
    "video": "unknown",
    "receive-calls": "unknown",
}
BEHIND_NAT = {"send-files": "fails", "receive-calls": "fails"}


@dataclass(frozen=True)
class Truth:
    """What is really so.  ``ports`` overrides ``outbound`` and ``inbound``; a key may hold
    a range ("tcp out 6892-6900").  ``causes`` are exactly those that must be found."""

    outbound: str = "open"
    inbound: str = "blocked"
    ports: Mapping[str, str] = field(default_factory=dict)
    features: Mapping[str, str] = field(default_factory=dict)
    causes: frozenset[str] = frozenset()
    capacity: int | None = 10
    nat: bool | None = True
    reached: bool = True

    @property
    def states(self) -> dict[str, str]:
        states = dict.fromkeys(OUTBOUND, self.outbound) | dict.fromkeys(INBOUND, self.inbound)
        for key, state in self.ports.items():
            for port in _spread(key):
                assert port in states, port
                states[port] = state
        return states

    @property
    def verdicts(self) -> dict[str, str]:
        return OPEN_NETWORK | dict(self.features)

    @property
    def exit_status(self) -> int:
        verdicts = set(self.verdicts.values())
        return 1 if verdicts & {"fails", "limited"} else 3 if "unknown" in verdicts else 0


def _spread(key: str) -> Iterator[str]:
    found = re.search(r"(\d+)-(\d+)", key)
    if found is None:
        yield key
        return
    for port in range(int(found[1]), int(found[2]) + 1):
        yield key.replace(found[0], str(port))


@dataclass(frozen=True)
class Scenario:
    """``before`` prepares the lab, ``during`` acts while the check runs; ``server``,
    ``depth`` and ``client`` are further options of their commands; ``target`` replaces the
    server's link, ``server_prefix`` is a program that starts the server."""

    name: str
    network: Network
    truth: Truth
    server: tuple[str, ...] = ()
    client: tuple[str, ...] = ()
    depth: tuple[str, ...] = ("--quick",)
    target: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    server_prefix: tuple[str, ...] = ()
    before: Callable[[Lab], None] | None = None
    during: Callable[[Lab, NodeProcess], None] | None = None
    serve: bool = True


@dataclass(frozen=True)
class Outcome:
    status: int
    report: dict[str, Any]
    stderr: str
    seconds: float


def port_key(port: Mapping[str, Any]) -> str:
    """How a scenario names a port of the report."""
    way = "out" if port["direction"] == "outbound" else "in"
    number = str(port["port"])
    source = ""
    if port["local_port"] is not None:
        source = f" from {port['local_port']}"
        number = "any" if port["transport"] == "udp" else number
    if port["remote_port"] is not None:
        source, number = f" from {port['remote_port']}", "any"
    return f"{port['transport']} {way} {number}{source}"


@contextmanager
def served(
    lab: Lab, options: tuple[str, ...] = (), prefix: tuple[str, ...] = ()
) -> Iterator[tuple[NodeProcess, str]]:
    """An echo server on both addresses of the server node, and its first link."""
    network = lab.network
    with tempfile.TemporaryDirectory(prefix="lab-server-") as folder:
        argv = (*prefix, *NETCHECK, "serve", "--data-dir", folder, "--listen", network.server)
        argv = (*argv, "--listen", network.server_2, *options)
        with lab.popen("server", argv) as server:
            server.wait_for("ready")
            server.wait_for("netcheck://")
            link = re.search(r"netcheck://\S+[0-9a-f]{64}", server.stdout)
            assert link is not None, server.stdout
            yield server, link[0]


def run(scenario: Scenario) -> Outcome:
    """Make the network, serve, check, and give what came out."""
    with Lab(scenario.network) as lab:
        if scenario.before:
            scenario.before(lab)
        if not scenario.serve:
            assert scenario.target is not None
            return check(lab, scenario, scenario.target, None)
        with served(lab, scenario.server, scenario.server_prefix) as (server, link):
            fingerprint = link.partition("#")[2]
            target = (scenario.target or link).replace("FINGERPRINT", fingerprint)
            return check(lab, scenario, target, server)


def check(lab: Lab, scenario: Scenario, target: str, server: NodeProcess | None) -> Outcome:
    """One check in the client's network."""
    with tempfile.TemporaryDirectory(prefix="lab-client-") as folder:
        output = Path(folder, "report.json")
        argv = (
            *(*NETCHECK, "check", "--server", target, "--format", "json"),
            *("--output", str(output), *scenario.depth, *scenario.client),
        )
        began = time.monotonic()
        if scenario.during is None:
            done = lab.run("client", argv, env=scenario.environment or None)
            status, stderr = done.returncode, done.stderr
        else:
            assert server is not None
            process = lab.popen("client", argv, env=scenario.environment or None)
            scenario.during(lab, server)
            status = process.wait(30)
            stderr = process.stderr
        seconds = time.monotonic() - began
        text = output.read_text(encoding="utf-8") if output.exists() else "{}"
        return Outcome(status, json.loads(text), stderr, seconds)

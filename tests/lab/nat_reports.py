"""What `netcheck check` reports in a network of the lab, with our server and with others'."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from tests.lab.description import SERVER, SERVER_2, Network
from tests.lab.nat_scenarios import EVERY_PORT, NatScenario
from tests.lab.network import Lab, LabError
from tests.lab.scenarios import NETCHECK, served

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

Report = dict[str, Any]
Foreign = Literal["coturn", "stund"]

ENDS_S = 60.0
"""A check takes some seconds; here many of them share two cores."""

DEEP_ENDS_S = 600.0
"""A deep check takes up to three times the lifetime it looks for."""


def check(lab: Lab, *options: str, ends_s: float = ENDS_S) -> Report:
    """The report of one check in the client's network.

    Raises LabError if there is none.
    """
    with tempfile.TemporaryDirectory(prefix="lab-client-") as folder:
        output = Path(folder, "report.json")
        argv = (*NETCHECK, "check", "--format", "json", "--output", str(output), *options)
        try:
            done = lab.run("client", argv, timeout=ends_s)
        except subprocess.TimeoutExpired as late:
            raise LabError(f"no end within {ends_s:g} s: {late.stderr!r}") from late
        if not output.exists():
            raise LabError(f"status {done.returncode} without a report: {done.stderr}")
        report: Report = json.loads(output.read_text(encoding="utf-8"))
        return report


def report_in(network: Network, *options: str, ends_s: float = ENDS_S) -> Report:
    """A check against our own server.  Raises LabError if there is no report."""
    with Lab(network) as lab, served(lab) as (_, link):
        return check(lab, "--server", link, *options, ends_s=ends_s)


def parts(scenario: NatScenario) -> tuple[str, ...]:
    """The options that test everything the scenario is about, and nothing else."""
    truth = scenario.truth
    limited = {truth.udp_open, truth.tcp_open} - {EVERY_PORT, ()}
    return ("--only", "nat", *(("--only", "range") if limited else ()))


@contextmanager
def stun_server(lab: Lab, name: Foreign, *, addresses: int = 2) -> Iterator[None]:
    """Somebody else's STUN server at the server node, on both its ports; coturn alone runs
    with one of the ``addresses``."""
    argv: tuple[str, ...] = ("stund", "-h", SERVER, "-a", SERVER_2)
    with tempfile.TemporaryDirectory(prefix="lab-server-") as folder:
        if name == "coturn":
            listen = ("-L", SERVER, "-L", SERVER_2)[: 2 * addresses]
            argv = (
                *("turnserver", "-n", "--no-auth", "--no-tls", "--no-dtls", "--no-cli"),
                *("--stun-only", "--log-file", "stdout", "--pidfile", str(Path(folder, "pid"))),
                *("--userdb", str(Path(folder, "users")), *listen),
            )
        with lab.popen("server", argv):
            for port in (3478, 3479)[: addresses if name == "coturn" else 2]:
                lab.wait_listening("server", "udp", port)
            yield

"""Nothing stays open: what Linux's editors open for a check is shut when the check is over."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.lab.description import Editor, Forward, Network, Rewriting
from tests.lab.network import Lab
from tests.lab.process import POLL_S, NodeProcess
from tests.lab.scenarios import NETCHECK, served

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

EDITORS: tuple[Editor, ...] = ("ftp", "h323", "sip", "irc", "pptp")
NETWORK = Network(
    rtt_ms=50,
    editors=EDITORS,
    forwards=(Forward("tcp", 1720),),
    rewriting=Rewriting("right", ports=(389, 1002)),
)
"""All that opens something does: the call in, too, which is led in and found in the directory."""

HELPERS = frozenset({"ftp", "sip", "irc", "pptp", "Q.931", "H.245"})
"""Who opens ways, by the kernel's names."""

BRIEF = frozenset({"pptp"})
"""Whose ways are there for a tenth of a second, which may not be seen."""

RESET_S = 10 + 1
"""Linux forgets a connection so long after a reset (net.netfilter.nf_conntrack_tcp_timeout_close),
and with it what was expected to come of it; it counts in whole seconds."""

AGAIN_S = 5
"""What is lost of the last words is said again, and that counts anew."""

CHECK_S = 60


class Table(NamedTuple):
    """The ways that the router keeps open, one a line, and the connections that it knows."""

    ways: tuple[str, ...]
    connections: tuple[str, ...]

    @property
    def helpers(self) -> set[str]:
        return {helper for way in self.ways for helper in HELPERS if f" {helper}" in way}


def table(lab: Lab) -> Table:
    """To read the connections is what removes those whose time is over: a router that has nothing
    to do looks for them once a minute."""
    with lab.inside("router"):
        net = Path("/proc/thread-self/net")
        connections = (net / "nf_conntrack").read_text().splitlines()
        ways = (net / "nf_conntrack_expect").read_text().splitlines()
    return Table(tuple(ways), tuple(connections))


def start(lab: Lab, link: str, folder: str, *options: str) -> NodeProcess:
    output = ("--format", "json", "--output", str(Path(folder, "report.json")))
    return lab.popen("client", (*NETCHECK, "check", "--server", link, *output, *options))


def watched(lab: Lab, check: NodeProcess, enough: Callable[[set[str]], bool]) -> set[str]:
    """Whose ways were open, until they are ``enough`` or the check ends."""
    seen: set[str] = set()
    deadline = time.monotonic() + CHECK_S
    while check.returncode is None and not enough(seen):
        assert time.monotonic() < deadline, check.log()
        seen |= table(lab).helpers
        time.sleep(POLL_S)
    return seen


def is_shut(lab: Lab, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while ways := table(lab).ways:
        said = "\n".join((*ways, *table(lab).connections))
        assert time.monotonic() < deadline, said
        time.sleep(POLL_S)


@pytest.mark.parametrize("loss_percent", [0, 5])
def test_a_whole_check_leaves_no_way_in(loss_percent: float) -> None:
    network = replace(NETWORK, loss_percent=loss_percent)
    with Lab(network) as lab, served(lab) as (_, link), tempfile.TemporaryDirectory() as folder:
        check = start(lab, link, folder, "--only", "editors")
        seen = watched(lab, check, lambda seen: False)
        assert seen | BRIEF == HELPERS
        is_shut(lab, RESET_S + bool(loss_percent) * AGAIN_S)


def test_a_check_that_is_interrupted_leaves_no_way_in() -> None:
    """In the middle of what each editor follows, by Ctrl+C."""
    with Lab(NETWORK) as lab, served(lab) as (_, link), tempfile.TemporaryDirectory() as folder:
        for helper in sorted(HELPERS - BRIEF):
            check = start(lab, link, folder, "--only", "editors")
            assert helper in watched(lab, check, lambda seen: helper in seen)  # noqa: B023
            check.popen.send_signal(signal.SIGINT)
            check.wait(CHECK_S)
            assert not check.stderr.count("Traceback")
        is_shut(lab, RESET_S)

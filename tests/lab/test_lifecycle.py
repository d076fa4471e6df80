"""A lab leaves nothing behind, whatever happens, and needs no privilege."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest

from tests.lab.description import PUBLIC
from tests.lab.network import Lab, LabError
from tests.lab.traffic import PATIENCE_S, pair, plain

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

ROOT = Path(__file__).parents[2]


# the end


def namespaces_named(prefix: str) -> list[str]:
    listed = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.startswith(prefix)]


def gone(*pids: int) -> bool:
    """Whether the processes are dead; one that nobody has reaped yet is."""
    states = []
    for pid in pids:
        with suppress(OSError):
            states.append(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0])
    return set(states) <= {"Z"}


def wait_until_gone(*pids: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not gone(*pids):
        assert time.monotonic() < deadline, pids
        time.sleep(0.005)


def test_a_failure_shows_the_logs_and_leaves_nothing() -> None:
    stubborn = "trap '' TERM; sleep 1000 & echo $! some words; while :; do sleep 1000; done"
    lab = Lab(plain(rtt_ms=1))

    def fail() -> NoReturn:
        with lab:
            assert namespaces_named(lab.namespace(""))
            lab.popen("client", ["sh", "-c", stubborn]).wait_for("some words\n")
            children.append(int(lab.processes[-1].stdout.split()[0]))
            raise ZeroDivisionError

    children: list[int] = []
    with pytest.raises(ZeroDivisionError) as caught:
        fail()
    assert any("some words" in note for note in caught.value.__notes__)
    assert namespaces_named(lab.namespace("")) == []
    assert not lab.processes[-1].stdout_path.parent.exists()
    wait_until_gone(*children, *(process.pid for process in lab.processes))


def test_two_labs_at_once() -> None:
    with Lab(plain()) as one, Lab(plain(nat=False)) as two, pair(one) as a, pair(two) as b:
        assert (a.exchange()[0], b.exchange()[0]) == (PUBLIC, "192.0.2.2")


def test_a_network_that_cannot_be_made_leaves_nothing() -> None:
    lab = Lab(plain(firewall=("nonsense",)))
    with pytest.raises(LabError, match="nonsense"):
        lab.__enter__()
    assert namespaces_named(lab.namespace("")) == []


KILLED = """
import os, signal
from tests.lab.network import Lab, Network
lab = Lab(Network(rtt_ms=5)).__enter__()
lab.popen("client", ["sleep", "1000"])
print(lab.namespace(""), *(process.pid for process in lab.processes), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(folder: Path) -> tuple[str, int]:
    """How the namespaces of a run that was killed are named, and what runs in one of them."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    prefix, *pids = done.stdout.split()
    resolver, delay, sleep = (int(pid) for pid in pids)
    wait_until_gone(resolver, delay)  # these two notice by themselves
    return prefix, sleep


def test_the_next_lab_removes_what_a_killed_run_left(tmp_path: Path) -> None:
    for _ in range(5):  # a lab of a test beside this one may be the next
        prefix, sleep = killed(tmp_path)
        if namespaces_named(prefix) and not gone(sleep):
            break
    else:
        pytest.fail("nothing was left")
    with Lab():
        assert namespaces_named(prefix) == []
    wait_until_gone(sleep)


# privilege

SMALL = f"""
import socket, sys
sys.path.insert(0, {str(ROOT)!r})
from tests.lab.network import Lab, Network, Dns
with Lab(Network(rtt_ms=4, ipv6=True, other=True, http_proxy=True, loss_percent=0.1,
                 dns=Dns(hosts={{"echo.example.net": ("198.51.100.5",)}}))) as lab:
    lab.accepting("server", [80], "banner")
    code = "import socket; print(socket.create_connection(('echo.example.net', 80), 5).recv(9))"
    print(lab.run("client", [sys.executable, "-c", code]))
"""


# Root gives its rights up, and keeps only those of the files it owns.
ORDINARY_USER = ("unshare", "--map-user=1000", "--map-group=1000")


def test_an_ordinary_user_needs_the_launcher() -> None:
    launcher = str(Path(__file__).with_name("as_root"))
    refused, done = (
        subprocess.run(
            [*ORDINARY_USER, *how, sys.executable, "-c", SMALL],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        for how in ([], [launcher])
    )
    assert "run as root or through tests/lab/as_root" in refused.stderr
    assert "b'banner" in done.stdout, done.stderr

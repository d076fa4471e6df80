"""Named network namespaces: make them, enter them, and clear away what a dead run left."""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.lab.process import LabError

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

_RUN = Path("/run/netns")
_NAME = re.compile(r"nc(\d+)-\d+-[a-z]+")
_CLONE_NEWNET = 0x40000000  # sched.h
_SIOCGIFFLAGS = 0x8913  # linux/sockios.h
_IFF_RUNNING = 0x40  # linux/if.h
_HINT = "The lab needs network namespaces: run as root or through tests/lab/as_root."


def ip(batch: str, *, tolerant: bool = False) -> None:
    """Runs an `ip -batch` text. Raises LabError when the machine refuses."""
    argv = ["ip", *(["-force"] if tolerant else []), "-batch", "-"]
    done = subprocess.run(argv, input=batch, capture_output=True, text=True)
    if done.returncode and not tolerant:
        raise LabError(f"{_HINT}\n{done.stderr.strip()}")


def run_all(scripts: Sequence[tuple[str, str]]) -> None:
    """Runs a shell script in each named namespace, all at once. Raises LabError on failure."""
    shells = []
    for name, script in scripts:
        shell = subprocess.Popen(
            ["nsenter", f"--net={_RUN / name}", "sh", "-e"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # The scripts are smaller than a pipe's buffer, so this does not wait for the shell.
        assert shell.stdin is not None
        shell.stdin.write(script)
        shell.stdin.close()
        shell.stdin = None
        shells.append(shell)
    said = [shell.communicate()[0] for shell in shells]
    failures = [
        f"{name}: {output.strip()}\n{script}"
        for (name, script), shell, output in zip(scripts, shells, said, strict=True)
        if shell.returncode
    ]
    if failures:
        raise LabError("\n".join(failures))


def remove(names: Sequence[str]) -> None:
    """Removes namespaces with every process that is still inside."""
    inodes = set()
    for name in names:
        with suppress(OSError):
            inodes.add((_RUN / name).stat().st_ino)
    for pid in _processes_in(inodes):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    ip("".join(f"netns delete {name}\n" for name in names), tolerant=True)


def remove_stale() -> None:
    """Removes the namespaces of labs whose process is dead."""
    if not _RUN.is_dir():
        return
    matches = [_NAME.fullmatch(entry.name) for entry in _RUN.iterdir()]
    stale = [m[0] for m in matches if m and not Path("/proc", m[1]).exists()]
    if stale:
        remove(stale)


def _processes_in(inodes: set[int]) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if (entry / "ns/net").stat().st_ino in inodes:
                    found.append(int(entry.name))
    return found


@contextmanager
def inside(name: str) -> Iterator[None]:
    """The calling thread is in the namespace: its new sockets and threads stay there."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(descriptor: int) -> None:
        if libc.setns(descriptor, _CLONE_NEWNET):
            raise LabError(f"setns: {os.strerror(ctypes.get_errno())}")

    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(_RUN / name, os.O_RDONLY)
    try:
        enter(there)
        try:
            yield
        finally:
            enter(before)
    finally:
        os.close(there)
        os.close(before)


def all_running(interfaces: Sequence[str]) -> bool:
    """Whether each interface of the calling thread's namespace passes packets (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for interface in interfaces:
            request = struct.pack("16s24x", interface.encode())
            flags = struct.unpack_from("16xH", fcntl.ioctl(sock, _SIOCGIFFLAGS, request))[0]
            if not flags & _IFF_RUNNING:
                return False
    return True


def bound_ports(protocol: str) -> set[int]:
    """The ports that listen (TCP) or are bound (UDP) in the calling thread's namespace."""
    wanted = "0A" if protocol == "tcp" else "07"  # TCP_LISTEN, TCP_CLOSE of net/tcp_states.h
    ports = set()
    for table in (protocol, f"{protocol}6"):
        with suppress(FileNotFoundError):
            rows = Path("/proc/thread-self/net", table).read_text().splitlines()[1:]
            fields = [row.split() for row in rows]
            ports |= {int(f[1].rpartition(":")[2], 16) for f in fields if f[3] == wanted}
    return ports

"""Which program of this computer holds a local port."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from probes.observation import Transport

MAX_PROGRAM = 64


class PortOwner(msgspec.Struct, frozen=True, kw_only=True):
    """The program's name is chosen by the program: it is only ever shown."""

    program: str
    pid: int | None = None


class Holder(NamedTuple):
    """One socket with the process that has it open; the kernel's own and strangers' have none."""

    address: str
    port: int
    pid: int | None
    listening: bool


def owner_of(transport: Transport, address: str, port: int) -> PortOwner | None:
    """The program that a bind to ``address`` and ``port`` collides with.

    None if there is none, or if the system will not say: macOS tells only
    root, and Linux names only our own user's programs.  Reads the whole
    table of sockets, which takes tens of milliseconds; call it in a thread.
    """
    import psutil

    try:
        pid = holding_process(
            (
                Holder(found.laddr.ip, found.laddr.port, found.pid, found.status == "LISTEN")
                for found in psutil.net_connections(kind=transport)
                if found.laddr
            ),
            address,
            port,
        )
        if pid is None:
            return None
        program = printable_name(psutil.Process(pid).name())
    except (psutil.Error, OSError, RuntimeError):
        return None
    return PortOwner(program=program, pid=pid) if program else None


def holding_process(holders: Iterable[Holder], address: str, port: int) -> int | None:
    """The best match: a known process, then the closest address, then a listener."""
    ranked = [
        (rank, not holder.listening, holder.pid)
        for holder in holders
        if holder.port == port
        and holder.pid is not None
        and (rank := _collision(holder.address, address)) is not None
    ]
    return min(ranked)[2] if ranked else None


def printable_name(name: str) -> str:
    """The name without control, direction and undecodable characters, at most 64 long."""
    return "".join(c for c in name if c.isprintable()).strip()[:MAX_PROGRAM].strip()


def _collision(held: str, wanted: str) -> int | None:
    """How directly a held address blocks a wanted one: 0 the same, 1 a wildcard, 2 dual stack."""
    try:
        ours, theirs = _plain(wanted), _plain(held)
    except ValueError:
        return None
    if ours == theirs:
        return 0
    if ours.version == theirs.version:
        return 1 if ours.is_unspecified or theirs.is_unspecified else None
    # A socket bound to :: usually takes IPv4 too.
    dual = theirs if theirs.version == 6 else ours
    return 2 if dual.is_unspecified else None


def _plain(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address

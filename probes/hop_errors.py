"""Packets with a hop limit, and what routers say of them (Linux, without privileges).

Linux hands the ICMP errors about a socket's packets to the socket itself, with the address of
who sent them (ip(7), IP_RECVERR).  Elsewhere that takes rights that a user does not have:
``available`` is then false, sockets work all the same, and only refusals are heard.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path as File
from typing import Literal, cast

import msgspec

from probes import sockets
from probes.attempts import classify
from probes.errors import WireError

Kind = Literal[
    "answered",  # a datagram, or a completed handshake
    "time-exceeded",  # the hop limit was used up there
    "refused",  # port unreachable, or a TCP reset
    "unreachable",  # another ICMP error: host, network, prohibited
    "too-big",  # it does not fit the next link, and may not be fragmented
    "local-error",  # this computer did not let it out
]

UNAVAILABLE = "this system does not tell an ordinary user who sent an ICMP error"

# linux/in.h, linux/in6.h: numbers that Python 3.11 has no names for.
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER = 10, 23
_IP_MTU, _IPV6_MTU = 14, 24
_PMTUDISC_DONT, _PMTUDISC_PROBE = 0, 3

_EXTENDED = struct.Struct("=iBBBxII")  # sock_extended_err: errno, origin, type, code, info, data
_LOCAL, _ICMP, _ICMP6 = 1, 2, 3
_FAMILY = struct.Struct("=H")
_ERRORS_AT_ONCE = 64  # read of one socket in one go; what is left makes it readable again


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a packet.  ``address`` is who said so, if known; ``mtu`` in bytes, for
    ``too-big``; ``error`` the errno of a ``local-error``; ``data`` what was received, or as
    much of the packet as was quoted."""

    kind: Kind
    address: str | None = None
    detail: str = ""
    mtu: int | None = None
    error: int | None = None
    data: bytes = b""


def available() -> bool:
    """Whether this system tells who sent an ICMP error."""
    return sys.platform == "linux"


def read_extended(control: bytes, data: bytes = b"") -> Reaction:
    """A ``sock_extended_err`` with the address that follows it.  Raises WireError if it is none."""
    if len(control) < _EXTENDED.size:
        raise WireError("extended-error", f"{len(control)} bytes instead of {_EXTENDED.size}")
    number, origin, kind, code, info, _ = _EXTENDED.unpack_from(control)
    address = _offender(control[_EXTENDED.size :])
    if origin == _LOCAL:
        if info:
            detail = f"no more than {info} bytes leave this computer in one piece"
            return Reaction(kind="too-big", detail=detail, mtu=info, data=data)
        return Reaction(kind="local-error", detail=os.strerror(number), error=number, data=data)
    if origin == _ICMP:
        named = _icmp(kind, code)  # RFC 792, RFC 1812 section 5.2.7
    elif origin == _ICMP6:
        named = _icmp6(kind, code)  # RFC 4443 section 3
    else:
        raise WireError("extended-error.origin", f"{origin} is neither this computer nor ICMP")
    return Reaction(
        kind=named[0],
        address=address,
        detail=named[1],
        mtu=info if named[0] == "too-big" and info else None,
        data=data,
    )


def _offender(data: bytes) -> str | None:
    """The address in a ``sockaddr``."""
    if len(data) < 2:
        return None
    (family,) = _FAMILY.unpack_from(data)
    if family == socket.AF_INET and len(data) >= 8:
        return socket.inet_ntop(socket.AF_INET, data[4:8])
    if family == socket.AF_INET6 and len(data) >= 24:
        return socket.inet_ntop(socket.AF_INET6, data[8:24])
    return None


def _icmp(kind: int, code: int) -> tuple[Kind, str]:
    if kind == 11:
        return "time-exceeded", ""
    if kind == 3 and code == 3:
        return "refused", "ICMP: port unreachable"
    if kind == 3 and code == 4:
        return "too-big", "ICMP: fragmentation needed"
    if kind == 3:
        prohibited = code in (9, 10, 13)
        return "unreachable", "ICMP: prohibited" if prohibited else "ICMP: unreachable"
    return "unreachable", f"ICMP type {kind}"


def _icmp6(kind: int, code: int) -> tuple[Kind, str]:
    if kind == 3:
        return "time-exceeded", ""
    if kind == 1 and code == 4:
        return "refused", "ICMP: port unreachable"
    if kind == 2:
        return "too-big", "ICMP: packet too big"
    if kind == 1:
        return "unreachable", "ICMP: prohibited" if code in (1, 5, 6) else "ICMP: unreachable"
    return "unreachable", f"ICMPv6 type {kind}"


def want_errors(sock: socket.socket) -> None:
    """ICMP errors about packets of ``sock`` are kept for ``pending_errors``."""
    if sys.platform == "linux":
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)


def limit_hops(sock: socket.socket, hops: int) -> None:
    """Packets of ``sock`` die after ``hops`` (RFC 791 TTL, RFC 8200 hop limit)."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, hops)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)


def never_fragment(sock: socket.socket) -> None:
    """Datagrams go out whole, whatever size is thought to pass (RFC 8899 section 3)."""
    _discovery(sock, _PMTUDISC_PROBE)


def let_fragment(sock: socket.socket) -> None:
    """Datagrams that are too large go out in fragments; elsewhere than on Linux they do anyway."""
    _discovery(sock, _PMTUDISC_DONT)


def _discovery(sock: socket.socket, how: int) -> None:
    if sys.platform == "linux":
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, how)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, how)


def local_mtu(sock: socket.socket) -> int | None:
    """Bytes that leave this computer in one packet towards where ``sock`` is connected to."""
    if sys.platform != "linux":
        return None
    with suppress(OSError):
        if sock.family == socket.AF_INET6:
            return sock.getsockopt(socket.IPPROTO_IPV6, _IPV6_MTU)
        return sock.getsockopt(socket.IPPROTO_IP, _IP_MTU)
    return None


def pending_errors(sock: socket.socket) -> list[Reaction]:
    """What ICMP has said of packets of ``sock`` since this was last asked."""
    found: list[Reaction] = []
    if sys.platform == "linux":
        for _ in range(_ERRORS_AT_ONCE):
            try:
                data, ancillary, _, _ = sock.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
            except OSError:
                break
            for level, kind, control in ancillary:
                if (level, kind) in (
                    (socket.IPPROTO_IP, _IP_RECVERR),
                    (socket.IPPROTO_IPV6, _IPV6_RECVERR),
                ):
                    with suppress(WireError):
                        found.append(read_extended(control, data))
    return found


def _local_error(error: OSError) -> Reaction:
    return Reaction(kind="local-error", detail=error.strerror or str(error), error=error.errno)


class Datagrams(asyncio.DatagramProtocol):
    """A UDP socket connected to one place, which tells every datagram and every error."""

    def __init__(self, sock: socket.socket, hear: Callable[[Reaction], None]) -> None:
        self.sock = sock
        self._hear = hear
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(
        cls,
        local_address: str,
        to: tuple[str, int],
        hear: Callable[[Reaction], None],
        *prepare: Callable[[socket.socket], None],
    ) -> Datagrams:
        """Raises OSError if this computer has no such socket to give."""
        sock = sockets.udp(local_address)
        try:
            want_errors(sock)
            for each in prepare:
                each(sock)
            sock.connect(to)
            this = cls(sock, hear)
            await asyncio.get_running_loop().create_datagram_endpoint(lambda: this, sock=sock)
        except BaseException:
            sock.close()
            raise
        return this

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        self._hear(Reaction(kind="answered", address=str(addr[0]), data=data))

    def error_received(self, exc: Exception) -> None:
        told = pending_errors(self.sock)
        if not told and isinstance(exc, OSError) and classify(exc)[0] == "refused":
            told = [Reaction(kind="refused", detail="port unreachable")]
        for each in told:
            self._hear(each)

    def send(self, data: bytes) -> None:
        """What keeps it from leaving is heard like any other reaction."""
        error: OSError | None = None
        for _ in range(3):  # an error about an earlier packet is told once, in a send's place
            told = pending_errors(self.sock)
            for each in told:
                self._hear(each)
            try:
                self.sock.send(data)
            except BlockingIOError:
                return  # the queue is full: as good as lost
            except OSError as failed:
                error = failed
            else:
                return
        told = pending_errors(self.sock)
        for each in told:
            self._hear(each)
        if not told and error is not None:
            self._hear(_local_error(error))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def knock(local_address: str, to: tuple[str, int], hop_limit: int) -> Reaction:
    """One attempt to connect by TCP, with a hop limit; ends when something is heard, which
    may be never.  A connection that comes about is reset at once."""
    try:
        sock = sockets.tcp(local_address)
    except OSError as error:
        return _local_error(error)
    with sock:
        try:
            want_errors(sock)
            limit_hops(sock, hop_limit)
            await asyncio.get_running_loop().sock_connect(sock, to)
        except OSError as error:
            told = pending_errors(sock)
            if told:
                return told[0]
            if classify(error)[0] == "refused":
                return Reaction(kind="refused", detail="TCP reset")
            return _local_error(error)
        return Reaction(kind="answered", address=to[0])


_NETSTAT = File("/proc/thread-self/net/netstat")


def repeats_kept_back() -> int | None:
    """How many TCP segments this computer wanted to send again and did not let out, since it
    started (TCPRetransFail); None where that is not told.  A firewall of its own does that: its
    refusal of a first SYN is told to nobody."""
    if sys.platform != "linux":
        return None
    with suppress(OSError, ValueError, KeyError):
        lines = _NETSTAT.read_text(encoding="ascii").splitlines()
        for names, values in zip(lines[::2], lines[1::2], strict=False):
            if names.startswith("TcpExt:"):
                return int(dict(zip(names.split(), values.split(), strict=True))["TCPRetransFail"])
    return None

"""Datagrams too large for one packet: does what cuts them up, or what they meet, lose them?

RFC 4787 section 11 wants a NAT to pass fragments in both directions, and those that arrive out
of order as well.  A small datagram goes with each large one, so that loss cannot look like a
rule against fragments.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
import time
from collections.abc import Callable
from typing import Literal

import msgspec

from probes import hop_errors, silence
from probes.binding import REQUEST_BYTES
from probes.errors import WireError
from probes.hop_errors import Datagrams, Reaction
from probes.observation import Fragments
from probes.pace import GAP_BESIDE_S
from probes.path import Path
from probes.session import Session
from probes.sized_echo import SizedEcho, any_port, overhead
from probes.wire import stun

TRIES_MAX = 32
"""Twice as many as of ordinary probes: a datagram in two pieces is lost twice as easily."""

BEYOND_MTU = 500
"""Bytes more than fit into one packet: two fragments, neither of them tiny."""

STUN_LARGEST = 4096
"""Bytes that a STUN server may be expected to receive in one datagram."""

_FRAGMENT = 8  # fragments are cut at multiples of so many bytes (RFC 791 section 3.1)
_IP_HEADER = 20
_MORE = 0x2000  # flag: more fragments follow
_TTL = 64
_DEFAULT_MTU = 1500  # where the system does not tell: Ethernet's


class Tried(msgspec.Struct):
    """What was sent and answered: large datagrams, and small ones in the same moments."""

    large: list[float] = []  # when each was sent, by the monotonic clock
    answered: int = 0
    small: int = 0
    small_answered: int = 0


async def run(path: Path, port: int | None = None) -> tuple[Fragments, ...]:
    """All that can be tried: with a session, towards UDP ``port`` of the server's, or one that
    it opens for us; both ways with a STUN server."""
    tests = []
    if isinstance(path, Session):
        to = await any_port(path) if port is None else port
        tests += [outbound(path, to), out_of_order(path, to)]
    if path.stun is not None:
        tests.append(both(path))
    return tuple(await asyncio.gather(*tests))


async def outbound(session: Session, port: int | str) -> Fragments:
    """Large there, small back.  ``port``: a text says why there is none."""
    if isinstance(port, str):
        return _stated(session, session.now(), "in-order", "outbound", None, port)
    return await _with_echo(session, port, "in-order")


async def out_of_order(session: Session, port: int | str) -> Fragments:
    """The second fragment first.  That takes the right to make packets by hand."""
    if isinstance(port, str) or ":" in session.server_address:
        why = port if isinstance(port, str) else _NO_IPV6
        return _stated(session, session.now(), "out-of-order", "outbound", None, why)
    return await _with_echo(session, port, "out-of-order")


_NO_IPV6 = "fragments of IPv6 are not made by hand here"
_ONE_PIECE = "packets of this size leave this computer in one piece"


async def _with_echo(
    session: Session,
    port: int,
    order: Literal["in-order", "out-of-order"],
) -> Fragments:
    began = session.now()
    echo = SizedEcho(session, port)
    tried = Tried()
    untested = ""
    raw: socket.socket | None = None
    try:
        datagrams = await echo.open(hop_errors.let_fragment)
        mtu = hop_errors.local_mtu(datagrams.sock) or _DEFAULT_MTU
        size = mtu + BEYOND_MTU
        if size > echo.largest:
            untested = _ONE_PIECE
        else:
            if order == "out-of-order":
                raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
                raw.setblocking(False)

            def large() -> None:
                if raw is None:
                    echo.send(size)
                else:
                    _send_backwards(raw, datagrams.sock, echo.make(size), mtu)

            def count() -> Tried:
                tried.answered = echo.answered[size]
                tried.small_answered = echo.answered[echo.smallest]
                return tried

            await _repeat(session, large, lambda: echo.send(echo.smallest), count, echo.news)
            if echo.altered:
                untested = "something on the way changes what is sent"
    except PermissionError:
        untested = "this user may not make packets by hand"
    except OSError as error:
        untested = f"this computer: {error.strerror or error}"
    finally:
        echo.close()
        if raw is not None:
            raw.close()
    return _stated(session, began, order, "outbound", tried, untested)


async def both(path: Path) -> Fragments:
    """Large there and back: PADDING in a binding request (RFC 5780 section 7.6)."""
    began = path.now()
    tried = Tried()
    untested = "" if path.stun else "there is no STUN server"
    small: set[bytes] = set()
    large: set[bytes] = set()
    short = 0  # answers to large requests that were not large
    news = asyncio.Event()
    size = 0

    def hear(reaction: Reaction) -> None:
        nonlocal short
        if reaction.kind != "answered":
            return
        try:
            answer = stun.read(reaction.data)
        except WireError:
            return
        if answer.kind == "request":
            return  # our own, sent back by something on the way
        if answer.transaction in large:
            large.discard(answer.transaction)
            if (
                answer.kind == "success"
                and len(reaction.data) + overhead(path.local_address) > size - BEYOND_MTU
            ):
                tried.answered += 1
            else:
                short += 1
        elif answer.transaction in small:
            small.discard(answer.transaction)
            tried.small_answered += 1
        news.set()

    def send(datagrams: Datagrams, waiting: set[bytes], padding: int | None) -> None:
        key = stun.transaction(secrets.token_bytes(stun.IDENTIFIER_SIZE))
        waiting.add(key)
        request = stun.Message(kind="request", transaction=key, padding=padding)
        datagrams.send(stun.write(request, at_least=0 if padding else REQUEST_BYTES))

    if path.stun is not None:
        to = (path.stun.address, path.stun.port)
        try:
            datagrams = await Datagrams.open(path.local_address, to, hear, hop_errors.let_fragment)
        except OSError as error:
            untested = f"this computer: {error.strerror or error}"
        else:
            mtu = hop_errors.local_mtu(datagrams.sock) or _DEFAULT_MTU
            size = mtu + BEYOND_MTU
            padding = (size - overhead(to[0]) - stun.HEADER_SIZE - 4) // 4 * 4
            try:
                if size > STUN_LARGEST:
                    untested = _ONE_PIECE
                else:
                    await _repeat(
                        path,
                        lambda: send(datagrams, large, padding),
                        lambda: send(datagrams, small, None),
                        lambda: tried,
                        news,
                        done=lambda: short > 0,
                    )
            finally:
                datagrams.close()
    if short and not tried.answered:
        untested = "the STUN server does not answer with as many bytes as it is sent"
    return _stated(path, began, "in-order", "both", tried, untested)


async def _repeat(
    path: Path,
    large: Callable[[], None],
    small: Callable[[], None],
    count: Callable[[], Tried],
    news: asyncio.Event,
    *,
    done: Callable[[], bool] = lambda: False,
) -> None:
    """Send both again and again, until a large one is answered or silence means something."""
    tried = count()
    due = time.monotonic()
    while not (count().answered or done()):
        now = time.monotonic()
        before = now - path.pace.patience_s
        if means_dropped(path, sum(at < before for at in tried.large), tried):
            return
        if len(tried.large) < TRIES_MAX:
            if now >= due:
                # The small one goes last: what drops by rate takes it rather than the large one.
                tried.large.append(now)
                large()
                tried.small += 1
                small()
                due = now + GAP_BESIDE_S
            end = due
        else:
            end = tried.large[-1] + path.pace.patience_s
            if now >= end:
                return
        news.clear()
        try:
            async with asyncio.timeout(max(0.0, end - now)):
                await news.wait()
        except TimeoutError:
            pass


def means_dropped(path: Path, tries: int, tried: Tried) -> bool:
    """Whether loss cannot explain so many unanswered large datagrams: each is two packets, so
    it is lost twice as often as the small ones that went with it."""
    small = (tried.small, tried.small - tried.small_answered)
    chance = silence.chance_beside(tries, path.loss, small, pieces=2)
    return silence.rules_out_loss(tries, chance)


def _send_backwards(raw: socket.socket, sock: socket.socket, data: bytes, mtu: int) -> None:
    """One datagram of ``sock``'s in two fragments, the second one first."""
    (source, source_port), (target, port) = sock.getsockname(), sock.getpeername()
    first, second = fragments(source, source_port, target, port, data, mtu)
    for packet in (second, first):
        try:
            raw.sendto(packet, (target, 0))
        except BlockingIOError:
            return  # as good as lost


def fragments(
    source: str, source_port: int, target: str, port: int, data: bytes, mtu: int
) -> tuple[bytes, bytes]:
    """The two IPv4 packets of a datagram (RFC 791 section 3.2, RFC 768)."""
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    length = 8 + len(data)
    udp = struct.pack("!HHHH", source_port, port, length, 0) + data
    pseudo = addresses + struct.pack("!BBH", 0, socket.IPPROTO_UDP, length)
    checksum = _checksum(pseudo + udp) or 0xFFFF
    udp = udp[:6] + struct.pack("!H", checksum) + udp[8:]
    cut = (mtu - _IP_HEADER) // _FRAGMENT * _FRAGMENT
    name = 1 + secrets.randbelow(0xFFFF)

    def packet(part: bytes, at: int, more: bool) -> bytes:
        head = struct.pack(
            "!BBHHHBBH",
            0x45,
            0,
            _IP_HEADER + len(part),
            name,
            at // _FRAGMENT | (_MORE if more else 0),
            _TTL,
            socket.IPPROTO_UDP,
            0,
        )
        checksum = _checksum(head + addresses)
        return head[:10] + struct.pack("!H", checksum) + addresses + part

    return packet(udp[:cut], 0, True), packet(udp[cut:], cut, False)


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2))
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _stated(
    path: Path,
    began: float,
    order: Literal["in-order", "out-of-order"],
    direction: Literal["outbound", "both"],
    tried: Tried | None,
    untested: str,
) -> Fragments:
    tried = tried or Tried()
    return Fragments(
        id=f"fragments-{direction}" + ("-out-of-order" if order == "out-of-order" else ""),
        at_s=began,
        took_s=round(path.now() - began, 4),
        order=order,
        direction=direction,
        sent=len(tried.large),
        answered=tried.answered,
        control_sent=tried.small,
        control_answered=tried.small_answered,
        untested=untested,
    )

"""Does one local TCP port look the same to everybody?  (RFC 5382 section 4.1, RFC 5780 section 4.3)

Connections from one local port to every destination at once.  No other probe may use that
port: once a server has called a mapped endpoint, a NAT may hold a half-open entry for just
that pair, and give the next connection there another port.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable

from probes.attempts import Try, classify, race
from probes.endpoint import echo_ports, endpoint, exactly, proved, shared
from probes.errors import WireError
from probes.observation import Attempt, Mapped, NatMapping
from probes.path import Path
from probes.session import Session
from probes.wire import stun
from probes.wire.frame import Endpoint

MESSAGE_MAX = 2048
"""Bytes of an answer that are read: a binding response has about a hundred."""

ECHO_PORTS = 2
"""Where frames are asked instead of STUN: two ports tell whether the port matters."""


async def run(path: Path, echo: tuple[tuple[str, int], ...] = ()) -> NatMapping:
    """Ask every destination of ``path.stun`` by STUN over TCP.

    Where fewer than two of them answer and the server is an echo server, also by its frames:
    at ``echo``, (address, port) each, or at dynamic ports of the server if that is empty.
    """
    began = path.now()
    destinations = path.stun.destinations if path.stun else ()
    local, seen = await _from_one_port(path, destinations, _by_stun)
    if isinstance(path, Session) and sum(bool(m.xored or m.plain) for m in seen) < 2:
        more = echo or await _dynamic(path)
        other_local, other_seen = await _from_one_port(path, more, _by_frame)
        if sum(m.xored is not None for m in other_seen) > sum(m.xored is not None for m in seen):
            local, seen = other_local, other_seen
    return NatMapping(
        id="nat-mapping-tcp",
        at_s=began,
        took_s=round(path.now() - began, 4),
        transport="tcp",
        local=local,
        seen=seen,
    )


class _Question:
    """One destination: what it answered of where we come from."""

    def __init__(self, path: Path, to: tuple[str, int]) -> None:
        self.path = path
        self.to = to
        self.xored: Endpoint | None = None
        self.plain: Endpoint | None = None
        self.local: Endpoint | None = None


_Ask = Callable[[_Question, socket.socket, Try], Awaitable[bool]]


async def _dynamic(session: Session) -> tuple[tuple[str, int], ...]:
    ports = await echo_ports(session, ECHO_PORTS)
    return () if isinstance(ports, str) else tuple((session.server_address, p) for p in ports)


async def _from_one_port(
    path: Path, destinations: tuple[tuple[str, int], ...], ask: _Ask
) -> tuple[str, tuple[Mapped, ...]]:
    """The local endpoint, and how each of ``destinations`` saw it."""
    if not destinations:
        return "", ()
    try:
        # Holds the port from one try to the next; it neither connects nor listens.
        place = shared(path.local_address)
    except OSError as error:
        outcome, detail = classify(error)
        failed = (Attempt(at_s=path.now(), outcome=outcome, detail=detail),)
        named = (str(Endpoint(*to)) for to in destinations)
        return "", tuple(Mapped(destination=to, attempts=failed) for to in named)
    with place:
        own = endpoint(place.getsockname())
        questions = [_Question(path, to) for to in destinations]
        seen = await asyncio.gather(*(_seen(question, own.port, ask) for question in questions))
    local = next((q.local for q in questions if q.local), own)
    return str(local), tuple(seen)


async def _seen(question: _Question, local_port: int, ask: _Ask) -> Mapped:
    path = question.path

    async def attempt(this: Try) -> None:
        try:
            with shared(path.local_address, local_port) as sock:
                await asyncio.get_running_loop().sock_connect(sock, question.to)
                connected_s = this.age_s
                this.outcome = "mute"
                question.local = endpoint(sock.getsockname())
                if await ask(question, sock, this):
                    this.ended("answered")
                    # The handshake is one round trip; the question after it is another.
                    this.took_s = round(min(connected_s, this.age_s - connected_s), 5)
        except OSError as error:
            this.ended(*classify(error))

    tries = await race(path, "tcp", attempt, one_at_a_time=True)
    return Mapped(
        destination=str(Endpoint(*question.to)),
        attempts=tuple(t.stated() for t in tries),
        xored=str(question.xored) if question.xored else None,
        plain=str(question.plain) if question.plain else None,
    )


async def _by_stun(question: _Question, sock: socket.socket, this: Try) -> bool:
    """Whether a true answer came; ``this`` is told what came instead.  Raises OSError."""
    request = stun.Message(
        kind="request", transaction=stun.transaction(secrets.token_bytes(stun.IDENTIFIER_SIZE))
    )
    await asyncio.get_running_loop().sock_sendall(sock, stun.write(request))
    head = await exactly(sock, stun.HEADER_SIZE)
    if not head:
        this.ended("closed", "the connection was ended without an answer")
        return False
    try:
        size = stun.length_of(head)
        if size > MESSAGE_MAX:
            raise WireError("stun", f"{size} bytes long")
        answer = stun.read(head + await exactly(sock, size - len(head)))
    except WireError as error:
        this.ended("foreign", str(error))
        return False
    if answer.transaction != request.transaction or answer.kind != "success":
        code = f": error {answer.error_code}" if answer.error_code else ""
        this.ended("foreign", f"it is no answer to the question{code}")
        return False
    question.xored, question.plain = answer.xor_mapped_address, answer.mapped_address
    if question.xored is None and question.plain is None:
        this.ended("foreign", "the answer names no address")
        return False
    return True


async def _by_frame(question: _Question, sock: socket.socket, this: Try) -> bool:
    session = question.path
    assert isinstance(session, Session)
    answer = await proved(session, sock, question.to[1], session.number(), this)
    question.xored = answer.source if answer else None
    return answer is not None

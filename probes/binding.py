"""Binding requests over UDP (RFC 8489, RFC 5780): sockets, questions, and who really answered.

Only what carries the 96 random bits of a question of ours counts as its answer.  All else that
arrives, from whomever, is passed over.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
import time
from typing import cast

import msgspec

from probes.attempts import Try, classify, race
from probes.errors import WireError
from probes.observation import Attempt, AttemptOutcome
from probes.path import Path
from probes.wire import stun
from probes.wire.frame import Endpoint

REQUEST_BYTES = 160
"""Requests are filled up to this: over IPv6 an answer with four addresses, the server's name
and a fingerprint has 150 bytes, and a good server sends no more than it got."""

_ANSWER_LONGEST = 2048
"""No answer to a binding request is longer; what is, is not read."""

_TEXT_LONGEST = 80
"""Characters that are kept of what a server says of itself."""


class Question:
    """One request under way, and the first thing that came for it."""

    def __init__(self, to: Endpoint, transaction: bytes) -> None:
        self.to = to
        self.transaction = transaction
        self.arrived = asyncio.Event()
        self.message: stun.Message | None = None
        self.source: Endpoint | None = None
        self.heard_by: BindingSocket | None = None
        self.error: OSError | None = None
        self.took_s: float | None = None
        self._began = time.monotonic()

    @property
    def age_s(self) -> float:
        return time.monotonic() - self._began

    def _settle(self) -> None:
        self.took_s = round(self.age_s, 5)
        self.arrived.set()

    def answered(self, message: stun.Message, source: Endpoint, by: BindingSocket) -> None:
        if not self.arrived.is_set():
            self.message, self.source, self.heard_by = message, source, by
            self._settle()

    def failed(self, error: OSError) -> None:
        if not self.arrived.is_set():
            self.error = error
            self._settle()

    @property
    def outcome(self) -> tuple[AttemptOutcome, str]:
        """What became of an ordinary request, which only ``to`` may answer."""
        if self.error is not None:
            return classify(self.error)
        if self.message is None:
            return "silent", ""
        if self.message.kind == "error":
            return "closed", refusal(self.message)
        if self.source != self.to:
            return "altered", f"answered from {self.source}"
        if mapped(self.message) is None:
            return "altered", "the answer names no address"
        return "answered", ""


def mapped(message: stun.Message) -> Endpoint | None:
    """The address that the server saw."""
    return message.xor_mapped_address or message.mapped_address


def refusal(message: stun.Message) -> str:
    """An error response in words."""
    return f"error {message.error_code} {printable(message.reason)}".strip()


def printable(text: str) -> str:
    """What may be shown of a text that a server made up."""
    return "".join(c for c in text if c.isprintable())[:_TEXT_LONGEST].strip()


class BindingSocket(asyncio.DatagramProtocol):
    """One UDP socket that asks binding requests; make it with ``open_socket``."""

    def __init__(self, remote: Endpoint | None = None) -> None:
        self.local = Endpoint("0.0.0.0", 0)
        self._waiting: dict[bytes, Question] = {}
        self._sending: Question | None = None
        self._remote = remote
        self._transport: asyncio.DatagramTransport | None = None

    def __enter__(self) -> BindingSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def ask(
        self,
        to: Endpoint,
        *,
        change_ip: bool = False,
        change_port: bool = False,
        response_port: int | None = None,
        answer_at: BindingSocket | None = None,
    ) -> Question:
        """Send one request.  ``response_port`` leads the answer to ``answer_at``, if the server
        does as it is asked (RFC 5780 section 4.6)."""
        question = self._question(to)
        if answer_at is not None:
            answer_at._waiting[question.transaction] = question
        request = stun.Message(
            kind="request",
            transaction=question.transaction,
            change_ip=change_ip,
            change_port=change_port,
            response_port=response_port,
            software="",
        )
        self._send(question, stun.write(request, at_least=REQUEST_BYTES))
        return question

    def tell(self, to: Endpoint, *, heard_by: BindingSocket | None = None) -> Question:
        """Send one indication, which nobody answers (RFC 8489 section 6.3.2): 20 bytes, of
        which 12 are random.  ``heard_by`` is where it is to arrive, if at a socket of ours."""
        question = self._question(to)
        if heard_by is not None:
            heard_by._waiting[question.transaction] = question
        indication = stun.Message(kind="indication", transaction=question.transaction)
        self._send(question, stun.write(indication))
        return question

    def forget(self, question: Question) -> None:
        """Answers that come from now on are no answers."""
        self._waiting.pop(question.transaction, None)

    def set_hop_limit(self, hops: int) -> None:
        """Let no packet get further than ``hops`` routers."""
        assert self._transport is not None
        sock = self._transport.get_extra_info("socket")
        if ":" in self.local.address:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, hops)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)

    def _question(self, to: Endpoint) -> Question:
        question = Question(to, stun.transaction(secrets.token_bytes(stun.IDENTIFIER_SIZE)))
        self._waiting[question.transaction] = question
        return question

    def _send(self, question: Question, data: bytes) -> None:
        assert self._transport is not None
        self._sending = question
        try:
            self._transport.sendto(
                data, None if self._remote else (question.to.address, question.to.port)
            )
        finally:
            self._sending = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.local = Endpoint.of(transport.get_extra_info("sockname"))

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        question = self._waiting.get(data[4 : stun.HEADER_SIZE])
        if question is None or len(data) > _ANSWER_LONGEST:
            return
        try:
            message = stun.read(data)
        except WireError:
            return
        if message.kind != "request":
            question.answered(message, Endpoint.of(addr), self)

    def error_received(self, exc: Exception) -> None:
        """A packet that this computer did not let out or, where the socket is connected, an
        ICMP error: of the last question, most likely."""
        question = self._sending
        if question is None and self._remote is not None:
            open_ones = (q for q in reversed(self._waiting.values()) if not q.arrived.is_set())
            question = next(open_ones, None)
        if question is not None and isinstance(exc, OSError):
            question.failed(exc)


async def open_socket(
    path: Path, port: int = 0, *, connected_to: Endpoint | None = None
) -> BindingSocket:
    """A socket of this computer's address.  ``connected_to`` makes it hear ICMP errors, and
    nobody else.

    Raises OSError if this computer does not give it.
    """
    _, made = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: BindingSocket(connected_to),
        local_addr=(path.local_address, port),
        remote_addr=(connected_to.address, connected_to.port) if connected_to else None,
    )
    return made


class Asked(msgspec.Struct, frozen=True):
    """An ordinary request, repeated until it was answered or silence meant something."""

    attempts: tuple[Attempt, ...]
    message: stun.Message | None = None

    @property
    def mapped(self) -> Endpoint | None:
        return mapped(self.message) if self.message else None

    @property
    def rtt_s(self) -> float | None:
        times = [a.took_s for a in self.attempts if a.outcome == "answered" and a.took_s]
        return min(times, default=None)


async def ask(path: Path, sock: BindingSocket, to: Endpoint, *, most: int | None = None) -> Asked:
    """Ask ``to`` how it sees ``sock``, by tries that the measured round trip spaces.  Every
    one is a question of its own, so that its answer's time is its own too.

    ``most``: no more tries than these, where silence is not going to mean anything.
    """
    made: list[Try] = []
    heard: list[stun.Message] = []
    too_many = asyncio.Event()

    async def one(this: Try) -> None:
        if len(made) == most:
            too_many.set()
            return
        made.append(this)
        question = sock.ask(to)
        try:
            await question.arrived.wait()
            outcome, detail = question.outcome
            if outcome == "answered" and question.message is not None:
                heard.append(question.message)
            this.ended(outcome, detail)
        finally:
            sock.forget(question)

    racing = asyncio.create_task(race(path, "udp", one))
    stopping = asyncio.create_task(too_many.wait())
    try:
        await asyncio.wait({racing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if racing.done():
            racing.result()
    finally:
        for task in (racing, stopping):
            task.cancel()
        await asyncio.gather(racing, stopping, return_exceptions=True)
    return Asked(tuple(t.stated() for t in made), heard[0] if heard else None)


def untranslated(local: Endpoint, seen: Endpoint) -> bool:
    """Whether the server saw the very address that this computer has."""
    try:
        here, there = ipaddress.ip_address(local.address), ipaddress.ip_address(seen.address)
    except ValueError:
        return False
    return here == there and local.port == seen.port

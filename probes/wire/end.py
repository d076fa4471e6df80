"""One end of a dialogue in another protocol: what it may write, and what it does when."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from probes.errors import WireError
from probes.wire.frame import Endpoint


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """What one end may write into its messages, all of it true.

    ``socket`` is the address of the very socket that sends: editors rewrite no other.
    ``listening`` is where this end waits for what the message announces, at the same
    address.  ``peer`` is the other end as this one knows it.  ``label`` says whose message
    it is, and is also where a protocol takes what it needs at random.
    """

    socket: Endpoint
    listening: Endpoint
    peer: Endpoint
    label: bytes

    def random(self, purpose: str, size: int) -> bytes:
        """Bytes that differ from check to check and from purpose to purpose, at most 32."""
        return hashlib.sha256(self.label + purpose.encode()).digest()[:size]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What an end does next: ``send`` these, each in a segment or datagram of its own;
    ``arrived`` are whole messages that it got, whoever wants to read them; ``over``: it has
    nothing more to say but goodbye, and nothing to wait for."""

    send: tuple[bytes, ...] = ()
    arrived: tuple[bytes, ...] = ()
    over: bool = False


class End(Protocol):
    """One end of one connection, or of one flow of datagrams.

    ``receive`` takes a datagram, or whatever part of the stream has come.  It raises WireError
    for what is not this protocol, unless whole messages came before that: then they are in
    the step, which is the last.  It keeps at most MESSAGE_MAX bytes of a message that is not
    yet complete, and takes time in proportion to what it gets.  A server's end answers a
    datagram with at most one, and with no more bytes than that had: whoever sent it may not be
    who its header says.

    ``finish`` says goodbye.  Whoever asks a client's end has been to the addresses by then
    that the messages announced: an editor may shut what it opened with the last word.  A
    server's end has none to say.
    """

    def begin(self) -> Step: ...

    def receive(self, data: bytes) -> Step: ...

    def finish(self) -> Step: ...


class Messages(Protocol):
    """Whole messages out of what comes, such as a ``Stream`` gives."""

    def feed(self, data: bytes) -> Iterable[bytes]: ...


class Talker:
    """An end that answers each message when its turn comes.

    ``_answers`` says what.  A client sets ``_over`` when it has heard all that it asked for,
    either end ``_ended`` with the last word: after that nothing is read any more.
    """

    def __init__(self, incoming: Messages) -> None:
        self._incoming = incoming
        self._over = self._ended = False

    def begin(self) -> Step:
        return Step()

    def receive(self, data: bytes) -> Step:
        arrived: list[bytes] = []
        send: list[bytes] = []
        if self._ended:
            return Step(over=True)
        try:
            for message in self._incoming.feed(data):
                send += self._answers(message)
                arrived.append(message)
                if self._ended:
                    break
        except WireError:
            if not arrived:
                raise
            self._ended = True
        return Step(send=tuple(send), arrived=tuple(arrived), over=self._over or self._ended)

    def finish(self) -> Step:
        return Step()

    def _answers(self, message: bytes) -> Sequence[bytes]:
        """What is said to ``message``.  Raises WireError if it is none of this protocol."""
        raise NotImplementedError

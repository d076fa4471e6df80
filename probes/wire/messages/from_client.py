"""What the client asks for."""

from __future__ import annotations

from typing import Annotated

import msgspec

from probes.wire.messages.values import (
    Beat,
    Id,
    Message,
    PortNumber,
    Text,
    TransportName,
)


class MediaSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One pair of RTP streams, one in each direction, with RTCP on the next higher ports.

    ``client_port`` is even: the client's own RTP port as it knows it.  ``ssrc`` is the
    client's, ``server_ssrc`` what the server is to use (RFC 3550 section 5.1).
    """

    number: Id
    client_port: PortNumber
    ssrc: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
    server_ssrc: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
    payload_bytes: Annotated[int, msgspec.Meta(ge=16, le=1200)]
    packets_per_s: Annotated[int, msgspec.Meta(ge=1, le=60)]
    payload_type: Annotated[int, msgspec.Meta(ge=0, le=127)] = 4  # RFC 3551; it sets the clock


class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    """Sent at once on the welcome.  ``direct`` is False behind an HTTP proxy: the
    connection's address is then not the client's own.  The ports are those the
    client listens on; no others are ever called."""

    software: Text
    session: Text
    direct: bool
    tcp_ports: Annotated[tuple[PortNumber, ...], msgspec.Meta(max_length=64)] = ()
    udp_ports: Annotated[tuple[PortNumber, ...], msgspec.Meta(max_length=64)] = ()


class Ping(Message, frozen=True, kw_only=True, tag="ping"):
    n: Beat


class CallRequest(Message, frozen=True, kw_only=True, tag="call"):
    """Connect back (TCP) or send a datagram (UDP) to ``ports`` of ``address``.
    The frames carry ``numbers``, one for each port; ``offsets_ms`` are when,
    from now, each attempt is made; ``patience_ms`` how long one is waited for.
    ``remote_port``: send from this port of the server's (UDP only).
    ``from_other``: call from the server's other address, where it has one (TCP only).
    ``over_open``: say it on the open connection that came from there (TCP only)."""

    id: Id
    transport: TransportName
    address: Text
    ports: Annotated[tuple[PortNumber, ...], msgspec.Meta(min_length=1, max_length=64)]
    numbers: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=64)]
    offsets_ms: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=0, le=30_000)], ...],
        msgspec.Meta(min_length=1, max_length=32),
    ]
    patience_ms: Annotated[int, msgspec.Meta(ge=10, le=10_000)]
    remote_port: PortNumber | None = None
    from_other: bool = False
    over_open: bool = False


class CallStop(Message, frozen=True, kw_only=True, tag="call-stop"):
    """No more attempts to ``port`` of request ``id``: the answer is known; or, where silence is
    the answer, once ``after`` attempts have had their time, which a busy server makes late."""

    id: Id
    port: PortNumber
    after: Annotated[int, msgspec.Meta(ge=0, le=32)] = 0


class OpenRequest(Message, frozen=True, kw_only=True, tag="open"):
    """Open dynamic ports: those named, or ``count`` that the server chooses.  ``speaks``: they
    speak this dialogue of another protocol, and echo nothing."""

    id: Id
    transport: TransportName
    ports: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=1024, le=65535)], ...], msgspec.Meta(max_length=1024)
    ] = ()
    count: Annotated[int, msgspec.Meta(ge=0, le=1024)] = 0
    speaks: Text = ""


class FollowRequest(Message, frozen=True, kw_only=True, tag="follow"):
    """Go to where a message says: to the ``carried``-th address of the ``overheard``-th
    message, as it arrived, if that is one of the session's proven addresses.  The frames carry
    ``number``; times as in a CallRequest."""

    id: Id
    overheard: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
    carried: Annotated[int, msgspec.Meta(ge=0, le=63)]
    number: Id
    offsets_ms: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=0, le=30_000)], ...],
        msgspec.Meta(min_length=1, max_length=32),
    ]
    patience_ms: Annotated[int, msgspec.Meta(ge=10, le=10_000)]


class PunchRequest(Message, frozen=True, kw_only=True, tag="punch"):
    """Connect, from a new port, to ``port`` of ``address`` while the client connects to that
    new port: a TCP simultaneous open (RFC 9293 section 3.5, RFC 5382 REQ-2).
    ``after_ms``: how long the server waits before it first connects, so that the client's
    own connection is on its way by then."""

    id: Id
    address: Text
    port: PortNumber
    number: Id
    patience_ms: Annotated[int, msgspec.Meta(ge=50, le=5000)]
    after_ms: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0


class MediaRequest(Message, frozen=True, kw_only=True, tag="media"):
    """Exchange RTP for ``duration_ms``; ``address`` is the client's, which must be proven.
    ``patience_ms``: how long after its own last packet the server still listens."""

    id: Id
    address: Text
    duration_ms: Annotated[int, msgspec.Meta(ge=200, le=30000)]
    patience_ms: Annotated[int, msgspec.Meta(ge=10, le=3000)] = 500
    streams: Annotated[tuple[MediaSpec, ...], msgspec.Meta(min_length=1, max_length=4)]


class Directory(msgspec.Struct, frozen=True, kw_only=True):
    """Where the client may be called: at the ``carried``-th address of the ``overheard``-th
    message, as it arrived, which is an entry in a directory."""

    overheard: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
    carried: Annotated[int, msgspec.Meta(ge=0, le=63)]


class TerminalRequest(Message, frozen=True, kw_only=True, tag="terminal"):
    """Be an H.323 terminal in the client's call ``number``, which is that of the label in its
    messages: with a control channel, sound and picture.

    ``streams`` are audio and then video; ``client_port`` of them is not used: media go to where
    the client's H.245 messages say, as they arrive, and to nowhere else.  They last
    ``duration_ms``, and ``patience_ms`` longer is listened.  ``directory``: the server calls the
    client, at port 1720 of the address there; None: the client calls the server.
    ``offsets_ms``: when, after the first, further attempts to connect are made."""

    id: Id
    number: Id
    duration_ms: Annotated[int, msgspec.Meta(ge=200, le=5000)]
    patience_ms: Annotated[int, msgspec.Meta(ge=10, le=3000)] = 500
    streams: Annotated[tuple[MediaSpec, ...], msgspec.Meta(min_length=2, max_length=2)]
    directory: Directory | None = None
    offsets_ms: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=0, le=5000)], ...],
        msgspec.Meta(min_length=1, max_length=16),
    ] = (0,)


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that was sent to a TCP port and got no proof: did it arrive as other bytes?"""

    port: PortNumber
    frame: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{256}$")]


class LedgerRequest(Message, frozen=True, kw_only=True, tag="ledger-request"):
    id: Id
    sent: Annotated[tuple[Sent, ...], msgspec.Meta(max_length=64)] = ()


class UnreadRequest(Message, frozen=True, kw_only=True, tag="unread-request"):
    """What arrived in other protocols and made no message that was overheard?"""

    id: Id

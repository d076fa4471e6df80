"""The messages of the control connection, as JSON text frames (docs/protocol.md).

Either end reads with :func:`read_from_server` or :func:`read_from_client`: any
text gives a message or a WireError.  Unknown keys are passed over, so that a
later minor version may add some; an unknown ``type`` is an error.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec

from probes.errors import WireError

PROTOCOL = "netcheck.1"  # WebSocket subprotocol (RFC 6455 section 1.9): the version both ends speak
PATH = "/netcheck"
MAX_MESSAGE = 1024 * 1024  # bytes, from the server: the fullest ledger takes 0.8 MB
MAX_REQUEST = 32 * 1024  # bytes, from the client: the fullest request takes 19 kB

PortNumber = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Id = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
Text = Annotated[str, msgspec.Meta(max_length=256)]
Beat = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]  # what every JSON reader holds exactly
TransportName = Literal["tcp", "udp"]

CallOutcome = Literal[
    "answered",  # whoever listens there knew the secret
    "foreign",  # something accepted and did not know it
    "closed",  # accepted, and ended without a word
    "mute",  # accepted, and nothing was said
    "refused",
    "unreachable",
    "silent",
    "sent",  # UDP: handed to the network; the client knows whether it arrived
    "local-error",  # the server's own computer did not let it out
]
RefusalReason = Literal[
    "not-proven", "not-declared", "forbidden-address", "limit", "bad-request", "closing"
]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one session may ask for; told up front so that nobody has to find out."""

    session_s: float
    dynamic_ports: int
    dynamic_s: float
    calls: int
    calls_per_s: int
    frames: int


class Unavailable(msgspec.Struct, frozen=True, kw_only=True):
    transport: TransportName
    port: PortNumber
    reason: Text


class StunOffer(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server answers STUN, on the address in use: its two ports, and its other
    address if it has one, which a client uses only if it knows it from elsewhere too."""

    port: PortNumber
    other_port: PortNumber | None = None
    other_address: Text | None = None


Packets = Annotated[int, msgspec.Meta(ge=0, le=2**31)]


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


class MediaPorts(msgspec.Struct, frozen=True, kw_only=True):
    """The server's even RTP port for stream ``number``; RTCP is on the next."""

    number: Id
    port: PortNumber


class MediaCount(msgspec.Struct, frozen=True, kw_only=True):
    """What the server counted of one pair of streams: what it ``sent``, and what of the
    client's it ``received``, in packets; times in milliseconds (RFC 3550 section 6.4).

    ``early`` are the client's packets before the first that arrived, which are not ``lost``;
    ``gaps`` runs of lost ones, ``losses`` the lost ones in each quarter second, ``late`` those
    slower than the quickest by more than 60 ms.
    """

    number: Id
    sent: Packets
    received: Packets
    lost: Packets
    duplicates: Packets
    reordered: Packets
    early: Packets = 0
    late: Packets = 0
    gaps: Packets = 0
    losses: Annotated[tuple[Packets, ...], msgspec.Meta(max_length=128)] = ()
    jitter_ms: Annotated[float, msgspec.Meta(ge=0)] | None = None
    rtt_ms: Annotated[float, msgspec.Meta(ge=0)] | None = None
    rtcp_received: Packets = 0
    source: Text | None = None  # from where the client's RTP came
    longest_gap_ms: Annotated[float, msgspec.Meta(ge=0)] | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The base of all messages."""


# Server to client


class Welcome(Message, frozen=True, kw_only=True, tag="welcome"):
    """The first message, unasked: the session and what the server offers."""

    protocol: Text
    software: Text
    session: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
    secret: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    limits: Limits
    heartbeat_s: Annotated[float, msgspec.Meta(gt=0, le=3600)]
    your_address: Text
    tcp_ports: Annotated[tuple[PortNumber, ...], msgspec.Meta(max_length=4096)]
    udp_ports: Annotated[tuple[PortNumber, ...], msgspec.Meta(max_length=4096)]
    unavailable: Annotated[tuple[Unavailable, ...], msgspec.Meta(max_length=4096)] = ()
    addresses: Annotated[tuple[Text, ...], msgspec.Meta(max_length=64)] = ()
    stun: StunOffer | None = None


class Pong(Message, frozen=True, kw_only=True, tag="pong"):
    """``segments`` and ``resent``: TCP segments with data that the server has sent on this
    connection, and had to send again (null where its system does not tell)."""

    n: Beat
    segments: Annotated[int, msgspec.Meta(ge=0, le=2**32)] | None = None
    resent: Annotated[int, msgspec.Meta(ge=0, le=2**32)] | None = None


class Proven(Message, frozen=True, kw_only=True, tag="proven"):
    """An address from which a completed TCP exchange carried the secret."""

    address: Text


class Called(Message, frozen=True, kw_only=True, tag="called"):
    """How one call of a CallRequest went."""

    id: Id
    port: PortNumber
    attempt: Annotated[int, msgspec.Meta(ge=0)]
    outcome: CallOutcome
    took_ms: Annotated[float, msgspec.Meta(ge=0)] | None = None
    detail: Text = ""


class CallsDone(Message, frozen=True, kw_only=True, tag="calls-done"):
    id: Id


class Opened(Message, frozen=True, kw_only=True, tag="opened"):
    """Dynamic ports that are now open for this session, for ``for_s`` seconds."""

    id: Id
    transport: TransportName
    ports: Annotated[tuple[PortNumber, ...], msgspec.Meta(max_length=4096)]
    failed: Annotated[tuple[Unavailable, ...], msgspec.Meta(max_length=4096)] = ()
    for_s: float


class Punching(Message, frozen=True, kw_only=True, tag="punching"):
    """The server now connects from its ``port`` to where a PunchRequest said."""

    id: Id
    port: PortNumber


class MediaReady(Message, frozen=True, kw_only=True, tag="media-ready"):
    """The server's ports for the streams of a MediaRequest; it begins to send now."""

    id: Id
    streams: Annotated[tuple[MediaPorts, ...], msgspec.Meta(max_length=4)]


class MediaReport(Message, frozen=True, kw_only=True, tag="media-report"):
    """What the server counted, once its own streams have ended."""

    id: Id
    streams: Annotated[tuple[MediaCount, ...], msgspec.Meta(max_length=4)]


class LedgerLine(msgspec.Struct, frozen=True, kw_only=True):
    transport: TransportName
    port: PortNumber
    number: Id
    source: Text
    count: int
    altered: int
    first_s: float
    last_s: float


class LedgerPage(Message, frozen=True, kw_only=True, tag="ledger"):
    """What arrived for this session.  ``complete`` is False if lines had to be dropped.
    ``accepted`` are the TCP ports to which one of the session's proven addresses connected,
    ``garbled`` those where what the request says was sent arrived as other bytes."""

    id: Id
    lines: Annotated[tuple[LedgerLine, ...], msgspec.Meta(max_length=8192)]
    complete: bool
    accepted: Annotated[tuple[PortNumber, ...], msgspec.Meta(max_length=8192)] = ()
    garbled: Annotated[tuple[PortNumber, ...], msgspec.Meta(max_length=8192)] = ()


class Refusal(Message, frozen=True, kw_only=True, tag="refusal"):
    """A request that was not carried out, and why: never to be read as a blocked port."""

    id: Id
    reason: RefusalReason
    detail: Text = ""


class Closing(Message, frozen=True, kw_only=True, tag="closing"):
    """The server shuts down; a running check has ``in_s`` seconds to end."""

    in_s: float


# Client to server


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
    """Open dynamic ports: those named, or ``count`` that the server chooses."""

    id: Id
    transport: TransportName
    ports: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=1024, le=65535)], ...], msgspec.Meta(max_length=1024)
    ] = ()
    count: Annotated[int, msgspec.Meta(ge=0, le=1024)] = 0


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


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that was sent to a TCP port and got no proof: did it arrive as other bytes?"""

    port: PortNumber
    frame: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{256}$")]


class LedgerRequest(Message, frozen=True, kw_only=True, tag="ledger-request"):
    id: Id
    sent: Annotated[tuple[Sent, ...], msgspec.Meta(max_length=64)] = ()


ServerMessage = (
    Welcome
    | Pong
    | Proven
    | Called
    | CallsDone
    | Opened
    | Punching
    | MediaReady
    | MediaReport
    | LedgerPage
    | Refusal
    | Closing
)
ClientMessage = (
    Hello
    | Ping
    | CallRequest
    | CallStop
    | OpenRequest
    | PunchRequest
    | MediaRequest
    | LedgerRequest
)

_T = TypeVar("_T")
_encoder = msgspec.json.Encoder()
_from_server: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)
_from_client: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)


def write(message: Message) -> str:
    return _encoder.encode(message).decode()


def read_from_server(text: str | bytes) -> ServerMessage:
    """Raises WireError."""
    return _read(_from_server, text, MAX_MESSAGE)


def read_from_client(text: str | bytes) -> ClientMessage:
    """Raises WireError."""
    return _read(_from_client, text, MAX_REQUEST)


def _read(decoder: msgspec.json.Decoder[_T], text: str | bytes, most: int) -> _T:
    if len(text) > most:
        raise WireError("message", f"larger than {most} bytes")
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise WireError("message", str(error)) from None

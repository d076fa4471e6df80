"""What the server says."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from probes.wire.messages.values import (
    OVERHEARD_MAX,
    Beat,
    CallOutcome,
    Id,
    Message,
    PortNumber,
    RefusalReason,
    Text,
    TransportName,
)
from probes.wire.raw_protocols import RawName

Packets = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
_Milliseconds = Annotated[float, msgspec.Meta(ge=0)]


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


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """A port on which the server speaks another protocol (probes/editors)."""

    dialogue: Text
    transport: TransportName
    port: PortNumber


class MediaPorts(msgspec.Struct, frozen=True, kw_only=True):
    """The server's even RTP port for stream ``number``; RTCP is on the next."""

    number: Id
    port: PortNumber


class MediaCount(msgspec.Struct, frozen=True, kw_only=True):
    """What the server counted of one pair of streams: what it ``sent``, and what of the
    client's it ``received``, in packets; times in milliseconds (RFC 3550 section 6.4).

    ``early`` are the client's packets before the first that arrived, which are not ``lost``;
    ``gaps`` runs of lost ones, ``losses`` the lost ones in each quarter second, ``late`` those
    slower than the quickest by more than 60 ms.  ``jitters_ms`` is the jitter of the packets of
    each quarter second, None where it has none; a server that does not tell has no entries.
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
    rtcp_sent: Packets = 0  # 0 of a server that does not tell
    source: Text | None = None  # from where the client's RTP came
    longest_gap_ms: Annotated[float, msgspec.Meta(ge=0)] | None = None
    jitters_ms: Annotated[tuple[_Milliseconds | None, ...], msgspec.Meta(max_length=128)] = ()


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
    spoken: Annotated[tuple[Spoken, ...], msgspec.Meta(max_length=64)] = ()
    raw: Annotated[tuple[RawName, ...], msgspec.Meta(max_length=3)] = ()


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


class Overheard(Message, frozen=True, kw_only=True, tag="overheard"):
    """A whole message of another protocol that arrived with a label of this session's: the
    ``index``-th of the session, in ``dialogue`` ``number`` of the client's, as hexadecimal."""

    index: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
    number: Id
    dialogue: Text
    transport: TransportName
    port: PortNumber
    source: Text
    data: Annotated[str, msgspec.Meta(max_length=2 * OVERHEARD_MAX, pattern="^([0-9a-f]{2})*$")]


class RawArrived(Message, frozen=True, kw_only=True, tag="raw-arrived"):
    """A question of the session's came by GRE, ESP or AH; unasked, once for each source."""

    protocol: RawName
    number: Id
    source: Text


class UnreadLine(msgspec.Struct, frozen=True, kw_only=True):
    """The last ``size`` bytes of one connection, or of one flow of datagrams: no whole message
    that could be told of.  They begin with ``whole`` ones on whose connection there was no label
    yet, and ``rest`` bytes follow that are none.  ``number``: that of the label which came before
    them or is among them; None: they only came from an address of the session's.  ``age_ms``: how
    long ago the last one came."""

    transport: TransportName
    port: PortNumber
    source: Text
    size: Annotated[int, msgspec.Meta(ge=1, le=2**31)]
    whole: Annotated[int, msgspec.Meta(ge=0, le=2**31)]
    rest: Annotated[int, msgspec.Meta(ge=0, le=2**31)]
    age_ms: Annotated[int, msgspec.Meta(ge=0, le=2**31)]
    number: Id | None = None


class UnreadPage(Message, frozen=True, kw_only=True, tag="unread"):
    id: Id
    lines: Annotated[tuple[UnreadLine, ...], msgspec.Meta(max_length=256)]


class TerminalReady(Message, frozen=True, kw_only=True, tag="terminal-ready"):
    """The server is a terminal now: it waits at ``port`` for the call's control channel, and
    its media are where its messages say."""

    id: Id
    port: PortNumber


class Dialled(msgspec.Struct, frozen=True, kw_only=True):
    """A connection of a call that the server opened, or should have: ``to`` where a message as
    it arrived said, with so many ``attempts`` (1 if the first came about).  ``answered``: its
    other end spoke the protocol.  ``refused``: why it was not opened."""

    connection: Literal["signalling", "control"]
    to: Text
    outcome: CallOutcome | None = None
    attempts: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    refused: RefusalReason | None = None
    detail: Text = ""


class TerminalStream(msgspec.Struct, frozen=True, kw_only=True):
    """Media of a call as the server had them: where the client's messages, as they arrived,
    said that its RTP and RTCP are (None: they did not say), and what was counted.
    ``refused``, ``rtcp_refused``: why nothing was sent there."""

    count: MediaCount
    rtp_to: Text | None = None
    rtcp_to: Text | None = None
    refused: RefusalReason | None = None
    rtcp_refused: RefusalReason | None = None


class TerminalReport(Message, frozen=True, kw_only=True, tag="terminal-report"):
    """How the call of a TerminalRequest went, once it is over."""

    id: Id
    dialled: Annotated[tuple[Dialled, ...], msgspec.Meta(max_length=2)] = ()
    streams: Annotated[tuple[TerminalStream, ...], msgspec.Meta(max_length=2)] = ()


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

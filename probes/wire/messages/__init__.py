"""The messages of the control connection, as JSON text frames (docs/protocol.md).

Either end reads with :func:`read_from_server` or :func:`read_from_client`: any
text gives a message or a WireError.  Unknown keys are passed over, so that a
later minor version may add some; an unknown ``type`` is an error.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from probes.errors import WireError
from probes.wire.messages.from_client import (
    CallRequest,
    CallStop,
    Directory,
    FollowRequest,
    Hello,
    LedgerRequest,
    MediaRequest,
    MediaSpec,
    OpenRequest,
    Ping,
    PunchRequest,
    Sent,
    TerminalRequest,
    UnreadRequest,
)
from probes.wire.messages.from_server import (
    Called,
    CallsDone,
    Closing,
    Dialled,
    LedgerLine,
    LedgerPage,
    Limits,
    MediaCount,
    MediaPorts,
    MediaReady,
    MediaReport,
    Opened,
    Overheard,
    Packets,
    Pong,
    Proven,
    Punching,
    RawArrived,
    Refusal,
    Spoken,
    StunOffer,
    TerminalReady,
    TerminalReport,
    TerminalStream,
    Unavailable,
    UnreadLine,
    UnreadPage,
    Welcome,
)
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

__all__ = [
    "MAX_MESSAGE",
    "MAX_REQUEST",
    "OVERHEARD_MAX",
    "PATH",
    "PROTOCOL",
    "Beat",
    "CallOutcome",
    "CallRequest",
    "CallStop",
    "Called",
    "CallsDone",
    "ClientMessage",
    "Closing",
    "Dialled",
    "Directory",
    "FollowRequest",
    "Hello",
    "Id",
    "LedgerLine",
    "LedgerPage",
    "LedgerRequest",
    "Limits",
    "MediaCount",
    "MediaPorts",
    "MediaReady",
    "MediaReport",
    "MediaRequest",
    "MediaSpec",
    "Message",
    "OpenRequest",
    "Opened",
    "Overheard",
    "Packets",
    "Ping",
    "Pong",
    "PortNumber",
    "Proven",
    "PunchRequest",
    "Punching",
    "RawArrived",
    "RawName",
    "Refusal",
    "RefusalReason",
    "Sent",
    "ServerMessage",
    "Spoken",
    "StunOffer",
    "TerminalReady",
    "TerminalReport",
    "TerminalRequest",
    "TerminalStream",
    "Text",
    "TransportName",
    "Unavailable",
    "UnreadLine",
    "UnreadPage",
    "UnreadRequest",
    "Welcome",
    "read_from_client",
    "read_from_server",
    "write",
]

PROTOCOL = "netcheck.1"  # WebSocket subprotocol (RFC 6455 section 1.9): the version both ends speak
PATH = "/netcheck"
MAX_MESSAGE = 1024 * 1024  # bytes, from the server: the fullest ledger takes 0.8 MB
MAX_REQUEST = 32 * 1024  # bytes, from the client: the fullest request takes 19 kB

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
    | Overheard
    | RawArrived
    | TerminalReady
    | TerminalReport
    | LedgerPage
    | UnreadPage
    | Refusal
    | Closing
)
ClientMessage = (
    Hello
    | Ping
    | CallRequest
    | CallStop
    | OpenRequest
    | FollowRequest
    | PunchRequest
    | MediaRequest
    | TerminalRequest
    | LedgerRequest
    | UnreadRequest
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

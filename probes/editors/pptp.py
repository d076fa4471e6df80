"""PPTP's control connection (RFC 2637): both ends of a call that begins and ends (pure; M8).

A client opens the control connection, asks for a call, gets it, clears it and closes.  No PPP
follows.  What an editor rewrites here is no address: GRE, which carries the call, has no ports,
so a NAT tells calls apart by the 16-bit Call ID that each end gave to the other.  A ``Carried``
holds it as ``port``, with an empty ``address``.  An editor may choose another ID for the client
in all that the client sends, and must give it its own back as the Peer's Call ID of the
Outgoing-Call-Reply.  The Call ID of the Call-Disconnect-Notify proves nothing: it is the
server's, but Linux's editor puts the client's there.

The label is the Host Name of the client's Start-Control-Connection-Request, as 32 hexadecimal
digits: a name that stands for nothing on the wire.

::

    0        2      4              8              10         12
    | length | type | magic cookie | control type | reserved | what the control type says
"""

from __future__ import annotations

import struct
from enum import IntEnum

from probes.editors.contract import Carried, Dialogue, Own, Reading, Step, bounded
from probes.errors import WireError
from probes.wire import label
from probes.wire.end import Talker
from probes.wire.stream import Stream, headed

PORT = 1723
MAGIC = 0x1A2B3C4D
VERSION = 0x0100
HEADER_SIZE = 12


class Control(IntEnum):
    """Control message types (RFC 2637 section 1.4, table 1)."""

    START_REQUEST = 1
    START_REPLY = 2
    STOP_REQUEST = 3
    STOP_REPLY = 4
    ECHO_REQUEST = 5
    ECHO_REPLY = 6
    CALL_REQUEST = 7
    CALL_REPLY = 8
    INCOMING_REQUEST = 9
    INCOMING_REPLY = 10
    INCOMING_CONNECTED = 11
    CLEAR_REQUEST = 12
    DISCONNECT_NOTIFY = 13
    WAN_ERROR = 14
    SET_LINK = 15


DONE = 1
"""Result code of success, in every reply that has one."""
BAD_VERSION = 5  # of a Start-Control-Connection-Reply
REFUSED = 7  # "Do Not Accept", of an Outgoing-Call-Reply
CLEARED = 4  # "Request", of a Call-Disconnect-Notify

_CONTROL = 1  # PPTP message type; 2 is for management, which nobody defined
_HEADER = struct.Struct("!HHIHH")
_CALL_ID, _PEER_CALL_ID = "Call ID", "Peer's Call ID"
_HOST_NAME = slice(28, 92)  # the same in request and reply

_KINDS: dict[int, tuple[str, int, tuple[tuple[str, int], ...]]] = {
    Control.START_REQUEST: ("Start-Control-Connection-Request", 156, ()),
    Control.START_REPLY: ("Start-Control-Connection-Reply", 156, ()),
    Control.STOP_REQUEST: ("Stop-Control-Connection-Request", 16, ()),
    Control.STOP_REPLY: ("Stop-Control-Connection-Reply", 16, ()),
    Control.ECHO_REQUEST: ("Echo-Request", 16, ()),
    Control.ECHO_REPLY: ("Echo-Reply", 20, ()),
    Control.CALL_REQUEST: ("Outgoing-Call-Request", 168, ((_CALL_ID, 12),)),
    Control.CALL_REPLY: ("Outgoing-Call-Reply", 32, ((_CALL_ID, 12), (_PEER_CALL_ID, 14))),
    Control.INCOMING_REQUEST: ("Incoming-Call-Request", 220, ((_CALL_ID, 12),)),
    Control.INCOMING_REPLY: ("Incoming-Call-Reply", 24, ((_CALL_ID, 12), (_PEER_CALL_ID, 14))),
    Control.INCOMING_CONNECTED: ("Incoming-Call-Connected", 28, ((_PEER_CALL_ID, 12),)),
    Control.CLEAR_REQUEST: ("Call-Clear-Request", 16, ((_CALL_ID, 12),)),
    Control.DISCONNECT_NOTIFY: ("Call-Disconnect-Notify", 148, ((_CALL_ID, 12),)),
    Control.WAN_ERROR: ("WAN-Error-Notify", 40, ((_PEER_CALL_ID, 12),)),
    Control.SET_LINK: ("Set-Link-Info", 24, ((_PEER_CALL_ID, 12),)),
}
"""Of each control type its name, its size in bytes, and where it has call IDs (RFC 2637
section 2).  The Call ID is the sender's, the other one the receiver's."""

_COUNTED: dict[int, tuple[tuple[str, int, int], ...]] = {
    Control.CALL_REQUEST: (("Phone Number", 36, 40),),
    Control.INCOMING_REQUEST: (("Dialed Number", 24, 28), ("Dialing Number", 26, 92)),
}
"""Texts of 64 bytes: where their length stands, and where they do."""


def call_id(own: Own) -> int:
    """The Call ID that an end with ``own`` gives to its call, 1 to 65535."""
    return 1 + int.from_bytes(own.random("pptp call", 4)) % 0xFFFF


def read(message: bytes) -> Reading:
    """Read one whole message of either end.  Raises WireError for what has no PPTP header."""
    bounded("pptp", message)
    length, kind, control = _header(message)
    unknown = f"message of type {kind}, {control}", len(message), ()
    name, size, ids = _KINDS.get(control, unknown) if kind == _CONTROL else unknown
    faults = []
    if length != len(message):
        faults.append(f"Length {length} of {len(message)} bytes")
    if len(message) != size:
        faults.append(f"{name} of {len(message)} bytes, not {size}")
    rest = bytearray(message)
    carried = []
    for field, at in ids:
        if at + 2 <= len(message):
            carried.append(Carried(field=field, address="", port=_number(message, at)))
            rest[at : at + 2] = b"\0\0"
    for field, at, text in _COUNTED.get(control, ()) if len(message) == size else ():
        written = len(message[text : text + 64].rstrip(b"\0"))
        if _number(message, at) != written:
            faults.append(f"{field} Length {_number(message, at)} of {written} bytes")
    name_of_host = message[_HOST_NAME] if control == Control.START_REQUEST else b""
    host = name_of_host.rstrip(b"\0").decode("latin-1")
    return Reading(
        kind=name,
        label=label.of_text(host),
        carried=tuple(carried),
        rest=bytes(rest),
        faults=tuple(faults),
    )


class _Client(Talker):
    """Asks for a call when the connection is accepted, and is over when it has an answer."""

    def __init__(self, own: Own) -> None:
        super().__init__(_stream())
        self._own = own
        self._awaited = Control.START_REPLY

    def begin(self) -> Step:
        name = self._own.label.hex().encode()
        said = VERSION, 0, 3, 3, 0, 0, name, b""
        return Step(send=(_message(Control.START_REQUEST, "HHIIHH64s64s", *said),))

    def finish(self) -> Step:
        """Clear the call and close the connection (RFC 2637 sections 2.12 and 2.3)."""
        clear = _message(Control.CLEAR_REQUEST, "HH", call_id(self._own), 0)
        stop = _message(Control.STOP_REQUEST, "BBH", 1, 0, 0)
        return Step(send=(clear, stop) if self._over else (stop,), over=True)

    def _answers(self, message: bytes) -> list[bytes]:
        control = _whole(message)
        if control == Control.ECHO_REQUEST:
            return [_echo_reply(message)]
        if control == Control.STOP_REQUEST:
            self._ended = True
            return [_message(Control.STOP_REPLY, "BBH", DONE, 0, 0)]
        if control == self._awaited == Control.START_REPLY:
            self._awaited = Control.CALL_REPLY
            return [_call_request(call_id(self._own))]
        self._over |= control == self._awaited
        return []


class _Server(Talker):
    """Takes one call at a time, as the PAC of RFC 2637, and carries nothing in it."""

    def __init__(self, own: Own) -> None:
        super().__init__(_stream())
        self._own = own
        self._in_call = False

    def _answers(self, message: bytes) -> list[bytes]:
        """Nothing to what needs no reply: a Set-Link-Info, and whatever is not known."""
        match _whole(message):
            case Control.START_REQUEST:
                result = DONE if _number(message, 12) == VERSION else BAD_VERSION
                said = VERSION, result, 0, 3, 3, 1, 0, b"netcheck", b""
                return [_message(Control.START_REPLY, "HBBIIHH64s64s", *said)]
            case Control.CALL_REQUEST:
                return [self._call_reply(message)]
            case Control.CLEAR_REQUEST:
                self._in_call = False
                cleared = call_id(self._own), CLEARED, 0, 0, 0, b""
                return [_message(Control.DISCONNECT_NOTIFY, "HBBHH128s", *cleared)]
            case Control.ECHO_REQUEST:
                return [_echo_reply(message)]
            case Control.STOP_REQUEST:
                self._ended = True
                return [_message(Control.STOP_REPLY, "BBH", DONE, 0, 0)]
        return []

    def _call_reply(self, request: bytes) -> bytes:
        peer, speed = struct.unpack_from("!H6xI", request, 12)
        mine, result = (0, REFUSED) if self._in_call else (call_id(self._own), DONE)
        self._in_call = True
        said = mine, peer, result, 0, 0, speed, 64, 0, 0
        return _message(Control.CALL_REPLY, "HHBBHIHHI", *said)


def _stream() -> Stream:
    return Stream("pptp", headed(HEADER_SIZE, _length))


def _length(head: bytes) -> int:
    length = _header(head)[0]
    if length < HEADER_SIZE:
        raise WireError("pptp.length", f"{length} bytes")
    return length


def _header(data: bytes) -> tuple[int, int, int]:
    """Length, message type and control type."""
    if len(data) < HEADER_SIZE:
        raise WireError("pptp", f"{len(data)} bytes are fewer than {HEADER_SIZE}")
    length, kind, magic, control, _ = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise WireError("pptp.magic", f"0x{magic:08x} instead of 0x{MAGIC:08x}")
    return length, kind, control


def _whole(message: bytes) -> int | None:
    """The control type; None for what is not known or too short to be what it says."""
    _, kind, control = _header(message)
    known = kind == _CONTROL and control in _KINDS
    return control if known and len(message) >= _KINDS[control][1] else None


def _message(control: Control, layout: str, *values: int | bytes) -> bytes:
    body = struct.pack("!" + layout, *values)
    return _HEADER.pack(HEADER_SIZE + len(body), _CONTROL, MAGIC, control, 0) + body


def _call_request(number: int) -> bytes:
    """Any speed from 300 bit/s to 100 Mbit/s, any bearer, any framing, a window of 64 packets,
    and no number to dial."""
    speeds = 300, 100_000_000
    return _message(
        Control.CALL_REQUEST, "HHIIIIHHHH128s", number, 1, *speeds, 3, 3, 64, 0, 0, 0, b""
    )


def _echo_reply(request: bytes) -> bytes:
    return _message(Control.ECHO_REPLY, "4sBBH", request[12:16], DONE, 0, 0)


def _number(message: bytes, at: int) -> int:
    return int.from_bytes(message[at : at + 2])


DIALOGUES = (
    Dialogue(
        name="pptp",
        transport="tcp",
        ports=(PORT,),
        listens=None,
        client=_Client,
        server=_Server,
        read=read,
    ),
)

"""The messages of connection-oriented DCE RPC (C706 chapter 12, [MS-RPCE] section 2.2.2).

::

    0      1      2      3       4      8          10          12       16
    | 5    | minor| kind | flags | drep | fragment | verifier  | call   | body
                                        | length   | length    |

A message is one fragment, or several with the same call.  All numbers are in the byte order
that the sender names in ``drep``; what is written here is little-endian.
"""

from __future__ import annotations

import struct

import msgspec

from probes.errors import WireError
from probes.wire.reading import MESSAGE_MAX, bounded
from probes.wire.stream import Stream

REQUEST, RESPONSE, FAULT = 0, 2, 3
BIND, BIND_ACK, BIND_NAK, ALTER_CONTEXT, ALTER_CONTEXT_RESP = 11, 12, 13, 14, 15
AUTH3, SHUTDOWN, CO_CANCEL, ORPHANED = 16, 17, 18, 19
NAMES = {
    REQUEST: "request",
    RESPONSE: "response",
    FAULT: "fault",
    BIND: "bind",
    BIND_ACK: "bind_ack",
    BIND_NAK: "bind_nak",
    ALTER_CONTEXT: "alter_context",
    ALTER_CONTEXT_RESP: "alter_context_resp",
    AUTH3: "rpc_auth_3",
    SHUTDOWN: "shutdown",
    CO_CANCEL: "co_cancel",
    ORPHANED: "orphaned",
}

FIRST_FRAG, LAST_FRAG, DID_NOT_EXECUTE, MAYBE, OBJECT_UUID = 1, 2, 0x20, 0x40, 0x80
MINORS = (0, 1)

HEADER_SIZE = 16
_CALL_SIZE = 8  # alloc_hint, p_cont_id, and opnum or cancel_count
_TRAILER_SIZE = 8  # before a verifier: its type, level, padding and context
_LITTLE_ENDIAN = b"\x10\0\0\0"  # ASCII, IEEE (C706 section 14.1)
_CALLS = (REQUEST, RESPONSE, FAULT)


class Pdu(msgspec.Struct, frozen=True, kw_only=True):
    """One whole message.

    ``body`` is what follows the header, without a verifier; of a call, its parameters alone,
    put together from all fragments.  ``frame`` is all the rest, without the lengths.
    ``context`` and ``operation`` are a call's p_cont_id and opnum.
    """

    kind: int
    minor: int
    flags: int
    call: int
    little: bool
    authenticated: bool
    body: bytes
    frame: bytes
    context: int = 0
    operation: int = 0
    faults: tuple[str, ...] = ()


class _Fragment(msgspec.Struct, frozen=True):
    kind: int
    flags: int
    call: int
    order: str  # of struct
    body: bytes
    verifier: bytes


def write(
    kind: int, call: int, body: bytes, *, flags: int = FIRST_FRAG | LAST_FRAG, minor: int = 0
) -> bytes:
    size = HEADER_SIZE + len(body)
    head = struct.pack("<4B4sHHI", 5, minor, kind, flags, _LITTLE_ENDIAN, size, 0, call)
    return head + body


def write_request(call: int, context: int, operation: int, stub: bytes) -> bytes:
    return write(REQUEST, call, struct.pack("<IHH", len(stub), context, operation) + stub)


def write_response(call: int, context: int, stub: bytes) -> bytes:
    return write(RESPONSE, call, struct.pack("<IHH", len(stub), context, 0) + stub)


def write_fault(call: int, context: int, status: int) -> bytes:
    """A call that was not even begun (C706 section 12.6.4.7)."""
    body = struct.pack("<IHHII", 0, context, 0, status, 0)
    return write(FAULT, call, body, flags=FIRST_FRAG | LAST_FRAG | DID_NOT_EXECUTE)


def size_of(head: bytes) -> int:
    """The length of the fragment that begins with these 16 bytes.  Raises WireError."""
    if head[0] != 5:
        raise WireError("dce.rpc_vers", f"{head[0]} instead of 5")
    size = int(struct.unpack_from(_order(head) + "H", head, 8)[0])
    if not HEADER_SIZE <= size <= MESSAGE_MAX:
        raise WireError("dce.frag_length", f"{size} bytes")
    return size


def _order(head: bytes) -> str:
    """C706 section 14.1: the upper half of the first byte is the order of integers."""
    orders = {0: ">", 1: "<"}
    if head[4] >> 4 not in orders:
        raise WireError("dce.packed_drep", f"0x{head[4]:02x} is no byte order")
    return orders[head[4] >> 4]


def _fragment(data: bytes) -> _Fragment:
    order = _order(data)
    verifier_size, call = struct.unpack_from(order + "HI", data, 10)
    kind, flags, body, verifier = data[2], data[3], data[HEADER_SIZE:], b""
    if kind not in NAMES:
        raise WireError("dce.PTYPE", f"{kind} is no kind of message")
    if verifier_size:
        start = len(body) - verifier_size - _TRAILER_SIZE
        if start < 0:
            raise WireError("dce.auth_length", f"{verifier_size} bytes do not fit")
        start -= body[start + 2]  # the padding before it
        if start < 0:
            raise WireError("dce.auth_pad_length", "it does not fit")
        body, verifier = body[:start], body[start:]
    return _Fragment(kind, flags, call, order, body, verifier)


def read(message: bytes) -> Pdu:
    """A whole message, with all its fragments.  Raises WireError."""
    bounded("dce", message)
    at = 0
    frame = bytearray()
    fragments: list[_Fragment] = []
    stubs: list[bytes] = []
    while at < len(message) or not fragments:
        if len(message) - at < HEADER_SIZE:
            raise WireError("dce", f"{len(message) - at} bytes are no message")
        size = size_of(message[at : at + HEADER_SIZE])
        if size > len(message) - at:
            raise WireError("dce.frag_length", f"{size} bytes instead of {len(message) - at}")
        got = _fragment(message[at : at + size])
        fragments.append(got)
        frame += message[at : at + 8] + message[at + 10 : at + HEADER_SIZE]
        frame += len(got.verifier).to_bytes(2, "big") + got.verifier
        fixed = _fixed(got)
        hint = got.body[: min(fixed, 4)]
        frame += any(hint).to_bytes(1, "big") if len(fragments) == 1 else hint
        frame += got.body[4:fixed]
        stubs.append(got.body[fixed:])
        at += size
    first = fragments[0]
    _check_fragments(fragments)
    pdu = Pdu(
        kind=first.kind,
        minor=message[1],
        flags=first.flags,
        call=first.call,
        little=first.order == "<",
        authenticated=any(fragment.verifier for fragment in fragments),
        body=b"".join(stubs),
        frame=bytes(frame),
    )
    return _with_call(pdu, first) if first.kind in _CALLS else pdu


def _fixed(fragment: _Fragment) -> int:
    """How many bytes stand before the parameters."""
    if fragment.kind not in _CALLS:
        return 0
    has_object = fragment.kind == REQUEST and bool(fragment.flags & OBJECT_UUID)
    size = _CALL_SIZE + 16 * has_object
    if len(fragment.body) < size:
        raise WireError(f"dce.{NAMES[fragment.kind]}", f"{len(fragment.body)} bytes are too few")
    return size


def _check_fragments(fragments: list[_Fragment]) -> None:
    first, last = fragments[0], fragments[-1]
    for fragment in fragments:
        same = (fragment.kind, fragment.call, fragment.order) == (
            first.kind, first.call, first.order,
        )  # fmt: skip
        if not same or fragment.body[4 : _fixed(fragment)] != first.body[4 : _fixed(first)]:
            raise WireError("dce.fragment", "it is of another message")
        if bool(fragment.flags & FIRST_FRAG) != (fragment is first) or bool(
            fragment.flags & LAST_FRAG
        ) != (fragment is last):
            raise WireError("dce.pfc_flags", "fragments do not follow each other")


def _with_call(pdu: Pdu, first: _Fragment) -> Pdu:
    hint, context, operation = struct.unpack_from(first.order + "IHH", first.body)
    faults: tuple[str, ...] = ()
    if hint not in (0, len(pdu.body)):
        faults = (f"dce.alloc_hint: {hint} for {len(pdu.body)} bytes",)
    return msgspec.structs.replace(pdu, context=context, operation=operation, faults=faults)


def stream() -> Stream:
    """Messages that follow one another, each with all its fragments."""
    return Stream("dce", _measured)


def _measured(unread: bytearray, looked: int) -> tuple[int, bool]:
    at = looked
    while at < len(unread):
        if unread[at] != 5:
            raise WireError("dce.rpc_vers", f"{unread[at]} instead of 5")
        head = bytes(unread[at : at + HEADER_SIZE])
        if len(head) < HEADER_SIZE:
            break
        end = at + size_of(head)
        if head[3] & LAST_FRAG or end > MESSAGE_MAX:
            return end, True
        if end > len(unread):
            break
        at = end
    return at, False

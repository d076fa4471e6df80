"""The echo frame: 128 bytes that prove who wrote them, over TCP and UDP alike.

docs/protocol.md is the specification.  Every frame has one size, so a UDP
answer is never larger than what it answers, and reading one is bounded.  The
tag is an HMAC-SHA256 keyed by the session's secret (RFC 2104) over all that
stands before it; the secret itself never travels on a tested port.

::

    0      4     5      6       8         16       32            96      128
    | NCK1 | kind| flags| number| session | nonce  | body        | tag   |
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import struct
from typing import Literal

import msgspec

from probes.errors import WireError

SIZE = 128
DATAGRAM_MAX = 4096  # a probe over UDP and what fills it up; larger than any link that matters
MAGIC = b"NCK1"
SESSION_SIZE = 8
SECRET_SIZE = 32
NONCE_SIZE = 16
BODY_SIZE = 64
_HEADER = struct.Struct("!4sBBH8s16s")
_SIGNED = SIZE - 32

PROBE = 1  # client to server: echo this
ANSWER = 2  # server to client: the proof
CONFIRM = 3  # client to server, TCP: the answer arrived, so the address is mine
CALL = 4  # server to client: connect-back
REPLY = 5  # client to server: whoever listens here knows the secret
KINDS = (PROBE, ANSWER, CONFIRM, CALL, REPLY)

_TRANSPORTS: dict[Literal["tcp", "udp"], int] = {"tcp": 6, "udp": 17}  # IANA protocol numbers
_ENDPOINT = struct.Struct("!BH16s")  # family, port, address
_ANSWER = struct.Struct("!19sH32s8s")  # source seen, port it came to, digest, server nonce
_PROBE = struct.Struct("!BH19s")  # transport, port meant, own address


class Frame(msgspec.Struct, frozen=True):
    """One frame.  ``number`` is the client's name for the probe; ``authentic`` says
    whether the tag was right, for a frame that was read."""

    kind: int
    number: int
    session: bytes
    nonce: bytes
    body: bytes
    authentic: bool = True


class Endpoint(msgspec.Struct, frozen=True):
    """An IP address as text and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else f"{self.address}:{self.port}"
        )

    @classmethod
    def read(cls, text: str) -> Endpoint:
        """The reverse of ``str``, for what the other end wrote.  Raises WireError."""
        host, _, port = text.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        try:
            address = ipaddress.ip_address(bare)
        except ValueError:
            raise WireError("endpoint", "it has no IP address") from None
        if host != (bare if address.version == 4 else f"[{bare}]") or "%" in bare:
            raise WireError("endpoint", "the address is not written as in an endpoint")
        if not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 1 << 16):
            raise WireError("endpoint", "it has no port")
        return cls(str(address), int(port))

    @classmethod
    def of(cls, name: tuple[str | int, ...]) -> Endpoint:
        """What ``getsockname`` or ``getpeername`` says, without a zone (RFC 4007)."""
        return cls(str(name[0]).partition("%")[0], int(name[1]))


class Answer(msgspec.Struct, frozen=True):
    """The body of an answer: where the probe came from and to, what of it arrived."""

    source: Endpoint
    port: int
    digest: bytes  # SHA-256 of the 128 bytes as they arrived
    server_nonce: bytes


def write(frame: Frame, secret: bytes) -> bytes:
    """The 128 bytes of ``frame``, signed with ``secret`` (32 bytes)."""
    head = _HEADER.pack(MAGIC, frame.kind, 0, frame.number, frame.session, frame.nonce)
    signed = head + frame.body.ljust(BODY_SIZE, b"\0")
    return signed + hmac.digest(secret, signed, "sha256")


def session_of(data: bytes) -> bytes:
    """The session a frame claims to belong to, before its secret is known.

    Raises WireError for bytes that are no frame.
    """
    if len(data) != SIZE:
        raise WireError("frame", f"{len(data)} bytes instead of {SIZE}")
    if data[:4] != MAGIC:
        raise WireError("frame.magic", "not an echo frame")
    return data[8:16]


def read(data: bytes, secret: bytes) -> Frame:
    """Read 128 bytes.  A wrong tag gives a frame that is not ``authentic``: what was
    changed on the way is a result, and its other fields then prove nothing.

    Raises WireError for bytes that are no frame.
    """
    session_of(data)
    _, kind, flags, number, session, nonce = _HEADER.unpack_from(data)
    authentic = hmac.compare_digest(hmac.digest(secret, data[:_SIGNED], "sha256"), data[_SIGNED:])
    if authentic and (kind not in KINDS or flags):
        raise WireError("frame.kind", f"kind {kind} with flags {flags} is not of this version")
    return Frame(kind, number, session, nonce, data[_HEADER.size : _SIGNED], authentic)


def digest(data: bytes) -> bytes:
    """What an answer says of the bytes it answers (SHA-256)."""
    return hashlib.sha256(data).digest()


def probe_body(transport: Literal["tcp", "udp"], port: int, own: Endpoint) -> bytes:
    """The body of a probe: where it is meant to go and, in binary and as text, where it
    comes from, so that a box which rewrites addresses in any payload betrays itself."""
    start = _PROBE.pack(_TRANSPORTS[transport], port, _pack_endpoint(own))
    return (start + str(own).encode("ascii", "replace"))[:BODY_SIZE]


def write_answer(answer: Answer) -> bytes:
    return _ANSWER.pack(
        _pack_endpoint(answer.source), answer.port, answer.digest, answer.server_nonce
    )


def read_answer(body: bytes) -> Answer:
    """Raises WireError if the body is no answer's."""
    if len(body) < _ANSWER.size:
        raise WireError("answer", f"{len(body)} bytes instead of {_ANSWER.size}")
    endpoint, port, sha, server_nonce = _ANSWER.unpack_from(body)
    return Answer(_unpack_endpoint(endpoint), port, sha, server_nonce)


def call_body(dialled: Endpoint) -> bytes:
    """The body of a call: the address and port that the server dialled."""
    return _pack_endpoint(dialled)


def reply_to(call: bytes, got: Frame, secret: bytes) -> bytes:
    """The client's reply: whoever listens here knows the secret."""
    return write(Frame(REPLY, got.number, got.session, got.nonce, digest(call)), secret)


def knows(data: bytes, kind: int, nonce: bytes, request: bytes, secret: bytes) -> bool:
    """Whether ``data`` is an authentic reply to ``request``.  Raises WireError for bytes
    that are no frame."""
    got = read(data, secret)
    return (
        got.authentic
        and got.kind == kind
        and got.nonce == nonce
        and got.body[:32] == digest(request)
    )


def _pack_endpoint(endpoint: Endpoint) -> bytes:
    address = ipaddress.ip_address(endpoint.address.partition("%")[0])
    return _ENDPOINT.pack(address.version, endpoint.port, address.packed.ljust(16, b"\0"))


def _unpack_endpoint(data: bytes) -> Endpoint:
    family, port, packed = _ENDPOINT.unpack(data)
    if family == 4:
        return Endpoint(str(ipaddress.IPv4Address(packed[:4])), port)
    if family == 6:
        return Endpoint(str(ipaddress.IPv6Address(packed)), port)
    raise WireError("answer.source", f"address family {family} is neither 4 nor 6")

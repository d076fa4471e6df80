"""TPKT: messages in a TCP stream (RFC 1006 section 6, H.225.0 appendix IV).

::

    0         1          2        4
    | version | reserved | length | message; the length counts all of it
"""

from __future__ import annotations

import struct

from probes.errors import WireError
from probes.wire.stream import Stream, headed

VERSION = 3
HEADER_SIZE = 4
_HEADER = struct.Struct("!BxH")


def write(message: bytes) -> bytes:
    return _HEADER.pack(VERSION, HEADER_SIZE + len(message)) + message


def read(packet: bytes) -> bytes:
    """The message in one whole packet.  Raises WireError."""
    if len(packet) < HEADER_SIZE or length(packet) != len(packet):
        raise WireError("tpkt.length", f"it is not that of {len(packet)} bytes")
    return packet[HEADER_SIZE:]


def length(head: bytes) -> int:
    """The length of the packet that begins with this header.  Raises WireError."""
    version, size = _HEADER.unpack_from(head)
    if version != VERSION:
        raise WireError("tpkt.version", f"{version} instead of {VERSION}")
    if size < HEADER_SIZE:
        raise WireError("tpkt.length", f"{size} bytes")
    return int(size)


def stream() -> Stream:
    """Takes a connection apart.  An empty packet, which keeps it alive, is passed over."""
    return Stream(
        "tpkt", headed(HEADER_SIZE, length), idle=lambda packet: len(packet) == HEADER_SIZE
    )

"""What all protocols that carry addresses inside messages have in common (pure; facts M5, M7).

A NAT rewrites addresses in headers.  An application that repeats its address in a message needs
an editor on the NAT's router that rewrites it there as well.  To see whether there is one, a
client says in earnest what such an application says, and the echo server, which speaks the
protocol too, tells what arrived.

Each file beside this one is one protocol, and holds both ends of a short dialogue as a
:class:`Dialogue`: the client's messages, the server's replies, and the reading of either.  Nothing
here sends or waits: whoever does asks an :class:`End` what to say.  What several protocols are
written in (lines of text, BER, DCE RPC) is in ``probes.wire``.  ``docs/editors.md`` has a table
of which message carries what, in which direction and whose.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import msgspec

from probes.wire import label
from probes.wire.end import End, Own, Step
from probes.wire.frame import Endpoint
from probes.wire.reading import MESSAGE_MAX, READINGS_MAX, Carried, Reading, Transport, bounded

__all__ = [
    "ANNOUNCED_PORT",
    "LABEL_SIZE",
    "MESSAGE_MAX",
    "READINGS_MAX",
    "Carried",
    "Dialogue",
    "End",
    "Own",
    "Reading",
    "Step",
    "Transport",
    "apart",
    "bounded",
]

LABEL_SIZE = label.SIZE
"""Bytes that say whose message it is: the size of a GUID, and 32 characters as hexadecimal."""

ANNOUNCED_PORT = 30_100
"""Where the echo server's messages say that it listens, at its address.  Nobody does: what
matters is whether they arrive as they were said."""

_PLACE = 30
"""Ports that one conversation has for what it announces."""

_PLACES = 1000


def apart(listening: Endpoint, label: bytes) -> Endpoint:
    """``listening`` if it is anywhere; for ANNOUNCED_PORT, at which nobody is, a place that the
    conversation with this ``label`` has for itself.  Linux's editors keep in mind for minutes to
    where one went on, and drop the next message that names the same port."""
    if listening.port != ANNOUNCED_PORT:
        return listening
    place = int.from_bytes(sha256(label).digest()[:4]) % _PLACES
    return Endpoint(listening.address, ANNOUNCED_PORT + _PLACE * (1 + place))


class Dialogue(msgspec.Struct, frozen=True, kw_only=True):
    """One protocol.

    ``ports`` are the server's, where editors look for it.  ``listens``: the client has to wait
    at ``Own.listening`` by this transport; None: nobody goes there.  ``listens_port``: it has to
    be that port, as the protocol has no field for another.  ``client`` and ``server`` make an
    end; ``client`` raises SetupError where the protocol cannot carry the address.  ``read``
    reads a message of either end; it raises WireError.

    Two dialogues may share a port: the server's end of either then answers for both.
    """

    name: str
    transport: Transport
    ports: tuple[int, ...]
    listens: Transport | None
    listens_port: int | None = None
    client: Callable[[Own], End]
    server: Callable[[Own], End]
    read: Callable[[bytes], Reading]

"""How two ends agree on interfaces: bind and its answers (C706 sections 12.6.4.3 to 12.6.4.5).

A client proposes interfaces under numbers of its own, contexts, each with the transfer syntaxes
that it knows; NDR is the only one known here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec

from probes.errors import WireError
from probes.wire.dce.ndr import Reader, uuid_of
from probes.wire.dce.pdu import BIND, BIND_NAK, MINORS, Pdu, write

FRAGMENT_MAX = 4280
"""Bytes of a fragment that either end takes, as other implementations say: three segments."""

ACCEPTANCE, PROVIDER_REJECTION = 0, 2

# Why one proposal is rejected (C706 section 12.6.3.1, p_provider_reason_t).
ABSTRACT_SYNTAX_NOT_SUPPORTED = 1
PROPOSED_TRANSFER_SYNTAXES_NOT_SUPPORTED = 2
LOCAL_LIMIT_EXCEEDED = 3

# Why the whole association is (p_reject_reason_t, and [MS-RPCE] section 2.2.2.5 for the last).
NAK_REASON_NOT_SPECIFIED = 0
NAK_LOCAL_LIMIT_EXCEEDED = 2
NAK_PROTOCOL_VERSION_NOT_SUPPORTED = 4
NAK_AUTHENTICATION_TYPE_NOT_RECOGNIZED = 8


class Syntax(msgspec.Struct, frozen=True):
    """An interface or a transfer syntax: its UUID as a little-endian sender writes it."""

    uuid: bytes
    major: int
    minor: int

    @classmethod
    def of(cls, text: str, major: int, minor: int) -> Syntax:
        return cls(uuid_of(text), major, minor)

    def packed(self) -> bytes:
        return self.uuid + struct.pack("<HH", self.major, self.minor)

    def serves(self, wanted: Syntax) -> bool:
        """C706 section 6.1.2: the same major version, and no lower minor version."""
        same = (self.uuid, self.major) == (wanted.uuid, wanted.major)
        return same and self.minor >= wanted.minor


NDR = Syntax.of("8a885d04-1ceb-11c9-9fe8-08002b104860", 2, 0)
NO_SYNTAX = Syntax(bytes(16), 0, 0)


class Proposal(msgspec.Struct, frozen=True):
    """One interface under its context."""

    context: int
    interface: Syntax
    transfers: tuple[Syntax, ...]


class Outcome(msgspec.Struct, frozen=True):
    """What becomes of a proposal."""

    result: int
    reason: int = 0

    @property
    def accepted(self) -> bool:
        return self.result == ACCEPTANCE


def write_bind(call: int, context: int, interface: Syntax) -> bytes:
    """The beginning of an association, with one interface."""
    body = struct.pack("<HHI", FRAGMENT_MAX, FRAGMENT_MAX, 0)
    body += struct.pack("<BxxxHBx", 1, context, 1) + interface.packed() + NDR.packed()
    return write(BIND, call, body)


def read_bind(pdu: Pdu) -> tuple[Proposal, ...]:
    """What a bind or an alter_context proposes.  Raises WireError."""
    reader = Reader("dce.bind", pdu.body, little=pdu.little)
    reader.taken(8)
    count = reader.taken(4)[0]
    return tuple(_proposal(reader) for _ in range(count))


def _proposal(reader: Reader) -> Proposal:
    context = reader.number(2)
    count = reader.taken(2)[0]
    return Proposal(context, _syntax(reader), tuple(_syntax(reader) for _ in range(count)))


def _syntax(reader: Reader) -> Syntax:
    name = reader.uuid()
    version = reader.number(4)
    return Syntax(name, version & 0xFFFF, version >> 16)


def write_answer(
    kind: int, call: int, minor: int, group: int, port: str, outcomes: Sequence[Outcome]
) -> bytes:
    """A bind_ack or an alter_context_resp.  ``port`` is where this association can be joined by
    another connection, and is empty in the latter."""
    address = port.encode("ascii") + b"\0" if port else b""
    body = struct.pack("<HHIH", FRAGMENT_MAX, FRAGMENT_MAX, group, len(address)) + address
    body += bytes(-len(body) % 4) + struct.pack("<Bxxx", len(outcomes))
    for outcome in outcomes:
        transfer = NDR if outcome.accepted else NO_SYNTAX
        body += struct.pack("<HH", outcome.result, outcome.reason) + transfer.packed()
    return write(kind, call, body, minor=minor)


def read_answer(pdu: Pdu) -> tuple[Outcome, ...]:
    """What became of the proposals.  Raises WireError."""
    reader = Reader("dce.bind_ack", pdu.body, little=pdu.little)
    reader.taken(8)
    reader.taken(reader.number(2))
    reader.align(4)
    count = reader.taken(4)[0]
    if not count:
        raise WireError("dce.bind_ack", "it answers nothing")
    return tuple(_outcome(reader) for _ in range(count))


def _outcome(reader: Reader) -> Outcome:
    outcome = Outcome(reader.number(2), reader.number(2))
    _syntax(reader)
    return outcome


def write_nak(call: int, reason: int) -> bytes:
    """No association, and why; with the versions of the protocol that would do."""
    versions = bytes(part for minor in MINORS for part in (5, minor))
    return write(BIND_NAK, call, struct.pack("<HB", reason, len(MINORS)) + versions)

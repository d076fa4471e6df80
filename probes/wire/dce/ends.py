"""Both ends of an association over TCP, for any interface (C706 chapters 9 and 12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from probes.errors import WireError
from probes.wire.dce import bind, pdu
from probes.wire.dce.bind import Outcome, Proposal, Syntax
from probes.wire.dce.ndr import Reader
from probes.wire.end import Own, Step, Talker

# Statuses of faults: C706 appendix E with nca_s_ before them, the last two of Windows.
OP_RNG_ERROR = 0x1C010002
UNK_IF = 0x1C010003
PROTO_ERROR = 0x1C01000B
BAD_STUB_DATA = 0x6F7
ACCESS_DENIED = 5

MESSAGES_MAX = 64
"""Messages of one association: more than any client needs before it knows what is here."""

CONTEXTS_MAX = 32
"""Interfaces of one association; a bind of Windows proposes three.  The answer to so many has
fewer than the 1432 bytes that every client takes (C706 section 12.6.3.1)."""

_BIND_CALL, _CALL = 1, 2


class Refused(Exception):
    """A call that the server does not carry out.  ``status`` goes into the fault."""

    def __init__(self, status: int) -> None:
        super().__init__(f"0x{status:08x}")
        self.status = status


Operation = Callable[[Own, Reader], bytes]
"""The parameters of the answer to those of the request.  Raises WireError or Refused."""


class Interface(msgspec.Struct, frozen=True):
    """What a server can be asked, by opnum; None: it knows the operation, and refuses."""

    syntax: Syntax
    operations: Mapping[int, Operation | None]


class Client(Talker):
    """Binds to one interface, calls it once, and is done.  Whatever is no answer to what it
    last said ends the dialogue.  There is no goodbye: it closes the connection."""

    def __init__(self, interface: Syntax, context: int, operation: int, stub: bytes) -> None:
        super().__init__(pdu.stream())
        self._bind = bind.write_bind(_BIND_CALL, context, interface)
        self._request = pdu.write_request(_CALL, context, operation, stub)
        self._awaited = pdu.BIND_ACK

    def begin(self) -> Step:
        return Step(send=(self._bind,))

    def finish(self) -> Step:
        return Step(over=True)

    def _answers(self, message: bytes) -> Sequence[bytes]:
        got = pdu.read(message)
        if not self._over and self._may_call(got):
            self._awaited = pdu.RESPONSE
            return [self._request]
        self._over = True
        return []

    def _may_call(self, got: pdu.Pdu) -> bool:
        if got.kind != pdu.BIND_ACK or self._awaited != got.kind or got.call != _BIND_CALL:
            return False
        try:
            return bind.read_answer(got)[0].accepted
        except WireError:
            return False


class Server(Talker):
    """Takes calls for as long as a client has any, up to a limit."""

    def __init__(self, own: Own, interfaces: Sequence[Interface]) -> None:
        super().__init__(pdu.stream())
        self._own = own
        self._interfaces = interfaces
        self._contexts: dict[int, Interface] = {}
        self._messages = 0

    def _answers(self, message: bytes) -> Sequence[bytes]:
        got = pdu.read(message)
        self._messages += 1
        self._ended = self._messages >= MESSAGES_MAX
        if got.kind in (pdu.BIND, pdu.ALTER_CONTEXT):
            return [self._agree(got)]
        if got.kind == pdu.REQUEST:
            answer = self._call(got)
            return [] if got.flags & pdu.MAYBE else [answer]
        # Cancelling, and a third part of an authentication that was refused, need no answer.
        self._ended |= got.kind not in (pdu.AUTH3, pdu.CO_CANCEL, pdu.ORPHANED)
        return []

    def _agree(self, got: pdu.Pdu) -> bytes:
        try:
            proposals = bind.read_bind(got)
        except WireError:
            return self._disagree(got, bind.NAK_REASON_NOT_SPECIFIED)
        if got.minor not in pdu.MINORS:
            return self._disagree(got, bind.NAK_PROTOCOL_VERSION_NOT_SUPPORTED)
        if got.authenticated:
            return self._disagree(got, bind.NAK_AUTHENTICATION_TYPE_NOT_RECOGNIZED)
        if len(proposals) > CONTEXTS_MAX:
            return self._disagree(got, bind.NAK_LOCAL_LIMIT_EXCEEDED)
        first = got.kind == pdu.BIND
        return bind.write_answer(
            pdu.BIND_ACK if first else pdu.ALTER_CONTEXT_RESP,
            got.call,
            got.minor,
            int.from_bytes(self._own.random("assoc_group_id", 3), "big") + 1,
            str(self._own.socket.port) if first else "",
            [self._outcome(proposal) for proposal in proposals],
        )

    def _disagree(self, got: pdu.Pdu, reason: int) -> bytes:
        self._ended = True
        if got.kind == pdu.BIND:
            return bind.write_nak(got.call, reason)
        return pdu.write_fault(got.call, 0, ACCESS_DENIED)

    def _outcome(self, proposal: Proposal) -> Outcome:
        interface = next((i for i in self._interfaces if i.syntax.serves(proposal.interface)), None)
        if interface is None:
            return Outcome(bind.PROVIDER_REJECTION, bind.ABSTRACT_SYNTAX_NOT_SUPPORTED)
        if bind.NDR not in proposal.transfers:
            return Outcome(bind.PROVIDER_REJECTION, bind.PROPOSED_TRANSFER_SYNTAXES_NOT_SUPPORTED)
        if len(self._contexts) == CONTEXTS_MAX and proposal.context not in self._contexts:
            return Outcome(bind.PROVIDER_REJECTION, bind.LOCAL_LIMIT_EXCEEDED)
        self._contexts[proposal.context] = interface
        return Outcome(bind.ACCEPTANCE)

    def _call(self, got: pdu.Pdu) -> bytes:
        interface = self._contexts.get(got.context)
        if interface is None:
            status = UNK_IF if self._contexts else PROTO_ERROR
            return pdu.write_fault(got.call, got.context, status)
        reader = Reader("dce.request", got.body, little=got.little)
        try:
            if got.operation not in interface.operations:
                raise Refused(OP_RNG_ERROR)
            operation = interface.operations[got.operation]
            if operation is None:
                raise Refused(ACCESS_DENIED)
            stub = operation(self._own, reader)
        except Refused as refused:
            return pdu.write_fault(got.call, got.context, refused.status)
        except WireError:
            return pdu.write_fault(got.call, got.context, BAD_STUB_DATA)
        return pdu.write_response(got.call, got.context, stub)

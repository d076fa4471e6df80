"""What the server answers to a STUN request (RFC 8489, RFC 5780, RFC 3489), pure.

An answer goes to who asked, or to another port of the same address, and nowhere else:
RESPONSE-ADDRESS of RFC 3489 is refused.  It is no larger than the request if it can be: it then
leaves out whatever a client can do without.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from netcheck import __version__
from probes.errors import WireError
from probes.wire import stun
from probes.wire.frame import Endpoint

SOFTWARE = f"netcheck/{__version__}"
_PRIVILEGED = 1024
"""Below are the ports of services, which RESPONSE-PORT must not make strangers of."""

_CHANGE_REQUEST = 0x0003
_RESPONSE_PORT = 0x0027
_PADDING_HEAD = 4


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """The address and port at which a request came, as clients know them.

    ``other_address`` and ``other_port`` are set where the server can answer from all four
    combinations (RFC 5780 section 6), and only then.
    """

    address: str
    port: int
    other_address: str | None = None
    other_port: int | None = None

    def origin(self, change_ip: bool, change_port: bool) -> Endpoint:
        """From where an answer leaves (RFC 5780 table 1).  Both others must be there for a
        change."""
        address = self.other_address if change_ip else self.address
        port = self.other_port if change_port else self.port
        assert address is not None
        assert port is not None
        return Endpoint(address, port)

    @property
    def other(self) -> Endpoint | None:
        """What OTHER-ADDRESS says."""
        if self.other_address is None or self.other_port is None:
            return None
        return Endpoint(self.other_address, self.other_port)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """``port`` is where it goes at the source's address, if not to where the request came
    from; ``gain`` says that it is larger than the request."""

    data: bytes
    change_ip: bool = False
    change_port: bool = False
    port: int | None = None
    gain: bool = False


def reply_to(
    data: bytes, source: Endpoint, here: Here, transport: Literal["tcp", "udp"]
) -> Reply | None:
    """The reply to a datagram, or to a whole message that came by TCP; None for all that is no
    binding request: to that nothing is answered (RFC 8489 section 6.3)."""
    try:
        request = stun.read(data)
    except WireError:
        return None
    if request.kind != "request" or request.method != stun.BINDING:
        return None
    room = len(data) if transport == "udp" else None
    refused = _refusal(request, source, here, transport)
    if refused is not None:
        return _fitted(_errors(request, *refused), request, room)
    moved = request.change_ip or request.change_port
    answers = _classic(request, source, here) if request.classic else _modern(request, source, here)
    reply = _fitted(answers, request, room)
    if not moved and request.response_port is None:
        return reply
    return msgspec.structs.replace(
        reply,
        change_ip=request.change_ip,
        change_port=request.change_port,
        port=request.response_port,
    )


def _refusal(
    request: stun.Message, source: Endpoint, here: Here, transport: Literal["tcp", "udp"]
) -> tuple[int, str, tuple[int, ...]] | None:
    """Code, reason and the attributes meant, or None if the request can be granted."""
    if request.not_understood:
        return stun.UNKNOWN_ATTRIBUTE, "Unknown Attribute", request.not_understood
    moved = request.change_ip or request.change_port
    if moved and (here.other is None or transport == "tcp"):
        # RFC 5780 section 6: who cannot change both says so.
        return stun.UNKNOWN_ATTRIBUTE, "No Other Address", (_CHANGE_REQUEST,)
    port = request.response_port
    if port is None:
        return None
    if transport == "tcp":
        return stun.UNKNOWN_ATTRIBUTE, "Not Over TCP", (_RESPONSE_PORT,)
    if moved or request.padding is not None:
        # From another address to another port: nobody needs it, and it looks like an attack.
        return stun.BAD_REQUEST, "RESPONSE-PORT Stands Alone", ()
    if port < _PRIVILEGED and port != source.port:
        return stun.BAD_REQUEST, "RESPONSE-PORT Below 1024", ()
    return None


def _modern(request: stun.Message, source: Endpoint, here: Here) -> Iterator[stun.Message]:
    """Success responses, ever shorter.  The last says where the request came from and, if
    that may be news, where the client can go on asking."""
    origin = here.origin(request.change_ip, request.change_port)
    other = here.other
    full = stun.Message(
        kind="success",
        transaction=request.transaction,
        mapped_address=source,
        xor_mapped_address=source,
        response_origin=origin,
        other_address=other,
        software=SOFTWARE,
        fingerprint=request.fingerprint,
    )
    yield full
    yield msgspec.structs.replace(full, software=None)
    yield msgspec.structs.replace(full, software=None, mapped_address=None)
    short = stun.Message(
        kind="success",
        transaction=request.transaction,
        xor_mapped_address=source,
        other_address=other,
        fingerprint=request.fingerprint,
    )
    yield short
    if request.change_ip or request.change_port or request.response_port is not None:
        yield msgspec.structs.replace(short, other_address=None)


def _classic(request: stun.Message, source: Endpoint, here: Here) -> Iterator[stun.Message]:
    """The same for RFC 3489 section 8.1, without what that did not know."""
    full = stun.Message(
        kind="success",
        transaction=request.transaction,
        mapped_address=source,
        source_address=here.origin(request.change_ip, request.change_port),
        changed_address=here.other,
    )
    yield full
    yield msgspec.structs.replace(full, source_address=None)
    if request.change_ip or request.change_port or request.response_port is not None:
        yield msgspec.structs.replace(full, source_address=None, changed_address=None)


def _errors(
    request: stun.Message, code: int, reason: str, attributes: tuple[int, ...]
) -> Iterator[stun.Message]:
    full = stun.Message(
        kind="error",
        transaction=request.transaction,
        error_code=code,
        reason=reason,
        unknown_attributes=attributes,
        software=None if request.classic else SOFTWARE,
        fingerprint=request.fingerprint and not request.classic,
    )
    yield full
    yield msgspec.structs.replace(full, software=None)
    yield msgspec.structs.replace(full, software=None, reason="")


def _fitted(answers: Iterator[stun.Message], request: stun.Message, room: int | None) -> Reply:
    """The first answer that needs no more than ``room`` bytes, else the last.  PADDING is
    answered with as much of it as there is room for (RFC 5780 section 6.1 would have an MTU)."""
    data = b""
    for answer in answers:
        data = stun.write(answer)
        if room is None:
            return Reply(data=data)
        if len(data) <= room:
            spare = room - len(data) - _PADDING_HEAD
            if request.padding is not None and answer.kind == "success" and spare >= 0:
                data = stun.write(msgspec.structs.replace(answer, padding=spare))
            return Reply(data=data)
    return Reply(data=data, gain=True)

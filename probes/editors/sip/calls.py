"""Both ends of a short call: INVITE, 200, ACK, BYE, 200 (RFC 3261).

Over UDP the server answers statelessly: whatever comes again is answered again, in one datagram
and with no more bytes.  So there is no 100 and no 180, and the client's INVITE is longer than it
must be, by a Subject.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from probes.editors.contract import Own, Step, Transport, bounded
from probes.editors.sip import sdp
from probes.editors.sip.message import Message, parse, stream
from probes.wire.end import Talker
from probes.wire.frame import Endpoint

PORT = 5060  # IANA: sip

SUBJECT = (
    "netcheck asks whether the addresses of this call arrive as they were written or as a router "
    "on the way rewrote them; nobody will speak, and the call ends at once"
)
"""Makes the INVITE so long that a 200 with a session description is no longer, even where the
server's addresses are longer than the client's."""

METHODS = "INVITE, ACK, BYE, CANCEL, OPTIONS"

_SHORT = {"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Contact": "m",
          "Content-Type": "c", "Content-Length": "l"}  # fmt: skip
_ECHO_MAX = 512  # bytes of the other side's tag or address that are repeated

_TAG = re.compile(r";[ \t]*(?i:tag)[ \t]*=")
_TARGET = re.compile(r"sips?:[A-Za-z0-9@.:;=_~%+\[\]-]{1,255}", re.IGNORECASE)
_RPORT = re.compile(r";[ \t]*(?i:rport)[ \t]*(?=;|$)")
_SENT_BY = re.compile(r"[^ \t]+[ \t]+(\[[0-9A-Fa-f:.]+\]|[^\s:;]+)")

_Fields = list[tuple[str, str]]


def _host(endpoint: Endpoint) -> str:
    return f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address


def _contact(own: Own, transport: Transport) -> str:
    parameter = ";transport=tcp" if transport == "tcp" else ""
    return f"<sip:netcheck@{_host(own.socket)}:{own.socket.port}{parameter}>"


def _write(start: str, fields: _Fields, body: str = "", *, short: bool = False) -> bytes:
    """A message; ``short`` uses the names of section 7.3.3."""
    counted = [*fields, ("Content-Length", str(len(body)))]
    rows = [f"{_SHORT.get(name, name) if short else name}: {value}" for name, value in counted]
    return ("\r\n".join([start, *rows]) + "\r\n\r\n" + body).encode("latin-1")


class _Datagrams:
    """What stands in for a stream over UDP: each datagram is a message, or keeps the way open."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises WireError for one that is too long."""
        yield from (bounded("sip", data),) if data.strip(b"\r\n\0") else ()


class _End(Talker):
    def __init__(self, own: Own, transport: Transport) -> None:
        super().__init__(stream() if transport == "tcp" else _Datagrams())
        self._own = own
        self._transport = transport


class Client(_End):
    """Calls, and is over when the call was taken or refused."""

    def __init__(self, own: Own, transport: Transport) -> None:
        super().__init__(own, transport)
        port = "" if own.peer.port == PORT else f":{own.peer.port}"
        self._target = f"sip:netcheck@{_host(own.peer)}{port}"
        self._to = f"<sip:netcheck@{_host(own.peer)}>"
        self._calling = False

    def begin(self) -> Step:
        self._calling = True
        more = [
            ("Contact", _contact(self._own, self._transport)),
            ("Allow", METHODS),
            ("Subject", SUBJECT),
            ("Content-Type", sdp.TYPE),
        ]
        return Step(send=(self._request("INVITE", 1, "INVITE", more, sdp.offer(self._own)),))

    def finish(self) -> Step:
        """BYE, to a call that was not refused: also to one of whose answer nothing is known, as
        Linux's editor shuts with a BYE what it opened at the INVITE, and not with a CANCEL."""
        bye = (self._request("BYE", 2, "BYE"),) if self._calling else ()
        return Step(send=bye, over=True)

    def _answers(self, data: bytes) -> list[bytes]:
        message = parse(data)
        if message.status is None or message.status < 200 or message.cseq != (1, "INVITE"):
            return []
        self._over = True
        if 0 < len(to := message.value("to")) <= _ECHO_MAX:
            self._to = to
        self._calling = message.status < 300
        if not self._calling:  # acknowledged within its own transaction (section 17.1.1.3)
            return [self._request("ACK", 1, "INVITE")]
        if target := _TARGET.search(message.value("contact")):
            self._target = target[0]
        return [self._request("ACK", 1, "ACK")]

    def _request(
        self, method: str, number: int, branch: str, more: _Fields | None = None, body: str = ""
    ) -> bytes:
        own = self._own
        key = "z9hG4bK" + own.random(branch, 8).hex()  # section 8.1.1.7
        fields = [
            (
                "Via",
                f"SIP/2.0/{self._transport.upper()} {_host(own.socket)}:{own.socket.port}"
                f";branch={key};rport",
            ),
            ("Max-Forwards", "70"),
            ("From", f"<sip:netcheck@{_host(own.socket)}>;tag={own.random('from', 4).hex()}"),
            ("To", self._to),
            ("Call-ID", own.label.hex()),
            ("CSeq", f"{number} {method}"),
            ("User-Agent", "netcheck"),
            *(more or []),
        ]
        return _write(f"{method} {self._target} SIP/2.0", fields, body)


class Server(_End):
    """Takes every call, and answers what user agents ask before they call."""

    def _answers(self, data: bytes) -> list[bytes]:
        message = parse(data)
        if message.method in (None, "ACK") or not self._answerable(message):
            return []
        self._over |= message.method == "BYE"
        most = len(data) if self._transport == "udp" else None
        fitting = (one for one in self._possible(message) if most is None or len(one) <= most)
        return [answer] if (answer := next(fitting, None)) else []

    def _answerable(self, message: Message) -> bool:
        """Whether all is there that a response repeats (section 8.2.6.2)."""
        return message.cseq is not None and all(
            message.value(name) for name in ("via", "from", "to", "call-id")
        )

    def _possible(self, request: Message) -> Iterator[bytes]:
        """Answers to a request, the best one first, each shorter than the one before it."""
        if request.method == "INVITE":
            offered = request.body
            body = sdp.answer(self._own, offered) if offered else sdp.offer(self._own)
            if body is None:
                yield from self._written(request, "488 Not Acceptable Here")
                return
            yield from self._written(
                request,
                "200 OK",
                [("Record-Route", value) for value in request.values("record-route")]
                + [("Contact", _contact(self._own, self._transport))]
                + [("Content-Type", sdp.TYPE)],
                body,
            )
            yield from self._written(request, "486 Busy Here")
        elif request.method == "OPTIONS":
            yield from self._written(request, "200 OK", [("Allow", METHODS), ("Accept", sdp.TYPE)])
            yield from self._written(request, "200 OK")
        elif request.method == "REGISTER":
            bindings = [("Contact", value) for value in request.values("contact")]
            bindings += [("Expires", value) for value in request.values("expires")[:1]]
            yield from self._written(request, "200 OK", bindings)
            yield from self._written(request, "200 OK")
        elif request.method in ("BYE", "CANCEL"):
            yield from self._written(request, "200 OK")
        else:
            yield from self._written(request, "501 Not Implemented")

    def _written(
        self, request: Message, status: str, more: _Fields | None = None, body: str = ""
    ) -> Iterator[bytes]:
        """The response as it is usual, and with the short names of section 7.3.3."""
        top, *others = request.values("via")
        fields = [
            ("Via", self._seen(top)),
            *(("Via", value) for value in others),
            ("From", request.value("from")),
            ("To", self._tagged(request.value("to"))),
            ("Call-ID", request.value("call-id")),
            ("CSeq", request.value("cseq")),
            *(more or []),
        ]
        for short in (False, True):
            yield _write(f"SIP/2.0 {status}", fields, body, short=short)

    def _seen(self, via: str) -> str:
        """``via`` with where the request really came from (section 18.2.1, RFC 3581)."""
        top, comma, others = via.partition(",")
        peer = self._own.peer
        asked = _RPORT.search(top)
        if asked:
            top = f"{top[: asked.start()]};rport={peer.port}{top[asked.end() :]}"
        said = _SENT_BY.match(top)
        if asked or said is None or said[1].strip("[]").lower() != peer.address:
            top += f";received={peer.address}"
        return top + comma + others

    def _tagged(self, to: str) -> str:
        if _TAG.search(to.rpartition(">")[2]):
            return to
        return f"{to};tag={self._own.random('to', 4).hex()}"

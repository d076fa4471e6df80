"""What a SIP message says about addresses: every field of it, and of the SDP in its body."""

from __future__ import annotations

import re

from probes.editors.contract import Carried, Reading, Transport
from probes.editors.sip.message import Field, Message, parse
from probes.wire import label
from probes.wire.spans import Spans

_HOST = r"\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,255}"
_URI = re.compile(
    rf'"[^"]*"|(?i:sips?):(?:[^@\s<>",]{{0,255}}@)?(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,10}}))?'
)
_VIA = re.compile(
    r"(?i:SIP)[ \t]*/[ \t]*2\.0[ \t]*/[ \t]*(?P<transport>[A-Za-z]{1,16})[ \t]+"
    rf"(?P<host>{_HOST})(?:[ \t]*:[ \t]*(?P<port>[0-9]{{1,10}}))?"
)
_RECEIVED = re.compile(r";[ \t]*(?i:received)[ \t]*=[ \t]*(\[?[A-Za-z0-9:._-]{1,255}\]?)")
_RPORT = re.compile(r";[ \t]*(?i:rport)(?:[ \t]*=[ \t]*([0-9]{1,10}))?(?![A-Za-z0-9])")
_MADDR = re.compile(rf";[ \t]*(?i:maddr)[ \t]*=[ \t]*({_HOST})")
_CALL_ID = re.compile(rf"([^@]{{1,255}})(?:@({_HOST}))?")
_TRANSPORT = re.compile(r";[ \t]*(?i:transport)[ \t]*=[ \t]*([A-Za-z]{1,16})")

_WITH_URIS = {
    "from": "From",
    "to": "To",
    "contact": "Contact",
    "route": "Route",
    "record-route": "Record-Route",
    "path": "Path",
    "service-route": "Service-Route",
    "p-asserted-identity": "P-Asserted-Identity",
    "p-preferred-identity": "P-Preferred-Identity",
    "refer-to": "Refer-To",
    "referred-by": "Referred-By",
    "reply-to": "Reply-To",
}
_NEEDED = ("via", "from", "to", "call-id", "cseq")  # RFC 3261 section 8.1.1
_SINGLE = ("from", "to", "call-id", "cseq", "content-length", "content-type", "max-forwards")

_CONNECTION = re.compile(r"c=IN (IP[46] ([^\s/]+))(?:/[0-9/]+)?")
_ORIGIN = re.compile(r"o=\S+ [0-9]+ [0-9]+ IN (IP[46] (\S+))")
_MEDIA = re.compile(r"m=([A-Za-z0-9._-]{1,32}) ([0-9]{1,10})(?:/[0-9]+)? (\S+) .+")
_RTCP = re.compile(r"a=rtcp:([0-9]{1,10})(?: IN (IP[46] (\S+)))?")
_SDP_LINE = re.compile(r"[a-z]=.+", re.DOTALL)


def read(data: bytes) -> Reading:
    """Read a request or a response.  Raises WireError for what is neither.

    The label is the ``Call-ID``, which is all of random digits here and names no host.
    ``reached_by`` is given where the other side goes by itself: to the ``Contact`` with later
    requests, to an ``m=`` line's port with media, to ``a=rtcp`` unless both share one port, and
    to ``Via`` with responses over UDP unless ``rport`` asks for them where the request came from.
    """
    message = parse(data)
    spans = Spans("sip", message.text)
    transport: Transport = "udp"
    if found := _VIA.search(message.value("via")):
        transport = "tcp" if found["transport"].lower() in ("tcp", "tls") else "udp"
    if message.method is not None:
        _uris(spans, "Request-URI", message.uri, None)
    for field in message.fields:
        if field.name == "via":
            _via(spans, field, message.method is not None)
        elif name := _WITH_URIS.get(field.name):
            _uris(spans, name, field[1:], transport if field.name == "contact" else None)
    known = _call_id(spans, message)
    _agreement(spans, message, transport)
    if message.value("content-type").partition(";")[0].strip().lower() == "application/sdp":
        _sdp(spans, message)
    sequence = message.cseq
    kind = message.method or f"{message.status} {sequence[1] if sequence else ''}".rstrip()
    return spans.reading(kind, known)


def _place(
    spans: Spans, field: str, found: re.Match[str], reached_by: Transport | None = None
) -> None:
    """The host and the port of ``found`` are one address."""
    address = spans.address(field, found["host"])
    digits = found["port"]
    port = spans.port(field, digits) if digits is not None else None
    if address is None or (digits is not None and port is None):
        return
    carried = Carried(field=field, address=address, port=port, reached_by=reached_by)
    spans.carry(found.start("host"), found.end("port" if digits else "host"), carried)


def _uris(spans: Spans, field: str, where: tuple[int, int], reached_by: Transport | None) -> None:
    for found in _URI.finditer(spans.text, *where):
        if found["host"] is not None:  # else it is a name in quotes
            _place(spans, field, found, _by(spans.text, found.end(), where[1], reached_by))
    _parameter(spans, f"{field} maddr", _MADDR, where)


def _by(text: str, at: int, end: int, reached_by: Transport | None) -> Transport | None:
    """A URI may name its own transport (RFC 3261 section 19.1.1)."""
    named = _TRANSPORT.match(text, at, end)
    if reached_by is None or named is None:
        return reached_by
    return "udp" if named[1].lower() == "udp" else "tcp"


def _via(spans: Spans, field: Field, request: bool) -> None:
    """RFC 3261 section 18.2.2 and RFC 3581: one proxy's place after the other."""
    hops = list(_VIA.finditer(spans.text, field.start, field.end))
    if not hops:
        spans.fault("Via: it cannot be read")
    for number, hop in enumerate(hops):
        end = hops[number + 1].start() if number + 1 < len(hops) else field.end
        rport = _RPORT.search(spans.text, hop.end(), end)
        by_port = request and hop["transport"].lower() == "udp" and rport is None
        _place(spans, "Via", hop, "udp" if by_port else None)
        received = _RECEIVED.search(spans.text, hop.end(), end)
        digits = rport[1] if rport else None
        port = spans.number("Via rport", digits, 0xFFFF) if digits is not None else None
        if received:
            address = spans.address("Via received", received[1])
            if address is not None:
                carried = Carried(field="Via received", address=address, port=port)
                spans.carry(*received.span(1), carried)
                if rport and port is not None:
                    spans.cut(*rport.span(1))
        elif digits is not None:
            spans.fault("Via: rport has a value, and received has none")  # RFC 3581 section 4
        _parameter(spans, "Via maddr", _MADDR, (hop.end(), end))


def _parameter(spans: Spans, field: str, pattern: re.Pattern[str], where: tuple[int, int]) -> None:
    for found in pattern.finditer(spans.text, *where):
        address = spans.address(field, found[1])
        if address is not None:
            spans.carry(*found.span(1), Carried(field=field, address=address))


def _call_id(spans: Spans, message: Message) -> bytes | None:
    for field in message.fields:
        if field.name == "call-id":
            found = _CALL_ID.fullmatch(spans.text, field.start, field.end)
            if found is None:
                return None
            address = spans.address("Call-ID", found[2]) if found[2] else None
            if address is not None:
                spans.carry(*found.span(2), Carried(field="Call-ID", address=address))
            return label.of_text(found[1])
    return None


def _agreement(spans: Spans, message: Message, transport: Transport) -> None:
    """What must be there, and must say the same twice."""
    names = [field.name for field in message.fields]
    for name in _NEEDED:
        if name not in names:
            spans.fault(f"{name}: it is missing")
    for name in _SINGLE:
        if names.count(name) > 1:
            spans.fault(f"{name}: it is there twice")
    sequence = message.cseq
    if sequence is None:
        spans.fault("cseq: it cannot be read")
    elif message.method not in (None, sequence[1]):
        spans.fault(f"cseq: of {sequence[1]} in a request of {message.method}")
    size = len(spans.text) - message.body_at
    for field in message.fields:
        if field.name == "content-length":
            digits = spans.text[field.start : field.end]
            length = spans.number("Content-Length", digits, 1 << 30)
            if length is not None:
                spans.cut(field.start, field.end)
                if length != size:
                    spans.fault(f"Content-Length: {length}, and the body has {size} bytes")
    if transport == "tcp" and "content-length" not in names:
        spans.fault("Content-Length: it is missing over TCP")


def _sdp(spans: Spans, message: Message) -> None:
    """RFC 4566: a connection counts for all media, unless one has its own below its line."""
    lines: list[tuple[int, int]] = []
    at = message.body_at
    for line in message.body.split("\n"):
        lines.append((at, at + len(line.removesuffix("\r"))))
        at += len(line) + 1
    start, end = lines.pop()
    if start != end or not lines:
        spans.fault("SDP: its last line has no end")
        lines.append((start, end))
    for start, end in lines:
        if not _SDP_LINE.fullmatch(spans.text, start, end):
            spans.fault(f"SDP: {spans.text[start : min(end, start + 48)]!r} is no line of it")
    if spans.text[message.body_at : message.body_at + 2] != "v=":
        spans.fault("SDP: it does not begin with its version")
    sections: list[list[tuple[int, int]]] = [[]]
    for start, end in lines:
        if spans.text.startswith("m=", start):
            sections.append([])
        sections[-1].append((start, end))
    common = _lines_without_media(spans, sections[0])
    for section in sections[1:]:
        own = _lines_without_media(spans, section[1:])
        _media(spans, section, own or common)


def _lines_without_media(spans: Spans, lines: list[tuple[int, int]]) -> str | None:
    """Carries what ``o=`` and ``c=`` lines say.  Gives the connection's address."""
    connection: str | None = None
    for start, end in lines:
        kind = spans.text[start : start + 2]
        if kind not in ("o=", "c="):
            continue
        found = (_ORIGIN if kind == "o=" else _CONNECTION).fullmatch(spans.text, start, end)
        if found is None:
            spans.fault(f"SDP {kind}: it cannot be read")
            continue
        address = _typed(spans, kind, found[1], found[2])
        if address is not None:
            spans.carry(*found.span(1), Carried(field=kind, address=address))
            if kind == "c=":
                connection = address
    return connection


def _typed(spans: Spans, field: str, both: str, host: str) -> str | None:
    """The address of ``IP4 host`` or ``IP6 host``."""
    address = spans.address(field, host)
    if address is not None and (":" in address) != both.startswith("IP6"):
        spans.fault(f"SDP {field}: {address} is no {both[:3]} address")
    return address


def _media(spans: Spans, section: list[tuple[int, int]], connection: str | None) -> None:
    start, end = section[0]
    media = _MEDIA.fullmatch(spans.text, start, end)
    if media is None:
        spans.fault("SDP m=: it cannot be read")
        return
    field = f"m={media[1]}"
    by: Transport = "tcp" if media[3].upper().startswith("TCP") else "udp"
    port = spans.number(f"SDP {field}", media[2], 0xFFFF)
    if connection is None:
        spans.fault(f"SDP {field}: there is no connection for it")
    elif port is not None:
        reached_by = by if port else None  # port 0: not this one (RFC 3264 section 6)
        carried = Carried(field=field, address=connection, port=port, reached_by=reached_by)
        spans.carry(*media.span(2), carried)
    shared = any(spans.text[start:end] == "a=rtcp-mux" for start, end in section)
    for start, end in section:
        if not spans.text.startswith("a=rtcp:", start):
            continue
        found = _RTCP.fullmatch(spans.text, start, end)
        if found is None:
            spans.fault("SDP a=rtcp: it cannot be read")  # RFC 3605 section 2.1
            continue
        port = spans.number("SDP a=rtcp", found[1], 0xFFFF)
        address = _typed(spans, "a=rtcp", found[2], found[3]) if found[3] else connection
        if port is not None and address is not None:
            carried = Carried(
                field="a=rtcp", address=address, port=port, reached_by=None if shared else by
            )
            spans.carry(*found.span(1), carried)
            if found[2]:
                spans.cut(*found.span(2))

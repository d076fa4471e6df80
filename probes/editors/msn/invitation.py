"""Invitations: the messages in which Messenger's clients tell each other their addresses.

A message of type ``text/x-msmsgsinvite``, which has one field a line.  Who invites sends INVITE,
who is invited ACCEPT, and who invited ACCEPT once more, with the address at which it waits: so
for a file.  For a voice conversation both ACCEPTs have an address, each that of its sender.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from probes.editors.contract import LABEL_SIZE, Carried, Reading, Transport
from probes.editors.msn.command import Command, parse
from probes.wire.frame import Endpoint
from probes.wire.spans import Spans

TYPE = "text/x-msmsgsinvite"
FILE_TRANSFER = "{5D3E02AB-6190-11d3-BBBB-00C04F795683}"
VOICE = "{02D3C01F-BF30-4825-A83A-DE7AF41648AA}"

_MIME = f"MIME-Version: 1.0\r\nContent-Type: {TYPE}; charset=UTF-8\r\n\r\n"
_BODY = re.compile(r"\r?\n\r?\n")
_FIELD = re.compile(r"([A-Za-z0-9-]{1,64}):[ \t]*")
_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9.]+|[^\s:]+)(?::([0-9]{1,10}))?|([0-9A-Fa-f:.]+)")
_PASSPORT = re.compile(rf"([0-9a-f]{{{2 * LABEL_SIZE}}})@[A-Za-z0-9.-]+")
_GUID = re.compile(r"\{([0-9A-F]{8})-([0-9A-F]{4})-([0-9A-F]{4})-([0-9A-F]{4})-([0-9A-F]{12})\}")
_OTHER_ADDRESSES = ("IP-Address-Internal", "Public-IP", "Private-IP")  # of later versions
_NAMES = {name.lower(): name for name in ("IP-Address", *_OTHER_ADDRESSES)}

Fields = list[tuple[str, str]]


def guid(label: bytes) -> str:
    """16 bytes as a GUID."""
    digits = label.hex().upper()
    return f"{{{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}}}"


def passport(label: bytes) -> str:
    """A name to sign in with that is nobody's."""
    return f"{label.hex()}@example.com"


def message(words: str, fields: Sequence[tuple[str, str]]) -> bytes:
    """``MSG``, ``words``, the length, and an invitation of ``fields``."""
    body = _MIME + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    return f"MSG {words} {len(body.encode())}\r\n{body}".encode()


def file_invite(cookie: str) -> Fields:
    return [
        ("Application-Name", "File Transfer"),
        ("Application-GUID", FILE_TRANSFER),
        ("Invitation-Command", "INVITE"),
        ("Invitation-Cookie", cookie),
        ("Application-File", "netcheck.txt"),
        ("Application-FileSize", "1024"),
    ]


def file_wanted(cookie: str) -> Fields:
    """The receiver's ACCEPT: it asks for an address."""
    return [
        ("Invitation-Command", "ACCEPT"),
        ("Invitation-Cookie", cookie),
        ("Launch-Application", "FALSE"),
        ("Request-Data", "IP-Address:"),
    ]


def file_here(cookie: str, listening: Endpoint, key: str) -> Fields:
    """The sender's ACCEPT: it waits there for who knows ``key``."""
    return [
        ("Invitation-Command", "ACCEPT"),
        ("Invitation-Cookie", cookie),
        ("IP-Address", listening.address),
        ("Port", str(listening.port)),
        ("AuthCookie", key),
        ("Launch-Application", "FALSE"),
        ("Request-Data", "IP-Address:"),
    ]


def voice_invite(cookie: str, session: str) -> Fields:
    return [
        ("Application-Name", "an audio conversation"),
        ("Application-GUID", VOICE),
        ("Session-Protocol", "SM1"),
        ("Invitation-Command", "INVITE"),
        ("Invitation-Cookie", cookie),
        ("Session-ID", session),
    ]


def voice_here(cookie: str, session: str, listening: Endpoint, *, asks: bool) -> Fields:
    """Either side's ACCEPT; that of who was invited ``asks`` for the other's address."""
    return [
        ("Invitation-Command", "ACCEPT"),
        ("Invitation-Cookie", cookie),
        ("Session-ID", session),
        *([("Session-Protocol", "SM1"), ("Request-Data", "IP-Address:")] if asks else []),
        ("Launch-Application", "TRUE"),
        ("IP-Address", str(listening)),
    ]


def rejection(cookie: str) -> Fields:
    return [
        ("Invitation-Command", "CANCEL"),
        ("Invitation-Cookie", cookie),
        ("Cancel-Code", "REJECT_NOT_INSTALLED"),
    ]


def fields_of(command: Command) -> dict[str, tuple[int, int]] | None:
    """Where the values of an invitation's fields stand, by name in lower case; None for what
    is no invitation.  Of a field that is there twice it is the first one."""
    if command.name != "MSG":
        return None
    head = _BODY.search(command.text, command.payload_at)
    if head is None:
        return None
    types = _lines(command.text, command.payload_at, head.end())
    start, end = types.get("content-type", (0, 0))
    if command.text[start:end].partition(";")[0].strip().lower() != TYPE:
        return None
    return _lines(command.text, head.end(), len(command.text))


def _lines(text: str, at: int, end: int) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for line in text[at:end].split("\n"):
        stop = at + len(line.rstrip(" \t\r"))
        if name := _FIELD.match(text, at, stop):
            found.setdefault(name[1].lower(), (name.end(), stop))
        at += len(line) + 1
    return found


def read(data: bytes) -> Reading:
    """Read a command of either side.  Raises WireError for what is none.

    The label is who signs in with ``USR``, and the ``Session-ID`` of a voice conversation.
    """
    command = parse(data)
    spans = Spans("msn", command.text)
    label: bytes | None = None
    kind = command.name
    if command.length is None:
        if command.payload:
            spans.fault(f"{kind}: {len(command.payload)} bytes after its line")
        label = _signed_in(command)
        _referral(spans, command)
    else:
        _length(spans, command)
    fields = fields_of(command)
    if fields is not None:
        kind = f"MSG {_value(command, fields, 'invitation-command')[:32]}".rstrip()
        found = _GUID.fullmatch(_value(command, fields, "session-id"))
        label = bytes.fromhex("".join(found.groups())) if found else None
        _addresses(spans, command, fields)
        _written(spans, command)
    return spans.reading(kind, label)


def _value(command: Command, fields: dict[str, tuple[int, int]], name: str) -> str:
    start, end = fields.get(name, (0, 0))
    return command.text[start:end]


def _signed_in(command: Command) -> bytes | None:
    if command.name in ("USR", "ANS"):
        for word in command.words:
            if found := _PASSPORT.fullmatch(word):
                return bytes.fromhex(found[1])
    return None


def _referral(spans: Spans, command: Command) -> None:
    """``XFR`` and ``RNG`` name another server, to which the client goes next."""
    if command.name not in ("XFR", "RNG"):
        return
    at = len(command.name)
    for word in command.words:
        at = command.text.index(word, at)
        found = _PLACE.fullmatch(word)
        if found and found[2]:
            _carry(spans, command.name, found, at, "tcp")
        at += len(word)


def _length(spans: Spans, command: Command) -> None:
    start, end = command.length or (0, 0)
    size = len(command.payload)
    said = spans.number(f"{command.name} length", command.text[start:end], 1 << 20)
    if said is not None:
        spans.cut(start, end)
        if said != size:
            spans.fault(f"{command.name} length: {said}, and {size} bytes follow")


def _addresses(spans: Spans, command: Command, fields: dict[str, tuple[int, int]]) -> None:
    file = "port" in fields
    for low, name in _NAMES.items():
        if low not in fields:
            continue
        start, end = fields[low]
        found = _PLACE.fullmatch(spans.text, start, end)
        if found is None:
            if start != end:
                spans.fault(f"{name}: it cannot be read")
            continue
        if name != "IP-Address":
            _carry(spans, name, found, 0, None)
        elif file:
            span = fields["port"]
            port = spans.port("Port", spans.text[slice(*span)])
            if _carry(spans, name, found, 0, "tcp", port) and port is not None:
                spans.cut(*span)
        else:  # without a port it is the application that knows it
            _carry(spans, name, found, 0, "udp" if found[2] else None)


def _carry(
    spans: Spans,
    field: str,
    found: re.Match[str],
    offset: int,
    reached_by: Transport | None,
    port: int | None = None,
) -> bool:
    """``found`` is an address, with ``port`` if it has none of its own."""
    host, digits = found[1] or found[3], found[2]
    address = spans.address(field, host)
    own = spans.port(f"{field} port", digits) if digits else None
    if address is None or (digits and own is None):
        return False
    carried = Carried(
        field=field, address=address, port=own if digits else port, reached_by=reached_by
    )
    spans.carry(found.start() + offset, found.end() + offset, carried)
    return True


def _written(spans: Spans, command: Command) -> None:
    """An invitation is lines, in UTF-8, and each field is there once."""
    if not command.text.endswith("\n"):
        spans.fault("its last line has no end")
    try:
        command.payload.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        spans.fault("it is no UTF-8")
    names = [name.lower() for name in re.findall(r"(?m)^([A-Za-z0-9-]{1,64}):", command.payload)]
    for name in ("ip-address", "port", "invitation-command", "invitation-cookie", "session-id"):
        if names.count(name) > 1:
            spans.fault(f"{name}: it is there twice")

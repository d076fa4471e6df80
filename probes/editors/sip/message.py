"""SIP messages: their lines, and how they follow each other in a stream (RFC 3261 section 7)."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from probes.editors.contract import bounded
from probes.errors import WireError
from probes.wire.stream import Measure, Stream, head_and_body

FIELDS_MAX = 128
"""Header fields of one message; a request that passed ten proxies has half as many."""

_COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "c": "content-type",
    "l": "content-length",
    "e": "content-encoding",
    "s": "subject",
    "k": "supported",
    "r": "refer-to",
    "b": "referred-by",
    "o": "event",
}
"""The short names of RFC 3261 section 7.3.3, and of RFC 3515, 3892 and 6665."""

_END = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
_TOKEN = r"[A-Za-z0-9.!%*_+`'~-]{1,64}"
_REQUEST = re.compile(rf"({_TOKEN}) ([^ \t]+) (?i:SIP)/2\.0[ \t]*")
_STATUS = re.compile(r"(?i:SIP)/2\.0 ([1-6][0-9][0-9])(?: .*)?")
_NAME = re.compile(rf"({_TOKEN})[ \t]*:")
_CSEQ = re.compile(rf"([0-9]{{1,10}})[ \t]+({_TOKEN})")


class Field(NamedTuple):
    """A header field: its full name in lower case, and where its value stands."""

    name: str
    start: int
    end: int


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it stands.  ``text`` is its bytes as Latin-1, with spaces where a header
    field goes on in the next line, so that every position is that of the byte."""

    text: str
    method: str | None  # None: a response
    status: int | None
    uri: tuple[int, int]
    fields: tuple[Field, ...]
    body_at: int

    def values(self, name: str) -> list[str]:
        """The values of all fields of that name, in their order."""
        return [self.text[field.start : field.end] for field in self.fields if field.name == name]

    def value(self, name: str) -> str:
        """The value of the first one; empty if there is none."""
        return next(iter(self.values(name)), "")

    @property
    def body(self) -> str:
        return self.text[self.body_at :]

    @property
    def cseq(self) -> tuple[int, str] | None:
        found = _CSEQ.fullmatch(self.value("cseq"))
        return (int(found[1]), found[2]) if found else None

    @property
    def length(self) -> int:
        """Bytes of the body, as the message says; on a connection one that does not say has
        none (RFC 3261 section 18.3).  Raises WireError for what is no number."""
        digits = self.value("content-length") or "0"
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
            raise WireError("sip.Content-Length", f"{digits[:48]!r} is no number")
        return int(digits)


def parse(data: bytes) -> Message:
    """The parts of one whole message.  Raises WireError for what is no message of SIP 2.0."""
    bounded("sip", data)
    end = _END.search(data)
    if end is None:
        raise WireError("sip", "no empty line ends the header")
    text = data.decode("latin-1")
    head = _FOLD.sub(lambda found: " " * len(found[0]), text[: end.start()])
    if _CONTROL.search(head):
        raise WireError("sip", "a control character in the header")
    lines = _lines(head)
    first = head[lines[0][0] : lines[0][1]]
    request, status = _REQUEST.fullmatch(first), _STATUS.fullmatch(first)
    if request is None and status is None:
        raise WireError("sip", f"{first[:48]!r} begins no message of SIP 2.0")
    if len(lines) > FIELDS_MAX:
        raise WireError("sip", f"more than {FIELDS_MAX} header fields")
    return Message(
        text=head + text[end.start() :],
        method=request[1] if request else None,
        status=int(status[1]) if status else None,
        uri=request.span(2) if request else (0, 0),
        fields=tuple(_field(head, start, stop) for start, stop in lines[1:]),
        body_at=end.end(),
    )


def _lines(head: str) -> list[tuple[int, int]]:
    lines: list[tuple[int, int]] = []
    at = 0
    for line in head.split("\n"):
        lines.append((at, at + len(line.removesuffix("\r"))))
        at += len(line) + 1
    return lines


def _field(head: str, start: int, stop: int) -> Field:
    name = _NAME.match(head, start, stop)
    if name is None:
        raise WireError("sip", f"{head[start : start + 48]!r} is no header field")
    value = head[name.end() : stop]
    begin = name.end() + len(value) - len(value.lstrip(" \t"))
    word = name[1].lower()
    return Field(_COMPACT.get(word, word), begin, begin + len(value.strip(" \t")))


def stream() -> Stream:
    """Takes a connection apart into messages; line ends between them, which keep it alive, are
    passed over (RFC 3261 sections 7.5 and 18.3)."""
    message = head_and_body(_END, len(b"\r\n\r\n"), lambda head: parse(head).length)
    return Stream("sip", _after_line_ends(message), idle=lambda data: not data.strip(b"\r\n"))


def _after_line_ends(message: Measure) -> Measure:
    def measure(unread: bytearray, looked: int) -> tuple[int, bool]:
        if unread.startswith((b"\r", b"\n")):
            return len(unread) - len(unread.lstrip(b"\r\n")), True
        return message(unread, looked)

    return measure

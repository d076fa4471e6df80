"""Commands of the Messenger protocol: a line of words, and for some a payload.

Sources: draft-movva-msn-messenger-protocol-00 sections 7 and 8, and the description of the
protocol at hypothetic.org.  ::

    MSG 4 N 216\\r\\n           name, transaction, acknowledgement wanted, octets that follow
"""

from __future__ import annotations

import re

import msgspec

from probes.editors.contract import bounded
from probes.errors import WireError
from probes.wire.stream import Stream, head_and_body

_WITH_PAYLOAD = {"MSG": 3, "QRY": 3, "UUX": 2, "NOT": 1, "PAG": 2, "ADL": 2, "RML": 2, "UUN": 2}
"""How many words at least follow the name where the last of them is a length."""

_END = re.compile(rb"\n")
_LINE = re.compile(r"([A-Z0-9]{3})((?: [^ ]+)*) *")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """``words`` are those after the name.  ``length`` is where the line says how many octets
    of payload follow, None if it says nothing; the payload begins at ``payload_at``."""

    name: str
    words: tuple[str, ...]
    length: tuple[int, int] | None
    text: str  # all of it, bytes as Latin-1
    payload_at: int

    @property
    def payload(self) -> str:
        return self.text[self.payload_at :]

    def word(self, number: int) -> str:
        """A word after the name, from 0; empty if there is none."""
        return self.words[number] if number < len(self.words) else ""


def parse(data: bytes) -> Command:
    """One whole command.  Raises WireError for what is none."""
    bounded("msn", data)
    end = data.find(b"\n")
    if end < 0:
        raise WireError("msn", "no line end")
    text = data.decode("latin-1")
    line = text[:end].removesuffix("\r")
    found = _LINE.fullmatch(line)
    if found is None or _CONTROL.search(line):
        raise WireError("msn", f"{line[:48]!r} is no command")
    words = tuple(found[2].split(" ")[1:])
    wanted = _WITH_PAYLOAD.get(found[1])
    last = found.span(2)[1]
    return Command(
        name=found[1],
        words=words,
        length=(last - len(words[-1]), last) if wanted and len(words) >= wanted else None,
        text=text,
        payload_at=end + 1,
    )


def payload_of(head: bytes) -> int:
    """Octets that follow a line.  Raises WireError."""
    command = parse(head)
    digits = command.words[-1] if command.length else ""
    if digits.isascii() and digits.isdigit() and len(digits) <= 6:
        return int(digits)
    if command.name == "MSG":
        raise WireError("msn.MSG", f"{digits[:48]!r} is no length")
    return 0


def stream() -> Stream:
    """Takes a connection apart into commands."""
    return Stream("msn", head_and_body(_END, 1, payload_of))

"""FTP: the address of a data connection in PORT, EPRT and the answers to PASV and EPSV.

RFC 959 (5.3 commands, 4.2 replies), RFC 1123 (4.1.2.6: how 227 is read), RFC 2428 (EPRT, EPSV).
The label is the user's name.

An editor acts on a command that is alone in its segment, right after a line end that it saw in
the same direction, so each command waits for the reply to the one before it.  Linux keeps
one announced address for each control connection and forgets the one before, so PORT and EPRT
have a connection each.

QUIT is the goodbye: an editor may close what it opened when the control connection ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from probes.editors.contract import Carried, Dialogue, End, Own, Reading, Step, apart, bounded
from probes.errors import SetupError, WireError
from probes.wire import label
from probes.wire.end import Talker
from probes.wire.frame import Endpoint
from probes.wire.spans import Spans
from probes.wire.stream import Stream, line

PORT = 21
BEYOND = 20
"""How far above the port that all protocols announce the server's messages say that data waits: a
firewall that follows H.323 as well expects one connection to each port of the server's, and where
it translates none, Linux's drops the reply that announces a port for a second time."""

COMMANDS_MAX = 64
"""Commands that a server's end answers: clients ask a dozen before they want data."""

_COMMAND = re.compile(rb"([A-Za-z]{1,16})(?: ([^\r\n]*))?\r?\n")
_REPLY = re.compile(rb"([1-6][0-9][0-9])(?:([ -])[^\n]*|\r?)\n")
_HOST_PORT = re.compile(r"[0-9]{1,3}(?:,[0-9]{1,3}){5}")
_HOST_PORT_IN = re.compile(r"(?<![0-9,])[0-9]{1,3}(?:,[0-9]{1,3}){5}(?![0-9,])")
_DELIMITER = re.compile(r"[!-/:-~]")  # RFC 2428: 33 to 126; a digit would be no delimiter
_EPSV = re.compile(r"\(([!-/:-~])\1\1([0-9]+)\1\)")

_FIXED = {
    b"ABOR": b"226 Nothing to abort",
    b"ACCT": b"202 No account is needed",
    b"ALLO": b"202 Nothing is stored",
    b"CDUP": b"250 Done",
    b"CWD": b"250 Done",
    b"FEAT": b"211-Extensions\r\n EPRT\r\n EPSV\r\n211 End",
    b"HELP": b"214 This server only looks at addresses",
    b"NOOP": b"200 Done",
    b"PASS": b"230 Logged in",
    b"PWD": b'257 "/" is the current directory',
    b"REST": b"350 Restarting there",
    b"STAT": b"211 Ready",
    b"SYST": b"215 UNIX Type: L8",
    b"USER": b"331 Any password",
    b"XCWD": b"250 Done",
    b"XPWD": b'257 "/" is the current directory',
}
_NO_DATA = b"425 This server opens no data connection for files"
_NO_FILE = b"550 There are no files here"
_OF_DATA = {b"APPE", b"LIST", b"MLSD", b"NLST", b"RETR", b"STOR", b"STOU"}
_OF_FILES = {b"DELE", b"MDTM", b"MKD", b"MLST", b"RMD", b"RNFR", b"RNTO", b"SIZE", b"XMKD", b"XRMD"}
_CHOICES = {
    b"MODE": {b"S"},
    b"OPTS": {b"UTF8", b"UTF8 ON"},
    b"STRU": {b"F"},
    b"TYPE": {b"A", b"A N", b"I", b"L 8"},
}


class _Client(Talker):
    """Logs in, then says each of ``asks`` after the reply to the one before."""

    def __init__(self, own: Own, asks: tuple[bytes, ...]) -> None:
        super().__init__(Stream("ftp", _whole_reply))
        user = b"USER " + own.label.hex().encode() + b"\r\n"
        self._script = [user, b"PASS netcheck@\r\n", *asks]
        self._asks = len(asks)

    def finish(self) -> Step:
        return Step(send=(b"QUIT\r\n",), over=True)

    def _answers(self, reply: bytes) -> list[bytes]:
        if self._over or reply.startswith(b"1"):
            return []
        self._over = not self._go_on(reply[:3])
        return [] if self._over else [self._script.pop(0)]

    def _go_on(self, code: bytes) -> bool:
        """Whether there is more to say after this reply.

        A refused log-in is the end; what is asked after it may be refused.
        """
        wanted = {2: b"2", 1: b"23", 0: b"2"}.get(len(self._script) - self._asks, b"2345")
        if wanted == b"23" and code.startswith(b"2"):
            self._script.pop(0)  # no password is asked for
        return code != b"421" and code[:1] in wanted and bool(self._script)


def _whole_reply(unread: bytearray, looked: int) -> tuple[int, bool]:
    """RFC 959 section 4.2: a reply of several lines ends with one that begins as the first did,
    but for a space in place of the hyphen."""
    at = looked
    while (end := unread.find(b"\n", at) + 1) > 0:
        start = _REPLY.match(unread)
        if start is None:
            raise WireError("ftp", "it is no reply")
        if start[2] != b"-" or unread.startswith(start[1] + b" ", at):
            return end, True
        at = end
    return at, False


class _Server(Talker):
    def __init__(self, own: Own) -> None:
        super().__init__(Stream("ftp", line, idle=lambda message: not message.strip()))
        self._own = own
        self._label: bytes | None = None
        self._left = COMMANDS_MAX

    def begin(self) -> Step:
        return Step(send=(b"220 netcheck reads addresses in FTP\r\n",))

    def _answers(self, message: bytes) -> list[bytes]:
        said = self._answer(read(message), message) + b"\r\n"
        self._left -= 1
        self._ended = said.startswith((b"221", b"421"))
        return [said]

    def _answer(self, reading: Reading, line: bytes) -> bytes:
        found = _COMMAND.fullmatch(line)
        if found is None:
            raise WireError("ftp", "it is no command")
        self._label = reading.label or self._label
        verb, argument = found[1].upper(), (found[2] or b"").strip().upper()
        if verb == b"QUIT":
            return b"221 Goodbye"
        if self._left <= 0:
            return b"421 Enough is known"
        if verb in _CHOICES:
            return b"200 Done" if argument in _CHOICES[verb] else b"504 Not that one"
        if verb in (b"PORT", b"EPRT"):
            return self._told(reading, argument)
        if verb == b"PASV":
            return self._passive()
        if verb == b"EPSV":
            return self._extended_passive(argument)
        if verb in _OF_DATA:
            return _NO_DATA
        return _NO_FILE if verb in _OF_FILES else _FIXED.get(verb, b"500 Unknown command")

    def _told(self, reading: Reading, argument: bytes) -> bytes:
        other = b"1" if self._family == b"2" else b"2"
        if reading.kind == "EPRT" and argument[1:2] == other:
            return b"522 Network protocol not supported, use (%b)" % self._family
        return b"200 Done" if reading.carried else b"501 That is no address and port"

    def _passive(self) -> bytes:
        if self._family == b"2":
            return b"425 PASV carries no IPv6 address, use EPSV"
        return b"227 Entering Passive Mode (%b)" % _host_port(self._waits)

    def _extended_passive(self, argument: bytes) -> bytes:
        if argument == b"ALL":
            return b"200 Done"
        if argument not in (b"", self._family):
            return b"522 Network protocol not supported, use (%b)" % self._family
        return b"229 Entering Extended Passive Mode (|||%d|)" % self._waits.port

    @property
    def _waits(self) -> Endpoint:
        at = self._own.listening
        if self._label is not None:
            at = apart(at, self._label)
        return Endpoint(at.address, min(at.port + BEYOND, 65535))

    @property
    def _family(self) -> bytes:
        return _family(self._own.listening)


def _family(endpoint: Endpoint) -> bytes:
    """IANA's address family number, as EPRT and EPSV name it (RFC 2428 section 2)."""
    return b"2" if ":" in endpoint.address else b"1"


def _host_port(endpoint: Endpoint) -> bytes:
    host = endpoint.address.replace(".", ",")
    return f"{host},{endpoint.port >> 8},{endpoint.port & 0xFF}".encode()


def _port_client(own: Own) -> End:
    if _family(own.listening) == b"2":
        raise SetupError("FTP's PORT carries no IPv6 address")
    return _Client(own, (b"PORT " + _host_port(own.listening) + b"\r\n",))


def _eprt_client(own: Own) -> End:
    to = own.listening
    command = f"EPRT |{_family(to).decode()}|{to.address}|{to.port}|\r\n"
    return _Client(own, (command.encode(),))


def _passive_client(own: Own) -> End:
    """Asks only EPSV over IPv6: PASV's answer has no room for its addresses."""
    asks = (b"EPSV\r\n", b"PASV\r\n")
    return _Client(own, asks[:1] if _family(own.socket) == b"2" else asks)


def read(message: bytes) -> Reading:
    """Read one command, or one reply with all its lines.

    The fields are "PORT", "EPRT", "227" and "229".  229 has a port and no address: whoever
    goes there takes that of the control connection, so ``Carried.address`` is empty.
    Raises WireError for what is neither command nor reply.
    """
    spans = Spans("ftp", bounded("ftp", message).decode("latin-1"))
    kind, at = _reply(message) if message[:1].isdigit() else _command(message)
    end = len(message.rstrip(b"\r\n"))
    if not message.endswith(b"\r\n"):
        spans.fault("the line does not end with CR LF")
    if kind in _FIELDS:
        _FIELDS[kind](spans, at, end)
    return spans.reading(kind, label.of_text(spans.text[at:end]) if kind == "USER" else None)


def _command(message: bytes) -> tuple[str, int]:
    """The verb, and where its argument begins."""
    found = _COMMAND.fullmatch(message)
    if found is None:
        raise WireError("ftp", "it is no command")
    return found[1].decode().upper(), found.end(1) if found[2] is None else found.start(2)


def _reply(message: bytes) -> tuple[str, int]:
    """The code, and where the text of the last line begins (RFC 959 section 4.2)."""
    first = _REPLY.match(message)
    if first is None or not message.endswith(b"\n"):
        raise WireError("ftp", "it is no reply")
    lines = message.split(b"\n")[:-1]
    last = [n for n, line in enumerate(lines) if n and line.startswith(first[1] + b" ")]
    if last != ([len(lines) - 1] if first[2] == b"-" else []) or (not last and len(lines) > 1):
        raise WireError("ftp", "it is not one whole reply")
    return first[1].decode(), len(message) - len(lines[-1]) - 1 + len(first[1])


def _port(spans: Spans, at: int, end: int) -> None:
    if _HOST_PORT.fullmatch(spans.text, at, end):
        _host_port_at("PORT", spans, at, end)
    else:
        spans.fault("PORT has no six numbers with commas between them")


def _entering_passive(spans: Spans, at: int, end: int) -> None:
    """RFC 1123 section 4.1.2.6: the parentheses are not to be relied on."""
    if found := _HOST_PORT_IN.search(spans.text, at, end):
        _host_port_at("227", spans, *found.span())
    else:
        spans.fault("227 has no six numbers with commas between them")


def _host_port_at(field: str, spans: Spans, at: int, end: int) -> None:
    """Four numbers of an address, two of a port (RFC 959 section 5.3.2, host-port)."""
    numbers = [spans.number(field, part, 255) for part in spans.text[at:end].split(",")]
    parts = [part for part in numbers if part is not None]
    if len(parts) != len(numbers):
        return
    port = spans.port(field, str(parts[4] << 8 | parts[5]))
    if port is not None:
        address = ".".join(str(part) for part in parts[:4])
        carried = Carried(field=field, address=address, port=port, reached_by="tcp")
        spans.carry(at, end, carried)


def _eprt(spans: Spans, at: int, end: int) -> None:
    """A family, an address and a port between delimiters (RFC 2428 section 2)."""
    text = spans.text[at:end]
    parts = text.split(text[0]) if _DELIMITER.match(text) else []
    if len(parts) != 5 or parts[4]:
        spans.fault("EPRT has no three parts between delimiters")
        return
    _, family, host, digits, _ = parts
    address = None if "[" in host else spans.address("EPRT", host)
    port = spans.port("EPRT", digits)
    if address is None:
        spans.fault("EPRT has no IP address")
    elif family != ("2" if ":" in address else "1"):
        spans.fault("the address of EPRT is not of the family that it names")
    elif port is not None:
        carried = Carried(field="EPRT", address=address, port=port, reached_by="tcp")
        start = at + len(family) + 2
        spans.carry(start, start + len(host), carried)
        spans.cut(start + len(host) + 1, start + len(host) + 1 + len(digits))


def _entering_extended_passive(spans: Spans, at: int, end: int) -> None:
    """A port alone (RFC 2428 section 3)."""
    found = _EPSV.search(spans.text, at, end)
    if found is None:
        spans.fault("229 has no port between its delimiters")
        return
    port = spans.port("229", found[2])
    if port is not None:
        carried = Carried(field="229", address="", port=port, reached_by="tcp")
        spans.carry(*found.span(2), carried)


_FIELDS: dict[str, Callable[[Spans, int, int], None]] = {
    "PORT": _port,
    "EPRT": _eprt,
    "227": _entering_passive,
    "229": _entering_extended_passive,
}


def _dialogue(name: str, client: Callable[[Own], End], *, listens: bool) -> Dialogue:
    return Dialogue(
        name=name,
        transport="tcp",
        ports=(PORT,),
        listens="tcp" if listens else None,
        client=client,
        server=_Server,
        read=read,
    )


DIALOGUES = (
    _dialogue("ftp-port", _port_client, listens=True),
    _dialogue("ftp-eprt", _eprt_client, listens=True),
    _dialogue("ftp-pasv", _passive_client, listens=False),
)

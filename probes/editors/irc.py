"""IRC: the address in an offer of a file or a talk between two clients (DCC).

RFC 2812 (2.3.1 messages, 3.1 registration, 5 replies); the CTCP memo for DCC, which writes an
IPv4 address as a decimal number, first octet highest.  It has no form for IPv6: clients that
support it (eggdrop, irssi, KVIrc) write the address as text, and so does this one.
The label is the user's real name.

The client offers itself a file, or a talk, so that the offer comes back to it as it would reach
another.  Each has a connection of its own: both name the same address and port, and Linux
lets one connection in for it, not two.  QUIT is the goodbye: an editor may close what it opened
when the connection ends.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

import msgspec

from probes.editors.contract import (
    LABEL_SIZE,
    Carried,
    Dialogue,
    End,
    Own,
    Reading,
    Step,
    bounded,
)
from probes.errors import WireError
from probes.wire import label
from probes.wire.end import Talker
from probes.wire.frame import Endpoint
from probes.wire.spans import Spans
from probes.wire.stream import Stream, line

PORT = 6667
LINE_MAX = 512
"""Bytes of a line that a server accepts (RFC 2812 section 2.3)."""
MESSAGES_MAX = 128
"""Messages that a server's end answers: more than a client says to come in and look round."""

_SERVER = b"netcheck.invalid"
_MESSAGE = re.compile(
    rb"(?:@[^ \r\n\0]* +)?(?::[^ \r\n\0]* +)?([A-Za-z]{1,32}|[0-9]{3})((?: [^\r\n\0]*)?)\r?\n"
)
_PARAMETER = re.compile(rb"(?<! ) +(?::(.*)|([^ ]+))", re.DOTALL)
_NICK = re.compile(rb"[A-Za-z\[-`{-}][0-9A-Za-z\[-`{-}-]{0,29}")
_CTCP = re.compile(r"\x01([^\x01]*)(\x01?)")
_DCC = re.compile(
    r"DCC +(SEND|CHAT|TSEND|SCHAT|MOVE)(?![^ ])"
    r'(?: +(?:"[^"]*"|[^ ]+))?(?: +([^ ]+) +([^ ]+))?'
)
"""Type, then an argument, which may be in quotation marks, then address and port."""


class _Line(msgspec.Struct, frozen=True):
    """``at`` says where in the message each parameter begins."""

    command: bytes
    parameters: tuple[bytes, ...]
    at: tuple[int, ...]

    def __getitem__(self, index: int) -> bytes:
        return self.parameters[index] if index < len(self.parameters) else b""


def _parsed(message: bytes) -> _Line:
    found = _MESSAGE.fullmatch(message)
    if found is None:
        raise WireError("irc", "it is no message")
    parameters = list(_PARAMETER.finditer(message, found.start(2), found.end(2)))
    return _Line(
        found[1].upper(),
        tuple(p[2] if p[1] is None else p[1] for p in parameters),
        tuple(p.start(2) if p[1] is None else p.start(1) for p in parameters),
    )


class _Client(Talker):
    """Comes in and makes ``offer`` to itself."""

    def __init__(self, own: Own, offer: bytes) -> None:
        super().__init__(_lines())
        self._label = own.label.hex().encode()
        self._nick = b"n" + own.random("nick", 4).hex().encode()  # RFC 2812 1.2.1: 9 at most
        self._offer = b"PRIVMSG %b :\x01%b\x01\r\n" % (self._nick, offer)
        self._is_in = False

    def begin(self) -> Step:
        user = b"USER netcheck 0 * :%b\r\n" % self._label
        return Step(send=(b"NICK %b\r\n" % self._nick, user))

    def finish(self) -> Step:
        return Step(send=(b"QUIT\r\n",), over=True)

    def _answers(self, message: bytes) -> list[bytes]:
        got = _parsed(message)
        if got.command == b"PING":
            return [b"PONG :%b\r\n" % got[0]]
        if got.command == b"001" and not self._is_in:
            self._is_in = True
            return [self._offer]
        self._over |= _refused(got.command) or (got.command == b"PRIVMSG" and self._is_in)
        return []


def _lines() -> Stream:
    return Stream("irc", line, idle=lambda message: not message.strip())


def _refused(command: bytes) -> bool:
    """RFC 2812 section 5.2; 422 says only that there is no message of the day."""
    return command == b"ERROR" or (command[:1] in (b"4", b"5") and command != b"422")


class _Server(Talker):
    """Lets a client in, joins it to channels that are empty, and hands it what it tells itself."""

    def __init__(self, own: Own) -> None:
        super().__init__(_lines())
        self._left = MESSAGES_MAX
        self._nick = b""
        self._has_user = self._negotiates = self._is_in = False

    def _answers(self, message: bytes) -> list[bytes]:
        got = _parsed(message)
        self._left -= 1
        if got.command == b"QUIT" or self._left < 0:
            self._ended = True
            return [b"ERROR :Closing link\r\n"]
        if len(message) > LINE_MAX:
            return [self._numeric(417, b":Input line was too long")]
        return self._answered(got)

    def _answered(self, got: _Line) -> list[bytes]:
        if got.command in _REGISTERING:
            said = _REGISTERING[got.command](self, got)
            if self._nick and self._has_user and not (self._negotiates or self._is_in):
                self._is_in = True
                said += self._welcome()
            return said
        if not self._is_in:
            return [self._numeric(451, b":You have not registered")]
        if got.command in _ANSWERING:
            return _ANSWERING[got.command](self, got)
        if got.command in _SHORT:
            code, text = _SHORT[got.command]
            return [self._numeric(code, text)]
        return [self._numeric(421, got.command + b" :Unknown command")]

    def _numeric(self, code: int, text: bytes) -> bytes:
        return b":%b %03d %b %b\r\n" % (_SERVER, code, self._nick or b"*", text)

    def _from_self(self, text: bytes) -> bytes:
        return b":%b!user@client.invalid %b\r\n" % (self._nick, text)

    def _welcome(self) -> list[bytes]:
        return [
            self._numeric(1, b":Welcome " + self._nick),
            self._numeric(2, b":Your host is " + _SERVER),
            self._numeric(3, b":This server reads addresses in messages"),
            self._numeric(4, _SERVER + b" netcheck i n"),
            self._numeric(422, b":There is no message of the day"),
        ]

    def _on_nick(self, got: _Line) -> list[bytes]:
        if not got[0]:
            return [self._numeric(431, b":No nickname given")]
        if not _NICK.fullmatch(got[0]):
            return [self._numeric(432, b"%b :Erroneous nickname" % got[0][:32])]
        said = [self._from_self(b"NICK :" + got[0])] if self._is_in else []
        self._nick = got[0]
        return said

    def _on_user(self, got: _Line) -> list[bytes]:
        if len(got.parameters) < 4:
            return [self._numeric(461, b"USER :Not enough parameters")]
        self._has_user = True
        return [self._numeric(462, b":You may not reregister")] if self._is_in else []

    def _on_cap(self, got: _Line) -> list[bytes]:
        """IRCv3 capability negotiation: there are none, and the client says when it is done."""
        what, target = got[0].upper(), self._nick or b"*"
        self._negotiates = what != b"END" and (self._negotiates or what in (b"LS", b"REQ"))
        if what in (b"LS", b"LIST"):
            return [b":%b CAP %b %b :\r\n" % (_SERVER, target, what)]
        return [b":%b CAP %b NAK :%b\r\n" % (_SERVER, target, got[1])] if what == b"REQ" else []

    def _on_ping(self, got: _Line) -> list[bytes]:
        return [b":%b PONG %b :%b\r\n" % (_SERVER, _SERVER, got[0])]

    def _on_nothing(self, got: _Line) -> list[bytes]:
        return []

    def _on_message(self, got: _Line) -> list[bytes]:
        """RFC 2812 section 3.3: only a PRIVMSG may be answered by an error."""
        if got[0].lower() == self._nick.lower() and got[1]:
            return [self._from_self(b"%b %b :%b" % (got.command, got[0], got[1]))]
        if got.command == b"NOTICE" or got[0][:1] in (b"#", b"&"):
            return []
        if not got[1]:
            return [self._numeric(412, b":No text to send")]
        return [self._numeric(401, got[0] + b" :No such nick")]

    def _on_join(self, got: _Line) -> list[bytes]:
        channel = got[0].partition(b",")[0]
        if channel[:1] not in (b"#", b"&"):
            return [self._numeric(403, channel + b" :No such channel")]
        return [
            self._from_self(b"JOIN " + channel),
            self._numeric(353, b"= %b :%b" % (channel, self._nick)),
            self._numeric(366, channel + b" :End of names"),
        ]

    def _on_part(self, got: _Line) -> list[bytes]:
        return [self._from_self(b"PART " + got[0].partition(b",")[0])]

    def _on_mode(self, got: _Line) -> list[bytes]:
        if got[0][:1] not in (b"#", b"&"):
            return [self._numeric(221, b"+i")]
        if got[1].strip(b"+") == b"b":
            return [self._numeric(368, got[0] + b" :End of channel ban list")]
        return [self._numeric(324, got[0] + b" +n")]

    def _on_who(self, got: _Line) -> list[bytes]:
        return [self._numeric(318 if got.command == b"WHOIS" else 315, got[0] + b" :End of list")]


_Answering = Callable[[_Server, _Line], list[bytes]]
_REGISTERING: dict[bytes, _Answering] = {
    b"CAP": _Server._on_cap,
    b"NICK": _Server._on_nick,
    b"PASS": _Server._on_nothing,
    b"PING": _Server._on_ping,
    b"PONG": _Server._on_nothing,
    b"USER": _Server._on_user,
}
_ANSWERING: dict[bytes, _Answering] = {
    b"JOIN": _Server._on_join,
    b"MODE": _Server._on_mode,
    b"NOTICE": _Server._on_message,
    b"PART": _Server._on_part,
    b"PRIVMSG": _Server._on_message,
    b"WHO": _Server._on_who,
    b"WHOIS": _Server._on_who,
}
_SHORT = {
    b"AWAY": (305, b":You are no longer marked as being away"),
    b"ISON": (303, b":"),
    b"LIST": (323, b":End of list"),
    b"LUSERS": (251, b":There is 1 user"),
    b"MOTD": (422, b":There is no message of the day"),
    b"NAMES": (366, b"* :End of names"),
    b"USERHOST": (302, b":"),
}


def _file_client(own: Own) -> End:
    return _Client(own, b"DCC SEND netcheck.txt %b %d" % (_dcc(own.listening), LABEL_SIZE))


def _talk_client(own: Own) -> End:
    return _Client(own, b"DCC CHAT chat %b" % _dcc(own.listening))


def _dcc(endpoint: Endpoint) -> bytes:
    v6 = ":" in endpoint.address
    address = endpoint.address if v6 else int(ipaddress.IPv4Address(endpoint.address))
    return f"{address} {endpoint.port}".encode()


def read(message: bytes) -> Reading:
    """Read one message.  The fields are "DCC SEND", "DCC CHAT" and their like.

    Raises WireError for what is no message, and for more than READINGS_MAX addresses.
    """
    spans = Spans("irc", bounded("irc", message).decode("latin-1"))
    said = _parsed(message)
    if not message.endswith(b"\r\n"):
        spans.fault("the line does not end with CR LF")
    kind = said.command.decode()
    name = label.of_text(said[3].decode("latin-1")) if kind == "USER" else None
    if kind in ("PRIVMSG", "NOTICE") and len(said.at) > 1:
        offers = _offers(spans, said.at[1], said.at[1] + len(said[1]))
        kind = offers[0] if offers else kind
    return spans.reading(kind, name)


def _offers(spans: Spans, at: int, end: int) -> list[str]:
    """What is offered in the text of a message."""
    offers = []
    for ctcp in _CTCP.finditer(spans.text, at, end):
        if not ctcp[2]:
            spans.fault("the CTCP message has no end")
        offer = _DCC.match(spans.text, *ctcp.span(1))
        if offer is not None:
            offers.append(f"DCC {offer[1]}")
            _offer(spans, offers[-1], offer)
    return offers


def _offer(spans: Spans, name: str, offer: re.Match[str]) -> None:
    host, digits = offer[2], offer[3]
    if host is None or digits is None:
        spans.fault(f"{name} has no address and port")
        return
    port = spans.port(name, digits)
    address: str | None = None
    if host.isdigit():
        number = spans.number(name, host, 0xFFFF_FFFF)
        address = None if number is None else str(ipaddress.IPv4Address(number))
    elif "[" not in host:
        address = spans.address(name, host)
        if address is None:
            spans.fault(f"{name} has no IP address")
        elif ":" not in address:
            spans.fault(f"the address of {name} has dots and should be one number")
    if port is not None and address is not None:
        carried = Carried(field=name, address=address, port=port, reached_by="tcp")
        spans.carry(*offer.span(2), carried)
        spans.cut(*offer.span(3))


def _dialogue(name: str, client: Callable[[Own], End]) -> Dialogue:
    return Dialogue(
        name=name,
        transport="tcp",
        ports=(PORT,),
        listens="tcp",
        client=client,
        server=_Server,
        read=read,
    )


DIALOGUES = (_dialogue("irc-send", _file_client), _dialogue("irc-chat", _talk_client))

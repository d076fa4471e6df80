"""Both ends of a conversation in which an address is told.

The server's end is the switchboard and the contact behind it in one.  It also knows what a client
says before it has a conversation (versions, signing in), so that any Messenger of protocol
versions 2 to 7, which sign in by MD5, comes as far as inviting somebody.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from probes.editors.contract import Own, Step
from probes.editors.msn import invitation
from probes.editors.msn.command import Command, parse, stream
from probes.editors.msn.invitation import fields_of
from probes.errors import SetupError
from probes.wire.end import Talker
from probes.wire.frame import Endpoint

CONTACT = "netcheck@example.com"

_VERSIONS = ("MSNP7", "MSNP6", "MSNP5", "MSNP4", "MSNP3", "MSNP2")
_COOKIE = re.compile(r"[A-Za-z0-9{}.-]{1,64}")
_COOKIES = 10**9
_NUMBER = re.compile(r"[0-9]{1,10}")
_NAME = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,64}")


def _cookie(own: Own, purpose: str) -> str:
    """A number of at most nine digits, as the official clients' cookies are."""
    return str(int.from_bytes(own.random(purpose, 4)) % _COOKIES)


class _Client(Talker):
    """Signs in, calls the contact, and invites it."""

    def __init__(self, own: Own) -> None:
        if ":" in own.socket.address:
            raise SetupError("MSN Messenger's messages carry no IPv6 address")
        super().__init__(stream())
        self._own = own
        self._sent = 1
        self._cookie = _cookie(own, "invitation")

    def begin(self) -> Step:
        own = self._own
        ticket = f"{_cookie(own, 'ticket')}.{_cookie(own, 'time')}"
        return Step(send=(f"USR 1 {invitation.passport(own.label)} {ticket}\r\n".encode(),))

    def finish(self) -> Step:
        return Step(send=(b"OUT\r\n",), over=True)

    def _answers(self, message: bytes) -> list[bytes]:
        command = parse(message)
        send: list[bytes] = []
        if self._over:
            return send
        if command.name == "USR" and command.word(1) == "OK" and self._sent == 1:
            self._sent = 2
            send.append(f"CAL 2 {CONTACT}\r\n".encode())
        elif command.name == "JOI" and self._sent == 2:
            send += [self._message("N", fields) for fields in self._invites()]
        elif command.name == "MSG":
            self._over = self._heard(command, send)
        elif command.name == "ACK":
            self._over = self._acknowledged(command.word(0))
        return send

    def _message(self, acknowledge: str, fields: invitation.Fields) -> bytes:
        self._sent += 1
        return invitation.message(f"{self._sent} {acknowledge}", fields)

    def _heard(self, command: Command, send: list[bytes]) -> bool:
        """Answers what the contact says; whether all was said."""
        fields = fields_of(command)
        if fields is None:
            return False
        said = {name: command.text[slice(*where)] for name, where in fields.items()}
        kind, cookie = said.get("invitation-command"), said.get("invitation-cookie", "")
        if kind == "CANCEL":
            return True
        if _COOKIE.fullmatch(cookie) is None:
            return False
        return self._answered(kind, cookie, said, send)

    def _acknowledged(self, number: str) -> bool:
        return False

    def _invites(self) -> Sequence[invitation.Fields]:
        raise NotImplementedError

    def _answered(
        self, kind: str | None, cookie: str, said: dict[str, str], send: list[bytes]
    ) -> bool:
        raise NotImplementedError


class FileClient(_Client):
    """Offers a file, says where it can be fetched, and accepts the contact's file in turn."""

    def _invites(self) -> Sequence[invitation.Fields]:
        return (invitation.file_invite(self._cookie),)

    def _answered(
        self, kind: str | None, cookie: str, said: dict[str, str], send: list[bytes]
    ) -> bool:
        own = self._own
        if kind == "ACCEPT" and cookie == self._cookie and self._sent == 3:
            here = invitation.file_here(cookie, own.listening, _cookie(own, "key"))
            send.append(self._message("A", here))
        elif kind == "INVITE" and self._sent == 4:
            send.append(self._message("N", invitation.file_wanted(cookie)))
        elif kind == "ACCEPT" and cookie != self._cookie and self._sent == 5:
            return "ip-address" in said
        return False


class FilesClient(_Client):
    """Offers a file at each of ``ports``, all at once: a sender may have as many transfers under
    way (fact M3).  It is over when the contact has all the addresses."""

    def __init__(self, own: Own, ports: Sequence[int]) -> None:
        super().__init__(own)
        first = int(self._cookie)
        self._offered = {str((first + n) % _COOKIES): port for n, port in enumerate(ports)}
        self._unacknowledged: set[str] = set()

    def _invites(self) -> Sequence[invitation.Fields]:
        return [invitation.file_invite(cookie) for cookie in self._offered]

    def _answered(
        self, kind: str | None, cookie: str, said: dict[str, str], send: list[bytes]
    ) -> bool:
        if kind == "ACCEPT" and cookie in self._offered:
            own = self._own
            listening = Endpoint(own.listening.address, self._offered.pop(cookie))
            key = _cookie(own, f"key of {cookie}")
            send.append(self._message("A", invitation.file_here(cookie, listening, key)))
            self._unacknowledged.add(str(self._sent))
        return False

    def _acknowledged(self, number: str) -> bool:
        self._unacknowledged.discard(number)
        return not self._offered and not self._unacknowledged


class VoiceClient(_Client):
    """Invites to a conversation, hears where the contact listens, and says where it does."""

    def _acknowledged(self, number: str) -> bool:
        return number == "4"

    def _invites(self) -> Sequence[invitation.Fields]:
        return (invitation.voice_invite(self._cookie, invitation.guid(self._own.label)),)

    def _answered(
        self, kind: str | None, cookie: str, said: dict[str, str], send: list[bytes]
    ) -> bool:
        if kind != "ACCEPT" or cookie != self._cookie or self._sent != 3:
            return False
        own = self._own
        session = invitation.guid(own.label)
        here = invitation.voice_here(cookie, session, own.listening, asks=False)
        send.append(self._message("A", here))
        return False  # it is over when the contact has that


class Server(Talker):
    """Whoever is called joins, and takes part in everything it is invited to."""

    def __init__(self, own: Own) -> None:
        super().__init__(stream())
        self._own = own
        self._passport = CONTACT  # of who signs in, until it has said so
        self._contact = CONTACT
        self._cookie = _cookie(own, "invitation by the contact")
        self._invited = False

    def _answers(self, message: bytes) -> list[bytes]:
        command = parse(message)
        self._ended = command.name == "OUT"
        if command.name == "PNG":
            return [b"QNG\r\n"]
        if self._ended or not _NUMBER.fullmatch(command.word(0)):
            return []
        send = [line.encode() + b"\r\n" for line in self._heard(command, command.word(0))]
        return send + self._contacted(command) if command.name == "MSG" else send

    def _heard(self, command: Command, number: str) -> list[str]:
        """The lines that answer a line."""
        words = command.words[1:]
        match command.name, words:
            case "VER", _:
                common = [version for version in _VERSIONS if version in words]
                return [f"VER {number} {common[0]} CVR0" if common else f"VER {number} 0"]
            case "INF", _:
                return [f"INF {number} MD5"]
            case "CVR", _:
                version = command.word(6)
                version = version if re.fullmatch(r"[0-9.]{1,16}", version) else "3.0.0283"
                page = "http://example.com/"
                return [f"CVR {number} {version} {version} {version} {page} {page}"]
            case "USR", _:
                return [self._signed_in(number, words)]
            case "ANS", _:
                name = self._contact
                return [f"IRO {number} 1 1 {name} {name}", f"ANS {number} OK"]
            case "CAL", (who, *_) if _NAME.fullmatch(who):
                self._contact = who
                return [f"CAL {number} RINGING {_cookie(self._own, 'session')}", f"JOI {who} {who}"]
            case "SYN", (version, *_) if _NUMBER.fullmatch(version):
                return [f"SYN {number} {version}"]  # nothing has changed since then
            case "CHG", (status, *_) if re.fullmatch("[A-Z]{3}", status):
                return [f"CHG {number} {status}"]
            case "XFR", ("SB", *_):
                return [f"XFR {number} SB {self._own.socket} CKI {_cookie(self._own, 'ticket')}"]
            case "MSG", (("A" | "D"), *_):
                return [f"ACK {number}"]
        return []

    def _signed_in(self, number: str, words: tuple[str, ...]) -> str:
        match words:
            case ("MD5", "I", name, *_) if _NAME.fullmatch(name):
                self._passport = name
                return f"USR {number} MD5 S {_cookie(self._own, 'challenge')}"
            case ("MD5", "S", *_):
                return f"USR {number} OK {self._passport} {self._passport}"
            case (name, _, *_) if _NAME.fullmatch(name):
                return f"USR {number} OK {name} {name}"
        return f"911 {number}"  # authentication failed

    def _contacted(self, command: Command) -> list[bytes]:
        """What the contact says to a message."""
        fields = fields_of(command)
        if fields is None:
            return []
        said = {name: command.text[slice(*where)] for name, where in fields.items()}
        kind, cookie = said.get("invitation-command"), said.get("invitation-cookie", "")
        if _COOKIE.fullmatch(cookie) is None:
            return []
        answer: invitation.Fields | None = None
        if kind == "INVITE":
            answer = self._accepted(cookie, said)
        elif kind == "ACCEPT" and cookie == self._cookie and self._invited:
            key = _cookie(self._own, "key")
            answer = invitation.file_here(cookie, self._own.listening, key)
        elif kind == "ACCEPT" and "port" in said and not self._invited:
            self._invited = True
            answer = invitation.file_invite(self._cookie)
        if answer is None:
            return []
        return [invitation.message(f"{self._contact} {self._contact}", answer)]

    def _accepted(self, cookie: str, said: dict[str, str]) -> invitation.Fields:
        application = said.get("application-guid", "").lower()
        session = said.get("session-id", "")
        if application == invitation.FILE_TRANSFER.lower() or "application-file" in said:
            return invitation.file_wanted(cookie)
        if "session-protocol" in said and _COOKIE.fullmatch(session):
            return invitation.voice_here(cookie, session, self._own.listening, asks=True)
        return invitation.rejection(cookie)

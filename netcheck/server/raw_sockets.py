"""GRE, ESP and AH, answered to whoever proves to be a client: the echo beside TCP and UDP.

A question is answered to an address that is proved to be the client's alone, by as many bytes as
it had, and told of on the control connection, so that a client learns which way is shut.
"""

from __future__ import annotations

import asyncio
import socket
import sys

from netcheck.server.echo import Desk, answer_to
from netcheck.server.session import Session, canonical
from probes.errors import WireError
from probes.wire import frame, raw_protocols
from probes.wire.messages import RawArrived
from probes.wire.raw_protocols import NUMBERS, RawName

_AT_ONCE = 64
"""Packets that are read before anybody else gets his turn."""

_TOLD_MAX = 32
"""Arrivals that a session is told of: a check has three."""

_CALL = "Outgoing-Call-Request"
"""The message in which PPTP's client names its call."""


class RawEcho:
    """What is answered by one protocol."""

    def __init__(self, desk: Desk, name: RawName) -> None:
        self._desk = desk
        self._name: RawName = name

    def answer(self, datagram: bytes, source: str) -> bytes:
        """To a datagram of IPv4; empty for nothing, and never longer than what it carries."""
        try:
            data = raw_protocols.without_header(datagram)
            packet = raw_protocols.read(self._name, data)
            session = self._desk.sessions.find(frame.session_of(packet.payload))
            if session is None:
                return b""
            got = frame.read(packet.payload, session.secret)
        except WireError:
            return b""
        if not got.authentic or got.kind != frame.PROBE or not session.may_echo():
            return b""
        arrival = self._name, got.number, source
        if arrival not in session.raw and len(session.raw) < _TOLD_MAX:
            session.raw.add(arrival)
            session.tell(RawArrived(protocol=self._name, number=got.number, source=source))
        key = raw_protocols.key_in(got.body) or _call_id(session, got.number)
        if source not in session.proven or not 0 < key <= raw_protocols.KEY_MAX[self._name]:
            return b""
        end = frame.Endpoint(source, 0)
        said = answer_to(packet.payload, got, session, end, NUMBERS[self._name], bytes(8))
        return raw_protocols.write(self._name, key, 0, said)


class RawSocket:
    """One protocol on one address of ours; ``close()``."""

    def __init__(self, desk: Desk, name: RawName, address: str) -> None:
        """Raises OSError, above all where this program has not the right to."""
        if not _is_possible(address):
            raise OSError("not on this system, or not at this address")
        self._echo = RawEcho(desk, name)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, NUMBERS[name])
        try:
            self._socket.setblocking(False)
            self._socket.bind((address, 0))
            asyncio.get_running_loop().add_reader(self._socket, self._read)
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        if self._socket.fileno() >= 0:  # not yet closed
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    def _read(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, (source, _) = self._socket.recvfrom(raw_protocols.PACKET_MAX)
                answer = self._echo.answer(data, canonical(source))
                if answer:
                    self._socket.sendto(answer, (source, 0))
            except OSError:
                return  # there is nothing more, or an answer is the client's business


def _is_possible(address: str) -> bool:
    """Elsewhere a program may send these, and is not given what comes."""
    return sys.platform == "linux" and ":" not in address


def _call_id(session: Session, number: int) -> int:
    """The one that the client gave to its call in the dialogue ``number``, as it arrived: an
    editor may have given it another, by which it knows our packets."""
    for kept in session.overheard.of(number):
        if kept.place.language.name == "pptp":
            reading = kept.place.language.read(kept.message)
            if reading and reading.kind == _CALL and reading.carried:
                return reading.carried[0].port or 0
    return 0

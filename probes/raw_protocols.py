"""Do GRE, ESP and AH reach the echo server, and do its answers come back?  Only a privileged
user may send them, and only Linux lets a program both send and receive them."""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
import time

from probes.attempts import classify
from probes.errors import WireError
from probes.observation.passing import RawProtocol
from probes.path import cancelled_at_end
from probes.session import Session
from probes.silence import ATTEMPTS_MIN
from probes.wire import frame, raw_protocols
from probes.wire.raw_protocols import RawName

NO_PRIVILEGE = "only an administrator may send it"
NO_SYSTEM = "it is tested on Linux alone"
NO_IPV4 = "it is tested over IPv4 alone"
NOT_OFFERED = "the echo server does not answer it"

_LOOK_S = 0.02


def untested(session: Session, name: RawName, why: str) -> RawProtocol:
    return RawProtocol(
        id=f"raw-{name}", at_s=session.now(), took_s=0.0, protocol=name, untested=why
    )


async def ask(
    session: Session, name: RawName, number: int, *, key: int, back: int, offered: bool
) -> RawProtocol:
    """Ask the server by this protocol.  ``key`` is in what is sent: the call ID or the SPI that
    the server goes by.  ``back``: the one wanted in the answer; 0 for that of the dialogue
    ``number``."""
    if not offered:
        return untested(session, name, NOT_OFFERED)
    if not sys.platform.startswith("linux"):
        return untested(session, name, NO_SYSTEM)
    if ":" in session.server_address:
        return untested(session, name, NO_IPV4)
    began = session.now()
    try:
        sock = _open(session, name)
    except PermissionError:
        return untested(session, name, NO_PRIVILEGE)
    except OSError as error:
        return untested(session, name, f"this computer: {classify(error)[1]}")
    with sock:
        asking = _Asking(session, name, number, sock)
        await asking.run(key, back)
    arrived = [
        each.source
        for each in session.control.raw_arrivals
        if (each.protocol, each.number) == (name, number)
    ]
    return RawProtocol(
        id=f"raw-{name}",
        at_s=began,
        took_s=round(session.now() - began, 4),
        protocol=name,
        sent=asking.sent,
        reached_server=bool(arrived) or asking.answered,
        answered=asking.answered,
        local=session.local_address,
        source=next(iter(arrived), None),
        untested=asking.problem,
    )


def _open(session: Session, name: RawName) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, raw_protocols.NUMBERS[name])
    try:
        sock.setblocking(False)
        sock.bind((session.local_address, 0))
        sock.connect((session.server_address, 0))
    except BaseException:
        sock.close()
        raise
    return sock


class _Asking:
    """The same question until it is answered, or silence means something."""

    def __init__(self, session: Session, name: RawName, number: int, sock: socket.socket) -> None:
        self.sent = 0
        self.answered = False
        self.problem = ""
        self._session = session
        self._name: RawName = name
        self._number = number
        self._sock = sock
        self._nonce = secrets.token_bytes(frame.NONCE_SIZE)
        self._question = b""
        self._back = 0
        self._heard = asyncio.Event()

    async def run(self, key: int, back: int) -> None:
        session = self._session
        self._back = back
        asked = frame.Frame(
            frame.PROBE, self._number, session.id, self._nonce, raw_protocols.body(back)
        )
        self._question = frame.write(asked, session.secret)
        tasks = {asyncio.create_task(self._listen())}
        async with cancelled_at_end(tasks):
            while not self.answered and not self.problem:
                wanted = max(ATTEMPTS_MIN, session.attempts_wanted("udp"))
                last = self.sent + 1 >= wanted
                gap = session.pace.patience_s if last else session.pace.gap_s(self.sent)
                self._send(raw_protocols.write(self._name, key, self.sent, self._question))
                try:
                    async with asyncio.timeout(gap):
                        await self._heard.wait()
                except TimeoutError:
                    if last:
                        break
        await self._told()

    def _send(self, packet: bytes) -> None:
        try:
            self._sock.send(packet)
            self.sent += 1
        except ConnectionError:
            self.sent += 1  # an ICMP error about the one before it
        except OSError as error:
            outcome, detail = classify(error)
            self.sent += 1
            if outcome == "local-error":
                self.problem = f"this computer: {detail}"

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.answered:
            try:
                data = await loop.sock_recv(self._sock, raw_protocols.PACKET_MAX)
            except OSError:
                await asyncio.sleep(0)  # ICMP's word: others may have been let through
                continue
            try:
                self.answered = self._is_answer(raw_protocols.without_header(data))
            except WireError:
                continue
            if self.answered:
                self._heard.set()

    def _is_answer(self, data: bytes) -> bool:
        """Whether the server got what was sent, and this is from it.  Raises WireError."""
        packet = raw_protocols.read(self._name, data)
        got = frame.read(packet.payload, self._session.secret)
        if not got.authentic or (got.kind, got.nonce) != (frame.ANSWER, self._nonce):
            return False
        digest = frame.read_answer(got.body).digest
        return digest == frame.digest(self._question) and self._back in (0, packet.key)

    async def _told(self) -> None:
        """What the server says of arrivals is here before its answer to a later heartbeat."""
        session = self._session
        since = time.monotonic()
        until = since + session.pace.patience_s
        while time.monotonic() < until and session.control.alive and not self.answered:
            if session.answered_until is not None and session.answered_until > since:
                return
            await asyncio.sleep(_LOOK_S)

"""A flow of datagrams in which another protocol is spoken: the same bytes until they arrive."""

from __future__ import annotations

import asyncio
import time

from probes import heard
from probes.attempts import classify
from probes.editors.contract import Dialogue, Step
from probes.exchange import Exchange
from probes.observation import AttemptOutcome
from probes.session import Session
from probes.silence import ATTEMPTS_MIN, REFUSALS_ENOUGH
from probes.wire import frame

_ERRORS_MAX = 64
"""Each datagram may bring an ICMP error; more are a flood."""


class _Datagram:
    """One to be sent until it is known to have arrived."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.made = 0
        self.due = 0.0
        self.superseded = False  # an answer has brought the dialogue on


class Datagrams:
    """The client's side of a flow: the same bytes again, a round trip later and more."""

    def __init__(self, exchange: Exchange, session: Session, dialogue: Dialogue) -> None:
        self.refusals: list[tuple[AttemptOutcome, str]] = []
        self.new = False
        self._exchange = exchange
        self._session = session
        self._dialogue = dialogue
        self._datagrams: list[_Datagram] = []
        self._kinds: dict[bytes, str] = {}
        self._errors_left = _ERRORS_MAX

    def say(self, step: Step) -> None:
        for datagram in self._datagrams if step.send or step.over else ():
            datagram.superseded = True
        for data in step.send:
            # What is said again, to an answer that came again, is the same message.
            said = next((d for d in self._datagrams if d.data == data), None)
            if said is None:
                self._datagrams.append(_Datagram(data))
                self._exchange.sent.append(data)
            else:
                said.due = 0.0
        self.new = bool(step.send)
        if step.over:
            for datagram in self._datagrams:
                datagram.superseded = True
            self._exchange.is_over()

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        exchange = self._exchange
        while not exchange.ended and self._errors_left:
            try:
                data = await loop.sock_recv(exchange.sock, frame.DATAGRAM_MAX)
            except OSError as error:
                self._fails(error)
                await asyncio.sleep(0)  # others may settle it
                continue
            if not data or data.startswith(frame.MAGIC):
                continue
            step = exchange.receive(data)
            if not exchange.ended:
                self.say(step)

    async def send(self) -> None:
        """What is due."""
        loop = asyncio.get_running_loop()
        self.new = False
        for datagram in self._waiting:
            if datagram.made >= self._wanted or datagram.due > time.monotonic():
                continue
            gap = self._session.pace.gap_s(datagram.made)
            datagram.made += 1
            if datagram.made >= self._wanted:
                gap = self._session.pace.patience_s
            try:
                await loop.sock_sendall(self._exchange.sock, datagram.data)
            except OSError as error:
                self._fails(error)
            datagram.due = time.monotonic() + gap

    @property
    def settled(self) -> bool:
        """Whether everything arrived and was answered, or never will be."""
        if self._exchange.ended or len(self.refusals) >= REFUSALS_ENOUGH:
            return True
        now = time.monotonic()
        return all(d.made >= self._wanted and d.due <= now for d in self._waiting)

    def left_s(self) -> float:
        """Seconds until there is something to do."""
        return min((d.due for d in self._waiting), default=0.0) - time.monotonic()

    @property
    def in_vain(self) -> int:
        """How often that was sent of which least was heard."""
        return max((d.made for d in self._waiting), default=0)

    @property
    def _wanted(self) -> int:
        return max(ATTEMPTS_MIN, self._session.attempts_wanted("udp"))

    @property
    def _waiting(self) -> list[_Datagram]:
        told = {self._kind(data) for data in self._exchange.told}
        return [d for d in self._datagrams if not (d.superseded and self._kind(d.data) in told)]

    def _kind(self, data: bytes) -> str:
        if data not in self._kinds:
            reading = heard.read(self._dialogue, data).reading
            self._kinds[data] = reading.kind if reading else ""
        return self._kinds[data]

    def _fails(self, error: OSError) -> None:
        self._errors_left = max(0, self._errors_left - 1)
        outcome, detail = classify(error)
        # ICMP's word counts only where nothing came.
        if not (self._exchange.arrived or self._exchange.overheard):
            self.refusals.append((outcome, detail))

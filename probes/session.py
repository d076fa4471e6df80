"""What a probe is given: where to send, the secret, the clock, the pace, the control connection."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from probes import silence
from probes.errors import SetupError
from probes.pace import Pace
from probes.wire import frame, messages


class Tally:
    """Round trips tried and lost where an answer was certain to exist."""

    def __init__(self) -> None:
        self.sent = 0
        self.lost = 0

    def add(self, sent: int, lost: int) -> None:
        self.sent += sent
        self.lost += lost


class ControlLine(Protocol):
    """What probes may ask of the control connection.  Each raises ControlLost when it is gone."""

    @property
    def alive(self) -> bool: ...

    async def open_ports(
        self, transport: messages.TransportName, count: int
    ) -> messages.Opened | messages.Refusal: ...

    def call(
        self, request: Callable[[int], messages.CallRequest]
    ) -> AsyncIterator[messages.Called | messages.Refusal]: ...

    def stop_call(self, request_id: int, port: int) -> None: ...

    async def proven(self, wait_s: float) -> tuple[str, ...]: ...


class ControlLost(Exception):
    """The control connection ended while a probe waited for it."""


class Session:
    """One check's dealings with one server.

    ``server_address`` is an address that the user configured or that his resolver
    gave; nothing is ever sent to an address that only the server named.
    """

    def __init__(
        self,
        *,
        control: ControlLine,
        session_id: bytes,
        secret: bytes,
        server_address: str,
        local_address: str,
        began: float,
        unavailable: frozenset[tuple[str, int]] = frozenset(),
    ) -> None:
        self.control = control
        self.id = session_id
        self.secret = secret
        self.server_address = server_address
        self.local_address = local_address
        self.unavailable = unavailable
        self.pace = Pace()
        self.control_tally = Tally()
        self.unproved: dict[int, bytes] = {}  # TCP port -> a frame that got no proper answer
        self.tallies = {"tcp": Tally(), "udp": Tally()}
        self._began = began
        self._numbers = itertools.count(1)

    def now(self) -> float:
        """Seconds since the check began."""
        return round(time.monotonic() - self._began, 4)

    def number(self) -> int:
        """A new probe number, by which the ledger knows it."""
        number = next(self._numbers)
        if number > 0xFFFF:
            raise SetupError("This check has more than 65535 probes; choose fewer profiles.")
        return number

    def probe_frame(
        self, transport: messages.TransportName, port: int, number: int, own: frame.Endpoint
    ) -> bytes:
        """A new signed probe, with a nonce of its own."""
        body = frame.probe_body(transport, port, own)
        nonce = secrets.token_bytes(frame.NONCE_SIZE)
        return frame.write(frame.Frame(frame.PROBE, number, self.id, nonce, body), self.secret)

    def attempts_wanted(self, transport: messages.TransportName) -> int:
        """How many silent attempts the loss seen so far asks for."""
        for attempts in range(silence.ATTEMPTS_MIN, silence.ATTEMPTS_MAX):
            if self.silence_means_blocked(transport, attempts):
                return attempts
        return silence.ATTEMPTS_MAX

    def silence_means_blocked(self, transport: messages.TransportName, attempts: int) -> bool:
        """Whether the loss seen so far rules out that it explains so many silences."""
        everything = (self.control_tally, *self.tallies.values())
        path = (sum(t.sent for t in everything), sum(t.lost for t in everything))
        own = self.tallies[transport]
        chance = silence.chance(attempts, path, (own.sent, own.lost))
        return silence.rules_out_loss(attempts, chance)


@asynccontextmanager
async def cancelled_at_end(tasks: set[asyncio.Task[None]]) -> AsyncIterator[None]:
    """Whatever happens inside, no task of ``tasks`` outlives it."""
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

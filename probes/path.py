"""A way to a server under measurement: where it leads, the clock, the pace, the loss seen so far.

It needs no echo server: a plain STUN server at its far end will do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from probes import silence
from probes.pace import Pace
from probes.wire.messages import TransportName


class Tally:
    """Round trips tried and lost where an answer was certain to exist.

    ``round_trips``: what an answered try has made.  With TCP the handshake is one of its own:
    counted as one, a try would make the path look twice as lossy as it is, and the silence of
    a firewall mean nothing.
    """

    def __init__(self, round_trips: int = 1) -> None:
        self._round_trips = round_trips
        self.sent = 0
        self.lost = 0

    def tried(self, answered: int, silent: int) -> None:
        """Whole tries."""
        self.add(self._round_trips * answered + silent, silent)

    def add(self, sent: int, lost: int) -> None:
        self.sent += sent
        self.lost += lost


class StunServer(msgspec.Struct, frozen=True, kw_only=True):
    """Where binding requests go: ``port`` and ``other_port`` of ``address``, and of
    ``other_address`` if there is one.

    Each address is one that the user gave, or that his resolver gave for the name he
    gave; one that only the server names is never here.
    """

    address: str
    port: int
    other_port: int | None = None
    other_address: str | None = None

    @property
    def destinations(self) -> tuple[tuple[str, int], ...]:
        """Every (address, port), the first one first."""
        addresses = [a for a in (self.address, self.other_address) if a]
        ports = [p for p in (self.port, self.other_port) if p]
        return tuple((address, port) for address in addresses for port in ports)


class Path:
    """What a probe needs to know of the way to ``server_address``.

    ``server_address`` is an address that the user configured or that his resolver
    gave; nothing is ever sent to an address that only the server named.
    ``local_address`` is the one of this computer from which packets leave.
    ``answered_until`` is when (time.monotonic) the last heartbeat went out that was answered;
    None where nobody asks all the time.  ``slowest_s`` is the longest that one took without
    being repeated; whoever wants to know it of a time of his own sets it to 0 before.
    """

    def __init__(
        self,
        *,
        server_address: str,
        local_address: str,
        began: float,
        stun: StunServer | None = None,
    ) -> None:
        self.server_address = server_address
        self.local_address = local_address
        self.stun = stun
        self.pace = Pace()
        self.control_tally = Tally()
        self.tallies = {"tcp": Tally(round_trips=2), "udp": Tally()}
        self.answered_until: float | None = None
        self.slowest_s = 0.0
        self._began = began

    def now(self) -> float:
        """Seconds since the check began."""
        return round(time.monotonic() - self._began, 4)

    def attempts_wanted(self, transport: TransportName) -> int:
        """How many silent attempts the loss seen so far asks for."""
        for attempts in range(silence.ATTEMPTS_MIN, silence.ATTEMPTS_MAX):
            if self.silence_means_blocked(transport, attempts):
                return attempts
        return silence.ATTEMPTS_MAX

    @property
    def loss(self) -> tuple[int, int]:
        """Round trips of every kind, tried and lost so far."""
        everything = (self.control_tally, *self.tallies.values())
        return sum(t.sent for t in everything), sum(t.lost for t in everything)

    def chance_of_silence(self, transport: TransportName, attempts: int) -> float:
        """The chance that the loss seen so far alone explains ``attempts`` silences."""
        own = self.tallies[transport]
        return silence.chance(attempts, self.loss, (own.sent, own.lost))

    def silence_means_blocked(self, transport: TransportName, attempts: int) -> bool:
        """Whether the loss seen so far rules out that it explains so many silences."""
        return silence.rules_out_loss(attempts, self.chance_of_silence(transport, attempts))


@asynccontextmanager
async def cancelled_at_end(tasks: set[asyncio.Task[None]]) -> AsyncIterator[None]:
    """Whatever happens inside, no task of ``tasks`` outlives it."""
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

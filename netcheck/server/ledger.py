"""What arrived: per session by probe, bare TCP connections by source, and stray bytes by port.

The client asks for it to tell "never arrived" from "the answer was lost".
All records are bounded; what did not fit is said, not hidden.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from probes.wire import frame
from probes.wire.messages import LedgerLine, TransportName

_Key = tuple[TransportName, int, int, str]


class Ledger:
    """Arrivals of one session, at most ``capacity`` lines."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lines: dict[_Key, LedgerLine] = {}
        self.complete = True

    def add(
        self,
        transport: TransportName,
        port: int,
        number: int,
        source: str,
        *,
        at_s: float,
        altered: bool,
    ) -> None:
        """Record one frame that arrived ``at_s`` seconds after the session began."""
        key = (transport, port, number, source)
        old = self._lines.get(key)
        if old is None:
            if len(self._lines) >= self._capacity:
                self.complete = False
                return
            old = LedgerLine(
                transport=transport,
                port=port,
                number=number,
                source=source,
                count=0,
                altered=0,
                first_s=round(at_s, 4),
                last_s=0.0,
            )
        self._lines[key] = LedgerLine(
            transport=transport,
            port=port,
            number=number,
            source=source,
            count=old.count + 1,
            altered=old.altered + altered,
            first_s=old.first_s,
            last_s=round(at_s, 4),
        )

    def lines(self) -> tuple[LedgerLine, ...]:
        return tuple(self._lines.values())


class Sources:
    """When a TCP connection last came from an address to a port: what lets a session learn
    that its handshake passed and its data did not."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._accepted: OrderedDict[tuple[str, int], float] = OrderedDict()

    def accepted(self, address: str, port: int, now: float) -> None:
        self._accepted[address, port] = now
        self._accepted.move_to_end((address, port))
        if len(self._accepted) > self._capacity:
            self._accepted.popitem(last=False)

    def ports_accepted(self, addresses: set[str], since: float) -> tuple[int, ...]:
        return tuple(
            sorted(
                {
                    port
                    for (address, port), at in self._accepted.items()
                    if address in addresses and at >= since
                }
            )
        )


ALIKE = 0.35
"""Two unrelated frames differ in half of their 1024 bits, give or take 1.6 %; what was
only altered differs in less than this part of them, even with one bit of every byte flipped."""


class Strays:
    """The last bytes that came to each port and were no frame of any session.

    A client that knows what it sent can have them compared: bytes altered on the way
    cannot name their session, but still resemble what they were.
    """

    def __init__(self, capacity: int) -> None:
        self._kept: deque[tuple[float, int, bytes]] = deque(maxlen=capacity)

    def add(self, port: int, data: bytes, now: float) -> None:
        if data:
            self._kept.append((now, port, data[: frame.SIZE]))

    def resembling(self, port: int, sent: bytes, since: float) -> bool:
        """Whether bytes that came to ``port`` since then are ``sent``, altered."""
        return any(
            _difference(data, sent) < ALIKE
            for at, kept_port, data in self._kept
            if kept_port == port and at >= since and len(data) >= frame.SIZE // 2
        )


def _difference(data: bytes, sent: bytes) -> float:
    """The part of the bits that differ, over what there is of ``data``."""
    size = min(len(data), len(sent))
    differing = int.from_bytes(data[:size], "big") ^ int.from_bytes(sent[:size], "big")
    return differing.bit_count() / (size * 8)

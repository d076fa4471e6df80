"""What arrived: per session by probe, and bare TCP connections by source.

The client asks for it to tell "never arrived" from "the answer was lost".
Both records are bounded; what did not fit is said, not hidden.
"""

from __future__ import annotations

from collections import OrderedDict

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
    """When a TCP connection last came from an address to a port, and when last without
    an echo frame: what lets a session learn that its handshake passed and its data did not."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._accepted: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._garbled: OrderedDict[tuple[str, int], float] = OrderedDict()

    def accepted(self, address: str, port: int, now: float) -> None:
        self._note(self._accepted, address, port, now)

    def garbled(self, address: str, port: int, now: float) -> None:
        self._note(self._garbled, address, port, now)

    def ports_accepted(self, addresses: set[str], since: float) -> tuple[int, ...]:
        return self._ports(self._accepted, addresses, since)

    def ports_garbled(self, addresses: set[str], since: float) -> tuple[int, ...]:
        return self._ports(self._garbled, addresses, since)

    def _note(
        self, record: OrderedDict[tuple[str, int], float], address: str, port: int, now: float
    ) -> None:
        record[address, port] = now
        record.move_to_end((address, port))
        if len(record) > self._capacity:
            record.popitem(last=False)

    @staticmethod
    def _ports(
        record: OrderedDict[tuple[str, int], float], addresses: set[str], since: float
    ) -> tuple[int, ...]:
        return tuple(
            sorted({port for (address, port), at in record.items() if address in addresses and at >= since})
        )

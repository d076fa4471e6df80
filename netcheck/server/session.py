"""A session: one client's check, its secret, what it has proved and what it may still do."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from netcheck.server.ledger import Ledger
from netcheck.server.limits import Bucket, ServerLimits
from netcheck.server.overhearing import Overhearing
from probes.wire import frame, messages


@lru_cache(maxsize=4096)
def canonical(address: str) -> str:
    """One spelling for one address: no zone, IPv4-mapped IPv6 as IPv4."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return str(parsed)


def neighbourhood(address: str) -> str:
    """What per-source limits count by: an IPv4 address, or the /64 that one IPv6 host has
    all to itself (RFC 6177)."""
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class OpenConnection(Protocol):
    """A TCP connection of the client's that is open."""

    ended: asyncio.Event

    def speak(self, data: bytes) -> None: ...

    def end(self) -> None: ...


class Terminal(Protocol):
    """The server as an H.323 terminal in one call of the client's: its control channel is at
    ``port``.  What is said on the call's connections, it hears."""

    port: int

    def joined(self, connection: object) -> None: ...

    def hear(self, dialogue: str, message: bytes) -> None: ...

    def left(self, connection: object) -> None: ...


class Session:
    """All that the server keeps for one client, dropped when its control connection ends."""

    def __init__(self, source: str, local_address: str, limits: ServerLimits) -> None:
        now = time.monotonic()
        self.id = secrets.token_bytes(frame.SESSION_SIZE)
        self.secret = secrets.token_bytes(frame.SECRET_SIZE)
        self.source = source  # the control connection's far end
        self.local_address = local_address  # ours, on which that connection came
        self.limits = limits
        self.began = now
        self.proven: set[str] = set()
        self.endpoints: OrderedDict[frame.Endpoint, OpenConnection] = OrderedDict()
        self.declared: dict[str, frozenset[int]] = {"tcp": frozenset(), "udp": frozenset()}
        self.ledger = Ledger(limits.ledger_lines)
        self.calls_left = limits.calls
        self.call_bucket = Bucket(limits.calls_per_s, limits.call_burst, now)
        self.message_bucket = Bucket(limits.messages_per_s, limits.message_burst, now)
        self.ledger_bucket = Bucket(limits.ledgers_per_s, limits.ledger_burst, now)
        self.unread_bucket = Bucket(limits.unread_per_s, limits.unread_burst, now)
        self.taken_bucket = Bucket(limits.taken_per_s, limits.taken_burst, now)
        self.outbox: asyncio.Queue[messages.Message] = asyncio.Queue(maxsize=1024)
        self.punches_left = limits.punches
        self.overheard = Overhearing(limits)
        self.raw: set[tuple[str, int, str]] = set()  # arrivals that it was told of
        self.terminals: dict[int, Terminal] = {}  # by the number in the labels of their call
        self.replies: dict[bytes, Callable[[bytes], None]] = {}  # by the nonce of the call
        self.overflowed = False
        self._frames_left = limits.frames
        self._frame_bucket = Bucket(limits.frames_per_s, limits.frame_burst, now)

    def tell(self, message: messages.Message) -> None:
        """Queue a message; a client that does not read is ended rather than buffered for."""
        try:
            self.outbox.put_nowait(message)
        except asyncio.QueueFull:
            self.overflowed = True

    def may_echo(self) -> bool:
        if self._frames_left <= 0 or not self._frame_bucket.take(time.monotonic()):
            self.ledger.complete = False  # told to the client: our limit is not the network's doing
            return False
        self._frames_left -= 1
        return True

    def prove(self, address: str) -> None:
        """``address`` completed a TCP exchange that carried the secret."""
        if address not in self.proven and len(self.proven) < 16:  # a carrier's pool, not a botnet
            self.proven.add(address)
            self.tell(messages.Proven(address=address))

    def prove_endpoint(self, source: frame.Endpoint, connection: OpenConnection) -> None:
        """The same of an address and port, for as long as its ``connection`` is open: behind a
        carrier's NAT the port may be somebody else's afterwards."""
        self.prove(source.address)
        self.endpoints[source] = connection
        if len(self.endpoints) > self.limits.endpoints:
            self.endpoints.popitem(last=False)

    def forget_endpoint(self, source: frame.Endpoint, connection: OpenConnection) -> None:
        if self.endpoints.get(source) is connection:
            del self.endpoints[source]

    def record(
        self,
        transport: messages.TransportName,
        port: int,
        number: int,
        source: frame.Endpoint,
        altered: bool,
    ) -> None:
        self.ledger.add(
            transport,
            port,
            number,
            str(source),
            at_s=time.monotonic() - self.began,
            altered=altered,
        )


class Sessions:
    """The sessions that are open, with the ceilings that protect the machine."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._by_id: dict[bytes, Session] = {}
        self._per_source: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, session_id: bytes) -> Session | None:
        return self._by_id.get(session_id)

    def all(self) -> tuple[Session, ...]:
        return tuple(self._by_id.values())

    def not_served(self, address: str, *, full: bool = False) -> None:
        """A limit of ours kept ``address``, or anybody, from being heard: told to the checks
        that it may have hit, since that is not the network's doing."""
        source = neighbourhood(address)
        for session in self._by_id.values():
            if full or neighbourhood(session.source) == source or address in session.proven:
                session.ledger.complete = False

    def open(self, source: str, local_address: str) -> Session | None:
        """A new session, or None when there are too many."""
        if (
            len(self._by_id) >= self._limits.sessions
            or self._per_source[neighbourhood(source)] >= self._limits.sessions_per_source
        ):
            return None
        session = Session(source, local_address, self._limits)
        self._by_id[session.id] = session
        self._per_source[neighbourhood(source)] += 1
        return session

    def close(self, session: Session) -> None:
        if self._by_id.pop(session.id, None) is not None:
            for connection in tuple(session.endpoints.values()):
                connection.end()
            source = neighbourhood(session.source)
            self._per_source[source] -= 1
            if self._per_source[source] <= 0:
                del self._per_source[source]

"""What a NAT does, as plain sockets on both of its sides see it: no program under test takes part.

Every question has sockets of its own. None sends to where it was sent to from before: an
unsolicited packet may leave traces in a router that alter the next answer.
"""

from __future__ import annotations

import itertools
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from tests.lab.description import SERVER, SERVER_2, Behaviour, Protocol
from tests.lab.network import Lab
from tests.lab.traffic import PATIENCE_S, SILENCE_S

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

Address = tuple[str, int]
PORTS = (3478, 3479)  # what every firewall of the scenarios lets out
PARTNER_PORT = 3480
FIRST: Address = (SERVER, PORTS[0])
OTHER_PORT: Address = (SERVER, PORTS[1])
OTHER_ADDRESS: Address = (SERVER_2, PORTS[0])
BOTH_OTHER: Address = (SERVER_2, PORTS[1])
# Of sockets that share ports the system gives a used one to a new one at times.
_client_ports = itertools.cycle(range(41000, 61000))
FAR = (FIRST, OTHER_PORT, OTHER_ADDRESS, BOTH_OTHER)


@dataclass(frozen=True)
class Ports:
    """What became of port pairs N, N + 1 with N even, each from sockets of their own."""

    preserved: bool
    parity: bool
    contiguous: bool
    addresses: frozenset[str]


def bound(protocol: Protocol, address: Address) -> socket.socket:
    """A socket that shares its address with others of the same program."""
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    sock = socket.socket(socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.settimeout(PATIENCE_S)
    sock.bind(address)
    return sock


def classified(same_address: bool, other_address: bool) -> Behaviour:
    """`same_address`: it holds for another port there; `other_address`: for another address."""
    if other_address:
        return "endpoint-independent"
    return "address-dependent" if same_address else "address-and-port-dependent"


class Watch:
    """The far ends of one protocol, all four, open as long as the `with` of `watching`."""

    def __init__(self, lab: Lab, protocol: Protocol, stack: ExitStack) -> None:
        self.lab, self.protocol, self.stack = lab, protocol, stack
        self.far = {address: self._at("server", address) for address in FAR}
        if protocol == "tcp":
            for listener in self.far.values():
                listener.listen(64)

    def _at(self, node: str, address: Address) -> socket.socket:
        with self.lab.inside("server" if node == "server" else "client"):
            return self.stack.enter_context(bound(self.protocol, address))

    def client(self, port: int | None = None) -> socket.socket:
        """A new socket on the client, by default with a port that none of them had before."""
        return self._at("client", (self.lab.network.client, port or next(_client_ports)))

    def seen_from(self, local: int, to: Address) -> Address:
        """Where the far end `to` sees a packet or connection from the client's port `local`."""
        sock = self.client(local)
        far = self.far[to]
        if self.protocol == "udp":
            sock.sendto(b"out", to)
            data, source = far.recvfrom(10)
            assert data == b"out"
            return str(source[0]), int(source[1])
        sock.connect(to)
        accepted, source = far.accept()
        self.stack.enter_context(accepted)
        return str(source[0]), int(source[1])

    def sources(self) -> dict[Address, Address]:
        """Where each far end sees the same port of the client."""
        local = int(self.client().getsockname()[1])
        return {to: self.seen_from(local, to) for to in FAR}

    def mapping(self) -> Behaviour:
        """RFC 4787 section 4.1, RFC 5382 section 4.1."""
        seen = self.sources()
        same = {
            len({seen[FIRST], seen[OTHER_PORT]}) == 1,
            len({seen[OTHER_ADDRESS], seen[BOTH_OTHER]}) == 1,
        }
        assert len(same) == 1, f"neither the one nor the other: {seen}"
        return classified(same == {True}, len(set(seen.values())) == 1)

    def let_in(self) -> dict[Address, bool]:
        """Which far ends get through to a mapping that a packet to FIRST has made."""
        if self.protocol == "udp":
            return self._datagrams_let_in()
        listener = self.client()
        outside = self.seen_from(int(listener.getsockname()[1]), FIRST)
        listener.listen()
        return self._calls_in([far for far in FAR if far != FIRST], outside, listener)

    def _datagrams_let_in(self) -> dict[Address, bool]:
        sock = self.client()
        outside = self._mapped(sock)
        for number, far in enumerate(FAR):
            self.far[far].sendto(bytes([number]), outside)
        got: set[Address] = set()
        sock.settimeout(SILENCE_S)
        with suppress(TimeoutError):
            while len(got) < len(FAR):
                data, source = sock.recvfrom(10)
                assert source == FAR[data[0]], "the sender's address is not the true one"
                got.add(source)
        assert FIRST in got, "not even the answer came back"
        return {far: far in got for far in FAR if far != FIRST}

    def _calls_in(
        self, callers: list[Address], outside: Address, listener: socket.socket
    ) -> dict[Address, bool]:
        for far in callers:
            caller = self._at("server", far)
            caller.setblocking(False)
            caller.connect_ex(outside)
        got: set[Address] = set()
        listener.settimeout(SILENCE_S)
        with suppress(TimeoutError):
            while len(got) < len(callers):
                accepted, source = listener.accept()
                self.stack.enter_context(accepted)
                got.add(source)
        assert got <= set(callers), "the caller's address is not the true one"
        return {far: far in got for far in callers}

    def filtering(self) -> Behaviour:
        """RFC 4787 section 5, RFC 5382 section 4.3."""
        let_in = self.let_in()
        assert let_in[OTHER_ADDRESS] == let_in[BOTH_OTHER], let_in
        return classified(let_in[OTHER_PORT], let_in[OTHER_ADDRESS])

    def hairpins(self) -> bool:
        """Whether one socket of the client reaches the mapping of another (RFC 4787 section 6)."""
        inner, caller = self.client(), self.client()
        if self.protocol == "tcp":
            outside = self.seen_from(int(inner.getsockname()[1]), FIRST)
            inner.listen()
        else:
            outside = self._mapped(inner)
            self._mapped(caller)  # as it would be in use
        inner.settimeout(SILENCE_S)
        caller.settimeout(SILENCE_S)
        with suppress(OSError):
            if self.protocol == "tcp":
                caller.connect(outside)
                self.stack.enter_context(inner.accept()[0])
                return True
            caller.sendto(b"hairpin", outside)
            return inner.recv(10) == b"hairpin"
        return False

    def _mapped(self, sock: socket.socket) -> Address:
        """Where the far end FIRST sees a UDP socket."""
        sock.sendto(b"out", FIRST)
        source: Address = self.far[FIRST].recvfrom(10)[1]
        return source

    def opens_simultaneously(self) -> bool:
        """TCP from both sides at once, the server's call first (RFC 5382 section 4.2)."""
        local = int(self.client().getsockname()[1])
        outside = self.seen_from(local, FIRST)
        partner: Address = (SERVER_2, PARTNER_PORT)
        caller = self._at("server", partner)
        caller.setblocking(False)
        caller.connect_ex(outside)
        inner = self.client(local)
        inner.settimeout(SILENCE_S)
        with suppress(OSError):
            inner.connect(partner)
            inner.send(b"hello")
            caller.settimeout(PATIENCE_S)
            return caller.recv(10) == b"hello"
        return False

    def ports(self, pairs: Sequence[int] = range(40000, 40032, 4)) -> Ports:
        """RFC 4787 section 4.2, and the addresses taken (section 4.1)."""
        seen = [(n, self.seen_from(n, FIRST), self.seen_from(n + 1, FIRST)) for n in pairs]
        return Ports(
            preserved=all((n, n + 1) == (a[1], b[1]) for n, a, b in seen),
            parity=all(a[1] % 2 == 0 and b[1] % 2 == 1 for _, a, b in seen),
            contiguous=all(b[1] == a[1] + 1 for _, a, b in seen),
            addresses=frozenset(address for _, a, b in seen for address in (a[0], b[0])),
        )


@contextmanager
def watching(lab: Lab, protocol: Protocol) -> Iterator[Watch]:
    with ExitStack() as stack:
        yield Watch(lab, protocol, stack)

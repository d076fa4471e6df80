"""A NAT with a STUN server behind it, on loopback: every class of RFC 4787 by what it tells and
lets through.  The server owns both ports of both addresses; the NAT owns PUBLIC."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, cast

from probes.errors import WireError
from probes.path import Path, StunServer
from probes.wire import stun
from probes.wire.frame import Endpoint

Behaviour = Literal["endpoint-independent", "address-dependent", "address-and-port-dependent"]
CLASSES: tuple[Behaviour, ...] = (
    "endpoint-independent",
    "address-dependent",
    "address-and-port-dependent",
)
LOCAL, SERVER, OTHER, PUBLIC, PUBLIC_2 = (f"127.0.0.{n}" for n in (1, 5, 6, 77, 78))


@dataclass
class Nat:
    """What to simulate.  ``present`` False passes everything untouched, firewalled as
    ``filtering`` says.  ``lifetime_s`` is counted from the last packet in a direction of
    ``refreshed_by``."""

    present: bool = True
    mapping: Behaviour = "endpoint-independent"
    filtering: Behaviour = "address-and-port-dependent"
    hairpin: bool = False
    ports: Literal["preserve", "random", "parity", "sequential"] = "random"
    pooling: Literal["paired", "arbitrary"] = "paired"
    loss: float = 0.0
    lifetime_s: float = float("inf")
    refreshed_by: tuple[str, ...] = ("outbound", "inbound")


@dataclass
class Server:
    """What the server does and says; ``edit`` changes each answer before it leaves."""

    second_port: bool = True
    second_address: bool = True
    names_other: bool = True
    change: Literal["does", "refuses", "ignores", "silent"] = "does"
    response_port: Literal["does", "refuses", "ignores", "silent"] = "does"
    edit: Callable[[stun.Message], stun.Message | bytes] = lambda message: message


@dataclass
class _Mapping:
    client: Endpoint
    public: Endpoint
    last: float
    contacted: set[Endpoint] = field(default_factory=set)


class Simulation(asyncio.DatagramProtocol):
    """``received`` is every (client, destination) whose packet arrived at the server;
    ``at_public`` counts what was sent to the public address."""

    def __init__(self, nat: Nat, server: Server, seed: int) -> None:
        self.nat, self.server = nat, server
        self.received: list[tuple[Endpoint, Endpoint]] = []
        self.at_public: list[bytes] = []
        self.requests: list[bytes] = []
        self.port = self.other_port = 0
        self._random = random.Random(seed)
        self._sockets: dict[Endpoint, asyncio.DatagramTransport] = {}
        self._doors: dict[Endpoint, asyncio.DatagramTransport] = {}
        self._mappings: dict[object, _Mapping] = {}
        self._next_port = self._random.randrange(20000, 28000)
        self._tasks: set[asyncio.Task[None]] = set()

    def path(self, *, vouched: bool = True) -> Path:
        return Path(
            server_address=SERVER,
            local_address=LOCAL,
            began=time.monotonic(),
            stun=StunServer(
                address=SERVER,
                port=self.port,
                other_port=self.other_port or None,
                other_address=OTHER if vouched and self.server.second_address else None,
            ),
        )

    @property
    def other(self) -> Endpoint:
        return Endpoint(OTHER, self.other_port)

    async def open(self) -> None:
        addresses = (SERVER, OTHER) if self.server.second_address else (SERVER,)
        self.port = await self._serve(SERVER, 0)
        ports = [self.port]
        if self.server.second_port:
            self.other_port = await self._serve(SERVER, 0)
            ports.append(self.other_port)
        for address in addresses[1:]:
            for port in ports:
                await self._serve(address, port)

    async def _serve(self, address: str, port: int) -> int:
        loop = asyncio.get_running_loop()
        transport, ear = await loop.create_datagram_endpoint(
            lambda: _Ear(self._from_client), local_addr=(address, port)
        )
        ear.here = _name(transport)
        self._sockets[ear.here] = transport
        return ear.here.port

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for transport in (*self._sockets.values(), *self._doors.values()):
            transport.close()

    def forget(self) -> None:
        """The NAT is restarted."""
        for mapping in self._mappings.values():
            mapping.last = float("-inf")

    def _lost(self) -> bool:
        return self._random.random() < self.nat.loss

    def _from_client(self, data: bytes, client: Endpoint, here: Endpoint) -> None:
        mapping = self._map(client, here)
        mapping.contacted.add(here)
        if "outbound" in self.nat.refreshed_by:
            mapping.last = time.monotonic()
        if self._lost():
            return
        self.received.append((client, here))
        self.requests.append(data)
        try:
            request = stun.read(data)
        except WireError:
            return
        if request.kind == "request":
            self._answer(request, mapping, here)

    def _answer(self, request: stun.Message, mapping: _Mapping, here: Endpoint) -> None:
        server = self.server
        change = request.change_ip or request.change_port
        refused = (change and server.change == "refuses") or (
            request.response_port is not None and server.response_port == "refuses"
        )
        if (change and server.change == "silent") or (
            request.response_port is not None and server.response_port == "silent"
        ):
            return
        source, port = here, mapping.public.port
        if server.change == "does" and change:
            address = here.address if not request.change_ip else OTHER
            source = Endpoint(address, self.other_port if request.change_port else here.port)
        if server.response_port == "does" and request.response_port is not None:
            port = request.response_port
        answer = stun.Message(
            kind="success",
            transaction=request.transaction,
            xor_mapped_address=mapping.public,
            mapped_address=mapping.public,
            other_address=self.other if server.names_other else None,
            response_origin=source,
            software="simulated",
        )
        if refused:
            answer = stun.Message(
                kind="error",
                transaction=request.transaction,
                error_code=420,
                reason="Unknown\x1b Attribute",
            )
        edited = server.edit(answer)
        data = edited if isinstance(edited, bytes) else stun.write(edited)
        self._to_client(data, source, Endpoint(mapping.public.address, port))

    def _to_client(self, data: bytes, source: Endpoint, to: Endpoint) -> None:
        """Through the NAT, if its filter and its memory allow."""
        mapping = next((m for m in self._mappings.values() if m.public == to), None)
        if mapping is None or self._lost() or self._dead(mapping):
            return
        if not self._lets_in(mapping, source):
            return
        if "inbound" in self.nat.refreshed_by:
            mapping.last = time.monotonic()
        sender = self._sockets.get(source) or self._doors[source]
        sender.sendto(data, (mapping.client.address, mapping.client.port))

    def _lets_in(self, mapping: _Mapping, source: Endpoint) -> bool:
        if self.nat.filtering == "endpoint-independent":
            return True
        if self.nat.filtering == "address-dependent":
            return source.address in {c.address for c in mapping.contacted}
        return source in mapping.contacted

    def _dead(self, mapping: _Mapping) -> bool:
        return time.monotonic() - mapping.last > self.nat.lifetime_s

    def _map(self, client: Endpoint, to: Endpoint) -> _Mapping:
        key: object = (client, to)
        if self.nat.mapping == "endpoint-independent":
            key = client
        elif self.nat.mapping == "address-dependent":
            key = (client, to.address)
        if key not in self._mappings:
            public = self._public(client)
            self._mappings[key] = _Mapping(client, public, time.monotonic())
            if self.nat.hairpin:
                task = asyncio.get_running_loop().create_task(self._open_door(public))
                self._tasks.add(task)
        return self._mappings[key]

    def _public(self, client: Endpoint) -> Endpoint:
        nat = self.nat
        if not nat.present:
            return client
        address = PUBLIC
        if nat.pooling == "arbitrary":
            address = self._random.choice((PUBLIC, PUBLIC_2))
        taken = {m.public.port for m in self._mappings.values()}
        port = client.port
        if nat.ports == "sequential":
            self._next_port += 1
            port = self._next_port
        while nat.ports in ("random", "parity"):
            port = self._random.randrange(20000, 28000)
            if port not in taken and (nat.ports == "random" or port % 2 == client.port % 2):
                break
        return Endpoint(address, port)

    async def _open_door(self, public: Endpoint) -> None:
        transport, ear = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Ear(self._at_door), local_addr=(public.address, public.port)
        )
        ear.here = public
        self._doors[public] = transport

    def _at_door(self, data: bytes, client: Endpoint, here: Endpoint) -> None:
        mapping = self._map(client, here)
        mapping.contacted.add(here)
        self.at_public.append(data)
        if mapping.public in self._doors:
            self._to_client(data, mapping.public, here)


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, tell: Callable[[bytes, Endpoint, Endpoint], None]) -> None:
        self.here = Endpoint("", 0)
        self._tell = tell

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        self._tell(data, Endpoint(str(addr[0]), int(addr[1])), self.here)


def _name(transport: asyncio.DatagramTransport) -> Endpoint:
    address, port = cast(tuple[str, int], transport.get_extra_info("sockname"))
    return Endpoint(address, port)


@asynccontextmanager
async def simulated(
    nat: Nat | None = None, server: Server | None = None, *, seed: int = 1
) -> AsyncIterator[Simulation]:
    """The simulation, running."""
    simulation = Simulation(nat or Nat(), server or Server(), seed)
    try:
        await simulation.open()
        yield simulation
    finally:
        simulation.close()


def known(path: Path) -> Path:
    """The path, with a short round trip and no loss measured: silence is soon believed."""
    path.pace = path.pace.measured(0.001)
    path.tallies["udp"].add(40, 0)
    return path

"""The sockets of the STUN service: two ports on each address, each over UDP and TCP."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import cast

from netcheck.server import stun
from netcheck.server.bind import reason_of
from netcheck.server.limits import ServerLimits, SharedBuckets
from netcheck.server.session import canonical, neighbourhood
from netcheck.server.stun import Here
from probes.errors import WireError
from probes.wire import messages
from probes.wire import stun as wire
from probes.wire.frame import Endpoint

_BACKLOG = 64


class StunService:
    """Every STUN socket of a server.  ``await open_pair`` for each address, ``meet`` once."""

    def __init__(self, limits: ServerLimits) -> None:
        self.limits = limits
        self.problems: list[str] = []
        self._udp: dict[tuple[str, int], StunUdp] = {}
        self._servers: list[asyncio.Server] = []
        self._here: dict[tuple[str, int], Here] = {}
        self._others: Mapping[str, str] = {}
        self._ports: dict[str, list[int]] = {}
        self._gain = SharedBuckets(limits.stun_gain_per_s, limits.stun_gain_burst)
        self._connections: set[asyncio.Transport] = set()
        self._per_source: Counter[str] = Counter()
        self._closed = False

    async def open(self, address: str, ports: tuple[int, ...]) -> None:
        """Open ``ports`` of ``address``.  One that cannot be had over both transports is
        named in ``problems`` and not served: it would look blocked to a client."""
        for port in ports:
            where = (address, port)
            try:
                server = await self._listen(where)
            except OSError as error:
                self.problems.append(f"STUN TCP {port} on {address}: {reason_of(error)}")
                continue
            try:
                await self._receive(where)
            except OSError as error:
                server.close()
                self.problems.append(f"STUN UDP {port} on {address}: {reason_of(error)}")
                continue
            self._servers.append(server)
            self._ports.setdefault(address, []).append(port)

    async def _listen(self, where: tuple[str, int]) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: StunTcp(self, where), *where, backlog=_BACKLOG)

    async def _receive(self, where: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        _, self._udp[where] = await loop.create_datagram_endpoint(
            lambda: StunUdp(self, where), local_addr=where
        )

    def meet(self, others: Mapping[str, str], public: Mapping[str, str]) -> None:
        """Tell every socket of the others: ``others`` by own address, ``public`` what clients
        know an own address as."""
        self._others = others
        for address, ports in self._ports.items():
            other = others.get(address)
            whole = other is not None and len(ports) == 2 and self._ports.get(other) == ports
            for port in ports:
                self._here[address, port] = Here(
                    address=public.get(address, address),
                    port=port,
                    other_address=public.get(other, other) if whole and other else None,
                    other_port=next((p for p in ports if p != port), None) if whole else None,
                )

    def offer(self, address: str) -> messages.StunOffer | None:
        """What the welcome says of the STUN service on ``address``."""
        ports = self._ports.get(address)
        if not ports:
            return None
        return messages.StunOffer(
            port=ports[0],
            other_port=ports[1] if len(ports) > 1 else None,
            other_address=self._here[address, ports[0]].other_address,
        )

    def close(self) -> None:
        """Close every socket and connection now."""
        self._closed = True
        for server in self._servers:
            server.close()
        for sender in self._udp.values():
            if sender.transport:
                sender.transport.abort()
        for connection in self._connections:
            connection.abort()

    def here(self, where: tuple[str, int]) -> Here | None:
        return self._here.get(where)

    def sender(self, where: tuple[str, int], reply: stun.Reply) -> StunUdp | None:
        """The socket from which ``reply``, to a request that came to ``where``, is to leave."""
        address, port = where
        if reply.change_ip:
            address = self._others[address]
        if reply.change_port:
            port = next(p for p in self._ports[address] if p != port)
        return self._udp.get((address, port))

    def may_gain(self, source: str) -> bool:
        """Whether ``source`` may be sent one more answer that is larger than its request."""
        return self._gain.take(neighbourhood(source), time.monotonic())

    def admit(self, connection: asyncio.Transport, address: str) -> bool:
        source = neighbourhood(address)
        if (
            self._closed
            or len(self._connections) >= self.limits.stun_connections
            or self._per_source[source] >= self.limits.stun_connections_per_source
        ):
            return False
        self._connections.add(connection)
        self._per_source[source] += 1
        return True

    def leave(self, connection: asyncio.Transport, address: str) -> None:
        source = neighbourhood(address)
        self._connections.discard(connection)
        self._per_source[source] -= 1
        if self._per_source[source] <= 0:
            del self._per_source[source]


class StunUdp(asyncio.DatagramProtocol):
    """One UDP port of one address."""

    def __init__(self, service: StunService, where: tuple[str, int]) -> None:
        self._service = service
        self._where = where
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        service = self._service
        here = service.here(self._where)
        if here is None:
            return
        source = Endpoint(canonical(str(addr[0])), int(addr[1]))
        reply = stun.reply_to(data, source, here, "udp")
        if reply is None or (reply.gain and not service.may_gain(source.address)):
            return
        sender = service.sender(self._where, reply)
        if sender is not None:
            port = addr[1] if reply.port is None else reply.port
            sender.send(reply.data, (addr[0], port, *addr[2:]))

    def send(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        """Send, unless the machine is behind with sending: a datagram may be lost, memory not."""
        if self.transport is None or self.transport.is_closing():
            return
        # typeshed does not know that transports of datagrams tell it too.
        unsent = cast(asyncio.WriteTransport, self.transport).get_write_buffer_size()
        if unsent < self._service.limits.stun_unsent:
            self.transport.sendto(data, addr)

    def error_received(self, exc: Exception) -> None:
        """What befalls an answer is the client's business."""


class StunTcp(asyncio.Protocol):
    """One TCP connection to one port: requests one after the other (RFC 8489 section 6.2.2)."""

    def __init__(self, service: StunService, where: tuple[str, int]) -> None:
        self._service = service
        self._where = where
        self._buffer = bytearray()
        self._admitted = False
        self._source = Endpoint("0.0.0.0", 0)
        self._requests_left = service.limits.stun_requests
        self._deadline: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        if not peer:
            self._transport.abort()
            return
        self._source = Endpoint(canonical(peer[0]), peer[1])
        self._admitted = self._service.admit(self._transport, self._source.address)
        if not self._admitted:
            self._transport.abort()
            return
        self._expect_within(self._service.limits.first_frame_s)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline:
            self._deadline.cancel()
        if self._admitted and self._transport:
            self._service.leave(self._transport, self._source.address)

    def pause_writing(self) -> None:
        """The client does not read its answers: do not pile up more of them."""
        if self._transport:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._buffer += data
        here = self._service.here(self._where)
        while len(self._buffer) >= 4:
            try:
                size = wire.length_of(bytes(self._buffer[:4]))
            except WireError:
                self._end()
                return
            if size > self._service.limits.stun_message or here is None:
                self._end()
                return
            if len(self._buffer) < size:
                return
            whole = bytes(self._buffer[:size])
            del self._buffer[:size]
            reply = stun.reply_to(whole, self._source, here, "tcp")
            if reply is None or self._requests_left <= 0:
                self._end()
                return
            self._requests_left -= 1
            self._expect_within(self._service.limits.connection_s)
            self._transport.write(reply.data)

    def _expect_within(self, seconds: float) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._abort)

    def _end(self) -> None:
        self._buffer.clear()
        if self._transport:
            self._transport.close()

    def _abort(self) -> None:
        if self._transport:
            self._transport.abort()

"""The echo server as one object: binds what it can, says what it cannot, and ends in order."""

from __future__ import annotations

import asyncio
import asyncio.trsock
import contextlib
import ipaddress
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from netcheck.server import files
from netcheck.server.bind import Bound, bind, reason_of
from netcheck.server.certificate import context, fingerprint, kept
from netcheck.server.control import Control, Offer
from netcheck.server.echo import Desk
from netcheck.server.limits import ServerLimits, fitted
from netcheck.server.session import Sessions, canonical, neighbourhood
from probes.errors import SetupError
from probes.wire import messages
from probes.wire.link import CONTROL_PORT, Link

_LAST_TURNS = 5
"""Turns of the loop until a connection that was just being accepted has been ended and its
socket closed: accept, protocol, refusal, end."""

_CLEANUP_S = 1.0  # for requests that are being answered when the server closes: milliseconds


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``advertise`` are the public addresses of a 1:1 NAT, in the order of ``listen``.
    Without ``certificate`` a self-made one is kept in ``data_dir``."""

    listen: tuple[str, ...]
    advertise: tuple[str, ...] = ()
    control_ports: tuple[int, ...] = (CONTROL_PORT,)
    tcp_ports: tuple[int, ...] = ()
    udp_ports: tuple[int, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    data_dir: Path
    limits: ServerLimits = ServerLimits()


def own_addresses(wildcard: str) -> tuple[str, ...]:
    """The addresses of this machine that ``0.0.0.0`` or ``::`` stands for, link-local ones
    left out."""
    import psutil

    version = ipaddress.ip_address(wildcard).version
    found: list[str] = []
    for entries in psutil.net_if_addrs().values():
        for entry in entries:
            try:
                address = ipaddress.ip_address(entry.address.partition("%")[0])
            except ValueError:  # a MAC address
                continue
            if address.version == version and not address.is_link_local:
                found.append(str(address))
    return tuple(dict.fromkeys(found))


def expand(listen: Iterable[str]) -> tuple[str, ...]:
    """Concrete addresses, so that each answer leaves from the address that was asked.
    Raises SetupError."""
    addresses: list[str] = []
    for text in listen:
        try:
            parsed = ipaddress.ip_address(text)
        except ValueError:
            raise SetupError(f"--listen {text!r} is not an IP address of this machine.") from None
        addresses += own_addresses(text) if parsed.is_unspecified else (canonical(text),)
    return tuple(dict.fromkeys(addresses))


class EchoServer:
    """``await start()``, then it serves until ``await close()``."""

    def __init__(self, config: ServerConfig) -> None:
        limits = fitted(config.limits, files.available())
        self._config = config = msgspec.structs.replace(config, limits=limits)
        self._sessions = Sessions(config.limits)
        self._desk = Desk(self._sessions, config.limits)
        self._offers: dict[str, Offer] = {}
        self._bound: list[Bound] = []
        self._control_servers: list[asyncio.Server] = []
        self._control = Control(self._desk, self._offer, self._public)
        self._http: _Http | None = None
        self._runner: web.ServerRunner | None = None
        self.addresses: tuple[str, ...] = ()
        self.control_ports: tuple[int, ...] = ()
        self.fingerprint = ""
        self.problems: list[str] = []

    async def start(self) -> None:
        """Bind everything.  Raises SetupError if no control port could be opened."""
        config = self._config
        self.addresses = expand(config.listen)
        certificate = config.certificate or kept(config.data_dir)
        tls = context(certificate, config.key)
        self.fingerprint = fingerprint(certificate)
        try:
            for address in self.addresses:
                self._offers[address] = await self._bind_echo(address)
            await self._bind_control(tls)
        except BaseException:
            await self.close()
            raise

    def links(self) -> tuple[Link, ...]:
        """What to hand to users: one link an address, with the fingerprint."""
        public = dict(zip(self.addresses, self._config.advertise, strict=False))
        return tuple(
            Link(public.get(address, address), self.control_ports, self.fingerprint)
            for address in self.addresses
        )

    def unavailable(self) -> dict[str, list[messages.Unavailable]]:
        """The ports that could not be opened, by address."""
        return {address: offer.unavailable for address, offer in self._offers.items()}

    async def drain(self) -> None:
        """Take no new checks and let the running ones end, within ``limits.drain_s``."""
        self._control.begin_closing()
        try:
            async with asyncio.timeout(self._config.limits.drain_s):
                await self._control.idle.wait()
        except TimeoutError:
            pass

    async def close(self) -> None:
        """Close every port and connection now."""
        for server in self._control_servers:
            server.close()
        await self._control.end()
        for bound in self._bound:
            bound.close()
        self._desk.close()
        if self._runner:
            await self._runner.cleanup()
        if self._http:
            self._http.abort()
        for _ in range(_LAST_TURNS):
            await asyncio.sleep(0)

    def _offer(self, address: str) -> Offer:
        return self._offers.get(address) or Offer()

    def _public(self, local: str) -> tuple[str, ...]:
        """All addresses of this server as clients know them, the one in use first."""
        public = dict(zip(self.addresses, self._config.advertise, strict=False))
        names = [public.get(address, address) for address in (local, *self.addresses)]
        return tuple(dict.fromkeys(names))

    async def _bind_echo(self, address: str) -> Offer:
        offer = Offer()
        wanted: list[tuple[messages.TransportName, int]] = [
            *(("tcp", port) for port in self._config.tcp_ports),
            *(("udp", port) for port in self._config.udp_ports),
        ]
        for transport, port in wanted:
            try:
                bound = await bind(self._desk, transport, address, port)
            except OSError as error:
                reason = reason_of(error)
                offer.unavailable.append(
                    messages.Unavailable(transport=transport, port=port, reason=reason)
                )
                self.problems.append(f"{transport.upper()} {port} on {address}: {reason}")
                continue
            self._bound.append(bound)
            if bound.udp is not None:
                offer.udp[port] = bound.udp
            else:
                offer.tcp.add(port)
        return offer

    async def _bind_control(self, tls: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        self._http = _Http(self._control.handle, access_log=None, logger=_log)
        self._http.per_source = self._config.limits.control_connections_per_source
        self._runner = web.ServerRunner(self._http, shutdown_timeout=_CLEANUP_S)
        await self._runner.setup()
        opened: dict[int, None] = {}  # in order
        for address in self.addresses:
            for port in self._config.control_ports:
                try:
                    server = await loop.create_server(
                        self._connection,
                        address,
                        port,
                        ssl=tls,
                        backlog=256,
                        ssl_handshake_timeout=self._config.limits.request_s,
                        ssl_shutdown_timeout=1.0,
                    )
                except OSError as error:
                    self.problems.append(f"control port {port} on {address}: {reason_of(error)}")
                    continue
                self._control_servers.append(server)
                opened[server.sockets[0].getsockname()[1]] = None
        self.control_ports = tuple(p for p in self._config.control_ports if p in opened) or tuple(
            opened
        )
        if not opened:
            raise SetupError(
                "No control port could be opened ("
                + "; ".join(p for p in self.problems if p.startswith("control"))
                + "); choose another with --control-port or --listen."
            )

    def _connection(self) -> asyncio.Protocol:
        """A control connection.  One that asks for nothing in time is ended: HTTP by itself
        would let it stay."""
        assert self._http is not None
        limits = self._config.limits
        if len(self._http.sockets) >= limits.control_connections:
            return _Full()
        handler = self._http()
        asyncio.get_running_loop().call_later(
            limits.request_s, self._control.end_unless_used, handler
        )
        return handler


class _Http(web.Server):
    """aiohttp's server, which forgets a connection before its TLS has ended; we do not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sockets: dict[web.RequestHandler, asyncio.trsock.TransportSocket] = {}
        self.per_source = 0  # how many connections one source may have; 0: any number
        self._sources: dict[web.RequestHandler, str] = {}
        self._counts: Counter[str] = Counter()

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self.sockets[handler] = transport.get_extra_info("socket")
        peer = transport.get_extra_info("peername")
        source = neighbourhood(canonical(peer[0])) if peer else ""
        self._sources[handler] = source
        self._counts[source] += 1
        if self.per_source and self._counts[source] > self.per_source:
            transport.abort()

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        super().connection_lost(handler, exc)
        self.sockets.pop(handler, None)
        source = self._sources.pop(handler, None)
        if source is not None:
            self._counts[source] -= 1
            self._counts += Counter()  # drops the sources that have none

    def abort(self) -> None:
        """End what is left.  By its socket: a TLS transport that was told twice to close, as
        aiohttp does, no longer listens to abort."""
        for sock in self.sockets.values():
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _not_a_bad_request(record: logging.LogRecord) -> bool:
    """Every port of the Internet is sent things that are no HTTP: nothing for an operator."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


_log = logging.getLogger(__name__)
_log.addFilter(_not_a_bad_request)


class _Full(asyncio.Protocol):
    """Ends a connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.abort()

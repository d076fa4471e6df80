"""The echo server as one object: binds what it can, says what it cannot, and ends in order."""

from __future__ import annotations

import asyncio
import asyncio.trsock
import ipaddress
import logging
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from netcheck.server import addresses, files
from netcheck.server.bind import Bound, bind, reason_of
from netcheck.server.certificate import context, fingerprint, kept
from netcheck.server.control import Control, Offer
from netcheck.server.dialogues import Post, Stage
from netcheck.server.door import Door
from netcheck.server.echo import Desk
from netcheck.server.limits import ServerLimits, fitted
from netcheck.server.raw_sockets import RawSocket
from netcheck.server.repertoire import Repertoire
from netcheck.server.session import Sessions, canonical
from netcheck.server.stun_ports import StunService
from netcheck.server.unspoken import Unspoken
from probes.errors import SetupError
from probes.wire import messages, stun
from probes.wire.link import CONTROL_PORT, Link
from probes.wire.raw_protocols import NUMBERS, RawName

_LAST_TURNS = 5
"""Turns of the loop until a connection that was just being accepted has been ended and its
socket closed: accept, protocol, refusal, end."""

_CLEANUP_S = 1.0  # for requests that are being answered when the server closes: milliseconds


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``advertise`` are the public addresses of a 1:1 NAT, in the order of ``listen``.
    ``stun_port`` and the next one answer STUN; None or 0: no STUN.  Without ``certificate``
    a self-made one is kept in ``data_dir``.  ``editors``: speak other protocols too, on their
    own ports; ``dialogue_ports`` has, by the name of a dialogue, others instead."""

    listen: tuple[str, ...]
    advertise: tuple[str, ...] = ()
    control_ports: tuple[int, ...] = (CONTROL_PORT,)
    tcp_ports: tuple[int, ...] = ()
    udp_ports: tuple[int, ...] = ()
    stun_port: int | None = stun.PORT
    editors: bool = False
    dialogue_ports: Mapping[str, int] | None = None
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
        self._stage = Stage(self._sessions, config.limits)
        self._offers: dict[str, Offer] = {}
        self._bound: list[Bound] = []
        self._raw: list[RawSocket] = []
        self._stun = StunService(config.limits)
        self._unspoken = Unspoken()
        self._control_servers: list[asyncio.Server] = []
        self._control = Control(self._desk, self._stage, self._offer, self._public)
        self._door: Door | None = None
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
        self._stage.public = self._public_names()
        if config.editors or config.dialogue_ports:
            self._stage.repertoire = Repertoire(config.dialogue_ports)
        try:
            for address in self.addresses:
                self._offers[address] = await self._bind_echo(address)
                self._offers[address].other = self.other_address(address)
            self.problems += self._unspoken.in_words(len(self.addresses))
            await self._bind_stun()
            await self._bind_control(tls)
        except BaseException:
            await self.close()
            raise

    def links(self) -> tuple[Link, ...]:
        """What to hand to users: one link an address, with the fingerprint, and with the other
        address of its kind, so that clients may use that one too."""
        public = self._public_names()

        def also(address: str) -> tuple[str, ...]:
            other = self.other_address(address)
            return () if other is None else (public.get(other, other),)

        return tuple(
            Link(public.get(address, address), self.control_ports, self.fingerprint, also(address))
            for address in self.addresses
        )

    def other_address(self, address: str) -> str | None:
        """Of this machine's addresses that one which is the other of ``address``."""
        return addresses.others(self.addresses, self._public_names()).get(address)

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
        for raw in self._raw:
            raw.close()
        self._stun.close()
        self._desk.close()
        if self._runner:
            await self._runner.cleanup()
        if self._door:
            self._door.close()
        for _ in range(_LAST_TURNS):
            await asyncio.sleep(0)

    def _offer(self, address: str) -> Offer:
        return self._offers.get(address) or Offer()

    def _public(self, local: str) -> tuple[str, ...]:
        """All addresses of this server as clients know them, the one in use first."""
        public = self._public_names()
        names = [public.get(address, address) for address in (local, *self.addresses)]
        return tuple(dict.fromkeys(names))

    def _public_names(self) -> dict[str, str]:
        """What clients know an address as, where that is not itself."""
        return dict(zip(self.addresses, self._config.advertise, strict=False))

    async def _bind_stun(self) -> None:
        port = self._config.stun_port
        if not port:
            return
        for address in self.addresses:
            await self._stun.open(address, (port, port + 1))
        public = self._public_names()
        self._stun.meet(addresses.others(self.addresses, public), public)
        for address, offer in self._offers.items():
            offer.stun = self._stun.offer(address)
        self.problems += self._stun.problems

    async def _bind_echo(self, address: str) -> Offer:
        offer = Offer()
        echoing: list[tuple[messages.TransportName, int]] = [
            *(("tcp", port) for port in self._config.tcp_ports),
            *(("udp", port) for port in self._config.udp_ports),
        ]
        spoken = self._stage.repertoire.ports if self._stage.repertoire else {}
        for where in dict.fromkeys((*echoing, *spoken)):
            transport, port = where
            language = spoken.get(where)
            post = Post(self._stage, language, address, port) if language else None
            if post and where in echoing and not post.echoes:
                self._unspoken.add(address, where, "a profile's, where the client speaks first")
                post = None
            try:
                bound = await bind(self._desk, transport, address, port, post=post)
            except OSError as error:
                reason = reason_of(error)
                if where not in echoing:
                    self._unspoken.add(address, where, reason)
                    continue
                offer.unavailable.append(
                    messages.Unavailable(transport=transport, port=port, reason=reason)
                )
                self.problems.append(f"{transport.upper()} {port} on {address}: {reason}")
                continue
            self._bound.append(bound)
            if post:
                offer.spoken += [
                    messages.Spoken(dialogue=each.name, transport=transport, port=port)
                    for each in post.language.dialogues
                ]
                if not post.echoes:
                    continue
            if bound.udp is not None:
                offer.udp[port] = bound.udp
            else:
                offer.tcp.add(port)
        if spoken:
            offer.raw = self._open_raw(address)
        return offer

    def _open_raw(self, address: str) -> list[RawName]:
        """What this program may: nothing depends on it."""
        opened: list[RawName] = []
        for name in NUMBERS:
            try:
                self._raw.append(RawSocket(self._desk, name, address))
            except OSError:
                continue
            opened.append(name)
        return opened

    async def _bind_control(self, tls: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        limits = self._config.limits
        http = web.Server(self._control.handle, access_log=None, logger=_log)

        def handler() -> web.RequestHandler:
            """One that asks for nothing in time is ended: HTTP by itself would let it stay."""
            made = http()
            loop.call_later(limits.request_s, self._control.end_unless_used, made)
            return made

        self._door = Door(limits, tls, handler)
        self._runner = web.ServerRunner(http, shutdown_timeout=_CLEANUP_S)
        await self._runner.setup()
        opened: dict[int, None] = {}  # in order
        for address in self.addresses:
            for port in self._config.control_ports:
                try:
                    server = await loop.create_server(
                        self._door.connection, address, port, backlog=256
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


def _not_a_bad_request(record: logging.LogRecord) -> bool:
    """Every port of the Internet is sent things that are no HTTP: nothing for an operator."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


_log = logging.getLogger(__name__)
_log.addFilter(_not_a_bad_request)

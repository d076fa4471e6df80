"""Which gateways offer to map ports, and the public address that they claim to have.

NAT-PMP, PCP and UPnP IGD are asked at once.  Nothing is mapped.  Asked are the gateways of
this computer, the multicast group of its network, and who answers from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from itertools import pairwise

from probes import upnp
from probes.attempts import classify
from probes.errors import WireError
from probes.observation import PortMapper, PortMappers
from probes.path import Path
from probes.wire import port_mapping as wire

PMP_PORT = 5351  # NAT-PMP and PCP alike
SSDP_PORT = 1900

TRIES_S = (0.0, 0.1, 0.3)
"""When each question goes out: a gateway is one hop away, so two lost packets are survived."""

LISTEN_S = 0.6
"""How long answers are waited for.  A gateway that is asked by itself answers at once: within
milliseconds on a cable, tens of them on Wi-Fi."""

UPNP_S = 0.8
"""For the description and the address of one UPnP gateway: about eight requests, some
milliseconds each, from a small processor."""

MOST_GATEWAYS = 4
"""A computer has one or two; whatever answers beyond that is not waited for."""

MOST_DATAGRAMS = 64
"""Waiting to be read: the answers of a few gateways fit many times, and a flood costs nothing."""

_MULTICAST_HOPS = 2  # UPnP Device Architecture 1.1, section 1.3.2


async def look(path: Path, gateways: tuple[str, ...]) -> PortMappers:
    """Ask the IPv4 ``gateways``; takes at most ``LISTEN_S + UPNP_S`` seconds, mostly half.

    Nothing is raised.  Who did not answer is not among ``found``: silence says no more.
    """
    began_s = path.now()
    asked = tuple(dict.fromkeys(g for g in gateways if _is_ipv4(g)))[:MOST_GATEWAYS]
    answers: list[list[PortMapper]] = []
    if asked:
        answers = await asyncio.gather(_by_ssdp(asked), *(_by_datagram(g) for g in asked))

    def order(mapper: PortMapper) -> tuple[bool, str, str]:
        return mapper.gateway not in asked, mapper.gateway, mapper.protocol

    return PortMappers(
        id="port-mappers",
        at_s=began_s,
        took_s=round(path.now() - began_s, 4),
        found=tuple(sorted((m for some in answers for m in some), key=order)),
        asked=asked,
        untested="" if asked else "no IPv4 gateway is known",
    )


def _is_ipv4(text: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ipaddress.IPv4Address(text))
    return False


class _Inbox(asyncio.DatagramProtocol):
    """What came, and from where; None: nobody listens there."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[tuple[bytes, str] | None] = asyncio.Queue(MOST_DATAGRAMS)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._put((data, addr[0]))

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError) and classify(exc)[0] == "refused":
            self._put(None)

    def _put(self, what: tuple[bytes, str] | None) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self.came.put_nowait(what)


# ---- NAT-PMP and PCP ----


async def _by_datagram(gateway: str) -> list[PortMapper]:
    """Ask one gateway by NAT-PMP and by PCP, which share a port."""
    found: dict[str, PortMapper] = {}
    try:
        # Connected: the system drops what others send, and says when a port is closed.
        transport, inbox = await asyncio.get_running_loop().create_datagram_endpoint(
            _Inbox, remote_addr=(gateway, PMP_PORT)
        )
    except OSError:
        return []  # there is no way to it, so it did not answer
    try:
        own: str = transport.get_extra_info("sockname")[0]
        await _ask_by_datagram(gateway, own, transport, inbox, found)
    finally:
        transport.close()
    return list(found.values())


async def _ask_by_datagram(
    gateway: str,
    own: str,
    transport: asyncio.DatagramTransport,
    inbox: _Inbox,
    found: dict[str, PortMapper],
) -> None:
    questions = {"nat-pmp": wire.external_address_request(), "pcp": wire.announce_request(own)}
    began = asyncio.get_running_loop().time()
    for _, until_s in pairwise((*TRIES_S, LISTEN_S)):
        for protocol, question in questions.items():
            if protocol not in found:
                transport.sendto(question)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(began + until_s):
                while len(found) < len(questions):
                    came = await inbox.came.get()
                    if came is None:
                        return
                    with contextlib.suppress(WireError):
                        mapper = _mapper(gateway, wire.read(came[0]))
                        found.setdefault(mapper.protocol, mapper)
                return


def _mapper(gateway: str, answer: wire.NatPmpAnswer | wire.PcpAnswer) -> PortMapper:
    if isinstance(answer, wire.PcpAnswer):
        return PortMapper(protocol="pcp", gateway=gateway, detail=answer.detail)
    return PortMapper(
        protocol="nat-pmp",
        gateway=gateway,
        external_address=answer.external_address,
        detail=answer.detail,
    )


# ---- UPnP IGD ----


async def _by_ssdp(asked: tuple[str, ...]) -> list[PortMapper]:
    """Look for UPnP gateways: at the addresses ``asked``, and in the network before them."""
    reading: dict[str, asyncio.Task[PortMapper]] = {}
    try:
        with contextlib.suppress(OSError):  # no network: nobody answered
            transport, inbox = await _searching_from(_towards(asked[0]))
            try:
                await _search(asked, transport, inbox, reading)
            finally:
                transport.close()
        return list(await asyncio.gather(*reading.values()))
    finally:
        for task in reading.values():
            task.cancel()
        await asyncio.gather(*reading.values(), return_exceptions=True)


def _towards(gateway: str) -> str:
    """The address of ours from which packets to ``gateway`` leave.  Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((gateway, SSDP_PORT))
        own: str = sock.getsockname()[0]
        return own


async def _searching_from(own: str) -> tuple[asyncio.DatagramTransport, _Inbox]:
    """A socket whose multicast leaves from ``own``.  Raises OSError."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.bind((own, 0))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _MULTICAST_HOPS)
        return await asyncio.get_running_loop().create_datagram_endpoint(_Inbox, sock=sock)
    except BaseException:
        sock.close()
        raise


async def _search(
    asked: tuple[str, ...],
    transport: asyncio.DatagramTransport,
    inbox: _Inbox,
    reading: dict[str, asyncio.Task[PortMapper]],
) -> None:
    began = asyncio.get_running_loop().time()
    for _, until_s in pairwise((*TRIES_S, LISTEN_S)):
        for host in (wire.SSDP_GROUP, *(g for g in asked if g not in reading)):
            transport.sendto(wire.search_request(host, SSDP_PORT), (host, SSDP_PORT))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(began + until_s):
                while not reading.keys() >= set(asked) and len(reading) < MOST_GATEWAYS:
                    came = await inbox.came.get()
                    if came is not None:
                        _consider(*came, asked, reading)
                return


def _consider(
    data: bytes,
    responder: str,
    asked: tuple[str, ...],
    reading: dict[str, asyncio.Task[PortMapper]],
) -> None:
    """Begin to read the description of a gateway that answered, once for each."""
    near = responder in asked or ipaddress.IPv4Address(responder).is_private
    if not near or responder in reading:
        return
    with contextlib.suppress(WireError):
        location = wire.read_search_answer(data)
        reading[responder] = asyncio.create_task(_upnp(responder, location))


async def _upnp(responder: str, location: str) -> PortMapper:
    answer = await upnp.external_address(responder, location, within_s=UPNP_S)
    return PortMapper(
        protocol="upnp-igd",
        gateway=responder,
        external_address=answer.address,
        detail=answer.detail,
    )

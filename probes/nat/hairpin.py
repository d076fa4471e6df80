"""Do packets to a public address of ours come back inside?  (RFC 4787 section 6)

Two sockets send to each other's public address in turn, as two computers behind this NAT
would: each packet opens the way for the other side's.  Only the server says what our public
address is, and a lying one could aim us at somebody else.  So it must say the same at every
destination, the packets are few and small, and none gets further than a few routers.

These sockets belong to this probe alone: their packets leave entries in a NAT.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools

from probes.binding import BindingSocket, Question, ask, open_socket, untranslated
from probes.interleaved import interleave
from probes.observation import Attempt, NatHairpin
from probes.path import Path
from probes.wire.frame import Endpoint

HOP_LIMIT = 8
"""Carrier-grade NATs are within this; the rest of the Internet is not."""

PACKETS_MAX = 16
"""All that somebody could get who is not us: 16 datagrams of 20 bytes."""


async def run(path: Path) -> NatHairpin:
    """Learn both public addresses, then send from each socket to the other."""
    began = path.now()
    try:
        with await open_socket(path) as one, await open_socket(path) as other:
            targets = await _targets(path, one, other)
            if isinstance(targets, str):
                return _result(path, began, None, untested=targets)
            return await _test(path, began, (one, other), targets)
    except OSError as error:
        return _result(path, began, None, untested=f"this computer: {error.strerror}")


async def _targets(
    path: Path, one: BindingSocket, other: BindingSocket
) -> tuple[Endpoint, Endpoint] | str:
    """The public addresses of the sockets, or why none may be sent to."""
    assert path.stun is not None
    destinations = [Endpoint(*d) for d in path.stun.destinations]
    if len(destinations) < 2:
        return "only one server port is there to tell the public address"
    # Another address tells more than another port, and two witnesses are enough.
    witnesses = (destinations[0], destinations[-1])
    asked = await asyncio.gather(*(ask(path, s, to) for s in (one, other) for to in witnesses))
    ours, ours_too, theirs, theirs_too = (a.mapped for a in asked)
    if ours is None or ours_too is None or theirs is None or theirs_too is None:
        return "the public address was not learned"
    if ours.address != ours_too.address or theirs.address != theirs_too.address:
        return "one socket has several public addresses"
    if untranslated(one.local, ours):
        return "no address is translated"
    for target in (ours, theirs):
        if target.port == 0 or not may_be_ours(target.address, path.stun.address):
            return f"the server names {target}, which cannot be a public address of ours"
    return ours, theirs


def may_be_ours(address: str, server: str) -> bool:
    """Whether ``address``, as ``server`` names it, can be a public one of ours, and so be sent
    to: a server out on the Internet sees no private address, one that is not on this computer
    none of its own, and nobody sees a group of computers."""
    ip, here = ipaddress.ip_address(address), ipaddress.ip_address(server)
    if ip.is_multicast or ip.is_unspecified or address == "255.255.255.255":
        return False
    if (ip.is_loopback and not here.is_loopback) or (ip.is_link_local and not here.is_link_local):
        return False
    return ip.is_global or not here.is_global


async def _test(
    path: Path,
    began: float,
    sockets: tuple[BindingSocket, BindingSocket],
    targets: tuple[Endpoint, Endpoint],
) -> NatHairpin:
    """``targets`` are the public addresses of ``sockets``.  A third socket shows that the way
    out is alive meanwhile: the two do not get as far as the server any more."""
    assert path.stun is not None
    server = Endpoint(path.stun.address, path.stun.port)
    one, other = sockets
    for sock in sockets:
        sock.set_hop_limit(HOP_LIMIT)
    turns = itertools.cycle(((one, targets[1], other), (other, targets[0], one)))

    def tell() -> Question:
        sender, to, receiver = next(turns)
        return sender.tell(to, heard_by=receiver)

    with await open_socket(path) as witness:
        result = await interleave(path, tell, lambda: witness.ask(server), tries_max=PACKETS_MAX)
    source = result.answered.source if result.answered else None
    return _result(
        path,
        began,
        str(targets[0]),
        attempts=result.attempts,
        heard=sum(a.outcome == "answered" for a in result.attempts),
        source=str(source) if source else None,
    )


def _result(
    path: Path,
    began: float,
    target: str | None,
    *,
    attempts: tuple[Attempt, ...] = (),
    heard: int = 0,
    source: str | None = None,
    untested: str = "",
) -> NatHairpin:
    return NatHairpin(
        id="nat-hairpin",
        at_s=began,
        took_s=round(path.now() - began, 4),
        target=target,
        attempts=attempts,
        heard=heard,
        source=source,
        hop_limit=HOP_LIMIT,
        untested=untested,
    )

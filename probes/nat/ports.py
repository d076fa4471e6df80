"""Which ports and public addresses does a NAT choose?  (RFC 4787 sections 4.1 and 4.2)

Many sockets ask one destination: pairs of an even port and the next, as RTP and RTCP have
them.  Their packets leave one after the other, and half of the pairs send from the odd port
first, so that a NAT which merely counts up looks neither contiguous nor like one that keeps
the parity.
"""

from __future__ import annotations

import asyncio
import random

from probes.binding import BindingSocket, ask, open_socket
from probes.observation import NatPorts, PortSeen
from probes.path import Path
from probes.wire.frame import Endpoint

PAIRS = 10
"""Twenty ports that all have the parity they should by chance: once in a million times."""

_LOWEST, _HIGHEST = 49152, 65534
"""Even ports of the dynamic range (RFC 6335 section 6): nothing else is at home there."""

_BINDS_MAX = 4 * PAIRS
"""Some of these ports are always taken; on a computer where most are, fewer pairs do."""


async def run(path: Path) -> NatPorts:
    """Ask from all sockets at once."""
    assert path.stun is not None
    began = path.now()
    to = Endpoint(path.stun.address, path.stun.port)
    sockets: list[BindingSocket] = []
    try:
        await _open(path, sockets)
        asked = await asyncio.gather(*(ask(path, sock, to) for sock in sockets))
    finally:
        for sock in sockets:
            sock.close()
    return NatPorts(
        id="nat-ports-udp",
        at_s=began,
        took_s=round(path.now() - began, 4),
        transport="udp",
        destination=str(to),
        sockets=tuple(
            PortSeen(local=str(sock.local), mapped=str(one.mapped) if one.mapped else None)
            for sock, one in zip(sockets, asked, strict=True)
        ),
    )


async def _open(path: Path, sockets: list[BindingSocket]) -> None:
    """Fill ``sockets``, in the order in which they are to send."""
    for _ in range(_BINDS_MAX):
        if len(sockets) == 2 * PAIRS:
            return
        even = random.randrange(_LOWEST, _HIGHEST, 2)
        odd_first = len(sockets) % 4 != 0
        try:
            one = await open_socket(path, even + odd_first)
        except OSError:
            continue
        try:
            other = await open_socket(path, even + (not odd_first))
        except OSError:
            one.close()
            continue
        except BaseException:
            one.close()
            raise
        sockets += (one, other)

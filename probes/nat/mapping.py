"""Does one socket look the same to everybody?  (RFC 4787 section 4.1, RFC 5780 section 4.3)

The socket asks ordinary requests only, of every destination at once.  No other probe may use
it, nor its port: once a server has sent to it from where it had not sent to, a NAT may hold a
half-open entry for just that pair, and give the next packet there another port.
"""

from __future__ import annotations

import asyncio

from probes.attempts import classify
from probes.binding import BindingSocket, ask, open_socket
from probes.observation import Attempt, Mapped, NatMapping
from probes.path import Path
from probes.wire.frame import Endpoint


async def run(path: Path) -> NatMapping:
    """Ask every destination of ``path.stun`` from one socket."""
    assert path.stun is not None
    began = path.now()
    destinations = [Endpoint(*d) for d in path.stun.destinations]
    local = ""
    seen: tuple[Mapped, ...]
    try:
        with await open_socket(path) as sock:
            local = str(sock.local)
            seen = tuple(await asyncio.gather(*(_seen(path, sock, to) for to in destinations)))
    except OSError as error:
        outcome, detail = classify(error)
        failed = (Attempt(at_s=began, outcome=outcome, detail=detail),)
        seen = tuple(Mapped(destination=str(to), attempts=failed) for to in destinations)
    return NatMapping(
        id="nat-mapping-udp",
        at_s=began,
        took_s=round(path.now() - began, 4),
        transport="udp",
        local=local,
        seen=seen,
    )


async def _seen(path: Path, sock: BindingSocket, to: Endpoint) -> Mapped:
    asked = await ask(path, sock, to)
    message = asked.message
    xored = message.xor_mapped_address if message else None
    plain = message.mapped_address if message else None
    return Mapped(
        destination=str(to),
        attempts=asked.attempts,
        xored=str(xored) if xored else None,
        plain=str(plain) if plain else None,
    )

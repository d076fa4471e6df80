"""Whether ICMP errors about our datagrams find their way back (RFC 5508 section 4, REQ-3).

A datagram to a port that the server does not serve makes its system answer "port unreachable",
unless a firewall there is silent; so silence says nothing.
"""

from __future__ import annotations

import asyncio
import secrets

from probes import hop_errors
from probes.attempts import Try
from probes.hop_errors import Datagrams, Reaction
from probes.observation import IcmpErrors
from probes.path import Path
from probes.wire.frame import Endpoint

FIRST_PORT, LAST_PORT = 33434, 33533
"""Where traceroute has always sent: nothing listens there, and nobody wonders."""

TRIES_MAX = 6
"""Where every fifth round trip is lost, all of them are once in ten thousand times; more tries
only ask a silent firewall."""


async def run(path: Path, port: int | None = None) -> IcmpErrors:
    """Send to UDP ``port`` of the server's, which it must not serve; or to any such one."""
    began = path.now()
    port = port or FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT + 1)
    untested = "" if hop_errors.available() else hop_errors.UNAVAILABLE
    tries: list[Try] = []
    if not untested:
        try:
            tries = await _ask(path, port)
        except OSError as error:
            untested = f"this computer: {error.strerror or error}"
    return IcmpErrors(
        id="icmp-errors",
        at_s=began,
        took_s=round(path.now() - began, 4),
        destination=str(Endpoint(path.server_address, port)),
        attempts=tuple(t.stated() for t in tries),
        untested=untested,
    )


async def _ask(path: Path, port: int) -> list[Try]:
    tries: list[Try] = []
    heard = asyncio.Event()

    def hear(reaction: Reaction) -> None:
        this = tries[-1]
        if reaction.kind == "answered":
            this.ended("foreign", "a datagram came from there")
        elif reaction.kind == "refused" and reaction.address == path.server_address:
            this.ended("refused", reaction.detail)
        elif reaction.kind == "local-error":
            this.ended("local-error", reaction.detail)
        else:
            this.ended("unreachable", f"{reaction.address}: {reaction.detail or reaction.kind}")
        heard.set()

    datagrams = await Datagrams.open(path.local_address, (path.server_address, port), hear)
    try:
        for attempt in range(TRIES_MAX):
            tries.append(Try(path.now()))
            datagrams.send(secrets.token_bytes(8))
            last = attempt == TRIES_MAX - 1
            wait_s = path.pace.patience_s if last else path.pace.gap_s(attempt)
            try:
                async with asyncio.timeout(wait_s):
                    await heard.wait()
                break
            except TimeoutError:
                continue
    finally:
        datagrams.close()
    return tries

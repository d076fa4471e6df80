"""First contact with a STUN server: is it there, how far away, and what does it offer?

Before all other probes of this folder, which need the round trip that this one measures.
"""

from __future__ import annotations

import msgspec

from probes.attempts import classify
from probes.binding import ask, open_socket, printable
from probes.observation import Attempt, StunSeen
from probes.path import Path
from probes.wire import stun
from probes.wire.frame import Endpoint

TRIES_MAX = 8
"""Where a fifth of all round trips is lost, eight are all lost once in 400 000 times.  Silence
means nothing here yet, so there is no use in more."""


async def look(path: Path) -> StunSeen:
    """Ask the first port of ``path.stun``.  The round trip goes into ``path.pace``, and a second
    port that the server names into ``path.stun``: it belongs to an address that the user
    named.  An address that the server names is noted, and not sent to."""
    assert path.stun is not None
    server = path.stun
    began = path.now()
    to = Endpoint(server.address, server.port)
    attempts: tuple[Attempt, ...]
    message: stun.Message | None = None
    rtt_s: float | None = None
    try:
        with await open_socket(path, connected_to=to) as sock:
            asked = await ask(path, sock, to, most=TRIES_MAX)
            attempts, message, rtt_s = asked.attempts, asked.message, asked.rtt_s
    except OSError as error:
        outcome, detail = classify(error)
        attempts = (Attempt(at_s=began, outcome=outcome, detail=detail),)
    if rtt_s is not None:
        path.pace = path.pace.measured(rtt_s)
    other = named_other(message)
    if other and server.other_port is None and other.port not in (0, server.port):
        path.stun = msgspec.structs.replace(server, other_port=other.port)
    return StunSeen(
        id="stun",
        at_s=began,
        took_s=round(path.now() - began, 4),
        server=str(to),
        attempts=attempts,
        rtt_ms=round(rtt_s * 1000, 2) if rtt_s is not None else None,
        software=printable((message and message.software) or ""),
        other_address=str(other) if other else None,
        other_used=other is not None and other.address == server.other_address,
        classic=message is not None and _speaks_rfc_3489(message),
    )


def named_other(message: stun.Message | None) -> Endpoint | None:
    """The other address and port that a server says it has: OTHER-ADDRESS (RFC 5780 section
    7.4) or CHANGED-ADDRESS (RFC 3489 section 11.2.3)."""
    return (message.other_address or message.changed_address) if message else None


def _speaks_rfc_3489(message: stun.Message) -> bool:
    """Such a server returns our cookie as a part of the transaction; what it adds gives it
    away."""
    modern = message.response_origin or message.other_address
    return modern is None and (message.changed_address or message.source_address) is not None

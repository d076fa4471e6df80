"""Whose packets does a mapping let in?  (RFC 4787 section 5, RFC 5780 section 4.4)

The server is asked to answer from where the socket has never sent to.  Each of the two
questions has a socket of its own, which never sends anywhere but to the one address and port
that it began with, and no other probe uses it: after an unasked packet a NAT may hold an
entry that lets the next one in, or that gives a packet to there another port.
"""

from __future__ import annotations

import asyncio
from typing import Literal

from probes.binding import Question, ask, open_socket, refusal
from probes.interleaved import interleave
from probes.observation import NatFiltering, Unasked
from probes.path import Path
from probes.wire.frame import Endpoint
from probes.wire.stun import Message

Source = Literal["other-port", "other-address"]


async def run(path: Path) -> NatFiltering:
    """Both questions at once.  Silence from the other source counts only beside answers from
    the known one in the same moments, and only beyond what loss explains."""
    began = path.now()
    port, address = await asyncio.gather(_test(path, "other-port"), _test(path, "other-address"))
    return NatFiltering(
        id="nat-filtering-udp",
        at_s=began,
        took_s=round(path.now() - began, 4),
        transport="udp",
        local=port[0] or address[0],
        mapped=port[1] or address[1],
        tests=(port[2], address[2]),
    )


async def _test(path: Path, source: Source) -> tuple[str, str | None, Unasked]:
    """The socket's own address, its mapped one, and what was found."""
    assert path.stun is not None
    to = Endpoint(path.stun.address, path.stun.port)
    try:
        sock = await open_socket(path)
    except OSError as error:
        untested = f"this computer: {error.strerror}"
        return "", None, Unasked(source=source, untested=untested)
    with sock:
        first = await ask(path, sock, to)
        local, mapped = str(sock.local), str(first.mapped) if first.mapped else None
        missing = _missing(source, first.message, to)
        if missing:
            return local, mapped, Unasked(source=source, untested=missing)
        result = await interleave(
            path,
            lambda: sock.ask(to, change_ip=source == "other-address", change_port=True),
            lambda: sock.ask(to),
        )
    untested = _not_done(source, result.answered, to)
    return (
        local,
        mapped,
        Unasked(
            source=source,
            asked=len(result.attempts),
            heard=sum(a.outcome == "answered" for a in result.attempts) if not untested else 0,
            attempts=result.attempts,
            control_sent=result.controls,
            control_heard=result.controls_heard,
            untested=untested,
        ),
    )


def _missing(source: Source, message: Message | None, to: Endpoint) -> str:
    """Why this server cannot be asked, if so."""
    if message is None:
        return "the STUN server did not answer"
    other = message.other_address or message.changed_address
    if other is None:
        return "the STUN server has no second address"
    if source == "other-port" and other.port == to.port:
        return "the STUN server has no second port"
    if source == "other-address" and other.address == to.address:
        return "the STUN server names its own address as its second one"
    return ""


def _not_done(source: Source, answered: Question | None, to: Endpoint) -> str:
    """Why what came is no packet from the other source, if so."""
    if answered is None:
        return ""
    if answered.message is None or answered.source is None:
        return f"this computer: {answered.outcome[1]}"
    if answered.message.kind != "success":
        return f"the STUN server declines: {refusal(answered.message)}"
    came = answered.source
    if source == "other-address" and came.address == to.address:
        return "the STUN server did not answer from its second address"
    if source == "other-port" and (came.address != to.address or came.port == to.port):
        return "the STUN server did not answer from its second port"
    return ""

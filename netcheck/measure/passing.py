"""The protocols that carry the data of PPTP and of IPsec, beside the dialogues that begin them:
GRE while the call stands, with the numbers that its ends agreed on, ESP and AH after IKE."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection

from netcheck.measure.record import Record
from probes import raw_protocols
from probes.conversation import Meanwhile
from probes.editors.contract import Dialogue
from probes.exchange import Exchange
from probes.heard import read
from probes.session import Session
from probes.wire.raw_protocols import RawName

_BESIDE: dict[tuple[str, int], tuple[RawName, ...]] = {
    ("pptp", 1723): ("gre",),
    ("ipsec", 500): ("esp", "ah"),
}
_SPI_MIN = 256  # the smaller ones are reserved (RFC 4303 section 2.1)


def beside(
    session: Session, record: Record, dialogue: Dialogue, port: int, offered: Collection[RawName]
) -> Meanwhile | None:
    """What is to be tested while this dialogue stands, if anything is."""
    names = _BESIDE.get((dialogue.name, port))
    if names is None:
        return None

    async def one(exchange: Exchange, name: RawName) -> None:
        key, back = _call_id(dialogue, exchange), 0
        if name != "gre":
            key, back = _spi(), _spi()
        if key:
            found = await raw_protocols.ask(
                session, name, exchange.number, key=key, back=back, offered=name in offered
            )
        else:
            found = raw_protocols.untested(session, name, "the server gave its call no number")
        record.observe(found)

    async def meanwhile(exchange: Exchange) -> None:
        await asyncio.gather(*(one(exchange, name) for name in names))

    return meanwhile


def _spi() -> int:
    return _SPI_MIN + secrets.randbelow(2**32 - _SPI_MIN)


def _call_id(dialogue: Dialogue, exchange: Exchange) -> int:
    """The server's own, by which it knows the call's packets."""
    for data in exchange.arrived:
        reading = read(dialogue, data).reading
        for carried in reading.carried if reading else ():
            if carried.field == "Call ID" and carried.port:
                return carried.port
    return 0

"""Being found: an entry in a directory, by which the server knows where to call (facts N1, N8)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import msgspec

from probes import heard
from probes.editors.ldap import DIALOGUES
from probes.editors.ldap.messages import CALLS_PORT
from probes.path import cancelled_at_end
from probes.session import Session
from probes.speaking import Place, Speaking
from probes.wire import messages
from probes.wire.frame import Endpoint

LDAP = DIALOGUES[0]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """``where`` in the messages that arrived the address is, and ``target`` what it says;
    ``source`` is the address that the server saw it come from."""

    where: messages.Directory
    target: Endpoint
    source: str


@asynccontextmanager
async def registered(
    session: Session, ports: Iterable[int], server: str
) -> AsyncIterator[Entry | None]:
    """Register at one of the server's ``ports``, whichever is the first to tell where we are;
    None if none does.  The entry stands as long as this lasts: an editor may shut with the
    connection what it opened."""
    talks = [
        Speaking(
            session,
            Place(protocol=LDAP.name, dialogue=LDAP, port=port, aim="own-port", server=server),
            CALLS_PORT,
        )
        for port in ports
    ]
    tasks = {asyncio.create_task(talk.run()) for talk in talks}
    try:
        async with cancelled_at_end(tasks):
            waiting, found = set(tasks), None
            while waiting and found is None:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                found = next((e for e in map(_entry, talks) if e), None)
            yield found
    finally:
        for talk in talks:
            talk.close()


def _entry(talk: Speaking) -> Entry | None:
    """What the directory has in the end: the last that it was told."""
    for exchange in talk.exchanges:
        if not exchange.over:
            continue
        for said in reversed(exchange.overheard):
            reading = heard.read(LDAP, bytes.fromhex(said.data)).reading
            for place, carried in enumerate(reading.carried if reading else ()):
                if carried.field == "sipaddress" and carried.port == CALLS_PORT:
                    return Entry(
                        where=messages.Directory(overheard=said.index, carried=place),
                        target=Endpoint(carried.address, CALLS_PORT),
                        source=said.source.rpartition(":")[0],
                    )
    return None
